import importlib

import pytest
import torch
from kernel_checks import (
    DTYPES,
    LAYOUTS,
    Wrong,
    allowed,
    check_compiled,
    compare,
    cycle,
    doubled,
    drawn,
    faulty,
    gradients,
    poison,
)

lstm = importlib.import_module("dlbook.kernels.lstm")
poison()

# time, batch, features, hidden, with biases, with a state
SHAPES = [
    (1, 1, 1, 1, True, False),
    (3, 7, 16, 7, True, True),
    (2, 33, 7, 33, True, False),
    (4, 16, 1, 16, False, True),
    (2, 7, 33, 64, True, True),
    (0, 7, 4, 5, True, True),
    (2, 0, 4, 5, True, True),
    (2, 3, 0, 5, True, True),
    (2, 7, 3, 130, True, True),
]
CASES = [
    (*shape, *rest) for shape, rest in zip(SHAPES, cycle([None] * 9, DTYPES, LAYOUTS), strict=True)
]


def check(module, time, batch, features, hidden, with_bias, with_state, _, dtype, layout):
    scale = hidden**-0.5
    x = drawn((time, batch, features), dtype, layout, seed=1)
    w_ih = drawn((4 * hidden, features), dtype, LAYOUTS[batch % 3], seed=2, scale=scale)
    w_hh = drawn((4 * hidden, hidden), dtype, LAYOUTS[time % 3], seed=3, scale=scale)
    biases = [drawn((4 * hidden,), dtype, seed=i) if with_bias else None for i in (4, 5)]
    state = [drawn((batch, hidden), dtype, LAYOUTS[i], seed=i) for i in (1, 2)]
    given = [x, w_ih, w_hh, *biases, *(state if with_state else ())]
    y, (h, c) = module.lstm(*given[:5], state=tuple(state) if with_state else None)

    wide = doubled(*given)
    zeros = [torch.zeros(batch, hidden, dtype=torch.float64)] * 2
    exact_y, (exact_h, exact_c) = lstm.reference(*wide[:5], *(wide[5:] or zeros))
    with torch.no_grad():
        of_y, of_c, saved = forward_bounds(wide, zeros, dtype)
    compare("outputs", y, exact_y, of_y)
    if time and hidden:
        compare("h", h, exact_h, of_y[-1])
    compare("c", c, exact_c, of_c)

    cotangents = [
        drawn((time, batch, hidden), dtype, LAYOUTS[hidden % 4], seed=7).detach(),
        drawn((batch, hidden), dtype, seed=8).detach(),
        drawn((batch, hidden), dtype, seed=9).detach(),
    ]
    here, there = ([t for t in tensors if t is not None] for tensors in (given, wide))
    found = gradients((y, h, c), here, cotangents)
    wanted = gradients((exact_y, exact_h, exact_c), there, [g.double() for g in cotangents])
    with torch.no_grad():
        magnitudes = backward_magnitudes(wide, zeros, saved, [g.double() for g in cotangents])
    # each step rounds h, four gates and four gradients of gates
    length, roundings = time * (batch + 5 * hidden) + features, 9 * time + 3
    names = ("x", "w_ih", "w_hh", "b_ih", "b_hh", "h", "c")[: len(given)]
    names = [name for name, t in zip(names, given, strict=True) if t is not None]
    kept = magnitudes[: len(wide)]
    kept = [m for m, t in zip(kept, wide, strict=True) if t is not None]
    for name, one, other, magnitude in zip(names, found, wanted, kept, strict=True):
        if other is None:  # no step, and so no use of the weights
            assert one is None or not one.any()
            continue
        compare(f"d{name}", one, other, allowed(magnitude, dtype, length, roundings))


def forward_bounds(wide, zeros, dtype):
    """Bounds on the errors of outputs and c, carried along by the recurrence itself."""
    x, w_ih, w_hh, b_ih, b_hh, *state = wide
    h, c = state or zeros
    bias = torch.zeros(w_hh.shape[0], dtype=torch.float64) if b_ih is None else b_ih + b_hh
    of_h, of_c = torch.zeros_like(h), torch.zeros_like(c)
    bounds, saved = [], []
    single = 16 * 2.0**-24
    for step in x:
        gates = step @ w_ih.T + bias + h @ w_hh.T
        size = step.abs() @ w_ih.abs().T + bias.abs() + h.abs() @ w_hh.abs().T
        terms = x.shape[2] + w_hh.shape[1] + 4
        slip = of_h @ w_hh.abs().T + allowed(size, torch.float32, terms)
        i, f, g, o = gates.chunk(4, -1)
        of_i, of_f, of_g, of_o = slip.chunk(4, -1)  # σ' is at most 1/4, tanh' at most 1
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        saved.append((i, f, g, o, h, c))
        of_i, of_f, of_o = (0.25 * slip + single for slip in (of_i, of_f, of_o))
        of_g = of_g + single
        of_c = f * of_c + c.abs() * of_f + i * of_g + g.abs() * of_i + single
        c = f * c + i * g
        of_h = o * of_c + of_o + single
        h = o * c.tanh()
        of_h = of_h + allowed(h.abs(), dtype)
        bounds.append(1.01 * of_h)
    saved.append((h, c))
    of_c = 1.01 * of_c + allowed(c.abs(), dtype)
    return torch.stack(bounds) if bounds else x[..., :0].new_zeros(0, *h.shape), of_c, saved


