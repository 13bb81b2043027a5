"""A lecture: pages show moments, ask, wait, play, train; exploring the debugger and returning to the page."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList

from engine import Moment, Phase
from engine.model import gpt
from engine.script.source_table import OwnLines, SourceTable
from engine.timeline.explainer import CodeText
from microgpt_tui.debugger.frame import Choice
from microgpt_tui.debugger.run_controller import Live, RunController
from microgpt_tui.dialogs.chapters import ChaptersScreen
from microgpt_tui.dialogs.gradcheck import GradCheckScreen
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.numbers import plain
from microgpt_tui.lectures.check import check_lecture
from microgpt_tui.lectures.outline import CodeFinder
from microgpt_tui.lectures.page import Course, LectureError
from microgpt_tui.lectures.rendered_page import RenderedPage
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.lecture_page import LecturePage
from microgpt_tui.panes.registry import screen_names
from microgpt_tui.screens import lecture as screens_lecture
from microgpt_tui.widgets.picture_view import PictureView
from tests.support.harness import click_on, notes, session, text, until
from tests.support.lecture_harness import PAGES, LectureApp, lecture_app, lecture_of, lecture_screen
from tests.support.wait import PATIENCE

SIZES = [(80, 24), (120, 36), (200, 60)]
SHAPE = Path(__file__).parents[1] / "lectures" / "same_shape.py"


def moment_of(pilot: Pilot[None]) -> tuple[int, str, str, int | None]:
    """Step, phase, event and head at which the run stands."""
    event = lecture_screen(pilot).session.view().event
    return lecture_screen(pilot).session.step, str(event.phase), event.name, event.head


@pytest.mark.parametrize("size", SIZES)
async def test_a_page_stands_beside_its_moment_with_the_numbers_of_the_run(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with lecture_app(lecture_of(tmp_path), size) as pilot:
        shown = lecture_screen(pilot)
        first = float(shown.session.view().data(shown.session.view().event.rows).values[0])
        assert moment_of(pilot)[2] == "q"
        screen = text(pilot)
        assert "The first page" in screen
        assert "Small steps" in screen
        assert plain(first) in screen
        assert shown.session.program.doc in screen
        assert "1/6" in screen


async def test_every_key_of_a_clicker_turns_pages(tmp_path: Path) -> None:
    async with lecture_app(lecture_of(tmp_path)) as pilot:
        lecture = lecture_screen(pilot).player.lecture
        for forward, back in (("right", "left"), ("pagedown", "pageup"), ("space", "left")):
            await pilot.press(forward)
            assert lecture.page == 1
            assert "A question" in text(pilot)
            await pilot.press(back)
            assert lecture.page == 0
        await pilot.press("pageup")
        assert "This is the first page." in notes(pilot)


async def test_a_question_is_predicted_then_revealed(tmp_path: Path) -> None:
    async with lecture_app(lecture_of(tmp_path)) as pilot:
        await pilot.press("2")
        target = lecture_screen(pilot).session.program.tokenizer.name(lecture_screen(pilot).session.program.targets[1])
        assert "It is" not in text(pilot)
        await pilot.press("a")
        assert "▸ a)" in text(pilot)
        await pilot.press("right")
        assert moment_of(pilot)[2] == "probs"
        assert f"✓ c) {target}" in text(pilot)
        assert "✗ a)" in text(pilot)
        assert f"It is {target}" in text(pilot)
        await pilot.press("left")  # the question again
        assert moment_of(pilot)[2:] == ("attn_weights", 1)
        assert "It is" not in text(pilot)


async def test_a_page_waits_for_a_key(tmp_path: Path) -> None:
    async with lecture_app(lecture_of(tmp_path)) as pilot:
        await pilot.press("3")
        assert "Your turn: press n" in text(pilot)
        await pilot.press("right")
        assert "Waiting for you: press n" in text(pilot)
        assert lecture_screen(pilot).player.lecture.page == 2
        await pilot.press("n")
        await until(pilot, lambda: "One event more." in text(pilot))
        assert moment_of(pilot)[2] == "embed_norm"
        await pilot.press("right")
        assert lecture_screen(pilot).player.lecture.page == 3


async def test_a_page_that_waits_lets_the_lecturer_go_on(tmp_path: Path) -> None:
    async with lecture_app(lecture_of(tmp_path)) as pilot:
        await pilot.press("3", "right", "right")
        assert "One event more." in text(pilot)
        await until(pilot, lambda: moment_of(pilot)[2] == "embed_norm")  # as if n had been pressed
        await pilot.press("right")
        assert lecture_screen(pilot).player.lecture.page == 3


async def test_a_page_waits_for_a_head_to_be_chosen(tmp_path: Path) -> None:
    async with lecture_app(lecture_of(tmp_path)) as pilot:
        await pilot.press("6")
        assert "Head 1 it is." not in text(pilot)
        end = lecture_screen(pilot).session.program.ends(Phase.FORWARD)["attn_weights", 1, 0, 1]
        lecture_screen(pilot).navigator.go(end)
        await until(pilot, lambda: "Head 1 it is." in text(pilot))


WAITS = """\
---
chapter: Waits
moment: step 0 forward q@pos=1
wait: {what}
then: Done.
---
# Your turn
"""


@pytest.mark.parametrize(
    ("what", "asked"), [("head 1", "choose head 1"), ("head", "choose a head"), ("pos == 3", "make pos == 3 true")]
)
async def test_what_a_page_waits_for_is_done_for_the_viewer(tmp_path: Path, what: str, asked: str) -> None:
    async with lecture_app(lecture_of(tmp_path, WAITS.format(what=what))) as pilot:
        shown = lecture_screen(pilot)
        before = shown.frame.head
        assert f"Your turn: {asked}" in text(pilot)
        await pilot.press("right", "right")
        assert "Done." in text(pilot)
        await until(pilot, lambda: not shown.busy and shown.player.answered_by(shown.frame))
        if what == "pos == 3":
            assert shown.frame.pos == 3
        else:
            assert shown.frame.head == (1 if what == "head 1" else ((before or 0) + 1) % shown.frame.config.n_head)


@pytest.mark.parametrize("forward", ["pagedown", "space"])
async def test_a_clicker_goes_on_from_a_dialog_that_a_page_has_asked_for(tmp_path: Path, forward: str) -> None:
    pages = WAITS.format(what="g").replace("forward q@pos=1", "backward end") + "---\nmoment: step 0\n---\n# After it\n"
    async with lecture_app(lecture_of(tmp_path, pages)) as pilot:
        await pilot.press("right", "right")
        await until(pilot, lambda: isinstance(pilot.app.screen, GradCheckScreen))
        await pilot.press(forward)
        await until(pilot, lambda: "Done." in text(pilot))
        await pilot.press(forward)
        assert "After it" in text(pilot)


async def test_a_page_plays_events_to_its_end(tmp_path: Path) -> None:
    async with lecture_app(lecture_of(tmp_path)) as pilot:
        await pilot.press("4")
        assert "play" in text(pilot)
        await pilot.press("right")
        await until(pilot, lambda: "q is there." in text(pilot))
        assert moment_of(pilot)[2] == "q"
        await pilot.press("left")
        assert moment_of(pilot)[2] == "embed"


async def test_a_page_that_plays_can_be_sent_to_its_end(tmp_path: Path) -> None:
    slow = PAGES.replace("speed: 500", "speed: 0.01")
    async with lecture_app(lecture_of(tmp_path, slow)) as pilot:
        await pilot.press("4", "right")
        await until(pilot, lambda: lecture_screen(pilot).busy)
        assert "skip to the end" in text(pilot)
        await pilot.press("right")
        await until(pilot, lambda: not lecture_screen(pilot).busy and moment_of(pilot)[2] == "q")
        assert "q is there." in text(pilot)


async def test_a_page_stops_playing_when_another_is_opened(tmp_path: Path) -> None:
    slow = PAGES.replace("speed: 500", "speed: 0.01")
    async with lecture_app(lecture_of(tmp_path, slow)) as pilot:
        await pilot.press("4", "right")
        await until(pilot, lambda: lecture_screen(pilot).busy)
        lecture_screen(pilot).player.lecture.clock = lambda: 99.0  # later: the digit stands for itself
        await pilot.press("1")
        await until(pilot, lambda: not lecture_screen(pilot).busy and moment_of(pilot)[2] == "q")
        assert "The first page" in text(pilot)
        assert lecture_screen(pilot).session.moment == lecture_screen(pilot).player.rendered_pages[0].start


async def test_a_page_trains_with_the_curve_growing(tmp_path: Path) -> None:
    async with lecture_app(lecture_of(tmp_path), (120, 36)) as pilot:
        await pilot.press("5")
        assert "train to step 5" in text(pilot)
        await pilot.press("right")
        await until(pilot, lambda: "Five steps are done" in text(pilot))
        assert moment_of(pilot)[0] == 5
        loss = lecture_screen(pilot).session.losses[0]
        assert plain(loss) in text(pilot)
        assert lecture_screen(pilot).query_one("#training", Pane).display


async def test_digits_jump_and_two_digits_make_one_number(tmp_path: Path) -> None:
    many = PAGES + "".join(f"---\nmoment: step 0\n---\n# Page {n}\n" for n in range(7, 13))
    lecture = lecture_of(tmp_path, many)
    async with lecture_app(lecture) as pilot:
        await pilot.press("1", "2")
        assert lecture.page == 11
        lecture.clock = lambda: 99.0  # later
        await pilot.press("3")
        assert lecture.page == 2
        lecture.clock = lambda: 199.0
        await pilot.press("0")
        assert lecture.page == 2


async def test_blank_hides_the_screen_until_the_next_key(tmp_path: Path) -> None:
    async with lecture_app(lecture_of(tmp_path)) as pilot:
        await pilot.press("full_stop")
        assert not text(pilot).strip()
        await pilot.press("n")
        assert not text(pilot).strip()
        await pilot.press("right")
        assert "The first page" in text(pilot)
        assert lecture_screen(pilot).player.lecture.page == 0
        assert moment_of(pilot)[2] == "q"


async def test_only_the_lit_panes_are_bright(tmp_path: Path) -> None:
    async with lecture_app(lecture_of(tmp_path)) as pilot:
        bright = {view.id for view in lecture_screen(pilot).query(PictureView) if view.is_on_screen and not view.dimmed}
        assert bright == {"page", "stage", "footing"}
        shown = lecture_screen(pilot).query_one("#place", Pane)
        faded = shown.render_lines(shown.size.region)[0]
        await pilot.press("escape")
        assert not any(pane.dimmed for pane in lecture_screen(pilot).query(PictureView))
        plain_line = shown.render_lines(shown.size.region)[0]
        (first, *_), (again, *_) = faded, plain_line
        assert first.text == again.text
        assert first.style != again.style


@pytest.mark.parametrize("back", ["l", "pagedown", "pageup", "f5"])  # of these, a clicker has the last three
async def test_exploring_gives_all_keys_to_the_debugger_and_returns_to_the_same_page(tmp_path: Path, back: str) -> None:
    async with lecture_app(lecture_of(tmp_path)) as pilot:
        await pilot.press("2", "right")  # revealed
        there = lecture_screen(pilot).session.moment
        await pilot.press("escape")
        assert "Exploring freely" in text(pilot)
        assert "A question" not in text(pilot)
        await pilot.press("right", "1", "f")
        assert lecture_screen(pilot).session.moment.phase is Phase.BACKWARD
        assert lecture_screen(pilot).player.lecture.page == 1
        await pilot.press(back)
        assert not lecture_screen(pilot).player.exploring
        assert lecture_screen(pilot).session.moment == there
        assert "A question" in text(pilot)
        assert "✓ c)" in text(pilot)


@pytest.mark.parametrize("room", [3, 4, 5, 8, 30])
def test_a_figure_is_always_there_in_large_digits_where_they_fit(room: int) -> None:
    pane = LecturePage("page")
    pane.rendered = RenderedPage("Title", "The body.", Moment(), Moment(), figure="4,192")
    lines = pane.picture_for(76, room).text().splitlines()
    assert ("4,192" in lines) == (room < 8)
    assert "The body." in lines[: max(room, 4)]
    assert pane.lines_needed(76) == 5


async def test_escape_first_leaves_a_pane(tmp_path: Path) -> None:
    async with lecture_app(lecture_of(tmp_path)) as pilot:
        lecture_screen(pilot).set_focus(lecture_screen(pilot).query_one("#stage", Pane))
        await pilot.press("escape")
        assert not lecture_screen(pilot).player.exploring
        await pilot.press("escape")
        assert lecture_screen(pilot).player.exploring


async def test_chapters_follow_one_another_and_can_be_chosen(tmp_path: Path) -> None:
    lecture = lecture_of(tmp_path, chapters=3)
    lecture.place = 1
    async with lecture_app(lecture) as pilot:
        await pilot.press("left")
        assert pilot.app.destinations == [(0, -1)]  # type: ignore[attr-defined]
        await pilot.press("6", "right", "right", "right")
        assert pilot.app.destinations[1:] == [(2, 0)]  # type: ignore[attr-defined]
        await pilot.press("l")
        assert "Small steps" in text(pilot)
        await pilot.press("down", "enter")
        assert pilot.app.destinations[2:] == [(2, 0)]  # type: ignore[attr-defined]
        await pilot.press("q")
        assert pilot.app.destinations[3:] == [None]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", theme.THEMES)
async def test_every_word_of_the_highlighted_chapter_can_be_read(tmp_path: Path, name: str) -> None:
    async with lecture_app(lecture_of(tmp_path, chapters=3)) as pilot:
        pilot.app.theme = name
        await pilot.press("l")
        await until(pilot, lambda: isinstance(pilot.app.screen, ChaptersScreen))
        shown = pilot.app.screen.query_one(OptionList)
        await until(pilot, lambda: "page" in shown.render_line(shown.highlighted or 0).text)
        styles = [each.style for each in shown.render_line(shown.highlighted or 0) if each.text.strip()]
        pairs = {(each.color.name, each.bgcolor.name) for each in styles if each and each.color and each.bgcolor}
        assert pairs
        assert [pair for pair in pairs if theme.contrast(*pair) < 4.5] == []


async def test_time_and_count_can_be_hidden(tmp_path: Path) -> None:
    async with lecture_app(lecture_of(tmp_path)) as pilot:
        assert "1/6  0:00" in text(pilot)
        await pilot.press("h")
        assert "1/6" not in text(pilot)
        await pilot.press("h")
        assert "1/6" in text(pilot)


async def test_the_line_below_speaks_korean_in_a_korean_lecture(tmp_path: Path) -> None:
    korean = PAGES.replace("# The first page", "# 첫 번째 쪽").replace("Small steps", "작은 걸음")
    async with lecture_app(lecture_of(tmp_path, korean, "ko"), (80, 24)) as pilot:
        shown = text(pilot)
        assert "첫 번째 쪽" in shown
        assert "다음" in shown
        assert "차례" in shown


async def test_a_click_on_the_line_below_does_what_the_key_does(tmp_path: Path) -> None:
    async with lecture_app(lecture_of(tmp_path)) as pilot:
        footing = lecture_screen(pilot).query_one("#footing", PictureView)
        spots = {spot.target.id: spot for spot in footing.picture.spots()}  # type: ignore[attr-defined]
        await pilot.click("#footing", offset=(spots["page.next"].x, 0))
        assert lecture_screen(pilot).player.lecture.page == 1


async def test_a_page_that_cannot_be_shown_says_why_and_the_lecture_goes_on(tmp_path: Path) -> None:
    broken = PAGES.replace("{q[0, 0]}", "{loss}")
    async with lecture_app(lecture_of(tmp_path, broken)) as pilot:
        assert "This page cannot be shown." in text(pilot).replace("\n", " ")
        await pilot.press("right")
        assert "A question" in text(pilot)


async def test_a_head_can_be_chosen_with_the_mouse(tmp_path: Path) -> None:
    shows = PAGES.replace("wait: head 1", "wait: head 1\nspotlight: attention")
    async with lecture_app(lecture_of(tmp_path, shows)) as pilot:
        await pilot.press("6")
        spots = {spot.target for spot in lecture_screen(pilot).query_one("#attention", Pane).picture.spots()}
        target = next(t for t in spots if t == Choice(head=1) or (isinstance(t, Moment) and _head(pilot, t) == 1))
        await click_on(pilot, "attention", target)
        await until(pilot, lambda: "Head 1 it is." in text(pilot))


def _head(pilot: Pilot[None], moment: Moment) -> int | None:
    return lecture_screen(pilot).session.program.event_at(moment).head


async def test_a_page_reports_its_steps_when_they_are_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    async with lecture_app(lecture_of(tmp_path)) as pilot:
        shown = lecture_screen(pilot)
        go = shown.motion._go

        def held(*to: Any) -> RunController.Arrived:
            assert go_on.wait(PATIENCE)
            return go(*to)

        monkeypatch.setattr(shown.motion, "near", lambda moment: moment.step == shown.session.step)
        monkeypatch.setattr(shown.motion, "_go", held)
        go_on.set()
        await pilot.press("5")
        await until(pilot, lambda: not shown.busy and shown.player.aim is None)
        go_on.clear()
        shown.finish()  # as a second press does while it trains
        await pilot.pause()
        assert shown.player.done
        assert "Five steps are done" not in text(pilot)
        go_on.set()
        await until(pilot, lambda: "Five steps are done" in text(pilot))
        assert shown.session.moment == shown.player.rendered_pages[4].end


async def test_a_page_that_is_turned_before_its_moment_shows_no_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = PAGES.replace("moment: step 0\nwait: n\n", "moment: step 40\nwait: n\n")
    go_on = threading.Event()
    async with lecture_app(lecture_of(tmp_path, far)) as pilot:
        shown = lecture_screen(pilot)

        def held(step: int, loss: float) -> bool:
            assert go_on.wait(PATIENCE)
            return False

        monkeypatch.setattr(shown.motion, "near", lambda moment: moment.step < 40)
        monkeypatch.setattr(shown.motion, "after_step", held)
        await pilot.press("3")
        await until(pilot, lambda: shown.busy)
        await pilot.press("left")
        go_on.set()
        await until(pilot, lambda: not shown.busy and shown.player.aim is None)
        assert shown.player.lecture.page == 1
        assert shown.session.moment == shown.player.rendered_pages[1].start
        assert "stopped" not in notes(pilot)


CODE = """\
---
chapter: Small steps
moment: step 0 forward q@pos=1
spotlight: [stage, source]
code: gpt: q = linear(...)
see: "linear: ..."
why: |
  Because {doc} wants it.
