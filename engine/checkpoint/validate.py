"""Checks saved JSON and turns it back into objects. What does not fit raises `Unfit`, which names it."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Set
from dataclasses import fields
from typing import Any

import numpy as np

from engine.errors import ChangeError, ConfigError
from engine.expressions.scope import Scope
from engine.hangul import SPLITS
from engine.interventions.syntax import parse
from engine.language.say import say
from engine.model.config import LARGEST, Config
from engine.model.dataset import Origin
from engine.model.recording import Floats
from engine.run.branches import ORIGINAL, Branch, is_name
from engine.text import shortened, shortened_repr
from engine.timeline.events import Moment, Phase
from engine.timeline.validation import Validation

ADDED = {"val_fraction", "val_every"}  # missing in files of the first builds, which did what the defaults say
NEWER = say("checkpoint.validate.update_microgpt_tui_or")
SHA = "sha256"  # where a file says its own digest


class Unfit(Exception):
    """The content of a file does not fit; `way` is what to do about it, if there is something."""

    def __init__(self, reason: str, way: str = "") -> None:
        self.way = way
        super().__init__(reason)


def digest(about: Mapping[str, Any], tensors: Mapping[str, Floats] | None = None) -> str:
    """SHA-256, in hex, over the rest of a file; it shows damage that leaves the form intact."""
    rest = {key: value for key, value in about.items() if key != SHA}
    sha = hashlib.sha256(json.dumps(rest, sort_keys=True).encode())
    for name, tensor in sorted((tensors or {}).items()):
        sha.update(f"{name} {tensor.shape}".encode())
        sha.update(np.ascontiguousarray(tensor).tobytes())
    return sha.hexdigest()


def described(said: Any, version: int, known: Set[str]) -> Mapping[str, Any]:
    """The description of a file of this program, if it has this version of the format and no unknown key."""
    if not isinstance(said, dict):
        raise Unfit(say("checkpoint.validate.does_not_describe_itself"))
    found = said.get("version")
    if isinstance(found, bool) or not isinstance(found, int) or found < 1:
        raise Unfit(say("checkpoint.validate.its_format_version_which", found=shortened_repr(found)))
    reads = say("checkpoint.validate.its_format_version_program", shortened=shortened(str(found)), version=version)
    if found > version:
        raise Unfit(say("checkpoint.validate.newer_microgpt_tui_wrote", reads=reads), NEWER)
    if found < version:
        raise Unfit(
            say("checkpoint.validate.older_microgpt_tui_wrote", reads=reads),
            say("checkpoint.validate.open_with_one_or"),
        )
    unknown = sorted(said.keys() - known - {"version", SHA})
    if unknown:
        raise Unfit(
            say("checkpoint.validate.says_something_program_does", shortened_repr=shortened_repr(unknown[0])), NEWER
        )
    return said


def config(said: Any) -> Config:
    """Hyperparameters, by the names of the fields of `Config`."""
    names = {field.name for field in fields(Config)}
    if not isinstance(said, dict) or not names - ADDED <= set(said) <= names:
        raise Unfit(say("checkpoint.validate.its_hyperparameters_missing_or"))
    try:
        return Config(**said)
    except (ConfigError, TypeError) as error:
        raise Unfit(str(error)) from None


def validations(said: Any, done: int) -> dict[int, Validation]:
    """Validation losses by step, from [step, loss, perplexity] each, at most up to step `done`; nan is a loss, too."""
    found: dict[int, Validation] = {}
    try:
        for step, loss, perplexity in said if isinstance(said, list) else [said]:
            if not (_is_count(step) and step <= done and step not in found):
                raise Unfit(say("checkpoint.validate.has_loss_held_out", step=shortened_repr(step), done=done))
            if not (isinstance(loss, float) and isinstance(perplexity, float)):
                raise ValueError
            found[step] = Validation(loss, perplexity)
    except (TypeError, ValueError):
        raise Unfit(say("checkpoint.validate.what_says_held_out")) from None
    return found


def moment(said: Any) -> Moment:
    """Step, phase and tick; a tick beyond the last of the phase is cut when it is gone to."""
    try:
        step, phase, tick = said["step"], Phase(said["phase"]), said["tick"]
    except (KeyError, TypeError, ValueError):
        raise Unfit(say("checkpoint.validate.its_moment", said=shortened_repr(said))) from None
    for name, number in (("step", step), ("tick", tick)):
        if not _is_count(number):
            raise Unfit(say("checkpoint.validate.wrong_number", name=name, number=shortened_repr(number)))
    return Moment(step, phase, tick)


def _is_count(said: Any) -> bool:
    return isinstance(said, int) and not isinstance(said, bool) and 0 <= said <= LARGEST


def alphabet(said: Any) -> tuple[str, ...]:
    """The characters of a tokenizer, sorted."""
    if not (isinstance(said, list) and said and all(isinstance(c, str) and len(c) == 1 for c in said)):
        raise Unfit(say("checkpoint.validate.its_alphabet_missing"))
    if said != sorted(set(said)):
        raise Unfit(say("checkpoint.validate.its_alphabet_out_order"))
    return tuple(said)


def origin(said: Any) -> Origin:
    """A checksum, a path, and the split, of which files of earlier versions do not speak."""
    try:
        found = Origin(**said)
    except TypeError:
        raise Unfit(say("checkpoint.validate.does_not_say_what")) from None
    if not (isinstance(found.sha256, str) and isinstance(found.path, str | None) and found.split in SPLITS):
        raise Unfit(say("checkpoint.validate.does_not_say_what"))
    return found


def generator(said: Any) -> tuple[Any, ...]:
    """The state of a `random.Random`."""
    try:
        version, numbers, spare = said
        state = (version, tuple(numbers), spare)
        random.Random().setstate(state)
        if not (spare is None or isinstance(spare, float)):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise Unfit(say("checkpoint.validate.state_its_random_generator")) from None
    return state


def branches(said: Any, scope: Scope) -> tuple[Branch, ...]:
    """Names, changes as they are typed, and moments."""
    found: list[Branch] = []
    for each in said if isinstance(said, list) else [said]:
        if not isinstance(each, dict) or not isinstance(each.get("name"), str):
            raise Unfit(say("checkpoint.validate.one_its_branches_has"))
        name = each["name"]
        if not is_name(name) or name == ORIGINAL or any(branch.name == name for branch in found):
            raise Unfit(say("checkpoint.validate.one_its_branches_called", name=shortened_repr(name)))
        texts = each.get("changes")
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise Unfit(say("checkpoint.validate.its_branch_does_not", name=name))
        try:
            changes = tuple(parse(text, scope) for text in texts)
        except (ChangeError, ConfigError) as error:
            raise Unfit(
                say("checkpoint.validate.its_branch_cannot_be", name=name, shortened=shortened(str(error), 200))
            ) from None
        found.append(Branch(name, changes, moment(each.get("moment"))))
    return tuple(found)
