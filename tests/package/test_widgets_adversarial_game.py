"""The game's arithmetic against PyTorch and NumPy, and its page in a browser."""

import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dlbook.widgets.adversarial_game import AdversarialGame

TRAITS = ("d_steps", "rate_d", "rate_g", "saturating", "penalty")
SETTINGS = {"d_steps": 1, "rate_d": 0.01, "rate_g": 0.01, "saturating": False, "penalty": False}


def test_it_carries_its_settings():
    widget = AdversarialGame(np.int64(3), rate_d=0.02, saturating=True)
    assert [getattr(widget, name) for name in TRAITS] == [3, 0.02, 0.01, True, False]
    json.dumps([widget.get_state()[name] for name in TRAITS])  # JSON, nothing binary
    assert {name: getattr(AdversarialGame(), name) for name in TRAITS} == SETTINGS


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"d_steps": 0}, ValueError, "d_steps: expected an integer from 1 to 20, got 0"),
        ({"d_steps": 1.5}, TypeError, "d_steps: expected an integer, got 1.5"),
        ({"d_steps": "many"}, TypeError, "d_steps: expected an integer, got 'many'"),
        ({"rate_d": 1}, ValueError, "rate_d: expected a number from 0.001 to 0.1, got 1"),
        ({"rate_g": float("nan")}, ValueError, "rate_g: expected a number from 0.001 to 0.1"),
        ({"saturating": 1}, TypeError, "saturating: expected True or False, got 1"),
        ({"penalty": "yes"}, TypeError, "penalty: expected True or False, got 'yes'"),
    ],
)
def test_bad_input_is_named(options, error, message):
    with pytest.raises(error, match=message):
        AdversarialGame(**options)


# ---- The mathematics in JavaScript ------------------------------------------------------------


@pytest.fixture(scope="module")
def widget():
    return AdversarialGame()


def draws(seed, *sizes):
    rng = torch.Generator().manual_seed(seed)
    return [torch.randn(n, generator=rng, dtype=torch.float64) for n in sizes]


