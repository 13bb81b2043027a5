"""What is found out about a step while it is looked at goes when the run leaves the step."""

from __future__ import annotations

import gc
import weakref
from typing import Any

from engine import Moment, Phase, Session
from engine.run.step_copy import StepCopy
from engine.timeline.events import StepProgram
from microgpt_tui.debugger.frame import Context, Focus, Frame
from microgpt_tui.panes.explanation import Explanation
from microgpt_tui.panes.registry import PANES
from microgpt_tui.panes.status_line import StatusLine
from microgpt_tui.panes.timeline import Timeline
from microgpt_tui.panes.tokens import Tokens
from tests.support.harness import DOCS, SMALL

STEPS = 5
KINDS: list[type[Any]] = [*(spec.kind for spec in PANES), StatusLine, Timeline, Tokens, Explanation]


def test_no_pane_keeps_a_step_that_the_run_has_left() -> None:
    run = Session(SMALL, DOCS)
    copy = StepCopy(run)
    programs: list[weakref.ref[StepProgram]] = []
    gc.disable()  # it looks through what lives long so seldom that a step must not wait for it
    try:
        for moment in (Moment(step, phase, 9999) for step in range(STEPS) for phase in Phase):
            run.seek(moment)
            for row in (0, run.program.loss_row):
                frame = Frame(run.view(), Focus(run.moment, row), Context(copy=copy))
                for kind in KINDS:
                    assert kind("p").draw(frame, 100, 30).lines
            programs.append(weakref.ref(run.program))
            del frame
    finally:
        gc.enable()
    alive = [program for program in programs if program() is not None]
    assert {program().step for program in alive if program()} == {STEPS - 1}  # type: ignore[union-attr]
