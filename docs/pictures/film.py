"""A walk through the program as one SVG that moves: screenshots one after the other, each with the key that led to it.

What does not change from one to the next is in the file once. It moves by SMIL, as pictures in a README may: without
a script, for ever, and loading nothing; whoever does not move it shows its first screenshot.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from itertools import accumulate

from microgpt_tui.export.screenshot import Screenshot
from microgpt_tui.export.svg import CELL, LINE, backgrounds, file, text_elements

ROOM = 3  # lines below the screen, for the key and what it does


@dataclass(frozen=True, slots=True)
class Still:
    """A screenshot, how many seconds it is to be seen, and below it the key that was pressed and what that did."""

    shot: Screenshot
    seconds: float
    key: str
    says: str


def film(title: str, stills: list[Still]) -> str:
    """The file. All screenshots are of one size, in one theme."""
    first, ends = stills[0].shot, list(accumulate(still.seconds for still in stills))
    colours = first.colours
    layers: tuple[dict[str, list[int]], ...] = {}, {}, {}  # what is drawn, and on which stills it is
    under, over, below = layers
    for i, still in enumerate(stills):
        for y, line in enumerate(still.shot.lines):
            for drawn, where in ((backgrounds(line, y, colours.background), under), (text_elements(line, y), over)):
                for each in drawn:
                    where.setdefault(each, []).append(i)
        below.setdefault(_caption(still, len(first.lines)), []).append(i)
    groups = [group for layer in layers for group in _groups(layer, ends)]
    return file(title, first.width, len(first.lines) + ROOM, colours.background, "\n".join(groups))


def _groups(layer: dict[str, list[int]], ends: list[float]) -> Iterator[str]:
    """What is seen at the same times, together."""
    alike: dict[tuple[int, ...], list[str]] = {}
    for drawn, on in layer.items():
        alike.setdefault(tuple(dict.fromkeys(on)), []).append(drawn)
    for on, together in alike.items():
        yield f"<g{_moving(on, ends)}{''.join(together)}</g>"


def _moving(on: Iterable[int], ends: list[float]) -> str:
    """The rest of a group's tag: nothing for what is always there, else when it is."""
    seen = [i in set(on) for i in range(len(ends))]
    if all(seen):
        return ">"
    turns = [0, *(i for i in range(1, len(seen)) if seen[i] != seen[i - 1])]
    values = ";".join("visible" if seen[i] else "hidden" for i in turns)
    times = ";".join(f"{ends[i - 1] / ends[-1] if i else 0:.4g}" for i in turns)
    return (
        f' visibility="{"visible" if seen[0] else "hidden"}"><animate attributeName="visibility" calcMode="discrete" '
        f'dur="{ends[-1]:g}s" repeatCount="indefinite" values="{values}" keyTimes="{times}"/>'
    )


def _caption(still: Still, lines: int) -> str:
    """The key, drawn as one, and what it does, in the middle of the lines below the screen."""
    colours, y, height = still.shot.colours, (lines + 0.7) * LINE, 1.8 * LINE
    letters = 1.25  # as large as those of the screen, times this
    key, says = max(len(still.key) * letters + 2, 4) if still.key else 0, len(still.says) * letters
    x = (still.shot.width - key - 1 - says) / 2 * CELL
    cap = (
        f'<rect x="{x:g}" y="{y:g}" width="{key * CELL:g}" height="{height:g}" rx="6" fill="{colours.now}"/>'
        f'<text x="{x + key * CELL / 2:g}" y="{y + 1.3 * LINE:g}" text-anchor="middle" font-weight="bold" '
        f'fill="{colours.background}" textLength="{len(still.key) * CELL * letters:g}">{escape(still.key)}</text>'
    )
    words = (
        f'<text x="{x + (key + 1) * CELL:g}" y="{y + 1.3 * LINE:g}" fill="{colours.text}" '
        f'textLength="{says * CELL:g}">{escape(still.says)}</text>'
    )
    return f'<g font-size="{16.5 * letters:g}">{cap if still.key else ""}{words}</g>'
