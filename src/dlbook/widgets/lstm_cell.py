"""A memory cell of one unit that the reader drives: inputs, gate biases, gradient."""

import anywidget
import traitlets

from .checks import number, one_of
from .shared import source

__all__ = ["LSTMCell"]

#: For each task: the sequence that it starts with.
TASKS = {
    "first": "100.01.0?..?",
    "latest": "1..0...1.?.?",
    "count": "11.0.1?00.1?",
}
SYMBOLS = "10.?"
LONGEST = 24


class LSTMCell(anywidget.AnyWidget):
    """One LSTM unit with weights made by hand, and its gates, state and gradient over time.

    A step of the sequence shows the cell three numbers: a value, +1 for ``1`` and −1 for ``0``; a
    mark on the steps that matter; and whether it is asked, ``?``. Weights are set so
    that the mark opens the input gate (and, for the task "latest", shuts the forget gate), and the
    question opens the output gate. Everything is computed in the page.

    Parameters
    ----------
    task : str
        "first": answer with the first bit (only that one is marked); "latest": with the latest bit
        (all are marked); "count": say whether more ones or more zeros have come (all are marked).
    sequence : str, optional
        Up to 24 of the characters ``1``, ``0``, ``.`` (nothing) and ``?``; if left out, one that
        suits the task.
    input_bias, forget_bias, output_bias : float
        Biases of the gates, from −6 to 6.
    recurrent : float
        Weight from the last output h to all three gates, from −4 to 4.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of its range.

    Notes
    -----
    The attributes of the same names hold what was given, then what the reader makes of it.
    """

    _esm = source(__file__, ".js", "slider")
    _css = source(__file__, ".css", "slider")
    task = traitlets.Unicode().tag(sync=True)
    sequence = traitlets.Unicode().tag(sync=True)
    input_bias = traitlets.Float().tag(sync=True)
    forget_bias = traitlets.Float().tag(sync=True)
    output_bias = traitlets.Float().tag(sync=True)
    recurrent = traitlets.Float().tag(sync=True)

    def __init__(
        self,
        task="first",
        sequence=None,
        *,
        input_bias=-3.0,
        forget_bias=3.0,
        output_bias=-3.0,
        recurrent=0.0,
    ):
        super().__init__(
            task=one_of(task, "task", TASKS),
            sequence=_sequence(TASKS[task] if sequence is None else sequence),
            input_bias=number(input_bias, "input_bias", -6, 6),
            forget_bias=number(forget_bias, "forget_bias", -6, 6),
            output_bias=number(output_bias, "output_bias", -6, 6),
            recurrent=number(recurrent, "recurrent", -4, 4),
        )


def _sequence(value):
    if not isinstance(value, str):
        raise TypeError(f"sequence: expected a string, got {value!r}")
    if not 1 <= len(value) <= LONGEST:
        raise ValueError(f"sequence: expected 1 to {LONGEST} characters, got {len(value)}")
    if strange := sorted(set(value) - set(SYMBOLS)):
        raise ValueError(f"sequence: expected 1, 0, . and ? only, got {strange[0]!r}")
    return value
