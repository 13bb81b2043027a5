"""Reads figures of past training steps by replaying them, and draws sample documents at several steps."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from engine.run.capabilities import SamplingRun, can_branch
from engine.sampling.sampler import Sampler, sample
from engine.sampling.strategy import DecodingStrategy
from engine.timeline.events import Moment, Phase
from engine.timeline.run import OnStep, Run
from engine.timeline.update import UpdateStep
from engine.timeline.view import View

RECENT = 12  # steps before the present one that are shown one by one
T = TypeVar("T")


def replay(
    twin: Run, steps: Iterable[int], read: Callable[[View], T], on_step: OnStep | None = None
) -> Iterator[tuple[int, T]]:
    """What `read` says at the end of the update of each of these finished steps, with the step, ascending.

    Moves `twin`, from keyframe to keyframe where that is shorter. Close the iterator to stop between two steps that
    were asked for; raises Stopped if `on_step`, told every step on the way, asks for it by returning True.
    """
    for step in sorted(steps):
        twin.seek(Moment(step, Phase.UPDATE, twin.program.n_params), on_step)
        yield step, read(twin.view())


def course_of(row: int) -> Callable[[View], UpdateStep]:
    """For `replay`: the arithmetic that moved this parameter in each step, as `View.update` gives it."""

    def read(view: View) -> UpdateStep:
        update = view.update(row)
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


def sample_names(
    run: SamplingRun, n: int, strategy: DecodingStrategy, prefix: str = "", seed: int | str = 0,
    sampler: Sampler | None = None,
) -> list[str]:  # fmt: skip
    """`n` documents from the parameters as they are, drawn from a fresh generator: the same numbers each time.

    With a `sampler` they are drawn from its parameters; then another thread may move the run meanwhile.
    """
    return sample(sampler or run.sampler(), run.tokenizer, random.Random(seed), n, strategy, prefix)


def printed_names(run: SamplingRun, n: int, on_step: OnStep | None = None) -> list[str]:
    """The first `n` documents that are printed once the whole schedule is trained: those of `microgpt.py` itself,
    drawn with the run's own random numbers. The run's generator stays as it is.

    Moves `run`, if it stands elsewhere, as `sample_at_steps` does, and raises what that raises.
    """
    _stand_at_start(run, run.config.num_steps, on_step)
    generator = random.Random()
    generator.setstate(run.generator.getstate())
    return run.sample(n, generator=generator)


def sample_at_steps(
    run: SamplingRun, steps: Iterable[int], n: int, strategy: DecodingStrategy, prefix: str = "", seed: int | str = 0,
    on_step: OnStep | None = None,
) -> Iterator[tuple[int, list[str]]]:  # fmt: skip
    """Each of these steps, ascending, with the `n` documents that the parameters at its start make up.

    Moves `run`, which trains on its way; raises Stopped if `on_step` asks for it, NumericFault if it cannot go on.
    """
    for step in sorted(set(steps)):
        _stand_at_start(run, step, on_step)
        yield step, sample_names(run, n, strategy, prefix, seed)


def _stand_at_start(run: SamplingRun, step: int, on_step: OnStep | None) -> None:
    """Bring a run to the start of a step, with no numbers but its parameters: a sampler takes as much memory."""
    run.seek(Moment(step), on_step)
    if can_branch(run):
        run.put_away()
