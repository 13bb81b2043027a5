"""`Focus`: what the user has selected. `Frame`: one moment with that focus, which every pane draws."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from rich.cells import cell_len

from engine.autograd.tape import Rows
from engine.errors import WhyError
from engine.explain.gradient_paths import Edge, GradientPath, GradientPaths, waypoints
from engine.expressions.scope import Scope
from engine.expressions.watch import Watch
from engine.immutable import immutable
from engine.model.recording import Span
from engine.model.tensors import AttentionNames, attention_names
from engine.model.tokenizer import Tokenizer
from engine.run.step_copy import StepCopy
from engine.timeline.events import Event, EventKey, Moment, Phase
from engine.timeline.explainer import SourceLine
from engine.timeline.update import UpdateStep
from engine.timeline.view import GradientState, Reading, View
from microgpt_tui.debugger.annotations import Annotations
from microgpt_tui.debugger.compared_run import ComparedRun
from microgpt_tui.debugger.navigation import SameEvent, event_shown
from microgpt_tui.debugger.run_controller import Live
from microgpt_tui.debugger.series import Past, Series, Update, series_of
from microgpt_tui.drawing.cells import Cells
from microgpt_tui.drawing.terminal_text import printable
from microgpt_tui.texts.say import say

if TYPE_CHECKING:  # imported where a script or a copy of microgpt.py is opened: the first frame needs none
    from engine.script.source_table import OwnLines

MOST_PATHS = 8  # gradient paths that are listed of a scalar
BRIGHT = 2  # of a frame that has just been drawn
NO_GRADIENT = {
    GradientState.PLAIN: say("debugger.frame.none_plain_number_model"),
    GradientState.INDEPENDENT: say("debugger.frame.loss_does_not_depend"),
    GradientState.NOT_YET: say("debugger.frame.not_yet"),
}


@immutable
class Focus:
    """The moment and the focus in it.

    `row` is a scalar that was chosen and holds until the moment changes; `cell` is an index in whatever tensor is on
    the stage and holds from event to event. `layer`, `head` and `matrix` are what panes show that have room for one
    of them; they hold as well. None leaves the choice to the moment. `digits` asks for numbers in cells. `folding`
    is how much of the network the map folds, from 0, nothing; None: as much as there is no room for. `kept` are the
    parameters whose updates are told where none is chosen, one a matrix: those with the largest steps when theirs was
    first shown.
    """

    moment: Moment
    row: int | None = None
    cell: int | None = None
    layer: int | None = None
    head: int | None = None
    matrix: str | None = None
    digits: bool = False
    folding: int | None = None
    kept: tuple[int, ...] = ()

    def at(self, moment: Moment) -> Focus:
        """Here, at another moment."""
        return replace(self, moment=moment, row=None) if moment != self.moment else self

    def choosing(self, choice: Choice) -> Focus:
        """Here, with another layer, head or matrix; what the choice leaves open stays as it is."""
        return replace(
            self,
            layer=self.layer if choice.layer is None else choice.layer,
            head=self.head if choice.head is None else choice.head,
            matrix=choice.matrix or self.matrix,
            row=None if choice.matrix else self.row,
        )


@immutable
class Choice:
    """What a spot of a picture can stand for besides a scalar (its row) and a moment: a layer, a head, a matrix."""

    layer: int | None = None
    head: int | None = None
    matrix: str | None = None


@immutable
class Folding:
    """The target of the wheel on the map: how much of the network it folds, as in `Focus`."""

    folding: int | None


@immutable
class PathChoice:
    """The chosen gradient path of a scalar, and the chosen edge of that path.

    Both count from 0, past the last one on from the first, and below 0 back from the last.
    """

    row: int
    path: int = 0
    edge: int = 0


@immutable
class PathStep:
    """The target of a key that chooses another gradient path of the scalar `row`, or another edge of the path."""

    row: int
    path: int = 0
    edge: int = 0


@immutable
class WatchLine:
    """The target of a spot or key that chooses a watch by its line, counted from 0."""

    number: int


@immutable
class Context:
    """What panes show of more than the moment: a fault, figures of earlier steps (more may come while the frame is
    shown), names sampled on the way by the step before which they were, what the user keeps, how a run moves, how many
    documents it is trained on and how many are held out, if any are, the branch that it is (None: the original),
    what is changed in it, in words, and the one that it is compared with; the chosen gradient path, if any, and the
    line of the chosen watch; a copy of the step for scales; the id of the chosen or zoomed pane, and that of a zoomed
    one; the lines of the user's copy of microgpt.py that stand for the engine's, if there are any, and what Source says
    of how to get them; for the stage, the share of the present tensor that is shown of a forward event, and how
    bright the frame is of what was made or changed last: 0 for none; and whether the frame is an early one, which does
    not wait for what takes a whole step to be known.
    """

    fault: str | None = None
    past: Past = field(default_factory=dict)
    names: Mapping[int, list[str]] = field(default_factory=dict)
    annotations: Annotations = field(default_factory=Annotations)
    live: Live | None = None
    split: tuple[int, int] | None = None
    branch: str | None = None
    beside: ComparedRun | None = None
    path: PathChoice | None = None
    watch: int = 0
    copy: StepCopy | None = None
    changes: str = ""
    pane: str | None = None
    zoomed: str | None = None
    lines: OwnLines | None = None
    lines_hint: str = ""
    filled: float = 1.0
    framed: int = 0
    early: bool = False


class Frame:
    """One moment, seen from one place: the view, and what panes would otherwise each work out again."""

    def __init__(self, view: View, where: Focus, around: Context | None = None) -> None:
        self.view, self.where, self.around = view, where, around or Context()
        self.fault = self.around.fault
        self.program, self.config = view.program, view.config
        self.moment, self.phase = view.moment, view.moment.phase
        self.explain = view.explainer()

    @cached_property
    def scope(self) -> Scope:
        """What expressions about this run can speak of."""
        return Scope.of(self.view)

    @cached_property
    def event(self) -> Event:
        """The event that is going on, or just over."""
        return self.view.event

    def in_step(self, step: int) -> SameEvent:
        """The present event in another training step: what a picture of all steps leads to."""
        return SameEvent(step, self.phase, self.event.place)

    @property
    def stepping_inside(self) -> bool:
        """Whether the moment lies inside an event, not at its end."""
        return self.moment.tick < self.event.last

    @cached_property
    def stage_event(self) -> Event:
        """The tensor that is on the stage: the event's, but inside a backward event the one that hands gradient on."""
        return event_shown(self.program, self.moment)

    @cached_property
    def operation(self) -> Event:
        """The operation on the stage, as the forward phase has it: the one that made the event's tensor.

        In the backward phase, the one through which the last gradient came, so that what is drawn of it is finished;
        of a parameter that is whole, the last gradient of the selected number. In the update, the event itself.
        """
        if not (self.backward and self.moment.tick):
            return self.event
        source = self.program.source_of(self.moment.tick)
        if self.event.is_parameter and not self.stepping_inside and self.selected in self.event.rows:
            terms = self.explain.gradient(self.selected)
            source = terms[-1].user if terms else source
        row = self.view.last_row if source is None else source
        return self.program.event_of(row) or self.event

    def scale(self, rows: Rows, grad: bool = False, name: str | None = None) -> float:
        """What fills a cell of a picture of these scalars: the largest magnitude of their tensor in the whole step.

        Without a copy of the step, and while training runs, the largest that is known so far. `name` saves looking for
        the tensor.
        """
        copy = self.around.copy
        extents = None if copy is None else copy.latest if self.around.live else copy.extents()
        if extents is not None:
            name = name or self.name_of(int(rows.flat[0]))
            if name in extents:
                return extents[name].grad if grad else extents[name].data
        return (self.grad(rows) if grad else self.data(rows)).scale

    def name_of(self, row: int) -> str | None:
        """The name of the matrix or the tensor that a scalar belongs to, if it belongs to one."""
        parameter = self.program.parameter_of(row)
        if parameter is not None:
            return parameter[0]
        event = self.program.event_of(row)
        return None if event is None else event.name

    def contributed(self, rows: Rows) -> Cells:
        """What the operation on the stage has added so far to the gradients of what it multiplies: (rows' shape).

        Exactly the numbers of each `+=`: the other factor, times the gradient of the product.
        """
        made = self.program.event_of(int(self.operation.rows.flat[0]))
        if made is None or self.forward:
            values, known = np.zeros(rows.shape), np.zeros(rows.shape, dtype=np.bool_)
        else:
            found = self.view.contributed(made, rows)
            values, known = found.values, found.known
        return Cells(values, known, rows, self._changed[rows] & known, self.where.digits, self._fading)

    def final_gradients(self, rows: Rows) -> npt.NDArray[np.float64]:
        """The gradients of these scalars at the end of the backward phase; without a copy of the step, those so far."""
        copy = self.around.copy
        final = None if copy is None or self.around.live else copy.final_gradients()
        so_far = self.grad(rows)
        return np.where(so_far.known, so_far.values, 0.0) if final is None else final[rows]

    def final_gradient(self, rows: Rows) -> float:
        """The largest magnitude that gradients of these scalars have at the end of the backward phase, or so far."""
        final = np.abs(self.final_gradients(rows))
        return float(final[np.isfinite(final)].max(initial=0.0))

    @property
    def pos(self) -> int:
        """The position that panes of one position show: the stage's, or the last one that was at work."""
        if self.stage_event.pos is not None:
            return self.stage_event.pos
        return 0 if self.stage_event.is_parameter else max(self.program.n - 1, 0)

    @property
    def span(self) -> Span | None:
        """The tensors of `pos` by what they are for; None in a run that does not say so."""
        return self.program.span(self.pos) if self.program.n else None

    @property
    def layer(self) -> int:
        """The layer that panes of one layer show: the stage's, else the chosen one, else the first.

        0, which no tensor has, in a model without layers.
        """
        if self.stage_event.layer is not None and not self.stage_event.is_parameter:
            return self.stage_event.layer
        return min(self.where.layer or 0, max(self.config.n_layer - 1, 0))

    @property
    def head(self) -> int | None:
        """The head that is at work, else the chosen one, if any."""
        if self.stage_event.head is not None:
            return self.stage_event.head
        return self.where.head

    @property
    def matrix(self) -> str:
        """The parameter matrix that is at work or chosen."""
        if self.phase is Phase.UPDATE:
            return self.stage_event.name
        return self.where.matrix or self.stage_event.matrix or next(iter(self.program.parameters))

    @cached_property
    def attention(self) -> AttentionNames | None:
        """What the model calls its queries, keys, values and attention weights; None without attention."""
        return attention_names(self.program.specs)

    @cached_property
    def heads(self) -> int:
        """How many heads attention has: those of its weights. A script may number other tensors as heads, and more."""
        spec = self.program.specs.get(self.attention.weights) if self.attention else None
        return self.config.n_head if spec is None else spec.places.get("head", 1)

    @property
    def attention_head(self) -> int | None:
        """The head of attention that is at work, else the chosen one or the last there is, if any is chosen."""
        at_work, names, word = self.stage_event, self.attention, self.program.head_word
        own = names is None or word(at_work.name) == word(names.weights)
        head = self.head if own else self.where.head
        return None if head is None else min(head, self.heads - 1)

    @cached_property
    def head_dim(self) -> int:
        """How many elements of a query one head has."""
        spec = self.program.specs.get(self.attention.query) if self.attention else None
        return self.config.head_dim if spec is None else max(math.prod(spec.shape) // self.heads, 1)

    def tensor(self, name: str, pos: int, layer: int | None = None, head: int | None = None) -> Rows | None:
        """The rows of a tensor of this document, by its name and place; None if there is no such tensor."""
        return self.program.tensors.get((name, pos, layer, head))

    @property
    def ends(self) -> dict[EventKey, Moment]:
        """For each tensor, the moment in this phase when it is complete."""
        return self.program.ends(self.phase)

    def halts(self, phase: Phase) -> list[Event]:
        """The events of a phase of this step at which a breakpoint stands."""
        places = [b.place for b in self.around.annotations.breakpoints if b.enabled and b.place]
        return [s for s in self.program.events(phase) if any(p.matches(s) for p in places)] if places else []

    @property
    def forward(self) -> bool:
        """Whether values are what is being made."""
        return self.phase is Phase.FORWARD

    @property
    def backward(self) -> bool:
        """Whether gradients are what is being made."""
        return self.phase is Phase.BACKWARD

    @cached_property
    def selected(self) -> int:
        """The scalar that the inspector explains."""
        if self.where.row is not None:
            return self.where.row
        if self.stepping_inside:
            return self.view.last_row
        if self._shown_to is not None and self._shown_to > int(self.event.rows.flat[0]):
            return self._shown_to - 1  # the row at work goes down with what fills up
        return int(self.stage_event.rows.flat[self.cell])

    @property
    def cell(self) -> int:
        """The chosen index in the tensor on the stage, within its bounds."""
        size, chosen = self.stage_event.rows.size, self.where.cell
        if chosen is None:
            spec = self.program.specs.get(self.stage_event.name)
            target = self.target_id(self.stage_event.pos)
            if spec is not None and spec.tokens and target is not None and target < size:
                return target
            if self.phase is Phase.UPDATE:
                kept = np.flatnonzero(np.isin(self.stage_event.rows.ravel(), self.where.kept))
                return int(kept[0]) if len(kept) else self._largest_step()
            return self._strongest() if self.stage_event.is_parameter else 0
        return min(chosen, size - 1)

    def _strongest(self) -> int:
        """The weight with the largest gradient: where there is most to see."""
        grads = self.grad(self.stage_event.rows)
        return int(np.argmax(np.where(grads.known & np.isfinite(grads.values), np.abs(grads.values), 0.0)))

    def _largest_step(self) -> int:
        """The weight with the largest step; until all are moved, that with the largest gradient."""
        rows = self.stage_event.rows
        maps = self.view.update_maps(rows)
        step = maps.get("delta") if self.stage_event.is_parameter else None
        if step is None or not step.known.all():
            return self._strongest()
        return int(np.argmax(np.where(np.isfinite(step.values), np.abs(step.values), 0.0)))

    @property
    def to_keep(self) -> int | None:
        """The parameter whose updates are told from now on, at the first one of its matrix; else None."""
        event = self.stage_event
        if self.phase is not Phase.UPDATE or not event.is_parameter or self.moment.tick < event.last:
            return None
        row = int(event.rows.flat[self._largest_step()])
        return None if np.isin(event.rows, self.where.kept).any() else row

    @cached_property
    def parameter(self) -> int:
        """The selected parameter, else that of `matrix` with the largest gradient or, before that, first moment."""
        if self.selected < self.program.n_params:
            return self.selected
        rows = self.program.parameters[self.matrix].ravel()
        grads = self.grad(rows)
        begun, state = self.view.arrived(rows).any(), self.view.state(rows)
        values = grads.values if begun or not state else next(iter(state.values()))
        known = grads.known if begun else np.ones(rows.shape, dtype=np.bool_)
        return int(rows[np.argmax(np.where(known & np.isfinite(values), np.abs(values), 0.0))])

    def course(self) -> Series[UpdateStep]:
        """How `parameter` was moved in the steps so far, this one included once it is moved; as far as is known."""
        row, step = self.parameter, self.moment.step
        so_far, now = series_of(Update(row), self.around.past, self.view), self.view.update(row)
        return so_far if now is None else replace(so_far, known=so_far.known | {step: now})

    @cached_property
    def paths(self) -> list[tuple[GradientPath, list[Edge]]]:
        """The strongest gradient paths of the selected scalar, each with its edges that have a name.

        Raises WhyError where there are none to be found: while the loss is not known, or if it is not finite.
        """
        found = _paths_of(self.view).strongest(self.selected, MOST_PATHS)
        return [(path, waypoints(self.explain, path)) for path in found if path.edges]

    @cached_property
    def strongest(self) -> list[Edge]:
        """The strongest gradient path of the selected scalar, in edges that have a name, from it on; empty if none."""
        try:
            found = _paths_of(self.view).strongest(self.selected, 1)
        except WhyError:
            return []
        return waypoints(self.explain, found[0]) if found else []

    @property
    def path(self) -> PathChoice:
        """The chosen gradient path and edge: the first of each unless others were chosen for the selected scalar."""
        chosen = self.around.path
        return chosen if chosen is not None and chosen.row == self.selected else PathChoice(self.selected)

    @property
    def edges(self) -> list[Edge]:
        """The edges of the chosen gradient path."""
        return self.paths[self.path.path % len(self.paths)][1]

    @property
    def edge(self) -> Edge:
        """The chosen edge of the chosen gradient path."""
        return self.edges[self.path.edge % len(self.edges)]

    @cached_property
    def watches(self) -> list[Watch]:
        """The watches, ready to be evaluated."""
        return [Watch(text, self.scope) for text in self.around.annotations.watches]

    def cell_of(self, row: int) -> int | None:
        """The index of a scalar in the tensor on the stage; None if it is not in it."""
        found = np.flatnonzero(self.stage_event.rows.ravel() == row)
        return int(found[0]) if len(found) else None

    def element(self) -> int:
        """The index, in the tensor on the stage, of the element that is selected or in the making."""
        rows = self.operation.rows
        found = np.flatnonzero(rows.ravel() == self.selected)
        if len(found):
            return int(found[0])
        if self.phase is Phase.FORWARD and self.stepping_inside:
            later = np.flatnonzero(rows.ravel() >= self.view.last_row)
            return int(later[0]) if len(later) else rows.size - 1
        return min(self.cell, rows.size - 1)

    @cached_property
    def source(self) -> SourceLine:
        """The line of code that is at work; at the end of a forward event the one that names what was made."""
        own = self._own_line()
        if own is not None:
            return own
        source = self.view.source()
        return source if self.stepping_inside or not self.forward else source.seen_from(self.event.line)

    def source_of(self, event: Event) -> SourceLine:
        """The line that ends an event: of the user's copy of microgpt.py, else of the engine or the user's script."""
        return self._own_line(event) or self.view.source(event)

    def _own_line(self, event: Event | None = None) -> SourceLine | None:
        return None if self.around.lines is None else self.around.lines.line(self.view, event)

    def data(self, rows: Rows) -> Cells:
        """Values of these scalars, as cells. The backward phase writes none."""
        return self.cells(self.view.data(rows), rows, written=not self.backward)

    def grad(self, rows: Rows) -> Cells:
        """Gradients of these scalars so far, as cells."""
        return self.cells(self.view.grad(rows), rows)

    def cells(self, reading: Reading, rows: Rows, written: bool = True) -> Cells:
        """What was read of these scalars, as cells; whether the present phase has `written` what was read."""
        known = reading.known if self._shown_to is None else reading.known & (rows < self._shown_to)
        changed = (
            self._changed[rows] & known if written and self.around.framed else np.zeros(rows.shape, dtype=np.bool_)
        )
        return Cells(reading.values, known, rows, changed, self.where.digits, self._fading)

    @property
    def _fading(self) -> bool:
        return 0 < self.around.framed < BRIGHT

    @cached_property
    def _shown_to(self) -> int | None:
        """The first row that is not shown yet while the present tensor fills up; None where everything is shown."""
        rows = self.event.rows.ravel()
        shown = int(self.around.filled * rows.size)
        if shown >= rows.size or not self.forward or self.stepping_inside:
            return None
        return int(rows[shown - 1]) + 1 if shown else self.program.row_of(self.event.first)

    @cached_property
    def _changed(self) -> npt.NDArray[np.bool_]:
        """Which scalars the last step has made or changed: one, or a tensor. (All of a matrix would mark nothing.)"""
        changed = np.zeros(self.program.n_rows, dtype=np.bool_)
        if self.stepping_inside:
            changed[self.view.last_row] = self.moment.tick > 0
        elif not self.event.is_parameter:
            changed[self.event.rows] = True
        return changed

    def shown(self, rows: Rows) -> Cells:
        """What this phase is about: values in the forward phase, gradients in the backward phase."""
        return self.grad(rows) if self.backward else self.data(rows)

    def value(self, row: int) -> float | None:
        """One value, None if not known."""
        if self._shown_to is not None and row >= self._shown_to:
            return None
        return self.view.value(row)

    def used_value(self, row: int) -> float | None:
        """The value that arithmetic of this step has used, if known: of a parameter, the one before its update."""
        return None if self.value(row) is None else float(self.view.passed(np.array([row]))[0])

    def gradient(self, row: int) -> float | None:
        """One gradient so far: 0 where the loss does not depend on the scalar; None if nothing has arrived."""
        state = self.gradient_state(row)
        if state is GradientState.INDEPENDENT:
            return 0.0
        return float(self.view.grad(np.array([row])).values[0]) if state is GradientState.VALUE else None

    def no_gradient(self, row: int) -> str | None:
        """What to say where no gradient is added up; None where there is one."""
        return NO_GRADIENT.get(self.gradient_state(row))

    def gradient_state(self, row: int) -> GradientState:
        """As of the view; an early frame of a forward phase does not look for what the loss depends on."""
        return GradientState.NOT_YET if self.around.early and self.forward else self.view.gradient_state(row)

    def token(self, pos: int) -> str:
        """The token that a position reads; its number where the run does not say which that is."""
        inputs = self.program.inputs
        return self.token_name(inputs[pos]) if pos < len(inputs) else f"{pos}"

    def reader(self, pos: int) -> str:
        """A position in a sentence: the token that it reads, else what the run calls it and its number."""
        return self.token(pos) if pos < len(self.program.inputs) else self.called("pos", pos)

    def target(self, pos: int) -> str:
        """The token that a position should predict; empty where the run does not say which that is."""
        token_id = self.target_id(pos)
        return "" if token_id is None else self.token_name(token_id)

    def target_id(self, pos: int | None) -> int | None:
        """The number of the token that a position should predict, if the run says which that is."""
        targets = self.program.targets
        return targets[pos] if pos is not None and pos < len(targets) else None

    def numbered_token(self, pos: int) -> str:
        """A position by its number and the token that it reads, if that is known."""
        return f"{pos} {self.token(pos)}" if pos < len(self.program.inputs) else f"{pos}"

    def called(self, place: str, number: int, short: str | None = None) -> str:
        """A position, layer or head by its number, as in "layer 0", or `short` for "layer "; as in "li=0" where the
        program has a word of its own for it.
        """
        own = self.program.place_names[place]
        if own != place:
            return f"{own}={number}"
        return say(f"debugger.frame.place.{place}", number=number) if short is None else f"{short}{number}"

    def called_head(self, head: int, name: str, width: int | None = None) -> str:
        """A head of the tensor `name`, as in "head 0", or "e=0" where a script counts by e; short if it is wider."""
        own = self.program.head_word(name)
        full = say("debugger.frame.place.head", number=head) if own == "head" else f"{own}={head}"
        return full if width is None or width > cell_len(full) else f"{own[:1]}{head}"

    def token_name(self, token_id: int) -> str:
        """How a token is written."""
        return token_name(self.program.tokenizer, token_id)


def _paths_of(view: View) -> GradientPaths:
    """The gradient paths of a step: they follow from its values alone, so they are found once for all its moments."""
    found = view.program.found
    if GradientPaths not in found or view.loss is None:
        found[GradientPaths] = GradientPaths(view)
    known: GradientPaths = found[GradientPaths]
    return known


def token_name(tokenizer: Tokenizer, token_id: int) -> str:
    """How a token is written: blanks can be seen, and so can everything else."""
    name = tokenizer.name(token_id)
    return "␣" if name == " " else printable(name)
