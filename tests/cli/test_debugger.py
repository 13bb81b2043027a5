"""The command that opens the debugger: its options and its errors."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from engine import Config, DataError, load_docs
from microgpt_tui.cli import cli
from microgpt_tui.cli import open as open_command
from microgpt_tui.storage.startup import Start

ENDED = types.SimpleNamespace(status=0, written=False, displaced=False)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Stand in for the app, and let there be a terminal."""
    calls: list[Any] = []
    app = types.ModuleType("microgpt_tui.app")
    app.run_debugger = lambda start, *_: (calls.append(start), ENDED)[1]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "microgpt_tui.app", app)
    monkeypatch.setattr(open_command, "in_terminal", lambda: True)
    return calls


def run(*args: str) -> Any:
    return cli.main(list(args), prog_name="microgpt-tui", standalone_mode=False)


def test_defaults_without_options(opened: list[Any]) -> None:
    assert run() == 0
    assert opened == [Start(Config(), load_docs())]


def test_every_option_is_passed_to_the_app(opened: list[Any], tmp_path: Path) -> None:
    data = tmp_path / "names.txt"
    data.write_text("ada\ngrace\n")
    sizes = ("--n-layer", "2", "--n-embd", "8", "--n-head", "1", "--block-size", "3")
    rates = ("--num-steps", "50", "--learning-rate", "0.1", "--beta1", "0.5", "--beta2", "0.6", "--seed", "-7")
    assert run("--data", str(data), "--step", "49", *sizes, *rates) == 0
    config = Config(
        n_layer=2, n_embd=8, n_head=1, block_size=3, num_steps=50, learning_rate=0.1, beta1=0.5, beta2=0.6, seed=-7
    )
    assert opened == [Start(config, ["ada", "grace"], str(data), 49)]


def test_errors_of_the_app_are_printed_as_sentences(
    capsys: pytest.CaptureFixture[str], opened: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise DataError("it is not to be")

    monkeypatch.setattr(sys.modules["microgpt_tui.app"], "run_debugger", refuse)
    assert run() == 2
    assert capsys.readouterr().err == "error: it is not to be\n"
