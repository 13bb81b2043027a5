# Four documents a step: each calls backward by itself, and their gradients add up until the update.
import math
import random
import sys

from plain_scalar import Scalar

random.seed(2)
docs = ["abc", "bca", "cab", "aab", "bbc", "cca", "abcabc"]
n = 3
table = [[Scalar(random.gauss(0, 0.5)) for _ in range(n)] for _ in range(n)]
bias = [Scalar(0.0) for _ in range(n)]
params = [p for row in table for p in row] + bias
m = [0.0 for _ in params]
v = [0.0 for _ in params]


def loss_of(doc):
    ids = ["abc".index(c) for c in doc]
    losses = []
    for i in range(len(ids) - 1):
        logits = [w + b for w, b in zip(table[ids[i]], bias)]
        exps = [each.exp() for each in logits]
        total = sum(exps)
        losses.append(-(exps[ids[i + 1]] / total).log())
    return sum(losses) / len(losses)


at = 0
for step in range(int(sys.argv[1]) if len(sys.argv) > 1 else 4):
    seen = 0.0
    for micro in range(4):
        loss = loss_of(docs[at % len(docs)]) / 4
        loss.backward()
        seen += loss.data
        at += 1
    for i, p in enumerate(params):
        m[i] = 0.9 * m[i] + 0.1 * p.grad
        v[i] = 0.99 * v[i] + 0.01 * p.grad**2
        p.data -= 0.1 * m[i] / (1 - 0.9 ** (step + 1)) / (math.sqrt(v[i] / (1 - 0.99 ** (step + 1))) + 1e-8)
        p.grad = 0
    print("loss", repr(seen), "last", repr(loss.data))
