"""Which panes stand where: a tree of splits for each phase and size of terminal, and the layout that obeys it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.geometry import NULL_OFFSET, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.widget import Widget

from engine.timeline.events import Phase
from microgpt_tui.panes import registry
from microgpt_tui.panes.registry import REST, Area, Room


@dataclass(frozen=True, slots=True)
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


SIDES: dict[Room, tuple[int, int, int]] = {  # columns of the left and of the right, lines of the foot
    "narrow": (0, 0, 0),
    "low": (26, 0, 0),
    "normal": (28, 34, 0),
    "wide": (28, 46, 12),
}


def room_of(size: Size) -> Room:
    """Which layouts a terminal of this size has room for."""
    if size.width < 100:
        return "narrow"
    if size.height < 32:
        return "low"
    return "normal" if size.width < 160 or size.height < 48 else "wide"


def usual(room: Room, phase: Phase) -> Split:
    """Where the panes stand that have a spot in this room and phase, by the registry."""
    left, right, foot = SIDES[room]
    columns: tuple[tuple[int, Area], ...] = ((left, "left"), (REST, "middle"), (right, "right"))
    stacks = ((width, below(*registry.standing(room, phase, area))) for width, area in columns)
    upper = in_columns(*(stack for stack in stacks if stack[1].parts))
    lower = in_columns(*registry.standing(room, phase, "foot"))
    return below((REST, upper), (foot, lower)) if lower.parts else upper


def plan(phase: Phase, size: Size, watches: bool = False, running: bool = False) -> Split:
    """The split for a phase on a terminal of this size; where it is large, with the watches if there are any.

    While training runs, its curve has the room of the map.
    """
    room = room_of(size)
    if room == "narrow" and running:
        return below((REST, "stage"), (8, "training"))
    split = usual(room, phase)
    if room == "wide" and watches and size.height >= 54:  # in less, nothing would be left of the inspector
        host = "inspector" if "inspector" in panes_of(split) else "source"
        split = renamed(split, {host: below((REST, host), (7, "watches"))})
    return renamed(split, {"map": "training", "training": "map"}) if running else split


def spotlit(names: Sequence[str], room: Size) -> Split:
    """A split for some panes, the first of them with the most room, and those that stand beside them."""
    first, second, *rest = dict.fromkeys((*names, *registry.companions("middle")))
    lower = max(9, room.height // 3)
    main = below((REST, first), (lower, second)) if room.height >= 24 else below((REST, first))
    if room.width < 100:
        return main
    left, right, *_ = dict.fromkeys(name for name in (*names, *registry.companions("sides")) if name in rest)
    return (
        in_columns((28, left), (REST, main), (38, right)) if room.width >= 130 else in_columns((28, left), (REST, main))
    )


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
    whole = room.width if split.beside else room.height
    fixed = sum(size for size, _ in split.parts)
    share = max(0, whole - fixed) // max(1, sum(size == REST for size, _ in split.parts))
    at = 0
    for wanted, part in split.parts:
        size = wanted or share
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
