"""The options that commands share, and checks of the files that options name."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Container, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import rich_click as click

from engine.hangul import SPLITS, SYLLABLES
from engine.model.config import Config
from microgpt_tui.cli._exit import Failure, print_notice
from microgpt_tui.cli._progress import Waiting
from microgpt_tui.storage.paths import ADDRESS, PathError, typed_path

F = TypeVar("F", bound=Callable[..., Any])

DATA, MODEL, TRAINING, OUTPUT = "Data", "Model", "Training", "Output"
RUNNING = "How the script is run"
THEMES = ("dark", "light", "contrast")
NAMES = "names"
NO_TARGET = "is an address on the internet; give the path of a file on this computer"
SHAPE = ("n_layer", "n_embd", "n_head", "block_size")  # of the model; the other hyperparameters are of training


def hyperparameters(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command one flag for each field of `Config`, and call it with a `config` made from them."""
    names = [field.name for field in fields(Config)]

    @functools.wraps(command)
    def with_config(*args: Any, **values: Any) -> Any:
        config = Config(**{name: values.pop(name) for name in names})
        return command(*args, config=config, **values)

    for field in reversed(fields(Config)):
        with_config = click.option(
            "--" + field.name.replace("_", "-"),
            type=type(field.default),
            default=field.default,
            show_default=True,
            help=f"{field.metadata['help'][:1].upper()}{field.metadata['help'][1:]}.",
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
            raise Failure(f"{name} {NO_TARGET if self._written and ADDRESS.match(text) else error}") from None


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
            print_notice(f"Fetching the names that microgpt.py uses, this once, from {URL}")
        with Waiting("Fetching names") as waiting:
            return fetch_names(lambda done, of: waiting.update(done, f"{done / 1000:.0f} kB", of or None))


def data_option(command: F) -> F:
    return click.option(
        "--data",
        type=_Data(),
        metavar="FILE",
        help="UTF-8 text, one document a line. Without it, or with the word en: 5,163 first names, which come with the "
        "program. With the word ko: Korean given names, which come with it too. With the word names: the file that "
        "microgpt.py downloads, fetched once and kept (./names is a file of that name).",
        panel=DATA,
    )(command)


def split_option(command: F) -> F:
    return click.option(
        "--split",
        type=click.Choice(SPLITS),
        default=SYLLABLES,
        show_default=True,
        help="What a token of Korean text is: a syllable, which is a character of the file, or a letter: with jamo, "
        "민 is ㅁㅣㄴ. All other text stays as it is.",
        panel=DATA,
    )(command)


def step_option(text: str) -> Callable[[F], F]:
    return click.option(
        "--step", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help=text, panel=DATA
    )


def script_arguments(command: F) -> F:
    """Give a command a `script` of the user's own, and the `args` for it."""
    command = click.argument("args", nargs=-1, metavar="[-- ARGS]")(command)
    return click.argument("script", type=FilePath(), metavar="FILE.py")(command)


def python_option(command: F) -> F:
    return click.option(
        "--python",
        metavar="EXE",
        help="The Python that runs the script, 3.9 or later. Without it: the one that runs this program.",
        panel=RUNNING,
    )(command)


def script_options(command: F) -> F:
    """Give a command the options on how a script is run: `data`, `python`, `step_at` and `large`."""
    for option in (
        click.option(
            "--large", is_flag=True, help="Go on where a step has more than three million scalars.", panel=RUNNING
        ),
        click.option(
            "--step-at",
            metavar="LINE",
            help="A training step ends each time this line of the script is reached, once a step; in a notebook line 5 "
            "of its third cell of code is 3:5. Without it, a training step is a call of backward and the update after "
            "it that moves parameters.",
            panel=RUNNING,
        ),
        python_option,
        click.option(
            "--data",
            type=FilePath(),
            metavar="FILE",
            help="What the script reads instead of its data file, such as input.txt; also where it would download it.",
            panel=DATA,
        ),
    ):
        command = option(command)
    return command


def file_option(flag: str, text: str) -> Callable[[F], F]:
    return click.option(flag, type=FilePath(written=True), metavar="FILE", help=text, panel=OUTPUT)


def theme_option(command: F) -> F:
    return click.option(
        "--theme", type=click.Choice(THEMES), default="dark", show_default=True, help="In which colours.", panel=OUTPUT
    )(command)


def examples(*lines: str) -> str:
    """The end of a command's help: command lines to try."""
    return "\n\n".join(("Examples:", *(f"$ {line}" for line in lines)))


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
            raise Failure(f"{flag} and {flags[target]} are the same file, {path}; give two")
        flags[target] = flag
        if target.is_dir():
            raise Failure(f"{flag}: {path} is a folder; give the name of a file in it")
        if not target.parent.is_dir():
            raise Failure(f"{flag}: there is no folder {path.parent}; make it first, or give another place")
        if target.exists() and flag in replaced and not target.is_file():
            raise Failure(f"{flag}: {path} is not a file that can be replaced; give the name of a file")
        if not os.access(target if target.exists() else target.parent, os.W_OK):
            raise Failure(f"{flag}: you may not write {path}; give another place")
