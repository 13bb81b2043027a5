"""Documents, file names and typed texts that hold anything, on the screens of the running debugger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot
from textual.widgets import Input

from engine import Config, NumericFault, Session
from engine.expressions.breakpoint import Breakpoint
from engine.timeline.events import PHASES, Moment
from microgpt_tui.dialogs.save import SaveScreen
from microgpt_tui.panes import registry
from microgpt_tui.screens.debugger import DebuggerScreen
from microgpt_tui.widgets import textual_fixes
from tests.robustness.test_odd_text import hostile, shows
from tests.support.harness import Debugger, debugger, notes, text, until
from tests.support.hostile_texts import SEQUENCES

EVIL = "\x1b]0;owned\x07\x9b31m\u202e\u200b\ufe0f\U0001f3fb"


@pytest.fixture
def kept_back(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Texts that were replaced by the last filter before the terminal."""
    found: list[str] = []
    safe = textual_fixes._printable.__wrapped__

    def told(said: str) -> str:
        if safe(said) != said:
            found.append(said)
        return safe(said)

    monkeypatch.setattr(textual_fixes, "_printable", told)
    return found


def screen_of(pilot: Pilot[None]) -> DebuggerScreen:
    return next(s for s in pilot.app.screen_stack if isinstance(s, DebuggerScreen))


def check(pilot: Pilot[None]) -> str:
    """Every line of the screen is as wide as the terminal, and each character is one that shows."""
    app = pilot.app
    for strip in app.screen._compositor.render_strips(app.size):
        assert shows(strip.text), ascii(strip.text)
        assert cell_len(strip.text) == app.size.width, ascii(strip.text)
    return text(pilot)


async def check_panes(pilot: Pilot[None], names: Iterable[str]) -> None:
    """`check` the screen with each of these panes alone on it, then with all that have a place."""
    screen = screen_of(pilot)
    for name in (*names, None):
        screen.grid.zoomed = name
        screen.show()
        await pilot.pause()
        check(pilot)


def steps() -> Iterator[int]:
    return (hostile().docs.index(SEQUENCES[what].strip()) for what in ("title", "C1 title", "family", "variation"))


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_the_debugger_shows_it(size: tuple[int, int], kept_back: list[str]) -> None:
    async with debugger(size, hostile()) as pilot:
        for i, (step, phase) in enumerate(zip(steps(), [*PHASES, PHASES[0]], strict=True)):
            screen = screen_of(pilot)
            screen.session.seek(Moment(step))
            screen.navigator.go(Moment(step, phase, screen.session.program.events(phase)[1].last))
            await pilot.pause()
            await check_panes(pilot, registry.ids()[i::4])
        for key in ("question_mark", "B", "X", "E", "ctrl+p", "m", "g", "i"):
            await pilot.press(key)
            await pilot.pause()
            check(pilot)
            await pilot.press("escape")
    assert kept_back == []


@pytest.mark.parametrize(
    "keys",
    [("colon",), ("slash",), ("W",), ("e",), ("B", "a"), ("colon", *"pos "), ("colon", *"next "), ("slash", *"token ")],
    ids="".join,
)
async def test_a_typed_text_is_refused_with_all_of_it_shown(keys: tuple[str, ...], kept_back: list[str]) -> None:
    async with debugger((80, 24)) as pilot:
        await pilot.press(*keys)
        await pilot.pause()
        line = pilot.app.screen.query_one(Input)
        line.insert_text_at_cursor(f"{EVIL} < 1 [bold]")
        await pilot.press("enter")
        await pilot.pause()
        shown = " ".join(check(pilot).split())
        assert r"\x1b]0;owned\x07" in shown or "owned" not in shown.replace(line.value, "")
        typed = line.value
        assert [said for said in kept_back if said.strip() not in typed.replace("\x07", "")] == [], typed
        await pilot.press("escape", "escape")


async def test_breakpoints_watches_and_branches_of_odd_texts_are_listed(kept_back: list[str]) -> None:
    run = hostile()
    async with debugger((120, 36), run) as pilot:
        screen = screen_of(pilot)
        typed = {
            ("B", "a"): 'token == "\x1b" and doc != "[bold]\u202e"',
            ("W",): 'probs["\x1b"] + wte["\u202e", 0]',
            ("e",): 'wte["\x9b", 0] = 1',
        }
        for keys, words in typed.items():
            await pilot.press(*keys)
            await pilot.pause()
            pilot.app.screen.query_one(Input).value = words
            kept_back.clear()
            await pilot.press("enter")
            await until(pilot, lambda: not screen.busy)
            await pilot.pause()
            check(pilot)
            await pilot.press("escape")
        await pilot.press("v")
        await pilot.pause()
        assert r"probs[\"\x1b\"]".replace('\\"', '"') in check(pilot)
        await pilot.press("escape", "B")
        await pilot.pause()
        assert r'token == "\x1b" and doc != "[bold]\u202e"' in check(pilot)
        assert isinstance(screen.state.annotations.breakpoints[0], Breakpoint)
        await pilot.press("escape", "E")
        await pilot.pause()
        await pilot.press("r")
        await pilot.pause()
        pilot.app.screen.query_one(Input).insert_text_at_cursor("\x1b[2J\u202e[red]")
        await pilot.press("enter")
        await pilot.pause()
        check(pilot)
        await pilot.press("escape", "escape")
        await pilot.pause()
        check(pilot)
    assert [said for said in kept_back if said not in typed.values() and "2J" not in said] == []


