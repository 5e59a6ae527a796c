"""Least squares to play with: points to move, a loss landscape, and gradient descent on it."""

import math

import anywidget
import traitlets

from .checks import number
from .shared import source

__all__ = ["LeastSquares"]


class LeastSquares(anywidget.AnyWidget):
    """A straight line, its squared residuals, and gradient descent on the loss they make.

    The loss is half the sum of squares of ``y - (intercept + slope * x)``. The rate of gradient
    descent is given as a multiple of 2/λ_max, above which it diverges. Everything is computed in
    the page.

    Parameters
    ----------
    x, y : sequence of float
        Coordinates of the points, at least two of them.
    start : pair of float
        Intercept and slope at which gradient descent starts.
    multiple : float
        Learning rate in units of 2/λ_max, from 0.01 to 1.2.

    Raises
    ------
    TypeError, ValueError
        If a coordinate is not a finite number, `x` and `y` differ in length, there are fewer than
        two points, or `multiple` is out of its range.

    Notes
    -----
    The attributes ``x``, ``y``, ``start`` and ``multiple`` hold what was given, then what the
    reader makes of it.
    """

    _esm = source(__file__, ".js", "run", "axes", "point")
    _css = source(__file__, ".css", "axes", "point")
    x = traitlets.List(traitlets.Float()).tag(sync=True)
    y = traitlets.List(traitlets.Float()).tag(sync=True)
    start = traitlets.List(traitlets.Float()).tag(sync=True)
    multiple = traitlets.Float().tag(sync=True)

    def __init__(self, x, y, *, start=(0.0, 0.0), multiple=0.3):
        x, y = _numbers(x, "x"), _numbers(y, "y")
        start = _numbers(start, "start")
        if len(x) != len(y):
            raise ValueError(f"y: expected {len(x)} values, one for each x, got {len(y)}")
        if len(x) < 2:
            raise ValueError(f"x: expected at least two points, got {len(x)}")
        if len(start) != 2:
            raise ValueError(f"start: expected an intercept and a slope, got {len(start)} values")
        multiple = number(multiple, "multiple", 0.01, 1.2)
        super().__init__(x=x, y=y, start=start, multiple=multiple)


def _numbers(values, name):
    """`values` as a list of floats, JSON's kind of number."""
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError):
        raise TypeError(f"{name}: expected numbers, got {values!r:.60}") from None
    for position, found in enumerate(numbers):
        if not math.isfinite(found):
            raise ValueError(f"{name}[{position}]: expected a finite number, got {found}")
    return numbers
