"""Texts about a gradient in every phase: not yet known, independent of the loss, or its value."""

from __future__ import annotations

import numpy as np
import pytest

from engine.autograd.kernels import LEAF, NEG_MAX
from engine.timeline.events import PHASES, Moment, Phase
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing.numbers import number
from microgpt_tui.operations.registry import draw
from microgpt_tui.panes.inspector import Inspector
from microgpt_tui.panes.why import Why
from tests.support.harness import at, session

INDEPENDENT = "0: the loss does not depend on it"


def line_of(frame: Frame) -> str:
    """What the inspector says of the selected scalar's gradient."""
    lines = Inspector("i").draw(frame, 60, 19 if frame.backward else 60).text().splitlines()
    (line,) = [line for line in lines if line.startswith("gradient ")]
    said = line.removeprefix("gradient ")
    terms = next((line.partition(" terms")[0] for line in lines if " terms, by " in line), None)
    if frame.backward and said[0] in "+-0" and not said.startswith("0:"):
        said = said.split()[0] + ("  the start: dL/dL" if terms is None else f"  {terms} terms")
    return said


def moments() -> list[Moment]:
    """The ends of the phases, and places within them."""
    session().seek(Moment(1))
    ticks = {phase: session().program.ticks(phase) for phase in PHASES}
    return [Moment(1, phase, tick) for phase in PHASES for tick in (0, 1, ticks[phase] // 2, ticks[phase])]


@pytest.mark.parametrize("moment", moments(), ids=lambda m: f"{m.phase}-{m.tick}")
def test_every_scalar_at_every_phase(moment: Moment) -> None:
    frame = at(moment)
    program, recording = frame.program, frame.view.recording
    done = {Phase.FORWARD: 0, Phase.BACKWARD: moment.tick}.get(moment.phase, program.ticks(Phase.BACKWARD))
    arrived, ever = set(program.receivers[:done].tolist()), set(program.receivers.tolist())
    rows = [*range(recording.n_params), *program.rows.tolist(), int(recording.constants[0][0])]
    kinds = set()
    for row in rows[:: 1 if len(arrived) < 2 else 3]:
        line = line_of(Frame(session().view(), at(moment, row=row).where))
        if recording.op[row] == NEG_MAX or (recording.op[row] == LEAF and row >= recording.n_params):
            expected = "none: a plain number to the model"
        elif row not in ever:
            expected = INDEPENDENT
        elif row not in arrived:
            expected = "not yet"
        elif row == program.loss_row:
            expected = "+1.0000  the start: dL/dL"
        else:
            count, planned = (int((program.receivers[:n] == row).sum()) for n in (done, None))
            expected = f"{number(float(frame.view.workspace.grad[row]))}  {count} of {planned} terms"
        assert line == expected, (moment, frame.explain.name(row))
        kinds.add(expected)
    assert {"none: a plain number to the model", INDEPENDENT} <= kinds


def test_the_loss_at_its_own_event_of_the_forward_phase() -> None:
    session().seek(Moment(0))
    last = session().program.ticks(Phase.FORWARD)
    assert line_of(at(Moment(0, Phase.FORWARD, last), row=session().program.loss_row)) == "not yet"


def test_stage_and_why_say_the_same_of_what_the_loss_does_not_depend_on() -> None:
    frame = at(Moment(0, Phase.BACKWARD, 10**9))
    unused = min(set(range(len(frame.view.recording.matrices["wte"]))).difference(frame.program.inputs))
    row = int(frame.view.recording.matrices["wte"][unused, 0])
    frame = at(Moment(0, Phase.BACKWARD, 10**9), row=row)
    assert f"∂wte[{unused},0]: {INDEPENDENT}" in draw(frame, 100, 40).text()
    assert "∂loss = 1" not in draw(frame, 100, 40).text()
    why = Why("w")
    assert f"gradient of wte[{unused},0] {INDEPENDENT}" in why.draw(frame, 100, 20).text()


def test_a_tensor_is_whole_where_nothing_more_can_come() -> None:
    event = next(s for s in session().program.events(Phase.BACKWARD) if s.name == "probs" and s.pos == 1)
    frame = at(Moment(session().step, Phase.BACKWARD, event.last))
    reading = frame.view.grad(event.rows)
    assert reading.known.all()
    assert np.count_nonzero(reading.values) == 1  # the target alone
    assert frame.view.complete(event.rows).all()


@pytest.mark.parametrize("width", [28, 30, 34, 40])
def test_the_latest_term_is_named_whole(width: int) -> None:
    session().seek(Moment(1))
    event = next(e for e in session().program.events(Phase.BACKWARD) if (e.name, e.pos) == ("q", 1))
    frame = at(Moment(1, Phase.BACKWARD, event.last))
    (line,) = [line for line in Inspector("i").draw(frame, width, 12).text().splitlines() if ", by " in line]
    assert "attn_logits[" in line
    assert "…" not in line


def test_the_largest_of_some_numbers_stands_first() -> None:
    session().seek(Moment(1))
    events = session().program.events(Phase.FORWARD)
    event = next(e for e in events if e.name == "attn_weights" and len(e.rows) == 4)
    at_end, op = at(Moment(1, Phase.FORWARD, event.last)), session().view().recording.op
    shifted = at_end.explain.children(int(event.parts["exp"][0]))[0]
    row = next(row for row in at_end.explain.children(shifted) if op[row] == NEG_MAX)
    frame = at(at_end.moment, row=row)
    lines = Inspector("i").draw(frame, 30, 6).text().splitlines()
    assert any("and 2 more" in line for line in lines)
    assert lines[-2:] == ["gradient none: a plain number", "  to the model"]
    first = lines[[line.startswith("minus the largest of") for line in lines].index(True) + 1]
    assert first.split()[-1] == number(-(frame.value(row) or 0.0))
