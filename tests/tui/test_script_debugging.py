"""The debugger on somebody's own script: keys in, screen out; and the installed command in a real terminal."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from textual.pilot import Pilot

from engine import EventPattern, Scope
from engine.errors import Stopped
from engine.run.capabilities import BranchingRun, SamplingRun, SavableRun, TapeRun, is_scripted
from engine.script import run as script_run
from engine.script.run import ScriptOptions, ScriptRun
from engine.script.source_file import ScriptFile
from engine.timeline.events import PHASES, Moment, Phase
from microgpt_tui.debugger import goto, run_controller
from microgpt_tui.debugger.completion import LineError
from microgpt_tui.debugger.examples import Examples
from microgpt_tui.debugger.frame import Focus, Frame
from microgpt_tui.debugger.scalar_target import Scalar
from microgpt_tui.debugger.search import search
from microgpt_tui.explanations.sentences import hints, sentences, title_of
from microgpt_tui.operations.attention import KINDS, head_of
from microgpt_tui.panes import embeddings
from microgpt_tui.panes.adam import Adam
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.explanation import Explanation
from microgpt_tui.panes.hint_line import HintLine
from microgpt_tui.panes.legend_line import LegendLine
from microgpt_tui.panes.path_line import PathLine
from microgpt_tui.panes.qkv import chosen_head
from microgpt_tui.panes.registry import PANES, lacking
from microgpt_tui.panes.status_line import StatusLine
from microgpt_tui.panes.timeline import Timeline
from microgpt_tui.panes.tokens import Tokens
from tests.support.commands import error_of, invoke
from tests.support.harness import answer, debugger, go, name, notes, screen, text, until
from tests.support.terminal import Terminal, needs_tmux, terminal
from tests.support.wait import ended

SCRIPTS = Path(__file__).resolve().parents[1] / "script" / "scripts"
EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
ALL = [
    path for path in sorted([*EXAMPLES.glob("*.py"), *SCRIPTS.glob("*.py")]) if ".backward()" in path.read_text("utf-8")
]
"""The scripts that train, and so can be opened."""
CLASS = (SCRIPTS / "plain_scalar.py").read_text(encoding="utf-8")
LINE = """
import random
random.seed({seed})
weights = [Value(random.uniform(-1, 1)) for _ in range(3)]
bias = Value(0.0)

def predict(inputs):
    total = bias
    for weight, given in zip(weights, inputs):
        total = total + weight * given
    return total.tanh()

for round in range({rounds}):
    points = [(1.0, 0.5, -2.0), (0.5, -1.0, 1.0)]
    errors = []
    for example, point in enumerate(points):
        guess = predict(point)
        errors.append((guess - (1.0 if example else -1.0)) ** 2)
    loss = sum(errors, Value(0.0))
    for weight in [*weights, bias]:
        weight.grad = 0.0
    loss.backward()
    for weight in [*weights, bias]:
        weight.data -= 0.1 * weight.grad
    print("round", round, "loss", loss.data)
    {more}
"""
Opened = Callable[..., ScriptRun]


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Opens runs of scripts, and closes them."""
    runs: list[ScriptRun] = []

    def open_script(path: Path, *args: str, step: int = 0) -> ScriptRun:
        runs.append(ScriptRun(ScriptFile.read(path), ScriptOptions(args), step))
        return runs[-1]

    yield open_script
    for run in runs:
        run.close()


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., Path]:
    """Writes a small script: three weights, a function, a loop over examples."""

    def write(rounds: int = 5, more: str = "", seed: str = "1") -> Path:
        (tmp_path / "plain_scalar.py").write_text(CLASS, encoding="utf-8")
        path = tmp_path / "mine.py"
        code = "from plain_scalar import Scalar as Value\n" + LINE.format(rounds=rounds, more=more, seed=seed)
        path.write_text(code, encoding="utf-8")
        return path

    return write


async def typed(pilot: Pilot[Any], line: str) -> None:
    """Type a line after a colon, and let the run arrive."""
    await pilot.press("colon")
    await answer(pilot, line)
    await until(pilot, lambda: not screen(pilot).motion.busy)
    await pilot.pause()


