"""What the last key has made: it fills up and is framed for a moment, unless keys repeat or nothing is animated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from engine.timeline.events import Moment, Phase
from microgpt_tui.debugger.change import FADE, FILL, PICTURES, ChangePlayer
from microgpt_tui.debugger.frame import Focus, Frame
from microgpt_tui.debugger.state import DebuggerState
from microgpt_tui.operations.registry import draw
from microgpt_tui.panes.stage import Stage
from tests.support.harness import at, debugger, screen, session


class Clock:
    """Timers that end when the test says so."""

    def __init__(self) -> None:
        self.waiting: Callable[[], None] | None = None
        self.after = 0.0
        self.passed = 0.0

    def start(self, seconds: float, then: Callable[[], None]) -> Clock:
        self.after, self.waiting = seconds, then
        return self

    def stop(self) -> None:
        self.waiting = None

    def end(self) -> None:
        assert self.waiting is not None
        self.passed += self.after
        then, self.waiting = self.waiting, None
        then()


def test_a_tensor_fills_up_in_a_quarter_of_a_second_and_its_frame_fades() -> None:
    state, clock, shown = DebuggerState(session()), Clock(), []
    player = ChangePlayer(state, lambda: shown.append((state.filled, state.framed)), clock.start, lambda: True)
    player.begin(fills=True)
    assert (state.filled, state.framed) == (0.0, True)
    for _ in range(PICTURES):
        clock.end()
    assert clock.passed == pytest.approx(FILL)
    assert [filled for filled, _ in shown] == pytest.approx([(i + 1) / PICTURES for i in range(PICTURES)])
    assert shown[-1] == (1.0, True)
    clock.end()
    assert clock.passed == pytest.approx(FILL + FADE)
    assert shown[-1] == (1.0, False)
    assert clock.waiting is None


def test_keys_that_repeat_show_all_at_once() -> None:
    state, clock, shown = DebuggerState(session()), Clock(), []
    player = ChangePlayer(state, lambda: shown.append(state.filled), clock.start, lambda: True)
    for _ in range(5):
        player.begin(fills=True)
    assert (state.filled, state.framed) == (1.0, False)
    clock.end()
    assert shown == []
    player.begin(fills=True)
    assert state.filled == 0.0


def test_nothing_is_played_where_nothing_is_to_be_animated() -> None:
    state, clock = DebuggerState(session()), Clock()
    ChangePlayer(state, lambda: None, clock.start, lambda: False).begin(fills=True)
    assert (state.filled, state.framed, clock.waiting) == (1.0, False, None)


@pytest.mark.parametrize("name", ["q", "logits", "embed", "probs", "attn_weights"])
def test_a_tensor_that_fills_up_shows_its_first_rows_and_nothing_made_later(name: str) -> None:
    run = session()
    run.seek(Moment(0, Phase.FORWARD))
    event = next((e for e in run.program.stretches(Phase.FORWARD) if e.name == name and e.pos == 1), None)
    if event is None:
        pytest.skip("this model has no such tensor")
    whole = at(Moment(0, Phase.FORWARD, event.last))
    n = event.rows.size
    for shown in range(n + 1):
        frame = Frame(whole.view, Focus(whole.moment), replace(whole.around, filled=shown / n, framed=True))
        assert frame.data(event.rows).known.tolist() == [i < shown for i in range(n)]
        assert [frame.value(int(row)) is not None for row in event.rows] == [i < shown for i in range(n)]
        assert draw(frame, 60, 26).lines
    assert frame.data(event.rows).fresh.all()
    assert not whole.data(event.rows).fresh.any()


async def test_in_the_app_any_key_cuts_it_short(monkeypatch: pytest.MonkeyPatch) -> None:
    async with debugger() as pilot:
        shown, clock = screen(pilot), Clock()
        monkeypatch.setattr(shown.change, "_after", clock.start)
        monkeypatch.setattr(shown.change, "_plays", lambda: True)
        stage = shown.query_one(Stage)
        await pilot.press("n")
        await pilot.pause()
        assert stage.frame is not None
        assert (stage.frame.around.filled, stage.frame.around.framed) == (0.0, True)
        assert shown.frame.around.filled == 1.0  # the other panes show all of it
        clock.end()
        await pilot.pause()
        assert 0 < stage.frame.around.filled < 1
        await pilot.press("#")
        await pilot.pause()
        assert (stage.frame.around.filled, stage.frame.around.framed) == (1.0, False)
        assert clock.waiting is None


async def test_without_a_terminal_nothing_is_played() -> None:
    async with debugger() as pilot:
        await pilot.press("n")
        assert not screen(pilot).state.framed
        assert screen(pilot).state.filled == 1.0
