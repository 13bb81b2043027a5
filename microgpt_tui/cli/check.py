"""`microgpt-tui check`: faults of the user's own script."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import rich_click as click
from click.exceptions import Exit

from microgpt_tui.cli._json import json_text
from microgpt_tui.cli._options import (
    DATA,
    examples,
    json_option,
    number_option,
    script_arguments,
    script_options,
    step_option,
)
from microgpt_tui.cli._progress import Waiting
from microgpt_tui.cli._session import read_script
from microgpt_tui.drawing.terminal_text import printable
from microgpt_tui.texts.say import say

if TYPE_CHECKING:
    from rich.text import Text

    from engine.script.findings import CheckReport, ScriptFinding

FOUND = 1
WIDEST = 100


@click.command(
    help=say("cli.check.help"),
    epilog=examples(
        "microgpt-tui check my_gpt.py",
        "microgpt-tui check my_gpt.py --steps 10 --data my_words.txt",
        "microgpt-tui check homework.ipynb",
        "microgpt-tui check homework.py --json -- --n-layer 2 | jq '.findings[].sentence'",
    ),
)
@script_arguments
@step_option(say("cli.check.step"))
@number_option("--steps", default=3, text=say("cli.check.steps"), panel=DATA)
@script_options
@json_option()
def check(
    script: Path,
    args: tuple[str, ...],
    step: int,
    steps: int,
    data: Path | None,
    python: str | None,
    step_at: str | None,
    large: bool,
    as_json: bool,
) -> None:
    """`microgpt-tui check`; its help is the text cli.check.help."""
    from engine.script.check import check as look
    from engine.script.run import ScriptOptions

    read_script(script)
    with Waiting(say("cli.check.running"), total=float(step + steps)) as waiting:

        def progress(done: int, total: int) -> None:
            waiting.update(done, say("cli.session.progress", done=done, of=total))

        report = look(script, ScriptOptions(args, data, python, step_at, large), step, steps, progress)
    if as_json:
        click.echo(json_text(asdict(report)))
    else:
        from rich.console import Console

        console = Console(highlight=False)
        for line in report_lines(report, min(console.width, WIDEST)):
            console.print(line, soft_wrap=True)
    if report.findings:
        raise Exit(FOUND)


def report_lines(report: CheckReport, width: int) -> Iterator[Text]:
    """Findings, notes and what was looked at, for a person; lines of source may be longer than the width."""
    from rich.text import Text

    for each in report.findings:
        yield Text.assemble(
            (_place(each), "bold"), "  ", (say(f"cli.check.kind.{each.kind.replace(' ', '_')}"), "bold red")
        )
        if each.source:
            yield Text.assemble("    ", (printable(each.source), "cyan"))
        for line in wrap(printable(each.sentence), width - 2):
            yield Text(f"  {line}")
        yield Text()
    for note in report.notes:
        for line in wrap(printable(note), width):
            yield Text(line, "dim")
    looked = {"steps": report.steps, "scalars": report.scalars, "operations": len(report.operations)}
    looked_at = ", ".join(say(f"cli.check.looked_at.{name}", n=n) for name, n in looked.items())
    found = say("cli.check.findings", n=len(report.findings)) if report.findings else say("cli.check.nothing")
    yield Text.assemble(f"{looked_at}: ", (found, "bold red" if report.findings else "bold green"))


def _place(found: ScriptFinding) -> str:
    name = printable(Path(found.file).name)
    return f"{name}:{found.line}" if name.endswith(".py") else f"{name}, {found.place}"
