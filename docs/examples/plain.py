"""A small GPT on names of flowers, as the original has it but for its sizes. Run it in this folder: python plain.py"""

import math
import random

random.seed(42)
docs = open("flowers.txt").read().split()
random.shuffle(docs)
letters = sorted(set("".join(docs)))
EDGE = len(letters)  # the token before and after each name


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

    def relu(self):
        return Value(max(0, self.data), (self,), (float(self.data > 0),))

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


n_layer, n_embd, n_head, block_size = 1, 8, 2, 8
head_dim = n_embd // n_head


def matrix(rows, columns):
    return [[Value(random.gauss(0, 0.08)) for _ in range(columns)] for _ in range(rows)]


state_dict = {
    "wte": matrix(EDGE + 1, n_embd),
    "wpe": matrix(block_size, n_embd),
    "lm_head": matrix(EDGE + 1, n_embd),
}
for li in range(n_layer):
    for name in ("attn_wq", "attn_wk", "attn_wv", "attn_wo"):
        state_dict[f"layer{li}.{name}"] = matrix(n_embd, n_embd)
    state_dict[f"layer{li}.mlp_fc1"] = matrix(4 * n_embd, n_embd)
    state_dict[f"layer{li}.mlp_fc2"] = matrix(n_embd, 4 * n_embd)
params = [p for weights in state_dict.values() for row in weights for p in row]


def linear(x, weights):
    return [sum(w * xi for w, xi in zip(row, x)) for row in weights]


def softmax(logits):
    highest = max(x.data for x in logits)
    powers = [(x - highest).exp() for x in logits]
    total = sum(powers)
    return [p / total for p in powers]


def rmsnorm(x):
    mean_square = sum(xi * xi for xi in x) / len(x)
    scale = (mean_square + 1e-5) ** -0.5
    return [xi * scale for xi in x]


def gpt(token, pos, keys, values):
    x = [t + p for t, p in zip(state_dict["wte"][token], state_dict["wpe"][pos])]
    x = rmsnorm(x)
    for li in range(n_layer):
        before = x
        x = rmsnorm(x)
        q = linear(x, state_dict[f"layer{li}.attn_wq"])
        k = linear(x, state_dict[f"layer{li}.attn_wk"])
        v = linear(x, state_dict[f"layer{li}.attn_wv"])
        keys[li].append(k)
        values[li].append(v)
        heads = []
        for h in range(n_head):
            part = range(h * head_dim, (h + 1) * head_dim)
            attn_logits = [sum(q[j] * k[j] for j in part) / head_dim**0.5 for k in keys[li]]
            attn_weights = softmax(attn_logits)
            head_out = [sum(w * v[j] for w, v in zip(attn_weights, values[li])) for j in part]
            heads += head_out
        x = linear(heads, state_dict[f"layer{li}.attn_wo"])
        x = [a + b for a, b in zip(x, before)]
        before = x
        x = rmsnorm(x)
        wide = linear(x, state_dict[f"layer{li}.mlp_fc1"])
        hidden = [h.relu() for h in wide]
        x = linear(hidden, state_dict[f"layer{li}.mlp_fc2"])
        x = [a + b for a, b in zip(x, before)]
    return linear(x, state_dict["lm_head"])


learning_rate, beta1, beta2, eps_adam = 0.01, 0.85, 0.99, 1e-8
num_steps = 60
m = [0.0] * len(params)
v = [0.0] * len(params)
for step in range(num_steps):
    doc = docs[step % len(docs)]
    tokens = [EDGE] + [letters.index(letter) for letter in doc] + [EDGE]
    n = min(block_size, len(tokens) - 1)
    keys, values = [[] for _ in range(n_layer)], [[] for _ in range(n_layer)]
    losses = []
    for pos in range(n):
        logits = gpt(tokens[pos], pos, keys, values)
        probs = softmax(logits)
        surprise = -probs[tokens[pos + 1]].log()
        losses.append(surprise)
    loss = (1 / n) * sum(losses)
    loss.backward()
    rate = learning_rate * (1 - step / num_steps)
    for i, weight in enumerate(params):
        m[i] = beta1 * m[i] + (1 - beta1) * weight.grad
        v[i] = beta2 * v[i] + (1 - beta2) * weight.grad**2
        mean = m[i] / (1 - beta1 ** (step + 1))
        spread = v[i] / (1 - beta2 ** (step + 1))
        weight.data -= rate * mean / (spread**0.5 + eps_adam)
        weight.grad = 0
    print(f"step {step + 1}  loss {loss.data:.4f}")

temperature = 0.5
for _ in range(5):
    keys, values = [[] for _ in range(n_layer)], [[] for _ in range(n_layer)]
    token, sample = EDGE, ""
    for pos in range(block_size):
        probs = softmax([x / temperature for x in gpt(token, pos, keys, values)])
        token = random.choices(range(EDGE + 1), weights=[p.data for p in probs])[0]
        if token == EDGE:
            break
        sample += letters[token]
    print("sample", sample)
