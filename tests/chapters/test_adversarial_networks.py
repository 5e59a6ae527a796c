"""What the chapter on adversarial networks builds, held against theory and against PyTorch."""

import ast
from pathlib import Path
from types import SimpleNamespace

import jupytext
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

CHAPTER = Path(__file__).parents[2] / "book" / "generative" / "adversarial-networks.md"
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
CONSTANTS = {"angle", "centres", "device"}


def wanted(node):
    """Imports, functions, classes, and a few tables; nothing that computes."""
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


def tables(seed, size):
    return np.random.default_rng(seed).dirichlet(np.ones(size), size=2) + 0  # (2, outcomes)


# ---- The game on tables -----------------------------------------------------------------------


@given(SEEDS, st.integers(2, 6))
def test_no_answers_are_better_than_the_share_of_real_pieces(seed, size):
    p, q = tables(seed, size)
    best = p / (p + q)
    others = np.random.default_rng(seed + 1).uniform(0.001, 0.999, (50, size))
    assert all(CODE.value(D, p, q) <= CODE.value(best, p, q) + 1e-12 for D in others)


@given(SEEDS, st.integers(2, 6))
def test_the_value_at_the_optimum_is_the_divergence(seed, size):
    p, q = tables(seed, size)
    js = CODE.jensen_shannon(p, q)
    assert CODE.value(p / (p + q), p, q) == pytest.approx(2 * js - np.log(4))
    assert 0 <= js <= np.log(2) and js == pytest.approx(CODE.jensen_shannon(q, p))
    D, value = CODE.solve(p, q)
    assert np.allclose(D, p / (p + q)) and value == pytest.approx(2 * js - np.log(4))


def test_the_discriminators_loss_is_minus_the_value():
    scores = torch.randn(2, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    D = torch.sigmoid(scores)
    value = D[0].log().mean() + (1 - D[1]).log().mean()
    assert torch.allclose(CODE.discriminator_loss(*scores), -value)
    extreme = torch.tensor([1000.0, -1000.0])
    assert torch.isfinite(CODE.discriminator_loss(-extreme, extreme))


def test_densities_and_draws_agree():
    grid = np.linspace(-8, 8, 4001)
    rng = np.random.default_rng(0)
    for density, draw in (
        (CODE.data_density, CODE.draw_data),
        (CODE.fake_density, CODE.draw_fakes),
    ):
        p = density(grid) * (grid[1] - grid[0])
        assert p.sum() == pytest.approx(1)
        drawn = draw(100_000, rng)[:, 0].double().numpy()
        assert drawn.mean() == pytest.approx(p @ grid, abs=0.03)
        assert np.mean(drawn**2) == pytest.approx(p @ grid**2, rel=0.03)


# ---- Dynamics ---------------------------------------------------------------------------------


@settings(max_examples=30)
@given(st.floats(0.01, 0.5), st.floats(0, 1.9), st.booleans())
def test_walks_change_by_the_long_run_factor(eta, gamma, in_turns):
    path = CODE.walk(eta, gamma, in_turns, n_steps=3000)
    factor = CODE.factor(eta, gamma, in_turns)
    window = np.linalg.norm(path, axis=1).reshape(-1)[1:].reshape(10, 300).max(axis=1)
    if window[-1] > 1e-250 and window[-1] < 1e250:
        assert (window[-1] / window[1]) ** (1 / 2400) == pytest.approx(factor, rel=2e-3)


@given(st.floats(0.01, 1.5), st.floats(0, 1.9))
def test_the_factor_is_the_one_derived(eta, gamma):
    same_time = CODE.factor(eta, gamma, False)
    assert same_time == pytest.approx(np.sqrt(1 - eta * gamma + eta**2))
    assert (same_time < 1 - 1e-9) == (gamma > eta + 1e-9) or abs(gamma - eta) < 1e-6
    assert CODE.factor(eta, 0, True) == pytest.approx(1)


@pytest.mark.parametrize("eta", [0.1, 0.3, 0.7])
def test_a_penalty_of_two_is_best(eta):
    best = CODE.factor(eta, 2, False)
    assert best == pytest.approx(1 - eta, abs=1e-6)
    others = [CODE.factor(eta, gamma, False) for gamma in np.linspace(0, 2 / eta, 300)]
    assert min(others) >= best - 1e-6


def test_a_discriminator_in_the_open_is_the_game_of_two_numbers():
    """The example with all data at 0: the gradients near the origin are ψ/2 and −θ/2."""
    theta, psi = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (1e-4, 2e-4))
    softplus = torch.nn.functional.softplus
    (pull,) = torch.autograd.grad(-softplus(-psi * theta), theta)
    (push,) = torch.autograd.grad(-softplus(-psi * 0) - softplus(psi * theta), psi)
    assert pull.item() == pytest.approx(psi.item() / 2, rel=1e-4)
    assert push.item() == pytest.approx(-theta.item() / 2, rel=1e-4)


