"""Every check passes right answers, however written, and names what is wrong with others."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import solve_triangular

from dlbook.exercises import linear_regression as check


def ols(X, y):
    return np.linalg.lstsq(X, y, rcond=None)[0]


# ---- Right answers ----------------------------------------------------------------------------


def by_rows(R, b):
    theta = [0.0] * len(b)
    for k in range(len(b) - 1, -1, -1):
        theta[k] = (b[k] - sum(R[k, j] * theta[j] for j in range(k + 1, len(b)))) / R[k, k]
    return theta  # a list will do


def by_columns(R, b):
    b = b.copy()
    for k in reversed(range(len(b))):
        b[k] /= R[k, k]
        b[:k] -= R[:k, k] * b[k]
    return b


def weighted_normal_equations(X, y, weights):
    W = np.diag(weights)
    return np.linalg.inv(X.T @ W @ X) @ X.T @ W @ y


def weighted_by_rows(X, y, weights):
    root = np.sqrt(weights)
    return ols(X * root[:, None], y * root)


def by_leaving_out(X, y):
    def left_out(i):
        return y[i] - X[i] @ ols(np.delete(X, i, axis=0), np.delete(y, i))

    return [left_out(i) for i in range(len(y))]


def by_hat_matrix(X, y):
    P = X @ np.linalg.pinv(X)
    return (y - P @ y) / (1 - np.diag(P))


def stepping(X, y, M, n_steps):
    theta = np.zeros(X.shape[1])
    for _ in range(n_steps):
        theta += M @ X.T @ (y - X @ theta)
    return theta


def stepping_in_closed_form(X, y, M, n_steps):
    powers = (np.linalg.matrix_power(np.eye(len(M)) - M @ X.T @ X, k) for k in range(n_steps))
    return sum(powers, np.zeros_like(M)) @ M @ X.T @ y


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        (check.largest_stable_rate, 2 / 9),
        (check.largest_stable_rate, np.float64(0.2222222)),
        (check.largest_stable_rate, 0.222),
        (check.back_substitution, by_rows),
        (check.back_substitution, by_columns),
        (check.back_substitution, solve_triangular),
        (check.weighted_fit, weighted_normal_equations),
        (check.weighted_fit, weighted_by_rows),
        (check.leave_one_out_residuals, by_leaving_out),
        (check.leave_one_out_residuals, by_hat_matrix),
        (check.preconditioned_descent, stepping),
        (check.preconditioned_descent, stepping_in_closed_form),
    ],
)
def test_right_answers_pass(exercise, answer):
    assert exercise(answer).status == "passed", exercise(answer)


# ---- Planted mistakes -------------------------------------------------------------------------


def in_place(R, b):
    b[:] = solve_triangular(R, b)
    return b


def once_too_often(X, y, M, n_steps):
    return stepping(X, y, M, n_steps + 1)


def gradient_at_the_start(X, y, M, n_steps):
    return n_steps * M @ X.T @ y


@pytest.mark.parametrize(
    ("exercise", "answer", "hint"),
    [
        (check.largest_stable_rate, 0.111, "one step reaches the minimum"),
        (check.largest_stable_rate, 0.22, "2 over the second derivative"),
        (check.largest_stable_rate, 2 / 3, "the mean of the squares"),
        (check.largest_stable_rate, 2 / 5, "not the inputs"),
        (check.largest_stable_rate, 9, "2 over the second derivative"),
        (check.largest_stable_rate, "2/9", "made of numbers"),
        (check.largest_stable_rate, [2 / 9], r"should have shape \(\)"),
        (check.back_substitution, np.linalg.solve, "below the diagonal"),
        (check.back_substitution, lambda R, b: b / np.diag(R), "right of the diagonal"),
        (check.back_substitution, lambda R, b: np.linalg.solve(R.T, b), "not b"),
        (check.back_substitution, in_place, "in place"),
        (check.back_substitution, lambda R, b: by_rows(R, b)[:1] * len(b), "not b"),
        (check.weighted_fit, lambda X, y, w: ols(X, y), "no effect"),
        (check.weighted_fit, lambda X, y, w: ols(X * w[:, None], y * w), "act twice"),
        (
            check.weighted_fit,
            lambda X, y, w: weighted_normal_equations(X, y, w**0.5),
            "act half",
        ),
        (check.weighted_fit, lambda X, y, w: weighted_normal_equations(X, y, 1 / w), "not zero"),
        (check.leave_one_out_residuals, lambda X, y: y - X @ ols(X, y), "ordinary residuals"),
        (check.leave_one_out_residuals, lambda X, y: -by_hat_matrix(X, y), "sign"),
        (
            check.leave_one_out_residuals,
            lambda X, y: (y - X @ ols(X, y)) ** 2 / by_hat_matrix(X, y),
            "divided",
        ),
        (check.leave_one_out_residuals, lambda X, y: y - y.mean(), "something else"),
        (check.leave_one_out_residuals, lambda X, y: by_hat_matrix(X, y)[0], "shape"),
        (check.preconditioned_descent, lambda X, y, M, n: -stepping(X, y, M, n), "uphill"),
        (check.preconditioned_descent, lambda X, y, M, n: stepping(X, y, M / 12, n), "mean"),
        (check.preconditioned_descent, lambda X, y, M, n: n * X.T @ y, "no effect"),
        (check.preconditioned_descent, once_too_often, "no step at all"),
        (check.preconditioned_descent, gradient_at_the_start, "computed anew"),
        (check.preconditioned_descent, lambda X, y, M, n: ols(X, y) * min(n, 1), "take the steps"),
        (check.preconditioned_descent, lambda X, y, M, n: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_mistakes_are_named(exercise, answer, hint):
    result = exercise(answer)
    assert result.status == "wrong", result
    assert re.search(hint, result.hint), result


@pytest.mark.parametrize("name", check.__all__)
def test_stubs_count_as_not_attempted(name):
    stub = ... if name == "largest_stable_rate" else lambda *arguments: None
    assert getattr(check, name)(stub).status == "not attempted yet"


def test_no_hint_gives_the_answer_away():
    hints = re.findall(r'Hint\(\s*"([^"]*)"', Path(check.__file__).read_text("utf-8"))
    assert len(hints) > 10 and not any("2/9" in hint or "0.22" in hint for hint in hints)
