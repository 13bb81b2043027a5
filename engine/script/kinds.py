"""Recognises what an operation is by the shape of its graph: linear, softmax, rmsnorm, ...; else gives a formula.

Knows nothing of names but those that a `ScalarGraph` is given: it looks at what is made from what.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.autograd.tape import Rows
from engine.immutable import immutable, immutable_by_identity

GENERIC = "generic"
DRAWN = ("embed", "rmsnorm", "linear", "scores", "softmax", "weighted_sum", "add", "relu", "nll", "mean", "parameter")
"""Kinds with a drawing and texts that say what they are: nothing else is called so."""
EPSILON = 1e-5  # what keeps rmsnorm from dividing by zero
LONGEST_FORMULA = 100  # characters
DEEPEST_FORMULA = 40  # levels of the graph
MOST_WRITTEN = 200  # scalars in a formula; those that several others use may stand in it many times
MOST_TERMS = 100_000
SIGNS = {
    "__add__": "+", "__radd__": "+", "__iadd__": "+", "__mul__": "*", "__rmul__": "*", "__imul__": "*",
    "__sub__": "-", "__rsub__": "r-", "__neg__": "neg", "__truediv__": "/", "__rtruediv__": "r/",
    "__pow__": "^", "__rpow__": "r^",
}  # fmt: skip
"""The operation that a method of a scalar class makes; every other method is called as it is."""


class ScalarGraph:
    """The scalars of one step as lists to walk in: operations, operands, values.

    `ops` are the names of methods, which `op` counts in. `exponents` are operands that are plain numbers, nan where a
    row has none. `name_of` says which named tensor or parameter a row belongs to, "" for none.
    """

    def __init__(
        self,
        ops: Sequence[str],
        op: npt.NDArray[np.integer],
        child_start: Rows,
        child: Rows,
        exponents: npt.NDArray[np.float64],
        values: npt.NDArray[np.float64],
        n_params: int,
        name_of: Callable[[int], str],
    ) -> None:
        self._signs = [SIGNS.get(name, name) for name in ops]
        self._op, self._start, self._child = (_plain(a, "i") for a in (op, child_start, child))
        self._exponents, self._values = (_plain(a, "d") for a in (exponents, values))
        self.n_params, self.name_of = n_params, name_of
        self.named = bytearray(len(op))  # rows at which an operation ends: elements of named tensors

    def sign(self, row: int) -> str:
        """What makes a row: + * - / ^ neg, or the name of the method; "" for parameters and plain numbers."""
        return self._signs[self._op[row]] if self._start[row + 1] > self._start[row] else ""

    def children(self, row: int) -> list[int]:
        """The operands of a row."""
        found: list[int] = self._child[self._start[row] : self._start[row + 1]].tolist()
        return found

    def exponent(self, row: int) -> float | None:
        """The operand of a row that is a plain number and no scalar; None without such."""
        value = self._exponents[row]
        return None if value != value else value  # noqa: PLR0124  nan is not equal to itself

    def value(self, row: int) -> float:
        """The value of a row, as it was made."""
        return float(self._values[row])

    def constant(self, row: int) -> float | None:
        """The value of a plain number; None for parameters and what is computed."""
        own = row >= self.n_params and self._start[row + 1] == self._start[row]
        return self._values[row] if own else None

    def ends(self, row: int) -> bool:
        """Whether an operation does not look behind this row: a parameter, a plain number, an element of a tensor."""
        return bool(self.named[row]) or self._start[row + 1] == self._start[row]

    def pair(self, row: int, sign: str) -> tuple[int, int] | None:
        """The two operands of a row that `sign` makes; None for every other row."""
        if self.sign(row) != sign:
            return None
        kids = self.children(row)
        return (kids[0], kids[1]) if len(kids) == 2 else None

    def terms(self, row: int) -> list[int]:
        """What a sum adds up, in order; zeros, with which `sum()` begins, are left out."""
        found, waiting = list[int](), [row]
        while waiting and len(found) < MOST_TERMS:
            at = waiting.pop()
            kids = self.pair(at, "+") if at == row or not self.ends(at) else None
            if kids is None:
                found.append(at)
            else:
                waiting += [kids[1], kids[0]]
        return [at for at in found if self.constant(at) != 0.0]

    def scaled(self, row: int) -> tuple[int, float] | None:
        """What is multiplied by or divided by a plain number, and the number as a factor; None for all others."""
        kids = self.pair(row, "*")
        if kids is not None:
            for one, other in (kids, kids[::-1]):
                factor = self.factor(other)
                if factor is not None:
                    return one, factor
            return None
        kids = self.pair(row, "/")
        if kids is not None and (divisor := self.constant(kids[1])):
            return kids[0], 1 / divisor
        exponent = self.exponent(row)
        if self.sign(row) in ("*", "/") and exponent and len(self.children(row)) == 1:
            return self.children(row)[0], exponent if self.sign(row) == "*" else 1 / exponent
        return None

    def factor(self, row: int) -> float | None:
        """The value of a plain number, or of a power of one that is made only for this operation."""
        value = self.constant(row)
        if value is not None or self.ends(row):
            return value
        power = self.power(row)
        base = None if power is None else self.constant(power[0])
        return None if power is None or not base or base < 0 else float(base ** power[1])

    def power(self, row: int) -> tuple[int, float] | None:
        """The base and the exponent of a power whose exponent is a plain number; None for all others."""
        if self.sign(row) == "sqrt":
            return self.children(row)[0], 0.5
        if self.sign(row) != "^":
            return None
        kids, exponent = self.children(row), self.exponent(row)
        if exponent is None and len(kids) == 2:
            exponent = self.constant(kids[1])
        return None if exponent is None else (kids[0], exponent)

    def quotient(self, row: int) -> tuple[int, int] | None:
        """What is divided by what: by a division, or a product with a power of -1."""
        kids = self.pair(row, "/")
        if kids is not None:
            return kids
        kids = self.pair(row, "*")
        if kids is None or self.ends(kids[1]):
            return None
        power = self.power(kids[1])
        return None if power is None or power[1] != -1 else (kids[0], power[0])


def _plain(values: Any, code: str) -> Any:
    """An array that is read faster, number by number, than numpy's own."""
    return memoryview(np.ascontiguousarray(values, dtype=code)).cast("B").cast(code)  # type: ignore[arg-type, call-overload]


