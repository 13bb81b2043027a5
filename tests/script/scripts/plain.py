# A GPT of single numbers, all in one flat file: graph, model, training, sampling.
import math
import os
import random
import sys

random.seed(3)
if os.path.exists("names.txt"):
    with open("names.txt") as listed:
        docs = [each.strip() for each in listed if each.strip()][:50]
else:
    docs = "ada bea cleo dora edda fae gil hal ida jo kim lou mia ned ola pia".split()
random.shuffle(docs)
letters = sorted(set("".join(docs)))
END = len(letters)
vocab_size = len(letters) + 1

n_layer, n_embd, n_head, block_size = 1, 8, 2, 6
head_dim = n_embd // n_head
num_steps = int(sys.argv[1]) if len(sys.argv) > 1 else 5
learning_rate, beta1, beta2, eps_adam = 0.02, 0.85, 0.99, 1e-8


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
    return [[Scalar(random.gauss(0, 0.1)) for _ in range(columns)] for _ in range(rows)]


state_dict = {
    "wte": matrix(vocab_size, n_embd),
    "wpe": matrix(block_size, n_embd),
    "lm_head": matrix(vocab_size, n_embd),
}
for li in range(n_layer):
    for part in ("attn_wq", "attn_wk", "attn_wv", "attn_wo"):
        state_dict[f"layer{li}.{part}"] = matrix(n_embd, n_embd)
    state_dict[f"layer{li}.mlp_fc1"] = matrix(4 * n_embd, n_embd)
    state_dict[f"layer{li}.mlp_fc2"] = matrix(n_embd, 4 * n_embd)
params = [p for each in state_dict.values() for row in each for p in row]


def linear(x, w):
    return [sum(a * b for a, b in zip(row, x)) for row in w]


def softmax(logits):
    top = max(each.data for each in logits)
    exps = [(each - top).exp() for each in logits]
    total = sum(exps)
    return [each / total for each in exps]


def rmsnorm(x):
    mean_square = sum(each * each for each in x) / len(x)
    scale = (mean_square + 1e-5) ** -0.5
    return [each * scale for each in x]


def gpt(token_id, pos_id, keys, values):
    tok_emb = state_dict["wte"][token_id]
    pos_emb = state_dict["wpe"][pos_id]
    x = [a + b for a, b in zip(tok_emb, pos_emb)]
    x = rmsnorm(x)
    for li in range(n_layer):
        x_residual = x
        x = rmsnorm(x)
        q = linear(x, state_dict[f"layer{li}.attn_wq"])
        k = linear(x, state_dict[f"layer{li}.attn_wk"])
        v = linear(x, state_dict[f"layer{li}.attn_wv"])
        keys[li].append(k)
        values[li].append(v)
        x_attn = []
        for h in range(n_head):
            first = h * head_dim
            q_h = q[first : first + head_dim]
            k_h = [each[first : first + head_dim] for each in keys[li]]
            v_h = [each[first : first + head_dim] for each in values[li]]
            attn_logits = [sum(q_h[j] * each[j] for j in range(head_dim)) / head_dim**0.5 for each in k_h]
            attn_weights = softmax(attn_logits)
            head_out = [sum(attn_weights[t] * v_h[t][j] for t in range(len(v_h))) for j in range(head_dim)]
            x_attn.extend(head_out)
        x = linear(x_attn, state_dict[f"layer{li}.attn_wo"])
        x = [a + b for a, b in zip(x, x_residual)]
        x_residual = x
        x = rmsnorm(x)
        x = linear(x, state_dict[f"layer{li}.mlp_fc1"])
        x = [each.relu() for each in x]
        x = linear(x, state_dict[f"layer{li}.mlp_fc2"])
        x = [a + b for a, b in zip(x, x_residual)]
    return linear(x, state_dict["lm_head"])


m = [0.0] * len(params)
v = [0.0] * len(params)
for step in range(num_steps):
    doc = docs[step % len(docs)]
    tokens = [END, *map(letters.index, doc), END]
    n = min(block_size, len(tokens) - 1)
    keys, values = [[] for _ in range(n_layer)], [[] for _ in range(n_layer)]
    losses = []
    for pos_id in range(n):
        target_id = tokens[1 + pos_id]
        token_id = tokens[pos_id]
        logits = gpt(token_id, pos_id, keys, values)
        probs = softmax(logits)
        loss_t = -probs[target_id].log()
        losses.append(loss_t)
    loss = (1 / n) * sum(losses)
    loss.backward()
    rate = learning_rate * (1 - step / num_steps)
    for i, p in enumerate(params):
        m[i] = m[i] * beta1 + p.grad * (1 - beta1)
        v[i] = v[i] * beta2 + p.grad**2 * (1 - beta2)
        m_hat = m[i] / (1 - beta1 ** (1 + step))
        v_hat = v[i] / (1 - beta2 ** (1 + step))
        p.data -= rate * m_hat / (eps_adam + v_hat**0.5)
        p.grad = 0
    print("step", step + 1, "loss", repr(loss.data))

for _ in range(2):
    token_id = END
    keys, values = [[] for _ in range(n_layer)], [[] for _ in range(n_layer)]
    name = ""
    for pos_id in range(block_size):
        probs = softmax([each / 0.5 for each in gpt(token_id, pos_id, keys, values)])
        token_id = random.choices(range(vocab_size), weights=[p.data for p in probs])[0]
        if token_id == END:
            break
        name += letters[token_id]
    print("name:", name)