---
# The query
---
moment: step 0
---
# No reasons
"""


@pytest.mark.parametrize("size", SIZES)
async def test_the_statements_of_a_page_stand_on_it_with_their_lines(tmp_path: Path, size: tuple[int, int]) -> None:
    async with lecture_app(lecture_of(tmp_path, CODE), size) as pilot:
        shown = text(pilot).splitlines()
        code = Path(gpt.__file__).read_text(encoding="utf-8").splitlines()
        for start in ('q = name("q", linear(x, w', "return [sum(wi * xi"):
            (number,) = (i for i, line in enumerate(code, 1) if line.strip().startswith(start))
            assert any(re.search(rf"\b{number} +{re.escape(start)}", line) for line in shown)
        assert any("engine/model/gpt.py" in line for line in shown)


async def test_w_unfolds_the_reasons_of_a_page_that_has_any(tmp_path: Path) -> None:
    async with lecture_app(lecture_of(tmp_path, CODE)) as pilot:
        reasons = f"Because {lecture_screen(pilot).session.program.doc} wants it."
        assert reasons not in text(pilot)
        assert "w Why?" in text(pilot)
        await pilot.press("w")
        assert reasons in text(pilot)
        await pilot.press("w")
        assert reasons not in text(pilot)
        await pilot.press("w", "right", "left")
        assert reasons not in text(pilot)
        await pilot.press("right")
        assert "w Why?" not in text(pilot)
        await pilot.press("w")
        assert "This page gives no further reasons." in notes(pilot)
        assert not lecture_screen(pilot).state.annotations.watches


MAP = """\
---
chapter: All of it
moment: step 0
spotlight: none
code: file
---
# The file
---
code: "linear: ..."
---
# Linear
---
code: |
  gpt: q = ...
  gpt: k = ...
