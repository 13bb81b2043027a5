# A recurrent net that spells a word over and over; the state is handed on as numbers.
import math
import random
import sys

from plain_scalar import Scalar


class RNN:
    def __init__(self, vocab, hidden):
        self.vocab, self.hidden = vocab, hidden
        draw = lambda n, m: [[Scalar(random.gauss(0, 0.3)) for _ in range(m)] for _ in range(n)]
        self.Wxh = draw(hidden, vocab)
        self.Whh = draw(hidden, hidden)
        self.Why = draw(vocab, hidden)
        self.bh = [Scalar(0.0) for _ in range(hidden)]

    def step(self, token, h):
        new = []
        for i in range(self.hidden):
            total = self.Wxh[i][token] + self.bh[i]
            for j in range(self.hidden):
                total = total + self.Whh[i][j] * h[j]
            new.append(total.tanh())
        h = new
        y = [sum(w * a for w, a in zip(row, h)) for row in self.Why]
        return y, h


random.seed(6)
text = "hello world " * 3
letters = sorted(set(text))
net = RNN(len(letters), 4)
memory = {name: [[0.0] * len(row) for row in matrix] for name, matrix in vars(net).items() if name[0] == "W"}
state = [0.0] * net.hidden
place, length = 0, 4
for iteration in range(int(sys.argv[1]) if len(sys.argv) > 1 else 4):
    inputs = [letters.index(c) for c in text[place : place + length]]
    targets = [letters.index(c) for c in text[place + 1 : place + length + 1]]
    h = [Scalar(s) for s in state]
    loss = 0
    for t, (token, target) in enumerate(zip(inputs, targets)):
        y, h = net.step(token, h)
        top = max(each.data for each in y)
        exps = [(each - top).exp() for each in y]
        loss = loss + -(exps[target] / sum(exps)).log()
    loss.backward()
    state = [each.data for each in h]
    for name in memory:
        for row, kept in zip(getattr(net, name), memory[name]):
            for j, weight in enumerate(row):
                g = max(-5.0, min(5.0, weight.grad))
                kept[j] += g * g
                weight.data -= 0.1 * g / math.sqrt(kept[j] + 1e-8)
    for row in (*net.Wxh, *net.Whh, *net.Why, net.bh):
        for weight in row:
            weight.grad = 0
    place = (place + length) % (len(text) - length - 1)
    print("loss", repr(loss.data))
