"""An audience that follows a lecture: what its server is told, and what the lecturer sees of it."""

from __future__ import annotations

import asyncio
import errno
import json
import math
import re
import sys
from pathlib import Path
from random import Random
from typing import Any, cast

import psutil
import pytest
import segno
from textual.app import App
from textual.pilot import Pilot

from engine import Address
from microgpt_tui.app import ThemedApp
from microgpt_tui.audience import process, results, screen_frame
from microgpt_tui.audience.address import LIGHT, JoinAddress, new_code
from microgpt_tui.audience.audience import LiveAudience
from microgpt_tui.audience.page_text import TABLE, blocks
from microgpt_tui.audience.process import AudienceProcess
from microgpt_tui.audience.results import ResultsError
from microgpt_tui.audience.screen_frame import FramePacer, ScreenFrame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.markdown import text_blocks
from microgpt_tui.export.headless import screenshot
from microgpt_tui.lectures.library import load_course
from microgpt_tui.panes.base import Pane
from microgpt_tui.screens.lecture import LectureScreen
from microgpt_tui.widgets.picture_view import PictureView
from tests.support.audience_lecture import OPTIONS, audience, lecture_with_stand_in, padded
from tests.support.audience_server import stand_in
from tests.support.fuzz_actions import ALL_KEYS
from tests.support.harness import notes, session, text, until
from tests.support.lecture_harness import PAGES, lecture_app, lecture_of, lecture_screen, ready
from tests.support.wait import met

QUESTION = {"chapter": "small", "page": 2, "text": "?", "options": ["a", "b"], "right": 1, "votes": [[1, 2]]}
MISTAKES: list[dict[str, Any]] = [
    {"votes": [[1]]},
    {"right": 7},
    {"page": -1},
    {"options": "ab"},
    {"votes": [[1, 1.5]]},
    {"text": 3},
]


async def test_the_server_knows_what_it_was_started_with_and_sees_the_screen(tmp_path: Path) -> None:
    with stand_in() as server:
        async with lecture_with_stand_in(tmp_path, server) as pilot:
            await until(pilot, lambda: "The first page" in text(pilot) and server.rows() == padded(pilot))
            assert server.starts == [
                {
                    "host": "0.0.0.0",
                    "port": 8001,
                    "code": "AB2CD3",
                    "viewers": 1000,
                    "visitors": 8,
                    "public_url": None,
                    "language": "en",
                }
            ]
            await pilot.press("right")
            await until(pilot, lambda: "A question" in text(pilot) and server.rows() == padded(pilot))
        await met(lambda: server.table.get("ended") is True)


async def test_a_line_that_is_not_painted_anew_is_not_sent_anew(tmp_path: Path) -> None:
    with stand_in() as server:
        async with lecture_with_stand_in(tmp_path, server) as pilot:
            await until(pilot, lambda: bool(server.changes) and server.rows() == padded(pilot))
            server.changes.clear()
            await pilot.press("full_stop")
            await until(pilot, lambda: server.table["blank"] and not server.rows().strip())
            await pilot.press("full_stop", "h")
            await until(pilot, lambda: server.rows() == padded(pilot))
            server.changes.clear()
            await pilot.press("h")  # the page count below the lecture
            await until(pilot, lambda: server.rows() == padded(pilot))
            assert {key for changes in server.changes for key in changes} == {"row/35"}


async def test_the_lecturer_sees_how_many_watch(tmp_path: Path) -> None:
    with stand_in() as server:
        async with lecture_with_stand_in(tmp_path, server) as pilot:
            await until(pilot, lambda: "0 watching" in text(pilot).splitlines()[-1])
            server.say({"viewers": 317})
            await until(pilot, lambda: "317 watching" in text(pilot).splitlines()[-1])
            for wrong in (-1, True, "9", None, 1e3, 10**9, [5]):
                server.say({"viewers": wrong})
            server.say(b"no json\n[1]\n\xff\n" + b"x" * 200_000 + b"\n" + b'{"viewers": 318}\n')
            await until(pilot, lambda: "318 watching" in text(pilot).splitlines()[-1])


