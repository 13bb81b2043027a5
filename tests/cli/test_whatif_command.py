"""what-if: the original and the changed run, and their differences, with every bit."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from engine import Config, Moment, Phase, Scope, Session, load_docs
from engine.checkpoint.checkpoint import load, resume
from engine.interventions.syntax import parse
from engine.run.branches import Branches
from tests.support.commands import SMALL, error_of, invoke, json_lines

CONFIG = Config(n_embd=4, n_head=2, block_size=4)
CHANGES = ("--edit", "layer0.attn_wq[3,2]=0", "--ablate", "layer0.head1@step=2")


def run(until: int, *texts: str) -> Session:
    session = Session(CONFIG, load_docs())
    scope = Scope(session.config, session.tokenizer)
    branch = session.branch([parse(text, scope) for text in texts])
    branch.run(until)
    branch.seek(Moment(until, Phase.FORWARD, 10**9))
    return branch


def result_of(*args: Any) -> dict[str, Any]:
    (found,) = json_lines(invoke("what-if", *args, "--json", *SMALL).stdout)
    return found


def test_both_runs_with_all_their_bits() -> None:
    found = result_of(*CHANGES, "--until", 12)
    original, changed = run(12), run(12, *CHANGES[1::2])
    assert found["changes"] == ["layer0.attn_wq[3, 2]@step=0 = 0.0", "layer0.head1@step=2 = 0"]
    assert found["first_difference"] == next(i for i in range(12) if original.losses[i] != changed.losses[i])
    assert found["original"]["losses"] == original.losses
    assert found["changed"]["losses"] == changed.losses
    assert found["original"]["sha256"] != found["changed"]["sha256"]
    assert found["changed"]["samples"] == changed.sample(5, generator=random.Random(42))
    moved = found["moved"][0]
    probs = changed.recording.probs[moved["pos"]]
    token = changed.tokenizer.uchars.index(moved["token"]) if moved["token"] != "BOS" else len(changed.tokenizer.uchars)
    assert moved["changed"] == changed.workspace.data[probs[token]]
    assert moved["difference"] == moved["changed"] - moved["original"]
    assert abs(moved["difference"]) >= abs(found["moved"][-1]["difference"])


@pytest.mark.parametrize("text", ["residual", "layer0.attn_residual@step=2", "score_scale", "bias_correction@step=3"])
def test_what_can_be_left_out(text: str, tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    found, changed = result_of("--ablate", text, "--until", 5, "--save", path), run(5, text)
    assert found["changes"] == [f"{text}{'' if '@' in text else '@step=0'} = off"]
    assert found["changed"]["losses"] == changed.losses != found["original"]["losses"]
    assert load(path).branches[0].changes == changed.changes


def test_a_change_after_the_last_step_changes_nothing() -> None:
    found = result_of("--ablate", "layer0.mlp@step=12", "--until", 12)
    assert found["first_difference"] is None
    assert found["original"] != found["changed"]  # the samples are drawn with the MLP off
    assert found["original"]["sha256"] == found["changed"]["sha256"]


def test_the_output_as_text() -> None:
    lines = invoke("what-if", *CHANGES, "--until", 5, *SMALL).stdout
    assert "changed: layer0.head1@step=2 = 0" in lines
    assert "the first loss that differs is that of step 0" in lines
    assert "changed samples: " in lines
    assert "steps; --json tells all" not in lines
    lines = invoke("what-if", "--edit", "temperature@step=3 = 2", "--until", 15, *SMALL).stdout
    assert "no loss differs" in lines
    assert "no probability differs in " in lines
    assert "of 15 steps; --json tells all" in lines


def test_the_saved_run_has_the_branch(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    invoke("what-if", *CHANGES, "--until", 5, "--save", path, *SMALL)
    saved = load(path)
    session = resume(saved, load_docs())
    branches = Branches(session, saved.branches)
    (branch,) = branches.all()
    there = branches.session(branch.name)
    there.seek(branch.moment)
    assert there.losses == run(5, *CHANGES[1::2]).losses


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--until", 5), "nothing is changed"),
        (("--until", 2000, *CHANGES), "--until is 2000, beyond the schedule's 1000 steps"),
        (("--until", 5, "--ablate", "layer0.head7"), "--ablate: layer0.head7 does not exist: head goes from 0 to 1"),
        (("--until", 5, "--edit", "layer0.head1"), "--edit: layer0.head1 belongs to --ablate"),
        (("--until", 5, "--edit", "wte[0,0]=x"), "--edit: wte is given the value 'x'"),
        (("--until", 5, "--edit", "wte[0,0]@step=6=1"), "would change nothing before the comparison in the forward"),
        (
            ("--until", 5, "--ablate", "layer0.mlp@step=6"),
            "--ablate: layer0.mlp@step=6 would change nothing before the",
        ),
        (("--until", 5, "--ablate", "bias_correction@step=5"), "would change nothing before the comparison"),
        (("--until", 5, "--edit", "beta1@step=5=0.5"), "phase of step 5; raise --until, or give an earlier step"),
        (("--until", 5, "--edit", "learning_rate=1e9"), "the changed run: training stopped at step"),
    ],
)
def test_bad_changes_are_refused(args: tuple[Any, ...], said: str) -> None:
    assert said in error_of(invoke("what-if", *args, *SMALL))


def test_a_change_at_a_position_without_documents(tmp_path: Path) -> None:
    data = tmp_path / "names.txt"
    data.write_text("ab\nba\n", encoding="utf-8")
    for position, missing in ((2, False), (3, True)):
        done = invoke("what-if", "--ablate", f"layer0.pos{position}", "--until", 2, "--data", data, "--json", *SMALL)
        said = "layer0.pos3 was switched off in no training step: no document from step 0 to 2 has a position 3\n"
        assert (done.exit_code, done.stderr) == (0, said if missing else "")


def test_numbers_that_json_does_not_have() -> None:
    found = result_of("--edit", "learning_rate=1e200", "--until", 4)
    assert "nan" in found["changed"]["losses"]
    json.dumps(found, allow_nan=False)
