"""The playground's arithmetic against NumPy, its training on the spirals, and its page."""

import json
from itertools import pairwise

import numpy as np
import pytest

from dlbook.widgets.mlp_playground import ACTIVATIONS, DATA, MLPPlayground

NAMES = ("data", "depth", "width", "activation", "learning_rate", "noise", "seed")
SIZES = ([2, 1], [2, 5, 1], [2, 3, 4, 1], [2, 4, 1, 3, 2, 1])


def test_it_carries_its_settings():
    widget = MLPPlayground("rings", depth=np.int64(1), width=3, learning_rate=0.1, seed=7)
    state = {name: widget.get_state()[name] for name in NAMES}
    assert json.loads(json.dumps(state)) == {
        "data": "rings",
        "depth": 1,
        "width": 3,
        "activation": "tanh",
        "learning_rate": 0.1,
        "noise": 0.1,
        "seed": 7,
    }


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"data": "squares"}, ValueError, "data: expected one of moons, rings"),
        ({"depth": 5}, ValueError, "depth: expected an integer from 0 to 4, got 5"),
        ({"depth": 1.5}, TypeError, "depth: expected an integer, got 1.5"),
        ({"width": 0}, ValueError, "width: expected an integer from 1 to 12"),
        ({"width": True}, TypeError, "width: expected an integer, got True"),
        ({"activation": "gelu"}, ValueError, "activation: expected one of tanh"),
        ({"learning_rate": 0.5}, ValueError, "learning_rate: expected one of 0.001"),
        ({"noise": -0.1}, ValueError, "noise: expected a number from 0 to 0.6"),
        ({"noise": float("nan")}, ValueError, "noise: expected a number from 0 to 0.6, got nan"),
        ({"noise": "much"}, TypeError, "noise: expected a number, got 'much'"),
        ({"seed": -1}, ValueError, "seed: expected an integer from 0 to 9999"),
    ],
)
def test_bad_input_is_named(settings, error, message):
    with pytest.raises(error, match=message):
        MLPPlayground(**settings)


# ---- The mathematics in JavaScript ------------------------------------------------------------


@pytest.fixture(scope="module")
def widget():
    return MLPPlayground()


def sigmoid(Z):
    return 1 / (1 + np.exp(-Z))


VALUES = {
    "tanh": (np.tanh, lambda Z: 1 - np.tanh(Z) ** 2),
    "relu": (lambda Z: np.maximum(Z, 0), lambda Z: (Z > 0) * 1.0),
    "sigmoid": (sigmoid, lambda Z: sigmoid(Z) * (1 - sigmoid(Z))),
    "linear": (lambda Z: Z, np.ones_like),
}


def reference(sizes, activation, parameters, X, y):
    """Loss, gradient and scores in NumPy."""
    value, slope = VALUES[activation]
    layers, at = [], 0
    for d, m in pairwise(sizes):
        W, b = parameters[at : at + d * m].reshape(d, m), parameters[at + d * m : at + d * m + m]
        layers.append((W, b))
        at += d * m + m
    kept, before = [X], []
    for number, (W, b) in enumerate(layers, start=1):
        before.append(kept[-1] @ W + b)
        kept.append(before[-1] if number == len(layers) else value(before[-1]))
    z = kept[-1][:, 0]
    loss = np.mean(np.logaddexp(0, z) - y * z)
    delta, found = (sigmoid(z) - y)[:, None] / len(y), []
    for level in reversed(range(len(layers))):
        found = [(kept[level].T @ delta).ravel(), delta.sum(axis=0), *found]
        if level:
            delta = delta @ layers[level][0].T * slope(before[level - 1])
    return loss, np.concatenate(found), z


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_forward_loss_and_gradient_agree_with_numpy(evaluate, activation):
    rng = np.random.default_rng(0)
    cases = []
    for sizes in SIZES:
        n = sum(d * m + m for d, m in pairwise(sizes))
        X, y = 2 * rng.standard_normal((11, 2)), rng.integers(0, 2, 11)
        cases.append([sizes, rng.standard_normal(n).tolist(), X.ravel().tolist(), y.tolist()])
    results = evaluate(
        f"""value.map(([sizes, parameters, x, y]) => {{
          const network = {{ sizes, activation: "{activation}", parameters }};
          const scores = m.forward(network, x, y.length).at(-1);
          return {{ ...m.lossAndGradient(network, {{ x, y }}), scores }}; }})""",
        cases,
    )
    for (sizes, parameters, x, y), result in zip(cases, results, strict=True):
        X, y = np.reshape(x, (-1, 2)), np.array(y)
        loss, gradient, scores = reference(sizes, activation, np.array(parameters), X, y)
        assert result["scores"] == pytest.approx(scores, rel=1e-12, abs=1e-12)
        assert result["loss"] == pytest.approx(loss, rel=1e-12)
        assert result["gradient"] == pytest.approx(gradient, rel=1e-9, abs=1e-12)
        assert result["accuracy"] == np.mean((scores > 0) == y)


