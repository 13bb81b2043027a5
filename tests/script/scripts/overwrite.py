# Weights are kept in bounds and activations are rounded, both by writing .data in the forward pass.
import random
import sys

from plain_scalar import Scalar

random.seed(18)
weights = [[Scalar(random.gauss(0, 1)) for _ in range(3)] for _ in range(3)]
out = [Scalar(random.gauss(0, 1)) for _ in range(3)]
params = [w for row in weights for w in row] + out


def rounded(x):
    y = x * 1.0
    y.data = round(y.data, 2)
    return y


for step in range(int(sys.argv[1]) if len(sys.argv) > 1 else 4):
    x = [Scalar(random.gauss(0, 1)) for _ in range(3)]
    for w in params:
        w.data = max(-0.8, min(0.8, w.data))
    h = [sum(w * a for w, a in zip(row, x)).relu() for row in weights]
    h = [rounded(each) for each in h]
    answer = sum(w * a for w, a in zip(out, h))
    loss = (answer - 1.0) ** 2
    loss.data += 0.125
    loss.backward()
    for w in params:
        w.data -= 0.05 * w.grad
        w.grad = 0
    print("loss", repr(loss.data))