def pane(pilot: Pilot[Any], name: str) -> str:
    """The text of a pane."""
    return screen(pilot).query_one(f"#{name}", Pane).picture.text()


# Their names.


async def test_places_have_the_names_of_the_script(opened: Opened) -> None:
    async with debugger(run=opened(SCRIPTS / "plain.py")) as pilot:
        await typed(pilot, "attn_weights@pos_id=2,li=0,h=1")
        first = text(pilot).splitlines()[0]
        assert "› gpt › li=0 › h=1 › attn_weights" in first
        assert "pos_id=2" in first
        await typed(pilot, "attn_weights@pos=1,layer=0,head=0")  # the usual words are understood as well
        assert "pos_id=1" in text(pilot).splitlines()[0]
        await typed(pilot, "pos_id 3")
        assert "pos_id=3" in text(pilot).splitlines()[0]
        await pilot.press("y")
        assert "attn_weights@pos_id=3,li=0,h=0" in notes(pilot)
        await pilot.press("b")
        assert "Breakpoint: attn_weights, pos_id 3, li 0, h 0, forward." in notes(pilot)


async def test_the_outline_has_functions_and_loops(opened: Opened) -> None:
    async with debugger(run=opened(SCRIPTS / "plain.py")) as pilot:
        await typed(pilot, "attn_weights@pos_id=2,h=1")
        await pilot.press("1", "1")
        await pilot.pause()
        lines = [line.lstrip(" ▣■□") for line in pane(pilot, "program").splitlines()]
        here = lines.index("attn_weights", lines.index("h=1"))
        assert [line for line in lines[:here] if line in ("gpt", "li=0", "h=1")] == ["gpt", "li=0", "h=1"]
        assert any(line.startswith("pos_id=2") for line in lines)


async def test_the_source_shows_the_line_its_expression_and_what_was_called(opened: Opened) -> None:
    async with debugger((200, 60), opened(SCRIPTS / "plain.py")) as pilot:
        await typed(pilot, "attn_weights@pos_id=2,h=1")
        lines = pane(pilot, "source").splitlines()
        (lit,) = [line for line in lines if line.startswith("▸")]
        assert "attn_weights = softmax(attn_logits)" in lit
        called = lines[lines.index(lit) + 1]
        assert called.startswith("▾")
        assert "return [" in called
        frame = screen(pilot).frame
        code = frame.source.path.read_text("utf-8").splitlines()[frame.source.line - 1]
        assert frame.source.columns is not None
        assert code[slice(*frame.source.columns)] == "softmax(attn_logits)"
        await typed(pilot, "backward")
        await go(pilot, "n", "n")
        assert screen(pilot).frame.source.function.endswith("backward")  # the line of the scalar class
        assert ".grad +=" in next(line for line in pane(pilot, "source").splitlines() if line.startswith("▸"))


async def test_conditions_watches_and_search_know_the_names(opened: Opened) -> None:
    run = opened(SCRIPTS / "plain.py")
    async with debugger(run=run) as pilot:
        await typed(pilot, "layer0.attn_wq[3, 5]")
        await go(pilot, "w")
        assert "Watching layer0.attn_wq[3, 5]" in notes(pilot)
        await typed(pilot, "attn_weights[0, 1, 0] < 0.4 and pos_id == 2")
        assert run.moment.step == 0
        assert screen(pilot).frame.event.name == "attn_weights"
        assert screen(pilot).frame.event.pos == 2
        await pilot.press("slash")
        await answer(pilot, "pos_id 4 head_out")
        await until(pilot, lambda: name(pilot) == "head_out")
        assert screen(pilot).frame.event.pos == 4


# Every moment.


