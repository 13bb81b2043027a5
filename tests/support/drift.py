"""Whether a debugger that was used for long shows, and stands at, what one begun anew does at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np
from textual.geometry import Region
from textual.pilot import Pilot

from engine import NumericFault, Session
from engine.run.branches import Branches
from engine.timeline.events import Moment, Phase
from microgpt_tui.app import MicrogptApp, ThemedApp
from microgpt_tui.debugger.frame import PathStep
from microgpt_tui.drawing import theme
from microgpt_tui.panes.base import Pane
from microgpt_tui.screens.debugger import DebuggerScreen
from tests.support.harness import until

FAR = 10**9  # a tick that no phase has


class Anew(ThemedApp):
    """A debugger's screen in the theme of another app."""

    def __init__(self, shown: DebuggerScreen, theme_name: str) -> None:
        super().__init__()
        self.shown, self.theme = shown, theme_name
        theme.use(theme.nearest(self.current_theme))

    def on_mount(self) -> None:
        self.push_screen(self.shown)


async def home(pilot: Pilot[Any], press: Callable[[str], Awaitable[None]]) -> DebuggerScreen:
    """Leave every other screen, let the run stand still and all that is worked out be there."""
    app = pilot.app
    assert isinstance(app, MicrogptApp)
    assert app.autosave is not None
    screen = app.autosave.screen
    await still(pilot, screen)  # what was done last may open something yet
    for turn in range(400):
        if app.screen is screen:
            break
        await press("escape" if turn % 3 else "q")
    assert app.screen is screen, f"no way out of {app.screen_stack}"
    await still(pilot, screen)  # a command that was chosen in the palette is run when that has gone
    app.action_hide_help_panel()
    screen.minimize()
    await still(pilot, screen)
    return screen


async def still(pilot: Pilot[Any], screen: DebuggerScreen) -> None:
    """Halt the run, and wait until no thread works for the screen and nothing waits to be shown."""

    def rests() -> bool:
        if screen.busy:
            screen.motion.halt()
        app = pilot.app
        if isinstance(app, MicrogptApp) and screen is app.debugger and not screen.lines_known:
            return False  # a thread looks for a copy of microgpt.py
        return not (screen.busy or screen._waiting or any(not worker.is_finished for worker in pilot.app.workers))

    for _ in range(3):  # a figure that has been learned may let a pane ask for another
        heard: list[bool] = []
        pilot.app.call_later(heard.append, True)  # behind every key and click that the app has not come to yet
        await until(pilot, lambda: bool(heard) and rests())  # noqa: B023 - it is asked at once
        await pilot.pause()


def pictures(screen: DebuggerScreen) -> dict[str, object]:
    """What every pane means to show."""
    return {
        str(pane.id): (pane.title, pane.region, tuple(tuple(line.segments) for line in pane.picture.lines))
        for pane in screen.query(Pane)
        if pane.display and pane.region
    }


def painted(screen: DebuggerScreen) -> dict[str, object]:
    """What every pane has painted, cell by cell, as it is kept from frame to frame."""
    return {
        str(pane.id): [list(strip) for strip in pane.render_lines(Region(0, 0, *pane.outer_size))]
        for pane in screen.query(Pane)
        if pane.display and pane.region
    }


def scroll_as(screen: DebuggerScreen, other: DebuggerScreen) -> None:
    """Let every pane stand scrolled as on another screen: where the wheel has left it is nobody's mistake."""
    for pane in screen.query(Pane):
        pane.scroll_to_line(other.query_one(f"#{pane.id}", Pane).top)


def follow(session: Session, used: Session) -> NumericFault | None:
    """Bring a run to where another one has been furthest, and then where it stands; it knows no more than that one."""
    done = len(used.losses)
    if done in used.history.validations:  # the step after it was begun as well
        session.seek(Moment(done))
    elif done:
        session.seek(Moment(done - 1, Phase.UPDATE, FAR))
    fault = None
    try:
        session.seek(used.moment)
    except NumericFault as found:
        fault = found
    session.history.forget(done)
    if done not in used.history.validations:
        session.history.validations.pop(done, None)
    return fault


