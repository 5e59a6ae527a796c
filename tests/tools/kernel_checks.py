"""What the tests of kernels share: bounds on rounding errors, layouts of tensors, planted faults.

The files ``tests/package/interpreted/check_*.py`` run with ``TRITON_INTERPRET=1`` in a process of
their own, which ``test_kernels_interpreted.py`` starts.
"""

import importlib.util
import itertools
import sys
from pathlib import Path

import torch

SIZES = (0, 1, 7, 16, 33, 64, 130)
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
LAYOUTS = ("contiguous", "transposed", "sliced", "expanded")

#: Half the distance from 1 to the next number; for bfloat16 the whole, since the interpreter cuts
#: off what does not fit where a GPU rounds. Then the smallest positive number.
ROUNDOFF = {torch.float32: 2.0**-24, torch.float16: 2.0**-11, torch.bfloat16: 2.0**-7}
SMALLEST = {torch.float32: 2.0**-149, torch.float16: 2.0**-24, torch.bfloat16: 2.0**-133}

#: Roundings in float32 that each result may see besides those of its sums: an exponential or a
#: logarithm (2 to 3 units of the last place each), a division, a few products.
ELEMENTARY = 16


class Wrong(AssertionError):
    """A kernel's result is further from the exact one than rounding explains."""


def allowed(magnitude, dtype, n_terms=1, n_roundings=1):
    """How far rounding may take a result from the exact one.

    A sum of products that is added up in any order, with n roundings on the longest path, differs
    from the exact one by at most ((1 + u)^n − 1) Σ|a||b|, where u is the unit roundoff (Higham,
    *Accuracy and Stability of Numerical Algorithms*, section 3.1). The kernels add up in float32,
    so u = 2^-24 for the n_terms + ELEMENTARY roundings there, and round to `dtype` where something
    is stored: `n_roundings` times with that type's own u. A result below the smallest normal
    number loses up to the smallest number at each of these.

    Parameters
    ----------
    magnitude : torch.Tensor of float64
        The same computation with the absolute value of each term.
    dtype : torch.dtype
        Type of the inputs and the result.
    n_terms : int
        Length of the longest sum; for sums of sums, their lengths added up.
    n_roundings : int
        How often something on the way to the result is rounded to `dtype`.

    Returns
    -------
    torch.Tensor of float64
    """
    narrow = n_roundings * ROUNDOFF[dtype]
    wide = (n_terms + ELEMENTARY) * ROUNDOFF[torch.float32]
    return torch.expm1(torch.tensor(narrow + wide)) * magnitude + n_roundings * SMALLEST[dtype]


def compare(name, found, exact, bound):
    """Raise `Wrong` where `found` is further than `bound` from `exact`, or is no number."""
    if found.shape != exact.shape:
        raise Wrong(f"{name} has shape {tuple(found.shape)}, expected {tuple(exact.shape)}")
    error = (found.double() - exact).abs()
    bad = ~(error <= bound) & ~(found.double() == exact)  # a NaN is never within a bound
    bad &= ~(found.isnan() & exact.isnan())
    if bad.any():
        worst = torch.where(bad, error / bound, 0).nan_to_num(nan=float("inf")).argmax().item()
        place = tuple(int(i) for i in torch.unravel_index(torch.tensor(worst), error.shape))
        raise Wrong(
            f"{name}: {int(bad.sum())} of {bad.numel()} wrong, for example at {place} "
            f"{found[place].item()} for {exact[place].item()}, allowed "
            f"{bound.expand(error.shape)[place].item():.2g}"
        )


def poison():
    """Have every new tensor filled with NaN, so that what a kernel forgets to write shows."""
    torch.use_deterministic_algorithms(True)
    if not torch.empty(3).isnan().all():
        raise RuntimeError("torch.empty is not filled with NaN: the checks would miss holes")


def drawn(shape, dtype, layout="contiguous", seed=0, scale=1.0):
    """A leaf of standard normal numbers in one of LAYOUTS, ready for gradients."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*size):
        return (torch.randn(size, generator=generator) * scale).to(dtype)

    if layout == "transposed" and len(shape) > 1:
        tensor = normal(*shape[:-2], shape[-1], shape[-2]).mT
    elif layout == "sliced":
        tensor = normal(*shape[:-1], 2 * shape[-1] + 3)[..., 3::2][..., : shape[-1]]
    elif layout == "expanded" and len(shape) > 1 and shape[0] > 0:
        tensor = normal(1, *shape[1:]).expand(shape)
    else:
        tensor = normal(*shape)
    return tensor.detach().requires_grad_()


def doubled(*tensors):
    """Leaves in float64 with the same numbers."""
    return [None if t is None else t.detach().double().requires_grad_() for t in tensors]


def cycle(*lists):
    """Tuples that pair the lists' elements, as many as the longest has; the others go round."""
    n = max(len(values) for values in lists)
    return [tuple(values[i % len(values)] for values in lists) for i in range(n)]


def gradients(outputs, inputs, cotangents):
    """The gradients of outputs with respect to inputs."""
    return torch.autograd.grad(outputs, inputs, cotangents, allow_unused=True)


def check_compiled(function, *arguments):
    """The graph is not broken, and the compiled function has the same values and gradients."""

    def run(function):
        output = function(*arguments)
        leaves = [a for a in arguments if isinstance(a, torch.Tensor) and a.requires_grad]
        return [output, *gradients(output, leaves, torch.ones_like(output))]

    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    for found, wanted in zip(run(compiled), run(function), strict=True):
        assert torch.equal(found, wanted)


_numbers = itertools.count()


def faulty(module, folder, *changes):
    """The module once more with faults planted in its source.

    Parameters
    ----------
    module : module
    folder : pathlib.Path
        Where the changed source is written.
    *changes : (str, str)
        What stands in the source and what takes its place, everywhere.

    Returns
    -------
    module
        With operators of names of its own.
    """
    source = Path(module.__file__).read_text(encoding="utf-8")
    number = next(_numbers)
    for old, new in changes:
        if old not in source:
            raise ValueError(f"{module.__name__} does not have {old!r}")
        source = source.replace(old, new)
    source = source.replace('"dlbook::', f'"dlbook_fault{number}::')
    path = Path(folder) / f"fault{number}.py"
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    copy = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = copy  # Triton looks there for the source
    spec.loader.exec_module(copy)
    return copy
