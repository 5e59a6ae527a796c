"""The error surface's arithmetic against PyTorch and NumPy, and its page in a browser."""

import json

import numpy as np
import pytest
import torch

from dlbook.widgets.error_surface import MAP, ErrorSurface

TRAITS = ("start", "rate", "threshold")


def test_it_carries_its_settings():
    widget = ErrorSurface(np.array([2, -1]), rate=np.float32(0.5) / 8, threshold=3)
    assert [getattr(widget, name) for name in TRAITS] == [[2, -1], 0.0625, 3]
    json.dumps([widget.get_state()[name] for name in TRAITS])  # JSON, nothing binary
    assert ErrorSurface().start == [6, -3.2]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"start": 3}, TypeError, "start: expected two numbers, got 3"),
        ({"start": [1, 2, 3]}, TypeError, "start: expected two numbers"),
        ({"start": [1, "b"]}, TypeError, r"start\[1\]: expected a number, got 'b'"),
        ({"start": [9, 0]}, ValueError, r"start\[0\]: expected a number from 1 to 8, got 9"),
        ({"start": [3, 2]}, ValueError, r"start\[1\]: expected a number from -6 to 1, got 2"),
        ({"rate": 0}, ValueError, "rate: expected a number from 0.0001 to 0.1, got 0"),
        ({"rate": float("nan")}, ValueError, "rate: expected a number"),
        ({"threshold": 1e5}, ValueError, "threshold: expected a number from 0.1 to 10000"),
        ({"threshold": None}, TypeError, "threshold: expected a number, got None"),
    ],
)
def test_bad_input_is_named(options, error, message):
    with pytest.raises(error, match=message):
        ErrorSurface(**options)


# ---- The mathematics in JavaScript ------------------------------------------------------------


@pytest.fixture(scope="module")
def widget():
    return ErrorSurface()


def by_torch(places):
    """Errors (n,) and gradients (n, 2) at places (n, 2), by reverse mode."""
    theta = torch.tensor(places, dtype=torch.float64, requires_grad=True)
    w, b = theta.T
    h = torch.full_like(w, 0.5)
    for _ in range(50):
        h = w * torch.sigmoid(h) + b
    errors = (h - 0.7) ** 2
    errors.sum().backward()
    return errors.detach().numpy(), theta.grad.numpy()


def wall(w):
    return 0.5 - w * 0.6224593312018546  # the sigmoid of one half


def test_errors_and_gradients_agree_with_torch(evaluate):
    rng = np.random.default_rng(0)
    anywhere = rng.uniform([1, -6], [8, 1], (40, 2))
    w = rng.uniform(4.5, 6, 20)
    near_the_wall = np.stack([w, wall(w) + rng.uniform(-1e-3, 1e-3, 20)], axis=1)
    negative = rng.uniform([-5, -1], [0, 1], (10, 2))
    places = np.concatenate([anywhere, near_the_wall, negative])
    found = evaluate(f"{places.tolist()}.map(m.errorAndGradient)")
    errors, gradients = by_torch(places)
    # near the wall the map itself multiplies rounding errors, by up to its slope
    assert np.allclose([f["error"] for f in found], errors, rtol=1e-6)
    assert np.allclose([f["gradient"] for f in found], gradients, rtol=1e-5, atol=1e-9)
    assert np.abs(gradients[40:60]).max() > 300


def test_the_gradient_is_the_slope_of_the_error(evaluate):
    places = np.random.default_rng(1).uniform([1, -1], [4, 1], (10, 2))
    for axis in (0, 1):
        step = 1e-6 * np.eye(2)[axis]
        up, down, at = (
            evaluate(f"{(places + s * step).tolist()}.map(m.errorAndGradient)") for s in (1, -1, 0)
        )
        slope = [(u["error"] - d["error"]) / 2e-6 for u, d in zip(up, down, strict=True)]
        assert np.allclose(slope, [f["gradient"][axis] for f in at], rtol=1e-4, atol=1e-6)


def test_far_away_nothing_overflows(evaluate):
    found = evaluate("[[1e4, -1e4], [-1e4, 1e4], [300, 500]].map(m.errorAndGradient)")
    assert all(np.all(np.isfinite([f["error"], *f["gradient"]])) for f in found)


