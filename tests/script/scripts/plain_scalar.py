"""A scalar with its operands and local gradients, for the scripts that are about something else."""

import math


class Scalar:
    __slots__ = ("_children", "_local_grads", "data", "grad")

    def __init__(self, data, children=(), local_grads=()):
        self.data = data
        self.grad = 0
        self._children = children
        self._local_grads = local_grads

    def __add__(self, other):
        other = other if isinstance(other, Scalar) else Scalar(other)
        return Scalar(self.data + other.data, (self, other), (1, 1))

    def __mul__(self, other):
        other = other if isinstance(other, Scalar) else Scalar(other)
        return Scalar(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, power):
        return Scalar(self.data**power, (self,), (power * self.data ** (power - 1),))

    def log(self):
        return Scalar(math.log(self.data), (self,), (1 / self.data,))

    def exp(self):
        return Scalar(math.exp(self.data), (self,), (math.exp(self.data),))

    def tanh(self):
        t = math.tanh(self.data)
        return Scalar(t, (self,), (1 - t**2,))

    def relu(self):
        return Scalar(max(0, self.data), (self,), (float(self.data > 0),))

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + (-other)

    def __truediv__(self, other):
        return self * other**-1

    def __radd__(self, other):
        return self + other

    def __rsub__(self, other):
        return other + (-self)

    def __rmul__(self, other):
        return self * other

    def backward(self):
        order, seen = [], set()

        def put_in_order(node):
            if node not in seen:
                seen.add(node)
                for child in node._children:
                    put_in_order(child)
                order.append(node)

        put_in_order(self)
        self.grad = 1
        for node in reversed(order):
            for child, slope in zip(node._children, node._local_grads):
                child.grad += slope * node.grad
