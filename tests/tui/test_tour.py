"""The tour in the README, "Five minutes": its keys one by one, and after each the result that it describes.

What is pressed is read from the README. A key that is new there, or gone, fails here until STEPS says what it does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from engine import Config
from engine.timeline.events import EventKey, Moment, Phase
from microgpt_tui.app import MicrogptApp
from microgpt_tui.dialogs.breakpoints import BreakpointsScreen
from microgpt_tui.dialogs.text_input import LineScreen
from microgpt_tui.panes import registry
from microgpt_tui.panes.base import Pane
from microgpt_tui.screens.debugger import DebuggerScreen
from microgpt_tui.storage.startup import Start, from_saved_session, from_seed
from tests.support.harness import notes, text, until

README = Path(__file__).resolve().parents[2] / "README.md"
TIMES = {"twice": 2, "three times": 3, "four times": 4, "five times": 5}
PRESSED = {key.display or key.keys: key.keys.split(",")[0] for key in registry.all_keys()} | {"a": "a"}
Q0 = ("q", 0, 0, None)


def tour() -> list[tuple[int, str]]:
    """What the tour has in backticks, with the number of its item; as often as the words after it say."""
    section = README.read_text(encoding="utf-8").partition("## Five minutes\n")[2].partition("\n|")[0]
    items = re.findall(r"^(\d+)\. (.*?)(?=^\d+\. |\Z)", section, re.MULTILINE | re.DOTALL)
    found = []
    for number, words in items:
        for token, times in re.findall(rf"`([^`]+)`(?:\s+({'|'.join(TIMES)}))?", " ".join(words.split())):
            found += [(int(number), token)] * TIMES.get(times, 1)
    return found


@dataclass
class Walk:
    """The debugger on the tour, and its state before the last key."""

    pilot: Pilot[object]
    screen: DebuggerScreen
    before: Moment = field(default_factory=Moment)
    event_before: EventKey = ("", None, None, None)
    kept: EventKey = ("", None, None, None)

    @property
    def moment(self) -> Moment:
        return self.screen.session.moment

    @property
    def event(self) -> EventKey:
        return self.screen.session.view().event.place

    @property
    def stop(self) -> str:
        """What the last note says."""
        return list(self.pilot.app._notifications)[-1].message

    def shows(self, *words: str) -> bool:
        """Whether all of this stands on the screen."""
        return all(word in text(self.pilot) for word in words)

    def pane(self, name: str) -> Pane:
        return self.screen.query_one(f"#{name}", Pane)

    def at(self, step: int, phase: Phase, event: EventKey | None = None) -> bool:
        """Whether this is the step, the phase and the event that is shown."""
        if self.screen.busy:  # a thread is moving the run
            return False
        return (self.moment.step, self.moment.phase) == (step, phase) and event in (None, self.event)


def made(name: str, *more: str) -> Callable[[Walk], bool]:
    """A tensor of position 0 is whole, and the panes that the tour names are on the screen."""
    return lambda w: (
        w.at(0, Phase.FORWARD)
        and w.event[:2] == (name, 0)
        and not w.screen.frame.stepping_inside
        and all(w.pane(pane).display for pane in ("map", "stage", "source", "inspector"))
        and w.shows(name, *more)
    )


def brought_up(name: str) -> Callable[[Walk], bool]:
    """In a small window this pane, and no other, stands where the stage stood."""
    return lambda w: w.pane(name).display and not w.pane("stage").display


def scalar_of_scores(w: Walk) -> bool:
    inside = w.event == ("attn_logits", 0, 0, 0) and w.moment.tick == w.before.tick + 1
    return inside and w.shows("How the score of key 0 BOS came about", "q[0] · k[0]")


def added(w: Walk) -> bool:
    return w.at(0, Phase.BACKWARD) and w.moment.tick == w.before.tick + 1 and w.shows(" → ", "+= ")


def runs(w: Walk) -> bool:
    """Training runs at its pace, the event is kept on the screen; it is waited for until eleven steps are done."""
    return w.shows("of 5 steps a second") and w.screen.state.where.moment.step > 10


def pauses(w: Walk) -> bool:
    return w.at(w.screen.state.where.moment.step, Phase.FORWARD, w.kept) and not w.shows("of 5 steps a second")


def stopped(w: Walk, *words: str) -> bool:
    return not w.screen.busy and all(word in w.stop for word in words)


def holds(w: Walk, way: int) -> bool:
    """The run stands where the loss is below 2, at the nearest such step before or after the one it came from."""
    if not stopped(w, "loss < 2"):
        return False
    here, losses = w.moment, w.screen.session.losses
    between = losses[w.before.step + 1 : here.step] if way > 0 else losses[here.step + 1 : w.before.step]
    loss = w.screen.session.view().loss
    found = here.step != w.before.step and (here.step > w.before.step) == (way > 0) and loss is not None and loss < 2
    return found and all(each >= 2 for each in between)


STEPS: list[tuple[int, str, Callable[[Walk], bool]]] = [
    (1, "microgpt-tui", lambda w: w.at(0, Phase.FORWARD, ("embed", 0, None, None)) and w.shows("m  i  g  n  o  n")),
    (2, "n", made("embed_norm")),
    (2, "n", made("attn_norm")),
    (2, "n", made("q")),
    (2, "n", made("k")),
    (2, "n", made("v", "v = attn_wv · x", "w·x")),
    (2, "1", brought_up("map")),
    (2, "3", brought_up("source")),
    (2, "4", brought_up("inspector")),
    (2, "2", lambda w: w.pane("stage").display and not w.pane("inspector").display),
    (3, "s", scalar_of_scores),
    (3, "s", scalar_of_scores),
    (3, "s", scalar_of_scores),
    (3, "o", lambda w: w.event == ("attn_logits", 0, 0, 0) and not w.screen.frame.stepping_inside),
    (4, "f", lambda w: w.at(0, Phase.BACKWARD, ("attn_logits", 0, 0, 0)) and w.shows("BACKWARD")),
    (4, "s", added),
    (4, "child.grad += local * v.grad", lambda w: w.shows("grad[child[edge]] +=") and w.shows("local * grad[row]")),
    (4, "n", lambda w: w.at(0, Phase.BACKWARD, Q0) and not w.screen.frame.stepping_inside),
    (5, "f", lambda w: (
        w.at(0, Phase.UPDATE, ("layer0.attn_wq", None, 0, None))
        and w.shows("gradient g ±", "step ±", "weight ±") and w.pane("adam").display
    )),
    (6, "]", lambda w: w.at(1, Phase.UPDATE, w.event_before)),
    (6, "[", lambda w: w.at(0, Phase.UPDATE, w.event_before)),
    (6, "F", lambda w: w.at(0, Phase.BACKWARD)),
    (6, "F", lambda w: w.at(0, Phase.FORWARD, Q0)),
    (6, "t", lambda w: w.at(0, Phase.FORWARD, ("q", 1, 0, None))),
    (6, "T", lambda w: w.at(0, Phase.FORWARD, Q0)),
    (6, "S", lambda w: w.moment == Moment(0, Phase.FORWARD, w.before.tick - 1)),
    (6, "p", lambda w: w.at(0, Phase.FORWARD, ("attn_norm", 0, 0, None))),
    (7, "-", lambda w: "5 steps a second" in w.stop),
    (7, "space", runs),
    (7, "space", pauses),
    (7, "+", lambda w: "flat out" in w.stop),
    (7, "{", lambda w: w.at(w.before.step - 10, Phase.FORWARD, w.kept)),
    (7, ":200", lambda w: w.at(200, Phase.FORWARD, w.kept)),
    (8, "b", lambda w: len(w.screen.state.annotations.breakpoints) == 1),
    (8, "c", lambda w: w.at(201, Phase.FORWARD, w.kept) and stopped(w, "attn_norm", "step 201")),
    (8, "b", lambda w: w.screen.state.annotations.breakpoints == ()),
    (8, "B", lambda w: isinstance(w.pilot.app.screen, BreakpointsScreen)),
    (8, "a", lambda w: bool(w.pilot.app.screen.query(Input))),
    (8, "loss < 2", lambda w: [each.condition for each in w.screen.state.annotations.breakpoints] == ["loss < 2"]),
    (8, "esc", lambda w: w.pilot.app.screen is w.screen),
    (8, "c", lambda w: holds(w, +1)),
    (8, "C", lambda w: holds(w, -1)),
    (9, "z", lambda w: w.screen.grid.zoomed == "stage" and not w.pane("source").display),
    (9, "z", lambda w: w.screen.grid.zoomed is None and w.pane("source").display),
    (9, "?", lambda w: w.shows("Help", "What: The mean of all positions' losses")),
    (9, "esc", lambda w: w.pilot.app.screen is w.screen),
    (9, "l", lambda w: w.shows("Lectures", "Attention", "Adam")),
    (9, "esc", lambda w: w.pilot.app.screen is w.screen),
    (9, "ctrl+s", lambda w: len(list(Path.cwd().glob("*.safetensors"))) == 1),
    (9, "q", lambda w: not w.pilot.app.is_running),
    (10, "microgpt-tui --resume", lambda w: w.moment == w.before and w.shows("step")),
]  # fmt: skip


async def press(pilot: Pilot[object], token: str) -> None:
    """Type what the tour says."""
    if token.startswith(":"):
        await pilot.press("colon")
        await until(pilot, lambda: isinstance(pilot.app.screen, LineScreen))
        await pilot.press(*token[1:], "enter")
    elif token == "loss < 2":
        await pilot.press(*token, "enter")
    elif token == "ctrl+s":
        await pilot.press("ctrl+s")
        await until(pilot, lambda: bool(pilot.app.screen.query(Input)))
        await pilot.press("enter")
    elif token in PRESSED:
        await pilot.press(PRESSED[token])
    else:
        assert token == "child.grad += local * v.grad", f"{token} is no key"


async def walk(
    pilot: Pilot[object], screen: DebuggerScreen, steps: list[tuple[int, str, Callable[[Walk], bool]]]
) -> Moment:
    """Press one after the other, and wait until what is said of it holds. Where the last one led."""
    here = Walk(pilot, screen)
    for number, token, holds_ in steps:
        if not screen.busy:
            here.before, here.event_before = here.moment, here.event
        if number == 7 and token == "-":
            here.kept = here.event
        small = number == 2 and token.isdigit()
        if small != (pilot.app.size.width == 80):
            await pilot.resize_terminal(*((80, 24) if small else (120, 36)))
        if not token.startswith("microgpt-tui"):
            await press(pilot, token)
        try:
            await until(pilot, lambda holds_=holds_: holds_(here))  # type: ignore[misc]
        except AssertionError as error:
            raise AssertionError(
                f"item {number}, `{token}`, at {here.moment} {here.event}: {error}\n{notes(pilot)}"
            ) from None
    return here.before


async def debugger_of(pilot: Pilot[object]) -> DebuggerScreen:
    """The debugger of the app, once the run is ready."""
    app = pilot.app
    assert isinstance(app, MicrogptApp)
    await until(pilot, lambda: isinstance(app.screen, DebuggerScreen) and app.autosave is not None)
    await until(pilot, lambda: isinstance(app.screen, DebuggerScreen) and not app.screen.busy)
    assert isinstance(app.screen, DebuggerScreen)
    return app.screen


def test_the_readme_has_the_keys_of_the_test() -> None:
    assert tour() == [(number, token) for number, token, _ in STEPS]


async def test_every_key_of_the_tour_has_the_described_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    at = [i for i, (_, token, _) in enumerate(STEPS) if token.startswith("microgpt-tui")]
    starts: list[Callable[[], Start]] = [lambda: from_seed(Config(), 0, None), lambda: from_saved_session(None)]
    left = Moment()
    for make, first, last in zip(starts, at, (*at[1:], len(STEPS)), strict=True):
        app = MicrogptApp(make())
        async with app.run_test(size=(120, 36)) as pilot:
            screen = await debugger_of(pilot)
            assert first == 0 or screen.session.moment == left
            left = await walk(pilot, screen, STEPS[first:last])
        assert app.autosave is not None
        app.autosave.finish()  # as the command does when the app has ended
