"""A walk through one sample of a run, by the number of its sequence of random numbers."""

from __future__ import annotations

import random

from engine.run.capabilities import SamplingRun
from engine.sampling.sampler import Sampler
from engine.sampling.stepper import SampleStepper
from engine.sampling.strategy import DecodingStrategy


def sample_walk(
    run: SamplingRun, sampler: Sampler, sequence: int, strategy: DecodingStrategy, prefix: str = ""
) -> SampleStepper:
    """A walk from its first position. Sequence 0 has the random numbers that the run would draw next.

    Raises ConfigError for a prefix that cannot be read, EngineError where there are no probabilities.
    """
    numbers = random.Random(f"{run.config.seed} {sequence}")
    if not sequence:
        numbers.setstate(run.generator.getstate())
    return SampleStepper(sampler, run.tokenizer, numbers, strategy, prefix)
