"""`TensorSpec`: what a tensor or a parameter matrix of a model is, derived from the recorded model.

A tensor that is added to the model is known wherever tensors are: in conditions, breakpoints, changes, panes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from engine.autograd.tape import Rows, Tensor
from engine.immutable import immutable

PARAMETER = "parameter"


@immutable
class TensorSpec:
    """A tensor or a parameter matrix by its name, at all positions.

    `places` are the layer and the head that say which one it is, with how many there are; `shape` is its shape beyond
    them. `kind` is the operation that makes it, or "parameter"; `inputs` name the tensors and matrices it is made of.
    `tokens`: its first dimension counts tokens. `grows`: it has one element for each position so far, and `shape` is
    the longest. `layer` is that of the tensors that a matrix is used for; None if it is used in no layer or in several,
    and for tensors. `positions`: there is one of it at every position; else it is one alone.
    """

    name: str
    places: dict[str, int]
    shape: tuple[int, ...]
    kind: str
    inputs: tuple[str, ...] = ()
    tokens: bool = False
    grows: bool = False
    layer: int | None = None
    positions: bool = True

    @property
    def parameter(self) -> bool:
        """Whether it is a parameter matrix."""
        return self.kind == PARAMETER


def tensor_specs(
    shapes: Mapping[str, tuple[int, int]],
    matrices: Mapping[str, Rows],
    positions: Sequence[Sequence[Tensor]],
    block_size: int,
) -> dict[str, TensorSpec]:
    """The specs of a model, by name: tensors in the order in which they are made, then matrices.

    `shapes` and `block_size` are the model's; `matrices` and `positions` were recorded, of the positions two at most
    are looked at, so what depends on block_size may be smaller there.
    """
    first, second = positions[0], positions[min(1, len(positions) - 1)]
    owners = _Owners(matrices, [*first, *second])
    tokens = _token_indexed(matrices, first, owners)
    found: dict[str, TensorSpec] = {}
    for name in dict.fromkeys(tensor.name for tensor in first):
        own, later = ([t for t in tensors if t.name == name] for tensors in (first, second))
        grows = len(later[0].rows) > len(own[0].rows)
        operands = [rows for tensor in own for rows in tensor.operation.operands.values()]
        found[name] = TensorSpec(
            name,
            {what: max(numbers) + 1 for what, numbers in _places(own).items() if numbers},
            (block_size,) if grows else own[0].shape,
            own[0].operation.kind,
            tuple(dict.fromkeys(owner for rows in operands for owner in owners.of(rows))),
            name in tokens,
            grows,
        )
    used = {name: {tensor.layer for tensor in first if tensor.operation.matrix == name} for name in shapes}
    layers = {name: next(iter(its)) if len(its) == 1 else None for name, its in used.items()}
    return found | {
        name: TensorSpec(name, {}, shape, PARAMETER, tokens=name in tokens, layer=layers[name])
        for name, shape in shapes.items()
    }


@immutable
class AttentionNames:
    """The names of the tensors that attention works on: query, key and value of a position, and a head's weights."""

    query: str
    key: str
    value: str
    weights: str


def attention_names(specs: Mapping[str, TensorSpec]) -> AttentionNames | None:
    """What a model calls the operands of its `scores` and its `weighted_sum`; None if it has no heads in layers."""
    found = {spec.kind: spec.inputs for spec in specs.values() if spec.places.keys() >= {"layer", "head"}}
    if not found.keys() >= {"scores", "weighted_sum"}:
        return None
    (query, *keys), (weights, *values) = found["scores"], found["weighted_sum"]
    return AttentionNames(query, (keys or [query])[-1], (values or [weights])[-1], weights)


def _places(tensors: Sequence[Tensor]) -> dict[str, list[int]]:
    return {
        "layer": [t.layer for t in tensors if t.layer is not None],
        "head": [t.head for t in tensors if t.head is not None],
    }


class _Owners:
    """Which tensor or matrix each row is an element of."""

    def __init__(self, matrices: Mapping[str, Rows], tensors: Sequence[Tensor]) -> None:
        named = [*matrices.items(), *((tensor.name, tensor.rows) for tensor in tensors)]
        self._names = [name for name, _ in named]
        self._number = np.full(max(tensor.last for tensor in tensors), -1, dtype=np.int32)  # -1: of none
        for number, (_, rows) in enumerate(named):
            self._number[rows] = number

    def of(self, rows: Rows) -> list[str]:
        """The names of those that some rows are elements of, in order, each once."""
        numbers = self._number[rows.ravel()]
        _, first = np.unique(numbers, return_index=True)
        found = numbers[np.sort(first)].tolist()
        return list(dict.fromkeys(self._names[number] for number in found if number >= 0))


def _token_indexed(matrices: Mapping[str, Rows], tensors: Sequence[Tensor], owners: _Owners) -> set[str]:
    """The tensors and matrices whose first dimension counts tokens.

    The probabilities that `nll` picks from are, and the matrix that `embed` takes a token's row of. From these on back:
    what an element-wise operation makes them from, and a matrix with a row for each of their elements.
    """
    found: set[str] = set()
    for tensor in reversed(tensors):
        operation = tensor.operation
        operands = operation.operands
        if operation.kind == "nll":
            found.update(owners.of(operands["probs"]))
        elif operation.kind == "embed":
            found.update(owners.of(operands["token"]))
        elif tensor.name in found and operation.matrix is None:
            same = [rows for rows in operands.values() if rows.shape == tensor.rows.shape]
            found.update(name for rows in same for name in owners.of(rows))
        elif tensor.name in found and operation.matrix and len(matrices[operation.matrix]) == np.size(tensor.rows):
            found.add(operation.matrix)
    return found