def test_on_the_wall_the_start_stays(evaluate):
    weights = np.linspace(1, 8, 9)
    assert np.allclose(evaluate(f"{weights.tolist()}.map(m.wall)"), wall(weights))
    found = evaluate("m.errorAndGradient([4.5, m.wall(4.5)])")
    assert found["error"] == pytest.approx(0.04, rel=1e-4)
    s = 1 / (1 + np.exp(-0.5))
    r = 4.5 * s * (1 - s)
    slope = -0.4 * (r**50 - 1) / (r - 1)
    assert found["gradient"] == pytest.approx([slope * s, slope], rel=1e-3)
    assert evaluate("m.WALL")[0] == pytest.approx(1 / (s * (1 - s)), abs=1e-3)


@pytest.mark.parametrize("threshold", [0.1, 1.0, 20.0])
def test_clipping_is_pytorchs(evaluate, threshold):
    gradients = np.random.default_rng(2).standard_normal((20, 2))
    gradients *= np.tile([0.1, 100], 10)[:, None]
    found = evaluate(f"{gradients.tolist()}.map((g) => m.clip(g, {threshold}))")
    for g, ours in zip(gradients, found, strict=True):
        p = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
        p.grad = torch.tensor(g)
        torch.nn.utils.clip_grad_norm_([p], threshold)
        assert np.allclose(ours, p.grad, rtol=1e-4)
    assert evaluate("m.clip([0, 0], 1)") == [0, 0]


def walk(clips, start, n_steps, rate=0.01, threshold=1.0):
    settings = json.dumps({"rate": rate, "threshold": threshold})
    return f"""(() => {{ const w = m.walker({json.dumps(clips)}, {start});
      for (let k = 0; k < {n_steps}; k += 1) w.step({settings}); return w }})()"""


@pytest.mark.parametrize("clips", [False, True])
def test_walkers_take_pytorchs_steps(evaluate, clips):
    found = evaluate(walk(clips, [3.0, -3.0], 30, rate=0.02, threshold=2.0))
    path, theta = np.array(found["path"]), torch.nn.Parameter(torch.tensor([3.0, -3.0]).double())
    optimiser = torch.optim.SGD([theta], lr=0.02)
    for k in range(30):
        assert np.allclose(path[k], theta.detach(), atol=1e-6)
        errors, gradients = by_torch(path[k : k + 1])
        assert found["errors"][k] == pytest.approx(errors[0])
        assert found["norms"][k] == pytest.approx(np.linalg.norm(gradients))
        theta.grad = torch.tensor(gradients[0])
        if clips:
            torch.nn.utils.clip_grad_norm_([theta], 2.0)
        optimiser.step()


def test_at_the_wall_only_the_clipped_walker_stays(evaluate):
    for w, offset in ((5.5, -0.1), (6.0, 1e-6), (5.0, 1e-4)):
        start = [w, wall(w) + offset]
        plain, clipped = (evaluate(walk(clips, start, 1500)) for clips in (False, True))
        assert plain["left"] and len(plain["path"]) < 1500
        assert not clipped["left"] and min(clipped["errors"]) < 0.01
        steps = np.linalg.norm(np.diff(clipped["path"], axis=0), axis=1)
        assert steps.max() <= 0.01 * (1 + 1e-9)


def test_in_the_valley_clipping_changes_nothing(evaluate):
    start = [2.0, -0.7]
    plain, clipped = (evaluate(walk(c, start, 200, threshold=5)) for c in (False, True))
    assert plain["path"] == clipped["path"] and plain["errors"][-1] < 1e-6


def test_shades_cover_the_map_and_follow_the_error(evaluate):
    cells, n = 20, 6
    runs = evaluate(f"m.shades({cells}, {n}, [-3, 2])")
    found = np.full((cells, cells), -1)
    for level, each in enumerate(runs):
        for i, j, length in each:
            assert np.all(found[j, i : i + length] == -1)
            found[j, i : i + length] = level
    centres = (np.arange(cells) + 0.5) / cells
    w, b = np.meshgrid(1 + 7 * centres, -6 + 7 * centres)
    errors, _ = by_torch(np.stack([w.ravel(), b.ravel()], axis=1))
    expected = np.floor((np.log10(errors) + 3) / 5 * n).clip(0, n - 1).reshape(cells, cells)
    assert np.array_equal(found, expected)


