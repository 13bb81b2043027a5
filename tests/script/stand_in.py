# A stand-in for the original, in its shape but in words of its own: scalars that keep their slopes, functions for the
# layers, a flat training loop. The engine computes the same numbers. The tests say what its lines do by the marks at
# their ends.
import math
import os
import random
import urllib.request

n_layer, n_embd, n_head, block_size = 1, 4, 2, 5
num_steps, learning_rate, beta1, beta2, eps_adam = 6, 0.01, 0.85, 0.99, 1e-8
temperature = 0.5
wide = n_embd // n_head

random.seed(42)
if not os.path.exists("input.txt"):  # nothing is served there: whoever runs this has to answer
    urllib.request.urlretrieve("http://127.0.0.1:9/", "input.txt")
with open("input.txt", encoding="utf-8") as lines:
    docs = [line.strip() for line in lines if line.strip()]
random.shuffle(docs)
alphabet = sorted({sign for doc in docs for sign in doc})
edge = len(alphabet)


class Scalar:
    __slots__ = ("data", "grad", "inputs", "slopes")

    def __init__(self, data, inputs=(), slopes=()):
        self.data = data
        self.grad = 0
        self.inputs = inputs
        self.slopes = slopes

    def __add__(self, other):
        other = other if isinstance(other, Scalar) else Scalar(other)
        return Scalar(self.data + other.data, (self, other), (1, 1))  # plus

    def __mul__(self, other):
        other = other if isinstance(other, Scalar) else Scalar(other)
        return Scalar(self.data * other.data, (self, other), (other.data, self.data))  # times

    def __pow__(self, n):
        return Scalar(self.data**n, (self,), (n * self.data ** (n - 1),))  # power

    def log(self):
        return Scalar(math.log(self.data), (self,), (1 / self.data,))  # log

    def exp(self):
        return Scalar(math.exp(self.data), (self,), (math.exp(self.data),))  # exp

    def relu(self):
        return Scalar(max(0, self.data), (self,), (float(self.data > 0),))  # relu

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + (-other)

    def __truediv__(self, other):
        return self * other**-1

    def backward(self):
        ordered, seen = [], set()

        def below(scalar):
            if scalar not in seen:
                seen.add(scalar)
                for each in scalar.inputs:
                    below(each)
                ordered.append(scalar)

        below(self)
        self.grad = 1  # seed
        for scalar in reversed(ordered):
            for each, slope in zip(scalar.inputs, scalar.slopes, strict=True):
                each.grad += slope * scalar.grad  # handed on


def matrix(high, across):
    return [[Scalar(random.gauss(0, 0.08)) for _ in range(across)] for _ in range(high)]


state_dict = {"wte": matrix(edge + 1, n_embd), "wpe": matrix(block_size, n_embd), "lm_head": matrix(edge + 1, n_embd)}
for layer in range(n_layer):
    for letter in "qkvo":
        state_dict[f"layer{layer}.attn_w{letter}"] = matrix(n_embd, n_embd)
    state_dict[f"layer{layer}.mlp_fc1"] = matrix(4 * n_embd, n_embd)
    state_dict[f"layer{layer}.mlp_fc2"] = matrix(n_embd, 4 * n_embd)
weights = [weight for table in state_dict.values() for row in table for weight in row]


def product(x, table):
    return [sum(a * b for a, b in zip(row, x, strict=True)) for row in table]  # product


def shares(x):
    highest = max(a.data for a in x)
    powers = [(a - highest).exp() for a in x]  # powers
    whole = sum(powers)  # whole
    return [power / whole for power in powers]  # share


def normal(x):
    squares = sum(a * a for a in x) / len(x)  # squares
    factor = (squares + 1e-5) ** -0.5  # factor
    return [a * factor for a in x]  # scaled


def model(token, place, keys, values):
    own, where = state_dict["wte"][token], state_dict["wpe"][place]
    x = [a + b for a, b in zip(own, where, strict=True)]  # embed
    x = normal(x)  # embed_norm
    for layer in range(n_layer):
        stream = x
        x = normal(x)  # attn_norm
        q = product(x, state_dict[f"layer{layer}.attn_wq"])  # q
        k = product(x, state_dict[f"layer{layer}.attn_wk"])  # k
        v = product(x, state_dict[f"layer{layer}.attn_wv"])  # v
        keys[layer].append(k)
        values[layer].append(v)
        gathered = []
        for head in range(n_head):
            at = range(head * wide, head * wide + wide)
            fits = [sum(q[i] * k[i] for i in at) / wide**0.5 for k in keys[layer]]  # attn_logits
            weigh = shares(fits)  # attn_weights
            gathered += [sum(w * v[i] for w, v in zip(weigh, values[layer], strict=True)) for i in at]  # head_out
        x = product(gathered, state_dict[f"layer{layer}.attn_wo"])  # attn_out
        x = [a + b for a, b in zip(x, stream, strict=True)]  # attn_residual
        stream = x
        x = normal(x)  # mlp_norm
        x = product(x, state_dict[f"layer{layer}.mlp_fc1"])  # mlp_fc1
        x = [a.relu() for a in x]  # mlp_relu
        x = product(x, state_dict[f"layer{layer}.mlp_fc2"])  # mlp_fc2
        x = [a + b for a, b in zip(x, stream, strict=True)]  # mlp_residual
    return product(x, state_dict["lm_head"])  # logits


m, v = [0.0] * len(weights), [0.0] * len(weights)
for step in range(num_steps):
    doc = docs[step % len(docs)]
    ids = [edge, *(alphabet.index(sign) for sign in doc), edge]
    count = min(block_size, len(ids) - 1)
    keys, values, costs = [[] for _ in range(n_layer)], [[] for _ in range(n_layer)], []
    for place in range(count):
        logits = model(ids[place], place, keys, values)
        chances = shares(logits)  # probs
        cost = -chances[ids[place + 1]].log()  # loss_t
        costs.append(cost)
    loss = (1 / count) * sum(costs)  # loss
    loss.backward()
    pace = learning_rate * (1 - step / num_steps)
    for i, weight in enumerate(weights):
        m[i] = beta1 * m[i] + (1 - beta1) * weight.grad  # Adam
        v[i] = beta2 * v[i] + (1 - beta2) * weight.grad**2  # Adam
        first = m[i] / (1 - beta1 ** (step + 1))  # Adam
        second = v[i] / (1 - beta2 ** (step + 1))  # Adam
        weight.data -= pace * first / (second**0.5 + eps_adam)  # Adam, moves
        weight.grad = 0
    print("step", step + 1, loss.data)

for _ in range(2):
    keys, values, token, sample = [[] for _ in range(n_layer)], [[] for _ in range(n_layer)], edge, []
    for place in range(block_size):
        chances = shares([a / temperature for a in model(token, place, keys, values)])
        token = random.choices(range(edge + 1), weights=[each.data for each in chances])[0]
        if token == edge:
            break
        sample.append(alphabet[token])
    print("sample", "".join(sample))
