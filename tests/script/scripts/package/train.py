# Points in a plane, above or below a line: a small network made of objects.
import random
import sys

from nets import MLP, Value

random.seed(1337)
model = MLP(2, [4, 3, 1])
points = [(random.uniform(-1, 1), random.uniform(-1, 1)) for _ in range(6)]
labels = [1.0 if a + b > 0 else -1.0 for a, b in points]

a, b = Value(2.0), Value(-3.0)
c = a * b + a**2
c.backward()
print("a demo:", c.data, a.grad, b.grad)

for k in range(int(sys.argv[1]) if len(sys.argv) > 1 else 4):
    scores = [model(point) for point in points]
    losses = [(1 + -label * score).relu() for label, score in zip(labels, scores)]
    data_loss = sum(losses) * (1.0 / len(losses))
    reg_loss = 1e-4 * sum(p * p for p in model.parameters())
    total_loss = data_loss + reg_loss
    model.zero_grad()
    total_loss.backward()
    learning_rate = 0.5 - 0.09 * k
    for p in model.parameters():
        p.data -= learning_rate * p.grad
    print("loss", repr(total_loss.data))
