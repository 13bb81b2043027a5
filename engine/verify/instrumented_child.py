"""Runs a copy of `microgpt.py` and reports what it computes. A program of its own: it imports nothing of the engine.

    python -I instrumented_child.py SCRIPT UNTIL ARGUMENTS...       (UNTIL 0: to the end of its schedule)

The copy runs as by `python SCRIPT ARGUMENTS...`, with its own folder on sys.path. The working directory holds
input.txt. One JSON object a line goes to the standard output; what the copy prints there goes nowhere, and its errors
go to the standard error. Hooks are put into the copy's syntax tree, not into its text: at both ends of the body of the
training loop, and at the end of the body of the sampling loop. It ends when its standard input does, that is, with its
parent.
"""

from __future__ import annotations

import ast
import json
import os
import random
import signal
import sys
import threading
import traceback
import types
from array import array
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, TextIO

PROBE = "__probe__"
SIZES = ("n_layer", "n_embd", "n_head", "block_size", "num_steps")
NUMBERS = (*SIZES, "learning_rate", "beta1", "beta2")
NETWORK = ("socket.connect", "socket.getaddrinfo", "urllib.Request")
DEEP = 200_000  # the original sorts its graph by recursion, deeper than Python's usual limit for larger models


class Cannot(BaseException):
    """Why this file cannot be compared, as the end of the sentence "it cannot be compared: ..."."""


class Probe:
    """What the hooks call; it looks at the copy's own variables and sends what they hold."""

    def __init__(self, channel: TextIO, until: int) -> None:
        self.channel, self.until = channel, until
        self.steps = 0
        self.seeds: list[Any] = []

    def send(self, kind: str, **what: Any) -> None:
        """One message to the parent."""
        self.channel.write(json.dumps({"kind": kind, **what}) + "\n")
        self.channel.flush()

    def step_begins(self, names: dict[str, Any]) -> bool:
        """Called at the start of a training step; True ends the training."""
        if self.steps == 0:
            self.send("begin", **self._outset(names), **_state(names))
        return 0 < self.until <= self.steps

    def step_ends(self, names: dict[str, Any], loss: Any) -> None:
        """Called at the end of a training step, after the update."""
        self.steps += 1
        self.send("step", loss=float(_data(loss)).hex(), **_state(names))

    def sampled(self, names: dict[str, Any], sample: Any) -> None:
        """Called after each document that the copy has made up."""
        temperature = names.get("temperature")
        if isinstance(temperature, bool) or not isinstance(temperature, int | float):
            raise Cannot("it has no module-level number named temperature, which sampling needs")
        self.send("sample", text="".join(map(str, sample)), temperature=temperature)

    def _outset(self, names: dict[str, Any]) -> dict[str, Any]:
        numbers = {name: names.get(name) for name in NUMBERS}
        for name, value in numbers.items():
            wanted = int if name in SIZES else int | float
            if isinstance(value, bool) or not isinstance(value, wanted):
                raise Cannot(f"it has no module-level number named {name} when training starts")
        if len(self.seeds) != 1 or type(self.seeds[0]) is not int:
            raise Cannot("it does not call random.seed once, with a whole number, so its run cannot be repeated")
        docs, eps = names.get("docs"), names.get("eps_adam", 1e-8)
        if not isinstance(docs, list) or not all(isinstance(doc, str) for doc in docs):
            raise Cannot("it has no module-level list of strings named docs")
        if eps != 1e-8:
            raise Cannot(f"its eps_adam is {eps!r}, and the engine knows only the original's 1e-08")
        shapes = [(str(name), [len(matrix), len(matrix[0])]) for name, matrix in _matrices(names).items()]
        return {"config": {**numbers, "seed": self.seeds[0]}, "docs": docs, "shapes": shapes}


def _data(value: Any) -> Any:
    try:
        return value.data
    except AttributeError:
        raise Cannot("its scalars have no attribute named data") from None


def _matrices(names: dict[str, Any]) -> dict[str, Any]:
    matrices = names.get("state_dict")
    if not isinstance(matrices, dict):
        raise Cannot("it has no module-level dictionary named state_dict")
    for name, matrix in matrices.items():
        widths = {len(row) if isinstance(row, list) else 0 for row in matrix} if isinstance(matrix, list) else {0}
        if len(widths) != 1 or 0 in widths:
            raise Cannot(f"its state_dict[{name!r}] is not a matrix made of lists, so it is another architecture")
    return matrices


def _state(names: dict[str, Any]) -> dict[str, str]:
    """Parameters and moments as base64 of their doubles, in the order of state_dict."""
    params = [_data(p) for matrix in _matrices(names).values() for row in matrix for p in row]
    for name in ("m", "v"):
        if not isinstance(names.get(name), list) or len(names[name]) != len(params):
            raise Cannot(f"it has no module-level list {name} with one moment for each parameter")
    found = {"params": params, "m": names["m"], "v": names["v"]}
    return {name: b64encode(array("d", values).tobytes()).decode() for name, values in found.items()}


