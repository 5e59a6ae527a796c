"""What the chapter on logistic regression builds, held against theory and scikit-learn."""

import ast
from pathlib import Path as FilePath
from types import SimpleNamespace

import jupytext
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from dlbook import data

CHAPTER = FilePath(__file__).parents[2] / "book" / "learning" / "logistic-regression.md"
CONSTANTS = {
    "outline",
    "photo",
    "corners_drawn",
    "pixels",
    "temple",
    "sides",
    "draw",
    "corners",
    "xor_labels",
    "W1",
    "W2",
    "starts",
    "digits",
}


def wanted(node):
    """Imports, functions, and the small tables that they use; nothing that trains."""
    if isinstance(node, ast.Assign):
        target = node.targets[0]
        if isinstance(target, ast.Tuple):
            return [getattr(name, "id", None) for name in target.elts] == ["rows", "columns"]
        return getattr(target, "id", None) in CONSTANTS
    return isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef)


def definitions():
    space = {}
    for cell in jupytext.read(CHAPTER).cells:
        if cell.cell_type == "code":
            tree = ast.parse(cell.source)
            tree.body = [node for node in tree.body if wanted(node)]
            exec(compile(tree, str(CHAPTER), "exec"), space)
    return SimpleNamespace(**space, space=space)


CODE = definitions()


