"""The adversarial game on a line, played in the page."""

import anywidget
import traitlets

from .checks import integer, number
from .shared import source

__all__ = ["AdversarialGame"]


class AdversarialGame(anywidget.AnyWidget):
    """Generator against discriminator on a line, with the best discriminator drawn beside.

    Data come from ½ 𝒩(−1.5, 0.5²) + ½ 𝒩(1.5, 0.5²). The generator has a standard normal latent
    variable and 12 tanh units, the discriminator 24 tanh units; both are trained by Adam (β₁ = 0.5,
    β₂ = 0.99) on batches of 64. Everything is computed in the page.

    Parameters
    ----------
    d_steps : int
        Steps of the discriminator for each step of the generator, from 1 to 20.
    rate_d, rate_g : float
        Learning rates of discriminator and generator, from 0.001 to 0.1.
    saturating : bool
        Whether the generator lowers log(1 − D) instead of raising log D.
    penalty : bool
        Whether the discriminator pays for its slope at the data: ½ γ E‖∇d‖² with γ = 2.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of its range.

    Notes
    -----
    The attributes of the same names hold what was given, then what the reader makes of it.
    """

    _esm = source(__file__, ".js", "slider", "run", "axes", "random")
    _css = source(__file__, ".css", "slider", "axes")
    d_steps = traitlets.Int().tag(sync=True)
    rate_d = traitlets.Float().tag(sync=True)
    rate_g = traitlets.Float().tag(sync=True)
    saturating = traitlets.Bool().tag(sync=True)
    penalty = traitlets.Bool().tag(sync=True)

    def __init__(self, d_steps=1, *, rate_d=0.01, rate_g=0.01, saturating=False, penalty=False):
        super().__init__(
            d_steps=integer(d_steps, "d_steps", 1, 20),
            rate_d=number(rate_d, "rate_d", 0.001, 0.1),
            rate_g=number(rate_g, "rate_g", 0.001, 0.1),
            saturating=_choice(saturating, "saturating"),
            penalty=_choice(penalty, "penalty"),
        )


def _choice(value, name):
    if not isinstance(value, bool):
        raise TypeError(f"{name}: expected True or False, got {value!r}")
    return value
