"""The go-to line: what a typed line asks for, and how it could go on. Pure: it moves nothing itself."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine import Address, Breakpoint, EngineError, EventPattern, ExpressionError
from engine.expressions.breakpoint import condition
from engine.expressions.checker import known_words
from engine.expressions.scope import Scope
from engine.expressions.source import BRACKETS, QUOTED, check_length
from engine.expressions.watch import describe_scalar
from engine.hangul import SPLITS, SYLLABLES
from engine.immutable import immutable
from engine.model.dataset import BUNDLED, bundled_path
from engine.run.address import SPOTS
from engine.text import quoted
from engine.timeline.events import PHASES, Event, Moment, Phase
from engine.timeline.run import ENDLESS
from microgpt_tui.debugger import navigation
from microgpt_tui.debugger.completion import LineError, completed
from microgpt_tui.debugger.examples import Examples
from microgpt_tui.debugger.frame import Choice, Frame
from microgpt_tui.debugger.navigation import SameEvent
from microgpt_tui.debugger.scalar_target import Scalar
from microgpt_tui.debugger.targets import layer_or_head
from microgpt_tui.drawing.error_pointer import pointer
from microgpt_tui.texts.say import say

NUMBERED = ("step", "pos", "layer", "head")
LEADING = ("event", "next", "back")
WORDS = (*NUMBERED, *LEADING, *SPOTS, *PHASES, "data")
DATA = re.compile(rf"data(?:\s+(?P<name>\S.*?))??(?:\s+(?P<split>{'|'.join(SPLITS)}))?", re.IGNORECASE)
WHOLE = re.compile(r"[+-]?\d+")
PLACE = re.compile(r"([\w.]*)(@.*)?")
PHASE = "|".join(PHASES)
ADDRESS = re.compile(  # more than a step, a phase or a place
    rf"(?:(?:step\s+)?\d+\s+)?(?:{PHASE})\s+\S.*|(?:step\s+)?\d+\s+[a-z][\w.]*(?:\s*@.*)?(?:\s+scalar\s+\d+)?|.*\bscalar\s+\d+"
)
COMPARES = re.compile(r"[<>=!(]|\b(and|or|not|in)\b")
CELL = re.compile(  # one number of a tensor or a matrix, perhaps in another step or phase
    rf"(?:(?:step\s+)?(?P<step>\d{{1,9}})\s+)?(?:(?P<phase>{PHASE})\s+)?"
    rf"(?P<scalar>[\w.]+{BRACKETS}\s*(?:@\s*\w+\s*=\s*\w+(?:\s*,\s*\w+\s*=\s*\w+)*)?)"
)
TYPED_WORD = re.compile(rf"{QUOTED}|(?<![\w.])[A-Za-z][\w.]*")
LEAVING = ("quit", "exit", "q!", "wq", "wq!", "x", "qa", "qa!", "quit!")
"""What ends other programs."""
TO_LEAVE = say("debugger.goto.to_leave")


@immutable
class Continue:
    """Go on, or back, to the first moment where a breakpoint of its own says stop."""

    breakpoint: Breakpoint
    back: bool = False


@immutable
class OtherData:
    """Another run, from its beginning: on a bundled file, by its word, or on the file of a path; split so."""

    name: str
    split: str = SYLLABLES

    @property
    def path(self) -> Path:
        """Where the documents are."""
        return bundled_path(self.name) if self.bundled else Path(self.name).expanduser()

    @property
    def bundled(self) -> bool:
        """Whether they come with the program."""
        return self.name in BUNDLED


@immutable
class Cell:
    """One number of a tensor or a matrix, to be chosen in a step and a phase; None is the present one."""

    scalar: Scalar
    step: int | None = None
    phase: Phase | None = None

    def written(self, names: Mapping[str, str]) -> str:
        """As it is typed where the places have these names."""
        place = self.scalar.place
        index = [*(number for number in (place.layer, place.head) if number is not None), *self.scalar.index]
        at = "" if place.pos is None else f"@{names['pos']}={place.pos}"
        return f"{place.name}[{', '.join(map(str, index))}]{at}" if index else f"{place.name}{at}"


@immutable
class CellTarget:
    """A number and the moment at which to choose it: its row on the tape, its index in its tensor or matrix."""

    moment: Moment
    row: int
    cell: int
    name: str
    matrix: str | None = None  # for a matrix where the phase has no event of it: the moment stays as it is


Command = Moment | SameEvent | Address | Choice | Continue | Scalar | Cell | CellTarget | OtherData
"""Where to go: a moment, also of a step that is yet to be read; a layer or head to look at, a stop to continue to, the
next event of a scalar, a number to choose, also in a step that is yet to be read; another run."""


def read_line(line: str, frame: Frame, docs: Sequence[str]) -> Command | None:
    """What a line asks for; None if it is empty. `docs` are those of the run. Raises LineError."""
    check_length(line, LineError)
    scope = frame.scope
    if "data" not in scope.specs and (data := DATA.fullmatch(line.strip())):  # a script may have a tensor of that name
        return _other_data(data)
    line = _small(line.strip(), scope)
    try:
        return _read(line, frame, scope, docs) if line else None
    except ExpressionError as error:
        raise LineError(f"{error.reason}\n{pointer(error)}".rstrip()) from None
    except EngineError as error:
        raise LineError(str(error)) from None


def _small(line: str, scope: Scope) -> str:
    """The line with all words that are known in small letters; what stands in quotes stays as it is."""
    known = {*WORDS, *LEAVING, *scope.specs, *known_words(), *PLACE_KEYS, "scalar", "and", "or", "not", "in"}

    def small(word: re.Match[str]) -> str:
        return word[0].lower() if word[0].lower() in known else word[0]

    return TYPED_WORD.sub(small, line)


def _read(line: str, frame: Frame, scope: Scope, docs: Sequence[str]) -> Command:
    word, _, rest = (part.strip() for part in line.partition(" "))
    if WHOLE.fullmatch(line.replace(" ", "")):
        return _step(line.replace(" ", ""), frame)
    if line in LEAVING:
        raise LineError(TO_LEAVE)
    if found := CELL.fullmatch(line):
        return _cell(found, frame, scope)
    if ADDRESS.fullmatch(line):
        return Address.parse(line, scope, frame.moment.step)
    usual = _usual(word, frame)
    if usual in NUMBERED and not COMPARES.search(rest) and (usual == word or WHOLE.fullmatch(rest)):
        return _numbered(usual, word, rest, frame)
    if word in LEADING:
        return _led(word, rest, frame, scope, docs)
    if line in (*SPOTS, *PHASES) and line not in scope.specs:
        return Address.parse(line, scope, frame.moment.step).moment(frame.program)
    if _is_place(line, scope):
        return _place(EventPattern.parse(line, scope.place_names), frame, scope)
    if COMPARES.search(line):
        return Continue(_stop(line, scope))
    near = difflib.get_close_matches(word, (*WORDS, *scope.specs, *known_words()), n=1)
    examples = say("debugger.goto.examples", **Examples.of(scope).places)
    if near:
        raise LineError(say("debugger.goto.nowhere_but_near", line=line, near=near[0], examples=examples))
    raise LineError(say("debugger.goto.nowhere", line=line, examples=examples))


def _other_data(written: re.Match[str]) -> OtherData:
    if not written["name"]:
        raise LineError(say("debugger.goto.data_takes", known=_bundled()))
    return OtherData(written["name"], (written["split"] or SYLLABLES).lower())


def _bundled() -> str:
    """The words of the bundled files, each with what it holds."""
    return ", ".join(
        say("debugger.goto.bundled", word=word, what=say(f"debugger.goto.data.{word}")) for word in BUNDLED
    )


def _usual(word: str, frame: Frame) -> str:
    """The usual name of a place that the program calls by a word of its own; any other word as it is."""
    return next((key for key, own in frame.program.place_names.items() if own == word), word)


def _numbered(word: str, called: str, rest: str, frame: Frame) -> Command:
    """What a number of a step, position, layer or head leads to; `called` is what it was called."""
    if not WHOLE.fullmatch(rest):
        given = "whole_number_not" if rest else "whole_number"
        raise LineError(say(f"debugger.goto.takes.{given}", called=called, rest=rest))
    if word == "step":
        return _step(str(int(rest)), frame)
    number, program = int(rest), frame.program
    sizes = {"pos": program.n, "layer": frame.config.n_layer, "head": frame.config.n_head}
    if word != "pos" and not frame.config.n_layer:
        raise LineError(say("debugger.goto.model_has_no_layers", called=called, number=number))
    if not 0 <= number < sizes[word]:
        whose = "model" if word != "pos" else "document" if program.doc else "step"
        owner = say(f"debugger.goto.owner.{whose}", doc=quoted(program.doc))
        if not sizes[word]:
            raise LineError(say("debugger.goto.has_no_positions", owner=owner))
        raise LineError(
            say("debugger.goto.out_of_range", owner=owner, called=called, number=number, last=sizes[word] - 1)
        )
    if word != "pos":
        return layer_or_head(frame, **{word: number})  # type: ignore[return-value]
    first = program.events(Phase.FORWARD)[0]  # the update has no positions
    found = navigation.at_position(program, frame.stage_event, number) or navigation.at_position(program, first, number)
    assert found is not None
    return found


def _step(number: str, frame: Frame) -> SameEvent:
    """The present event in another training step; with a sign it counts from here."""
    step = int(number) + (frame.moment.step if number[0] in "+-" else 0)
    _check_step(step, frame)
    return frame.in_step(step)


def _check_step(step: int, frame: Frame) -> None:
    most = frame.config.num_steps
    if step < 0 and most >= ENDLESS:
        raise LineError(say("debugger.goto.there_no_step_first", step=step))
    if not 0 <= step <= most:
        raise LineError(say("debugger.goto.there_no_step_schedule", step=step, most=most))


def _led(word: str, rest: str, frame: Frame, scope: Scope, docs: Sequence[str]) -> Command:
    if not rest:
        own = Examples.of(scope)
        example = {"event": own.tensor, "next": own.weight, "back": "loss > 3"}[word]
        raise LineError(say("debugger.goto.does_not_say_what", word=word, example=example))
    if word == "event":
        cell = CELL.fullmatch(rest)
        return (
            _cell(cell, frame, scope, event=True)
            if cell
            else _event(EventPattern.parse(rest, scope.place_names), frame, scope)
        )
    if word == "back":
        return Continue(_stop(rest, scope), back=True)
    if COMPARES.search(rest) and "@" not in rest:
        return Continue(_stop(rest, scope))
    scalar = Scalar.parse(rest, scope)
    here = scalar.following(frame.program, frame.moment)
    if here is None and scalar.next_step(frame.moment.step, docs, frame.config.block_size) is None:
        raise LineError(say("debugger.goto.no_document_reaches_position", reach=scalar.reach, rest=rest))
    return scalar


def _stop(text: str, scope: Scope) -> Breakpoint:
    """A place or a condition to stop at."""
    if _is_place(text, scope):
        place = EventPattern.parse(text, scope.place_names)
        place.check(scope)
        return Breakpoint("line", place=place)
    return Breakpoint("line", condition=condition(text, scope).text)


def _is_place(text: str, scope: Scope) -> bool:
    written = PLACE.fullmatch(text)
    return bool(written and (written[2] or written[1] in (*scope.specs, "loss")))


def _place(place: EventPattern, frame: Frame, scope: Scope) -> Moment | CellTarget:
    """The event at a place; the matrix itself where the present phase has no event of a matrix."""
    place.check(scope)
    if place.name in frame.program.parameters and place.phase is None and frame.phase is Phase.FORWARD:
        name = str(place.name)
        row = Frame(frame.view, frame.where.choosing(Choice(matrix=name)), frame.around).parameter
        rows = frame.program.parameters[name]
        if row not in rows:  # another parameter is chosen
            row = int(rows.flat[0])
        return _spot_of_matrix(name, row, frame)
    return _event(place, frame, scope)


def _event(place: EventPattern, frame: Frame, scope: Scope) -> Moment:
    """The event of this step at a place; what the place leaves open, as it is here."""
    place.check(scope)
    found = _nearest([s for phase in _phases(place, frame) for s in frame.program.events(phase)], place, frame)
    if found is None:
        raise _nowhere(place, frame)
    return Moment(frame.moment.step, found.phase, found.last)


def _phases(place: EventPattern, frame: Frame) -> tuple[Phase, ...]:
    """Where to look for an event, the best phase first: the present one; from the update phase, the forward one."""
    return (place.phase,) if place.phase else (frame.phase, *PHASES)


def _nearest(events: Sequence[Event], place: EventPattern, frame: Frame) -> Event | None:
    """Of the events at a place those of the first phase that has any, and of them the one most like the present one."""
    here, found = frame.stage_event, [s for s in events if place.matches(s)]

    def strangeness(s: Event) -> tuple[bool, ...]:
        return s.name != here.name, s.pos != here.pos, s.layer != here.layer, s.head != here.head

    return min((s for s in found if s.phase is found[0].phase), key=strangeness, default=None)


def _nowhere(place: EventPattern, frame: Frame) -> LineError:
    program = frame.program
    has = "none" if not program.n else "document" if program.doc else "positions"
    where = say(f"debugger.goto.where.{has}", doc=quoted(program.doc), last=program.n - 1)
    return LineError(
        say(
            "debugger.goto.no_event_step_leave",
            step=program.step,
            where=where,
            place=place.describe(program.place_names),
        )
    )


def _cell(written: re.Match[str], frame: Frame, scope: Scope, event: bool = False) -> Cell | CellTarget:
    """A number that is typed as a cell: where it is, if that is in this step; of a matrix perhaps only at an event."""
    scalar = Scalar.parse(written["scalar"], scope, phased=True)
    phase = Phase(written["phase"]) if written["phase"] else None
    if scalar.place.phase is not None:
        if phase not in (None, scalar.place.phase):
            raise LineError(say("debugger.goto.names_two_phases_leave", written=written[0]))
        phase = scalar.place.phase
    if event and scalar.parameter and frame.phase is Phase.FORWARD and written["step"] is None:
        phase = phase or Phase.BACKWARD
    if written["step"] is None:
        return spot(Cell(scalar, phase=phase), frame)
    step = int(written["step"])
    _check_step(step, frame)
    cell = Cell(scalar, step, phase or (Phase.UPDATE if scalar.parameter else Phase.FORWARD))
    return spot(cell, frame) if step == frame.moment.step else cell


def spot(cell: Cell, frame: Frame) -> CellTarget:
    """Where a cell is in the step of the frame. Raises LineError if its document has no such number."""
    scalar, program, step = cell.scalar, frame.program, frame.moment.step
    place = replace(scalar.place, phase=cell.phase)
    if scalar.parameter and (cell.phase or frame.phase) is Phase.FORWARD:
        name = str(place.name)
        row = int(frame.program.parameters[name][scalar.index])
        return _spot_of_matrix(name, row, frame)
    events = [s for phase in _phases(place, frame) for s in program.events(phase)]
    found = _nearest([s for s in events if scalar.row(s) is not None], place, frame)
    row_ = None if found is None else scalar.row(found)
    if found is None or row_ is None:
        if cell.phase is Phase.UPDATE and not scalar.parameter:
            raise LineError(say("debugger.goto.update_moves_parameters_only", name=place.name))
        has = "none" if not program.n else "document" if program.doc else "run"
        length = say(f"debugger.goto.length.{has}", doc=quoted(program.doc), last=program.n - 1)
        raise LineError(
            say("debugger.goto.there_no_step_write", cell=cell.written(program.place_names), step=step, length=length)
        )
    index = int(np.flatnonzero(found.rows.ravel() == row_)[0])
    name = f"{describe_scalar(frame.view, row_)}, {found.phase}"
    return CellTarget(Moment(step, found.phase, found.last), row_, index, name)


def _spot_of_matrix(name: str, row: int, frame: Frame) -> CellTarget:
    """A number of a matrix in the forward phase, which has no event of any: at the present moment if it is in it."""
    rows, step = frame.program.parameters[name], frame.moment.step
    first = Moment(step, Phase.FORWARD, frame.program.events(Phase.FORWARD)[0].last)
    here = frame.moment if frame.phase is Phase.FORWARD else first
    return CellTarget(here, row, row - int(rows.flat[0]), describe_scalar(frame.view, row), name)


# What the line says while it is typed.


def preview(line: str, frame: Frame, docs: Sequence[str]) -> str:
    """What enter would do with a line, or what an index that is begun takes; empty where neither can be said."""
    if form := _shape(line, frame):
        return form
    try:
        command = read_line(line, frame, docs)
    except LineError as error:
        return TO_LEAVE if str(error) == TO_LEAVE else ""
    if command is None:
        return ""
    quitting = "enter_not_quit" if line.strip().lower() == "q" else "enter"
    return say(f"debugger.goto.does.{quitting}", command=_described(command, frame))


def line_remark(line: str) -> str:
    """What to say when a line has been carried out that may have meant something else; usually nothing."""
    return say("debugger.goto.tensor_q_quit_press") if line.strip().lower() == "q" else ""


def _described(command: Command, frame: Frame) -> str:
    names = frame.program.place_names
    match command:
        case Moment():
            return EventPattern.of(frame.program.event_at(command)).describe(frame.program.place_names)
        case SameEvent():
            return say("debugger.goto.same_event_step", step=command.step)
        case Address():
            return command.written(names)
        case Choice():
            head = command.head is not None
            what = "head" if head else "layer"
            return say("debugger.goto.show", what=names[what], number=command.head if head else command.layer)
        case Continue():
            way = "back" if command.back else "on"
            return say(f"debugger.goto.continue.{way}", stop=command.breakpoint.describe(names))
        case Scalar():
            return say("debugger.goto.next_event", cell=Cell(command).written(names))
        case Cell():
            return say(
                "debugger.goto.cell_in_step", step=command.step, phase=command.phase, cell=command.written(names)
            )
        case CellTarget():
            return say("debugger.goto.matrix_here", name=command.name) if command.matrix else command.name
        case OtherData():
            name = say(f"debugger.goto.data.{command.name}") if command.bundled else command.name
            return say(f"debugger.goto.new_run.{command.split}", name=name)


def _shape(line: str, frame: Frame) -> str:
    """For an index that is begun: what the tensor takes. For pos, layer, head: from where to where they go."""
    words = line.lower().split()
    if words == ["data"]:
        return say("debugger.goto.data_lists", known=_bundled())
    sizes = {"pos": frame.program.n, "layer": frame.config.n_layer, "head": frame.config.n_head}
    usual = _usual(words[0], frame) if words else ""
    if len(words) == 1 and usual in sizes and line[-1:] == " " and words[0] not in frame.scope.specs:
        return say("debugger.goto.zero_to", what=words[0], last=sizes[usual] - 1)
    begun = re.search(r"([\w.]+)\[[^\]]*$", line.lower())
    spec = frame.scope.specs.get(begun[1]) if begun else None
    if spec is None:
        return ""
    axes = ("row", "column") if len(spec.shape) == 2 else ("index",)
    called = [say(f"debugger.goto.axis.{axis}") for axis in axes]
    takes = [*spec.places.items(), *zip(called, spec.shape, strict=False)]
    words = [say("debugger.goto.zero_to", what=what, last=size - 1) for what, size in takes]
    indexed = f"{spec.name}[{', '.join(words)}]"
    return say("debugger.goto.or_token", indexed=indexed) if spec.tokens else indexed


def completions(line: str, frame: Frame) -> list[str]:
    """Lines that this one could become."""
    scope, word = frame.scope, line.lower().partition(" ")[0]
    specs = (*scope.specs, "loss")
    if not line or line.count("[") > line.count("]"):
        return []
    if word == "data" and " " in line:
        return completed(line, SPLITS if len(line.split(" ")) > 2 else BUNDLED)
    if "@" in line:
        after = re.split(r"[@,]", line)[-1]
        words = [f"{frame.program.place_names.get(key, key)}=" for key in PLACE_KEYS]
        left = (word for word in words if word not in line)
        return completed(line, PHASES if after.startswith("phase=") else () if "=" in after else left)
    if " " not in line:
        own = (name for name in frame.program.place_names.values() if name not in WORDS)
        return completed(line, (*WORDS, *own, *specs, *known_words()))
    if line[-1] == " " or word in NUMBERED[1:]:
        return []
    if STEPPED.match(line.lower()):
        return completed(line, (*PHASES, *specs, "end", "scalar"))
    if word in (*PHASES, "event", "next"):
        return completed(line, (*specs, *(("end", "scalar") if word in PHASES else ())))
    return completed(line, (*specs, *known_words()))


PLACE_KEYS = ("pos", "layer", "head", "phase")
STEPPED = re.compile(r"(step\s+)?\d+\s")
