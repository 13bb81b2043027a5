"""The recording: its size is known beforehand, its graph does not depend on numbers, and too large is said early."""

from __future__ import annotations

import functools
import inspect
from dataclasses import fields
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Config, ConfigError, Moment, Session
from engine.autograd.dot_products import Dots
from engine.autograd.kernels import LEAF
from engine.autograd.tape import Lines, Operation, OperationRows, Tensor, operation
from engine.model import gpt
from engine.model.recording import Recording, Span, Workspace, count_rows, most_rows, record
from tests.engine.test_plain_oracle import configurations
from tests.support.float_bits import DOCS, shown, tiny

FORMS = (Recording, Span, Tensor, Operation, Dots)


@given(configurations(widest=10), st.integers(1, 12))
def test_rows_are_counted_without_recording(config: dict[str, Any], vocab_size: int) -> None:
    recording = record(Config(**config), vocab_size)
    assert len(recording) == count_rows(Config(**config), vocab_size) + len(recording.constants[0])
    assert len(recording) < most_rows(Config(**config), vocab_size)
    assert len(recording.constants[0]) <= 8 + recording.config.block_size  # a few numbers, one 1/n a length


def test_size_of_the_defaults() -> None:
    recording = record(Config(), 27)
    assert recording.n_params == 4192
    assert len(recording) == pytest.approx(140_000, rel=0.05)


@pytest.mark.parametrize(
    ("changes", "rows", "size"),
    [
        ({"n_embd": 100_000}, "3,960,1", "475 TB"),
        ({"n_layer": 10**9}, "116,576,0", "14 PB"),
        ({"block_size": 10**7}, "more than 10", "534 PB"),
        ({"n_embd": 10**12}, "more than 10", " EB"),
        ({"n_embd": 10**15}, "more than 10", " EB"),
    ],
)
def test_a_model_that_is_too_large_is_refused_with_its_size(changes: dict[str, int], rows: str, size: str) -> None:
    with pytest.raises(ConfigError, match=f"would have {rows}.* scalars.*{size}.* of memory is free.*choose a smaller"):
        Session(Config(**changes), DOCS)


def test_more_rows_than_an_int32_can_number_are_refused(monkeypatch: Any) -> None:
    monkeypatch.setattr("engine.model.recording.MOST_ROWS", 1000)
    with pytest.raises(ConfigError, match="30 scalars are the most"):
        record(tiny(), 5)


def test_parameters_come_first_in_the_originals_order() -> None:
    recording = record(tiny(n_layer=2), 5)
    names = ["wte", "wpe", "lm_head"]
    for layer in (0, 1):
        parts = ("attn_wq", "attn_wk", "attn_wv", "attn_wo", "mlp_fc1", "mlp_fc2")
        names += [f"layer{layer}.{part}" for part in parts]
    assert list(recording.matrices) == names
    rows = np.concatenate([m.ravel() for m in recording.matrices.values()])
    assert rows.tolist() == list(range(recording.n_params))
    assert {name: m.shape for name, m in recording.matrices.items()} == recording.config.matrices(5)


def test_children_stand_before_parents() -> None:
    recording = record(tiny(n_layer=2), 5)
    inner = np.flatnonzero(recording.op != LEAF)
    assert (recording.child[2 * inner] < inner).all()
    assert (recording.child[2 * inner + 1] < inner).all()


def test_two_sessions_do_not_disturb_each_other() -> None:
    first, second, alone = (Session(tiny(seed=seed), DOCS) for seed in (1, 2, 1))
    for step in range(1, 5):
        first.run(until=step)
        second.run(until=step)
    alone.run(until=4)
    assert first.losses == alone.losses != second.losses


def test_sampling_leaves_the_run_alone() -> None:
    asked, alone = Session(tiny(), DOCS), Session(tiny(), DOCS)
    for step in range(1, 5):
        asked.sample(2)
        asked.run(until=step)
    alone.run(until=4)
    assert asked.losses == alone.losses


def test_a_copy_without_memory_is_refused_with_a_sentence(monkeypatch: Any) -> None:
    session = Session(tiny(), DOCS)
    session.run(until=3)
    before = shown(session)
    free = psutil.virtual_memory()._replace(available=1000)
    monkeypatch.setattr("psutil.virtual_memory", lambda: free)
    for more in (session.replay_copy, session.restart_copy, session.sampler, lambda: session.branch(())):
        with pytest.raises(ConfigError, match=r"one more run of this model would take .* but 1 kB of memory is free"):
            more()
    session.run(until=5)
    session.seek(Moment(3))
    assert shown(session) == before


def test_a_copy_holds_as_much_of_the_graph_as_its_documents_reach() -> None:
    session = Session(tiny(block_size=5), DOCS)
    whole, beside, held = session.workspace, Workspace.beside(session.recording, session.loops), []
    for tokens in ([1], [2, 1], [2], [1, 2, 3, 3]):
        for workspace in (whole, beside):
            workspace.read(0, tokens, tokens[::-1])
        for part in session.recording.parts_of(len(tokens)):
            children = slice(2 * part.start, 2 * part.stop)
            assert beside.child[children].tolist() == whole.child[children].tolist()
        held.append(int(np.count_nonzero(beside.child)))
    assert held[0] < held[1] == held[2] < held[3] < np.count_nonzero(whole.child)


@given(configurations(widest=10), st.integers(1, 12))
def test_operations_are_written_again_as_they_would_be_recorded(config: dict[str, Any], vocab_size: int) -> None:
    copied = record(Config(**config), vocab_size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OperationRows, "of", lambda *_: None)
        recorded = record(Config(**config), vocab_size)
    assert everything(copied) == everything(recorded)


def test_most_operations_are_not_recorded_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(n_layer=3)
    count_rows(config, 27)  # which records small models
    calls = []
    linear = inspect.unwrap(gpt.linear)
    counted = operation(functools.wraps(linear)(lambda x, w: calls.append(w.name) or linear(x, w)))
    monkeypatch.setattr(gpt, "linear", counted)
    record(config, 27)
    assert len(calls) == 4  # one of each shape


def everything(recording: Recording) -> list[Any]:
    """All that a recording holds, in a form that can be compared."""
    return [_comparable(getattr(recording, field.name)) for field in fields(recording)]


def _comparable(thing: Any) -> Any:
    if isinstance(thing, np.ndarray):
        return thing.dtype.str, thing.shape, thing.tolist()
    if isinstance(thing, dict):
        return {name: _comparable(each) for name, each in thing.items()}
    if isinstance(thing, tuple | list | Lines):
        return [_comparable(each) for each in thing]
    return [_comparable(getattr(thing, f.name)) for f in fields(thing)] if isinstance(thing, FORMS) else thing
