"""The error surface of one recurrent unit, and descent on it with and without clipping."""

import anywidget
import traitlets

from .checks import number, pair
from .shared import source

__all__ = ["ErrorSurface"]

#: The part of the plane that is shown.
MAP = {"w": (1.0, 8.0), "b": (-6.0, 1.0)}


class ErrorSurface(anywidget.AnyWidget):
    """Descent on (h(50) − 0.7)² over (w, b), for h(t) = w σ(h(t−1)) + b with h(0) = 0.5.

    Two walkers have the same start and the same learning rate; one clips its gradient by norm. A
    walker that leaves the map stops. Everything is computed in the page.

    Parameters
    ----------
    start : pair of float
        Weight, from 1 to 8, and bias, from −6 to 1, at which both begin.
    rate : float
        Learning rate, from 0.0001 to 0.1.
    threshold : float
        Largest norm of a clipped gradient, from 0.1 to 10,000.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of its range.

    Notes
    -----
    The attributes of the same names hold what was given, then what the reader makes of it.

    After Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural
    networks", ICML 2013.
    """

    _esm = source(__file__, ".js", "slider", "run", "axes", "lines", "point")
    _css = source(__file__, ".css", "slider", "axes", "lines", "point")
    start = traitlets.List(traitlets.Float()).tag(sync=True)
    rate = traitlets.Float().tag(sync=True)
    threshold = traitlets.Float().tag(sync=True)

    def __init__(self, start=(6.0, -3.2), *, rate=0.01, threshold=1.0):
        super().__init__(
            start=pair(start, "start", MAP["w"], MAP["b"]),
            rate=number(rate, "rate", 1e-4, 0.1),
            threshold=number(threshold, "threshold", 0.1, 1e4),
        )
