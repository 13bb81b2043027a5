"""The go-to line: what a typed line asks for, and how it could go on. Pure: it moves nothing itself."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from engine import Address, Breakpoint, EngineError, ExpressionError, Place
from engine.breakpoints import condition
from engine.checking import KNOWN
from engine.events import PHASES, Moment, Phase, Stretch
from engine.parsing import check_length
from engine.quoting import quoted
from engine.references import Scope
from microgpt_tui import navigation
from microgpt_tui.completing import LineError, completed
from microgpt_tui.frame import Choice, Frame
from microgpt_tui.panes.choosing import layer_or_head
from microgpt_tui.pointing import pointer
from microgpt_tui.scalars import Scalar

NUMBERED = ("step", "pos", "layer", "head")
LEADING = ("event", "next", "back")
SPOTS = ("start", "end", *PHASES)
WORDS = (*NUMBERED, *LEADING, *SPOTS)
WHOLE = re.compile(r"[+-]?\d+")
PLACE = re.compile(r"([\w.]*)(@.*)?")
PHASE = "|".join(PHASES)
ADDRESS = re.compile(  # more than a step, a phase or a place
    rf"(?:(?:step\s+)?\d+\s+)?(?:{PHASE})\s+\S.*|(?:step\s+)?\d+\s+[a-z][\w.]*(?:\s*@.*)?(?:\s+scalar\s+\d+)?|.*\bscalar\s+\d+"
)
COMPARES = re.compile(r"[<>=!(]|\b(and|or|not|in)\b")
EXAMPLES = "step 500, +50, pos 3, attn_weights, 99 backward q@pos=1, next wte[5][3] or loss < 2"
HINT = "step 500   +50   pos 3   head 2   logits   99 backward q@pos=1   next wte[5][3]   loss < 2"


@dataclass(frozen=True, slots=True)
class Continue:
    """Go on, or back, to the first moment where a breakpoint of its own says stop."""

    breakpoint: Breakpoint
    back: bool = False


Command = Moment | Address | Choice | Continue | Scalar
"""Where to go: a moment, also of a step that is yet to be read; a layer or head to look at, a stop to continue to, the
next event of a scalar."""


def read(line: str, frame: Frame, docs: Sequence[str]) -> Command | None:
    """What a line asks for; None if it is empty. `docs` are those of the run. Raises LineError."""
    check_length(line, LineError)
    scope = Scope(frame.config, frame.program.tokenizer)
    try:
        return _read(line.strip(), frame, scope, docs) if line.strip() else None
    except ExpressionError as error:
        raise LineError(f"{error.reason}\n{pointer(error)}".rstrip()) from None
    except EngineError as error:
        raise LineError(str(error)) from None


def _read(line: str, frame: Frame, scope: Scope, docs: Sequence[str]) -> Command:
    word, _, rest = (part.strip() for part in line.partition(" "))
    if WHOLE.fullmatch(line.replace(" ", "")):
        return _step(line.replace(" ", ""), frame)
    if ADDRESS.fullmatch(line):
        return Address.parse(line, scope, frame.moment.step)
    if word in NUMBERED and not COMPARES.search(rest):
        return _numbered(word, rest, frame)
    if word in LEADING:
        return _led(word, rest, frame, scope, docs)
    if line in SPOTS:
        return _spot(line, frame)
    if _is_place(line, scope):
        return _event(Place.parse(line), frame, scope)
    if COMPARES.search(line):
        return Continue(_stop(line, scope))
    near = difflib.get_close_matches(word, (*WORDS, *scope.tables, *KNOWN), n=1)
    hint = f"did you mean {near[0]}? If not, " if near else ""
    raise LineError(f"{line!r} is nowhere to go; {hint}write for example {EXAMPLES}")


def _numbered(word: str, rest: str, frame: Frame) -> Command:
    if not WHOLE.fullmatch(rest):
        raise LineError(f"{word} takes a whole number{f', not {rest!r}' if rest else ''}; write for example {word} 0")
    if word == "step":
        return _step(str(int(rest)), frame)
    number, program = int(rest), frame.program
    sizes = {"pos": program.n, "layer": frame.config.n_layer, "head": frame.config.n_head}
    if word != "pos" and not frame.config.n_layer:
        raise LineError(f"this model has no layers, and so no {word} {number}; write for example pos 0 or step 0")
    if not 0 <= number < sizes[word]:
        whose = f"document {quoted(program.doc)} of this step" if word == "pos" else "this model"
        raise LineError(f"{whose} has no {word} {number}; write a number from 0 to {sizes[word] - 1}")
    if word != "pos":
        return layer_or_head(frame, **{word: number})  # type: ignore[return-value]
    first = program.stretches(Phase.FORWARD)[0]  # the update has no positions
    found = navigation.at_position(program, frame.stretch, number) or navigation.at_position(program, first, number)
    assert found is not None
    return found


def _step(number: str, frame: Frame) -> Moment:
    """A training step, the same phase of it; with a sign it counts from here."""
    here, most = frame.moment, frame.config.num_steps
    step = int(number) + (here.step if number[0] in "+-" else 0)
    if not 0 <= step <= most:
        raise LineError(f"there is no step {step} in this schedule; write a step from 0 to {most}")
    return Moment(step, here.phase, frame.program.stretches(here.phase)[0].last)


def _spot(word: str, frame: Frame) -> Moment:
    """The first event of a phase, or the first or the last event of the step."""
    if word == "end":
        return Moment(frame.moment.step, Phase.UPDATE, frame.program.ticks(Phase.UPDATE))
    phase = Phase.FORWARD if word == "start" else Phase(word)
    return Moment(frame.moment.step, phase, frame.program.stretches(phase)[0].last)


def _led(word: str, rest: str, frame: Frame, scope: Scope, docs: Sequence[str]) -> Command:
    if not rest:
        example = {"event": "event attn_weights", "next": "next wte[5][3]", "back": "back loss > 3"}[word]
        raise LineError(f"{word} does not say to what; write for example {example}")
    if word == "event":
        return _event(Place.parse(rest), frame, scope)
    if word == "back":
        return Continue(_stop(rest, scope), back=True)
    if COMPARES.search(rest) and "@" not in rest:
        return Continue(_stop(rest, scope))
    scalar = Scalar.parse(rest, scope)
    here = scalar.following(frame.program, frame.moment)
    if here is None and scalar.next_step(frame.moment.step, docs, frame.config.block_size) is None:
        raise LineError(f"no document reaches position {scalar.reach}, where {rest} would be; write a smaller number")
    return scalar


def _stop(text: str, scope: Scope) -> Breakpoint:
    """A place or a condition to stop at."""
    if _is_place(text, scope):
        place = Place.parse(text)
        place.check(scope)
        return Breakpoint("line", place=place)
    return Breakpoint("line", condition=condition(text, scope).text)


def _is_place(text: str, scope: Scope) -> bool:
    written = PLACE.fullmatch(text)
    return bool(written and (written[2] or written[1] in (*scope.tables, "loss")))


def _event(place: Place, frame: Frame, scope: Scope) -> Moment:
    """The event of this step at a place: of this phase if it has one; what the place leaves open, as it is here."""
    place.check(scope)
    here, program = frame.stretch, frame.program

    def strangeness(s: Stretch) -> tuple[bool, ...]:
        return s.name != here.name, s.pos != here.pos, s.layer != here.layer, s.head != here.head

    for phase in (frame.phase, *PHASES):
        found = [s for s in program.stretches(phase) if place.matches(s)]
        if found:
            return Moment(frame.moment.step, phase, min(found, key=strangeness).last)
    raise LineError(
        f"no event of step {program.step} (document {quoted(program.doc)}, positions 0 to {program.n - 1}) is "
        f"{place.describe()}; leave out what does not fit, or go to another step"
    )


def completions(line: str, frame: Frame) -> list[str]:
    """Lines that this one could become."""
    scope, word = Scope(frame.config, frame.program.tokenizer), line.partition(" ")[0]
    tables = (*scope.tables, "loss")
    if not line:
        return []
    if "@" in line:
        after = re.split(r"[@,]", line)[-1]
        left = (word for word in PLACE_WORDS if word not in line)
        return completed(line, PHASES if after.startswith("phase=") else () if "=" in after else left)
    if " " not in line:
        return completed(line, (*WORDS, *tables, *KNOWN))
    return completed(line, tables if word in ("event", "next") else (*tables, *KNOWN)) if line[-1] != " " else []


PLACE_WORDS = ("pos=", "layer=", "head=", "phase=")
