"""From one moment to another: what each key that moves through time means. Pure: it moves nothing itself."""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable
from functools import lru_cache

from engine.immutable import immutable
from engine.text import quoted
from engine.timeline.events import PHASES, PLACE_NAMES, Event, EventKey, Moment, Phase, StepProgram
from microgpt_tui.texts.say import say

LAYERED = re.compile(r"^layer\d+\.")
MODULE = "<module>"  # the block of what no function makes


@immutable
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
        return found or _end(program.step, program.events(self.phase)[0])

    def remark(self, program: StepProgram) -> str:
        """A sentence that says what is shown instead where a step has no such event; empty where it has."""
        name, pos, _, _ = self.place
        found = program.event_at(self.moment(program))
        if found.pos is not None and pos is not None and found.pos < pos:
            return say(
                "debugger.navigation.step_reads_whose_last",
                step=program.step,
                doc=quoted(program.doc),
                pos=found.pos,
                name=found.name,
            )
        if self.phase is Phase.UPDATE and found.place not in self._places(program):
            return say("debugger.navigation.made_without_parameter_matrix", name=name, first=found.name)
        return ""

    def _places(self, program: StepProgram) -> list[EventKey]:
        """What to look for, the best first."""
        name, pos, layer, head = self.place
        place = name, None if pos is None else min(pos, program.n - 1), layer, head
        if self.phase is Phase.UPDATE:
            made = program.find(Phase.FORWARD, place)
            used = _matrices(program, made) if made else []
            return [place, *(s.place for s in program.events(Phase.UPDATE) if s.name in used)]
        return [place, *(s.place for s in program.events(Phase.FORWARD) if name in _matrices(program, s))]


def _matrices(program: StepProgram, event: Event) -> list[str]:
    """The parameter matrices that a forward event works with."""
    firsts = (int(rows.flat[0]) for rows in event.operands.values() if rows.size)
    return [place[0] for place in map(program.parameter_of, firsts) if place is not None]


Go = Callable[[StepProgram, Moment], Moment | SameEvent | None]
"""Where a key leads; None if there is nothing (before the first step)."""


def next_event(program: StepProgram, moment: Moment) -> Moment | None:
    """The end of the next event; after the last one, of the next step's first."""
    later = (s for s in program.events(moment.phase) if s.last > moment.tick)
    found = next(later, None)
    if found:
        return _end(moment.step, found)
    if moment.phase is Phase.UPDATE:
        return first_moment(program, moment.step + 1)
    return _end(moment.step, program.events(PHASES[moment.phase.place + 1])[0])


def previous_event(program: StepProgram, moment: Moment) -> Moment | None:
    """The end of the event before; before the first one, of the last one of the phase, or step, before."""
    events = program.events(moment.phase)
    i = bisect.bisect_left(events, moment.tick, key=lambda s: s.last)
    if i > 0:
        return _end(moment.step, events[i - 1])
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
    return SameEvent(step, phase, event_shown(program, moment).place)


def previous_phase(program: StepProgram, moment: Moment) -> SameEvent | None:
    """The same event in the phase before, or in the last one of the step before."""
    place = event_shown(program, moment).place
    if moment.phase is not Phase.FORWARD:
        return SameEvent(moment.step, PHASES[moment.phase.place - 1], place)
    return SameEvent(moment.step - 1, PHASES[-1], place) if moment.step else None


def event_shown(program: StepProgram, moment: Moment) -> Event:
    """The event at this moment, but inside a backward event the one that hands gradient on.

    Gradients become complete in another order than they are handed on, so the two can be far apart.
    """
    event = program.event_at(moment)
    if moment.phase is not Phase.BACKWARD or not 0 < moment.tick < event.last:
        return event
    source = program.source_of(moment.tick)
    made = None if source is None else program.event_of(source)
    return (made and program.find(Phase.BACKWARD, made.place)) or event


def same_event(program: StepProgram, moment: Moment, step: int, phase: Phase | None = None) -> SameEvent:
    """The event at this moment, in another step; in its own phase unless another is given."""
    return SameEvent(step, phase or moment.phase, program.event_at(moment).place)


def next_position(program: StepProgram, moment: Moment) -> Moment | None:
    """The same place at the token position that comes next in time; in the backward phase that is the one before."""
    return _position(program, moment, 1)


def previous_position(program: StepProgram, moment: Moment) -> Moment | None:
    """The same place at the token position that came before in time."""
    return _position(program, moment, -1)


def _position(program: StepProgram, moment: Moment, way: int) -> Moment | None:
    here = program.event_at(moment)
    if moment.phase is Phase.UPDATE:
        return None
    if here.pos is None:
        events = program.events(moment.phase)
        nearest = events[here.index :] if way > 0 else events[here.index :: -1]
        found = next((s for s in nearest if s.pos is not None), None)
        return _end(moment.step, found) if found else None
    pos = here.pos + (way if moment.phase is Phase.FORWARD else -way)
    return program.ends(moment.phase).get((here.name, pos, here.layer, here.head))


def at_position(program: StepProgram, here: Event, pos: int) -> Moment | None:
    """The same tensor at another position, or that position's first event in the phase; None if it has none there."""
    ends = program.ends(here.phase)
    same = ends.get((here.name, pos, here.layer, here.head))
    return same or next((end for place, end in ends.items() if place[1] == pos), None)


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
    """The events of each block around this moment, innermost first."""
    events, here = program.events(moment.phase), program.event_at(moment)
    own = has_own_words(program)
    whole = path(here, own)
    blocks = [[here]]
    for level in range(len(whole), 0, -1):
        blocks += [[s for s in events if path(s, own)[:level] == whole[:level]]]
    return [*blocks, events]


Block = tuple[str, str | int]
"""A block that events lie in: what it is (pos, layer, block or head), and which."""


@lru_cache(16384)
def path(event: Event, own: bool = False) -> tuple[Block, ...]:
    """The blocks that a event lies in, outermost first: position, layer, attention or MLP, head; there is no further
    one in what has none.

    In a program with `own` words, functions are around their loops, and any of these may be left out.
    """
    pos, layer, block, head = (("pos", event.pos), ("layer", event.layer), ("block", event.block),
                               ("head", event.head))  # fmt: skip
    if own:
        function = block if event.block not in ("", MODULE) else ("block", None)
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


def counterpart(program: StepProgram, event: Event) -> Moment:
    """The event of a step that is to it what `event` is to its own: the same tensor, at the nearest position."""
    return SameEvent(program.step, event.phase, event.place).moment(program)


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
    tick = program.tick_of(row)
    return None if tick is None else Moment(moment.step, Phase.FORWARD, tick + 1)


def first_moment(program: StepProgram, step: int) -> Moment:
    """The first event of a training step. It is as long in every step: one embedding."""
    return Moment(step, Phase.FORWARD, program.events(Phase.FORWARD)[0].last)


def _end_of_phase_before(program: StepProgram, moment: Moment) -> Moment | None:
    if moment.phase is not Phase.FORWARD:
        before = PHASES[moment.phase.place - 1]
        return Moment(moment.step, before, program.ticks(before))
    # An update moves every parameter, so it is as long in every step.
    return None if moment.step == 0 else Moment(moment.step - 1, Phase.UPDATE, program.ticks(Phase.UPDATE))


def _end(step: int, event: Event) -> Moment:
    return Moment(step, event.phase, event.last)
