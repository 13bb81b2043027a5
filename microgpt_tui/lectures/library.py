"""Finds lectures: the course that comes with the program, by number or name, and a user's own file or folder.

A course is a folder with one subfolder a language; a chapter is a file in it; files are in the order of their
names, and numbers in these count: 2-tokens.md comes before 10-inference.md.
"""

from __future__ import annotations

import difflib
import re
from importlib import resources
from pathlib import Path

from engine import Config, ConfigError, EngineError
from engine.language.chosen import LANGUAGES
from engine.model.dataset import load_docs
from microgpt_tui.lectures.page import Chapter, Course, LectureError
from microgpt_tui.lectures.parser import read_chapter
from microgpt_tui.texts.say import say

BUILT_IN = "microgpt"


def load_course(language: str) -> Course:
    """The chapters that come with the program. Raises LectureError."""
    return _course(_built_in(), language)


def other(course: Course) -> Course | None:
    """The same course in its next language; None if it has no other. Raises LectureError."""
    if course.folder is None:
        return None
    own = course.chapters[0].language
    languages = [language for language in LANGUAGES if language == own or (course.folder / language).is_dir()]
    following = languages[(languages.index(own) + 1) % len(languages)] if own in languages else own
    return None if following == own else _course(course.folder, following)


def _course(folder: Path, language: str) -> Course:
    chapters = [read_chapter(path, language) for path in _files(folder, language)]
    return Course(folder.absolute().resolve().name, chapters, folder)


def find(wanted: str | None, language: str) -> tuple[Course, int]:
    """The course that a chapter's number, its name, a file or a folder means, and where to begin in it.

    Raises LectureError.
    """
    path = _built_in() if wanted is None else Path(wanted)
    if path.suffix == ".md" or path.is_file():
        chapter = read_chapter(path, path.parent.name if path.parent.name in LANGUAGES else language)
        return Course(chapter.title, [chapter]), 0
    if wanted is None or path.is_dir():
        return _course(path, language), 0
    built_in = load_course(language)
    return built_in, _place(wanted, built_in)


def files(wanted: str | None, language: str) -> list[Path]:
    """The files that are meant, to be checked. Raises LectureError."""
    path = _built_in() if wanted is None else Path(wanted)
    if wanted is None or path.is_dir():
        return _files(path, language)
    if path.suffix == ".md" or path.is_file():
        return [path]
    course, place = find(wanted, language)
    return [Path(course.chapters[place].file)]


def run_of(chapter: Chapter) -> tuple[Config, list[str]]:
    """The hyperparameters and the documents of the run that a chapter speaks of. Raises LectureError."""
    config = _config(chapter)
    try:
        return config, load_docs(chapter.data, chapter.split)
    except EngineError as error:
        if chapter.data is None:
            raise
        raise chapter.sources[-1].fault(say("lectures.library.data_wrong", error=error)) from None


def _config(chapter: Chapter) -> Config:
    kinds = {name: type(value) for name, value in Config().as_dict().items()}
    values: dict[str, float] = {}
    for (name, text), source in zip(chapter.options, chapter.sources, strict=False):
        if name not in kinds:
            raise source.fault(say("lectures.library.config.unknown", name=name, kinds=", ".join(kinds)))
        try:
            values[name] = kinds[name](text)
        except ValueError:
            kind = kinds[name].__name__
            raise source.fault(say(f"lectures.library.config.no_{kind}", name=name, text=text)) from None
    try:
        return Config(**values)  # type: ignore[arg-type]
    except ConfigError as error:
        named = (
            source for (name, _), source in zip(chapter.options, chapter.sources, strict=False) if name in str(error)
        )
        raise next(named, chapter.sources[0]).fault(say("lectures.library.config.wrong", error=error)) from error


def _built_in() -> Path:
    return Path(str(resources.files(__package__) / "courses" / BUILT_IN))


def _files(folder: Path, language: str) -> list[Path]:
    """The chapters of a folder: those in the subfolder of a language if there are subfolders of languages."""
    inside = folder / language
    paths = (inside if inside.is_dir() else folder).glob("*.md")
    chapters = sorted((path for path in paths if path.stem.lower() != "readme"), key=_in_order)
    if not chapters:
        others = [name for name in LANGUAGES if (folder / name).is_dir()]
        if others:
            reason = say("lectures.library.no_language.lang", language=language, found=others[0])
        else:
            reason = say("lectures.library.no_language.folder", language=language)
        raise LectureError(reason, str(folder))
    return chapters


def _in_order(path: Path) -> tuple[list[str | int], str]:
    """Texts and numbers of a file's name in turn, to sort by; and the name, where these are alike."""
    parts = re.split(r"(\d+)", path.stem)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], path.name


def _place(wanted: str, course: Course) -> int:
    """The place of a chapter by its number from 1, its file's name, or the part of that which is no number."""
    names = [chapter.name for chapter in course.chapters]
    if wanted.isdecimal() and 1 <= int(wanted) <= len(names):
        return int(wanted) - 1
    for place, name in enumerate(names):
        if wanted.lower() in (name, name.partition("-")[2]):
            return place
    words = [name.partition("-")[2] for name in names]
    near = difflib.get_close_matches(wanted, words, n=1)
    if near:
        raise LectureError(say("lectures.library.no_chapter.near", wanted=wanted, near=near[0]))
    raise LectureError(
        say("lectures.library.no_chapter.listed", wanted=wanted, last=len(names), chapters=", ".join(words))
    )
