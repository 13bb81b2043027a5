"""Data that hold anything: what the commands print, the files they write, and every byte that reaches a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.robustness.test_odd_text import shows
from tests.support.commands import COMMAND, SMALL, environment, error_of, in_terminal, invoke, json_lines
from tests.support.hostile_texts import DOCS, SEQUENCES

PATIENCE = 90.0  # seconds until a condition counts as never met
CSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
SHAPE = ("--n-embd", "4", "--n-head", "2", "--block-size", "12")
LECTURE = """---
chapter: "Odd \\e]0;owned\\a {{things}}"
data: data.txt
config: n_embd=4, n_head=2, block_size=12
moment: 0 forward probs@pos=1
---
# What \x1b[31mis read

It reads {token}, should predict {target}; of {tokens}: {doc}, {char(3)}, {names(3, 5)}.
---
notes: "say {token} \\x9b31m"
---
# A second page

<b>html</b> <script>alert(1)</script> \u202e turned
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.txt"
    path.write_text("\n".join(DOCS), encoding="utf-8", newline="\n")
    return path


@pytest.fixture
def run(tmp_path: Path, data: Path) -> Path:
    path = tmp_path / "run.safetensors"
    assert invoke("train", "--until", "3", *SHAPE, "--data", data, "--save", path).exit_code == 0
    return path


PRINTED = {
    "train": ("train", "--until", "3"),
    "train with a stop": ("train", "--until", "9", "--break", 'token == "\x1b" or token != "\u202e"'),
    "why, a prediction": ("why", "--step", "2", "--pos", "1"),
    "why, a rival": ("why", "--step", "2", "--pos", "0", "--logit", "\x1b", "--rival", "\u202e"),
    "why, a parameter": ("why", "--step", "1", "--param", 'wte["a", 0]'),
    "why, a scalar": ("why", "--scalar", "q[0, 3]@pos=0"),
    "why, an odd index": ("why", "--param", 'wte["\x9b", 0]'),
    "what-if": ("what-if", "--until", "3", "--edit", 'wte["\x1b", 0] = 1'),
    "grad-check": ("grad-check", "--step", "1", "--scalar", "q[0, 0]@pos=0"),
    "trace": ("trace", "--phase", "forward"),
    "why as JSON": ("why", "--pos", "1", "--json"),
    "what-if as JSON": ("what-if", "--until", "2", "--edit", "wte[0, 0] = 1", "--json"),
}


@pytest.mark.parametrize("what", PRINTED)
def test_no_command_prints_control_characters(what: str, data: Path) -> None:
    result = invoke(*PRINTED[what], *SHAPE, "--data", data)
    assert result.exit_code == 0, result.output
    for line in (result.stdout + result.stderr).split("\n"):
        assert shows(line), ascii(line)


def test_the_log_is_plain_json(tmp_path: Path, data: Path) -> None:
    log = tmp_path / "evil\x1b[2J.jsonl"
    result = invoke("train", "--until", "2", *SHAPE, "--data", data, "--log", log)
    assert result.exit_code == 0
    assert log.read_text().isascii()
    assert len(json_lines(log.read_text())) == 2


def test_samples_are_written_raw_to_a_file_and_escaped_on_a_terminal(run: Path) -> None:
    plain = invoke("sample", run, "-n", "30", "--temperature", "100", "--seed", "1").stdout
    assert any(not shows(line) for line in plain.splitlines()), "a file gets the documents themselves"
    for how in (("--temperature", "100"), ("--beam", "9")):
        shown = in_terminal("sample", run, "-n", "30", "--seed", "1", *how).screen
        assert all(shows(line) for line in re.split(r"[\r\n]+", CSI.sub("", shown).replace("\t", " "))), ascii(shown)


@pytest.mark.parametrize(
    "args",
    [
        ("sample", "evil\x1b]0;owned\x07.safetensors"),
        ("open", "evil\u202e.safetensors"),
        ("lecture", "evil\x9b31m.md"),
        ("evil\x1b[2J",),
        ("train", "--evil\x1b[2J"),
        ("train", "--until", "\x1b[31m7"),
        ("export", "--size", "\x1b[31m"),
        ("export", "--pane", "\x1b[31m"),
        ("export", "--moment", "\x1b]0;owned\x07"),
        ("export", "-o", "evil\x1b[2J"),
        ("train", "--until", "1", "--save", "no\x1b[2J/where"),
        ("sample", "x", "--prefix", "\x1b[31m"),
        ("grad-check", "--matrix", "\x1b[31m", *SMALL),
        ("verify", "--original", "evil\x1b[2J.py"),
        ("serve", "--host", "\x1b[31m"),
    ],
    ids=lambda args: ascii(" ".join(args)),
)
def test_error_sentences_escape_what_was_typed(args: tuple[str, ...]) -> None:
    assert shows(error_of(invoke(*args)))