---
# Queries and keys
"""


@pytest.mark.parametrize("size", SIZES)
async def test_the_map_of_the_file_stands_on_its_page(tmp_path: Path, size: tuple[int, int]) -> None:
    lecture = lecture_of(tmp_path, MAP)
    lecture.code = CodeFinder(OwnLines(SourceTable({}, {}, {}, (), {}), SHAPE, CodeText(SHAPE.read_text())))
    async with lecture_app(lecture, size) as pilot:
        lines = SHAPE.read_text().splitlines()
        first = next(i for i, line in enumerate(lines, 1) if line.strip().startswith("q = "))
        assert re.search(rf"{first}-{first + 1} \+1 +gpt: q … k", text(pilot))
        assert "All of it" in text(pilot).split("gpt: q … k")[1]
        assert "microgpt-tui fetch" not in text(pilot)


@pytest.mark.parametrize("size", SIZES)
async def test_all_of_the_page_with_the_map_is_seen(tmp_path: Path, size: tuple[int, int]) -> None:
    pages = (
        f"---\nchapter: Number {i}\ncode: |\n  {each}\n---\n# T\n"
        for i, each in enumerate(["class Value", "rmsnorm: ...", "loss = ...", "m[i] = ...", "BOS = ..."], 2)
    )
    body = "".join(f"- Line {i} of a list that is long enough for two lines.\n" for i in range(1, 6))
    files = [MAP.replace("# The file\n", f"# The file\n\n{body}"), *pages, *["---\nchapter: B\n---\n# T\n"] * 5]
    chapters = [lecture_of(tmp_path, text).course.chapters[0] for text in files]
    lecture = lecture_of(tmp_path)
    lecture.course = Course("", chapters)
    async with lecture_app(lecture, size) as pilot:
        assert all(f"Line {i} of" in text(pilot) for i in range(1, 6))
        assert all(f"Number {i}"[:8] in text(pilot) for i in range(2, 7))


async def test_a_map_without_lines_says_how_to_get_them(tmp_path: Path) -> None:
    async with lecture_app(lecture_of(tmp_path, MAP)) as pilot:
        assert "gpt: q … k" in text(pilot)
        assert "microgpt-tui fetch" in text(pilot)


async def test_l_leads_to_the_page_of_a_line_of_the_file(tmp_path: Path) -> None:
    async with lecture_app(lecture_of(tmp_path, MAP, chapters=1)) as pilot:
        await pilot.press("l")
        assert "3 pages" in text(pilot)
        await pilot.press("f")
        assert re.search(r"linear: return.* 1\.2 +Linear", text(pilot))
        await pilot.press("down", "enter")
        assert pilot.app.destinations == [(0, 2)]  # type: ignore[attr-defined]


async def test_a_course_without_code_has_no_map(tmp_path: Path) -> None:
    async with lecture_app(lecture_of(tmp_path)) as pilot:
        await pilot.press("l", "f")
        assert "microgpt.py" not in text(pilot)
        assert "6 pages" in text(pilot)


FAR = """\
---
chapter: Far
moment: step 0 forward q@pos=1
spotlight: [stage, map]
---
# Near
---
moment: step 40 forward q@pos=1
spotlight: stage
---
# Far away
---
moment: step 0
run: 30
speed: 1
then: Thirty steps.
---
# It trains
"""


@pytest.mark.parametrize("size", SIZES)
async def test_the_panes_in_question_are_seen_and_called_by_their_names(tmp_path: Path, size: tuple[int, int]) -> None:
    async with lecture_app(lecture_of(tmp_path, FAR), size) as pilot:
        for name, title in (("stage", "Stage: q"), ("map", "Map ─ ")):
            pane = lecture_screen(pilot).query_one(f"#{name}", Pane)
            assert pane.display
            assert min(pane.outer_size) >= 5
            assert pane.title.startswith(title)
            assert title[:10] in text(pilot)
        await pilot.press("escape")
        assert not lecture_screen(pilot).query_one("#stage", Pane).title.startswith("Stage")


def held_up(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let each way to another step wait for this event."""
    monkeypatch.setattr(RunController, "near", lambda self, moment: moment.step == self.session.step)
    go_on, seek = threading.Event(), RunController._go

    def slow(self: RunController, *args: Any) -> Any:
        assert go_on.wait(PATIENCE)
        return seek(self, *args)

    monkeypatch.setattr(RunController, "_go", slow)
    return go_on


