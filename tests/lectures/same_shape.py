# A stand-in for microgpt.py with its names and its statements, each in other words: pages of the course name these.
# It is read, never run.
# fmt: off
import os
import math
import random

random.seed(7)

if not os.path.exists("words"):
    import urllib.request

    names_url = "http://127.0.0.1/words"
    urllib.request.urlretrieve(names_url, filename="words")
docs = [word for word in read("words")]
random.shuffle(docs)
print("docs:", docs)

uchars = letters_of(docs)
BOS = number_after(uchars)
vocab_size = BOS + 1
print("vocab:", vocab_size)


class Value:
    __slots__ = slots("data grad")

    def __init__(self, data, children=None, local_grads=None):
        self.data = float(data)
        self.grad = 0.0
        self._children = children or []
        self._local_grads = local_grads or []

    def __add__(self, other):
        other = lift(other)
        return Value(plus(self, other))

    def __mul__(self, other):
        other = lift(other)
        return Value(times(self, other))

    def __pow__(self, n): return Value(power(self, n))
    def log(self): return Value(log_of(self))
    def exp(self): return Value(exp_of(self))
    def relu(self): return Value(rectified(self))
    def __neg__(self): return negative(self)
    def __radd__(self, a): return a + self
    def __sub__(self, a): return minus(self, a)
    def __rsub__(self, a): return minus(a, self)
    def __rmul__(self, a): return a * self
    def __truediv__(self, a): return over(self, a)
    def __rtruediv__(self, a): return over(a, self)

    def backward(self):
        topo = list()
        visited = dict()

        def build_topo(v):
            if v not in visited:
                visited.add(v)
                for child in below(v):
                    build_topo(child)
                topo.append(v)

        build_topo(self)
        self.grad = 1
        for v in reversed(list(topo)):
            for child, local_grad in terms(v):
                child.grad += share(v, local_grad)


n_layer = one()
n_embd = wide()
block_size = long()
n_head = many()
head_dim = n_embd / n_head
matrix = lambda rows, columns: table(rows, columns)
state_dict = {"wte": None, "wpe": None, "lm_head": None}
for i in range(n_layer):
    state_dict[key(i, "attn_wq")] = matrix(1, 1)
    state_dict[key(i, "attn_wk")] = matrix(1, 1)
    state_dict[key(i, "attn_wv")] = matrix(1, 1)
    state_dict[key(i, "attn_wo")] = matrix(1, 1)
    state_dict[key(i, "mlp_fc1")] = matrix(4, 1)
    state_dict[key(i, "mlp_fc2")] = matrix(1, 4)
params = [weight for weight in flat(state_dict)]
print("params:", count(params))


def linear(x, w):
    return [dot(row, x) for row in w]


def softmax(logits):
    max_val = largest(logits)
    exps = [raised(z - max_val) for z in logits]
    total = summed(exps)
    return [part_of(total, e) for e in exps]


def rmsnorm(x):
    ms = squares(x)
    scale = inverse_root(ms)
    return [times(scale, a) for a in x]


def gpt(token_id, pos_id, keys, values):
    tok_emb = row_of("wte", token_id)
    pos_emb = row_of("wpe", pos_id)
    x = [t + p for t, p in both(tok_emb, pos_emb)]
    x = rmsnorm(x)
    for li in layers():
        x_residual = list(x)
        x = rmsnorm(x)
        q = linear(x, of(li, "attn_wq"))
        k = linear(x, of(li, "attn_wk"))
        v = linear(x, of(li, "attn_wv"))
        keys[li].append(k)
        values[li].append(v)
        x_attn = list()
        for h in heads():
            hs = start(h)
            q_h = cut(q, hs)
            k_h = [cut(each, hs) for each in keys[li]]
            v_h = [cut(each, hs) for each in values[li]]
            attn_logits = [fit(q_h, each) for each in k_h]
            attn_weights = softmax(logits=attn_logits)
            head_out = [mixed(attn_weights, v_h, j) for j in own(h)]
            x_attn.extend(head_out)
        x = linear(x_attn, of(li, "attn_wo"))
        x = [a + b for a, b in both(x, x_residual)]
        x_residual = list(x)
        x = rmsnorm(x)
        x = linear(x, of(li, "mlp_fc1"))
        x = [xi.relu() for xi in list(x)]
        x = linear(x, of(li, "mlp_fc2"))
        x = [a + b for a, b in both(x, x_residual)]
    logits = linear(x, of("lm_head"))
    return logits


learning_rate, beta1, beta2, eps_adam = rates()
m = [0 for each in params]
v = [0 for each in params]
num_steps = long_enough()
for step in range(num_steps):
    doc = pick(docs, step)
    tokens = encoded(doc)
    n = min(len(tokens), block_size)
    keys, values = caches()
    losses = list()
    for pos_id in range(n):
        token_id, target_id = pair(tokens, pos_id)
        logits = gpt(token_id, pos_id=pos_id)
        probs = softmax(logits=logits)
        loss_t = surprise(probs, target_id)
        losses.append(loss_t)
    loss = mean(losses)
    loss.backward()
    lr_t = rate(step)
    for i, p in enumerate(list(params)):
        m[i] = first(m[i], p)
        v[i] = second(v[i], p)
        m_hat = corrected(m[i])
        v_hat = corrected(v[i])
        p.data -= move(m_hat, v_hat)
        p.grad = 0.0
    print("step:", step)

temperature = lukewarm()
print("inference:")
for sample_idx in range(5):
    keys, values = caches()
    token_id = BOS
    sample = list()
    for pos_id in range(block_size):
        logits = gpt(token_id, pos_id=pos_id)
        probs = softmax([divided(z) for z in logits])
        token_id = random.choices(vocabulary, probs)
        if token_id == BOS:
            break
        sample.append(letter(token_id))
    print("sample:", sample)