class Tags(HTMLParser):
    """The names of all tags and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.said = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {tag, *(f"{tag} {name}" for name, _ in attrs)}

    def handle_data(self, data: str) -> None:
        self.said += data


PAGE = {"html", "html lang", "head", "meta", "meta charset", "title", "style", "body", "body style", "pre", "pre class",
        "pre style", "span", "span style"}  # fmt: skip


@pytest.mark.parametrize(
    "doc", ["</pre><script>alert(1)</script>", "]]></text><script/>", "&lt;b&gt;&#27;[31m", "'\"><x"]
)
def test_a_picture_has_no_active_content(doc: str, tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_text(doc)
    args = (*SHAPE, "--data", path, "--moment", "0 forward probs@pos=3", "--format")
    page = Tags(invoke("export", *args, "html").stdout)
    assert page.found <= PAGE
    root = ET.fromstring(invoke("export", *args, "svg").stdout)
    assert {element.tag.partition("}")[2] for element in root.iter()} <= {"svg", "title", "rect", "path", "g", "text"}
    plain = invoke("export", *args, "txt").stdout
    assert doc[0] in plain
    assert all(shows(line) for line in plain.split("\n"))


@pytest.mark.parametrize("form", ["svg", "html", "txt"])
def test_a_picture_shows_all_of_an_odd_text(form: str, tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_text("".join(dict.fromkeys("".join(SEQUENCES.values()))).strip(), encoding="utf-8", newline="\n")
    how = ("--n-embd", "4", "--n-head", "2", "--block-size", "8", "--size", "200x60", "--data", path, "--pane")
    for pane in ("prediction", "stage"):
        made = invoke("export", *how, pane, "--moment", "0 forward probs@pos=2", "--format", form)
        assert all(shows(line.replace("\xa0", " ")) for line in made.stdout_bytes.decode().split("\n"))


# Lectures.


def test_a_lecture_that_quotes_it_shows_it(tmp_path: Path, data: Path) -> None:
    path = tmp_path / "odd.md"
    path.write_text(LECTURE, encoding="utf-8")
    checked = invoke("lecture", "--check", path)
    assert all(shows(line) for line in checked.output.split("\n"))
    assert checked.exit_code == 2  # HTML alone is refused
    assert "odd.md:15: a page cannot show the HTML tag <script>" in checked.output
    assert shows(invoke("lecture", "--list", path).stdout.strip())
    made = invoke("lecture", path, "--handout", tmp_path)
    assert made.exit_code == 0, made.output
    page = next(tmp_path.glob("*.html")).read_text(encoding="utf-8")
    tags = Tags(page)
    assert not {"script", "b"} & tags.found
    assert "owned\x07" not in page
    assert "\x1b" not in page
    assert "\x9b" not in page


# All bytes.


class Screen:
    """The debugger in a terminal, and all that it has written there."""

    def __init__(self, *args: object, size: tuple[int, int] = (80, 24)) -> None:
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execve(sys.executable, [*COMMAND, *map(str, args)], {**environment(), "TERM": "xterm-256color"})
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.written = b""

    def press(self, keys: str) -> None:
        os.write(self.terminal, keys.encode())

    def wait(self, shows: str, since: int = 0) -> int:
        """Read until something has been written, after so many bytes; returns how many there are."""
        deadline = time.monotonic() + PATIENCE
        while shows.encode() not in CSI.sub("", self.written[since:].decode(errors="replace")).encode():
            assert time.monotonic() < deadline, f"never written: {shows}\n{self.written[-2000:]!r}"
            if select.select([self.terminal], [], [], 1.0)[0]:
                self.written += os.read(self.terminal, 2**16)
        return len(self.written)

    def leave(self) -> int:
        self.press("q")
        while True:
            try:
                piece = os.read(self.terminal, 2**16)
            except OSError:
                break
            if not piece:
                break
            self.written += piece
        os.close(self.terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_no_control_byte_of_the_data_reaches_the_terminal(data: Path) -> None:
    screen = Screen("--data", data, *SHAPE)
    at = screen.wait("FORWARD")
    for step in range(1, 7):
        screen.press("]")
        at = screen.wait(f"step {step}", at)
    for key, says in (("8", "Prediction"), ("5", "QKV"), ("1", "Map"), ("B", "Breakpoints")):
        screen.press(key)
        at = screen.wait(says, at)
    screen.press("q")
    at = screen.wait("Map", at)
    screen.press(":")
    at = screen.wait("step 500", at)
    screen.press("\x1b[200~token == '\u202e\x9d0;owned\x9c' +\x1b[201~\r")
    at = screen.wait(r"\u202e\x9d0;owned\x9c", at)
    screen.press("\x1b")
    screen.wait("space", at)
    assert screen.leave() == 0
    written = screen.written.decode()  # UTF-8, and nothing else: no lone byte is a C1 character either
    for what in ("clear", "report", "colour", "hyperlink", "title", "clipboard", "device control"):
        assert SEQUENCES[what] not in written, what
    commands = set(re.findall(r"\x1b\].*?(?:\x07|\x1b\\)", written))
    assert commands <= {"\x1b]22;default\x07"}, "Textual's pointer; no title, no link, nothing on the clipboard"
    rest = re.sub(r"\x1b[P\]=>][^\x1b]*(\x1b\\)?|\x1b[78]", "", CSI.sub("", written))
    for line in re.split(r"[\r\n]+", rest):
        assert shows(line), ascii(line)
