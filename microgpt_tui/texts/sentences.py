"""The sentences about events and panes, as data, so that languages can be added."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from engine.timeline.events import Event
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.texts.languages import usual_language


@dataclass(frozen=True, slots=True)
class Text:
    """A title and three sentences."""

    title: str
    what: str
    why: str
    read: str


@cache
def texts(language: str | None = None) -> dict[str, dict[str, Text]]:
    """All texts of a language: by phase and operation, under "pane" by the pane's id, and of "inference".

    In each phase "generic" is the text of operations that have none of their own.

    Without one, that of the user's terminal; English where there are no such texts yet.
    """
    folder = resources.files(__package__)
    file = folder / f"{language or usual_language()}.toml"
    raw = tomllib.loads((file if file.is_file() else folder / "en.toml").read_text(encoding="utf-8"))
    return {phase: {kind: Text(**entry) for kind, entry in kinds.items()} for phase, kinds in raw.items()}


@cache
def lecture_words(language: str) -> dict[str, str]:
    """What a lecture says besides its pages; English where a language is not known."""
    raw = tomllib.loads((resources.files(__package__) / "lecture_ui.toml").read_text(encoding="utf-8"))
    words: dict[str, str] = raw["en"] | raw.get(language, {})
    return words


def pane_text(pane: str) -> Text | None:
    """What a pane says of itself, by its id; None if that is nothing."""
    return texts()["pane"].get(pane)


def _text_of(stretch: Event) -> Text:
    kinds = texts()[stretch.phase]
    return kinds[stretch.kind if stretch.kind in kinds else "generic"]


def title_of(stretch: Event) -> str:
    """The heading of an event."""
    title = _text_of(stretch).title.format(name=stretch.name, kind=stretch.kind)
    return title if stretch.is_parameter else f"{stretch.name}: {title}"


def sentences(frame: Frame) -> tuple[str, str, str]:
    """What happens in a frame, why, and how to read the picture."""
    stretch = frame.stretch
    text = _text_of(stretch)
    words: dict[str, str | int | None] = {"name": stretch.name, "pos": stretch.pos, "kind": stretch.kind}
    if stretch.kind not in texts()[stretch.phase]:
        words["operands"] = ", ".join(operand_names(frame).values())
    if stretch.pos is not None:
        words |= {"reads": frame.token(stretch.pos), "target": frame.target(stretch.pos)}
    what, why, read = (sentence.format(**words) for sentence in (text.what, text.why, text.read))
    return what, why, read


def operand_names(frame: Frame) -> dict[str, str]:
    """What the operands of the operation on the stage are called: the tensor or matrix that each is, by parameter.

    One that is neither, such as a head's part of a tensor, is called as the parameter is.
    """
    tensors = [(name, rows) for (name, pos, _, _), rows in frame.program.tensors.items() if pos == frame.stretch.pos]
    named = [*frame.view.recording.matrices.items(), *tensors]
    return {
        operand: next((name for name, its in named if np.array_equal(its, rows)), operand)
        for operand, rows in frame.stretch.operands.items()
    }
