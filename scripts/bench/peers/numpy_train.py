#!/usr/bin/env python3
"""The networks of compare_peers.py as one writes them by hand with NumPy: dense layers, cross entropy, plain SGD."""
import sys
import time

import numpy
from peer import RANKS, Task, report, report_first_steps

ACTIVATIONS = {  # the function, its derivative from what it gave
    "relu": (lambda z: numpy.maximum(z, 0), lambda a: a > 0),
    "sigmoid": (lambda z: 1 / (1 + numpy.exp(-z)), lambda a: a * (1 - a)),
}


def build(task):
    random = numpy.random.default_rng(1)
    widths = [task.inputs, *task.hidden, task.classes]
    bounds = [inputs**-0.5 for inputs in widths]
    weights = [random.uniform(-r, r, shape).astype("f4") for r, *shape in zip(bounds, widths, widths[1:])]
    return weights, [random.uniform(-r, r, n).astype("f4") for r, n in zip(bounds, widths[1:])]


def train_step(task, weights, biases, x, y):
    """One step in place; the mean loss of the batch."""
    function, derivative = ACTIVATIONS[task.activation]
    outputs = [x]
    for w, b in zip(weights[:-1], biases[:-1]):
        outputs.append(function(outputs[-1] @ w + b))
    z = outputs[-1] @ weights[-1] + biases[-1]
    z -= z.max(axis=1, keepdims=True)
    p = numpy.exp(z)
    p /= p.sum(axis=1, keepdims=True)
    rows = numpy.arange(len(y))
    loss = -numpy.log(p[rows, y]).mean()
    p[rows, y] -= 1
    delta = p / numpy.float32(len(y))
    for layer in range(len(weights) - 1, -1, -1):
        w, dw, db = weights[layer], outputs[layer].T @ delta, delta.sum(axis=0)
        if layer > 0:
            delta = (delta @ w.T) * derivative(outputs[layer])
        w -= task.lr * dw
        biases[layer] -= task.lr * db
    return loss


def main():
    task = Task()
    if task.lstm or RANKS > 1:
        sys.exit("with NumPy, dense layers in one process alone")
    weights, biases = build(task)
    for epoch in range(task.epochs):
        start, spent, total = time.perf_counter(), time.process_time(), 0.0
        order = numpy.random.default_rng(epoch).permutation(task.samples)
        for step in range(task.steps):
            rows = order[step * task.batch:(step + 1) * task.batch]
            total += train_step(task, weights, biases, task.x[rows], task.y[rows])
            if epoch == 0 and step == 0:
                report_first_steps(1)
        report("epoch", time.perf_counter() - start)
        report("processor", time.process_time() - spent)
        report("loss", total / task.steps)


if __name__ == "__main__":
    main()
