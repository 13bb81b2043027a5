"""A screenshot as SVG: one file that loads nothing, names no font that has to be there, and has no ids to clash."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape
from itertools import groupby

from microgpt_tui.export.screenshot import Look, Piece, Screenshot

CELL, LINE = 10, 19  # a cell's width and height; so high that frames close
SIZE, BASE = 16.5, 14.5  # of the letters: as wide as a cell in most fonts, and how far below the line's top they stand
MARGIN = 10
FONTS = (
    "'DejaVu Sans Mono', 'Liberation Mono', Menlo, Consolas, D2Coding, 'Noto Sans Mono CJK KR', "
    "'Noto Sans CJK KR', 'Malgun Gothic', monospace"
)


def svg(shot: Screenshot) -> str:
    """The whole file, or a part of an HTML page."""
    ground, lines = shot.colours.background, list(enumerate(shot.lines))
    drawn = [rect for y, line in lines for rect in backgrounds(line, y, ground)]
    drawn += [text for y, line in lines for text in text_elements(line, y)]
    return file(shot.title, shot.width, len(shot.lines), ground, "\n".join(drawn))


def file(title: str, columns: int, lines: int, ground: str, drawn: str) -> str:
    """The file around what `backgrounds` and `text_elements` have drawn, on a screen of so many cells."""
    width, height = columns * CELL + 2 * MARGIN, lines * LINE + 2 * MARGIN
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" \
viewBox="{-MARGIN} {-MARGIN} {width} {height}" role="img">
<title>{escape(title)}</title>
<rect x="{-MARGIN}" y="{-MARGIN}" width="{width}" height="{height}" fill="{ground}"/>
<g font-family="{FONTS}" font-size="{SIZE}" shape-rendering="crispEdges">
{drawn}
</g>
</svg>
"""


def backgrounds(line: Iterable[Piece], y: int, ground: str) -> Iterator[str]:
    """The backgrounds in line `y` that differ from the screen's `ground`."""
    for own, group in groupby(line, lambda piece: piece.look.background):
        pieces = list(group)
        if own != ground:
            x, end = pieces[0].x, pieces[-1].x + pieces[-1].width
            yield _rect(x, y * LINE, end - x, LINE, f' fill="{own}"')


def text_elements(line: Iterable[Piece], y: int) -> Iterator[str]:
    """One group for what looks alike and stands together in line `y`."""
    for look, group in groupby(line, lambda piece: piece.look):
        drawn = "".join(text for piece in group for text in _piece(piece, y * LINE))
        if drawn:
            yield f"<g {_attributes(look)}>{drawn}</g>"


def _piece(piece: Piece, y: int) -> Iterator[str]:
    """A piece of the line at `y`, in just its cells."""
    text, x = piece.text, piece.x
    if piece.bar is not None:
        width, height = piece.bar
        bars = [(x, piece.width)] if width == 1 else [(x + i, width) for i in range(piece.width)]
        for left, across in bars:
            yield _rect(left, y + (1 - height) * LINE, across, height * LINE)
        if piece.look.underlined:
            yield _rect(x, y + LINE - 1, piece.width, 1)
    elif not text.isascii():
        # What frames are made of is stretched, so that they have no gaps; a wide character stays as it is.
        stretched = f' textLength="{piece.width * CELL}" lengthAdjust="spacingAndGlyphs"'
        yield _text(text, x, y, stretched if piece.width == len(text) else "")
    elif piece.look.underlined:
        yield _text(text.replace(" ", "\N{NO-BREAK SPACE}"), x, y, f' textLength="{piece.width * CELL}"')
    else:  # a viewer may make one space of many
        for words in re.finditer(r"[^ ]+(?: [^ ]+)*", text):
            yield _text(words[0], x + words.start(), y, f' textLength="{len(words[0]) * CELL}"')


def _rect(x: float, y: float, width: float, height: float, more: str = "") -> str:
    """`x` and `width` are in cells."""
    return f'<rect x="{x * CELL:g}" y="{y:g}" width="{width * CELL:g}" height="{height:g}"{more}/>'


def _text(text: str, x: int, y: int, how: str) -> str:
    return f'<text x="{x * CELL}" y="{y + BASE:g}"{how}>{escape(text, quote=False)}</text>'


def _attributes(look: Look) -> str:
    attributes = [f'fill="{look.colour}"']
    attributes += ['font-weight="bold"'] if look.bold else []
    attributes += ['font-style="italic"'] if look.italic else []
    attributes += ['text-decoration="underline"'] if look.underlined else []
    return " ".join(attributes)
