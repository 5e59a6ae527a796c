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

matmul = importlib.import_module("dlbook.kernels.matmul")
poison()

CASES = [
    *cycle(SIZES, SIZES[2:] + SIZES[:2], SIZES[5:] + SIZES[:5], DTYPES, LAYOUTS),
    (33, 64, 16, torch.float16, "contiguous"),
    (64, 130, 130, torch.bfloat16, "transposed"),
    (130, 33, 7, torch.float32, "sliced"),
    (7, 64, 33, torch.float16, "sliced"),
    (16, 33, 64, torch.float32, "expanded"),
    (33, 0, 16, torch.float16, "contiguous"),  # a sum of nothing
]


def check(module, m, k, n, dtype, layout):
    a, b = drawn((m, k), dtype, layout, seed=m), drawn((k, n), dtype, LAYOUTS[k % 4], seed=n)
    cotangent = drawn((m, n), dtype, LAYOUTS[n % 4], seed=k).detach()
    wide = doubled(a, b)
    c, exact = module.matmul(a, b), wide[0] @ wide[1]
    x, y, g = (tensor.detach().double().abs() for tensor in (a, b, cotangent))
    compare("matmul", c, exact, allowed(x @ y, dtype, k))
    found = gradients(c, (a, b), cotangent)
    wanted = gradients(exact, wide, cotangent.double())
    compare("da", found[0], wanted[0], allowed(g @ y.T, dtype, n))
    compare("db", found[1], wanted[1], allowed(x.T @ g, dtype, m))


@pytest.mark.parametrize(("m", "k", "n", "dtype", "layout"), CASES)
def test_values_and_gradients(m, k, n, dtype, layout):
    check(matmul, m, k, n, dtype, layout)


@pytest.mark.parametrize("group", [1, 2, 3, 8])
def test_each_tile_is_computed_once(group):
    n_down, n_right = 5, 3
    number = torch.arange(n_down * n_right)
    tiles = {tuple(int(i) for i in tile(t.item(), n_down, n_right, group)) for t in number}
    assert tiles == {(i, j) for i in range(n_down) for j in range(n_right)}


def tile(number, n_down, n_right, group):
    return matmul.tile_of.fn(number, n_down, n_right, group)


def test_one_gradient_alone():
    a, b = drawn((7, 16), torch.float32), drawn((16, 5), torch.float32)
    (da,) = gradients(matmul.matmul(a, b.detach()).sum(), a, None)
    assert torch.allclose(da, b.detach().sum(1).expand(7, 16), atol=1e-5)


def test_gradients_of_gradients():
    a, b = drawn((3, 4), torch.float32), drawn((4, 2), torch.float32)
    (da,) = torch.autograd.grad(matmul.matmul(a, b).square().sum(), a, create_graph=True)
    (found,) = torch.autograd.grad(da.sum(), b)
    (da,) = torch.autograd.grad((a @ b).square().sum(), a, create_graph=True)
    assert torch.allclose(found, torch.autograd.grad(da.sum(), b)[0], atol=1e-4)


FAULTS = {
    "a mask along k off by one": ("< k - start", "< k - start + 1"),
    "an accumulator in half precision": (
        "total = dot(x, y, total, PRECISION)",
        "total = dot(x, y, total, PRECISION).to(tl.float16).to(tl.float32)",
    ),
    "the last step forgotten": ("range(0, k, K)", "range(0, k - 1, K)"),
    "a stride ignored": ("a += step * a_column", "a += step"),
    "tiles in a group mixed up": ("number % per_group % height", "number % GROUP"),
    "even where it is not": ("EVEN=k % 64 == 0", "EVEN=k % 2 == 0"),
    "a transposed gradient": ("matmul_op(a.T, dc, ctx.tf32)", "matmul_op(dc.T, a, ctx.tf32).T * 2"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name, tmp_path):
    module = faulty(matmul, tmp_path, FAULTS[name])
    with pytest.raises(Wrong):
        for case in reversed(CASES):
            check(module, *case)


def test_the_operator_is_registered_well():
    a, b = drawn((7, 16), torch.float32), drawn((16, 5), torch.float32)
    torch.library.opcheck(matmul.matmul_op, (a, b, False))


def test_the_graph_does_not_break():
    check_compiled(matmul.matmul, drawn((7, 16), torch.float32), drawn((16, 5), torch.float32))
