"""The course of the program: eleven chapters, the same pages in both languages, no mistakes."""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import replace
from functools import cache
from importlib import resources
from itertools import pairwise
from pathlib import Path

import pytest

from engine import Config, Moment, Phase, Scope, Session, load_docs
from engine.interventions.syntax import parse
from engine.language.chosen import LANGUAGES
from microgpt_tui.drawing.markdown import prose
from microgpt_tui.lectures.binding import bind
from microgpt_tui.lectures.check import check_lecture
from microgpt_tui.lectures.file_map import map_mistakes
from microgpt_tui.lectures.library import files, load_course
from microgpt_tui.lectures.page import THE_FILE, Ask, Chapter, Page, Play, Train, Wait
from microgpt_tui.lectures.quotes import QUOTED
from microgpt_tui.lectures.rendered_page import render_page
from microgpt_tui.panes.registry import screen_names

NAMES = [
    "map",
    "tokens",
    "autograd",
    "parameters",
    "parts",
    "attention",
    "mlp",
    "training",
    "adam",
    "inference",
    "change",
]

FENCE = "```"
BESIDE = 38  # columns that a page has in the smallest window where it stands beside the panes
GLOSSARY = tomllib.loads((resources.files("microgpt_tui.texts") / "glossary.toml").read_text(encoding="utf-8"))


@cache
def opened(config: Config, docs: tuple[str, ...]) -> Session:
    return Session(config, docs)


@pytest.mark.parametrize("language", LANGUAGES)
def test_eleven_chapters_of_six_to_fifteen_pages(language: str) -> None:
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


@pytest.mark.parametrize("language", LANGUAGES)
def test_tables_and_bars_are_not_broken_beside_the_panes(language: str) -> None:
    seen = 0
    for chapter in load_course(language).chapters:
        for page in chapter.pages:
            texts = (page.body, page.then)
            if not any(FENCE in text.text for text in texts if text is not None):
                continue
            session = opened(Config(), tuple(load_docs()))
            (bound,), _ = bind(
                replace(chapter, pages=(page,)), Scope(session.config, session.tokenizer), screen_names()
            )
            rendered = render_page(bound, session, Moment())
            for text, width in ((rendered.body, BESIDE), (rendered.then, BESIDE - 2)):  # `then` stands behind a mark
                whole, broken = ([line.plain for line in prose(text, room)] for room in (200, width))
                tables = [line for line in whole if line.startswith("  ") and not line.lstrip().startswith("•")]
                assert [line for line in tables if line not in broken] == []
                seen += len(tables)
    assert seen > 20


@pytest.mark.parametrize("place", range(len(NAMES)))
def test_all_languages_have_the_same_pages(place: int) -> None:
    english, *others = ([_shown(page) for page in load_course(lang).chapters[place].pages] for lang in LANGUAGES)
    assert len(others) == len(LANGUAGES) - 1
    assert all(other == english for other in others)


@pytest.mark.parametrize("place", range(len(NAMES)))
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


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_statement_of_the_file_belongs_to_one_page(language: str) -> None:
    course = load_course(language)
    assert map_mistakes(course) == []
    assert any(source.text == THE_FILE for page in course.chapters[0].pages for source in page.code)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_chapter_ends_with_the_title_of_the_next(language: str) -> None:
    chapters = load_course(language).chapters
    for chapter, after in pairwise(chapters):
        assert f"**{after.title}**" in chapter.pages[-1].body.text, chapter.name


def test_a_head_in_focus_is_the_one_at_work() -> None:
    pages = [page for chapter in load_course("en").chapters for page in chapter.pages if page.moment]
    for page in pages:
        at_work = re.search(r"head=(\d+)", page.moment.text if page.moment else "")
        chosen = [source.text.split()[1] for source in page.focus if source.text.startswith("head ")]
        assert not at_work or chosen in ([], [at_work[1]]), page.title


def test_there_are_reasons_for_those_who_ask() -> None:
    reasons = " ".join(page.why.text for chapter in load_course("en").chapters for page in chapter.pages if page.why)
    for what in ("√head_dim", "add, and not replace", "norm right after the embedding", "0.5 square", "root of v"):
        assert what in reasons


