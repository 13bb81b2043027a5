"""The options that commands share, and checks of the files that options name."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Container, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import rich_click as click

from engine.hangul import SPLITS, SYLLABLES
from engine.language.chosen import LANGUAGES, language, use_language
from engine.model.config import Config, help_on
from microgpt_tui.cli._exit import Failure, print_notice
from microgpt_tui.cli._progress import Waiting
from microgpt_tui.storage.paths import ADDRESS, PathError, typed_path
from microgpt_tui.texts.asked_language import OPTION
from microgpt_tui.texts.say import say

F = TypeVar("F", bound=Callable[..., Any])

DATA, MODEL, TRAINING, OUTPUT = (
    say("cli.panel.data"),
    say("cli.panel.model"),
    say("cli.panel.training"),
    say("cli.panel.output"),
)
RUNNING = say("cli.panel.running")
THEMES = ("dark", "light", "contrast")
NAMES = "names"
NO_TARGET = say("cli.options.internet_address")
SHAPE = ("n_layer", "n_embd", "n_head", "block_size")  # of the model; the other hyperparameters are of training


def hyperparameters(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command one flag for each field of `Config`, and call it with a `config` made from them."""
    names = [field.name for field in fields(Config)]

    @functools.wraps(command)
    def with_config(*args: Any, **values: Any) -> Any:
        config = Config(**{name: values.pop(name) for name in names})
        return command(*args, config=config, **values)

    for field in reversed(fields(Config)):
        about = help_on(field.name)
        with_config = click.option(
            "--" + field.name.replace("_", "-"),
            type=type(field.default),
            default=field.default,
            show_default=True,
            help=f"{about[:1].upper()}{about[1:]}.",
            panel=MODEL if field.name in SHAPE else TRAINING,
        )(with_config)
    return with_config


class FilePath(click.Path):
    """The path of a file that a command reads or, if `written`, writes."""

    def __init__(self, written: bool = False) -> None:
        super().__init__()
        self._written = written

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002
        """Raises Failure for a text that is no path."""
        text = os.fspath(value)
        try:
            return typed_path(text)
        except PathError as error:
            name = param.metavar if isinstance(param, click.Argument) else param.opts[0] if param else "this"
            why = NO_TARGET if self._written and ADDRESS.match(text) else error
            raise Failure(say("cli.options.wrong_path", name=name, error=why)) from None


class LecturePath(FilePath):
    """A file or folder of lectures, or the name or number of a chapter, as text."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The text, with ~ expanded."""
        return str(super().convert(value, param, ctx))


class _Data(FilePath):
    """A file of documents, or the word for one that comes with the program.

    `names` is the file that the original downloads, which is fetched if needed.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from engine.model.dataset import BUNDLED, bundled_path

        if value in BUNDLED:
            return bundled_path(value)
        if value != NAMES:
            return super().convert(value, param, ctx)
        from microgpt_tui.storage.names_download import URL, cached, fetch_names

        if not cached().is_file():
            print_notice(say("cli.options.fetching_names_once", url=URL))
        with Waiting(say("cli.options.fetching_names")) as waiting:
            return fetch_names(lambda done, of: waiting.update(done, f"{done / 1000:.0f} kB", of or None))


def data_option(command: F) -> F:
    return click.option("--data", type=_Data(), metavar="FILE", help=say("cli.options.data"), panel=DATA)(command)


def split_option(command: F) -> F:
    return click.option(
        "--split",
        type=click.Choice(SPLITS),
        default=SYLLABLES,
        show_default=True,
        help=say("cli.options.split"),
        panel=DATA,
    )(command)


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options on a run of the model: `data`, `split` and `config`."""
    return data_option(split_option(hyperparameters(command)))


def number_option(
    *flags: str, default: int, text: str, low: int = 1, high: int | None = None, panel: str | None = None
) -> Callable[[F], F]:
    """An option that is a whole number, and has a default that its help tells."""
    return click.option(
        *flags, type=click.IntRange(low, high), default=default, show_default=True, metavar="N", help=text, panel=panel
    )


