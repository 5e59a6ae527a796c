"""Every check passes right answers, however written, and names what is wrong with others."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dlbook.exercises import lenet as check

# ---- Right answers ----------------------------------------------------------------------------


def field(layers, i):
    """By the recurrences of the exercise, as a list."""
    start, jump, side = 0, 1, 1
    for kernel, stride, padding in layers:
        start -= padding * jump
        side += (kernel - 1) * jump
        jump *= stride
    return [start + jump * i, start + jump * i + side - 1]


def gradients(X, beta, G):
    """By loops."""
    d_beta, d_input = 0.0, np.zeros_like(X)
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            d_beta += G[i // 2, j // 2] * X[i, j]
            d_input[i, j] = beta * G[i // 2, j // 2]
    return d_beta, G.sum(), d_input


def linear(codes):
    """Any constant may be added to all biases."""
    return 2 * codes.T, 3 - np.linalg.norm(codes, axis=1) ** 2


def move(images, order):
    moved = torch.empty_like(images).flatten(1)
    for p, q in enumerate(order):
        moved[:, p] = images.flatten(1)[:, q]
    return moved.view_as(images)


RIGHT = {
    "table_of_pairs": (765, np.int64(76_500)),
    "field_of": (field,),
    "subsampling_gradients": (gradients,),
    "as_linear": (linear,),
    "enough_to_resume": ((True, False, False, np.True_, False),),
    "rearranged": (move,),
}


@pytest.mark.parametrize("name", check.__all__)
def test_right_answers_pass(name):
    result = getattr(check, name)(*RIGHT[name])
    assert result.status == "passed", result


@pytest.mark.parametrize("name", check.__all__)
def test_stubs_are_not_attempted(name):
    stubs = {"table_of_pairs": (..., ...), "enough_to_resume": ([...] * 5,)}
    answers = stubs.get(name, (lambda *arguments: ...,))
    assert getattr(check, name)(*answers).status == "not attempted yet"


def test_the_reference_for_subsampling_is_pytorchs():
    X = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    beta, b = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (0.7, 0.1))
    G = torch.randn(3, 2, dtype=torch.float64)
    sums = F.avg_pool2d(X[None, None], 2, divisor_override=1)[0, 0]
    ((beta * sums + b) * G).sum().backward()
    found = gradients(X.detach().numpy(), 0.7, G.numpy())
    for ours, theirs in zip(found, (beta.grad, b.grad, X.grad), strict=True):
        assert np.allclose(ours, theirs)


# ---- Wrong answers ----------------------------------------------------------------------------


def no_stride(layers, i):
    return field([(kernel, 1, padding) for kernel, _, padding in layers], i)


def no_padding(layers, i):
    return field([(kernel, stride, 0) for kernel, stride, _ in layers], i)


def padding_turned(layers, i):
    return field([(kernel, stride, -padding) for kernel, stride, padding in layers], i)


def spoil(name, index, change):
    """The right answer with one of its results changed."""
    right = RIGHT[name][0]

    def wrong(*arguments):
        results = list(right(*arguments))
        results[index] = change(results[index], *arguments)
        return results

    return (wrong,)


def emptied(X, beta, G):
    found = gradients(X, beta, G)
    X[:] = 0
    return found


def sorted_away(layers, i):
    found = field(layers, i)
    layers.clear()
    return found


def in_place(images, order):
    images[:] = move(images, order)
    return images


def back(images, order):
    return move(images, torch.argsort(order))


def each_its_own(images, order):
    rows = [move(image[None], order.roll(i)) for i, image in enumerate(images)]
    return torch.cat(rows)


WRONG = [
    ("table_of_pairs", (750, 0), "has a bias, too"),
    ("table_of_pairs", (390, 0), "a kernel for each"),
    ("table_of_pairs", (780, 0), "one bias, however many"),
    ("table_of_pairs", (30 * 51, 0), "the same pair"),
    ("table_of_pairs", (800, 0), "how many pairs are there"),
    ("table_of_pairs", (765, 765), "used at each place of its map"),
    ("table_of_pairs", (765, 75_000), "the bias is used at each place"),
    ("table_of_pairs", (765, 76_600), "10×10 units"),
    ("table_of_pairs", ("many", 0), "should be made of numbers"),
    ("field_of", (no_stride,), "one unit further is more than one pixel"),
    ("field_of", (no_padding,), "begins in the frame"),
    ("field_of", (padding_turned,), "the other way"),
    ("field_of", spoil("field_of", 1, lambda last, *_: last + 1), "one too far"),
    ("field_of", spoil("field_of", 0, lambda first, *_: first + 1), "is not 4 pixels wide"),
    ("field_of", (lambda layers, i: [p + 1 for p in field(layers, i)],), "does not begin at"),
    ("field_of", (lambda layers, i: 5,), "should return 2 things"),
    ("field_of", (sorted_away,), "changed the list"),
    ("subsampling_gradients", (emptied,), "in place"),
    ("subsampling_gradients", (lambda *a: gradients(*a)[:2],), "should return 3 things"),
    (
        "subsampling_gradients",
        spoil("subsampling_gradients", 0, lambda g, *_: g / 4),
        "the sum of a block, not its mean",
    ),
    (
        "subsampling_gradients",
        spoil("subsampling_gradients", 0, lambda g, *_: -g),
        "one term for each block",
    ),
    (
        "subsampling_gradients",
        spoil("subsampling_gradients", 1, lambda g, X, beta, G: G.mean()),
        "not averaged",
    ),
    (
        "subsampling_gradients",
        spoil("subsampling_gradients", 1, lambda g, X, beta, G: beta * g),
        "how often is it used",
    ),
    (
        "subsampling_gradients",
        spoil("subsampling_gradients", 2, lambda g, X, beta, G: g / beta),
        "only through beta",
    ),
    (
        "subsampling_gradients",
        spoil("subsampling_gradients", 2, lambda g, *_: g / 4),
        "factor 1, not 1/4",
    ),
    (
        "subsampling_gradients",
        spoil("subsampling_gradients", 2, lambda g, X, beta, G: beta * np.tile(G, (2, 2))),
        "at the wrong places",
    ),
    (
        "subsampling_gradients",
        spoil("subsampling_gradients", 2, lambda g, *_: g[:1]),
        "should have shape",
    ),
    ("as_linear", (lambda codes: (codes.T, linear(codes)[1]),), "factor of the mixed term"),
    ("as_linear", (lambda codes: (2 * codes.T, np.zeros(len(codes))),), "longer codes"),
    ("as_linear", (lambda codes: (2 * codes.T, np.sum(codes**2, axis=1)),), "with which sign"),
    ("as_linear", (lambda codes: tuple(-part for part in linear(codes)),), "look at the signs"),
    ("as_linear", (lambda codes: (2 * codes, linear(codes)[1]),), "W should have shape (1, 2)"),
    ("as_linear", (lambda codes: (3 * codes.T, linear(codes)[1]),), "probabilities differ"),
    ("enough_to_resume", ([False, False, False, True, False],), "1: what besides the weights"),
    ("enough_to_resume", ([True, True, False, True, False],), "2: the velocity"),
    ("enough_to_resume", ([True, False, True, True, False],), "3: a generator"),
    ("enough_to_resume", ([True, False, False, False, False],), "4: what could"),
    ("enough_to_resume", ([True, False, False, True, True],), "5: when was the order"),
    ("enough_to_resume", ([True],), "five answers"),
    ("enough_to_resume", (["yes"] * 5,), "True or False"),
    ("rearranged", (back,), "the inverse"),
    ("rearranged", (in_place,), "in place"),
    ("rearranged", (lambda images, order: images.clone(),), "nothing has moved"),
    ("rearranged", (each_its_own,), "not in the order asked for"),
    ("rearranged", (lambda images, order: move(images, order).flip(0),), "to another"),
    ("rearranged", (lambda images, order: move(images, order)[:, 0],), "should have shape"),
    ("rearranged", (lambda images, order: images.numpy(),), "should be a tensor"),
]


@pytest.mark.parametrize(("name", "answers", "hint"), WRONG)
def test_wrong_answers_get_a_hint(name, answers, hint):
    result = getattr(check, name)(*answers)
    assert result.status == "wrong" and hint in result.hint, result
