"""Checks of the exercises in *Gates*."""

from itertools import chain, product

import numpy as np
import torch
from torch import nn

from dlbook.exercises import Hint, exercise, expect_array, expect_close

__all__ = [
    "half_life",
    "leaky",
    "parameters",
    "parity_weights",
    "peephole_slope",
    "step_by_hand",
]


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


@exercise
def step_by_hand(c, h):
    """State and output after a step from c = 2, with σ of ln 4, −ln 4 and ln 9, tanh of ln 2."""
    c = float(expect_array(c, (), "c"))
    h = float(expect_array(h, (), "h"))
    i, f, g, o = 4 / 5, 1 / 5, 3 / 5, 9 / 10
    if np.isclose(c, i * 2 + f * g, atol=1e-4):
        raise Hint("c: the forget gate belongs to the old state, the input gate to the candidate")
    if np.isclose(c, f * 2 + i * np.log(2), atol=1e-3):
        raise Hint("c: the candidate is squashed, too")
    if np.isclose(c, f * 2 + i * _sigmoid(np.log(2)), atol=1e-3):
        raise Hint("c: the candidate goes through the hyperbolic tangent, not through σ")
    expect_close(c, f * 2 + i * g, "c: what is kept of the old state, and what is taken in?", "c")
    if np.isclose(h, o * c, atol=1e-4):
        raise Hint("h: the state is squashed before the output gate")
    expect_close(h, o * np.tanh(c), "h: which part of tanh c is shown?", "h", 1e-3)


@exercise
def half_life(bias):
    """``bias(n)``: forget bias that leaves one half of the state after n steps."""
    for n in (1, 0.5, 2, 10, 100):
        found = float(expect_array(bias(n), (), "the bias"))
        f = 0.5 ** (1 / n)
        expected = np.log(f / (1 - f))
        if abs(found - expected) <= 1e-6 * max(1, abs(expected)):
            continue
        if n != 1 and np.isclose(found, f):
            raise Hint(f"n = {n}: that is the gate; its bias is what σ makes the gate of")
        if n != 1 and np.isclose(found, -expected):
            raise Hint(f"n = {n}: the sign is wrong, a longer memory needs a larger bias")
        if n > 1 and np.isclose(found, np.log(n)):
            raise Hint(f"n = {n}: this leaves about 1/e after n steps, not one half")
        left = _sigmoid(found) ** n
        raise Hint(f"n = {n}: with the bias {found:.3g}, {left:.3g} of the state is left")


@exercise
def parameters(count):
    """``count(kind, m, d)`` for "peephole LSTM", "LSTM" and "GRU"."""
    for m, d in ((1, 1), (3, 5), (5, 3), (10, 7)):
        block = m * d + d * d
        found = float(expect_array(count("peephole LSTM", m, d), (), "the number"))
        expected = 4 * (block + d) + 3 * d
        where = f"peephole LSTM, m = {m}, d = {d}"
        if found == 4 * (block + d) + 3 * d * d and d > 1:
            raise Hint(f"{where}: a peephole sees its own cell only, so it is a vector")
        if found == 4 * (block + d) + 4 * d:
            raise Hint(f"{where}: the candidate has no peephole")
        if found == 4 * (block + d):
            raise Hint(f"{where}: the peepholes are missing")
        if found == 4 * (block + 2 * d) + 3 * d:
            raise Hint(f"{where}: the equations have one bias a gate")
        if found != expected:
            raise Hint(f"{where}: {found:g} is wrong; how many maps, and what does each hold?")
        for kind, layer in (("LSTM", nn.LSTM(m, d)), ("GRU", nn.GRU(m, d))):
            found = float(expect_array(count(kind, m, d), (), "the number"))
            blocks = 4 if kind == "LSTM" else 3
            if found == blocks * (block + d):
                raise Hint(f"{kind}: look at how many biases PyTorch keeps")
            if found != sum(parameter.numel() for parameter in layer.parameters()):
                raise Hint(f"{kind}, m = {m}, d = {d}: {found:g} is wrong")


