"""`microgpt-tui verify`: the engine beside the user's own copy of the original."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click
from click.exceptions import Exit

from microgpt_tui.cli._exit import BAD
from microgpt_tui.cli._options import (
    TRAINING,
    FilePath,
    data_option,
    examples,
    python_option,
    split_option,
    until_option,
)
from microgpt_tui.cli._progress import Waiting
from microgpt_tui.cli._session import compile_loops, read_script
from microgpt_tui.drawing.terminal_text import printable
from microgpt_tui.texts.say import say

if TYPE_CHECKING:
    from engine.verify import Report

DIFFERENT = 1


@click.command(
    help=say("cli.verify.help"),
    epilog=examples(
        "microgpt-tui verify ~/microgpt.py --until 20",
        "microgpt-tui verify ~/microgpt.py --data my_names.txt --samples 0",
        "microgpt-tui verify microgpt.ipynb",
        "microgpt-tui verify ~/microgpt.py -- --n-embd 32",
        "microgpt-tui verify ~/microgpt.py --python python3.9 --until 20",
    ),
)
@click.argument("script", type=FilePath(), metavar="PATH/TO/microgpt.py")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGS]")
@until_option(say("cli.verify.until"))
@click.option("--samples", type=click.IntRange(min=0), metavar="N", help=say("cli.verify.samples"), panel=TRAINING)
@python_option
@data_option
@split_option
def verify(
    script: Path,
    arguments: tuple[str, ...],
    data: Path | None,
    split: str,
    python: str | None,
    until: int | None,
    samples: int | None,
) -> None:
    """`microgpt-tui verify`; its help is the text cli.verify.help."""
    from engine.verify import verify as compare

    read_script(script)
    compile_loops()
    start = time.monotonic()
    with Waiting(say("cli.verify.starting")) as waiting:

        def progress(what: str, done: int, of: int) -> None:
            waiting.tell(what, done, of, say("cli.session.progress", done=done, of=of))

        report = compare(
            script, data, until, progress, samples=samples, arguments=arguments, python=python, split=split
        )
    _show(report, time.monotonic() - start)
    if not report.equal:
        raise Exit(DIFFERENT if report.difference else BAD)


def _show(report: Report, seconds: float) -> None:
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    words = {
        True: (say("cli.verify.equal"), "green"),
        False: (say("cli.verify.different"), "bold red"),
        None: (say("cli.verify.not_compared"), "yellow"),
    }
    columns = [say(f"cli.verify.column.{name}") for name in ("what", "result", "detail")]
    table = Table(*(Column(name, overflow="fold") for name in columns), box=None, pad_edge=False, header_style="bold")
    for check in report.checks.values():
        table.add_row(check.what, Text(*words[check.equal]), Text(printable(check.detail)))
    console = Console(highlight=False)
    console.print(table)
    console.print()
    if report.difference is not None:
        verdict, style = say("cli.verify.unequal"), "bold red"
        detail = say("cli.verify.first_difference", what=report.difference.what)
    elif report.equal:
        verdict, style = say("cli.verify.same"), "bold green"
        detail = say("cli.verify.every_bit", steps=report.steps, seconds=seconds)
    else:
        verdict, style, detail = (
            say("cli.verify.not_all"),
            "bold yellow",
            say("cli.verify.rest_equal"),
        )
    console.print(Text.assemble((verdict, style), detail))