@pytest.mark.parametrize("word", GLOSSARY["instead"])
def test_korean_pages_keep_to_the_glossary(word: str) -> None:
    for path in files(None, "ko"):
        lines = path.read_text(encoding="utf-8").split("\n")
        found = [line for line in lines if word in line and not line.startswith("spotlight:")]
        assert found == [], f"{path.name}: {GLOSSARY['instead'][word]}"


def test_korean_pages_are_of_one_level() -> None:
    for path in files(None, "ko"):
        ends = re.findall(r"[가-힣]+(?:다|자|오|라|지)[.?!](?=\s|['\"])", path.read_text(encoding="utf-8"))
        assert [end for end in ends if not end[:-1].endswith("니다")] == [], path.name


# What the pages say in words.


def test_uncorrected_steps_would_be_largest_near_the_eighth() -> None:
    config = Config()
    sizes = [(1 - config.beta1**n) / math.sqrt(1 - config.beta2**n) for n in range(1, 1001)]
    assert max(range(1000), key=sizes.__getitem__) in (6, 7, 8)
    assert min(sizes) >= 1


def test_no_bundled_name_comes_twice_or_is_longer_than_the_one_shown() -> None:
    docs = load_docs()
    assert docs == sorted(docs)  # "in alphabetical order"
    assert len(set(docs)) == len(docs)  # "no name came twice"
    session = opened(Config(), tuple(docs))
    session.seek(Moment(706))
    assert len(session.program.doc) == max(map(len, docs)) < session.config.block_size


def test_attention_costs_hardly_anything_in_a_thousand_steps() -> None:
    config = Config(val_fraction=0.1)
    session = opened(config, tuple(load_docs()))
    scope = Scope.of_run(session)
    branch = session.branch([parse(f"layer0.head{head}", scope) for head in range(config.n_head)])
    for run in (session, branch):
        run.seek(Moment(config.num_steps))
    kept, without = (run.view().validations for run in (session, branch))
    learned = kept[0].loss - kept[config.num_steps].loss
    assert 0 < without[config.num_steps].loss - kept[config.num_steps].loss < learned / 20


def test_a_rate_of_0_leaves_the_weights_as_they_began() -> None:
    session = opened(Config(), tuple(load_docs()))
    branch = session.branch([parse("learning_rate = 0", session.scope)])
    for run in (session, branch):
        run.seek(Moment(0))
    branch.run(until=1000)
    assert all((branch.params[name] == values).all() for name, values in session.params.items())


def test_what_is_left_out_costs_what_the_pages_say() -> None:
    config = Config(val_fraction=0.1)
    session = opened(config, tuple(load_docs()))
    session.seek(Moment(config.num_steps))
    kept = session.view().validations
    learned = kept[0].loss - kept[config.num_steps].loss

    def more(text: str) -> float:
        branch = session.branch([parse(text, session.scope)])
        branch.seek(Moment(config.num_steps))
        return branch.view().validations[config.num_steps].loss - kept[config.num_steps].loss

    assert learned / 20 < more("residual") < learned / 2  # "less"
    assert abs(more("score_scale")) < learned / 20  # "there is little to lose"
    assert abs(more("bias_correction")) < learned / 20  # "the difference is small"


def test_four_layers_without_the_residual_say_the_same_at_every_position() -> None:
    session = opened(Config(n_layer=4), tuple(load_docs()))
    spread = []
    for run in (session, session.branch([parse("residual", session.scope)])):
        run.seek(Moment(200, Phase.FORWARD, 10**9))
        probs = run.view().data(run.recording.probs[: run.program.n]).values
        spread.append((probs.max(axis=0) - probs.min(axis=0)).max())
    assert spread[0] > 0.1
    assert spread[1] < 0.001


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
        *([source.text for source in sources] for sources in (page.code, page.see, page.inference, page.what_if)),
        _quotes(page),
    )


def _quotes(page: Page) -> set[str]:
    """What is quoted in the texts that the audience sees."""
    texts = [page.title, page.body, page.figure, page.then, page.why]
    if isinstance(page.act, Ask):
        texts += [page.act.question, *page.act.options]
    found = (match["inside"] for text in texts if text is not None for match in QUOTED.finditer(text.text))
    return {inside.strip() for inside in found if inside}
