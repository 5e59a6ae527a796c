"""Every check passes right answers, however written, and names what is wrong with others."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from dlbook.exercises import gradient_descent as check

# ---- Right answers ----------------------------------------------------------------------------


def ball(g, radius, order):
    if order == 2:
        return (-radius / np.sqrt(g @ g) * g).tolist()  # a list will do
    if order == np.inf:
        return np.where(g > 0, -radius, radius)
    step = np.zeros_like(g)
    step[np.abs(g).argmax()] = -radius
    return step * np.sign(g)


def averaged(theta, m, g, rate, mu):
    m = m + (1 - mu) * (g - m)
    return [theta - m * rate / (1 - mu), m]


def adam_w(theta, m, s, k, g, rate, gamma, *, epsilon=1e-8):
    m = 0.9 * m + 0.1 * g
    s = 0.999 * s + 0.001 * g * g
    shrunk = (1 - rate * gamma) * theta
    rate = rate * np.sqrt(1 - 0.999**k) / (1 - 0.9**k)
    return shrunk - rate * m / (np.sqrt(s) + epsilon * np.sqrt(1 - 0.999**k)), m, s


def warm(k, n_steps, n_warm):
    if k < n_warm:
        return (k + 1) / n_warm
    return np.cos(np.pi / 2 * (k - n_warm) / (n_steps - n_warm)) ** 2


def nesterov(gradient, start, n_steps, rate, mu):
    """In the form with two sequences of points."""
    path, ahead = [start], start
    for _ in range(n_steps):
        path.append(ahead - rate * gradient(ahead))
        ahead = path[-1] + mu * (path[-1] - path[-2])
    return path


RIGHT = {
    "batch_noise": (0.2, 576),
    "ball_step": (ball,),
    "averaged_momentum": (averaged,),
    "decayed_adam": (adam_w,),
    "warm_cosine": (warm,),
    "nesterov_path": (nesterov,),
}


@pytest.mark.parametrize("name", check.__all__)
def test_right_answers_pass(name):
    result = getattr(check, name)(*RIGHT[name])
    assert result.status == "passed", result


def test_the_reference_for_weight_decay_is_pytorchs():
    theta = torch.tensor([1.0, -2, 3], dtype=torch.float64, requires_grad=True)
    ours, m, s = theta.detach().numpy().copy(), np.zeros(3), np.zeros(3)
    optimiser = torch.optim.AdamW([theta], lr=0.05, weight_decay=0.3)
    for k, g in enumerate(np.random.default_rng(0).standard_normal((10, 3)), start=1):
        theta.grad = torch.from_numpy(g)
        optimiser.step()
        ours, m, s = adam_w(ours, m, s, k, g, 0.05, 0.3)
        assert np.allclose(ours, theta.detach())


def test_the_reference_for_looking_ahead_is_pytorchs():
    """PyTorch keeps the point that looks ahead; ours is one velocity behind it."""
    eigenvalues, ahead = torch.tensor([1.0, 10]), torch.tensor([1.0, -2], requires_grad=True)
    optimiser = torch.optim.SGD([ahead], lr=0.05, momentum=0.7, nesterov=True)
    looked = []
    nesterov(
        lambda t: looked.append(t) or eigenvalues.numpy() * t, np.array([1.0, -2]), 6, 0.05, 0.7
    )
    for expected in looked:
        assert np.allclose(ahead.detach(), expected, atol=1e-6)
        ahead.grad = eigenvalues * ahead.detach()
        optimiser.step()


# ---- Planted mistakes -------------------------------------------------------------------------


def in_place(theta, m, g, rate, mu):
    m *= mu
    m += (1 - mu) * g
    return theta - rate / (1 - mu) * m, m


def adam_with_penalty(theta, m, s, k, g, rate, gamma):
    return adam_w(theta, m, s, k, g + gamma * theta, rate, 0)


def uncorrected(theta, m, s, k, g, rate, gamma):
    _, m, s = adam_w(theta, m, s, k, g, rate, gamma)
    return theta - rate * (m / (np.sqrt(s) + 1e-8) + gamma * theta), m, s


def corrected_for_good(theta, m, s, k, g, rate, gamma):
    theta, m, s = adam_w(theta, m, s, k, g, rate, gamma)
    return theta, m / (1 - 0.9**k), s


def half_corrected(theta, m, s, k, g, rate, gamma):
    _, m, s = adam_w(theta, m, s, k, g, rate, gamma)
    return theta - rate * (m / (1 - 0.9**k) / np.sqrt(s) + gamma * theta), m, s


def means_without_squares(theta, m, s, k, g, rate, gamma):
    return adam_w(theta, m, s, k, g, rate, gamma)[0], 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g


def with_velocity(ahead):
    def descend(gradient, start, n_steps, rate, mu):
        path, v = [start], np.zeros(2)
        for _ in range(n_steps):
            v = mu * v + gradient(path[-1] - ahead * rate * mu * v)
            path.append(path[-1] - rate * v)
        return path

    return descend


def late_start(gradient, start, n_steps, rate, mu):
    return [np.zeros(2), *nesterov(gradient, start, n_steps, rate, mu)[1:]]


def twice(gradient, start, n_steps, rate, mu):
    return nesterov(lambda t: (gradient(t) + gradient(t)) / 2, start, n_steps, rate, mu)


@pytest.mark.parametrize(
    ("name", "answers", "hint"),
    [
        ("batch_noise", (0.6 / 9, 576), "variance that falls"),
        ("batch_noise", (0.04, 576), "that is a variance"),
        ("batch_noise", (0.3, 576), "how much less"),
        ("batch_noise", (0.2, 96), "six times"),
        ("batch_noise", (0.2, 100), "by how much"),
        ("batch_noise", ("little", 576), "made of numbers"),
        ("ball_step", (lambda g, r, o: -ball(g, r, np.inf),), "uphill|leaves"),
        ("ball_step", (lambda g, r, o: -r * g / np.linalg.norm(g),), "leaves the ball"),
        ("ball_step", (lambda g, r, o: -r * g / np.linalg.norm(g, o),), "does better"),
        ("ball_step", (lambda g, r, o: r * g / np.linalg.norm(g, o),), "uphill"),
        ("ball_step", (lambda g, r, o: 1.0,), "shape"),
        (
            "averaged_momentum",
            (lambda t, m, g, r, mu: (t - r * (mu * m + g), mu * m + g),),
            "not a running mean",
        ),
        (
            "averaged_momentum",
            (lambda t, m, g, r, mu: averaged(t, m, g, r * (1 - mu), mu),),
            "too short",
        ),
        (
            "averaged_momentum",
            (lambda t, m, g, r, mu: (t - r / (1 - mu) * m, averaged(t, m, g, r, mu)[1]),),
            "old m|heavy ball",
        ),
        ("averaged_momentum", (lambda t, m, g, r, mu: averaged(t, m, g, -r, mu),), "uphill"),
        ("averaged_momentum", (lambda t, m, g, r, mu: averaged(t, m, g, 2 * r, mu),), "not that"),
        ("averaged_momentum", (lambda t, m, g, r, mu: averaged(t, m, g, r, mu / 2),), "m is not"),
        ("averaged_momentum", (in_place,), "in place"),
        ("averaged_momentum", (lambda t, m, g, r, mu: t,), "should return 2 arrays"),
        ("decayed_adam", (adam_with_penalty,), "m has seen the decay"),
        ("decayed_adam", (uncorrected,), "not corrected"),
        ("decayed_adam", (corrected_for_good,), "uncorrected"),
        ("decayed_adam", (half_corrected,), "root"),
        ("decayed_adam", (means_without_squares,), "mean of squares"),
        ("decayed_adam", (lambda t, m, s, k, g, r, c: adam_w(t, m, s, k, g, r, 0),), "no effect"),
        (
            "decayed_adam",
            (lambda t, m, s, k, g, r, c: adam_w(t, m, s, k, g, r, c / r),),
            "multiplied by the learning rate",
        ),
        ("decayed_adam", (lambda t, m, s, k, g, r, c: adam_w(t, m, s, k, g, r, -c),), "grow"),
        ("decayed_adam", (lambda t, m, s, k, g, r, c: (t, m),), "3 arrays"),
        ("warm_cosine", (lambda k, n, w: warm(k, n, w) + 0.5,), "between 0 and 1"),
        ("warm_cosine", (lambda k, n, w: k / w if k < w else warm(k, n, w),), "wasted"),
        ("warm_cosine", (lambda k, n, w: warm(k, n, 0),), "rise evenly"),
        (
            "warm_cosine",
            (lambda k, n, w: min(warm(k, n, 0), (k + 1) / w) if k > 9 else warm(k, n, w),),
            "jumps",
        ),
        (
            "warm_cosine",
            (lambda k, n, w: warm(k, n, w) if k < w else 1 - (k - w) / (n - w),),
            "half",
        ),
        ("warm_cosine", (lambda k, n, w: warm(k, 100, 10),), "other n_steps"),
        ("nesterov_path", (with_velocity(0),), "heavy ball"),
        ("nesterov_path", (with_velocity(-1),), "behind"),
        ("nesterov_path", (with_velocity(2),), "another"),
        ("nesterov_path", (late_start,), "first row"),
        ("nesterov_path", (twice,), "10 were asked"),
        ("nesterov_path", (lambda *arguments: np.zeros(3),), "shape"),
        ("nesterov_path", (lambda *arguments: 1 / 0,), "ZeroDivisionError"),
    ],
)
def test_mistakes_are_named(name, answers, hint):
    result = getattr(check, name)(*answers)
    assert result.status == "wrong", result
    assert re.search(hint, result.hint), result


@pytest.mark.parametrize("name", check.__all__)
def test_stubs_count_as_not_attempted(name):
    stubs = (..., ...) if name == "batch_noise" else (lambda *arguments: None,)
    assert getattr(check, name)(*stubs).status == "not attempted yet"


def test_no_hint_gives_the_answer_away():
    hints = re.findall(r'Hint\(\s*f?"([^"]*)"', Path(check.__file__).read_text("utf-8"))
    assert len(hints) > 20 and not any("576" in hint or "0.2" in hint for hint in hints)
