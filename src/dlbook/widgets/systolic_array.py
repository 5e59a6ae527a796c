"""A square systolic array that multiplies two small matrices, one cycle at a time."""

import anywidget
import numpy as np
import traitlets

from .checks import integer
from .shared import source

__all__ = ["SystolicArray"]

_LARGEST_SIZE = 4
_LARGEST_ENTRY = 9


class SystolicArray(anywidget.AnyWidget):
    """Operands that walk through n × n cells, each of which multiplies and adds what it meets.

    The reader chooses n and steps through the 3n − 2 cycles, forwards and backwards. Everything
    is computed in the page.

    Parameters
    ----------
    a, b : array_like of int, shape (size, size)
        The factors, `size` from 1 to 4, with whole entries from −9 to 9.
    n : int, optional
        The array multiplies the upper left n × n corners of the factors; if left out, all of them.
    cycle : int
        How many cycles have been made at first, from 0 to 3n − 2.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, shape or range.

    Notes
    -----
    The attributes ``n`` and ``cycle`` hold what was given, then what the reader makes of it.
    """

    _esm = source(__file__, ".js", "run", "keys")
    _css = source(__file__, ".css")
    a = traitlets.List(traitlets.List(traitlets.Int())).tag(sync=True)
    b = traitlets.List(traitlets.List(traitlets.Int())).tag(sync=True)
    n = traitlets.Int().tag(sync=True)
    cycle = traitlets.Int().tag(sync=True)

    def __init__(self, a, b, *, n=None, cycle=0):
        a, b = _matrix(a, "a"), _matrix(b, "b")
        if len(a) != len(b):
            raise ValueError(
                f"b: expected the shape of a, ({len(a)}, {len(a)}), got ({len(b)}, {len(b)})"
            )
        n = integer(len(a) if n is None else n, "n", 1, len(a))
        super().__init__(a=a, b=b, n=n, cycle=integer(cycle, "cycle", 0, 3 * n - 2))


def _matrix(values, name):
    """`values` as lists of whole numbers: square, and small enough to be drawn."""
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise TypeError(
            f"{name}: expected a square matrix of numbers, got {values!r:.60}"
        ) from None
    size = array.shape[0] if array.ndim else 0
    if array.shape != (size, size) or not 1 <= size <= _LARGEST_SIZE:
        raise ValueError(
            f"{name}: expected a square of 1 to {_LARGEST_SIZE} rows, got shape {array.shape}"
        )
    if not np.all((array == np.round(array)) & (np.abs(array) <= _LARGEST_ENTRY)):
        raise ValueError(f"{name}: expected whole entries from −{_LARGEST_ENTRY} to 9")
    return array.astype(int).tolist()