async def test_a_server_that_dies_is_told_of_once_and_started_again_with_all_that_there_is(tmp_path: Path) -> None:
    with stand_in() as server:
        async with lecture_with_stand_in(tmp_path, server) as pilot:
            await until(pilot, lambda: bool(server.changes) and server.rows() == padded(pilot))
            server.say({"viewers": 4})
            await until(pilot, lambda: "4 watching" in text(pilot))
            server.answer = {"viewers": 0}  # neither ready nor failed
            server.die()
            await until(pilot, lambda: len(server.starts) > 1)
            assert "0 watching" in text(pilot)
            server.die()
            await until(pilot, lambda: len(server.starts) > 2)
            assert notes(pilot).count("has ended") == 1
            server.answer = {"ready": {"port": 8123}}
            server.die()
            await until(pilot, lambda: len(server.starts) > 3 and "can see the lecture again" in notes(pilot))
            assert server.starts[1:] == [server.starts[0] | {"port": 8123}] * 3
            await until(pilot, lambda: "size" in server.table and server.rows() == padded(pilot))


async def test_reports_are_shown_and_a_flood_of_them_leaves_the_keys_free(tmp_path: Path) -> None:
    with stand_in() as server:
        async with lecture_with_stand_in(tmp_path, server) as pilot:
            server.say({"report": "10.0.0.7 sent what is \x1b[31mno request"})
            await until(pilot, lambda: r"10.0.0.7 sent what is \x1b[31mno request" in notes(pilot))
            for n in range(2000):
                server.say({"viewers": n, "report": f"line {n}"})
            await pilot.press("right")
            await until(pilot, lambda: "A question" in text(pilot))


class Painting:
    """An app that may be about to paint."""

    def __init__(self) -> None:
        self.screen = self
        self.message_queue_size = 0
        self._dirty_widgets: set[object] = set()
        self._repaint_required = self._layout_required = False


ABOUT = [
    {"message_queue_size": 1},
    {"_dirty_widgets": {1}},
    {"_repaint_required": True},
    {"_layout_required": True},
]


@pytest.mark.parametrize("about", ABOUT)
async def test_what_is_about_to_be_painted_comes_before_the_audience(
    monkeypatch: pytest.MonkeyPatch, about: dict[str, object]
) -> None:
    monkeypatch.setattr(screen_frame, "INTERVAL", 1000.0)  # so that a look is not due all the same
    app, looks = Painting(), list[int]()
    pacer = FramePacer(cast("App[None]", app), lambda: looks.append(1))
    pacer._last = -math.inf
    vars(app).update(about)
    pacer.painted()
    for _ in range(3):
        assert pacer._timer is not None
        pacer._timer.cancel()
        pacer._call()
    assert looks == []
    vars(app).update(vars(Painting()) | {"screen": app})
    await met(lambda: looks == [1])
    pacer.painted()
    assert pacer._timer is not None
    assert pacer._timer.when() >= pacer._last + screen_frame.INTERVAL
    pacer.stop()


async def test_the_audience_is_shown_frames_also_where_something_is_always_about_to_be_painted() -> None:
    app, looks = Painting(), list[int]()
    pacer = FramePacer(cast("App[None]", app), lambda: looks.append(1))
    app._repaint_required = True
    for n in (1, 2, 3):
        pacer.painted()
        await met(lambda n=n: len(looks) == n)  # type: ignore[misc]


async def test_a_server_that_takes_nothing_does_not_hold_up_the_lecture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE", 0.05)
    deaf = 'import time; print(\'{"ready": {"port": 1}}\', flush=True); time.sleep(1000)'
    made = AudienceProcess(OPTIONS, lambda _: None, lambda: None, lambda: None, [sys.executable, "-c", deaf])
    made.start()
    (child,) = (each for each in psutil.Process().children() if deaf in each.cmdline())
    for n in range(100):  # more than a pipe holds
        made.send({f"row/{n}": "x" * 10_000})
    made.close()
    assert not child.is_running()


# The address.


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
@pytest.mark.parametrize("language", ["en", "ko"])
async def test_the_address_stands_before_the_first_page_with_its_qr_code(
    tmp_path: Path, size: tuple[int, int], language: str
) -> None:
    with stand_in() as server:
        async with lecture_with_stand_in(
            tmp_path, server, PAGES.replace("---\n", f"---\nlang: {language}\n", 1), size, True
        ) as pilot:
            shown = text(pilot)
            assert "http://10.0.0.5:8123/" in shown
            assert "AB2 CD3" in shown
            assert "…" not in shown
            expected = segno.make("http://10.0.0.5:8123/?code=AB2CD3", micro=False).matrix
            assert modules(pilot) == [[bool(module) for module in row] for row in expected]
            await until(pilot, lambda: bool(server.changes) and server.rows() == padded(pilot))
            assert "page" not in server.table  # nothing of the first page yet
            assert server.table["panes"] == []
            server.say({"viewers": 12})
            await until(pilot, lambda: "12" in text(pilot))
            await pilot.press("q")  # leaves the address alone
            await until(pilot, lambda: "The first page" in text(pilot))
            await until(pilot, lambda: "page" in server.table)
            assert server.table["page"]["title"] == "The first page"


