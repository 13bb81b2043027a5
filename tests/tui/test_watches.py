"""Watches: of the selection or typed, with value, gradient and series; saved and restored."""

from __future__ import annotations

from functools import cache

import pytest
from textual.pilot import Pilot

from engine import Breakpoint, EventPattern, Moment, Phase, Scope, Session
from engine.expressions.watch import Watch
from microgpt_tui.debugger.annotations import Annotations, restored
from microgpt_tui.debugger.navigation import SameEvent, first_moment
from microgpt_tui.debugger.series import Series, Watched
from microgpt_tui.drawing.curve import sparkline
from microgpt_tui.drawing.numbers import number
from microgpt_tui.drawing.picture import Line
from microgpt_tui.panes.watches import Watches, shown
from tests.support.harness import DOCS, SMALL, answer, debugger, notes, screen, text, until


@cache
def run() -> Session:
    """A run with some finished steps."""
    session = Session(SMALL, DOCS)
    session.run(until=40)
    return session


@cache
def ends(text: str) -> list[object]:
    """The value of a watch at the end of each step, from a run that stands there."""
    session, found = Session(SMALL, DOCS), []
    watch = Watch(text, Scope(SMALL, session.tokenizer))
    for step in range(40):
        session.seek(Moment(step, Phase.UPDATE, 10**9))
        found.append(watch.value(session.view()))
    return found


def pane(pilot: Pilot[None]) -> Watches:
    return screen(pilot).query_one(Watches)


def lines(pilot: Pilot[None]) -> list[str]:
    return pane(pilot).picture.text().splitlines()


async def watch(pilot: Pilot[None], *texts: str) -> None:
    """Type expressions."""
    for words in texts:
        await pilot.press("W")
        await answer(pilot, words)


async def whole(pilot: Pilot[None]) -> None:
    """Wait until the series of the pane are complete."""
    await until(pilot, lambda: lines(pilot)[-1].startswith("on the right"))


async def test_a_gradient_stands_beside_a_value_and_nothing_else() -> None:
    async with debugger((200, 60)) as pilot:
        await watch(pilot, "wte[1, 2]", "m(wte[1, 2])", "v(wte[1, 2])", "grad(wte[1, 2])")
        await pilot.press("f", "f")
        await pilot.pause()
        assert ["∂" in line for line in lines(pilot)[:4]] == [True, False, False, False]


async def test_w_watches_the_selected_number_wherever_it_is_shown() -> None:
    async with debugger((200, 60)) as pilot:
        assert not pane(pilot).display
        await pilot.press("n", "n", "n", "down", "w")
        assert screen(pilot).state.annotations.watches == ("q[0, 1]@pos=0",)
        frame = screen(pilot).frame
        assert pane(pilot).display
        assert lines(pilot)[0].split() == ["▸", "q[0,", "1]@pos=0", number(frame.value(frame.selected)), "∂", "·"]
        await pilot.press("w")
        assert "watched already" in notes(pilot)
        await pilot.press("p")
        assert lines(pilot)[0].split()[3] == "·"  # not made yet
        await pilot.press("f", "f", "w")
        assert screen(pilot).state.annotations.watches[1].startswith("wte[")
        row = screen(pilot).frame.watches[0].row(run().view())
        assert row is not None
        gradient = screen(pilot).frame.gradient(row)
        assert f"∂ {number(gradient)}" in lines(pilot)[0]


async def test_a_number_without_a_name_is_refused_with_a_sentence() -> None:
    async with debugger() as pilot:
        await pilot.press("n", "n", "s", "w")
        assert screen(pilot).state.annotations.watches == ()
        assert "has no name of its own" in notes(pilot)


async def test_series_are_those_of_a_straight_run_up_to_the_present() -> None:
    texts = ("loss", "wte[1, 2]", "q[0, 3]@pos=2", "grad_norm", "probs.max()@pos=1", "q[0, 3]", "loss < 2", "doc")
    async with debugger((200, 60), run=run()) as pilot:
        await watch(pilot, *texts)
        assert screen(pilot).state.annotations.watches == texts
        for step in (30, 12):
            here = first_moment(run().program, step)
            screen(pilot).navigator.go(here)
            await pilot.pause()
            await pilot.press("v", "z")
            await whole(pilot)
            shown_lines = lines(pilot)
            room = pane(pilot).content_size.width
            for words, line in zip(texts, shown_lines, strict=False):
                numbers = [float(v) for v in ends(words)[:step] if isinstance(v, int | float)]
                if words == "q[0, 3]":
                    assert line.endswith("add @pos= for its course")
                elif numbers:
                    assert line.endswith(
                        "".join(s.text for s in sparkline(Line(), numbers, room, lambda i: i).segments)
                    )
            steps = {spot.target.step for spot in pane(pilot).picture.spots() if isinstance(spot.target, SameEvent)}
            assert steps == set(range(step))
            await pilot.press("escape", "escape")


