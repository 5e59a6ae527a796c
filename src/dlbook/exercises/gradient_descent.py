"""Checks of the exercises in *Following the slope, with noise*."""

import numpy as np

from dlbook.exercises import Hint, exercise, expect_array, expect_close

__all__ = [
    "averaged_momentum",
    "ball_step",
    "batch_noise",
    "decayed_adam",
    "nesterov_path",
    "warm_cosine",
]


@exercise
def batch_noise(spread, size):
    """Standard deviation at B = 144, and B for 0.1, from a deviation of 0.6 at B = 16."""
    spread = float(expect_array(spread, (), "the standard deviation"))
    size = float(expect_array(size, (), "the batch size"))
    if np.isclose(spread, 0.6 * 16 / 144):
        raise Hint("the standard deviation: it is the variance that falls like 1/B")
    if np.isclose(spread, 0.36 * 16 / 144):
        raise Hint("that is a variance: the standard deviation is its root")
    expect_close(spread, 0.2, "the standard deviation: nine times the examples, how much less?")
    if np.isclose(size, 96):
        raise Hint("the batch size: six times the examples give less than six times less noise")
    expect_close(size, 576, "the batch size: from 0.6 to 0.1, the variance falls by how much?")


@exercise
def ball_step(step):
    """``step(g, radius, order)``: minimum of g @ step where its norm of that order is radius."""
    rng = np.random.default_rng(1)
    for size in (1, 2, 5):
        g, radius = rng.standard_normal(size), 0.3
        before = g.copy()
        for order in (1, 2, np.inf):
            delta = expect_array(step(g, radius, order), (size,), "the step")
            if not np.array_equal(g, before):
                raise Hint("step changed g in place: compute a new array")
            _judge_ball_step(delta, g, radius, order)


def _judge_ball_step(delta, g, radius, order):
    length = np.linalg.norm(delta, order)
    if length > radius * (1 + 1e-9):
        raise Hint(f"order {order}: the step leaves the ball, its length is {length:.3g}")
    if g @ delta > 0:
        raise Hint(f"order {order}: the step goes uphill: look at the sign")
    dual = {1: np.inf, 2: 2, np.inf: 1}[order]  # Hölder's inequality: g @ delta >= -radius |g|
    best = -radius * np.linalg.norm(g, dual)
    if g @ delta > best * (1 - 1e-9):
        raise Hint(
            f"order {order}: the change of height is {g @ delta:.3g}, and another step of the ball "
            "does better"
        )


@exercise
def averaged_momentum(step):
    """``step(theta, m, g, rate, mu)`` with m a running mean, on the path of the heavy ball."""
    rng = np.random.default_rng(2)
    theta, m, rate, mu = rng.standard_normal(3), np.zeros(3), 0.1, 0.8
    ball, v = theta.copy(), np.zeros(3)
    for k in range(6):
        g = rng.standard_normal(3)
        before = theta.copy(), m.copy(), g.copy()
        found = _unpacked(step(theta, m, g, rate, mu), 2, "theta and m")
        if not all(np.array_equal(*pair) for pair in zip(before, (theta, m, g), strict=True)):
            raise Hint("step changed its arguments in place: return new arrays")
        m_next = expect_array(found[1], (3,), "m")
        if np.allclose(m_next, mu * m + g):
            raise Hint("m is the velocity, not a running mean: its weights should add up to one")
        expect_close(m_next, mu * m + (1 - mu) * g, "m is not the running mean of the gradients")
        last, v = ball, mu * v + g
        ball = ball - rate * v
        theta_next = expect_array(found[0], (3,), "theta")
        if np.allclose(theta_next, theta - rate * m_next):
            raise Hint("the steps are too short: m is smaller than the velocity, by which factor?")
        if k and np.allclose(theta_next, theta - rate / (1 - mu) * m):
            raise Hint("the step uses the old m: bring it up to date first")
        if np.allclose(theta_next - theta, last - ball):
            raise Hint("the step goes uphill: look at the sign")
        expect_close(theta_next, ball, "the path is not that of the heavy ball")
        theta, m = theta_next, m_next


@exercise
def decayed_adam(step):
    """``step(theta, m, s, k, g, rate, gamma)``: Adam with decoupled weight decay, k from 1."""
    rng = np.random.default_rng(3)
    theta, m, s, rate, gamma = rng.standard_normal(4), np.zeros(4), np.zeros(4), 0.05, 0.3
    for k in range(1, 6):
        g = rng.standard_normal(4)
        found = _unpacked(step(theta, m, s, k, g, rate, gamma), 3, "theta, m and s")
        theta_next, m_next, s_next = (
            expect_array(each, (4,), name)
            for each, name in zip(found, ("theta", "m", "s"), strict=True)
        )
        _judge_means(m_next, s_next, m, s, g, gamma * theta)
        m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g**2
        mean, square = m / (1 - 0.9**k), s / (1 - 0.999**k)
        plain = theta - rate * mean / (np.sqrt(square) + 1e-8)
        expected = plain - rate * gamma * theta
        _judge_decay(theta_next, theta, expected, plain, rate * m / np.sqrt(s), gamma, rate)
        theta = expected