async def test_the_clock_begins_when_the_address_is_left_and_goes_on_in_the_next_chapter(tmp_path: Path) -> None:
    times = [100.0]
    with stand_in() as server:
        async with lecture_with_stand_in(tmp_path, server, welcome=True, chapters=2) as pilot:
            lecture = lecture_screen(pilot).player.lecture
            lecture.clock = lambda: times[0]
            times[0] += 600
            server.say({"viewers": 3})  # which shows the page below anew
            await until(pilot, lambda: "3 watching" in text(pilot))
            assert lecture.seconds is None
            await pilot.press("space")
            await until(pilot, lambda: "1/6  0:00" in text(pilot))
            times[0] += 65
            await pilot.press("right")
            await until(pilot, lambda: "2/6  1:05" in text(pilot))
            await pilot.press("at", "space")
            await until(pilot, lambda: "2/6  1:05" in text(pilot))
            await pilot.press("6", "right", "right", "right")
            await until(pilot, lambda: "1/6  1:05" in text(pilot))


def modules(pilot: Pilot[Any]) -> list[list[bool]]:
    """The QR code on the screen, module by module: which are dark."""
    picture = pilot.app.screen.query_one(PictureView).picture
    points: list[list[bool]] = []
    for line in picture.lines:
        blocks = "".join(text for text, style, _ in line.segments if style == LIGHT)
        if blocks:
            points.append([block in " ▄" for block in blocks])
            points.append([block in " ▀" for block in blocks])
    dark_rows = [y for y, row in enumerate(points) if any(row)]
    dark_columns = [x for row in points for x, dark in enumerate(row) if dark]
    top, bottom, left, right = dark_rows[0], dark_rows[-1], min(dark_columns), max(dark_columns)
    assert min(top, left, len(points) - 1 - bottom, len(points[0]) - 1 - right) >= 2  # light around it
    scale = next(n for n in range(1, 99) if not points[top][left + 7 * n])  # a corner is seven modules wide
    return [[points[y][x] for x in range(left, right + 1, scale)] for y in range(top, bottom + 1, scale)]


async def test_the_address_comes_up_again_at_any_time_where_there_is_an_audience(tmp_path: Path) -> None:
    with stand_in() as server:
        async with lecture_with_stand_in(tmp_path, server) as pilot:
            assert "@ address" in text(pilot).splitlines()[-1]
            for way in ([], ["right", "a"], ["escape"]):
                await pilot.press(*way, "at")
                await until(pilot, lambda: "AB2 CD3" in text(pilot))
                await until(pilot, lambda: server.rows() == padded(pilot))
                await pilot.press("space")
                await until(pilot, lambda: isinstance(pilot.app.screen, LectureScreen))
            assert "Exploring freely" in text(pilot)
    async with lecture_app(lecture_of(tmp_path)) as pilot:
        assert "address" not in text(pilot).splitlines()[-1]
        before = text(pilot)
        await pilot.press("at")
        assert text(pilot) == before


def test_a_code_has_no_signs_that_look_alike() -> None:
    codes = {new_code() for _ in range(500)}
    assert len(codes) == 500
    assert not set("01OIL") & set("".join(codes))


# The page as text.


