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
from microgpt_tui.cli._options import DATA, OUTPUT, examples, script_arguments, script_options, step_option
from microgpt_tui.cli._progress import Waiting
from microgpt_tui.cli._session import read_script
from microgpt_tui.drawing.terminal_text import printable

if TYPE_CHECKING:
    from rich.text import Text

    from engine.script.findings import CheckReport, ScriptFinding

FOUND = 1
WIDEST = 100


@click.command(
    epilog=examples(
        "microgpt-tui check my_gpt.py",
        "microgpt-tui check my_gpt.py --steps 10 --data my_words.txt",
        "microgpt-tui check homework.ipynb",
        "microgpt-tui check homework.py --json -- --n-layer 2 | jq '.findings[].sentence'",
    )
)
@script_arguments
@step_option("The first training step to look at, counted from 0: the script runs on to it.")
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    metavar="N",
    help="How many training steps to look at.",
    panel=DATA,
)
@script_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object with all bits of every number.", panel=OUTPUT)
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
    """Look for faults in a script of your own that trains by an autograd of scalars, as microgpt.py does.

    Runs it (only run files that you trust), in its folder, as python does, with ARGS as its arguments; records its
    training steps, and ends it. Told, each with its line and numbers:

    Local gradients that disagree with a finite difference of the same operation. Gradients that are not the sum of
    what the uses of a number send back. Parameters in the loss that no gradient reaches; parameters, or numbers of one,
    that one reaches, and that never move; numbers that the update goes over, and that are not in the loss, with the
    line where the graph is cut. Gradients that are not zeroed between steps.
    Where the first nan or infinity arose. Where the script stopped with an exception.

    Exit status: 0 when nothing is found, 1 for any finding, 2 when the script cannot be checked.
    """
    from engine.script.check import check as look
    from engine.script.run import ScriptOptions

    read_script(script)
    with Waiting("Running the script", total=float(step + steps)) as waiting:

        def progress(done: int, total: int) -> None:
            waiting.update(done, f"step {done:,} of {total:,}")

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
        yield Text.assemble((_place(each), "bold"), "  ", (each.kind, "bold red"))
        if each.source:
            yield Text.assemble("    ", (printable(each.source), "cyan"))
        for line in wrap(printable(each.sentence), width - 2):
            yield Text(f"  {line}")
        yield Text()
    for note in report.notes:
        for line in wrap(printable(note), width):
            yield Text(line, "dim")
    looked = ", ".join(
        (
            _count(report.steps, "step"),
            _count(report.scalars, "scalar"),
            _count(len(report.operations), "operation"),
        )
    )
    found = _count(len(report.findings), "finding") if report.findings else "nothing found"
    yield Text.assemble(f"{looked}: ", (found, "bold red" if report.findings else "bold green"))


def _place(found: ScriptFinding) -> str:
    name = printable(Path(found.file).name)
    return f"{name}:{found.line}" if name.endswith(".py") else f"{name}, {found.place}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
