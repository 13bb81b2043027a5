"""Breakpoints and watches on the debugger's screen: set, typed, listed, taken away."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cached_property

from textual import on

from engine.expressions.breakpoint import Armed, Breakpoint, Place
from engine.expressions.scope import Scope
from engine.expressions.watch import Watch, written
from microgpt_tui.debugger.annotations import Kept
from microgpt_tui.dialogs.breakpoints import BreakpointsScreen, next_id
from microgpt_tui.dialogs.prompt import AskScreen
from microgpt_tui.panes.watches import Watches
from microgpt_tui.screens.looking import Looking


class Stopping(Looking):
    """The part of the debugger's screen that says where to stop and what to keep an eye on."""

    def __init__(self) -> None:
        super().__init__()
        self.hits: Counter[str] = Counter()  # how often each breakpoint held, by its id

    @cached_property
    def scope(self) -> Scope:
        """What expressions about this run can speak of."""
        return Scope(self.session.config, self.session.tokenizer)

    def keep(self, kept: Kept) -> None:
        """Lay something else out around the run, and show it. A breakpoint that is another now begins to count anew."""
        same = {replace(each, enabled=True) for each in kept.breakpoints}
        for each in self.state.kept.breakpoints:
            if replace(each, enabled=True) not in same:
                self.hits.pop(each.id, None)
        self.state.annotate(kept)

    # Breakpoints.

    def action_break_here(self) -> None:
        """Set a breakpoint on the event on the stage, or take it away."""
        if self.busy:
            return
        here, all_ = Place.of(self.frame.stretch), self.state.kept.breakpoints
        others = tuple(each for each in all_ if each.place != here or each.condition is not None)
        if len(others) < len(all_):
            self.keep(replace(self.state.kept, breakpoints=others))
            self.notify(f"No breakpoint any more: {here.describe()}.", timeout=3, markup=False)
        else:
            new = Breakpoint(next_id(self.state.kept), here)
            self.keep(replace(self.state.kept, breakpoints=(*all_, new)))
            self.notify(f"Breakpoint: {here.describe()}. c runs to it, B lists all.", timeout=4, markup=False)

    def action_breakpoints(self) -> None:
        """List breakpoints and health checks."""
        if not self.busy:
            self.app.push_screen(BreakpointsScreen(self.state.kept, self.scope, self.hits, self.keep), self._go_to)

    def _go_to(self, chosen: Breakpoint | None) -> None:
        """Go to the next place of a breakpoint in this step, or to its first one if there is no later one."""
        if chosen is None or self.busy:
            return
        places = Armed(chosen, self.scope).moments(self.session.program)
        later = [moment for moment in places if moment.key > self.session.moment.key]
        if places:
            self.go((later or places)[0])
        else:
            self.notify("This step has no such event; c continues to the next step that has.", timeout=4)

    # Watches.

    def action_watch(self) -> None:
        """Watch the selected scalar."""
        if self.busy:
            return
        frame = self.frame
        text = written(frame.view, frame.selected)
        if text is None:
            name = frame.explain.name(frame.selected)
            self.notify(
                f"{name} has no name of its own that could be watched; choose an element of a tensor or a parameter, "
                "or type an expression with W.", timeout=5, markup=False,
            )  # fmt: skip
        else:
            self._watch(text)

    def action_watch_typed(self) -> None:
        """Watch any expression."""
        if not self.busy:
            hint = "As in loss, wte[5, 3], grad(wte[5, 3]) or q[0, 3]@pos=2; without @pos it follows the position."
            asked = AskScreen("Watch an expression", hint, lambda text: Watch(text, self.scope).text)
            self.app.push_screen(asked, self._watch)

    def _watch(self, text: str | None) -> None:
        if text is None:
            return
        if text in self.state.kept.watches:
            self.notify(f"{text} is watched already; v shows the watches.", timeout=3, markup=False)
            return
        self.keep(replace(self.state.kept, watches=(*self.state.kept.watches, text)))
        self.notify(f"Watching {text}; v shows the watches.", timeout=3, markup=False)

    @on(Watches.Dropped)
    def dropped(self, message: Watches.Dropped) -> None:
        """A watch is taken away."""
        if not self.busy:
            self.keep(
                replace(
                    self.state.kept, watches=tuple(text for text in self.state.kept.watches if text != message.text)
                )
            )
