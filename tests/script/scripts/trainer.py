"""A trainer with a fit method, an optimiser object with momentum, a model from the module next to it."""

import random
import sys

from small_net import Net


class Momentum:
    def __init__(self, params, lr=0.05, beta=0.9):
        self.params, self.lr, self.beta = params, lr, beta
        self.velocity = [0.0] * len(params)

    def zero_grad(self):
        for p in self.params:
            p.grad = 0.0

    def step(self):
        for i, p in enumerate(self.params):
            self.velocity[i] = self.beta * self.velocity[i] + p.grad
            p.data -= self.lr * self.velocity[i]


class Trainer:
    def __init__(self, model, opt):
        self.model, self.opt, self.history = model, opt, []

    def loss(self, batch):
        errors = [(self.model(x)[0] - y) ** 2 for x, y in batch]
        return sum(errors[1:], errors[0]) / len(errors)

    def training_step(self, batch):
        loss = self.loss(batch)
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        return loss.data

    def fit(self, data, steps):
        while len(self.history) < steps:
            for start in range(0, len(data), 2)[: steps - len(self.history)]:
                self.history.append(self.training_step(data[start : start + 2]))
                print("loss", repr(self.history[-1]))


random.seed(5)
model = Net([2, 3, 1])
trainer = Trainer(model, Momentum(model.parameters()))
points = [([a / 2, b / 2], float(a != b)) for a in range(2) for b in range(2)]
trainer.fit(points, int(sys.argv[1]) if len(sys.argv) > 1 else 4)
