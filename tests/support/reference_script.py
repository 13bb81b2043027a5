# A plain GPT trainer, one object a scalar, for the tests of `verify`: its module-level names and its arithmetic are
# those that verify watches for, the rest is as plain as can be. The tests change it by replacing pieces of its text.
import math
import random

n_layer = 1
n_embd = 4
n_head = 2
block_size = 5
num_steps = 6
learning_rate, beta1, beta2, eps_adam = 0.01, 0.85, 0.99, 1e-8
temperature = 0.5

random.seed(42)
with open("input.txt") as file:
    docs = [text.strip() for text in file if text.strip()]
random.shuffle(docs)
letters = sorted({letter for text in docs for letter in text})
END = len(letters)


class Number:
    def __init__(self, data, sources=()):
        self.data, self.sources, self.grad = data, sources, 0

    def __add__(self, other):
        other = lift(other)
        return Number(self.data + other.data, ((self, 1), (other, 1)))

    def __mul__(self, other):
        other = lift(other)
        return Number(self.data * other.data, ((self, other.data), (other, self.data)))

    def __pow__(self, n):
        return Number(self.data**n, ((self, n * self.data ** (n - 1)),))

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + (-other)

    def __truediv__(self, other):
        return self * other**-1

    __radd__, __rmul__ = __add__, __mul__

    def exp(self):
        y = math.exp(self.data)
        return Number(y, ((self, y),))

    def log(self):
        return Number(math.log(self.data), ((self, 1 / self.data),))

    def relu(self):
        return Number(max(0, self.data), ((self, float(self.data > 0)),))

    def backward(self):
        order, met = [], set()

        def visit(number):
            if number not in met:
                met.add(number)
                for source, _ in number.sources:
                    visit(source)
                order.append(number)

        visit(self)
        self.grad = 1
        for number in reversed(order):
            for source, slope in number.sources:
                source.grad += slope * number.grad


def lift(x):
    return x if isinstance(x, Number) else Number(x)


def new(rows, columns):
    return [[Number(random.gauss(0, 0.08)) for _ in range(columns)] for _ in range(rows)]


state_dict = {"wte": new(END + 1, n_embd), "wpe": new(block_size, n_embd), "lm_head": new(END + 1, n_embd)}
for layer in range(n_layer):
    for part in ("wq", "wk", "wv", "wo"):
        state_dict[f"layer{layer}.attn_{part}"] = new(n_embd, n_embd)
    state_dict[f"layer{layer}.mlp_fc1"] = new(4 * n_embd, n_embd)
    state_dict[f"layer{layer}.mlp_fc2"] = new(n_embd, 4 * n_embd)
weights = [weight for matrix in state_dict.values() for row in matrix for weight in row]


def times(name, x):
    return [sum(a * b for a, b in zip(row, x, strict=True)) for row in state_dict[name]]


def norm(x):
    scale = (sum(a * a for a in x) / len(x) + 1e-5) ** -0.5
    return [a * scale for a in x]


def shares(x):
    top = max(a.data for a in x)
    powers = [(a - top).exp() for a in x]
    total = sum(powers)
    return [a / total for a in powers]


def attend(q, kept_k, kept_v, width):
    out = []
    for start in range(0, n_embd, width):
        at = range(start, start + width)
        fit = [sum(q[j] * k[j] for j in at) / width**0.5 for k in kept_k]
        share = shares(fit)
        out += [sum(s * v[j] for s, v in zip(share, kept_v, strict=True)) for j in at]
    return out


def model(token, place, kept):
    x = norm([a + b for a, b in zip(state_dict["wte"][token], state_dict["wpe"][place], strict=True)])
    for layer in range(n_layer):
        y = norm(x)
        q, k, v = (times(f"layer{layer}.attn_w{c}", y) for c in "qkv")
        kept[layer][0].append(k)
        kept[layer][1].append(v)
        y = times(f"layer{layer}.attn_wo", attend(q, *kept[layer], n_embd // n_head))
        x = [a + b for a, b in zip(y, x, strict=True)]
        y = [a.relu() for a in times(f"layer{layer}.mlp_fc1", norm(x))]
        x = [a + b for a, b in zip(times(f"layer{layer}.mlp_fc2", y), x, strict=True)]
    return times("lm_head", x)


def nothing_kept():
    return [([], []) for _ in range(n_layer)]


m, v = [0.0] * len(weights), [0.0] * len(weights)
for step in range(num_steps):
    doc = docs[step % len(docs)]
    ids = [END, *map(letters.index, doc), END]
    count = min(block_size, len(ids) - 1)
    kept, surprises = nothing_kept(), []
    for place in range(count):
        chances = shares(model(ids[place], place, kept))
        surprises.append(-chances[ids[place + 1]].log())
    loss = (1 / count) * sum(surprises)
    loss.backward()
    rate = learning_rate * (1 - step / num_steps)
    for i, weight in enumerate(weights):
        m[i] = beta1 * m[i] + (1 - beta1) * weight.grad
        v[i] = beta2 * v[i] + (1 - beta2) * weight.grad**2
        corrected = v[i] / (1 - beta2 ** (step + 1))
        weight.data -= rate * (m[i] / (1 - beta1 ** (step + 1))) / (corrected**0.5 + eps_adam)
        weight.grad = 0
    print("step", step + 1, loss.data)

for _ in range(4):
    kept, token, sample = nothing_kept(), END, []
    for place in range(block_size):
        chances = shares([a / temperature for a in model(token, place, kept)])
        token = random.choices(range(END + 1), weights=[c.data for c in chances])[0]
        if token == END:
            break
        sample.append(letters[token])
    print("sample", "".join(sample))
