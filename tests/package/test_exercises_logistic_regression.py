"""Every check passes right answers, however written, and names what is wrong with others."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, log_expit

from dlbook.exercises import logistic_regression as check

FIELDS = [-np.log(4), np.log(6), 6]

# ---- Right answers ----------------------------------------------------------------------------


def by_scipy(z, y):
    return -log_expit(np.where(y == 1, z, -z))


def one_by_one(z, y):
    signs = [score if label == 0 else -score for score, label in zip(z, y, strict=True)]
    return [max(s, 0) + np.log1p(np.exp(-abs(s))) for s in signs]  # a list will do


def unwound(inputs):
    r, phi = np.hypot(*inputs.T), np.arctan2(inputs[:, 1], inputs[:, 0])
    return np.cos(phi - 3 * np.pi * r)


def unwound_to_plane(inputs):
    r, phi = np.hypot(*inputs.T), np.arctan2(inputs[:, 1], inputs[:, 0])
    return np.stack([np.cos(phi - 3 * np.pi * r), np.sin(phi - 3 * np.pi * r), r], axis=1)


def step(theta, X, y, gamma, *, bias=0.0, slope=2.0, curvature=2.0, sign=1):
    """Newton's step; the keywords plant mistakes."""
    penalty = np.full(len(theta), gamma)
    penalty[0] *= bias
    p = expit(X @ theta)
    g = X.T @ (p - y) + slope * penalty * theta
    H = X.T @ np.diag(p * (1 - p)) @ X + curvature * np.diag(penalty)
    return theta - sign * np.linalg.inv(H) @ g


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        (check.two_fields, FIELDS),
        (check.two_fields, (-1.3862944, 1.7917595, 6.0)),
        (check.two_fields, (-1.386, 1.792, 6)),
        (check.stable_losses, by_scipy),
        (check.stable_losses, one_by_one),
        (check.sigmoid_of_softmax, lambda W: W[:, 1] - W[:, 0]),
        (check.sigmoid_of_softmax, lambda W: (W @ [-1, 1]).tolist()),
        (check.newton_with_ridge, step),
        (check.spiral_features, unwound),
        (check.spiral_features, unwound_to_plane),
    ],
)
def test_right_answers_pass(exercise, answer):
    assert exercise(answer).status == "passed", exercise(answer)


# ---- Planted mistakes -------------------------------------------------------------------------


def naive(z, y):
    return -np.log(np.where(y == 1, expit(z), 1 - expit(z)))


def subtracting(z, y):
    return np.logaddexp(0, z) - y * z


def clipped(z, y):
    return by_scipy(np.clip(z, -50, 50), y)


def log_of_one_plus(z, y):
    s = np.where(y == 1, -z, z)
    return np.maximum(s, 0) + np.log(1 + np.exp(-abs(s)))


def overflowing(z, y):
    s = np.where(y == 1, -z, z)
    return np.log1p(np.exp(s))


@pytest.mark.parametrize(
    ("exercise", "answer", "hint"),
    [
        (check.two_fields, [0.2, 0.4, 3], "scale of log-odds"),
        (check.two_fields, [np.log(0.2), np.log(3), 3], "not of the share"),
        (check.two_fields, [1, 2, 3], "the bias alone"),
        (check.two_fields, [FIELDS[0], np.log(1.5), 1.5], "a part of them"),
        (check.two_fields, [FIELDS[0], 1, 6], "difference of the two"),
        (check.two_fields, [*FIELDS[:2], 3], "power of e"),
        (check.two_fields, FIELDS[:2], "shape"),
        (check.stable_losses, lambda z, y: by_scipy(z, y).sum(), "one loss for each"),
        (check.stable_losses, lambda z, y: -by_scipy(z, y), "negative"),
        (check.stable_losses, lambda z, y: by_scipy(z, 1 - y), "exchanged"),
        (check.stable_losses, lambda z, y: by_scipy(2 * z, y), "moderate scores"),
        (check.stable_losses, naive, "NaN or infinity"),
        (check.stable_losses, overflowing, "NaN or infinity"),
        (check.stable_losses, clipped, "cut off"),
        (check.stable_losses, log_of_one_plus, "rounded to zero"),
        (check.stable_losses, subtracting, "rounded to zero|inexact"),
        (check.sigmoid_of_softmax, lambda W: W[:, 0] - W[:, 1], "class 0"),
        (check.sigmoid_of_softmax, lambda W: W[:, 1], "no effect"),
        (check.sigmoid_of_softmax, lambda W: W.sum(axis=1), "disagree"),
        (check.sigmoid_of_softmax, lambda W: W, "shape"),
        (check.newton_with_ridge, lambda t, X, y, c: step(t, X, y, c, sign=-1), "uphill"),
        (check.newton_with_ridge, lambda t, X, y, c: t - X.T @ (expit(X @ t) - y), "chapter"),
        (check.newton_with_ridge, lambda t, X, y, c: step(t, X, y, 0), "no effect"),
        (check.newton_with_ridge, lambda t, X, y, c: step(t, X, y, c, bias=1), "bias"),
        (
            check.newton_with_ridge,
            lambda t, X, y, c: step(t, X, y, c, slope=1, curvature=1),
            "factor",
        ),
        (
            check.newton_with_ridge,
            lambda t, X, y, c: step(t, X, y, c, slope=0),
            "not in the gradient",
        ),
        (
            check.newton_with_ridge,
            lambda t, X, y, c: step(t, X, y, c, curvature=0),
            "not in the Hessian",
        ),
        (check.newton_with_ridge, lambda t, X, y, c: step(t, X, y, -c), "ends elsewhere"),
        (check.spiral_features, lambda x: x, "which angle"),
        (check.spiral_features, lambda x: np.stack([*x.T] * 2, axis=1), "three features at most"),
        (check.spiral_features, lambda x: x[:5], r"shape \(400"),
        (check.spiral_features, lambda x: x / 0, "NaN|infinite|Warning"),
        (check.spiral_features, lambda x: 1 + "x", "TypeError"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_mistakes_are_named(exercise, answer, hint):
    result = exercise(answer)
    assert result.status == "wrong", result
    assert re.search(hint, result.hint), result


@pytest.mark.parametrize("name", check.__all__)
def test_stubs_count_as_not_attempted(name):
    stub = ... if name == "two_fields" else lambda *arguments: None
    assert getattr(check, name)(stub).status == "not attempted yet"


def test_no_hint_gives_the_answer_away():
    tree = ast.parse(Path(check.__file__).read_text("utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    raised = [node for node in calls if getattr(node.func, "id", "") in ("Hint", "expect_close")]
    hints = " ".join(ast.unparse(call.args[-1]) for call in raised)
    assert len(raised) > 15
    assert not re.search(r"log 4|log 6|log1p|logaddexp|3 ?π|cosine", hints)