def until_option(text: str, required: bool = False) -> Callable[[F], F]:
    return click.option(
        "--until", type=click.IntRange(min=1), required=required, metavar="N", help=text, panel=TRAINING
    )


def step_option(text: str) -> Callable[[F], F]:
    return number_option("--step", default=0, text=text, low=0, panel=DATA)


def script_arguments(command: F) -> F:
    """Give a command a `script` of the user's own, and the `args` for it."""
    command = click.argument("args", nargs=-1, metavar="[-- ARGS]")(command)
    return click.argument("script", type=FilePath(), metavar="FILE.py")(command)


def python_option(command: F) -> F:
    return click.option("--python", metavar="EXE", help=say("cli.options.python"), panel=RUNNING)(command)


def script_options(command: F) -> F:
    """Give a command the options on how a script is run: `data`, `python`, `step_at` and `large`."""
    for option in (
        click.option("--large", is_flag=True, help=say("cli.options.large"), panel=RUNNING),
        click.option("--step-at", metavar="LINE", help=say("cli.options.step_at"), panel=RUNNING),
        python_option,
        click.option("--data", type=FilePath(), metavar="FILE", help=say("cli.options.script_data"), panel=DATA),
    ):
        command = option(command)
    return command


def file_option(flag: str, text: str) -> Callable[[F], F]:
    return click.option(flag, type=FilePath(written=True), metavar="FILE", help=text, panel=OUTPUT)


def json_option(text: str = "") -> Callable[[F], F]:
    """`--json`, which a command knows as `as_json`. What that gives may need a `text` of its own."""
    return click.option("--json", "as_json", is_flag=True, help=text or say("cli.options.json"), panel=OUTPUT)


def theme_option(command: F) -> F:
    return click.option(
        "--theme",
        type=click.Choice(THEMES),
        default="dark",
        show_default=True,
        help=say("cli.options.theme"),
        panel=OUTPUT,
    )(command)


def language_option(command: F) -> F:
    """Give a command `--lang`. It was read before, when the texts of the commands were; here it is refused if wrong."""

    def choose(ctx: click.Context, _: click.Parameter, name: str | None) -> None:
        if name is not None:
            ctx.call_on_close(partial(use_language, language()))
            use_language(name)

    return click.option(
        OPTION, type=click.Choice(LANGUAGES), expose_value=False, callback=choose, help=say("cli.options.language")
    )(command)


def examples(*lines: str) -> str:
    """The end of a command's help: command lines to try."""
    return "\n\n".join((say("cli.options.examples"), *(f"$ {line}" for line in lines)))


def check_targets(
    read: Mapping[str, Path | None], written: Mapping[str, Path | None], replaced: Container[str]
) -> None:
    """Raise Failure for files that cannot be written, or that are the same file; before any time is spent on them.

    Files go by their flags. Those that are `replaced` have to be files; the others may be a pipe or a device.
    """
    flags = {Path(os.path.realpath(path)): flag for flag, path in read.items() if path}
    for flag, path in written.items():
        if path is None:
            continue
        target = Path(os.path.realpath(path))  # also of a link to itself
        if target in flags:
            raise Failure(say("cli.options.same_file", flag=flag, other=flags[target], path=path))
        flags[target] = flag
        if target.is_dir():
            raise Failure(say("cli.options.folder_not_file", flag=flag, path=path))
        if not target.parent.is_dir():
            raise Failure(say("cli.options.no_folder", flag=flag, parent=path.parent))
        if target.exists() and flag in replaced and not target.is_file():
            raise Failure(say("cli.options.not_replaceable", flag=flag, path=path))
        if not os.access(target if target.exists() else target.parent, os.W_OK):
            raise Failure(say("cli.options.not_writable", flag=flag, path=path))
