"""A small saved run taken apart, changed and put together with a matching digest, to test the checks of its values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from safetensors.numpy import load, save

from engine import Config, Phase, Session, load_docs
from engine.checkpoint import checkpoint, validate
from engine.run.branches import Branches
from engine.timeline.events import Moment

DOCS = load_docs()[:40]
CONFIG = Config(n_embd=4, n_head=2, block_size=4, num_steps=20, val_fraction=0.1, val_every=2)
MOMENT = Moment(3, Phase.BACKWARD, 7)

Place = tuple[str | int, ...]
"""The way to a value inside of JSON: keys and places in lists."""


@cache
def session() -> Session:
    """The run that is saved. It is only copied."""
    run = Session(CONFIG, DOCS)
    run.seek(MOMENT)
    return run


@cache
def whole() -> bytes:
    """The file as it is saved, with a branch."""
    run, scope = session(), validate.Scope(CONFIG, session().tokenizer)
    branches = Branches(run)
    branches.change(None, [validate.parse("wte[0, 0]@step=2 = 1", scope), validate.parse("layer0.head1", scope)])
    return checkpoint.as_bytes(checkpoint.snapshot(run, "names.txt", branches.all()))


def parts() -> tuple[dict[str, Any], dict[str, Any]]:
    """What the file says, and its tensors."""
    size = int.from_bytes(whole()[:8], "little")
    about = json.loads(json.loads(whole()[8 : 8 + size])["__metadata__"][checkpoint.KEY])
    return about, load(whole())


def assembled(about: Any, tensors: dict[str, Any]) -> bytes:
    """A file that says this, with a digest that fits."""
    if isinstance(about, dict):
        about[validate.SHA] = validate.digest(about, tensors)
    return bytes(save(tensors, {checkpoint.KEY: json.dumps(about)}))


def places(value: Any, most: int = 3) -> Iterator[Place]:
    """Where there is a value in what JSON holds; of a list, the first few and the last."""
    if isinstance(value, dict | list):
        inside = list(value.items() if isinstance(value, dict) else enumerate(value))
        for key, part in inside if isinstance(value, dict) else [*inside[:most], *inside[most:][-1:]]:
            yield (key,)
            yield from ((key, *rest) for rest in places(part, most))


def changed(value: Any, place: Place, new: Any) -> Any:
    """The value with another one at a place; without what is there if that is `GONE`."""
    first, *rest = place
    copied = dict(value) if isinstance(value, dict) else list(value)
    if rest:
        copied[first] = changed(value[first], tuple(rest), new)
    elif new is GONE:
        del copied[first]
    else:
        copied[first] = new
    return copied


def deep(levels: int, inside: Any = None) -> Any:
    """A list in a list in a list."""
    for _ in range(levels):
        inside = [inside]
    return inside


GONE = object()
STRANGE: dict[str, Any] = {
    "gone": GONE, "nan": float("nan"), "inf": float("inf"), "-inf": float("-inf"), "-1": -1, "-1.0": -1.0, "0": 0,
    "1.5": 1.5, "1e308": 1e308, "2**63": 2**63, "2**64": 2**64, "2**70": 2**70, "-2**70": -(2**70), "10**400": 10**400,
    "10**4000": 10**4000, "empty text": "", "long text": "x" * 100_000, "text": "x", "null character": "a\0b",
    "escape": "\x1b[2J", "surrogate": "\ud800", "formula": "(" * 3000, "null": None, "true": True, "false": False,
    "[]": [], "[[]]": [[]], "[null]": [None], "{}": {}, "{'': 1}": {"": 1}, "[-1, nan, inf]": [-1, float("nan"), 1e999],
    "deep": deep(400),
}  # fmt: skip


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