def backward_magnitudes(wide, zeros, saved, cotangents):
    """The backward pass with absolute values: 1 − i, which may cancel, counts as 1 + i."""
    x, w_ih, w_hh, *_ = (None if t is None else t.abs() for t in wide)
    dy, dh, dc = (g.abs() for g in cotangents)
    *steps, (_, c) = saved
    rows, before = [], []
    for t in range(len(steps) - 1, -1, -1):
        i, f, g, o, h, c_before = (part.abs() for part in steps[t])
        bent = c.tanh().abs()
        dh = dh + dy[t]
        dc = dc + dh * o * (1 + bent * bent)
        di, df = dc * g * i * (1 + i), dc * c_before * f * (1 + f)
        dg, do = dc * i * (1 + g * g), dh * (bent + 0.1) * o * (1 + o)
        gates = torch.cat([di, df, dg, do], -1)
        rows.append(gates)
        before.append(h)
        dh, dc, c = gates @ w_hh, dc * f, steps[t][5]
    if not rows:
        empty = [torch.zeros_like(t) for t in (x, w_ih, w_hh)]
        return [*empty, w_hh[:, 0] * 0, w_hh[:, 0] * 0, dh, dc]
    rows, before = torch.stack(rows[::-1]), torch.stack(before[::-1])
    dbias = rows.sum((0, 1))
    flat, flat_x = rows.flatten(0, 1), x.flatten(0, 1)
    dw_hh = flat.T @ before.flatten(0, 1)
    return [rows @ w_ih, flat.T @ flat_x, dw_hh, dbias, dbias, dh, dc]


@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients(case):
    check(lstm, *case)


def test_a_layer_of_pytorch_can_be_swapped_for_it():
    layer = torch.nn.LSTM(5, 6)
    x = drawn((4, 3, 5), torch.float32)
    weights = [
        getattr(layer, f"{name}_l0") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    ]
    y, (h, c) = lstm.lstm(x, *weights)
    exact, (exact_h, exact_c) = layer(x)
    for found, wanted in ((y, exact), (h, exact_h[0]), (c, exact_c[0])):
        assert torch.allclose(found, wanted, atol=1e-6)
    found = gradients(y.square().sum() + c.sum(), weights, None)
    wanted = gradients(exact.square().sum() + exact_c.sum(), weights, None)
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


FAULTS = {
    "gates in another order": (
        "i, f, g, o = tl.sigmoid(i), tl.sigmoid(f), tanh(g), tl.sigmoid(o)",
        "i, g, f, o = tl.sigmoid(i), tanh(f), tl.sigmoid(g), tl.sigmoid(o)",
    ),
    "no bias": ("bias += part", "pass"),
    "the state before it": (
        "later = tl.cast(batch, tl.int64) * hidden\n    tl.store(cells",
        "later = 0\n    tl.store(cells",
    ),
    "no mask on the state": (
        "seen = (rows < batch)[:, None] & (inner < hidden)[None, :]",
        "seen = (rows < batch)[:, None] & (inner < K)[None, :]",
    ),
    "an accumulator in half precision": (
        "i = dot(h, tl.load(w, mask=there, other=0.0), i, PRECISION)",
        "i = dot(h, tl.load(w, mask=there, other=0.0), i, PRECISION).to(tl.float16).to(tl.float32)",
    ),
    "a gradient without the next step": ("tl.where(last, 0, 4 * hidden)", "0"),
    "a gate's gradient without its slope": ("dc * g * i * (1 - i)", "dc * g"),
    "c's gradient not handed on": ("dc * f, mask", "dc, mask"),
    "the last state's gradient forgotten": ("dh += tl.where(last,", "dh += tl.where(step < 0,"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name, tmp_path):
    module = faulty(lstm, tmp_path, FAULTS[name])
    with pytest.raises(Wrong):
        for case in CASES[1:5]:
            check(module, *case)


def arguments():
    shapes = ((3, 2, 4), (20, 4), (20, 5), (20,), (20,), (2, 5), (2, 5))
    return [drawn(shape, torch.float32, seed=i) for i, shape in enumerate(shapes)]


def test_the_operators_are_registered_well():
    torch.library.opcheck(lstm.lstm_op, (*arguments(), False))
    x, w_ih, w_hh, _, _, h, c = (tensor.detach() for tensor in arguments())
    y, _, _, cells, gates = lstm.lstm_op(x, w_ih, w_hh, None, None, h, c, False)
    torch.library.opcheck(
        lstm.lstm_backward_op, (x, w_ih, w_hh, h, y, cells, gates, y, h, c, False)
    )


def test_the_graph_does_not_break():
    check_compiled(lambda *given: lstm.lstm(*given)[0], *arguments()[:5])
