"""A training step of the engine, held to the same step of the plain oracle."""

from __future__ import annotations

from engine import Session
from tests.support.float_bits import words
from tests.support.reference_model import PlainGPT


def check_step(session: Session, plain: PlainGPT) -> None:
    """Take one step in both; every named tensor, gradient, parameter and moment must be the same."""
    plain.train_step()  # raises ValueError, OverflowError or ZeroDivisionError where the engine has a NumericFault
    events = list(session.events(step=session.step))
    forward = {(e.name, e.pos, e.layer, e.head): e for e in events if e.phase == "forward"}
    backward = {(e.name, e.pos, e.layer, e.head): e for e in events if e.phase == "backward" and not e.is_parameter}
    assert list(forward) == list(plain.trace)
    assert backward.keys() == plain.trace.keys()
    for place, scalars in plain.trace.items():
        assert words(forward[place].data) == words([s.data for s in scalars]), place
        assert words(backward[place].grad) == words([s.grad for s in scalars]), place
    grads = {e.name: e.grad for e in events if e.phase == "backward" and e.is_parameter}
    assert {name: words(grad) for name, grad in grads.items()} == {n: words(g) for n, g in plain.grads.items()}
    session.run(until=session.step + 1)
    for ours, theirs in ((session.params, plain.params), (session.m, plain.m), (session.v, plain.v)):
        assert {n: words(x) for n, x in ours.items()} == {n: words(x) for n, x in theirs.items()}
    assert words(session.losses[: session.step]) == words(plain.losses)


def check_run(session: Session, plain: PlainGPT, steps: int) -> None:
    """Take so many steps in both, from the first on; losses, parameters and moments must be the same."""
    session.run(until=steps)
    for _ in range(steps):
        plain.train_step()
    assert words(session.losses) == words(plain.losses)
    assert words([session.params, session.m, session.v]) == words([plain.params, plain.m, plain.v])
