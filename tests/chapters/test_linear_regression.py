"""What the chapter on least squares builds, held against theory and against NumPy."""

import ast
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import jupytext
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression

from dlbook import data

CHAPTER = Path(__file__).parents[2] / "book" / "learning" / "linear-regression.md"
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef)
CONSTANTS = {"to_fractions", "solvers"}


def wanted(node):
    """Imports, functions, and the two tables of functions; nothing that computes."""
    if isinstance(node, ast.Assign):
        return getattr(node.targets[0], "id", None) in CONSTANTS
    return isinstance(node, DEFINITIONS)


def definitions():
    space = {}
    for cell in jupytext.read(CHAPTER).cells:
        if cell.cell_type == "code":
            tree = ast.parse(cell.source)
            tree.body = [node for node in tree.body if wanted(node)]
            exec(compile(tree, str(CHAPTER), "exec"), space)
    return SimpleNamespace(**space, space=space)


CHAPTER_CODE = definitions()
THREE = np.array([[1.0, 0], [1, 1], [1, 2]]), np.array([2.0, 1, 6])


@st.composite
def problems(draw, most_columns=5):
    """Well-conditioned X and y of moderate size."""
    d = draw(st.integers(1, most_columns))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = rng.standard_normal((draw(st.integers(4 * d, 30)), d)) + draw(st.sampled_from([0, 0.5]))
    return X, rng.standard_normal(len(X)) * 10.0 ** draw(st.integers(-3, 3))


# ---- The closed form --------------------------------------------------------------------------


@given(problems())
def test_all_solvers_agree_with_numpy(problem):
    X, y = problem
    expected = np.linalg.lstsq(X, y, rcond=None)[0]
    for fit in (*CHAPTER_CODE.solvers.values(), CHAPTER_CODE.exact_fit):
        assert np.allclose(fit(X, y), expected, rtol=1e-9, atol=1e-10 * np.abs(y).max())


@given(problems(), st.integers(0, 2**32 - 1))
def test_every_other_theta_costs_half_the_squared_length_of_X_delta(problem, seed):
    X, y = problem
    theta = CHAPTER_CODE.closed_form(X, y)
    delta = np.random.default_rng(seed).standard_normal(X.shape[1])
    rise = CHAPTER_CODE.loss(theta + delta, X, y) - CHAPTER_CODE.loss(theta, X, y)
    assert rise == pytest.approx(np.sum((X @ delta) ** 2) / 2, rel=1e-6, abs=1e-8 * (y @ y))


@given(problems())
def test_the_gradient_is_the_slope_of_the_loss(problem):
    X, y = problem
    y = y / np.abs(y).max()
    rng = np.random.default_rng(0)
    theta, h = rng.standard_normal(X.shape[1]), 1e-5
    for k, slope in enumerate(CHAPTER_CODE.gradient(theta, X, y)):
        step = h * np.eye(X.shape[1])[k]
        rise = CHAPTER_CODE.loss(theta + step, X, y) - CHAPTER_CODE.loss(theta - step, X, y)
        assert slope == pytest.approx(rise / (2 * h), rel=1e-5, abs=1e-5)


def test_the_exact_solver_is_exact():
    X = np.vander(np.arange(1, 8) / 8, 5, increasing=True)
    theta = CHAPTER_CODE.exact_fit(X, X @ [1.0, -2, 3, -4, 5])  # no rounding: all are dyadic
    assert theta.tolist() == [1, -2, 3, -4, 5]
    assert isinstance(CHAPTER_CODE.to_fractions(X)[0, 0], Fraction)


def test_the_map_shows_the_loss():
    X, y = THREE
    heights = CHAPTER_CODE.loss_map([0.0, 1.0], [0.0, 1.0, 2.0], X, y)
    assert heights.shape == (3, 2)
    assert heights[2, 1] == CHAPTER_CODE.loss(np.array([1, 2]), X, y) == 3


# ---- Digits -----------------------------------------------------------------------------------


