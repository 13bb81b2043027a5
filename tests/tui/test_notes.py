"""Speaker notes: what a lecture tells those who follow it, who may follow, and what cannot go wrong."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from harness import DOCS, SMALL, text, until
from lecturing import CONFIG, PAGE, PAGES, giving, lectern, lecture_of, telling

from microgpt_tui.app import MicrogptApp
from microgpt_tui.lectures import telling as telling_module
from microgpt_tui.lectures.calling import HOST, Call, read
from microgpt_tui.lectures.following import following
from microgpt_tui.lectures.notes import Notes, Seen
from microgpt_tui.lectures.pages import LectureError
from microgpt_tui.lectures.telling import Telling
from microgpt_tui.start import Start

PATIENCE = 60.0  # seconds until something counts as never heard
Heard = AsyncGenerator[Notes | None, None]


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
        assert last.coming == "Small steps"


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
    assert came.title == r"\x1b]0;owned\x07"
    assert came.notes == "one\n\\x1b[2Jtwo\\u202e"
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
