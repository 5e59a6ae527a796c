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

cross_entropy = importlib.import_module("dlbook.kernels.cross_entropy")
poison()

CASES = [
    *cycle(SIZES, SIZES[3:] + SIZES[:3], DTYPES, LAYOUTS),
    (5, 130, torch.float16, "transposed"),
    (9, 65, torch.bfloat16, "sliced"),
    (3, 64, torch.float32, "contiguous"),
]


def check(module, n_rows, n, dtype, layout):
    if n == 0:
        return  # no label is possible
    logits = drawn((n_rows, n), dtype, layout, seed=n, scale=3.0)
    labels = torch.randint(n, (n_rows,), generator=torch.Generator().manual_seed(n))
    (wide,) = doubled(logits)
    loss = module.cross_entropy(logits, labels)
    exact = torch.nn.functional.cross_entropy(wide, labels)
    z = wide.detach()
    spread = 1 + 2 * z.abs().max() if n_rows else torch.tensor(1.0)
    compare("loss", loss, exact, allowed(spread, dtype, n + n_rows))
    cotangent = torch.tensor(1.5, dtype=dtype)
    (found,) = gradients(loss, logits, cotangent)
    (wanted,) = gradients(exact, wide, cotangent.double())
    if n_rows:
        one_hot = torch.nn.functional.one_hot(labels, n)
        magnitude = (torch.softmax(z, -1) * spread + one_hot) * 1.5 / n_rows
        # the cotangent passes through the mean in the type of the loss: one more rounding
        compare("gradient", found, wanted, allowed(magnitude, dtype, n, n_roundings=2))


@pytest.mark.parametrize(("n_rows", "n", "dtype", "layout"), CASES)
def test_values_and_gradients(n_rows, n, dtype, layout):
    check(cross_entropy, n_rows, n, dtype, layout)


def test_rows_may_have_several_axes():
    logits, labels = drawn((2, 3, 5), torch.float32), torch.tensor([[0, 1, 4], [2, 2, 0]])
    exact = torch.nn.functional.cross_entropy(logits.reshape(6, 5), labels.reshape(6))
    assert torch.allclose(cross_entropy.cross_entropy(logits, labels), exact)
    exact = torch.nn.functional.cross_entropy(logits[0, 0], labels[0, 0])
    assert torch.allclose(cross_entropy.cross_entropy(logits[0, 0], labels[0, 0]), exact)


@pytest.mark.parametrize("n", [7, 130])
def test_forbidden_classes_and_large_logits(n):
    logits = torch.full((3, n), -float("inf"))
    logits[0, -1] = 0.0
    logits[1, 3] = 3e38
    logits[2] = 1e4
    labels = torch.tensor([n - 1, 3, 0])
    exact = torch.nn.functional.cross_entropy(logits, labels)
    assert torch.allclose(cross_entropy.cross_entropy(logits, labels), exact)


@pytest.mark.parametrize("label", [-1, 7, -100, 2**40])
def test_a_label_out_of_range_gives_no_number(label):
    labels = torch.tensor([0, label])
    assert cross_entropy.cross_entropy(torch.zeros(2, 7), labels).isnan()


FAULTS = {
    "no mask on the columns": (
        'tl.load(starts + columns * column_step, mask=real, other=-float("inf"))',
        "tl.load(starts + columns * column_step, mask=real_rows)",
    ),
    "no scaling to the new maximum": ("total = total * tl.exp(highest - offset)", "total = total"),
    "the last block forgotten": ("range(0, n, BLOCK)", "range(0, n - BLOCK, BLOCK)"),
    "no one-hot": ("tl.where(columns == label, p - 1.0, p)", "p"),
    "a sum in half precision": (
        "total = tl.sum(tl.exp(z - highest[:, None]), axis=1)",
        "total = tl.sum(tl.exp(z - highest[:, None]).to(tl.float16), axis=1).to(tl.float32)",
    ),
    "a stride ignored": ("label * column_step", "label"),
    "no gradient from above": ("p - 1.0, p) * g", "p - 1.0, p)"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name, tmp_path):
    module = faulty(cross_entropy, tmp_path, FAULTS[name])
    with pytest.raises(Wrong):
        for case in CASES:
            check(module, *case)


def test_the_operators_are_registered_well():
    logits, labels = drawn((3, 70), torch.float32), torch.tensor([0, 69, 3])
    torch.library.opcheck(cross_entropy.cross_entropy_op, (logits, labels))
    bare = (logits.detach(), labels, torch.zeros(3), torch.ones(3))
    torch.library.opcheck(cross_entropy.cross_entropy_backward_op, bare)


def test_the_graph_does_not_break():
    logits, labels = drawn((3, 70), torch.float32), torch.tensor([0, 69, 3])
    check_compiled(cross_entropy.cross_entropy, logits, labels)
