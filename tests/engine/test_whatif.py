"""Changed runs against a plain run with the same value set; and what a branch shares with its origin."""

from __future__ import annotations

import random
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pytest

from engine import Config, Moment, Phase, Scope, Session
from engine.autograd.jit import Kernels, plain_loops
from engine.errors import ChangeError, NumericFault
from engine.explain.gradient_paths import GradientPaths
from engine.explain.scalar import TapeExplainer
from engine.interventions.syntax import Ablation, Change, SetHyperparameter, SetParameter, SetScalar, parse
from engine.numerics import sum_in_order
from engine.timeline.keyframes import SPACING
from tests.support import reference_model
from tests.support.float_bits import DOCS, sha, shown, tiny, words
from tests.support.oracle import check_step
from tests.support.reference_model import Place, PlainGPT, Scalar, Vector, shares

SHAPE: dict[str, Any] = {"n_layer": 2, "n_embd": 4, "n_head": 2, "block_size": 4, "num_steps": 30, "learning_rate": 0.1}


class Changed(PlainGPT):
    """The oracle, with values set in plain Python."""

    def __init__(self, docs: list[str], **config: Any) -> None:
        super().__init__(docs, **config)
        self.set: dict[tuple[int, Place], dict[int, float]] = {}  # by step and tensor: elements that take a value
        self.off: dict[Place, list[float]] = {}  # tensors that are plain numbers
        self.begin_with: dict[int, list[tuple[Scalar, float]]] = {}  # by step: parameters that are set as it begins
        self.unjoined: set[tuple[str, int]] = set()  # blocks, with their layers, past which the stream does not go
        self.unscaled: set[int] = set()  # layers whose scores are not divided
        self.corrects = True

    def _joined(self, x: Vector, stream: Vector, block: str, layer: int) -> Vector:
        return x if (block, layer) in self.unjoined else super()._joined(x, stream, block, layer)

    def _scaled(self, fit: Scalar, layer: int) -> Scalar:
        return fit if layer in self.unscaled else super()._scaled(fit, layer)

    def _corrected(self, moment: float, beta: float) -> float:
        return super()._corrected(moment, beta) if self.corrects else moment

    def _move(self) -> None:
        super()._move()
        for p, x in self.begin_with.get(self.step + 1, ()):
            p.data = x

    def _keep(
        self, name: str, values: Vector, pos: int | None = None, layer: int | None = None, head: int | None = None
    ) -> Vector:
        place = name, pos, layer, head
        if place in self.off:
            values = [Scalar(x) for x in self.off[place]]
        for i, x in self.set.get((self.step, place), {}).items():
            values[i].data = x
        return super()._keep(name, values, pos, layer, head)


def changed(*texts: str, **more: Any) -> Session:
    """A branch that stands where it parts from a run of 6 steps."""
    session = Session(Config(**SHAPE | more), DOCS)
    session.run(until=6)
    scope = Scope(session.config, session.tokenizer)
    branch = session.branch([parse(text, scope) for text in texts])
    branch.seek(Moment(0))
    return branch


def off_everywhere(name: str, layer: int, head: int | None, values: list[float]) -> dict[Place, list[float]]:
    return {(name, pos, layer, head): values for pos in range(4)}


def follow(branch: Session, oracle: PlainGPT, steps: int = 4) -> None:
    for _ in range(steps):
        check_step(branch, oracle)


def test_a_set_parameter_agrees_with_the_plain_run() -> None:
    branch, oracle = changed("layer1.attn_wq[3, 1]@step=2 = 0.25", "wte['b']@step=2 = -1"), Changed(DOCS, **SHAPE)
    row = [(p, -1.0) for p in oracle.tables["wte"][1]]
    oracle.begin_with[2] = [(oracle.tables["layer1.attn_wq"][3][1], 0.25), *row]
    follow(branch, oracle, 5)


