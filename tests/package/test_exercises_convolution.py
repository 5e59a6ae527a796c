"""Every check passes right answers, however written, and names what is wrong with others."""

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dlbook.exercises import convolution as check

SMOOTH, SLOPE = torch.tensor([1.0, 2, 1]).double(), torch.tensor([-1.0, 0, 1]).double()

# ---- Right answers ----------------------------------------------------------------------------


def thin(image, column, row):
    """A column of weights, then a row of them."""
    down = F.conv2d(image[None, None].double(), column.reshape(1, 1, -1, 1))
    return F.conv2d(down, row.reshape(1, 1, 1, -1))[0, 0]


def strength(image):
    return torch.hypot(thin(image, SMOOTH, SLOPE), thin(image, SLOPE, SMOOTH)).tolist()


def separate(K):
    """From a row and a column through the largest entry."""
    a, b = divmod(int(K.abs().argmax()), K.shape[1])
    u, v = K[:, b] / K[a, b], K[a]
    if not torch.allclose(torch.outer(u, v), K):
        raise ValueError("not separable")
    return [u, v]


def field(layers):
    """From the last layer down: a width of w needs (w - 1) s + r (k - 1) + 1 below."""
    width = 1
    for kernel, stride, dilation in reversed(layers):
        width = (width - 1) * stride + dilation * (kernel - 1) + 1
    return width


def kernel_of(f, N):
    unit = np.eye(N)[0]
    return f(torch.from_numpy(unit)).flip(0).roll(1)


def input_gradient(Z_bar, K, height, width, stride):
    X = torch.zeros(1, 1, height, width, dtype=Z_bar.dtype, requires_grad=True)
    F.conv2d(X, K[None, None], stride=stride).backward(Z_bar[None, None])
    return X.grad[0, 0]


RIGHT = {
    "sizes": (28, 13712),
    "edge_strength": (strength,),
    "separate": (separate,),
    "receptive_field": (field,),
    "kernel_of": (kernel_of,),
    "input_gradient": (input_gradient,),
}


@pytest.mark.parametrize("name", check.__all__)
def test_right_answers_pass(name):
    result = getattr(check, name)(*RIGHT[name])
    assert result.status == "passed", result


def strength_in_32_bits(image):
    K_x = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    return F.conv2d(image[None, None], torch.stack([K_x, K_x.T])[:, None])[0].norm(dim=0)


def kernel_by_a_unit_of_32_bits(f, N):
    unit = torch.zeros(N)
    unit[0] = 1
    return f(unit)[-torch.arange(N) % N]


def test_right_answers_in_32_bits_pass():
    for check_it, answer in [
        (check.edge_strength, strength_in_32_bits),
        (check.kernel_of, kernel_by_a_unit_of_32_bits),
    ]:
        result = check_it(answer)
        assert result.status == "passed", result


# ---- Planted mistakes -------------------------------------------------------------------------


def prewitt(image):
    flat = torch.ones(3).double()
    return torch.hypot(thin(image, flat, SLOPE), thin(image, SLOPE, flat))


def padded(image):
    return F.pad(torch.tensor(strength(image)), (1, 1, 1, 1))


def in_place(image):
    image *= 2
    return torch.tensor(strength(image)) / 2


def never_refuses(K):
    P, s, Q = torch.linalg.svd(K)
    return s[0] * P[:, 0], Q[0]


def always_refuses(K):
    raise ValueError("no")


def factor_lost(K):
    _, v = separate(K)
    u, _ = separate(K)
    return u, v / v.norm()


def ones_only(K):
    separate(K)  # refuses what it should
    return torch.ones(K.shape[0]), torch.ones(K.shape[1])


def without_dilation(layers):
    return field([(k, s, 1) for k, s, _ in layers])


def without_strides(layers):
    return field([(k, 1, r) for k, _, r in layers])


def own_stride(layers):
    width, jump = 1, 1
    for kernel, stride, dilation in layers:
        jump *= stride
        width += dilation * (kernel - 1) * jump
    return width


def many_calls(f, N):
    return torch.stack([f(torch.eye(N).double()[u])[0] for u in range(N)])


def correlated(Z_bar, K, height, width, stride):
    return input_gradient(Z_bar, K.flip(0, 1), height, width, stride)