async def test_the_page_is_told_as_far_as_it_has_come_and_never_its_notes(tmp_path: Path) -> None:
    pages = PAGES.replace(
        "The document is", "Some **bold**, *set* and `code` words.\n\n- one\n- two\n\nThe document is"
    )
    with stand_in() as server:
        async with lecture_with_stand_in(tmp_path, server, pages) as pilot:
            page = server.table["page"]
            assert {key: page[key] for key in ("chapter", "number", "pages", "language", "then")} == {
                "chapter": "Small steps",
                "number": 1,
                "pages": 6,
                "language": "en",
                "then": [],
            }
            first, one, two, last = page["body"]
            marked = [["bold", "b"], [", ", ""], ["set", "i"], [" and ", ""], ["code", "c"]]
            runs = [["Some ", ""], *marked, [" words.", ""]]
            assert first == {"kind": "p", "runs": runs}
            assert [one["runs"], two["runs"]] == [[["• ", ""], ["one", ""]], [["• ", ""], ["two", ""]]]
            assert last["runs"][1] == ["ben", "c"]
            await pilot.press("right", "right")
            await until(pilot, lambda: "It is" in text(pilot) and bool(server.table["page"]["then"]))
            assert "It is " in server.table["page"]["then"][0]["runs"][0][0]
            everything = json.dumps(server.changes)
            assert "Say hello" not in everything
            told = [changes for changes in server.changes if changes.get("question")]
            assert not any(
                question["right"] is not None for changes in told if (question := changes["question"])["open"]
            )


def test_code_and_tables_keep_their_lines_and_nothing_is_html() -> None:
    found = blocks("| a | b |\n|---|---|\n| 1 | <i> |\n\n```\nx = 1\ny = '\x1b'\n```\n\n1. first")
    assert [block["kind"] for block in found] == ["table", "code", "p"]
    assert found[0]["runs"] == [["a  b\n──────\n1  <i>", ""]]
    assert found[1]["runs"] == [["x = 1\ny = '\\x1b'", "c"]]
    assert found[2]["runs"] == [["1. ", ""], ["first", ""]]


def test_the_words_of_every_page_of_the_course_are_those_of_its_paragraphs() -> None:
    for language in ("en", "ko"):
        for chapter in load_course(language).chapters:
            for page in chapter.pages:
                paragraphs = [block for block in text_blocks(page.body.text, TABLE) if block.kind == "paragraph"]
                told = [block["runs"] for block in blocks(page.body.text) if block["kind"] == "p"]
                assert ["".join(text for text, _ in runs) for runs in told] == [
                    (block.lead if block.lead.strip() else "") + block.text.plain for block in paragraphs
                ]


async def test_the_panes_in_question_are_told_in_the_order_of_the_page(tmp_path: Path) -> None:
    pages = PAGES.replace("spotlight: stage", "spotlight: [inspector, stage]")
    with stand_in() as server:
        async with lecture_with_stand_in(tmp_path, server, pages) as pilot:
            await until(pilot, lambda: [pane["id"] for pane in server.table["panes"]] == ["inspector", "stage"])
            lines = padded(pilot).split("\n")
            for pane in server.table["panes"]:
                region = [line[pane["x"] : pane["x"] + pane["width"]] for line in lines[pane["y"] :][: pane["height"]]]
                assert [region[0][0], region[0][-1], region[-1][0], region[-1][-1]] == ["╭", "╮", "╰", "╯"]
                assert pane["title"][:9] in region[0]
            await pilot.press("escape")
            await until(pilot, lambda: len(server.table["panes"]) > 3)
            sizes = [pane["width"] * pane["height"] for pane in server.table["panes"]]
            assert sizes == sorted(sizes, reverse=True)


async def test_what_opens_the_moment_is_told_wherever_the_lecturer_goes(tmp_path: Path) -> None:
    with stand_in() as server:
        async with lecture_with_stand_in(tmp_path, server) as pilot:
            for keys in ((), ("escape", "f"), ("n", "s", "s"), ("f",), ("]", "n")):
                await pilot.press(*keys)
                await until(pilot, lambda: not lecture_screen(pilot).busy)
                address = Address.of(lecture_screen(pilot).session.program, lecture_screen(pilot).session.moment).text

                def told(address: str = address) -> bool:
                    return server.table.get("explore", {}).get("arguments", [])[-2:] == ["--moment", address]

                await until(pilot, told)
                explore = server.table["explore"]
                assert explore["arguments"][: -len(("--data", "docs.txt", "--moment", address))] == [
                    *("--n-embd", "4", "--block-size", "4", "--n-head", "2", "--num-steps", "50", "--seed", "3"),
                ]
                assert explore["command"].startswith("microgpt-tui ")
                assert "--data docs.txt" in explore["command"]


