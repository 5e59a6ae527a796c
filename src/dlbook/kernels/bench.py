"""Measure the kernels beside PyTorch's own operators: ``python -m dlbook.kernels.bench``.

Each pair is compared before it is timed. Times are medians of many runs after a warm-up. "ratio"
is PyTorch's time divided by ours, so above 1 ours is faster. "share" is the achieved rate divided
by what the device reaches in a plain copy (GB/s) or in PyTorch's own product of large matrices
(TFLOP/s), both measured here. Without a GPU there is no kernel to measure: then the plain
references are timed, at small sizes, and the steps from a loop in Python to BLAS.
"""

import argparse
import datetime
import json
import math
import os
import platform
import statistics
import subprocess
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from dlbook import kernels

__all__ = ["main", "measure"]

#: How far a result may be from PyTorch's, as a share of the largest entry.
TOLERANCE = {torch.float32: 1e-4, torch.float16: 5e-3, torch.bfloat16: 4e-2}


@dataclass
class Case:
    """Two ways to compute the same, and what the computation moves or multiplies.

    `ours` and `theirs` are functions of the `inputs`, a list of tensors; `theirs` may be several,
    of which the fastest counts. `work` is in floating-point operations or bytes for the forward
    pass, and `factor` times that for both passes.
    """

    size: str
    inputs: list
    ours: object
    theirs: list
    work: float
    unit: str
    factor: float


def _normal(device, dtype, *shapes, scale=1.0):
    generator = torch.Generator(device).manual_seed(0)
    return [
        (torch.randn(shape, generator=generator, device=device) * scale).to(dtype).requires_grad_()
        for shape in shapes
    ]


def _matmul(device, dtype, large):
    for n in (1024, 2048, 4096, 8192) if large else (64, 128, 256):
        inputs = _normal(device, dtype, (n, n), (n, n))
        yield Case(f"{n}³", inputs, kernels.matmul, [torch.matmul], 2 * n**3, "FLOP", 3)


def _rows(large):
    return [(16384, n) for n in (1024, 4096, 16384)] if large else [(256, 64), (256, 1024)]


def _softmax(device, dtype, large):
    for rows, n in _rows(large):
        inputs = _normal(device, dtype, (rows, n))
        n_bytes = 2 * rows * n * dtype.itemsize
        theirs = [lambda x: torch.softmax(x, -1)]
        yield Case(f"{rows} × {n}", inputs, kernels.softmax, theirs, n_bytes, "B", 2.5)


def _layer_norm(device, dtype, large):
    for rows, n in _rows(large):
        inputs = _normal(device, dtype, (rows, n), (n,), (n,))
        n_bytes = 2 * rows * n * dtype.itemsize
        theirs = [lambda x, w, b: F.layer_norm(x, w.shape, w, b)]
        yield Case(f"{rows} × {n}", inputs, kernels.layer_norm, theirs, n_bytes, "B", 2.5)


def _cross_entropy(device, dtype, large):
    for rows, n in _rows(large):
        inputs = _normal(device, dtype, (rows, n))
        labels = torch.arange(rows, device=device) % n
        n_bytes = rows * n * dtype.itemsize
        ours = lambda x, labels=labels: kernels.cross_entropy(x, labels)  # noqa: E731
        theirs = [lambda x, labels=labels: F.cross_entropy(x, labels)]
        yield Case(f"{rows} × {n}", inputs, ours, theirs, n_bytes, "B", 3)


def _attention(device, dtype, large):
    shapes = [(4, 16, n, d) for d in (64, 128) for n in (2048, 4096, 8192, 16384)]
    for shape in shapes if large else [(1, 2, 64, 32), (1, 2, 256, 32)]:
        batch, heads, n, d = shape
        inputs = _normal(device, dtype, shape, shape, shape)
        work = 4 * batch * heads * n * n * d / 2  # half of the scores are masked
        size = f"{batch} × {heads} × {n} × {d}, causal"
        ours = lambda q, k, v: kernels.attention(q, k, v, causal=True)  # noqa: E731
        yield Case(size, inputs, ours, _best_attention(large), work, "FLOP", 3.5)


def _best_attention(large):
    """PyTorch's attention, by each backend that may take it on a GPU."""

    def plain(q, k, v):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    if not large:
        return [plain]
    from torch.nn.attention import SDPBackend, sdpa_kernel

    def by(backend):
        def chosen(q, k, v):
            with sdpa_kernel(backend):
                return plain(q, k, v)

        return chosen

    names = ("FLASH_ATTENTION", "CUDNN_ATTENTION", "EFFICIENT_ATTENTION")
    return [by(getattr(SDPBackend, name)) for name in names if hasattr(SDPBackend, name)]


