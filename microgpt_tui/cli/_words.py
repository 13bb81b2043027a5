"""The words of click and rich-click, such as "Usage" and "No such option", in the chosen language."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

import rich_click as click

from engine.language.catalog import fill, read_part
from engine.language.chosen import LANGUAGES, language
from microgpt_tui.texts.say import say

if TYPE_CHECKING:
    from rich.table import Table

_MODULES = ("click.core", "click.decorators", "click.exceptions", "click.parser", "click.types",
            "rich_click.decorators")  # fmt: skip
_RANGE = re.compile(r"x>=(\d+)|(\d+)<=x<=(\d+)")
_NUMBERS = [kind.name for kind in (click.INT, click.FLOAT, click.IntRange, click.FloatRange)]

HELP_CONFIG = {
    "arguments_panel_title": say("cli.words.arguments"),
    "options_panel_title": say("cli.words.options"),
    "commands_panel_title": say("cli.words.commands"),
    "default_string": say("cli.words.default"),
    "required_long_string": say("cli.words.required"),
}


class _CommandPanel(click.RichCommandPanel):
    """The list of commands, with every letter of what they do.

    rich counts a blank at the end of a line of wide characters as too much, and would cut the line for it.
    """

    def get_table(self, *args: Any, **extra: Any) -> Table:
        table = super().get_table(*args, **extra)
        for column in table.columns:
            column.overflow = "fold"
        return table


class _Formatter(click.RichHelpFormatter):
    """Lays out help; begins the line of usage with the word for it."""

    command_panel_class = _CommandPanel

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, prefix or say("cli.words.usage"))


class WordedContext(click.RichContext):
    """The context of a command whose help speaks the chosen language."""

    formatter_class = _Formatter


class _Message(str):
    """A message of click that is filled in as texts are, so that it can have particles."""

    def format(self, *_: object, **values: object) -> str:
        return fill(str(self), values | {name: _word(name, value) for name, value in values.items()})


def _word(name: str, value: object) -> object:
    """A kind or range of numbers, as click writes it, in the chosen language; anything else as it is."""
    if name == "range" and (found := _RANGE.fullmatch(str(value))):
        least, low, high = found.groups()
        return say("cli.words.range.between", low=low, high=high) if high else say("cli.words.range.from", low=least)
    return say(f"cli.words.{value.replace(' ', '_')}") if isinstance(value, str) and value in _NUMBERS else value


def translate_click() -> None:
    """Let click say its messages in the chosen language.

    It looks them up by gettext, whose files are binary; ours stand with the other texts. What has none stays English.
    """
    if language() == LANGUAGES[0]:
        return
    english, ours = (read_part(say.package, name, "click") for name in (LANGUAGES[0], language()))
    messages = {message: _Message(ours[key]) for key, message in english.items()}

    def one(message: str) -> str:
        return messages.get(message, message)

    def several(message: str, plural: str, number: int) -> str:
        return one(message if number == 1 else plural)

    own: dict[str, Any] = {"_": one, "gettext": one, "ngettext": several}
    for module in map(import_module, _MODULES):
        for name in own.keys() & vars(module).keys():
            setattr(module, name, own[name])
