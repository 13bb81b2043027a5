"""A while loop with an optimiser that keeps a dictionary for each parameter; forward passes in comprehensions."""

import random
import sys

from small_net import Net

random.seed(1)


class Adam:
    def __init__(self, groups, lr):
        self.groups, self.lr, self.t = groups, lr, 0
        self.state = {id(p): {"m": 0.0, "v": 0.0} for g in groups for p in g["params"]}

    def step(self):
        self.t += 1
        for group in self.groups:
            for p in group["params"]:
                s = self.state[id(p)]
                s["m"] = 0.9 * s["m"] + 0.1 * p.grad
                s["v"] = 0.999 * s["v"] + 0.001 * p.grad * p.grad
                m_hat = s["m"] / (1 - 0.9**self.t)
                v_hat = s["v"] / (1 - 0.999**self.t)
                p.data = p.data - self.lr * m_hat / (v_hat**0.5 + 1e-8)
                p.grad = 0.0


model = Net([1, 4, 1])
opt = Adam([{"params": model.parameters()}], 0.05)
left = int(sys.argv[1]) if len(sys.argv) > 1 else 4
xs = [-1.0, 0.0, 1.0]
while left > 0:
    outs = [model([x])[0] for x in xs]
    losses = [(out - x * x) ** 2 for out, x in zip(outs, xs)]
    loss = sum(losses[1:], losses[0])
    loss.backward()
    opt.step()
    print("loss", repr(loss.data))
    left -= 1