async def test_on_a_long_way_a_page_says_so_and_shows_no_other_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = held_up(monkeypatch)
    async with lecture_app(lecture_of(tmp_path, FAR)) as pilot:
        shown = lecture_screen(pilot)
        assert "Stage: q" in text(pilot)
        await pilot.press("right")
        assert "Far away" in text(pilot)
        assert "On the way to step 40" in text(pilot)
        assert "Stage" not in text(pilot)
        go_on.set()
        await until(pilot, lambda: not shown.busy and shown.session.step == 40)
        await pilot.pause()
        assert "Stage: q" in text(pilot)
        assert "On the way" not in text(pilot)


REVEALS_FAR = """\
---
chapter: Far
moment: step 0 forward q@pos=1
ask: What comes?
options: [y, z]
answer: 0
reveal: step 40 forward q@pos=1
then: The answer.
---
# A question
---
moment: step 0
---
# After it
"""


async def test_one_press_too_many_does_not_leave_before_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = held_up(monkeypatch)
    async with lecture_app(lecture_of(tmp_path, REVEALS_FAR)) as pilot:
        shown = lecture_screen(pilot)
        await pilot.press("right", "right", "pagedown", "space")
        assert shown.player.lecture.page == 0
        assert "On the way to step 40" in text(pilot)
        assert "next" not in text(pilot).splitlines()[-1]
        shown.state.report(Live("", 12, 40, 0.0))
        shown._show_status()
        await until(pilot, lambda: "now at 12" in text(pilot))
        go_on.set()
        await until(pilot, lambda: "The answer." in text(pilot))
        await pilot.press("right")
        assert shown.player.lecture.page == 1


