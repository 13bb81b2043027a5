# Homework on a small GPT: GELU, rotary positions, low-rank adapters and a mixture of two experts.
import math
import random
import sys

random.seed(9)
docs = ["anna", "nana", "hannah", "noah"]
letters = sorted(set("".join(docs)))
END = len(letters)
vocab_size = END + 1
n_embd, n_head, n_layer, n_expert, rank = 4, 2, 1, 2, 1
head_dim = n_embd // n_head


class Value:
    __slots__ = ("_children", "_local_grads", "data", "grad")

    def __init__(self, data, children=(), local_grads=()):
        self.data, self.grad, self._children, self._local_grads = data, 0, children, local_grads

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, (self, other), (1, 1))

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, other):
        return Value(self.data**other, (self,), (other * self.data ** (other - 1),))

    def log(self):
        return Value(math.log(self.data), (self,), (1 / self.data,))

    def exp(self):
        return Value(math.exp(self.data), (self,), (math.exp(self.data),))

    def gelu(self):
        x, c = self.data, math.sqrt(2 / math.pi)
        t = math.tanh(c * (x + 0.044715 * x**3))
        slope = 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 3 * 0.044715 * x * x)
        return Value(0.5 * x * (1 + t), (self,), (slope,))

    def __neg__(self):
        return self * -1

    def __radd__(self, other):
        return self + other

    def __sub__(self, other):
        return self + (-other)

    def __rmul__(self, other):
        return self * other

    def __truediv__(self, other):
        return self * other**-1

    def backward(self):
        topo, visited = [], set()

        def build(v):
            if v not in visited:
                visited.add(v)
                for child in v._children:
                    build(child)
                topo.append(v)

        build(self)
        self.grad = 1
        for v in reversed(topo):
            for child, local in zip(v._children, v._local_grads):
                child.grad += local * v.grad


def matrix(nout, nin, std=0.2):
    return [[Value(random.gauss(0, std)) for _ in range(nin)] for _ in range(nout)]


state_dict = {"wte": matrix(vocab_size, n_embd), "lm_head": matrix(vocab_size, n_embd)}
for i in range(n_layer):
    for name in ("wq", "wk", "wv", "wo"):
        state_dict[f"layer{i}.{name}"] = matrix(n_embd, n_embd)
        state_dict[f"layer{i}.{name}.lora_a"] = matrix(rank, n_embd)
        state_dict[f"layer{i}.{name}.lora_b"] = matrix(n_embd, rank)
    state_dict[f"layer{i}.router"] = matrix(n_expert, n_embd)
    for e in range(n_expert):
        state_dict[f"layer{i}.expert{e}.up"] = matrix(2 * n_embd, n_embd)
        state_dict[f"layer{i}.expert{e}.down"] = matrix(n_embd, 2 * n_embd)
params = [p for mat in state_dict.values() for row in mat for p in row]


def linear(x, w):
    return [sum(wi * xi for wi, xi in zip(row, x)) for row in w]


def lora(x, name):
    base = linear(x, state_dict[name])
    low = linear(linear(x, state_dict[f"{name}.lora_a"]), state_dict[f"{name}.lora_b"])
    return [a + 0.5 * b for a, b in zip(base, low)]


def softmax(logits):
    top = max(val.data for val in logits)
    exps = [(val - top).exp() for val in logits]
    total = sum(exps)
    return [e / total for e in exps]


def rotate(x, pos):
    out = []
    for j in range(0, len(x), 2):
        angle = pos / 10000 ** (j / len(x))
        c, s = math.cos(angle), math.sin(angle)
        out += [x[j] * c - x[j + 1] * s, x[j] * s + x[j + 1] * c]
    return out


def experts(x, li):
    gates = softmax(linear(x, state_dict[f"layer{li}.router"]))
    chosen = max(range(n_expert), key=lambda e: gates[e].data)
    hidden = [h.gelu() for h in linear(x, state_dict[f"layer{li}.expert{chosen}.up"])]
    return [gates[chosen] * y for y in linear(hidden, state_dict[f"layer{li}.expert{chosen}.down"])]


def gpt(token_id, pos_id, keys, values):
    x = state_dict["wte"][token_id]
    for li in range(n_layer):
        q, k, v = (lora(x, f"layer{li}.{name}") for name in ("wq", "wk", "wv"))
        keys[li].append(k)
        values[li].append(v)
        heads = []
        for h in range(n_head):
            hs = slice(h * head_dim, (h + 1) * head_dim)
            qh = rotate(q[hs], pos_id)
            scores = [
                sum(a * b for a, b in zip(qh, rotate(k_[hs], t))) / head_dim**0.5 for t, k_ in enumerate(keys[li])
            ]
            weights = softmax(scores)
            heads += [sum(w * v_[hs][j] for w, v_ in zip(weights, values[li])) for j in range(head_dim)]
        x = [a + b for a, b in zip(lora(heads, f"layer{li}.wo"), x)]
        x = [a + b for a, b in zip(experts(x, li), x)]
    return linear(x, state_dict["lm_head"])


m, v = [0.0] * len(params), [0.0] * len(params)
for step in range(int(sys.argv[1]) if len(sys.argv) > 1 else 3):
    tokens = [END] + [letters.index(c) for c in docs[step % len(docs)]] + [END]
    keys, values, losses = [[] for _ in range(n_layer)], [[] for _ in range(n_layer)], []
    for pos_id in range(len(tokens) - 1):
        probs = softmax(gpt(tokens[pos_id], pos_id, keys, values))
        losses.append(-probs[tokens[pos_id + 1]].log())
    loss = sum(losses) / len(losses)
    loss.backward()
    for i, p in enumerate(params):
        m[i] = 0.9 * m[i] + 0.1 * p.grad
        v[i] = 0.99 * v[i] + 0.01 * p.grad**2
        p.data -= 0.02 * (m[i] / (1 - 0.9 ** (step + 1))) / ((v[i] / (1 - 0.99 ** (step + 1))) ** 0.5 + 1e-8)
        p.grad = 0
    print("loss", repr(loss.data))