def same_numbers(one: Session, other: Session) -> None:
    """Fail unless two runs hold the same bits, whatever of them can be seen."""
    assert one.moment == other.moment, (one.moment, other.moment, len(one.losses), len(other.losses), one.changes)
    for kept in ("losses", "history.validations"):  # in words, in which nan is nan
        mine, its = (repr(attrgetter(kept)(run)) for run in (one, other))
        assert mine == its, (one.moment, one.changes, mine, its)
    rows = np.arange(len(one.recording))
    seen, fresh = one.view(), other.view()
    for name in ("params", "m", "v"):
        for matrix, values in getattr(one, name).items():
            assert values.tobytes() == getattr(other, name)[matrix].tobytes(), (name, matrix)
    for read, expected in ((seen.data(rows), fresh.data(rows)), (seen.grad(rows), fresh.grad(rows))):
        assert (read.known == expected.known).all()
        assert read.values[read.known].tobytes() == expected.values[read.known].tobytes()
    assert one.generator.getstate() == other.generator.getstate()


def begun_anew(used: DebuggerScreen, docs: Sequence[str]) -> DebuggerScreen:
    """A screen on a run of its own that goes straight to the same moment of the same branch, and looks the same way."""
    original = used.what_if.branches.original
    session = Session(original.config, docs)
    follow(session, original)
    branches = Branches(session, used.what_if.branches.all())
    run = branches.session(used.what_if.branch)
    fault = follow(run, used.session)
    same_numbers(used.session, run)
    screen = DebuggerScreen(run, used.state.annotations, used.grid.arrangement)
    screen.what_if.branches, screen.what_if.partner = branches, used.what_if.partner
    screen.grid.zoomed = used.grid.zoomed
    screen.state.stand(used.state.where)
    screen.state.choose_watch(used.state.watch)
    if (path := used.state.path) is not None:
        screen.state.choose_path(PathStep(path.row, path=path.path))
        screen.state.choose_path(PathStep(path.row, edge=path.edge))
    screen.motion.names.update(used.motion.names)
    screen.motion.pace = used.motion.pace
    screen.lines, screen.lines_hint, screen.opened_at = used.lines, used.lines_hint, used.opened_at
    if used.state.fault is not None:
        if fault is None:
            try:
                run.seek(Moment(run.step, run.moment.phase, run.moment.tick + 1))
            except NumericFault as again:
                fault = again
        assert str(fault) == str(used.state.fault)
        screen.state.meet(fault)
    return screen


async def compare(pilot: Pilot[Any], used: DebuggerScreen, docs: Sequence[str]) -> None:
    """Fail unless the screen and the run are those of one begun anew. Both have to stand still."""
    assert used.state.where.moment == used.session.moment
    screen = begun_anew(used, docs)
    app = Anew(screen, pilot.app.theme)

    async def look() -> None:
        async with app.run_test(size=tuple(pilot.app.size)) as fresh:
            await until(fresh, lambda: app.screen is screen)
            await still(fresh, screen)
            chosen = used.focused.id if isinstance(used.focused, Pane) else None
            screen.set_focus(None if chosen is None else screen.query_one(f"#{chosen}", Pane))
            await still(fresh, screen)
            expect_same(pictures(used), pictures(screen))
            scroll_as(used, screen)
            expect_same(painted(used), painted(screen))

    await asyncio.create_task(look())  # in a context of its own: each app is the active one in its own


def expect_same(used: dict[str, object], fresh: dict[str, object]) -> None:
    """Fail with the first pane that differs, in words."""
    assert list(used) == list(fresh)
    for name, picture in fresh.items():
        assert used[name] == picture, f"{name} has drifted:\n{used[name]}\nbegun anew:\n{picture}"