def _judge_means(m_next, s_next, m, s, g, decay):
    if np.allclose(m_next, 0.9 * m + 0.1 * (g + decay)):
        raise Hint("m has seen the decay: decoupled means that only the gradient enters the means")
    corrected = "it should be the mean before the correction, of g alone: keep it uncorrected"
    expect_close(m_next, 0.9 * m + 0.1 * g, f"m is not as it should be; {corrected}", "m")
    if np.allclose(s_next, 0.999 * s + 0.001 * g):
        raise Hint("s is a mean of squares")
    expect_close(s_next, 0.999 * s + 0.001 * g**2, f"s is not as it should be; {corrected}", "s")


def _judge_decay(theta_next, theta, expected, plain, uncorrected, gamma, rate):
    close = {"rtol": 0, "atol": 1e-6}
    if np.allclose(theta_next, plain, **close):
        raise Hint("gamma has no effect")
    if np.allclose(theta_next, plain - gamma * theta, **close):
        raise Hint("the decay is not multiplied by the learning rate")
    if np.allclose(theta_next, plain + rate * gamma * theta, **close):
        raise Hint("the weights grow instead of decaying")
    if np.allclose(theta_next, theta - uncorrected - rate * gamma * theta, **close):
        raise Hint("the bias is not corrected: the first step is too long")
    expect_close(theta_next, expected, "theta is elsewhere: is the root taken after correcting s?")


@exercise
def warm_cosine(schedule):
    """``schedule(k, n_steps, n_warm)`` as a multiple of the peak rate."""
    n_steps, n_warm = 100, 10
    rates = [float(expect_array(schedule(k, n_steps, n_warm), (), "the rate")) for k in range(100)]
    rates = np.array(rates)
    if np.any(rates < -1e-12) or np.any(rates > 1 + 1e-12):
        raise Hint("the multiple of the peak should stay between 0 and 1")
    if np.isclose(rates[0], 0):
        raise Hint("the first rate is zero: that step is wasted")
    expect_close(
        rates[:10], np.arange(1, 11) / 10, "the first n_warm rates should rise evenly to 1"
    )
    if np.isclose(rates[10], (1 + np.cos(np.pi * 10 / 100)) / 2):
        raise Hint("the rate jumps at the end of the warm-up: the wave should begin there, at 1")
    part = np.arange(90) / 90
    expect_close(
        rates[10:], (1 + np.cos(np.pi * part)) / 2, "after the warm-up: half a wave over the rest"
    )
    if not np.isclose(float(schedule(25, 50, 0)), 0.5):
        raise Hint("with other n_steps and n_warm, such as no warm-up at all, the rates are wrong")


@exercise
def nesterov_path(descend):
    """``descend(gradient, start, n_steps, rate, mu)``: all iterates, v = 0 at first."""
    eigenvalues, start, rate, mu = np.array([1.0, 10.0]), np.array([1.0, -2.0]), 0.05, 0.7
    asked = []

    def gradient(theta):
        asked.append(np.array(theta, dtype=float))
        return eigenvalues * theta

    path = expect_array(descend(gradient, start, 5, rate, mu), (6, 2), "the path")
    if len(asked) != 5:
        raise Hint(f"5 steps should ask for 5 gradients, but {len(asked)} were asked for")
    if not np.allclose(path[0], start):
        raise Hint("the first row of the path should be the start")
    if np.allclose(path, _with_momentum(eigenvalues, start, rate, mu, ahead=0)):
        raise Hint("that is the heavy ball: take the gradient where the velocity is about to lead")
    if np.allclose(path, _with_momentum(eigenvalues, start, rate, mu, ahead=-1)):
        raise Hint("you look behind instead of ahead: the ball moves along −v")
    expected = _with_momentum(eigenvalues, start, rate, mu, ahead=1)
    expect_close(
        path, expected, "the path is another: look ahead by rate · mu · v, then step", "it"
    )


def _with_momentum(eigenvalues, start, rate, mu, ahead):
    path, v = [start], np.zeros(2)
    for _ in range(5):
        v = mu * v + eigenvalues * (path[-1] - ahead * rate * mu * v)
        path.append(path[-1] - rate * v)
    return np.array(path)


def _unpacked(result, n, names):
    if not isinstance(result, tuple | list) or len(result) != n:
        raise Hint(f"the answer should return {n} arrays, {names}")
    if any(each is None or each is ... for each in result):
        raise NotImplementedError
    return result
