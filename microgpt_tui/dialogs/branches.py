"""`BranchesScreen`: the branches, the original first, to go to, compare with, rename or remove."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from engine.run.branches import ORIGINAL, Branches
from microgpt_tui.dialogs.list_dialog import ListDialog, option
from microgpt_tui.dialogs.text_input import AskScreen
from microgpt_tui.drawing.picture import Line

NAME, STEP = 20, 10  # cells
Wish = tuple[str, str | None]
"""What is to be done, and with which branch (None: the original).

"enter" goes to the moment at which the run stands, "here" to the present moment in it; "beside" compares, "remove" and
"undo" change the list.
"""


class BranchesScreen(ListDialog[Wish | None]):
    """Returns what the user wants; names are changed at once."""

    TITLE_ABOVE, WIDEST = "This run and its branches", 104
    CSS = f"BranchesScreen .box {{ width: {WIDEST}; }}"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,E", "dismiss(None)", "close", tooltip="Stay in this run"),
        Binding("r", "rename", "rename", tooltip="Give the branch another name"),
        Binding("u", "wish('undo')", "undo", tooltip="Take back the last change of the branch"),
        Binding("d,delete", "wish('remove')", "delete", tooltip="Forget the branch"),
        Binding("m", "wish('here')", "this moment", tooltip="Go to the present moment in that run"),
        Binding("c", "wish('beside')", "compare", tooltip="Show this run beside the present one"),
    ]

    def __init__(self, branches: Branches, present: str | None) -> None:
        super().__init__()
        self.branches, self.present = branches, present

    def keys_below(self) -> str:
        wide = self.app.size.width >= self.WIDEST
        ways = "enter where it was left · m this moment there" if wide else "enter as left · m this moment"
        return f"{ways} · c compare · r {'re' if wide else ''}name · u undo · d delete"

    def on_mount(self) -> None:
        self.fill(0 if self.present is None else [b.name for b in self.branches.all()].index(self.present) + 1)

    def options(self) -> Iterator[Option]:
        yield self._option(ORIGINAL, self.branches.original.step, "as it was begun", None)
        for branch in self.branches.all():
            changes = "; ".join(change.text for change in branch.changes)
            yield self._option(branch.name, branch.moment.step, changes, branch.name)
        if not len(self.branches):
            yield Option(Text("no branch yet: e sets a number, x switches a part off"), disabled=True)

    def _option(self, name: str, step: int, changes: str, branch: str | None) -> Option:
        line = Line().add("▸ " if branch == self.present else "  ").fit(name, NAME).fit(f"step {step}", STEP)
        return option(line.add(" ").fit(changes, max(8, self.room - NAME - STEP - 3)), branch)

    # Keys.

    @on(OptionList.OptionSelected)
    def enter(self) -> None:
        self.dismiss(("enter", self.chosen))

    def action_wish(self, wish: str) -> None:
        if self.chosen is None and wish not in ("beside", "here"):
            self.notify("The original is never changed or deleted; choose a branch.", timeout=3)
        elif self.chosen == self.present and wish == "beside":
            self.notify("This is the run that you are in; choose another one to compare it with.", timeout=3)
        else:
            self.dismiss((wish, self.chosen))

    def action_rename(self) -> None:
        old = self.chosen
        if old is None:
            self.notify("The original keeps its name; choose a branch.", timeout=3)
            return

        def rename(new: str | None) -> None:
            if new is not None:
                self.branches.rename(old, new)
                self.present = new if self.present == old else self.present
                self.fill()

        hint = "A short name, such as without head 2."
        self.app.push_screen(
            AskScreen("Rename the branch", hint, lambda text: self.branches.check_name(text, old), old), rename
        )
