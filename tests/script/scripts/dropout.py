# Dropout while it trains, a validation loss after each update, and an end as soon as that gets worse twice.
import random
import sys

from plain_scalar import Scalar

random.seed(21)
data = [([random.gauss(0, 1) for _ in range(3)], random.choice([-1.0, 1.0])) for _ in range(8)]
train, val = data[:6], data[6:]
W = [[Scalar(random.gauss(0, 0.7)) for _ in range(3)] for _ in range(5)]
u = [Scalar(random.gauss(0, 0.7)) for _ in range(5)]
params = [p for row in W for p in row] + u


def predict(x, drop):
    h = [sum(w * a for w, a in zip(row, x)).tanh() for row in W]
    if drop:
        h = [each * 2.0 if random.random() < 0.5 else each * 0.0 for each in h]
    return sum(a * b for a, b in zip(u, h))


def loss_on(pairs, drop):
    total = Scalar(0.0)
    for x, y in pairs:
        total = total + (predict(x, drop) - y) ** 2
    return total / len(pairs)


best, patience = float("inf"), 0
for step in range(int(sys.argv[1]) if len(sys.argv) > 1 else 30):
    loss = loss_on(train, True)
    loss.backward()
    for p in params:
        p.data -= 0.2 * p.grad
        p.grad = 0
    checked = loss_on(val, False).data
    print("loss", repr(loss.data), "validation", repr(checked))
    patience = 0 if checked < best else patience + 1
    best = min(best, checked)
    if patience == 2:
        break
