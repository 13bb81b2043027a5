"""Numbers as text: always with their sign, in few characters, the same number always the same way."""

from __future__ import annotations

import math

from microgpt_tui.texts.say import say

UNKNOWN = "·"


def number(value: float | None, digits: int = 4) -> str:
    """Such as +0.0341, -12.5, +9.7e-08, 0; a dot for what is not known."""
    if value is None:
        return UNKNOWN
    if value == 0:
        return "0"
    if not math.isfinite(value):
        return f"{value:+}"
    size = abs(value)
    if size < 10**-digits * 5 or size >= 10000:
        return f"{value:+.{max(digits - 3, 1)}e}".replace("e-0", "e-").replace("e+0", "e+")
    whole = len(str(int(size)))
    return f"{value:+.{max(digits + 1 - whole, 1)}f}"


def brief(value: float, width: int) -> str:
    """As `number`, with as few digits as it takes to stay within `width` characters (six at the least)."""
    for text in (number(value, 3), number(value, 2), f"{value:+.0e}".replace("e-0", "e-").replace("e+0", "e+")):
        if len(text) <= width:
            return text
    return say("drawing.numbers.big" if abs(value) > 1 else "drawing.numbers.tiny")


def exact(value: float | None) -> str:
    """All the digits that tell this float from its neighbours."""
    return UNKNOWN if value is None else repr(float(value))


def plain(value: float | None, digits: int = 4) -> str:
    """Like `number`, without the plus: for what cannot be negative."""
    return number(value, digits).removeprefix("+")


def share(part: float, whole: float) -> str:
    """A part in percent of the whole: it may be more than all of it, or work against it. Nothing is no part."""
    if not whole or not math.isfinite(part / whole):
        return ""
    return f"{100 * part / whole + 0.0:+.1f}%"  # and no -0


def percent(share: float | None) -> str:
    """A probability, or a share of 1, in percent: 18.1%."""
    return UNKNOWN if share is None else f"{100 * share:.1f}%"


def small_percent(share: float) -> str:
    """A probability that may be very small, in percent: as `percent`, below 1% with two digits that are not 0."""
    return percent(share) if share >= 0.01 or not share else f"{plain(100 * share, 2)}%"


def points(difference: float) -> str:
    """A move of a probability, in percent of 1 as probabilities are."""
    text = f"{100 * difference:+.1f}%"
    return text if text[1:] != "0.0%" else f"{100 * difference:+.0e}%".replace("e-0", "e-")


def exponent(scale: float) -> int:
    """The power of ten that a tensor's title takes out of its numbers, so that they can be read: 0 from 0.01 on."""
    return 0 if scale >= 0.01 or scale == 0 or not math.isfinite(scale) else math.floor(math.log10(scale))


def scaled(value: float | None, power: int) -> str:
    """A number in a tensor whose title takes out ten to the `power`: two decimals then, as `number` without one."""
    return number(value) if not power or value is None else f"{value / 10**power:+.2f}"
