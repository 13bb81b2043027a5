"""How gradient checks look, and which scalars stand beside one. Pure; all numbers are the engine's."""

from __future__ import annotations

import math
from itertools import takewhile

import numpy as np
from rich.style import Style
from rich.text import Text

from engine.autograd.tape import Rows
from engine.explain.scalar import Explainer
from engine.run.gradcheck import CheckedGradient, Summary
from engine.timeline.view import View
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import bar

LABEL = 31  # cells
BAR = 28


def family(view: View, row: int) -> tuple[str, Rows]:
    """The matrix, (rows, columns), or the tensor, (n,), that a scalar belongs to or is on the way to, and its name."""
    place = view.recording.matrix_of(row)
    if place is not None:
        return place[0], view.recording.matrices[place[0]]
    tensor = Explainer(view).tensor(row)
    if tensor is None:  # a constant
        return "it", np.array([row], dtype=np.int32)
    return tensor.name + ("" if tensor.pos is None else f" at position {tensor.pos}"), np.atleast_1d(tensor.rows)


def neighbour(view: View, row: int, dx: int, dy: int) -> int:
    """The scalar beside one in its matrix, or before or after it in its tensor or on the tape; itself at an edge."""
    _, rows = family(view, row)
    place = np.argwhere(rows == row)
    if not len(place):
        following = view.program.rows[view.recording.live[view.program.rows]]
        at = int(following.searchsorted(row)) + dx + dy
        return int(following[min(max(at, 0), len(following) - 1)])
    moved = place[0] + ([dy, dx] if rows.ndim == 2 else [dx + dy])
    return int(rows[tuple(np.clip(moved, 0, np.array(rows.shape) - 1))])


def check_text(check: CheckedGradient, own_h: bool) -> Text:
    """One check, a number a line. `own_h`: h is not the default any more."""
    text = Text()
    _row(text, "value x", f"{check.value!r}")
    _row(text, "h", f"{check.h:.4g}", "" if own_h else "  ∛ε · max(1, |x|), ε = 2⁻⁵²")
    _row(text, "loss(x + h)", f"{check.loss_plus!r}")
    _row(text, "loss(x − h)", f"{check.loss_minus!r}")
    text.append("\n")
    pair = f"{check.finite_difference:+.15e}", f"{check.gradient:+.15e}"
    for label, figure in zip(("(loss(x + h) − loss(x − h)) / 2h", "gradient"), pair, strict=True):
        same = len(list(takewhile(lambda both: both[0] == both[1], zip(*pair, strict=True)))) if _alike(*pair) else 0
        text.append(label.ljust(LABEL + 2), theme.DIM)
        text.append(figure[:same], theme.STRONG + Style(underline=True)).append(f"{figure[same:]}\n", theme.TEXT)
    _row(text, "difference", f"{check.difference:+.2e}")
    _row(text, "difference, relative", f"{check.relative:.1e}", "  of the larger of the two")
    return text.append(f"\n{gradient_remark(check)}", theme.WARNING if check.kinks or check.unmoved else theme.DIM)


def gradient_remark(check: CheckedGradient) -> str:
    """What there is to know before judging the two numbers."""
    if check.unmoved:
        return "h is so small that x + h or x − h is x again: + makes it larger."
    if check.kinks:
        first, more = check.kinks[0], len(check.kinks) - 1
        others = f" (and {more} more)" if more else ""
        return (
            f"The ReLU unit {first}{others} is on at one end and off at the other: the loss has a corner in between, "
            "so the two numbers may honestly differ. − makes h smaller."
        )
    if check.loss_plus == check.loss_minus:
        return "The loss is the same at both ends, to the last bit."
    return "A larger h (+) cuts off more of the curve; a smaller one (−) loses digits when the losses are subtracted."


def summary_text(summary: Summary, of: int) -> Text:
    """Many checks: how far they are, the largest difference, and how many relative differences of each size."""
    text, done = Text(), summary.count / of
    text.append("━" * round(done * 50), theme.DONE).append("━" * (50 - round(done * 50)), theme.FAINT)
    text.append(f"  {summary.count:,} of {of:,}\n", theme.STRONG)
    if summary.largest is not None:
        _row(text, "largest difference", f"{summary.largest.difference:+.2e}")
        _row(text, "at", summary.largest.name)
    _row(text, "with a ReLU corner within h", f"{summary.kinked:,}")
    text.append("\nrelative difference, of the larger of the two\n", theme.DIM)
    lowest, highest = min(summary.decades, default=0), max(summary.decades, default=-1)
    bins = [(f"1e{n:+d} to 1e{n + 1:+d}", summary.decades.get(n, 0)) for n in range(lowest, highest + 1)]
    bins = [("0: equal to the last bit", summary.equal), *bins, ("no number", summary.unknown)]
    most = max(count for _, count in bins)
    for label, count in bins:
        if count or label.startswith("1e"):
            text.append(f"  {label:<{LABEL - 2}}{count:>7,} ", theme.TEXT)
            text.append(f"{bar(count, most, BAR).rstrip()}\n", theme.PLUS)
    text.rstrip()
    return text


def _row(text: Text, label: str, figure: str, note: str = "") -> None:
    text.append(label.ljust(LABEL + 2), theme.DIM).append(figure, theme.TEXT).append(f"{note}\n", theme.DIM)


def _alike(one: str, other: str) -> bool:
    """Whether two figures have the same power of ten, so that their digits can be compared."""
    return math.isfinite(float(one)) and one.partition("e")[2] == other.partition("e")[2]
