"""Hostile lectures are refused at once with the line at fault, or shown as text."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from engine import EngineError
from microgpt_tui.explanations.sentences import lecture_words
from microgpt_tui.export.handout import handout, printed
from microgpt_tui.panes.registry import screen_names
from tests.support.commands import invoke
from tests.support.damaged_runs import written
from tests.support.harness import session, text
from tests.support.lecture_harness import CONFIG, lecture_app, lecture_of

AT_ONCE = 5.0  # seconds of this thread, whatever else the machine does
PAGE = "---\nconfig: " + CONFIG + "\nmoment: step 0\n{header}\n---\n# {title}\n\n{body}\n"


def page(header: str = "", title: str = "A page", body: str = "") -> bytes:
    return PAGE.format(header=header, title=title, body=body).encode()


LEVELS = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10) if n else 'lol'}]" for n in range(12))
MISTAKEN: dict[str, tuple[bytes, str]] = {
    "aliases that grow without end": (page(LEVELS), "no header is called 'a0'"),
    "aliases in a list that is read": (page("focus: [&a [lol, lol], *a, *a]"), "focus is a list of texts"),
    "an alias to itself": (page("focus: &a [*a]"), "focus is a list of texts"),
    "an alias that there is not": (page("focus: *a"), "this header cannot be read"),
    "an object of Python": (page("notes: !!python/object/apply:os.system [echo]"), "notes is one text"),
    "a list in a list": (page("focus: " + "[" * 300 + "]" * 300), "focus is a list of texts"),
    "a list in a list, far too deep": (page("focus: " + "[" * 1500 + "]" * 1500), "cannot be read"),
    "a header in a header, far too deep": (page("focus: " + "{a: " * 1500 + "}" * 1500), "cannot be read"),
    "control characters in a header": (page("notes: a\x07b\x1b[2J"), "cannot be read"),
    "two documents": (page("...\nmoment: step 1"), ""),
    "data that is not there": (page("data: ../../../../../etc/nothing"), "there is no file"),
    "data that is a device": (page("data: /dev/null"), "is a pipe or a device"),
    "data at a path with a NUL": (page('data: "a\\0b"'), "is no path of a file"),
    "data at a path without end": (page("data: " + "x" * 9000), "cannot be read"),
    "data that is a folder": (page("data: /"), "is a folder"),
    "a model without end": (page().replace(b"n_embd=4", b"n_embd=1000000000"), "memory"),
    "a size beyond all numbers": (page().replace(b"n_embd=4", b"n_embd=" + b"9" * 4000), "config"),
    "a size of too many digits": (page().replace(b"n_embd=4", b"n_embd=" + b"9" * 5000), "config"),
    "a rate beyond all numbers": (page().replace(b"n_embd=4", b"beta1=1e999, n_embd=4"), "beta1 is inf"),
    "a moment without end": (page().replace(b"step 0", b"step " + b"9" * 5000), ""),
    "a step beyond the last": (page("run: 1000000000000"), "from 0 to 1000"),
    "a power without end": (page(body="{9**9**9}"), ""),
    "a text without end": (page(body="{'x'*10**9}"), ""),
    "a comprehension": (page(body="{[x for x in range(10**9)]}"), ""),
    "code": (page(body="{__import__('os').system('echo')}"), ""),
    "a number of too many places": (page(body="{loss:.999999999f}"), ""),
    "a condition without end": (page("wait: 9**9**9 > loss"), ""),
    "an answer without end": (page("ask: q\noptions: [a, b]\nanswer: 9**9**9"), ""),
    "an unclosed header": (b"---\nmoment: step 0\n", "this header is not closed"),
    "no UTF-8": (b"---\nmoment: \xff\n---\n# A\n", "is not UTF-8"),
    "zeros": (bytes(100), "stands above the first header"),
    "eighty thousand pages": (page() + b"---\n---\n# A\n" * 80_000, "this is page 1,001"),
    "fifty thousand mistakes": (page() + b"---\nx: 1\n---\n# A\n" * 50_000, "no header is called 'x'"),
    "a header of megabytes": (page("notes: " + "x" * 500_000), "this header has 500,"),
    "a page of megabytes": (page(body="[" * 500_000), "this page has 500,"),
    "a hundred megabytes": (b"x" * 100_000_000, "larger than 1,000,000 bytes"),
}


@pytest.mark.parametrize("what", MISTAKEN)
def test_it_is_refused_at_once(what: str, tmp_path: Path) -> None:
    content, says = MISTAKEN[what]
    began = time.thread_time()
    result = invoke("lecture", "--check", written(tmp_path / "own.md", content))
    assert time.thread_time() - began < AT_ONCE
    assert result.exit_code == 2, result.output
    said = result.output.splitlines()
    assert all(line.isprintable() for line in said)
    assert says in result.output


def circle(path: Path) -> None:
    path.mkdir()
    (path / "a.md").symlink_to(path / "b.md")
    (path / "b.md").symlink_to(path / "a.md")


LONG: dict[str, bytes] = {
    "quotes in quotes": page(body="> " * 4900 + "deep"),
    "lists in lists": page(body="\n".join("  " * n + "- a" for n in range(90))),
    "brackets": page(body="[" * 9900),
    "links in links": page(body="[a](" * 2400),
    "stars": page(body="*a **a " * 1400),
    "ticks": page(body=" ".join("`" * n for n in range(1, 138))),
    "escapes": page(body="\\" * 9900),
    "one word": page(body="x" * 9900),
    "wide letters": page(body="한" * 9900),
    "accents in a heap": page(body="a" + "\u0301" * 9900),
    "a number, again and again": page(body="{loss @ step 0 forward loss} " * 300),
}


@pytest.mark.parametrize("what", LONG)
def test_a_long_text_is_read_quickly(what: str, tmp_path: Path) -> None:
    file = written(tmp_path / "own.md", LONG[what])
    began = time.thread_time()
    result = invoke("lecture", "--check", file)
    assert "characters" not in result.output
    assert time.thread_time() - began < AT_ONCE


PLACES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a FIFO": (os.mkfifo, "a pipe or a device"),
    "a link to /dev/zero": (lambda path: path.symlink_to("/dev/zero"), "a pipe or a device"),
    "a link to itself": (lambda path: path.symlink_to(path), "cannot be read"),
    "a folder that is called so": (lambda path: path.mkdir(), "own.md: "),
    "a folder of links in a circle": (circle, "cannot be read"),
    "nothing": (lambda path: None, "cannot be read: No such file"),
}


@pytest.mark.parametrize("what", PLACES)
@pytest.mark.parametrize("way", ["--check", "--list"])
def test_devices_and_folders_are_refused(what: str, way: str, tmp_path: Path) -> None:
    make, says = PLACES[what]
    make(tmp_path / "own.md")
    result = invoke("lecture", way, tmp_path / "own.md")
    assert result.exit_code == 2
    assert says in result.output


def test_endless_data_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "names.txt")
    result = invoke("lecture", "--check", written(tmp_path / "own.md", page("data: names.txt")))
    assert result.exit_code == 2
    assert "names.txt is a pipe or a device" in result.output


# The handout.

EVIL = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[x](javascript:alert(1))", "![x](http://evil/x.png)",
    "</style><script>alert(1)</script>", '"><svg onload=alert(1)>', "<!--", "]]>", "&#60;script&#62;",
    "[x](data:text/html,x)",
]  # fmt: skip
LOADS = {"script", "img", "iframe", "object", "embed", "link", "base", "form", "input", "video", "audio", "source"}


class Looked(HTMLParser):
    """Everything in a page that runs or loads something, its links and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.links: list[str | None] = []
        self.said = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in LOADS:
            self.found.append(tag)
        for name, value in attrs:
            if name.startswith("on") or name in ("src", "srcdoc") or re.match(r"\s*(javascript|data):", value or ""):
                self.found.append(f"{tag} {name}={value}")
            if name == "href":
                self.links.append(value)

    def handle_data(self, data: str) -> None:
        self.said += data

    def handle_comment(self, data: str) -> None:
        self.found.append(data)


