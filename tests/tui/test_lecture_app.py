"""Lectures in the whole app: opened from the debugger, whose run does not move; chapters, languages, leaving."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from engine import Config
from microgpt_tui.app import MicrogptApp
from microgpt_tui.lectures import library
from microgpt_tui.lectures.lecture import Lecture
from microgpt_tui.lectures.library import find
from microgpt_tui.lectures.page import Course
from microgpt_tui.panes.registry import screen_names
from microgpt_tui.screens.debugger import DebuggerScreen
from microgpt_tui.screens.lecture import LectureScreen
from microgpt_tui.screens.loading import OpeningScreen
from microgpt_tui.storage.startup import Start
from tests.support.harness import DOCS, SMALL, notes, text, until
from tests.support.lecture_harness import PAGES, ready

HEAD = "---\nconfig: n_layer=1, n_embd=4, n_head=2, block_size=4, num_steps=50, seed=3\ndata: ../docs.txt\n"


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Course:
    """Two chapters in two languages, in the place of the course that comes with the program."""
    (tmp_path / "docs.txt").write_text("\n".join(DOCS), encoding="utf-8")
    for language in ("en", "ko"):
        (tmp_path / language).mkdir()
        for name in ("01-first", "02-second"):
            words = PAGES.replace("---\n", HEAD, 1).replace("Small steps", f"{name} {language}")
            (tmp_path / language / f"{name}.md").write_text(words, encoding="utf-8")
    found, _ = find(str(tmp_path), "en")
    monkeypatch.setattr(library, "load_course", lambda language: found)
    return found


@asynccontextmanager
async def running(app: MicrogptApp) -> AsyncIterator[Pilot[Any]]:
    async with app.run_test(size=(120, 36)) as pilot:
        yield pilot


def debugger(config: Config = SMALL) -> MicrogptApp:
    return MicrogptApp(Start(config, DOCS))


async def opened(pilot: Pilot[Any], title: str) -> LectureScreen:
    """A chapter, once its page is there and all its pages have their numbers: one without them ignores the clicker."""

    def there() -> bool:
        shown = pilot.app.screen
        return isinstance(shown, LectureScreen) and ready(shown) and title in text(pilot)

    await until(pilot, there)
    assert isinstance(pilot.app.screen, LectureScreen)
    return pilot.app.screen


async def test_a_lecture_runs_beside_the_users_own_run(course: Course) -> None:
    async with running(debugger()) as pilot:
        await until(pilot, lambda: type(pilot.app.screen) is DebuggerScreen)
        own = pilot.app.screen
        assert isinstance(own, DebuggerScreen)
        await pilot.press("n", "n", "l")
        await until(pilot, lambda: "01-first en" in text(pilot))
        here = own.session.moment
        await pilot.press("enter")
        shown = await opened(pilot, "The first page")
        assert shown.session is not own.session
        assert shown.session.recording is own.session.recording  # recorded once for both
        await pilot.press("right", "5", "right")
        await until(pilot, lambda: "Five steps are done" in text(pilot))
        await pilot.press("q")
        await until(pilot, lambda: pilot.app.screen is own)
        assert own.session.moment == here
        assert own.session.losses == []


async def test_a_lecture_that_ended_is_freed(course: Course) -> None:
    async with running(debugger()) as pilot:
        await until(pilot, lambda: type(pilot.app.screen) is DebuggerScreen)
        own, ended = pilot.app.screen, []
        for _ in range(3):  # the latest may still be known to textual
            await pilot.press("l", "enter")
            ended.append(weakref.ref((await opened(pilot, "The first page")).session))
            await pilot.press("q")
            await until(pilot, lambda: pilot.app.screen is own)
        await until(pilot, lambda: gc.collect() >= 0 and ended[0]() is ended[1]() is None)


async def test_a_lecture_on_another_model_opens_one(course: Course) -> None:
    async with running(debugger(Config(n_embd=8, n_head=2, block_size=4, num_steps=50))) as pilot:
        await until(pilot, lambda: type(pilot.app.screen) is DebuggerScreen)
        await pilot.press("l", "enter")
        shown = await opened(pilot, "The first page")
        assert shown.session.config == SMALL
        await pilot.press("q")
        await until(pilot, lambda: type(pilot.app.screen) is DebuggerScreen)


async def test_chapters_follow_one_another_on_one_run(course: Course) -> None:
    lecture = Lecture(course, clock=lambda: 0.0)
    async with running(MicrogptApp(Start(*lecture.run(screen_names())), lecture)) as pilot:
        first = await opened(pilot, "01-first en")
        await pilot.press("6", "right", "right", "right")
        second = await opened(pilot, "02-second en")
        assert second.session is first.session
        assert "1/6" in text(pilot)
        await pilot.press("left")
        await opened(pilot, "01-first en")
        assert "6/6" in text(pilot)


async def test_the_course_in_the_other_language(course: Course) -> None:
    lecture = Lecture(course, clock=lambda: 0.0)
    async with running(MicrogptApp(Start(*lecture.run(screen_names())), lecture)) as pilot:
        await opened(pilot, "01-first en")
        await pilot.press("l", "tab", "down", "enter")
        await opened(pilot, "02-second ko")
        assert "다음" in text(pilot)


async def test_q_ends_a_program_that_was_started_with_a_lecture(course: Course) -> None:
    lecture = Lecture(course, clock=lambda: 0.0)
    app = MicrogptApp(Start(*lecture.run(screen_names())), lecture)
    async with running(app) as pilot:
        await opened(pilot, "01-first en")
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running or app._exit)
    assert app.return_code in (0, None)


async def test_a_mistake_in_a_chapter_is_shown_and_the_present_chapter_stays(course: Course, tmp_path: Path) -> None:
    lecture = Lecture(course, clock=lambda: 0.0)
    broken = tmp_path / "en" / "02-second.md"
    broken.write_text(broken.read_text(encoding="utf-8").replace("{q[0, 0]}", "{nosuch}"), encoding="utf-8")
    lecture.course, _ = find(str(tmp_path), "en")
    async with running(MicrogptApp(Start(*lecture.run(screen_names())), lecture)) as pilot:
        await opened(pilot, "01-first en")
        await pilot.press("6", "right", "right", "right")
        await until(pilot, lambda: "nosuch" in notes(pilot))
        assert "01-first en" in text(pilot)
        assert "6/6" in text(pilot)


async def test_leaving_a_lecture_while_it_opens_returns_to_the_debugger(course: Course) -> None:
    async with running(debugger(Config(n_embd=4, n_head=2, block_size=5))) as pilot:  # not the lecture's run
        await until(pilot, lambda: type(pilot.app.screen) is DebuggerScreen)
        own = pilot.app.screen
        await pilot.press("l")
        await until(pilot, lambda: "01-first en" in text(pilot))
        pilot.app.simulate_key("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, OpeningScreen | LectureScreen))
        pilot.app.screen.post_message(OpeningScreen.Cancelled())
        await until(pilot, lambda: pilot.app.screen is own)
        assert pilot.app.return_code is None


async def test_keys_between_two_chapters_have_no_effect(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    lecture, go_on = Lecture(course, 1, clock=lambda: 0.0), asyncio.Event()
    app = MicrogptApp(Start(*lecture.run(screen_names())), lecture)
    async with running(app) as pilot:
        first = await opened(pilot, "02-second en")
        clear = app._clear

        async def held() -> None:
            await go_on.wait()
            await clear()

        monkeypatch.setattr(app, "_clear", held)
        await pilot.press("left", "left", "left")
        assert (first.player.lecture.place, first.player.lecture.page) == (1, 0)
        await pilot.press("6", "right", "right", "right")
        assert (first.player.lecture.place, first.player.lecture.page) == (1, 5)
        go_on.set()
        second = await opened(pilot, "01-first en")
        assert (second.player.lecture.place, second.player.lecture.page) == (0, 5)
        assert len([screen for screen in app.screen_stack if isinstance(screen, LectureScreen)]) == 1


async def test_a_closing_chapter_ignores_keys_and_shows_nothing(course: Course) -> None:
    lecture = Lecture(course, clock=lambda: 0.0)
    app = MicrogptApp(Start(*lecture.run(screen_names())), lecture)
    async with running(app) as pilot:
        first = await opened(pilot, "01-first en")
        assert first.check_action("advance", ())
        rendered = first.player.rendered_pages[1]
        await first.query("*").remove()
        for action in ("advance", "go", "pane"):
            assert not first.check_action(action, ("stage",))
        first.show()
        first._show_status()
        first.prepared(LectureScreen.Prepared(1, rendered))
        first._landed()
        assert len(first.player.rendered_pages) == len(first.player.bound_pages)