def test_the_normal_equations_lose_twice_the_digits():
    table = np.array([CHAPTER_CODE.median_errors(d, noise=0) for d in range(3, 11)])
    normal, qr, svd = (CHAPTER_CODE.slope(table[:, 0], table[:, j]) for j in (1, 2, 3))
    assert abs(normal - 2) < 0.25 and abs(qr - 1) < 0.25 and abs(svd - 1) < 0.25


def test_with_a_large_residual_qr_loses_them_too():
    table = np.array([CHAPTER_CODE.median_errors(d, noise=1) for d in range(3, 11)])
    assert CHAPTER_CODE.slope(table[:, 0], table[:, 2]) > 1.4


@pytest.mark.parametrize("power", [1, 2, 3])
def test_an_exponent_is_read_off(power):
    sizes = np.array([10.0, 20, 50])
    assert CHAPTER_CODE.exponent(sizes, 3e-7 * sizes**power) == pytest.approx(power)
    assert CHAPTER_CODE.slope(sizes, 1e-9 * sizes**power) == pytest.approx(power)


# ---- Walking downhill -------------------------------------------------------------------------


@given(problems(), st.floats(0.05, 1.1), st.integers(0, 20))
def test_each_component_walks_for_itself(problem, multiple, n_steps):
    X, y = problem
    eigenvalues, eigenvectors = np.linalg.eigh(X.T @ X)
    rate = multiple * 2 / eigenvalues[-1]
    path = CHAPTER_CODE.descend(X, y, rate, n_steps)
    assert path.shape == (n_steps + 1, X.shape[1])
    best = np.linalg.lstsq(X, y, rcond=None)[0]
    start = -best @ eigenvectors
    predicted = start * (1 - rate * eigenvalues) ** n_steps
    assert np.allclose((path[-1] - best) @ eigenvectors, predicted, atol=1e-8 * np.abs(y).max())


@settings(max_examples=20)
@given(problems(most_columns=3))
def test_it_converges_below_the_limit_and_diverges_above(problem):
    X, y = problem
    eigenvalues, eigenvectors = np.linalg.eigh(X.T @ X)
    best = np.linalg.lstsq(X, y, rcond=None)[0]
    steep = abs(best @ eigenvectors[:, -1])
    for multiple, compare in ((0.99, np.less), (1.01, np.greater)):
        path = CHAPTER_CODE.descend(X, y, multiple * 2 / eigenvalues[-1], 400)
        assert compare(abs((path[-1] - best) @ eigenvectors[:, -1]), steep)


def test_the_predicted_number_of_steps_gains_a_digit():
    X, y = THREE
    lambdas = np.linalg.eigvalsh(X.T @ X)
    n_steps = int(np.ceil(CHAPTER_CODE.steps_per_digit(X)))
    path = CHAPTER_CODE.descend(X, y, 2 / lambdas.sum(), 5 * n_steps)
    distance = np.linalg.norm(path - [1, 2], axis=1)
    assert 1e-6 < distance[-1] / distance[0] <= 1e-5


# ---- The table --------------------------------------------------------------------------------


def test_prose_on_the_diabetes_table():
    """What the text says about signs and residuals, from scikit-learn's fit of the same split."""
    patients = data.diabetes()
    shuffled = np.random.default_rng(0).permutation(len(patients.target))
    train, test = shuffled[:354], shuffled[354:]
    fit = LinearRegression().fit(patients.features[train], patients.target[train])
    sign = dict(zip(patients.names, np.sign(fit.coef_), strict=True))
    assert sign["body mass index"] == sign["blood pressure"] == sign["log triglycerides"] == 1
    assert sign["total cholesterol"] == -1 and sign["LDL"] == 1
    predicted = fit.predict(patients.features[test])
    residual = patients.target[test] - predicted
    order = np.argsort(predicted)
    assert residual[order[-44:]].std() > residual[order[:44]].std()
    assert np.all(residual[order[-3:]] < 0)
    assert fit.score(patients.features[test], patients.target[test]) > 0.3
