"""What all kernels share: the choice of path, checks of arguments, and the tuning of tiles.

How a path is chosen: `obstacle` looks at the tensors of one call and names the first thing that
keeps a kernel from taking them. With ``TRITON_INTERPRET=1`` the kernels are ordinary Python
functions over NumPy arrays, so then it is CPU tensors that take the kernels' path.

How a tile is chosen: a `Kernel` has a short list of `Config`; those that need more shared memory
than the device has are left out, and the others are timed once for each kind of problem.
"""

import functools
import os
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import torch

try:
    import triton
    import triton.language as tl

    HAS_TRITON = True
    jit = triton.jit
except ImportError:  # Triton is for Linux only, and comes with PyTorch for CUDA
    HAS_TRITON = False
    triton = None
    # enough to define the kernels, which nobody calls then
    tl = SimpleNamespace(constexpr=lambda value: value)

    def jit(function=None, **options):
        """Stand in for ``triton.jit``: leave the function as it is."""
        return function if function is not None else lambda function: function


#: Set by Triton's own variable: then `jit` makes functions for the interpreter, on the CPU.
INTERPRETED = HAS_TRITON and os.environ.get("TRITON_INTERPRET") == "1"

#: What the kernels compute with; other types take the reference (float64, for one).
KERNEL_DTYPES = (torch.float32, torch.float16, torch.bfloat16)
DTYPES = (*KERNEL_DTYPES, torch.float64)

#: The longest row that a program holds in its registers; the interpreter's is short, so that
#: short rows reach the loops over longer ones.
LONGEST_ROW = 64 if INTERPRETED else 16384


def obstacle(*tensors):
    """Say why a kernel cannot take these tensors.

    Parameters
    ----------
    *tensors : torch.Tensor or None
        All that one call is given; None for what was left out.

    Returns
    -------
    str or None
        The reason for taking the reference; None where the kernel runs.

    Raises
    ------
    ValueError
        If ``DLBOOK_KERNELS`` is neither "auto" nor "reference".
    """
    wish = os.environ.get("DLBOOK_KERNELS", "") or "auto"
    if wish not in ("auto", "reference"):
        raise ValueError(f"DLBOOK_KERNELS is {wish!r}: expected 'auto' or 'reference'")
    if wish == "reference":
        return "DLBOOK_KERNELS=reference"
    tensors = [tensor for tensor in tensors if tensor is not None]
    place = "cpu" if INTERPRETED else "cuda"
    if not tensors or any(tensor.device.type != place for tensor in tensors):
        return f"no {place.upper()} tensor"
    if not HAS_TRITON:
        return "Triton is not installed"
    for tensor in tensors:
        if tensor.dtype.is_floating_point and tensor.dtype not in KERNEL_DTYPES:
            return f"no kernel for {_short(tensor.dtype)}"
    if INTERPRETED:
        return None
    device = torch.cuda.get_device_properties(tensors[0].device)
    return lacking(device.major, any(tensor.dtype == torch.bfloat16 for tensor in tensors))


def lacking(major, has_bfloat16):
    """What a GPU of compute capability `major` cannot do; None where it can do all."""
    if major < 7:
        return f"Triton needs compute capability 7.0, this GPU has {major}"
    if has_bfloat16 and major < 8:
        return f"bfloat16 needs compute capability 8.0, this GPU has {major}"
    return None


def path(*tensors):
    """Say in one line how a function of this package would compute with these tensors.

    Parameters
    ----------
    *tensors : torch.Tensor
        What the function would be given.

    Returns
    -------
    str
        For example "Triton kernel on Tesla T4", or "PyTorch reference (no CUDA tensor)".

    Raises
    ------
    TypeError
        If an argument is no tensor.
    ValueError
        If ``DLBOOK_KERNELS`` is neither "auto" nor "reference".
    """
    for i, tensor in enumerate(tensors):
        check_tensor(f"argument {i}", tensor)
    reason = obstacle(*tensors)
    if reason is not None:
        return f"PyTorch reference ({reason})"
    if INTERPRETED:
        return "Triton kernel in the interpreter (TRITON_INTERPRET=1)"
    return f"Triton kernel on {torch.cuda.get_device_name(tensors[0].device)}"


@dataclass(frozen=True)
class Device:
    """What the choice of a tile depends on.

    These are the shared memory of a program in bytes, the number of processors, and the first
    number of the compute capability.
    """

    shared_memory: int
    n_processors: int
    major: int


