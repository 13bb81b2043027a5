"""What is said where Python's arithmetic would raise."""

from __future__ import annotations

from engine.autograd.tape import EXP, LOG
from engine.errors import NumericFault
from engine.model.recording import Workspace
from engine.timeline.events import Moment, Phase, StepProgram


def numeric_fault(program: StepProgram, workspace: Workspace, moment: Moment, row: int) -> NumericFault:
    """The fault of the scalar at `row` that would have been made at `moment`, in words."""
    stretch = program.stretch_at(moment)
    if moment.phase is Phase.UPDATE:
        reason = f"the square of the gradient {float(workspace.grad[row]):.6g} is too large for a float"
    else:
        op, x = workspace.recording.op[row], float(workspace.data[workspace.child[2 * row]])
        if op == LOG:
            reason = f"log of {x:.6g}, which does not exist"
        elif op == EXP:
            reason = f"exp of {x:.6g}, which is too large for a float"
        else:
            reason = f"a power of {x:.6g} that Python cannot compute"
    return NumericFault(
        step=program.step, doc=program.doc, pos=stretch.pos, tensor=stretch.name, row=row, reason=reason
    )
