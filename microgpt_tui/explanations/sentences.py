"""The sentences about events and panes, as data, so that languages can be added."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache

import numpy as np

from engine.immutable import immutable
from engine.language.catalog import fill, read_part
from engine.language.chosen import LANGUAGES, language
from engine.timeline.events import Event, Phase
from engine.timeline.update import ADAM
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.navigation import matrix_name
from microgpt_tui.explanations.facts import facts, variant_of
from microgpt_tui.texts.say import say

_TEXTS = "microgpt_tui.texts"
OF_CHANGEABLE = ("e:", "g:")  # what if, and gradient checks
PANE_KEYS = say("explanations.sentences.pane_keys")


@immutable
class Text:
    """A title and three sentences; `now` says what happens to this document, `now_VARIANT` in a variant of it.

    `keys` are hints on what the keys do there, with "; " between two of them.
    """

    title: str
    what: str
    why: str
    read: str
    now: str = ""
    now_head: str = ""
    now_tokens: str = ""
    keys: str = ""


def texts(of: str | None = None) -> dict[str, dict[str, Text]]:
    """All texts of a language, the chosen one unless another is named.

    They stand by phase and operation, under "pane" by the pane's id, and under "inference". In each phase "generic" is
    the text of operations that have none of their own.
    """
    return _texts(of or language())


@cache
def _texts(chosen: str) -> dict[str, dict[str, Text]]:
    raw = read_part(_TEXTS, chosen, "events") or read_part(_TEXTS, LANGUAGES[0], "events")
    return {phase: {kind: Text(**entry) for kind, entry in kinds.items()} for phase, kinds in raw.items()}


@cache
def lecture_words(of: str) -> dict[str, str]:
    """What a lecture in a language says besides its pages; English where that language is not known."""
    return read_part(_TEXTS, LANGUAGES[0], "lecture") | read_part(_TEXTS, of, "lecture")


def pane_text(pane: str) -> Text | None:
    """What a pane says of itself, by its id; None if that is nothing."""
    return texts()["pane"].get(pane)


def _text_of(frame: Frame) -> Text:
    """The text of the operation on the stage; of the matrix, where its whole gradient has just been added up."""
    kinds = texts()[frame.phase]
    whole = frame.backward and frame.event.is_parameter and not frame.stepping_inside
    operation = frame.operation
    kind = "parameter" if whole else "formula" if is_formula(operation) else operation.kind
    if not whole and left_out_of(frame):
        kind = f"without_{left_out_of(frame)}"
    if frame.phase is Phase.UPDATE and frame.view.optimizer != ADAM:
        kind = "generic"
    return kinds[kind if kind in kinds else "generic"]


def left_out_of(frame: Frame) -> str:
    """What a change leaves out of the operation on the stage, by its kind, or of the update; empty if nothing."""
    if frame.phase is Phase.UPDATE:
        return "" if frame.view.corrects_bias else "bias_correction"
    return _LEFT_OUT.get(frame.operation.kind, "") if frame.operation.left_out else ""


_LEFT_OUT = {"add": "residual", "scores": "score_scale"}


def is_formula(operation: Event) -> bool:
    """Whether an operation has no name, but a formula: in a script."""
    return operation.kind == "generic" and bool(operation.formula)


def pane_title(pane: str) -> str:
    """What a pane is called."""
    return texts()["pane"][pane].title


def title_of(frame: Frame) -> str:
    """The heading of the operation on the stage."""
    if not frame.program.ticks(frame.phase):
        return say("explanations.sentences.no_phase_step", phase=say(f"explanations.phase.{frame.phase}"))
    return fill(_text_of(frame).title, _words(frame))


def sentences(frame: Frame) -> tuple[str, ...]:
    """What happens to this document, the rule, its reason, and how to read the picture.

    The first is left out while its numbers are not known.
    """
    if not frame.program.ticks(frame.phase):
        return (say("explanations.sentences.step_has_no_phase", phase=say(f"explanations.phase.{frame.phase}")),)
    text, words = _text_of(frame), _words(frame) | facts(frame)
    now = getattr(text, f"now_{variant_of(frame)}", "") or text.now
    try:
        first = (fill(now, words),) if now else ()
    except KeyError:  # a number of it is not computed yet
        first = ()
    found = (*first, *_known([text.what, text.why, text.read], words))
    optimizer = words["optimizer"]  # may be no name, but words such as "the update with m and v"
    return tuple(s[:1].upper() + s[1:] if s.startswith(optimizer) else s for s in found)


def _known(sentences: Sequence[str], words: Mapping[str, str]) -> Iterator[str]:
    """Those of the sentences whose words are known: a step that has broken off lacks some."""
    for sentence in sentences:
        with suppress(KeyError):
            yield fill(sentence, words)


def hints(frame: Frame) -> list[str]:
    """What the keys do on the chosen pane or, if none is, on the stage: the most useful first."""
    pane, kinds = frame.around.pane, texts()[frame.phase]
    if pane not in (None, "stage"):
        own = text.keys if (text := pane_text(pane)) else ""
        return [hint for keys in (own, PANE_KEYS) for hint in keys.split("; ") if hint]
    general = kinds["parameter" if frame.phase is Phase.UPDATE else "generic"]
    arrows = "↑↓" if pane is None else "↑↓ ←→"  # with no pane chosen, the other two move through time
    keys = (_text_of(frame).keys or general.keys).format(
        arrows=arrows, head=frame.called_head(frame.operation.head or 0, frame.operation.name)
    )
    first, *others = (hint for hint in keys.split("; ") if frame.view.changeable or hint[:2] not in OF_CHANGEABLE)
    return [first, *([say("explanations.sentences.as_well")] if pane is None else []), *others]


def _words(frame: Frame) -> dict[str, str]:
    """The names that every text of an operation can speak of."""
    event, other = frame.operation, frame.event
    words = {"name": event.name, "event": other.name, "pos": str(event.pos), "kind": event.kind}
    words["optimizer"] = frame.view.optimizer.name
    words["matrix"] = matrix_name(event.matrix or event.name)
    words["formula"] = event.formula
    if is_formula(event) or event.kind not in texts()[frame.phase]:  # no other text names them: it takes time
        words["operands"] = ", ".join(operand_names(frame).values()) or say("explanations.sentences.plain_numbers")
    words["head"] = frame.called_head(event.head, event.name) if event.head is not None else event.name
    if event.pos is not None:
        words |= {
            "reads": frame.reader(event.pos),
            "target": frame.target(event.pos) or say("explanations.sentences.target"),
        }
    return words


def operand_names(frame: Frame) -> dict[str, str]:
    """What the operands of the operation on the stage are called: the tensor or matrix that each is, by parameter.

    One that is neither, such as a head's part of a tensor, is called as the parameter is.
    """
    tensors = [(name, rows) for (name, pos, _, _), rows in frame.program.tensors.items() if pos == frame.operation.pos]
    named = [*frame.program.parameters.items(), *tensors]
    return {
        operand: next((name for name, its in named if np.array_equal(its, rows)), operand)
        for operand, rows in frame.operation.operands.items()
    }
