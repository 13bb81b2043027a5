"""The list of branches: the original first. One is chosen to go to, to compare with, to rename or take away."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from engine.run.branches import ORIGINAL, Branches
from microgpt_tui.dialogs.text_input import AskScreen
from microgpt_tui.drawing.picture import Line
from microgpt_tui.widgets.modal import Modal
from microgpt_tui.widgets.textual_fixes import SafeOptionList

WIDEST = 104
NAME, STEP = 20, 10  # cells
Wish = tuple[str, str | None]
"""What is to be done, and with which branch (None: the original).

"enter" goes to where the run was left, "here" to the present moment in it; "beside" compares, "remove" and "undo"
change the list.
"""


class BranchesScreen(Modal[Wish | None]):
    """Returns what the user wants; names are changed at once."""

    CSS = f"BranchesScreen .box {{ width: {WIDEST}; }}"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,E", "close", "close", tooltip="Stay in this run"),
        Binding("r", "rename", "rename", tooltip="Give the branch another name"),
        Binding("u", "wish('undo')", "undo", tooltip="Take back the last change of the branch"),
        Binding("d,delete", "wish('remove')", "delete", tooltip="Forget the branch"),
        Binding("m", "wish('here')", "this moment", tooltip="Go to the present moment in that run"),
        Binding("c", "wish('beside')", "compare", tooltip="Show this run beside the present one"),
    ]

    def __init__(self, branches: Branches, present: str | None) -> None:
        super().__init__()
        self.branches, self.present = branches, present

    def compose(self) -> ComposeResult:
        """One line each."""
        with Vertical(classes="box") as box:
            box.border_title = "This run and its branches"
            wide = self.app.size.width >= WIDEST
            ways = "enter where it was left · m this moment there" if wide else "enter as left · m this moment"
            box.border_subtitle = f"{ways} · c compare · r {'re' if wide else ''}name · u undo · d delete"
            yield SafeOptionList()

    def on_mount(self) -> None:
        """Fill the list."""
        self._fill(0 if self.present is None else [b.name for b in self.branches.all()].index(self.present) + 1)

    def _fill(self, highlighted: int) -> None:
        lines = self.query_one(OptionList)
        lines.clear_options()
        lines.add_option(Option(self._line(ORIGINAL, self.branches.original.step, "as it was begun", None)))
        for branch in self.branches.all():
            said = "; ".join(change.text for change in branch.changes)
            lines.add_option(Option(self._line(branch.name, branch.moment.step, said, branch.name), branch.name))
        if not len(self.branches):
            lines.add_option(Option(Text("no branch yet: e sets a number, x switches a part off"), disabled=True))
        lines.highlighted = min(highlighted, lines.option_count - 1)

    def _line(self, name: str, step: int, changes: str, key: str | None) -> Text:
        room = min(WIDEST, self.app.size.width * 96 // 100) - 6
        line = Line().add("▸ " if key == self.present else "  ").fit(name, NAME)
        line.fit(f"step {step}", STEP).add(" ").fit(changes, max(8, room - NAME - STEP - 3))
        return Text.assemble(*((segment.text, segment.style or "") for segment in line.segments), no_wrap=True)

    @property
    def _chosen(self) -> str | None:
        option = self.query_one(OptionList).highlighted_option
        return option.id if option else None

    # Keys.

    def action_close(self) -> None:
        """Stay."""
        self.dismiss(None)

    def on_option_list_option_selected(self) -> None:
        """Go to where it was left."""
        self.dismiss(("enter", self._chosen))

    def action_wish(self, wish: str) -> None:
        """Close, and have something done with the chosen run."""
        if self._chosen is None and wish not in ("beside", "here"):
            self.notify("The original is never changed or deleted; choose a branch.", timeout=3)
        elif self._chosen == self.present and wish == "beside":
            self.notify("This is the run that you are in; choose another one to compare it with.", timeout=3)
        else:
            self.dismiss((wish, self._chosen))

    def action_rename(self) -> None:
        """Ask for another name."""
        old = self._chosen
        if old is None:
            self.notify("The original keeps its name; choose a branch.", timeout=3)
            return

        def take(new: str | None) -> None:
            if new is not None:
                self.branches.rename(old, new)
                self.present = new if self.present == old else self.present
                self._fill(self.query_one(OptionList).highlighted or 0)

        hint = "A short name, such as without head 2."
        self.app.push_screen(
            AskScreen("Rename the branch", hint, lambda text: self.branches.check_name(text, old), old), take
        )