@immutable_by_identity
class Recognised:
    """What an operation is: its kind, what it works on, what it makes on the way, the parameter it multiplies by.

    Kinds that are drawn have the operands of the built-in model's.
    """

    kind: str
    operands: dict[str, Rows] = field(default_factory=dict)
    parts: dict[str, Rows] = field(default_factory=dict)
    matrix: str | None = None


@immutable
class Known:
    """What is known of the other tensors of the step."""

    holder: Callable[[int], Rows | None]  # the rows of the tensor or parameter that a row is an element of
    kind: Callable[[int], str]  # the kind of the tensor that a row is an element of
    parameter: Callable[[int], tuple[str, Rows] | None]  # the parameter of a row, and its rows
    loss: int  # the row of the loss


def recognise(graph: ScalarGraph, rows: Rows, known: Known, left: bool | None = None) -> Recognised:
    """What made a tensor of these rows, of shape () or (n,) or more.

    `left` says of products of two tensors which factor all elements share, where one element alone cannot tell.
    """
    flat = rows.ravel().tolist()
    found = None
    for look in (_softmax, _rmsnorm, _embed, _linear):
        found = found or look(graph, flat, known)
    found = found or _product(graph, flat, known, left) or _add(graph, flat) or _unary(graph, flat)
    if rows.size == 1:
        found = _nll(graph, flat[0], known) or found or _mean(graph, flat[0], known)
    if found is None:
        found = Recognised(GENERIC, operands_of(graph, flat, known))
    return found


def _rows(values: Sequence[int] | Sequence[list[int]] | int) -> Rows:
    return np.array(values, dtype=np.int32)


