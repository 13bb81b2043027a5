"""The colours, by what they mean. Pictures name a meaning; only this file knows what it looks like.

The names are those of the theme in use; `use` changes them all at once.
"""

from __future__ import annotations

from rich.style import Style
from textual.theme import Theme

from engine.immutable import immutable
from microgpt_tui.drawing.highlighted_code import CodeStyles


@immutable
class Colours:
    """What one theme is made of: texts from loud to quiet, the sign colours, and both ends of their ramps."""

    dark: bool
    background: str
    panel: str
    border: str
    text: str
    strong: str
    dim: str
    faint: str
    now: str
    done: str
    target: str
    warning: str
    plus: str
    minus: str
    ramp_plus: tuple[str, str]
    ramp_minus: tuple[str, str]
    phases: tuple[str, str, str]
    marker: str  # the background of what is here: the same yellow, behind text
    here_bar: str  # a bar of what is here: the same yellow, as bright as it can be seen
    ran: str
    at_work: str
    boxed: str
    code: tuple[str, ...]  # of the parts of source code, as `CodeStyles` has them


DARK = Colours(
    dark=True, background="#14161b", panel="#20232c", border="#676e7f",
    text="#d7dae0", strong="#ffffff", dim="#9aa0b0", faint="#6f7686",
    now="#ffd75f", done="#87c98f", target="#87e0a0", warning="#ff8f8f", plus="#f0a35e", minus="#5aa9f0",
    ramp_plus=("#241c18", "#ffb266"), ramp_minus=("#161e2a", "#6ebaff"),
    phases=("#87c98f", "#d3a4f9", "#6fd6e0"),
    marker="#ffd75f", here_bar="#ffd75f",
    ran="#2d3140", at_work="#57502a", boxed="#4a4f5e",
    code=("#f8f8f2", "#66d9ef", "#a6e22e", "#a6e22e", "#ff6c9c", "#b592ff", "#e6db74", "#a39e8c"),
)  # fmt: skip
LIGHT = Colours(
    dark=False, background="#fbfbf8", panel="#e9e9e4", border="#7f848e",
    text="#2b2f36", strong="#000000", dim="#565c67", faint="#7d838d",
    now="#826300", done="#1a6b2e", target="#00703f", warning="#b01040", plus="#b54200", minus="#0b56b3",
    ramp_plus=("#fbf0e6", "#a84a00"), ramp_minus=("#e9f1fb", "#0b56b3"),
    phases=("#1a6b2e", "#6d28a8", "#006b75"),
    marker="#ffd000", here_bar="#b58a00",
    ran="#e6e8ee", at_work="#fbe9a8", boxed="#c9cdd8",
    code=("#000000", "#00661d", "#00661d", "#06287e", "#555555", "#20653f", "#335f8f", "#3c6d7b"),
)  # fmt: skip
CONTRAST = Colours(
    dark=True, background="#000000", panel="#1c1c1c", border="#8c8c8c",
    text="#ffffff", strong="#ffffff", dim="#d6d6d6", faint="#a0a0a0",
    now="#ffff00", done="#5cff7a", target="#a8ff9e", warning="#ff6b6b", plus="#ffb000", minus="#4dc3ff",
    ramp_plus=("#1a1000", "#ffc44d"), ramp_minus=("#00131f", "#7fd6ff"),
    phases=("#5cff7a", "#e0a3ff", "#5cf2e6"),
    marker="#ffff00", here_bar="#ffff00",
    ran="#333333", at_work="#5c5200", boxed="#5a5a5a",
    code=("#f8f8f2", "#66d9ef", "#a6e22e", "#a6e22e", "#ff8fb4", "#c9b0ff", "#e6db74", "#b8b3a0"),
)  # fmt: skip
THEMES = {"microgpt-dark": DARK, "microgpt-light": LIGHT, "microgpt-contrast": CONTRAST}


def textual_themes() -> list[Theme]:
    """The same themes for Textual's own widgets and for style sheets."""
    return [
        Theme(
            name=name, dark=c.dark, primary=c.now, secondary=c.minus, warning=c.now, error=c.warning, success=c.done,
            accent=c.now, foreground=c.text, background=c.background, surface=c.background, panel=c.panel,
            variables={"border": c.border, "border-blurred": c.border, "footer-key-foreground": c.strong},
        )
        for name, c in THEMES.items()
    ]  # fmt: skip


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _between(first: str, last: str, share: float) -> str:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(_rgb(first), _rgb(last), strict=True))
    return f"#{red:02x}{green:02x}{blue:02x}"


