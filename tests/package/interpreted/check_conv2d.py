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

conv2d = importlib.import_module("dlbook.kernels.conv2d")
poison()

# batch, channels, height and width, filters, height and width of a filter, stride, padding, bias
SHAPES = [
    (1, 1, (1, 1), 1, (1, 1), 1, 0, True),
    (2, 3, (7, 16), 7, (3, 3), 1, 1, True),
    (0, 3, (7, 7), 4, (3, 3), 1, 0, True),
    (1, 7, (16, 7), 16, (5, 2), 2, (2, 0), False),
    (2, 16, (9, 10), 33, (3, 3), (2, 3), 1, True),
    (3, 33, (4, 4), 7, (4, 4), 1, 0, True),
    (1, 1, (33, 33), 2, (3, 3), 3, 2, False),  # stride longer than needed: pixels without use
    (2, 4, (7, 7), 0, (3, 3), 1, 0, True),
    (2, 0, (7, 7), 3, (3, 3), 1, 0, True),
    (3, 2, (16, 33), 3, (1, 1), 1, 0, True),  # several groups for the weight's gradient
]
CASES = [
    (*shape, *rest) for shape, rest in zip(SHAPES, cycle([None] * 10, DTYPES, LAYOUTS), strict=True)
]


def check(module, batch, channels, size, filters, kernel, stride, padding, bias, _, dtype, layout):
    x = drawn((batch, channels, *size), dtype, layout, seed=1)
    w = drawn((filters, channels, *kernel), dtype, LAYOUTS[filters % 4], seed=2)
    b = drawn((filters,), dtype, seed=3) if bias else None
    wide = doubled(x, w, b)
    y = module.conv2d(x, w, b, stride, padding)
    exact = conv2d.reference(*wide, *(module._pair("", v, 0) for v in (stride, padding)))
    cotangent = drawn(tuple(y.shape), dtype, LAYOUTS[(filters + 1) % 4], seed=4).detach()
    here, there = ([t for t in tensors if t is not None] for tensors in ((x, w, b), wide))
    found = gradients(y, here, cotangent)
    wanted = gradients(exact, there, cotangent.double())

    # magnitudes: the same with absolute values
    sizes = [t.detach().double().abs().requires_grad_() for t in here]
    given = (*sizes, None)[:3]
    total = conv2d.reference(*given, *(module._pair("", v, 0) for v in (stride, padding)))
    of_each = gradients(total, sizes, cotangent.double().abs())
    n_terms = channels * kernel[0] * kernel[1]
    compare("conv2d", y, exact, allowed(total.detach(), dtype, n_terms + 1))
    places = batch * exact.shape[2] * exact.shape[3]
    lengths = (filters * kernel[0] * kernel[1], places + 4, places)
    for name, one, other, size, n in zip("xwb", found, wanted, of_each, lengths, strict=False):
        compare(f"d{name}", one, other, allowed(size, dtype, n))


@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients(case):
    check(conv2d, *case)


def test_it_is_the_convolution_of_pytorch():
    x, w, b = (drawn(s, torch.float32) for s in ((2, 3, 9, 8), (4, 3, 3, 2), (4,)))
    exact = torch.nn.functional.conv2d(x, w, b, (2, 1), (1, 2))
    assert torch.allclose(conv2d.conv2d(x, w, b, (2, 1), (1, 2)), exact, atol=1e-5)
    channels_last = x.detach().to(memory_format=torch.channels_last)
    assert torch.allclose(conv2d.conv2d(channels_last, w, b, (2, 1), (1, 2)), exact, atol=1e-5)


FAULTS = {
    "no padding below and to the right": (
        "(y >= 0) & (y < height) & (x >= 0) & (x < width)",
        "(y >= 0) & (y < height - 1) & (x >= 0) & (x < width - 1)",
    ),
    "a term too many": ("(k < n_terms)", "(k < n_terms + 1)"),
    "an accumulator in half precision": (
        "total = dot(a, tl.load(w, mask=real, other=0.0), total, PRECISION)",
        "total = dot(a, tl.load(w, mask=real, other=0.0), total, PRECISION)"
        ".to(tl.float16).to(tl.float32)",
    ),
    "rows and columns of a filter mixed up": ("k // S % R, k % S", "k % R, k // R % S"),
    "a stride not asked for": ("(down % DOWN == 0) & ", ""),
    "filters not turned around": ("y + PAD_DOWN - r[None, :]", "y - PAD_DOWN + r[None, :]"),
    "a group forgotten": ("partial.sum(dim=0)", "partial[0]"),
    "no bias": ("total += b.to(tl.float32)[None, :]", "pass"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name, tmp_path):
    module = faulty(conv2d, tmp_path, FAULTS[name])
    with pytest.raises(Wrong):
        for i in (1, 3, 6, 4, 9):
            check(module, *CASES[i])


def test_the_operators_are_registered_well():
    x, w, b = (drawn(s, torch.float32) for s in ((2, 3, 5, 4), (4, 3, 3, 2), (4,)))
    torch.library.opcheck(conv2d.conv2d_op, (x, w, b, [1, 2], [1, 0], False))
    x, w = x.detach(), w.detach()
    y = conv2d.conv2d(x, w, None, (1, 2), (1, 0))
    torch.library.opcheck(conv2d.conv2d_images_op, (y, w, 5, 4, [1, 2], [1, 0], False))
    torch.library.opcheck(conv2d.conv2d_weight_op, (x, y, 3, 2, [1, 2], [1, 0], False))


def test_the_graph_does_not_break():
    x, w, b = (drawn(s, torch.float32) for s in ((2, 3, 5, 4), (4, 3, 3, 2), (4,)))
    check_compiled(conv2d.conv2d, x, w, b, 2, 1)
