"""The checks of the exercises on recurrent networks, on right answers and on wrong ones."""

import re
from pathlib import Path

import numpy as np
import pytest

from dlbook.exercises import recurrent_networks as check

torch = pytest.importorskip("torch")


def walk(W, H, G):
    """By powers of W instead of a walk."""
    T, total = len(G), 0
    for t in range(T):
        for k in range(t + 1):
            total = total + H[k].T @ G[t] @ np.linalg.matrix_power(W.T, t - k)
    return total


def keep(W, slope):
    return W / np.max(np.abs(np.linalg.eigvals(slope * W)))


def clip(gradients, threshold):
    norm = np.linalg.norm(np.concatenate([np.ravel(g) for g in gradients]))
    return tuple(g * min(1, threshold / norm) if norm else g for g in gradients)


RIGHT = {
    "two_steps": (5, 3, 2),
    "sigmoid_forgets": (0.00515, 4),
    "linear_bptt": (walk,),
    "keeping_radius": (keep,),
    "clip_together": (clip,),
}


@pytest.mark.parametrize("name", check.__all__)
def test_right_answers_pass(name):
    result = getattr(check, name)(*RIGHT[name])
    assert result.status == "passed", result


def test_pytorchs_own_clipping_passes():
    def by_torch(gradients, threshold):
        parameters = [torch.nn.Parameter(torch.zeros(g.shape)) for g in gradients]
        for p, g in zip(parameters, gradients, strict=True):
            p.grad = torch.tensor(g, dtype=torch.float32)
        torch.nn.utils.clip_grad_norm_(parameters, threshold)
        return [p.grad.numpy() for p in parameters]

    result = check.clip_together(by_torch)
    assert "below the threshold" in result.hint or result.status == "passed", result


def test_the_reference_for_the_linear_network_is_pytorchs():
    rng = np.random.default_rng(0)
    W, x = (
        torch.tensor(rng.standard_normal((3, 3)), requires_grad=True),
        rng.standard_normal((4, 2, 3)),
    )
    H, targets = [torch.zeros(2, 3).double()], rng.standard_normal((4, 2, 3))
    for x_t in x:
        H.append(H[-1] @ W + torch.tensor(x_t))
    loss = sum(((h - torch.tensor(y)) ** 2).sum() for h, y in zip(H[1:], targets, strict=True)) / 2
    loss.backward()
    states = np.array([h.detach().numpy() for h in H])
    assert np.allclose(walk(W.detach().numpy(), states, states[1:] - targets), W.grad)


# ---- Planted mistakes -------------------------------------------------------------------------


def walked(W, H, G, *, after=0, carry=1):
    gradient, delta = 0, 0 * G[0]
    for t in reversed(range(len(G))):
        delta = G[t] + carry * delta @ W.T
        gradient = gradient + H[t + after].T @ delta
    return gradient


def walk_in_place(W, H, G):
    for t in reversed(range(1, len(G))):
        G[t - 1] += G[t] @ W.T
    return sum(h.T @ g for h, g in zip(H, G, strict=False))


def keep_in_place(W, slope):
    W /= slope * np.abs(np.linalg.eigvals(W)).max()
    return W


def clip_in_place(gradients, threshold):
    for g, clipped in zip(gradients, clip(gradients, threshold), strict=True):
        g[...] = clipped
    return gradients


def each_by_itself(gradients, c):
    return [g * min(1, c / max(np.linalg.norm(g), 1e-9)) for g in gradients]


def always(gradients, c):
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
    return [c * g / norm for g in gradients]


def undefined_at_zero(gradients, c):
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
    return [g * np.minimum(1, c / norm) if norm else g / norm for g in gradients]


def sum_of_norms(gradients, c):
    norm = sum(np.linalg.norm(g) for g in gradients)
    return [g * min(1, c / norm) for g in gradients]


def without_root(gradients, c):
    norm = sum(np.sum(g**2) for g in gradients)
    return [g * min(1, c / norm) for g in gradients]