@functools.cache
def device_at(index):
    """Ask Triton's driver about the CUDA device with this index."""
    found = triton.runtime.driver.active.utils.get_device_properties(index)
    major = torch.cuda.get_device_properties(index).major
    return Device(found["max_shared_mem"], found["multiprocessor_count"], major)


def n_processors(tensor):
    """How many programs the tensor's device runs side by side, at the least."""
    return 4 if INTERPRETED else device_at(tensor.device.index).n_processors


@dataclass(frozen=True)
class Config:
    """One way to cut a problem: tile sizes (constants of the kernel), warps and pipeline depth."""

    sizes: dict = field(default_factory=dict)
    num_warps: int = 4
    num_stages: int = 2


def fitting(configs, needed, device):
    """Keep the configurations that a device has enough shared memory for.

    GPUs before compute capability 8.0 cannot copy to shared memory while they compute: there no
    pipeline is deeper than 2, and configurations that differ in nothing else fall together.

    Parameters
    ----------
    configs : list of Config
    needed : callable
        From a Config to bytes.
    device : Device

    Returns
    -------
    list of Config
        In the given order; where none fits, the one that needs least.
    """
    if device.major < 8:
        shallow = [replace(config, num_stages=min(config.num_stages, 2)) for config in configs]
        configs = [config for i, config in enumerate(shallow) if config not in shallow[:i]]
    kept = [config for config in configs if needed(config) <= device.shared_memory]
    return kept or [min(configs, key=needed)]


class Kernel:
    """A kernel and the tiles it may be cut into; the fastest is found by trying each once.

    A kernel launched in this way reads its inputs and overwrites its outputs, and never adds to
    what is there: that is why it may be launched again and again while it is timed.

    Parameters
    ----------
    function : triton.JITFunction
    configs : list of Config, or callable
        A callable gets the constants of the call and returns the list.
    tiny : Config
        What the interpreter takes: tiles so small that small problems have several.
    needed : callable, optional
        From (config, item size in bytes, constants) to bytes of shared memory.
    """

    def __init__(self, function, configs, tiny, needed=None):
        self.function = function
        self.configs = configs if callable(configs) else lambda constants: configs
        self.tiny = tiny
        self.needed = needed or (lambda config, item_size, constants: 0)
        self.chosen = {}

    def __call__(self, grid, *arguments, problem=(), steps=(), **constants):
        """Launch the kernel.

        Parameters
        ----------
        grid : callable
            From the tile sizes to the number of programs.
        *arguments
            The kernel's; the first is a tensor, whose device and type count.
        problem : tuple of int
            Sizes that the best tile depends on. They are rounded up to powers of two, so that a
            new length of a sentence is no new problem.
        steps : sequence of int
            If given: launch once for each, in this order, with it as one more argument.
        **constants
            The kernel's other constants.
        """
        tensor = arguments[0]
        rows = [(*arguments, step) for step in steps] or [arguments]
        launch = functools.partial(self._launch, grid, constants)
        if INTERPRETED:
            return launch(rows, self.tiny)
        with torch.cuda.device(tensor.device):
            first = functools.partial(launch, rows[:1])
            launch(rows, self.config(first, tensor, problem, constants))

    def _launch(self, grid, constants, rows, config):
        launcher = self.function[(grid(config.sizes),)]
        options = constants | config.sizes
        if not INTERPRETED:
            options |= {"num_warps": config.num_warps, "num_stages": config.num_stages}
        for arguments in rows:
            launcher(*arguments, **options)

    def config(self, launch, tensor, problem, constants):
        """The fastest configuration for this problem, timed if it is the first of its kind."""
        sizes = tuple(int(size).bit_length() for size in problem)
        kind = (tensor.device.index, tensor.dtype, sizes, tuple(constants.items()))
        if kind not in self.chosen:
            device = device_at(tensor.device.index)
            needed = functools.partial(self._bytes, tensor.element_size(), constants)
            configs = fitting(self.configs(constants), needed, device)
            if len(configs) > 1 and torch.cuda.is_current_stream_capturing():
                return configs[0]  # nothing can be timed while a CUDA graph is recorded
            self.chosen[kind] = fastest(configs, launch)
        return self.chosen[kind]

    def _bytes(self, item_size, constants, config):
        return self.needed(config, item_size, constants)