def test_the_reference_is_the_slope_of_the_loss():
    rng = np.random.default_rng(1)
    sizes = SIZES[2]
    parameters, direction = rng.standard_normal((2, 9 + 16 + 5))
    X, y = rng.standard_normal((8, 2)), rng.integers(0, 2, 8)
    ends = [reference(sizes, "tanh", parameters + h * direction, X, y)[0] for h in (1e-5, -1e-5)]
    gradient = reference(sizes, "tanh", parameters, X, y)[1]
    assert gradient @ direction == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-6)


def test_adam_is_pytorch_s(evaluate):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    start, gradients = rng.standard_normal(5), rng.standard_normal((20, 5))
    found = evaluate(
        """(() => { const p = Float64Array.from(value[0]); const state = m.makeAdam(p.length);
          for (const g of value[1]) m.adam(state, p, g, 0.03); return p; })()""",
        [start.tolist(), gradients.tolist()],
    )
    parameter = torch.nn.Parameter(torch.from_numpy(start.copy()))
    optimiser = torch.optim.Adam([parameter], lr=0.03)
    for gradient in gradients:
        parameter.grad = torch.from_numpy(gradient)
        optimiser.step()
    assert found == pytest.approx(parameter.detach().numpy(), rel=1e-9)


@pytest.mark.parametrize("name", DATA)
def test_data_follow_their_law(evaluate, name):
    data = evaluate(f"[0, 0.3].map((noise) => m.makeData('{name}', 400, noise, 5))")
    clean, noisy = (np.reshape(d["x"], (-1, 2)) for d in data)
    y = np.array(data[0]["y"])
    assert np.bincount(y).tolist() == [200, 200]
    assert np.abs(clean).max() < 3
    assert (noisy - clean).std() == pytest.approx(0.3, rel=0.1)
    radius, angle = np.linalg.norm(clean, axis=1), np.arctan2(clean[:, 1], clean[:, 0])
    if name == "rings":
        assert radius == pytest.approx(1 + y)
    elif name == "xor":
        assert ((clean[:, 0] * clean[:, 1] < 0) == y).all()
    elif name == "moons":
        centre = np.stack([1.5 * (y - 0.5), 1.5 * (y / 2 - 0.25)], axis=1)
        assert np.linalg.norm(clean - centre, axis=1) == pytest.approx(1.5)
    elif name == "spirals":
        turned = angle - 3 * np.pi * radius / 2.5 - np.pi * y
        assert np.cos(turned) == pytest.approx(1)
    else:
        assert clean[y == 1].mean(axis=0) == pytest.approx([1, 1], abs=0.15)


def run(evaluate, steps, **settings):
    """Accuracy on training and on new points, and the parameters, after some steps."""
    widget = MLPPlayground(**settings)
    return evaluate(
        f"""(() => {{ const game = m.prepare(value);
          for (let k = 0; k < {steps}; k++) m.advance(game, value.learning_rate);
          return [m.assess(game, game.train).accuracy, m.assess(game, game.fresh).accuracy,
            game.network.parameters]; }})()""",
        {name: getattr(widget, name) for name in NAMES},
    )


@pytest.mark.parametrize("seed", range(10))
def test_it_reaches_95_per_cent_on_the_spirals(evaluate, seed):
    train, fresh, _ = run(evaluate, 500, data="spirals", seed=seed)
    assert train >= 0.95
    assert fresh >= 0.95


def test_the_same_settings_give_the_same_run_and_others_another(evaluate):
    first, again, other = (run(evaluate, 20, data="moons", seed=seed)[2] for seed in (3, 3, 4))
    assert first == again != other


