"""`Look`: how text looks, in colours that any page can show."""

from __future__ import annotations

from rich.style import Style

from engine.immutable import immutable
from microgpt_tui.drawing.theme import Colours


@immutable
class Look:
    """How text looks; colours as `#rrggbb`, whatever the terminal could have shown."""

    colour: str
    background: str
    bold: bool = False
    italic: bool = False
    underlined: bool = False

    @classmethod
    def of(cls, style: Style, colours: Colours) -> Look:
        """The look of a style on a screen of these colours."""
        text = style.color.get_truecolor().hex if style.color and not style.color.is_default else colours.text
        ground = (
            style.bgcolor.get_truecolor().hex if style.bgcolor and not style.bgcolor.is_default else colours.background
        )
        if style.reverse:
            text, ground = ground, text
        return cls(text, ground, bool(style.bold), bool(style.italic), bool(style.underline))
