"""A visitor's process draws and listens as Textual does in the web, and ends when nobody is there to listen to.

It reads no faster than the app works, and no paste is longer than LONGEST_PASTE: what a visitor sends takes no memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from threading import Event
from typing import Any

from textual import messages
from textual.app import App
from textual.drivers.web_driver import WebDriver
from textual.message import Message

from microgpt_tui.web.protocol import PasteLimit, Unpacker, packet

LONGEST_PASTE = 10_000  # characters; whatever can be pasted is one line
PART = 1024  # characters that the app gets at once
WAITING = 64  # messages that the app may have before it when more is read
LOOK = 0.05  # seconds between two looks whether the app is still there


class BoundedInput:
    """Reads what a reader reads, with long pastes cut; after each piece, `wait` returns when the app can take more."""

    def __init__(self, reader: Any, wait: Callable[[], None], cut: Callable[[], None]) -> None:
        self._reader, self._wait = reader, wait
        self._limit, self._unpacker = PasteLimit(LONGEST_PASTE, cut), Unpacker()

    def close(self) -> None:
        """End the reading."""
        self._reader.close()

    def __iter__(self) -> Iterator[bytes]:
        """Packets, as bytes; empty when there was nothing for a while."""
        for piece in self._reader:
            if not piece:
                yield piece
            for letter, payload in self._unpacker.feed(piece):
                for part in self._parts(payload) if letter == b"D" else [payload]:
                    yield packet(letter, part)
                    self._wait()

    def _parts(self, typed: bytes) -> Iterator[bytes]:
        """What was typed, with long pastes cut, in parts that the app can take."""
        text = typed.decode(errors="replace")
        for start in range(0, len(text), PART):
            if passed := self._limit.feed(text[start : start + PART]):
                yield passed.encode(errors="replace")


class VisitorDriver(WebDriver):
    """Textual's web driver, which alone would read whatever comes, and go on for ever after the server has died."""

    def __init__(self, app: App[Any], **how: Any) -> None:
        super().__init__(app, **how)
        self._input_reader: Any = BoundedInput(self._input_reader, self._wait, self._say_cut)

    def start_application_mode(self) -> None:
        """Begin; note which loop the app runs in."""
        self._loop = asyncio.get_running_loop()
        super().start_application_mode()

    def run_input_thread(self) -> None:
        """Listen until the server closes the input, which it does even when it is killed; then end the app."""
        super().run_input_thread()
        if not (self.exit_event.is_set() or self._loop.is_closed()):
            asyncio.run_coroutine_threadsafe(self._app._post_message(messages.ExitApp()), self._loop)

    def send_message(self, message: Message) -> None:
        """Give the app an event; one that has ended takes none, and Python would complain of what it left undone."""
        if not self.exit_event.is_set():
            super().send_message(message)

    def _wait(self) -> None:
        """In the thread that reads: return when the app has worked on nearly all that it was given, or has ended."""
        while not self.exit_event.is_set():
            looked, few = Event(), False

            def look(looked: Event = looked) -> None:
                nonlocal few
                few = self._before_app() <= WAITING
                looked.set()

            try:  # in the turn after the next, when what was sent before is in the app's queues
                self._loop.call_soon_threadsafe(partial(self._loop.call_soon, look))
            except RuntimeError:  # it has ended
                return
            while not (looked.wait(LOOK) or self.exit_event.is_set()):
                pass
            if few:
                return
            self.exit_event.wait(LOOK / 5)

    def _before_app(self) -> int:
        """How many messages wait for the app, its screen and what has the focus."""
        top = self._app.screen_stack[-1:]
        pumps = [self._app, *top, *(screen.focused for screen in top if screen.focused)]
        return sum(pump.message_queue_size for pump in pumps)

    def _say_cut(self) -> None:
        sentence = f"Only the first {LONGEST_PASTE:,} characters of the paste were taken."
        self._loop.call_soon_threadsafe(self._app.notify, sentence)
