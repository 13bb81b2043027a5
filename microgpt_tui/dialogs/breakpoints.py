"""`BreakpointsScreen`: the breakpoints and, below them, the health checks, to edit, switch off, remove or go to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.binding import BindingType
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from engine import CHECKS, Scope
from engine.expressions.breakpoint import Armed, Breakpoint
from microgpt_tui.debugger.annotations import Annotations
from microgpt_tui.debugger.examples import Examples
from microgpt_tui.debugger.keys import Key, bindings
from microgpt_tui.dialogs.list_dialog import ListDialog, option
from microgpt_tui.dialogs.text_input import AskScreen
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.picture import Line
from microgpt_tui.texts.say import say

COUNT, HITS, CHECK = 8, 10, 12  # cells
CHECK_ID = "check-"  # before the name of a health check: what its line is called


class BreakpointsScreen(ListDialog[Breakpoint | None]):
    """Hands every change to `keep` at once. Returns the breakpoint that the user wants to go to, if any."""

    TITLE_ABOVE, WIDEST = say("dialogs.breakpoints.title"), 96
    BINDINGS: ClassVar[list[BindingType]] = bindings(
        Key("breakpoints.close", "escape,q,B", "dismiss"),
        Key("breakpoints.add", "a", "add", priority=True),
        Key("breakpoints.edit", "e", "edit", priority=True),
        Key("breakpoints.switch", "space", "switch"),
        Key("breakpoints.delete", "d,delete", "delete"),
        Key("breakpoints.goto", "g", "goto"),
    )

    def __init__(
        self, annotations: Annotations, scope: Scope, hits: Mapping[str, int], keep: Callable[[Annotations], None]
    ) -> None:
        super().__init__()
        self._annotations, self._scope, self._hits, self._keep = annotations, scope, hits, keep

    def keys_below(self) -> str:
        return say("dialogs.breakpoints.footer")

    def on_mount(self) -> None:
        self.fill(0)

    def options(self) -> Iterator[Option | None]:
        for each in self._breakpoints:
            line = _bullet(each.enabled)
            line.fit(
                replace(each, count=1, enabled=True).describe(self._scope.place_names), self.room - 2 - COUNT - HITS
            )
            line.fit(f" x {each.count}" if each.count > 1 else "", COUNT, theme.DIM)
            yield option(
                line.fit(
                    say("dialogs.breakpoints.hits", count=self._hits.get(each.id, 0)), HITS, theme.DIM, right=True
                ),
                each.id,
            )
        if not self._breakpoints:
            yield Option(Text(say("dialogs.breakpoints.none_yet_types_one")), disabled=True)
        yield None
        for check, about in CHECKS.items():
            line = _bullet(check in self._annotations.checks).fit(check, CHECK)
            yield option(line.fit(about, self.room - 2 - CHECK, theme.DIM), f"{CHECK_ID}{check}")

    @property
    def _breakpoints(self) -> tuple[Breakpoint, ...]:
        return self._annotations.breakpoints

    @property
    def _breakpoint(self) -> Breakpoint | None:
        """The chosen one; None where a health check is chosen."""
        return next((each for each in self._breakpoints if each.id == self.chosen), None)

    def _change(self, annotations: Annotations) -> None:
        self._annotations = annotations
        self._keep(annotations)
        self.fill()

    def _replace(self, old: Breakpoint, new: Breakpoint) -> None:
        changed = tuple(new if each.id == old.id else each for each in self._breakpoints)
        self._change(replace(self._annotations, breakpoints=changed))

    # Keys.

    def action_add(self) -> None:
        def add(made: Breakpoint | None) -> None:
            if made is not None:
                self._change(replace(self._annotations, breakpoints=(*self._breakpoints, made)))

        self._ask(say("dialogs.breakpoints.another_breakpoint"), self._annotations.next_id(), "", add)

    @on(OptionList.OptionSelected)
    def action_edit(self) -> None:
        """Edit the chosen breakpoint; a health check can only be switched."""
        old = self._breakpoint
        if old is None:
            self.action_switch()
            return

        def change(made: Breakpoint | None) -> None:
            if made is not None:
                self._replace(old, replace(made, enabled=old.enabled))

        self._ask(say("dialogs.breakpoints.change_breakpoint"), old.id, old.written(self._scope.place_names), change)

    def _ask(self, title: str, own_id: str, text: str, done: Callable[[Breakpoint | None], None]) -> None:
        def read(typed: str) -> Breakpoint:
            return Armed(Breakpoint.parse(typed, own_id, self._scope.place_names), self._scope).breakpoint

        self.app.push_screen(
            AskScreen(title, say("dialogs.breakpoints.hint", **Examples.of(self._scope).events), read, text), done
        )

    def action_switch(self) -> None:
        if self._breakpoint is not None:
            self._replace(self._breakpoint, replace(self._breakpoint, enabled=not self._breakpoint.enabled))
        elif self.chosen is not None:
            checks = self._annotations.checks ^ {self.chosen.removeprefix(CHECK_ID)}
            self._change(replace(self._annotations, checks=checks))

    def action_delete(self) -> None:
        if self._breakpoint is None:
            self.notify(say("dialogs.breakpoints.health_check_cannot_be"), timeout=3)
        else:
            others = tuple(each for each in self._breakpoints if each.id != self.chosen)
            self._change(replace(self._annotations, breakpoints=others))

    def action_goto(self) -> None:
        if self._breakpoint is None or self._breakpoint.place is None:
            self.notify(say("dialogs.breakpoints.only_breakpoint_on_event"), timeout=4)
        else:
            self.dismiss(self._breakpoint)


def _bullet(enabled: bool) -> Line:
    return Line().add("● " if enabled else "○ ", theme.WARNING if enabled else theme.DIM)
