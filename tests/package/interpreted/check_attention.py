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

attention = importlib.import_module("dlbook.kernels.attention")
poison()

# n, n_keys, head size, causal
SHAPES = [
    (0, 7, 16, False),
    (1, 1, 1, True),
    (7, 16, 7, False),
    (16, 7, 16, True),
    (33, 64, 33, True),
    (64, 64, 8, True),
    (64, 33, 16, False),
    (130, 130, 16, True),
    (16, 0, 16, False),
    (33, 33, 64, True),
    (7, 130, 130, False),
    (130, 33, 5, True),
    (48, 130, 20, True),
]
CASES = [
    (*shape, *rest) for shape, rest in zip(SHAPES, cycle([None] * 13, DTYPES, LAYOUTS), strict=True)
]


def check(module, n, n_keys, head_size, causal, _, dtype, layout, scale=None):
    batch = 2 if n == 16 else 1
    shape, key_shape = (batch, 2, n, head_size), (batch, 2, n_keys, head_size)
    q = drawn(shape, dtype, layout, seed=n)
    k = drawn(key_shape, dtype, LAYOUTS[(n + 1) % 4], seed=n_keys + 1)
    v = drawn(key_shape, dtype, LAYOUTS[(n + 2) % 4], seed=n_keys + 2)
    cotangent = drawn(shape, dtype, LAYOUTS[(n + 3) % 4], seed=3).detach()
    wide = doubled(q, k, v)
    y = module.attention(q, k, v, causal, scale)
    factor = head_size**-0.5 if scale is None else scale
    exact = attention.reference(*wide, causal, factor)
    found = gradients(y, (q, k, v), cotangent)
    g = cotangent.double()
    wanted = gradients(exact, wide, g)

    # A score is wrong by at most `slip`, a weight then by that share of itself.
    q, k, v = (tensor.detach() for tensor in wide)
    scores = q @ k.mT * factor
    future = torch.ones(n, n_keys, dtype=torch.bool).triu(1) if causal else torch.tensor(False)
    p = torch.softmax(scores.masked_fill(future, -float("inf")), -1)
    size = q.abs() @ k.abs().mT * abs(factor)
    slip = 1 + (size.max() if size.numel() else 0)
    length = head_size + n_keys
    bound = allowed(slip * (p @ v.abs()), dtype, length, n_roundings=2)
    compare("attention", y, exact, bound)

    # the output, which is rounded, stands in d = Σ g ⊙ output
    ds = p * (g.abs() @ v.abs().mT + (g.abs() * (p @ v.abs())).sum(-1, keepdim=True)) * slip
    magnitudes = (
        ds @ k.abs() * abs(factor),
        ds.mT @ q.abs() * abs(factor),
        slip * p.mT @ g.abs(),
    )
    length = n + n_keys + 2 * head_size
    for name, one, other, magnitude in zip("qkv", found, wanted, magnitudes, strict=True):
        compare(f"d{name}", one, other, allowed(magnitude, dtype, length, n_roundings=3))


@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients(case):
    check(attention, *case)


@pytest.mark.parametrize("scale", [0.0, -0.5, 2.0])
def test_any_scale(scale):
    check(attention, 33, 20, 8, True, None, torch.float32, "contiguous", scale=scale)


def test_large_scores_do_not_overflow():
    q = drawn((1, 1, 33, 16), torch.float32, scale=30.0)
    exact = attention.reference(*doubled(q, q, q), True, 1.0)
    assert (attention.attention(q, q, q, True, 1.0) - exact).abs().max() < 1e-2


def test_what_is_kept_for_the_backward_pass_is_linear_in_the_length():
    kept = []
    q = drawn((1, 1, 130, 16), torch.float32)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        attention.attention(q, q, q)
    assert kept and max(tensor.numel() for tensor in kept) <= 130 * 16


def test_a_head_too_large_for_the_kernel_takes_the_reference():
    q = drawn((1, 1, 3, 300), torch.float32)
    assert torch.equal(attention.attention(q, q, q), attention.reference(q, q, q, False, 300**-0.5))


FAULTS = {
    "no causal mask": ("(columns < n_keys) & (columns <= rows)", "columns < n_keys"),
    "a causal mask off by one": ("columns <= rows", "columns < rows + 2"),
    "no mask on the last keys": (
        "    else:\n        return columns < n_keys",
        "    else:\n        return columns >= 0",
    ),
    "a block too many without a mask": (
        "min(first + 1, n_keys) // N * N",
        "min(first + N, n_keys) // N * N",
    ),
    "no scaling to the new maximum": ("answer * shrink[:, None]", "answer"),
    "weights not scaled": ("total * shrink +", "total +"),
    "an accumulator in half precision": (
        "answer = dot(weights.to(v.dtype), v, answer * shrink[:, None], PRECISION)",
        "answer = dot(weights.to(v.dtype), v, answer * shrink[:, None], PRECISION)"
        ".to(tl.float16).to(tl.float32)",
    ),
    "natural logarithms mixed in": ("highest + tl.log2(total)", "highest + tl.log(total)"),
    "a gradient without its mean": ("zeros, PRECISION) - d[None, :])", "zeros, PRECISION))"),
    "queries before the diagonal": ("begin = first // M * M", "begin = first // M * M + M"),
    "a gradient not scaled": ("dq * scale", "dq"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name, tmp_path):
    module = faulty(attention, tmp_path, FAULTS[name])
    with pytest.raises(Wrong):
        for case in (CASES[4], CASES[9], CASES[2], CASES[6], CASES[12]):
            check(module, *case)


def test_the_operators_are_registered_well():
    q, k, v = (drawn((1, 2, 5, 4), torch.float32, seed=i) for i in range(3))
    torch.library.opcheck(attention.attention_op, (q, k, v, True, 0.5, False))
    bare = [tensor.detach() for tensor in (q, k, v, q)]
    rest = (torch.zeros(1, 2, 5), q.detach(), True, 0.5, False)
    torch.library.opcheck(attention.attention_backward_op, (*bare, *rest))


def test_the_graph_does_not_break():
    q, k, v = (drawn((1, 2, 5, 4), torch.float32, seed=i) for i in range(3))
    check_compiled(attention.attention, q, k, v, True)
