#!/usr/bin/env python3
"""The networks of compare_peers.py in JAX: a whole epoch is one compiled lax.scan, over several processes with shard_map and gloo.

The data is one array; a step gathers its rows by index. Parameters are donated, so that an update happens in place.
"""
import functools
import os
import time

import jax
import jax.numpy as jnp
import numpy
from jax import lax
from jax.flatten_util import ravel_pytree
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from peer import RANK, RANKS, Task, report, report_first_steps

ACTIVATIONS = {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid}


def initial(task):
    random = numpy.random.default_rng(1)

    def uniform(fan, *shape):
        return random.uniform(-1, 1, shape).astype("f4") / numpy.sqrt(fan, dtype="f4")

    if task.lstm:
        units = task.lstm
        return [uniform(units, 28, 4 * units), uniform(units, units, 4 * units), uniform(units, 4 * units),
                (uniform(units, units, task.classes), uniform(units, task.classes))]
    widths = [task.inputs, *task.hidden, task.classes]
    return [(uniform(i, i, o), uniform(i, o)) for i, o in zip(widths, widths[1:])]


def lstm(parameters, x):
    """The input's products for all time steps at once; what remains in the scan is the state's."""
    w_ih, w_hh, bias, (w, b) = parameters
    gates = x.reshape(-1, 28, 28).swapaxes(0, 1) @ w_ih + bias

    def cell(state, gate):
        h, c = state
        i, f, g, o = jnp.split(gate + h @ w_hh, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), None

    zeros = jnp.zeros_like(gates, shape=(gates.shape[1], w_hh.shape[0]))
    (h, _), _ = lax.scan(cell, (zeros, zeros), gates)
    return h @ w + b


def mlp(activation, parameters, x):
    for w, b in parameters[:-1]:
        x = activation(x @ w + b)
    w, b = parameters[-1]
    return x @ w + b


def make_epoch(task):
    network = lstm if task.lstm else functools.partial(mlp, ACTIVATIONS[task.activation])

    def loss(parameters, x, y):
        chosen = jax.nn.one_hot(y, task.classes)
        return -(chosen * jax.nn.log_softmax(network(parameters, x))).sum(-1).mean()

    def epoch(parameters, x, y, order):
        def step(parameters, rows):
            batch = x.at[rows].get(mode="promise_in_bounds"), y.at[rows].get(mode="promise_in_bounds")
            own = lax.pcast(parameters, "ranks", to="varying") if RANKS > 1 else parameters
            value, gradient = jax.value_and_grad(loss)(own, *batch)
            if RANKS > 1:  # one call for all tensors and the loss
                flat, unflatten = ravel_pytree((value, gradient))
                value, gradient = unflatten(lax.pmean(flat, "ranks"))
            return jax.tree.map(lambda p, g: p - task.lr * g, parameters, gradient), value

        parameters, losses = lax.scan(step, parameters, order)
        return parameters, losses.mean()

    return epoch


def main():
    task = Task()
    jax.config.update("jax_platforms", "cpu")
    epoch = make_epoch(task)
    if RANKS > 1:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.distributed.initialize(f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}", RANKS, RANK)
        mesh = jax.make_mesh((RANKS,), ("ranks",))
        whole, sharded = NamedSharding(mesh, P()), NamedSharding(mesh, P(None, "ranks"))
        epoch = jax.shard_map(epoch, mesh=mesh, in_specs=(P(), P(), P(), P(None, "ranks")), out_specs=(P(), P()))
        place = functools.partial(jax.make_array_from_process_local_data, whole)
    else:
        place, sharded = jnp.asarray, None
    run = jax.jit(epoch, donate_argnums=0)
    parameters = jax.tree.map(place, initial(task))
    x, y = place(task.x), place(task.y.astype("i4"))
    for number in range(task.epochs):
        start, spent = time.perf_counter(), time.process_time()
        order = numpy.random.default_rng(number).permutation(task.samples).astype("i4")
        order = order.reshape(task.steps, RANKS * task.batch)
        if RANKS > 1:
            mine = order.reshape(task.steps, RANKS, task.batch)[:, RANK]
            order = jax.make_array_from_process_local_data(sharded, mine, order.shape)
        parameters, mean = run(parameters, x, y, order)
        mean = float(mean)
        report("epoch", time.perf_counter() - start)
        report("processor", time.process_time() - spent)
        report("loss", mean)
        if number == 0:
            report_first_steps(task.steps)


if __name__ == "__main__":
    main()