# ---- The penalty ------------------------------------------------------------------------------


def test_the_penalty_is_the_mean_square_of_the_slope():
    torch.manual_seed(0)
    D = CODE.small_network(3, 1).double()
    real = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    found = CODE.slope_penalty(real, D(real))
    h, slopes = 1e-5, []
    with torch.no_grad():
        for j in range(3):
            step = h * torch.eye(3, dtype=torch.float64)[j]
            slopes.append((D(real + step) - D(real - step)) / (2 * h))
    assert found.item() == pytest.approx(torch.cat(slopes, 1).square().sum(1).mean().item())
    (gradient,) = torch.autograd.grad(found, D[0].weight)
    assert gradient.abs().max() > 0


def test_runs_of_a_stack_are_separate():
    torch.manual_seed(0)
    D = CODE.Stack(3, [2, 8, 8, 1])
    x = torch.randn(3, 5, 2, requires_grad=True)
    scores = D(x)
    assert scores.shape == (3, 5, 1)
    alone = x[1]
    for k in range(3):
        alone = alone @ D.W[k][1] + D.b[k][1]
        alone = alone.relu() if k < 2 else alone
    assert torch.allclose(scores[1], alone, atol=1e-6)
    penalties = CODE.slopes(x, scores)
    (gradient,) = torch.autograd.grad(penalties[1], D.W[0])
    assert penalties.shape == (3,)
    assert gradient[1].abs().max() > 0 and torch.all(gradient[[0, 2]] == 0)


# ---- Counting and measuring -------------------------------------------------------------------


def test_modes_are_counted_as_defined():
    CODE.space["torch"].manual_seed(0)
    assert CODE.count_modes(CODE.ring(2000)) == (8, pytest.approx(0.989, abs=0.01))
    centres = CODE.centres
    five = centres[torch.arange(2000) % 5]
    assert CODE.count_modes(five) == (5, 1.0)
    assert CODE.count_modes(five + torch.tensor([0.29, 0.0]))[0] == 5
    assert CODE.count_modes(five + torch.tensor([0.31, 0.0])) == (0, 0.0)
    few = torch.cat([centres[:1].expand(1981, 2), centres[1:2].expand(19, 2)])
    enough = torch.cat([centres[:1].expand(1980, 2), centres[1:2].expand(20, 2)])
    assert CODE.count_modes(few)[0] == 1 and CODE.count_modes(enough)[0] == 2


def test_precision_and_recall_see_what_they_should():
    rng = torch.Generator().manual_seed(0)
    real, same = torch.randn(2, 300, 4, generator=rng)
    assert CODE.covered(same, real) > 0.85 and CODE.covered(real, same) > 0.85
    narrow, wide = 0.1 * same, 3 * same
    assert CODE.covered(narrow, real) == 1 and CODE.covered(real, narrow) < 0.2
    assert CODE.covered(wide, real) < 0.4 and CODE.covered(real, wide) > 0.85
    assert CODE.covered(same + 100, real) == 0


# ---- The digits -------------------------------------------------------------------------------


@pytest.mark.parametrize("n_labels", [1, 10])
def test_players_have_the_shapes_in_the_text(n_labels):
    torch.manual_seed(0)
    G, D = CODE.new_players(n_labels)
    pictures = CODE.sample(G, 12, n_labels)
    labels = torch.arange(12) % n_labels
    assert pictures.shape == (12, 1, 8, 8) and pictures.min() >= 0 and pictures.max() <= 1
    scores = CODE.score(D, pictures.to(CODE.device), labels.to(CODE.device)).cpu()
    every = D(pictures.to(CODE.device)).cpu()
    assert torch.equal(scores[:, 0], every[torch.arange(12), labels])
    assert torch.equal(pictures, CODE.sample(G, 12, n_labels))


def test_the_running_mean_is_plain_first_and_forgets_later():
    G, average = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
    seen = np.random.default_rng(0).standard_normal(50)
    for k, weight in enumerate(seen):
        torch.nn.init.constant_(G.weight, weight)
        CODE.follow(average, G, k)
    assert average.weight.item() == pytest.approx(seen.mean(), abs=1e-5)
    torch.nn.init.constant_(G.weight, 5.0)
    before = average.weight.item()
    CODE.follow(average, G, 500)
    assert average.weight.item() == pytest.approx(before + 0.01 * (5 - before), abs=1e-5)


def test_tiles_keep_the_order():
    pictures = torch.arange(60.0)[:, None, None, None].expand(60, 1, 8, 8)
    sheet = CODE.tiles(pictures)
    assert sheet.shape == (54, 90)
    assert torch.equal(sheet[::9, ::9], torch.arange(60.0).view(6, 10))
    assert torch.all(sheet[8::9] == 0) and torch.all(sheet[:, 8::9] == 0)
