"""`microgpt-tui verify`: the engine beside the user's own copy of the original."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click
from click.exceptions import Exit

from microgpt_tui.cli._exit import BAD
from microgpt_tui.cli._options import FilePath, data_option, examples, python_option, split_option
from microgpt_tui.cli._progress import Waiting
from microgpt_tui.cli._session import compile_loops, read_script
from microgpt_tui.drawing.terminal_text import printable

if TYPE_CHECKING:
    from engine.verify import Report

DIFFERENT = 1


@click.command(
    epilog=examples(
        "microgpt-tui verify ~/microgpt.py --until 20",
        "microgpt-tui verify ~/microgpt.py --data my_names.txt --samples 0",
        "microgpt-tui verify microgpt.ipynb",
        "microgpt-tui verify ~/microgpt.py -- --n-embd 32",
        "microgpt-tui verify ~/microgpt.py --python python3.9 --until 20",
    )
)
@click.argument("script", type=FilePath(), metavar="PATH/TO/microgpt.py")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGS]")
@click.option(
    "--until",
    type=click.IntRange(min=1),
    metavar="N",
    help="Compare the first N training steps and then the samples. Without it: the whole schedule of the copy, "
    "which takes the copy, as it is watched, about six minutes for its 1,000 steps.",
    panel="Training",
)
@click.option(
    "--samples",
    type=click.IntRange(min=0),
    metavar="N",
    help="Compare at most N of the samples that the copy draws after its training; with 0 none, and the copy is ended "
    "when it is trained. Without it: all.",
    panel="Training",
)
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
    """Check that every number is the one that your own copy of microgpt.py computes.

    Runs the copy (only run files that you trust) as python does, with the arguments after --, in its folder, with the
    data for the file that it opens, whatever its name, without input and without a network, and watches its variables.
    They may belong to the module, to functions that are running, or to an object; training may be any loop. A notebook
    is its code cells in order, without magics and shell lines.

    What is compared is found by its name in microgpt.py: a class of scalars with backward, whose numbers are called
    data; the sizes and rates n_layer, n_embd, n_head, block_size, num_steps, learning_rate, beta1 and beta2; the list
    docs; the dictionary state_dict with the matrices under their names; the lists m and v; temperature where it draws
    samples; and one call of random.seed. All else may have other names.

    A copy is given up that only waits for a minute, or
    computes for ten (longer with a large model) without coming to its next step. The engine runs beside it with the
    same data, seed, sizes and rates, which are read from the copy as it runs, so they may be changed, like comments and
    what it prints. Compared, bit for bit: initial parameters, the loss of every step, all parameters and both moments
    after every step, the samples.

    Exit status: 0 only when all that was asked for is equal, 1 for a difference (the first one is shown), 2 when the
    copy cannot be compared, for example because it has other matrices.
    """
    from engine.verify import verify as compare

    read_script(script)
    compile_loops()
    start = time.monotonic()
    with Waiting("Starting the copy") as waiting:

        def progress(what: str, done: int, total: int) -> None:
            waiting.update(done, f"step {done:,} of {total:,}", total=float(total), what=what.capitalize())

        report = compare(
            script, data, until, progress, samples=samples, arguments=arguments, python=python, split=split
        )
    _show(report, time.monotonic() - start)
    if not report.equal:
        raise Exit(DIFFERENT if report.difference else BAD)


def _show(report: Report, seconds: float) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    words = {True: ("equal", "green"), False: ("DIFFERENT", "bold red"), None: ("not compared", "yellow")}
    table = Table("what", "result", "how much, or where", box=None, pad_edge=False, header_style="bold")
    for check in report.checks.values():
        table.add_row(check.what, Text(*words[check.equal]), Text(printable(check.detail)))
    console = Console(highlight=False)
    console.print(table)
    console.print()
    if report.difference is not None:
        verdict, style = "Different: ", "bold red"
        detail = f"the first difference is in the {report.difference.what}."
    elif report.equal:
        verdict, style = "The same: ", "bold green"
        detail = f"every bit of it, over {report.steps:,} steps, in {seconds:.1f} s."
    else:
        verdict, style, detail = "Not all compared: ", "bold yellow", "what was compared is equal."
    console.print(Text.assemble((verdict, style), detail))
