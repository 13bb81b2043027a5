"""Replays past training steps to read figures from them, since keeping all figures takes too much memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from engine.run.session import OnStep, Session
from engine.timeline.events import Moment, Phase
from engine.timeline.view import AdamStep, View

RECENT = 12  # steps before the present one that are shown one by one
T = TypeVar("T")


def replay(
    twin: Session, steps: Iterable[int], read: Callable[[View], T], on_step: OnStep | None = None
) -> Iterator[tuple[int, T]]:
    """What `read` says at the end of the update of each of these finished steps, with the step, ascending.

    Moves `twin`, from keyframe to keyframe where that is shorter. Close the iterator to stop between two steps that
    were asked for; raises Stopped if `on_step`, told every step on the way, asks for it by returning True.
    """
    for step in sorted(steps):
        twin.seek(Moment(step, Phase.UPDATE, twin.recording.n_params), on_step)
        yield step, read(twin.view())


def course_of(row: int) -> Callable[[View], AdamStep]:
    """For `replay`: the arithmetic that moved this parameter in each step, as `View.adam` gives it."""

    def read(view: View) -> AdamStep:
        update = view.adam(row)
        assert update is not None  # all parameters have been moved at the end of the update
        return update

    return read


def steps_to_show(last: int, most: int, spacing: int) -> list[int]:
    """At most `most` (1 or more) of the steps 0 to `last`, ascending, for a curve that ends there.

    All of them if they are that few. Else the latest one by one, and before these every step with a keyframe, `spacing`
    apart, or every second, fourth and so on: such a step takes the replay of no other, and most stay when `last` grows.
    """
    if last < most:
        return list(range(last + 1))
    recent, stride = min(RECENT, most // 2), spacing
    while last // stride >= most - recent:
        stride *= 2
    return [*range(0, last + 1 - recent, stride), *range(last + 1 - recent, last + 1)]
