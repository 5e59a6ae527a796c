"""A race of optimisers on three landscapes, from a start that the reader moves."""

import anywidget
import traitlets

from .checks import number, one_of, pair
from .shared import source

__all__ = ["OptimiserRace"]

#: Where the race starts, and how far the map reaches from the origin.
LANDSCAPES = {
    "ravine": ((-4.0, 1.0), (5.0, 4.1)),
    "saddle": ((-2.0, 0.001), (2.6, 2.1)),
    "bumpy": ((4.6, 3.9), (6.2, 5.1)),
}


class OptimiserRace(anywidget.AnyWidget):
    """Gradient descent, momentum, RMSProp, Adam and normalised steps on a map of the loss.

    The landscapes are a ravine, (a² + 30 b²)/2; a saddle between two valleys,
    a²/2 + (b⁴/4 − b²/2 + 1/4)/5; and a bumpy bowl, the sum of θ²/20 + (1 − cos 2θ)/8 over both
    coordinates. Everything is computed in the page.

    Parameters
    ----------
    landscape : str
        "ravine", "saddle" or "bumpy".
    start : pair of float, optional
        Where all begin; if left out, a start that suits the landscape.
    multiple : float
        Learning rate of each rule in units of its default, from 0.1 to 10. The defaults are 0.05
        for descent, 0.03 for momentum, 0.05 for RMSProp, 0.2 for Adam and 0.1 for normalised steps.
    mu : float
        Momentum, from 0 to 0.99; it is Adam's β₁, too.
    noise : float
        Standard deviation of the normal noise on each entry of a gradient, from 0 to 3.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of its range.

    Notes
    -----
    The attributes of the same names hold what was given, then what the reader makes of it.
    """

    _esm = source(__file__, ".js", "slider", "run", "axes", "lines", "point", "levels", "random")
    _css = source(__file__, ".css", "slider", "axes", "lines", "point")
    landscape = traitlets.Unicode().tag(sync=True)
    start = traitlets.List(traitlets.Float()).tag(sync=True)
    multiple = traitlets.Float().tag(sync=True)
    mu = traitlets.Float().tag(sync=True)
    noise = traitlets.Float().tag(sync=True)

    def __init__(self, landscape="ravine", *, start=None, multiple=1.0, mu=0.9, noise=0.0):
        default, (a, b) = LANDSCAPES[one_of(landscape, "landscape", LANDSCAPES)]
        super().__init__(
            landscape=landscape,
            start=pair(default if start is None else start, "start", (-a, a), (-b, b)),
            multiple=number(multiple, "multiple", 0.1, 10),
            mu=number(mu, "mu", 0, 0.99),
            noise=number(noise, "noise", 0, 3),
        )
