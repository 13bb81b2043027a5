"""The oracle: the same GPT in plain Python, one object per scalar, every graph built anew. Slow, short, obvious.

Knows nothing of the engine and imports nothing of it, so what the two agree on is not agreed by construction.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence

Place = tuple[str, int | None, int | None, int | None]  # name, position, layer, head


class Scalar:
    """A number, what it was made from (`below`), and its slope with respect to each of those."""

    __slots__ = ("below", "data", "grad", "slopes")

    def __init__(self, data: float, below: tuple[Scalar, ...] = (), slopes: tuple[float, ...] = ()) -> None:
        self.data, self.grad = data, 0.0
        self.below, self.slopes = below, slopes

    def __add__(self, other: Scalar | float) -> Scalar:
        if not isinstance(other, Scalar):
            other = Scalar(other)
        return Scalar(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other: Scalar | float) -> Scalar:
        if not isinstance(other, Scalar):
            other = Scalar(other)
        return Scalar(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, n: float) -> Scalar:
        return Scalar(self.data**n, (self,), (n * self.data ** (n - 1),))

    __radd__ = __add__  # sum() begins with 0 + first
    __rmul__ = __mul__

    def __neg__(self) -> Scalar:
        return self * -1

    def __sub__(self, other: Scalar | float) -> Scalar:
        return self + (-other)

    def __rsub__(self, other: float) -> Scalar:
        return other + (-self)

    def __truediv__(self, other: Scalar | float) -> Scalar:
        return self * other**-1

    def __rtruediv__(self, other: float) -> Scalar:
        return other * self**-1

    def log(self) -> Scalar:
        return Scalar(math.log(self.data), (self,), (1 / self.data,))

    def exp(self) -> Scalar:
        e = math.exp(self.data)
        return Scalar(e, (self,), (e,))

    def relu(self) -> Scalar:
        return Scalar(max(0, self.data), (self,), (float(self.data > 0),))


Vector = list[Scalar]
Table = list[Vector]


def post_order(root: Scalar) -> list[Scalar]:
    """Everything `root` rests on, each scalar after all below it, left before right. Its own stack: graphs are deep."""
    done: list[Scalar] = []
    met = {root}
    path: list[tuple[Scalar, Iterator[Scalar]]] = [(root, iter(root.below))]
    while path:
        scalar, waiting = path[-1]
        for lower in waiting:
            if lower not in met:
                met.add(lower)
                path.append((lower, iter(lower.below)))
                break
        else:
            done.append(scalar)
            path.pop()
    return done


def flow_back(root: Scalar) -> None:
    """Add to every scalar's `grad` the derivative of `root` by it."""
    root.grad = 1.0
    for scalar in reversed(post_order(root)):
        for lower, slope in zip(scalar.below, scalar.slopes, strict=True):
            lower.grad += slope * scalar.grad


def apply(table: Table, x: Vector) -> Vector:
    """The product of a matrix and a vector."""
    return [sum(w * xi for w, xi in zip(row, x, strict=True)) for row in table]


def shares(logits: Vector) -> Vector:
    """Softmax, with the largest logit taken off as a plain number."""
    top = max(logit.data for logit in logits)
    heights = [(logit - top).exp() for logit in logits]
    whole = sum(heights)
    return [height / whole for height in heights]


def normed(x: Vector) -> Vector:
    """RMSNorm without a gain."""
    factor = (sum(xi * xi for xi in x) / len(x) + 1e-5) ** -0.5
    return [xi * factor for xi in x]