@pytest.mark.parametrize(
    ("text", "place", "elements"),
    [
        ("q[1, 3]@pos=2,step=2 = 0.5", ("q", 2, 1, None), [3]),
        ("attn_weights[0, 1, 0]@pos=1,step=2 = 0.9", ("attn_weights", 1, 0, 1), [0]),
        ("mlp_relu[0]@pos=0,step=2 = 0.125", ("mlp_relu", 0, 0, None), range(16)),
        ("embed[2]@pos=1,step=2 = 3", ("embed", 1, None, None), [2]),
        ("logits[0]@pos=0,step=2 = 7", ("logits", 0, None, None), [0]),
        ("probs['a']@pos=0,step=2 = 0.5", ("probs", 0, None, None), [0]),
        ("loss_t@pos=1,step=2 = 2", ("loss_t", 1, None, None), [0]),
        ("loss@step=2 = 9", ("loss", None, None, None), [0]),
    ],
)
def test_a_set_scalar_keeps_its_local_derivatives(text: str, place: Place, elements: Any) -> None:
    branch, oracle = changed(text), Changed(DOCS, **SHAPE)
    oracle.set[2, place] = dict.fromkeys(elements, float(text.rpartition("=")[2]))
    follow(branch, oracle)


def test_a_set_exponential_keeps_its_derivative(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its derivative is itself, so the value before it was set matters."""
    session = Session(Config(**SHAPE), DOCS)
    row = int(next(s for s in session.program.events(Phase.FORWARD) if s.name == "probs").parts["exp"][2])
    tick = session.program.rows.tolist().index(row)
    calls: list[int] = []

    def set_one(logits: Vector) -> Vector:
        calls.append(len(logits))
        if len(calls) != 5:  # the first probs: two heads in each of two layers come before
            return shares(logits)
        top = max(logit.data for logit in logits)
        heights = [(logit - top).exp() for logit in logits]
        heights[2].data = 2.5
        whole = sum(heights)
        return [height / whole for height in heights]

    monkeypatch.setattr(reference_model, "shares", set_one)
    follow(changed(f"scalar[{tick}] = 2.5"), Changed(DOCS, **SHAPE))


@pytest.mark.parametrize(
    ("text", "off"),
    [
        ("layer0.head0", off_everywhere("head_out", 0, 0, [0.0] * 2)),
        ("layer1.head1", off_everywhere("head_out", 1, 1, [0.0] * 2)),
        ("layer0.mlp", off_everywhere("mlp_fc2", 0, None, [0.0] * 4)),
        ("layer1.pos1", {(name, 1, 1, None): [0.0] * 4 for name in "kv"}),
    ],
)
def test_an_ablated_tensor_is_a_constant(text: str, off: dict[Place, list[float]]) -> None:
    branch, oracle = changed(text + "@step=1"), Changed(DOCS, **SHAPE)
    follow(branch, oracle, 1)
    oracle.off = off
    follow(branch, oracle)


BOTH = [("attn", 0), ("mlp", 0), ("attn", 1), ("mlp", 1)]


@pytest.mark.parametrize(
    ("text", "unjoined", "unscaled", "corrects"),
    [
        ("layer0.attn_residual", [("attn", 0)], [], True),
        ("layer1.mlp_residual", [("mlp", 1)], [], True),
        ("layer0.residual", [("attn", 0), ("mlp", 0)], [], True),
        ("residual", BOTH, [], True),
        ("layer1.score_scale", [], [1], True),
        ("score_scale", [], [0, 1], True),
        ("bias_correction", [], [], False),
    ],
)
@pytest.mark.parametrize("kernels", [None, plain_loops()], ids=["compiled", "plain"])
def test_what_is_left_out_is_not_there(
    text: str, unjoined: list[tuple[str, int]], unscaled: list[int], corrects: bool, kernels: Kernels | None
) -> None:
    """All scalars, gradients, moments and parameters are those of a model without it; before, of the whole model."""
    session, oracle = Session(Config(**SHAPE), DOCS, kernels=kernels), Changed(DOCS, **SHAPE)
    branch = session.branch([parse(f"{text}@step=1", session.scope)])
    follow(branch, oracle, 1)
    oracle.unjoined, oracle.unscaled, oracle.corrects = set(unjoined), set(unscaled), corrects
    follow(branch, oracle, 3)
    straight = Session(Config(**SHAPE), DOCS, kernels=kernels).branch(branch.changes)
    straight.run(until=4)  # step by step as a whole, as training goes
    assert sha(straight) == sha(branch)
    assert words(straight.losses) == words(oracle.losses)
    assert branch.sample(5) == oracle.sample(5)
    session.run(until=4)
    assert sha(session) != sha(branch)


def test_what_is_left_out_beside_other_changes() -> None:
    texts = ["residual", "score_scale", "bias_correction", "layer0.head1", "layer1.mlp", "q[1, 3]@pos=2,step=2 = 0.5"]
    branch, oracle = changed(*texts), Changed(DOCS, **SHAPE)
    oracle.unjoined, oracle.unscaled, oracle.corrects = set(BOTH), {0, 1}, False
    oracle.off = off_everywhere("head_out", 0, 1, [0.0, 0.0]) | off_everywhere("mlp_fc2", 1, None, [0.0] * 4)
    oracle.set[2, ("q", 2, 1, None)] = {3: 0.5}
    follow(branch, oracle)


def test_the_sign_of_zero_is_kept_where_nothing_is_added() -> None:
    branch, oracle = changed("residual", "mlp_fc2[0]@pos=1,step=2 = -0.0"), Changed(DOCS, **SHAPE)
    oracle.unjoined = set(BOTH)
    oracle.set[2, ("mlp_fc2", 1, 0, None)] = dict.fromkeys(range(4), -0.0)
    follow(branch, oracle)


@pytest.mark.parametrize("text", ["layer0.mlp", "layer0.head0 = mean:2", "residual", "score_scale"])
def test_held_out_documents_are_read_by_the_changed_model(text: str) -> None:
    session = Session(Config(**SHAPE, val_fraction=0.7, val_every=1), DOCS)
    branch = session.branch([parse(text, session.scope)])
    branch.run(until=3)
    assert len(branch.val_docs) > 1
    for step, found in branch.view().validations.items():
        losses = []
        for doc in branch.val_docs:
            one = session.branch(branch.changes)
            one.seek(Moment(step))
            one.docs = [doc]
            one.take_up(step, one.start_of_step(), one.history)  # the same step anew, of this document
            one.seek(Moment(step, Phase.FORWARD, 1))
            one.seek(Moment(step, Phase.FORWARD, 10**9))
            losses.append(one.view().loss)
        assert found.loss == sum_in_order(losses) / len(losses)


@pytest.mark.parametrize(
    ("text", "names", "layer", "head"),
    [("layer1.head0", "head_out", 1, 0), ("layer0.mlp", "mlp_fc2", 0, None), ("layer0.pos1", "k v", 0, None)],
)
def test_the_mean_is_taken_over_the_next_documents(text: str, names: str, layer: int, head: int | None) -> None:
    branch, oracle, scout = changed(f"{text}@step=1 = mean:2"), Changed(DOCS, **SHAPE), Changed(DOCS, **SHAPE)
    follow(branch, oracle, 1)
    for step in (1, 2):  # the parameters as step 1 finds them, the documents of steps 1 and 2
        scout.step = step
        for name, numbers in oracle.params.items():
            for p, x in zip((p for row in scout.tables[name] for p in row), numbers, strict=True):
                p.data = x
        scout.train_step()
        for name in names.split():
            seen = [v for (n, _, la, h), v in scout.trace.items() if (n, la, h) == (name, layer, head)]
            oracle.off |= {(name, -step, layer, i): [s.data for s in v] for i, v in enumerate(seen)}
    found = {n: [v for (m, p, _, _), v in oracle.off.items() if m == n and (p or 0) < 0] for n in names.split()}
    where = [1] if "pos" in text else range(4)
    oracle.off = {
        (name, pos, layer, head): [
            reduce(add, column) / len(vectors)
            for column in zip(*vectors, strict=True)  # sum() is compensated from Python 3.12 on
        ]
        for name, vectors in found.items()
        for pos in where
    }
    follow(branch, oracle)


def test_rates_from_a_step_on() -> None:
    branch = changed("learning_rate@step=2 = 0.02", "beta1@step=3 = 0.5", "beta2@step=3 = 0.9")
    oracle = Changed(DOCS, **SHAPE)
    follow(branch, oracle, 2)
    oracle.learning_rate = 0.02
    follow(branch, oracle, 1)
    oracle.beta1, oracle.beta2 = 0.5, 0.9
    follow(branch, oracle, 2)
    assert branch.view().config.beta1 == 0.5


def test_samples_of_a_changed_run() -> None:
    branch, oracle = changed("temperature@step=3 = 2", "layer0.head1", "layer1.mlp@step=1"), Changed(DOCS, **SHAPE)
    oracle.off = off_everywhere("head_out", 0, 1, [0.0, 0.0])
    follow(branch, oracle, 1)
    oracle.off |= off_everywhere("mlp_fc2", 1, None, [0.0] * 4)
    follow(branch, oracle, 2)
    assert branch.sample(5) == oracle.sample(5, temperature=2.0)


def test_uncompiled_loops_too() -> None:
    session, oracle = Session(Config(**SHAPE), DOCS, kernels=plain_loops()), Changed(DOCS, **SHAPE)
    oracle.off = off_everywhere("mlp_fc2", 0, None, [0.0] * 4)
    branch = session.branch([Ablation(0, 0, "mlp"), SetScalar(0, "q", 0, (1,), (2,), 0.5)])
    oracle.set[0, ("q", 0, 1, None)] = {2: 0.5}
    follow(branch, oracle, 2)


def test_a_branch_begins_as_its_origin_and_does_not_change_it() -> None:
    session = Session(Config(**SHAPE), DOCS)
    session.run(until=25)
    before = shown(session)
    branch = session.branch([SetParameter(22, "wpe", (1,), 0.5), SetHyperparameter(23, "beta1", 0.0)])
    assert branch.step == 20  # the last keyframe that both have
    branch.run(until=25)
    assert shown(session) == before
    assert words(branch.losses[:22]) == words(session.losses[:22])
    assert branch.losses[22] != session.losses[22]
    branch.seek(Moment(5))
    session.seek(Moment(5))
    assert shown(branch)["params"] == shown(session)["params"]


@pytest.mark.parametrize(
    "text",
    [
        "layer0.head1@step=3 = mean:2",
        "wte[1]@step=2 = 0",
        "q[0]@pos=0,step=4 = 1",
        "residual@step=3",
        "score_scale@step=2",
        "bias_correction@step=4",
    ],
)
def test_moving_between_any_two_moments_of_a_branch(text: str) -> None:
    branch = changed(text)
    moments = [Moment(step, phase, tick) for step in (1, 2, 3, 4, 5) for phase in Phase for tick in (0, 40, 10**9)]
    onward = {}
    for moment in moments:
        branch.seek(moment)
        onward[moment] = shown(branch)
    random.Random(1).shuffle(moments)
    twin = branch.replay_copy()
    for moment in moments:
        branch.seek(moment)
        twin.seek(moment)
        there = {key: value for key, value in shown(branch).items() if key != "losses"}
        assert there.items() <= onward[moment].items()
        assert there.items() <= shown(twin).items()


def test_changing_a_branch_further_and_back() -> None:
    first, scope = changed("layer0.mlp@step=2"), Scope(Config(**SHAPE), changed().tokenizer)
    more = first.branch([*first.changes, parse("beta1@step=4 = 0", scope)])
    first.run(until=8)
    more.run(until=8)
    assert words(first.losses[:5]) == words(more.losses[:5])
    assert words(first.losses) != words(more.losses)
    less = more.branch(first.changes)
    less.run(until=8)
    assert sha(less) == sha(first)
    plain_again = first.branch(())
    plain_again.run(until=8)
    straight = Session(Config(**SHAPE), DOCS)
    straight.run(until=8)
    assert sha(plain_again) == sha(straight)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["layer0.head0@step=3 = mean:4"], ["layer0.head0@step=3 = mean:4", "layer0.mlp@step=1"]),
        (["wte@step=3 = 5", "wte@step=3 = 2"], ["wte@step=3 = 2", "wte@step=3 = 5"]),
        ([f"wte@step={SPACING} = 5", f"beta1@step={SPACING} = 0"], [f"beta1@step={SPACING} = 0"]),
    ],
    ids=["a mean that something earlier changes", "another order", "a value set where a keyframe is"],
)
def test_a_branch_of_a_branch_is_one_of_the_original(before: list[str], after: list[str]) -> None:
    scope, until = Scope(Config(**SHAPE), changed().tokenizer), SPACING + 3
    first = changed(*before)
    first.run(until)
    second, straight = first.branch([parse(text, scope) for text in after]), changed(*after)
    second.run(until)
    straight.run(until)
    assert words(second.losses) == words(straight.losses)
    assert sha(second) == sha(straight)


def test_a_run_without_the_mean_of_an_ablation_does_not_go_on() -> None:
    session = Session(Config(n_embd=4, n_head=2, block_size=4, learning_rate=2000.0, seed=3), ["anna", "ben", "cy"])
    branch = session.branch([Ablation(1, 0, "mlp", None, 20)])
    for _ in range(3):
        with pytest.raises(NumericFault, match="mean over 20 documents"):
            branch.seek(Moment(1, Phase.FORWARD, 5))
        assert branch.moment == Moment(1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (SetScalar(0, "q", 3, (0,), (1,), 1.0), "so there is no q at position 3"),
        (SetScalar(0, "scalar", None, (), (10**6,), 1.0), "there is no scalar 1000000 in step 0"),
        (SetScalar(0, "attn_weights", 0, (0, 1), (2,), 1.0), "attn_weights has 1 elements at position 0"),
    ],
)
def test_a_change_of_what_the_document_lacks_is_refused(change: Change, said: str) -> None:
    session = Session(tiny(n_layer=2), ["a"])
    with pytest.raises(ChangeError) as raised:
        session.branch([change])
    assert said in str(raised.value)


def test_the_terms_of_a_gradient_add_up_in_a_changed_run() -> None:
    """The terms that a debugger shows add up to the gradient, also where scalars are set or cut off."""
    session = Session(Config(**SHAPE), DOCS)
    event = next(s for s in session.program.events(Phase.FORWARD) if s.name == "attn_weights" and s.pos == 2)
    exp = int(event.parts["exp"][1])
    tick = session.program.tick_of(exp)
    assert tick is not None
    branch = session.branch([Ablation(0, 1, "head", 0), SetScalar(0, "scalar", None, (), (tick,), 3.0)])
    branch.seek(Moment(0, Phase.UPDATE, 0))
    view = branch.view()
    explain = TapeExplainer(view)
    assert view.made(exp) not in (None, 3.0)
    cut = branch.program.tensors["head_out", 1, 1, 0]
    assert view.made(int(cut[0])) not in (None, 0.0)
    assert [explain.gradient(child) for child in explain.children(int(cut[0]))] == [[], []]
    for row in (*explain.children(exp), int(cut[0]), *branch.program.tensors["attn_norm", 1, 1, None].tolist()):
        terms = explain.gradient(row)
        assert len(terms) == explain.planned(row) > 0
        assert terms[-1].after == branch.workspace.grad[row]
    chains = GradientPaths(view)
    weights = branch.program.tensors["attn_weights", 1, 1, 0]
    assert branch.workspace.grad[weights[0]] == 0
    assert chains.strongest(int(weights[0]), 3) == []  # no path leads through an ablated tensor
    slopes = {link.row: link.local for link in chains.edges(explain.children(exp)[0])}
    assert slopes == {exp: view.made(exp)}  # an exponential that was set keeps its slope
    assert not view.independent(np.array([exp, *weights])).any()
    assert view.independent(np.array(explain.children(int(cut[0])))).all()