@pytest.mark.parametrize(
    "path", ["plain.py", "rnn.py", "coursework.py", "package/train.py", "overwrite.py", "adamw.py"]
)
def test_every_pane_draws_every_kind_of_moment(opened: Opened, path: str) -> None:
    run = opened(SCRIPTS / path)
    absent = lacking(run.view())
    assert "output" not in absent
    panes = [spec.kind(spec.id) for spec in PANES if spec.id not in absent]
    panes += [kind("p") for kind in (StatusLine, Timeline, Tokens, Explanation, PathLine, LegendLine, HintLine)]
    for phase in PHASES:
        events = run.program.events(phase)
        for event in events[:: max(1, len(events) // 25)]:
            for tick in {event.last, (event.first + event.last + 1) // 2}:
                run.seek(Moment(0, phase, tick))
                frame = Frame(run.view(), Focus(run.moment))
                assert head_of(frame) is None or frame.operation.kind in KINDS
                for each in panes:
                    each.frame = frame
                    for width, height in ((26, 8), (58, 26), (118, 50)):
                        picture = each.picture_for(width, height)
                        assert picture is not None
                        assert all(line.width <= width for line in picture.within(width).lines)
                        assert isinstance(each.heading(frame), str)
                        assert not re.search(r"\b1 numbers|[Vv]ector of \d|attention to \d", picture.text())


@pytest.mark.parametrize("path", ALL, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_panes_show_heads_that_attention_has_whatever_is_at_work_or_chosen(opened: Opened, path: Path) -> None:
    run = opened(path)
    panes = [spec.kind(spec.id) for spec in PANES if spec.id not in lacking(run.view())] + [PathLine("p")]
    for phase in PHASES:
        last = {(event.name, event.layer, event.head): event.last for event in run.program.events(phase)}
        for tick in last.values():
            run.seek(Moment(0, phase, tick))
            view = run.view()
            for head in (None, run.config.n_head - 1):
                frame = Frame(view, Focus(run.moment, head=head))
                if frame.attention is not None:
                    weights = frame.attention.weights
                    assert (weights, frame.pos, frame.layer, chosen_head(frame)) in run.program.tensors
                    assert {key[3] for key in run.program.tensors if key[0] == weights} == {*range(frame.heads)}
                for each in panes:
                    each.frame = frame
                    picture = each.picture_for(34, 14)
                    assert picture is not None, each.id
                    assert isinstance(each.heading(frame), str)


async def test_a_loop_that_stands_where_heads_do_keeps_its_own_name(opened: Opened) -> None:
    async with debugger((120, 36), opened(EXAMPLES / "experts.py")) as pilot:
        await typed(pilot, "attn_weights@pos=0,layer=0,head=1")
        assert "› li=0 › h=1 › attn_weights" in text(pilot).splitlines()[0]
        assert re.search(r"attn_weights +h0 h1\b", pane(pilot, "map"))
        await typed(pilot, "answer@pos=0,layer=0,head=3")
        assert "› li=0 › e=3 › answer" in text(pilot).splitlines()[0]
        assert re.search(r"answer +e0 e1 e2 e3", pane(pilot, "map"))
        number = f"{screen(pilot).query_one('#inspector', Pane).title} {pane(pilot, 'inspector')}"
        assert re.search(r"\be=?3\b", number)
        assert "head" not in number
        assert screen(pilot).frame.attention_head is None  # of attention none is at work


def test_the_rule_of_an_embedding_names_the_matrices_of_the_script(opened: Opened, tmp_path: Path) -> None:
    code = (SCRIPTS / "plain.py").read_text(encoding="utf-8")
    assert "wte" in code
    assert "wpe" in code
    path = tmp_path / "renamed.py"
    path.write_text(code.replace("wte", "tok").replace("wpe", "place"), encoding="utf-8")
    run = opened(path)
    event = next(event for event in run.program.events(Phase.FORWARD) if event.kind == "embed")
    for tick in (event.last, event.first + 1):
        run.seek(Moment(0, Phase.FORWARD, tick))
        said = " ".join(sentences(Frame(run.view(), Focus(run.moment))))
        assert "The row of tok for" in said
        assert "the row of place for" in said
        assert "wte" not in said
        assert "wpe" not in said


async def test_the_legend_of_an_update_names_the_mark_that_is_drawn(opened: Opened) -> None:
    async with debugger((120, 36), opened(EXAMPLES / "experts.py")) as pilot:
        await pilot.press("f", "f")
        await until(pilot, lambda: screen(pilot).frame.phase is Phase.UPDATE)
        await pilot.pause()
        drawn, legend = pane(pilot, "stage"), pane(pilot, "legend")
        assert re.search(r"\[ *\]", drawn)
        assert "[ ] the weight below" in legend
        assert ("◆" in legend) == ("◆" in drawn)


def test_the_numbers_on_the_stage_are_those_of_the_script(opened: Opened) -> None:
    run = opened(SCRIPTS / "plain.py")
    run.seek(Moment(0, PHASES[0], run.program.ticks(PHASES[0])))
    loss = run.view().loss
    run.seek(Moment(0, PHASES[2], run.program.ticks(PHASES[2])))
    printed = run.view().printed or ""
    assert loss == float(printed.split()[-1])


async def test_panes_that_the_script_has_nothing_for_have_no_place(script: Callable[..., Path], opened: Opened) -> None:
    async with debugger((200, 60), opened(script())) as pilot:
        shown = {str(each.id) for each in screen(pilot).query(Pane) if each.display}
        assert shown.isdisjoint({"attention", "qkv", "residual", "prediction", "embeddings"})
        assert {"map", "stage", "source", "inspector", "training", "output"} <= shown
        await pilot.press("6")
        assert "attention" in notes(pilot) or "no layers" in notes(pilot)
        before = text(pilot)
        await typed(pilot, "update")
        assert text(pilot) != before
        shown = {str(each.id) for each in screen(pilot).query(Pane) if each.display}
        assert {"adam", "output"} <= shown


async def test_what_cannot_be_done_is_said(script: Callable[..., Path], opened: Opened) -> None:
    run = opened(script())
    assert is_scripted(run)
    assert not isinstance(run, BranchingRun | SamplingRun | SavableRun | TapeRun)
    async with debugger(run=run) as pilot:
        for key, sentence in {
            "e": "a script's run cannot be changed here; change the script and debug it again.",
            "x": "a script's run cannot be changed here",
            "i": "no documents are drawn from a script's run; what it samples itself is in its output.",
            "g": "gradients of a script are checked by microgpt-tui check, all of them at once.",
        }.items():
            await go(pilot, key)
            assert sentence in notes(pilot)
            assert screen(pilot).is_current


# Other steps.


async def test_steps_go_on_and_back_and_show_what_was_printed(script: Callable[..., Path], opened: Opened) -> None:
    run = opened(script())
    async with debugger((200, 60), run) as pilot:
        await go(pilot, "right_square_bracket")
        assert "step 1" in text(pilot).splitlines()[0]
        assert "round 0 loss" in pane(pilot, "output")
        assert "round 1 loss" not in pane(pilot, "output")
        await typed(pilot, "1 update")
        assert "round 1 loss" not in pane(pilot, "output")
        await go(pilot, "f")
        await typed(pilot, "2 forward")
        assert "round 1 loss" in pane(pilot, "output")
        assert len(run.losses) >= 1
        await typed(pilot, "step 3")
        assert "step 3" in text(pilot).splitlines()[0]
        assert [float(line.split()[-1]) for line in pane(pilot, "output").splitlines()[:3]] == run.losses[:3]
        await go(pilot, "left_square_bracket")
        assert "step 2" in text(pilot).splitlines()[0]
        assert "round 3" not in pane(pilot, "output")
        await typed(pilot, "step 77")
        assert "mine.py ended after 5 training steps; there is no step 77." in notes(pilot)
        assert run.moment.step < 5


@pytest.mark.parametrize("again", [True, False])
async def test_the_script_runs_on_to_its_end_and_to_a_condition(
    script: Callable[..., Path], opened: Opened, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    monkeypatch.setattr(run_controller, "AGAIN", 1e9 if again else 0.0)
    run = opened(script(rounds=40))
    async with debugger(run=run) as pilot:
        await typed(pilot, "loss < 0.5")
        assert run.moment.step > 0
        assert (run.view().loss or 9) < 0.5
        assert run.losses[run.moment.step - 1] >= 0.5
        here = run.moment
        await go(pilot, "space")
        assert len(run.losses) == 40
        if again:
            assert "ended after 40 training steps. This is the end of the last one." in notes(pilot)
        else:
            assert "ended after 40 training steps. :step 39 runs it again, to the last one." in notes(pilot)
            assert run.moment == here
            await go(pilot, "space")
        assert run.moment.step == 39
        assert "step 39/40" in text(pilot).splitlines()[0]
        await go(pilot, "n", "right_square_bracket", "space")
        assert screen(pilot).is_current
        assert run.moment.step == 39


async def test_a_condition_that_is_never_met_ends_with_the_script(script: Callable[..., Path], opened: Opened) -> None:
    run = opened(script(rounds=6))
    async with debugger(run=run) as pilot:
        started = len(run._shared.processes)
        await typed(pilot, "loss < -1")
        assert "ended after 6 training steps" in notes(pilot)
        assert run.moment.step == 5
        assert screen(pilot).is_current
        assert len(run._shared.processes) == started  # it was not run once more to find that out
        await go(pilot, "n", "p")
        assert screen(pilot).frame.moment.step == 5


async def test_a_script_that_runs_for_ever_can_be_halted(script: Callable[..., Path], opened: Opened) -> None:
    run = opened(script(rounds=10**9))
    async with debugger(run=run) as pilot:
        await pilot.press("space")
        await until(pilot, lambda: "the script runs on" in text(pilot))
        assert "of 9,0" not in text(pilot)
        await pilot.press("space")
        await until(pilot, lambda: not screen(pilot).motion.busy)
        await pilot.pause()
        assert run.moment.step > 0
        assert f"step {run.moment.step:,}" in text(pilot).splitlines()[0]


async def test_an_unseeded_script_is_told_once(
    script: Callable[..., Path], opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script_run, "TAPES", 0)  # only the latest recorded step is kept
    async with debugger(run=opened(script(seed=""))) as pilot:
        await go(pilot, "right_square_bracket", "left_square_bracket", "n", "n")
        assert notes(pilot).count("give its random numbers a seed") == 1


async def test_a_crash_is_shown_with_its_traceback(script: Callable[..., Path], opened: Opened) -> None:
    run = opened(script(more="points[7 if round == 2 else 0]"))
    async with debugger((200, 60), run) as pilot:
        await typed(pilot, "step 2")
        await typed(pilot, "step 3")
        assert "mine.py stopped in line 27, in training step 3: IndexError" in notes(pilot)
        assert notes(pilot).count("IndexError") == 1
        assert "round = 2" in notes(pilot)
        run.seek(Moment(2, PHASES[2], run.program.ticks(PHASES[2])))
        screen(pilot).navigator.go(run.moment)
        await pilot.pause()
        assert "Traceback (most recent call last):" in pane(pilot, "output")
        assert "points[7 if round == 2 else 0]" in pane(pilot, "output")
        assert "IndexError: list index out of range" in pane(pilot, "output")


async def test_a_crash_in_the_first_step_opens_on_what_was_recorded(opened: Opened, tmp_path: Path) -> None:
    (tmp_path / "plain_scalar.py").write_text(CLASS, encoding="utf-8")
    path = tmp_path / "broken.py"
    path.write_text("""from plain_scalar import Scalar as Value
rows = [Value(0.5), Value(2.0)]
for step in range(3):
    products = [a * a for a in rows]
    total = sum(products, Value(0.0))
    loss = total * rows[2]
    loss.backward()
""")
    run = opened(path)
    async with debugger((200, 60), run) as pilot:
        run.seek(Moment(0, PHASES[0], run.program.ticks(PHASES[0])))
        screen(pilot).navigator.go(run.moment)
        await pilot.pause()
        assert "IndexError" in notes(pilot)
        assert "loss = total * rows[2]" in pane(pilot, "output")
        assert "products" in pane(pilot, "map")


def test_opening_can_be_stopped(script: Callable[..., Path]) -> None:
    def stop(step: int, loss: float) -> bool:
        del step, loss
        return True

    with pytest.raises(Stopped):
        ScriptRun(ScriptFile.read(script(rounds=10**9)), None, 10**8, stop)


# The command.


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (None, "does not exist"),
        ("x = 1\n", "no class of scalars"),
        ("def f(:\n", "line 1"),
    ],
)
def test_a_file_that_cannot_be_debugged_is_told_in_a_sentence(tmp_path: Path, code: str | None, sentence: str) -> None:
    path = tmp_path / "mine.py"
    if code is not None:
        path.write_text(code)
    with terminal([sys.executable, "-m", "microgpt_tui", "debug", str(path)]) as term:
        said = term.left(2).replace("\n", "")  # the terminal breaks it anywhere
        assert said.startswith("error: ")
        assert sentence in said


def test_it_needs_a_terminal(script: Callable[..., Path]) -> None:
    assert "needs a terminal" in error_of(invoke("debug", script()))


@pytest.mark.parametrize("option", [("--step", "-1"), ("--step-at", "0"), ("--data", "http://example.org/x")])
def test_options_that_make_no_sense_are_refused(script: Callable[..., Path], option: tuple[str, str]) -> None:
    error_of(invoke("debug", script(), *option))


def children(of: int) -> list[psutil.Process]:
    return psutil.Process(of).children(recursive=True)


PROGRAM = """
import os, pathlib, sys
pathlib.Path(sys.argv.pop(1)).write_text(str(os.getpid()))
from microgpt_tui.__main__ import main
main()
"""


@needs_tmux
def test_the_command_opens_steps_and_leaves_nothing_behind(script: Callable[..., Path], tmp_path: Path) -> None:
    path, number = script(rounds=50), tmp_path / "pid"
    command = [sys.executable, "-c", PROGRAM, str(number), "debug", str(path), "--step", "2"]
    with terminal(command, (120, 36)) as term:
        term.wait("step 2", "FORWARD", "mine.py")
        (child,) = children(int(number.read_text()))
        term.press("]")
        term.wait("step 3")
        term.press("u")
        term.wait("round 2 loss")
        term.press("u")
        term.press("q")
        term.left(0)
        ended(child)


@needs_tmux
def test_killing_the_debugger_ends_the_script(script: Callable[..., Path], tmp_path: Path) -> None:
    path, number = script(rounds=10**9), tmp_path / "pid"
    command = [sys.executable, "-c", PROGRAM, str(number), "debug", str(path)]
    with terminal(command) as term:
        term.wait("FORWARD", "mine.py")
        (child,) = children(int(number.read_text()))
        os.kill(int(number.read_text()), 9)
        ended(child)


def loading(term: Terminal) -> None:
    term.wait("running the script: step")


@needs_tmux
def test_a_long_way_to_the_first_step_shows_progress_and_can_be_stopped(script: Callable[..., Path]) -> None:
    command = [sys.executable, "-m", "microgpt_tui", "debug", str(script(rounds=10**9)), "--step", "100000000"]
    with terminal(command) as term:
        loading(term)
        term.press("q")
        term.left(0)


def test_what_is_not_recorded_of_the_past_is_left_out(opened: Opened) -> None:
    """No second process runs the script to earlier steps, so nothing waits for them; recorded ones are shown."""
    run = opened(SCRIPTS / "plain.py", step=2)
    run.seek(Moment(2, Phase.UPDATE, run.program.ticks(Phase.UPDATE)))
    frame = Frame(run.view(), Focus(run.moment))
    shown = Adam("p").draw(frame, 150, 14).text()
    assert "norms of" in shown
    assert "recorded steps" in shown
    assert "replaying" not in shown
    assert "?" not in shown
    assert not any(series.missing for spec in PANES for series in spec.kind(spec.id).series(frame, 150, 14))
    assert "none before this one yet" in shown
    own = {which: rows.ravel()[-1] for which, rows in run.program.parameters.items()}
    expected = {}
    for step in (0, 1, 3, 4):
        run.seek(Moment(step, Phase.UPDATE, 10**9))
        expected[step] = {which: run.view().update(row) for which, row in own.items()}
    view = run.view()
    for which, row in own.items():
        past = view.past_updates(row)
        assert list(past) == [0, 1, 2, 3]
        for step in (0, 1, 3):
            assert [(t.name, t.before, t.value) for t in past[step].terms] == [
                (t.name, t.before, t.value) for t in expected[step][which].terms
            ]
    shown = Adam("p").draw(Frame(view, Focus(run.moment)), 150, 14).text()
    assert "the recorded steps 0, 1, 2, 3 and 4" in shown


@pytest.mark.parametrize("pos", [0, 1])
def test_every_pane_and_sentence_draws_a_step_that_has_broken_off(opened: Opened, tmp_path: Path, pos: int) -> None:
    code = (SCRIPTS / "plain.py").read_text(encoding="utf-8")
    place = "        loss_t = -probs"
    assert place in code
    raising = f'        if step == 1 and pos_id == {pos}: raise ValueError("here")\n{place}'
    path = tmp_path / "raising.py"
    path.write_text(code.replace(place, raising, 1), encoding="utf-8")
    run = opened(path, step=1)
    assert "here" in (run.ending or "")
    panes = [spec.kind(spec.id) for spec in PANES if spec.id not in lacking(run.view())]
    for phase in PHASES:
        for event in run.program.events(phase)[-4:]:
            run.seek(Moment(1, phase, event.last))
            frame = Frame(run.view(), Focus(run.moment))
            said = sentences(frame)
            assert all(isinstance(sentence, str) for sentence in (*said, *hints(frame), title_of(frame)))
            if phase is not Phase.FORWARD:
                assert said == (f"This step has no {phase} phase: the script stopped before it.",)
            for each in panes:
                each.frame = frame
                assert each.picture_for(58, 26) is not None


def test_rows_of_embeddings_are_those_that_the_script_has_read(opened: Opened) -> None:
    run = opened(SCRIPTS / "plain.py")
    events = [event for event in run.program.events(Phase.FORWARD) if event.kind == "embed"]
    assert events
    for event in events:
        run.seek(Moment(0, Phase.FORWARD, event.last))
        frame = Frame(run.view(), Focus(run.moment))
        for rows in event.operands.values():
            name, (row, _) = run.program.parameter_of(int(rows.flat[0])) or ("", (0, 0))
            assert embeddings._here(frame, name)[0] == row


def of_two_documents(folder: Path) -> Path:
    """The small GPT, with two documents a step, each with a backward call of its own."""
    lines = (SCRIPTS / "plain.py").read_text(encoding="utf-8").splitlines()
    first = lines.index("    doc = docs[step % len(docs)]")
    last = lines.index("    loss.backward()")
    lines[first : last + 1] = [
        "    for doc in docs[2 * step : 2 * step + 2]:",
        *(f"    {line}" for line in lines[first + 1 : last + 1]),
    ]
    path = folder / "two.py"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


async def test_gradients_that_add_up_are_told_where_they_are_shown(opened: Opened, tmp_path: Path) -> None:
    run = opened(of_two_documents(tmp_path), "3", step=1)
    sentence = "This step calls backward 2 times before its update. The last call is shown"
    async with debugger((200, 60), run) as pilot:
        assert sentence in notes(pilot)
        found = set()
        for event in run.program.events(PHASES[1]):
            run.seek(Moment(1, PHASES[1], event.last))
            screen(pilot).navigator.go(run.moment)
            await pilot.pause()
            assert sentence in " ".join(pane(pilot, "gradients").split())
            found |= {word for word in ("is the first", "was (1 earlier call") if word in pane(pilot, "stage")}
        assert found == {"was (1 earlier call"}
        assert sentence in " ".join(pane(pilot, "training").split())


@pytest.mark.parametrize("path", ["plain.py", "rnn.py", "package/train.py", "overwrite.py", "adamw.py", "converged.py"])
def test_what_hints_name_is_there(opened: Opened, path: str) -> None:
    run = opened(SCRIPTS / path)
    view = run.view()
    frame, scope = Frame(view, Focus(run.moment)), Scope.of(view)
    own = Examples.of(scope)
    for line in own.goto_hint.split("   "):
        elsewhere = line.startswith(("99", "step", "+")) or line.endswith(" 3")  # another step, a later place
        with suppress(LineError if elsewhere else ()):
            assert goto.read_line(line, frame, run.docs) is not None
    for pattern in (own.at(own.tensor, 0, head=True), own.at(own.vector, 0)):
        EventPattern.parse(pattern, scope.place_names).check(scope)
    for scalar in (own.weight, own.element):
        Scalar.parse(scalar, scope)
    words = own.search_hint.split("   ")
    assert search(words[0], run.program, run.moment) is not None
    names = set(re.findall(r"[a-z]\w+", own.search_hint + str(own.places | own.scalars | own.events)))
    assert not names & ({"attn_weights", "wte", "embed"} - set(scope.specs))


@needs_tmux
def test_the_error_output_may_go_elsewhere(script: Callable[..., Path], tmp_path: Path) -> None:
    line = shlex.join([sys.executable, "-m", "microgpt_tui", "debug", str(script())])
    with terminal(["sh", "-c", f"{line} 2>{tmp_path / 'errors'}"], (120, 36)) as term:
        term.wait("FORWARD", "mine.py")
        term.press("q")
        term.left(0)
    assert "\x1b" not in (tmp_path / "errors").read_text(encoding="utf-8")


async def test_going_on_from_the_end_tells_how_the_script_ended(script: Callable[..., Path], opened: Opened) -> None:
    run = opened(script(more="points[7 if round == 2 else 0]"), step=4)
    async with debugger((120, 36), run) as pilot:
        await go(pilot, "c")
        assert "schedule" not in notes(pilot)
        assert "mine.py stopped in line 27, in training step 3: IndexError" in notes(pilot)
        assert "round = 2" in notes(pilot)


@pytest.mark.parametrize("keys", [["right_square_bracket"], ["c"], ["space"], ["f", "f", "f"]])
async def test_however_its_end_is_met_a_crash_is_told_once(
    script: Callable[..., Path], opened: Opened, keys: list[str]
) -> None:
    run = opened(script(more="points[7 if round == 2 else 0]"))
    async with debugger((120, 36), run) as pilot:
        await typed(pilot, "step 2")
        await go(pilot, *keys)
        assert notes(pilot).count("mine.py stopped in line 27, in training step 3: IndexError") == 1
        assert notes(pilot).count("IndexError") == 1
        assert "schedule" not in notes(pilot)


@pytest.mark.parametrize("more", ["", "points[7 if round == 2 else 0]"])
async def test_beyond_its_last_step_it_is_told_that_the_script_has_ended(
    script: Callable[..., Path], opened: Opened, more: str
) -> None:
    run = opened(script(rounds=3, more=more))
    async with debugger((120, 36), run) as pilot:
        await typed(pilot, "step 2")
        for key in ("right_square_bracket", "end", "n", "s", "right_square_bracket"):
            pilot.app.clear_notifications()
            await go(pilot, key)
            assert "schedule" not in notes(pilot)
            assert key == "end" or ("stopped in line 27" if more else "ended after 3 training steps") in notes(pilot)


async def test_what_a_script_calls_v_is_no_memory_of_sizes(opened: Opened, tmp_path: Path) -> None:
    (tmp_path / "plain_scalar.py").write_text(CLASS, encoding="utf-8")
    path = tmp_path / "momentum.py"
    path.write_text("""from plain_scalar import Scalar as Value
rows = [Value(0.5), Value(2.0)]
v = [0.0, 0.0]
for step in range(3):
    loss = rows[0] * rows[1]
    for p in rows:
        p.grad = 0
    loss.backward()
    for i, p in enumerate(rows):
        v[i] = 0.9 * v[i] - 0.1 * p.grad
        p.data += v[i]
""")
    run = opened(path)
    async with debugger((120, 36), run) as pilot:
        await go(pilot, "f", "f")
        assert "v  " in pane(pilot, "adam")
        assert "-0.2000" in pane(pilot, "adam")
        assert "memory" not in pane(pilot, "adam")