async def test_a_page_without_its_numbers_shows_no_other_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, render = threading.Event(), screens_lecture.render_pages

    def slow(*args: Any) -> Any:
        pages = render(*args)
        yield next(pages)
        assert go_on.wait(PATIENCE)
        yield from pages

    monkeypatch.setattr(screens_lecture, "render_pages", slow)
    app = LectureApp(lecture_of(tmp_path, FAR), None, session().restart_copy())
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "Stage: q" in text(pilot))
        await pilot.press("3")
        assert "working out the numbers" in text(pilot)
        assert "Stage" not in text(pilot)
        go_on.set()
        await until(pilot, lambda: "It trains" in text(pilot) and not lecture_screen(pilot).busy)
        assert "embed" in text(pilot)


@pytest.mark.parametrize(("key", "hint"), [("2", "predict: press a letter"), ("3", "Your turn: press n")])
async def test_a_page_asks_for_nothing_before_it_has_its_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, hint: str
) -> None:
    go_on, render = threading.Event(), screens_lecture.render_pages

    def slow(*args: Any) -> Any:
        assert go_on.wait(PATIENCE)
        yield from render(*args)

    monkeypatch.setattr(screens_lecture, "render_pages", slow)
    app = LectureApp(lecture_of(tmp_path), None, session().restart_copy())
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "working out the numbers" in text(pilot))
        await pilot.press(key)
        await until(pilot, lambda: f"{key}/6" in text(pilot))
        before = lecture_screen(pilot).session.moment
        await pilot.press("s", "g", "space")  # of the debugger, of a dialog, of the page
        assert lecture_screen(pilot).session.moment == before
        assert pilot.app.screen is lecture_screen(pilot)
        assert lecture_screen(pilot).player.lecture.seconds is None  # no page has been shown
        lecture_screen(pilot)._show_status()  # as each second
        await pilot.pause()
        assert hint not in text(pilot)
        go_on.set()
        await until(pilot, lambda: hint in text(pilot))
        assert lecture_screen(pilot).player.lecture.seconds == 0


