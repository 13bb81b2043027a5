"""One focus for all panes: the inspector and every pane follow a click in any of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import pytest
from rich.segment import Segment
from textual.geometry import Size
from textual.pilot import Pilot

from engine.timeline.events import PHASES, Moment, Phase
from microgpt_tui.debugger.frame import Choice, Focus, Frame
from microgpt_tui.debugger.navigation import SameEvent, made_at
from microgpt_tui.drawing.picture import Picture, Spot
from microgpt_tui.panes import registry
from microgpt_tui.panes.attention import Attention
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.gradients import Gradients
from microgpt_tui.panes.inspector import Inspector
from microgpt_tui.panes.prediction import Prediction
from microgpt_tui.panes.program import Program
from microgpt_tui.panes.qkv import QKV
from microgpt_tui.panes.residual import Residual
from microgpt_tui.panes.tokens import Tokens
from tests.support.harness import debugger, screen, session, until

pytestmark = pytest.mark.usefixtures("own_settings")

PLACES = {
    Phase.FORWARD: ("attn_weights", 2, 1),
    Phase.BACKWARD: ("q", 1, None),
    Phase.UPDATE: ("layer0.attn_wq", None, None),
}
OVER_OTHERS = {  # panes without a place in the layout of a phase; they come up when they are called
    Phase.FORWARD: ("residual", "adam", "qkv"),
    Phase.BACKWARD: ("qkv", "attention", "prediction"),
    Phase.UPDATE: ("gradients", "training"),
}
LEADING = Moment | SameEvent
"""What leads to another moment."""
SIZES = {"stage": (100, 30)}
SIZE = (60, 20)  # of the other panes


def place(phase: Phase, name: str, pos: int | None = None, head: int | None = None) -> Moment:
    """The end of an event of step 1."""
    run = session()
    run.seek(Moment(1))
    found = next(s for s in run.program.events(phase) if (s.name, s.pos, s.head) == (name, pos, head))
    return Moment(1, phase, found.last)


def frame_at(moment: Moment, **focus: object) -> Frame:
    run = session()
    run.seek(moment)
    return Frame(run.view(), replace(Focus(run.moment), **focus))  # type: ignore[arg-type]


def scattered(count: int) -> list[Moment]:
    """Ends of events and ticks inside them, of both first steps and every phase."""
    chance, run, found = random.Random(5), session(), []
    for i in range(count):
        run.seek(Moment(i % 2))
        for phase in PHASES:
            end = chance.choice(run.program.events(phase)).last
            found.append(Moment(i % 2, phase, chance.randint(1, end) if i % 3 == 2 else end))
    return found


def shown(name: str, frame: Frame) -> Pane:
    """A pane by itself that shows a frame."""
    pane = next(spec.kind(name) for spec in registry.PANES if spec.id == name)
    pane.frame, pane.picture = frame, pane.draw(frame, *SIZES.get(name, SIZE))
    return pane


def scalars(picture: Picture) -> list[int]:
    return sorted({spot.target for spot in picture.spots() if isinstance(spot.target, int)})


def drawn_as(picture: Picture, target: Hashable) -> list[list[Segment]]:
    """How a target is drawn, wherever it is: text and style."""
    spots = [spot for spot in picture.spots() if spot.target == target]
    return [list(Segment.divide(picture.lines[s.y].segments, [s.x, s.end]))[1] for s in spots]


@pytest.mark.parametrize("name", sorted(set(registry.ids()) - {"inspector"}))
def test_a_selected_scalar_looks_unlike_itself_unselected(name: str) -> None:
    chance = random.Random(name)
    for moment in scattered(6):
        found = scalars(shown(name, frame_at(moment)).picture)
        for row in chance.sample(found, min(3, len(found))):
            selected = drawn_as(shown(name, frame_at(moment, row=row)).picture, row)
            without = drawn_as(shown(name, frame_at(moment, row=row - 1 if row else 1)).picture, row)
            assert selected, "selecting a scalar never scrolls it away"
            assert selected != without or not without, (moment, frame_at(moment).explain.name(row))


@pytest.mark.parametrize("name", sorted(registry.ids()))
def test_from_every_scalar_of_a_pane_an_arrow_leads_to_another(name: str) -> None:
    chance = random.Random(name)
    for moment in scattered(4):
        found = scalars(shown(name, frame_at(moment)).picture)
        for row in chance.sample(found, min(4, len(found))):
            pane = shown(name, frame_at(moment, row=row))
            there = {pane.neighbour(dx, dy) for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1))} - {None}
            assert there <= set(scalars(pane.picture))
            assert there - {row} or len(scalars(pane.picture)) < 2, (moment, row)


def test_what_can_be_clicked_in_each_pane() -> None:
    forward = frame_at(place(Phase.FORWARD, "loss"))
    n, heads = forward.program.n, forward.config.n_head

    def targets(pane: Pane, frame: Frame) -> set[Hashable]:
        return {spot.target for spot in pane.draw(frame, 60, 30).spots()}

    def positions(found: set[Hashable], frame: Frame) -> set[int | None]:
        return {frame.program.event_at(m).pos for m in found if isinstance(m, Moment)}

    assert set(range(n)) <= positions(targets(Tokens("x"), forward), forward)
    assert set(range(n)) <= positions(targets(Program("x"), forward), forward)
    assert set(range(n)) <= positions(targets(Attention("x"), forward), forward)
    assert set(range(n)) <= positions(targets(QKV("x"), forward), forward)
    assert {Choice(head=h) for h in range(heads)} <= targets(QKV("x"), forward)
    assert {Choice(layer=0, head=h) for h in range(heads)} <= targets(Attention("x"), forward)
    probs = forward.tensor("probs", n - 1)
    assert probs is not None
    assert set(map(int, probs)) <= targets(Prediction("x"), forward)
    assert len({m for m in targets(Residual("x"), forward) if isinstance(m, Moment)}) == 4
    backward = frame_at(place(Phase.BACKWARD, "q", 1))
    matrices = set(backward.view.recording.matrices)
    assert {Choice(matrix=name) for name in matrices} <= targets(Gradients("x"), backward)
    update = frame_at(place(Phase.UPDATE, "layer0.attn_wq"))
    for pane in (Program("x"), Gradients("x")):
        led = {update.program.event_at(m).name for m in targets(pane, update) if isinstance(m, Moment)}
        assert led | {update.matrix} == matrices


def test_the_name_of_another_head_leads_to_the_same_event_in_it() -> None:
    frame = frame_at(place(Phase.FORWARD, "attn_weights", 2, 1))
    expected = place(Phase.FORWARD, "attn_weights", 2, 0)
    for pane in (QKV("x"), Attention("x")):
        assert expected in {spot.target for spot in pane.draw(frame, 60, 8).spots() if spot.y == 0}


def spots_of(pane: Pane, kind: Any) -> list[Spot]:
    """The spots of a kind that can be clicked now: in sight, and not the one that is selected."""
    assert pane.frame is not None
    seen = range(pane.top, pane.top + pane.content_size.height)
    selected = pane.frame.selected
    return [s for s in pane.picture.spots() if isinstance(s.target, kind) and s.y in seen and s.target != selected]


def middle(pane: Pane, spot: Spot) -> tuple[int, int]:
    """Where the mouse points at a spot, from the pane's corner."""
    gutter = pane.gutter.top_left
    return (spot.x + spot.end) // 2 + gutter[0], spot.y - pane.top + gutter[1]


