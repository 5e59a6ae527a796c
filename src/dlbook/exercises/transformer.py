"""Checks of the exercises in *Looking everywhere at once*."""

import numpy as np
import torch

from dlbook.exercises import Hint, exercise, expect_array, expect_close

__all__ = [
    "cached_step",
    "distinct_answers",
    "looks_ahead",
    "merge_blocks",
    "one_query",
    "shift_matrix",
]


@exercise
def one_query(answer, masked):
    """The answer to a query over three keys, and with the second key hidden."""
    answer = float(expect_array(answer, (), "the answer"))
    masked = float(expect_array(masked, (), "the masked answer"))
    if np.isclose(answer, (9 * 16 + 16 * -8) / 26):
        raise Hint("the answer: the scores are not divided by the root of the width")
    if np.isclose(answer, 16):
        raise Hint("the answer: it seems to be one word's value alone, not a mean of all three")
    expect_close(answer, 2, "the answer: exponentials of the scores first, then their shares")
    if np.isclose(masked, 6):
        raise Hint("masked: the weights left over have to add up to one again")
    expect_close(masked, 12, "masked: with the second key out, what are the shares of the others?")


@exercise
def distinct_answers(encoder, one_layer, two_layers):
    """How many different vectors come out for "the girls the girls", without positions."""
    for value, name in ((encoder, "encoder"), (one_layer, "one layer"), (two_layers, "two layers")):
        number = float(expect_array(value, (), name))
        if number not in (1, 2, 3, 4):
            raise Hint(f"{name}: four words give one to four different vectors")
    if encoder != 2:
        raise Hint("encoder: what tells two words apart that are spelled alike?")
    if one_layer == 2:
        raise Hint("one layer: the second 'the' sees a word that the first one does not")
    if one_layer != 3:
        raise Hint("one layer: compare the shares of both spellings among what each 'girls' sees")
    if two_layers != 4:
        raise Hint("two layers: what the second layer sees is no longer two kinds of vectors")


@exercise
def looks_ahead(test):
    """``test(f, n, d)``: whether some output of f depends on a later input."""
    for name, f, leaks in _suspects():
        found = test(f, 5, 4)
        if not isinstance(found, bool | np.bool_) and not (
            isinstance(found, torch.Tensor) and found.dtype == torch.bool and found.ndim == 0
        ):
            raise Hint(f"the answer should be True or False, but is {found!r}")
        if leaks and not found:
            raise Hint(f"a leak was missed: {name}")
        if found and not leaks:
            raise Hint(f"a false alarm: {name}")


def _suspects():
    """Functions from (n, d) to (n, d), with what they do and whether they leak."""

    def weights(x, mask):
        scores = (x @ x.T / x.shape[1] ** 0.5).masked_fill(~mask, -torch.inf)
        return scores.softmax(dim=-1)

    def below(n, diagonal=0):
        return torch.ones(n, n, dtype=torch.bool).tril(diagonal)

    def masked_late(x):
        return (weights(x, torch.ones(len(x), len(x), dtype=torch.bool)) * below(len(x))) @ x

    def faint(x):
        return x.cumsum(dim=0) + 1e-9 * x.flip(0)

    return [
        ("attention without a mask", lambda x: weights(x, below(len(x), len(x))) @ x, True),
        ("causal attention, in which a word does see itself",
         lambda x: weights(x, below(len(x))) @ x, False),
        ("a mask that is off by one", lambda x: weights(x, below(len(x), 1)) @ x, True),
        ("a mask laid on the weights after the softmax", masked_late, True),
        ("a norm taken over the words", lambda x: x / x.norm(dim=0), True),
        ("a norm taken over each word's features", lambda x: x / x.norm(dim=1, keepdim=True),
         False),
        ("a later word that comes in with a tiny factor", faint, True),
        ("running sums over the words so far", lambda x: x.cumsum(dim=0), False),
    ]  # fmt: skip