def _softmax(graph: ScalarGraph, rows: list[int], known: Known) -> Recognised | None:
    """exp(x - c) over the sum of all of them; c a plain number, the largest of them, or none."""
    del known
    exps, logits, total = [], [], -1
    for row in rows:
        parts = graph.quotient(row)
        if parts is None or graph.ends(parts[0]) or graph.ends(parts[1]) or graph.sign(parts[0]) != "exp":
            return None
        if total not in (-1, parts[1]):
            return None
        total = parts[1]
        exps.append(parts[0])
        logits.append(_without_largest(graph, graph.children(parts[0])[0]))
    if graph.terms(total) != exps:
        return None
    return Recognised("softmax", {"logits": _rows(logits)}, {"exp": _rows(exps), "total": _rows(total)})


def _without_largest(graph: ScalarGraph, row: int) -> int:
    """What a number is taken off from, if that is what makes a row; else the row itself."""
    if graph.ends(row):
        return row
    if graph.sign(row) == "-" and (graph.exponent(row) is not None or len(graph.children(row)) == 2):
        return graph.children(row)[0]
    kids = graph.pair(row, "+")
    if kids is None:
        return graph.children(row)[0] if graph.sign(row) == "+" and graph.exponent(row) is not None else row
    taken = kids[1]
    if graph.constant(taken) is not None or (not graph.ends(taken) and _negated(graph, taken) is not None):
        return kids[0]
    return row


def _negated(graph: ScalarGraph, row: int) -> int | None:
    """What a row is the negative of; None if it is none."""
    if graph.sign(row) == "neg":
        return graph.children(row)[0]
    scaled = graph.scaled(row)
    return None if scaled is None or scaled[1] != -1.0 else scaled[0]


def _rmsnorm(graph: ScalarGraph, rows: list[int], known: Known) -> Recognised | None:
    """Every element times the same power -1/2 of their mean square."""
    del known
    pairs = [graph.pair(row, "*") or graph.quotient(row) for row in rows]
    whole = [pair for pair in pairs if pair is not None]
    if len(whole) != len(rows) or len(rows) < 2:
        return None
    scale = next((x for x in whole[0] if whole[1] and x in whole[1] and not graph.ends(x)), None)
    if scale is None or any(scale not in pair for pair in whole):
        return None
    x = [pair[0] if pair[1] == scale else pair[1] for pair in whole]
    square = scale
    while (power := None if graph.ends(square) else graph.power(square)) is not None:
        square = power[0]
    if square == scale:
        return None
    found = [term for term in graph.terms(square) if graph.constant(term) is None]
    if [graph.constant(term) for term in graph.terms(square) if term not in found] != [EPSILON]:
        return None
    mean = found[0] if len(found) == 1 else square
    scaled = graph.scaled(mean)
    if scaled is None or graph.ends(mean) or scaled[1] != 1 / len(x):
        return None
    squares = []
    for term in graph.terms(scaled[0]):
        own = graph.pair(term, "*")
        power = graph.power(term)
        squares.append(own[0] if own and own[0] == own[1] else power[0] if power and power[1] == 2 else -1)
    if squares != x:
        return None
    return Recognised("rmsnorm", {"x": _rows(x)}, {"mean_square": _rows(mean), "scale": _rows(scale)})


def _embed(graph: ScalarGraph, rows: list[int], known: Known) -> Recognised | None:
    """A row of one parameter plus a row of another."""
    pairs = [graph.pair(row, "+") for row in rows]
    whole = [pair for pair in pairs if pair is not None and max(pair) < graph.n_params]
    if len(whole) != len(rows):
        return None
    token, position = (_rows([pair[side] for pair in whole]) for side in (0, 1))
    for side in (token, position):
        found = known.parameter(int(side[0]))
        if found is None or found[1].ndim != 2 or not (found[1] == side).all(axis=-1).any():
            return None
    return Recognised("embed", {"token": token, "position": position})


@immutable
class _Products:
    """Elements that are sums of products: the factors of each, its bias if it has one, and what all are scaled by."""

    left: list[list[int]]
    right: list[list[int]]
    bias: list[int]
    scale: float | None


