"""Speaker notes as they are shown in a terminal of their own, at every size, in every language and theme."""

from __future__ import annotations

import sysconfig
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from microgpt_tui.drawing import theme
from microgpt_tui.explanations.sentences import lecture_words
from microgpt_tui.lectures.speaker_notes import Audience
from microgpt_tui.speaker_app import NotesApp
from tests.support.harness import text, until
from tests.support.lecture_harness import CONFIG, PAGE, PAGES, sharing
from tests.support.terminal import needs_tmux, terminal


@asynccontextmanager
async def reading(
    folder: Path, size: tuple[int, int] = (80, 24), language: str = "en", times: Sequence[float] = (0.0,)
) -> AsyncIterator[Pilot[Any]]:
    """The notes as they are shown; the first of `times` is the time on their clock."""
    app = NotesApp(folder, language, clock=lambda: times[0], now=lambda: datetime(2025, 3, 1, 9, 5))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield pilot


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_notes_stand_between_the_present_page_and_the_next(folder: Path, size: tuple[int, int]) -> None:
    times = [0.0]
    async with reading(folder, size, times=times) as pilot:
        await until(pilot, lambda: "Waiting for a lecture: start microgpt-tui lecture" in text(pilot))
        with sharing(folder, PAGE) as shared:
            await until(pilot, lambda: "Let them vote." in text(pilot))
            lines = text(pilot).split("\n")
            assert lines[0].split() == ["2/6", "Small", "steps", "elapsed", "1:05", "09:05"]
            assert "A question" in lines[2]
            below = [" ".join(each.split()) for each in lines[-4:]]
            assert below == ["Answer c) n", "It is n.", "Press reveal", "Next page Your turn"]
            times[0] += 3600
            pilot.app.shown.show()
            await until(pilot, lambda: "1:01:05" in text(pilot))
            shared.share(
                replace(
                    PAGE, notes="", right="", then="q is there.", asks=False, coming="", audience=Audience.EXPLORING
                )
            )
            await until(pilot, lambda: "No notes for this page." in text(pilot))
            assert "Exploring freely" in text(pilot)
            assert "Then" in text(pilot)
            assert "Answer" not in text(pilot)
            assert "none, this is the last one" in text(pilot)
        await until(pilot, lambda: "The lecture has ended. Waiting for another one" in text(pilot))
        await pilot.press("q")
    assert pilot.app.return_code == 0


async def test_long_notes_are_scrolled_and_begin_at_the_top_on_each_page(folder: Path) -> None:
    long = replace(PAGE, notes="\n\n".join(f"Sentence {n}." for n in range(40)))
    with sharing(folder, long) as shared:
        async with reading(folder) as pilot:
            await until(pilot, lambda: "Sentence 0." in text(pilot))
            await pilot.press("end")
            await until(pilot, lambda: "Sentence 39." in text(pilot))
            shared.share(replace(long, done=True, press="next"))  # the same page stays where it is
            await until(pilot, lambda: "Press      next" in text(pilot))
            assert "Sentence 39." in text(pilot)
            shared.share(replace(long, page=2))
            await until(pilot, lambda: "Sentence 0." in text(pilot))


async def test_the_words_are_those_of_the_lectures_language(folder: Path) -> None:
    korean = replace(PAGE, language="ko", title="질문입니다", notes="손을 들게 하세요.", audience=Audience.BLANK)
    words = lecture_words("ko")
    async with reading(folder, language="ko") as pilot:
        await until(pilot, lambda: words["none"][:10] in text(pilot))
        with sharing(folder, korean):
            await until(pilot, lambda: "손을 들게 하세요." in text(pilot))
            for word in ("blanked", "elapsed", "answer", "press", "coming"):
                assert words[word] in text(pilot)
        await until(pilot, lambda: words["ended"][:10] in text(pilot))


async def test_themes_colour_the_notes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    with sharing(folder, PAGE):
        async with reading(folder) as pilot:
            await until(pilot, lambda: "Let them" in text(pilot))
            for colours in (theme.LIGHT, theme.CONTRAST, theme.DARK):
                await pilot.press("ctrl+t")
                await until(pilot, lambda colours=colours: colours.strong in _colours(pilot, "A question"))


def _colours(pilot: Pilot[Any], words: str) -> set[str]:
    strips = pilot.app.screen._compositor.render_strips(pilot.app.size)
    segments = [segment for strip in strips for segment in strip if words in segment.text]
    return {each.style.color.get_truecolor().hex for each in segments if each.style and each.style.color}


@pytest.mark.parametrize("size", [(40, 12), (12, 5), (1, 1)])
async def test_no_terminal_is_too_small(folder: Path, size: tuple[int, int]) -> None:
    with sharing(folder, PAGE):
        async with reading(folder, size) as pilot:
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
            with terminal([command, "lecture", str(lecture)], **state) as second:
                second.wait("The first page")
                notes.wait("Say hello.")
                second.press("q")
                second.left(0)
            notes.wait("Answer")  # the first goes on
            given.press("q")
            given.left(0)
            notes.wait("The lecture has ended.")
        notes.press("q")
        notes.left(0)
