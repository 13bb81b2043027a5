"""`Turn`: how far a page has come, and what the next press does. Pure: no screen, no run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from microgpt_tui.lectures.page import Act, Ask, Play, Run, Wait


class Progress(Enum):
    """How far a page has come with what it does."""

    READING = "the page says what it says"
    GOING = "it is at work, or has reminded the viewer"
    DONE = "it has done what it does"


class Press(Enum):
    """What the next press does."""

    TURN = "turn the page"
    REVEAL = "reveal the answer"
    BEGIN = "begin to play or to train"
    SKIP = "go to where the playing ends"
    REMIND = "remind the viewer"
    GO_ON = "go on without the viewer"


@dataclass(frozen=True, slots=True)
class Turn:
    """A page with its act, with how far it has come."""

    act: Act | None
    come: Progress = Progress.READING

    @classmethod
    def of(cls, act: Act | None) -> Turn:
        """A page that has just been turned to."""
        return cls(act, Progress.DONE if act is None else Progress.READING)

    @property
    def done(self) -> bool:
        """Whether nothing is left but to turn the page."""
        return self.come is Progress.DONE

    @property
    def next(self) -> Press:
        """What the next press does."""
        if self.done:
            return Press.TURN
        begun = self.come is Progress.GOING
        match self.act:
            case Ask():
                return Press.REVEAL
            case Wait():
                return Press.GO_ON if begun else Press.REMIND
            case Play() | Run():
                return Press.SKIP if begun else Press.BEGIN
        return Press.TURN

    def pressed(self) -> Turn:
        """The page after the next press, unless that turns it."""
        way = {Press.REMIND: Progress.GOING, Press.BEGIN: Progress.GOING}
        return replace(self, come=way.get(self.next, Progress.DONE))

    def finished(self) -> Turn:
        """The page when what it waits for has come about."""
        return replace(self, come=Progress.DONE)