def _sums_of_products(graph: ScalarGraph, rows: list[int], biased: bool) -> _Products | None:
    left: list[list[int]] = []
    right: list[list[int]] = []
    bias: list[int] = []
    factors: set[float | None] = set()
    for row in rows:
        scaled = None if biased else graph.scaled(row)
        if scaled is not None and not graph.ends(scaled[0]):
            row = scaled[0]  # noqa: PLW2901
            factors.add(scaled[1])
        else:
            factors.add(None)
        a, b = [], []
        for term in graph.terms(row):
            pair = graph.pair(term, "*") if term == row or not graph.ends(term) else None
            if pair is not None:
                a.append(pair[0])
                b.append(pair[1])
            elif biased and term < graph.n_params and len(bias) == len(left):
                bias.append(term)
            else:
                return None
        left.append(a)
        right.append(b)
    widths = {len(a) for a in left}
    if len(widths) != 1 or 0 in widths or len(factors) != 1 or len(bias) not in (0, len(rows)):
        return None
    return _Products(left, right, bias, factors.pop())


def _same(graph: ScalarGraph, vectors: list[list[int]]) -> bool:
    """Whether all of these are the same scalars, or plain numbers of the same values."""
    first = vectors[0]
    if all(vector == first for vector in vectors):
        return True
    numbers = [graph.constant(row) for row in first]
    return None not in numbers and all([graph.constant(row) for row in vector] == numbers for vector in vectors)


def _linear(graph: ScalarGraph, rows: list[int], known: Known) -> Recognised | None:
    """Rows of a parameter times one vector, one product sum an element; perhaps with a bias."""
    if graph.sign(rows[0]) not in ("+", "*"):
        return None
    sums = _sums_of_products(graph, rows, biased=True)
    if sums is None:
        return None
    for weights, x in ((sums.left, sums.right), (sums.right, sums.left)):
        w = _rows(weights)
        if not (w < graph.n_params).all() or not _same(graph, x) or (len(w) > 1 and _same(graph, weights)):
            continue
        names = {found[0] for row in weights for found in [known.parameter(row[0])] if found is not None}
        if len(names) != 1 or (len(w) == 1 and w.size == 1):
            continue
        operands = {"x": _rows(x[0]), "w": w} | ({"b": _rows(sums.bias)} if sums.bias else {})
        return Recognised("linear", operands, {}, names.pop())
    return None


def _product(graph: ScalarGraph, rows: list[int], known: Known, left: bool | None) -> Recognised | None:
    """One vector times several others, none of them parameters: scores of attention, or a mix of values.

    Scores are divided by the root of the vector's length; what mixes values is a whole softmax.
    """
    if graph.sign(rows[0]) not in ("+", "*", "/"):
        return None
    sums = _sums_of_products(graph, rows, biased=False)
    if sums is None:
        return None
    if any(row < graph.n_params or graph.constant(row) is not None for row in (*sums.left[0], *sums.right[0])):
        return None
    shared = [side for side in (True, False) if _same(graph, sums.left if side else sums.right)]
    if sums.scale is None:
        shared = [side for side in shared if _is_softmax((sums.left if side else sums.right)[0], known)]
    if not shared:
        return None
    is_left = left if left in shared else shared[0]
    one, others = (sums.left, sums.right) if is_left else (sums.right, sums.left)
    if sums.scale is None:
        return Recognised("weighted_sum", {"weights": _rows(one[0]), "values": _rows(others).T.copy()})
    if not math.isclose(sums.scale, len(one[0]) ** -0.5):
        return None
    return Recognised("scores", {"q": _rows(one[0]), "keys": _rows(others)})


def _is_softmax(rows: list[int], known: Known) -> bool:
    whole = known.holder(rows[0])
    return known.kind(rows[0]) == "softmax" and whole is not None and whole.ravel().tolist() == rows


def shared_side(graph: ScalarGraph, rows: Rows) -> bool | None:
    """Which factor all elements of a product of two tensors share, the left one or the right; None if that is open."""
    sums = _sums_of_products(graph, rows.ravel().tolist(), biased=False)
    if sums is None or len(sums.left) < 2:
        return None
    sides = [_same(graph, sums.left), _same(graph, sums.right)]
    return sides[0] if sides[0] != sides[1] else None


