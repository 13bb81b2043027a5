"""`microgpt-tui open`, and opening the debugger for all other commands."""

from __future__ import annotations

import gc
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click
from click.core import ParameterSource
from click.exceptions import Exit

from microgpt_tui.cli._exit import Failure, print_notice
from microgpt_tui.cli._options import FilePath, data_option, examples, theme_option
from microgpt_tui.cli._progress import Waiting
from microgpt_tui.cli._session import READING
from microgpt_tui.storage.paths import in_browser
from microgpt_tui.texts.say import say

if TYPE_CHECKING:
    from microgpt_tui.audience.audience import LiveAudience
    from microgpt_tui.lectures.lecture import Lecture
    from microgpt_tui.storage.startup import ScriptStart, Start

CRASHED = 1


@click.command(
    "open",
    help=say("cli.open.help"),
    epilog=examples(
        "microgpt-tui open names.safetensors",
        "microgpt-tui open names.safetensors --data moved/names.txt",
    ),
)
@click.argument("file", type=FilePath(), metavar="FILE.safetensors")
@data_option
@theme_option
def open_run(file: Path, data: Path | None, theme: str) -> None:
    """`microgpt-tui open`; its help is the text cli.open.help."""
    from microgpt_tui.storage.startup import from_file

    with Waiting(READING):
        start = from_file(file, data)
    open_debugger(start, theme=theme)


def need_terminal() -> None:
    """Raise Failure if there is no terminal for the debugger."""
    if not (in_terminal() or in_browser()):
        raise Failure(say("cli.open.needs_terminal"))


def open_debugger(
    start: Start | ScriptStart,
    lecture: Lecture | None = None,
    theme: str = "dark",
    audience: LiveAudience | None = None,
) -> None:
    """Run the debugger, or a lecture in it, to its end, and leave with its exit status.

    Raises Failure if there is no terminal for it.
    """
    need_terminal()
    gc.disable()  # of what is imported and recorded nothing becomes garbage; `app.settle` switches it on again
    from microgpt_tui.app import run_debugger as run

    for stream in (sys.__stdout__, sys.__stderr__):  # one of them is drawn on
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")  # which terminals read whatever LANG says
    ended = run(start, lecture, theme, audience)
    if ended.status == CRASHED:
        can_return = ended.written and not in_browser()
        print_notice(say("cli.open.broke_off_resume" if can_return else "cli.open.broke_off"), error=True)
    if ended.displaced:
        print_notice(say("cli.open.displaced"))
    if ended.status:
        raise Exit(ended.status)


def in_terminal() -> bool:
    """Whether keys come from a terminal and the screen goes to one."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def allow_only(ctx: click.Context, flag: str, *others: str) -> None:
    """Raise UsageError if `flag` is given together with an option other than `others`."""
    names = (option.name for option in ctx.command.params if option.expose_value)
    refuse_beside(ctx, flag, *(name for name in names if name is not None and name not in (flag, *others)))


def refuse_beside(ctx: click.Context, flag: str, *names: str) -> None:
    """Raise UsageError if one of the options `names` is given together with `flag`."""
    for option in ctx.command.params:
        if option.name in names and ctx.get_parameter_source(option.name) is ParameterSource.COMMANDLINE:
            name = flag.replace("_", "-")
            raise click.UsageError(say("cli.open.does_not_go_with", option=option.opts[0], name=name), ctx)
