"""g: the gradient of the selected number beside a finite difference, others beside it, and its whole matrix."""

from __future__ import annotations

import threading

import pytest
from textual.pilot import Pilot

from engine import EngineError, GradientChecker, Moment, Phase
from engine.run.gradcheck import CheckedGradient, Summary
from microgpt_tui.dialogs.gradcheck import GradCheckScreen, gradient_remark, matrix_or_tensor, neighbour
from tests.support.harness import debugger, screen, session, text, until


def modal(pilot: Pilot[None]) -> GradCheckScreen:
    found = pilot.app.screen
    assert isinstance(found, GradCheckScreen)
    return found


async def checked(pilot: Pilot[None], row: int) -> CheckedGradient:
    """Wait until a scalar is shown."""
    await until(pilot, lambda: isinstance(found := modal(pilot).result, CheckedGradient) and found.row == row)
    await pilot.pause()
    found = modal(pilot).result
    assert isinstance(found, CheckedGradient)
    return found


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
@pytest.mark.parametrize("keys", ["n n n", "f n n", "f f n n"])
async def test_both_numbers_are_those_of_the_engine(keys: str, size: tuple[int, int]) -> None:
    async with debugger(size) as pilot:
        await pilot.press(*keys.split())
        row, moment = screen(pilot).frame.selected, session().moment
        await pilot.press("g")
        check = await checked(pilot, row)
        assert check == GradientChecker(session().replay_copy(), 0).check(row)
        shown = text(pilot)
        for words in (check.name, repr(check.loss_plus), repr(check.loss_minus), f"{check.gradient:+.15e}"):
            assert words in shown
        assert f"{check.finite_difference:+.15e}" in shown
        await pilot.press("escape")
        assert pilot.app.screen is screen(pilot)
        assert session().moment == moment


async def test_h_can_be_changed_and_set_back() -> None:
    async with debugger() as pilot:
        await pilot.press("f", "f", "g")
        first = await checked(pilot, screen(pilot).frame.selected)
        for keys, h in (("+", 10), ("+", 100), ("-", 10), ("0", 1)):
            await pilot.press(keys)
            await until(pilot, lambda h=h: getattr(modal(pilot).result, "h", 0) == pytest.approx(first.h * h))  # type: ignore[misc]
        assert modal(pilot).result == first
        await pilot.press(*["-"] * 15)
        await until(pilot, lambda: "x again" in text(pilot))


async def test_arrows_go_to_others_and_enter_chooses_one() -> None:
    async with debugger() as pilot:
        await pilot.press("f", "f", "g")
        rows = session().recording.matrices["wte"]
        row = (await checked(pilot, screen(pilot).frame.selected)).row
        view = session().view()
        for key, way in (("down", (0, 1)), ("right", (1, 0)), ("up", (0, -1)), ("left", (-1, 0))):
            row = neighbour(view, row, *way)
            await pilot.press(key)
            assert (await checked(pilot, row)).row in rows
        await pilot.press("enter")
        assert screen(pilot).frame.selected == row


async def test_a_whole_matrix_and_its_largest_difference() -> None:
    async with debugger() as pilot:
        await pilot.press("f", "f", "g")
        await checked(pilot, screen(pilot).frame.selected)
        await pilot.press("m")
        size = session().recording.matrices["wte"].size
        await until(pilot, lambda: getattr(modal(pilot).result, "count", 0) == size)
        await until(pilot, lambda: f"{size} of {size}" in text(pilot))
        summary = modal(pilot).result
        assert isinstance(summary, Summary)
        assert summary.largest is not None
        assert summary.largest.name in text(pilot)
        await pilot.press("enter")
        await checked(pilot, summary.largest.row)


async def test_escape_stops_the_check_of_a_matrix_and_then_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    some, go_on = threading.Event(), threading.Event()
    check = GradientChecker.check

    def slow(self: GradientChecker, row: int, h: float | None = None) -> CheckedGradient:
        if row == 3:
            some.set()
            go_on.wait(60)
        return check(self, row, h)

    async with debugger() as pilot:
        await pilot.press("f", "f", "g")
        await checked(pilot, screen(pilot).frame.selected)
        monkeypatch.setattr(GradientChecker, "check", slow)
        await pilot.press("m")
        await until(pilot, some.is_set)
        await until(pilot, lambda: "esc stops" in text(pilot))
        assert modal(pilot).at_work
        await pilot.press("escape")
        assert not modal(pilot).at_work
        go_on.set()
        await pilot.app.workers.wait_for_complete()
        count = getattr(modal(pilot).result, "count", 0)
        assert 0 < count <= 3
        await pilot.press("escape")
        assert pilot.app.screen is screen(pilot)


async def test_what_cannot_be_checked_shows_the_reason() -> None:
    constant = int(session().recording.constants[0][0])
    async with debugger() as pilot:
        pilot.app.push_screen(GradCheckScreen(session(), constant))
        await until(pilot, lambda: "no gradient reaches it" in text(pilot))
        assert isinstance(modal(pilot).result, EngineError)
        await pilot.press("plus", "m")
        await pilot.press("q")
        assert pilot.app.screen is screen(pilot)


def test_arrows_stay_within_the_tensor() -> None:
    run = session()
    run.seek(Moment(0, Phase.FORWARD, 1))
    view, wte = run.view(), run.recording.matrices["wte"]
    assert neighbour(view, int(wte[1, 1]), 0, 1) == wte[2, 1]
    assert neighbour(view, int(wte[0, 0]), -1, 0) == wte[0, 0]
    assert neighbour(view, int(wte[-1, -1]), 1, 0) == wte[-1, -1]
    q = run.program.tensors["q", 1, 0, None]
    assert matrix_or_tensor(view, int(q[1]))[0] == "q at position 1"
    assert [neighbour(view, int(q[1]), 0, way) for way in (-1, 1)] == [q[0], q[2]]
    assert neighbour(view, int(q[-1]), 0, 1) == q[-1]
    on_the_way = int(q[1]) - 1
    assert neighbour(view, on_the_way, 1, 0) == q[1]


def test_remarks() -> None:
    checker = GradientChecker(session().replay_copy(), 0)
    row = checker.row("mlp_fc1[0, 1]@pos=1")
    value = abs(checker.check(row).value)
    assert "The ReLU unit mlp_relu[0, 1]@pos=1 is on at one end" in gradient_remark(checker.check(row, 2 * value))
    assert "honestly differ" not in gradient_remark(checker.check(row, value / 2))
    assert "same at both ends" in gradient_remark(checker.check(checker.row("probs[0]@pos=1")))
    assert "x again" in gradient_remark(checker.check(row, 1e-30))
