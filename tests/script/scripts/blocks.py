# Scalars as a dataclass, a class with __call__ for each block: RMS norm with gains, rotary positions, SwiGLU, a tied
# head, AdamW with a warm-up.
from __future__ import annotations

import math
import random
import sys
from dataclasses import dataclass


@dataclass(eq=False)
class Num:
    data: float
    parents: tuple = ()
    slopes: tuple = ()
    grad: float = 0.0

    def __add__(self, o):
        o = wrap(o)
        return Num(self.data + o.data, (self, o), (1.0, 1.0))

    def __mul__(self, o):
        o = wrap(o)
        return Num(self.data * o.data, (self, o), (o.data, self.data))

    def __pow__(self, k):
        return Num(self.data**k, (self,), (k * self.data ** (k - 1),))

    def exp(self):
        e = math.exp(self.data)
        return Num(e, (self,), (e,))

    def log(self):
        return Num(math.log(self.data), (self,), (1 / self.data,))

    def sigmoid(self):
        s = 1 / (1 + math.exp(-self.data))
        return Num(s, (self,), (s * (1 - s),))

    __radd__ = __add__
    __rmul__ = __mul__

    def __sub__(self, o):
        return self + -wrap(o)

    def __neg__(self):
        return self * -1.0

    def __truediv__(self, o):
        return self * wrap(o) ** -1

    def backward(self):
        order, seen, stack = [], set(), [(self, 0)]
        while stack:
            v, i = stack.pop()
            if i == 0:
                if id(v) in seen:
                    continue
                seen.add(id(v))
            if i < len(v.parents):
                stack.append((v, i + 1))
                stack.append((v.parents[i], 0))
            else:
                order.append(v)
        self.grad = 1.0
        for v in reversed(order):
            for p, s in zip(v.parents, v.slopes):
                p.grad += s * v.grad


def wrap(x):
    return x if isinstance(x, Num) else Num(float(x))


@dataclass
class Conf:
    dim: int = 4
    heads: int = 2
    layers: int = 2
    ctx: int = 4
    hidden: int = 6


rng = random.Random(7)


def mat(r, c, s=0.3):
    return [[Num(rng.gauss(0, s)) for _ in range(c)] for _ in range(r)]


def matvec(w, x):
    return [sum((a * b for a, b in zip(row, x)), Num(0.0)) for row in w]


class Norm:
    def __init__(self, n):
        self.gain = [Num(1.0) for _ in range(n)]

    def __call__(self, x):
        ms = sum(v * v for v in x) / len(x)
        r = (ms + 1e-5) ** -0.5
        return [g * (v * r) for g, v in zip(self.gain, x)]


def rotate(x, pos):
    out = list(x)
    for i in range(0, len(x), 2):
        t = pos / 100 ** (i / len(x))
        c, s = math.cos(t), math.sin(t)
        out[i] = x[i] * c - x[i + 1] * s
        out[i + 1] = x[i] * s + x[i + 1] * c
    return out


def softmax(z):
    top = max(v.data for v in z)
    e = [(v - top).exp() for v in z]
    tot = sum(e)
    return [v / tot for v in e]


class Attention:
    def __init__(self, c):
        self.c = c
        self.wq, self.wk, self.wv, self.wo = (mat(c.dim, c.dim) for _ in range(4))

    def __call__(self, x, pos, cache):
        q, k, v = matvec(self.wq, x), matvec(self.wk, x), matvec(self.wv, x)
        d = self.c.dim // self.c.heads
        cache.append((k, v))
        joined = []
        for head in range(self.c.heads):
            cut = slice(head * d, head * d + d)
            qr = rotate(q[cut], pos)
            scores = [sum(a * b for a, b in zip(qr, rotate(kk[cut], t))) / d**0.5 for t, (kk, _) in enumerate(cache)]
            weights = softmax(scores)
            joined += [sum(weights[t] * cache[t][1][cut][j] for t in range(len(cache))) for j in range(d)]
        return matvec(self.wo, joined)


class SwiGLU:
    def __init__(self, c):
        self.up, self.gate, self.down = mat(c.hidden, c.dim), mat(c.hidden, c.dim), mat(c.dim, c.hidden)

    def __call__(self, x):
        a = matvec(self.up, x)
        g = matvec(self.gate, x)
        act = [u * (h * h.sigmoid()) for u, h in zip(a, g)]
        return matvec(self.down, act)


class Block:
    def __init__(self, c):
        self.n1, self.att, self.n2, self.ff = Norm(c.dim), Attention(c), Norm(c.dim), SwiGLU(c)

    def __call__(self, x, pos, cache):
        x = [a + b for a, b in zip(x, self.att(self.n1(x), pos, cache))]
        x = [a + b for a, b in zip(x, self.ff(self.n2(x)))]
        return x


class Model:
    def __init__(self, c, vocab):
        self.emb = mat(vocab, c.dim)
        self.blocks = [Block(c) for _ in range(c.layers)]
        self.final = Norm(c.dim)

    def forward(self, tok, pos, caches):
        x = self.emb[tok]
        for depth, block in enumerate(self.blocks):
            x = block(x, pos, caches[depth])
        x = self.final(x)
        return matvec(self.emb, x)

    def params(self):
        out = [p for row in self.emb for p in row] + self.final.gain
        for b in self.blocks:
            out += b.n1.gain + b.n2.gain
            for w in (b.att.wq, b.att.wk, b.att.wv, b.att.wo, b.ff.up, b.ff.gate, b.ff.down):
                out += [p for r in w for p in r]
        return out


class AdamW:
    def __init__(self, ps):
        self.ps = ps
        self.m = [0.0] * len(ps)
        self.v = [0.0] * len(ps)
        self.t = 0

    def step(self, lr):
        self.t += 1
        for i, p in enumerate(self.ps):
            self.m[i] = 0.9 * self.m[i] + 0.1 * p.grad
            self.v[i] = 0.99 * self.v[i] + 0.01 * p.grad**2
            mh = self.m[i] / (1 - 0.9**self.t)
            vh = self.v[i] / (1 - 0.99**self.t)
            p.data -= lr * (mh / (vh**0.5 + 1e-8) + 0.01 * p.data)
            p.grad = 0.0


words = "rose tulip lily iris aster daisy poppy violet".split()
chars = [".", *sorted(set("".join(words)))]
conf = Conf()
model = Model(conf, len(chars))
opt = AdamW(model.params())
steps = int(sys.argv[1]) if len(sys.argv) > 1 else 5
for step in range(steps):
    word = words[step % len(words)]
    toks = [0, *map(chars.index, word), 0]
    n = min(conf.ctx, len(toks) - 1)
    caches = [[] for _ in range(conf.layers)]
    losses = []
    for pos in range(n):
        logits = model.forward(toks[pos], pos, caches)
        probs = softmax(logits)
        losses.append(-probs[toks[pos + 1]].log())
    loss = sum(losses) / n
    loss.backward()
    opt.step(0.01 * min(1.0, (step + 1) / 4))
    print("step", step, "loss", repr(loss.data))
