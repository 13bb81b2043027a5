"""Fits two weights to two points until no update changes them any more, and goes on."""

from plain_scalar import Scalar

ws = [Scalar(0.5), Scalar(-0.25)]
points = [((1.0, 2.0), 3.0), ((2.0, -1.0), 1.0)]
for epoch in range(100_000):
    loss = Scalar(0.0)
    for (a, b), y in points:
        error = ws[0] * a + ws[1] * b + (-y)
        loss = loss + error * error
    for w in ws:
        w.grad = 0.0
    loss.backward()
    for w in ws:
        w.data -= 0.03 * w.grad
