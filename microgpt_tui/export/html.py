"""A screenshot as an HTML page without scripts or other files."""

from __future__ import annotations

from html import escape

from microgpt_tui.drawing.look import Look
from microgpt_tui.export.screenshot import Piece, Screenshot
from microgpt_tui.export.svg import FONTS

# A cell is as wide as the font's 0; a character that comes from another font is put into its cells nevertheless.
STYLE = f"""\
.screen {{ font: 15px/17px {FONTS}; margin: 0; padding: 10px; width: max-content; }}
.screen span {{ display: inline-block; height: 17px; vertical-align: top; overflow: hidden; white-space: pre; }}
"""


def html(shot: Screenshot) -> str:
    """The whole file."""
    colours = f"color:{shot.colours.text};background:{shot.colours.background}"
    lines = "\n".join(_line(line, shot) for line in shot.lines)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{escape(shot.title)}</title>
<style>
{STYLE}</style>
</head>
<body style="margin: 0; background: {shot.colours.background}">
<pre class="screen" style="{colours}">{lines}</pre>
</body>
</html>
"""


def _line(line: tuple[Piece, ...], shot: Screenshot) -> str:
    plain = Look(shot.colours.text, shot.colours.background)
    return "".join(_span(piece, plain) for piece in line).rstrip(" ")


def _span(piece: Piece, plain: Look) -> str:
    style, text = _style(piece, plain), escape(piece.text, quote=False)
    return text if piece.text.isascii() and not style else f'<span style="width:{piece.width}ch{style}">{text}</span>'


def _style(piece: Piece, plain: Look) -> str:
    """The CSS rules that differ from the plain look."""
    look, rules = piece.look, []
    if piece.bar is not None:
        rules += ["color:transparent", f"background:{_filled(look, *piece.bar)}"]
    else:
        rules += [f"color:{look.colour}"] if look.colour != plain.colour else []
        rules += [f"background:{look.background}"] if look.background != plain.background else []
    rules += ["font-weight:bold"] if look.bold else []
    rules += ["font-style:italic"] if look.italic else []
    rules += [f"text-decoration:underline {look.colour}"] if look.underlined else []
    return "".join(f";{each}" for each in rules)


def _filled(look: Look, width: float, height: float) -> str:
    """The background of cells that are filled to this width and height, 0 to 1."""
    if width == height:
        return look.colour
    way, part = ("top", height) if width == 1 else ("right", width)
    return f"linear-gradient(to {way},{look.colour} {part:.1%},{look.background} 0) 0/1ch"
