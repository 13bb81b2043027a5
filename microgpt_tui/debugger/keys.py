"""Every key of the debugger and of lectures, once: for the bindings, the help and the command palette.

The keys that choose a pane stand in `panes.registry`, which has all of them in order.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from typing import Protocol, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from microgpt_tui.texts.say import say


@dataclass(frozen=True, slots=True)
class Key:
    """A binding: its keys, what it does, and how it is shown.

    Its texts are those of its id. An id of three parts, such as page.digit.3, is one of several keys with one text.
    """

    id: str
    keys: str
    action: str
    display: str | None = None
    show: bool = False
    group: str = "move"

    @property
    def description(self) -> str:
        """What it does, in a word or two."""
        name, choice = self._text
        return say(f"keys.short.{name}", choice=choice)

    @property
    def tooltip(self) -> str:
        """What it does, in a sentence."""
        name, choice = self._text
        return say(f"keys.tooltip.{name}", choice=choice)

    @property
    def heading(self) -> str:
        """What its group is called in the help."""
        return say(f"keys.group.{self.group}")

    @property
    def written(self) -> str:
        """Its keys, as a person reads them."""
        return say("keys.key", keys=self.display or self.keys)

    @property
    def _text(self) -> tuple[str, str]:
        area, _, rest = self.id.partition(".")
        name, _, choice = rest.partition(".")
        return f"{area}_{name}" if name else area, choice

    @property
    def priority(self) -> bool:
        """Whether it is seen to before the keys after it: it brings up a screen that those are meant for."""
        return self.id in ASKING


# On Windows a program cannot be stopped and continued by its shell.
SUSPEND = () if sys.platform == "win32" else (
    Key("app.suspend", "ctrl+z", "app.suspend_process", "^z", group="program"),
)  # fmt: skip

KEYS = (
    Key("run", "space", "run", show=True, group="run"),
    Key("run.continue", "c", "run(True)", group="run"),
    Key("run.back", "C", "continue_back", group="run"),
    Key("break.here", "b", "break_here", group="run"),
    Key("break.list", "B", "breakpoints", group="run"),
    Key("run.faster", "plus", "pace(1)", "+", group="run"),
    Key("run.slower", "minus", "pace(-1)", "-", group="run"),
    Key("event.next", "n", "go('next_event')", show=True),
    Key("event.previous", "p", "go('previous_event')", show=True),
    Key("scalar.next", "s", "go('next_scalar')", show=True),
    Key("scalar.previous", "S", "go('previous_scalar')"),
    Key("block.end", "o", "go('end_of_block')", show=True),
    Key("block.start", "O", "go('start_of_block')"),
    Key("position.next", "t", "go('next_position')", show=True),
    Key("position.previous", "T", "go('previous_position')"),
    Key("phase.next", "f", "go('next_phase')", show=True),
    Key("phase.previous", "F", "go('previous_phase')"),
    Key("step.next", "right_square_bracket", "go('next_step')", "]", True),
    Key("step.previous", "left_square_bracket", "go('previous_step')", "["),
    Key("step.ten", "right_curly_bracket", "go('next_ten_steps')", "}"),
    Key("step.ten_back", "left_curly_bracket", "go('previous_ten_steps')", "{"),
    Key("step.first", "home", "go('first_event')"),
    Key("step.last", "end", "go('last_event')"),
    Key("line.command", "colon", "command", ":", True),
    Key("line.search", "slash", "search", "/"),
    Key("mark.set", "m", "mark"),
    Key("mark.return", "apostrophe", "to_mark", "'"),
    Key("cursor.right", "right", "cursor_or_event(1)", "→", group="look"),
    Key("cursor.left", "left", "cursor_or_event(-1)", "←", group="look"),
    Key("cursor.down", "down", "select(0, 1)", "↓", group="look"),
    Key("cursor.up", "up", "select(0, -1)", "↑", group="look"),
    Key("value.follow", "enter", "follow", group="look"),
    Key("value.return", "backspace", "return", group="look"),
    Key("cell.digits", "number_sign", "digits", "#", True, "look"),
    Key("pane.next", "tab", "next_pane(1)", group="look"),
    Key("pane.previous", "shift+tab", "next_pane(-1)", group="look"),
    Key("watch.value", "w", "watch", group="look"),
    Key("watch.typed", "W", "watch_typed", group="look"),
    Key("check.gradient", "g", "check_gradient", group="look"),
    Key("pane.pin", "P", "pin", group="look"),
    Key("pane.earlier", "less_than_sign", "swap(-1)", "<", group="look"),
    Key("pane.later", "greater_than_sign", "swap(1)", ">", group="look"),
    Key("pane.zoom", "z", "zoom", show=True, group="look"),
    Key("pane.back", "escape", "back", "esc", group="look"),
    Key("whatif.edit", "e", "edit", group="what_if"),
    Key("whatif.ablate", "x", "ablate", group="what_if"),
    Key("whatif.parts", "X", "parts", group="what_if"),
    Key("whatif.compare", "d", "compare", group="what_if"),
    Key("whatif.branches", "E", "branches", group="what_if"),
    Key("moment.copy", "y", "copy_moment", group="program"),
    Key("inference.open", "i", "infer", group="program"),
    Key("lecture.open", "l", "app.lectures", group="program"),
    Key("app.help", "question_mark", "help", "?", True, "program"),
    Key("app.glossary", "K", "glossary", group="program"),
    Key("run.save", "ctrl+s", "app.save_run", "^s", group="program"),
    Key("app.theme", "ctrl+t", "app.next_theme", "^t", group="program"),
    Key("app.palette", "ctrl+p", "app.command_palette", "^p", group="program"),
    *SUSPEND,
    Key("app.quit", "q", "app.quit", show=True, group="program"),
)  # fmt: skip

OPTIONS = "abcdefgh"  # the letters of the options of a question
IN_LECTURE = (
    Key("page.next", "space,right,pagedown", "advance", "→"),
    Key("page.back", "left,pageup", "turn_back", "←"),
    Key("page.blank", "full_stop", "blank", "."),
    *(
        Key(f"page.digit.{n}", str(n), f"digit({n})") for n in range(10)
    ),
    Key("page.explore", "escape", "explore", "esc"),
    Key("page.return", "pagedown,pageup,f5", "come_back", "PgDn"),
    Key("page.chapters", "l", "chapters"),
    Key("page.why", "w", "why"),
    Key("page.hide", "h", "hide"),
    Key("page.address", "at", "address", "@"),
    *(
        Key(f"page.pick.{letter}", letter, f"pick({place})") for place, letter in enumerate(OPTIONS)
    ),
    Key("page.leave", "q", "leave"),
)  # fmt: skip
"""Keys of a lecture; they come before all others while a page is shown."""
TAKEN = {name for key in IN_LECTURE if not key.id.startswith("page.pick") for name in key.keys.split(",")}

ASKING = {
    "line.command",
    "line.search",
    "mark.set",
    "mark.return",
    "break.list",
    "watch.typed",
    "check.gradient",
    "run.save",
    "app.help",
    "app.glossary",
    "whatif.edit",
    "whatif.ablate",
    "whatif.parts",
    "whatif.branches",
}


class HasKeys(Protocol):
    """A screen whose keys the palette offers."""

    @property
    def keys(self) -> tuple[Key, ...]:
        """All of its keys, in the order of the help."""


class KeyCommands(Provider):
    """Every key of a screen as a command of the palette."""

    @property
    def keys(self) -> tuple[Key, ...]:
        """The screen's own."""
        return cast("HasKeys", self.screen).keys

    async def discover(self) -> Hits:
        """All of them, before anything is typed."""
        for key in self.keys:
            yield DiscoveryHit(key.tooltip, partial(self.screen.run_action, key.action), help=key.written)

    async def search(self, query: str) -> Hits:
        """Those that match."""
        matcher = self.matcher(query)
        for key in self.keys:
            score = matcher.match(key.tooltip)
            if score > 0:
                yield Hit(
                    score, matcher.highlight(key.tooltip), partial(self.screen.run_action, key.action),
                    help=key.written,
                )  # fmt: skip
