"""Every check passes right answers, however written, and names what is wrong with others."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from dlbook.exercises import lstm_and_gru as check

# ---- Right answers ----------------------------------------------------------------------------


def bias(n):
    f = 0.5 ** (1 / n)
    return np.log(f) - np.log1p(-f)


def size(kind, m, d):
    if kind == "peephole LSTM":
        return 4 * d * (m + d + 1) + 3 * d
    layer = nn.LSTM(m, d) if kind == "LSTM" else nn.GRU(m, d)
    return sum(parameter.numel() for parameter in layer.parameters())


def leaky(alpha, block=1, weight=1.0, sign=1):
    layer = nn.GRU(1, 1)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.weight_ih_l0[2] = weight
        layer.bias_hh_l0[block] = sign * float(np.log(alpha / (1 - alpha)))
    return layer


def slope(c, z_i, z_f, g, w_ci, w_cf):
    c = torch.tensor(c, dtype=torch.float64, requires_grad=True)
    f, i = torch.sigmoid(z_f + w_cf * c), torch.sigmoid(z_i + w_ci * c)
    return torch.autograd.grad(f * c + i * g, c)[0]


W, U = np.array([[1, 1], [-1, -1]]), np.array([[1, 1]])
B, V = np.array([-0.5, -1.5]), np.array([1, -1])

RIGHT = {
    "step_by_hand": (0.88, 0.6358),
    "half_life": (bias,),
    "parameters": (size,),
    "leaky": (leaky,),
    "peephole_slope": (slope,),
    "parity_weights": (W.tolist(), U, B, V),
}


@pytest.mark.parametrize("name", check.__all__)
def test_right_answers_pass(name):
    result = getattr(check, name)(*RIGHT[name])
    assert result.status == "passed", result


def test_units_in_the_other_order_pass_too():
    result = check.parity_weights([[-2, -2], [2, 2]], U, [-3, -1], [-1, 1])
    assert result.status == "wrong"  # and and or swapped, but U is too small for these
    result = check.parity_weights([[-2, -2], [2, 2]], [[2, 2]], [-3, -1], [-1, 1])
    assert result.status == "passed", result


# ---- Planted mistakes -------------------------------------------------------------------------


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def slope_with(c, z_i, z_f, g, w_ci, w_cf, *, in_f=True, in_i=True, factors=True, peep=True):
    i, f = sigmoid(z_i + peep * w_ci * c), sigmoid(z_f + peep * w_cf * c)
    w_ci, w_cf = (w_ci, w_cf) if factors else (w_ci != 0, w_cf != 0)
    return f + in_f * c * w_cf * f * (1 - f) + in_i * g * w_ci * i * (1 - i)


def planted(**options):
    return (lambda *arguments: slope_with(*arguments, **options),)


@pytest.mark.parametrize(
    ("name", "answers", "hint"),
    [
        ("step_by_hand", (1.72, 0.6), "belongs to the old state"),
        ("step_by_hand", (0.4 + 0.8 * np.log(2), 0.6), "squashed, too"),
        ("step_by_hand", (0.4 + 0.8 * 2 / 3, 0.6), "not through σ"),
        ("step_by_hand", (0.5, 0.6), "what is kept"),
        ("step_by_hand", (0.88, 0.792), "squashed before"),
        ("step_by_hand", (0.88, 0.7), "which part"),
        ("step_by_hand", ("much", 0.7), "made of numbers"),
        ("half_life", (lambda n: 0.5 ** (1 / n),), "that is the gate|is left"),
        ("half_life", (lambda n: -bias(n),), "sign is wrong"),
        ("half_life", (lambda n: np.log(n),), "1/e|is left"),
        ("half_life", (lambda n: 1.0,), "of the state is left"),
        ("half_life", (lambda n: [n],), "shape"),
        ("parameters", (lambda k, m, d: size(k, m, d) + 3 * d * (d - 1),), "a vector"),
        ("parameters", (lambda k, m, d: size(k, m, d) + d,), "no peephole"),
        ("parameters", (lambda k, m, d: size(k, m, d) - 3 * d,), "peepholes are missing"),
        ("parameters", (lambda k, m, d: size(k, m, d) + 4 * d,), "one bias"),
        ("parameters", (lambda k, m, d: 4 * m * d,), "how many maps"),
        (
            "parameters",
            (lambda k, m, d: size(k, m, d) - 4 * d * (k == "LSTM"),),
            "how many biases",
        ),
        ("parameters", (lambda k, m, d: size("LSTM" if k == "GRU" else k, m, d),), "GRU, m = 1"),
        ("leaky", (lambda alpha: nn.LSTM(1, 1),), "should be a torch.nn.GRU"),
        ("leaky", (lambda alpha: leaky(alpha, sign=-1),), "z = 1|starts"),
        ("leaky", (lambda alpha: leaky(alpha, block=0),), "no effect|starts"),
        ("leaky", (lambda alpha: leaky(alpha, weight=0.0),), "stays 0"),
        ("leaky", (lambda alpha: leaky(alpha, weight=2.0),), "should not"),
        ("peephole_slope", planted(in_f=False), "one of the two"),
        ("peephole_slope", planted(in_i=False), "one of the two"),
        ("peephole_slope", planted(in_i=False, in_f=False), "slopes are missing"),
        ("peephole_slope", planted(factors=False), "weights as factors"),
        ("peephole_slope", planted(peep=False), "with their peepholes added"),
        ("peephole_slope", (lambda *a: slope(*a) + 1,), "forget gate alone"),
        ("peephole_slope", (lambda *a: slope(*a) + a[4],), "difference quotient"),
        (
            "parity_weights",
            (0 * W, U, B, V),
            "after the bits 10 the answer is 0",
        ),
        ("parity_weights", (W, U, B, [1, 0]), "after the bits 11 the answer is 1"),
        ("parity_weights", (W, U, -B, V), "after the bits 1 the answer is 0"),
        (
            "parity_weights",  # right for 1011010011110, yet not a parity
            ([[-1, 2], [-2, -1]], [[1, -1]], [-0.5, -1.5], [1, 1]),
            "after the bits 100 the answer is 0",
        ),
        ("parity_weights", (W, U.T, B, V), "U should have shape"),
    ],
)
def test_mistakes_are_named(name, answers, hint):
    result = getattr(check, name)(*answers)
    assert result.status == "wrong", result
    assert re.search(hint, result.hint), result


@pytest.mark.parametrize("name", check.__all__)
def test_stubs_count_as_not_attempted(name):
    n_values = {"step_by_hand": 2, "parity_weights": 4}.get(name)
    stubs = (...,) * n_values if n_values else (lambda *arguments: None,)
    assert getattr(check, name)(*stubs).status == "not attempted yet"
