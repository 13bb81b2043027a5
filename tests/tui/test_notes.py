"""Speaker notes: what a lecture tells those who follow it, who may follow, and how the notes look."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import sysconfig
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from harness import DOCS, SMALL, text, until
from lecturing import PAGES, giving, lectern, lecture_of
from terminal import needs_tmux, terminal
from textual.pilot import Pilot

from microgpt_tui import palette
from microgpt_tui.app import MicrogptApp
from microgpt_tui.lectures import following as following_module
from microgpt_tui.lectures import telling as telling_module
from microgpt_tui.lectures.calling import HOST, Call, read
from microgpt_tui.lectures.following import following
from microgpt_tui.lectures.notes import Notes, Seen
from microgpt_tui.lectures.pages import LectureError
from microgpt_tui.lectures.telling import Telling
from microgpt_tui.screens.notes import NotesApp
from microgpt_tui.start import Start
from microgpt_tui.texts import lecture_words

PATIENCE = 60.0  # seconds until something counts as never heard
PAGE = Notes(
    language="en", chapter="Small steps", title="A question", page=1, pages=6, notes="Let them *vote*.",
    right="c) n", then="It is n.", asks=True, done=False, press="reveal", coming="Your turn", seen=Seen.PAGE,
    elapsed=65.0,
)  # fmt: skip
CONFIG = "n_embd=4, n_head=2, block_size=4"
Heard = AsyncGenerator[Notes | None, None]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following_module, "LOOK", 0.01)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "lecture.json"


@asynccontextmanager
async def telling(file: Path, notes: Notes | None = None) -> AsyncIterator[Telling]:
    """A lecture that tells."""
    told = Telling(file)
    await told.open()
    if notes is not None:
        told.tell(notes)
    try:
        yield told
    finally:
        await told.close()


async def heard(stream: Heard, condition: Callable[[Notes | None], bool]) -> Notes | None:
    """What is heard when something is the case."""
    async with asyncio.timeout(PATIENCE):
        while not condition(notes := await anext(stream)):
            pass
    return notes


async def connected(file: Path, token: bytes | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    call = read(file)
    assert call is not None
    reader, writer = await asyncio.open_connection(HOST, call.port)
    writer.write((call.token.encode() if token is None else token) + b"\n")
    return reader, writer


async def line(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(PATIENCE):
        return await reader.readline()


# What is told.


async def test_a_follower_hears_each_page_and_the_answer_before_the_audience(tmp_path: Path, file: Path) -> None:
    async with (
        telling(file) as told,
        giving(lecture_of(tmp_path), telling=told) as pilot,
        aclosing(following(file)) as stream,
    ):
        first = await heard(stream, lambda notes: notes is not None)
        assert first is not None
        assert (first.chapter, first.title, first.page, first.pages) == ("Small steps", "The first page", 0, 6)
        assert (first.notes, first.coming, first.press) == ("Say hello.", "A question", "next")
        assert (first.right, first.then, first.language) == ("", "", "en")
        assert first.elapsed < PATIENCE
        await pilot.press("right")
        asked = await heard(stream, lambda notes: notes is not None and notes.page == 1)
        assert asked is not None
        target = lectern(pilot).session.program.tokenizer.name(lectern(pilot).session.program.targets[1])
        assert asked.right == f"c) {target}"
        assert asked.then.startswith(f"It is {target}")
        assert (asked.press, asked.asks, asked.done) == ("reveal", True, False)
        assert "It is" not in text(pilot)
        await pilot.press("right")
        assert await heard(stream, lambda notes: notes is not None and notes.done and notes.press == "next")
        await pilot.press("left", "left")
        assert await heard(stream, lambda notes: notes is not None and notes.page == 0)


async def test_a_follower_hears_that_the_screen_is_blank_or_being_looked_around_on(tmp_path: Path, file: Path) -> None:
    async with (
        telling(file) as told,
        giving(lecture_of(tmp_path), telling=told) as pilot,
        aclosing(following(file)) as stream,
    ):
        for keys, seen, press in (
            (["full_stop"], Seen.BLANK, "show the page again"),
            (["space"], Seen.PAGE, "next"),
            (["escape"], Seen.EXPLORING, "l: return to page 1"),
            (["l"], Seen.PAGE, "next"),
        ):
            await pilot.press(*keys)
            notes = await heard(stream, lambda notes, seen=seen: notes is not None and notes.seen is seen)
            assert notes is not None
            assert (notes.press, notes.page) == (press, 0)


async def test_after_the_last_page_of_a_chapter_comes_the_next_chapter(tmp_path: Path, file: Path) -> None:
    lecture = lecture_of(tmp_path, chapters=2)
    async with (
        telling(file) as told,
        giving(lecture, telling=told) as pilot,
        aclosing(following(file)) as stream,
    ):
        await pilot.press("6")
        last = await heard(stream, lambda notes: notes is not None and notes.page == 5)
        assert last is not None
        assert last.coming == "Small steps ▸ The first page"


async def test_time_goes_on_for_those_who_come_late(file: Path) -> None:
    times = [100.0]
    told = Telling(file, clock=lambda: times[0])
    await told.open()
    told.tell(PAGE)
    times[0] += 5
    told.tell(replace(PAGE, elapsed=70.0))  # no news
    async with aclosing(following(file)) as stream:
        assert await heard(stream, lambda _: True) == replace(PAGE, elapsed=70.0)
    await told.close()


async def test_a_lecture_ends_and_another_begins(file: Path) -> None:
    async with aclosing(following(file)) as stream:
        async with telling(file, PAGE):
            assert await heard(stream, lambda _: True) is not None
        assert await heard(stream, lambda _: True) is None
        async with telling(file, replace(PAGE, title="Another")):
            notes = await heard(stream, lambda _: True)
            assert notes is not None
            assert notes.title == "Another"


async def test_of_two_lectures_the_newest_is_followed(file: Path) -> None:
    async with telling(file, PAGE), aclosing(following(file)) as stream:
        assert await heard(stream, lambda _: True) is not None
        async with telling(file, replace(PAGE, title="Newer")):
            notes = await heard(stream, lambda _: True)
            assert notes is not None  # the first has not ended
            assert notes.title == "Newer"


# Who may listen, and what cannot go wrong.


async def test_the_call_is_for_its_user_alone_and_taken_back(file: Path) -> None:
    async with telling(file):
        assert read(file) is not None
        if os.name == "posix":
            assert file.stat().st_mode & 0o777 == 0o600
    assert not file.exists()


async def test_a_call_of_another_lecture_is_left_where_it_is(file: Path) -> None:
    async with telling(file):
        other = Call(1)
        other.write(file)
    assert read(file) == other


@pytest.mark.parametrize("token", [b"", b"wrong", b"\xff\xfe", b"x" * 5000])
async def test_a_wrong_token_is_hung_up_on(file: Path, token: bytes) -> None:
    async with telling(file, PAGE):
        reader, writer = await connected(file, token)
        with suppress(ConnectionResetError):  # where it had sent more than was read
            assert await line(reader) == b""
        writer.close()
        async with aclosing(following(file)) as stream:
            assert await heard(stream, lambda _: True) is not None


async def test_who_sends_no_token_is_hung_up_on(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling_module, "PATIENCE", 0.01)
    async with telling(file, PAGE):
        call = read(file)
        assert call is not None
        reader, writer = await asyncio.open_connection(HOST, call.port)
        assert await line(reader) == b""
        writer.close()


async def test_a_slow_follower_is_sent_the_latest_alone(file: Path) -> None:
    async with telling(file, PAGE) as told:
        reader, writer = await connected(file)
        assert Notes.read(await line(reader)).page == 1
        for page in range(2, 6):
            told.tell(replace(PAGE, page=page))
        async with aclosing(following(file)) as quick:  # one that is quick is not held up
            notes = await heard(quick, lambda _: True)
            assert notes is not None
            assert notes.page == 5
        writer.write(b"\n")
        assert Notes.read(await line(reader)).page == 5
        writer.close()


async def test_a_follower_that_is_gone_disturbs_nobody(file: Path) -> None:
    async with telling(file, PAGE) as told, aclosing(following(file)) as stream:
        for _ in range(5):
            reader, writer = await connected(file)
            await line(reader)
            writer.transport.abort()
        assert await heard(stream, lambda _: True) is not None
        told.tell(replace(PAGE, page=2))
        told.tell(replace(PAGE, page=3))
        assert await heard(stream, lambda notes: notes is not None and notes.page == 3)


async def test_a_lecture_that_cannot_be_followed_is_given_all_the_same(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    async with telling(blocked / "lecture.json") as told, giving(lecture_of(tmp_path), telling=told) as pilot:
        await pilot.press("right")
        assert lectern(pilot).lecture.page == 1
    assert blocked.read_text() == "in the way"


async def test_a_call_that_nobody_answers_any_more_is_none(file: Path) -> None:
    died = subprocess.Popen([sys.executable, "-c", ""])
    died.wait()
    async with telling(file, PAGE):
        call = read(file)
        assert call is not None
        replace(call, pid=died.pid).write(file)
        assert read(file) is None
    for content in (b"", b"null", b"[]", b"{}", b'{"port": 1e999, "token": 1, "pid": 1}', b"[" * 100_000):
        file.write_bytes(content)
        assert read(file) is None
    Call(1).write(file)  # of a living process, but a port on which nobody listens
    async with aclosing(following(file)) as stream:
        coming = asyncio.ensure_future(anext(stream))
        async with telling(file, PAGE):
            assert await asyncio.wait_for(coming, PATIENCE) is not None


async def test_a_stranger_at_the_port_is_not_listened_to(file: Path) -> None:
    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    asked = asyncio.Event()
    stranger = await asyncio.start_server(babble, HOST, 0)
    Call(stranger.sockets[0].getsockname()[1]).write(file)
    async with aclosing(following(file)) as stream:
        coming = asyncio.ensure_future(anext(stream))
        await asyncio.wait_for(asked.wait(), PATIENCE)
        async with telling(file, PAGE):
            notes = await asyncio.wait_for(coming, PATIENCE)
            assert notes is not None  # and not that a lecture has ended
    stranger.close()


def test_what_is_sent_is_checked_and_shown_never_obeyed() -> None:
    evil = replace(PAGE, title="\x1b]0;owned\x07", notes="one\n\x1b[2Jtwo\u202e", right="\r")
    came = Notes.read(evil.line())
    assert came.title == "�]0;owned�"
    assert came.notes == "one\n�[2Jtwo�"
    assert "\r" not in came.right
    assert Notes.read(PAGE.line()) == PAGE
    line = PAGE.line()
    changed = [(b"65.0", b"NaN"), (b"65.0", b"-1"), (b'"A question"', b"7"), (b'"page"', b'"nothing"')]
    for wrong in (b"", b"null", b"[1]", b"{}", *(line.replace(*change) for change in changed)):
        with pytest.raises(LectureError, match="these are no notes"):
            Notes.read(wrong)


async def test_a_lecture_called_from_the_debugger_is_told_until_it_is_left(tmp_path: Path, file: Path) -> None:
    app = MicrogptApp(Start(SMALL, DOCS), telling=Telling(file))
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.keeper is not None)
        app.begin(lecture_of(tmp_path, PAGES.replace("notes:", f"config: {CONFIG}\nnotes:")))
        async with aclosing(following(file)) as stream:
            assert await heard(stream, lambda notes: notes is not None and notes.notes == "Say hello.")
            await pilot.press("q")
            assert await heard(stream, lambda notes: notes is None) is None
        assert read(file) is None
        app.begin(lecture_of(tmp_path, PAGES.replace("notes:", f"config: {CONFIG}\nnotes:")))
        await until(pilot, lambda: read(file) is not None)
    assert not file.exists()  # the app has ended, and with it the lecture


# How it looks.


@asynccontextmanager
async def reading(
    file: Path, size: tuple[int, int] = (80, 24), language: str = "en", times: Sequence[float] = (0.0,)
) -> AsyncIterator[Pilot[Any]]:
    """The notes as they are shown; their clock says what `times` begins with."""
    app = NotesApp(file, language, clock=lambda: times[0], now=lambda: datetime(2025, 3, 1, 9, 5))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield pilot


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_notes_stand_between_where_one_is_and_what_comes(file: Path, size: tuple[int, int]) -> None:
    times = [0.0]
    async with reading(file, size, times=times) as pilot:
        await until(pilot, lambda: "Waiting for a lecture: start microgpt-tui lecture" in text(pilot))
        async with telling(file, PAGE) as told:
            await until(pilot, lambda: "Let them vote." in text(pilot))
            lines = text(pilot).split("\n")
            assert lines[0].split() == ["2/6", "Small", "steps", "elapsed", "1:05", "09:05"]
            assert "A question" in lines[2]
            below = [" ".join(each.split()) for each in lines[-4:]]
            assert below == ["Answer c) n", "It is n.", "Press reveal", "Next page Your turn"]
            times[0] += 3600
            pilot.app.shown.show()
            await until(pilot, lambda: "1:01:05" in text(pilot))
            told.tell(replace(PAGE, notes="", right="", then="q is there.", asks=False, coming="", seen=Seen.EXPLORING))
            await until(pilot, lambda: "No notes for this page." in text(pilot))
            assert "Exploring freely" in text(pilot)
            assert "Then" in text(pilot)
            assert "Answer" not in text(pilot)
            assert "none, this is the last one" in text(pilot)
        await until(pilot, lambda: "The lecture has ended. Waiting for another one" in text(pilot))
        await pilot.press("q")
    assert pilot.app.return_code == 0


async def test_long_notes_are_scrolled_and_begin_at_the_top_on_each_page(file: Path) -> None:
    long = replace(PAGE, notes="\n\n".join(f"Sentence {n}." for n in range(40)))
    async with reading(file) as pilot, telling(file, long) as told:
        await until(pilot, lambda: "Sentence 0." in text(pilot))
        await pilot.press("end")
        await until(pilot, lambda: "Sentence 39." in text(pilot))
        told.tell(replace(long, done=True, press="next"))  # the same page stays where it is
        await until(pilot, lambda: "Press      next" in text(pilot))
        assert "Sentence 39." in text(pilot)
        told.tell(replace(long, page=2))
        await until(pilot, lambda: "Sentence 0." in text(pilot))


async def test_the_words_are_those_of_the_lectures_language(file: Path) -> None:
    korean = replace(PAGE, language="ko", title="질문입니다", notes="손을 들게 하세요.", seen=Seen.BLANK)
    words = lecture_words("ko")
    async with reading(file, language="ko") as pilot:
        await until(pilot, lambda: words["none"][:10] in text(pilot))
        async with telling(file, korean):
            await until(pilot, lambda: "손을 들게 하세요." in text(pilot))
            for word in ("blanked", "elapsed", "answer", "press", "coming"):
                assert words[word] in text(pilot)
        await until(pilot, lambda: words["ended"][:10] in text(pilot))


async def test_themes_colour_the_notes(file: Path) -> None:
    async with reading(file) as pilot, telling(file, PAGE):
        await until(pilot, lambda: "Let them" in text(pilot))
        for colours in (palette.LIGHT, palette.CONTRAST, palette.DARK):
            await pilot.press("ctrl+t")
            await until(pilot, lambda colours=colours: colours.now in _colours(pilot, "A question"))


def _colours(pilot: Pilot[Any], words: str) -> set[str]:
    strips = pilot.app.screen._compositor.render_strips(pilot.app.size)
    segments = [segment for strip in strips for segment in strip if words in segment.text]
    return {each.style.color.get_truecolor().hex for each in segments if each.style and each.style.color}


@pytest.mark.parametrize("size", [(40, 12), (12, 5), (1, 1)])
async def test_no_window_is_too_small_to_go_on(file: Path, size: tuple[int, int]) -> None:
    async with reading(file, size) as pilot, telling(file, PAGE):
        await until(pilot, lambda: pilot.app.shown.notes is not None)
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: "Let them vote." in text(pilot))


@needs_tmux
def test_two_terminals(tmp_path: Path) -> None:
    command = str(Path(sysconfig.get_path("scripts")) / "microgpt-tui")
    lecture = tmp_path / "small.md"
    lecture.write_text(PAGES.replace("notes:", f"config: {CONFIG}\nnotes:"), encoding="utf-8")
    state = {"XDG_STATE_HOME": str(tmp_path)}
    with terminal([command, "lecture", "--notes"], (80, 24), **state) as notes:
        notes.wait("Waiting for a lecture")
        with terminal([command, "lecture", str(lecture)], **state) as given:
            given.wait("The first page")
            notes.wait("Say hello.")
            given.press("Right")
            notes.wait("Answer")
            given.press("q")
            given.wait("[status 0]")
            notes.wait("The lecture has ended.")
        notes.press("q")
        notes.wait("[status 0]")
