"""`microgpt-tui`: without a command the debugger, else one of the commands."""

from __future__ import annotations

import gc
from collections import UserDict
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast

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
from microgpt_tui.cli.open import allow_only, open_debugger, refuse_beside
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
@click.option("--moment", metavar="TEXT", help=say("cli.main.moment"), panel=DATA)
@click.option("--what-if", "changes", multiple=True, metavar="CHANGE", help=say("cli.main.what_if"), panel=DATA)
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
    moment: str | None,
    changes: tuple[str, ...],
    data: Path | None,
    split: str,
    resume: bool,
    resume_earlier: bool,
    theme: str,
    source: Path | None,
) -> None:
    """`microgpt-tui`; its help is the text cli.main.help."""
    if ctx.invoked_subcommand is not None:
        gc.enable()
        return
    for flag in ("resume", "resume_earlier"):
        if ctx.params[flag]:
            allow_only(ctx, flag, "data", "theme", "source")
    if moment is not None:
        refuse_beside(ctx, "moment", "step")
    check_step(step, config)
    if source is not None:
        from engine.script.source_file import ScriptFile

        ScriptFile.read(source)  # it is there, before anything else is done
    from microgpt_tui.storage.startup import at_moment, from_saved_session, from_seed, with_changes

    with Waiting(READING):
        start = (
            from_saved_session(data, resume_earlier)
            if resume or resume_earlier
            else from_seed(config, step, data, split)
        )
    if moment is not None:
        start = at_moment(start, moment)
    if changes:
        start = with_changes(start, changes)
    open_debugger(replace(start, source=source), theme=theme)


class CommandsInModules(UserDict[str, Any]):
    """The commands by name. Each begins as the name of its function; its module is imported when it is asked for."""

    def __getitem__(self, name: str) -> click.Command:
        command = super().__getitem__(name)
        if isinstance(command, str):
            module = import_module(f"microgpt_tui.cli.{name.replace('-', '_')}")
            command = self[name] = language_option(getattr(module, command))
            command.context_class = WordedContext
        return cast(click.Command, command)


OF_FILES = {"open": "open_run", "debug": "debug", "check": "check", "verify": "verify", "fetch": "fetch"}
OF_RUNS = {"train": "train", "sample": "sample", "trace": "trace", "why": "why", "what-if": "what_if",
           "grad-check": "grad_check", "export": "export"}  # fmt: skip
cli.commands = CommandsInModules(OF_FILES | {"lecture": "lecture", "serve": "serve"} | OF_RUNS)
translate_click()
