"""train: its output, its log, what it saves, and how it stops."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import Config, Session, load_docs
from engine.checkpoint import checkpoint as checkpoints
from microgpt_tui.cli.train import _StepReporter
from tests.support.commands import ROOT, SMALL, cut_off, error_of, in_terminal, invoke, json_lines, start

GOLDEN = ROOT / "tests" / "golden" / "default.json.gz"
CONFIG = Config(n_embd=4, n_head=2, block_size=4)


def test_train_then_sample_is_what_the_original_prints(tmp_path: Path) -> None:
    golden = json.loads(gzip.decompress(GOLDEN.read_bytes()))
    save, log = tmp_path / "run.safetensors", tmp_path / "run.jsonl"
    result = invoke("train", "--until", "1000", "--save", save, "--log", log)
    assert result.exit_code == 0
    entries = json_lines(log.read_text())
    assert [entry["step"] for entry in entries] == list(range(1, 1001))
    assert [entry["loss_hex"] for entry in entries] == golden["losses"]
    assert all(float.fromhex(entry["loss_hex"]) == entry["loss"] for entry in entries)
    assert result.stdout.splitlines()[-1] == f"step 1000 / 1000 | loss {entries[-1]['loss']:.4f}"
    assert invoke("sample", save).stdout.splitlines() == golden["samples"]


def test_prints_and_logs_every_step(tmp_path: Path) -> None:
    log = tmp_path / "run.jsonl"
    result = invoke("train", "--until", "7", "--num-steps", "20", "--log", log, *SMALL)
    session = Session(Config(n_embd=4, n_head=2, block_size=4, num_steps=20), load_docs())
    session.run(7)
    assert result.stdout.splitlines() == [f"step {i:4d} /   20 | loss {x:.4f}" for i, x in enumerate(session.losses, 1)]
    assert result.stderr == ""
    assert json_lines(log.read_text()) == [
        {
            "step": step + 1,
            "loss": loss,
            "loss_hex": loss.hex(),
            "lr": session.config.learning_rate_at(step),
            "grad_norm": session.history.grad_norms[step],
        }
        for step, loss in enumerate(session.losses)
    ]


def test_the_whole_schedule_without_until() -> None:
    told = invoke("train", "--num-steps", "7", *SMALL)
    assert (told.exit_code, told.stdout) == (0, invoke("train", "--until", "7", "--num-steps", "7", *SMALL).stdout)
    assert len(told.stdout.splitlines()) == 7


def test_saves_the_run(tmp_path: Path) -> None:
    save = tmp_path / "run.safetensors"
    save.write_text("an older file")
    result = invoke("train", "--until", "5", "--save", save, *SMALL)
    assert (result.exit_code, result.stderr) == (0, f"5 of 5 steps are done and saved in {save}\n")
    session = Session(CONFIG, load_docs())
    session.run(5)
    _holds(save, session)
    assert list(tmp_path.iterdir()) == [save]


def _holds(save: Path, session: Session) -> None:
    run = checkpoints.load(save)
    assert (run.config, run.moment, list(run.uchars)) == (session.config, session.moment, session.tokenizer.uchars)
    assert run.losses.tolist() == session.losses[: session.step]
    assert run.state == session.generator.getstate()
    for stored, own in ((run.params, session.params), (run.m, session.m), (run.v, session.v)):
        assert list(stored) == list(own)
        assert all(np.array_equal(stored[name], own[name]) for name in own)


def test_nan_and_inf_are_strings_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "run.jsonl"
    assert invoke("train", "--until", "4", "--learning-rate", "1e200", "--log", log, *SMALL).exit_code == 0
    last = json_lines(log.read_text())[-1]
    assert (last["loss"], last["loss_hex"], last["grad_norm"]) == ("nan", "nan", "nan")


def test_a_numeric_fault_is_reported_and_the_steps_before_it_are_saved(tmp_path: Path) -> None:
    save = tmp_path / "run.safetensors"
    result = invoke("train", "--until", "9", "--learning-rate", "5", "--save", save)
    message = error_of(result)
    for words in (
        "step 1",
        "'richie'",
        "position 0",
        "loss_t",
        "log of 0",
        f"1 of 9 steps are done and saved in {save}",
    ):
        assert words in message
    session = Session(Config(learning_rate=5.0), load_docs())
    session.run(1)
    _holds(save, session)


# Stopping.


@pytest.fixture
def ctrl_c_after(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Press ctrl+c while a certain step is reported."""

    def press(number: int) -> None:
        tell = _StepReporter.report

        def told(self: _StepReporter, step: int, loss: float) -> None:
            tell(self, step, loss)
            if step + 1 == number:
                signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr(_StepReporter, "report", told)

    return press


