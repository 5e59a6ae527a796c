"""A field to write a digit into, and what a trained LeNet makes of it, layer by layer."""

import base64

import anywidget
import numpy as np
import traitlets

from .shared import source

__all__ = ["DigitReader"]

#: Shapes of the tensors, in the order in which they are stored.
SHAPES = {
    "C1.weight": (6, 1, 5, 5),
    "C1.bias": (6,),
    "S2.coefficient": (6, 1, 1),
    "S2.bias": (6, 1, 1),
    "C3.weight": (16, 6, 5, 5),
    "C3.bias": (16,),
    "S4.coefficient": (16, 1, 1),
    "S4.bias": (16, 1, 1),
    "C5.weight": (120, 16, 2, 2),
    "C5.bias": (120,),
    "F6.weight": (84, 120),
    "F6.bias": (84,),
    "output.weight": (10, 84),
    "output.bias": (10,),
}


class DigitReader(anywidget.AnyWidget):
    """Write a digit, and watch LeNet-5 read it.

    The strokes are fitted into a bitmap of 32×32, whose blocks of 4×4 are counted to make 8×8
    pixels, as in the digits of scikit-learn. Those are enlarged to 16×16, get a margin of 2, and go
    through C1, S2, C3, S4, C5, F6 and ten scores. Everything is computed in the page.

    Parameters
    ----------
    weights : dict of str to torch.Tensor or numpy.ndarray
        The state of a LeNet-5 for a field of 20×20: ``C1.weight`` of shape (6, 1, 5, 5), and so on.
        Connections that C3 does not have may hold anything, but `table` has to say so.
    table : ndarray of bool, shape (6, 16), optional
        Which map of C3 reads which map of S2; the published table if left out.

    Raises
    ------
    TypeError, ValueError
        If a tensor is missing, has another shape, or holds what is no number.

    Notes
    -----
    The weights are stored in 16 bits, as floating-point numbers of half precision (base64), in the
    order of the layers.
    """

    _esm = source(__file__, ".js", "shade")
    _css = source(__file__, ".css")
    weights = traitlets.Unicode().tag(sync=True)

    def __init__(self, weights, *, table=None):
        if not hasattr(weights, "items"):
            raise TypeError(f"weights: expected a dict of tensors, got {type(weights).__name__}")
        table = published_table() if table is None else np.asarray(table, dtype=bool)
        if table.shape != (6, 16):
            raise ValueError(f"table: expected the shape (6, 16), got {table.shape}")
        parts = [_numbers(weights, name, shape) for name, shape in SHAPES.items()]
        parts[4] = np.where(table.T[:, :, None, None], parts[4], 0)  # C3.weight
        flat = np.concatenate([part.ravel() for part in parts]).astype("<f2")
        super().__init__(weights=base64.b64encode(flat.tobytes()).decode())


def published_table():
    """Table I of the paper on LeNet-5: which map of C3 reads which map of S2, shape (6, 16)."""
    sets = [{(k + i) % 6 for i in range(size)} for size in (3, 4) for k in range(6)]
    sets += [{(k + i) % 6 for i in (0, 1, 3, 4)} for k in (0, 1, 2)] + [set(range(6))]
    return np.array([[k in read for read in sets] for k in range(6)])


def _numbers(weights, name, shape):
    if name not in weights:
        raise ValueError(f"weights: {name} is missing")
    value = weights[name]
    try:
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value, dtype=float)
    except (TypeError, ValueError):
        raise TypeError(f"weights: expected numbers for {name}, got {value!r}") from None
    if array.shape != shape:
        raise ValueError(f"weights: expected the shape {shape} for {name}, got {array.shape}")
    if not np.all(np.abs(array) < 6e4):  # half precision ends there; NaN fails, too
        raise ValueError(f"weights: expected numbers between -60000 and 60000 in {name}")
    return array
