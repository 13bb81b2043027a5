"""A bigram model with one hidden layer; everything is in functions, and nothing but the result is global."""

import math
import random
import sys


class Node(object):
    def __init__(self, data, parents=(), slopes=()):
        self.data, self.grad = data, 0.0
        self.parents, self.slopes = parents, slopes

    def __add__(self, other):
        other = as_node(other)
        return Node(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        other = as_node(other)
        return Node(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, exponent):
        return Node(self.data**exponent, (self,), (exponent * self.data ** (exponent - 1),))

    def exp(self):
        e = math.exp(self.data)
        return Node(e, (self,), (e,))

    def log(self):
        return Node(math.log(self.data), (self,), (1 / self.data,))

    def tanh(self):
        t = math.tanh(self.data)
        return Node(t, (self,), (1 - t * t,))

    __radd__ = __add__
    __rmul__ = __mul__

    def __neg__(self):
        return -1 * self

    def __truediv__(self, other):
        return self * as_node(other) ** -1

    def backward(self):
        topo = []
        done = set()
        work = [(self, False)]
        while work:
            node, ready = work.pop()
            if ready:
                topo.append(node)
            elif node not in done:
                done.add(node)
                work.append((node, True))
                for parent in node.parents:
                    work.append((parent, False))
        for node in topo:
            node.grad = 0.0
        self.grad = 1.0
        for node in reversed(topo):
            g = node.grad
            for parent, slope in zip(node.parents, node.slopes):
                parent.grad += slope * g


def as_node(x):
    return x if isinstance(x, Node) else Node(x)


def make_model(vocabulary, width):
    def draw(n, m):
        return [[Node(random.uniform(-0.3, 0.3)) for _ in range(m)] for _ in range(n)]

    return {"embed": draw(vocabulary, width), "hidden": draw(width, width), "out": draw(vocabulary, width)}


def forward(model, token):
    x = model["embed"][token]
    h = [sum(w * a for w, a in zip(row, x)).tanh() for row in model["hidden"]]
    return [sum(w * a for w, a in zip(row, h)) for row in model["out"]]


def cross_entropy(logits, target):
    exps = [each.exp() for each in logits]
    return -(exps[target] / sum(exps)).log()


def train(model, words, steps):
    letters = sorted(set("".join(words)))
    optimizer = {"step": 0, "velocity": {name: [[0.0] * len(row) for row in rows] for name, rows in model.items()}}
    for step in range(steps):
        word = words[step % len(words)]
        ids = [letters.index(c) for c in word]
        total = 0
        for a, b in zip(ids, ids[1:]):
            logits = forward(model, a)
            total = total + cross_entropy(logits, b)
        loss = total / (len(ids) - 1)
        loss.backward()
        for name, rows in model.items():
            velocity = optimizer["velocity"][name]
            for i, row in enumerate(rows):
                for j, weight in enumerate(row):
                    velocity[i][j] = 0.9 * velocity[i][j] + weight.grad
                    weight.data -= 0.1 * velocity[i][j]
        print("loss", repr(loss.data))
    return optimizer


def main(steps):
    random.seed(1)
    words = ["banana", "bandana", "cabana", "canada"]
    model = make_model(len(set("".join(words))), 5)
    optimizer = train(model, words, steps)
    return model, optimizer


if __name__ == "__main__":
    model, optimizer = main(int(sys.argv[1]) if len(sys.argv) > 1 else 4)
