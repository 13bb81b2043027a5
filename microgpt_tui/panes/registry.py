"""`PANES`: one entry a pane, which the screen, its keys, the layouts, the help, the palette and lectures read.

The order is that of tab, of the help and of the list for authors of lectures. Read it as `registry.PANES`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Literal

from engine.immutable import immutable
from engine.timeline.events import Phase
from engine.timeline.view import View
from microgpt_tui.debugger.keys import KEYS, Key
from microgpt_tui.panes.adam import Adam
from microgpt_tui.panes.attention import Attention
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.comparison import Comparison
from microgpt_tui.panes.embeddings import Embeddings
from microgpt_tui.panes.gradients import Gradients
from microgpt_tui.panes.graph import Graph
from microgpt_tui.panes.inspector import Inspector
from microgpt_tui.panes.map import Map
from microgpt_tui.panes.output import Output
from microgpt_tui.panes.prediction import Prediction
from microgpt_tui.panes.program import Program
from microgpt_tui.panes.qkv import QKV
from microgpt_tui.panes.residual import Residual
from microgpt_tui.panes.source import Source
from microgpt_tui.panes.stage import Stage
from microgpt_tui.panes.training import Training
from microgpt_tui.panes.watches import Watches
from microgpt_tui.panes.why import Why

if TYPE_CHECKING:  # imported where a lecture is opened: the first frame needs none
    from microgpt_tui.lectures.binding import ScreenNames

Room = Literal["narrow", "low", "normal", "wide", "largest"]
"""Sizes of terminals; `layouts.room_of` says which is which."""
Area = Literal["left", "middle", "right", "foot"]
"""Three columns, and a strip whose panes stand side by side: below the middle one or, on the largest screens, below the
left one as well."""

REST = 0
FORWARD, BACKWARD, UPDATE = ((phase,) for phase in Phase)
BOTH, ALL = (*FORWARD, *BACKWARD), tuple(Phase)


@immutable
class PanePlace:
    """A place in the layouts of a room and of some phases.

    `size` is in lines, in the foot in columns; REST takes what is left. An area lists its panes by `order`. `head` says
    whether the place is there only at events of a head, or only at others.
    """

    room: Room
    phases: tuple[Phase, ...]
    area: Area
    size: int = REST
    order: int = 9
    head: bool | None = None


@immutable
class PaneSpec:
    """A pane: its id, its class, the key that chooses it, where it stands, and whether a lecture can light it.

    Without spots it comes up only when it is chosen. `key` and `display` are as in `Key`. `behind` is the pane that
    comes up when the key is pressed where this one is chosen already. Where a pinned pane has no place, it takes that
    of the pane with the lowest number in `yields`; 0 never yields. Beside the panes that a lecture
    lights stand those with a `companion`, the lowest number first: one for the middle, and one for the sides.
    """

    id: str
    kind: type[Pane]
    key: str | None
    display: str | None = None
    spots: tuple[PanePlace, ...] = ()
    yields: int = 0
    behind: str | None = None
    lit: bool = True
    companion: tuple[int, int] | None = None

    @property
    def binding(self) -> Key | None:
        """What its key does."""
        if self.key is None:
            return None
        return Key(f"pane.{self.id}", self.key, f"pane('{self.id}')", self.display, group="look")


PANES: tuple[PaneSpec, ...] = (
    PaneSpec("map", Map, "1", behind="program", companion=(3, 1), spots=(
        PanePlace("low", ALL, "left", order=0),
        PanePlace("normal", ALL, "left", order=0),
        PanePlace("wide", ALL, "left", order=0),
        PanePlace("largest", ALL, "left", order=0),
    )),
    PaneSpec("stage", Stage, "2", companion=(1, 4), spots=(
        PanePlace("narrow", ALL, "middle", order=0),
        PanePlace("low", ALL, "middle", order=0),
        PanePlace("normal", ALL, "middle", order=0),
        PanePlace("wide", ALL, "middle", order=0),
        PanePlace("largest", ALL, "middle", order=0),
    )),
    PaneSpec("source", Source, "3", yields=8, companion=(4, 3), spots=(
        PanePlace("low", BOTH, "foot", order=1),
        PanePlace("normal", BOTH, "right", 9, order=0),
        PanePlace("wide", BOTH, "right", 11, order=0),
        PanePlace("largest", BOTH, "right", 11, order=0),
    )),
    PaneSpec("inspector", Inspector, "4", yields=9, companion=(2, 2), spots=(
        PanePlace("low", BOTH, "foot", order=0),
        PanePlace("normal", BOTH, "right", order=1),
        PanePlace("wide", BOTH, "right", order=1),
        PanePlace("largest", BOTH, "right", order=1),
    )),
    PaneSpec("qkv", QKV, "5", yields=1, spots=(
        PanePlace("largest", BOTH, "foot", order=1),
    )),
    PaneSpec("attention", Attention, "6", yields=4, spots=(
        PanePlace("normal", FORWARD, "right", 8, order=2, head=True),
        PanePlace("wide", FORWARD, "right", 12, order=2, head=True),
        PanePlace("largest", FORWARD, "right", 14, order=2),
    )),
    PaneSpec("residual", Residual, "7", yields=2, spots=(
        PanePlace("largest", BOTH, "foot", order=0),
    )),
    PaneSpec("prediction", Prediction, "8", yields=6, spots=(
        PanePlace("largest", BOTH, "foot", 34, order=2),
    )),
    PaneSpec("gradients", Gradients, "9", yields=5, spots=(
        PanePlace("normal", BACKWARD, "right", 8, order=2),
        PanePlace("wide", BACKWARD, "right", 12, order=2),
        PanePlace("largest", BACKWARD, "right", 14, order=2),
    )),
    PaneSpec("adam", Adam, "0", yields=7, spots=(
        PanePlace("low", UPDATE, "foot", order=0),
        PanePlace("normal", UPDATE, "foot", order=0),
        PanePlace("wide", UPDATE, "foot", order=0),
        PanePlace("largest", UPDATE, "foot", order=0),
    )),
    PaneSpec("training", Training, "equals_sign", "=", yields=3, spots=(
        PanePlace("normal", FORWARD, "right", 8, order=2, head=False),
        PanePlace("wide", FORWARD, "right", 12, order=2, head=False),
        PanePlace("largest", BOTH, "right", 12, order=3),
    )),
    PaneSpec("output", Output, "u", lit=False, spots=(
        PanePlace("largest", BOTH, "foot", order=3),
        PanePlace("largest", UPDATE, "foot", 62, order=1),
    )),
    PaneSpec("program", Program, None),
    PaneSpec("watches", Watches, "v"),
    PaneSpec("why", Why, "Y"),
    PaneSpec("graph", Graph, "G"),
    PaneSpec("embeddings", Embeddings, "V"),
    PaneSpec("comparison", Comparison, None),
)  # fmt: skip
ONLY_SCRIPTS = frozenset({"output"})
"""What a run of the built-in model has nothing for."""
STRIPS = ("tokens", "timeline")  # lines above and below the panes that a lecture can light as well


def ids() -> tuple[str, ...]:
    """The panes' ids."""
    return tuple(spec.id for spec in PANES)


