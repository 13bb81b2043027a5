"""`SamplePlace`: a position of a sample that a page shows, in place of a position of a document."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from engine import ConfigError, Run
from engine.immutable import immutable
from engine.run.capabilities import sampling
from engine.run.sample_walk import sample_walk
from engine.sampling.stepper import SampleStepper
from engine.sampling.strategy import DecodingStrategy
from microgpt_tui.texts.say import say

PICTURES = ("bars", "draw", "attention")
SETTINGS = ("position", "temperature", "prefix", "sequence", "show")
USAGE = say("lectures.sample_place.usage")


@immutable
class SamplePlace:
    """A position of a sample by the parameters of a moment; `show` is the picture that is there at any size.

    `sequence` counts the sequences of random numbers; 0 are those that the run would draw next.
    """

    position: int = 0
    temperature: float = 0.5
    prefix: str = ""
    sequence: int = 0
    show: str = PICTURES[0]

    @classmethod
    def read(cls, settings: Iterable[str]) -> SamplePlace:
        """Read settings such as position=2. Raises ConfigError."""
        return cls().changed(settings)

    def changed(self, settings: Iterable[str]) -> SamplePlace:
        """This place with settings such as temperature=2. Raises ConfigError."""
        place = self
        for setting in settings:
            name, _, value = (part.strip() for part in setting.partition("="))
            if name not in SETTINGS:
                raise ConfigError(say("lectures.sample_place.no_setting", setting=setting.strip(), usage=USAGE))
            try:
                place = replace(place, **{name: type(getattr(place, name))(value)})
            except ValueError:
                raise ConfigError(
                    say("lectures.sample_place.wrong_value", name=name, value=value, usage=USAGE)
                ) from None
        if place.show not in PICTURES:
            raise ConfigError(say("lectures.sample_place.show", show=place.show, pictures=", ".join(PICTURES)))
        if place.position < 0 or place.sequence < 0:
            raise ConfigError(say("lectures.sample_place.below_zero"))
        DecodingStrategy(place.temperature)
        return place

    @staticmethod
    def is_setting(text: str) -> bool:
        """Whether a text looks like a setting."""
        return text.partition("=")[0].strip() in SETTINGS

    def walk(self, run: Run) -> SampleStepper:
        """The sample at this position, by the parameters as they are. Raises EngineError if it ends before."""
        able = sampling(run)
        walk = sample_walk(able, able.sampler(), self.sequence, DecodingStrategy(self.temperature), self.prefix)
        while walk.here.pos < self.position:
            if not walk.next():
                raise ConfigError(say("lectures.sample_place.over", end=walk.here.pos, position=self.position))
        return walk