async def test_what_was_notified_on_a_page_goes_with_it(tmp_path: Path) -> None:
    async with lecture_app(lecture_of(tmp_path, FAR)) as pilot:
        lecture_screen(pilot).notify("It has been stopped.", timeout=60)
        await until(pilot, lambda: "It has been stopped." in notes(pilot))
        await pilot.press("right")
        await until(pilot, lambda: "It has been stopped." not in notes(pilot))


@pytest.mark.parametrize(
    ("page", "keys", "event"),
    [("wait: n", "nn", "embed_norm"), ("wait: pos == 1", "ttt", "embed"), ("wait: n", "npn", "embed_norm")],
)
async def test_a_key_pressed_twice_leaves_the_answer_beside_its_moment(
    tmp_path: Path, page: str, keys: str, event: str
) -> None:
    pages = f"---\nchapter: Twice\nmoment: step 0\n{page}\nthen: That was it.\n---\n# Wait\n"
    async with lecture_app(lecture_of(tmp_path, pages)) as pilot:
        for key in keys:
            await pilot.press(key)
        await until(pilot, lambda: "That was it." in text(pilot))
        assert moment_of(pilot)[2] == event
        assert lecture_screen(pilot).session.view().event.pos == page.count("1")


async def test_held_down_a_key_does_not_lead_past_the_answer(tmp_path: Path) -> None:
    pages = "---\nchapter: Twice\nmoment: step 0\nwait: n\nthen: That was it.\n---\n# Wait\n"
    async with lecture_app(lecture_of(tmp_path, pages)) as pilot:
        await pilot.press(*"nnnnnn")
        await until(pilot, lambda: "That was it." in text(pilot))
        assert moment_of(pilot)[2] == "embed_norm"
        await pilot.press("escape", "n")  # looking around, every key is the debugger's
        assert moment_of(pilot)[2] == "attn_norm"