def _ramp(ends: tuple[str, str], colours: Colours, strength: float = 1.0) -> list[Style]:
    """Backgrounds from the first end to the last, each with a text colour that can be read on it.

    Less `strength` brings all of them nearer to the theme's background.
    """
    backs = (_between(*ends, level / (LEVELS - 1)) for level in range(LEVELS))
    return [_on(_between(colours.background, back, strength)) for back in backs]


def _on(back: str) -> Style:
    """A background with black or white text, whichever can be read better on it."""
    texts = ("#000000", "#ffffff")
    return Style(color=max(texts, key=lambda text: contrast(text, back)), bgcolor=back)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, from 1 to 21. Source: WCAG 2.2, "contrast ratio" and "relative luminance"."""
    low, high = sorted(map(_luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in _rgb(colour))]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


TEXT = STRONG = DIM = FAINT = NOW = NEW = DONE = TARGET = WARNING = PLUS = MINUS = Style()
HANGING = HANGING_BOXED = HANGING_HERE = BOXED = FRESH = FADING = CURSOR = HERE_CELL = RAN = AT_WORK = Style()
EXPRESSION = HERE_BAR = LIT_PLUS = LIT_MINUS = Style()
PHASES: dict[str, Style] = {}
PHASE_TEXT: dict[str, Style] = {}
LEVELS = 16  # shades of each sign
FADED = 0.4  # how much of its colour a row keeps that is not at work
HEAT_PLUS: list[Style] = []
HEAT_MINUS: list[Style] = []
FADED_PLUS: list[Style] = []
FADED_MINUS: list[Style] = []
CODE = CodeStyles(*[Style()] * 8)
BACKGROUND = ""
signs_only = False  # whether cells have to tell their sign and size by characters: there are too few colours for it


def nearest(theme: Theme) -> str:
    """The project's theme that goes with any other one."""
    return theme.name if theme.name in THEMES else "microgpt-dark" if theme.dark else "microgpt-light"


def few_colours(signs: bool) -> None:
    """Say whether cells tell sign and size by characters: without colours, and with sixteen of them."""
    globals()["signs_only"] = signs


def use(theme: str) -> None:
    """Let every name here mean what it means in a theme; an unknown one counts as the dark one."""
    c = THEMES.get(theme, DARK)
    phases = dict(zip(("forward", "backward", "update"), c.phases, strict=True))
    globals().update(
        TEXT=Style(color=c.text),
        STRONG=Style(color=c.strong, bold=True),
        DIM=Style(color=c.dim),
        FAINT=Style(color=c.faint),
        NOW=Style(color="#000000", bgcolor=c.marker, bold=True),  # where we are: the current event, the current line
        NEW=Style(color=c.now, bold=True),  # what was made or changed just now
        HERE_BAR=Style(color=c.here_bar, bold=True),
        DONE=Style(color=c.done),
        TARGET=Style(color=c.target, bold=True),
        WARNING=Style(color=c.warning, bold=True),
        PLUS=Style(color=c.plus),
        MINUS=Style(color=c.minus),
        LIT_PLUS=Style(color=c.plus, bold=True),  # a cell that is told by characters, of a row at work
        LIT_MINUS=Style(color=c.minus, bold=True),
        HANGING=Style(color=c.minus, reverse=True),  # a negative bar: drawn from the top
        HANGING_HERE=Style(color=c.here_bar, bold=True, reverse=True),
        HANGING_BOXED=Style(color=c.strong, reverse=True),
        BOXED=Style(bgcolor=c.boxed),
        FRESH=Style(underline=True),  # a cell that the last step has made or changed
        FADING=Style(color=c.dim),  # the edges of such a cell, a moment later
        CURSOR=Style(color=c.background, bgcolor=c.strong, bold=True),
        RAN=Style(bgcolor=c.ran),
        AT_WORK=Style(bgcolor=c.at_work),
        EXPRESSION=Style(bgcolor=c.at_work, bold=True, underline=True),  # the part of a line that is at work
        PHASES={phase: Style(color=c.background, bgcolor=colour, bold=True) for phase, colour in phases.items()},
        PHASE_TEXT={phase: Style(color=colour, bold=True) for phase, colour in phases.items()},
        HERE_CELL=Style(color=c.marker if c.dark else "#000000", bgcolor="#000000" if c.dark else c.marker, bold=True),
        HEAT_PLUS=_ramp(c.ramp_plus, c),
        HEAT_MINUS=_ramp(c.ramp_minus, c),
        FADED_PLUS=_ramp(c.ramp_plus, c, FADED),
        FADED_MINUS=_ramp(c.ramp_minus, c, FADED),
        CODE=CodeStyles(*(Style(color=colour) for colour in c.code)),
        BACKGROUND=c.background,
    )


use("microgpt-dark")


def signed(value: float) -> Style:
    """The colour of a number's sign."""
    return PLUS if value > 0 else MINUS if value < 0 else DIM
