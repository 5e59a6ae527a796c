"""The playground's arithmetic against NumPy, and its page in a browser."""

import json
import re

import numpy as np
import pytest
from scipy.special import expit

from dlbook import data
from dlbook.widgets.logistic_boundary import FEATURES, LogisticBoundary

RINGS = data.rings(60, np.random.default_rng(0))
XOR = ([[-1, -1], [1, 1], [-1, 1], [1, -1]], [0, 0, 1, 1])
EXAMPLES = {"rings": RINGS, "XOR": XOR, "apart": ([[-1, 0], [-2, 1], [1, 0], [2, 1]], [0, 0, 1, 1])}


def test_it_carries_its_points():
    widget = LogisticBoundary(EXAMPLES, start="XOR", features=("r^2",), ridge=0.1)
    assert (widget.chosen, widget.features, widget.ridge) == ("XOR", ["r^2"], 0.1)
    assert widget.examples[1] == {"name": "XOR", "inputs": XOR[0], "labels": XOR[1]}
    assert np.allclose(widget.examples[0]["inputs"], RINGS.inputs, atol=6e-4)
    assert LogisticBoundary(EXAMPLES).chosen == "rings"
    names = ("examples", "chosen", "features", "ridge")
    json.dumps([widget.get_state()[name] for name in names])  # JSON, nothing binary


@pytest.mark.parametrize(
    ("examples", "options", "error", "message"),
    [
        ([XOR], {}, TypeError, "examples: expected a dict, got list"),
        ({}, {}, ValueError, "at least one data set"),
        ({"a": 3}, {}, TypeError, r"examples\['a'\]: expected a pair"),
        ({"a": (["xy"], [0])}, {}, TypeError, r"\['a'\]: expected inputs and labels made of"),
        ({"a": ([[0, 1, 2]], [0])}, {}, ValueError, "two finite coordinates for point 0"),
        ({"a": ([[0, float("nan")]], [0])}, {}, ValueError, "two finite coordinates for point 0"),
        ({"a": (XOR[0], [0, 1])}, {}, ValueError, "expected 4 labels, got 2"),
        ({"a": (XOR[0], [0, 1, 2, 1])}, {}, ValueError, "labels 0 and 1, both"),
        ({"a": (XOR[0], [0, 0, 0, 0])}, {}, ValueError, "labels 0 and 1, both"),
        ({"a": XOR}, {"start": "b"}, ValueError, "start: expected one of a, got 'b'"),
        ({"a": XOR}, {"features": ["x3"]}, ValueError, "features: expected one of .*'x3'"),
        (
            {"a": XOR},
            {"ridge": 0.2},
            ValueError,
            "ridge: expected one of 0, 0.001, 0.1, 1, got 0.2",
        ),
    ],
)
def test_bad_input_is_named(examples, options, error, message):
    with pytest.raises(error, match=message):
        LogisticBoundary(examples, **options)


# ---- The mathematics in JavaScript ------------------------------------------------------------


@pytest.fixture(scope="module")
def widget():
    return LogisticBoundary(EXAMPLES)


@pytest.fixture(scope="module")
def compute(evaluate):
    """The value of a JavaScript expression in which ``v`` is the list of the other arguments."""
    return lambda expression, *values: evaluate(f"((v) => ({expression}))(value)", values)


def design(inputs, names):
    """The rows [1, standardised features…], (n, d)."""
    x, y = np.transpose(inputs)
    extra = {"x1^2": x * x, "x2^2": y * y, "x1 x2": x * y, "r^2": x * x + y * y}
    features = np.column_stack([x, y, *(extra[name] for name in names)])
    spread = features.std(axis=0)
    scaled = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return np.column_stack([np.ones(len(x)), scaled])


@pytest.mark.parametrize("names", [[], ["r^2"], list(FEATURES)])
def test_features_are_standardised(compute, names):
    inputs = RINGS.inputs.tolist()
    rows = compute("v[0].map(m.designer(v[0], v[1]))", inputs, names)
    assert np.allclose(rows, design(inputs, names))


