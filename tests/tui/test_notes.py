"""Speaker notes: what a lecture shares, permissions, and failures."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine import atomic_write
from microgpt_tui.app import MicrogptApp
from microgpt_tui.lectures.lecture import minutes
from microgpt_tui.lectures.page import LectureError
from microgpt_tui.lectures.speaker_notes import FILES, Audience, Notes, SharedNotes, follow, newest
from microgpt_tui.storage.startup import Start
from tests.support.harness import DOCS, SMALL, text, until
from tests.support.lecture_harness import CONFIG, PAGE, PAGES, lecture_app, lecture_of, lecture_screen, sharing
from tests.support.wait import met

PATIENCE = 60.0  # seconds until a condition counts as never met
Heard = AsyncGenerator[Notes | None, None]


async def heard(stream: Heard, condition: Callable[[Notes | None], bool]) -> Notes | None:
    """Wait until the notes meet a condition; returns them."""
    async with asyncio.timeout(PATIENCE):
        while not condition(notes := await anext(stream)):
            pass
    return notes


def only(folder: Path) -> Path:
    """The one file of notes in a folder."""
    (file,) = folder.glob(FILES)
    return file


def rewrite(file: Path, **values: Any) -> None:
    """Change values in a file of notes."""
    file.write_text(json.dumps(json.loads(file.read_bytes()) | values))


# What is shared.


async def test_notes_show_each_page_with_the_answer_before_it_is_revealed(tmp_path: Path, folder: Path) -> None:
    with sharing(folder) as shared:
        async with lecture_app(lecture_of(tmp_path), shared=shared) as pilot, aclosing(follow(folder)) as stream:
            first = await heard(stream, lambda notes: notes is not None and notes.elapsed is not None)
            assert first is not None
            assert first.elapsed is not None
            assert (first.chapter, first.title, first.page, first.pages) == ("Small steps", "The first page", 0, 6)
            assert (first.notes, first.coming, first.press) == ("Say hello.", "A question", "next")
            assert (first.right, first.then, first.language) == ("", "", "en")
            assert first.elapsed < PATIENCE
            await pilot.press("right")
            question = await heard(stream, lambda notes: notes is not None and notes.page == 1)
            assert question is not None
            target = lecture_screen(pilot).session.program.tokenizer.name(
                lecture_screen(pilot).session.program.targets[1]
            )
            assert question.right == f"c) {target}"
            assert question.then.startswith(f"It is {target}")
            assert (question.press, question.asks, question.done) == ("reveal", True, False)
            assert "It is" not in text(pilot)
            await pilot.press("right")
            assert await heard(stream, lambda notes: notes is not None and notes.done and notes.press == "next")
            await pilot.press("left", "left")
            assert await heard(stream, lambda notes: notes is not None and notes.page == 0)


async def test_notes_show_that_the_screen_is_blank_or_explored(tmp_path: Path, folder: Path) -> None:
    with sharing(folder) as shared:
        async with lecture_app(lecture_of(tmp_path), shared=shared) as pilot, aclosing(follow(folder)) as stream:
            for keys, audience, press in (
                (["full_stop"], Audience.BLANK, "show the page again"),
                (["space"], Audience.PAGE, "next"),
                (["escape"], Audience.EXPLORING, "l: return to page 1"),
                (["l"], Audience.PAGE, "next"),
            ):
                await pilot.press(*keys)
                notes = await heard(
                    stream, lambda notes, audience=audience: notes is not None and notes.audience is audience
                )
                assert notes is not None
                assert (notes.press, notes.page) == (press, 0)


async def test_after_the_last_page_of_a_chapter_comes_the_next_chapter(tmp_path: Path, folder: Path) -> None:
    lecture = lecture_of(tmp_path, chapters=2)
    with sharing(folder) as shared:
        async with lecture_app(lecture, shared=shared) as pilot, aclosing(follow(folder)) as stream:
            await pilot.press("6")
            last = await heard(stream, lambda notes: notes is not None and notes.page == 5)
            assert last is not None
            assert last.coming == "Small steps"


async def test_notes_opened_late_show_the_time_since_the_start(folder: Path) -> None:
    times = [100.0]
    shared = SharedNotes(folder, clock=lambda: times[0])
    shared.open()
    shared.share(PAGE)
    times[0] += 5
    shared.share(replace(PAGE, elapsed=70.0))  # nothing new
    async with aclosing(follow(folder, clock=lambda: times[0])) as stream:
        assert await heard(stream, lambda _: True) == replace(PAGE, elapsed=70.0)


async def test_before_the_lecture_begins_no_time_passes(folder: Path) -> None:
    times = [100.0]
    shared = SharedNotes(folder, clock=lambda: times[0])
    shared.open()
    early = replace(PAGE, elapsed=None)
    shared.share(early)
    times[0] += 600
    async with aclosing(follow(folder, clock=lambda: times[0])) as stream:
        assert await heard(stream, lambda _: True) == early
        shared.share(replace(PAGE, elapsed=0.0))  # it begins, and nothing else is new
        assert await heard(stream, lambda _: True) == replace(PAGE, elapsed=0.0)
    assert (minutes(None), minutes(65.0)) == ("0:00", "1:05")


async def test_a_lecture_ends_and_another_begins(folder: Path) -> None:
    async with aclosing(follow(folder)) as stream:
        with sharing(folder, PAGE):
            assert await heard(stream, lambda _: True) is not None
        assert await heard(stream, lambda _: True) is None
        with sharing(folder, replace(PAGE, title="Another")):
            notes = await heard(stream, lambda _: True)
            assert notes is not None
            assert notes.title == "Another"


async def test_of_two_lectures_the_newest_is_shown_and_the_first_again_when_it_ends(folder: Path) -> None:
    with sharing(folder, PAGE) as first:
        async with aclosing(follow(folder)) as stream:
            assert await heard(stream, lambda _: True) == replace(PAGE, elapsed=pytest.approx(65.0, abs=PATIENCE))
            with sharing(folder, replace(PAGE, title="Newer")):
                notes = await heard(stream, lambda _: True)
                assert notes is not None  # the first has not ended
                assert notes.title == "Newer"
                first.share(replace(PAGE, page=2))  # its page is turned: it is the older one all the same
                assert (found := newest(folder)) is not None
                assert found.notes.title == "Newer"
            notes = await heard(stream, lambda _: True)
            assert notes is not None  # not "the lecture has ended"
            assert (notes.title, notes.page) == (PAGE.title, 2)


# Permissions and failures.


def test_the_file_is_private_whole_and_removed_at_the_end(folder: Path) -> None:
    with sharing(folder) as shared:
        assert newest(folder) is None  # nothing is written before there are notes
        for page in range(5):
            shared.share(replace(PAGE, page=page))
            if os.name == "posix":
                assert only(folder).stat().st_mode & 0o777 == 0o600
            assert (found := newest(folder)) is not None
            assert found.notes.page == page
    assert not list(folder.iterdir())


async def test_a_lecture_goes_on_when_its_notes_cannot_be_shared(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with sharing(blocked / "state") as shared:
        async with lecture_app(lecture_of(tmp_path), shared=shared) as pilot:
            await pilot.press("right")
            assert lecture_screen(pilot).player.lecture.page == 1
    assert blocked.read_text() == "in the way"


async def test_notes_that_could_not_be_written_are_written_later(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError  # as on Windows while another process reads the file

    with sharing(folder) as shared, monkeypatch.context() as refusing:
        refusing.setattr(atomic_write.os, "replace", refuse)
        async with lecture_app(lecture_of(tmp_path), shared=shared) as pilot:
            assert newest(folder) is None
            refusing.undo()
            await until(pilot, lambda: newest(folder) is not None)


def test_a_file_that_is_replaced_while_it_is_read_is_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, times = Path.read_bytes, list[Path]()

    def at_second_try(path: Path) -> bytes:
        times.append(path)
        if len(times) == 1:
            raise PermissionError  # as on Windows
        return read(path)

    with sharing(folder, PAGE):
        monkeypatch.setattr(Path, "read_bytes", at_second_try)
        assert newest(folder) is not None


async def test_a_lecture_whose_process_died_has_ended(folder: Path) -> None:
    died = subprocess.Popen([sys.executable, "-c", ""])
    zombie = psutil.Process(died.pid)
    started = zombie.create_time()
    with sharing(folder, PAGE) as first, sharing(folder) as second:
        rewrite(only(folder), pid=died.pid, started=started)
        if os.name == "posix":  # it has ended, and its parent has not asked for its status
            await met(lambda: zombie.status() == psutil.STATUS_ZOMBIE)
            assert newest(folder) is None
        died.wait()
        assert newest(folder) is None
        rewrite(only(folder), pid=os.getpid(), started=0.0)  # another process that was given the same number
        assert newest(folder) is None
        second.share(replace(PAGE, title="Living"))
        assert (found := newest(folder)) is not None
        assert found.notes.title == "Living"
        with sharing(folder):  # a lecture that begins removes what died, and nothing else
            assert only(folder)
            assert (found := newest(folder)) is not None
            assert found.notes.title == "Living"
        first.share(replace(PAGE, page=3))
        assert len(list(folder.glob(FILES))) == 2


NOTHING = (b"", b"null", b"[]", b"{}", b'{"pid": 1e999, "started": 1}', b'{"pid": -1, "started": 0}', b"[" * 100_000)


async def test_files_that_are_no_notes_are_ignored(folder: Path) -> None:
    folder.mkdir()
    for number, content in enumerate(NOTHING):
        (folder / FILES.replace("*", str(number))).write_bytes(content)
    (folder / FILES.replace("*", "folder")).mkdir()
    assert newest(folder) is None
    with sharing(folder, PAGE):
        async with aclosing(follow(folder)) as stream:
            assert await heard(stream, lambda _: True) is not None
    assert len(list(folder.iterdir())) == len(NOTHING) + 1  # and is not changed


@pytest.mark.parametrize("written", [float("nan"), float("inf"), -float("inf"), 1e300, -1e300])
async def test_an_invalid_time_is_ignored(folder: Path, written: float) -> None:
    with sharing(folder, PAGE):
        rewrite(only(folder), written=written)
        async with aclosing(follow(folder)) as stream:
            assert await heard(stream, lambda _: True) == PAGE


def test_texts_in_the_file_are_checked_and_shown_as_text() -> None:
    evil = replace(PAGE, title="\x1b]0;owned\x07", notes="one\n\x1b[2Jtwo\u202e", right="\r")
    came = Notes.read(asdict(evil))
    assert came.title == r"\x1b]0;owned\x07"
    assert came.notes == "one\n\\x1b[2Jtwo\\u202e"
    assert "\r" not in came.right
    values = asdict(PAGE)
    assert Notes.read(values) == PAGE
    changed: list[dict[str, Any]] = [{"elapsed": float("nan")}, {"elapsed": -1}, {"title": 7}, {"audience": "nothing"}]
    for wrong in (None, [1], {}, *(values | change for change in changed)):
        with pytest.raises(LectureError, match="these are no notes"):
            Notes.read(wrong)


async def test_a_lecture_called_from_the_debugger_is_shared_until_it_ends(tmp_path: Path, folder: Path) -> None:
    app = MicrogptApp(Start(SMALL, DOCS), notes=folder)
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.autosave is not None)
        app.begin(lecture_of(tmp_path, PAGES.replace("notes:", f"config: {CONFIG}\nnotes:")))
        async with aclosing(follow(folder)) as stream:
            assert await heard(stream, lambda notes: notes is not None and notes.notes == "Say hello.")
            await pilot.press("q")
            assert await heard(stream, lambda notes: notes is None) is None
        app.begin(lecture_of(tmp_path, PAGES.replace("notes:", f"config: {CONFIG}\nnotes:")))
        await until(pilot, lambda: newest(folder) is not None)
    assert newest(folder) is None  # the app has ended, and with it the lecture