async def test_values_are_exact_and_a_condition_is_true_or_false() -> None:
    async with debugger((200, 60), run=run()) as pilot:
        await watch(pilot, "step", "loss < 99", "doc", "token", "q[0]", "loss")
        screen(pilot).navigator.go(Moment(3, Phase.UPDATE))
        await pilot.pause()
        values = [line.split()[-2 if "∂" in line else -1] for line in lines(pilot)]
        assert "true" in lines(pilot)[1]
        assert run().program.doc in lines(pilot)[2]
        assert "3" in lines(pilot)[0].split()
        assert "·" in lines(pilot)[3].split()  # an update has no position
        assert values
        assert number(run().view().loss) in lines(pilot)[5]
    assert [shown(v) for v in (None, True, 7, "a", (1.0, -0.5))] == ["·", "true", "7", "a", "[+1.0000 -0.5000]"]


async def test_up_and_down_choose_d_drops_and_a_scalar_is_selected_with_its_watch() -> None:
    async with debugger((120, 36), run=run()) as pilot:
        await watch(pilot, "loss", "wte[1, 2]", "wpe[0, 1]")
        assert not pane(pilot).display
        await pilot.press("v")
        assert pane(pilot).display
        assert pane(pilot).has_focus
        await pilot.press("down")
        assert screen(pilot).state.where.row == run().recording.matrices["wte"][1, 2]
        await pilot.press("d")
        assert screen(pilot).state.annotations.watches == ("loss", "wpe[0, 1]")
        assert "No longer watched: wte[1, 2]." in notes(pilot)
        await pilot.press("down", "down", "delete", "d", "up")
        assert screen(pilot).state.annotations.watches == ()
        assert "Nothing is watched yet" in text(pilot)


async def test_d_compares_where_there_is_no_watch_to_take_away() -> None:
    async with debugger((120, 36), run=run()) as pilot:
        await pilot.press("v", "d")
        await pilot.pause()
        assert not pane(pilot).display
        assert screen(pilot).grid.zoomed == "comparison"


@pytest.mark.parametrize(
    ("words", "says"),
    [("changes_sign(loss)", "two training steps"), ("q", "every layer"), ("q[0, 1]@pos=77", "from 0 to 3")],
)
async def test_a_bad_watch_is_refused_with_a_sentence(words: str, says: str) -> None:
    async with debugger() as pilot:
        await watch(pilot, words)
        assert says in text(pilot)
        await pilot.press("escape")
        assert screen(pilot).state.annotations.watches == ()


async def test_the_series_loader_serves_several_panes_at_once() -> None:
    async with debugger((120, 36), run=run()) as pilot:
        loader = screen(pilot).series_loader
        loader.ask([Series(Watched("loss"), {}, tuple(range(30)))], "one")
        loader.ask([Series(Watched("wte[1, 2]"), {}, tuple(range(10, 40)))], "other")
        await pilot.app.workers.wait_for_complete()
        assert [loader.known.get((Watched("loss"), step)) for step in range(40)] == ends("loss")[:30] + [None] * 10
        assert [loader.known[Watched("wte[1, 2]"), step] for step in range(10, 40)] == ends("wte[1, 2]")[10:]


def test_watches_are_restored_and_those_that_do_not_fit_are_dropped_with_a_sentence() -> None:
    scope = Scope(SMALL, run().tokenizer)
    kept = Annotations(
        (
            Breakpoint("1", EventPattern("q", Phase.BACKWARD, 2), "step > 3", 2, False),
            Breakpoint("2", condition="loss < 2"),
        ),
        frozenset({"nan"}), ("loss", "q[0, 3]@pos=2"), {"a": Moment(3, Phase.UPDATE, 7)},
    )  # fmt: skip
    said = kept.as_dict()
    assert restored(said, scope) == (kept, [])
    said["breakpoints"] += [{"id": "3", "place": {"layer": 5}}, {"id": "4"}, 7]
    said["watches"] += [{"text": "q[7, 3]"}, {"texts": 1}, {"text": 4}]
    said["marks"] |= {"b": {"step": -1}, "c": 3}
    said["checks"] += ["luck"]
    found, sentences = restored(said, scope)
    assert found == kept
    assert [sentence.split()[1] for sentence in sentences] == ["breakpoint"] * 3 + ["watch"] * 3 + ["mark"] * 2
