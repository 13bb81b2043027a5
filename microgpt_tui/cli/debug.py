"""`microgpt-tui debug`: the debugger on the user's own script."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from microgpt_tui.cli._options import DATA, examples, script_arguments, script_options, theme_option


@click.command(
    epilog=examples(
        "microgpt-tui debug my_gpt.py",
        "microgpt-tui debug my_gpt.py --step 100 --data my_names.txt",
        "microgpt-tui debug train.py -- --layers 2 --seed 7",
        "microgpt-tui debug homework.ipynb",
    )
)
@script_arguments
@click.option(
    "--step",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Open at this training step, counted from 0. The script runs to it at its own speed.",
    panel=DATA,
)
@script_options
@theme_option
def debug(
    script: Path,
    args: tuple[str, ...],
    step: int,
    data: Path | None,
    python: str | None,
    step_at: str | None,
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
