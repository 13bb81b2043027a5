"""The network of a position is derived from the events: its edges, its stream, its branches, in models of any shape."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from engine import Config, Session
from engine.timeline.events import Event, EventKey, Moment, Phase
from microgpt_tui.debugger.network import Network, network_of
from tests.support.changed_model import Change

Record = Callable[..., Session]


@cache
def run_of(layers: int, heads: int) -> Session:
    config = Config(n_layer=layers, n_head=heads, n_embd=8, block_size=4, num_steps=5, seed=3)
    run = Session(config, ["anna"])
    run.seek(Moment())
    return run


def network(layers: int, heads: int, pos: int = 2) -> Network:
    return network_of(run_of(layers, heads).program, pos)


def reads(found: Network, name: str, layer: int | None = 0) -> list[str]:
    node = next(n for n in found.nodes if (n.name, n.layer) == (name, layer))
    return [other.name for other in found.reads(node)]


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
@pytest.mark.parametrize("heads", [1, 2, 4, 8])
def test_who_reads_whom_in_every_layer(layers: int, heads: int) -> None:
    found = network(layers, heads)
    for layer in range(layers):
        assert reads(found, "q", layer) == ["attn_norm"]
        assert reads(found, "attn_logits", layer) == ["q", "k"]
        assert reads(found, "head_out", layer) == ["v", "attn_weights"]
        assert reads(found, "attn_out", layer) == ["head_out"]
        assert reads(found, "attn_residual", layer) == ["embed_norm" if layer == 0 else "mlp_residual", "attn_out"]
        weights = next(n for n in found.nodes if (n.name, n.layer) == ("attn_weights", layer))
        assert [event.head for event in weights.events] == list(range(heads))
    assert reads(found, "logits", None) == ["mlp_residual"]
    assert reads(found, "loss", None) == ["loss_t"]
    assert len(found.nodes) == 6 + 14 * layers
    assert sum(len(n.events) for n in found.nodes) == len(
        [s for s in run_of(layers, heads).program.events(Phase.FORWARD) if s.pos in (2, None)]
    )


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_the_stream_is_what_additions_hand_on_and_branches_hang_on_it(layers: int) -> None:
    found = network(layers, 2)
    assert [found.nodes[place].name for place in found.spine] == [
        "embed_norm",
        *["attn_residual", "mlp_residual"] * layers,
    ]
    assert [branch.label for branch in found.branches] == ["attn", "mlp"] * layers
    first = found.branches[0]
    assert [found.nodes[place].name for place in first.members] == [
        "attn_norm", "q", "k", "v", "attn_logits", "attn_weights", "head_out", "attn_out",
    ]  # fmt: skip
    assert all(found.branch_of(found.nodes[place]) is first for place in (*first.members, first.end))
    assert found.branch_of(found.nodes[first.start]) is None


def test_earlier_positions_are_read_where_keys_and_values_are_kept() -> None:
    found = network(2, 2)
    assert [(node.name, node.layer) for node in found.kept] == [("k", 0), ("v", 0), ("k", 1), ("v", 1)]
    assert network(2, 2, pos=0).kept == ()
    assert found.nodes[0].taken == (("wte", run_of(2, 2).program.inputs[2]), ("wpe", 2))


def test_names_are_short_within_a_branch_and_stay_different() -> None:
    found = network(1, 2)
    labels = {node.name: node.label for node in found.nodes}
    assert [labels[name] for name in ("attn_norm", "attn_weights", "mlp_fc1", "embed_norm", "q", "logits")] == [
        "norm", "weights", "fc1", "norm", "q", "logits",
    ]  # fmt: skip
    within = [(node.layer, node.block, node.label) for node in found.nodes]
    assert len(set(within)) == len(within)
    assert ["q", "k", "v"] in [[node.label for node in beside] for beside in found.siblings]


def test_a_model_without_layers_has_no_stream() -> None:
    found = network(0, 2)
    assert (found.spine, found.branches, found.kept) == ((), (), ())
    assert [node.name for node in found.nodes] == ["embed", "embed_norm", "logits", "probs", "loss_t", "loss"]


def test_walking_up_down_and_sideways() -> None:
    found, program = network(1, 2), run_of(1, 2).program

    def event(name: str, head: int | None = None) -> EventKey:
        layer = None if name in ("logits", "embed", "embed_norm", "loss_t") else 0
        return name, 2, layer, head

    def at(name: str, head: int | None = None) -> Event:
        made = program.find(Phase.FORWARD, event(name, head))
        assert made is not None
        return made

    names = [found.above(at(*place), 1) for place in (("q",), ("attn_logits", 1), ("attn_weights", 1), ("head_out", 1))]
    assert names == [event("attn_logits", 1), event("attn_weights", 1), event("head_out", 1), event("attn_out")]
    assert found.below(at("attn_residual")) == event("attn_out")
    assert found.below(at("head_out", 1)) == event("attn_weights", 1)
    assert found.below(at("embed")) is None
    assert found.above(at("loss_t")) == ("loss", None, None, None)
    assert found.sibling(at("q"), 1) == event("k")
    assert found.sibling(at("q"), -1) is None
    assert found.sibling(at("attn_weights", 0), 1) == event("attn_weights", 1)
    assert found.sibling(at("attn_residual"), 1) == event("mlp_residual")
    assert found.sibling(at("attn_residual"), -1) == event("embed_norm")


@pytest.fixture
def recorded(change: Change) -> Record:
    """Records a run of a copy of the model's file with some texts in the places of others."""

    def changed(*texts: tuple[str, str]) -> Session:
        change(*texts)
        return Session(Config(n_layer=1, n_embd=4, n_head=2, block_size=3, num_steps=5, seed=3), ["anna"])

    return changed


def test_another_operation_finds_its_place(recorded: Record) -> None:
    relu = '''@operation
def relu(x: Vector) -> Vector:
    """max(0, x), element by element: (n,) to (n,)."""
    return [xi.relu() for xi in x]
'''
    gelu = '''@operation
def gelu(x: Vector) -> Vector:
    """x times its logistic sigmoid: (n,) to (n,)."""
    return [xi / (1.0 + (xi * -1.702).exp()) for xi in x]
'''
    run = recorded((relu, gelu), ('"mlp_relu", relu(x)', '"mlp_gelu", gelu(x)'))
    found = network_of(run.program, 1)
    assert [found.nodes[place].label for place in found.branches[1].members] == ["norm", "fc1", "gelu", "fc2"]
    assert reads(found, "mlp_gelu") == ["mlp_fc1"]


def test_without_additions_there_is_no_stream(recorded: Record) -> None:
    run = recorded(("attn_residual\", add(x, x_residual)", "attn_residual\", rmsnorm(x)"),
                   ("mlp_residual\", add(x, x_residual)", "mlp_residual\", rmsnorm(x)"))  # fmt: skip
    found = network_of(run.program, 1)
    assert (found.spine, found.branches) == ((), ())
    assert reads(found, "mlp_norm") == ["attn_residual"]
    assert [node.block for node in found.nodes if node.layer == 0] == ["attention"] * 9 + ["mlp"] * 5
