import importlib

import pytest
import torch
from kernel_checks import (
    DTYPES,
    LAYOUTS,
    SIZES,
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

layer_norm = importlib.import_module("dlbook.kernels.layer_norm")
poison()

CASES = [
    *cycle(SIZES, SIZES[3:] + SIZES[:3], DTYPES, LAYOUTS),
    (5, 130, torch.float16, "transposed"),
    (70, 16, torch.float32, "contiguous"),  # more than one group of rows
    (9, 65, torch.bfloat16, "sliced"),
    (1, 7, torch.float32, "sliced"),
]


def check(module, n_rows, n, dtype, layout, mean=0.5):
    x = drawn((n_rows, n), dtype, layout, seed=n)
    x = (x.detach() + mean).to(dtype).requires_grad_() if layout != "expanded" else x
    weight = drawn((n,), dtype, layout, seed=n + 1)
    bias = drawn((n,), dtype, "contiguous", seed=n + 2)
    cotangent = drawn((n_rows, n), dtype, layout, seed=n + 3).detach()
    given = (x, weight, bias)
    wide = doubled(*given)
    y = module.layer_norm(*given)
    exact = torch.nn.functional.layer_norm(wide[0], (n,), *wide[1:]) if n else wide[0] * wide[1]
    found = gradients(y, given, cotangent)
    g = cotangent.double()
    wanted = gradients(exact, wide, g)

    # magnitudes: each difference is a sum of absolute values
    z, w, b = (tensor.detach() for tensor in wide)
    scale = 1 / (z.var(-1, keepdim=True, correction=0) + 1e-5).sqrt() if n else z
    size = (z.abs() + z.abs().mean(-1, keepdim=True)) * scale if n else z
    # the deviation's own relative error is that of a mean of squares
    of_scale = 1 + (size * size).mean(-1, keepdim=True) if n else 1
    compare("layer_norm", y, exact, allowed(size * of_scale * w.abs() + b.abs(), dtype, 2 * n))
    if n == 0:
        return
    gw = (g * w).abs()
    row = gw + gw.mean(-1, keepdim=True) + size * (gw * size).mean(-1, keepdim=True)
    magnitudes = (row * scale * of_scale, (g.abs() * size * of_scale).sum(0), g.abs().sum(0))
    for name, one, other, magnitude in zip("xwb", found, wanted, magnitudes, strict=True):
        compare(f"d{name}", one, other, allowed(magnitude, dtype, 4 * n + n_rows))


@pytest.mark.parametrize(("n_rows", "n", "dtype", "layout"), CASES)
def test_values_and_gradients(n_rows, n, dtype, layout):
    check(layer_norm, n_rows, n, dtype, layout)


def test_any_number_of_axes():
    x, weight, bias = drawn((2, 3, 4, 5), torch.float32), torch.rand(5), torch.rand(5)
    for given in (x, x[0, 0, 0], x.permute(2, 0, 1, 3)):
        exact = torch.nn.functional.layer_norm(given, (5,), weight, bias)
        assert torch.allclose(layer_norm.layer_norm(given, weight, bias), exact, atol=1e-6)


def test_a_large_mean_does_not_cancel_the_variance():
    x = drawn((4, 130), torch.float32).detach() + 1000
    one, zero = torch.ones(130), torch.zeros(130)
    exact = torch.nn.functional.layer_norm(x.double(), (130,))
    found = layer_norm.layer_norm(x, one, zero)
    assert (found - exact).abs().max() < 1000 * 2**-24 * 20


FAULTS = {
    "a variance with columns that are not there": (
        "centred = tl.where(inside, z - mean, 0.0)",
        "centred = z - mean",
    ),
    "a mean over the block": (
        "mean = tl.sum(z, axis=1)[:, None] / n",
        "mean = tl.sum(z, axis=1)[:, None] / BLOCK",
    ),
    "no eps": ("tl.sqrt(variance + eps)", "tl.sqrt(variance)"),
    "no bias": ("centred * scale * w + b", "centred * scale * w"),
    "a gradient without its second mean": ("(g - of_g - z * of_gz)", "(g - of_g)"),
    "a group of rows forgotten": ("range(group * ROWS, n_rows,", "range(group * ROWS, n_rows - 1,"),
    "sums of half precision": ("of_weight += ", "of_weight = of_weight.to(tl.float16) + "),
    "a stride ignored": ("columns * weight_step", "columns"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name, tmp_path):
    module = faulty(layer_norm, tmp_path, FAULTS[name])
    with pytest.raises(Wrong):
        for case in CASES:
            check(module, *case)
        constant = module.layer_norm(torch.ones(1, 8), torch.ones(8), torch.zeros(8))
        compare("layer_norm", constant, torch.zeros(1, 8), torch.tensor(0.0))


def test_the_operators_are_registered_well():
    x, weight, bias = (drawn(shape, torch.float32) for shape in ((3, 70), (70,), (70,)))
    torch.library.opcheck(layer_norm.layer_norm_op, (x, weight, bias, 1e-5))
    bare = (x.detach(), weight.detach(), torch.zeros(3), torch.ones(3), x.detach())
    torch.library.opcheck(layer_norm.layer_norm_backward_op, bare)


def test_the_graph_does_not_break():
    x, weight, bias = (drawn(shape, torch.float32) for shape in ((3, 70), (70,), (70,)))
    check_compiled(layer_norm.layer_norm, x, weight, bias)
