"""The Textual driver of a client process: Textual's web driver, which also ends with the server.

It reads no faster than the app works, and cuts pastes at MAX_PASTE, so that input cannot fill the memory.
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

from microgpt_tui.texts.say import say
from microgpt_tui.web.protocol import PasteLimit, Unpacker, packet

MAX_PASTE = 10_000  # characters; every input is one line
PART = 1024  # characters that the app gets at once
MAX_QUEUE = 64  # messages that may wait for the app when more is read
POLL = 0.05  # seconds between two checks whether the app has ended


class BoundedInput:
    """Wraps a reader: cuts long pastes, and calls `wait` after each piece until the app can take more."""

    def __init__(self, reader: Any, wait: Callable[[], None], cut: Callable[[], None]) -> None:
        self._reader, self._wait = reader, wait
        self._limit, self._unpacker = PasteLimit(MAX_PASTE, cut), Unpacker()

    def close(self) -> None:
        """Close the reader."""
        self._reader.close()

    def __iter__(self) -> Iterator[bytes]:
        """Packets, as bytes; empty when there was no input for a while."""
        for piece in self._reader:
            if not piece:
                yield piece
            for letter, payload in self._unpacker.feed(piece):
                for part in self._parts(payload) if letter == b"D" else [payload]:
                    yield packet(letter, part)
                    self._wait()

    def _parts(self, typed: bytes) -> Iterator[bytes]:
        """The input, with long pastes cut, in parts that the app can take."""
        text = typed.decode(errors="replace")
        for start in range(0, len(text), PART):
            if passed := self._limit.feed(text[start : start + PART]):
                yield passed.encode(errors="replace")


class ClientDriver(WebDriver):
    """Textual's web driver with bounded input; it ends the app when the server is gone."""

    def __init__(self, app: App[Any], **how: Any) -> None:
        super().__init__(app, **how)
        self._input_reader: Any = BoundedInput(self._input_reader, self._wait, self._say_cut)

    def start_application_mode(self) -> None:
        """Remember the app's event loop."""
        self._loop = asyncio.get_running_loop()
        super().start_application_mode()

    def run_input_thread(self) -> None:
        """Read until the server closes the input, which it does even when it is killed; then end the app."""
        super().run_input_thread()
        if not (self.exit_event.is_set() or self._loop.is_closed()):
            asyncio.run_coroutine_threadsafe(self._app._post_message(messages.ExitApp()), self._loop)

    def send_message(self, message: Message) -> None:
        """Send an event, unless the app has ended; Python would warn of a coroutine that is never awaited."""
        if not self.exit_event.is_set():
            super().send_message(message)

    def _wait(self) -> None:
        """In the reading thread: return when few messages wait for the app, or it has ended."""
        while not self.exit_event.is_set():
            checked, few = Event(), False

            def check(checked: Event = checked) -> None:
                nonlocal few
                few = self._queued() <= MAX_QUEUE
                checked.set()

            try:  # in the turn after the next, when what was sent before is in the queues
                self._loop.call_soon_threadsafe(partial(self._loop.call_soon, check))
            except RuntimeError:  # it has ended
                return
            while not (checked.wait(POLL) or self.exit_event.is_set()):
                pass
            if few:
                return
            self.exit_event.wait(POLL / 5)

    def _queued(self) -> int:
        """How many messages wait for the app, its screen and the focused widget."""
        top = self._app.screen_stack[-1:]
        pumps = [self._app, *top, *(screen.focused for screen in top if screen.focused)]
        return sum(pump.message_queue_size for pump in pumps)

    def _say_cut(self) -> None:
        sentence = say("web.driver.only_first_characters_paste", max_paste=MAX_PASTE)
        self._loop.call_soon_threadsafe(self._app.notify, sentence)