@st.composite
def problems(draw):
    """X with a column of ones, labels that overlap, and some θ."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    d = draw(st.integers(1, 4))
    X = CODE.with_ones(rng.normal(size=(60, d)))
    theta = rng.normal(size=d + 1)
    y = (rng.uniform(size=60) < expit(X @ rng.normal(0, 0.7, d + 1))).astype(int)
    y[:2] = 0, 1
    return X, y, theta


# ---- Likelihood -------------------------------------------------------------------------------


@given(problems())
def test_the_loss_is_the_negative_log_likelihood(problem):
    X, y, theta = problem
    p = expit(X @ theta)
    assert CODE.loss(theta, X, y) == pytest.approx(-np.log(np.where(y == 1, p, 1 - p)).sum())


@given(problems())
def test_the_gradient_is_the_slope_of_the_loss(problem):
    X, y, theta = problem
    numeric = CODE.by_differences(lambda t: CODE.loss(t, X, y), theta)
    assert CODE.gradient(theta, X, y) == pytest.approx(numeric, rel=1e-5, abs=1e-5)


@given(problems(), st.floats(0.05, 0.95))
def test_the_loss_is_convex(problem, share):
    X, y, theta = problem
    other = np.roll(theta, 1) - 1
    between = CODE.loss(share * theta + (1 - share) * other, X, y)
    ends = share * CODE.loss(theta, X, y) + (1 - share) * CODE.loss(other, X, y)
    assert between <= ends + 1e-9


@given(problems())
def test_newton_is_reweighted_least_squares(problem):
    X, y, theta = problem
    p = expit(X @ theta)
    root = np.sqrt(p * (1 - p))
    targets = X @ theta + (y - p) / root**2
    expected = np.linalg.lstsq(root[:, None] * X, root * targets, rcond=None)[0]
    assert CODE.newton_step(theta, X, y) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(problems())
def test_newton_does_not_see_units(problem):
    X, y, theta = problem
    A = np.diag(np.linspace(1, 50, X.shape[1]))
    step = CODE.newton_step(np.linalg.solve(A, theta), X @ A, y)
    assert A @ step == pytest.approx(CODE.newton_step(theta, X, y), rel=1e-6, abs=1e-6)


@settings(max_examples=20)
@given(problems())
def test_descent_never_climbs(problem):
    X, y, _ = problem
    losses = [CODE.loss(theta, X, y) for theta in CODE.descend(X, y, 30)]
    assert np.all(np.diff(losses) <= 1e-9)


@settings(max_examples=15)
@given(problems(), st.sampled_from([0.01, 0.5, 3]))
def test_the_fit_agrees_with_scikit_learn(problem, gamma):
    X, y, _ = problem
    reference = LogisticRegression(C=1 / (2 * gamma), solver="newton-cholesky", tol=1e-9)
    reference.fit(X[:, 1:], y)
    expected = np.append(reference.intercept_, reference.coef_)
    theta = CODE.fit(X, y, gamma)
    assert theta == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert expit(X @ theta).mean() == pytest.approx(y.mean())  # the bias is free


def test_without_a_ridge_separable_data_have_no_minimum():
    x = np.array([-2.0, -1, 1, 2])
    slopes = CODE.newton(CODE.with_ones(x), x > 0, 10)[:, 1]
    assert np.all(np.diff(slopes) > 0.5)


# ---- Softmax ----------------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1))
def test_softmax_of_two_classes_is_the_sigmoid(seed):
    z = np.random.default_rng(seed).normal(0, 5, (7, 2))
    assert CODE.softmax(z)[:, 1] == pytest.approx(expit(z[:, 1] - z[:, 0]))
    assert CODE.softmax(z + 1e4) == pytest.approx(CODE.softmax(z), abs=1e-9)


def test_training_the_softmax_goes_down_its_gradient():
    rng = np.random.default_rng(0)
    X, Y = CODE.with_ones(rng.normal(size=(50, 3))), np.eye(4)[rng.integers(0, 4, 50)]
    W = CODE.train_softmax(X, Y, 0.3, 3000)
    slope = X.T @ (CODE.softmax(X @ W) - Y) + 0.6 * np.vstack([np.zeros(4), W[1:]])
    assert np.abs(slope).max() < 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_digits_are_read_whatever_the_split(seed):
    kept, held_out = data.holdout(CODE.digits, 500, np.random.default_rng(seed))
    W = CODE.train_softmax(CODE.table(kept), np.eye(10)[kept.labels], 0.5, 1000)
    assert np.mean((CODE.table(held_out) @ W).argmax(axis=1) == held_out.labels) > 0.9


# ---- Features and a hidden layer --------------------------------------------------------------


def accuracy(name, features, seed):
    train, test = (CODE.draw[name](400, np.random.default_rng(s)) for s in (seed, seed + 1))
    theta = CODE.fit(CODE.with_ones(features(train.inputs)), train.labels, 0.01)
    return np.mean((CODE.with_ones(features(test.inputs)) @ theta > 0) == test.labels)


@pytest.mark.parametrize("seed", [10, 20, 30])
def test_features_make_the_difference(seed):
    assert accuracy("rings", CODE.raw, seed) < 0.7 and accuracy("XOR", CODE.raw, seed) < 0.75
    assert accuracy("rings", CODE.squares, seed) > 0.97
    assert accuracy("XOR", CODE.product, seed) > 0.95
    assert accuracy("moons", CODE.cubic, seed) > 0.97 > accuracy("moons", CODE.raw, seed)
    assert accuracy("spirals", CODE.cubic, seed) < 0.97


def test_monomials_are_counted():
    assert CODE.n_monomials(2, 3) == 10 == CODE.cubic(np.ones((1, 2))).shape[1] + 1


def test_two_layers_by_hand_compute_xor():
    hidden = expit(CODE.with_ones(CODE.corners) @ CODE.W1)
    p = expit(CODE.with_ones(hidden) @ CODE.W2)
    assert np.abs(p - CODE.xor_labels).max() < 1e-4
    assert CODE.network_loss(np.append(CODE.W1, CODE.W2)) == pytest.approx(
        -np.log(np.where(CODE.xor_labels == 1, p, 1 - p)).sum(), abs=1e-9
    )


def test_some_networks_learn_xor_and_some_are_stuck():
    thetas, nudges = CODE.starts.copy(), 1e-5 * np.eye(9)
    for _ in range(4000):
        ahead, behind = (thetas[:, None] + sign * nudges for sign in (1, -1))
        thetas -= 0.5 * (CODE.network_loss(ahead) - CODE.network_loss(behind)) / 2e-5
    final = CODE.network_loss(thetas)
    assert np.sum(final < 0.05) > 10 and 1 <= np.sum(abs(final - 2 * np.log(2)) < 0.05) < 10


# ---- The photograph ---------------------------------------------------------------------------


@pytest.mark.parametrize("radius", [0, 1, 2])
def test_patches_hold_the_neighbours(radius):
    image = np.random.default_rng(0).random((6, 8, 3))
    patches = CODE.patches(image, radius)
    size = 2 * radius + 1
    assert patches.shape == (6, 8, 3 * size**2)
    square = image[3 - radius : 4 + radius, 4 - radius : 5 + radius]
    assert sorted(patches[3, 4]) == sorted(square.ravel())
    assert patches.reshape(6, 8, 3, -1)[0, 0, :, size**2 // 2].tolist() == image[0, 0].tolist()


def test_the_halves_do_not_share_a_pixel_of_their_patches():
    left, right = (np.flatnonzero(mask[0]) for mask in CODE.sides.values())
    assert left.max() + 2 < right.min() - 1
    assert CODE.temple.shape == (427, 640) and 0.2 < CODE.temple.mean() < 0.3


def test_what_the_text_says_of_the_photograph():
    found, right = {}, {}
    for kind, features in (("RGB", CODE.photo), ("5×5", CODE.patches(CODE.photo, 2))):
        for side, other in (("left", "right"), ("right", "left")):
            p = CODE.segment(features, CODE.sides[side])
            judged = CODE.sides[other]
            says, truth = p[judged] > 0.5, CODE.temple[judged]
            found[side, kind], right[side, kind] = says[truth].mean(), np.mean(says == truth)
    assert right["left", "5×5"] > right["left", "RGB"]
    assert right["right", "5×5"] > right["right", "RGB"] + 0.03
    assert right["left", "5×5"] < 1 - CODE.temple[CODE.sides["right"]].mean()
    assert found["right", "RGB"] < 0.5
