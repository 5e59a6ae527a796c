"""Checks of the exercises in *A game of two networks*."""

import numpy as np

from dlbook.exercises import Hint, exercise, expect_array, expect_close

__all__ = ["best_game", "force_ratio", "long_run_factor", "unit_slope_penalty"]


@exercise
def force_ratio(early, solved):
    """Non-saturating over saturating force at D = 1/1000, and at the solution of the game."""
    early = float(expect_array(early, (), "the first factor"))
    solved = float(expect_array(solved, (), "the second factor"))
    if early < 0:
        raise Hint("the first factor: both losses push the score the same way")
    if np.isclose(early, 1 / 999, rtol=0.01):
        raise Hint("the first factor: that is the saturating force over the other, upside down")
    if np.isclose(early, 1000, rtol=1e-9):
        raise Hint("the first factor: close, but the larger force is not quite 1")
    expect_close(early, 999, "the first factor: divide the two slopes with respect to the score")
    expect_close(solved, 1, "the second factor: what is D, everywhere, when q = p?")


@exercise
def best_game(solve):
    """``solve(p, q)``: the best discriminator, and the value that it reaches, on tables."""
    tables = [
        ([0.5, 0.25, 0.25], [0.25, 0.25, 0.5]),
        ([0.1, 0.6, 0.3], [0.1, 0.6, 0.3]),
        ([0.5, 0.5, 0.0, 0.0], [0.0, 0.5, 0.5, 0.0]),
        ([1.0, 0.0], [0.0, 1.0]),
    ]
    for p, q in (map(np.array, pair) for pair in tables):
        before = p.copy(), q.copy()
        with np.errstate(all="ignore"):
            D, value = _pair(solve(p, q))
        if not (np.array_equal(p, before[0]) and np.array_equal(q, before[1])):
            raise Hint("p or q was changed in place: compute new arrays")
        where = f"for p = {p.tolist()}, q = {q.tolist()}: "
        _judge_discriminator(D, p, q, where)
        _judge_value(value, p, q, where)


def _pair(found):
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise Hint("best_game should return two things, the discriminator and the value")
    if any(each is None or each is ... for each in found):
        raise NotImplementedError
    return found


def _judge_discriminator(D, p, q, where):
    D = expect_array(D, p.shape, where + "the discriminator")
    never = p + q == 0
    if np.any(never) and not np.allclose(D[never], 0.5):
        raise Hint(where + "an outcome that never occurs should get the answer one half")
    best = p[~never] / (p + q)[~never]
    if not np.allclose(best, 0.5) and np.allclose(D[~never], 1 - best):
        raise Hint(where + "D is the probability of being forged: the sides are exchanged")
    if np.allclose(D, p) and not np.allclose(p[~never], best):
        raise Hint(where + "D is p itself: it should depend on the forger as well")
    expect_close(D[~never], best, where + "some answer is not the share of real pieces")


def _judge_value(value, p, q, where):
    if np.ndim(value) == 0 and np.isnan(float(value)):
        raise Hint(where + "the value is NaN: nothing is paid for what does not occur")
    value = float(expect_array(value, (), where + "the value"))
    m = (p + q) / 2
    parts = [np.sum(a[a > 0] * np.log(a[a > 0] / m[a > 0])) for a in (p, q)]
    expected = sum(parts) - np.log(4)
    close = {"rtol": 0, "atol": 1e-6}
    if abs(expected) > 1e-6 and np.isclose(value, -expected, **close):
        raise Hint(where + "the value has the wrong sign: pay is never positive")
    if np.isclose(value, expected / 2, **close) and abs(expected) > 1e-6:
        raise Hint(where + "the value is half of what it should be: the two sides are added up")
    if np.isclose(value, sum(parts) / 2, **close):
        raise Hint(where + "that is the Jensen-Shannon divergence, not yet the value")
    expect_close(value, expected, where + "the value is not the average pay of this expert")