async def test_the_audience_may_look_while_a_chapter_comes_up(tmp_path: Path) -> None:
    app = ThemedApp()
    async with app.run_test(size=(120, 36)) as pilot:
        shown = LectureScreen(session().restart_copy(), lecture_of(tmp_path))
        coming = asyncio.ensure_future(push(app, shown))
        while not (coming.done() and ready(shown)):
            if shown in app.screen_stack:
                shown.for_audience()
            await asyncio.sleep(0)
        await pilot.pause()
        assert [pane.id for pane in shown.query(Pane) if pane.frame is None] == []


async def test_the_audience_may_look_while_a_chapter_is_taken_apart(tmp_path: Path) -> None:
    with stand_in() as server:
        async with lecture_with_stand_in(tmp_path, server, PAGES) as pilot:
            shown = lecture_screen(pilot)
            assert shown.for_audience()["page"] is not None
            await shown.query("*").remove()
            assert shown.for_audience()["page"] is None


async def push(app: ThemedApp, screen: LectureScreen) -> None:
    await app.push_screen(screen)


# Questions.


async def test_answers_are_counted_live_as_bars_and_the_reveal_tells_what_is_right(tmp_path: Path) -> None:
    with stand_in() as server:
        async with lecture_with_stand_in(tmp_path, server) as pilot:
            await pilot.press("right")
            await until(pilot, lambda: server.table.get("question") is not None)
            asked = server.table["question"]
            assert asked == {
                "id": "small/2",
                "text": "Which token comes next?",
                "options": ["a", "b", "e"],
                "open": True,
                "hidden": False,
                "right": None,
                "counts": [0, 0, 0],
            }
            server.say({"counts": {"question": "small/2", "counts": [2, 0, 6]}})
            await until(pilot, lambda: "8 answered" in text(pilot))
            bars = {line.split()[0]: line.count("█") for line in text(pilot).splitlines() if "%" in line}
            assert bars["a)"] * 3 == pytest.approx(bars["c)"], abs=3)  # a bar ends within a cell
            assert bars["b)"] == 0
            await until(pilot, lambda: server.table["question"]["counts"] == [2, 0, 6])
            for wrong in ([1, 1], [1, 1, -1], [1, 1, "1"], None, [1, 1, 2**70]):
                server.say({"counts": {"question": "small/2", "counts": wrong}})
            server.say({"counts": {"question": "small/1", "counts": [9, 9, 9]}})
            server.say({"counts": {"question": "small/2", "counts": [3, 0, 6]}})
            await until(pilot, lambda: "9 answered" in text(pilot))
            await pilot.press("right")
            await until(pilot, lambda: not server.table["question"]["open"])
            assert server.table["question"] == asked | {"open": False, "right": 2, "counts": [3, 0, 6]}
            assert "✓ c) e" in text(pilot)
            await pilot.press("right")
            await until(pilot, lambda: server.table.get("question") is None)


HIDDEN = PAGES.replace("answer: target", "answer: target\nresults: hidden")


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_hidden_results_are_seen_by_nobody_before_the_reveal(tmp_path: Path, size: tuple[int, int]) -> None:
    with stand_in() as server:
        async with lecture_with_stand_in(tmp_path, server, HIDDEN, size) as pilot:
            await pilot.press("right")
            await until(pilot, lambda: server.table.get("question") is not None)
            server.say({"counts": {"question": "small/2", "counts": [1, 0, 4]}})
            await until(pilot, lambda: "5 answered" in text(pilot))
            await until(pilot, lambda: "5 answered" in server.rows())
            assert not re.search(r"\d · \d", text(pilot))
            assert server.table["question"]["hidden"] is True
            assert all(changes["question"]["counts"] is None for changes in server.changes if changes.get("question"))
            await pilot.press("right")
            await until(pilot, lambda: server.table["question"]["counts"] == [1, 0, 4])
            assert re.search(r"✓ c\) e +█+ +4 · 80%", text(pilot))
            assert "1 · 20%" in text(pilot)
            assert "0 · 0%" in text(pilot)


async def test_a_flood_of_answers_leaves_the_keys_free(tmp_path: Path) -> None:
    with stand_in() as server:
        async with lecture_with_stand_in(tmp_path, server) as pilot:
            await pilot.press("right")
            await until(pilot, lambda: server.table.get("question") is not None)
            for n in range(3000):
                server.say({"counts": {"question": "small/2", "counts": [n, n, n]}})
            await pilot.press("right", "right")
            await until(pilot, lambda: "Your turn" in text(pilot))