def test_linear_layers_stay_straight_and_two_units_cannot_close_a_ring(evaluate):
    assert run(evaluate, 500, data="spirals", activation="linear", depth=4)[0] < 0.75
    assert run(evaluate, 500, data="rings", depth=1, width=2)[0] < 0.9
    assert run(evaluate, 500, data="rings", depth=1, width=3)[0] > 0.95
    assert run(evaluate, 500, data="blobs", depth=0)[0] > 0.95


# ---- The page ---------------------------------------------------------------------------------


@pytest.fixture
def page(mount):
    return mount(MLPPlayground("spirals"), reduced_motion="reduce")


@pytest.fixture
def moving(mount):
    return mount(MLPPlayground("spirals"))


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def readout(page):
    return page.locator("p[aria-live]").inner_text()


def test_a_run_by_keyboard_learns_the_spirals_and_says_so(page, evaluate):
    page.get_by_role("button", name="Run", exact=True).focus()
    page.keyboard.press("Enter")  # all at once, because this reader prefers reduced motion
    train, fresh, _ = run(evaluate, 500, data="spirals")
    assert readout(page).startswith("Step 500: training loss 0.0")
    for share in (train, fresh):  # node and Chromium share V8, so not a point differs
        assert f"{100 * share:.1f} %" in readout(page)


def test_step_and_reset(page):
    start = readout(page)
    assert start.startswith("Step 0: training loss ")
    press(page, "Step")
    assert readout(page).startswith("Step 1: ")
    press(page, "Reset")
    assert readout(page) == start
    focused = page.get_by_role("button", name="Reset", exact=True)
    assert focused.get_attribute("data-lm-suppress-shortcuts")  # else JupyterLab takes the keys


def test_every_control_is_labelled_and_begins_anew_except_the_rate(page):
    press(page, "Step")
    page.get_by_label("Learning rate").select_option("0.3")
    assert readout(page).startswith("Step 1: ")
    page.get_by_label("Data").select_option("rings")
    assert readout(page).startswith("Step 0: ")
    for name, key in (("Hidden layers", "depth"), ("Units in each", "width"), ("Noise", "noise")):
        before = page.evaluate(f"state.{key}")
        page.get_by_label(name).focus()
        page.keyboard.press("ArrowLeft")
        assert page.evaluate(f"state.{key}") < before
    page.get_by_label("Activation").select_option("relu")
    seed = page.get_by_label("Seed")
    seed.fill("12")
    seed.press("Enter")
    assert page.evaluate("[state.data, state.activation, state.seed]") == ["rings", "relu", 12]
    seed.fill("-3")
    seed.press("Enter")
    assert page.evaluate("state.seed") == 12 and seed.input_value() == "12"


def test_there_is_a_picture_for_each_hidden_unit_and_none_without_hidden_layers(page):
    pictures = page.locator(".dlbook-mlp-layer canvas")
    assert pictures.count() == 16
    depth = page.get_by_label("Hidden layers")
    depth.focus()
    page.keyboard.press("Home")
    assert page.evaluate("state.depth") == 0 and pictures.count() == 0
    press(page, "Step")
    assert readout(page).startswith("Step 1: ")


def test_it_runs_and_pauses(moving):
    press(moving, "Run")
    moving.wait_for_function("/^Step [1-9]\\d/.test(document.querySelector('p').innerText)")
    press(moving, "Pause")
    assert readout(moving).startswith("Paused. Step ")
    paused = readout(moving)
    moving.evaluate("new Promise(requestAnimationFrame)")
    moving.evaluate("new Promise(requestAnimationFrame)")
    assert readout(moving) == paused


def test_leaving_takes_listeners_and_frames_along(moving):
    assert moving.evaluate("listening()") == 7
    press(moving, "Run")
    moving.evaluate("leave()")
    left = readout(moving)
    moving.evaluate("new Promise(requestAnimationFrame)")
    moving.evaluate("new Promise(requestAnimationFrame)")
    assert moving.evaluate("listening()") == 0 and readout(moving) == left


def test_nothing_overflows_a_narrow_page(page):
    page.get_by_label("Units in each").focus()
    page.keyboard.press("End")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
