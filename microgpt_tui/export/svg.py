"""A screenshot as SVG: one file that loads nothing, names no font that has to be there, and has no ids to clash."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape
from itertools import groupby

from microgpt_tui.drawing.look import Look
from microgpt_tui.export.screenshot import Piece, Screenshot

CELL, LINE = 10, 19  # a cell's width and height; so high that frames close
SIZE, BASE = 16.5, 14.5  # of the letters: as wide as a cell in most fonts, and how far below the line's top they stand
MARGIN = 10
FONTS = (
    "'DejaVu Sans Mono', 'Liberation Mono', Menlo, Consolas, D2Coding, 'Noto Sans Mono CJK KR', "
    "'Noto Sans CJK KR', 'Malgun Gothic', monospace"
)


Drawn = tuple[str, str]
"""What is drawn at a place: its look, and an element or, of a background, a part of a path."""


def svg(shot: Screenshot) -> str:
    """The whole file, or a part of an HTML page."""
    drawn = [background_group(backgrounds(shot)), text_group(drawn_texts(shot))]
    return file(shot.title, shot.width, len(shot.lines), shot.colours.background, "\n".join(drawn))


def file(title: str, columns: int, lines: int, ground: str, drawn: str) -> str:
    """The file around the groups that are drawn, on a screen of so many cells."""
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


def backgrounds(shot: Screenshot) -> Iterator[Drawn]:
    """The backgrounds that differ from the screen's, each as its colour and a line through its cells."""
    for y, line in enumerate(shot.lines):
        for own, group in groupby(line, lambda piece: piece.look.background):
            pieces = list(group)
            if own != shot.colours.background:
                x, end = pieces[0].x, pieces[-1].x + pieces[-1].width
                yield own, f"M{x} {y}h{end - x}"


def drawn_texts(shot: Screenshot) -> Iterator[Drawn]:
    """The texts, and the bars among them, each as its look and an element."""
    for y, line in enumerate(shot.lines):
        for piece in line:
            look = _attributes(piece.look)
            for element in _piece(piece, y * LINE):
                yield look, element


def background_group(drawn: Iterable[Drawn]) -> str:
    """Backgrounds, those of one colour as one path. Its unit is a cell, its lines are as thick as one is high."""
    paths = "".join(f'<path stroke="{colour}" d="{"".join(parts)}"/>' for colour, parts in _alike(drawn))
    return f'<g transform="scale({CELL} {LINE})translate(0 .5)">{paths}</g>'


def text_group(drawn: Iterable[Drawn]) -> str:
    """Texts, those that look alike together."""
    return "".join(f"<g {look}>{''.join(elements)}</g>" for look, elements in _alike(drawn))


def _alike(drawn: Iterable[Drawn]) -> Iterable[tuple[str, list[str]]]:
    """What has the same look, together."""
    found: dict[str, list[str]] = {}
    for look, part in drawn:
        found.setdefault(look, []).append(part)
    return found.items()


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
            stretched = f' textLength="{len(words[0]) * CELL}"' if len(words[0]) > 1 else ""
            yield _text(words[0], x + words.start(), y, stretched)


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
