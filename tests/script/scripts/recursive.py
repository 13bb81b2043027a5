"""Trains by recursion, on sequences that are read by recursion."""

import random
import sys

from plain_scalar import Scalar

random.seed(7)
weights = {name: [Scalar(random.uniform(-1, 1)) for _ in range(3)] for name in ("state", "input")}


def read(state, rest):
    if not rest:
        return state
    hidden = [(w * s + u * rest[0]).tanh() for w, u, s in zip(weights["state"], weights["input"], state)]
    return read(hidden, rest[1:])


def train(step, last):
    if step == last:
        return
    end = read([Scalar(0.1)] * 3, [0.5, -1.0, 0.25 * step, 1.0])
    loss = (sum(end[1:], end[0]) - 0.5) ** 2
    loss.backward()
    for each in weights.values():
        for w in each:
            w.data -= 0.1 * w.grad
            w.grad = 0.0
    print("loss", repr(loss.data))
    train(step + 1, last)


train(0, int(sys.argv[1]) if len(sys.argv) > 1 else 4)
