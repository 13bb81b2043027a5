"""A film as an asciicast, version 2: what a terminal is sent, and when; asciinema and its players show it.

A frame is sent as the cells that differ from the frame before. Every colour is written out, so that it looks the same
in a terminal with colours of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby, zip_longest

from rich.cells import cell_len

from microgpt_tui.drawing.look import Look
from microgpt_tui.drawing.theme import Colours
from microgpt_tui.export.film import FilmFrame
from microgpt_tui.export.screenshot import Piece

BEGIN = "\x1b[?25l\x1b[2J"  # no cursor, an empty screen
END = "\x1b[0m\x1b[?25h"  # as a shell needs it; it goes on below the screen, where there is room
Cell = tuple[str, Look]
"""The character of a cell, with its accents, and how it looks; no character in the second cell of a wide one."""
Cells = list[list[Cell]]


def cast(title: str, frames: Sequence[FilmFrame]) -> str:
    """The file. All frames are of one size, in one theme."""
    first = frames[0].shot
    height, colours = len(first.lines), first.colours
    header = {
        "version": 2,
        "width": first.width,
        "height": height,
        "title": title,
        "env": {"TERM": "xterm-256color"},
        "theme": {"fg": colours.text, "bg": colours.background, "palette": _palette(colours)},
    }
    lines = [json.dumps(header, ensure_ascii=False)]
    before: Cells = [[] for _ in first.lines]
    for frame in frames:
        now = [_cells(line) for line in frame.shot.lines]
        sent = "".join(_changes(before, now))
        lines.append(_event(frame.begin, sent if lines[1:] else BEGIN + sent))
        before = now
    lines.append(_event(frames[-1].end, f"{END}\x1b[{height + 1};1H"))
    return "\n".join(lines) + "\n"


def _event(seconds: float, sent: str) -> str:
    return json.dumps([round(seconds, 3), "o", sent], ensure_ascii=False)


def _cells(line: Sequence[Piece]) -> list[Cell]:
    cells: list[Cell] = []
    for piece in line:
        for character in piece.text:
            width = cell_len(character)
            if width:
                cells += [(character, piece.look), *[("", piece.look)] * (width - 1)]
            elif cells:  # an accent belongs to the letter before it
                place = next(i for i in range(len(cells) - 1, -1, -1) if cells[i][0])
                cells[place] = cells[place][0] + character, cells[place][1]
    return cells


def _changes(before: Cells, now: Cells) -> Iterator[str]:
    """What makes the screen that shows `before` show `now`."""
    look: Look | None = None
    for y, (old, new) in enumerate(zip(before, now, strict=True)):
        x = 0
        pairs = zip_longest(old[: len(new)], new)
        for same, group in groupby(pairs, lambda pair: pair[0] == pair[1]):
            cells = [cell for _, cell in group]
            if not same:
                yield f"\x1b[{y + 1};{x + 1}H"
                for own, alike in groupby(cells, lambda cell: cell[1]):
                    yield _styled(look, own) + "".join(character for character, _ in alike)
                    look = own
            x += len(cells)


def _styled(before: Look | None, look: Look) -> str:
    """What lets the terminal write in a look, when it has written in the one before."""

    def kind(look: Look) -> tuple[bool, ...]:
        return look.bold, look.italic, look.underlined

    codes = []
    if before is None or kind(before) != kind(look):
        codes += ["0", *(code for code, on in zip("134", kind(look), strict=True) if on)]
        before = None
    if before is None or before.colour != look.colour:
        codes.append(f"38;2;{_rgb(look.colour)}")
    if before is None or before.background != look.background:
        codes.append(f"48;2;{_rgb(look.background)}")
    return f"\x1b[{';'.join(codes)}m" if codes else ""


def _rgb(colour: str) -> str:
    return ";".join(str(part) for part in bytes.fromhex(colour.removeprefix("#")))


def _palette(colours: Colours) -> str:
    """What the header has to name, though no cell is drawn in it: black, red, green, yellow and so on to white."""
    _, purple, cyan = colours.phases
    eight = (colours.background, colours.warning, colours.done, colours.now, colours.minus, purple, cyan, colours.text)
    return ":".join(eight)
