"""The race's arithmetic against NumPy and the chapter's own rules, and its page in a browser."""

import json

import numpy as np
import pytest
import torch

from dlbook.widgets.optimiser_race import LANDSCAPES, OptimiserRace

TRAITS = ("landscape", "start", "multiple", "mu", "noise")
RATES = {"descent": 0.05, "momentum": 0.03, "rmsprop": 0.05, "adam": 0.2, "normalised": 0.1}


def test_it_carries_its_settings():
    widget = OptimiserRace("bumpy", start=np.array([1, -2]), multiple=2, mu=np.float32(0.5))
    assert [getattr(widget, name) for name in TRAITS] == ["bumpy", [1, -2], 2, 0.5, 0]
    json.dumps([widget.get_state()[name] for name in TRAITS])  # JSON, nothing binary
    assert OptimiserRace("saddle").start == [-2, 0.001]


@pytest.mark.parametrize(
    ("landscape", "options", "error", "message"),
    [
        ("canyon", {}, ValueError, "landscape: expected one of ravine, saddle, bumpy, got 'canyon"),
        ("ravine", {"start": 3}, TypeError, "start: expected two numbers, got 3"),
        ("ravine", {"start": [1, 2, 3]}, TypeError, "start: expected two numbers"),
        ("ravine", {"start": [1, "b"]}, TypeError, r"start\[1\]: expected a number, got 'b'"),
        (
            "saddle",
            {"start": [3, 0]},
            ValueError,
            r"start\[0\]: expected a number from -2.6 to 2.6",
        ),
        (
            "ravine",
            {"multiple": 0},
            ValueError,
            "multiple: expected a number from 0.1 to 10, got 0",
        ),
        ("ravine", {"mu": 1}, ValueError, "mu: expected a number from 0 to 0.99, got 1"),
        ("ravine", {"noise": float("nan")}, ValueError, "noise: expected a number from 0 to 3"),
    ],
)
def test_bad_input_is_named(landscape, options, error, message):
    with pytest.raises(error, match=message):
        OptimiserRace(landscape, **options)


# ---- The mathematics in JavaScript ------------------------------------------------------------


@pytest.fixture(scope="module")
def widget():
    return OptimiserRace()


def losses_in_numpy(name, theta):
    a, b = np.moveaxis(theta, -1, 0)
    if name == "ravine":
        return (a**2 + 30 * b**2) / 2
    if name == "saddle":
        return a**2 / 2 + (b**4 / 4 - b**2 / 2 + 1 / 4) / 5
    return (theta**2 / 20 + (1 - np.cos(2 * theta)) / 8).sum(axis=-1)


def slopes_in_numpy(name, theta, h=1e-6):
    ways = h * np.eye(2)
    up, down = (losses_in_numpy(name, theta + sign * ways) for sign in (1, -1))
    return (up - down) / (2 * h)


@pytest.mark.parametrize("name", LANDSCAPES)
def test_losses_and_gradients_agree_with_numpy(evaluate, name):
    places = np.random.default_rng(0).uniform(-2, 2, (20, 2))
    landscape = f"m.LANDSCAPES.{name}"
    found = evaluate(
        f"{places.tolist()}.map((t) => [{landscape}.loss(t), {landscape}.gradient(t)])"
    )
    for place, (loss, slope) in zip(places, found, strict=True):
        assert loss == pytest.approx(losses_in_numpy(name, place))
        assert slope == pytest.approx(slopes_in_numpy(name, place), abs=1e-7)


def test_page_and_package_agree_on_starts_and_rates(evaluate):
    found = evaluate("m.LANDSCAPES")
    for name, (start, reach) in LANDSCAPES.items():
        assert found[name]["start"] == list(start) and found[name]["reach"] == reach[0]
    assert {name: rule["rate"] for name, rule in evaluate("m.RULES").items()} == RATES


def by_hand(rule, gradients, rate, mu):
    """Displacements under a given sequence of gradients: PyTorch's optimisers where it has them."""
    if rule == "normalised":
        return -rate * np.cumsum(gradients / np.linalg.norm(gradients, axis=1)[:, None], axis=0)
    theta = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimiser = {
        "descent": lambda: torch.optim.SGD([theta], lr=rate),
        "momentum": lambda: torch.optim.SGD([theta], lr=rate, momentum=mu),
        "rmsprop": lambda: torch.optim.RMSprop([theta], lr=rate, alpha=0.9),
        "adam": lambda: torch.optim.Adam([theta], lr=rate, betas=(mu, 0.999)),
    }[rule]()
    path = []
    for g in gradients:
        theta.grad = torch.from_numpy(g)
        optimiser.step()
        path.append(theta.detach().numpy().copy())
    return np.array(path)


