"""Help: examples, no heavy imports, and a flag for each field of Config."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import fields

import pytest

from engine import Config
from engine.language.catalog import read_part
from engine.language.chosen import LANGUAGES
from engine.model.config import help_on
from microgpt_tui.cli import cli
from tests.support.commands import ROOT, invoke

COMMANDS = (
    "debug",
    "lecture",
    "serve",
    "train",
    "sample",
    "trace",
    "why",
    "grad-check",
    "export",
    "check",
    "verify",
    "fetch",
)


@pytest.mark.parametrize("command", [(), *((c,) for c in COMMANDS)])
def test_every_help_has_examples(command: tuple[str, ...]) -> None:
    result = invoke(*command, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.output
    assert "$ microgpt-tui" in result.output


@pytest.mark.parametrize("command", [cli, *(cli.commands[name] for name in ("train", "trace", "export"))])
def test_hyperparameter_flags_are_the_fields_of_config(command: object) -> None:
    options = {option.name: option for option in command.params}  # type: ignore[attr-defined]
    for field in fields(Config):
        option = options[field.name]
        assert option.opts == ["--" + field.name.replace("_", "-")]
        assert option.default == field.default
        assert help_on(field.name)[1:] in option.help


@pytest.mark.parametrize("language", LANGUAGES)
def test_help_loses_no_letter(language: str) -> None:
    """At any width, in a process of its own: the language is chosen before the commands are imported."""
    code = (
        "import os, sys; from engine.language.chosen import use_language; use_language(sys.argv[1])\n"
        "from microgpt_tui.cli import cli\n"
        "for width in range(60, 101):\n"
        "    os.environ['COLUMNS'] = str(width)\n"
        "    cli.main(['--help'], standalone_mode=False)\n"
        "print('-' * 9)\n"
        "for name in cli.commands:\n"
        "    print(cli.commands[name].help.strip().split(chr(10) * 2)[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, language], cwd=ROOT, capture_output=True, text=True, check=True)
    helps, _, texts = done.stdout.rpartition("-" * 9)
    title = read_part("microgpt_tui.texts", language, "cli")["words"]["commands"]
    _, *panels = (re.sub(r"[^\w().]", "", panel) for panel in helps.split(f"╭─ {title} "))
    assert len(panels) == 41
    for line in texts.splitlines():
        assert [panel for panel in panels if re.sub(r"[^\w().]", "", line) not in panel] == []


def test_an_empty_width_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "0")
    assert "Examples:" in invoke("--help").output
    monkeypatch.setenv("COLUMNS", "0")
    assert "not a valid integer" in invoke("train", "--until", "x").stderr


HEAVY = {
    "numpy", "numba", "textual", "safetensors", "psutil", "yaml", "markdown_it", "requests", "aiohttp",
    "asyncio", "multiprocessing",
}  # fmt: skip


@pytest.mark.parametrize("asked", ["--help", "--nonsense"])
def test_help_loads_no_heavy_module(asked: str) -> None:
    code = (
        "import sys; from microgpt_tui.cli import cli\n"
        "for command in ([], *([name] for name in cli.commands)):\n"
        f"    cli.main([*command, {asked!r}], standalone_mode=False)\n"
        f"sys.exit(', '.join({HEAVY!r} & set(sys.modules)) or 0)"
    )
    alone = {name: value for name, value in os.environ.items() if not name.startswith("COV")}  # coverage loads much
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=alone, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_engine_imports_its_names_lazily() -> None:
    import engine

    assert all(getattr(engine, name) is not None for name in engine.__all__)
    assert set(engine.__all__) <= set(dir(engine))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = engine.nothing


def test_version() -> None:
    assert invoke("--version").output.startswith("microgpt-tui")