def fastest(configs, launch, seconds=None):
    """Time each configuration and return the best.

    Parameters
    ----------
    configs : list of Config
    launch : callable
        Runs the kernel with a configuration.
    seconds : callable, optional
        Times a call of a function without arguments; Triton's, if left out.

    Returns
    -------
    Config

    Raises
    ------
    RuntimeError
        If the device has too little of something for every one of them.
    """
    if len(configs) == 1:
        return configs[0]
    if seconds is None:
        seconds = functools.partial(triton.testing.do_bench, warmup=5, rep=20, return_mode="median")
    times, refused = {}, None
    for i, config in enumerate(configs):
        try:
            times[i] = seconds(functools.partial(launch, config))
        except triton.OutOfResources as error:
            refused = error
    if not times:
        raise RuntimeError(f"no tile of {len(configs)} fits this GPU: {refused}")
    return configs[min(times, key=times.get)]


def row_sizes(n):
    """How a row of n is read: the block's length, a power of two, and whether it is all."""
    if n <= LONGEST_ROW:
        return max(1 << (n - 1).bit_length(), 1), True
    return min(LONGEST_ROW, 4096), False


def row_configs(constants):
    """Tiles of whole rows: several short rows for a program, or one long row for many warps."""
    block = constants["BLOCK"]
    rows = max(1, 1024 // block)
    warps = [count for count in (2, 4, 8, 16) if 2 <= rows * block / (32 * count) <= 64]
    return [Config({"ROWS": rows}, count) for count in warps or [4]]


#: What the interpreter takes for rows.
TINY_ROWS = Config({"ROWS": 4})


_WIDEN = tl.constexpr(INTERPRETED)


@jit
def dot(x, y, total, PRECISION: tl.constexpr):
    """total + x @ y. For the interpreter, which takes bfloat16 for integers, in float32."""
    if _WIDEN:
        return tl.dot(x.to(tl.float32), y.to(tl.float32), total, input_precision=PRECISION)
    else:
        return tl.dot(x, y, total, input_precision=PRECISION)


def precision(tensor, tf32):
    """How a kernel multiplies: "tf32" by the matrix units, "ieee" one product at a time.

    Matrix units take half precision as it is and round float32 to TF32. Triton uses those of
    compute capability 8.0 and later.
    """
    if tensor.dtype == torch.float32 and not tf32:
        return "ieee"
    if tensor.is_cuda and torch.cuda.get_device_properties(tensor.device).major < 8:
        return "ieee"
    return "tf32"


def cdiv(a, b):
    """a / b, rounded up."""
    return -(-a // b)


def _short(dtype):
    return str(dtype).removeprefix("torch.")


def check_tensor(name, value):
    """Refuse what is no tensor."""
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"{name} is a {type(value).__name__}: expected a torch.Tensor")


def check_float(name, value, n_dims=None, axes=""):
    """Refuse what is no tensor of floating-point numbers with `n_dims` axes (None: at least 1)."""
    check_tensor(name, value)
    if value.dtype not in DTYPES:
        known = ", ".join(_short(dtype) for dtype in DTYPES)
        raise TypeError(f"{name} has dtype {_short(value.dtype)}: expected one of {known}")
    if n_dims is None and value.ndim == 0:
        raise ValueError(f"{name} has no axes: expected at least one")
    if n_dims is not None and value.ndim != n_dims:
        shape = tuple(value.shape)
        raise ValueError(f"{name} has shape {shape}: expected {n_dims} axes, {axes}")


def check_shape(name, value, shape, axes):
    """Refuse a tensor that has not exactly this shape; `axes` says it in words."""
    if tuple(value.shape) != tuple(shape):
        found, wanted = tuple(value.shape), tuple(shape)
        raise ValueError(f"{name} has shape {found}: expected {wanted}, {axes}")


def check_alike(**tensors):
    """Refuse tensors that differ from the first in dtype or device; None stands for no tensor."""
    (first, model), *rest = tensors.items()
    for name, tensor in rest:
        if tensor is None:
            continue
        if tensor.dtype != model.dtype:
            found, wanted = _short(tensor.dtype), _short(model.dtype)
            raise TypeError(f"{name} has dtype {found}: expected {wanted} as {first} has")
        if tensor.device != model.device:
            found, wanted = tensor.device, model.device
            raise ValueError(f"{name} is on {found}: expected {wanted}, where {first} is")


def check_flag(name, value):
    """Refuse what is neither True nor False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}: expected True or False")


def wide(tensor):
    """The tensor in a type wide enough to add up in: half precision becomes float32."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