def strides_forgotten(Z_bar, K, height, width, stride):
    full = F.conv2d(Z_bar[None, None], K.flip(0, 1)[None, None], padding=len(K) - 1)[0, 0]
    grown = Z_bar.new_zeros(height, width)
    grown[: full.shape[0], : full.shape[1]] = full
    return grown


def too_small(Z_bar, K, height, width, stride):
    full = input_gradient(Z_bar, K, height, width, stride)
    m, n = (
        stride * (side - 1) + len(K) for side in Z_bar.shape
    )  # what the windows reach, no further
    return full[:m, :n]


MISTAKES = [
    ("sizes", (57, 13712), "every second pixel"),
    ("sizes", (32, 13712), "dilated window reach over"),
    ("sizes", (27, 13712), "layer by layer"),
    ("sizes", (28, 13664), "biases are missing"),
    ("sizes", (28, 736), "for each input channel"),
    ("sizes", (28, 32 * 28 + 16 * (32 * 81 + 1)), "adds none"),
    ("sizes", (28, 32 * 28 + 16 * 76), "channels does the second layer"),
    ("sizes", (28, 100), "count one kernel"),
    ("sizes", ((28, 28), 13712), "should have shape"),
    ("edge_strength", (lambda x: torch.tensor(strength(x)) ** 2,), "root is missing"),
    ("edge_strength", (lambda x: thin(x, SMOOTH, SLOPE).abs(),), "the second kernel"),
    ("edge_strength", (lambda x: thin(x, SLOPE, SMOOTH).abs(),), "the first kernel"),
    (
        "edge_strength",
        (lambda x: thin(x, SMOOTH, SLOPE).abs() + thin(x, SLOPE, SMOOTH).abs(),),
        "the second kernel|another norm",
    ),
    ("edge_strength", (prewitt,), "middle row"),
    ("edge_strength", (padded,), "should have shape"),
    ("edge_strength", (in_place,), "in place"),
    ("edge_strength", (lambda x: x[1:-1, 1:-1],), "not the length"),
    ("separate", (never_refuses,), "was not refused"),
    ("separate", (always_refuses,), "was refused"),
    ("separate", (factor_lost,), "a factor is lost"),
    ("separate", (lambda K: (-separate(K)[0], separate(K)[1]),), "wrong sign"),
    ("separate", (lambda K: separate(K)[::-1],), "is not the kernel|should have shape"),
    ("separate", (ones_only,), "is not the kernel"),
    ("separate", (lambda K: separate(K)[0],), "two vectors"),
    ("receptive_field", (without_dilation,), "dilation does not count"),
    ("receptive_field", (without_strides,), "more input pixels"),
    ("receptive_field", (own_stride,), "own stride"),
    ("receptive_field", (lambda layers: field(layers) - 1,), "one pixel is missing"),
    ("receptive_field", (lambda layers: 7,), "sees a width"),
    ("kernel_of", (lambda f, N: kernel_of(f, N).flip(0).roll(1),), "which way round"),
    ("kernel_of", (lambda f, N: kernel_of(f, N).flip(0),), "a place too far"),
    ("kernel_of", (lambda f, N: kernel_of(f, N).roll(1),), "up to a shift"),
    ("kernel_of", (lambda f, N: 2 * kernel_of(f, N),), "not the one of f"),
    ("kernel_of", (many_calls,), "one call is enough"),
    ("input_gradient", (correlated,), "wrong way"),
    ("input_gradient", (strides_forgotten,), "at stride 2"),
    ("input_gradient", (lambda Z, K, h, w, s: torch.zeros(h, w),), "already at stride 1"),
    ("input_gradient", (too_small,), "should have shape"),
]


@pytest.mark.parametrize(("name", "answers", "hint"), MISTAKES)
def test_mistakes_are_named(name, answers, hint):
    result = getattr(check, name)(*answers)
    assert result.status == "wrong"
    assert re.search(hint, result.hint), result.hint


@pytest.mark.parametrize("name", check.__all__)
def test_stubs_are_not_attempted(name):
    stub = (...,) if name != "sizes" else (..., ...)
    result = getattr(check, name)(*stub)
    assert result.status == "not attempted yet"
    if name != "sizes":
        assert getattr(check, name)(lambda *_: ...).status == "not attempted yet"


def test_every_check_has_planted_mistakes():
    assert {name for name, *_ in MISTAKES} == set(check.__all__)
