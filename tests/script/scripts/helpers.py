# A small net of scalar helper functions and loops that name every running sum.
import math
import random

random.seed(1)


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

    def relu(self):
        return Scalar(max(0, self.data), (self,), (float(self.data > 0),))

    def tanh(self):
        t = math.tanh(self.data)
        return Scalar(t, (self,), (1 - t * t,))

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + (-other)

    def __truediv__(self, other):
        return self * other**-1

    def __radd__(self, other):
        return self + other

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


def matrix(rows, columns):
    return [[Scalar(random.uniform(-1, 1)) for _ in range(columns)] for _ in range(rows)]


def gelu(x):
    inner = 0.8 * (x + 0.04 * x**3)
    t = inner.tanh()
    return 0.5 * x * (t + 1)


def dense(x, w, b):
    out = []
    for j in range(len(w)):
        s = b[j]
        for i in range(len(x)):
            s = s + w[j][i] * x[i]
        out.append(s)
    return out


def layernorm(x):
    mean = sum(x) / len(x)
    var = sum((a - mean) ** 2 for a in x) / len(x)
    return [(a - mean) * (var + 1e-5) ** -0.5 for a in x]


class Model:
    def __init__(self):
        self.w1, self.b1 = matrix(6, 3), matrix(1, 6)[0]
        self.w2, self.b2 = matrix(2, 6), matrix(1, 2)[0]

    def params(self):
        return [p for m in (self.w1, [self.b1], self.w2, [self.b2]) for row in m for p in row]

    def forward(self, x):
        hidden = [gelu(h) for h in dense(x, self.w1, self.b1)]
        hidden = layernorm(hidden)
        y = dense(hidden, self.w2, self.b2)
        return y


model = Model()
data = [([0.5, -0.2, 0.1], 0.3), ([0.1, 0.9, -0.4], -0.6)]
for epoch in range(3):
    loss = Scalar(0.0)
    for inputs, target in data:
        y = model.forward([Scalar(v) for v in inputs])
        diff = y[0] * y[1] - target
        loss += diff * diff
    for p in model.params():
        p.grad = 0.0
    loss.backward()
    lr = 0.1
    for p in model.params():
        step = lr * p.grad
        p.data -= step
    print(epoch, loss.data)
