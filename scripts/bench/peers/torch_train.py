#!/usr/bin/env python3
"""The networks of compare_peers.py in PyTorch: eager or compiled, alone or as DistributedDataParallel over gloo.

No loader: the data is one tensor, a batch is one index_select. The loss is part of the module, so that it is compiled, too.
SGD is the fused one. Losses are summed without asking for a number before the end of the epoch.
"""
import os
import sys
import time

import torch
from peer import RANK, RANKS, Task, report, report_first_steps
from torch import nn

ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}


class Recurrent(nn.Module):
    """An LSTM over the rows of a picture; its last state is what is classified."""

    def __init__(self, side, units, classes):
        super().__init__()
        self.side = side
        self.lstm = nn.LSTM(side, units, batch_first=True)
        self.output = nn.Linear(units, classes)

    def forward(self, x):
        states, _ = self.lstm(x.view(len(x), self.side, self.side))
        return self.output(states[:, -1])


class WithLoss(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network, self.loss = network, nn.CrossEntropyLoss()

    def forward(self, x, y):
        return self.loss(self.network(x), y)


def build(task):
    if task.lstm:
        return WithLoss(Recurrent(28, task.lstm, task.classes))
    widths, layers = [task.inputs, *task.hidden], []
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [nn.Linear(inputs, outputs), ACTIVATIONS[task.activation]()]
    return WithLoss(nn.Sequential(*layers, nn.Linear(widths[-1], task.classes)))


def main():
    task = Task()
    torch.set_num_threads(task.threads)
    torch.manual_seed(1)
    x, y = torch.from_numpy(task.x), torch.from_numpy(task.y).long()
    model = build(task)
    if RANKS > 1:
        torch.distributed.init_process_group("gloo")
        model = nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True, static_graph=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=task.lr, fused=True)
    compute = torch.compile(model) if task.compile else model
    for epoch in range(task.epochs):
        start, spent = time.perf_counter(), time.process_time()
        order = torch.randperm(task.samples, generator=torch.Generator().manual_seed(epoch))
        mine = order.view(task.steps, RANKS, task.batch)[:, RANK]
        total = torch.zeros(())
        for step, rows in enumerate(mine):
            optimizer.zero_grad(set_to_none=True)
            loss = compute(x.index_select(0, rows), y.index_select(0, rows))
            loss.backward()
            optimizer.step()
            total += loss.detach()
            if epoch == 0 and step == 0:
                report_first_steps(1)
        mean = total.item() / task.steps
        report("epoch", time.perf_counter() - start)
        report("processor", time.process_time() - spent)
        report("loss", mean)
    if RANKS > 1:
        torch.distributed.destroy_process_group()
        sys.stdout.flush()
        os._exit(0)  # threads of gloo abort the interpreter's end now and then, when everything is told


if __name__ == "__main__":
    main()