def _lstm(device, dtype, large):
    for n_steps, batch, hidden in [(256, 64, 512), (64, 64, 256)] if large else [(20, 16, 32)]:
        layer = torch.nn.LSTM(hidden, hidden).to(device, dtype)
        (x,) = _normal(device, dtype, (n_steps, batch, hidden))
        inputs = [x, *layer.parameters()]
        work = 16 * n_steps * batch * hidden * hidden
        size = f"{n_steps} steps, batch {batch}, hidden {hidden}"
        ours = lambda *given: kernels.lstm(*given)[0]  # noqa: E731
        theirs = [lambda x, *weights, layer=layer: layer(x)[0]]
        yield Case(size, inputs, ours, theirs, work, "FLOP", 3)


def _conv2d(device, dtype, large):
    shapes = [(64, 64, 56, 128, 3), (64, 256, 14, 256, 3)] if large else [(8, 8, 16, 16, 3)]
    for batch, channels, width, filters, r in shapes:
        shape = (batch, channels, width, width)
        inputs = _normal(device, dtype, shape, (filters, channels, r, r), (filters,))
        work = 2 * batch * filters * width * width * channels * r * r
        size = f"{batch} × {channels} × {width}², {filters} filters of {r}²"
        ours = lambda x, w, b: kernels.conv2d(x, w, b, padding=1)  # noqa: E731
        theirs = [lambda x, w, b: F.conv2d(x, w, b, padding=1)]
        yield Case(size, inputs, ours, theirs, work, "FLOP", 3)


OPERATORS = {
    "matmul": _matmul,
    "softmax": _softmax,
    "layer_norm": _layer_norm,
    "cross_entropy": _cross_entropy,
    "attention": _attention,
    "lstm": _lstm,
    "conv2d": _conv2d,
}


def _seconds(function, device):
    """The median time of many calls, after some that do not count."""
    if device.type == "cuda":
        from triton.testing import do_bench

        return do_bench(function, warmup=50, rep=200, return_mode="median") / 1e3
    function()
    times, end = [], time.perf_counter() + 0.15
    while time.perf_counter() < end or len(times) < 5:
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def _differ(found, wanted, dtype):
    """The largest difference as a share of the largest entry, if that is too much; else None."""
    size = wanted.float().abs().max().clamp_min(1e-6)
    worst = ((found.float() - wanted.float()).abs().max() / size).item()
    return worst if not worst <= TOLERANCE[dtype] else None


def _gradients(function, inputs, cotangent):
    return torch.autograd.grad(function(*inputs), inputs, cotangent)


def _row(name, case, which, dtype, device, ceiling):
    """Compare and time one case in one of its passes."""
    inputs = case.inputs
    work = case.work * (1 if which == "forward" else case.factor)
    if which == "forward":
        inputs = [tensor.detach() for tensor in inputs]

        def run(function):
            return [function(*inputs)]
    else:
        # no constant: a softmax's gradient with that would be 0
        cotangent = torch.rand_like(case.ours(*inputs))

        def run(function):
            return _gradients(function, inputs, cotangent)

    times = []
    for theirs in case.theirs:
        try:
            wanted = run(theirs)
        except RuntimeError:  # a backend of PyTorch's that does not take this
            continue
        for found, right in zip(run(case.ours), wanted, strict=True):
            worst = _differ(found, right, dtype)
            if worst is not None:
                raise ArithmeticError(f"{name} {case.size} {which}: differs by {worst:.2g}")
        times.append(_seconds(lambda theirs=theirs: run(theirs), device))
    ours = _seconds(lambda: run(case.ours), device)
    rate, unit = (
        (work / ours / 1e12, "TFLOP/s") if case.unit == "FLOP" else (work / ours / 1e9, "GB/s")
    )
    best = min(times, default=math.nan)
    return {
        "operator": name,
        "pass": which,
        "type": str(dtype).removeprefix("torch."),
        "size": case.size,
        "ms": _digits(ours * 1e3),
        "PyTorch ms": _digits(best * 1e3),
        "ratio": _digits(best / ours),
        "rate": f"{_digits(rate)} {unit}",
        # on a CPU small problems stand in its caches, which no ceiling here describes
        "share": f"{100 * rate / ceiling[unit]:.0f} %" if device.type == "cuda" else "–",
    }


def _digits(number):
    """Three significant digits."""
    return float(f"{number:.3g}")


def _ceilings(device, dtype):
    """What the device reaches: GB/s in a copy, and TFLOP/s in PyTorch's product of matrices."""
    on_gpu = device.type == "cuda"
    source = torch.zeros(2**28 if on_gpu else 2**22, device=device)
    target = torch.empty_like(source)
    copied = 2 * source.numel() * 4 / _seconds(lambda: target.copy_(source), device) / 1e9
    n = 8192 if on_gpu else 512
    a, b = (tensor.detach() for tensor in _normal(device, dtype, (n, n), (n, n)))
    multiplied = 2 * n**3 / _seconds(lambda: a @ b, device) / 1e12
    return {"GB/s": copied, "TFLOP/s": multiplied}


def _memory(device, dtype):
    """Peak memory of causal attention with its backward pass, in MB, by the length."""
    rows = []
    for n in (16384, 32768, 65536, 131072):
        inputs = _normal(device, dtype, *[(1, 4, n, 64)] * 3)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        torch.autograd.grad(kernels.attention(*inputs, causal=True).sum(), inputs)
        peak = torch.cuda.max_memory_allocated(device) - before
        rows.append({"length": n, "peak MB": round(peak / 2**20)})
    return rows


