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

softmax = importlib.import_module("dlbook.kernels.softmax")
poison()

CASES = [
    *cycle(SIZES, SIZES[3:] + SIZES[:3], DTYPES, LAYOUTS),
    (5, 130, torch.float16, "transposed"),
    (3, 64, torch.float32, "contiguous"),
    (9, 65, torch.bfloat16, "sliced"),
]


def check(module, n_rows, n, dtype, layout):
    x = drawn((n_rows, n), dtype, layout, seed=n, scale=3.0)
    cotangent = drawn((n_rows, n), dtype, layout, seed=n + 1).detach()
    (wide,) = doubled(x)
    y, exact = module.softmax(x), torch.softmax(wide, dim=-1)
    spread = 1 + wide.amax() - wide.amin() if n_rows * n else 1
    compare("softmax", y, exact, allowed(exact * spread, dtype, n))

    (dx,) = gradients(y, x, cotangent)
    g = cotangent.double()
    (dx_exact,) = gradients(exact, wide, g)
    magnitude = exact * (g.abs() + (exact * g.abs()).sum(-1, keepdim=True)) * spread
    compare("gradient", dx, dx_exact, allowed(magnitude, dtype, 2 * n, n_roundings=3))


@pytest.mark.parametrize(("n_rows", "n", "dtype", "layout"), CASES)
def test_values_and_gradients(n_rows, n, dtype, layout):
    check(softmax, n_rows, n, dtype, layout)


def test_any_number_of_axes():
    x = drawn((2, 3, 4, 5), torch.float32)
    assert torch.allclose(softmax.softmax(x), torch.softmax(x, -1))
    assert torch.allclose(softmax.softmax(x[0, 0, 0]), torch.softmax(x[0, 0, 0], -1))
    assert softmax.softmax(x.permute(3, 0, 2, 1)).shape == (5, 2, 4, 3)


@pytest.mark.parametrize("n", [7, 130])
def test_infinities_and_large_numbers_are_as_in_pytorch(n):
    rows = torch.full((5, n), -float("inf"))
    rows[0, -1] = 0.0  # the loop over a long row meets -inf alone first
    rows[1, 0] = 3e38
    rows[2] = 1e4
    rows[3, 2] = float("nan")
    assert torch.allclose(softmax.softmax(rows), torch.softmax(rows, -1), equal_nan=True)


FAULTS = {
    "no mask on the columns": (
        'tl.load(x + columns * x_column, mask=real, other=-float("inf"))',
        "tl.load(x + columns * x_column, mask=rows < n_rows)",
    ),
    "no maximum subtracted": ("z - tl.max(z, axis=1)[:, None]", "z"),
    "no scaling to the new maximum": ("total = total * tl.exp(highest - offset)", "total = total"),
    "the last block forgotten": ("range(0, n, BLOCK)", "range(0, n - BLOCK, BLOCK)"),
    "a gradient without its mean": ("p * (g - mean)", "p * g"),
    "a sum in half precision": (
        "tl.sum(weights, axis=1)",
        "tl.sum(weights.to(tl.float16), axis=1)",
    ),
    "a stride ignored": ("columns * x_column", "columns"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name, tmp_path):
    module = faulty(softmax, tmp_path, FAULTS[name])
    with pytest.raises(Wrong):
        for case in CASES:
            check(module, *case)
        large = torch.full((1, 40), 100.0, requires_grad=True)
        compare("softmax", module.softmax(large), torch.full((1, 40), 0.025), torch.tensor(1e-6))


def test_the_operators_are_registered_well():
    x = drawn((3, 70), torch.float32)
    torch.library.opcheck(softmax.softmax_op, (x,))
    torch.library.opcheck(softmax.softmax_backward_op, (x.detach(), x.detach()))


def test_the_graph_does_not_break():
    check_compiled(softmax.softmax, drawn((3, 70), torch.float32))
