"""The command that opens a moment of a lecture in a debugger, and its arguments."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from engine.hangul import SYLLABLES
from engine.interventions.syntax import Change
from engine.model.config import Config
from engine.model.dataset import bundled_name
from engine.run.address import Address

PROGRAM = "microgpt-tui"


def opening_arguments(
    config: Config, data: Path | None, split: str, address: Address, changes: Sequence[Change]
) -> list[str]:
    """The arguments that open a run at a moment, in a branch if there are changes; what is usual is left out."""
    given = [(field.name.replace("_", "-"), getattr(config, field.name), field.default) for field in fields(Config)]
    words = [word for name, value, usual in given if value != usual for word in (f"--{name}", str(value))]
    if data is not None:
        words += ["--data", bundled_name(data) or str(data.absolute())]
    if split != SYLLABLES:
        words += ["--split", split]
    words += [word for change in changes for word in ("--what-if", change.text)]
    return [*words, "--moment", address.text]


def written_command(arguments: Sequence[str], data: Path | None) -> str:
    """The command with these arguments, as it is typed where the file of documents is in the present folder."""
    here = [word if data is None or word != str(data.absolute()) else data.name for word in arguments]
    return shlex.join([PROGRAM, *here])
