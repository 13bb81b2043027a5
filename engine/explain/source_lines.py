"""Which line of the engine did it: recorded on the tape for the forward phase, watched for the other two.

The compiled kernels leave no trace, so the same functions are run as plain Python for one tick, on a scrap of the
arrays, and the lines that run are noted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from engine.autograd import kernels
from engine.autograd.kernels import LEAF
from engine.timeline.events import Event, Phase
from engine.timeline.explainer import SourceLine
from engine.timeline.view import TapeView

KERNELS = Path(kernels.__file__)


def source_line(view: TapeView, event: Event | None = None) -> SourceLine:
    """The line that makes this whole tensor, or else the line that is at work; for `TapeView.source`."""
    return lines_now(view) if event is None else lines_of_event(view, event)


def lines_of_event(view: TapeView, event: Event) -> SourceLine:
    """The line that made a whole tensor; for a gradient or an update, the line of its last tick."""
    if event.phase is Phase.FORWARD:
        return SourceLine(view.recording.model, event.line, frozenset({event.line}))
    return _kernel_lines(view, event.phase, event.last)


def lines_now(view: TapeView) -> SourceLine:
    """The line that made the scalar of the last tick, and with it the line that called for its tensor."""
    moment, event = view.moment, view.event
    if moment.phase is not Phase.FORWARD:
        return _kernel_lines(view, moment.phase, max(moment.tick, 1))
    if moment.tick == event.last:
        return lines_of_event(view, event)
    row = view.last_row
    line = view.recording.line[row] if view.recording.op[row] != LEAF else event.line
    return SourceLine(view.recording.model, line, frozenset({line, event.line}))


def _kernel_lines(view: TapeView, phase: Phase, tick: int) -> SourceLine:
    program, w = view.program, view.workspace
    if phase is Phase.BACKWARD:
        edge = program.edge_of(tick)
        row = edge >> 1 if edge >= 0 else -1 - edge
        small = {row: float(w.grad[row]), program.receiver_of(tick): 0.0}
        data = memoryview(w.data)  # type: ignore[arg-type]  # Python's own floats overflow silently
        ran = _watch(kernels.backward, view.recording.op, w.child, data, small, [edge], 0, 1)
        del ran[-1]  # it returns, which adds to no gradient
    else:
        row = tick - 1
        numbers = (float(x) for x in (w.grad[row], *view.state(row).values(), w.data[row]))
        ran = _watch(kernels.adam_step, *numbers, *view.adam_rates)
    return SourceLine(KERNELS, ran[-1], frozenset(ran))


def _watch(function: Callable[..., Any], *args: Any) -> list[int]:
    """Call `function`, and return the lines that run in it, in order."""
    ran: list[int] = []

    def tracer(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code is function.__code__ and event == "line":
            ran.append(frame.f_lineno)
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        function(*args)
    finally:
        sys.settrace(before)
    return list(dict.fromkeys(ran))  # a loop comes back to its own line when it is done
