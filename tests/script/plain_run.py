"""Runs a script as `python SCRIPT ARGS` does, without the recorder, and tells what it prints and computes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DUMP = """
import io, json, runpy, sys
expressions, path, *args = json.loads(sys.argv[1])
sys.argv = [path, *args]
sys.path[0] = path.rpartition("/")[0]
printed, sys.stdout = sys.stdout, io.StringIO()
names = runpy.run_path(path, run_name="__main__")
def flat(thing):
    if isinstance(thing, (list, tuple)):
        return [x for each in thing for x in flat(each)]
    return [x for each in thing.values() for x in flat(each)] if isinstance(thing, dict) else [thing]
def number(thing, attribute):
    return float(getattr(thing, attribute) if attribute else thing).hex()
found = [[number(x, attribute) for x in flat(eval(text, names))] for text, attribute in expressions]
json.dump([sys.stdout.getvalue(), found], printed)
"""


@dataclass(frozen=True)
class PlainRun:
    """What a script printed, and the values of expressions over its variables at its end."""

    printed: str
    values: list[list[float]]


def plain_run(script: Path, args: Sequence[str] = (), expressions: Sequence[tuple[str, str]] = ()) -> PlainRun:
    """Run a script. Each expression is for numbers, or with an attribute for objects that have it, in any nesting."""
    asked: list[Any] = [list(map(list, expressions)), str(script), *args]
    done = subprocess.run(
        [sys.executable, "-c", DUMP, json.dumps(asked)], capture_output=True, text=True, check=True, cwd=script.parent
    )
    printed, values = json.loads(done.stdout)
    return PlainRun(printed, [[float.fromhex(x) for x in each] for each in values])
