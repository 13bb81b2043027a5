"""trace: every event, every bit, as strict JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from engine import Config, Session, load_docs
from engine.explain.source_lines import lines_of_event
from tests.support.commands import SMALL, cut_off, error_of, invoke, json_lines

CONFIG = Config(n_embd=4, n_head=2, block_size=4)
KEYS = ["step", "phase", "name", "pos", "layer", "head", "shape", "data", "grad", "source"]


def test_all_events_with_all_their_bits() -> None:
    entries = json_lines(invoke("trace", "--step", "3", *SMALL).stdout)
    session = Session(CONFIG, load_docs())
    count = 0
    for entry, event in zip(entries, session.events(3), strict=True):
        count += 1
        assert list(entry) == KEYS
        place = (entry["step"], entry["phase"], entry["name"], entry["pos"], entry["layer"], entry["head"])
        assert place == (3, event.phase.value, event.name, event.pos, event.layer, event.head)
        assert tuple(entry["shape"]) == event.shape
        assert np.array_equal(np.array(entry["data"]), event.data)
        assert entry["source"] == lines_of_event(session.view(), event).label
        if event.phase == "forward":
            assert entry["grad"] is None
        else:
            assert np.array_equal(np.array(entry["grad"]), event.grad)
    assert count == len(entries) > 50


@pytest.mark.parametrize("phase", ["forward", "backward", "update"])
def test_one_phase(phase: str) -> None:
    everything = invoke("trace", *SMALL).stdout.splitlines()
    only = invoke("trace", "--phase", phase, *SMALL).stdout.splitlines()
    assert only == [line for line in everything if json.loads(line)["phase"] == phase]


def test_numbers_that_json_does_not_have() -> None:
    entries = json_lines(invoke("trace", "--step", "3", "--learning-rate", "1e200", "--phase", "update", *SMALL).stdout)
    assert {x for row in entries[0]["data"] for x in row if isinstance(x, str)} == {"nan"}


def test_a_fault_before_and_in_the_step() -> None:
    assert "position 0, tensor loss_t" in error_of(invoke("trace", "--step", "2", "--learning-rate", "5"))
    result = invoke("trace", "--step", "1", "--learning-rate", "5")
    assert "position 0, tensor loss_t" in error_of(result)
    assert json_lines(result.stdout)[-1]["name"] == "probs"  # all events before it are printed


def test_the_first_line_comes_before_the_step_is_done() -> None:
    line, said, status = cut_off("trace")
    assert json.loads(line)["name"] == "embed"
    assert (said, status) == ("", 141)
