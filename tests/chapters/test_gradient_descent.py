"""What the chapter on gradient descent builds, held against theory and against PyTorch."""

import ast
from pathlib import Path
from types import SimpleNamespace

import jupytext
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlbook.widgets import optimiser_race

CHAPTER = Path(__file__).parents[2] / "book" / "networks" / "gradient-descent.md"
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef)
CONSTANTS = {"rules", "starts", "gradients", "rate_grid", "deltas", "readings"}


def wanted(node):
    """Imports, functions, and a few tables; nothing that computes."""
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


CODE = definitions()
SEEDS = st.integers(0, 2**32 - 1)


# ---- The ball ---------------------------------------------------------------------------------


@given(SEEDS, st.integers(1, 6), st.sampled_from([1, 2, np.inf]))
def test_no_step_of_the_ball_is_better(seed, d, order):
    rng = np.random.default_rng(seed)
    g, others = rng.standard_normal(d), rng.standard_normal((200, d))
    others *= 0.3 / np.linalg.norm(others, order, axis=1)[:, None]
    best = CODE.steepest(g, 0.3, order)
    assert np.linalg.norm(best, order) == pytest.approx(0.3)
    assert np.all(others @ g >= g @ best - 1e-12)


# ---- Mini-batches -----------------------------------------------------------------------------


@given(SEEDS, st.integers(2, 6), st.integers(1, 3))
def test_batches_are_unbiased_with_the_variance_in_the_text(seed, n, B):
    B = min(B, n)
    CODE.space["example_gradients"] = np.random.default_rng(seed).standard_normal(n)
    deviation = CODE.space["example_gradients"].var() / B
    indices = range(n)
    mean, variance = CODE.moments(list(CODE.product(indices, repeat=B)))
    assert mean == pytest.approx(CODE.space["example_gradients"].mean(), abs=1e-4)
    assert variance == pytest.approx(deviation, abs=1e-4)
    mean, variance = CODE.moments(list(CODE.combinations(indices, B)))
    assert mean == pytest.approx(CODE.space["example_gradients"].mean(), abs=1e-4)
    assert variance == pytest.approx(deviation * (n - B) / (n - 1), abs=1e-4)


def test_the_mean_gradient_is_the_slope():
    rng = np.random.default_rng(0)
    X, y, theta = rng.standard_normal((9, 3)), rng.standard_normal(9), rng.standard_normal(3)
    t = torch.tensor(theta, requires_grad=True)
    ((torch.from_numpy(X) @ t - torch.from_numpy(y)) ** 2).mean().div(2).backward()
    assert np.allclose(CODE.mean_gradient(theta, X, y), t.grad)


@pytest.mark.parametrize(("rate", "size"), [(0.5, 1), (0.1, 1), (0.2, 3)])
def test_the_noise_floor(rate, size):
    rng, walkers = np.random.default_rng(1), np.zeros(20_000)
    for _ in range(200):
        drawn = CODE.readings[rng.integers(3, size=(len(walkers), size))]
        walkers -= rate * (walkers - drawn.mean(axis=1))
    floor = rate * CODE.readings.var() / (size * (2 - rate))
    assert walkers.var() == pytest.approx(floor, rel=0.05)


def test_the_rate_of_one_over_k_takes_the_mean():
    theta, seen = 0.0, np.random.default_rng(2).standard_normal(50)
    for k, y in enumerate(seen):
        theta -= (theta - y) / (k + 1)
    assert theta == pytest.approx(seen.mean())