async def bring(pilot: Pilot[None], moment: Moment, name: str) -> Pane:
    """Bring a pane onto the screen, at a moment, with nothing chosen."""
    here = screen(pilot)
    settled = moment.phase is here.session.moment.phase and here.grid.zoomed is None
    here.state.stand(Focus(here.session.moment))
    here.navigator.go(moment)
    here.show()  # at once, so that the layout is that of the phase
    pane = here.query_one(f"#{name}", Pane)
    if not pane.display:
        here.action_pane(name)
        settled = False
    if not settled:
        await pilot.pause()
        await until(pilot, lambda: pane.display and pane.drawn_for == pane.content_size != Size())
    return pane


@pytest.mark.parametrize("phase", PHASES)
async def test_every_pane_follows_a_click_in_any_of_them_and_arrows_go_on_from_there(phase: Phase) -> None:
    moment, chance, clicked = place(phase, *PLACES[phase]), random.Random(phase), Counter[object]()
    async with debugger((120, 36)) as pilot:
        await bring(pilot, moment, "stage")
        on_screen = [
            str(pane.id)
            for pane in screen(pilot).query(Pane)
            if pane.display and spots_of(pane, (int, LEADING, Choice))
        ]
        for name in (*on_screen, *OVER_OTHERS[phase]):
            pane = await bring(pilot, moment, name)
            kinds = [kind for kind in (int, LEADING, Choice) if spots_of(pane, kind)]
            assert kinds, name
            kind = min(kinds, key=lambda kind: clicked[kind])
            spot = chance.choice(spots_of(pane, kind))
            if isinstance(spot.target, int):
                await pilot.hover(pane, offset=middle(pane, spot))
                assert str(pane.tooltip).startswith(named(pilot, spot.target))
            await pilot.click(pane, offset=middle(pane, spot))
            await follows(pilot, spot.target)
            clicked[kind] += 1
            if name == "stage":
                await there_and_back(pilot)
                await pilot.press("down", "right")
            if pane.can_focus:
                for dx, dy in ((1, 0), (0, 1), (-1, 0), (0, -1)):
                    screen(pilot).action_select(dx, dy)
                assert len(scalars(pane.picture)) < 2 or screen(pilot).state.where.row is not None, name
            screen(pilot).action_back()
            screen(pilot).set_focus(None)
    assert set(clicked) == {int, LEADING, Choice}


