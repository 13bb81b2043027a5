"""Every key of the debugger and of lectures, once: for the bindings, the help and the command palette.

The keys that choose a pane stand in `panes.registry`, which has all of them in order; those that a pane or a dialog has
for itself stand with it.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Protocol, cast

from textual.binding import Binding, BindingType
from textual.command import DiscoveryHit, Hit, Hits, Provider

from engine.immutable import immutable
from microgpt_tui.texts.say import say


@immutable
class Key:
    """A binding: its keys, what it does, and how it is shown.

    Its texts are those of the first two parts of its id; a third, such as the 3 of page.digit.3, is filled in there.
    One with `priority` is seen to before what is typed after it, and before the widget that has the focus: it brings up
    a screen that later keys are meant for, or means something else than it does in that widget.
    """

    id: str
    keys: str
    action: str
    display: str | None = None
    show: bool = False
    group: str = "move"
    priority: bool = False

    @property
    def description(self) -> str:
        """What it does, in a word or two."""
        return self._text("short")

    @property
    def tooltip(self) -> str:
        """What it does, in a sentence."""
        return self._text("tooltip")

    def _text(self, table: str) -> str:
        area, *names = self.id.split(".")
        return say(f"keys.{table}.{'_'.join((area, *names[:1]))}", choice="".join(names[1:]))

    @property
    def heading(self) -> str:
        """What its group is called in the help."""
        return say(f"keys.group.{self.group}")

    @property
    def shown(self) -> str:
        """Its keys, as they are shown."""
        return self.display or self.keys

    @property
    def written(self) -> str:
        """Its keys, as a person reads them."""
        return say("keys.key", keys=self.shown)


def bindings(*keys: Key) -> list[BindingType]:
    """The keys as Textual wants them, which lists each key of an action: a display of several is left out."""
    return [
        Binding(
            key.keys, key.action, key.description, id=key.id, tooltip=key.tooltip, priority=key.priority,
            key_display=None if "," in key.keys else key.display,
        )
        for key in keys
    ]  # fmt: skip


# On Windows a program cannot be stopped and continued by its shell.
SUSPEND = () if sys.platform == "win32" else (
    Key("app.suspend", "ctrl+z", "app.suspend_process", "^z", group="program", priority=True),
)  # fmt: skip

KEYS = (
    Key("run", "space", "run", show=True, group="run"),
    Key("run.continue", "c", "run(True)", group="run"),
    Key("run.back", "C", "continue_back", group="run"),
    Key("break.here", "b", "break_here", group="run"),
    Key("break.list", "B", "breakpoints", group="run", priority=True),
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
    Key("line.command", "colon", "command", ":", True, priority=True),
    Key("line.search", "slash", "search", "/", priority=True),
    Key("mark.set", "m", "mark", priority=True),
    Key("mark.return", "apostrophe", "to_mark", "'", priority=True),
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
    Key("watch.typed", "W", "watch_typed", group="look", priority=True),
    Key("check.gradient", "g", "check_gradient", group="look", priority=True),
    Key("pane.pin", "P", "pin", group="look"),
    Key("pane.earlier", "less_than_sign", "swap(-1)", "<", group="look"),
    Key("pane.later", "greater_than_sign", "swap(1)", ">", group="look"),
    Key("pane.zoom", "z", "zoom", show=True, group="look"),
    Key("pane.back", "escape", "back", "esc", group="look"),
    Key("whatif.edit", "e", "edit", group="what_if", priority=True),
    Key("whatif.ablate", "x", "ablate", group="what_if", priority=True),
    Key("whatif.parts", "X", "parts", group="what_if", priority=True),
    Key("whatif.compare", "d", "compare", group="what_if"),
    Key("whatif.branches", "E", "branches", group="what_if", priority=True),
    Key("moment.copy", "y", "copy_moment", group="program"),
    Key("inference.open", "i", "infer", group="program"),
    Key("lecture.open", "l", "app.lectures", group="program"),
    Key("app.help", "question_mark", "help", "?", True, "program", priority=True),
    Key("app.glossary", "K", "glossary", group="program", priority=True),
    Key("run.save", "ctrl+s", "app.save_run", "^s", group="program", priority=True),
    Key("app.theme", "ctrl+t", "app.next_theme", "^t", group="program"),
    Key("app.palette", "ctrl+p", "app.command_palette", "^p", group="program"),
    *SUSPEND,
    Key("app.quit", "q", "app.quit", show=True, group="program"),
)  # fmt: skip

OPTIONS = "abcdefgh"  # the letters of the options of a question
PAGE = partial(Key, priority=True)
IN_LECTURE = (
    PAGE("page.next", "space,right,pagedown", "advance", "→"),
    PAGE("page.back", "left,pageup", "turn_back", "←"),
    PAGE("page.blank", "full_stop", "blank", "."),
    *(
        PAGE(f"page.digit.{n}", str(n), f"digit({n})") for n in range(10)
    ),
    PAGE("page.explore", "escape", "explore", "esc"),
    PAGE("page.return", "pagedown,pageup,f5", "come_back", "PgDn"),
    PAGE("page.chapters", "l", "chapters"),
    PAGE("page.why", "w", "why"),
    PAGE("page.hide", "h", "hide"),
    PAGE("page.address", "at", "address", "@"),
    *(
        PAGE(f"page.pick.{letter}", letter, f"pick({place})") for place, letter in enumerate(OPTIONS)
    ),
    PAGE("page.leave", "q", "leave"),
)  # fmt: skip
"""Keys of a lecture; they come before all others while a page is shown."""
TAKEN = {name for key in IN_LECTURE if not key.id.startswith("page.pick") for name in key.keys.split(",")}


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
