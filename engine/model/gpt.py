"""The model, written once: what `microgpt.py` computes for one token, in terms of `Value`.

Knows nothing of numbers, training or time: it only says what is made from what. Every tensor gets its name
here, and the line that names it is the line that a debugger shows.
"""

from __future__ import annotations

from typing import Any

from engine.autograd.tape import Largest, Matrix, Value, name, operation, part
from engine.model.config import Config

Scalar = Any  # a Value; sum() says it may be an int as well
Vector = list[Scalar]
EPSILON = 1e-5  # keeps rmsnorm from dividing by zero


@operation
def embed(token: Vector, position: Vector) -> Vector:
    """What the character is, plus where it stands: (n_embd,)."""
    return [t + p for t, p in zip(token, position)]


@operation
def rmsnorm(x: Vector) -> Vector:
    """x scaled to a root mean square of 1 (Zhang & Sennrich 2019, without the gain): (n,) to (n,)."""
    mean_square = part("mean_square", sum(xi * xi for xi in x) / len(x))
    scale = part("scale", (mean_square + EPSILON) ** -0.5)
    return [xi * scale for xi in x]


@operation
def linear(x: Vector, w: Matrix) -> Vector:
    """w @ x, one dot product a row: (n_in,) and (n_out, n_in) to (n_out,)."""
    return [sum(wi * xi for wi, xi in zip(row, x)) for row in w]


@operation
def scores(q: Vector, keys: list[Vector]) -> Vector:
    """How well the query fits each kept key, scaled (Vaswani et al. 2017): (head_dim,) and (t, head_dim) to (t,)."""
    return [sum(qj * kj for qj, kj in zip(q, k)) / len(q) ** 0.5 for k in keys]


@operation
def softmax(logits: Vector) -> Vector:
    """Shares that add up to 1: (n,) to (n,). The largest is taken off first, so exp cannot overflow."""
    largest = Largest(logits)
    exps = part("exp", [(logit - largest).exp() for logit in logits])
    total = part("total", sum(exps))
    return [e / total for e in exps]


@operation
def weighted_sum(weights: Vector, values: list[Vector]) -> Vector:
    """The kept values, mixed by the weights: (t,) and (t, head_dim) to (head_dim,)."""
    return [sum(w * v[j] for w, v in zip(weights, values)) for j in range(len(values[0]))]


@operation
def add(x: Vector, x_residual: Vector) -> Vector:
    """The block's result added to the residual stream: (n,) and (n,) to (n,)."""
    return [a + b for a, b in zip(x, x_residual)]


@operation
def relu(x: Vector) -> Vector:
    """max(0, x), element by element: (n,) to (n,)."""
    return [xi.relu() for xi in x]


@operation
def nll(probs: Vector, target: int) -> Scalar:
    """How surprised the model is by the token that really came: -log p."""
    return -probs[target].log()


@operation
def mean(losses: Vector) -> Scalar:
    """The loss of the document: the mean over its positions."""
    return (1 / len(losses)) * sum(losses)


@operation
def temper(logits: Vector, reciprocal: Value) -> Vector:
    """The logits divided by the temperature, that is, times its reciprocal: (n,) to (n,)."""
    return [logit * reciprocal for logit in logits]


KVCache = list[list[Vector]]  # per layer, one vector a position so far


def attention(x: Vector, li: int, keys: KVCache, values: KVCache, w: dict[str, Matrix], config: Config) -> Vector:
    """Multi-head causal self-attention and its residual. The future is not masked: it has not been made yet."""
    x_residual = x
    x = name("attn_norm", rmsnorm(x), li)
    q = name("q", linear(x, w[f"layer{li}.attn_wq"]), li)
    k = name("k", linear(x, w[f"layer{li}.attn_wk"]), li)
    v = name("v", linear(x, w[f"layer{li}.attn_wv"]), li)
    keys[li].append(k)
    values[li].append(v)
    x_attn: Vector = []
    for h in range(config.n_head):
        head = slice(h * config.head_dim, (h + 1) * config.head_dim)
        attn_logits = name("attn_logits", scores(q[head], [k_t[head] for k_t in keys[li]]), li, h)
        attn_weights = name("attn_weights", softmax(attn_logits), li, h)
        x_attn += name("head_out", weighted_sum(attn_weights, [v_t[head] for v_t in values[li]]), li, h)
    x = name("attn_out", linear(x_attn, w[f"layer{li}.attn_wo"]), li)
    return name("attn_residual", add(x, x_residual), li)


def mlp(x: Vector, li: int, w: dict[str, Matrix]) -> Vector:
    """The two-layer perceptron and its residual: wide, ReLU, narrow again."""
    x_residual = x
    x = name("mlp_norm", rmsnorm(x), li)
    x = name("mlp_fc1", linear(x, w[f"layer{li}.mlp_fc1"]), li)
    x = name("mlp_relu", relu(x), li)
    x = name("mlp_fc2", linear(x, w[f"layer{li}.mlp_fc2"]), li)
    return name("mlp_residual", add(x, x_residual), li)


def gpt(token_id: int, pos_id: int, keys: KVCache, values: KVCache, w: dict[str, Matrix], config: Config) -> Vector:
    """One token at one position, after the tokens whose keys and values are kept: the logits, (vocab_size,)."""
    x = name("embed", embed(w["wte"][token_id], w["wpe"][pos_id]))
    x = name("embed_norm", rmsnorm(x))
    for li in range(config.n_layer):
        x = attention(x, li, keys, values, w, config)
        x = mlp(x, li, w)
    return name("logits", linear(x, w["lm_head"]))


def loss_at(logits: Vector, target_id: int) -> Scalar:
    """The loss of one position: softmax over the vocabulary, then -log p of the target."""
    probs = name("probs", softmax(logits))
    return name("loss_t", nll(probs, target_id))


def document_loss(losses: Vector) -> Scalar:
    """The loss of a whole document."""
    return name("loss", mean(losses))


def next_token(logits: Vector, reciprocal: Value) -> Vector:
    """The probabilities that a sample is drawn from, (vocab_size,)."""
    tempered = name("tempered", temper(logits, reciprocal))
    return name("next_probs", softmax(tempered))
