"""`Token` and `ShortCode`: the secrets that `serve` and an audience's page ask for; `Guesses` slows guessing."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from microgpt_tui.texts.say import say
from microgpt_tui.web.pages import ask

PAUSE = 1.0  # seconds from a wrong guess to the next one that is judged
MOST_WAITING = 64  # guesses of one network that may wait to be judged


class Token:
    """A long secret, sent as it was printed."""

    FIELD = "token"
    """Its name in an address and in a form."""

    HIDDEN = True
    """Whether it is hidden while it is typed."""

    def __init__(self, text: str) -> None:
        self.text = self.plain(text)

    @staticmethod
    def plain(offered: str) -> str:
        """What somebody typed, in the form in which it is compared."""
        return offered.strip()

    def matches(self, offered: str) -> bool:
        """Whether this is the secret; how long it takes tells nothing about it."""
        sent = self.plain(offered).encode(errors="replace")
        return bool(self.text) and secrets.compare_digest(sent, self.text.encode())

    @property
    def form(self) -> str:
        """The form that asks for it."""
        return ask(self.FIELD, self.HIDDEN)

    @property
    def asked(self) -> str:
        """The sentence of the form."""
        return say("web.access.debugger_asks_token_printed")

    @property
    def wrong(self) -> str:
        """The sentence after a wrong one."""
        return say("web.access.not_token_terminal_where")


class ShortCode(Token):
    """A short code that people type, in any case, with blanks and dashes wherever they like."""

    FIELD, HIDDEN = "code", False

    @staticmethod
    def plain(offered: str) -> str:
        """Capitals and digits alone."""
        return re.sub(r"[\s\-–—]", "", offered).upper()

    @property
    def asked(self) -> str:
        """The sentence of the form."""
        return say("web.access.asks_code")

    @property
    def wrong(self) -> str:
        """The sentence after a wrong one."""
        return say("web.access.not_code")


class TooManyError(Exception):
    """So many guesses of one network wait that this one is not judged."""


class Guesses:
    """Judges one guess after the other, of all together: after a wrong one the next waits for PAUSE.

    So it takes years to guess even a short code, with any number of connections. A right one costs no time. Networks
    take turns, so that one that floods does not keep the others waiting.
    """

    def __init__(self, is_right: Callable[[str], bool]) -> None:
        self._is_right = is_right
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._judging = False

    async def right(self, offered: str, network: str, gone: Callable[[], bool]) -> bool:
        """Whether a guess is right. `gone` says whether nobody waits for the answer any more; then there is none.

        Raises TooManyError.
        """
        await self._turn(network)
        try:
            if gone():
                return False
            right = self._is_right(offered)
            if not right:
                await asyncio.sleep(PAUSE)
            return right
        finally:
            self._judging = False
            self._next()

    async def _turn(self, network: str) -> None:
        if not self._judging:
            self._judging = True
            return
        queue = self._waiting.setdefault(network, deque())
        if len(queue) >= MOST_WAITING:
            raise TooManyError
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was its turn at the same moment
                self._judging = False
                self._next()
            with suppress(ValueError):
                queue.remove(turn)
            raise

    def _next(self) -> None:
        while self._waiting and not self._judging:
            network = next(iter(self._waiting))
            queue = self._waiting.pop(network)
            turn = queue.popleft() if queue else None
            if queue:
                self._waiting[network] = queue  # behind the others
            if turn is not None and not turn.done():
                self._judging = True
                turn.set_result(None)
