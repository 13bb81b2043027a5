"""From one moment to another: what each key that moves through time means. Pure: it moves nothing itself."""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from engine.text import quoted
from engine.timeline.events import PHASES, PLACE_NAMES, Event, EventKey, Moment, Phase, StepProgram

LAYERED = re.compile(r"^layer\d+\.")
MODULE = "<module>"  # the block of what no function makes


@dataclass(frozen=True, slots=True)
class SameEvent:
    """The event of another step or phase that corresponds to the event at `place`: the target of a relative move.

    Which moment it is depends on the document of that step, so it can be found only there. In the update phase it is
    the matrix that the event works with, in the other phases a matrix is followed to where it is first worked with.
    """

    step: int
    phase: Phase
    place: EventKey

    def moment(self, program: StepProgram) -> Moment:
        """The moment, in the program of a step; the nearest position if the document has fewer."""
        ends = program.ends(self.phase)
        found = next((ends[place] for place in self._places(program) if place in ends), None)
        return found or _end(program.step, program.stretches(self.phase)[0])

    def remark(self, program: StepProgram) -> str:
        """A sentence that says what is shown instead where a step has no such event; empty where it has."""
        name, pos, _, _ = self.place
        found = program.stretch_at(self.moment(program))
        if found.pos is not None and pos is not None and found.pos < pos:
            return (
                f"Step {program.step} reads {quoted(program.doc)}, whose last position is {found.pos}: "
                f"this is {found.name} there."
            )
        if self.phase is Phase.UPDATE and found.place not in self._places(program):
            return f"{name} is made without a parameter matrix; this is {found.name}, the first that moves."
        return ""

    def _places(self, program: StepProgram) -> list[EventKey]:
        """What to look for, the best first."""
        name, pos, layer, head = self.place
        place = name, None if pos is None else min(pos, program.n - 1), layer, head
        if self.phase is Phase.UPDATE:
            made = program.find(Phase.FORWARD, place)
            used = _matrices(program, made) if made else []
            return [place, *(s.place for s in program.stretches(Phase.UPDATE) if s.name in used)]
        return [place, *(s.place for s in program.stretches(Phase.FORWARD) if name in _matrices(program, s))]


def _matrices(program: StepProgram, stretch: Event) -> list[str]:
    """The parameter matrices that a forward event works with."""
    firsts = (int(rows.flat[0]) for rows in stretch.operands.values() if rows.size)
    return [place[0] for place in map(program.parameter_of, firsts) if place is not None]


Go = Callable[[StepProgram, Moment], Moment | SameEvent | None]
"""Where a key leads; None if there is nothing (before the first step)."""


def next_event(program: StepProgram, moment: Moment) -> Moment | None:
    """The end of the next event; after the last one, of the next step's first."""
    later = (s for s in program.stretches(moment.phase) if s.last > moment.tick)
    found = next(later, None)
    if found:
        return _end(moment.step, found)
    if moment.phase is Phase.UPDATE:
        return first_moment(program, moment.step + 1)
    return _end(moment.step, program.stretches(PHASES[moment.phase.place + 1])[0])


def previous_event(program: StepProgram, moment: Moment) -> Moment | None:
    """The end of the event before; before the first one, of the last one of the phase, or step, before."""
    stretches = program.stretches(moment.phase)
    i = bisect.bisect_left(stretches, moment.tick, key=lambda s: s.last)
    if i > 0:
        return _end(moment.step, stretches[i - 1])
    return _end_of_phase_before(program, moment)


def next_scalar(program: StepProgram, moment: Moment) -> Moment | None:
    """One tick on."""
    if moment.tick < program.ticks(moment.phase):
        return Moment(moment.step, moment.phase, moment.tick + 1)
    if moment.phase is Phase.UPDATE:
        return Moment(moment.step + 1, Phase.FORWARD, 1)
    return Moment(moment.step, PHASES[moment.phase.place + 1], 1)


