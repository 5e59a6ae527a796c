"""Compile the kernels for GPUs that are not there, from the calls that the package makes.

`recorded` runs a function of the package on CPU tensors with every launch replaced by a note of
it; `compiled` gives a noted launch to Triton's compiler and the assembler that comes with it.
"""

import contextlib
import inspect
from unittest import mock

import torch
import triton

from dlbook.kernels import _shared

TYPES = {
    torch.float32: "*fp32",
    torch.float16: "*fp16",
    torch.bfloat16: "*bf16",
    torch.int64: "*i64",
}


@contextlib.contextmanager
def recorded(major):
    """The list of launches that a GPU of this capability would be given; nothing is computed."""
    launches = []

    def note(kernel, grid, *arguments, problem=(), steps=(), **constants):
        launches.append((kernel, (*arguments, *steps[-1:]), constants))

    def precision(tensor, tf32):
        return "ieee" if major < 8 else exactly(tensor, tf32)

    exactly = _shared.precision
    with (
        mock.patch.object(_shared, "obstacle", lambda *tensors: None),
        mock.patch.object(_shared, "n_processors", lambda tensor: 4),
        mock.patch.object(_shared.Kernel, "__call__", note),
        mock.patch.object(_shared, "precision", precision),
    ):
        yield launches


def compiled(launch, config, capability):
    """A launch compiled for a GPU of this capability (75, 80, 90): metadata and assembly."""
    kernel, arguments, constants = launch
    names = list(inspect.signature(kernel.function.fn).parameters)
    constants = dict(constants) | config.sizes
    signature, attributes = {}, {}
    for i, (name, value) in enumerate(zip(names, arguments, strict=False)):
        if isinstance(value, torch.Tensor):
            signature[name] = TYPES[value.dtype]
            attributes[(i,)] = [["tt.divisibility", 16]]
        elif isinstance(value, float):
            signature[name] = "fp32"
        elif value == 1 and not kernel.function.params[i].do_not_specialize:
            signature[name], constants[name] = "constexpr", 1
        else:
            signature[name] = "i32" if abs(value) < 2**31 else "i64"
            if value % 16 == 0 and not kernel.function.params[i].do_not_specialize:
                attributes[(i,)] = [["tt.divisibility", 16]]
    for name in names[len(arguments) :]:
        signature[name] = "constexpr"
    missing = [
        name
        for name in names
        if name not in signature or (signature[name] == "constexpr" and name not in constants)
    ]
    if missing or set(constants) - set(names):
        raise TypeError(f"{kernel.function.fn.__name__}: {missing} missing, given {constants}")
    source = triton.compiler.ASTSource(kernel.function, signature, constants, attributes)
    return triton.compile(
        source,
        target=triton.backends.compiler.GPUTarget("cuda", capability, 32),
        options={"num_warps": config.num_warps, "num_stages": config.num_stages},
    )
