"""Every check passes right answers, however written, and names what is wrong with others."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from dlbook.exercises import adversarial_networks as check

# ---- Right answers ----------------------------------------------------------------------------


def game(p, q):
    """A loop over the outcomes, and a list for an answer."""
    D, value = [], 0.0
    for a, b in zip(p, q, strict=True):
        D.append(a / (a + b) if a + b else 0.5)
        value += (a * np.log(D[-1]) if a else 0) + (b * np.log(1 - D[-1]) if b else 0)
    return D, value


def factor(eta, gamma, in_turns):
    """By walking, for as long as it takes; from two starts, since one may be an exception."""
    step = np.array([[1, -eta], [eta, 1 - eta * gamma - eta**2 * in_turns]])
    return max(abs(np.roots([1, -np.trace(step), np.linalg.det(step)])))


def penalty(D, real, fake, part):
    x = (fake + part * (real - fake)).requires_grad_()
    out = D(x)
    (g,) = torch.autograd.grad(out, x, torch.ones_like(out), create_graph=True)
    return ((g.square().sum(dim=1).sqrt() - 1) ** 2).mean()


RIGHT = {
    "force_ratio": (999.0, 1),
    "best_game": (game,),
    "long_run_factor": (factor,),
    "unit_slope_penalty": (penalty,),
}


@pytest.mark.parametrize("name", check.__all__)
def test_right_answers_pass(name):
    result = getattr(check, name)(*RIGHT[name])
    assert result.status == "passed", result


# ---- Wrong answers ----------------------------------------------------------------------------


def naive(p, q):
    D = p / (p + q)
    return D, np.sum(p * np.log(D) + q * np.log(1 - D))


def with_value(change):
    return lambda p, q: (game(p, q)[0], change(game(p, q)[1]))


def with_answers(change):
    return lambda p, q: (change(np.array(game(p, q)[0]), p, q), game(p, q)[1])


def spoiler(p, q):
    result = game(p.copy(), q.copy())
    p += 1
    return result


def modulus(eta, gamma, turn):
    return abs(np.linalg.eigvals([[1, -eta], [eta, 1 - eta * gamma - turn]])).max()


def circling(change):
    return lambda eta, gamma, in_turns: change(eta, gamma, eta**2 * in_turns)


def slopes(D, x, graph=True):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(D(x).sum(), x, create_graph=graph)[0]


def charged(where=None, charge=None, graph=True):
    where = where or (lambda real, fake, part: part * real + (1 - part) * fake)
    charge = charge or (lambda g: (g.norm(dim=1) - 1).square().mean())
    return lambda D, real, fake, part: charge(slopes(D, where(real, fake, part), graph))


WRONG = [
    ("force_ratio", (-999, 1), "the same way"),
    ("force_ratio", (1 / 999, 1), "upside down"),
    ("force_ratio", (1000, 1), "not quite 1"),
    ("force_ratio", (500, 1), "divide the two slopes"),
    ("force_ratio", (999, 0), "second factor: what is D"),
    ("force_ratio", ([999, 1], 1), "should have shape"),
    ("best_game", (naive,), "never occurs|NaN"),
    ("best_game", (lambda p, q: game(p, q)[0],), "two things"),
    ("best_game", (spoiler,), "changed in place"),
    ("best_game", (with_answers(lambda D, p, q: 1 - D),), "sides are exchanged"),
    ("best_game", (with_answers(lambda D, p, q: p),), "D is p itself"),
    ("best_game", (with_answers(lambda D, p, q: D**2),), "share of real pieces"),
    ("best_game", (with_answers(lambda D, p, q: np.where(p + q > 0, D, 0)),), "one half"),
    ("best_game", (with_answers(lambda D, p, q: D[:2]),), "should have shape"),
    ("best_game", (with_value(lambda v: -v),), "wrong sign"),
    ("best_game", (with_value(lambda v: v / 2),), "half of what"),
    ("best_game", (with_value(lambda v: (v + np.log(4)) / 2),), "Jensen-Shannon"),
    ("best_game", (with_value(lambda v: v - 1),), "average pay"),
    ("best_game", (with_value(lambda v: float("nan")),), "is NaN"),
    ("long_run_factor", (circling(lambda e, g, t: modulus(e, g, t) ** 2),), "square of the"),
    ("long_run_factor", (circling(lambda e, g, t: modulus(e, g, 0)),), "b answers the new a"),
    ("long_run_factor", (circling(lambda e, g, t: modulus(e, g, e**2)),), "answers the old a"),
    ("long_run_factor", (circling(lambda e, g, t: modulus(e, 0, t)),), "ignores the friction"),
    ("long_run_factor", (circling(lambda e, g, t: modulus(e, -g, t)),), "speeds b up"),
    (
        "long_run_factor",
        (circling(lambda e, g, t: np.sqrt(abs(1 - e * g - t + e**2))),),
        "which one wins",
    ),
    ("long_run_factor", (circling(lambda e, g, t: 3.0),), "what does one step multiply by"),
    ("unit_slope_penalty", (lambda *a: penalty(*a).item(),), "a tensor with a single number"),
    ("unit_slope_penalty", (lambda *a: penalty(*a).detach(),), "keep its graph"),
    (
        "unit_slope_penalty",
        (lambda D, *rest: charged(graph=False)(D, *rest).requires_grad_(),),
        "create_graph",
    ),
    ("unit_slope_penalty", (charged(lambda r, f, t: t * f + (1 - t) * r),), "ends are exchanged"),
    ("unit_slope_penalty", (charged(lambda r, f, t: r),), "at the real outcomes"),
    ("unit_slope_penalty", (charged(lambda r, f, t: f),), "at the forgeries"),
    ("unit_slope_penalty", (charged(None, lambda g: g.square().sum(1).mean()),), "any slope"),
    (
        "unit_slope_penalty",
        (charged(None, lambda g: (g.square().sum(1) - 1).square().mean()),),
        "root first",
    ),
    ("unit_slope_penalty", (charged(None, lambda g: (g.norm(dim=1) - 1).mean()),), "over squares"),
    (
        "unit_slope_penalty",
        (charged(None, lambda g: (g.norm(dim=1) - 1).square().sum()),),
        "not the sum",
    ),
    ("unit_slope_penalty", (charged(None, lambda g: (g.norm() - 1) ** 2),), "of one row"),
    ("unit_slope_penalty", (charged(None, lambda g: g.abs().mean()),), "another value"),
]


@pytest.mark.parametrize(("name", "answers", "hint"), WRONG)
def test_wrong_answers_get_a_hint_that_helps(name, answers, hint):
    result = getattr(check, name)(*answers)
    assert result.status == "wrong" and re.search(hint, result.hint), result


@pytest.mark.parametrize("name", check.__all__)
def test_stubs_are_not_attempted(name):
    stubs = (..., ...) if name == "force_ratio" else (lambda *arguments: None,)
    assert getattr(check, name)(*stubs).status == "not attempted yet"


def test_no_hint_gives_the_answer_away():
    hints = re.findall(
        r'Hint\(\s*(?:where \+ )?f?"([^"]*)"', Path(check.__file__).read_text("utf-8")
    )
    assert len(hints) > 15 and not any("999" in hint for hint in hints)