@pytest.mark.parametrize("n_steps", [30, 300])
def test_schedules_start_and_end_where_the_text_says(n_steps):
    for schedule in (CODE.constant, CODE.three_steps, CODE.cosine):
        rates = [schedule(k, n_steps) for k in range(n_steps)]
        assert rates[0] == 1 and np.all(np.diff(rates) <= 0)
    assert CODE.three_steps(n_steps - 1, n_steps) == pytest.approx(0.01)
    assert CODE.cosine(n_steps, n_steps) == pytest.approx(0)
    rates = [CODE.warm_up(k, n_steps) for k in range(n_steps)]
    assert rates[0] == 10 / n_steps and rates[n_steps // 10 :] == [1] * (n_steps - n_steps // 10)


# ---- Momentum ---------------------------------------------------------------------------------


def spectral_radius(rate, mu, eigenvalue):
    return max(abs(np.roots([1, -(1 + mu - rate * eigenvalue), mu])))


@given(st.floats(1.5, 1e4))
def test_at_the_best_settings_every_curvature_shrinks_alike(kappa):
    heavy, factor = CODE.ravine_rates(kappa)[CODE.momentum]
    for eigenvalue in np.geomspace(1, kappa, 9):
        radius = spectral_radius(**heavy, eigenvalue=eigenvalue)
        assert radius == pytest.approx(factor, abs=1e-6)


@settings(max_examples=50)
@given(st.floats(2, 1e3), st.floats(0, 0.999), st.floats(0.01, 3.99))
def test_no_other_settings_are_better(kappa, mu, step):
    _, factor = CODE.ravine_rates(kappa)[CODE.momentum]
    radius = max(spectral_radius(step / kappa, mu, eigenvalue) for eigenvalue in (1, kappa))
    assert radius >= factor - 1e-6


@pytest.mark.parametrize("kappa", [10, 100, 1000])
def test_the_steep_end_goes_as_the_text_says(kappa):
    heavy, factor = CODE.ravine_rates(kappa)[CODE.momentum]
    path = CODE.run(CODE.momentum, lambda c: c * kappa, [1.0], 40, **heavy)[:, 0]
    k = np.arange(41)
    assert np.allclose(path, (1 + (1 + factor) * k) * (-factor) ** k, atol=1e-9)


def test_nesterovs_momentum_shrinks_as_derived():
    for kappa in (25, 400):
        root = np.sqrt(kappa)
        mu = (root - 1) / (root + 1)
        path = CODE.look_ahead(
            lambda c: np.array([1, kappa]) * c,  # noqa: B023
            [1, 1], 60 * int(root), 1 / kappa, mu,
        )  # fmt: skip
        late = abs(path[-1, 0] / path[-1 - int(10 * root), 0]) ** (1 / int(10 * root))
        assert late == pytest.approx(1 - 1 / root, rel=0.01)


# ---- The rules --------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)  # the first optimiser takes a second
@given(SEEDS)
def test_rules_agree_with_pytorch(seed):
    gradients = np.random.default_rng(seed).standard_normal((25, 4)) * [1e-3, 1, 10, 1e3]
    rivals = {
        CODE.descent: lambda p: torch.optim.SGD(p, lr=0.1),
        CODE.momentum: lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        CODE.rmsprop: lambda p: torch.optim.RMSprop(p, lr=0.1, alpha=0.9),
        CODE.adam: lambda p: torch.optim.Adam(p, lr=0.1),
    }
    for rule, library in rivals.items():
        ours, state = np.zeros(4), {}
        theirs = torch.zeros(4, dtype=torch.float64, requires_grad=True)
        optimiser = library([theirs])
        for g in gradients:
            ours, theirs.grad = rule(ours, g, state, 0.1), torch.from_numpy(g)
            optimiser.step()
        assert np.allclose(ours, theirs.detach())


@given(st.floats(-3, 3).filter(lambda power: abs(power) > 0.1))
def test_who_notices_the_scale_of_the_loss(power):
    gradients = np.random.default_rng(0).standard_normal((20, 3))
    for rule in CODE.rules:
        ends = []
        for scale in (1, 10**power):
            theta, state = np.zeros(3), {}
            for g in gradients:
                theta = rule(theta, scale * g, state, 0.1)
            ends.append(theta)
        blind = rule in (CODE.rmsprop, CODE.adam, CODE.normalised)
        assert np.allclose(*ends, atol=1e-3) == blind


@given(SEEDS)
def test_adams_first_step_is_against_the_sign(seed):
    g = np.random.default_rng(seed).standard_normal(5)
    step = CODE.adam(np.zeros(5), g, {}, 0.1)
    assert np.allclose(step, -0.1 * np.sign(g), atol=1e-4)


def test_walkers_in_a_row_walk_as_if_alone():
    starts, rates = np.random.default_rng(1).standard_normal((6, 2)), np.full((6, 1), 0.03)
    for rule in CODE.rules:
        together = CODE.run(rule, CODE.saddle_gradient, starts, 20, rates)
        for i, start in enumerate(starts):
            alone = CODE.run(rule, CODE.saddle_gradient, start, 20, 0.03)
            assert np.allclose(together[:, i], alone)


# ---- The race ---------------------------------------------------------------------------------


def test_the_widget_races_on_the_chapters_landscapes_from_the_chapters_starts():
    starts = {loss: optimiser_race.LANDSCAPES[loss.__name__][0] for loss in CODE.gradients}
    assert {loss: tuple(start) for loss, start in CODE.starts.items()} == starts
    module = optimiser_race.OptimiserRace()._esm
    for rule, rate in CODE.rules.items():
        entry = module.split(f"  {rule.__name__}: {{", 2)[-1]
        assert entry.split("rate: ")[1].split(",")[0] == str(rate)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # some rates diverge
@pytest.mark.parametrize("turn", [0.3, np.pi / 4])
def test_only_coordinatewise_rules_notice_a_turn(turn):
    for rule in (CODE.descent, CODE.momentum, CODE.normalised):
        straight, turned = CODE.leaving(rule, 0, 300), CODE.leaving(rule, turn, 300)
        assert np.abs(straight[0] - turned[0]).max() <= 1


def test_settling_is_for_good():
    losses = np.array([[5, 5, 5], [1, 0.1, 0.1], [0.1, 3, 0.1], [0.1, np.nan, 0.1]])
    assert CODE.settled(losses, 0.5).tolist() == [2, np.inf, 1]


def test_gradients_of_the_wave_are_slopes():
    rng = np.random.default_rng(3)
    theta, x, y = rng.uniform(0, 7, 5), rng.uniform(-3, 3, 20), rng.standard_normal(20)
    rise = CODE.wave_loss(theta + 1e-6, x, y) - CODE.wave_loss(theta - 1e-6, x, y)
    assert np.allclose(CODE.wave_gradients(theta, x, y), rise / 2e-6, atol=1e-6)
