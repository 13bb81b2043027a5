"""Sample documents from the parameters at several training steps, with the same random numbers at each."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

from engine.run.session import OnStep, Session
from engine.sampling.sampler import Sampler, sample
from engine.sampling.strategy import DecodingStrategy
from engine.timeline.events import Moment


def sample_names(
    run: Session, n: int, strategy: DecodingStrategy, prefix: str = "", seed: int | str = 0,
    sampler: Sampler | None = None,
) -> list[str]:  # fmt: skip
    """`n` documents from the parameters as they are, drawn from a fresh generator: the same numbers each time.

    With a `sampler` they are drawn from its parameters; then another thread may move the run meanwhile.
    """
    return sample(sampler or run.sampler(), run.tokenizer, random.Random(seed), n, strategy, prefix)


def printed_names(run: Session, n: int, on_step: OnStep | None = None) -> list[str]:
    """The first `n` documents that are printed once the whole schedule is trained: those of `microgpt.py` itself,
    drawn with the run's own random numbers. The run's generator stays as it is.

    Moves `run`, if it stands elsewhere, as `sample_at_steps` does, and raises what that raises.
    """
    run.seek(Moment(run.config.num_steps), on_step)
    generator = random.Random()
    generator.setstate(run.generator.getstate())
    return run.sample(n, generator=generator)


def sample_at_steps(
    run: Session, steps: Iterable[int], n: int, strategy: DecodingStrategy, prefix: str = "", seed: int | str = 0,
    on_step: OnStep | None = None,
) -> Iterator[tuple[int, list[str]]]:  # fmt: skip
    """Each of these steps, ascending, with the `n` documents that the parameters at its start make up.

    Moves `run`, which trains on its way; raises Stopped if `on_step` asks for it, NumericFault if it cannot go on.
    """
    for step in sorted(set(steps)):
        run.seek(Moment(step), on_step)
        yield step, sample_names(run, n, strategy, prefix, seed)
