"""Checks of the exercises in *From scores to probabilities*."""

import numpy as np

from dlbook import data
from dlbook.exercises import Hint, exercise, expect_array, expect_close

__all__ = [
    "newton_with_ridge",
    "sigmoid_of_softmax",
    "spiral_features",
    "stable_losses",
    "two_fields",
]


@exercise
def two_fields(answer):
    """Bias, weight and factor of the odds for 2 of 10 dry and 6 of 10 watered seeds."""
    bias, weight, factor = expect_array(answer, (3,), "the answer")
    rough = {"tolerance": 1e-3}  # worked out by hand: three digits are enough

    def is_about(value, number):
        return abs(value - number) < 1e-3

    if is_about(bias, 0.2) or is_about(weight, 0.4):
        raise Hint("bias and weight are on the scale of log-odds, not of probabilities")
    if is_about(bias, np.log(0.2)):
        raise Hint("the bias is the logarithm of the odds, for against against, not of the share")
    expect_close(bias, -np.log(4), "where x = 0 the log-odds are the bias alone", **rough)
    if is_about(weight, np.log(1.5)):
        raise Hint("that is the log-odds at x = 1: the bias is a part of them")
    expect_close(weight, np.log(6), "the weight is the difference of the two log-odds", **rough)
    expect_close(factor, 6, "adding w to the log-odds multiplies the odds by a power of e", **rough)


@exercise
def stable_losses(losses):
    """``losses(z, y)``: −log P(y) for each score and label, at any size of the score."""
    z = np.array([-3.0, -0.5, 0.0, 0.5, 3.0])
    y = np.array([0, 1, 1, 0, 1])
    found = np.asarray(losses(z, y), dtype=float)
    expected = np.logaddexp(0, z) - y * z
    if found.shape == () and np.isclose(found, expected.sum()):
        raise Hint("that is their sum: return one loss for each example")
    found = expect_array(found, (5,), "the losses")
    if np.allclose(found, -expected):
        raise Hint("that is the log-likelihood: the loss is its negative")
    if np.allclose(found, np.logaddexp(0, z) - (1 - y) * z):
        raise Hint("the labels are exchanged: where y is 1 a high score should cost little")
    expect_close(found, expected, "moderate scores already get a wrong loss", "the losses")
    z, y = np.array([-1e4, 800.0, 800.0, -1e4]), np.array([1, 0, 1, 0])
    with np.errstate(all="ignore"):
        found = np.asarray(losses(z, y), dtype=float)
    if not np.all(np.isfinite(found)):
        raise Hint("at scores of 800 and more it gives NaN or infinity: which exponential is it?")
    expect_close(found, [1e4, 800, 0, 0], "at large scores the loss is cut off", "the losses")
    z = np.array([40.0, -40.0])
    with np.errstate(all="ignore"):
        found = expect_array(losses(z, np.array([1, 0])), (2,), "the losses")
    if np.any(found <= 0):
        raise Hint("a small loss is rounded to zero: how is log(1 + x) computed for tiny x?")
    if np.any(np.abs(found / np.exp(-40.0) - 1) > 1e-6):
        raise Hint("the smallest losses are inexact: how is log(1 + x) computed for tiny x?")


@exercise
def sigmoid_of_softmax(convert):
    """``convert(W)``: the θ of the logistic regression that a two-class softmax is."""
    rng = np.random.default_rng(1)
    W = rng.standard_normal((4, 2))
    theta = np.asarray(convert(W), dtype=float)
    theta = expect_array(theta, (4,), "θ")
    expected = W[:, 1] - W[:, 0]
    if np.allclose(theta, -expected):
        raise Hint("that gives the probability of class 0")
    if np.allclose(theta, W[:, 1]):
        raise Hint("the weights of class 0 have no effect: try the softmax of scores (5, 5)")
    expect_close(theta, expected, "sigmoid and softmax disagree on the probability of class 1")


@exercise
def newton_with_ridge(step):
    """``step(theta, X, y, gamma)``: one Newton step on the loss with a ridge, bias left free."""
    rng = np.random.default_rng(2)
    X = np.column_stack([np.ones(30), rng.standard_normal((30, 2))])
    y, theta = rng.integers(0, 2, 30), rng.standard_normal(3)
    if not np.allclose(
        expect_array(step(theta.copy(), X, y, 0.0), (3,), "θ"), _newton(theta, X, y)
    ):
        if np.allclose(step(theta.copy(), X, y, 0.0), 2 * theta - _newton(theta, X, y)):
            raise Hint("the step goes uphill: look at the sign")
        raise Hint("without a ridge it is not the Newton step of the chapter")
    ridge = np.diag([0, 1.0, 1.0])
    found = expect_array(step(theta.copy(), X, y, 0.7), (3,), "θ")
    wrong = {
        "the ridge has no effect on the step": _newton(theta, X, y),
        "the ridge pulls at the bias, too": _newton(theta, X, y, 1.4 * np.eye(3)),
        "the derivative of γθ² has a factor that is missing here": _newton(
            theta, X, y, 0.7 * ridge
        ),
        "the ridge is in the Hessian, but not in the gradient": _newton(
            theta, X, y, 1.4 * ridge, in_gradient=False
        ),
        "the ridge is in the gradient, but not in the Hessian": _newton(
            theta, X, y, 1.4 * ridge, in_hessian=False
        ),
    }
    for hint, mistaken in wrong.items():
        if np.allclose(found, mistaken):
            raise Hint(hint)
    expected = _newton(theta, X, y, 1.4 * ridge)
    expect_close(found, expected, "with a ridge the step ends elsewhere", "θ")


@exercise
def spiral_features(features):
    """``features(inputs)``: at most three features by which unseen spirals come apart."""
    train, test = (data.spirals(400, np.random.default_rng(seed)) for seed in (3, 4))
    made = np.asarray(features(train.inputs), dtype=float)
    if made.ndim == 1:
        made = made[:, None]
    if made.ndim != 2 or len(made) != 400:
        raise Hint(f"expected an array of shape (400, up to 3), got {made.shape}")
    if made.shape[1] > 3:
        raise Hint(f"three features at most, not {made.shape[1]}: think of a better one")
    if not np.all(np.isfinite(made)):
        raise Hint("a feature is NaN or infinite")
    theta = np.zeros(made.shape[1] + 1)
    design = _design(made, made)
    for _ in range(50):
        theta = _newton(theta, design, train.labels, 0.02 * np.eye(len(theta)))
    new = np.asarray(features(test.inputs), dtype=float).reshape(400, -1)
    accuracy = np.mean((_design(new, made) @ theta > 0) == test.labels)
    if accuracy < 0.95:
        raise Hint(
            f"{accuracy:.1%} of unseen points are right, 95% are wanted: which angle has a spiral "
            "reached at radius r, and how far from it is a point?"
        )


def _design(features, reference):
    spread = reference.std(axis=0)
    scaled = (features - reference.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return np.column_stack([np.ones(len(features)), scaled])


def _newton(theta, X, y, penalty=0.0, in_gradient=True, in_hessian=True):
    """One Newton step on the loss whose ridge has the Hessian `penalty`."""
    penalty = penalty * np.ones((len(theta), len(theta)))
    p = 1 / (1 + np.exp(-(X @ theta)))
    hessian = X.T * (p * (1 - p)) @ X + in_hessian * penalty
    return theta - np.linalg.solve(hessian, X.T @ (p - y) + in_gradient * penalty @ theta)