async def test_options_without_room_for_bars_have_numbers(tmp_path: Path) -> None:
    options = ", ".join(f'"option {n}"' for n in range(7))
    pages = PAGES.replace('options: [a, b, "{target}"]', f'options: [{options}, "{{target}}"]')
    pages = pages.replace("# A question\n", "# A question\n\nOne line.\n\nAnother.\n")
    with stand_in() as server:
        async with lecture_with_stand_in(tmp_path, server, pages, (80, 24)) as pilot:
            await pilot.press("right")
            await until(pilot, lambda: server.table.get("question") is not None)
            server.say({"counts": {"question": "small/2", "counts": [11, 12, 13, 14, 15, 16, 17, 18]}})
            await until(pilot, lambda: "116 answered" in text(pilot))
            assert "a) option 0 11   b) option 1 12" in text(pilot)
            assert "h) e 18" in text(pilot)


# Results.


async def test_results_are_kept_vote_by_vote_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "kept" / "results.json"
    with stand_in() as server:
        async with lecture_with_stand_in(tmp_path, server, kept=file) as pilot:
            await pilot.press("right")
            await until(pilot, lambda: server.table.get("question") is not None)
            server.say({"counts": {"question": "small/2", "counts": [2, 0, 1]}})
            await until(pilot, lambda: "3 answered" in text(pilot))
            await pilot.press("right")
            await until(pilot, lambda: not server.table["question"]["open"])
            votes = {"chapter": "small", "page": 2, "text": "Which token comes next?", "options": ["a", "b", "e"]}
            expected = {"format": 1, "questions": [votes | {"right": 2, "votes": [[2, 0, 1]]}]}
            assert json.loads(file.read_text(encoding="utf-8")) == expected  # before the end
            await pilot.press("left")  # the same vote goes on
            await until(pilot, lambda: server.table["question"]["open"])
            server.say({"counts": {"question": "small/2", "counts": [0, 0, 3]}})
            await until(pilot, lambda: "100%" in text(pilot))
            await pilot.press("3")
            await until(pilot, lambda: "question" not in server.table)
            await pilot.press("left")  # another vote
            await until(pilot, lambda: "question" in server.table and "0 answered" in text(pilot))
            server.say({"counts": {"question": "small/2", "counts": [1, 0, 0]}})
            await until(pilot, lambda: "1 answered" in text(pilot))
    expected["questions"][0]["votes"] = [[0, 0, 3], [1, 0, 0]]
    assert json.loads(file.read_text(encoding="utf-8")) == expected
    with stand_in() as server, audience(OPTIONS, server.command, file):
        pass
    assert json.loads(file.read_text(encoding="utf-8")) == expected  # what it held stays


async def test_what_a_server_has_counted_before_it_died_stays_in_the_results(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    with stand_in() as server:
        async with lecture_with_stand_in(tmp_path, server, kept=file) as pilot:
            await pilot.press("right")
            await until(pilot, lambda: server.table.get("question") is not None)
            server.say({"counts": {"question": "small/2", "counts": [5, 0, 5]}})
            await until(pilot, lambda: "10 answered" in text(pilot))
            server.die()
            await until(pilot, lambda: len(server.starts) > 1 and server.table.get("question") is not None)
            server.say({"counts": {"question": "small/2", "counts": [0, 1, 0]}})
            await until(pilot, lambda: "1 answered" in text(pilot))
    assert json.loads(file.read_text(encoding="utf-8"))["questions"][0]["votes"] == [[5, 0, 5], [0, 1, 0]]


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "{}", '{"format": 2, "questions": []}'),
        *(json.dumps({"format": 1, "questions": wrong}) for wrong in ([{}], 3)),
        *(json.dumps({"format": 1, "questions": [QUESTION | wrong]}) for wrong in MISTAKES),
    ],
)
def test_a_file_of_something_else_is_refused_and_kept(tmp_path: Path, content: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ResultsError, match="holds no results of an audience; give another file"):
        LiveAudience(OPTIONS, file)
    assert file.read_text(encoding="utf-8") == content


