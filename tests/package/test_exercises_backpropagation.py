"""Every check passes right answers, however written, and names what is wrong with others."""

import re
from pathlib import Path

import numpy as np
import pytest

from dlbook.exercises import backpropagation as check


def first_takes_all(g, y, a, b):
    return np.where(a >= b, g, 0), np.where(a >= b, 0, g)


def halves(g, y, a, b):
    return [g * (np.sign(a - b) + 1) / 2, g * (np.sign(b - a) + 1) / 2]


def by_einsum(g, a, b):
    return np.einsum("tnm,km->tnk", g, b), np.einsum("tnk,tnm->km", a, g)


def flattened(g, a, b):
    return g @ b.T, a.reshape(-1, a.shape[-1]).T @ g.reshape(-1, g.shape[-1])


def polynomial(p, q):
    return np.polynomial.polynomial.polymul(p, q)[:3]


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        (check.graph_by_hand, [6, 9, -8, -3]),
        (check.graph_by_hand, np.array([6.0, 9.0, -8.0, -3.0])),
        (check.maximum_rule, first_takes_all),
        (check.maximum_rule, halves),
        (check.batched_matmul, by_einsum),
        (check.batched_matmul, flattened),
        (check.best_step, 0.004),
        (check.best_step, 1e-2),
        (check.best_step, 2.0**-8),
        (check.taylor_product, polynomial),
        (check.taylor_product, lambda p, q: list(np.convolve(p, q)[:3])),
    ],
)
def test_right_answers_pass(exercise, answer):
    assert exercise(answer).status == "passed", exercise(answer)


def derivative_only(g, y, a, b):
    return a > b, b > a


def no_share_for_equals(g, y, a, b):
    return g * (a > b), g * (b > a)


def swapped(g, y, a, b):
    return first_takes_all(g, y, a, b)[::-1]


def not_summed(g, a, b):
    return g @ b.T, a.transpose(0, 2, 1) @ g


def derivatives_for_coefficients(p, q):
    return [p[0] * q[0], p[0] * q[1] + p[1] * q[0], p[0] * q[2] + 2 * p[1] * q[1] + p[2] * q[0]]


@pytest.mark.parametrize(
    ("exercise", "answer", "hint"),
    [
        (check.graph_by_hand, [-6, 9, -8, -3], "forward first"),
        (check.graph_by_hand, [6, 9, -2, -3], "two edges leave y"),
        (check.graph_by_hand, [6, 9, -6, -3], "two edges leave y"),
        (check.graph_by_hand, [6, 9, -8, 1], "local derivative is 1"),
        (check.graph_by_hand, [6, -3, -8, -3], "its path"),
        (check.graph_by_hand, [6, 9, 4, -3], "one through q"),
        (check.graph_by_hand, [6, 9, -8], "shape"),
        (check.maximum_rule, derivative_only, "meet the adjoint"),
        (check.maximum_rule, no_share_for_equals, "add up to g"),
        (check.maximum_rule, swapped, "smaller input"),
        (check.maximum_rule, lambda g, y, a, b: (g, 0 * g), "for a"),
        (check.maximum_rule, lambda g, y, a, b: (first_takes_all(g, y, a, b)[0], g), "for b"),
        (check.maximum_rule, lambda g, y, a, b: g, "two arrays"),
        (check.batched_matmul, not_summed, "b's own shape"),
        (check.batched_matmul, lambda g, a, b: g @ b.T, "two arrays"),
        (check.batched_matmul, lambda g, a, b: (0 * a, 0 * b), "transpose of b"),
        (check.batched_matmul, lambda g, a, b: (g @ b.T, 0 * b), "collect"),
        (check.batched_matmul, lambda g, a, b: (g @ b.T, by_einsum(g, a, b)[1] / 5), "averaged"),
        (check.batched_matmul, lambda g, a, b: (g @ b.T, a.T @ g), "ValueError"),
        (check.best_step, 5e-6, "64 bits"),
        (check.best_step, 2.4e-4, "one-sided"),
        (check.best_step, 6e-8, "balance"),
        (check.best_step, 0.5, "balance"),
        (check.best_step, -1, "positive"),
        (check.taylor_product, lambda p, q: p * q, "product rule"),
        (check.taylor_product, lambda p, q: p + q, "product of the values"),
        (
            check.taylor_product,
            lambda p, q: [*polynomial(p, q)[:2], p[0] * q[2] + p[2] * q[0]],
            "no longer zero",
        ),
        (check.taylor_product, derivatives_for_coefficients, "not derivatives"),
        (check.taylor_product, lambda p, q: [*polynomial(p, q)[:2], 0], "three terms"),
    ],
)
def test_mistakes_are_named(exercise, answer, hint):
    result = exercise(answer)
    assert result.status == "wrong", result
    assert re.search(hint, result.hint), result


@pytest.mark.parametrize("name", check.__all__)
def test_stubs_count_as_not_attempted(name):
    is_value = name in {"graph_by_hand", "best_step"}
    stub = ... if is_value else lambda *arguments: None
    assert getattr(check, name)(stub).status == "not attempted yet"


def test_no_hint_gives_the_answer_away():
    hints = re.findall(r'Hint\(\s*"([^"]*)"', Path(check.__file__).read_text("utf-8"))
    assert len(hints) > 10
    assert not any(re.search(r"-8|−8|0\.004|2\*\*-8", hint) for hint in hints)
