"""The specs of tensors and matrices, derived from the recorded model, equal a list written by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine import Config
from engine.model.recording import record, specs_of
from tests.engine.test_plain_oracle import configurations
from tests.support.float_bits import tiny


@given(configurations(widest=10), st.integers(1, 12))
def test_specs_are_what_the_model_has(config: dict[str, Any], vocab_size: int) -> None:
    c = Config(**config)
    layer = {"layer": c.n_layer}
    head, wide = layer | {"head": c.n_head}, (c.n_embd,)
    longest, inner = (c.block_size,), (4 * c.n_embd,)
    in_layers: dict[str, tuple[dict[str, int], tuple[int, ...]]] = {
        **dict.fromkeys(("attn_norm", "q", "k", "v"), (layer, wide)),
        "attn_logits": (head, longest),
        "attn_weights": (head, longest),
        "head_out": (head, (c.head_dim,)),
        **dict.fromkeys(("attn_out", "attn_residual", "mlp_norm"), (layer, wide)),
        **dict.fromkeys(("mlp_fc1", "mlp_relu"), (layer, inner)),
        **dict.fromkeys(("mlp_fc2", "mlp_residual"), (layer, wide)),
    }
    expected: dict[str, tuple[dict[str, int], tuple[int, ...]]] = {
        **dict.fromkeys(("embed", "embed_norm"), ({}, wide)),
        **(in_layers if c.n_layer else {}),
        **dict.fromkeys(("logits", "probs"), ({}, (vocab_size,))),
        "loss_t": ({}, ()),
        **{name: ({}, shape) for name, shape in c.matrices(vocab_size).items()},
    }
    specs = record(c, vocab_size).specs
    assert {name: (spec.places, spec.shape) for name, spec in specs.items()} == expected
    assert list(specs) == list(expected)
    assert [name for name, spec in specs.items() if spec.parameter] == list(c.matrices(vocab_size))
    assert {name for name, spec in specs.items() if spec.tokens} == {"logits", "probs", "wte", "lm_head"}
    layers = {name: spec.layer for name, spec in specs.items() if spec.layer is not None}
    assert layers == {name: int(name[5]) for name in c.matrices(vocab_size) if name.startswith("layer")}
    growing = {"attn_logits", "attn_weights"} if c.n_layer and c.block_size > 1 else set()
    assert {name for name, spec in specs.items() if spec.grows} == growing
    assert specs_of(c, vocab_size) == specs


def test_specs_name_the_operation_and_the_inputs_of_a_tensor() -> None:
    specs = record(tiny(n_layer=2), 5).specs
    made = {name: (specs[name].kind, specs[name].inputs) for name in ("embed", "attn_out", "attn_residual", "loss_t")}
    assert made == {
        "embed": ("embed", ("wte", "wpe")),
        "attn_out": ("linear", ("head_out", "layer0.attn_wo", "layer1.attn_wo")),
        "attn_residual": ("add", ("attn_out", "embed_norm", "mlp_residual")),
        "loss_t": ("nll", ("probs",)),
    }


def test_a_span_finds_its_tensors_by_their_role() -> None:
    span = record(tiny(n_layer=2), 5).positions[1]
    assert [t.name for t in (span.embedding, span.logits, span.probs, span.loss)] == [
        "embed", "logits", "probs", "loss_t",
    ]  # fmt: skip
    assert [(tensor.name, tensor.layer) for tensor in span.residual_stream] == [
        ("embed", None), ("embed_norm", None), ("attn_residual", 0), ("mlp_residual", 0),
        ("attn_residual", 1), ("mlp_residual", 1),
    ]  # fmt: skip


def test_specs_of_a_long_context_record_two_positions_only() -> None:
    config = tiny(block_size=2000)
    assert specs_of(config, 5)["attn_weights"].shape == (2000,)
    assert specs_of(config, 5)["wpe"].shape[0] == 2000
    assert specs_of(replace(config, block_size=1), 5)["attn_weights"].shape == (1,)


def test_the_matrix_of_a_row() -> None:
    recording = record(tiny(n_layer=2), 5)
    for name, rows in recording.matrices.items():
        for i, j in ((0, 0), (rows.shape[0] - 1, rows.shape[1] - 1)):
            assert recording.matrix_of(int(rows[i, j])) == (name, i, j)
    assert recording.matrix_of(recording.n_params) is None
    assert recording.matrix_of(-1) is None
