"""A stretch of a run as a film: which moments it shows, how long, and the screen at each of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from itertools import islice, takewhile

from engine import Run
from engine.immutable import immutable
from engine.timeline.events import Moment, StepProgram
from microgpt_tui.debugger import navigation
from microgpt_tui.debugger.frame import Focus
from microgpt_tui.debugger.navigation import SameEvent
from microgpt_tui.export.headless import screenshots
from microgpt_tui.export.moment_picture import picture_title
from microgpt_tui.export.screenshot import Screenshot
from microgpt_tui.panes.arrangement import Arrangement
from microgpt_tui.screens.debugger import DebuggerScreen

MOST = 1000  # frames of a film
LAST = 2.0  # seconds that its last frame is seen at least
WAYS: dict[str, navigation.Go] = {
    "scalar": navigation.next_scalar,
    "event": navigation.next_event,
    "position": navigation.next_position,
    "phase": navigation.next_phase,
    "step": navigation.next_step,
}
"""From each moment to the next, by the name of what lies between them."""

ProgramOf = Callable[[int], StepProgram]
"""What a step does; the program is valid until that of another step is asked for."""


@immutable
class Stretch:
    """From a moment to one that is not earlier, each time `count` of what `way` names on, `pace` times a second."""

    start: Moment
    end: Moment
    way: str
    count: int
    pace: float

    def moments(self, program_of: ProgramOf) -> Iterator[Moment]:
        """The moments that are shown; the first and the last are `start` and `end`."""
        on = self._steps(program_of) if self.way == "step" else islice(self._walk(program_of), 0, None, self.count)
        yield from takewhile(lambda moment: moment.key < self.end.key, on)
        yield self.end

    def _walk(self, program_of: ProgramOf) -> Iterator[Moment]:
        here: Moment | SameEvent | None = self.start
        while here is not None:
            if isinstance(here, SameEvent):
                here = here.moment(program_of(here.step))
            yield here
            here = WAYS[self.way](program_of(here.step), here)

    def _steps(self, program_of: ProgramOf) -> Iterator[Moment]:
        """The same event in every step, also after a document that is too short for it."""
        place = program_of(self.start.step).event_at(self.start).place
        yield self.start
        for step in range(self.start.step + self.count, self.end.step + 1, self.count):
            yield SameEvent(step, self.start.phase, place).moment(program_of(step))


@immutable
class FilmFrame:
    """A screen, and when it comes and goes, in seconds from the beginning."""

    shot: Screenshot
    begin: float
    end: float


def schedule(stretches: Sequence[Stretch], program_of: ProgramOf) -> list[tuple[Moment, float]]:
    """The moments of all stretches, one after the other, and how many seconds each is seen; at most one above `MOST`.

    Where a stretch begins with what the one before ended with, that is seen once.
    """
    found: list[tuple[Moment, float]] = []
    for stretch in stretches:
        for moment in stretch.moments(program_of):
            if found and found[-1][0] == moment:
                continue
            found.append((moment, 1 / stretch.pace))
            if len(found) > MOST:
                return found
    found[-1] = found[-1][0], max(found[-1][1], LAST)
    return found


async def film(
    run: Run,
    planned: Sequence[tuple[Moment, float]],
    size: tuple[int, int],
    theme_name: str,
    pane: str | None,
    on_frame: Callable[[int], object],
) -> list[FilmFrame]:
    """The screen at each of the moments of a `schedule`, as `moment_picture` makes it.

    `on_frame` is told how many are drawn. The run is moved. Raises NumericFault if a fault lies on the way.
    """

    async def pages(screen: DebuggerScreen) -> AsyncIterator[str]:
        screen.grid.zoomed = pane
        task = asyncio.current_task()
        for done, (moment, _) in enumerate(planned):
            run.seek(moment, lambda *_: task is not None and task.cancelling() > 0)
            screen.state.stand(Focus(moment))
            screen.show()
            yield picture_title(run)
            on_frame(done + 1)

    shots = await screenshots(lambda: DebuggerScreen(run, arrangement=Arrangement()), pages, size, theme_name)
    frames, begin = [], 0.0
    for shot, (_, seconds) in zip(shots, planned, strict=True):
        frames.append(FilmFrame(shot, begin, begin + seconds))
        begin += seconds
    return frames
