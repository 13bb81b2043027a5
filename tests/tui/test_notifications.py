"""What is told in passing: little at once, and only on the screen that lies above all others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from textual.pilot import Pilot
from textual.widgets._toast import Toast, ToastRack

from microgpt_tui.app import MOST_NOTIFICATIONS
from tests.support.harness import Debugger, go, notes, screen, session


@asynccontextmanager
async def debugger() -> AsyncIterator[Pilot[None]]:
    """The debugger, with notifications as in a terminal."""
    async with Debugger(session()).run_test(size=(120, 36), notifications=True) as pilot:
        await pilot.pause()
        yield pilot


def shown(pilot: Pilot[Any]) -> list[str]:
    """The toasts that can be seen, of all screens, bottom to top."""
    racks = [rack for each in pilot.app.screen_stack for rack in each.query(ToastRack) if rack.display]
    return [toast._notification.message for rack in racks for toast in rack.query(Toast)]


async def test_notifications_do_not_pile_up() -> None:
    async with debugger() as pilot:
        for i in range(4):
            pilot.app.notify(f"note {i}")
            await pilot.pause()
        assert shown(pilot) == [f"note {i}" for i in range(4)][-MOST_NOTIFICATIONS:]
        assert notes(pilot).splitlines() == shown(pilot)
        pilot.app.notify("note 3")  # again: it stays where it is
        await pilot.pause()
        assert shown(pilot) == ["note 2", "note 3"]


async def test_warnings_stay_longer_than_what_is_only_told() -> None:
    async with debugger() as pilot:
        pilot.app.notify("beware", severity="warning")
        for i in range(3):
            pilot.app.notify(f"note {i}")
            await pilot.pause()
        assert sorted(shown(pilot)) == ["beware", "note 2"]


async def test_a_notification_is_not_seen_twice_while_a_dialog_is_open() -> None:
    async with debugger() as pilot:
        pilot.app.notify("told before", timeout=60)
        await pilot.pause()
        assert shown(pilot) == ["told before"]
        await go(pilot, "question_mark")
        await pilot.pause()
        assert len(pilot.app.screen_stack) == 3
        assert shown(pilot) == ["told before"]
        pilot.app.notify("told in it", timeout=60)
        await pilot.pause()
        assert shown(pilot) == ["told before", "told in it"]
        await go(pilot, "escape")
        await pilot.pause()
        assert pilot.app.screen is screen(pilot)
        assert shown(pilot) == ["told before", "told in it"]
