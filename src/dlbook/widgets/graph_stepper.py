"""A computational graph to step through: values on the way down, adjoints on the way back."""

import anywidget
import traitlets

from .checks import number, one_of
from .shared import source

__all__ = ["GraphStepper"]

_INPUTS = {
    "product": {"x": -2.0, "y": 5.0, "z": -4.0},
    "neuron": {"w0": 2.0, "x0": -1.0, "w1": -3.0, "x1": -2.0, "w2": -3.0},
    "shared": {"x": 3.0, "y": 2.0},
}
_LARGEST = 10.0


class GraphStepper(anywidget.AnyWidget):
    """Backpropagation on a small graph, one edge at a time.

    The reader chooses the circuit, edits its inputs and walks through the forward and the
    backward pass. Everything is computed in the page.

    Parameters
    ----------
    circuit : str
        The one shown first: "product" is (x + y) z, "neuron" the sigmoid of
        w₀x₀ + w₁x₁ + w₂, and "shared" (x + y) x, whose input x is used twice.
    inputs : dict of float, optional
        Values from −10 to 10 for some of that circuit's inputs, by name: x, y, z; w0, x0, w1,
        x1, w2; or x, y.
    step : int, optional
        How many steps have been made at first.

    Raises
    ------
    TypeError, ValueError
        If there is no such circuit or input, a value is no number from −10 to 10, or `step` is
        no integer of at least 0.

    Notes
    -----
    The attributes ``circuit``, ``inputs`` and ``step`` hold what was given, then what the reader
    makes of it.
    """

    _esm = source(__file__, ".js", "keys")
    _css = source(__file__, ".css")
    circuit = traitlets.Unicode().tag(sync=True)
    inputs = traitlets.Dict().tag(sync=True)
    step = traitlets.Int().tag(sync=True)

    def __init__(self, circuit="product", inputs=None, *, step=0):
        if isinstance(step, bool) or not isinstance(step, int):
            raise TypeError(f"step: expected an integer, got {step!r}")
        if step < 0:
            raise ValueError(f"step: expected at least 0, got {step}")
        values = dict(_INPUTS[one_of(circuit, "circuit", _INPUTS)])
        for name, value in (inputs or {}).items():
            if name not in values:
                raise ValueError(f"inputs: expected names {', '.join(values)}, got {name!r}")
            values[name] = number(value, f"inputs[{name!r}]", -_LARGEST, _LARGEST)
        super().__init__(circuit=circuit, inputs=values, step=step)