@exercise
def shift_matrix(shift):
    """``shift(k, width)``: R with ``sinusoids(n, width)[p + k] == sinusoids(n, width)[p] @ R``."""
    for k, width in ((0, 4), (1, 2), (1, 8), (5, 16), (-3, 8)):
        R = expect_array(shift(k, width), (width, width), "the matrix")
        positions = _positions(np.arange(20), width)
        moved = _positions(np.arange(20) + k, width)
        if k and np.allclose(positions @ R, _positions(np.arange(20) - k, width)):
            raise Hint("it turns back instead of on: look at the signs, or at which side R stands")
        if np.allclose(R, np.eye(width)) and k:
            raise Hint(f"k = {k}: this matrix moves nothing")
        blocks = np.kron(np.eye(width // 2), np.ones((2, 2)))
        if np.any(np.abs(R * (1 - blocks)) > 1e-9):
            raise Hint("one clock's hand is mixed with another's: R has blocks of 2 × 2")
        expect_close(
            positions @ R, moved, f"k = {k}, width {width}: some hand turns by a wrong angle",
            tolerance=1e-5,
        )  # fmt: skip


def _positions(places, width):
    angles = places[:, None] * 10_000 ** (-np.arange(0, width, 2) / width)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(len(places), width)


@exercise
def merge_blocks(merge):
    """``merge(a, b)``: triples (top, total, mix) of two blocks of keys into that of both."""
    rng = np.random.default_rng(0)
    for shift in (0.0, 800.0, -800.0):
        scores, values = rng.standard_normal(9), rng.standard_normal((9, 3))
        scores[4:] += shift
        a, b = _summary(scores[:4], values[:4]), _summary(scores[4:], values[4:])
        merged = merge(a, b)
        if not isinstance(merged, tuple | list) or len(merged) != 3:
            raise Hint("merge should return three things: top, total and mix")
        with np.errstate(all="ignore"):
            top = float(expect_array(merged[0], (), "top"))
            total = expect_array(merged[1], (), "total")
            mix = expect_array(merged[2], (3,), "mix")
        if not np.isclose(top, scores.max()):
            raise Hint("top should be the largest score of both blocks")
        expected = _summary(scores, values)
        if np.isclose(total, a[1] + b[1]) and not np.isclose(total, expected[1]):
            raise Hint("the totals belong to different tops: rescale before you add")
        expect_close(total, expected[1], "total is not the sum of exp(score − top) over both")
        expect_close(mix, expected[2], "mix is not the sum of exp(score − top) · value over both")


def _summary(scores, values):
    powers = np.exp(scores - scores.max())
    return scores.max(), powers.sum(), powers @ values


@exercise
def cached_step(step):
    """``step(cache, q, k, v)``: the newest word's answer and the cache for the next word."""
    generator = torch.Generator().manual_seed(0)
    Q, K, V = torch.randn(3, 6, 4, generator=generator, dtype=torch.float64)
    cache = None
    for i in range(6):
        found = step(cache, Q[i], K[i], V[i])
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise Hint("step should return two things: the answer and the cache")
        answer, cache = found
        if not isinstance(answer, torch.Tensor):
            raise Hint(f"the answer should be a tensor, but is a {type(answer).__name__}")
        answer = expect_array(answer.detach().numpy(), (4,), "the answer")
        if i and np.allclose(answer, V[i]):
            raise Hint("the newest word sees only itself: keep the keys and values of the others")
        for width, hint in ((1, "the scores are not divided by √d"), (4, "")):
            weights = (K[: i + 1] @ Q[i] / width**0.5).softmax(dim=0)
            expected = (weights @ V[: i + 1]).numpy()
            if hint and i and np.allclose(answer, expected):
                raise Hint(hint)
        if i and np.allclose(answer, _without_last(Q[i], K[:i], V[:i])):
            raise Hint("the newest word does not see itself")
        expect_close(answer, expected, f"word {i + 1} gets another answer than with a causal mask")


def _without_last(q, K, V):
    return ((K @ q / 2).softmax(dim=0) @ V).numpy()
