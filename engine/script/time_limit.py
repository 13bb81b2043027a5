"""`TimeLimit`: tells a script that comes to nothing, because it only waits or because it computes for ever."""

from __future__ import annotations

from typing import Any

from engine.language.say import say

SILENCE = 60.0  # seconds without a sign of life until a process counts as hung
IDLE = 60.0  # seconds in which a script computes next to nothing until it counts as waiting for something
SHARE = 0.01  # of a processor that is next to nothing
BUSIEST = 600.0  # seconds of the processor without any progress until a script counts as endless


class TimeLimit:
    """Judges the signs of life of a process.

    Time counts as it passes on its processor, and while somebody waits for it: a machine that was busy or asleep is no
    fault.
    """

    def __init__(self) -> None:
        self.silence, self.idle, self.busiest = SILENCE, IDLE, BUSIEST
        """Seconds without a sign of life, without computing, and of computing without progress."""
        self.begin()

    def begin(self) -> None:
        """Count from now on."""
        self._progress: tuple[int, float] | None = None
        self._awake: float | None = None
        self._waited = 0.0

    def came_on(self) -> None:
        """The script has said something else than that it lives."""
        self._progress = None

    def waited(self, seconds: float) -> None:
        """Somebody has waited for the script, so many seconds more."""
        self._waited += seconds

    def judge(self, sign: dict[str, Any]) -> tuple[str, str] | None:
        """What the script has done too long, by this sign of life, and what to do about it; None if it comes on."""
        made, used = sign["made"], sign["used"]
        if self._progress is None or self._progress[0] != made:
            self._progress = (made, used)
        elif used - self._progress[1] > self.busiest:
            return say("script.time_limit.computed", seconds=self.busiest), say("script.time_limit.end_loop")
        if self._awake is None:
            self._awake, self._waited = used, 0.0
        elif self._waited >= self.idle:
            if used - self._awake < SHARE * self.idle:
                waits = say("script.time_limit.take_out")
                return say("script.time_limit.waited", seconds=self.idle), waits
            self._awake, self._waited = used, 0.0
        return None