LONG = "why: |\n" + "".join(f"  Reason {i}, which needs a line of its own in any window.\n\n" for i in range(1, 6))


@pytest.mark.parametrize("size", SIZES)
async def test_long_reasons_are_read_whole_and_make_way_for_the_panes(tmp_path: Path, size: tuple[int, int]) -> None:
    pages = (
        f"---\nchapter: Why\nmoment: step 0 forward q@pos=1\ncode: 'linear: ...'\n{LONG}---\n# Long\n\nOne.\n\nTwo.\n"
    )
    async with lecture_app(lecture_of(tmp_path, pages), size) as pilot:
        stage = lecture_screen(pilot).query_one("#stage", Pane)
        before = stage.region
        await pilot.press("w")
        assert all(f"Reason {i}," in text(pilot) for i in range(1, 6))
        await pilot.press("escape")
        await pilot.pause()
        assert stage.region.height > 3
        assert "Reason" not in text(pilot)
        await pilot.press("l", "full_stop")
        await pilot.pause()
        assert not text(pilot).strip()
        await pilot.press("full_stop")
        assert "Reason 5," in text(pilot)
        await pilot.press("w")
        await pilot.pause()
        assert stage.region == before
        assert "One." in text(pilot)


async def test_code_that_has_no_room_says_how_much_more_there_is(tmp_path: Path) -> None:
    body = "".join(f"Line {i} of the text.\n\n" for i in range(1, 5))
    pages = f"---\nchapter: Long\nmoment: step 0\ncode: |\n  softmax: ...\n  rmsnorm: ...\n---\n# Long\n\n{body}"
    async with lecture_app(lecture_of(tmp_path, pages), (80, 24)) as pilot:
        assert "Line 4 of the text." in text(pilot)
        assert re.search(r"… \d+ more", text(pilot))
        assert "largest = Largest(logits)" not in text(pilot).split("… ")[1]
    async with lecture_app(lecture_of(tmp_path, pages), (120, 36)) as pilot:
        assert " more" not in text(pilot)
        assert "return [e / total" in text(pilot)


