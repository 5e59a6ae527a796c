"""The checks of the chapter on Transformers pass what is right and name what is wrong."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from dlbook.exercises import transformer as check


def gradient_test(f, n, d, diagonal=1, least=0.0):
    x = torch.randn(n, d, generator=torch.Generator().manual_seed(0))
    jacobian = torch.autograd.functional.jacobian(f, x).abs().amax(dim=(1, 3))
    return bool((jacobian.triu(diagonal) > least).any())


def rotation(k, width, sign=1, base=10_000.0):
    R = np.zeros((width, width))
    for j in range(0, width, 2):
        b = sign * k * base ** (-j / width)
        R[j : j + 2, j : j + 2] = [[np.cos(b), -np.sin(b)], [np.sin(b), np.cos(b)]]
    return R


def least_squares(k, width):
    """Right, too, on twenty places, but with clocks mixed where the width exceeds their number."""
    R = rotation(k, width)
    R[0, -1] += 0.1 * (width > 2)
    return R


def merged(a, b):
    top = max(a[0], b[0])
    with np.errstate(all="ignore"):
        f, g = np.exp(a[0] - top), np.exp(b[0] - top)
    return top, f * a[1] + g * b[1], f * a[2] + g * b[2]


def step(cache, q, k, v):
    K, V = (k[None], v[None]) if cache is None else cache
    if cache is not None:
        K, V = torch.cat([K, k[None]]), torch.cat([V, v[None]])
    return (K @ q / len(q) ** 0.5).softmax(dim=0) @ V, (K, V)


def unscaled(cache, q, k, v):
    return step(cache, q * len(q) ** 0.5, k, v)


def blind_to_itself(cache, q, k, v):
    _, new = step(cache, q, k, v)
    return (step(None, q, k, v)[0] if cache is None else _over(q, *cache)), new


def _over(q, K, V):
    return (K @ q / len(q) ** 0.5).softmax(dim=0) @ V


def unmixed(cache, q, k, v):
    _, (K, V) = step(cache, q, k, v)
    return V.mean(dim=0), (K, V)


SOLUTIONS = {
    "one_query": (2, 12),
    "distinct_answers": (2, 3, 4),
    "looks_ahead": (gradient_test,),
    "shift_matrix": (rotation,),
    "merge_blocks": (merged,),
    "cached_step": (step,),
}


def test_each_check_passes_a_right_answer():
    assert SOLUTIONS.keys() == set(check.__all__)
    for name, answers in SOLUTIONS.items():
        assert getattr(check, name)(*answers).status == "passed", name


@pytest.mark.parametrize(
    ("name", "answers", "hint"),
    [
        ("one_query", (16 / 26, 12), "root of the width"),
        ("one_query", (16, 12), "one word's value"),
        ("one_query", (3, 12), "exponentials"),
        ("one_query", (2, 6), "add up to one"),
        ("one_query", (2, 16), "shares of the others"),
        ("distinct_answers", (4, 3, 4), "spelled alike"),
        ("distinct_answers", (2, 2, 4), "one layer: the second"),
        ("distinct_answers", (2, 4, 4), "shares of both"),
        ("distinct_answers", (2, 3, 3), "second layer"),
        ("distinct_answers", (2, 3, 5), "one to four"),
        ("looks_ahead", (lambda f, n, d: False,), "missed: attention without"),
        ("looks_ahead", (lambda f, n, d: True,), "false alarm: causal"),
        ("looks_ahead", (lambda f, n, d: gradient_test(f, n, d, 0),), "false alarm: causal"),
        ("looks_ahead", (lambda f, n, d: gradient_test(f, n, d, 2),), "off by one"),
        ("looks_ahead", (lambda f, n, d: gradient_test(f, n, d, 1, 1e-6),), "tiny factor"),
        ("looks_ahead", (lambda f, n, d: 0.5,), "True or False"),
        ("shift_matrix", (lambda k, width: rotation(k, width, -1),), "turns back"),
        ("shift_matrix", (lambda k, width: np.eye(width),), "moves nothing"),
        ("shift_matrix", (lambda k, width: rotation(k, width, base=1000.0),), "wrong angle"),
        ("shift_matrix", (least_squares,), "2 × 2"),
        ("shift_matrix", (lambda k, width: np.eye(width - 1),), "shape"),
        ("merge_blocks", (lambda a, b: (a[0], *merged(a, b)[1:]),), "largest score of both"),
        (
            "merge_blocks",
            (lambda a, b: (max(a[0], b[0]), a[1] + b[1], merged(a, b)[2]),),
            "rescale",
        ),
        ("merge_blocks", (lambda a, b: (*merged(a, b)[:2], a[2] + b[2]),), "mix is not"),
        ("merge_blocks", (lambda a, b: merged(a, b)[:2],), "three things"),
        (
            "merge_blocks",
            (lambda a, b: (max(a[0], b[0]), np.exp(a[0]) * a[1], a[2]),),
            "total",
        ),
        ("cached_step", (unscaled,), "not divided"),
        ("cached_step", (lambda cache, q, k, v: (v, None),), "only itself"),
        ("cached_step", (blind_to_itself,), "see itself"),
        ("cached_step", (unmixed,), "another answer"),
        ("cached_step", (lambda cache, q, k, v: step(cache, q, k, v)[0],), "two things"),
        ("cached_step", (lambda cache, q, k, v: 1 / 0,), "ZeroDivisionError"),
    ],
)
def test_mistakes_are_named(name, answers, hint):
    result = getattr(check, name)(*answers)
    assert result.status == "wrong", result
    assert re.search(hint, result.hint), result


@pytest.mark.parametrize("name", check.__all__)
def test_stubs_count_as_not_attempted(name):
    numbers = {"one_query": 2, "distinct_answers": 3}
    stubs = (...,) * numbers[name] if name in numbers else (lambda *arguments: None,)
    assert getattr(check, name)(*stubs).status == "not attempted yet"


def test_no_hint_gives_the_answer_away():
    hints = re.findall(r'Hint\(\s*f?"([^"]*)"', Path(check.__file__).read_text("utf-8"))
    assert len(hints) > 15
    assert not any(re.search(r"\b(12|3/8|√2)\b", hint) for hint in hints)
