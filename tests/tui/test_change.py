"""The animation of a change: the tensor fills up, then a frame fades, unless keys repeat or animations are off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from textual.pilot import Pilot

from engine.timeline.events import Moment, Phase
from microgpt_tui.debugger.change import FADE, FILL, PICTURES, REPEAT, ChangePlayer
from microgpt_tui.debugger.frame import BRIGHT, Focus, Frame
from microgpt_tui.debugger.state import DebuggerState
from microgpt_tui.drawing.cells import Cells, heat_row, signed_strip
from microgpt_tui.drawing.picture import Line
from microgpt_tui.operations.registry import draw
from microgpt_tui.panes.stage import Stage
from microgpt_tui.screens.debugger import DebuggerScreen
from tests.support.harness import at, debugger, go, screen, session


class Clock:
    """A clock whose timers the test ends."""

    def __init__(self) -> None:
        self.waiting: Callable[[], None] | None = None
        self.after = 0.0
        self.passed = 0.0

    def start(self, seconds: float, then: Callable[[], None]) -> Clock:
        self.after, self.waiting = seconds, then
        return self

    def __call__(self) -> float:
        return self.passed

    def stop(self) -> None:
        self.waiting = None

    def end(self) -> None:
        assert self.waiting is not None
        self.passed += self.after
        then, self.waiting = self.waiting, None
        then()


def test_a_tensor_fills_up_in_a_quarter_of_a_second_and_its_frame_fades() -> None:
    state, clock, shown = DebuggerState(session()), Clock(), []
    player = ChangePlayer(state, lambda: shown.append((state.filled, state.framed)), clock.start, lambda: True, clock)
    player.begin(fills=True)
    assert (state.filled, state.framed) == (0.0, BRIGHT)
    for _ in range(PICTURES):
        clock.end()
    assert clock.passed == pytest.approx(FILL)
    assert [filled for filled, _ in shown] == pytest.approx([(i + 1) / PICTURES for i in range(PICTURES)])
    assert shown[-1] == (1.0, BRIGHT)
    clock.end()
    assert clock.passed == pytest.approx(FILL + FADE / 2)
    assert shown[-1] == (1.0, 1)  # less bright
    clock.end()
    assert clock.passed == pytest.approx(FILL + FADE)
    assert shown[-1] == (1.0, 0)
    assert clock.waiting is None


def test_repeated_keys_show_the_whole_tensor_at_once() -> None:
    state, clock, shown = DebuggerState(session()), Clock(), []
    player = ChangePlayer(state, lambda: shown.append(state.filled), clock.start, lambda: True, clock)
    for _ in range(5):
        player.begin(fills=True)
        clock.passed += REPEAT - 0.01
    assert (state.filled, state.framed, clock.waiting) == (1.0, 0, None)
    assert shown == []
    clock.passed += 0.02
    player.begin(fills=True)
    assert state.filled == 0.0


def test_a_slow_terminal_gets_fewer_pictures_in_the_same_time() -> None:
    state, clock, shown = DebuggerState(session()), Clock(), []
    player = ChangePlayer(state, lambda: shown.append(state.filled), clock.start, lambda: True, clock)
    player.begin(fills=True)
    for late in (0.4, 0.6):
        clock.passed += late * FILL
        clock.end()
    assert len(shown) == 2
    assert shown[-1] == 1.0


def test_a_key_shows_the_whole_tensor_and_leaves_the_frame() -> None:
    state, clock, shown = DebuggerState(session()), Clock(), []
    player = ChangePlayer(state, lambda: shown.append((state.filled, state.framed)), clock.start, lambda: True, clock)
    player.begin(fills=True)
    player.finish()
    player.finish()
    assert shown == [(1.0, BRIGHT)]
    assert clock.after == FADE / BRIGHT
    clock.end()
    clock.end()
    assert shown[-1] == (1.0, 0)


def test_nothing_is_animated_where_animations_are_off() -> None:
    state, clock = DebuggerState(session()), Clock()
    ChangePlayer(state, lambda: None, clock.start, lambda: False, clock).begin(fills=True)
    assert (state.filled, state.framed, clock.waiting) == (1.0, 0, None)


@pytest.mark.parametrize("name", ["q", "logits", "embed", "probs", "attn_weights"])
def test_a_tensor_that_fills_up_shows_its_first_rows_and_nothing_made_later(name: str) -> None:
    run = session()
    run.seek(Moment(0, Phase.FORWARD))
    event = next((e for e in run.program.events(Phase.FORWARD) if e.name == name and e.pos == 1), None)
    if event is None:
        pytest.skip("this model has no such tensor")
    whole = at(Moment(0, Phase.FORWARD, event.last))
    n = event.rows.size
    for shown in range(n + 1):
        frame = Frame(whole.view, Focus(whole.moment), replace(whole.around, filled=shown / n, framed=BRIGHT))
        assert frame.data(event.rows).known.tolist() == [i < shown for i in range(n)]
        assert [frame.value(int(row)) is not None for row in event.rows] == [i < shown for i in range(n)]
        assert draw(frame, 60, 26).lines
    assert frame.data(event.rows).fresh.all()
    assert not whole.data(event.rows).fresh.any()


async def test_in_the_app_any_key_ends_the_animation(monkeypatch: pytest.MonkeyPatch) -> None:
    async with debugger() as pilot:
        shown, clock = screen(pilot), Clock()
        monkeypatch.setattr(shown.change, "_after", clock.start)
        monkeypatch.setattr(shown.change, "_plays", lambda: True)
        stage = shown.query_one(Stage)
        await pilot.press("n")
        await pilot.pause()
        assert stage.frame is not None
        assert (stage.frame.around.filled, stage.frame.around.framed) == (0.0, BRIGHT)
        assert shown.frame.around.filled == 1.0  # the other panes show all of it
        clock.end()
        await pilot.pause()
        assert 0 < stage.frame.around.filled < 1
        await pilot.press("#")
        await pilot.pause()
        assert (stage.frame.around.filled, stage.frame.around.framed) == (1.0, 0)
        assert clock.waiting is None


async def test_without_a_terminal_nothing_is_animated() -> None:
    async with debugger() as pilot:
        await pilot.press("n")
        assert not screen(pilot).state.framed
        assert screen(pilot).state.filled == 1.0


def test_the_selected_row_goes_down_as_the_tensor_fills_up() -> None:
    run = session()
    run.seek(Moment(0, Phase.FORWARD))
    event = next(e for e in run.program.events(Phase.FORWARD) if e.name == "q" and e.pos == 1)
    whole = at(Moment(0, Phase.FORWARD, event.last))
    for shown in range(1, event.rows.size):
        part = Frame(whole.view, whole.where, replace(whole.around, filled=shown / event.rows.size))
        assert part.selected == event.rows[shown - 1]
    assert whole.selected == event.rows[0]


def test_the_backward_phase_frames_gradients_and_no_values() -> None:
    run = session()
    run.seek(Moment(0, Phase.BACKWARD))
    event = next(e for e in run.program.events(Phase.BACKWARD) if e.name == "attn_norm" and e.pos == 1)
    there = at(Moment(0, Phase.BACKWARD, event.last))
    frame = Frame(there.view, there.where, replace(there.around, framed=BRIGHT))
    assert frame.grad(event.rows).fresh.all()
    assert not frame.data(event.rows).fresh.any()


async def playing(pilot: Pilot[None], monkeypatch: pytest.MonkeyPatch) -> tuple[DebuggerScreen, Clock]:
    """With animations as in a terminal, on the test's clock, a second after the last key."""
    shown, clock = screen(pilot), Clock()
    clock.passed = 100.0
    monkeypatch.setattr(shown.change, "_after", clock.start)
    monkeypatch.setattr(shown.change, "_clock", clock)
    monkeypatch.setattr(shown.change, "_plays", lambda: True)
    return shown, clock


