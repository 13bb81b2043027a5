"""The course of the program: ten chapters, the same pages in both languages, no mistakes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from engine import Config, Session
from engine.language.chosen import LANGUAGES
from microgpt_tui.lectures.check import check_lecture
from microgpt_tui.lectures.library import files, load_course
from microgpt_tui.lectures.page import Chapter, Page, Play, Train, Wait
from microgpt_tui.panes.registry import screen_names

NAMES = ["map", "tokens", "autograd", "parameters", "parts", "attention", "mlp", "training", "adam", "inference"]


@cache
def opened(config: Config, docs: tuple[str, ...]) -> Session:
    return Session(config, docs)


@pytest.mark.parametrize("language", LANGUAGES)
def test_ten_chapters_of_six_to_fifteen_pages(language: str) -> None:
    chapters = load_course(language).chapters
    assert [chapter.name.partition("-")[2] for chapter in chapters] == NAMES
    assert all(6 <= len(chapter.pages) <= 15 for chapter in chapters)


@pytest.mark.parametrize(
    "path",
    [path for language in LANGUAGES for path in files(None, language)],
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_every_moment_and_number_resolves_and_every_page_is_short(path: Path) -> None:
    _, mistakes = check_lecture(
        path, path.parent.name, lambda config, docs: opened(config, tuple(docs)), screen_names()
    )
    assert [str(mistake) for mistake in mistakes] == []


@pytest.mark.parametrize("place", range(10))
def test_all_languages_have_the_same_pages(place: int) -> None:
    english, *others = ([_shown(page) for page in load_course(lang).chapters[place].pages] for lang in LANGUAGES)
    assert len(others) == len(LANGUAGES) - 1
    assert all(other == english for other in others)


@pytest.mark.parametrize("place", range(10))
def test_every_chapter_does_something_and_has_notes(place: int) -> None:
    chapter: Chapter = load_course("en").chapters[place]
    acts = [page.act for page in chapter.pages if page.act is not None]
    assert len([act for act in acts if not isinstance(act, Play | Train)]) >= 2
    assert all(page.notes for page in chapter.pages)


def test_chapters_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    names = ["1-a", "2-b", "02-c", "2.9-d", "2.10-e", "10-f", "100-g", "a1", "a2", "a10", "b"]
    for name in reversed(names):
        (tmp_path / f"{name}.md").touch()
    found = [path.stem for path in files(str(tmp_path), "en")]
    assert found == names


def _shown(page: Page) -> tuple[object, ...]:
    """The headers of a page, without its texts."""
    act = page.act
    until = act.until.text if isinstance(act, Play | Train | Wait) else None
    return (
        page.moment and page.moment.text,
        [source.text for source in page.focus],
        [source.text for source in page.spotlight],
        page.speed,
        type(act),
        until,
    )