def _add(graph: ScalarGraph, rows: list[int]) -> Recognised | None:
    """A vector added to what was made from it, element by element: the latter is `x_residual`."""
    pairs = [graph.pair(row, "+") for row in rows]
    whole = [pair for pair in pairs if pair is not None and graph.ends(pair[0]) and graph.ends(pair[1])]
    if len(whole) != len(rows) or any(graph.constant(x) is not None for pair in whole for x in pair):
        return None
    a, b = (_rows([pair[side] for pair in whole]) for side in (0, 1))
    if a.max() < b.max():
        a, b = b, a
    if len(a) < 2 or not _depends(graph, int(a[0]), b):
        return None
    return Recognised("add", {"x": a, "x_residual": b})


def _depends(graph: ScalarGraph, row: int, on: Rows) -> bool:
    """Whether a row is made from one of some that were made before it."""
    wanted, first = set(on.tolist()), int(on.min())
    seen, waiting = {row}, [row]
    while waiting:
        for kid in graph.children(waiting.pop()):
            if kid in wanted:
                return True
            if kid not in seen and kid > first:
                seen.add(kid)
                waiting.append(kid)
    return False


def _unary(graph: ScalarGraph, rows: list[int]) -> Recognised | None:
    """One function of every element: relu, tanh, ..."""
    sign = graph.sign(rows[0])
    if sign in ("", "+", "*", "-", "/", "r-", "r/", "r^", "^", "neg"):
        return None
    kids = [graph.children(row) for row in rows]
    if any(graph.sign(row) != sign or len(own) != 1 for row, own in zip(rows, kids, strict=True)):
        return None
    if any(not graph.ends(own[0]) for own in kids):
        return None
    x = [own[0] for own in kids]
    if sign == "relu":
        is_plain = all(graph.value(row) == max(0.0, graph.value(at)) for row, at in zip(rows, x, strict=True))
        sign = sign if is_plain else GENERIC
    elif sign in DRAWN:
        sign = GENERIC
    return Recognised(sign, {"x": _rows(x)})


def _nll(graph: ScalarGraph, row: int, known: Known) -> Recognised | None:
    """-log of one element of a tensor."""
    log = _negated(graph, row)
    if log is None or graph.ends(log) or graph.sign(log) != "log":
        return None
    p = graph.children(log)[0]
    probs = known.holder(p) if p >= graph.n_params and graph.ends(p) else None
    return None if probs is None or probs.size < 2 else Recognised("nll", {"probs": probs.ravel()})


def _mean(graph: ScalarGraph, row: int, known: Known) -> Recognised | None:
    """The loss: the sum of elements of tensors, over how many they are."""
    scaled = graph.scaled(row) if row == known.loss else None
    if scaled is None:
        return None
    terms = [scaled[0]] if graph.ends(scaled[0]) else graph.terms(scaled[0])
    if scaled[1] != 1 / len(terms) or any(not graph.ends(x) or graph.constant(x) is not None for x in terms):
        return None
    return Recognised("mean", {"losses": _rows(terms)})


def operands_of(graph: ScalarGraph, rows: list[int], known: Known) -> dict[str, Rows]:
    """The elements of named tensors and parameters that some rows are made from, by the names of these."""
    found: dict[str, dict[int, None]] = {}
    seen, waiting = set(rows), rows[::-1]
    while waiting:
        for kid in graph.children(waiting.pop())[::-1]:
            if kid in seen:
                continue
            seen.add(kid)
            if not graph.ends(kid):
                waiting.append(kid)
            elif graph.constant(kid) is None:
                found.setdefault(graph.name_of(kid), {})[kid] = None
    return {name: _whole(_rows(sorted(own)), known) for name, own in found.items()}


def _whole(rows: Rows, known: Known) -> Rows:
    """Some rows, in the shape of the parameter that they are all of."""
    parameter = known.parameter(int(rows[0]))
    if parameter is None or parameter[1].size != rows.size:
        return rows
    return parameter[1]


# Formulas.

SUM, PRODUCT, POWER, ATOM = range(4)  # how tightly a piece of a formula holds together
_Written = tuple[str, int]


def formula(graph: ScalarGraph, row: int) -> str:
    """How a row is made, in one line, from the names of tensors and parameters down to which it is followed."""
    text = _Formula(graph).written(row, 0, True)[0]
    return text if len(text) <= LONGEST_FORMULA else text[: LONGEST_FORMULA - 1] + "…"


