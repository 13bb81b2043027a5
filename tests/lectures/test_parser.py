"""Chapters are read from Markdown; every mistake is reported with file and line, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import load_docs
from engine.hangul import JAMO
from engine.model.dataset import bundled_path
from microgpt_tui.lectures.library import run_of
from microgpt_tui.lectures.page import Ask, LectureError, Play, Train, Wait
from microgpt_tui.lectures.parser import read_all, read_chapter

FOUR = """\
---
chapter: "Four: pages"
config: n_layer=2, n_embd=8
moment: step 3 forward q@pos=1
focus: [head 1, "wte[5, 3]"]
spotlight: attention, stage
speed: 2.5
figure: "{loss}"
notes: |
  Two lines
  of notes.
---

# First

Text of the
first page.

---
ask: Which?
options: [a, b]
answer: "{target}"
reveal: forward probs@pos=1
then: That one.
---
# Second
---
wait: n
---
# Third
```
---
not a header: it stands in code
---
```
---
run: 100
---
# Fourth
"""


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "four.md"
    file.write_text(text, encoding="utf-8")
    return file


def test_pages_their_headers_and_texts(tmp_path: Path) -> None:
    chapter = read_chapter(write(tmp_path, FOUR), "ko")
    assert (chapter.title, chapter.language, chapter.name) == ("Four: pages", "ko", "four")
    assert chapter.options == (("n_layer", "2"), ("n_embd", "8"))
    first, second, third, fourth = chapter.pages
    assert (first.title.text, first.body.text, first.body.line) == ("First", "Text of the\nfirst page.", 16)
    assert first.moment is not None
    assert (first.moment.text, first.moment.line) == ("step 3 forward q@pos=1", 4)
    assert [source.text for source in first.focus] == ["head 1", "wte[5, 3]"]
    assert [source.text for source in first.spotlight] == ["attention", "stage"]
    assert first.speed == 2.5
    assert first.notes is not None
    assert first.notes.text == "Two lines\nof notes."
    assert isinstance(second.act, Ask)
    assert [source.text for source in second.act.options] == ["a", "b"]
    assert second.then is not None
    assert isinstance(third.act, Wait)
    assert "not a header" in third.body.text
    assert isinstance(fourth.act, Train)


def test_a_page_plays(tmp_path: Path) -> None:
    (page,) = read_chapter(write(tmp_path, "---\nplay: q@pos=0\nspeed: 0\n---\n# One\n")).pages
    assert isinstance(page.act, Play)
    assert page.speed == 0.0


def test_files_with_other_line_ends_are_read(tmp_path: Path) -> None:
    file = tmp_path / "windows.md"
    file.write_bytes(b"\xef\xbb\xbf" + FOUR.replace("\n", "\r\n").encode())
    assert [page.title.text for page in read_chapter(file).pages] == ["First", "Second", "Third", "Fourth"]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 1, "has no page"),
        ("# Title\n", 1, "stands above the first header"),
        ("---\nmoment: step 0\n# Title\n", 1, "not closed"),
        ("---\n---\n", 3, "no title"),
        ("---\n---\nTitle\n", 3, "no title"),
        ("---\nmoment: step 0: 1\n---\n# T\n", 2, "cannot be read"),
        ("---\nfigure: {loss}\n---\n# T\n", 2, "figure is one text; put quotes around it"),
        ("---\n- a\n---\n# T\n", 2, "says nothing"),
        ("---\nmomment: step 0\n---\n# T\n", 2, "did you mean moment"),
        ("---\nspeed: 1\nspeed: 2\n---\n# T\n", 3, "stands here twice"),
        ("---\nspeed: quick\n---\n# T\n", 2, "speed is 'quick'"),
        ("---\nspeed: -1\n---\n# T\n", 2, "speed is '-1'"),
        ("---\nspeed: 1e-320\n---\n# T\n", 2, "speed is '1e-320'"),
        ('---\nnotes: "\\UFFFFFFFF"\n---\n# T\n', 2, "cannot be read"),
        ('---\nnotes: "\\U00110000"\n---\n# T\n', 2, "cannot be read"),
        ('---\nmoment: step 0\nnotes: "b \\ud800"\n---\n# T\n', 3, "notes holds half a character"),
        ('---\nask: x?\noptions: [a,\n "\\udfff"]\nanswer: a\n---\n# T\n', 4, "options holds half a character"),
        ("---\nspeed: nan\n---\n# T\n", 2, "speed is 'nan'"),
        ("---\nask: x?\nwait: n\n---\n# T\n", 3, "has ask already"),
        ("---\nanswer: target\n---\n# T\n", 2, "goes with ask"),
        ("---\nask: x?\noptions: [a]\n---\n# T\n", 2, "options and answer go together"),
        (
            "---\nask: x?\noptions: [a, b]\nanswer: a\nresults: no\n---\n# T\n",
            5,
            "results is 'no'; write one of shown, hid",
        ),
        ("---\nask: x?\nresults: hidden\n---\n# T\n", 3, "results goes with options"),
        ("---\nwait: n\nresults: hidden\n---\n# T\n", 3, "goes with ask"),
        ("---\nthen: x\n---\n# T\n", 2, "then comes after"),
        ("---\nconfig: n_layer\n---\n# T\n", 2, "is no setting"),
        ("---\nfigure: 1\nmoment:\n---\n# T\n", 3, "moment says nothing; write something after it"),
        ("---\nfocus: ' '\n---\n# T\n", 2, "focus says nothing"),
        ("---\nchapter: A\n? [a, b]\n: c\n---\n# T\n", 3, "no header is called '?'"),
        ("---\n---\n# T\n\n```\ncode\n---\n---\n# U\n", 5, "this code block is not closed; end it with a line of ```"),
        ("---\ndata: https://a.b/c.txt\n---\n# T\n", 2, "data is an address on the internet"),
        ("---\n---\n# T\n---\nchapter: x\n---\n# T\n", 5, "belongs to the chapter"),
        ("---\nfocus: [[head 1]]\n---\n# T\n", 2, "list of texts"),
        ("---\nmoment: " + "[" * 5000 + "\n---\n# T\n", 2, "cannot be read"),
        ("---\na: &x [1]\nb: *y\n---\n# T\n", 3, "cannot be read"),
    ],
)
def test_a_mistake_is_reported_with_file_and_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(LectureError) as caught:
        read_chapter(file)
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert says in str(caught.value)


def test_all_mistakes_are_reported_in_the_order_of_the_lines(tmp_path: Path) -> None:
    _, mistakes = read_all(write(tmp_path, "---\nspeed: x\nmoment: a: b\n---\n"))
    assert [mistake.line for mistake in mistakes] == sorted(mistake.line for mistake in mistakes)
    _, mistakes = read_all(write(tmp_path, "---\nspeed: x\nwat: 1\n---\n---\nspeed: y\n---\n# T\n"))
    assert [mistake.line for mistake in mistakes] == [2, 3, 5, 6]


def test_texts_that_are_no_lecture(tmp_path: Path) -> None:
    for name, data, says in (
        ("gone.md", None, "No such file"),
        ("bytes.md", b"\xff", "bytes.md:1: is not UTF-8"),
        ("later.md", b"---\n---\n# T\n\xff", "later.md:4: is not UTF-8"),
        ("wide.md", "---\n# A\n".encode("utf-16-le"), "is UTF-16 text; save it as UTF-8"),
        ("large.md", b"x" * 1_000_001, "larger than"),
    ):
        file = tmp_path / name
        if data is not None:
            file.write_bytes(data)
        with pytest.raises(LectureError, match=says):
            read_chapter(file)


def test_code_is_read_as_it_is_written(tmp_path: Path) -> None:
    text = (
        "---\ncode: gpt: x = rmsnorm(...) #2\nsee: |\n  state_dict = {'wte': ...}\n\n  softmax: ...  # 1\n"
        'why: "Why?"\n---\n# T\n---\ncode: "loss = ..."\nsee: ["a: b", \'#c\']\n---\n# U\n'
    )
    first, second = read_chapter(write(tmp_path, text)).pages
    assert [(source.text, source.line) for source in first.code] == [("gpt: x = rmsnorm(...) #2", 2)]
    assert [(source.text, source.line) for source in first.see] == [
        ("state_dict = {'wte': ...}", 4), ("softmax: ...  # 1", 6),
    ]  # fmt: skip
    assert first.why is not None
    assert first.why.text == "Why?"
    assert [source.text for source in (*second.code, *second.see)] == ["loss = ...", "a: b", "#c"]


def test_a_chapter_names_bundled_documents_and_how_they_are_split(tmp_path: Path) -> None:
    chapter = read_chapter(write(tmp_path, "---\ndata: ko\nsplit: jamo\nconfig: n_embd=4, n_head=2\n---\n# T\n"))
    assert (chapter.data, chapter.split) == (bundled_path("ko"), JAMO)
    assert run_of(chapter)[1] == load_docs(bundled_path("ko"), JAMO)
    with pytest.raises(LectureError, match=r":3: split is 'words'; write one of syllables, jamo"):
        read_chapter(write(tmp_path, "---\ndata: ko\nsplit: words\n---\n# T\n"))


@pytest.mark.parametrize(("header", "hidden"), [("", False), ("results: shown\n", False), ("results: hidden\n", True)])
def test_results_are_shown_unless_they_are_hidden(tmp_path: Path, header: str, hidden: bool) -> None:
    text = f"---\nask: x?\noptions: [a, b]\nanswer: a\n{header}---\n# T\n"
    (page,) = read_chapter(write(tmp_path, text)).pages
    assert isinstance(page.act, Ask)
    assert page.act.hidden is hidden
