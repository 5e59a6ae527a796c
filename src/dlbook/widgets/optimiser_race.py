"""A race of optimisers on three landscapes, from a start that the reader moves."""

from pathlib import Path

import anywidget
import traitlets

from .checks import number

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

    _esm = Path(__file__).with_suffix(".js")
    _css = Path(__file__).with_suffix(".css")
    landscape = traitlets.Unicode().tag(sync=True)
    start = traitlets.List(traitlets.Float()).tag(sync=True)
    multiple = traitlets.Float().tag(sync=True)
    mu = traitlets.Float().tag(sync=True)
    noise = traitlets.Float().tag(sync=True)

    def __init__(self, landscape="ravine", *, start=None, multiple=1.0, mu=0.9, noise=0.0):
        if landscape not in LANDSCAPES:
            known = ", ".join(LANDSCAPES)
            raise ValueError(f"landscape: expected one of {known}, got {landscape!r}")
        default, reach = LANDSCAPES[landscape]
        try:
            a, b = default if start is None else start
        except (TypeError, ValueError):
            raise TypeError(f"start: expected two numbers, got {start!r}") from None
        super().__init__(
            landscape=landscape,
            start=[
                number(value, f"start[{j}]", -reach[j], reach[j]) for j, value in enumerate((a, b))
            ],
            multiple=number(multiple, "multiple", 0.1, 10),
            mu=number(mu, "mu", 0, 0.99),
            noise=number(noise, "noise", 0, 3),
        )
