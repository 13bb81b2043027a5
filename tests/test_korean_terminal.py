"""The installed command in Korean, in a real terminal: no English label, and all frames closed and straight."""

from __future__ import annotations

import sysconfig
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from engine.language.catalog import read_part
from microgpt_tui.debugger.keys import KEYS
from tests.support.terminal import needs_tmux, terminal

COMMAND = Path(sysconfig.get_path("scripts")) / "microgpt-tui"
HELP = "도움말"


def texts(language: str, part: str) -> dict[str, Any]:
    return read_part("microgpt_tui.texts", language, part)


def labels(language: str) -> list[str]:
    """Titles of panes and dialogs, phases, and what keys do, each as it stands on the screen."""
    keys, panes = texts(language, "keys"), texts(language, "events")["pane"]
    phases, dialogs = texts(language, "explanations")["phase"], texts(language, "screens")["debugger"]
    named = {key.id.replace(".", "_", 1): key.display or key.keys for key in KEYS}
    return [
        *(f"─ {title} ─" for title in (*(pane["title"] for pane in panes.values()), dialogs["help"])),
        *(f" {phase} {mark}" for phase in phases.values() for mark in "━●─"),
        *(f" {phase.upper()} {mark}" for phase in phases.values() for mark in "▲▼"),
        *(f"{shown} {keys['short'][name]}" for name, shown in named.items()),
        *(f" {keys['tooltip'][name]}" for name in named),
        *(f" {group} " for group in keys["group"].values()),
    ]


ENGLISH = sorted(set(labels("en")) - set(labels("ko")))


def english(screen: str) -> list[str]:
    """The English labels on a screen."""
    return [label for label in ENGLISH if label in screen]


def cells(line: str) -> str:
    """A line with one sign for each cell: wide ones take two."""
    return "".join(sign + "\0" * (cell_len(sign) - 1) for sign in line)


def crooked(screen: str, size: tuple[int, int], title: str = "") -> list[str]:
    """What is wrong with the frames whose first line begins with a title; of all, if none is given."""
    rows, found, closed = [cells(line) for line in screen.split("\n")[: size[1]]], [], 0
    found += [f"too wide: {row}" for row in rows if len(row) > size[0]]
    for top, row in enumerate(rows):
        for left in (place for place, sign in enumerate(row) if sign == "╭"):
            if title and not row[left:].replace("\0", "").startswith(f"╭─ {title} "):
                continue
            right = row.find("╮", left)
            bottom = next((y for y in range(top, len(rows)) if rows[y][left : left + 1] == "╰"), len(rows))
            edges = [(rows[y][left : left + 1], rows[y][right : right + 1]) for y in range(top + 1, bottom)]
            if right < 0 or bottom == len(rows) or set(edges) != {("│", "│")} or rows[bottom][right : right + 1] != "╯":
                found.append(f"not closed: line {top}, column {left}")
            closed += 1
    return found or ([] if closed else ["no frame"])


def test_crooked_frames_are_found() -> None:
    straight = "╭─ 수 ───╮\n│ 값 0.5 │\n╰────────╯\n"
    assert crooked(straight, (10, 3)) == []
    for fault in (("값", "a"), ("0.5", "둘.5"), ("─╯", "╯"), ("╰", " "), ("╮", "─")):
        assert crooked(straight.replace(*fault), (12, 3)), fault
    assert crooked(straight, (9, 3))
    assert crooked(straight, (10, 3), "연산") == ["no frame"]


@needs_tmux
@pytest.mark.parametrize("asked", ["option", "locale"])
def test_the_debugger_speaks_korean(asked: str) -> None:
    options = ["--lang", "ko"] if asked == "option" else []
    locale = "C.UTF-8" if asked == "option" else "ko_KR.UTF-8"
    with terminal([str(COMMAND), *options], LC_ALL="", LC_MESSAGES="", LANG=locale, MICROGPT_TUI_LANG="") as term:
        for size in ((120, 36), (80, 24)):
            straight = partial(lambda size, screen: not crooked(screen, size), size)
            term.resize(*size)
            for key, phase in (("Home", "순전파"), ("n", "순전파"), ("f", "역전파"), ("f", "업데이트")):
                term.press(key)
                shown = term.wait(lambda screen, at=phase: f" {at} " in screen.split("\n")[0], straight)
                assert english(shown) == []
            term.press("?")
            shown = term.wait(lambda screen, size=size: not crooked(screen, size, HELP))
            assert english(shown) == []
            term.press("Escape")
            term.wait(lambda screen: f"╭─ {HELP}" not in screen, straight)
            term.press(":")
            shown = term.wait("\n :")
            assert english(shown) == []
            term.press("Escape")
            shown = term.wait("q 나가기", straight)
            assert english(shown) == []
        term.press("q")
        term.left(0)


@needs_tmux
def test_the_labels_that_are_looked_for_are_those_of_the_screen() -> None:
    """Else none would be found in Korean, whatever stood there."""
    with terminal([str(COMMAND), "--lang", "en"]) as term:
        expected = (" FORWARD ▲", "n next", "? help", " forward ●", "─ Number ─", "─ Map ─")
        assert set(expected) <= set(english(term.wait(*expected)))
        term.press("?")
        expected = ("─ Help ─", " Step into: the next scalar", " Run ")
        assert set(expected) <= set(english(term.wait(*expected)))
