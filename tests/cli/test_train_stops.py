"""train --break, --break-at and --health: where they stop, what they print and save; errors show their position."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine import CHECKS, Config, Session, load_docs
from engine.checkpoint import checkpoint as checkpoints
from microgpt_tui.cli.train import HEALTH_CHECKS
from tests.support.commands import SMALL, error_of, invoke, json_lines

CONFIG = Config(n_embd=4, n_head=2, block_size=4)


def losses(until: int) -> list[float]:
    session = Session(CONFIG, load_docs())
    session.run(until)
    return session.losses


def test_a_condition_stops_training_and_the_last_whole_step_is_saved(tmp_path: Path) -> None:
    step = next(i for i, loss in enumerate(losses(300)) if loss < 2.8 and i > 10)
    save, log = tmp_path / "run.safetensors", tmp_path / "run.jsonl"
    result = invoke(
        "train", "--until", "300", "--break", "loss < 2.8 and step > 10", "--save", save, "--log", log, *SMALL
    )
    assert result.exit_code == 0
    assert result.stderr.startswith(f"stopped at loss < 2.8 and step > 10: step {step} (counted from 0), document '")
    assert result.stderr.endswith(f"forward phase, loss ({step} of 300 steps are done and saved in {save})\n")
    assert len(result.stdout.splitlines()) == len(json_lines(log.read_text())) == step
    run, session = checkpoints.load(save), Session(CONFIG, load_docs())
    session.run(step)
    assert run.step == step
    assert all((run.params[name] == matrix).all() for name, matrix in session.params.items())


def test_the_first_of_several_and_an_event() -> None:
    both = ("--break", "grad_norm > 1000", "--break", "step == 3")
    assert "stopped at step == 3: start of step 3" in invoke("train", "--until", "9", *both, *SMALL).stderr
    event = ("--break-at", "attn_weights@pos=1,head=1,phase=backward")
    said = invoke("train", "--until", "9", *both, *event, *SMALL).stderr
    assert "stopped at step 0 (counted from 0), document" in said
    assert "(0 of 9 steps are done)" in said


@pytest.mark.parametrize(
    ("options", "missed"),
    [
        (["--break", "loss < 0"], "nowhere on the way was loss < 0"),
        (["--break", "loss < 0", "--break-at", "q@pos=3", "--break", "step > 50"],
         "nowhere on the way was loss < 0 or step > 50 or q@pos=3"),
        (["--health"], "the health checks found nothing"),
        (["--break", "loss < 0", "--health"], "nowhere on the way was loss < 0; the health checks found nothing"),
    ],
)  # fmt: skip
def test_stops_that_never_occur_are_reported(options: list[str], missed: str, tmp_path: Path) -> None:
    data, save = tmp_path / "names.txt", tmp_path / "run.safetensors"
    data.write_text("ab\nba\n", encoding="utf-8")  # two letters: there is no position 3
    short = ("train", "--until", "9", "--data", data, *SMALL)
    plain, watched = invoke(*short), invoke(*short, *options)
    assert (watched.exit_code, watched.stdout) == (0, plain.stdout)
    assert watched.stderr == f"9 of 9 steps are done; {missed}\n"
    assert invoke(*short, *options, "--save", save).stderr == f"9 of 9 steps are done and saved in {save}; {missed}\n"


@pytest.mark.parametrize(
    ("options", "pointer", "words"),
    [
        (["--break", "los < 2"], "los < 2\n^^^\n", "error: --break: nothing is called los; did you mean loss?"),
        (["--break", "loss < 2 and q"], "loss < 2 and q\n             ^\n", "every layer has its own q"),
        (["--break", "loss"], "loss\n^^^^\n", "this is a number, and a condition is true or false"),
        (["--break", ""], "", "there is nothing to ask"),
        (["--break-at", "attn"], "", "error: --break-at: no event is called 'attn'"),
        (["--break-at", "q@pos=99"], "", "pos is 99; write a number from 0 to 3"),
        (["--no-stop", "nan"], "", "add --health"),
    ],
)
def test_bad_stops_are_refused_before_training(options: list[str], pointer: str, words: str, monkeypatch: Any) -> None:
    monkeypatch.setattr("microgpt_tui.cli.train.open_session", None)
    result = invoke("train", "--until", "9", *options, *SMALL)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(pointer)
    assert words in result.stderr
    assert result.stderr.count("\n") == pointer.count("\n") + 1


def test_a_health_check_stops_a_diverging_run(tmp_path: Path) -> None:
    assert [*HEALTH_CHECKS, "fault"] == sorted(CHECKS, key=[*HEALTH_CHECKS, "fault"].index)
    save = tmp_path / "run.safetensors"
    bad = ("train", "--until", "4", "--learning-rate", "1e200", *SMALL)
    message = error_of(invoke(*bad, "--health", "--save", save))
    assert "is inf: step 1 (counted from 0), document" in message
    assert f"(1 of 4 steps are done and saved in {save})" in message
    assert checkpoints.load(save).step == 1
    every = [part for check in HEALTH_CHECKS for part in ("--no-stop", check)]
    assert invoke(*bad, "--health", *every).exit_code == 0
    assert invoke(*bad).exit_code == 0


def test_a_fault_is_an_error_with_and_without_breakpoints() -> None:
    fault = ("train", "--until", "9", "--learning-rate", "5")
    assert error_of(invoke(*fault, "--break", "loss < 0", "--health")) == error_of(invoke(*fault))