@pytest.mark.parametrize("ridge", [0, 0.1])
@pytest.mark.parametrize("seed", range(4))
def test_loss_and_steps_agree_with_numpy(compute, seed, ridge):
    rng = np.random.default_rng(seed)
    X = design(rng.normal(size=(40, 2)), ["x1 x2"])
    y, theta = rng.integers(0, 2, 40), rng.normal(size=4) / 2
    found = compute(
        "({loss: m.loss(...v), gradient: m.gradient(...v), hessian: m.hessian(v[0], v[1], v[3]),"
        " newton: m.newton(...v), descend: m.descend(...v), most: m.largestEigenvalue(v[1])})",
        theta.tolist(),
        X.tolist(),
        y.tolist(),
        ridge,
    )
    p, R = expit(X @ theta), ridge * np.diag([0, 1, 1, 1])
    gradient = X.T @ (p - y) + 2 * R @ theta
    hessian = X.T * (p * (1 - p)) @ X + 2 * R
    loss = np.logaddexp(0, X @ theta).sum() - y @ X @ theta + theta @ R @ theta
    assert found["loss"] == pytest.approx(loss)
    assert found["gradient"] == pytest.approx(gradient)
    assert np.allclose(found["hessian"], hessian)
    assert found["newton"] == pytest.approx(theta - np.linalg.solve(hessian, gradient))
    most = np.linalg.eigvalsh(X.T @ X)[-1]
    assert found["most"] == pytest.approx(most, rel=0.01)
    step = theta - np.array(found["descend"])
    assert step == pytest.approx(gradient / (1.01 * most / 4 + 2 * ridge), rel=0.01)


def test_the_system_is_solved_where_features_depend_on_each_other(compute):
    X = design(RINGS.inputs, list(FEATURES))  # r² is the sum of the squares
    A, b = X.T @ X, X.T @ RINGS.labels
    x = compute("m.solve(v[0], v[1])", A.tolist(), b.tolist())
    assert np.allclose(A @ x, b)


def test_newton_halves_a_step_that_would_climb(compute):
    X, y, theta = [[1, -1.0], [1, 1], [1, 3]], [0, 1, 0], [4.0, 6.0]
    before, after = compute(
        "[m.loss(...v), m.loss(m.newton(...v), v[1], v[2], v[3])]", theta, X, y, 0
    )
    assert after <= before


def test_large_scores_stay_finite(compute):
    values = compute("[m.softplus(-1e4), m.softplus(1e4), m.sigmoid(-1e4), m.sigmoid(1e4)]")
    assert values == [0, 1e4, 0, 1]


# ---- The page ---------------------------------------------------------------------------------


@pytest.fixture
def page(mount):
    return mount(LogisticBoundary(EXAMPLES), reduced_motion="reduce")


def press(page, name):
    button = page.get_by_role("button", name=name, exact=True)
    button.focus()
    page.keyboard.press("Enter")


def readout(page):
    return page.locator("[aria-live]").inner_text().replace("−", "-")


def test_rings_come_apart_once_the_squared_radius_is_a_feature(page):
    assert "every probability one half" in readout(page)
    press(page, "Newton")
    right = int(re.search(r"(\d+) of 60 points right", readout(page))[1])
    assert right < 45
    box = page.get_by_role("checkbox", name="r²")
    box.focus()
    page.keyboard.press("Space")
    assert page.evaluate("state.features") == ["r^2"]
    for _ in range(6):
        press(page, "Newton")
    assert "0 gradient and 6 Newton steps" in readout(page)
    assert "60 of 60 points right" in readout(page)
    assert "60 of 60" in page.get_by_role("img").get_attribute("aria-label")


def test_on_xor_nothing_moves_without_the_product(page):
    page.get_by_label("Points").select_option("XOR")
    press(page, "Run")  # at once, because this reader prefers reduced motion
    assert "loss 2.773, every probability one half" in readout(page)
    page.get_by_role("checkbox", name="x₁x₂").check()
    press(page, "Run")
    assert "4 of 4 points right" in readout(page)


def test_descent_arrives_where_newton_does(page):
    page.get_by_label("Ridge").select_option("1")
    page.get_by_role("checkbox", name="x₁²").check()
    press(page, "Run")
    by_descent = re.search(r"loss ([\d.]+)", readout(page))[1]
    press(page, "Reset")
    for _ in range(8):
        press(page, "Newton")
    assert "The gradient is zero" in readout(page)
    assert re.search(r"loss ([\d.]+)", readout(page))[1] == by_descent


def test_without_a_ridge_separable_weights_grow(page):
    page.get_by_label("Points").select_option("apart")
    page.get_by_label("Ridge").select_option("0")
    sizes = []
    for _ in range(5):
        press(page, "Newton")
        sizes.append(float(re.search(r"([\d.]+)x₁", readout(page))[1]))
    assert np.all(np.diff(sizes) > 0.2)


def test_leaving_takes_its_listeners_along(page):
    assert page.evaluate("listening()") == 3
    page.evaluate("leave()")
    assert page.evaluate("listening()") == 0


def test_nothing_overflows_a_narrow_page(page):
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
