"""The options that commands share. Hyperparameter flags are made from the fields of `Config`, here and only here."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

import rich_click as click

from engine.model.config import Config
from microgpt_tui.cli._exit import Failure
from microgpt_tui.storage.typed_paths import ADDRESS, PathError, typed_path

F = TypeVar("F", bound=Callable[..., Any])

DATA, MODEL, TRAINING, OUTPUT = "Data", "Model", "Training", "Output"
THEMES = ("dark", "light", "contrast")
NAMES = "names"
NO_TARGET = "is an address on the internet; give the path of a file on this computer"
SHAPE = ("n_layer", "n_embd", "n_head", "block_size")  # what the model is made of; the rest is how it is trained


def hyperparameters(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command one flag for each field of `Config`, and call it with the `config` that they make."""
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
            help=_sentence(field.metadata["help"]),
            panel=MODEL if field.name in SHAPE else TRAINING,
        )(with_config)
    return with_config


class FilePath(click.Path):
    """A path of a file that is read, or, where it is `written`, of one that is put there."""

    def __init__(self, written: bool = False) -> None:
        super().__init__()
        self._written = written

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002
        """The path. Raises Failure for what is none."""
        text = os.fspath(value)
        try:
            return typed_path(text)
        except PathError as error:
            name = param.metavar if isinstance(param, click.Argument) else param.opts[0] if param else "this"
            raise Failure(f"{name} {NO_TARGET if self._written and ADDRESS.match(text) else error}") from None


class LecturePath(FilePath):
    """A file or folder of lectures, or the name or number of a chapter, as text."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The text, with a path as typed made whole."""
        return str(super().convert(value, param, ctx))


class _Data(FilePath):
    """A file of documents; `names` is the one that the original downloads."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path; of the original's file, once it is there."""
        from microgpt_tui.cli._download import original_names

        return original_names() if value == NAMES else super().convert(value, param, ctx)


def data_option(command: F) -> F:
    """--data FILE"""
    return click.option(
        "--data",
        type=_Data(),
        metavar="FILE",
        help="UTF-8 text, one document a line. Without it: 5,163 first names, which come with the program. With the "
        "word names: the file that microgpt.py downloads, fetched once and kept (./names is a file of that name).",
        panel=DATA,
    )(command)


def step_option(text: str) -> Callable[[F], F]:
    """--step N"""
    return click.option(
        "--step", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help=text, panel=DATA
    )


def file_option(flag: str, text: str) -> Callable[[F], F]:
    """An option that names a file to write."""
    return click.option(flag, type=FilePath(written=True), metavar="FILE", help=text, panel=OUTPUT)


def theme_option(command: F) -> F:
    """--theme"""
    return click.option(
        "--theme", type=click.Choice(THEMES), default="dark", show_default=True, help="In which colours.", panel=OUTPUT
    )(command)


def examples(*lines: str) -> str:
    """The end of a command's help: command lines to try."""
    return "\n\n".join(("Examples:", *(f"$ {line}" for line in lines)))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."