def test_results_that_cannot_be_read_or_written_are_told_before_the_lecture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ResultsError, match="cannot be read"):
        LiveAudience(OPTIONS, tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(results, "write_whole", full)
    with stand_in() as server:
        made = LiveAudience(OPTIONS, tmp_path / "results.json", server.command)
        with pytest.raises(ResultsError, match=r"cannot be written to .* \(No space left on device"):
            made.open(lambda port: JoinAddress("", None))
    assert not server.starts


# Wherever the lecturer goes.


@pytest.mark.parametrize("keys", ["l", "full_stop", "n n n", *(f"escape {key}" for key in "KiEBmVz")])
async def test_the_audience_sees_what_the_lecturer_sees(tmp_path: Path, keys: str) -> None:
    with stand_in() as server:
        async with lecture_with_stand_in(tmp_path, server) as pilot:
            before = text(pilot)
            await pilot.press(*keys.split())
            await until(pilot, lambda: text(pilot) != before and server.rows() == padded(pilot))
            await pilot.press("escape", "escape")
            await until(pilot, lambda: server.rows() == padded(pilot))


async def test_the_audience_sees_the_colours_that_the_lecturer_sees(tmp_path: Path) -> None:
    def grounds() -> set[str]:
        return {style.split("/")[1] for y in range(36) for _, style in server.table[f"row/{y}"]}

    with stand_in() as server:
        async with lecture_with_stand_in(tmp_path, server) as pilot:
            await until(pilot, lambda: server.rows() == padded(pilot))
            assert {theme.DARK.background, theme.DARK.panel} <= grounds()
            await pilot.press("ctrl+t")
            await until(pilot, lambda: {theme.LIGHT.background, theme.LIGHT.panel} <= grounds())
            await until(pilot, lambda: not {theme.DARK.background, theme.DARK.panel} & grounds())
            shown = screenshot(pilot.app)
            for y, pieces in enumerate(shown.lines):
                styled = [(text, style) for text, style in server.table[f"row/{y}"]]
                assert "".join(text for text, _ in styled) == "".join(piece.text for piece in pieces)
                assert {style[:15] for _, style in styled} == {
                    f"{piece.look.colour}/{piece.look.background}" for piece in pieces
                }


async def test_the_audience_follows_into_another_chapter(tmp_path: Path) -> None:
    with stand_in() as server:
        async with lecture_with_stand_in(tmp_path, server, chapters=2) as pilot:
            await pilot.press("6", "right", "right", "right")
            await until(pilot, lambda: "1/6" in text(pilot) and server.table["page"]["number"] == 1)
            assert "AB2 CD3" not in text(pilot)  # they know the address by now
            await until(pilot, lambda: server.rows() == padded(pilot))
            server.say({"viewers": 7})
            await until(pilot, lambda: "7 watching" in text(pilot))


async def test_a_screen_that_is_not_laid_out_yet_is_not_sent(tmp_path: Path) -> None:
    app = ThemedApp()
    async with app.run_test(size=(120, 36)) as pilot:
        frame = ScreenFrame()
        assert len(frame.changes(app)) == 37
        coming = asyncio.ensure_future(push(app, LectureScreen(session().restart_copy(), lecture_of(tmp_path))))
        while not coming.done():
            assert None not in frame.changes(app).values()
            await asyncio.sleep(0)
        await pilot.pause()
        assert None not in frame.changes(app).values()
        await pilot.resize_terminal(80, 24)
        changes = frame.changes(app)
        assert changes["size"] == [80, 24]
        assert [key for key, value in changes.items() if value is None] == [f"row/{y}" for y in range(24, 36)]


async def test_the_audience_sees_the_window_in_its_new_size(tmp_path: Path) -> None:
    with stand_in() as server:
        async with lecture_with_stand_in(tmp_path, server) as pilot:
            for size in ((80, 24), (200, 60), (60, 20)):
                await pilot.resize_terminal(*size)
                await until(pilot, lambda size=size: tuple(server.table["size"]) == size)  # type: ignore[misc]
                await until(pilot, lambda: server.rows() == padded(pilot))
                assert len([key for key in server.table if key.startswith("row/")]) == size[1]


@pytest.mark.parametrize("seed", ["a", "b"])
async def test_after_random_keys_the_audience_sees_what_the_lecturer_sees(tmp_path: Path, seed: str) -> None:
    draws = Random(seed)
    keys = [key for key in ALL_KEYS if key not in ("ctrl+z", "ctrl+s")]  # which leave, and which write a file
    with stand_in() as server:
        async with lecture_with_stand_in(tmp_path, server, HIDDEN, chapters=2) as pilot:
            for _ in range(150):
                await pilot.press(draws.choice(keys))
            await until(pilot, lambda: bool(server.rows()) and server.rows() == padded(pilot))
