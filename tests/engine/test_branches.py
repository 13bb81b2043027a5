"""Changes as they are written and read, and the branches of a run: their names, and what is saved of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine import Config, Moment, Scope, Session
from engine.checkpoint import checkpoint, validate
from engine.errors import ChangeError
from engine.interventions.syntax import Ablation, Change, SetHyperparameter, SetParameter, SetScalar, parse
from engine.run.branches import Branches
from tests.support.float_bits import DOCS, sha

SHAPE: dict[str, Any] = {"n_layer": 2, "n_embd": 4, "n_head": 2, "block_size": 4, "num_steps": 30, "learning_rate": 0.1}

CHANGES: list[tuple[str, Change]] = [
    ("layer0.attn_wq[3,1]=0", SetParameter(7, "layer0.attn_wq", (3, 1), 0.0)),
    (" wpe [ 1 ] @ step = 5 = -1e-3 ", SetParameter(5, "wpe", (1,), -0.001)),
    ("lm_head = 2", SetParameter(7, "lm_head", (), 2.0)),
    ("wte['c',0]=1", SetParameter(7, "wte", (2, 0), 1.0)),
    ("q[0,3]@pos=2,step=5=0.1", SetScalar(5, "q", 2, (0,), (3,), 0.1)),
    ("head_out[1, 0]@step=5,pos=2 = 1", SetScalar(5, "head_out", 2, (1, 0), (), 1.0)),
    ("scalar[12]=1", SetScalar(7, "scalar", None, (), (12,), 1.0)),
    ("layer0.head1", Ablation(7, 0, "head", 1)),
    ("layer1.mlp@step=3=mean:20", Ablation(3, 1, "mlp", None, 20)),
    ("layer1.pos3 = 0", Ablation(7, 1, "pos", 3)),
    ("residual", Ablation(7, None, "residual")),
    ("layer1.residual@step=2 = off", Ablation(2, 1, "residual")),
    ("layer0.attn_residual = 0", Ablation(7, 0, "attn_residual")),
    ("layer1.mlp_residual=off", Ablation(7, 1, "mlp_residual")),
    ("score_scale@step=3", Ablation(3, None, "score_scale")),
    ("layer0.score_scale", Ablation(7, 0, "score_scale")),
    ("bias_correction = off", Ablation(7, None, "bias_correction")),
    ("temperature=0.75", SetHyperparameter(7, "temperature", 0.75)),
]


@pytest.mark.parametrize(("text", "change"), CHANGES)
def test_changes_are_read_and_written(text: str, change: Change) -> None:
    session = Session(Config(**SHAPE), DOCS)
    scope = Scope(session.config, session.tokenizer)
    assert parse(text, scope, 7) == change
    assert parse(change.text, scope) == change


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no change; write for example"),
        ("wte[0, 0", "is no change"),
        ("wte[0, 0]", "wte is given no value"),
        ("wte[0, 0] = much", "the value 'much'"),
        ("wte[0, 0] = nan", "the value 'nan'"),
        ("wte[9, 0] = 1", "wte[9, 0] has an index 9, beyond the last, 5"),
        ("wte[x, 0] = 1", "'x' is no index of wte"),
        ("wte[0, 0]@pos=1 = 1", "wte is a parameter, which has no pos"),
        ("wte[0, 0]@step=31 = 1", "no step 31 in this schedule; write a step from 0 to 30"),
        ("wte[0, 0]@when=1 = 1", "'when' in"),
        ("wte[0]@step=1,step=2 = 1", "each once"),
        ("q[0, 3] = 1", "q is given no position; write q[0, 3]@pos=2 = 1.0"),
        ("q[0, 3]@pos=9 = 1", "position 9"),
        ("q@pos=0 = 1", "q is written q[layer, index], of which you gave 0"),
        ("nothing[0] = 1", "nothing is called 'nothing'"),
        ("layer0.head2", "layer0.head2 does not exist: head goes from 0 to 1"),
        ("layer7.mlp", "layer goes from 0 to 1"),
        ("layer0.head1 = 3", "to 0 or to a mean, not to 3"),
        ("residual = mean:3", "residual can only be left out, not be set to mean:3; write residual = off"),
        ("score_scale[0]", "takes no [...]"),
        ("layer2.attn_residual", "layer goes from 0 to 1"),
        ("layer0.bias_correction = 0", "nothing is called 'layer0.bias_correction'"),
        ("head1 = 0", "layer0.attn_residual, layer0.mlp_residual"),
        ("layer0.mlp3 = 0", "nothing is called"),
        ("layer0.head1[0]", "takes no [...]"),
        ("beta1 = 1", "beta1 is 1.0; give a number from 0 up to, but below, 1"),
        ("temperature = 0", "temperature is 0.0"),
        ("scalar = 0", "written by its number"),
        ("loss[1] = 0", "loss is one number"),
    ],
)
def test_a_change_that_cannot_be_read_is_refused_with_a_sentence(text: str, said: str) -> None:
    session = Session(Config(**SHAPE), DOCS)
    with pytest.raises(ChangeError) as raised:
        parse(text, Scope(session.config, session.tokenizer))
    assert said in str(raised.value)


def branches_of(session: Session) -> Branches:
    branches = Branches(session)
    branches.change(None, [SetHyperparameter(2, "beta1", 0.5), Ablation(3, 0, "mlp", None, 2)])
    return branches


def test_branches_are_named_renamed_and_removed() -> None:
    branches = branches_of(Session(Config(**SHAPE), DOCS))
    assert [(b.name, len(b.changes)) for b in branches.all()] == [("branch 1", 2)]
    branches.change(None, [SetHyperparameter(0, "beta2", 0.5)])
    branches.rename("branch 1", "  slow   start ")
    assert [b.name for b in branches.all()] == ["slow start", "branch 2"]
    assert branches.name_of(branches.session("slow start")) == "slow start"
    assert branches.name_of(branches.original) is None
    for name, said in (("", "is no name"), ("x" * 41, "is no name"), ("branch 2", "already"), ("original", "already")):
        with pytest.raises(ChangeError, match=said):
            branches.rename("slow start", name)
    branches.remove("slow start")
    assert "slow start" not in branches
    assert len(branches) == 1


def test_no_branch_has_a_name_of_the_original_in_any_language(monkeypatch: pytest.MonkeyPatch) -> None:
    branches = branches_of(Session(Config(**SHAPE), DOCS))
    monkeypatch.setattr("engine.run.branches.original_name", lambda: "원본")
    for name in ("original", "원본"):
        with pytest.raises(ChangeError, match="already"):
            branches.rename("branch 1", name)


def test_a_saved_branch_is_replayed_to_the_same_bits(tmp_path: Path) -> None:
    session = Session(Config(**SHAPE), DOCS)
    session.run(until=9)
    branches = branches_of(session)
    branches.session("branch 1").run(until=8)
    checkpoint.write(checkpoint.snapshot(session, None, branches.all()), tmp_path / "run.safetensors")
    saved = checkpoint.load(tmp_path / "run.safetensors")
    assert saved.branches == branches.all()
    found = Branches(checkpoint.resume(saved, DOCS), saved.branches)
    assert found["branch 1"].moment == Moment(8)
    copy = found.copy("branch 1", found.changes("branch 1"))
    copy.seek(Moment(8))
    again = found.session("branch 1")
    again.seek(Moment(8))
    assert sha(copy) == sha(again) == sha(branches.session("branch 1"))
    assert sha(found.original) == sha(session)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("nothing", "has no name"),
        ([{"name": 3}], "has no name"),
        ([{"name": "a", "changes": "beta1 = 0"}], "does not say what is changed"),
        ([{"name": "a", "changes": ["beta9 = 0"]}], "cannot be read, nothing is called 'beta9'"),
        ([{"name": "a", "changes": [], "moment": None}], "its moment is None"),
    ],
)
def test_damaged_branches_are_refused(said: Any, sentence: str) -> None:
    session = Session(Config(**SHAPE), DOCS)
    with pytest.raises(validate.Unfit, match=sentence):
        validate.branches(said, Scope(session.config, session.tokenizer))


@pytest.mark.parametrize(
    "text",
    [
        "layer0.head1",
        "layer1.mlp = mean:2",
        "layer1.pos1",
        "q[0, 3]@pos=1 = 0.1",
        "wte = 0",
        "learning_rate = 1",
        "residual",
        "score_scale",
        "bias_correction",
    ],
)
def test_a_branch_of_a_branch_without_its_changes_is_the_original(text: str) -> None:
    session = Session(Config(**SHAPE), DOCS)
    change = parse(text, Scope(session.config, session.tokenizer))
    branch = session.branch([change])
    branch.seek(Moment(3))
    again = branch.branch(())
    for run in (session, again):
        run.seek(Moment(4))
    assert again.losses == session.losses != branch.losses
    assert sha(again) == sha(session)
