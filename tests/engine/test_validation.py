"""Held-out documents: which they are, their losses bit for bit, and that the run itself does not change."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from engine import Config, ConfigError, Moment, Session
from engine.checkpoint.checkpoint import load, resume, save
from tests.support.float_bits import DOCS, in_order, tiny, words
from tests.support.reference_model import PlainGPT

MANY = [*DOCS, "abba", "cab", "bead", "ace", "dad", "fee"]
ASIDE = tiny(val_fraction=0.3, val_every=2)


def test_the_last_of_the_shuffled_documents_are_held_out() -> None:
    whole, split = Session(tiny(), MANY), Session(ASIDE, MANY)
    k = round(0.3 * len(MANY))
    assert (split.docs, split.val_docs) == (whole.docs[:-k], whole.docs[-k:])
    assert whole.val_docs == []
    assert split.tokenizer.uchars == whole.tokenizer.uchars
    assert words(split.params) == words(whole.params)


def test_a_run_without_held_out_documents_is_unchanged() -> None:
    first, second = Session(tiny(), MANY), Session(tiny(val_fraction=0.0, val_every=3), MANY)
    for run in (first, second):
        run.run(until=6)
    assert words(first.losses) == words(second.losses)
    assert words(first.params) == words(second.params)
    assert first.history.validations == second.history.validations == {}


def test_training_takes_the_others_and_all_losses_are_the_plain_ones() -> None:
    run = Session(ASIDE, MANY)
    run.run(until=9)
    values = {name: value for name, value in ASIDE.as_dict().items() if not name.startswith("val_")}
    plain = PlainGPT(MANY, **values)  # type: ignore[arg-type]
    aside = [plain.docs.pop() for _ in run.val_docs][::-1]
    assert (plain.docs, aside) == (run.docs, run.val_docs)
    assert sorted(run.history.validations) == [0, 2, 4, 6, 8]
    for step in range(9):
        if step % 2 == 0:
            costs = [plain.loss_of(doc).data for doc in aside]
            lengths = [min(ASIDE.block_size, len(doc) + 1) for doc in aside]
            surprise = in_order(cost * n for cost, n in zip(costs, lengths, strict=True))
            found = run.history.validations[step]
            assert found.loss == in_order(costs) / len(costs)
            assert found.perplexity == math.exp(surprise / sum(lengths))
        plain.train_step()
    assert words(run.losses) == words(plain.losses)
    assert words(run.params) == words(plain.params)


def test_measuring_changes_no_bit_of_the_run() -> None:
    often, rarely = Session(ASIDE, MANY), Session(tiny(val_fraction=0.3, val_every=1000), MANY)
    for run in (often, rarely):
        run.run(until=7)
    assert words(often.losses) == words(rarely.losses)
    assert words(often.params) == words(rarely.params)
    assert often.sample(3) == rarely.sample(3)


def test_a_view_shows_what_was_measured_by_its_moment() -> None:
    run = Session(ASIDE, MANY)
    run.run(until=6)
    assert sorted(run.view().validations) == [0, 2, 4, 6]
    run.seek(Moment(3))
    assert sorted(run.view().validations) == [0, 2]
    before = dict(run.history.validations)
    run.seek(Moment(6))
    assert run.history.validations == before


def test_a_saved_run_keeps_them(tmp_path: Path) -> None:
    run = Session(ASIDE, MANY)
    run.run(until=5)
    file = tmp_path / "run.safetensors"
    save(run, file)
    again = resume(load(file), MANY)
    assert again.history.validations == run.history.validations
    assert (again.docs, again.val_docs) == (run.docs, run.val_docs)
    again.run(until=9)
    run.run(until=9)
    assert again.history.validations == run.history.validations
    assert words(again.params) == words(run.params)


def test_at_least_one_document_is_trained_on() -> None:
    run = Session(tiny(val_fraction=0.99), ["ab", "ba"])
    assert (len(run.docs), len(run.val_docs)) == (1, 1)


@pytest.mark.parametrize(
    "values", [("val_fraction", 1.0), ("val_fraction", -0.1), ("val_fraction", math.nan), ("val_every", 0)]
)
def test_bad_numbers_of_held_out_documents_are_refused(values: tuple[str, float]) -> None:
    name, value = values
    with pytest.raises(ConfigError, match=f"{name} is "):
        Config(**{name: value})  # type: ignore[arg-type]


def test_a_loss_that_python_refuses_is_nan() -> None:
    run = Session(tiny(val_fraction=0.3, val_every=1), MANY)
    head = run.recording.matrices["lm_head"]
    run.workspace.params[head] *= 1e6  # nearly all probabilities become 0, whose log Python refuses
    run.run(until=0)
    assert run._validator is not None
    found = run._validator.measure(run.workspace.params)
    assert math.isnan(found.loss)
    assert math.isnan(found.perplexity)
