"""Seeded random keys, typing, mouse and resizes for whatever screen the program shows.

It posts events as a terminal's driver does, many at a time, and waits for the program only now and then.
"""

from __future__ import annotations

import asyncio
import random
import unicodedata
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from textual import events
from textual.geometry import Size
from textual.keys import REPLACED_KEYS, _character_to_key, _get_unicode_name_from_key
from textual.pilot import Pilot, WaitForScreenTimeout
from textual.widgets import Input

from microgpt_tui.debugger.keys import IN_LECTURE
from microgpt_tui.panes import registry

Act = tuple[str | int, ...]
"""What was done, as ("key", "n"), ("type", "step 5"), ("drag", x, y, to_x, to_y); `do` does it again."""

REMEMBERED = 60  # actions that are printed after a failure
WIDTHS = (10, 40, 79, 80, 81, 99, 100, 120, 159, 160, 200, 250)
HEIGHTS = (3, 12, 23, 24, 25, 31, 32, 36, 48, 60, 80)
ALL_KEYS = tuple(name for key in (*registry.all_keys(), *IN_LECTURE) for name in key.keys.split(",") if name != "q")
ODD_KEYS = ("delete", "f1", "shift+tab", "ctrl+a", "insert", "ctrl+home", "ctrl+w", "j", "shift+left", "tab", "enter")
LINES = (
    *("step 3", "step 12", "+5", "-3", "pos 1", "pos 99", "layer 0", "head 1", "q@pos=1", "attn_weights", "loss"),
    *("loss < 2", "back loss > 3", "next wte[1][0]", "next q[0, 1]", "event 7", "start", "backward", "end", "update"),
    *("wte[1, 2]", "grad(wte[1, 2])", "q[0, 1]@pos=0", "norm(wte) > 1", "abs(loss) < 0", "wte[1][0] = 0.5", "0.3"),
    *("residual", "layer0.attn_residual@step=3", "score_scale", "bias_correction@step=2"),
    *("learning_rate = 0.02", "learning_rate = 9", "layer0.mlp = mean:2", "wte[2] = 0", "head 0", "probs", "1e400"),
    *("", " ", "][", "[bold", "[/]", "가나", "é́", "🦆🦆", "'\"\\", "1/0", "9" * 60, "a" * 300, "step", "nan", "-1"),
    *("theme", "Help", "save", "another branch", "run", "other.safetensors", "ben", "an"),
)


@dataclass
class Hand:
    """Random actions on an app, from a seed, with a log of the last ones."""

    pilot: Pilot[Any]
    rnd: random.Random
    done: deque[Act] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def choose(self) -> Act:
        """Something to do on the screen that is shown."""
        rnd, app = self.rnd, self.pilot.app
        width, height = app.size
        x, y = rnd.randrange(max(1, width)), rnd.randrange(max(1, height))
        kind = rnd.random()
        if kind < 0.02:
            return "resize", rnd.choice(WIDTHS), rnd.choice(HEIGHTS)
        if kind < 0.03:
            return "resize", 120, 36
        if kind < 0.09:
            return "click", x, y
        if kind < 0.10:
            return "drag", x, y, rnd.randrange(max(1, width)), rnd.choice((y, rnd.randrange(max(1, height))))
        if kind < 0.12:
            return rnd.choice(("wheel_up", "wheel_down")), x, y
        if kind < 0.13:
            return "hover", x, y
        if isinstance(app.focused, Input) and kind < 0.6:
            return rnd.choice(("type", "enter")), rnd.choice(LINES)
        if kind < 0.14:
            return rnd.choice(("type", "paste")), rnd.choice(LINES)
        if kind < 0.19 or (len(app.screen_stack) > 2 and kind < 0.25):
            return "key", "escape"
        if kind < 0.75:
            return "key", rnd.choice(sorted(key for key in app.screen.active_bindings if key != "q") or ["n"])
        return "key", rnd.choice(ODD_KEYS if kind > 0.96 else ALL_KEYS)

    def do(self, act: Act) -> None:
        """Post what a terminal would, and return at once."""
        match act:
            case ("key", str(name)):
                self._key(name)
            case ("type" | "enter" as how, str(line)):
                for character in line:
                    self._send(events.Key(_character_to_key(character), character))
                if how == "enter":
                    self._key("enter")
            case ("paste", str(line)):
                self._send(events.Paste(line))
            case ("resize", int(width), int(height)):
                self.pilot.app._driver._size = Size(width, height)  # type: ignore[union-attr]
                self.pilot.app.post_message(events.Resize(Size(width, height), Size(width, height)))
            case ("click", int(x), int(y)):
                self._mouse(events.MouseDown, x, y, 1)
                self._mouse(events.MouseUp, x, y, 1)
            case ("drag", int(x), int(y), int(to_x), int(to_y)):
                self._mouse(events.MouseDown, x, y, 1)
                for i in range(1, 5):
                    self._mouse(events.MouseMove, x + (to_x - x) * i // 4, y + (to_y - y) * i // 4, 1)
                self._mouse(events.MouseUp, to_x, to_y, 1)
            case ("wheel_up", int(x), int(y)):
                self._mouse(events.MouseScrollUp, x, y)
            case ("wheel_down", int(x), int(y)):
                self._mouse(events.MouseScrollDown, x, y)
            case ("hover", int(x), int(y)):
                self._mouse(events.MouseMove, x, y)
            case _:
                raise ValueError(f"{act!r} is nothing to do")

    async def settle(self) -> None:
        """Wait until every event so far has been seen to."""
        for _ in range(60):
            try:
                await self.pilot._wait_for_screen(timeout=0.5)
                return
            except WaitForScreenTimeout:  # a widget that was waited for has gone, or a frame takes its time
                continue
        raise AssertionError("the program does not answer any more")

    async def play(self, actions: int) -> None:
        """Do so many things. Raises what the program raises."""
        left = 0
        for _ in range(actions):
            act = self.choose()
            self.done.append(act)
            self.do(act)
            left = left - 1 if left else self.rnd.choice((0, 0, 0, 1, 5))
            if not left:
                await self.settle()
            else:
                await asyncio.sleep(0)
            self.check()

    def check(self) -> None:
        """Raise what has gone wrong in the program, if anything."""
        error = self.pilot.app._exception
        if error is not None:
            raise error

    def _key(self, name: str) -> None:
        known = REPLACED_KEYS.get(name, name)
        try:
            character = unicodedata.lookup(_get_unicode_name_from_key(known))
        except KeyError:
            character = name if len(name) == 1 else None
        self._send(events.Key(known, character))

    def _mouse(self, kind: type[events.MouseEvent], x: int, y: int, button: int = 0) -> None:
        self._send(kind(None, x, y, 0, 0, button, False, False, False, x, y))

    def _send(self, event: events.Event) -> None:
        driver = self.pilot.app._driver
        assert driver is not None
        event.set_sender(self.pilot.app)
        driver.process_message(event)
