"""Screens as an audience gets them: the rows of a screenshot, and what has changed from one to the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from microgpt_tui.export.screenshot import Screenshot


def rows(shot: Screenshot) -> dict[str, Any]:
    """The size and the rows."""
    changes: dict[str, Any] = {"size": [shot.width, len(shot.lines)]}
    for y, line in enumerate(shot.lines):
        runs: list[list[str]] = []
        for piece in line:
            look = piece.look
            flags = "b" * look.bold + "i" * look.italic + "u" * look.underlined
            style = f"{look.colour}/{look.background}/{flags}"
            if runs and runs[-1][1] == style:
                runs[-1][0] += piece.text
            else:
                runs.append([piece.text, style])
        changes[f"row/{y}"] = runs
    return changes


def differences(shots: Iterable[Screenshot]) -> Iterator[dict[str, Any]]:
    """The changes that lead from each screenshot to the next, beginning with nothing."""
    before: dict[str, Any] = {}
    for shot in shots:
        now = rows(shot)
        gone = {key: None for key in before if key not in now}
        yield {key: value for key, value in now.items() if before.get(key) != value} | gone
        before = now
