"""Every key of the debugger and of lectures, once: for the bindings, the help and the command palette.

The keys that choose a pane stand in `panes.registry`, which has all of them in order.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from typing import Protocol, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider


@dataclass(frozen=True, slots=True)
class Key:
    """A binding: its keys, what it does, and how it is shown."""

    id: str
    keys: str
    action: str
    description: str
    tooltip: str
    display: str | None = None
    show: bool = False
    group: str = "Move"

    @property
    def priority(self) -> bool:
        """Whether it is seen to before the keys after it: it brings up a screen that those are meant for."""
        return self.id in ASKING


# On Windows a program cannot be stopped and continued by its shell.
SUSPEND = () if sys.platform == "win32" else (
    Key("app.suspend", "ctrl+z", "app.suspend_process", "suspend",
        "Back to the shell; fg there returns here", "^z", group="Program"),
)  # fmt: skip

KEYS = (
    Key("run", "space", "run", "run", "Let training run, or pause it where it is", show=True, group="Run"),
    Key("run.continue", "c", "run(True)", "continue", "Continue to the next breakpoint or health stop", group="Run"),
    Key("run.back", "C", "continue_back", "continue back", "Back to the breakpoint or health stop before", group="Run"),
    Key("break.here", "b", "break_here", "break", "Breakpoint on the event on the stage, or no longer", group="Run"),
    Key("break.list", "B", "breakpoints", "breakpoints", "List of breakpoints and health checks", group="Run"),
    Key("run.faster", "plus", "pace(1)", "faster", "Run faster, up to flat out", "+", group="Run"),
    Key("run.slower", "minus", "pace(-1)", "slower", "Run slower, down to one event a second", "-", group="Run"),
    Key("event.next", "n", "go('next_event')", "next",
        "The next event: one tensor, one gradient, one matrix", show=True),
    Key("event.previous", "p", "go('previous_event')", "back", "The event before", show=True),
    Key("scalar.next", "s", "go('next_scalar')", "scalar", "Step into: the next scalar", show=True),
    Key("scalar.previous", "S", "go('previous_scalar')", "scalar back", "The scalar before"),
    Key("block.end", "o", "go('end_of_block')", "out",
        "Step out: to the end of this event, head, block, position, phase", show=True),
    Key("block.start", "O", "go('start_of_block')", "to start of block",
        "To the start of this event, head, block, position, phase"),
    Key("position.next", "t", "go('next_position')", "token", "The same place at the next token position", show=True),
    Key("position.previous", "T", "go('previous_position')", "token back",
        "The same place at the token position before"),
    Key("phase.next", "f", "go('next_phase')", "phase",
        "The same event in the next phase: forward, backward, update", show=True),
    Key("phase.previous", "F", "go('previous_phase')", "phase back", "The same event in the phase before"),
    Key("step.next", "right_square_bracket", "go('next_step')", "step",
        "The same event one training step on", "]", True),
    Key("step.previous", "left_square_bracket", "go('previous_step')", "step back",
        "The same event one training step back", "["),
    Key("step.ten", "right_curly_bracket", "go('next_ten_steps')", "ten steps",
        "The same event ten training steps on", "}"),
    Key("step.ten_back", "left_curly_bracket", "go('previous_ten_steps')", "ten back",
        "The same event ten training steps back", "{"),
    Key("step.first", "home", "go('first_event')", "first event", "The first event of this step"),
    Key("step.last", "end", "go('last_event')", "last event", "The last event of this step"),
    Key("line.command", "colon", "command", "go to",
        "Go anywhere: step 500, +50, pos 3, wte[5, 3], loss < 2, ...", ":", True),
    Key("line.search", "slash", "search", "search", "Search the events of this step", "/"),
    Key("mark.set", "m", "mark", "mark", "Set a mark here: m and a letter"),
    Key("mark.return", "apostrophe", "to_mark", "to a mark", "Return to a mark: ' and its letter", "'"),
    Key("cursor.right", "right", "cursor_or_event(1)", "next, or cell right",
        "The next event; on a chosen pane, the cell to the right; on the map, what stands beside", "→", group="Look"),
    Key("cursor.left", "left", "cursor_or_event(-1)", "back, or cell left",
        "The event before; on a chosen pane, the cell to the left; on the map, what stands beside", "←", group="Look"),
    Key("cursor.down", "down", "select(0, 1)", "cell below",
        "Move the cell cursor down; on the map, to what feeds this", "↓", group="Look"),
    Key("cursor.up", "up", "select(0, -1)", "cell above",
        "Move the cell cursor up; on the map, to what this feeds", "↑", group="Look"),
    Key("value.follow", "enter", "follow", "where made",
        "Follow the selected value to where it was made", group="Look"),
    Key("value.return", "backspace", "return", "return", "Return to where a value was followed from", group="Look"),
    Key("cell.digits", "number_sign", "digits", "digits",
        "Show numbers in cells that have room for them (in others sign and tenths), or no longer", "#", True, "Look"),
    Key("pane.next", "tab", "next_pane(1)", "next pane", "Choose the next pane", group="Look"),
    Key("pane.previous", "shift+tab", "next_pane(-1)", "previous pane", "Choose the previous pane", group="Look"),
    Key("watch.value", "w", "watch", "watch", "Watch the selected number", group="Look"),
    Key("watch.typed", "W", "watch_typed", "watch ...", "Watch an expression that you type", group="Look"),
    Key("check.gradient", "g", "check_gradient", "check", "Check the gradient of the selected number", group="Look"),
    Key("pane.pin", "P", "pin", "pin", "Pin the chosen pane, so that it stays in every phase", group="Look"),
    Key("pane.earlier", "less_than_sign", "swap(-1)", "swap",
        "Swap the chosen pane with the one before it", "<", group="Look"),
    Key("pane.later", "greater_than_sign", "swap(1)", "swap on",
        "Swap the chosen pane with the one after it", ">", group="Look"),
    Key("pane.zoom", "z", "zoom", "zoom", "Give one pane all the room; again to give it back", show=True, group="Look"),
    Key("pane.back", "escape", "back", "restore",
        "Restore a zoomed pane, leave a chosen one; never quits", "esc", group="Look"),
    Key("whatif.edit", "e", "edit", "edit", "What if: set the selected number, or any other change", group="What if"),
    Key("whatif.ablate", "x", "ablate", "switch off",
        "What if: this head, MLP or position off, or on again", group="What if"),
    Key("whatif.parts", "X", "parts", "switch off ...", "What if: list all that can be switched off", group="What if"),
    Key("whatif.compare", "d", "compare", "compare",
        "This moment here and in the other run, or no longer", group="What if"),
    Key("whatif.branches", "E", "branches", "branches",
        "List of branches: go to, compare, rename, delete", group="What if"),
    Key("moment.copy", "y", "copy_moment", "copy",
        "Copy this moment's address, for lectures and pictures", group="Program"),
    Key("inference.open", "i", "infer", "inference",
        "Inference: step through sampling, names, a beam", group="Program"),
    Key("lecture.open", "l", "app.lectures", "lectures", "Lectures: guided tours of a run", group="Program"),
    Key("app.help", "question_mark", "help", "help", "All keys, and what is on the screen", "?", True, "Program"),
    Key("run.save", "ctrl+s", "app.save_run", "save", "Save the run, to open it again later", "^s", group="Program"),
    Key("app.theme", "ctrl+t", "app.next_theme", "theme", "Dark, light, high contrast", "^t", group="Program"),
    Key("app.palette", "ctrl+p", "app.command_palette", "palette", "Find a command by its name", "^p", group="Program"),
    *SUSPEND,
    Key("app.quit", "q", "app.quit", "quit", "Leave the debugger", show=True, group="Program"),
)  # fmt: skip

OPTIONS = "abcdefgh"  # the letters of the options of a question
IN_LECTURE = (
    Key("page.next", "space,right,pagedown", "advance", "next",
        "Next: what the page does, then the page after it", "→"),
    Key("page.back", "left,pageup", "turn_back", "back", "Back to the start of the page, then the page before", "←"),
    Key("page.blank", "full_stop", "blank", "blank", "Blank the screen; any of these keys brings it back", "."),
    *(
        Key(f"page.digit_{n}", str(n), f"digit({n})", f"page {n}", "Jump to a page; two digits make one number")
        for n in range(10)
    ),
    Key("page.explore", "escape", "explore", "explore", "Leave the page and look around; l returns to it", "esc"),
    Key("page.return", "pagedown,pageup,f5", "come_back", "to the page",
        "While looking around: back to the page", "PgDn"),
    Key("page.chapters", "l", "chapters", "chapters", "The chapters; while looking around, back to the page"),
    Key("page.why", "w", "why", "why", "The reasons behind the page, or the page alone again, where it has any"),
    Key("page.hide", "h", "hide", "hide", "Hide the elapsed time and the page count, or show them"),
    *(
        Key(f"page.pick_{letter}", letter, f"pick({place})", f"option {letter}", "Predict: pick this option")
        for place, letter in enumerate(OPTIONS)
    ),
    Key("page.leave", "q", "leave", "leave", "Leave the lecture"),
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
            yield DiscoveryHit(
                key.tooltip, partial(self.screen.run_action, key.action), help=f"key {key.display or key.keys}"
            )

    async def search(self, query: str) -> Hits:
        """Those that match."""
        matcher = self.matcher(query)
        for key in self.keys:
            score = matcher.match(key.tooltip)
            if score > 0:
                yield Hit(
                    score, matcher.highlight(key.tooltip), partial(self.screen.run_action, key.action),
                    help=f"key {key.display or key.keys}",
                )  # fmt: skip