def test_ctrl_c_stops_between_steps_and_saves(tmp_path: Path, ctrl_c_after: Any) -> None:
    save, log = tmp_path / "run.safetensors", tmp_path / "run.jsonl"
    ctrl_c_after(3)
    result = invoke("train", "--until", "9", "--save", save, "--log", log, *SMALL)
    assert result.exit_code == 130
    assert result.stderr == f"stopped by ctrl+c: 3 of 9 steps are done and saved in {save}\n"
    session = Session(CONFIG, load_docs())
    session.run(3)
    _holds(save, session)
    assert len(json_lines(log.read_text())) == 3


def test_ctrl_c_while_saving_leaves_a_file(tmp_path: Path, ctrl_c_after: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    save, pressed = tmp_path / "run.safetensors", []

    def press(descriptor: int) -> None:
        pressed.append(descriptor)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(os, "fsync", press)
    ctrl_c_after(2)
    assert invoke("train", "--until", "9", "--save", save, *SMALL).exit_code == 130
    assert len(pressed) == 1
    assert checkpoints.load(save).step == 2
    assert list(tmp_path.iterdir()) == [save]


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_in_a_process_of_its_own(tmp_path: Path) -> None:
    save, log = tmp_path / "run.safetensors", tmp_path / "run.jsonl"
    long = ("--until", "1000000", "--num-steps", "1000000")
    with start("train", *long, "--save", save, "--log", log, *SMALL) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        rest, said = process.stdout.read(), process.stderr.read()  # communicate() would lose lines already buffered
        process.wait(timeout=60)
    assert process.returncode == 130
    assert "stopped by ctrl+c" in said
    lines += rest.splitlines()
    run = checkpoints.load(save)
    assert run.step == len(lines) == len(json_lines(log.read_text()))
    assert lines[-1].split("|")[0].split() == ["step", str(run.step), "/", "1000000"]


def test_ctrl_c_while_a_pipe_for_the_log_waits_for_its_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, opened = tmp_path / "pipe", Path.open

    def wait(path: Path, *how: Any, **more: Any) -> Any:
        if path == pipe:
            signal.raise_signal(signal.SIGINT)
        return opened(path, *how, **more)

    monkeypatch.setattr(Path, "open", wait)
    result = invoke("train", "--until", "2", "--log", pipe, *SMALL)
    assert (result.exit_code, result.stdout) == (130, "")


def test_a_save_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save = tmp_path / "run.safetensors"
    save.write_text("precious")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    message = error_of(invoke("train", "--until", "2", "--save", save, *SMALL))
    assert "No space left on device" in message
    assert "2 of 2 steps are done" in message
    assert save.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [save]


def test_training_ends_quietly_when_its_output_is_closed() -> None:
    _, said, status = cut_off("train", "--until", "1000000", "--num-steps", "1000000", *SMALL)
    assert (said, status) == ("", 141)


def test_training_to_a_file_goes_on_when_its_output_is_closed(tmp_path: Path) -> None:
    save = tmp_path / "run.safetensors"
    _, said, status = cut_off("train", "--until", "100", "--save", save, *SMALL)
    assert "100 of 100" in said
    assert status == 0
    assert checkpoints.load(save).step == 100


def test_a_terminal_shows_all_lines_and_the_progress() -> None:
    ended = in_terminal("train", "--until", "200", "--num-steps", "200", *SMALL, patience=0)
    assert ended.status == 0
    assert ended.screen.count(" | loss ") == 200
    assert "steps/s" in ended.screen
    assert "left" in ended.screen
    assert "200 of 200 steps are done" in ended.screen


def test_no_progress_without_a_terminal() -> None:
    with start("train", "--until", "200", "--num-steps", "200", *SMALL, patience=0) as process:
        out, said = process.communicate(timeout=60)
    assert (said, out.count("\n"), out.count("\x1b")) == ("", 200, 0)


def test_losses_of_held_out_documents_are_printed_and_logged(tmp_path: Path) -> None:
    data, log = tmp_path / "docs.txt", tmp_path / "run.jsonl"
    data.write_text("anna\nben\ncleo\ndora\n", encoding="utf-8")
    told = invoke(
        "train", "--until", 6, "--data", data, *SMALL, "--val-fraction", 0.5, "--val-every", 3, "--log", log
    ).stdout.splitlines()
    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert [entry["step"] for entry in entries if "val_loss" in entry] == [3, 6]
    for entry in (entries[2], entries[5]):
        assert (
            f"| kept aside {entry['val_loss']:.4f}, perplexity {entry['val_perplexity']:.2f}" in told[entry["step"] - 1]
        )
    assert "kept aside" not in told[0]


def test_garbage_is_collected_while_a_command_runs() -> None:
    program = (
        "import gc, sys; sys.argv[1:] = ['train', '--until', '1', '--n-embd', '4', '--n-head', '2']\n"
        "from microgpt_tui.__main__ import main\n"
        "try: main()\nfinally: print(gc.isenabled())"
    )
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1] == "True"