async def test_nothing_in_a_handout_runs_or_is_loaded(tmp_path: Path) -> None:
    evil = " ".join(EVIL)
    quoted = "'" + evil.replace("'", "''") + "'"
    keys = ("chapter", "notes", "figure", "ask", "then")
    header = "\n".join(f"{key}: {quoted}" for key in keys) + f"\noptions: [a, {quoted}]\nanswer: 1"
    lecture = lecture_of(tmp_path, page(header, evil, evil).decode())
    for language in ("en", '"><script>'):
        whole = handout(evil, language, lecture_words("en"), [await printed(lecture, session().restart_copy())])
        looked = Looked()
        looked.feed(whole)
        assert looked.found == []
        assert "alert(1)" in whole  # shown, as a text


# The screen.


async def test_a_hostile_lecture_is_shown_as_text(tmp_path: Path) -> None:
    evil = "[red]no markup[/red] <b>no tag</b> [/] [link=x]"
    header = f"ask: '{evil}'\noptions: [a, '{evil}']\nanswer: 1\nthen: '{evil}'"
    async with lecture_app(lecture_of(tmp_path, page(header, evil, evil).decode())) as pilot:
        await pilot.press("space")
        assert text(pilot).count("[red]no markup[/red] <b>no tag</b>") >= 3


def test_a_lecture_that_cannot_be_shown_is_reported(tmp_path: Path) -> None:
    lecture = lecture_of(tmp_path, page("data: gone.txt").decode())
    with pytest.raises(EngineError, match="there is no file"):
        lecture.run(screen_names())