@pytest.mark.parametrize("mu", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("rule", RATES)
def test_rules_step_like_pytorchs(evaluate, rule, mu):
    gradients = np.random.default_rng(1).standard_normal((30, 2)) * [1, 100]
    found = evaluate(
        f"""(() => {{ let theta = [0, 0]; const state = {{}};
        return {gradients.tolist()}.map((g) =>
          theta = m.RULES.{rule}.next(theta, g, state, 0.03, {mu})) }})()"""
    )
    assert np.allclose(found, by_hand(rule, gradients, 0.03, mu), rtol=1e-9, atol=1e-12)


def walk(rule, landscape, n_steps, multiple=1, mu=0.9, noise=0, seed=1):
    start = list(LANDSCAPES[landscape][0])
    settings = json.dumps({"multiple": multiple, "mu": mu, "noise": noise})
    return f"""(() => {{ const w = m.walker("{rule}", "{landscape}", {start}, {seed});
      for (let k = 0; k < {n_steps}; k += 1) w.step({settings}); return w }})()"""


@pytest.mark.parametrize("landscape", LANDSCAPES)
@pytest.mark.parametrize("rule", RATES)
def test_walkers_follow_the_slope(evaluate, rule, landscape):
    found = evaluate(walk(rule, landscape, 40, multiple=0.5))
    path = np.array(found["path"])
    assert path.shape == (41, 2) and not found["lost"]
    gradients = np.array([slopes_in_numpy(landscape, theta) for theta in path[:-1]])
    steps = by_hand(rule, gradients, RATES[rule] * 0.5, 0.9)
    assert np.allclose(path[1:] - path[0], steps, atol=1e-4)
    assert np.allclose(found["losses"], losses_in_numpy(landscape, path))


def test_descent_leaves_the_map_above_the_limit_and_only_then(evaluate):
    limit = 2 / 30 / RATES["descent"]
    above = evaluate(walk("descent", "ravine", 2000, multiple=1.01 * limit))
    assert above["lost"] and np.all(np.isfinite(above["losses"])) and len(above["path"]) < 2000
    below = evaluate(walk("descent", "ravine", 2000, multiple=0.99 * limit))
    assert not below["lost"] and below["losses"][-1] < 1e-6


def test_in_the_bumpy_bowl_only_those_with_a_memory_reach_the_origin(evaluate):
    reached = {r for r in RATES if evaluate(walk(r, "bumpy", 300))["losses"][-1] < 0.01}
    assert reached == {"momentum", "adam"}


def test_on_the_ridge_nobody_leaves_without_noise(evaluate):
    for rule in RATES:
        for noise in (0, 0.3):
            code = walk(rule, "saddle", 300, noise=noise).replace("0.001]", "0]")
            away = abs(evaluate(code)["path"][-1][1])
            assert away > 0.4 if noise else away == 0


# ---- The page ---------------------------------------------------------------------------------


@pytest.fixture
def page(mount):
    return mount(OptimiserRace(), height=1100, reduced_motion="reduce")


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def readout(page):
    return page.locator("[aria-live]").inner_text().replace("−", "-")


def loss_of(page, rule):
    return page.get_by_role("row", name=rule).locator("td").nth(1).inner_text()


def test_a_step_takes_all_of_them_on(page):
    assert readout(page) == "Step 0, ravine: all start at loss 23.00."
    press(page, "Step")
    assert readout(page).startswith("Step 1, ravine: from the lowest loss to the highest")
    theta = np.array([-4, 1]) - 0.05 * np.array([-4, 30])
    loss = losses_in_numpy("ravine", theta)
    assert loss_of(page, "Gradient descent") == f"{loss:.2f}"
    press(page, "Reset")
    assert readout(page).startswith("Step 0")


def test_run_goes_to_the_end_at_once_for_readers_who_prefer_it(page):
    press(page, "Run")
    assert readout(page).startswith("Step 300, ravine")
    assert "Diverged" not in readout(page)
    press(page, "Run")
    assert readout(page).startswith("Step 300, ravine")


def test_too_large_a_rate_is_reported(page):
    slider = page.get_by_role("slider", name="Learning rate")
    slider.focus()
    page.keyboard.press("End")
    assert page.evaluate("state.multiple") == 10
    press(page, "Run")
    assert readout(page).endswith("Diverged: Gradient descent, Momentum.")
    assert loss_of(page, "Momentum") == "left the map"


def test_landscapes_are_chosen_by_keyboard(page):
    page.get_by_label("Landscape").focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("[state.landscape, state.start]") == ["saddle", [-2, 0.001]]
    assert readout(page).startswith("Step 0, saddle: all start at loss 2.05")


def test_momentum_and_noise_reach_the_walkers(page):
    press(page, "Run")
    before = loss_of(page, "Momentum"), loss_of(page, "RMSProp")
    press(page, "Reset")
    page.get_by_role("slider", name="Momentum").focus()
    page.keyboard.press("Home")
    assert page.evaluate("state.mu") == 0
    press(page, "Run")
    assert loss_of(page, "Momentum") != before[0] and loss_of(page, "RMSProp") == before[1]
    press(page, "Reset")
    page.get_by_role("slider", name="Noise").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("state.noise") == pytest.approx(0.05)
    press(page, "Run")
    assert loss_of(page, "RMSProp") != before[1]


def test_the_start_moves_by_keyboard_and_by_pointer(page):
    start = page.get_by_role("slider", name="Start of the race")
    start.focus()
    press(page, "Step")
    start.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+ArrowRight")
    a, b = page.evaluate("state.start")
    assert a > -4 and b > 1 and readout(page).startswith("Step 0")
    assert start.get_attribute("aria-valuetext") == f"θ₁ −{-a:g}, θ₂ {b:g}"
    box = start.locator(".dot").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 40, box["y"] + 30, steps=3)
    assert page.evaluate("state.start") != [a, b]
    page.mouse.move(-500, -500, steps=2)
    page.mouse.up()
    corner = page.evaluate("state.start")
    assert corner == pytest.approx([-5, 4.1], abs=0.1)


def test_racers_differ_by_more_than_colour(page):
    press(page, "Run")
    shapes, dashes = set(), set()
    for rule in RATES:
        group = page.locator(f".dlbook-race .plots .{rule}").first
        shapes.add(group.locator(".marker").first.get_attribute("d"))
        line = group.locator(".path")
        dashes.add(line.evaluate("(el) => getComputedStyle(el).strokeDasharray"))
    assert len(shapes) == len(dashes) == 5


def test_leaving_takes_its_listeners_along(page):
    assert page.evaluate("listening()") == 5
    page.evaluate("leave()")
    assert page.evaluate("listening()") == 0


def test_nothing_overflows_a_narrow_page(page):
    press(page, "Run")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