@pytest.mark.parametrize("key", ["tab", "click"])
async def test_keys_and_clicks_without_effect_end_the_animation_too(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with debugger() as pilot:
        shown, _ = await playing(pilot, monkeypatch)
        await go(pilot, "n")
        assert shown.state.filled == 0.0
        await (pilot.click("#stage", offset=(1, 0)) if key == "click" else go(pilot, key))
        await pilot.pause()
        assert (shown.state.filled, shown.state.framed) == (1.0, BRIGHT)


async def test_every_move_to_the_next_event_is_animated_and_a_move_back_frames_what_was_made_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with debugger() as pilot:
        shown, clock = await playing(pilot, monkeypatch)
        await go(pilot, "right")
        assert (shown.state.filled, shown.state.framed) == (0.0, BRIGHT)
        clock.passed += 1
        await go(pilot, "p")
        assert (shown.state.filled, shown.state.framed) == (1.0, BRIGHT)
        clock.passed += 1
        await go(pilot, "t")  # several events: all that is there is framed at once
        assert (shown.state.filled, shown.state.framed) == (1.0, BRIGHT)
        clock.passed += 1
        await go(pilot, "down")
        assert not shown.state.framed


async def test_a_key_without_effect_animates_nothing_later(monkeypatch: pytest.MonkeyPatch) -> None:
    async with debugger() as pilot:
        shown, clock = await playing(pilot, monkeypatch)
        await go(pilot, "p", "p", "p")
        clock.passed += 1
        await go(pilot, "down")
        assert not shown.state.framed


async def test_where_training_has_ended_nothing_is_framed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with debugger() as pilot:
        shown, _ = await playing(pilot, monkeypatch)
        shown.navigator.run(flat_out=True)
        await go(pilot, "space")
        assert not shown.state.framed


@pytest.mark.parametrize(("size", "text"), [(1, "  "), (2, "  ▏▕"), (3, "   ▏ ▕"), (4, "    ▌  ▐")])
def test_a_cell_that_is_framed_keeps_its_colour(size: int, text: str) -> None:
    values, known = np.array([0.5, 0.5]), np.ones(2, dtype=np.bool_)
    line = heat_row(
        Line(), Cells(values, known, np.arange(2, dtype=np.int32), np.array([False, True])), size, None, 1.0
    )
    assert "".join(segment.text for segment in line.segments) == text
    assert len({segment.style.bgcolor for segment in line.segments if segment.style}) == 1


@pytest.mark.parametrize(("name", "size"), [("q", (58, 26)), ("q", (110, 45)), ("attn_weights", (58, 26))])
def test_numbers_that_were_just_made_stand_between_bright_edges(name: str, size: tuple[int, int]) -> None:
    run = session()
    run.seek(Moment(0, Phase.FORWARD))
    event = next(e for e in run.program.events(Phase.FORWARD) if e.name == name and e.pos == 1)
    whole = at(Moment(0, Phase.FORWARD, event.last))
    framed = draw(Frame(whole.view, whole.where, replace(whole.around, framed=BRIGHT)), *size).text()
    edged = [line for line in framed.splitlines() if "▐" in line and "▌" in line.partition("▐")[2]]
    assert len(edged) >= event.rows.size
    assert "▐" not in draw(whole, *size).text()


def test_a_frame_that_fades_has_other_edges() -> None:
    values, known = np.array([0.5, 0.5]), np.ones(2, dtype=np.bool_)
    bright = Cells(values, known, np.arange(2, dtype=np.int32), np.array([False, True]))
    fading = replace(bright, fading=True)
    for size in (2, 4):
        drawn = [heat_row(Line(), cells, size, None, 1.0).segments[-1] for cells in (bright, fading)]
        assert drawn[0] != drawn[1]
        assert len({segment.style.bgcolor for segment in drawn if segment.style}) == 1  # the value is still the colour
    assert bright.edge != fading.edge
    assert fading[1:].fading
    strips = [[Line(), Line()] for _ in range(2)]
    for lines, cells in zip(strips, (bright, fading), strict=True):
        signed_strip(lines, cells, 2, 1.0)
    backs = [{segment.style.bgcolor for segment in lines[0].segments if segment.style} for lines in strips]
    assert backs[0] != backs[1]


def test_the_stage_is_drawn_in_both_shades() -> None:
    run = session()
    run.seek(Moment(0, Phase.FORWARD))
    event = next(e for e in run.program.events(Phase.FORWARD) if e.name == "q" and e.pos == 1)
    whole = at(Moment(0, Phase.FORWARD, event.last))
    shades = [draw(Frame(whole.view, whole.where, replace(whole.around, framed=shade)), 58, 26) for shade in (2, 1, 0)]
    looks = [[line.segments for line in picture.lines] for picture in shades]
    assert looks[0] != looks[1] != looks[2]
