"""A little net of two layers; imported by the scripts next to it."""

import random
from plain_scalar import Scalar


class Layer:
    def __init__(self, n_in, n_out):
        self.w = [[Scalar(random.uniform(-1, 1)) for _ in range(n_in)] for _ in range(n_out)]
        self.b = [Scalar(0.0) for _ in range(n_out)]

    def __call__(self, x):
        return [sum((wi * xi for wi, xi in zip(row, x)), b) for row, b in zip(self.w, self.b)]

    def parameters(self):
        return [p for row in self.w for p in row] + self.b


class Net:
    def __init__(self, sizes):
        self.layers = [Layer(a, b) for a, b in zip(sizes, sizes[1:])]

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = [each.tanh() for each in layer(x)]
        return self.layers[-1](x)

    def parameters(self):
        return [p for layer in self.layers for p in layer.parameters()]
