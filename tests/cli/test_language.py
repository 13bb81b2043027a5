"""--lang: an option of every command, which chooses the language of all that is said, also by click."""

from __future__ import annotations

import json
import os
import re
import string
import subprocess
import sys
from functools import cache

import pytest

from engine.language.catalog import read_part
from engine.language.chosen import language
from microgpt_tui.cli import cli
from tests.support.commands import ROOT, invoke

ALL = [(), *((name,) for name in cli.commands)]
REFUSED_BY_CLICK = (
    ("train", "--until", "x"),
    ("train", "--until", "0"),
    ("train", "--health=1"),
    ("train", "--until"),
    ("grad-check", "--h", "x"),
    ("sample",),
    ("open", "a", "b"),
    ("open", "a", "b", "c"),
    ("fetch", "--nothing"),
    ("train", "--untl"),
    ("nothing",),
    ("what-if", "--edit", "x"),
    ("--theme", "x"),
)
KOREAN = re.compile("[가-힣]")


def matcher(template: str) -> re.Pattern[str]:
    """Finds a message of click, filled in with anything."""
    literals = [literal for literal, *_ in string.Formatter().parse(template.removesuffix("."))]
    return re.compile(".+".join(re.escape(literal.strip()) for literal in literals))


MESSAGES = [matcher(text) for text in read_part("microgpt_tui.texts", "en", "click").values()]


@cache
def said_in_korean() -> dict[tuple[str, ...], str]:
    """What each of these command lines prints where Korean is chosen, as the program starts."""
    lines = [*REFUSED_BY_CLICK, *((*command, "--help") for command in ALL)]
    code = (
        "import contextlib, io, json, sys\n"
        "from engine.language.chosen import use_language\n"
        "use_language('ko')\n"
        "from microgpt_tui.cli import cli\n"
        "said = []\n"
        "for line in json.loads(sys.argv[1]):\n"
        "    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):\n"
        "        cli.main(line, prog_name='microgpt-tui', standalone_mode=False)\n"
        "    said.append(out.getvalue())\n"
        "print(json.dumps(said))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(lines)],
        cwd=ROOT, env=os.environ | {"COLUMNS": "100"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return dict(zip(lines, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("line", REFUSED_BY_CLICK)
def test_click_speaks_the_chosen_language(line):
    assert any(message.search(invoke(*line).stderr) for message in MESSAGES), "click words it in another way now"
    said = said_in_korean()[line]
    assert KOREAN.search(said)
    assert not [message.pattern for message in MESSAGES if message.search(said)]


@pytest.mark.parametrize("command", ALL)
def test_help_speaks_the_chosen_language(command):
    said = said_in_korean()[*command, "--help"]
    flat = re.sub(r"[│\s]+", " ", re.sub(r"\$.*", "", said))  # without examples
    assert not re.findall(r"(?:[a-z]{2,} ){2}[a-z]{2,}", re.sub(r"'[^']*'|\"[^\"]*\"", "", flat))
    for word in ("Usage", "Options", "Commands", "default", "required", "Show this message", "Examples"):
        assert word not in said


@pytest.mark.parametrize("command", ALL)
def test_every_command_has_it(command):
    assert "--lang" in invoke(*command, "--help").output
    refused = invoke(*command, "--lang", "tlh")
    assert refused.exit_code == 2
    assert "--lang" in refused.stderr


def test_it_may_stand_before_a_command():
    assert invoke("--lang", "en", "lecture", "--list").output == invoke("lecture", "--list", "--lang", "en").output


def test_it_holds_for_one_command():
    assert KOREAN.search(invoke("lecture", "--list", "--lang", "ko").output)
    assert language() == "en"
    assert not KOREAN.search(invoke("lecture", "--list").output)


def test_what_a_visitor_gets_is_in_it():
    refused = invoke("serve", "lecture", "--lang", "ko", "--list")
    assert refused.stderr.startswith("error: --list")
    assert KOREAN.search(refused.stderr)
    assert language() == "en"
