"""Search: the events of a training step that fit some words, one after the other and round again. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from engine.expressions.source import check_length
from engine.immutable import immutable
from engine.text import same
from engine.timeline.events import PHASES, Event, Moment, StepProgram
from microgpt_tui.debugger.completion import LineError, completed
from microgpt_tui.texts.say import say

NUMBERS = {"pos": "pos", "position": "pos", "layer": "layer", "head": "head"}


@immutable
class Match:
    """The event to go to, the `number`-th of `count` that fit; `wrapped` if the search began again at the first."""

    moment: Moment
    number: int
    count: int
    wrapped: bool

    @property
    def sentence(self) -> str:
        """Which match this is."""
        again = "again" if self.wrapped else "match"
        return say(f"debugger.search.found.{again}", number=self.number, count=self.count)


def search(line: str, program: StepProgram, moment: Moment) -> Match | None:
    """The next event of the step, after `moment`, that fits all words of a line; None for an empty line.

    A word is a part of a name, a phase, or the token read at a position (single letters: a whole name or token);
    pos, layer, head and token may be followed by which. Raises LineError.
    """
    check_length(line, LineError)
    tests = _tests(line, {own: key for key, own in program.place_names.items()})
    if not tests:
        return None
    events = (s for phase in PHASES for s in program.events(phase))
    found = [Moment(program.step, s.phase, s.last) for s in events if all(_fits(s, *test, program) for test in tests)]
    if not found:
        raise LineError(say("debugger.search.no_event_step_fits", searched=line.strip()))
    ahead = next((i for i, end in enumerate(found) if end.key > moment.key), None)
    return Match(found[ahead or 0], (ahead or 0) + 1, len(found), ahead is None)


def _tests(line: str, own: Mapping[str, str]) -> list[tuple[str, str]]:
    """Pairs of what is looked at and what it has to be; "" looks at everything that words can be.

    `own` has the program's own words for places, by them.
    """
    words = deque(line.replace("=", " ").split())
    tests = []
    while words:
        word = words.popleft()
        key = NUMBERS.get(word.lower(), word.lower())
        if word in own and words and words[0].isdecimal():
            key = own[word]
        if key not in NUMBERS and key != "token":
            tests.append(("", word))
            continue
        value = words.popleft() if words else ""
        if not value or (key in NUMBERS and not value.isdecimal()):
            raise LineError(say("debugger.search.does_not_say_which", word=word, example="a" if key == "token" else 0))
        tests.append((key, value))
    return tests


def _fits(event: Event, key: str, value: str, program: StepProgram) -> bool:
    if key in NUMBERS:
        return bool(getattr(event, key) == int(value))
    known = event.pos is not None and event.pos < len(program.inputs)
    token = program.tokenizer.name(program.inputs[event.pos or 0]) if known else None
    if key == "token":
        return token is not None and same(token, value)
    word = value.lower()
    named = word in (event.name, event.phase) or (token is not None and same(token, value))
    return named or (len(word) > 1 and word in event.name)


def search_completions(line: str, program: StepProgram) -> list[str]:
    """Lines that this one could become."""
    if not line or line.endswith(" "):
        return []
    names = (s.name for phase in PHASES for s in program.events(phase))
    return completed(line, (*NUMBERS, *program.place_names.values(), "token", *PHASES, *names))
