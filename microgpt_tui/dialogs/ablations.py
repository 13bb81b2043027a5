"""`PartsScreen`: the parts that can be switched off; and which of them the event on the stage belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import ClassVar

import numpy as np
from rich.text import Text
from textual import on
from textual.binding import BindingType
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from engine.interventions.syntax import PARTS, Ablation, Change, all_parts
from engine.timeline.events import Phase
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.keys import Key, bindings
from microgpt_tui.dialogs.list_dialog import ListDialog
from microgpt_tui.texts.say import say

MEAN_OF = 20  # documents that a mean is taken over, where nothing else is said


def part_of_event(frame: Frame) -> Ablation | None:
    """The part of the model that the event on the stage belongs to; None if it belongs to none, or to several."""
    event, step, layer = frame.stage_event, frame.moment.step, frame.stage_event.layer
    if layer is None:
        return None
    if event.name in PARTS:
        return Ablation(step, layer, event.name)
    own = [s for s in frame.program.events(Phase.FORWARD) if (s.pos, s.layer) == (frame.pos, layer)]
    if event.head is not None:
        return Ablation(step, layer, "head", event.head)
    if "mlp" in (event.block, *(made.block for made in own if made.matrix == event.name)):
        return Ablation(step, layer, "mlp")
    cached = [rows for tensor in own for name, rows in tensor.operands.items() if name in ("keys", "values")]
    if event.pos is not None and any(np.isin(event.rows, rows).any() for rows in cached):
        return Ablation(step, layer, "pos", event.pos)
    if event.block in {tensor.block for tensor in own if tensor.head is not None} and frame.where.head is not None:
        return Ablation(step, layer, "head", frame.where.head)
    return None


class PartsScreen(ListDialog[Ablation | None]):
    """Returns the part that is to be switched: off, to its mean, or on again if it is off."""

    TITLE_ABOVE, WIDEST = say("dialogs.ablations.title"), 64
    BINDINGS: ClassVar[list[BindingType]] = bindings(
        Key("parts.close", "escape,q,X", "dismiss"),
        Key(f"parts.mean.{MEAN_OF}", "m", "mean"),
    )

    def __init__(self, frame: Frame, changes: Iterable[Change]) -> None:
        super().__init__()
        self._parts = all_parts(frame.config, frame.program.n, frame.moment.step)
        here = part_of_event(frame)
        self._first = next((i for i, part in enumerate(self._parts) if here and part.part == here.part), 0)
        self._off = [c for c in changes if isinstance(c, Ablation) and c.step <= frame.moment.step]
        self._tokens = [frame.token(pos) for pos in range(frame.program.n)]

    def keys_below(self) -> str:
        return say("dialogs.ablations.footer")

    def on_mount(self) -> None:
        self.fill(self._first)

    def options(self) -> Iterator[Option]:
        for number, part in enumerate(self._parts):
            yield Option(self._line(part), str(number))

    @property
    def _part(self) -> Ablation:
        """The highlighted one."""
        return self._parts[int(self.chosen or 0)]

    def _line(self, part: Ablation) -> Text:
        off = next((change for change in reversed(self._off) if change.switches_off(part)), None)
        state = "on" if off is None else "off_at_mean" if off.mean_of else "off"
        words = say(
            f"dialogs.ablations.part.{part.kind}",
            where=say(f"dialogs.ablations.where.{'everywhere' if part.layer is None else 'layer'}", layer=part.layer),
            number=part.number,
            token=self._tokens[part.number or 0] if part.kind == "pos" else "",
            state=say(f"dialogs.ablations.state.{state}", step=off.step if off else 0),
        )
        return Text(f"{'●' if off is None else '○'} {words}")

    @on(OptionList.OptionSelected)
    def switch(self) -> None:
        """Switch the part off, or on again."""
        self.dismiss(self._part)

    def action_mean(self) -> None:
        """Set the part to its mean, if it has one."""
        if PARTS[self._part.kind].constant:
            self.dismiss(replace(self._part, mean_of=MEAN_OF))
        else:
            self.notify(say("dialogs.ablations.has_no_mean"), timeout=4)
