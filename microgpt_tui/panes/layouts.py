"""Which panes stand where: a tree of splits for each phase and size of terminal, and the layout that obeys it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import ClassVar

from textual.geometry import NULL_OFFSET, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.widget import Widget

from engine.immutable import immutable
from engine.timeline.events import Phase
from microgpt_tui.panes import registry
from microgpt_tui.panes.registry import ONLY_SCRIPTS, REST, Area, PaneSpec, Room


@immutable
class Split:
    """Room divided among parts, side by side or one below the other.

    A part is a pane's id or another split, with its size: cells, or 0 for what is left.
    """

    beside: bool
    parts: tuple[tuple[int, Split | str], ...]


def in_columns(*parts: tuple[int, Split | str]) -> Split:
    """Parts from left to right, with their widths."""
    return Split(True, parts)


def below(*parts: tuple[int, Split | str]) -> Split:
    """Parts from top to bottom, with their heights."""
    return Split(False, parts)


SIDES: dict[Room, tuple[int, int]] = {  # columns of the left and of the right
    "narrow": (0, 0),
    "low": (26, 0),
    "normal": (28, 34),
    "wide": (28, 46),
    "largest": (28, 62),
}
FOOT: dict[Room, tuple[int, int]] = {  # lines of the strip below the stage: in forward and backward, and in the update
    "narrow": (0, 0),
    "low": (5, 8),
    "normal": (0, 8),
    "wide": (0, 8),
    "largest": (12, 12),
}


def room_of(size: Size) -> Room:
    """Which layouts a terminal of this size has room for."""
    if size.width < 100:
        return "narrow"
    if size.width < 120 or size.height < 32:
        return "low"
    if size.width < 160 or size.height < 44:
        return "normal"
    return "wide" if size.width < 190 or size.height < 56 else "largest"


def usual(room: Room, phase: Phase, head: bool = False, lacking: frozenset[str] = ONLY_SCRIPTS) -> Split:
    """Where the panes stand that have a spot in this room and phase, by the registry; at an event of a head or not.

    Panes that are `lacking` leave their room to others.
    """

    def column(area: Area) -> Split:
        return below(*registry.standing(room, phase, area, head, lacking))

    left, right = SIDES[room]
    foot = FOOT[room][phase is Phase.UPDATE], in_columns(*registry.standing(room, phase, "foot", head, lacking))
    middle, beside = column("middle"), [(left, column("left"))]
    if foot[1].parts and room == "largest":
        upper = in_columns(*beside, (REST, middle))
        middle, beside = below((REST, upper), foot), []
    elif foot[1].parts:
        middle = below(*middle.parts, foot)
    columns = (*beside, (REST, middle), (right, column("right")))
    return in_columns(*(part for part in columns if part[1].parts))


def plan(
    phase: Phase,
    size: Size,
    watches: bool = False,
    running: bool = False,
    head: bool = False,
    lacking: frozenset[str] = ONLY_SCRIPTS,
) -> Split:
    """The split for a phase on a terminal of this size; where it is large, with the watches if there are any.

    While training runs, its curve is there: in the place of what else stands in the corner below on the right, of the
    left column where there is none. `head` says whether a head is at work; panes that are `lacking` have no place.
    """
    head = head and "attention" not in lacking
    return _planned(phase, room_of(size), watches, running, head, lacking, registry.PANES)


@lru_cache(64)
def _planned(
    phase: Phase,
    room: Room,
    watches: bool,
    running: bool,
    head: bool,
    lacking: frozenset[str],
    panes: tuple[PaneSpec, ...],
) -> Split:
    """As `plan`; `panes` are those of the registry, which this reads."""
    del panes
    if room == "narrow" and running:
        return below((REST, "stage"), (8, "training"))
    split = usual(room, phase, head and not running, lacking)
    if room == "largest" and watches:
        places = {
            "inspector": below((REST, "inspector"), (7, "watches")),
            "adam": in_columns((REST, "adam"), (62, "watches")),
        }
        split = renamed(split, places)
    shown = list(panes_of(split))
    if running and "training" not in shown:
        corner = "gradients" if "gradients" in shown else next(registry.standing(room, phase, "left"))[1]
        split = renamed(split, {corner: "training"})
    return split


def spotlit(names: Sequence[str], room: Size, alone: bool = False) -> Split:
    """A split for some panes, all of which it shows, the first with the most room, and those that stand beside them.

    `alone`, no others stand beside them.
    """
    lit = list(dict.fromkeys(names))
    if alone:
        parts = ((REST, name) for name in lit)
        return below(*parts) if room.width < 120 and room.height >= 12 * len(lit) else in_columns(*parts)
    first, second, *_ = dict.fromkeys((*lit, *registry.companions("middle")))
    tall, lower = room.height >= 24, max(9, room.height // 3)
    if room.width < 100:
        others = in_columns(*((REST, name) for name in lit[1:] or [second]))
        if tall:
            return below((REST, first), (lower, others))
        return in_columns(*((REST, name) for name in lit))
    main = below((REST, first), (lower, second)) if tall else below((REST, first))
    beside = [name for name in lit if name not in panes_of(main)]
    left, right, *_ = dict.fromkeys(
        name for name in (*beside, *registry.companions("sides")) if name not in panes_of(main)
    )
    if room.width >= 130:
        return in_columns((28, left), (REST, main), (38, below(*((REST, name) for name in beside[1:] or [right]))))
    return in_columns((28, below(*((REST, name) for name in beside or [left]))), (REST, main))


def renamed(split: Split, names: Mapping[str, Split | str]) -> Split:
    """The same split with other panes, or splits of them, in the places of those that are named."""
    parts = (
        (size, names.get(part, part) if isinstance(part, str) else renamed(part, names)) for size, part in split.parts
    )
    return Split(split.beside, tuple(parts))


def panes_of(split: Split) -> Iterator[str]:
    """The ids of the panes in a split."""
    for _, part in split.parts:
        if isinstance(part, str):
            yield part
        else:
            yield from panes_of(part)


def regions(split: Split, room: Region) -> Iterator[tuple[str, Region]]:
    """Where each pane of a split stands in a room; the parts of size 0 share what the others leave."""
    left = max(0, (room.width if split.beside else room.height) - sum(size for size, _ in split.parts))
    sharing = sum(size == REST for size, _ in split.parts)
    at = 0
    for wanted, part in split.parts:
        size = wanted
        if wanted == REST:
            size, sharing = left // sharing, sharing - 1
            left -= size
        x, y, width, height = room
        here = Region(x + at, y, size, height) if split.beside else Region(x, y + at, width, size)
        at += size
        if isinstance(part, str):
            yield part, here
        else:
            yield from regions(part, here)


class PaneLayout(Layout):
    """Places the children of a container by their ids, as a split says."""

    name: ClassVar[str] = "panes"

    def __init__(self, split: Split) -> None:
        self.split = split

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:
        """Where every displayed child stands; one that the split does not name gets the whole room."""
        del greedy
        parent.pre_layout(self)
        room = Region(0, 0, *size)
        places = dict(regions(self.split, room))
        return [
            WidgetPlacement(places.get(str(child.id), room), NULL_OFFSET, child.styles.margin, child)
            for child in children
        ]
