# A small net that learns a curve, correct as it stands; the tests of the check put faults into its text.
import math
import random


class Value:
    def __init__(self, data, children=(), local_grads=()):
        self.data = data
        self.grad = 0.0
        self._children = children
        self._local_grads = local_grads

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, power):
        return Value(self.data**power, (self,), (power * self.data ** (power - 1),))

    def tanh(self):
        t = math.tanh(self.data)
        return Value(t, (self,), (1 - t * t,))

    def relu(self):
        return Value(max(0.0, self.data), (self,), (float(self.data > 0),))

    __radd__, __rmul__ = __add__, __mul__

    def backward(self):
        order, seen = [], set()

        def visit(node):
            if node not in seen:
                seen.add(node)
                for child in node._children:
                    visit(child)
                order.append(node)

        visit(self)
        self.grad = 1.0
        for node in reversed(order):
            for child, slope in zip(node._children, node._local_grads):
                child.grad += slope * node.grad


random.seed(2)
width = 5


def new(count):
    return [Value(random.uniform(-1, 1)) for _ in range(count)]


weights = {"first": new(width), "bias": new(width), "second": new(width), "end": new(1)}
params = [p for some in weights.values() for p in some]
rate = 0.05


def net(x):
    hidden = [(w * x + b).tanh() for w, b in zip(weights["first"], weights["bias"])]
    more = [h.relu() + h * 0.1 for h in hidden]
    return sum(w * h for w, h in zip(weights["second"], more)) + weights["end"][0]


for step in range(6):
    loss = 0.0
    for x in (-1.0, -0.5, 0.25, 0.75):
        loss = (net(x) + -math.sin(2 * x)) ** 2 + loss
    loss.backward()
    for p in params:
        p.data -= rate * p.grad
        p.grad = 0.0
    print(step, loss.data)
