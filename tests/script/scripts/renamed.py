# Other names for everything: `value` and `gradient`, and the operands kept beside their derivatives.
import math
import random
import sys

random.seed(11)


class Quantity:
    __slots__ = ("gradient", "inputs", "value")

    def __init__(self, value, inputs=()):
        self.value = value
        self.inputs = inputs
        self.gradient = 0.0

    @staticmethod
    def lift(thing):
        return thing if isinstance(thing, Quantity) else Quantity(float(thing))

    def __add__(self, other):
        other = Quantity.lift(other)
        return Quantity(self.value + other.value, ((self, 1.0), (other, 1.0)))

    __radd__ = __add__

    def __mul__(self, other):
        other = Quantity.lift(other)
        return Quantity(self.value * other.value, ((self, other.value), (other, self.value)))

    __rmul__ = __mul__

    def squash(self):
        s = 1 / (1 + math.exp(-self.value))
        return Quantity(s, ((self, s * (1 - s)),))

    def backward(self):
        found, order = set(), []

        def walk(q):
            if id(q) not in found:
                found.add(id(q))
                for other, _ in q.inputs:
                    walk(other)
                order.append(q)

        walk(self)
        self.gradient = 1.0
        while order:
            q = order.pop()
            for other, derivative in q.inputs:
                other.gradient = other.gradient + derivative * q.gradient


theta = {
    "first": [[Quantity(random.gauss(0, 1)) for _ in range(3)] for _ in range(4)],
    "second": [Quantity(random.gauss(0, 1)) for _ in range(4)],
}
everything = [q for row in theta["first"] for q in row] + theta["second"]
first_moment, second_moment = [0.0] * len(everything), [0.0] * len(everything)
inputs = [[0.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 1.0]]
wanted = [0.0, 1.0, 1.0, 0.0]
for round in range(int(sys.argv[1]) if len(sys.argv) > 1 else 4):
    cost = 0
    for x, y in zip(inputs, wanted):
        hidden = [sum(a * b for a, b in zip(row, x)).squash() for row in theta["first"]]
        answer = sum(a * b for a, b in zip(theta["second"], hidden)).squash()
        difference = answer + -y
        cost = cost + difference * difference
    cost.backward()
    for k, q in enumerate(everything):
        first_moment[k] = 0.9 * first_moment[k] + 0.1 * q.gradient
        second_moment[k] = 0.999 * second_moment[k] + 0.001 * q.gradient**2
        q.value -= (
            0.05
            * (first_moment[k] / (1 - 0.9 ** (round + 1)))
            / (math.sqrt(second_moment[k] / (1 - 0.999 ** (round + 1))) + 1e-8)
        )
        q.gradient = 0.0
    print("loss", repr(cost.value))