@pytest.mark.parametrize(
    ("name", "answers", "hint"),
    [
        ("two_steps", (4, 3, 2), "one more step"),
        ("two_steps", (5, 1, 2), "at step 1, too"),
        ("two_steps", (5, 2, 2), "at step 2, too"),
        ("two_steps", (5, 7, 2), "one term for each step"),
        ("two_steps", (5, 3, 1), "pass through the second step"),
        ("two_steps", (5, 3, 3), "which way"),
        ("two_steps", ("five", 3, 2), "made of numbers"),
        ("sigmoid_forgets", (0.9, 4), "there are fifty"),
        ("sigmoid_forgets", (3.6**50, 4), "slope of the sigmoid"),
        ("sigmoid_forgets", (0, 4), "not zero"),
        ("sigmoid_forgets", (0.5, 4), "how steep"),
        ("sigmoid_forgets", (0.9**50, 1), "tangent"),
        ("sigmoid_forgets", (0.9**50, 3), "one factor"),
        ("linear_bptt", (lambda W, H, G: walk(W, H, G).T,), "transposed$"),
        ("linear_bptt", (lambda W, H, G: walked(W, H, G, after=1),), "state before"),
        ("linear_bptt", (lambda W, H, G: walked(W, H, G, carry=0),), "direct terms"),
        ("linear_bptt", (lambda W, H, G: walked(W.T, H, G),), "transposed matrix"),
        ("linear_bptt", (lambda W, H, G: H[len(G) - 1].T @ G[-1],), "only|direct"),
        ("linear_bptt", (lambda W, H, G: walk(W, H, G) / H.shape[1],), "mean"),
        ("linear_bptt", (lambda W, H, G: 0 * W,), "another"),
        ("linear_bptt", (lambda W, H, G: np.zeros(3),), "shape"),
        ("linear_bptt", (walk_in_place,), "in place"),
        ("keeping_radius", (lambda W, s: W / np.linalg.norm(W, 2) / s,), "singular"),
        ("keeping_radius", (lambda W, s: keep(W, 1),), "no effect"),
        ("keeping_radius", (lambda W, s: keep(W, 1 / s),), "wrong way"),
        (
            "keeping_radius",
            (lambda W, s: W / s / max(np.abs(np.linalg.eigvals(W).real).max(), 1e-9),),
            "modulus|explode",
        ),
        ("keeping_radius", (lambda W, s: 2 * keep(W, s),), "explode"),
        ("keeping_radius", (lambda W, s: keep(W, s) / 2,), "vanish"),
        ("keeping_radius", (lambda W, s: keep(W, s).T,), "multiple of W"),
        ("keeping_radius", (lambda W, s: np.abs(np.linalg.eigvals(W)).max(),), "shape"),
        ("keeping_radius", (keep_in_place,), "in place"),
        ("clip_together", (each_by_itself,), "its own norm"),
        ("clip_together", (lambda g, c: [np.clip(a, -c, c) for a in g],), "each entry"),
        ("clip_together", (always,), "below the threshold"),
        ("clip_together", (undefined_at_zero,), "zero"),
        ("clip_together", (sum_of_norms,), "do not add up"),
        ("clip_together", (without_root,), "root"),
        ("clip_together", (lambda g, c: list(g),), "nothing was clipped"),
        ("clip_together", (lambda g, c: clip(g, min(c, 1)),), "threshold 3"),
        ("clip_together", (lambda g, c: [-a for a in clip(g, c)],), "direction"),
        ("clip_together", (lambda g, c: clip(g, c)[:1],), "list of 3"),
        ("clip_together", (clip_in_place,), "in place"),
        ("clip_together", (lambda g, c: 1 / 0,), "ZeroDivisionError"),
    ],
)
def test_mistakes_are_named(name, answers, hint):
    result = getattr(check, name)(*answers)
    assert result.status == "wrong", result
    assert re.search(hint, result.hint), result


@pytest.mark.parametrize("name", check.__all__)
def test_stubs_count_as_not_attempted(name):
    stubs = {"two_steps": (..., ..., ...), "sigmoid_forgets": (..., ...)}
    answers = stubs.get(name, (lambda *arguments: None,))
    assert getattr(check, name)(*answers).status == "not attempted yet"


def test_no_hint_gives_the_answer_away():
    hints = re.findall(r'Hint\(\s*f?"([^"]*)"', Path(check.__file__).read_text("utf-8"))
    assert len(hints) > 15
    assert not any(re.search(r"\b5\b|0\.9|\b4\b|eigvals|max\(", hint) for hint in hints)