async def test_dialogs_write_out_odd_file_names(tmp_path: Path, kept_back: list[str]) -> None:
    async with debugger((80, 24)) as pilot:
        path = tmp_path / "evil\x1b]0;owned\x07\u202e[red].safetensors"
        for _ in range(2):  # the second time it is there, and is asked about
            pilot.app.push_screen(SaveScreen(screen_of(pilot).what_if.snapshot(None)))
            await pilot.pause()
            pilot.app.screen.query_one(Input).value = str(path)
            await pilot.press("enter")
            await until(pilot, path.exists)
            await until(pilot, lambda: "Saved" in notes(pilot) or "exists" in text(pilot))
            check(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(pilot.app.screen, SaveScreen))
        await pilot.pause()
        check(pilot)
        assert r"evil\x1b]0;owned\x07\xe2\x80\xae[red].safetensors' goes on" in notes(pilot)
        pilot.app.push_screen(SaveScreen(screen_of(pilot).what_if.snapshot(None)))
        await pilot.pause()
        pilot.app.screen.query_one(Input).value = f"{tmp_path}/none\x1b[2J/a"
        await pilot.press("enter")
        await until(pilot, lambda: "cannot be written" in text(pilot))
        check(pilot)


async def test_the_filter_keeps_the_width_of_what_it_replaces() -> None:
    async with Debugger(hostile()).run_test(size=(80, 24)) as pilot:
        await pilot.press("colon")
        await pilot.pause()
        pilot.app.screen.query_one(Input).insert_text_at_cursor(f"a{EVIL}\xad\ue000b日本 e\u0301")
        await pilot.pause()
        assert "a]0;owned31m" in check(pilot)


# Long documents, short ones, and large alphabets.


@cache
def alphabet(size: int) -> Session:
    letters = [chr(0x4E00 + i) for i in range(size)]
    docs = ["".join(letters[i : i + 50]) for i in range(0, size, 50)]
    return Session(Config(n_layer=1, n_embd=4, n_head=2, block_size=4, num_steps=50, val_fraction=0.1), docs)


RUNS = {
    "an alphabet of 5,000": lambda: alphabet(5000),
    "an alphabet of 1": lambda: Session(Config(n_layer=1, n_embd=4, n_head=2, block_size=4, num_steps=50), ["aaa"]),
    "a document of 1 character": lambda: Session(Config(n_embd=4, n_head=2, block_size=4, num_steps=50), ["a"]),
    "a document of 10,000": lambda: Session(
        Config(n_embd=4, n_head=2, block_size=8, num_steps=50, val_fraction=0.5), ["ab가" * 3333 + "c"] * 2
    ),
    "a block of 1": lambda: Session(Config(n_embd=4, n_head=2, block_size=1, num_steps=50), ["anna", "b"]),
}


@pytest.mark.parametrize("what", RUNS)
async def test_all_panes_at_the_smallest_size(what: str) -> None:
    run = RUNS[what]()
    assert len(run.sample(2, generator=None)) == 2
    async with debugger((80, 24), run) as pilot:
        screen = screen_of(pilot)
        for step, phase in enumerate(PHASES):
            run.seek(Moment(step))
            screen.navigator.go(Moment(step, phase, run.program.events(phase)[-1].last))
            await check_panes(pilot, registry.ids()[step :: len(PHASES)])
        await pilot.press("question_mark")
        await pilot.pause()
        check(pilot)
        await pilot.press("escape", "i")
        await until(pilot, lambda: "temperature" in text(pilot))
        check(pilot)
        await pilot.press("n", "n", "r", "escape")
        await pilot.pause()
        check(pilot)


def test_a_sentence_about_a_long_document_is_shortened() -> None:
    fault = NumericFault(step=1, doc="ab" * 5000, pos=2, tensor="loss_t", row=7, reason="log of 0")
    assert len(str(fault)) < 300
    assert "(10,000 characters)" in str(fault)
