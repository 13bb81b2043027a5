"""Documents with any characters: panes show only visible characters, and count their cells rightly."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from rich.cells import cell_len

from engine import Config, Session
from engine.timeline.events import PHASES, Moment
from microgpt_tui.debugger.frame import Focus, Frame
from microgpt_tui.drawing.terminal_text import printable
from microgpt_tui.panes import registry
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.explanation import Explanation
from microgpt_tui.panes.status_line import StatusLine
from microgpt_tui.panes.timeline import Timeline
from microgpt_tui.panes.tokens import Tokens
from tests.support.hostile_texts import DOCS, HARMLESS, SEQUENCES, TEXTS
from tests.support.terminal import needs_tmux, terminal

SIZES = [(78, 20), (58, 11), (118, 30)]
OTHERS: list[type[Pane]] = [StatusLine, Tokens, Timeline, Explanation]


def shows(text: str) -> bool:
    """Whether every terminal shows each character as itself; computed in another way than by `printable`."""
    return all(fits(c, before) for before, c in zip(" " + text, text, strict=False))


@cache
def fits(c: str, before: str) -> bool:
    kind = unicodedata.category(c)
    if kind in ("Mn", "Me"):
        if before == " " or not unicodedata.name(c, "").isascii() or "VARIATION" in unicodedata.name(c):
            return False
    elif c != " " and kind in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs", "Mc"):
        return False
    unfit = ("FILLER", "JUNGSEONG", "REGIONAL", "BLANK")
    return not any(word in unicodedata.name(c, "") for word in unfit)


@pytest.mark.parametrize("what", SEQUENCES)
def test_control_invisible_and_joining_characters_are_escaped(what: str) -> None:
    text = SEQUENCES[what]
    shown = printable(text)
    assert shown != text
    assert shows(shown)
    assert printable(shown) == shown
    signs = [printable(c) for c in text]
    assert len(set(signs)) == len(set(text)), "two characters look alike"
    assert all(cell_len(sign) >= 1 for sign in signs)
    assert shown.isascii() or what in ("family", "skin", "hangul in pieces", "spacing vowel")


@pytest.mark.parametrize("what", HARMLESS)
def test_harmless_text_is_unchanged(what: str) -> None:
    text = HARMLESS[what]
    assert printable(text) == (text if what != "accent alone" else f"◌{text}")
    assert shows(printable(text))


def test_no_token_is_blank_and_no_two_look_alike() -> None:
    run = hostile()
    names = [Frame(run.view(), Focus(run.moment)).token_name(i) for i in range(run.tokenizer.vocab_size)]
    assert len(set(names)) == len(names)
    assert all(name.strip() and shows(name) for name in names)


# Without the characters that this system's C library, which tmux asks, does not know yet.
PROBE = """
import ctypes, locale, os, re, sys, termios, tty
tty.setraw(0)
wrong = []
locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
known = ctypes.CDLL(None).wcwidth
texts = open(sys.argv[1], encoding="utf-8").read().split("\\n")
lines = [line for line in texts if all(known(ord(c)) >= 0 for c in line)]
assert len(lines) > 0.99 * len(texts)
os.write(1, b"".join(b"\\r\\x1b[K" + line.partition(" ")[2].encode() + b"\\x1b[6n" for line in lines))
came = b""
while came.count(b"R") < len(lines):
    came += os.read(0, 4096)
for line, column in zip(lines, re.findall(rb";(\\d+)R", came)):
    if int(line.partition(" ")[0]) != int(column) - 1:
        wrong.append(line)
print("\\r\\nwrong", len(wrong), *map(ascii, wrong[:9]))
"""


@needs_tmux
def test_a_real_terminal_agrees_how_wide_everything_is(tmp_path: Path) -> None:
    every = [printable(chr(code)) for first, last in ((0x20, 0x3400), (0xA000, 0xAC80), (0xF900, 0x10000),
             (0x1F000, 0x1FB00)) for code in range(first, last)]  # fmt: skip
    texts = [text for text in dict.fromkeys([*every, *map(printable, TEXTS.values())]) if text.strip()]
    (tmp_path / "texts").write_text("\n".join(f"{cell_len(text)} {text}" for text in texts), encoding="utf-8")
    (tmp_path / "probe.py").write_text(PROBE)
    with terminal([sys.executable, str(tmp_path / "probe.py"), str(tmp_path / "texts")]) as term:
        assert "wrong 0" in term.wait(lambda screen: re.search(r"wrong \d", screen) is not None)


# In the panes.


@cache
def hostile() -> Session:
    """A run on every text."""
    run = Session(Config(n_layer=1, n_embd=4, n_head=2, block_size=12, num_steps=200, seed=3), DOCS)
    run.run(len(DOCS))
    return run


def frames(run: Session, step: int) -> Iterator[Frame]:
    """A few moments of each phase, with a scalar chosen."""
    run.seek(Moment(step))
    moments: list[Moment] = []
    for phase in PHASES:
        events = run.program.events(phase)
        moments += [Moment(step, phase, events[i].last) for i in (0, len(events) // 2)]
    for moment in moments:
        run.seek(moment)
        rows = run.view().event.rows
        yield Frame(run.view(), Focus(moment, int(rows.flat[0])))


def check(frame: Frame, size: tuple[int, int]) -> None:
    """Check what holds of every pane."""
    for kind in (*(spec.kind for spec in registry.PANES), *OTHERS):
        pane = kind("x")
        for line in pane.draw(frame, *size).within(size[0]).lines:
            text = "".join(segment.text for segment in line.segments)
            assert shows(text), (kind, text)
            assert line.width == cell_len(text) <= size[0], (kind, text)
        assert shows(printable(pane.heading(frame)))


@pytest.mark.parametrize("what", TEXTS)
def test_every_pane_shows_it(what: str) -> None:
    run = hostile()
    for i, frame in enumerate(frames(run, run.docs.index(TEXTS[what].strip()))):
        check(frame, SIZES[i % len(SIZES)])
