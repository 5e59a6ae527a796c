"""Measure dlbook.autodiff beside PyTorch, HIPS autograd and hand-written NumPy, on one thread.

A step is forward pass, loss, backward pass and an update by gradient descent. The contenders take
turns of some milliseconds, so that what else the machine does meets them alike; times are medians
over the turns. "PyTorch" is what its tutorials show, a module and an optimiser; "PyTorch, bare" is
functions, and an update without an optimiser. HIPS autograd is left out where it is not installed.
"""

import os

# Before NumPy is loaded.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import argparse
import functools
import itertools
import json
import statistics
import time
import tracemalloc
from pathlib import Path

import numpy as np

from dlbook import autodiff

MLPS = {"2-16-16-2": 32, "64-128-64-10": 64, "784-512-256-10": 128}  # layer sizes: batch size
LEARNING_RATE = 0.01


def problem(sizes, batch_size, seed=0):
    """Inputs, labels, and the weights and biases of a multilayer perceptron, in float32."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((batch_size, sizes[0])).astype(np.float32)
    labels = rng.integers(sizes[-1], size=batch_size)
    parameters = []
    for n_in, n_out in itertools.pairwise(sizes):
        weights = rng.standard_normal((n_in, n_out)) * np.sqrt(2 / n_in)
        parameters += [weights.astype(np.float32), np.zeros(n_out, np.float32)]
    return x, labels, parameters


def numpy_mlp(x, labels, parameters):
    """Backpropagation by hand."""
    parameters = [p.copy() for p in parameters]
    weights, biases = parameters[::2], parameters[1::2]
    rows = np.arange(len(x))

    def step():
        activations = [x]
        for w, b in zip(weights[:-1], biases[:-1], strict=True):
            activations.append(np.maximum(activations[-1] @ w + b, 0))
        logits = activations[-1] @ weights[-1] + biases[-1]
        logits -= logits.max(axis=1, keepdims=True)
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        loss = -log_p[rows, labels].mean()
        delta = np.exp(log_p)
        delta[rows, labels] -= 1
        delta /= len(x)
        gradients = []
        for layer in reversed(range(len(weights))):
            gradients.append((activations[layer].T @ delta, delta.sum(axis=0)))
            if layer:
                delta = (delta @ weights[layer].T) * (activations[layer] > 0)
        for w, b, (dw, db) in zip(weights, biases, reversed(gradients), strict=True):
            w -= LEARNING_RATE * dw
            b -= LEARNING_RATE * db
        return float(loss)

    return step


def dlbook_mlp(x, labels, parameters):
    tensors = [autodiff.Tensor(p, requires_grad=True) for p in parameters]
    optimiser = autodiff.SGD(tensors, LEARNING_RATE)
    x = autodiff.Tensor(x)

    def step():
        h = x
        for w, b in zip(tensors[:-2:2], tensors[1:-2:2], strict=True):
            h = autodiff.linear(h, w, b).relu()
        loss = autodiff.cross_entropy(autodiff.linear(h, *tensors[-2:]), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def torch_mlp(x, labels, parameters):
    import torch

    torch.set_num_threads(1)
    layers = []
    for w, b in zip(parameters[::2], parameters[1::2], strict=True):
        linear = torch.nn.Linear(*w.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(w.T.copy()))
            linear.bias.copy_(torch.from_numpy(b))
        layers += [linear, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    return torch_step(model, torch.from_numpy(x), torch.from_numpy(labels))


def torch_step(model, x, labels):
    import torch

    optimiser = torch.optim.SGD(model.parameters(), LEARNING_RATE)

    def step():
        loss = torch.nn.functional.cross_entropy(model(x), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def bare_torch_mlp(x, labels, parameters):
    import torch

    tensors = [torch.tensor(p, requires_grad=True) for p in parameters]
    x = torch.from_numpy(x)

    def forward():
        h = x
        for w, b in zip(tensors[:-2:2], tensors[1:-2:2], strict=True):
            h = torch.relu(torch.addmm(b, h, w))
        return torch.addmm(tensors[-1], h, tensors[-2])

    return bare_torch_step(forward, tensors, labels)


def bare_torch_step(forward, tensors, labels):
    import torch

    torch.set_num_threads(1)
    labels = torch.from_numpy(labels)

    def step():
        loss = torch.nn.functional.cross_entropy(forward(), labels)
        for tensor in tensors:
            tensor.grad = None
        loss.backward()
        with torch.no_grad():
            for tensor in tensors:
                tensor.sub_(tensor.grad, alpha=LEARNING_RATE)
        return loss.item()

    return step


def hips_mlp(x, labels, parameters):
    import autograd
    import autograd.numpy as anp

    parameters = [p.copy() for p in parameters]
    rows = np.arange(len(x))

    def loss_of(parameters):
        h = x
        for w, b in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
            h = anp.maximum(anp.dot(h, w) + b, 0)
        logits = anp.dot(h, parameters[-2]) + parameters[-1]
        logits = logits - anp.max(logits, axis=1, keepdims=True)
        log_p = logits - anp.log(anp.sum(anp.exp(logits), axis=1, keepdims=True))
        return -anp.mean(log_p[rows, labels])

    value_and_gradient = autograd.value_and_grad(loss_of)

    def step():
        loss, gradients = value_and_gradient(parameters)
        for p, g in zip(parameters, gradients, strict=True):
            p -= LEARNING_RATE * g
        return float(loss)

    return step


def digits():
    """A batch of 64 digits, and the parameters of a small ConvNet, in float32."""
    from dlbook.data import digits

    images, labels = digits()[:2]
    rng = np.random.default_rng(0)
    x = np.asarray(images, np.float32)[:64].reshape(64, 1, 8, 8)
    shapes = [(8, 1, 3, 3), (16, 8, 3, 3), (256, 10)]
    fans = [9, 72, 256]
    weights = [rng.standard_normal(s) * np.sqrt(2 / n) for s, n in zip(shapes, fans, strict=True)]
    return x, np.asarray(labels)[:64], [w.astype(np.float32) for w in weights]


def dlbook_convnet(x, labels, weights):
    weights = [autodiff.Tensor(w, requires_grad=True) for w in weights]
    biases = [
        autodiff.Tensor(np.zeros(shape, np.float32), requires_grad=True)
        for shape in ((8, 1, 1), (16, 1, 1), (10,))
    ]
    optimiser = autodiff.SGD([*weights, *biases], LEARNING_RATE)
    x = autodiff.Tensor(x)

    def step():
        h = (autodiff.conv2d(x, weights[0], padding=1) + biases[0]).relu()
        h = (autodiff.conv2d(h, weights[1], padding=1) + biases[1]).relu()
        h = autodiff.max_pool2d(h, 2).reshape(len(x), -1)
        loss = autodiff.cross_entropy(autodiff.linear(h, weights[2], biases[2]), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def torch_convnet(x, labels, weights):
    import torch

    torch.set_num_threads(1)
    nn = torch.nn
    layers = [nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1), nn.Linear(256, 10)]
    with torch.no_grad():
        for layer, w in zip(layers, weights, strict=True):
            layer.weight.copy_(torch.from_numpy(w if w.ndim == 4 else w.T.copy()))
            layer.bias.zero_()
    model = nn.Sequential(
        layers[0], nn.ReLU(), layers[1], nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), layers[2]
    )
    return torch_step(model, torch.from_numpy(x), torch.from_numpy(labels))


def bare_torch_convnet(x, labels, weights):
    import torch

    weights = [torch.tensor(w, requires_grad=True) for w in weights]
    biases = [torch.zeros(n, requires_grad=True) for n in (8, 16, 10)]
    x = torch.from_numpy(x)

    def forward():
        h = torch.relu(torch.conv2d(x, weights[0], biases[0], padding=1))
        h = torch.relu(torch.conv2d(h, weights[1], biases[1], padding=1))
        h = torch.max_pool2d(h, 2).reshape(len(x), -1)
        return torch.addmm(biases[2], h, weights[2])

    return bare_torch_step(forward, [*weights, *biases], labels)


def medians(steps, seconds):
    """Seconds of a step of each contender; their losses must agree."""
    losses = {name: [step() for _ in range(5)][-1] for name, step in steps.items()}
    if not np.allclose(list(losses.values()), next(iter(losses.values())), rtol=1e-3):
        raise ValueError(f"the contenders compute different losses: {losses}")
    times = {name: [] for name in steps}
    n_steps, end = 1, time.perf_counter() + seconds
    while time.perf_counter() < end or len(times["dlbook"]) < 5:
        for name, step in steps.items():
            step()  # the others have emptied the caches
            begin = time.perf_counter()
            for _ in range(n_steps):
                step()
            times[name].append((time.perf_counter() - begin) / n_steps)
        n_steps = max(1, round(0.003 / times["dlbook"][-1]))
    return {name: statistics.median(values) for name, values in times.items()}


def training(seconds=5.0):
    """Rows: microseconds of a training step, and the ratios of dlbook's to the others'."""
    makers = {
        "dlbook": dlbook_mlp,
        "PyTorch": torch_mlp,
        "PyTorch, bare": bare_torch_mlp,
        "NumPy by hand": numpy_mlp,
        "HIPS autograd": hips_mlp,
    }
    problems = {
        name: (problem([int(n) for n in name.split("-")], batch), makers)
        for name, batch in MLPS.items()
    }
    problems["ConvNet 8-16"] = (
        digits(),
        {"dlbook": dlbook_convnet, "PyTorch": torch_convnet, "PyTorch, bare": bare_torch_convnet},
    )
    rows = []
    for name, (given, contenders) in problems.items():
        steps = {}
        for contender, make in contenders.items():
            try:
                steps[contender] = make(*given)
            except ImportError:
                continue
        times = medians(steps, seconds)
        row = {"network": name, "batch": len(given[0])}
        row |= {f"{c}, µs": round(times[c] * 1e6) if c in times else "–" for c in makers}
        for other in list(makers)[1:]:
            known = other in times
            row[f"/ {other}"] = round(times["dlbook"] / times[other], 2) if known else "–"
        rows.append(row)
    return rows


def memory():
    """Rows: peak of the memory that NumPy and Python hold during training."""
    rows = []
    for name, batch in MLPS.items():
        given = problem([int(n) for n in name.split("-")], batch)
        peaks = {}
        for contender, make in {"dlbook": dlbook_mlp, "NumPy by hand": numpy_mlp}.items():
            make(*given)()  # whatever is imported or cached once
            tracemalloc.start()
            step = make(*given)
            for _ in range(3):
                step()
            peaks[contender] = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            del step
        row = {"network": name, "batch": batch}
        row |= {f"{c}, KB": round(peak / 1e3) for c, peak in peaks.items()}
        row["dlbook / NumPy by hand"] = round(peaks["dlbook"] / peaks["NumPy by hand"], 2)
        rows.append(row)
    return rows


def linearity(sizes=(10**3, 10**4, 10**5, 10**6)):
    """Rows: nanoseconds of forward and backward for each operation of a chain of additions."""
    rows = []
    for n in sizes:
        x = autodiff.Tensor(1.0, requires_grad=True)
        begin = time.perf_counter()
        y = functools.reduce(lambda total, _: total + 1.0, range(n), x)
        middle = time.perf_counter()
        y.backward()
        end = time.perf_counter()
        rows.append(
            {
                "operations": n,
                "forward, ns each": round((middle - begin) / n * 1e9),
                "backward, ns each": round((end - middle) / n * 1e9),
            }
        )
    return rows


def benchmarks(seconds=5.0, training_only=False):
    """Titles and rows of every table, or of the first alone."""
    results = {"Training step of dlbook.autodiff": training(seconds)}
    if not training_only:
        results["Peak memory of dlbook.autodiff"] = memory()
        results["Time of a chain of operations"] = linearity()
    return results


def main(argv=None):
    from bench import table
    from booklib import write_atomically

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each network")
    parser.add_argument("--training-only", action="store_true", help="leave out the other tables")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the same as JSON")
    options = parser.parse_args(argv)
    results = benchmarks(options.seconds, options.training_only)
    if options.json:
        write_atomically(options.json, json.dumps(results) + "\n")
    for title, rows in results.items():
        print(f"{title}\n{table(rows)}\n")


if __name__ == "__main__":
    main()
