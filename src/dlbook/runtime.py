"""The machine at hand: seeds, device, threads, and a description for bug reports."""

import importlib.util
import os
import platform
import random
import sys
from importlib import metadata

import numpy as np

__all__ = ["describe", "device", "is_watched", "seed_everything", "set_threads"]

_PACKAGES = ("dlbook", "numpy", "torch", "scikit-learn", "matplotlib", "anywidget", "ipywidgets")


def seed_everything(seed):
    """Seed every generator of random numbers that a chapter may meet.

    These are Python's ``random``, NumPy's global generator, and, where PyTorch is installed, its
    generators on the CPU and on every accelerator. Prefer the generator that is returned: its
    draws do not depend on what other code has drawn.

    Parameters
    ----------
    seed : int
        From 0 to 2³² − 1.

    Returns
    -------
    numpy.random.Generator
        A generator of its own, seeded alike.

    Raises
    ------
    TypeError, ValueError
        If `seed` is no integer, or out of range.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise TypeError(f"seed is {seed!r}: expected an integer")
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed is {seed}: expected 0 to 2**32 - 1")
    seed = int(seed)
    random.seed(seed)
    np.random.seed(seed)
    if _has_torch():
        import torch

        torch.manual_seed(seed)  # all accelerators included
    return np.random.default_rng(seed)


def device():
    """Choose the device to compute on: CUDA, else Apple's MPS, else the CPU.

    The environment variable ``DLBOOK_DEVICE`` ("cpu", "cuda", "cuda:1", "mps") overrides the
    choice.

    Returns
    -------
    torch.device

    Raises
    ------
    ValueError
        If ``DLBOOK_DEVICE`` names no device, or one that this machine does not have.
    """
    import torch

    has_mps = torch.backends.mps.is_available()
    chosen = os.environ.get("DLBOOK_DEVICE")
    if not chosen:
        name = "cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu"
        return torch.device(name)
    try:
        picked = torch.device(chosen)
    except RuntimeError:
        picked = None
    if picked is None or picked.type not in ("cpu", "cuda", "mps"):
        raise ValueError(f"DLBOOK_DEVICE is {chosen!r}: expected 'cpu', 'cuda', 'cuda:N' or 'mps'")
    n_devices = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(has_mps)}[picked.type]
    if (picked.index or 0) >= n_devices:
        raise ValueError(f"DLBOOK_DEVICE is {chosen!r}: this machine has {n_devices} such devices")
    return picked


def is_watched():
    """Whether a person is watching, so that a progress bar makes sense.

    Returns
    -------
    bool
        False in continuous integration (where ``CI`` is set), in scripts and in tests; True in a
        terminal and in a notebook.
    """
    return not os.environ.get("CI") and (sys.stderr.isatty() or "ipykernel" in sys.modules)


def set_threads(n_threads=None):
    """Set how many threads NumPy's linear algebra and PyTorch use in this process.

    Parameters
    ----------
    n_threads : int, optional
        At least 1. If left out: ``OMP_NUM_THREADS`` where that is set, else the number of CPU
        cores that this process may use.

    Returns
    -------
    int
        The number of threads.

    Raises
    ------
    TypeError, ValueError
        If the number, given or in ``OMP_NUM_THREADS``, is no integer of at least 1.
    """
    if n_threads is None:
        n_threads = _threads_of_environment() or _n_cores()
    if isinstance(n_threads, bool) or not isinstance(n_threads, int | np.integer):
        raise TypeError(f"n_threads is {n_threads!r}: expected an integer")
    if n_threads < 1:
        raise ValueError(f"n_threads is {n_threads}: expected at least 1")
    n_threads = int(n_threads)
    import threadpoolctl

    threadpoolctl.threadpool_limits(n_threads)
    if _has_torch():
        import torch

        torch.set_num_threads(n_threads)
    return n_threads


def describe():
    """Describe this installation for a bug report, without any personal path.

    Returns
    -------
    str
        Lines of the form "name: value": versions, platform, device, and which data are at hand.
        The network is not used.
    """
    from dlbook.data import availability

    lines = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            lines[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            lines[package] = "not installed"
    lines["platform"] = platform.platform()
    lines["cores"] = str(_n_cores())
    try:
        lines["device"] = str(device()) if _has_torch() else "CPU (without torch)"
    except ValueError as error:
        lines["device"] = str(error)
    try:
        lines["data at hand"] = ", ".join(k for k, held in availability().items() if held) or "none"
    except ValueError:  # its message holds the path
        lines["data at hand"] = "DLBOOK_DATA names a folder that does not exist"
    return "\n".join(f"{name}: {value}" for name, value in lines.items())


def _has_torch():
    return importlib.util.find_spec("torch") is not None


def _threads_of_environment():
    given = os.environ.get("OMP_NUM_THREADS")
    if not given:
        return None
    outermost = given.split(",")[0].strip()  # OpenMP allows one number for each level of nesting
    if not outermost.isdecimal() or int(outermost) < 1:
        raise ValueError(f"OMP_NUM_THREADS is {given!r}: expected an integer of at least 1")
    return int(outermost)


def _n_cores():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