def test_page_and_package_agree_on_the_map(evaluate):
    assert evaluate("m.MAP") == {name: list(limits) for name, limits in MAP.items()}


# ---- The page ---------------------------------------------------------------------------------


@pytest.fixture
def page(mount):
    return mount(ErrorSurface((5.5, wall(5.5) - 0.1)), height=1100, reduced_motion="reduce")


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def readout(page):
    return page.locator("[aria-live]").inner_text().replace("−", "-")


def cells(page, name):
    row = page.get_by_role("row", name=name)
    return [text.replace("−", "-") for text in row.locator("td").all_inner_texts()]


def test_a_step_shows_the_gradient_where_it_arrives(page):
    assert readout(page).startswith("Step 0. Plain: error")
    press(page, "Step")
    place = np.array([[5.5, wall(5.5) - 0.1]])
    place -= 0.01 * by_torch(place)[1]
    errors, gradients = by_torch(place)
    error, norm, w, b = cells(page, "Plain")
    assert float(error) == pytest.approx(errors[0], abs=0.006)
    assert float(norm) == pytest.approx(np.linalg.norm(gradients), rel=0.01)
    assert [float(w), float(b)] == pytest.approx(place[0], abs=0.006)
    press(page, "Reset")
    assert readout(page).startswith("Step 0.")


def test_run_throws_one_out_and_not_the_other(page):
    press(page, "Run")  # at once, for readers who prefer it
    text = readout(page)
    assert text.startswith("Step 1500. Plain: left the map in step")
    assert "Clipped: error" in text and "Clipped: left" not in text
    press(page, "Run")  # again, from the start
    assert readout(page) == text


def test_settings_reach_the_walkers(page):
    threshold = page.get_by_role("slider", name="Threshold")
    threshold.focus()
    page.keyboard.press("End")
    assert page.evaluate("state.threshold") == 10_000
    press(page, "Run")
    assert "Clipped: left the map" in readout(page)
    press(page, "Reset")
    page.get_by_role("slider", name="Learning rate").focus()
    page.keyboard.press("Home")
    assert page.evaluate("state.rate") == pytest.approx(1e-4)
    press(page, "Step")
    assert cells(page, "Plain")[2] == "5.50"


def test_the_start_moves_by_keyboard_and_by_pointer(page):
    start = page.get_by_role("slider", name="Start of the descent")
    press(page, "Step")
    start.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+ArrowRight")
    w, b = page.evaluate("state.start")
    assert [w, b] == pytest.approx([5.75, wall(5.5) - 0.05], abs=0.026)
    assert readout(page).startswith("Step 0.")
    assert start.get_attribute("aria-valuetext") == f"w {w:g}, b −{-b:g}"
    box = start.locator(".dot").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] - 30, box["y"] + 30, steps=3)
    moved = page.evaluate("state.start")
    assert moved[0] < w and moved[1] < b
    page.mouse.move(-500, -500, steps=2)
    page.mouse.up()
    assert page.evaluate("state.start") == [1, 1]


def test_walkers_differ_by_more_than_colour(page):
    press(page, "Run")
    shapes, dashes = set(), set()
    for name in ("plain", "clipped"):
        group = page.locator(f".dlbook-wall .plots .{name}").first
        shapes.add(group.locator(".marker").first.get_attribute("d"))
        line = group.locator(".path")
        dashes.add(line.evaluate("(el) => getComputedStyle(el).strokeDasharray"))
    assert len(shapes) == len(dashes) == 2


def test_leaving_takes_its_listeners_along(page):
    assert page.evaluate("listening()") == 3
    page.evaluate("leave()")
    assert page.evaluate("listening()") == 0


def test_nothing_overflows_a_narrow_page(page):
    press(page, "Run")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
