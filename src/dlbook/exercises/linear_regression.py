"""Checks of the exercises in *Least squares, two ways*."""

import numpy as np

from dlbook.exercises import Hint, exercise, expect_array, expect_close

__all__ = [
    "back_substitution",
    "largest_stable_rate",
    "leave_one_out_residuals",
    "preconditioned_descent",
    "weighted_fit",
]


@exercise
def largest_stable_rate(answer):
    """The bound on the rate for the model y = θx on x = (1, 2, 2) with half the sum of squares."""
    rate = float(expect_array(answer, (), "the rate"))

    def is_about(number):  # worked out by hand, so three digits are enough
        return abs(rate - number) < 1e-3

    if is_about(1 / 9):
        raise Hint("at that rate one step reaches the minimum; how far may a step overshoot?")
    if is_about(2 / 3):
        raise Hint("that is the limit for the mean of the squares; the loss here is half their sum")
    if is_about(2 / 5):
        raise Hint("the second derivative adds the squares of the inputs, not the inputs")
    hint = "the limit is 2 over the second derivative of the loss"
    expect_close(rate, 2 / 9, hint, tolerance=1e-3)


@exercise
def back_substitution(solve):
    """``solve(R, b)`` for an upper triangular R."""
    rng = np.random.default_rng(1)
    for size in (1, 2, 5):
        R = np.triu(rng.uniform(0.5, 1.5, (size, size)))
        b = rng.standard_normal(size)
        R_before, b_before = R.copy(), b.copy()
        expected = np.linalg.solve(R, b)
        theta = expect_array(solve(R, b), (size,), "θ")
        if not (np.array_equal(R, R_before) and np.array_equal(b, b_before)):
            raise Hint("solve changed R or b in place: work on a vector of your own")
        if np.allclose(theta, b / np.diag(R)) and size > 1:
            raise Hint("entries right of the diagonal are ignored: subtract what is known already")
        expect_close(theta, expected, "R @ θ is not b: start at the last row and go up", "θ")
    below = R + np.tril(np.full_like(R, 100.0), -1)  # a triangular solver never looks there
    if not np.allclose(np.asarray(solve(below, b), dtype=float), expected):
        raise Hint("entries below the diagonal are read: a triangular system needs none of them")


@exercise
def weighted_fit(fit):
    """``fit(X, y, weights)`` that minimises half the weighted sum of squared residuals."""
    rng = np.random.default_rng(2)
    X = np.column_stack([np.ones(8), rng.standard_normal((8, 2))])  # (8, 3)
    y = rng.standard_normal(8)
    weights = rng.uniform(0.2, 3.0, 8)
    theta = expect_array(fit(X, y, weights), (3,), "θ")
    if np.allclose(theta, _weighted(X, y, np.ones(8))):
        raise Hint("the weights have no effect on the answer")
    if np.allclose(theta, _weighted(X, y, weights**2)):
        raise Hint("the weights act twice: a row scaled by w has its squared residual scaled by w²")
    if np.allclose(theta, _weighted(X, y, np.sqrt(weights))):
        raise Hint("the weights act half: XᵀWX holds each weight once, not its square root")
    expected = _weighted(X, y, weights)
    expect_close(theta, expected, "the gradient XᵀW(Xθ − y) is not zero at the answer", "θ")


@exercise
def preconditioned_descent(descend):
    """``descend(X, y, M, n_steps)`` from θ = 0 with steps −M ∇L(θ)."""
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((12, 3)), rng.standard_normal(12)
    inverse = np.linalg.inv(X.T @ X)
    best = inverse @ X.T @ y
    if not np.allclose(expect_array(descend(X, y, inverse, 0), (3,), "θ"), 0):
        raise Hint("after no step at all θ should still be zero")
    theta = expect_array(descend(X, y, inverse, 1), (3,), "θ")
    if np.allclose(theta, -best):
        raise Hint("the step goes uphill: look at the sign")
    if np.allclose(theta, best / len(X)):
        raise Hint("that is the gradient of the mean; the loss here is half the sum of the squares")
    if np.allclose(theta, X.T @ y):
        raise Hint("M has no effect on the answer")
    expect_close(theta, best, "with M = (XᵀX)⁻¹ one step should reach the minimum", "θ")
    M = 0.02 * np.array([[1.0, 0.3, 0.0], [0.3, 0.5, 0.0], [0.0, 0.0, 1.5]])
    theta = expect_array(descend(X, y, M, 7), (3,), "θ")
    expected = best - np.linalg.matrix_power(np.eye(3) - M @ X.T @ X, 7) @ best
    if np.allclose(theta, best):
        raise Hint("the answer does not depend on M and n_steps: take the steps")
    expect_close(theta, expected, "seven steps end elsewhere: is the gradient computed anew?", "θ")


@exercise
def leave_one_out_residuals(residuals):
    """``residuals(X, y)``: each y minus the prediction of the fit that has not seen it."""
    rng = np.random.default_rng(4)
    X = np.column_stack([np.ones(7), rng.standard_normal((7, 2))])  # (7, 3)
    y = rng.standard_normal(7)
    answer = expect_array(residuals(X, y), (7,), "the residuals")
    ordinary = y - X @ _weighted(X, y, np.ones(7))
    expected = np.array([_left_out(X, y, i) for i in range(7)])
    if np.allclose(answer, ordinary):
        raise Hint("these are the ordinary residuals: each row still takes part in its own fit")
    if np.allclose(answer, -expected):
        raise Hint("the sign is turned: a residual is y minus the prediction")
    if np.allclose(answer, ordinary * (ordinary / expected)):
        raise Hint(
            "multiplied by 1 − h where it should be divided: leaving out a row must raise |r|"
        )
    expect_close(answer, expected, "fits without each row in turn give something else")


def _weighted(X, y, weights):
    """Minimiser of ``sum(weights * (y - X @ theta) ** 2)``, by the normal equations."""
    return np.linalg.solve(X.T * weights @ X, X.T * weights @ y)


def _left_out(X, y, i):
    """Residual of row `i` under the fit to all other rows."""
    others = np.arange(len(y)) != i
    return y[i] - X[i] @ _weighted(X[others], y[others], np.ones(len(y) - 1))
