"""Kinds of operations, told by the shape of their graphs alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from engine.autograd.tape import Rows
from engine.script.kinds import Known, Recognised, ScalarGraph, formula, recognise

CONSTANT = -1.0  # the largest logit, taken off as a number


class Notes:
    """A graph while it is noted: parameters first, then what is made."""

    def __init__(self) -> None:
        self.ops: list[str] = []
        self.op: list[int] = []
        self.children: list[list[int]] = []
        self.extra: list[float] = []
        self.values: list[float] = []
        self.tensors: dict[str, Rows] = {}
        self.kinds: dict[str, str] = {}
        self.parameters: dict[str, Rows] = {}

    def row(self, op: str, children: Sequence[int], value: float = 0.0, extra: float = float("nan")) -> int:
        if op not in self.ops:
            self.ops.append(op)
        self.op.append(self.ops.index(op))
        self.children.append(list(children))
        self.extra.append(extra)
        self.values.append(value)
        return len(self.op) - 1

    def parameter(self, name: str, *shape: int) -> Any:
        rows = np.array([self.row("", []) for _ in range(int(np.prod(shape)))], dtype=np.int32).reshape(shape)
        self.parameters[name] = rows
        return scalars(self, rows)

    def vector(self, name: str, n: int, kind: str = "") -> list[Scalar]:
        """A named tensor that something unknown made."""
        seed = self.row("", [], 7.0)
        rows = np.array([self.row("make", [seed]) for _ in range(n)], dtype=np.int32)
        self.tensors[name], self.kinds[name] = rows, kind
        found: list[Scalar] = scalars(self, rows)
        return found

    def seen(self, made: Any) -> tuple[Recognised, str]:
        rows = np.array(rows_of(made), dtype=np.int32)
        n_params = sum(rows.size for rows in self.parameters.values())
        owners = {int(row): name for name, its in (self.tensors | self.parameters).items() for row in its.ravel()}
        counts = [len(each) for each in self.children]
        graph = ScalarGraph(
            self.ops, np.array(self.op), np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
            np.array([x for each in self.children for x in each], dtype=np.int32), np.array(self.extra),
            np.array(self.values), n_params, lambda row: owners.get(row, ""),
        )  # fmt: skip
        for rows_of_tensor in self.tensors.values():
            for row in rows_of_tensor.tolist():
                graph.named[row] = 1
        known = Known(
            lambda row: self.tensors.get(owners.get(row, "")),
            lambda row: self.kinds.get(owners.get(row, ""), ""),
            lambda row: (owners[row], self.parameters[owners[row]]) if row < n_params else None,
            int(rows.flat[0]),
        )
        return recognise(graph, rows, known), formula(graph, int(rows.flat[0]))


def scalars(notes: Notes, rows: Rows) -> Any:
    return Scalar(notes, int(rows)) if rows.ndim == 0 else [scalars(notes, each) for each in rows]


def rows_of(made: Any) -> Any:
    return made.row if isinstance(made, Scalar) else [rows_of(each) for each in made]


class Scalar:
    """Notes what is made of it, as an autograd class would."""

    def __init__(self, notes: Notes, row: int) -> None:
        self.notes, self.row = notes, row

    def make(self, op: str, *others: Any, extra: float = float("nan")) -> Scalar:
        rows = [x.row if isinstance(x, Scalar) else self.notes.row("", [], float(x)) for x in others]
        return Scalar(self.notes, self.notes.row(op, [self.row, *rows], extra=extra))

    def __add__(self, other: Any) -> Scalar:
        return self.make("__add__", other)

    def __mul__(self, other: Any) -> Scalar:
        return self.make("__mul__", other)

    def __pow__(self, exponent: float) -> Scalar:
        return self.make("__pow__", extra=exponent)

    def __neg__(self) -> Scalar:
        return self * -1

    def __radd__(self, other: Any) -> Scalar:
        return self + other

    def __rmul__(self, other: Any) -> Scalar:
        return self * other

    def __sub__(self, other: Any) -> Scalar:
        return self + (-other)

    def __truediv__(self, other: Any) -> Scalar:
        return self * other**-1

    def exp(self) -> Scalar:
        return self.make("exp")

    def log(self) -> Scalar:
        return self.make("log")

    def tanh(self) -> Scalar:
        return self.make("tanh")

    def relu(self) -> Scalar:
        return self.make("relu")


class Direct(Scalar):
    """A class whose differences, quotients and negatives are operations of their own."""

    def make(self, op: str, *others: Any, extra: float = float("nan")) -> Direct:
        return Direct(self.notes, super().make(op, *others, extra=extra).row)

    def __neg__(self) -> Scalar:
        return self.make("__neg__")

    def __sub__(self, other: Any) -> Scalar:
        return self.make("__sub__", other)

    def __truediv__(self, other: Any) -> Scalar:
        return self.make("__truediv__", other)


def direct(made: Any) -> Any:
    return Direct(made.notes, made.row) if isinstance(made, Scalar) else [direct(each) for each in made]


@pytest.mark.parametrize(
    "dot",
    [
        lambda w, x, b: sum(a * c for a, c in zip(w, x, strict=True)),
        lambda w, x, b: sum(c * a for a, c in zip(w, x, strict=True)),
        lambda w, x, b: sum((a * c for a, c in zip(w, x, strict=True)), b),
        lambda w, x, b: sum(a * c for a, c in zip(w, x, strict=True)) + b,
        lambda w, x, b: w[0] * x[0] + w[1] * x[1] + w[2] * x[2],
    ],
)
def test_linear(dot: Callable[..., Scalar]) -> None:
    notes = Notes()
    w, b, x = notes.parameter("w", 4, 3), notes.parameter("b", 4), notes.vector("x", 3)
    found, text = notes.seen([dot(w[i], x, b[i]) for i in range(4)])
    assert (found.kind, found.matrix) == ("linear", "w")
    assert np.array_equal(found.operands["w"], notes.parameters["w"])
    assert np.array_equal(found.operands["x"], notes.tensors["x"])
    assert "b" not in found.operands or np.array_equal(found.operands["b"], notes.parameters["b"])
    assert text in ("Σ w·x", "Σ x·w", "b + Σ w·x", "Σ w·x + b")


def test_linear_of_numbers_that_are_made_anew_for_every_row() -> None:
    notes = Notes()
    w = notes.parameter("w", 2, 2)
    found, _ = notes.seen([sum(a * c for a, c in zip(row, (0.5, 0.25), strict=True)) for row in w])
    assert (found.kind, found.operands["x"].shape) == ("linear", (2,))


def test_what_is_no_linear_layer() -> None:
    notes = Notes()
    w, x, y = notes.parameter("w", 2, 3), notes.vector("x", 3), notes.vector("y", 3)
    mixed = [sum(a * c for a, c in zip(w[0], x, strict=True)), sum(a * c for a, c in zip(w[1], y, strict=True))]
    assert notes.seen(mixed)[0].kind == "generic"
    assert notes.seen([sum(a * c * 2 for a, c in zip(row, x, strict=True)) for row in w])[0].kind == "generic"


@pytest.mark.parametrize("kind", [lambda x: x, direct])
@pytest.mark.parametrize("largest", [None, CONSTANT])
def test_softmax(kind: Callable[[Any], Any], largest: float | None) -> None:
    notes = Notes()
    x = kind(notes.vector("x", 4))
    exps = [(each if largest is None else each - largest).exp() for each in x]
    total: Any = sum(exps)
    found, _ = notes.seen([each / total for each in exps])
    assert found.kind == "softmax"
    assert np.array_equal(found.operands["logits"], notes.tensors["x"])
    assert found.parts["exp"].tolist() == [each.row for each in exps]
    assert int(found.parts["total"]) == total.row


def test_shares_of_other_sums_are_no_softmax() -> None:
    notes = Notes()
    exps = [each.exp() for each in notes.vector("x", 4)]
    total: Any = sum(exps[:3])
    assert notes.seen([each / total for each in exps])[0].kind == "generic"


@pytest.mark.parametrize("kind", [lambda x: x, direct])
@pytest.mark.parametrize("square", [lambda x: x * x, lambda x: x**2])
@pytest.mark.parametrize("root", [lambda ms: (ms + 1e-5) ** -0.5, lambda ms: ((ms + 1e-5) ** 0.5) ** -1])
def test_rmsnorm(kind: Callable[[Any], Any], square: Callable[[Any], Any], root: Callable[[Any], Any]) -> None:
    notes = Notes()
    x = kind(notes.vector("x", 4))
    mean_square = sum(square(each) for each in x) / 4
    scale = root(mean_square)
    found, _ = notes.seen([each * scale for each in x])
    assert found.kind == "rmsnorm"
    assert np.array_equal(found.operands["x"], notes.tensors["x"])
    assert (int(found.parts["mean_square"]), int(found.parts["scale"])) == (mean_square.row, scale.row)


def test_attention() -> None:
    notes = Notes()
    q, keys = notes.vector("q", 3), [notes.vector(f"k{t}", 3) for t in range(2)]
    found, text = notes.seen([sum(a * b for a, b in zip(q, k, strict=True)) / 3**0.5 for k in keys])
    assert (found.kind, text) == ("scores", "Σ q·k0·0.57735")
    assert np.array_equal(found.operands["q"], notes.tensors["q"])
    assert np.array_equal(found.operands["keys"], [notes.tensors["k0"], notes.tensors["k1"]])
    weights, values = notes.vector("weights", 2, "softmax"), [notes.vector(f"v{t}", 3) for t in range(2)]
    found, _ = notes.seen([sum(w * v[j] for w, v in zip(weights, values, strict=True)) for j in range(3)])
    assert found.kind == "weighted_sum"
    assert np.array_equal(found.operands["weights"], notes.tensors["weights"])
    assert np.array_equal(found.operands["values"], [notes.tensors["v0"], notes.tensors["v1"]])


def test_what_is_no_attention() -> None:
    notes = Notes()
    q, k = notes.vector("q", 3), notes.vector("k", 3)
    assert notes.seen([sum(a * b for a, b in zip(q, k, strict=True))])[0].kind == "generic"
    assert notes.seen([sum(a * b for a, b in zip(q, k, strict=True)) * 0.7])[0].kind == "generic"
    gates = notes.vector("gates", 2, "softmax")
    assert notes.seen([gates[1] * each for each in k])[0].kind == "generic"


def test_a_relu_that_lets_something_through_is_none() -> None:
    notes = Notes()
    x = notes.vector("x", 2)
    made = [each.relu() for each in x]
    notes.values[x[0].row], notes.values[made[0].row] = -1.0, -0.1
    assert notes.seen(made)[0].kind == "generic"


def test_embedding_and_addition() -> None:
    notes = Notes()
    wte, wpe = notes.parameter("wte", 3, 2), notes.parameter("wpe", 4, 2)
    x = notes.vector("x", 2)
    y = [(each * 3).tanh() for each in x]
    notes.tensors["y"] = np.array(rows_of(y), dtype=np.int32)
    found, _ = notes.seen([t + p for t, p in zip(wte[1], wpe[3], strict=True)])
    assert found.kind == "embed"
    assert np.array_equal(found.operands["token"], notes.parameters["wte"][1])
    assert np.array_equal(found.operands["position"], notes.parameters["wpe"][3])
    for made in ([a + b for a, b in zip(y, x, strict=True)], [a + b for a, b in zip(x, y, strict=True)]):
        found, _ = notes.seen(made)
        assert found.kind == "add"
        assert np.array_equal(found.operands["x_residual"], notes.tensors["x"])  # y was made from it
    z = notes.vector("z", 2)
    assert notes.seen([a + b for a, b in zip(z, x, strict=True)])[0].kind == "generic"
    assert notes.seen([a + b * 2 for a, b in zip(x, y, strict=True)])[0].kind == "generic"


def test_one_function_of_every_element() -> None:
    notes = Notes()
    x = notes.vector("x", 3)
    for name in ("relu", "tanh", "exp"):
        found, text = notes.seen([getattr(each, name)() for each in x])
        assert (found.kind, text) == (name, f"{name}(x)")
        assert np.array_equal(found.operands["x"], notes.tensors["x"])


@pytest.mark.parametrize("kind", [lambda x: x, direct])
def test_losses(kind: Callable[[Any], Any]) -> None:
    notes = Notes()
    probs, losses = kind(notes.vector("probs", 5, "softmax")), kind(notes.vector("losses", 4))
    found, text = notes.seen(-probs[3].log())
    assert (found.kind, text) == ("nll", "-log(probs)")
    assert np.array_equal(found.operands["probs"], notes.tensors["probs"])
    for made in ((1 / 4) * sum(losses), sum(losses) / 4):
        found, _ = notes.seen(made)
        assert found.kind == "mean"
        assert np.array_equal(found.operands["losses"], notes.tensors["losses"])
    assert notes.seen((1 / 3) * sum(losses))[0].kind == "generic"


def test_a_formula_of_what_has_no_name() -> None:
    notes = Notes()
    x = notes.vector("x", 3)
    found, text = notes.seen([0.5 * a * ((0.8 * (a + 0.04 * a**3)).tanh() + 1) for a in x])
    assert found.kind == "generic"
    assert list(found.operands) == ["x"]
    assert text == "x·0.5·(tanh((x + x³·0.04)·0.8) + 1)"


def test_a_formula_of_shared_parts_ends() -> None:
    notes = Notes()
    (x,) = notes.vector("x", 1)
    for _ in range(60):
        x = (x * x + x).tanh()
    found, text = notes.seen(x)
    assert found.kind == "generic"
    assert "…" in text
    assert len(text) <= 100
