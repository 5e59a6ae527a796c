"""The playground's arithmetic against NumPy, and its page in a browser."""

import json

import numpy as np
import pytest

from dlbook.widgets.least_squares import LeastSquares

NAN, X, Y = float("nan"), [0, 1, 2], [2, 1, 6]


def test_it_carries_its_points():
    widget = LeastSquares(np.array(X), tuple(Y), start=[1, -1], multiple=np.float32(0.5))
    assert (widget.x, widget.y, widget.start, widget.multiple) == (X, Y, [1, -1], 0.5)
    names = ("x", "y", "start", "multiple")
    json.dumps([widget.get_state()[name] for name in names])  # JSON, nothing binary


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (([0, 1], [1]), {}, ValueError, "y: expected 2 values, one for each x, got 1"),
        (([0], [1]), {}, ValueError, "x: expected at least two points, got 1"),
        (([0, NAN], Y[:2]), {}, ValueError, r"x\[1\]: expected a finite number, got nan"),
        ((["a", "b"], Y[:2]), {}, TypeError, "x: expected numbers"),
        ((1, 2), {}, TypeError, "x: expected numbers, got 1"),
        ((X, Y), {"start": [1]}, ValueError, "start: expected an intercept and a slope, got 1"),
        ((X, Y), {"multiple": 1.5}, ValueError, "multiple: expected a number from 0.01 to 1.2"),
        ((X, Y), {"multiple": "fast"}, TypeError, "multiple: expected a number"),
    ],
)
def test_bad_input_is_named(arguments, options, error, message):
    with pytest.raises(error, match=message):
        LeastSquares(*arguments, **options)


# ---- The mathematics in JavaScript ------------------------------------------------------------


@pytest.fixture(scope="module")
def widget():
    return LeastSquares(X, Y)


@pytest.fixture(scope="module")
def compute(evaluate):
    """Fit, loss, gradient and one step for each (x, y, theta, rate), by the widget's module."""
    expression = """value.map(([x, y, theta, rate]) => ({
      ...m.solve(x, y), loss: m.loss(theta, x, y), gradient: m.gradient(theta, x, y),
      next: m.descend(theta, rate, x, y) }))"""
    return lambda cases: evaluate(expression, cases)


def test_fit_loss_and_step_agree_with_numpy(compute):
    rng = np.random.default_rng(0)
    cases = [(X, Y, [0, 0], 0.1)]
    for n in (2, 3, 10, 40):
        x, y = 3 * rng.standard_normal(n) + rng.choice([-5, 0, 5]), rng.standard_normal(n)
        cases.append((x.tolist(), y.tolist(), rng.standard_normal(2).tolist(), 0.01))
    for (x, y, theta, rate), found in zip(cases, compute(cases), strict=True):
        table = np.column_stack([np.ones(len(x)), x])
        best = np.linalg.lstsq(table, np.array(y), rcond=None)[0]
        gradient = table.T @ (table @ theta - y)
        assert found["unique"]
        assert found["theta"] == pytest.approx(best)
        eigenvalues = np.linalg.eigvalsh(table.T @ table)[::-1]
        assert found["eigenvalues"] == pytest.approx(eigenvalues)
        for value, vector in zip(found["eigenvalues"], found["vectors"], strict=True):
            assert table.T @ table @ vector == pytest.approx(value * np.array(vector), abs=1e-9)
        assert found["loss"] == pytest.approx(np.sum((table @ theta - y) ** 2) / 2)
        assert found["gradient"] == pytest.approx(gradient)
        assert found["next"] == pytest.approx(theta - rate * gradient)


@pytest.mark.parametrize("place", [0, 2, -7])
def test_where_all_x_agree_the_minimum_of_least_norm_is_taken(compute, place):
    (found,) = compute([([place] * 3, Y, [0, 0], 0.1)])
    table = np.column_stack([np.ones(3), np.full(3, place)])
    assert not found["unique"]
    assert found["theta"] == pytest.approx(np.linalg.lstsq(table, Y, rcond=None)[0], abs=1e-12)


def test_nearly_equal_x_lose_no_digits_to_cancellation(compute):
    (found,) = compute([([1, 1 + 1e-5, 1 - 1e-5], Y, [0, 0], 0.1)])
    assert found["eigenvalues"][1] == pytest.approx(1e-10, rel=1e-4)


# ---- The page ---------------------------------------------------------------------------------


@pytest.fixture
def page(mount):
    return mount(LeastSquares(X, Y), reduced_motion="reduce")


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def readout(page):
    return page.locator("[aria-live]").inner_text().replace("−", "-")


def test_a_step_goes_down_the_gradient(page):
    assert readout(page).startswith("Step 0: intercept 0.000, slope 0.000, loss 20.50")
    press(page, "Step")
    rate = 0.3 * 2 / (4 + 10**0.5)
    theta = rate * np.array([9, 13])
    assert readout(page).startswith(f"Step 1: intercept {theta[0]:.3f}, slope {theta[1]:.3f}")
    press(page, "Reset")
    assert readout(page).startswith("Step 0")


def test_run_reaches_the_solution_and_above_the_limit_it_does_not(page):
    press(page, "Run")  # all at once, because this reader prefers reduced motion
    assert "intercept 1.000, slope 2.000, loss 3.000" in readout(page)
    press(page, "Reset")
    slider = page.locator("input[type=range]")
    slider.focus()
    page.keyboard.press("End")
    assert page.evaluate("state.multiple") == 1.2
    press(page, "Run")
    assert "above the limit" in readout(page) and "× 10^" in readout(page)


def test_solve_jumps_there(page):
    press(page, "Solve")
    assert "intercept 1.000, slope 2.000, loss 3.000; the least loss is 3.000" in readout(page)


def test_points_move_by_keyboard_and_the_fit_follows(page):
    point = page.get_by_role("slider", name="Point 2")
    point.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+ArrowRight")
    x, y = page.evaluate("[state.x, state.y]")
    assert x[1] > 1 and y[1] > 1 and x[::2] == X[::2] and y[::2] == Y[::2]
    assert point.get_attribute("aria-valuetext") == f"x {x[1]:g}, y {y[1]:g}"
    press(page, "Solve")
    slope, intercept = np.polyfit(x, y, 1)
    assert f"intercept {intercept:.3f}, slope {slope:.3f}" in readout(page)


def test_points_and_start_move_by_pointer_and_stay_in_the_picture(page):
    for name, key in (("Point 3", "y"), ("Start of the descent", "start")):
        before = page.evaluate(f"state.{key}")
        box = page.get_by_role("slider", name=name).locator(".dot").bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] - 20, box["y"] - 30, steps=3)
        moved = page.evaluate(f"state.{key}")
        page.mouse.move(-500, -500, steps=2)
        page.mouse.up()
        assert moved != before
        assert np.all(np.abs(page.evaluate(f"state.{key}")) < 20)


def test_where_all_x_agree_it_says_so(page):
    for name, key, different in (("Point 1", "ArrowRight", 2), ("Point 3", "ArrowLeft", 1)):
        page.get_by_role("slider", name=name).focus()
        for _ in range(20):
            if len(set(page.evaluate("state.x"))) > different:
                page.keyboard.press(key)
    assert page.evaluate("state.x") == [1, 1, 1]
    assert "every line through the mean point" in readout(page)


def test_leaving_takes_its_listeners_along(page):
    assert page.evaluate("listening()") == 4
    page.evaluate("leave()")
    assert page.evaluate("listening()") == 0


def test_nothing_overflows_a_narrow_page(page):
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
