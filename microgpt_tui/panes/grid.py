"""`PaneGrid`: the widget that holds the panes. Pane selection, zoom, pinning and swapping."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from textual.containers import Container
from textual.layout import Layout
from textual.message import Message

from engine.errors import system_says
from microgpt_tui.panes.arrangement import Arrangement
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.layouts import PaneLayout, Split, below, panes_of
from microgpt_tui.panes.registry import PANES, REST
from microgpt_tui.texts.say import say


class PaneGrid(Container):
    """Shows the panes of a split where it says, or one zoomed pane in all the room.

    `split_now` is where panes stand at present while none is zoomed. What is written to `zoomed` and `arrangement`
    from outside is seen from the next `place` on.
    """

    def __init__(
        self, kinds: Mapping[str, type[Pane]], arrangement: Arrangement, split_now: Callable[[], Split],
        keys: Mapping[str, str],
    ) -> None:  # fmt: skip
        """`keys` stand in the borders of the panes that they choose."""
        super().__init__(id="body")
        self.zoomed: str | None = None
        self.arrangement = arrangement
        self.lacking: Mapping[str, str] = {}  # panes that the run has nothing for, each with the sentence that says so
        self._raised = False  # whether the zoomed pane is so for want of a place, not because of `zoom`
        self._kinds, self._split_now, self._keys = kinds, split_now, keys
        self._split = Split(False, ())  # nothing, until the panes are placed

    def compose(self) -> Iterator[Pane]:
        """The panes."""
        for name, kind in self._kinds.items():
            pane = kind(name)
            pane.key = self._keys.get(name, "")
            yield pane

    @property
    def layout(self) -> Layout:
        """The layout that obeys the present split."""
        return PaneLayout(self._split)

    class Changed(Message):
        """Another pane has all the room, or none has it any more."""

    @property
    def chosen(self) -> Pane | None:
        """The pane that has the focus, inside the grid or beside it."""
        return self.screen.focused if isinstance(self.screen.focused, Pane) else None

    @property
    def chosen_or_stage(self) -> Pane:
        """The pane that keys are for: the stage, if none is chosen."""
        return self.chosen or self.query_one("#stage", Pane)

    def shows(self, name: str) -> bool:
        """Whether a pane has a place now."""
        return name in panes_of(self._split)

    def place(self) -> None:
        """Show the panes where they stand now; nothing happens if they stand there already."""
        split = below((REST, self.zoomed)) if self.zoomed else self._split_now()
        if split == self._split or not self.children:  # a screen may be shown before its panes are there
            return
        self._split = split
        shown = set(panes_of(split))
        for pane in self.children:
            if pane.display != (pane.id in shown):
                pane.display = pane.id in shown
        self.children[0].refresh(repaint=False, layout=True)  # a child's request makes its container arrange anew

    def choose(self, name: str) -> None:
        """Focus a pane; one that has no place now comes up over the others, and goes again when it is chosen again.

        Chosen again, a pane gives way to the one behind it, if there is one; once more, that goes.
        """
        if sentence := self.lacking.get(name):
            self.notify(sentence, timeout=4, markup=False)
            return
        behind = next((spec.behind for spec in PANES if spec.id == name), None)
        pane = self.query_one(f"#{name}", Pane)
        if behind is not None and self.zoomed == behind:
            self._zoom(None)
            self.screen.set_focus(pane if pane.display else None)
            return
        if behind is not None and (self.zoomed == name or self.chosen is pane):
            name, pane = behind, self.query_one(f"#{behind}", Pane)
        at_home = name in panes_of(self._split_now())
        if self.zoomed or not at_home:
            raised = self._raised or not self.zoomed
            self._zoom(None if self.zoomed == name or (at_home and name == "stage") else name, raised)
        self.screen.set_focus(pane if pane.display else None)

    def choose_next(self, way: int) -> None:
        """Focus the pane after or before the chosen one; where one has all the room, the next one gets it."""
        names = [str(pane.id) for pane in self.children if str(pane.id) not in self.lacking]
        shown = [str(pane.id) for pane in self.children if pane.display]
        if len(shown) == 1:
            self.choose(names[(names.index(shown[0]) + way) % len(names)])
        elif way > 0:
            self.screen.focus_next()
        else:
            self.screen.focus_previous()

    def pin(self) -> None:
        """Let the chosen pane stay through all phases, or no longer."""
        pane = self.chosen
        if pane is None or pane.id is None:
            self.notify(say("panes.grid.choose_to_pin"), timeout=3)
            return
        self._rearrange(self.arrangement.pin(pane.id))
        pinned = pane.id in self.arrangement.pinned
        self.notify(say("panes.grid.pinned" if pinned else "panes.grid.no_longer_pinned"))

    def swap(self, way: int) -> None:
        """Let the chosen pane and the one before or after it trade places."""
        names, pane = list(panes_of(self._split_now())), self.chosen
        if pane is None or pane.id not in names or len(names) == 1:
            self.notify(say("panes.grid.choose_to_move"), timeout=3)
            return
        other = names[(names.index(pane.id) + way) % len(names)]
        self._rearrange(self.arrangement.swap(pane.id, other))

    def zoom(self) -> None:
        """Give the chosen pane, or the stage, all the room; again to give it back."""
        if self.zoomed and self._raised:
            self._raised = False
            self.notify(say("panes.grid.has_all_room"), timeout=3)
        else:
            self._zoom(None if self.zoomed else self.chosen_or_stage.id)

    def back(self) -> None:
        """Restore a zoomed pane, else leave the chosen one."""
        if self.zoomed:
            self._zoom(None)
        else:
            self.screen.set_focus(None)

    def _zoom(self, name: str | None, raised: bool = False) -> None:
        self.zoomed, self._raised = name, raised and name is not None
        self.place()
        self.post_message(self.Changed())

    def _rearrange(self, arrangement: Arrangement) -> None:
        self.arrangement = arrangement
        self.zoomed = None
        self.place()
        try:
            arrangement.save()
        except OSError as error:
            self.notify(say("panes.grid.not_remembered", reason=system_says(error)), severity="warning")
