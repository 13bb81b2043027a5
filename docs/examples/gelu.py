"""A small GPT on names of flowers, with GELU where the original has ReLU. Run it in this folder: python gelu.py"""

import math
import random

random.seed(1)
words = open("flowers.txt").read().split()
random.shuffle(words)
letters = sorted(set("".join(words)))
EDGE = len(letters)  # the token before and after each word
vocab_size = EDGE + 1


class Value:
    """A number that knows what it was made from."""

    __slots__ = ("_children", "_local_grads", "data", "grad")

    def __init__(self, data, children=(), local_grads=()):
        self.data = data
        self.grad = 0
        self._children = children
        self._local_grads = local_grads

    def __add__(self, other):
        other = number(other)
        return Value(self.data + other.data, (self, other), (1, 1))

    def __mul__(self, other):
        other = number(other)
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, power):
        return Value(self.data**power, (self,), (power * self.data ** (power - 1),))

    def exp(self):
        y = math.exp(self.data)
        return Value(y, (self,), (y,))

    def log(self):
        return Value(math.log(self.data), (self,), (1 / self.data,))

    def gelu(self):
        x = self.data
        below = 0.5 * (1 + math.erf(x / 2**0.5))  # how much of the normal distribution lies below x
        density = math.exp(-x * x / 2) / (2 * math.pi) ** 0.5
        return Value(x * below, (self,), (below + x * density,))

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + -number(other)

    def __truediv__(self, other):
        return self * number(other) ** -1

    __radd__ = __add__
    __rmul__ = __mul__

    def backward(self):
        order, seen = [], set()

        def visit(node):
            if node not in seen:
                seen.add(node)
                for child in node._children:
                    visit(child)
                order.append(node)

        visit(self)
        self.grad = 1
        for node in reversed(order):
            for child, slope in zip(node._children, node._local_grads):
                child.grad += slope * node.grad


def number(x):
    return x if isinstance(x, Value) else Value(x)


n_embd, n_head, block_size = 8, 2, 8
head_dim = n_embd // n_head


def matrix(rows, columns):
    return [[Value(random.gauss(0, 0.2)) for _ in range(columns)] for _ in range(rows)]


state_dict = {
    "wte": matrix(vocab_size, n_embd),
    "wpe": matrix(block_size, n_embd),
    "attn_wq": matrix(n_embd, n_embd),
    "attn_wk": matrix(n_embd, n_embd),
    "attn_wv": matrix(n_embd, n_embd),
    "attn_wo": matrix(n_embd, n_embd),
    "mlp_fc1": matrix(4 * n_embd, n_embd),
    "mlp_fc2": matrix(n_embd, 4 * n_embd),
    "lm_head": matrix(vocab_size, n_embd),
}
params = [p for weights in state_dict.values() for row in weights for p in row]


def linear(x, weights):
    return [sum(w * xi for w, xi in zip(row, x)) for row in weights]


def softmax(logits):
    highest = max(x.data for x in logits)
    powers = [(x - highest).exp() for x in logits]
    total = sum(powers)
    return [p / total for p in powers]


def rmsnorm(x):
    scale = (sum(xi * xi for xi in x) / len(x) + 1e-5) ** -0.5
    return [xi * scale for xi in x]


def gpt(token, pos, keys, values):
    x = [t + p for t, p in zip(state_dict["wte"][token], state_dict["wpe"][pos])]
    normed = rmsnorm(x)
    q = linear(normed, state_dict["attn_wq"])
    keys.append(linear(normed, state_dict["attn_wk"]))
    values.append(linear(normed, state_dict["attn_wv"]))
    heads = []
    for h in range(n_head):
        part = slice(h * head_dim, (h + 1) * head_dim)
        scores = [sum(a * b for a, b in zip(q[part], k[part])) / head_dim**0.5 for k in keys]
        attn_weights = softmax(scores)
        heads += [sum(w * v[j] for w, v in zip(attn_weights, values)) for j in range(n_embd)[part]]
    x = [a + b for a, b in zip(x, linear(heads, state_dict["attn_wo"]))]
    hidden = [h.gelu() for h in linear(rmsnorm(x), state_dict["mlp_fc1"])]
    x = [a + b for a, b in zip(x, linear(hidden, state_dict["mlp_fc2"]))]
    return linear(x, state_dict["lm_head"])


learning_rate, beta1, beta2, eps = 0.01, 0.9, 0.99, 1e-8
num_steps = 60
m = [0.0] * len(params)
v = [0.0] * len(params)
for step in range(num_steps):
    word = words[step % len(words)]
    tokens = [EDGE] + [letters.index(letter) for letter in word] + [EDGE]
    n = min(block_size, len(tokens) - 1)
    keys, values, losses = [], [], []
    for pos in range(n):
        probs = softmax(gpt(tokens[pos], pos, keys, values))
        losses.append(-probs[tokens[pos + 1]].log())
    loss = sum(losses) / n
    loss.backward()
    rate = learning_rate * (1 - step / num_steps)
    for i, p in enumerate(params):
        m[i] = beta1 * m[i] + (1 - beta1) * p.grad
        v[i] = beta2 * v[i] + (1 - beta2) * p.grad**2
        m_hat = m[i] / (1 - beta1 ** (step + 1))
        v_hat = v[i] / (1 - beta2 ** (step + 1))
        p.data -= rate * m_hat / (v_hat**0.5 + eps)
        p.grad = 0
    print(f"step {step + 1}  loss {loss.data:.4f}")