@exercise
def long_run_factor(factor):
    """``factor(eta, gamma, in_turns)``: growth per step of the walk on V = ab, with friction."""
    for eta, gamma, in_turns in (
        (0.2, 0.0, False), (0.2, 0.5, False), (0.2, 0.0, True), (0.1, 1.0, True),
        (0.2, 4.0, False), (0.5, 3.0, True), (2.5, 0.0, True),
    ):  # fmt: skip
        found = float(expect_array(factor(eta, gamma, in_turns), (), "the factor"))
        last = 1 - eta * gamma - (eta**2 if in_turns else 0)
        values = np.linalg.eigvals(np.array([[1, -eta], [eta, last]]))
        expected = np.abs(values).max()
        where = f"eta = {eta}, gamma = {gamma}, {'in turns' if in_turns else 'same time'}: "
        if np.isclose(found, expected):
            continue
        if np.isclose(found, expected**2):
            raise Hint(where + "that is the factor for the square of the distance")
        if in_turns and np.isclose(found, _modulus(eta, gamma, 0)):
            raise Hint(where + "the answer ignores that b answers the new a")
        if not in_turns and np.isclose(found, _modulus(eta, gamma, eta**2)):
            raise Hint(where + "at the same time, b answers the old a")
        if gamma and np.isclose(found, _modulus(eta, 0, eta**2 if in_turns else 0)):
            raise Hint(where + "the answer ignores the friction")
        if gamma and np.isclose(found, _modulus(eta, -gamma, eta**2 if in_turns else 0)):
            raise Hint(where + "the friction speeds b up: look at its sign")
        if np.isclose(found, np.sqrt(abs(np.prod(values)))):
            raise Hint(where + "here the eigenvalues are real and differ: which one wins?")
        raise Hint(where + f"the factor is not {found:.4g}: what does one step multiply by?")


def _modulus(eta, gamma, turn):
    return np.abs(np.linalg.eigvals([[1, -eta], [eta, 1 - eta * gamma - turn]])).max()


@exercise
def unit_slope_penalty(penalty):
    """``penalty(D, real, fake, part)``: mean of (|∇d| − 1)² on the way, differentiable."""
    import torch

    rng = torch.Generator().manual_seed(0)
    real, fake, weight = (
        torch.randn(*shape, generator=rng, dtype=torch.float64) for shape in ((6, 3), (6, 3), (3,))
    )
    part = torch.rand(6, 1, generator=rng, dtype=torch.float64)
    weight.requires_grad_()

    def D(x):  # its slope is 2 w x, row by row
        return (weight * x**2).sum(dim=1, keepdim=True)

    found = penalty(D, real, fake, part)
    if not isinstance(found, torch.Tensor) or found.ndim:
        raise Hint("the penalty should be a tensor with a single number, shape ()")
    _judge_penalty(found.item(), weight.detach(), real, fake, part)
    if not found.requires_grad:
        raise Hint("the penalty cannot be differentiated: does the inner gradient keep its graph?")
    (slope,) = torch.autograd.grad(found, weight, allow_unused=True)
    expected = _penalty(weight, part * real + (1 - part) * fake)
    (true_slope,) = torch.autograd.grad(expected, weight)
    if slope is None or not torch.allclose(slope, true_slope):
        raise Hint("the penalty is right, its gradient for the weights is not: create_graph?")


def _penalty(weight, x):
    return ((2 * weight * x).norm(dim=1) - 1).square().mean()


def _judge_penalty(found, weight, real, fake, part):
    way = part * real + (1 - part) * fake
    slopes = (2 * weight * way).norm(dim=1)
    wrong = {
        "the ends are exchanged: part belongs to the real outcome": _penalty(
            weight, part * fake + (1 - part) * real
        ),
        "the slope is taken at the real outcomes, not on the way": _penalty(weight, real),
        "the slope is taken at the forgeries, not on the way": _penalty(weight, fake),
        "that charges for any slope: it should be free at length one": slopes.square().mean(),
        "the length of the slope enters squared: take its root first": (slopes.square() - 1)
        .square()
        .mean(),
        "the mean should be over squares": (slopes - 1).mean(),
        "take the mean over the batch, not the sum": (slopes - 1).square().sum(),
        "the length is over the entries of one row, not over the whole batch": (
            slopes.square().sum().sqrt() - 1
        ).square(),
    }
    for hint, value in wrong.items():
        if np.isclose(found, value.item()):
            raise Hint(hint)
    expect_close(found, _penalty(weight, way).item(), "the penalty has another value", "it")