class _Formula:
    """Writes one formula, of so many scalars at most."""

    def __init__(self, graph: ScalarGraph) -> None:
        self._graph, self._left = graph, MOST_WRITTEN

    def written(self, row: int, depth: int, top: bool = False) -> _Written:
        """A row as text, and how tightly that holds together."""
        graph = self._graph
        value = graph.constant(row)
        if not top and graph.ends(row):
            name = graph.name_of(row)
            return (name or (f"{value:g}" if value is not None else "x"), ATOM)
        self._left -= 1
        if depth > DEEPEST_FORMULA or self._left < 0:
            return "…", ATOM
        if graph.sign(row) == "+":
            return self._sum(row, depth)
        negated = _negated(graph, row)
        if negated is not None:
            return f"-{_held(self.written(negated, depth + 1), PRODUCT)}", SUM
        power = graph.power(row)
        if power is not None:
            return _power(self.written(power[0], depth + 1), power[1])
        kids = graph.pair(row, "*")
        if kids is not None and kids[0] == kids[1]:
            return _power(self.written(kids[0], depth + 1), 2.0)
        quotient = graph.quotient(row)
        if quotient is not None:
            return _between("/", [self.written(part, depth + 1) for part in quotient])
        return _between(graph.sign(row), self._pieces(row, depth))

    def _pieces(self, row: int, depth: int) -> list[_Written]:
        pieces = [self.written(kid, depth + 1) for kid in self._graph.children(row)]
        extra = self._graph.exponent(row)
        return pieces if extra is None else [*pieces, (f"{extra:g}", ATOM)]

    def _sum(self, row: int, depth: int) -> _Written:
        """Terms that read the same stand behind one Σ."""
        terms = self._graph.terms(row)
        if terms == [row]:  # a sum with a plain number that is no scalar
            return " + ".join(text for text, _ in self._pieces(row, depth)), SUM
        counted: Counter[_Written] = Counter()
        for term in terms:
            if self._left < 0 and counted:
                break
            counted[self.written(term, depth + 1)] += 1
        pieces = [
            text if count == 1 and len(terms) < MOST_WRITTEN else f"Σ {_held((text, tight), PRODUCT)}"
            for (text, tight), count in counted.items()
            if text != "…" or len(counted) == 1
        ]
        if not pieces:
            return "0", ATOM
        joined = pieces[0]
        for piece in pieces[1:]:
            joined += f" - {piece[1:]}" if piece.startswith("-") else f" + {piece}"
        return joined, SUM if len(pieces) > 1 or joined.startswith("-") else PRODUCT


def _between(sign: str, pieces: list[_Written]) -> _Written:
    if sign in ("r-", "r/", "r^"):
        pieces, sign = pieces[::-1], sign[1:]
    if sign == "*" and len(pieces) == 2:
        return "·".join(_held(piece, PRODUCT) for piece in pieces), PRODUCT
    if sign == "/" and len(pieces) == 2:
        return f"{_held(pieces[0], PRODUCT)} / {_held(pieces[1], POWER)}", PRODUCT
    if sign == "-" and len(pieces) == 2:
        return f"{pieces[0][0]} - {_held(pieces[1], PRODUCT)}", SUM
    if sign == "^" and len(pieces) == 2:
        return f"{_held(pieces[0], ATOM)}^{_held(pieces[1], ATOM)}", POWER
    return f"{sign.strip('_')}({', '.join(text for text, _ in pieces)})", ATOM


def _held(piece: _Written, least: int) -> str:
    return piece[0] if piece[1] >= least else f"({piece[0]})"


def _power(base: _Written, exponent: float) -> _Written:
    if exponent == 0.5:
        return f"√{_held(base, ATOM)}", POWER
    if exponent == -1:
        return f"1 / {_held(base, POWER)}", PRODUCT
    if exponent == -0.5:
        return f"(1 / √{_held(base, ATOM)})", ATOM
    small = {2.0: "²", 3.0: "³"}.get(exponent)
    return f"{_held(base, ATOM)}{small or f'^{exponent:g}'}", POWER
