"""The colours, by what they mean. Pictures name a meaning; only this file knows what it looks like."""

from __future__ import annotations

from rich.style import Style

POSITIVE, NEGATIVE = "#f0a35e", "#5aa9f0"
_HEADS = ("#7fd1ae", "#d3a4f9", "#f2d06b", "#8fc7ff", "#ff9e9e", "#b5e06a", "#f5b8e0", "#9ad9e6")

TEXT = Style(color="#d7dae0")
STRONG = Style(color="#ffffff", bold=True)
DIM = Style(color="#8a90a0")
FAINT = Style(color="#565c6b")
NOW = Style(color="#14161b", bgcolor="#ffd75f", bold=True)  # where we are: the current event, the current line
NEW = Style(color="#ffd75f", bold=True)  # what was made or changed just now
DONE = Style(color="#87c98f")
SELECTED = Style(color="#ffffff", bold=True, underline=True)
TARGET = Style(color="#87e0a0", bold=True)
WARNING = Style(color="#ff8f8f", bold=True)
PLUS = Style(color=POSITIVE)
MINUS = Style(color=NEGATIVE)
CURSOR = Style(color="#14161b", bgcolor="#ffffff", bold=True)
PHASES = {
    "forward": Style(color="#14161b", bgcolor="#87c98f", bold=True),
    "backward": Style(color="#14161b", bgcolor="#d3a4f9", bold=True),
    "update": Style(color="#14161b", bgcolor="#f0a35e", bold=True),
}
PHASE_TEXT = {
    "forward": Style(color="#87c98f", bold=True),
    "backward": Style(color="#d3a4f9", bold=True),
    "update": Style(color="#f0a35e", bold=True),
}


def _ramp(dark: tuple[int, int, int], bright: tuple[int, int, int]) -> list[Style]:
    """Ten backgrounds, ever brighter, each with a text colour that can be read on it."""
    styles = []
    for level in range(10):
        red, green, blue = (round(d + (b - d) * level / 9) for d, b in zip(dark, bright, strict=True))
        text = "#14161b" if level > 5 else "#d7dae0"
        styles.append(Style(color=text, bgcolor=f"#{red:02x}{green:02x}{blue:02x}"))
    return styles


HEAT_PLUS, HEAT_MINUS = _ramp((36, 28, 24), (255, 178, 102)), _ramp((22, 30, 42), (110, 186, 255))


def head(index: int) -> Style:
    """The colour of an attention head."""
    return Style(color=_HEADS[index % len(_HEADS)], bold=True)


def signed(value: float) -> Style:
    """The colour of a number's sign."""
    return PLUS if value > 0 else MINUS if value < 0 else DIM
