"""Every key and every click of the debugger."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import pytest
from textual.binding import Binding, BindingType
from textual.dom import DOMNode
from textual.widgets._toast import Toast

import microgpt_tui
from engine import Config, NumericFault, Session
from engine.language.catalog import read_part
from engine.timeline.events import Moment, Phase
from engine.timeline.run import OnStep
from microgpt_tui.debugger import search
from microgpt_tui.debugger.frame import Focus
from microgpt_tui.dialogs.help import HelpScreen
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.registry import all_keys
from microgpt_tui.panes.timeline import Share
from microgpt_tui.storage import paths
from tests.support.harness import (
    DOCS,
    SMALL,
    Debugger,
    click_on,
    debugger,
    go,
    name,
    notes,
    screen,
    session,
    text,
    until,
)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("n", "embed_norm"),
        ("right", "embed_norm"),
        ("n n p", "embed_norm"),
        ("n n left", "embed_norm"),
        ("n n n", "q"),
        ("n n n o", "attn_residual"),
        ("n n n o o", "mlp_residual"),
        ("n n n o o o", "loss_t"),
        ("n n n n n n n O", "attn_logits"),
        ("n n n n n n n O O", "attn_norm"),
        ("f", "embed"),
        ("f f", "wte"),
        ("n n n f f", "layer0.attn_wq"),
        ("n n n f f F F", "q"),
        ("n n n n n n n f f F", "attn_weights"),  # no matrix moves for it, and it is not forgotten
        ("n n n f f n F", "layer0.attn_wk"),
        ("end", "layer0.mlp_fc2"),
        ("end home", "embed"),
    ],
)
async def test_a_key_leads_to_its_event(keys: str, expected: str) -> None:
    async with debugger() as pilot:
        await pilot.press(*keys.split())
        assert name(pilot) == expected
        assert expected.removeprefix("layer0.") in text(pilot)


@pytest.mark.parametrize(
    ("keys", "moment"),
    [
        ("s", Moment(0, Phase.FORWARD, 5)),
        ("s s S", Moment(0, Phase.FORWARD, 5)),
        ("S S S S", Moment(0, Phase.FORWARD, 1)),
        ("]", Moment(1, Phase.FORWARD, 4)),
        ("] ] [", Moment(1, Phase.FORWARD, 4)),
    ],
)
async def test_a_key_leads_to_its_moment(keys: str, moment: Moment) -> None:
    async with debugger() as pilot:
        await pilot.press(*keys.split())
        assert screen(pilot).session.moment == moment


async def test_t_goes_to_the_same_tensor_at_the_next_position() -> None:
    async with debugger() as pilot:
        await pilot.press("n", "n", "n", "t")
        event = screen(pilot).session.view().event
        assert (event.name, event.pos) == ("q", 1)
        await pilot.press("T")
        assert screen(pilot).session.view().event.pos == 0
        await pilot.press("t", "f", "t")  # in the backward phase the later position comes first
        assert (name(pilot), screen(pilot).session.view().event.pos) == ("q", 0)


async def test_the_first_moment_is_not_left_backwards() -> None:
    async with debugger() as pilot:
        before = screen(pilot).session.moment
        for key in ("p", "F", "[", "O", "T", "home"):
            await pilot.press(key)
            assert screen(pilot).session.moment == before


async def test_the_cell_cursor_moves_and_the_inspector_follows() -> None:
    async with debugger() as pilot:
        chosen = set()
        for keys in (["2", "right"], ["up"]):
            await pilot.press(*keys)
            frame = screen(pilot).frame
            chosen.add(frame.selected)
            assert frame.explain.name(frame.selected) in screen(pilot).query_one("#inspector", Pane).title_now()
        assert len(chosen) == 2
        await pilot.press("down", "down", "left")
        assert screen(pilot).state.where.row is not None
        await pilot.press("escape", "n")
        assert name(pilot) == "embed_norm"


async def test_clicks_go_to_what_is_clicked() -> None:
    async with debugger() as pilot:
        events = screen(pilot).session.program.events(Phase.FORWARD)
        second = next(s for s in events if s.pos == 1)
        await click_on(pilot, "tokens", Moment(0, Phase.FORWARD, second.last))
        assert screen(pilot).session.view().event.pos == 1
        await click_on(pilot, "map", screen(pilot).frame.ends["embed_norm", 1, None, None])
        assert name(pilot) == "embed_norm"
        backward = screen(pilot).session.program.events(Phase.BACKWARD)
        await click_on(pilot, "timeline", Share(Phase.BACKWARD, 0, 1))
        assert screen(pilot).session.moment == Moment(0, Phase.BACKWARD, backward[0].last)
        stage = screen(pilot).query_one("#stage", Pane)
        row = next(s.target for s in stage.picture.spots() if isinstance(s.target, int))
        await click_on(pilot, "stage", row)
        assert screen(pilot).state.where.row == row


async def test_the_timeline_can_be_dragged() -> None:
    async with debugger() as pilot:
        await pilot.mouse_down("#timeline", offset=(12, 0))
        await pilot.hover("#timeline", offset=(30, 0))
        await pilot.hover("#timeline", offset=(40, 0))
        await pilot.mouse_up("#timeline", offset=(40, 0))
        await pilot.pause()
        reached = screen(pilot).session.moment
        assert reached.tick > 100
        events = screen(pilot).session.program.events(Phase.FORWARD)
        assert reached in [Moment(0, Phase.FORWARD, event.last) for event in events]


async def test_enter_goes_to_the_event_that_made_a_value_and_backspace_returns() -> None:
    async with debugger() as pilot:
        await pilot.press("n", "n", "n")
        here = screen(pilot).session.moment
        q = screen(pilot).frame.stage_event
        normed = int(q.operands["x"][2])
        await click_on(pilot, "stage", normed)
        assert screen(pilot).frame.selected == normed
        await pilot.press("enter")
        assert name(pilot) == "attn_norm"
        assert screen(pilot).session.view().last_row == normed
        await pilot.press("backspace")
        assert screen(pilot).session.moment == here
        assert screen(pilot).frame.selected == normed
        weight = int(q.operands["w"][0, 0])
        await click_on(pilot, "stage", weight)
        await pilot.press("enter")  # drawn before training: nowhere to go
        assert screen(pilot).session.moment == here
        await pilot.press("]")
        await click_on(pilot, "stage", weight)
        await pilot.press("enter")
        assert screen(pilot).session.moment == Moment(0, Phase.UPDATE, weight + 1)


async def test_the_mouse_over_a_cell_names_its_number() -> None:
    async with debugger() as pilot:
        stage = screen(pilot).query_one("#stage", Pane)
        spot = next(s for s in stage.picture.spots() if isinstance(s.target, int))
        await pilot.hover("#stage", offset=(spot.x + stage.gutter.left, spot.y + stage.gutter.top))
        assert str(stage.tooltip).startswith("wte[")
        await pilot.hover("#stage", offset=(50, 18))


async def test_help_lists_every_key_and_closes() -> None:
    async with debugger((120, 60)) as pilot:
        await pilot.press("question_mark")
        assert isinstance(pilot.app.screen, HelpScreen)
        shown = text(pilot)
        assert "What:" in shown
        assert "Why:" in shown
        for key in all_keys()[:10]:
            assert key.tooltip in shown
        await pilot.press("escape")
        assert not isinstance(pilot.app.screen, HelpScreen)


async def test_the_palette_knows_every_binding() -> None:
    async with debugger() as pilot:
        await pilot.press("ctrl+p")
        await pilot.press(*"same place at the next")
        await pilot.pause()
        await pilot.app.workers.wait_for_complete()
        await pilot.press("enter")
        await pilot.pause()
        assert screen(pilot).session.view().event.pos == 1


async def test_in_a_browser_no_key_stops_the_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """There is no way to continue a stopped process."""
    monkeypatch.setenv(paths.CLIENT_FOLDER, str(tmp_path))
    async with debugger() as pilot:
        await pilot.press("colon", "ctrl+z")  # also while a line is typed
        await until(pilot, lambda: "There is no shell to return to in a browser" in notes(pilot))


def test_every_binding_has_a_description_and_is_unique() -> None:
    keys = all_keys()
    assert len({key.id for key in keys}) == len(keys)
    names = [name for key in keys for name in key.keys.split(",")]
    assert len(set(names)) == len(names)
    assert all(key.description and key.tooltip for key in keys)


def bound() -> dict[str, list[BindingType]]:
    """All bindings of the app, by the class that has them."""
    for module in pkgutil.walk_packages(microgpt_tui.__path__, "microgpt_tui."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found: dict[str, list[BindingType]] = {}
    waiting: list[type[DOMNode]] = [DOMNode]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.startswith("microgpt_tui.") and vars(kind).get("BINDINGS"):
            found[kind.__name__] = kind.BINDINGS
    return found


def test_every_binding_is_that_of_a_key_and_every_text_of_a_key_belongs_to_one() -> None:
    asked = set()
    for kind, bindings in bound().items():
        for binding in bindings:
            assert isinstance(binding, Binding), kind
            assert binding.id, f"{kind} binds {binding.key} by hand; declare a Key"
            assert binding.description, binding
            assert binding.tooltip, binding
            asked.add("_".join(binding.id.split(".")[:2]))
    for table in ("short", "tooltip"):
        assert read_part("microgpt_tui.texts", "en", "keys")[table].keys() == asked


async def test_q_quits_and_escape_does_not() -> None:
    async with debugger() as pilot:
        await pilot.press("escape", "escape")
        assert pilot.app.is_running
        await pilot.press("q")
        assert pilot.app._exit


async def test_a_fault_is_shown_at_its_moment_and_the_run_can_go_back() -> None:
    run = Session(Config(n_embd=4, n_head=2, block_size=4, learning_rate=2000.0, seed=3), DOCS)
    async with debugger(run=run) as pilot:
        for _ in range(5):
            await pilot.press("]")
        assert screen(pilot).state.fault is not None
        assert "training stopped at step" in text(pilot)
        stopped = run.moment
        await pilot.press("n")
        assert run.moment == stopped
        await pilot.press("p")
        assert run.moment.key < stopped.key
        assert "training stopped" not in text(pilot)
    assert session() is not run


async def test_a_click_where_a_note_has_just_been_does_nothing() -> None:
    app = Debugger(session())
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        app.notify("this passes", timeout=60)
        await until(pilot, lambda: any(note.region for note in screen(pilot).query(Toast)))
        note = screen(pilot).query_one(Toast)
        holder, letter = note.parent, note.content_region.offset
        assert holder is not None
        note._detach()  # it is being taken away, and the screen is not yet laid out without it
        await pilot.mouse_down(offset=letter)
        await pilot.mouse_up(offset=letter)
        note._attach(holder)
        assert screen(pilot).is_current


async def test_a_move_that_ends_at_a_fault_is_not_reported_as_done(monkeypatch: pytest.MonkeyPatch) -> None:
    async with debugger(run=Session(SMALL, DOCS)) as pilot:
        await go(pilot, *"nnn", "right_square_bracket")
        here, run = screen(pilot), screen(pilot).session
        stood = run.moment
        found = search.search("probs", run.program, stood)
        here.state.stand(Focus(Moment(0, Phase.FORWARD, 3)))
        here.state.follow_from(row=5)
        here.state.stand(Focus(stood))

        def fault(moment: Moment, on_step: OnStep | None = None) -> None:
            raise NumericFault(step=1, doc="", pos=None, tensor="q", row=0, reason="cannot be computed")

        monkeypatch.setattr(run, "seek", fault)
        here.go_to.to_match(found)
        await pilot.press("backspace")
        assert "Match" not in notes(pilot)
        assert here.state.where.moment == run.moment == stood
        assert "cannot be computed" in str(here.state.fault)
