"""`microgpt-tui debug`: the debugger on the user's own script."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from microgpt_tui.cli._options import DATA, FilePath, examples, theme_option

RUNNING = "How the script is run"


@click.command(
    epilog=examples(
        "microgpt-tui debug my_gpt.py",
        "microgpt-tui debug my_gpt.py --step 100 --data my_names.txt",
        "microgpt-tui debug train.py -- --layers 2 --seed 7",
        "microgpt-tui debug homework.ipynb",
    )
)
@click.argument("script", type=FilePath(), metavar="FILE.py")
@click.argument("args", nargs=-1, metavar="[-- ARGS]")
@click.option(
    "--step",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Open at this training step, counted from 0. The script runs to it at its own speed.",
    panel=DATA,
)
@click.option(
    "--data",
    type=FilePath(),
    metavar="FILE",
    help="What the script reads instead of its data file, such as input.txt; also where it would download it.",
    panel=DATA,
)
@click.option(
    "--python",
    metavar="EXE",
    help="The Python that runs the script, 3.9 or later. Without it: the one that runs this program.",
    panel=RUNNING,
)
@click.option(
    "--step-at",
    type=click.IntRange(min=1),
    metavar="LINE",
    help="A training step ends each time this line of the script is reached. Without it, a training step is a call of "
    "backward and the update after it that moves parameters.",
    panel=RUNNING,
)
@click.option("--large", is_flag=True, help="Go on where a step has more than three million scalars.", panel=RUNNING)
@theme_option
def debug(
    script: Path,
    args: tuple[str, ...],
    step: int,
    data: Path | None,
    python: str | None,
    step_at: int | None,
    large: bool,
    theme: str,
) -> None:
    """Step through your own script: its numbers, its lines, its names.

    FILE.py is any script that trains with a scalar class of its own, as microgpt.py and micrograd do, or a notebook
    with such code. It is run as python runs it (only debug files that you trust), in its own folder, with ARGS as its
    arguments, in a process of its own and with no standard input. One training step is recorded at a time; the others
    run at the script's own speed. What it prints is kept in a pane.
    """
    from engine.script.run import ScriptOptions

    from microgpt_tui.cli.open import open_debugger
    from microgpt_tui.storage.startup import ScriptStart

    open_debugger(ScriptStart(script, ScriptOptions(args, data, python, step_at, large), step), theme=theme)
