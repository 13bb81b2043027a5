"""`JoinAddress`: where an audience finds the lecture; and its QR code, drawn in half blocks."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence

from rich.style import Style

from engine.immutable import immutable

SIGNS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Those of a code: none that looks like another one."""
LENGTH = 6  # of a code
LIGHT = Style(color="#ffffff", bgcolor="#000000")  # of a QR code, whatever the theme: readers want dark on light
QUIET = 4, 3, 2  # modules around a QR code: as many as the standard wants, and fewer, which readers take as well


@immutable
class JoinAddress:
    """The address of the page, and the code that it asks for, if it asks for one."""

    url: str
    code: str | None

    @property
    def link(self) -> str:
        """The address with the code in it, for those who need not type it."""
        return self.url if self.code is None else f"{self.url}?code={self.code}"


def new_code() -> str:
    """A code that nobody guesses in the time of a lecture."""
    return "".join(secrets.choice(SIGNS) for _ in range(LENGTH))


def qr_code(text: str, width: int, height: int) -> list[str]:
    """The QR code of a text as lines in at most so many cells: dark is blank, light is a block, as large as it can be.

    Empty where there is no room for it.
    """
    import segno

    modules = segno.make(text, micro=False).matrix

    def scale(quiet: int) -> int:
        size = len(modules) + 2 * quiet
        return min(width // size, 2 * height // size)

    quiet = max(QUIET, key=scale)
    return list(_half_blocks(_scaled(modules, quiet, scale(quiet)))) if scale(quiet) else []


def _scaled(modules: Sequence[Sequence[int]], quiet: int, scale: int) -> list[list[bool]]:
    """Whether each point is light."""
    size = len(modules) + 2 * quiet

    def light(y: int, x: int) -> bool:
        inside = quiet <= y < size - quiet and quiet <= x < size - quiet
        return not (inside and modules[y - quiet][x - quiet])

    return [[light(y // scale, x // scale) for x in range(size * scale)] for y in range(size * scale)]


def _half_blocks(points: list[list[bool]]) -> Iterator[str]:
    """Two rows of points a line."""
    if len(points) % 2:
        points = [*points, [True] * len(points[0])]
    for upper, lower in zip(points[::2], points[1::2], strict=True):
        yield "".join(" ▄▀█"[2 * a + b] for a, b in zip(upper, lower, strict=True))