def three_loops(a, b):
    """Every product by itself, in Python."""
    c = np.zeros((len(a), b.shape[1]), a.dtype)
    for i in range(len(a)):
        for j in range(b.shape[1]):
            for k in range(len(b)):
                c[i, j] += a[i, k] * b[k, j]
    return c


def entry_by_entry(a, b):
    """One inner product for each entry."""
    return np.array([[row @ column for column in b.T] for row in a])


def row_by_row(a, b):
    """One product of a vector and a matrix for each row."""
    return np.array([row @ b for row in a])


def all_at_once(a, b):
    """One call of BLAS."""
    return a @ b


STEPS = {three_loops: 32, entry_by_entry: 128, row_by_row: 256, all_at_once: 512}


def _steps():
    """From a loop in Python to BLAS: the same product, in billions of operations per second."""
    rows = []
    for step, n in STEPS.items():
        rng = np.random.default_rng(0)
        a, b = rng.standard_normal((2, n, n)).astype(np.float32)
        if not np.allclose(step(a, b), a @ b, atol=1e-3):
            raise ArithmeticError(f"{step.__name__} differs from a @ b")
        seconds = _seconds(lambda step=step, a=a, b=b: step(a, b), torch.device("cpu"))
        name = step.__name__.replace("_", " ")
        rate = _digits(2 * n**3 / seconds / 1e9)
        rows.append({"step": name, "size": f"{n}³", "ms": _digits(seconds * 1e3), "GFLOP/s": rate})
    return rows


def _driver():
    """The version of NVIDIA's driver, or None."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.split("\n")[0].strip() or None


def _versions():
    found = {"python": platform.python_version(), "cuda": torch.version.cuda}
    for package in ("torch", "triton", "numpy"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def measure(operators=tuple(OPERATORS)):
    """Measure on the GPU where there is one, else on the CPU.

    Parameters
    ----------
    operators : iterable of str
        Names of the functions of `dlbook.kernels`.

    Returns
    -------
    dict
        Keys date (ISO 8601), gpu (bool), device, driver, versions, ceilings (by type), rows (the
        table), and memory or steps (further tables).

    Raises
    ------
    ValueError
        If there is no such operator.
    ArithmeticError
        If a result differs from PyTorch's.
    """
    for name in operators:
        if name not in OPERATORS:
            raise ValueError(f"operators has {name!r}: expected some of {', '.join(OPERATORS)}")
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")
    dtypes = [torch.float32]
    if on_gpu:
        major = torch.cuda.get_device_capability(device)[0]
        dtypes = [torch.bfloat16 if major >= 8 else torch.float16, torch.float32]
        torch.backends.cudnn.allow_tf32 = False  # as in the kernels: float32 means float32
        torch.backends.cuda.matmul.allow_tf32 = False
    rows, ceilings = [], {}
    for dtype in dtypes:
        ceiling = ceilings[str(dtype).removeprefix("torch.")] = _ceilings(device, dtype)
        for name in operators:
            for case in OPERATORS[name](device, dtype, on_gpu):
                for which in ("forward", "both"):
                    rows.append(_row(name, case, which, dtype, device, ceiling))
    found = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "gpu": on_gpu,
        "device": torch.cuda.get_device_name(device) if on_gpu else platform.machine(),
        "driver": _driver() if on_gpu else None,
        "versions": _versions(),
        "path": kernels.path(torch.zeros(1, device=device)),
        "ceilings": {
            name: {unit: _digits(rate) for unit, rate in of_type.items()}
            for name, of_type in ceilings.items()
        },
        "rows": rows,
    }
    if on_gpu and "attention" in operators:
        found["memory"] = _memory(device, dtypes[0])
    if not on_gpu and "matmul" in operators:
        found["steps"] = _steps()
    return found


def _table(rows):
    lines = [list(rows[0])] + [[str(value) for value in row.values()] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def main(argv=None):
    """Measure, print the tables, and write them as JSON where asked to."""
    parser = argparse.ArgumentParser(
        prog="python -m dlbook.kernels.bench", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--op", action="append", choices=list(OPERATORS), help="only this one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the same as JSON")
    options = parser.parse_args(argv)
    found = measure(options.op or tuple(OPERATORS))
    if not found["gpu"]:
        print("No GPU: these are the plain references, on the CPU, at small sizes.")
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items() if number)
    driver = f", driver {found['driver']}" if found["driver"] else ""
    print(f"{found['date']}, {found['device']}{driver}, {versions}; path: {found['path']}\n")
    for name in ("rows", "memory", "steps"):
        if found.get(name):
            print(_table(found[name]) + "\n")
    if options.json:
        fresh = options.json.with_name(options.json.name + ".new")
        fresh.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(fresh, options.json)


if __name__ == "__main__":
    main()
