"""`microgpt-tui debug`: the debugger on the user's own script."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from microgpt_tui.cli._options import examples, script_arguments, script_options, step_option, theme_option
from microgpt_tui.texts.say import say


@click.command(
    help=say("cli.debug.help"),
    epilog=examples(
        "microgpt-tui debug my_gpt.py",
        "microgpt-tui debug my_gpt.py --step 100 --data my_names.txt",
        "microgpt-tui debug train.py -- --layers 2 --seed 7",
        "microgpt-tui debug homework.ipynb",
    ),
)
@script_arguments
@step_option(say("cli.debug.step"))
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
    """`microgpt-tui debug`; its help is the text cli.debug.help."""
    from engine.script.run import ScriptOptions
    from microgpt_tui.cli.open import open_debugger
    from microgpt_tui.storage.startup import ScriptStart

    open_debugger(ScriptStart(script, ScriptOptions(args, data, python, step_at, large), step), theme=theme)
