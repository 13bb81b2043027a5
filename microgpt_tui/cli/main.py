"""`microgpt-tui`: without a command the debugger, else one of the commands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import rich_click as click

from engine.model.config import Config
from microgpt_tui.cli._exit import Commands
from microgpt_tui.cli._options import (
    DATA,
    FilePath,
    data_option,
    examples,
    hyperparameters,
    language_option,
    split_option,
    step_option,
    theme_option,
)
from microgpt_tui.cli._progress import Waiting
from microgpt_tui.cli._session import READING, check_step
from microgpt_tui.cli._words import HELP_CONFIG, WordedContext, translate_click
from microgpt_tui.cli.check import check
from microgpt_tui.cli.debug import debug
from microgpt_tui.cli.export import export
from microgpt_tui.cli.fetch import fetch
from microgpt_tui.cli.grad_check import grad_check
from microgpt_tui.cli.lecture import lecture
from microgpt_tui.cli.open import allow_only, open_debugger, open_run
from microgpt_tui.cli.sample import sample
from microgpt_tui.cli.serve import serve
from microgpt_tui.cli.trace import trace
from microgpt_tui.cli.train import train
from microgpt_tui.cli.verify import verify
from microgpt_tui.cli.what_if import what_if
from microgpt_tui.cli.why import why
from microgpt_tui.texts.say import say


def _version(ctx: click.Context, _: click.Parameter, given: bool) -> None:
    if not given:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        click.echo(f"microgpt-tui {version('microgpt-tui')}")
    except PackageNotFoundError:
        click.echo(say("cli.main.not_installed"))
    ctx.exit()


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "rich_help_config": {
            "text_paragraph_linebreaks": "\n\n",
            "padding_helptext_first_line": (0, 0, 1, 0),
            "max_width": 100,
            **HELP_CONFIG,
        },
    },
    help=say("cli.main.help"),
    epilog=examples(
        "microgpt-tui",
        "microgpt-tui --data my_words.txt --n-layer 2 --step 100",
        "microgpt-tui --resume",
        "microgpt-tui train --save names.safetensors",
    ),
)
@click.option("--resume", is_flag=True, help=say("cli.main.resume"), panel=DATA)
@click.option("--resume-earlier", is_flag=True, help=say("cli.main.resume_earlier"), panel=DATA)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help=say("cli.main.version")
)
@click.option("--source", type=FilePath(), metavar="FILE", help=say("cli.main.source"), panel=DATA)
@step_option(say("cli.main.step"))
@data_option
@split_option
@theme_option
@language_option
@hyperparameters
@click.pass_context
def cli(
    ctx: click.Context,
    config: Config,
    step: int,
    data: Path | None,
    split: str,
    resume: bool,
    resume_earlier: bool,
    theme: str,
    source: Path | None,
) -> None:
    """`microgpt-tui`; its help is the text cli.main.help."""
    if ctx.invoked_subcommand is not None:
        return
    for flag in ("resume", "resume_earlier"):
        if ctx.params[flag]:
            allow_only(ctx, flag, "data", "theme", "source")
    check_step(step, config)
    if source is not None:
        from engine.script.source_file import ScriptFile

        ScriptFile.read(source)  # it is there, before anything else is done
    from microgpt_tui.storage.startup import from_saved_session, from_seed

    with Waiting(READING):
        start = (
            from_saved_session(data, resume_earlier)
            if resume or resume_earlier
            else from_seed(config, step, data, split)
        )
    open_debugger(replace(start, source=source), theme=theme)


OF_FILES, OF_RUNS = (open_run, debug, check, verify, fetch), (train, sample, trace, why, what_if, grad_check, export)
for command in (*OF_FILES, lecture, serve, *OF_RUNS):
    command.context_class = WordedContext
    cli.add_command(language_option(command))
translate_click()
