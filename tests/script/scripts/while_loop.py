# y = 2x + 1 from noisy points, by a while loop and plain gradient descent; no lists of parameters.
import random
import sys


class V:
    def __init__(self, data, kids=None, local=None):
        self.data = data
        self.grad = 0
        self.kids = kids or []
        self.local = local or []

    def __add__(self, o):
        o = o if isinstance(o, V) else V(o)
        return V(self.data + o.data, [self, o], [1, 1])

    def __mul__(self, o):
        if isinstance(o, (int, float)):
            return V(self.data * o, [self], [o])
        return V(self.data * o.data, [self, o], [o.data, self.data])

    def __sub__(self, o):
        return self + o * -1 if isinstance(o, V) else self + -o

    def backward(self):
        self.grad = 1
        self._pass_on()

    def _pass_on(self):
        for kid, slope in zip(self.kids, self.local):
            kid.grad += slope * self.grad
        for kid in self.kids:
            kid._pass_on()


rng = random.Random(5)
points = [(x / 4, 2 * x / 4 + 1 + rng.gauss(0, 0.1)) for x in range(-4, 5)]
w, b = V(0.1), V(0.0)
limit = int(sys.argv[1]) if len(sys.argv) > 1 else 4
i = 0
while i < limit:
    x, y = points[i % len(points)]
    guess = w * x + b
    miss = guess - y
    loss = V(miss.data * miss.data, [miss], [2 * miss.data])
    loss.backward()
    w.data -= 0.1 * w.grad
    b.data -= 0.1 * b.grad
    w.grad = b.grad = 0
    print("loss", repr(loss.data))
    i += 1
