"""The colours, by what they mean. Pictures name a meaning; only this file knows what it looks like.

The names are those of the theme in use; `use` changes them all at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.style import Style
from textual.theme import Theme


@dataclass(frozen=True, slots=True)
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
    heads: tuple[str, ...]
    ran: str
    at_work: str
    boxed: str
    code: str  # the syntax colouring of the source pane


DARK = Colours(
    dark=True, background="#14161b", panel="#20232c", border="#3a3f4d",
    text="#d7dae0", strong="#ffffff", dim="#8a90a0", faint="#565c6b",
    now="#ffd75f", done="#87c98f", target="#87e0a0", warning="#ff8f8f", plus="#f0a35e", minus="#5aa9f0",
    ramp_plus=("#241c18", "#ffb266"), ramp_minus=("#161e2a", "#6ebaff"),
    phases=("#87c98f", "#d3a4f9", "#f0a35e"),
    heads=("#7fd1ae", "#d3a4f9", "#f2d06b", "#8fc7ff", "#ff9e9e", "#b5e06a", "#f5b8e0", "#9ad9e6"),
    ran="#2d3140", at_work="#57502a", boxed="#4a4f5e", code="monokai",
)  # fmt: skip
LIGHT = Colours(
    dark=False, background="#fbfbf8", panel="#e9e9e4", border="#b9bcc4",
    text="#2b2f36", strong="#000000", dim="#5d636e", faint="#8d929c",
    now="#8a5a00", done="#1a6b2e", target="#0f6b35", warning="#b3161f", plus="#a84a00", minus="#0b56b3",
    ramp_plus=("#fbf0e6", "#a84a00"), ramp_minus=("#e9f1fb", "#0b56b3"),
    phases=("#1a6b2e", "#6d28a8", "#a84a00"),
    heads=("#0b6b52", "#6d28a8", "#7a5c00", "#0b56b3", "#b3161f", "#4a6b00", "#98266f", "#0a6678"),
    ran="#e6e8ee", at_work="#fbe9a8", boxed="#c9cdd8", code="friendly",
)  # fmt: skip
CONTRAST = Colours(
    dark=True, background="#000000", panel="#1c1c1c", border="#8c8c8c",
    text="#ffffff", strong="#ffffff", dim="#d6d6d6", faint="#a0a0a0",
    now="#ffff00", done="#5cff7a", target="#5cff7a", warning="#ff6b6b", plus="#ffb000", minus="#4dc3ff",
    ramp_plus=("#1a1000", "#ffc44d"), ramp_minus=("#00131f", "#7fd6ff"),
    phases=("#5cff7a", "#e0a3ff", "#ffb000"),
    heads=("#5cffc8", "#e0a3ff", "#ffe14d", "#7fc8ff", "#ff9e9e", "#c8ff5c", "#ffb3e6", "#8ff0ff"),
    ran="#333333", at_work="#5c5200", boxed="#5a5a5a", code="monokai",
)  # fmt: skip
THEMES = {"microgpt-dark": DARK, "microgpt-light": LIGHT, "microgpt-contrast": CONTRAST}


def textual_themes() -> list[Theme]:
    """The same themes for Textual's own widgets and for style sheets."""
    return [
        Theme(
            name=name, dark=c.dark, primary=c.now, secondary=c.minus, warning=c.now, error=c.warning, success=c.done,
            accent=c.now, foreground=c.text, background=c.background, surface=c.background, panel=c.panel,
            variables={"border": c.border, "border-blurred": c.border, "footer-key-foreground": c.now},
        )
        for name, c in THEMES.items()
    ]  # fmt: skip


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _ramp(ends: tuple[str, str], colours: Colours) -> list[Style]:
    """Ten backgrounds from the first end to the last, each with a text colour that can be read on it."""
    first, last = map(_rgb, ends)
    styles = []
    for level in range(10):
        red, green, blue = (round(a + (b - a) * level / 9) for a, b in zip(first, last, strict=True))
        styles.append(
            Style(
                color=colours.background if level > 5 else colours.text,
                bgcolor=f"#{red:02x}{green:02x}{blue:02x}",
            )
        )
    return styles


TEXT = STRONG = DIM = FAINT = NOW = NEW = DONE = TARGET = WARNING = PLUS = MINUS = Style()
HANGING = HANGING_BOXED = BOXED = FRESH = CURSOR = RAN = AT_WORK = Style()
PHASES: dict[str, Style] = {}
PHASE_TEXT: dict[str, Style] = {}
HEAT_PLUS: list[Style] = []
HEAT_MINUS: list[Style] = []
CODE = ""
_HEADS: list[Style] = []


def nearest(theme: Theme) -> str:
    """The project's theme that goes with any other one."""
    return theme.name if theme.name in THEMES else "microgpt-dark" if theme.dark else "microgpt-light"


def use(theme: str) -> None:
    """Let every name here mean what it means in a theme; an unknown one counts as the dark one."""
    c = THEMES.get(theme, DARK)
    phases = dict(zip(("forward", "backward", "update"), c.phases, strict=True))
    globals().update(
        TEXT=Style(color=c.text),
        STRONG=Style(color=c.strong, bold=True),
        DIM=Style(color=c.dim),
        FAINT=Style(color=c.faint),
        NOW=Style(color=c.background, bgcolor=c.now, bold=True),  # where we are: the current event, the current line
        NEW=Style(color=c.now, bold=True),  # what was made or changed just now
        DONE=Style(color=c.done),
        TARGET=Style(color=c.target, bold=True),
        WARNING=Style(color=c.warning, bold=True),
        PLUS=Style(color=c.plus),
        MINUS=Style(color=c.minus),
        HANGING=Style(color=c.minus, reverse=True),  # a negative bar: drawn from the top
        HANGING_BOXED=Style(color=c.strong, reverse=True),
        BOXED=Style(bgcolor=c.boxed),
        FRESH=Style(underline=True),  # a cell that the last step has made or changed
        CURSOR=Style(color=c.background, bgcolor=c.strong, bold=True),
        RAN=Style(bgcolor=c.ran),
        AT_WORK=Style(bgcolor=c.at_work),
        PHASES={phase: Style(color=c.background, bgcolor=colour, bold=True) for phase, colour in phases.items()},
        PHASE_TEXT={phase: Style(color=colour, bold=True) for phase, colour in phases.items()},
        HEAT_PLUS=_ramp(c.ramp_plus, c),
        HEAT_MINUS=_ramp(c.ramp_minus, c),
        CODE=c.code,
        _HEADS=[Style(color=colour, bold=True) for colour in c.heads],
    )


use("microgpt-dark")


def head(index: int) -> Style:
    """The colour of an attention head."""
    return _HEADS[index % len(_HEADS)]


def signed(value: float) -> Style:
    """The colour of a number's sign."""
    return PLUS if value > 0 else MINUS if value < 0 else DIM
