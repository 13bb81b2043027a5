"""A handout is one file: every page with its numbers, its picture and its answer; nothing in it is loaded."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from microgpt_tui.audience.results import AskedQuestion, Results, ResultsError
from microgpt_tui.cli import cli
from microgpt_tui.drawing.numbers import plain
from microgpt_tui.explanations.sentences import lecture_words
from microgpt_tui.export.handout import handout, printed
from microgpt_tui.lectures.library import find
from tests.support.commands import error_of, invoke
from tests.support.harness import session
from tests.support.lecture_harness import PAGES, lecture_of


class Texts(HTMLParser):
    """The texts of a page, and its tags."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.tags = "", list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words += data


async def test_every_page_has_its_text_picture_and_answer(tmp_path: Path) -> None:
    hostile = PAGES.replace("Small steps", "Small <b>steps</b>")
    chapter = await printed(lecture_of(tmp_path, hostile), session().restart_copy())
    whole = handout("small", "en", lecture_words("en"), [chapter])
    found = Texts()
    found.feed(whole)
    assert found.tags.count("article") == found.tags.count("svg") == 6
    assert "Small <b>steps</b>" in found.words
    run = session().restart_copy()
    run.run(until=5)
    assert f"the loss of the first was {plain(run.losses[0])}" in found.words
    assert re.search(r"Answer: c\) \w", found.words)
    assert " step 5/50 " in chapter.pages[4][1].txt()  # the picture of the page that trains shows its end
    assert not {"script", "link", "img", "iframe"} & set(found.tags)
    assert re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?(?!#)", whole) == []


async def test_code_and_reasons_of_a_page_are_printed(tmp_path: Path) -> None:
    page = "---\nmoment: step 0\ncode: gpt: q = linear(...)\nwhy: Because of `{doc}` & more.\n---\n# T\n"
    chapter = await printed(lecture_of(tmp_path, page), session().restart_copy())
    found = Texts()
    found.feed(handout("small", "en", lecture_words("en"), [chapter]))
    (number,) = chapter.pages[0][0].code[0].lines
    assert f'{number} q = name("q", linear(x, w[f"layer{{li}}.attn_wq"]), li)' in found.words
    assert f"Because of {session().docs[0]} & more." in found.words


async def test_the_map_and_tables_are_printed(tmp_path: Path) -> None:
    table = "| a | b |\n|---|---|\n| {n_embd} | c |"
    page = f"---\nmoment: step 0\ncode: file\n---\n# T\n\n{table}\n---\ncode: 'linear: ...'\n---\n# U\n"
    chapter = await printed(lecture_of(tmp_path, page), session().restart_copy())
    found = Texts()
    found.feed(handout("small", "en", lecture_words("en"), [chapter]))
    assert found.tags.count("table") == 2
    assert "linear: return [...]" in found.words
    assert "1. T" in found.words


async def test_the_same_lecture_makes_the_same_bytes(tmp_path: Path) -> None:
    first, second = [
        handout("small", "en", lecture_words("en"), [await printed(lecture_of(tmp_path), session().restart_copy())])
        for _ in range(2)
    ]
    assert first == second


def test_the_command_writes_one_file(tmp_path: Path) -> None:
    (tmp_path / "docs.txt").write_text("anna\nben\n", encoding="utf-8")
    head = "---\nconfig: n_embd=4, n_head=2, block_size=4, num_steps=50\ndata: docs.txt\n"
    file = tmp_path / "mine.md"
    file.write_text(PAGES.replace("---\n", head, 1).replace('"{target}"]', 'n, "{target}"]'), encoding="utf-8")
    result = CliRunner().invoke(cli, ["lecture", str(file), "--handout", str(tmp_path / "out"), "--lang", "ko"])
    assert result.exit_code == 0, result.output
    target = tmp_path / "out" / "mine-ko.html"
    assert result.stdout == f"{target}\n"
    assert '<html lang="ko">' in target.read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    file = tmp_path / "mine.md"
    file.write_text("---\nconfig: n_embd=4, n_head=2\nmoment: step 0\n---\n# One\n", encoding="utf-8")
    result = CliRunner().invoke(cli, ["lecture", str(file), "--handout", str(tmp_path / "file")])
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def test_a_course_in_this_folder_is_called_as_the_folder_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handout's file is called as the course is."""
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    Path("one.md").write_text("---\nmoment: step 0\n---\n# One\n", encoding="utf-8")
    assert [find(wanted, "en")[0].title for wanted in (".", "../mine", "../mine/")] == ["mine"] * 3


# Results.


def asked(options: tuple[str, ...], votes: list[tuple[int, ...]]) -> Results:
    return Results([AskedQuestion("small", 2, "Which token comes next?", options, 2, votes)])


async def test_results_are_printed_with_their_question(tmp_path: Path) -> None:
    chapter = await printed(lecture_of(tmp_path), session().restart_copy())
    plain_one, once, twice = (
        handout("small", "en", lecture_words("en"), [chapter], results)
        for results in (None, asked(("a", "b", "e"), [(1, 0, 3)]), asked(("a", "b", "e"), [(1, 0, 3), (0, 0, 0)]))
    )
    assert "Answers" not in plain_one
    found = Texts()
    found.feed(once)
    assert re.search(r"Answers: 4\s*a\) a125%b\) b00%c\) \w375%", found.words)
    assert re.findall(r'class="bar" style="width:([\d.]+)rem"', once) == ["4.00", "0.00", "12.00"]
    assert once.count("Answers: 4") == 1
    assert "Answers, vote 1: 4" in twice
    assert "Answers, vote 2: 0" in twice


async def test_results_of_other_options_are_refused(tmp_path: Path) -> None:
    chapter = await printed(lecture_of(tmp_path), session().restart_copy())
    with pytest.raises(ResultsError, match="page 2 of small belong to a question with other options"):
        handout("small", "en", lecture_words("en"), [chapter], asked(("a", "b"), [(1, 0)]))


def test_the_command_prints_the_results_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "docs.txt").write_text("anna\nben\n", encoding="utf-8")
    head = "---\nconfig: n_embd=4, n_head=2, block_size=4, num_steps=50\ndata: docs.txt\n"
    file, kept = tmp_path / "small.md", tmp_path / "kept.json"
    file.write_text(PAGES.replace("---\n", head, 1).replace('"{target}"]', 'n, "{target}"]'), encoding="utf-8")
    asked(("a", "b", "n", "e"), [(1, 0, 2, 1)]).write(kept)
    out = tmp_path / "out"

    def run(*args: str | Path) -> Result:
        return invoke("lecture", file, "--handout", out, *args)

    assert run("--results", kept).exit_code == 0
    assert "Answers: 4" in (out / "small-en.html").read_text(encoding="utf-8")
    assert "there is no file" in error_of(run("--results", tmp_path / "gone.json"))
    assert "holds no results of an audience" in error_of(run("--results", file))
    Results([AskedQuestion("other", 2, "?", ("a", "b"), 0, [(1, 0)])]).write(kept)
    assert "has none of these chapters" in error_of(run("--results", kept))
    assert "--results goes with --audience" in error_of(invoke("lecture", file, "--results", kept))
    assert "--audience is for giving the lecture, and --handout does" in error_of(run("--audience"))