BIG = """\
---
chapter: Large
moment: step 0 forward q@pos=1
spotlight: [stage, map]
ask: What comes?
options: [a, b]
answer: "0"
then: It is a.
---
# The first

Its text.
---
spotlight: none
moment: step 0
---
# No picture

Only words.
---
moment: step 0
play: q@pos=0
spotlight: stage
speed: 500
---
# It plays
"""


@pytest.mark.parametrize("size", SIZES)
async def test_for_the_last_row_text_and_picture_take_turns(tmp_path: Path, size: tuple[int, int]) -> None:
    lecture = lecture_of(tmp_path, BIG)
    lecture.big = True
    async with lecture_app(lecture, size) as pilot:
        stage = lecture_screen(pilot).query_one("#stage", Pane)

        def seen() -> tuple[bool, bool, bool]:
            """Whether the text, the picture and the answer are."""
            shown = text(pilot)
            return "Its text." in shown, "Stage: q" in shown, "It is a." in shown

        assert seen() == (True, False, False)
        await pilot.press("right")
        assert seen() == (False, True, False)
        assert "What comes?" in text(pilot)
        assert stage.outer_size.width * stage.outer_size.height * 4 > size[0] * size[1]
        await pilot.press("left")
        assert seen() == (True, False, False)
        await pilot.press("right", "right")
        assert seen() == (False, True, True)
        await pilot.press("right")
        assert "Only words." in text(pilot)
        assert "step 0" not in text(pilot)
        await pilot.press("right")
        assert "It plays" in text(pilot)
        assert "Stage" not in text(pilot)
        await pilot.press("escape")
        await pilot.pause()
        assert stage.region.height > 3
        await pilot.press("l", "right", "right")
        await until(pilot, lambda: moment_of(pilot)[2] == "q")
        await until(pilot, lambda: "Stage: q" in text(pilot))


@pytest.mark.parametrize("size", [(80, 24), (110, 24), (110, 29), (110, 30)])
@pytest.mark.parametrize("code", ["", "softmax: ...", "gpt: attn_logits = ..."])
@pytest.mark.parametrize("figure", ["", "figure: '{loss:.2f}'\n"])
@pytest.mark.parametrize("title", ["Short", "A title that needs a second line " * 3])
async def test_all_of_a_page_that_is_checked_is_seen_in_small_windows(
    tmp_path: Path, code: str, figure: str, title: str, size: tuple[int, int]
) -> None:
    lines = [f"- Line {i}." for i in range(1, 13)]
    named = f"code: {code!r}\n" if code else ""
    head = f"---\nchapter: Full\nmoment: step 0 forward loss\n{figure}{named}---\n# {title}\n"
    file = tmp_path / "small.md"

    def mistakes() -> list[LectureError]:
        file.write_text(head + "\n".join(lines), encoding="utf-8")
        run = session().restart_copy()
        return check_lecture(file, "en", lambda config, docs: run, screen_names())[1]

    while mistakes():
        lines.pop()
    assert len(lines) >= 5
    async with lecture_app(lecture_of(tmp_path, head + "\n".join(lines)), size) as pilot:
        assert all(line[2:] in text(pilot) for line in lines)
        assert title[:5] in text(pilot)


@pytest.mark.parametrize("size", SIZES)
async def test_no_edge_below_the_footing_cuts_its_wide_characters(tmp_path: Path, size: tuple[int, int]) -> None:
    async with lecture_app(lecture_of(tmp_path, language="ko"), size) as pilot:
        assert "l 차례" in text(pilot).splitlines()[-1]
        for keys in ([], ["escape"], ["l"], ["full_stop"]):
            await pilot.press(*keys)
            assert pilot.app.screen_stack[1]._compositor.cuts[-1] == [0, size[0]], keys
