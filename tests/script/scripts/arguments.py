"""A linear model whose options come from the command line."""

import argparse
import random

from plain_scalar import Scalar

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("steps", type=int, nargs="?", default=3)
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--clip", type=float, default=1.0)
parser.add_argument("--width", type=int, default=4)
args = parser.parse_args()

random.seed(4)
weights = [Scalar(random.gauss(0, 1)) for _ in range(args.width)]
for step in range(args.steps):
    x = [random.gauss(0, 1) for _ in range(args.width)]
    y = sum(x)
    loss = (sum(w * xi for w, xi in zip(weights, x)) - y) ** 2
    loss.backward()
    norm = Scalar(0)
    for w in weights:
        norm = norm + w.grad**2
    scale = min(1.0, args.clip / (norm**0.5).data)
    for w in weights:
        change = Scalar(args.lr) * scale * w.grad
        w.data -= change.data
        w.grad = 0
    print("loss", repr(loss.data))
