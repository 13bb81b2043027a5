# Moments live on the parameters; the scalar class is a data class, and the optimizer an object.
import math
import random
import sys
from dataclasses import dataclass, field


@dataclass(eq=False)
class Num:
    data: float
    grad: float = 0.0
    args: tuple = ()
    partials: tuple = field(default=(), repr=False)

    def __add__(self, other):
        other = num(other)
        return Num(self.data + other.data, 0.0, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        other = num(other)
        return Num(self.data * other.data, 0.0, (self, other), (other.data, self.data))

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other

    def __sub__(self, other):
        return self + -1 * num(other)

    def sin(self):
        return Num(math.sin(self.data), 0.0, (self,), (math.cos(self.data),))

    def backward(self):
        order, seen = [], set()

        def visit(n):
            if id(n) in seen:
                return
            seen.add(id(n))
            for a in n.args:
                visit(a)
            order.append(n)

        visit(self)
        self.grad = 1.0
        for n in reversed(order):
            for a, partial in zip(n.args, n.partials):
                a.grad += n.grad * partial


def num(x):
    return x if isinstance(x, Num) else Num(x)


class AdamW:
    def __init__(self, params, lr=0.05, betas=(0.9, 0.95), weight_decay=0.01):
        self.params, self.lr, self.betas, self.weight_decay = params, lr, betas, weight_decay
        self.t = 0
        for p in self.params:
            p.m = p.v = 0.0

    def zero_grad(self):
        for p in self.params:
            p.grad = 0.0

    def step(self):
        self.t += 1
        b1, b2 = self.betas
        for p in self.params:
            p.m = b1 * p.m + (1 - b1) * p.grad
            p.v = b2 * p.v + (1 - b2) * p.grad * p.grad
            m_hat = p.m / (1 - b1**self.t)
            v_hat = p.v / (1 - b2**self.t)
            p.data *= 1 - self.lr * self.weight_decay
            p.data -= self.lr * m_hat / (math.sqrt(v_hat) + 1e-8)


class Waves:
    def __init__(self, count):
        self.height = [Num(random.gauss(0, 1)) for _ in range(count)]
        self.speed = [Num(random.gauss(0, 2)) for _ in range(count)]
        self.level = Num(0.0)

    def __call__(self, x):
        waves = [h * (s * x).sin() for h, s in zip(self.height, self.speed)]
        return sum(waves) + self.level

    def parameters(self):
        return [*self.height, *self.speed, self.level]


random.seed(8)
model = Waves(4)
optimizer = AdamW(model.parameters())
for step in range(int(sys.argv[1]) if len(sys.argv) > 1 else 4):
    xs = [random.uniform(-2, 2) for _ in range(5)]
    optimizer.zero_grad()
    errors = []
    for x in xs:
        error = model(x) - math.sin(3 * x)
        errors.append(error * error)
    loss = sum(errors) * (1 / len(errors))
    loss.backward()
    optimizer.step()
    print("loss", repr(loss.data))
