"""A visitor's process draws and listens as Textual does in the web, and ends when nobody is there to listen to."""

from __future__ import annotations

import asyncio

from textual import messages
from textual.drivers.web_driver import WebDriver


class VisitorDriver(WebDriver):
    """Textual's web driver, which alone would go on for ever after the server has died."""

    def start_application_mode(self) -> None:
        """Begin; note which loop the app runs in."""
        self._loop = asyncio.get_running_loop()
        super().start_application_mode()

    def run_input_thread(self) -> None:
        """Listen until the server closes the input, which it does even when it is killed; then end the app."""
        super().run_input_thread()
        if not (self.exit_event.is_set() or self._loop.is_closed()):
            asyncio.run_coroutine_threadsafe(self._app._post_message(messages.ExitApp()), self._loop)