def previous_scalar(program: StepProgram, moment: Moment) -> Moment | None:
    """One tick back."""
    if moment.tick > 1:
        return Moment(moment.step, moment.phase, moment.tick - 1)
    return _end_of_phase_before(program, moment)


def next_phase(program: StepProgram, moment: Moment) -> SameEvent:
    """The same event in the next phase, or in the next step's first."""
    after = moment.phase.place + 1
    step, phase = (moment.step, PHASES[after]) if after < len(PHASES) else (moment.step + 1, PHASES[0])
    return same_event(program, moment, step, phase)


def previous_phase(program: StepProgram, moment: Moment) -> SameEvent | None:
    """The same event in the phase before, or in the last one of the step before."""
    if moment.phase is not Phase.FORWARD:
        return same_event(program, moment, moment.step, PHASES[moment.phase.place - 1])
    return same_event(program, moment, moment.step - 1, PHASES[-1]) if moment.step else None


def same_event(program: StepProgram, moment: Moment, step: int, phase: Phase | None = None) -> SameEvent:
    """The event at this moment, in another step; in its own phase unless another is given."""
    return SameEvent(step, phase or moment.phase, program.stretch_at(moment).place)


def next_position(program: StepProgram, moment: Moment) -> Moment | None:
    """The same place at the token position that comes next in time; in the backward phase that is the one before."""
    return _position(program, moment, 1)


def previous_position(program: StepProgram, moment: Moment) -> Moment | None:
    """The same place at the token position that came before in time."""
    return _position(program, moment, -1)


def _position(program: StepProgram, moment: Moment, way: int) -> Moment | None:
    here = program.stretch_at(moment)
    if moment.phase is Phase.UPDATE:
        return None
    if here.pos is None:
        stretches = program.stretches(moment.phase)
        nearest = stretches[here.index :] if way > 0 else stretches[here.index :: -1]
        found = next((s for s in nearest if s.pos is not None), None)
        return _end(moment.step, found) if found else None
    pos = here.pos + (way if moment.phase is Phase.FORWARD else -way)
    return program.ends(moment.phase).get((here.name, pos, here.layer, here.head))


def at_position(program: StepProgram, here: Event, pos: int) -> Moment | None:
    """The same tensor at another position, or that position's first event in the phase; None if it has none there."""
    ends = program.ends(here.phase)
    first = next((end for place, end in ends.items() if place[1] == pos), None)
    return ends.get((here.name, pos, here.layer, here.head), first)


def end_of_block(program: StepProgram, moment: Moment) -> Moment | None:
    """The end of the innermost block that is not over yet: event, head, attention or MLP, position, phase."""
    ends = (max(s.last for s in block) for block in _blocks(program, moment))
    found = next((end for end in ends if end > moment.tick), None)
    return Moment(moment.step, moment.phase, found) if found else next_event(program, moment)


def start_of_block(program: StepProgram, moment: Moment) -> Moment | None:
    """The first event of the innermost block that began before this moment; from there, of the block around it."""
    starts = (min(s.last for s in block) for block in _blocks(program, moment))
    found = next((start for start in starts if start < moment.tick), None)
    return Moment(moment.step, moment.phase, found) if found else previous_event(program, moment)


def _blocks(program: StepProgram, moment: Moment) -> list[list[Event]]:
    """The stretches of each block around this moment, innermost first."""
    stretches, here = program.stretches(moment.phase), program.stretch_at(moment)
    own = has_own_words(program)
    whole = path(here, own)
    blocks = [[here]]
    for level in range(len(whole), 0, -1):
        blocks += [[s for s in stretches if path(s, own)[:level] == whole[:level]]]
    return [*blocks, stretches]


Block = tuple[str, str | int]
"""A block that events lie in: what it is (pos, layer, block or head), and which."""


