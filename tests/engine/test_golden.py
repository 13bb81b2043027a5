"""The engine against what `microgpt.py` itself computed: no tolerance, every number of the golden files."""

from __future__ import annotations

import functools
import gzip
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine import Config, EventValues, Session, load_docs
from engine.autograd.jit import loops, plain_loops
from engine.sampling.stepper import SampleStepper
from engine.sampling.strategy import DecodingStrategy
from tests.support.float_bits import flat, sha, words
from tests.support.reference_model import PlainGPT

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
NAMES = ["default", "small_2layer"]


@functools.cache
def golden(name: str) -> dict[str, Any]:
    with gzip.open(GOLDEN / f"{name}.json.gz", "rt") as file:
        return json.load(file)  # type: ignore[no-any-return]


def changes(name: str) -> dict[str, Any]:
    """What the golden run changed of the defaults; the other keys of its spec say how it was made."""
    return {key: value for key, value in golden(name)["spec"].items() if key not in ("trace_steps", "data")}


def session_of(name: str, **more: Any) -> Session:
    return Session(Config(**changes(name)), load_docs(), **more)


def read(numbers: Any) -> list[int]:
    """The bits of golden hex."""
    return words([float.fromhex(x) for x in flat(numbers)])


@functools.cache
def first_step(name: str) -> tuple[Session, list[EventValues]]:
    session = session_of(name)
    return session, list(session.events(step=0))


@pytest.mark.parametrize(
    ("name", "params", "losses", "tensors", "doc", "shas"),
    [
        ("default", 4192, 1000, 7 * 28, "mignon", ["1", "10", "100", "1000"]),
        ("small_2layer", 2032, 60, 8 * 39, "stephan", ["1", "10", "60"]),
    ],
)
def test_golden_files_are_complete(
    name: str, params: int, losses: int, tensors: int, doc: str, shas: list[str]
) -> None:
    data, snap = golden(name), golden(name)["snap"]["0"]
    assert (data["num_params"], data["vocab_size"], data["num_docs"]) == (params, 27, 5163)
    assert len(data["losses"]) == len(set(data["losses"])) == losses
    assert len(data["samples"]) == 20
    assert sorted(data["sha"], key=int) == shas
    assert len(snap["trace"]) == tensors
    assert snap["doc"] == doc
    assert all(tensor["data"] and len(flat(tensor["data"])) == len(flat(tensor["grad"])) for tensor in snap["trace"])
    assert [len(flat(snap[key])) for key in ("param_grad", "param_after", "m_after", "v_after")] == [params] * 4
    assert sum(float.fromhex(x) != 0 for x in flat(snap["param_grad"])) > params / 2


def walked(walk: SampleStepper, n: int) -> list[str]:
    """The texts of `n` samples, one after the other."""
    found = []
    for _ in range(n):
        while walk.next():
            pass
        found.append(walk.text)
        walk = walk.following()
    return found


@pytest.mark.parametrize("name", NAMES)
def test_losses_states_and_samples(name: str) -> None:
    data, session = golden(name), session_of(name)
    assert session.loops.compiled == loops().compiled
    for step, digest in data["sha"].items():
        session.run(until=int(step))
        assert sha(session) == digest, step
    assert words(session.losses) == read(data["losses"])
    generator = random.Random()
    generator.setstate(session.generator.getstate())
    assert (
        walked(SampleStepper(session.sampler(), session.tokenizer, generator, DecodingStrategy(0.5)), 20)
        == data["samples"]
    )
    assert session.sample(20, temperature=0.5) == data["samples"]


@pytest.mark.parametrize("name", NAMES)
def test_every_tensor_of_the_first_step(name: str) -> None:
    session, events = first_step(name)
    forward = [event for event in events if event.phase == "forward"]
    backward = {(e.name, e.pos, e.layer, e.head): e for e in events if e.phase == "backward"}
    trace = golden(name)["snap"]["0"]["trace"]
    assert session.program.doc == golden(name)["snap"]["0"]["doc"]
    assert forward[-1].name == "loss"  # the golden files keep it among the losses
    assert words(forward[-1].data) == read(golden(name)["losses"][0])
    for expected, event in zip(trace, forward[:-1], strict=True):
        place = (expected["name"], expected["pos"], expected["layer"], expected["head"])
        assert (event.name, event.pos, event.layer, event.head) == place
        assert words(event.data) == read(expected["data"]), place
        assert words(event.grad) == words([0.0] * event.grad.size), place
        assert words(backward[place].data) == read(expected["data"]), place
        assert words(backward[place].grad) == read(expected["grad"]), place


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_of_the_first_step(name: str) -> None:
    session, events = first_step(name)
    snap = golden(name)["snap"]["0"]
    backward = {event.name: event for event in events if event.phase == "backward" and event.is_parameter}
    update = {event.name: event for event in events if event.phase == "update"}
    assert list(update) == list(snap["param_grad"])
    assert backward.keys() == update.keys()
    for key, event in update.items():
        assert words(backward[key].grad) == read(snap["param_grad"][key]), key
        assert words(event.grad) == read(snap["param_grad"][key]), key
        assert words(event.data) == read(snap["param_after"][key]), key
    assert words(session.params) == read(snap["param_after"])
    assert words(session.m) == read(snap["m_after"])
    assert words(session.v) == read(snap["v_after"])


@pytest.mark.parametrize(("name", "steps"), [("default", 1), ("small_2layer", 10)])
def test_uncompiled_loops(name: str, steps: int) -> None:
    data, session = golden(name), session_of(name, kernels=plain_loops())
    assert not session.loops.compiled
    session.run(until=steps)
    assert words(session.losses) == read(data["losses"][:steps])
    assert sha(session) == data["sha"][str(steps)]


def test_numba_switched_off() -> None:
    script = (
        "from engine import Config, Session, load_docs; from tests.support.float_bits import sha, words; "
        f"s = Session(Config(**{changes('small_2layer')!r}), load_docs()); s.run(until=1); "
        "print(s.loops.compiled, sha(s), *words(s.losses))"
    )
    path = str(GOLDEN.parent.parent)
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": path}
    run = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    data = golden("small_2layer")
    assert run.stdout.split() == ["False", data["sha"]["1"], *map(str, read(data["losses"][:1]))], run.stderr


@pytest.mark.parametrize(("name", "steps"), [("default", 1), ("small_2layer", 10)])
def test_the_oracle_agrees_with_the_golden_files(name: str, steps: int) -> None:
    data, plain = golden(name), PlainGPT(load_docs(), **changes(name))
    plain.train_step()
    snap = data["snap"]["0"]
    for tensor in snap["trace"]:
        scalars = plain.trace[tensor["name"], tensor["pos"], tensor["layer"], tensor["head"]]
        assert words([s.data for s in scalars]) == read(tensor["data"])
        assert words([s.grad for s in scalars]) == read(tensor["grad"])
    assert words(plain.grads) == read(snap["param_grad"])
    assert words([plain.params, plain.m, plain.v]) == read([snap["param_after"], snap["m_after"], snap["v_after"]])
    while plain.step < steps:
        plain.train_step()
    assert words(plain.losses) == read(data["losses"][:steps])
