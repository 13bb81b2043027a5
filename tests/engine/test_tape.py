"""The arithmetic of `Value`: it builds the graph that plain scalars build, so all bits are the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.autograd import jit
from engine.autograd.kernels import FINE, LEAF, POW
from engine.autograd.tape import OperationRows, Tape, Value, operation, part, rows_of
from tests.support.reference_model import Scalar, flow_back, post_order

FORMULAS: dict[str, Callable[[Any, Any], Any]] = {
    "x - 1.0": lambda x, _: x - 1.0,
    "1.0 - x": lambda x, _: 1.0 - x,
    "1 - x": lambda x, _: 1 - x,
    "x - y": lambda x, y: x - y,
    "x - x": lambda x, _: x - x,
    "1 / x": lambda x, _: 1 / x,
    "x / y": lambda x, y: x / y,
    "x / 2": lambda x, _: x / 2,
    "-x": lambda x, _: -x,
    "x ** 3": lambda x, _: x**3,
    "x ** -0.5": lambda x, _: x**-0.5,
    "tanh": lambda x, _: 1 - 2 / ((2 * x).exp() + 1),
    "mixed": lambda x, y: (3.0 - x * y) / (2 - (x - y) ** 2) - 1 / (y + 0.5) + (x - 0.25).relu() * -(-x + y).exp(),
}


def evaluate(formula: Callable[[Any, Any], Any], numbers: tuple[float, float]) -> tuple[float, float, float, Tape]:
    """The value of a formula on the tape, its gradients with respect to x and y, and the tape."""
    tape = Tape()
    x, y = tape.leaf(numbers[0]), tape.leaf(numbers[1])
    root = formula(x, y)
    assert isinstance(root, Value)
    op, child = np.array(tape.op, dtype=np.int8), np.array(tape.child, dtype=np.int32)
    args, data = np.array(tape.args, dtype=np.int32), np.zeros(len(op))
    data[list(tape.numbers)] = list(tape.numbers.values())
    loops = jit.plain_loops()
    made = np.flatnonzero(op != LEAF).astype(np.int32)
    assert loops.forward(op, child, args, data, 0, len(op)) == FINE
    turn, stack, order = np.zeros(len(op), dtype=np.int8), made.copy(), made.copy()
    count = loops.post_order(op, child, root.row, 0, 0, turn, stack, order)
    parents = order[:count][::-1]
    below = np.stack([2 * parents, 2 * parents + 1], axis=1)
    wanted = child[below] >= 0
    wanted[op[parents] == POW, 1] = False  # no gradient flows into an exponent
    edges = np.concatenate([[-1 - root.row], below[wanted]]).astype(np.int32)
    grad = np.zeros(len(op))
    loops.backward(op, child, data, grad, edges, 0, len(edges), 0)
    return float(data[root.row]), float(grad[x.row]), float(grad[y.row]), tape


numbers = st.floats(0.01, 1.3) | st.floats(-1.3, -0.01)


@pytest.mark.parametrize("name", FORMULAS)
@given(x=numbers, y=numbers)
def test_value_takes_what_plain_scalars_take(name: str, x: float, y: float) -> None:
    formula = FORMULAS[name]
    plain_x, plain_y = Scalar(x), Scalar(y)
    try:
        root = formula(plain_x, plain_y)
    except (ArithmeticError, TypeError):  # a power of a negative number is complex in Python
        return
    if not isinstance(root.data, float):
        return
    flow_back(root)
    value, grad_x, grad_y, tape = evaluate(formula, (x, y))
    assert (value, grad_x, grad_y) == (root.data, plain_x.grad, plain_y.grad)
    assert math.copysign(1, value) == math.copysign(1, root.data)
    made = [scalar for scalar in post_order(root) if scalar.below]
    assert np.count_nonzero(np.array(tape.op) != LEAF) == len(made)


def test_equal_constants_share_a_row() -> None:
    *_, tape = evaluate(lambda x, y: (1.0 - x) + (y - (-1)) + 1 / x, (0.5, 0.25))
    assert np.flatnonzero(np.array(tape.op) == LEAF).tolist() == list(tape.numbers)
    assert list(tape.numbers.values()) == [0.5, 0.25, -1.0, 1.0]


def test_an_operation_is_written_again_for_other_operands() -> None:
    calls = []

    @operation
    def norm(x: list[Any], n: int) -> list[Any]:
        calls.append(n)
        total = part("total", sum(xi * xi for xi in x[:n]))
        part("first", x[0])
        return [xi - total for xi in x]

    def written(copies: bool) -> tuple[Any, ...]:
        tape = Tape()
        for number in (0.0, -1.0):
            tape.constant(number)
        vectors = [[tape.leaf(0.0) for _ in range(3)] for _ in range(4)]
        vectors.append([vectors[3][0], vectors[1][1], vectors[1][1]])  # one row stands in two places: can be copied to
        with pytest.MonkeyPatch.context() as patch:
            if not copies:
                patch.setattr(OperationRows, "of", lambda *_: None)
            made = [(rows_of(norm(x, n)).tolist(), tape._parts["first"].tolist()) for x in vectors for n in (3, 2, 3)]
        return tape.op, tape.child, tape.args, list(tape.lines()), made

    copied = written(copies=True)
    assert calls == [3, 2]  # one of each
    assert copied == written(copies=False)


@pytest.mark.parametrize("what", ["a new constant", "a row from elsewhere", "one row twice", "a constant as operand"])
def test_an_operation_that_cannot_be_written_again_is_recorded_again(what: str) -> None:
    tape, calls = Tape(), []
    tape.constant(0.0)
    elsewhere = tape.leaf(0.0)

    @operation
    def scale(x: list[Any]) -> list[Any]:
        calls.append(x)
        if what == "a new constant":
            return [xi * float(len(calls)) for xi in x]
        return [xi * (elsewhere if what == "a row from elsewhere" else 0.0) for xi in x]

    for _ in range(3):
        x = [tape.leaf(0.0), tape.leaf(0.0)]
        if what == "one row twice":
            x[1] = x[0]
        if what == "a constant as operand":
            x[1] = Value(tape, tape.constant(0.0))
        scale(x)
    assert len(calls) == 3
