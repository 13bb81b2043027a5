"""Screens over the debugger, with keys that come faster than they open: only they are closed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from textual.app import App
from textual.events import Click
from textual.pilot import Pilot

from engine.language import chosen
from microgpt_tui.app import MicrogptApp
from microgpt_tui.dialogs import save
from microgpt_tui.dialogs.save import SaveScreen
from microgpt_tui.screens.debugger import DebuggerScreen
from microgpt_tui.storage.startup import Start
from microgpt_tui.widgets.textual_fixes import SafeCommandPalette, SafeScreen
from tests.support.harness import DOCS, SMALL, debugger, screen, text, until


def hurry(pilot: Pilot[None], *keys: str) -> None:
    """Press keys that are all waiting before the program sees the first of them."""
    for key in keys:
        pilot.app.simulate_key(key)


@pytest.mark.parametrize("opening", ["m", "B", "E", "X", "g", "i", "question_mark", "colon", "W", "ctrl+p"])
async def test_a_screen_that_is_dismissed_twice_closes_once(opening: str) -> None:
    async with debugger() as pilot:
        await pilot.press(opening)
        await until(pilot, lambda: isinstance(pilot.app.screen, SafeScreen))
        hurry(pilot, "escape", "escape", "escape", "escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, SafeScreen))
        await pilot.pause()
        assert pilot.app.screen is screen(pilot)


@pytest.mark.parametrize(
    "opening", ["mark", "breakpoints", "branches", "parts", "check_gradient", "infer", "help", "command", "watch_typed"]
)
async def test_a_screen_that_is_dismissed_before_it_is_mounted_closes_then(opening: str) -> None:
    async with debugger() as pilot:
        getattr(screen(pilot), f"action_{opening}")()
        opened = pilot.app.screen
        assert opened is not screen(pilot)
        opened.dismiss()
        await until(pilot, lambda: pilot.app.screen is screen(pilot))


async def test_letters_after_the_name_of_a_mark_are_ignored() -> None:
    async with debugger() as pilot:
        await pilot.press("m")
        hurry(pilot, *"abc")
        await pilot.pause()
        assert pilot.app.screen is screen(pilot)
        assert list(screen(pilot).state.annotations.marks) == ["a"]


@pytest.mark.parametrize("keys", ["pageup", "pagedown"])
async def test_keys_may_come_before_the_palette_has_its_list(keys: str) -> None:
    async with debugger((120, 12)) as pilot:  # no room for the list
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(pilot.app.screen, SafeCommandPalette))
        await pilot.press("down", keys, keys, "escape")
        assert pilot.app.screen is screen(pilot)


@pytest.mark.parametrize("name", ["a" * 300, "~nobody-of-this-name/run", ".", "..", "a\0b"])
async def test_a_wrong_file_name_shows_a_sentence(name: str) -> None:
    async with MicrogptApp(Start(SMALL, DOCS)).run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: isinstance(pilot.app.screen, DebuggerScreen))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(pilot.app.focused, save.Input))
        assert isinstance(pilot.app.focused, save.Input)
        pilot.app.focused.value = name
        await pilot.press("enter")
        await until(pilot, lambda: "type another" in text(pilot))


async def test_a_run_that_is_saved_below_the_palette_closes_its_own_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with MicrogptApp(Start(SMALL, DOCS)).run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: isinstance(pilot.app.screen, DebuggerScreen))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(pilot.app.focused, save.Input))
        dialog = pilot.app.screen
        assert isinstance(dialog, SaveScreen)
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(pilot.app.screen, SafeCommandPalette))
        dialog.post_message(SaveScreen.Written(tmp_path / "run.safetensors"))
        await pilot.pause()
        assert isinstance(pilot.app.screen, SafeCommandPalette)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, DebuggerScreen))


async def test_a_notification_that_expires_while_it_is_put_up_has_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A timer with a negative time would never end, and block the program."""
    async with debugger() as pilot:
        pilot.app.notify("late", timeout=30)
        await pilot.pause()
        (note,) = pilot.app._notifications
        for late in (30.0, 30.001, 99.0):
            monkeypatch.setattr("textual.notifications.time", lambda late=late: note.raised_at + late)
            assert note.has_expired
            assert note.time_left > 0


async def test_a_click_in_the_palette_where_the_window_no_longer_is_does_nothing() -> None:
    async with debugger() as pilot:
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(pilot.app.screen, SafeCommandPalette))
        for y, left in ((200, False), (35, True)):
            pilot.app.screen.post_message(Click(None, 3, y, 0, 0, 1, False, False, False, 3, y))
            await pilot.pause()
            assert isinstance(pilot.app.screen, SafeCommandPalette) is not left


async def test_the_palette_speaks_the_chosen_language(monkeypatch: pytest.MonkeyPatch) -> None:
    async with debugger() as pilot:
        english = list(pilot.app.get_system_commands(pilot.app.screen))
        own = App.get_system_commands(pilot.app, pilot.app.screen)
        assert [command[:2] for command in english] == [command[:2] for command in own]
        monkeypatch.setattr(chosen, "_chosen", ["ko"])
        korean = list(pilot.app.get_system_commands(pilot.app.screen))
        assert len(korean) == len(english)
        assert not [word for command in korean for word in re.findall(r"[A-Za-z]+", str(command[:2])) if word != "SVG"]
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(pilot.app.screen, SafeCommandPalette))
        await until(pilot, lambda: "명령 찾기" in text(pilot))
        await pilot.press(*"zzzz")
        await until(pilot, lambda: "맞는 것이 없습니다" in text(pilot))