@exercise
def leaky(make):
    """``make(alpha)``: a GRU of one unit that is a leaky integrator of tanh x."""
    x = torch.linspace(-2, 2, 9)[[4, 0, 7, 2, 8, 1, 6, 3, 5]].reshape(-1, 1, 1)
    for alpha in (0.5, 0.9, 0.2):
        layer = make(alpha)
        if not isinstance(layer, nn.GRU) or (layer.input_size, layer.hidden_size) != (1, 1):
            raise Hint("the answer should be a torch.nn.GRU(1, 1)")
        with torch.no_grad():
            found = layer(x)[0][:, 0, 0].numpy()
        candidate = np.tanh(x[:, 0, 0].numpy())
        if np.allclose(found, _leak(candidate, alpha), atol=1e-5):
            continue
        if np.allclose(found, _leak(candidate, 1 - alpha), atol=1e-5):
            raise Hint("it keeps what it should take in: which of the two does z = 1 mean here?")
        if np.allclose(found, _leak(candidate, 0.5), atol=1e-5):
            raise Hint("alpha has no effect: is its bias in the block of the update gate?")
        if np.allclose(found, 0, atol=1e-6):
            raise Hint("the output stays 0: nothing of x reaches the candidate")
        raise Hint(f"alpha = {alpha}: it starts {found[:3].round(3)}, and should not")


def _leak(candidate, alpha):
    h, rows = 0.0, []
    for g in candidate:
        h = alpha * h + (1 - alpha) * g
        rows.append(h)
    return np.array(rows)


@exercise
def peephole_slope(slope):
    """``slope(c, z_i, z_f, g, w_ci, w_cf)``: derivative of the next state for c, W_h = 0."""
    rng = np.random.default_rng(0)
    for k in range(20):
        c, z_i, z_f, g, w_ci, w_cf = rng.standard_normal(6) * [2, 1, 1, 0.5, 2, 2]
        if k == 0:
            w_ci = w_cf = 0.0
        found = float(expect_array(slope(c, z_i, z_f, g, w_ci, w_cf), (), "the slope"))
        i, f = _sigmoid(z_i + w_ci * c), _sigmoid(z_f + w_cf * c)
        from_f, from_i = c * w_cf * f * (1 - f), g * w_ci * i * (1 - i)
        if np.isclose(found, f + from_f + from_i):
            continue
        if k == 0:
            raise Hint("with both peepholes at 0 it should be the forget gate alone")
        if np.isclose(found, f):
            raise Hint("the gates move with c, too: their slopes are missing")
        if np.isclose(found, f + from_f) or np.isclose(found, f + from_i):
            raise Hint("one of the two gates is held fixed: both have a peephole")
        if np.isclose(found, f + c * f * (1 - f) + g * i * (1 - i)):
            raise Hint("the chain rule also gives the peepholes' weights as factors")
        closed_i, closed_f = _sigmoid(z_i), _sigmoid(z_f)
        if np.isclose(
            found,
            closed_f + c * w_cf * closed_f * (1 - closed_f) + g * w_ci * closed_i * (1 - closed_i),
        ):
            raise Hint("the gates themselves are those with their peepholes added")
        raise Hint("it differs from the difference quotient: try w_ci = 0 first, then w_cf = 0")


@exercise
def parity_weights(W, U, b, v):
    """Weights of two threshold units whose readout is the parity of the bits so far."""
    W, U = expect_array(W, (2, 2), "W"), expect_array(U, (1, 2), "U")
    b, v = expect_array(b, (2,), "b"), expect_array(v, (2,), "v")
    # Two units have four states, parity has two: five bits tell any two such machines apart.
    for bits in chain.from_iterable(product((0, 1), repeat=n) for n in range(1, 6)):
        h, odd = np.zeros(2), 0
        for bit in bits:
            h, odd = (h @ W + bit * U[0] + b > 0).astype(float), odd ^ bit
        if not np.isclose(h @ v, odd):
            read = "".join(map(str, bits))
            raise Hint(f"after the bits {read} the answer is {h @ v:g}, and should not be")
