"""`BranchesScreen`: the branches, the original first, to go to, compare with, rename or remove."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.binding import BindingType
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from engine.run.branches import Branches, original_name
from microgpt_tui.debugger.keys import Key, bindings
from microgpt_tui.dialogs.list_dialog import ListDialog, option
from microgpt_tui.dialogs.text_input import AskScreen
from microgpt_tui.drawing.picture import Line
from microgpt_tui.texts.say import say

NAME, STEP = 20, 10  # cells
Wish = tuple[str, str | None]
"""What is to be done, and with which branch (None: the original).

"enter" goes to the moment at which the run stands, "here" to the present moment in it; "beside" compares, "remove" and
"undo" change the list.
"""


class BranchesScreen(ListDialog[Wish | None]):
    """Returns what the user wants; names are changed at once."""

    TITLE_ABOVE, WIDEST = say("dialogs.branches.title"), 104
    BINDINGS: ClassVar[list[BindingType]] = bindings(
        Key("branches.close", "escape,q,E", "dismiss"),
        Key("branches.rename", "r", "rename"),
        Key("branches.undo", "u", "wish('undo')"),
        Key("branches.delete", "d,delete", "wish('remove')"),
        Key("branches.moment", "m", "wish('here')"),
        Key("branches.compare", "c", "wish('beside')"),
    )

    def __init__(self, branches: Branches, present: str | None) -> None:
        super().__init__()
        self.branches, self.present = branches, present

    def keys_below(self) -> str:
        wide = self.app.size.width >= self.WIDEST
        return say("dialogs.branches.footer") if wide else say("dialogs.branches.footer_narrow")

    def on_mount(self) -> None:
        self.fill(0 if self.present is None else [b.name for b in self.branches.all()].index(self.present) + 1)

    def options(self) -> Iterator[Option]:
        yield self._option(original_name(), self.branches.original.step, say("dialogs.branches.as_was_begun"), None)
        for branch in self.branches.all():
            changes = "; ".join(change.text for change in branch.changes)
            yield self._option(branch.name, branch.moment.step, changes, branch.name)
        if not len(self.branches):
            yield Option(Text(say("dialogs.branches.no_branch_yet_e")), disabled=True)

    def _option(self, name: str, step: int, changes: str, branch: str | None) -> Option:
        line = (
            Line()
            .add("▸ " if branch == self.present else "  ")
            .fit(name, NAME)
            .fit(say("dialogs.branches.step", step=step), STEP)
        )
        return option(line.add(" ").fit(changes, max(8, self.room - NAME - STEP - 3)), branch)

    # Keys.

    @on(OptionList.OptionSelected)
    def enter(self) -> None:
        self.dismiss(("enter", self.chosen))

    def action_wish(self, wish: str) -> None:
        if self.chosen is None and wish not in ("beside", "here"):
            self.notify(say("dialogs.branches.original_never_changed_or"), timeout=3)
        elif self.chosen == self.present and wish == "beside":
            self.notify(say("dialogs.branches.run_you_choose_another"), timeout=3)
        else:
            self.dismiss((wish, self.chosen))

    def action_rename(self) -> None:
        old = self.chosen
        if old is None:
            self.notify(say("dialogs.branches.original_keeps_its_name"), timeout=3)
            return

        def rename(new: str | None) -> None:
            if new is not None:
                self.branches.rename(old, new)
                self.present = new if self.present == old else self.present
                self.fill()

        hint = say("dialogs.branches.short_name_such_as")
        self.app.push_screen(
            AskScreen(
                say("dialogs.branches.rename_branch"), hint, lambda text: self.branches.check_name(text, old), old
            ),
            rename,
        )