def named(pilot: Pilot[None], row: int) -> str:
    """A scalar's name and its number in full."""
    frame = screen(pilot).frame
    value = frame.value(row)
    return f"{frame.explain.name(row)}  {'·' if value is None else repr(value)}"


async def follows(pilot: Pilot[None], target: Hashable) -> None:
    """The focus is what was clicked, and every pane on the screen draws from that one focus."""
    here = screen(pilot)
    shown = [pane for pane in here.query(Pane) if pane.display]
    await until(pilot, lambda: {pane.frame and pane.frame.where for pane in shown} == {here.state.where})
    frame = here.query_one("#stage", Pane).frame
    assert frame is not None
    if isinstance(target, SameEvent):
        assert frame.moment == here.session.moment == target.moment(frame.program)
    elif isinstance(target, Moment):
        assert frame.moment == here.session.moment == target
    elif isinstance(target, Choice):
        chosen = {"layer": target.layer, "head": target.head, "matrix": target.matrix}
        assert all(getattr(frame, what) == which for what, which in chosen.items() if which is not None), target
    else:
        assert frame.selected == target
        inspector = here.query_one("#inspector", Pane)
        assert frame.explain.name(frame.selected) in Inspector("x").heading(frame)
        assert (
            not inspector.display or inspector.picture.text() == inspector.draw(frame, *inspector.content_size).text()
        )


async def there_and_back(pilot: Pilot[None]) -> None:
    """Enter leads to where the selected value was made, if it was; backspace comes back."""
    here = screen(pilot)
    row, before = here.frame.selected, here.state.where
    made = made_at(here.session.program, here.session.moment, row)
    await pilot.press("enter")
    assert here.session.moment == (made or before.moment)
    if made and made != before.moment:
        assert here.session.view().last_row == row
        await pilot.press("backspace")
        assert (here.state.where.moment, here.frame.selected) == (before.moment, row)


async def test_the_first_cell_of_a_pane_can_be_clicked() -> None:
    async with debugger((120, 36)) as pilot:
        pane = await bring(pilot, place(Phase.UPDATE, "layer0.attn_wq"), "adam")
        await pilot.click(pane, offset=pane.gutter.top_left)
        assert screen(pilot).state.where.row is not None