# The hooks.


def _statements(block: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run at the module's own level, also inside if, with and try."""
    for statement in block:
        yield statement
        if isinstance(statement, ast.If | ast.With | ast.Try):
            for field in ("body", "orelse", "finalbody"):
                yield from _statements(getattr(statement, field, []))


def _calls(loop: ast.For, method: str) -> list[ast.expr]:
    """On what the body of a loop calls this method."""
    return [
        node.func.value
        for statement in loop.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method
    ]


def _hook(source: str, loop: ast.For) -> ast.stmt:
    (statement,) = ast.parse(source).body
    for node in ast.walk(statement):
        ast.copy_location(node, loop)
    return statement


def instrument(tree: ast.Module) -> bool:
    """Put the hooks into a copy's syntax tree; whether there is a sampling loop among what was found."""
    loops = [statement for statement in _statements(tree.body) if isinstance(statement, ast.For)]
    training = next((loop for loop in loops if _calls(loop, "backward")), None)
    if training is None:
        raise Cannot("it has no for loop, outside of functions, whose body calls .backward(): no training to watch")
    loss = _calls(training, "backward")[-1]
    if not isinstance(loss, ast.Name):
        raise Cannot(f"in line {loss.lineno} it calls .backward() on something that has no name of its own")
    # The sampling loop is looked for before anything is put in.
    later = [loop for loop in loops if loop.lineno > training.lineno]
    sampling = next((loop for loop in later if _calls(loop, "choices")), None)
    training.body.insert(0, _hook(f"if {PROBE}.step_begins(globals()): break", training))
    training.body.append(_hook(f"{PROBE}.step_ends(globals(), {loss.id})", training))
    grown = [] if sampling is None else [x.id for x in _calls(sampling, "append") if isinstance(x, ast.Name)]
    if sampling is None or not grown:
        return False
    name = "sample" if "sample" in grown else grown[-1]
    sampling.body.append(_hook(f"{PROBE}.sampled(globals(), {name})", sampling))
    return True


# The run.


def _refuse_network(event: str, _: Any) -> None:
    if event in NETWORK:
        raise OSError("verify lets no copy reach for the network; its input.txt is in the working directory")


def _end_with(parent: int) -> None:
    os.read(parent, 1)
    os._exit(1)


def _channel() -> TextIO:
    """The standard output for messages alone. In its place, and in that of the input, the copy has /dev/null."""
    channel = os.fdopen(os.dup(1), "w", encoding="ascii")
    parent = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(nothing, stream)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears ctrl+c too, and ends this
    return channel


def _watch_seeds(seeds: list[Any]) -> None:
    seed = random.seed

    def watched(a: Any = None, *rest: Any, **named: Any) -> None:
        seeds.append(a)
        seed(a, *rest, **named)

    random.seed = watched


def run(path: str, probe: Probe) -> None:
    """Run the copy to its end, or to the first thing that it cannot be compared in."""
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read(), path)
    except SyntaxError as error:
        where = f"line {error.lineno}" if error.lineno else "it"
        raise Cannot(f"{where} is not Python ({error.msg})") from None
    except (ValueError, RecursionError) as error:
        raise Cannot(f"it is not Python ({error})") from None
    sampling = instrument(tree)
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    module.__dict__.update({"__file__": path, PROBE: probe})
    _watch_seeds(probe.seeds)
    sys.addaudithook(_refuse_network)
    sys.setrecursionlimit(DEEP)
    sys.argv = [path, *sys.argv[3:]]
    sys.path.insert(0, os.path.dirname(os.path.realpath(path)))
    try:
        exec(compile(tree, path, "exec", dont_inherit=True), module.__dict__)
    except SystemExit as ended:
        with suppress(Exception):
            sys.stderr.flush()
        status = 0 if ended.code is None else ended.code
        if isinstance(status, int):
            return probe.send("exit", status=status, said="", sampling=sampling)
        return probe.send("exit", status=1, said=str(status), sampling=sampling)
    except Exception as error:
        lines = [at.lineno for at in traceback.extract_tb(error.__traceback__) if at.filename == path]
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        if isinstance(error, EOFError):
            said += " (verify gives it no input)"
        return probe.send("crash", error=said, line=lines[-1] if lines else None)
    return probe.send("end", sampling=sampling)


def main() -> None:
    """Run the copy that the command line names."""
    probe = Probe(_channel(), int(sys.argv[2]))
    try:
        run(sys.argv[1], probe)
    except Cannot as why:
        probe.send("cannot", why=str(why))
    except BrokenPipeError:
        pass
    os._exit(0)  # without waiting for the thread that watches the parent


if __name__ == "__main__":
    main()