class PlainGPT:
    """A run on `docs`. After a step, `trace` has its tensors and `grads` the gradients that moved the parameters."""

    def __init__(
        self, docs: Sequence[str], *, n_layer: int = 1, n_embd: int = 16, block_size: int = 16, n_head: int = 4,
        num_steps: int = 1000, learning_rate: float = 0.01, beta1: float = 0.85, beta2: float = 0.99, seed: int = 42,
    ) -> None:  # fmt: skip
        self.n_layer, self.block_size, self.n_head, self.head_dim = n_layer, block_size, n_head, n_embd // n_head
        self.num_steps, self.learning_rate, self.beta1, self.beta2 = num_steps, learning_rate, beta1, beta2
        self.random = random.Random(seed)
        self.docs = list(docs)
        self.random.shuffle(self.docs)
        self.alphabet = sorted({char for doc in docs for char in doc})
        self.bos = len(self.alphabet)
        sizes = {"wte": (self.bos + 1, n_embd), "wpe": (block_size, n_embd), "lm_head": (self.bos + 1, n_embd)}
        for layer in range(n_layer):
            sizes |= {f"layer{layer}.attn_w{letter}": (n_embd, n_embd) for letter in "qkvo"}
            sizes |= {f"layer{layer}.mlp_fc1": (4 * n_embd, n_embd), f"layer{layer}.mlp_fc2": (n_embd, 4 * n_embd)}
        self.tables: dict[str, Table] = {
            name: [[Scalar(self.random.gauss(0, 0.08)) for _ in range(wide)] for _ in range(high)]
            for name, (high, wide) in sizes.items()
        }
        self.m = {name: [0.0] * (high * wide) for name, (high, wide) in sizes.items()}
        self.v = {name: [0.0] * (high * wide) for name, (high, wide) in sizes.items()}
        self.step = 0
        self.losses: list[float] = []
        self.trace: dict[Place, Vector] = {}
        self.grads: dict[str, list[float]] = {}

    @property
    def params(self) -> dict[str, list[float]]:
        """The parameters by name, each matrix row after row."""
        return {name: [p.data for row in table for p in row] for name, table in self.tables.items()}

    def train_step(self) -> float:
        """One document forward, backward, and one move by Adam; returns the loss before the move."""
        loss = self.loss_of(self.docs[self.step % len(self.docs)])
        flow_back(loss)
        self.grads = {name: [p.grad for row in table for p in row] for name, table in self.tables.items()}
        self._move()
        self.losses.append(loss.data)
        self.step += 1
        return loss.data

    def loss_of(self, doc: str) -> Scalar:
        """One document forward: the mean of its positions' losses."""
        tokens = [self.bos, *map(self.alphabet.index, doc), self.bos]
        n = min(self.block_size, len(tokens) - 1)
        past = Past(self.n_layer)
        self.trace = {}
        surprises = []
        for pos in range(n):
            probs = self._keep("probs", shares(self.logits(tokens[pos], pos, past)), pos)
            surprises += self._keep("loss_t", [-probs[tokens[pos + 1]].log()], pos)
        (loss,) = self._keep("loss", [(1 / n) * sum(surprises)])
        return loss

    def sample(self, n: int = 20, temperature: float = 0.5) -> list[str]:
        """`n` new documents, drawn on from the generator that shuffled the old ones."""
        return ["".join(self._document(temperature)) for _ in range(n)]

    def _document(self, temperature: float) -> Iterator[str]:
        token, past = self.bos, Past(self.n_layer)
        for pos in range(self.block_size):
            probs = shares([logit / temperature for logit in self.logits(token, pos, past)])
            token = self.random.choices(range(self.bos + 1), weights=[p.data for p in probs])[0]
            if token == self.bos:
                return
            yield self.alphabet[token]

    def logits(self, token: int, pos: int, past: Past) -> Vector:
        """What the model makes of one token after those whose keys and values `past` holds; adds this one's."""
        embedded = [t + p for t, p in zip(self.tables["wte"][token], self.tables["wpe"][pos], strict=True)]
        x = self._keep("embed_norm", normed(self._keep("embed", embedded, pos)), pos)
        for layer in range(self.n_layer):
            x = self._attend(x, pos, layer, past)
            stream = x
            for name, table in (("mlp_norm", None), ("mlp_fc1", "mlp_fc1"), ("mlp_relu", None), ("mlp_fc2", "mlp_fc2")):
                if table:
                    x = apply(self.tables[f"layer{layer}.{table}"], x)
                else:
                    x = normed(x) if name == "mlp_norm" else [xi.relu() for xi in x]
                x = self._keep(name, x, pos, layer)
            x = self._keep("mlp_residual", self._joined(x, stream, "mlp", layer), pos, layer)
        return self._keep("logits", apply(self.tables["lm_head"], x), pos)

    def _attend(self, stream: Vector, pos: int, layer: int, past: Past) -> Vector:
        x = self._keep("attn_norm", normed(stream), pos, layer)
        q, k, v = (
            self._keep(letter, apply(self.tables[f"layer{layer}.attn_w{letter}"], x), pos, layer) for letter in "qkv"
        )
        past.keys[layer].append(k)
        past.values[layer].append(v)
        gathered: Vector = []
        for head in range(self.n_head):
            mine = range(head * self.head_dim, (head + 1) * self.head_dim)
            fits = [self._scaled(sum(q[j] * key[j] for j in mine), layer) for key in past.keys[layer]]
            weights = shares(self._keep("attn_logits", fits, pos, layer, head))
            self._keep("attn_weights", weights, pos, layer, head)
            mixed = [sum(w * value[j] for w, value in zip(weights, past.values[layer], strict=True)) for j in mine]
            gathered += self._keep("head_out", mixed, pos, layer, head)
        out = self._keep("attn_out", apply(self.tables[f"layer{layer}.attn_wo"], gathered), pos, layer)
        return self._keep("attn_residual", self._joined(out, stream, "attn", layer), pos, layer)

    def _joined(self, x: Vector, stream: Vector, block: str, layer: int) -> Vector:
        """What a block has made, added to the stream that it has read."""
        return [a + b for a, b in zip(x, stream, strict=True)]

    def _scaled(self, fit: Scalar, layer: int) -> Scalar:
        """A product of query and key as a score."""
        return fit / self.head_dim**0.5

    def _keep(
        self, name: str, values: Vector, pos: int | None = None, layer: int | None = None, head: int | None = None
    ) -> Vector:
        self.trace[name, pos, layer, head] = values
        return values

    def _corrected(self, moment: float, beta: float) -> float:
        """A moment without its bias to the 0 that it began at."""
        return moment / (1 - beta ** (self.step + 1))

    def _move(self) -> None:
        rate = self.learning_rate * (1 - self.step / self.num_steps)
        for name, table in self.tables.items():
            m, v = self.m[name], self.v[name]
            for i, p in enumerate(p for row in table for p in row):
                m[i] = self.beta1 * m[i] + (1 - self.beta1) * p.grad
                v[i] = self.beta2 * v[i] + (1 - self.beta2) * p.grad**2
                m_hat, v_hat = self._corrected(m[i], self.beta1), self._corrected(v[i], self.beta2)
                p.data -= rate * m_hat / (v_hat**0.5 + 1e-8)
                p.grad = 0.0


class Past:
    """The keys and values of the tokens read so far, a list a layer."""

    def __init__(self, n_layer: int) -> None:
        self.keys: list[Table] = [[] for _ in range(n_layer)]
        self.values: list[Table] = [[] for _ in range(n_layer)]
