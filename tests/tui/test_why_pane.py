"""The pane why: parts of a prediction, gradient paths, positions and momentum; a sentence where it is too early."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from engine import Moment, Phase, Session
from engine.explain.gradient_paths import GradientPaths, waypoints
from engine.explain.logit_attribution import Attributor
from engine.explain.update_attribution import attribute_update
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing.numbers import number, share
from microgpt_tui.panes.why import Why
from tests.support.harness import DOCS, SMALL, at, debugger, screen, session, text


def drawn(frame: Frame, width: int = 76, height: int = 30) -> list[str]:
    return Why("why").draw(frame, width, height).text().splitlines()


def pane(pilot: Pilot[None]) -> Why:
    return screen(pilot).query_one(Why)


def end_of(name: str, pos: int, phase: Phase = Phase.FORWARD) -> Moment:
    """When a tensor of step 0 is complete."""
    run = session()
    run.seek(Moment(0))
    return next(m for place, m in run.program.ends(phase).items() if place[:2] == (name, pos))


@pytest.mark.parametrize("name", ["logits", "probs", "loss_t"])
def test_parts_of_the_prediction(name: str) -> None:
    frame = at(end_of(name, 1))
    asked = Attributor(frame.view, 1)
    mine, its = asked.logit(asked.target), asked.logit(asked.rival(asked.target))
    lines = drawn(frame)
    for part, a, b in zip(asked.parts, mine.values, its.values, strict=True):
        line = next(line for line in lines if line.startswith(part.label))
        assert line.removeprefix(part.label).split()[:3] == [number(x, 3) for x in (a, b, a - b)]
    whole = next(line for line in lines if line.startswith("logit  "))
    assert whole.split()[-3:] == [number(x, 3) for x in (mine.logit, its.logit, mine.logit - its.logit)]


def test_the_selected_token_is_the_rival() -> None:
    frame = at(end_of("logits", 1))
    other = next(i for i in range(5) if i not in (frame.program.targets[1], Attributor(frame.view, 1).rival(0)))
    logits = frame.tensor("logits", 1)
    assert logits is not None
    chosen = at(end_of("logits", 1), row=int(logits[other]))
    assert chosen.token_name(other) in drawn(chosen)[0].split()


def test_before_anything_is_computed() -> None:
    assert "logits of position 0 are not known" in " ".join(drawn(at(Moment(0))))
    assert "logits of position 1 are not known" in " ".join(drawn(at(end_of("embed", 1))))


def test_positions_and_momentum() -> None:
    run = session()
    run.seek(Moment(2, Phase.UPDATE, 10**9))
    row = int(run.recording.matrices["lm_head"][0, 0])
    lines = drawn(at(run.moment, row=row))
    found = attribute_update(run.view(), row)
    assert found.step is not None
    for line, part in zip(lines[1:], found.contributions, strict=False):
        assert line.startswith(f"{part.pos} ")
        assert number(part.term.product, 3) in line.split()
    together = next(line for line in lines if line.startswith("together"))
    assert together.split() == [
        "together",
        number(found.step.adam.m, 3),
        number(-found.step.adam.delta, 3),
        "+100.0%",
    ]
    assert any("not moved it yet" in line for line in drawn(at(Moment(2, Phase.UPDATE, 0), row=row)))


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
async def test_enter_follows_an_edge_and_backspace_returns(size: tuple[int, int]) -> None:
    run = Session(SMALL, DOCS)
    async with debugger(size, run) as pilot:
        await pilot.press("f", "f", "p", "Y")  # the last event of the backward phase: all gradients are whole
        frame = screen(pilot).frame
        assert frame.phase is Phase.BACKWARD
        row = frame.selected
        chains = GradientPaths(frame.view).strongest(row, 8)
        ways = waypoints(frame.explain, chains[1])
        assert pane(pilot).picture.text().splitlines()[1].split()[1:3] == [
            number(chains[0].product), share(chains[0].product, frame.gradient(row) or 0.0),
        ]  # fmt: skip
        await pilot.press("right", "down")
        assert f"{number(ways[1].local)}  {frame.explain.name(ways[1].row)}" in text(pilot)
        await pilot.press("enter")
        assert screen(pilot).frame.selected == ways[1].row
        assert pane(pilot).title.endswith(frame.explain.name(ways[1].row))
        assert pane(pilot).picture.text() != ""
        await pilot.press("backspace")
        await pilot.pause()
        assert screen(pilot).frame.selected == row


async def test_without_paths_the_keys_have_their_usual_effect() -> None:
    async with debugger() as pilot:
        await pilot.press("Y")
        moment = screen(pilot).state.where.moment
        await pilot.press("right", "down")
        assert screen(pilot).state.where.moment == moment
        await pilot.press("enter")  # to where the selected value was made
        assert screen(pilot).state.where.moment == Moment(0, Phase.FORWARD, 1)
        assert pane(pilot).display
        await pilot.press("Y")
        assert not pane(pilot).display


async def test_the_loss_has_no_path() -> None:
    async with debugger() as pilot:
        await pilot.press("f", "Y")
        await pilot.pause()
        run = screen(pilot).session
        screen(pilot).choose(run.program.loss_row)
        await pilot.pause()
        assert "This is the loss" in text(pilot)
