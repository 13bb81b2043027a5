"""What the name of a layer, a head or a matrix on the screen leads to: its choice, or its event if there is one.

While the present event lies in a layer, a head or a matrix, that is the one that panes show. To choose another one
then is to go to the same event in it.
"""

from __future__ import annotations

from collections.abc import Hashable

from engine.timeline.events import Phase
from microgpt_tui.debugger.frame import Choice, Frame


def layer_or_head(frame: Frame, layer: int | None = None, head: int | None = None) -> Hashable:
    """The target of the name of a layer, of a head, or of a head in a layer."""
    here = frame.stage_event
    if here.is_parameter or here.layer is None:
        return Choice(layer=layer, head=head)
    other = (
        here.layer if layer is None else layer,
        here.head if head is None or here.head is None else head,
    )
    if other == (here.layer, here.head):
        return Choice(layer=layer, head=head)
    return frame.ends.get((here.name, here.pos, *other), Choice(layer=layer, head=head))


def matrix(frame: Frame, name: str) -> Hashable:
    """The target of the name of a matrix."""
    if frame.phase is not Phase.UPDATE or name == frame.matrix:
        return Choice(matrix=name)
    moves = (end for place, end in frame.ends.items() if place[0] == name)
    return next(moves, Choice(matrix=name))  # in a script, some may never move
