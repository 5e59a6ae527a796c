"""The IDX format that MNIST is published in: a header, then an array in row-major order."""

import gzip
import math
import zlib

import numpy as np

__all__ = ["read_idx"]

# Third byte of the file -> type of the entries, most significant byte first.
_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
LARGEST = 1 << 26  # bytes; MNIST's largest array has 47 million
MOST_AXES = 8


def read_idx(path):
    """Read an array from a gzipped IDX file [1]_.

    The file is unpacked in memory, and no further than its header promises.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    ndarray
        Of the header's shape and type, in the machine's byte order.

    Raises
    ------
    ValueError
        If the file is no gzipped IDX file, or its header does not fit its length; the message
        names the file.

    References
    ----------
    .. [1] Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits".
    """
    try:
        with gzip.open(path, "rb") as file:
            return _read(file)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is a damaged gzip file: {error}") from None
    except _LyingHeader as error:
        raise ValueError(f"{path} is not a sound IDX file: {error}") from None


class _LyingHeader(Exception):
    """What the header says is impossible or differs from what follows."""


def _read(file):
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise _LyingHeader(f"it begins with {magic.hex(' ')}, expected two zero bytes")
    code, n_axes = magic[2], magic[3]
    if code not in _TYPES:
        raise _LyingHeader(f"type code 0x{code:02x} does not exist")
    if not 1 <= n_axes <= MOST_AXES:
        raise _LyingHeader(f"it has {n_axes} axes, expected 1 to {MOST_AXES}")
    sizes = file.read(4 * n_axes)
    if len(sizes) != 4 * n_axes:
        raise _LyingHeader(f"it ends within the sizes of its {n_axes} axes")
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    dtype = np.dtype(_TYPES[code])
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes > LARGEST:
        raise _LyingHeader(f"shape {shape} needs {n_bytes} bytes, more than {LARGEST}")
    content = file.read(n_bytes + 1)  # one more, to see whether there is more
    if len(content) != n_bytes:
        found = "more" if len(content) > n_bytes else f"only {len(content)}"
        raise _LyingHeader(f"shape {shape} needs {n_bytes} bytes, {found} follow")
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="))