def all_keys() -> tuple[Key, ...]:
    """Every key of the debugger: those of the panes stand after those that go from pane to pane."""
    after = next(place for place, key in enumerate(KEYS, 1) if key.id == "pane.previous")
    return (*KEYS[:after], *(spec.binding for spec in PANES if spec.binding), *KEYS[after:])


def screen_names() -> ScreenNames:
    """What a lecture may name of the debugger."""
    from microgpt_tui.lectures.binding import ScreenNames

    return ScreenNames((*(spec.id for spec in PANES if spec.lit), *STRIPS), all_keys())


def companions(where: Literal["middle", "sides"]) -> list[str]:
    """The ids of the panes that stand beside those that a lecture lights, the most wanted first."""
    ranks = {spec.companion[where == "sides"]: spec.id for spec in PANES if spec.companion}
    return [ranks[rank] for rank in sorted(ranks)]


def lacking(view: View) -> dict[str, str]:
    """The ids of the panes that a run has nothing for, each with the sentence that says so."""
    return {spec.id: sentence for spec in PANES if (sentence := spec.kind.lacks(view))}


def standing(
    room: Room, phase: Phase, area: Area, head: bool = False, lacking: Collection[str] = ONLY_SCRIPTS
) -> Iterator[tuple[int, str]]:
    """The sizes and ids of the panes in an area, in order; `head` says whether a head is at work.

    Panes that are `lacking` have no place.
    """
    specs = [spec for spec in PANES if spec.id not in lacking]
    found = [(spot, spec.id) for spec in specs for spot in spec.spots if spot.head in (None, head)]
    here = [(spot, pane) for spot, pane in found if spot.room == room and phase in spot.phases and spot.area == area]
    return ((spot.size, pane) for spot, pane in sorted(here, key=lambda each: each[0].order))