def output(net, x):
    """Σ v tanh(w x + b) + c for each entry of x; net holds w, b, v, c."""
    *units, c = net.split([(len(net) - 1) // 3] * 3 + [1])
    w, b, v = units
    return torch.tanh(x[:, None] * w + b) @ v + c


def slope(net, x):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(output(net, x).sum(), x, create_graph=True)[0]


def test_networks_agree_with_pytorch(evaluate):
    net, xs = draws(0, 3 * 5 + 1, 8)
    found = evaluate(
        f"{xs.tolist()}.map((x) => [m.output({net.tolist()}, x), m.slope({net.tolist()}, x)])"
    )
    assert np.allclose(np.array(found)[:, 0], output(net, xs))
    assert np.allclose(np.array(found)[:, 1], slope(net, xs).detach())


@pytest.mark.parametrize(("a", "b"), [(1, 0), (0, 1), (-0.7, 2.3)])
def test_derivatives_of_value_and_slope_agree_with_pytorch(evaluate, a, b):
    net, xs = draws(1, 3 * 4 + 1, 3)
    found = evaluate(
        f"""(() => {{ const g = new Array(13).fill(0);
        for (const x of {xs.tolist()}) m.accumulate(g, {net.tolist()}, x, {a}, {b});
        return g }})()"""
    )
    net.requires_grad_()
    (a * output(net, xs) + b * slope(net, xs)).sum().backward()
    assert np.allclose(found, net.grad)


@pytest.mark.parametrize("gamma", [0, 2, 0.3])
def test_the_discriminators_loss_and_gradient_agree_with_pytorch(evaluate, gamma):
    D, real, fakes = draws(2, 3 * 6 + 1, 9, 7)
    found = evaluate(
        f"m.discriminatorLoss({D.tolist()}, {real.tolist()}, {fakes.tolist()}, {gamma})"
    )
    D.requires_grad_()
    loss = F.softplus(-output(D, real)).mean() + F.softplus(output(D, fakes)).mean()
    loss = loss + gamma / 2 * slope(D, real).square().mean()
    loss.backward()
    assert found["loss"] == pytest.approx(loss.item())
    assert np.allclose(found["gradient"], D.grad)


@pytest.mark.parametrize("saturating", [False, True])
def test_the_generators_loss_and_gradient_agree_with_pytorch(evaluate, saturating):
    G, D, z = draws(3, 3 * 4 + 1, 3 * 6 + 1, 11)
    found = evaluate(
        f"m.generatorLoss({G.tolist()}, {D.tolist()}, {z.tolist()}, {json.dumps(saturating)})"
    )
    G.requires_grad_()
    opinion = torch.sigmoid(output(D, output(G, z)))
    loss = torch.log(1 - opinion).mean() if saturating else -torch.log(opinion).mean()
    loss.backward()
    assert found["loss"] == pytest.approx(loss.item())
    assert np.allclose(found["gradient"], G.grad)


def test_adam_steps_like_pytorchs(evaluate):
    gradients = torch.stack(draws(4, *[3] * 20))
    found = evaluate(
        f"""(() => {{ let net = [0, 0, 0]; const state = {{}};
        return {gradients.tolist()}.map((g) => net = m.adam(state, net, g, 0.03)) }})()"""
    )
    theta = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([theta], lr=0.03, betas=(0.5, 0.99))
    for place, g in zip(found, gradients, strict=True):
        theta.grad = g.clone()
        optimiser.step()
        assert np.allclose(place, theta.detach())


def test_softplus_and_sigmoid_are_safe(evaluate):
    found = evaluate("[-800, -1, 0, 1, 800].map((x) => [m.softplus(x), m.sigmoid(x)])")
    x = torch.tensor([-800.0, -1, 0, 1, 800], dtype=torch.float64)
    assert np.allclose(found, torch.stack([F.softplus(x), torch.sigmoid(x)], dim=1))


def test_the_datas_density_is_the_chapters(evaluate):
    grid, p = np.array(evaluate("[m.GRID, m.GRID.map(m.dataDensity)]"))
    expected = [np.exp(-2 * (grid - c) ** 2) / (0.5 * np.sqrt(2 * np.pi)) for c in (-1.5, 1.5)]
    assert np.allclose(p, np.mean(expected, axis=0))
    assert np.sum(p) * (grid[1] - grid[0]) == pytest.approx(1, abs=1e-4)


def test_the_generators_density_is_that_of_its_outcomes(evaluate):
    net = [0.01, 0.0, 70.0, 0.5]  # one unit, all but linear: 0.5 + 0.7 z
    grid, q = np.array(evaluate(f"[m.GRID, m.density({net})]"))
    spread = np.hypot(0.7, 0.1)  # smoothed by a bell of width 0.1
    expected = np.exp(-(((grid - 0.5) / spread) ** 2) / 2) / (spread * np.sqrt(2 * np.pi))
    assert np.allclose(q, expected, atol=0.005)


def test_values_on_the_grid(evaluate):
    D = draws(5, 3 * 6 + 1)[0]
    grid, p, q, found = evaluate(
        f"""(() => {{ const p = m.GRID.map(m.dataDensity);
        const q = m.GRID.map((x) => m.bell(x, 0.5, 0.6));
        const v = m.values({D.tolist()}, p, q);
        return [m.GRID, p, q, [v.best, v.reached]] }})()"""
    )
    grid, p, q = np.array(grid), np.array(p), np.array(q)
    opinion = torch.sigmoid(output(D, torch.from_numpy(grid))).numpy()
    for value, answer in zip(found, (p / (p + q), opinion), strict=True):
        expected = np.sum(p * np.log(answer) + q * np.log(1 - answer)) * (grid[1] - grid[0])
        assert value == pytest.approx(expected, abs=1e-6)
    assert found[1] < found[0]
    equal = evaluate(
        "(() => { const p = m.GRID.map(m.dataDensity); return m.values([0, 0, 0, 0], p, p) })()"
    )
    assert equal["best"] == pytest.approx(-np.log(4), abs=1e-4)
    assert equal["reached"] == pytest.approx(equal["best"])


def divergences(rounds, every, **settings):
    """Jensen-Shannon divergence after each `every` rounds of a game."""
    settings = json.dumps(SETTINGS | settings)
    return f"""(() => {{ const game = m.game(1), p = m.GRID.map(m.dataDensity), found = [];
      for (let k = 1; k <= {rounds}; k += 1) {{ game.step({settings});
        if (k % {every} === 0) {{
          const {{ best }} = m.values(game.D, p, m.density(game.G));
          found.push((best + Math.log(4)) / 2);
        }} }}
      return found }})()"""


def test_a_game_brings_the_generator_to_the_data_and_the_penalty_keeps_it_there(evaluate):
    fast = {"d_steps": 3, "rate_g": 0.03}
    wild = np.array(evaluate(divergences(1000, 50, **fast)))[5:]
    tame = np.array(evaluate(divergences(1000, 50, **fast, penalty=True)))[5:]
    assert wild.mean() > 0.15 and tame.mean() < 0.1
    assert np.all(wild >= 0) and np.all(wild <= np.log(2))


def test_a_trained_discriminator_starves_the_saturating_loss(evaluate):
    code = """(() => {{ const game = m.game(1); game.step({settings}); return game.force }})()"""
    forces = [
        evaluate(code.format(settings=json.dumps(SETTINGS | {"d_steps": 400, "saturating": s})))
        for s in (True, False)
    ]
    assert 0 < 2 * forces[0] < forces[1]


def test_games_repeat_and_differ_by_seed(evaluate):
    play = "(() => {{ const g = m.game({0}); g.step({1}); g.step({1}); return [g.G, g.D] }})()"
    code = [play.format(seed, json.dumps(SETTINGS)) for seed in (1, 1, 2)]
    first, again, other = (evaluate(each) for each in code)
    assert first == again != other


# ---- The page ---------------------------------------------------------------------------------


@pytest.fixture
def page(mount):
    return mount(AdversarialGame(), height=1300, reduced_motion="reduce")


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def readout(page):
    return page.locator("[aria-live]").inner_text().replace("−", "-")


def test_a_step_is_one_round(page):
    before = readout(page)
    assert before.startswith("Round 0: value -") and "gradient" not in before
    press(page, "Step")
    assert readout(page).startswith("Round 1: value -") and "gradient" in readout(page)
    press(page, "Reset")
    assert readout(page) == before


def test_run_goes_on_at_once_for_readers_who_prefer_it(page):
    press(page, "Run")
    assert readout(page).startswith("Round 200:")
    for _ in range(10):
        press(page, "Run")
    assert readout(page).startswith("Round 200:")  # 2,000 are the most; then a new game


def test_everything_is_set_by_keyboard(page):
    page.get_by_role("slider", name="Discriminator’s steps").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_role("slider", name="Discriminator’s learning rate").focus()
    page.keyboard.press("Home")
    page.get_by_role("slider", name="Generator’s learning rate").focus()
    page.keyboard.press("End")
    page.get_by_label("Generator’s loss").focus()
    page.keyboard.press("ArrowDown")
    page.get_by_role("checkbox", name="Slope penalty").focus()
    page.keyboard.press("Space")
    assert page.evaluate("[state.d_steps, state.rate_d, state.rate_g]") == [2, 0.001, 0.1]
    assert page.evaluate("[state.saturating, state.penalty]") == [True, True]
    slider = page.get_by_role("slider", name="Generator’s learning rate")
    assert slider.get_attribute("aria-valuetext") == "0.1"
    page.get_by_role("button", name="Step", exact=True).focus()
    page.keyboard.press("Enter")
    assert readout(page).startswith("Round 1:")


def test_settings_reach_the_game(page):
    seen = set()
    for change in ("{}", "model.set('penalty', true)", "model.set('d_steps', 4)"):
        page.evaluate(change)
        press(page, "Reset")
        press(page, "Run")
        seen.add(readout(page))
    assert len(seen) == 3


def test_the_drawn_curve_is_the_best_discriminator(page):
    page.evaluate("model.set('d_steps', 20)")
    press(page, "Run")
    panel = page.locator("svg[aria-label^='Discriminator']")
    points = panel.locator(".best").first.get_attribute("points")
    expert = panel.locator(".expert").get_attribute("points")
    best, drawn = (
        dict(map(float, pair.split(",")) for pair in each.split()) for each in (points, expert)
    )
    gaps = [abs(height - drawn[x]) / 148 for x, height in best.items()]  # 148: D from 0 to 1
    assert len(gaps) > 60 and np.mean(gaps) < 0.15


def test_curves_differ_by_more_than_colour(page):
    dashes = [
        page.locator(f".dlbook-game .panels {kind}").first.evaluate(
            "(el) => getComputedStyle(el).strokeDasharray"
        )
        for kind in (".data", ".fake", ".best")
    ]
    assert len(set(dashes)) == 3


def test_a_running_game_can_be_paused_and_is_silent_meanwhile(page):
    page.emulate_media(reduced_motion="no-preference")
    press(page, "Run")
    assert page.locator(".dlbook-game .readout").get_attribute("aria-live") == "off"
    page.wait_for_function(
        "!document.querySelector('.dlbook-game .readout').textContent.startsWith('Round 0:')"
    )
    press(page, "Pause")
    assert page.locator(".dlbook-game .readout").get_attribute("aria-live") == "polite"
    stopped = readout(page)
    press(page, "Step")
    assert readout(page) != stopped


def test_leaving_takes_its_listeners_along(page):
    assert page.evaluate("listening()") == 5
    page.evaluate("leave()")
    assert page.evaluate("listening()") == 0


def test_nothing_overflows_a_narrow_page(page):
    press(page, "Run")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