@lru_cache(16384)
def path(stretch: Event, own: bool = False) -> tuple[Block, ...]:
    """The blocks that a stretch lies in, outermost first: position, layer, attention or MLP, head; there is no further
    one in what has none.

    In a program with `own` words, functions are around their loops, and any of these may be left out.
    """
    pos, layer, block, head = (("pos", stretch.pos), ("layer", stretch.layer), ("block", stretch.block),
                               ("head", stretch.head))  # fmt: skip
    if own:
        function = block if stretch.block not in ("", MODULE) else ("block", None)
        return tuple((what, which) for what, which in (pos, function, layer, head) if which is not None)
    parts = (pos, layer, block, head)
    first = next((i for i, (_, which) in enumerate(parts) if which is None), len(parts))
    return parts[:first]  # type: ignore[return-value]


def matrix_name(name: str) -> str:
    """The name of a parameter without the layer that it begins with, as in layer0.attn_wq."""
    return LAYERED.sub("", name)


def has_own_words(program: StepProgram) -> bool:
    """Whether a program has words of its own for places: its blocks are functions and loops of a script."""
    return program.place_names is not PLACE_NAMES


def next_step(program: StepProgram, moment: Moment) -> SameEvent:
    """The same event one training step on."""
    return same_event(program, moment, moment.step + 1)


def previous_step(program: StepProgram, moment: Moment) -> SameEvent | None:
    """The same event one training step back."""
    return same_event(program, moment, moment.step - 1) if moment.step else None


def next_ten_steps(program: StepProgram, moment: Moment) -> SameEvent:
    """The same event ten training steps on."""
    return same_event(program, moment, moment.step + 10)


def previous_ten_steps(program: StepProgram, moment: Moment) -> SameEvent | None:
    """The same event ten training steps back, or in the first one."""
    return same_event(program, moment, max(0, moment.step - 10)) if moment.step else None


def last_moment(program: StepProgram) -> Moment:
    """The end of the training step: every parameter is moved."""
    return Moment(program.step, Phase.UPDATE, program.ticks(Phase.UPDATE))


def counterpart(program: StepProgram, stretch: Event) -> Moment:
    """The event of a step that is to it what `stretch` is to its own: the same tensor, at the nearest position."""
    return SameEvent(program.step, stretch.phase, stretch.place).moment(program)


def first_event(program: StepProgram, moment: Moment) -> Moment | None:
    """The first event of the training step."""
    return first_moment(program, moment.step)


def last_event(program: StepProgram, moment: Moment) -> Moment | None:
    """The last event of the training step."""
    return Moment(moment.step, Phase.UPDATE, program.ticks(Phase.UPDATE))


def made_at(program: StepProgram, moment: Moment, row: int) -> Moment | None:
    """Where a scalar got its value: the tick that made it, or the last step's move of a parameter; None for neither."""
    if row < program.ticks(Phase.UPDATE):
        if moment.phase is Phase.UPDATE and row < moment.tick:
            return Moment(moment.step, Phase.UPDATE, row + 1)
        return Moment(moment.step - 1, Phase.UPDATE, row + 1) if moment.step else None
    at = int(program.rows.searchsorted(row))
    made = at < len(program.rows) and int(program.rows[at]) == row
    return Moment(moment.step, Phase.FORWARD, at + 1) if made else None


def first_moment(program: StepProgram, step: int) -> Moment:
    """The first event of a training step. It is as long in every step: one embedding."""
    return Moment(step, Phase.FORWARD, program.stretches(Phase.FORWARD)[0].last)


def _end_of_phase_before(program: StepProgram, moment: Moment) -> Moment | None:
    if moment.phase is not Phase.FORWARD:
        before = PHASES[moment.phase.place - 1]
        return Moment(moment.step, before, program.ticks(before))
    # An update moves every parameter, so it is as long in every step.
    return None if moment.step == 0 else Moment(moment.step - 1, Phase.UPDATE, program.ticks(Phase.UPDATE))


def _end(step: int, stretch: Event) -> Moment:
    return Moment(step, stretch.phase, stretch.last)
