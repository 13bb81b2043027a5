"""The list of breakpoints and, below them, the health checks: shown, edited, switched off, taken away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from engine import CHECKS, Scope
from engine.expressions.breakpoint import Armed, Breakpoint
from microgpt_tui.debugger.annotations import Annotations
from microgpt_tui.dialogs.text_input import AskScreen
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.picture import Line
from microgpt_tui.widgets.modal import Modal
from microgpt_tui.widgets.textual_fixes import SafeOptionList

WIDEST = 96
COUNT, HITS = 8, 10  # cells
CHECK = 12
HINT = (
    "An event as in attn_weights@pos=2,head=1, a condition as in loss < 2, or both as in q@pos=1 if step > 9; "
    "x 3 at the end means every third time."
)


class BreakpointsScreen(Modal[Breakpoint | None]):
    """Hands every change to `keep` at once. Returns the breakpoint that the user wants to go to, if any."""

    CSS = f"BreakpointsScreen .box {{ width: {WIDEST}; }}"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,B", "close", "close", tooltip="Back to the run"),
        Binding("a", "add", "add", tooltip="Type a breakpoint", priority=True),
        Binding("e", "edit", "edit", tooltip="Change what is chosen", priority=True),
        Binding("space", "switch", "on, off", tooltip="Switch what is chosen on or off"),
        Binding("d,delete", "delete", "delete", tooltip="Take the chosen breakpoint away"),
        Binding("g", "goto", "go", tooltip="Go to the next event of this step where the chosen breakpoint stands"),
    ]

    def __init__(
        self, kept: Annotations, scope: Scope, hits: Mapping[str, int], keep: Callable[[Annotations], None]
    ) -> None:
        super().__init__()
        self.kept, self._scope, self._hits, self._keep = kept, scope, hits, keep

    def compose(self) -> ComposeResult:
        """One line each."""
        with Vertical(classes="box") as box:
            box.border_title = "Breakpoints and health checks"
            box.border_subtitle = "a add · e edit · space on, off · d delete · g go · esc closes"
            yield SafeOptionList()

    def on_mount(self) -> None:
        """Fill the list."""
        self._fill(0)

    def _fill(self, highlighted: int) -> None:
        lines = self.query_one(OptionList)
        lines.clear_options()
        lines.add_options([Option(self._line(each), each.id) for each in self.kept.breakpoints])
        if not self.kept.breakpoints:
            lines.add_option(Option(Text("none yet: a types one, b sets one at the event on the stage"), disabled=True))
        lines.add_option(None)
        lines.add_options([Option(self._check(check), f"check {check}") for check in CHECKS])
        lines.highlighted = min(highlighted, lines.option_count - 1)

    @property
    def _room(self) -> int:
        return min(WIDEST, self.app.size.width * 96 // 100) - 6

    def _line(self, each: Breakpoint) -> Text:
        line = _switch(each.enabled)
        line.fit(replace(each, count=1, enabled=True).describe(), self._room - 2 - COUNT - HITS)
        line.fit(f" x {each.count}" if each.count > 1 else "", COUNT, theme.DIM)
        return _as_text(line.fit(f"hits {self._hits.get(each.id, 0)}", HITS, theme.DIM, right=True))

    def _check(self, check: str) -> Text:
        line = _switch(check in self.kept.checks).fit(check, CHECK)
        return _as_text(line.fit(CHECKS[check], self._room - 2 - CHECK, theme.DIM))

    def _change(self, kept: Annotations) -> None:
        self.kept = kept
        self._keep(kept)
        self._fill(self.query_one(OptionList).highlighted or 0)

    @property
    def _chosen(self) -> str | None:
        option = self.query_one(OptionList).highlighted_option
        return option.id if option else None

    @property
    def _breakpoint(self) -> Breakpoint | None:
        return next((each for each in self.kept.breakpoints if each.id == self._chosen), None)

    # Keys.

    def action_close(self) -> None:
        """Back to the run."""
        self.dismiss(None)

    def action_add(self) -> None:
        """Ask for another breakpoint."""
        own_id = self.kept.next_id()
        self._ask("Another breakpoint", own_id, "", lambda made: (*self.kept.breakpoints, made))

    @on(OptionList.OptionSelected)
    def action_edit(self) -> None:
        """Ask what the chosen breakpoint should be; a health check has nothing to change but whether it is on."""
        old = self._breakpoint
        if old is None:
            self.action_switch()
            return

        def changed(made: Breakpoint) -> tuple[Breakpoint, ...]:
            new = replace(made, enabled=old.enabled)
            return tuple(new if each.id == old.id else each for each in self.kept.breakpoints)

        self._ask("Change the breakpoint", old.id, old.text, changed)

    def _ask(self, title: str, own_id: str, text: str, put: Callable[[Breakpoint], tuple[Breakpoint, ...]]) -> None:
        def read(typed: str) -> Breakpoint:
            return Armed(Breakpoint.parse(typed, own_id), self._scope).breakpoint

        def take(made: Breakpoint | None) -> None:
            if made is not None:
                self._change(replace(self.kept, breakpoints=put(made)))

        self.app.push_screen(AskScreen(title, HINT, read, text), take)

    def action_switch(self) -> None:
        """What is chosen stops no longer, or again."""
        chosen, kept = self._chosen, self.kept
        if chosen is None:
            return
        if self._breakpoint is None:
            self._change(replace(kept, checks=kept.checks ^ {chosen.removeprefix("check ")}))
        else:
            switched = (replace(b, enabled=not b.enabled) if b.id == chosen else b for b in kept.breakpoints)
            self._change(replace(kept, breakpoints=tuple(switched)))

    def action_delete(self) -> None:
        """The chosen breakpoint is no more."""
        if self._breakpoint is None:
            self.notify("A health check cannot be deleted; space switches it off.", timeout=3)
        else:
            left = tuple(each for each in self.kept.breakpoints if each.id != self._chosen)
            self._change(replace(self.kept, breakpoints=left))

    def action_goto(self) -> None:
        """Close, and go where the chosen breakpoint stands."""
        if self._breakpoint is None or self._breakpoint.place is None:
            self.notify("Only a breakpoint on an event has a place; c continues to where a condition holds.", timeout=4)
        else:
            self.dismiss(self._breakpoint)


def _switch(on_: bool) -> Line:
    return Line().add("● " if on_ else "○ ", theme.WARNING if on_ else theme.DIM)


def _as_text(line: Line) -> Text:
    return Text.assemble(*((segment.text, segment.style or "") for segment in line.segments), no_wrap=True)
