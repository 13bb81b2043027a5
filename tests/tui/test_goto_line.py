"""The go-to line, search, and marks."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from engine import Address, Session, Stopped, load_docs
from engine.expressions.watch import watch_text
from engine.model.dataset import Origin, bundled_path, checksum
from engine.timeline.events import Moment, Phase
from microgpt_tui.app import MicrogptApp
from microgpt_tui.debugger import goto, search
from microgpt_tui.debugger.completion import LineError
from microgpt_tui.debugger.frame import Choice, Focus, Frame
from microgpt_tui.debugger.goto import Continue, OtherData
from microgpt_tui.debugger.navigation import first_moment
from microgpt_tui.panes.base import Pane
from microgpt_tui.screens.debugger import DebuggerScreen
from microgpt_tui.screens.loading import OpeningScreen
from microgpt_tui.storage.saved_session import load_session
from microgpt_tui.storage.startup import Start, from_saved_session
from tests.support.harness import DOCS, SMALL, at, debugger, name, notes, screen, text, until


def fresh() -> Session:
    return Session(SMALL, DOCS)


async def typed(pilot: Pilot[None], line: str) -> None:
    """Type a line, sign and all, and enter."""
    await pilot.press(line[0])
    for character in line[1:]:
        await pilot.press(character)
    await pilot.press("enter")
    await until(pilot, lambda: not screen(pilot).busy)
    await pilot.pause()


@pytest.mark.parametrize(
    ("line", "step", "phase", "event", "pos"),
    [
        (":step 30", 30, Phase.FORWARD, "embed", 0),
        (":30", 30, Phase.FORWARD, "embed", 0),
        (":+7", 12, Phase.FORWARD, "embed", 0),
        (":-2", 3, Phase.FORWARD, "embed", 0),
        (":pos 2", 5, Phase.FORWARD, "embed", 2),
        (":backward", 5, Phase.BACKWARD, "loss", None),
        (":logits@pos=1", 5, Phase.FORWARD, "logits", 1),
        (":event attn_weights@pos=2,head=1", 5, Phase.FORWARD, "attn_weights", 2),
        (":step 7 backward q@pos=1", 7, Phase.BACKWARD, "q", 1),  # as y copies it
        (":start", 5, Phase.FORWARD, "embed", 0),
        (":0 forward start", 0, Phase.FORWARD, "embed", 0),
        (":end", 5, Phase.UPDATE, None, None),
        (":backward end", 5, Phase.BACKWARD, None, None),
        (":7 update wte", 7, Phase.UPDATE, "wte", None),
        (":q@pos=1 scalar 3", 5, Phase.FORWARD, "q", 1),
        (":step == 9", 9, Phase.FORWARD, "embed", 0),
        (":back step == 2", 2, Phase.FORWARD, "embed", 0),
        (":next layer0.attn_wq[1][2]", 5, Phase.BACKWARD, None, None),
        (":next q[3]", 5, Phase.FORWARD, "q", 0),
        (":STEP 30", 30, Phase.FORWARD, "embed", 0),
        (":Event ATTN_weights@Pos=2,Head=1", 5, Phase.FORWARD, "attn_weights", 2),
        (":q", 5, Phase.FORWARD, "q", 0),
        ("/RELU", 5, Phase.FORWARD, "mlp_relu", 0),
        ("/relu", 5, Phase.FORWARD, "mlp_relu", 0),
        ("/head 1 weights", 5, Phase.FORWARD, "attn_weights", 0),
    ],
)
async def test_a_line_goes_to_a_moment(line: str, step: int, phase: Phase, event: str | None, pos: int | None) -> None:
    async with debugger(run=fresh()) as pilot:
        await typed(pilot, ":5")
        await typed(pilot, line)
        here = screen(pilot).state.where.moment
        assert (here.step, here.phase) == (step, phase)
        if event is not None:
            assert name(pilot) == event
            assert screen(pilot).session.view().event.pos == pos


@pytest.mark.parametrize(
    ("start", "line", "phase", "event", "pos", "name"),
    [
        (":attn_weights@pos=2,head=1", ":wte[0,3]", Phase.FORWARD, "attn_weights", 2, "wte[0, 3]"),
        (":attn_weights@pos=2,head=1", ":wte[0][3]", Phase.FORWARD, "attn_weights", 2, "wte[0, 3]"),
        (":v@pos=2", ":layer0.attn_wq[3,2]", Phase.FORWARD, "v", 2, "layer0.attn_wq[3, 2]"),
        (":attn_weights@pos=2,head=1", ":q[0,3]", Phase.FORWARD, "q", 2, "q[0, 3]@pos=2"),
        (":attn_weights@pos=2,head=1", ":q[3]@pos=1", Phase.FORWARD, "q", 1, "q[0, 3]@pos=1"),
        (":attn_weights@pos=2,head=1", ':probs["a"]', Phase.FORWARD, "probs", 2, "probs[0]@pos=2"),
        (":attn_weights@pos=2,head=1", ":attn_weights[0][1][2]", Phase.FORWARD, "attn_weights", 2,
         "attn_weights[0, 1, 2]@pos=2"),
        (":attn_weights@pos=2,head=1", ":event wte[0, 3]", Phase.BACKWARD, "wte", None, "wte[0, 3]"),
        (":backward k@pos=1", ":q[0, 3]", Phase.BACKWARD, "q", 1, "q[0, 3]@pos=1"),
        (":backward k@pos=1", ":wte[0, 3]", Phase.BACKWARD, "wte", None, "wte[0, 3]"),
        (":backward k@pos=1", ":forward Q[0, 3]", Phase.FORWARD, "q", 1, "q[0, 3]@pos=1"),
        (":update wpe", ":wte[0, 3]", Phase.UPDATE, "wte", None, "wte[0, 3]"),
        (":update wpe", ":q[0, 3]@pos=2", Phase.FORWARD, "q", 2, "q[0, 3]@pos=2"),
        (":update wpe", ":7 backward q[0][3]@pos=1", Phase.BACKWARD, "q", 1, "q[0, 3]@pos=1"),
        (":update wpe", ":step 7 wte[1, 2]", Phase.UPDATE, "wte", None, "wte[1, 2]"),
    ],
)  # fmt: skip
async def test_a_cell_is_chosen(start: str, line: str, phase: Phase, event: str, pos: int | None, name: str) -> None:
    async with debugger(run=fresh()) as pilot:
        await typed(pilot, start)
        await typed(pilot, line)
        frame = screen(pilot).frame
        assert (frame.phase, frame.event.name, frame.event.pos) == (phase, event, pos)
        assert watch_text(frame.view, frame.selected) == name
        if event in name:
            assert frame.selected in frame.stage_event.rows  # the cursor goes on from there
            assert frame.stage_event.rows.flat[frame.cell] == frame.selected
        stays = phase is Phase.FORWARD and not name.startswith(event)  # no event there makes a matrix
        assert ("No event of the forward phase makes a matrix" in notes(pilot)) == stays


@pytest.mark.parametrize(
    ("start", "line", "phase", "event", "chosen"),
    [
        (":update wpe", ":q", Phase.FORWARD, "q", None),
        (":backward k@pos=1", ":q", Phase.BACKWARD, "q", None),
        (":backward k@pos=1", ":wte", Phase.BACKWARD, "wte", None),
        (":update wpe", ":wte", Phase.UPDATE, "wte", None),
        (":k@pos=1", ":lm_head", Phase.FORWARD, "k", "lm_head"),
        (":k@pos=1", ":event lm_head", Phase.BACKWARD, "lm_head", None),
    ],
)
async def test_a_name_goes_to_its_nearest_event(
    start: str, line: str, phase: Phase, event: str, chosen: str | None
) -> None:
    async with debugger(run=fresh()) as pilot:
        await typed(pilot, start)
        await pilot.press("colon", *line[1:])
        await until(pilot, lambda: f"enter: {chosen or event}" in text(pilot))
        assert phase in text(pilot).split("enter: ")[1].splitlines()[0]
        await pilot.press("enter")
        await pilot.pause()
        frame = screen(pilot).frame
        assert (frame.phase, frame.event.name) == (phase, event)
        if chosen:
            assert (watch_text(frame.view, frame.selected) or "").startswith(chosen)


async def test_q_in_the_line_is_a_tensor_and_the_message_says_how_to_quit() -> None:
    async with debugger(run=fresh()) as pilot:
        await pilot.press("colon", "q")
        await until(pilot, lambda: "enter: q, position 0, layer 0, forward (q without : quits)" in text(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "This is the tensor q. To quit, press q without a colon." in notes(pilot))
        for line in (":quit", ":q!", ":WQ"):
            await typed(pilot, line)
            await until(pilot, lambda: "to quit, press esc to leave this line, then q" in text(pilot))
            await pilot.press("escape")


async def test_an_error_is_shown_above_the_line_which_stays_open() -> None:
    async with debugger(run=fresh()) as pilot:
        await typed(pilot, ":setp 3")
        assert "did you mean step" in text(pilot)
        await pilot.press("escape")
        await typed(pilot, ":step 900")
        assert "there is no step 900" in text(pilot)
        await pilot.press("escape")
        assert screen(pilot).state.where.moment.step == 0


async def test_lines_are_completed_and_remembered() -> None:
    async with debugger(run=fresh()) as pilot:
        await pilot.press("colon", *"attn_w")
        assert "attn_weights" in text(pilot)
        await pilot.press("tab", "enter")
        await pilot.pause()
        assert name(pilot) == "attn_weights"
        await pilot.press("home", "colon", "up", "enter")
        await pilot.pause()
        assert name(pilot) == "attn_weights"
        await pilot.press("colon", *"7 BACK", "tab", *" wq")  # phases, names that contain a word, in any case
        await until(pilot, lambda: "layer0.attn_wq" in text(pilot))
        await pilot.press("tab", "enter")
        await until(pilot, lambda: screen(pilot).session.step == 7 and not screen(pilot).busy)
        assert (screen(pilot).state.where.moment.phase, name(pilot)) == (Phase.BACKWARD, "layer0.attn_wq")
        await pilot.press("colon", *"wte[")
        await until(pilot, lambda: "wte[row 0 to" in text(pilot))


async def test_a_search_goes_from_match_to_match() -> None:
    async with debugger(run=fresh()) as pilot:
        seen = []
        await typed(pilot, "/attn_weights")
        for _ in range(3):
            seen.append(screen(pilot).state.where.moment)
            await pilot.press("slash", "enter")
            await pilot.pause()
        assert len(set(seen)) == 3
        assert name(pilot) == "attn_weights"
        await typed(pilot, "/zebra")
        assert "no event of this step fits" in text(pilot)
        await pilot.press("escape", "slash", "enter")  # a search without a match is not repeated
        await pilot.pause()
        assert name(pilot) == "attn_weights"


async def test_a_condition_that_never_holds_is_reported_at_the_end() -> None:
    async with debugger(run=fresh()) as pilot:
        await typed(pilot, ":loss < -1")
        await until(pilot, lambda: "nowhere on the way was loss < -1." in notes(pilot))


async def test_a_very_long_line_is_refused() -> None:
    async with debugger(run=fresh()) as pilot:
        await pilot.press("colon")
        await pilot.pause()
        line = pilot.app.screen.query_one(Input)
        line.insert_text_at_cursor("9" * 400)
        line.insert_text_at_cursor("9" * 5000)
        assert len(line.value) <= 500
        await pilot.press("enter")
        await pilot.pause()
        await until(pilot, lambda: "there is no step" in " ".join(text(pilot).split()))


async def test_marks_are_set_shown_and_returned_to() -> None:
    async with debugger(run=fresh()) as pilot:
        await pilot.press(*"nnn", "m", "a")
        marked = screen(pilot).state.where.moment
        await pilot.press("]", "]", "f")
        await pilot.press("apostrophe")
        await pilot.pause()
        assert "a  step 0" in text(pilot)
        await pilot.press("a")
        await pilot.pause()
        assert screen(pilot).state.where.moment == marked
        line = screen(pilot).query_one("#timeline", Pane).picture
        assert any("".join(s.text for s in line.lines[0].segments)[spot.x] == "a" for spot in line.spots())


def test_lines_are_read_without_a_screen() -> None:
    frame = at(Moment(0, Phase.FORWARD, 40))
    assert goto.read_line("", frame, DOCS) is None
    assert isinstance(goto.read_line("head 1", frame, DOCS), Choice | Moment)
    found = goto.read_line("loss < 2", frame, DOCS)
    assert isinstance(found, Continue)
    assert not found.back
    for wrong in (
        "pos 99",
        "head x",
        "loss < ",
        "next wte[99][0]",
        "nowhere",
        "wte[0]",
        "wte[0, 99]",
        "q[0, 3]@pos=9",
        "update q[3]",
        "attn_weights[0, 0, 3]@pos=1",
        "wpe['a', 0]",
        "wte[0,]",
        "event wte[]",
        "import os",
        "event q@head=0",
    ):
        with pytest.raises(LineError):
            goto.read_line(wrong, frame, DOCS)
    assert "step" in goto.completions("st", frame)
    assert goto.completions("next wte[5][3]", frame) == []
    assert goto.completions("wte[", frame) == []
    assert goto.completions("WT", frame) == ["wte"]
    assert goto.completions("q@", frame) == ["q@pos=", "q@layer=", "q@head=", "q@phase="]
    assert goto.completions("q@pos=1,", frame) == ["q@pos=1,layer=", "q@pos=1,head=", "q@pos=1,phase="]
    program = frame.program
    with pytest.raises(LineError):
        search.search("zebra", program, frame.moment)


async def test_y_copies_the_address_of_the_moment() -> None:
    async with debugger() as pilot:
        await pilot.press("n", "s", "y")
        run = screen(pilot).session
        assert pilot.app.clipboard == Address.of(run.program, run.moment).text
        assert Address.parse(pilot.app.clipboard, screen(pilot).stops.scope).moment(run.program) == run.moment
        assert pilot.app.clipboard in notes(pilot)


@pytest.mark.parametrize(
    ("line", "name", "split"),
    [
        ("data ko", "ko", "syllables"),
        ("DATA ko JAMO", "ko", "jamo"),
        ("  data  ko  syllables ", "ko", "syllables"),
        ("data My Data/Loss.txt jamo", "My Data/Loss.txt", "jamo"),
    ],
)
def test_a_line_names_other_documents(line: str, name: str, split: str) -> None:
    run = fresh()
    assert goto.read_line(line, Frame(run.view(), Focus(run.moment)), run.docs) == OtherData(name, split)


def test_the_line_lists_the_documents_that_come_with_the_program() -> None:
    run = fresh()
    frame = Frame(run.view(), Focus(run.moment))
    assert goto.completions("dat", frame)[0] == "data"
    assert goto.completions("data ", frame) == ["data en", "data ko"]
    assert goto.completions("data ko ", frame) == ["data ko syllables", "data ko jamo"]
    assert goto.completions("data ko j", frame) == ["data ko jamo"]
    told = goto.preview("data ", frame, run.docs)
    assert "en (5,163 first names)" in told
    assert "ko (Korean given names)" in told
    assert f"{len(load_docs()):,}" in told, "as many as there are"
    assert "letters of Korean given names" in goto.preview("data ko jamo", frame, run.docs)
    for line in ("data", "data jamo"):
        with pytest.raises(LineError, match="data takes a file, or the word"):
            goto.read_line(line, frame, run.docs)


async def other_run(pilot: Pilot[None], line: str) -> DebuggerScreen:
    """Type a line that opens another run, and wait until its screen is there."""
    before = screen(pilot)
    await typed(pilot, line)
    await until(pilot, lambda: isinstance(pilot.app.screen, DebuggerScreen) and pilot.app.screen is not before)
    return screen(pilot)


async def test_another_run_takes_the_place_of_the_one_on_the_screen(tmp_path: Path) -> None:
    """It has the same hyperparameters; the one that was left is saved, and so is the new one at the end."""
    app = MicrogptApp(Start(SMALL, DOCS))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, DebuggerScreen))
        await typed(pilot, ":step 3")
        shown = await other_run(pilot, ":data ko jamo")
        assert shown.session.config == SMALL
        assert shown.session.checksum == checksum(load_docs(bundled_path("ko"), "jamo"))
        assert shown.session.moment == first_moment(shown.session.program, 0)
        left = load_session()
        assert (left.moment.step, left.origin) == (3, Origin(checksum(DOCS)))
        assert [type(each) for each in app.screen_stack].count(DebuggerScreen) == 1
        await pilot.press("n")
        own = tmp_path / "Own words.txt"
        own.write_text("ab\nba\n")
        again = await other_run(pilot, f":data {own}")
        assert sorted(again.session.docs) == ["ab", "ba"]
        kept = load_session()
        assert kept.origin == Origin(shown.session.checksum, None, "jamo")
        assert from_saved_session(None).docs == load_docs(bundled_path("ko"), "jamo")
        assert load_session(earlier=True) == left
        await pilot.press("n")
    assert app.autosave is not None
    app.autosave.finish()
    assert load_session().origin == Origin(again.session.checksum, str(own))


async def test_opening_another_run_can_be_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    app = MicrogptApp(Start(SMALL, DOCS))
    waiting, held = threading.Event(), threading.Event()

    def hold(*_: object) -> Any:
        waiting.set()
        held.wait()
        raise Stopped("given up")

    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, DebuggerScreen))
        before = screen(pilot)
        monkeypatch.setattr(OpeningScreen, "open_run", hold)
        await typed(pilot, ":data ko")
        await until(pilot, waiting.is_set)
        await pilot.press("q")
        held.set()
        await until(pilot, lambda: app.screen is before)
        monkeypatch.undo()
        await typed(pilot, ":step 2")
        assert before.session.step == 2


async def test_a_file_that_cannot_be_read_leaves_the_line_with_a_sentence(tmp_path: Path) -> None:
    async with debugger(run=fresh()) as pilot:
        await typed(pilot, f":data {tmp_path / 'nowhere.txt'}")
        assert "there is no file" in text(pilot)
        await pilot.press("escape")
        assert screen(pilot).session.docs


async def test_a_browser_reads_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own.txt"
    own.write_text("ab\n")
    async with debugger(run=fresh()) as pilot:
        monkeypatch.setattr("microgpt_tui.screens.debugger.in_browser", lambda: True)
        shown = screen(pilot)
        for line in (f"data {own}", "data ./ko", "data ../data/ko.txt"):
            with pytest.raises(LineError, match="files cannot be read from the browser"):
                shown.read_line(shown.frame, line)
        assert isinstance(shown.read_line(shown.frame, "data ko"), Start)
