"""Every check passes right answers, however written, and names what is wrong with others."""

import re
from itertools import pairwise, product

import numpy as np
import pytest
from scipy.special import logsumexp

from dlbook.exercises import tagging_by_counting as check


def viterbi(scores, steps):
    best, back = steps[-1, :-1] + scores[0], []
    for row in scores[1:]:
        paths = best[:, None] + steps[:-1, :-1]
        back.append(paths.argmax(axis=0))
        best = paths.max(axis=0) + row
    path = [(best + steps[:-1, -1]).argmax()]
    for before in back[::-1]:
        path.append(before[path[-1]])
    return path[::-1]


def search(scores, steps, start=True, end=True, sign=1):
    def total(path):
        inner = sum(steps[a, b] for a, b in pairwise(path))
        emitted = sum(row[tag] for row, tag in zip(scores, path, strict=True))
        return sign * (emitted + inner + start * steps[-1, path[0]] + end * steps[path[-1], -1])

    return max(product(range(scores.shape[1]), repeat=len(scores)), key=total)


def forward(scores, steps, combine=logsumexp):
    total = steps[-1, :-1] + scores[0]
    for row in scores[1:]:
        total = combine(total[:, None] + steps[:-1, :-1], axis=0) + row
    return combine(total + steps[:-1, -1])


def forward_by_products(scores, steps):
    total = np.exp(steps[-1, :-1] + scores[0])
    for row in scores[1:]:
        total = total @ np.exp(steps[:-1, :-1]) * np.exp(row)
    return np.log(total @ np.exp(steps[:-1, -1]))


def divergence(counts, q):
    p = counts / counts.sum()
    return counts.sum() * sum(a * np.log(a / b) for a, b in zip(p, q, strict=True) if a)


def add_in_place(counts, alpha):
    counts += 1
    return counts / counts.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        (check.four_observations, [2 / 3, 1, 2 / 3, 4 / 27]),
        (check.four_observations, (0.6667, 1.0, 0.6667, 0.1481)),
        (check.four_observations, np.array([2 / 3, 1, 2 / 3, 4 / 27])),
        (
            check.smoothing,
            lambda counts, alpha: (counts + alpha) / (counts + alpha).sum(axis=1)[:, None],
        ),
        (
            check.smoothing,
            lambda counts, alpha: [[(n + alpha) / (sum(r) + 3 * alpha) for n in r] for r in counts],
        ),
        (check.shortfall, divergence),
        (
            check.shortfall,
            lambda c, q: sum(n * np.log(n / c.sum() / p) for n, p in zip(c, q, strict=True) if n),
        ),
        (check.defeat, [("the girls look", "DET N V"), ("take a look", "V DET N")]),
        (check.defeat, (["girls walk", "N V"], ["the walk", "DET N"])),
        (check.brute_force, search),
        (check.brute_force, viterbi),
        (check.brute_force, lambda scores, steps: np.array(viterbi(scores, steps))),
        (check.forward, forward),
        (
            check.forward,
            lambda scores, steps: np.array(forward(scores, steps, np.logaddexp.reduce)),
        ),
    ],
)
def test_right_answers_pass(exercise, answer):
    assert exercise(answer).status == "passed", exercise(answer)


@pytest.mark.parametrize(
    ("exercise", "answer", "hint"),
    [
        (check.four_observations, [1 / 2, 1, 1 / 2, 1 / 8], "two observations"),
        (check.four_observations, [2 / 3, 0.5, 2 / 3, 4 / 27], r"P\(N \| look\)"),
        (check.four_observations, [2 / 3, 1, 1, 4 / 27], "which of the three words"),
        (check.four_observations, [2 / 3, 1, 2 / 3, 2 / 9], "three factors"),
        (check.four_observations, [2 / 3, 1, 2 / 3, 0.3], "all four observations"),
        (check.four_observations, [2, 3, 2, 4], "between 0 and 1"),
        (check.four_observations, [2 / 3, 1], "shape"),
        (check.smoothing, lambda c, a: (c + a) / (c.sum(axis=1, keepdims=True) + a), "row's sum"),
        (check.smoothing, lambda c, a: (c + a) / (c + a).sum(axis=0), "columns sum to one"),
        (check.smoothing, add_in_place, "in place"),
        (
            check.smoothing,
            lambda c, a: (c + 1) / (c + 1).sum(axis=1, keepdims=True),
            "alpha = 0.1",
        ),
        (
            check.smoothing,
            lambda c, a: (
                np.where(c.sum(1, keepdims=True), c, [1, 0, 0])
                / np.maximum(c.sum(1, keepdims=True), 1)
            ),
            "never seen",
        ),
        (check.smoothing, lambda c, a: c / c.sum(1, keepdims=True), "NaN"),
        (check.shortfall, lambda c, q: -divergence(c, q), "sign"),
        (check.shortfall, lambda c, q: divergence(c, q) / c.sum(), "one observation"),
        (check.shortfall, lambda c, q: divergence(c, q) / np.log(2), "bits"),
        (check.shortfall, lambda c, q: (c * np.log(c / c.sum() / q)).sum(), "0 log 0"),
        (check.shortfall, lambda c, q: (c * np.log(1 / q)).sum(), "nothing is lost"),
        (check.shortfall, lambda c, q: c.sum() * np.abs(c / c.sum() - q).sum(), "difference"),
        (check.defeat, [("the girls look", "DET N V"), ("the girls", "DET N")], "one tag only"),
        (check.defeat, [("the walk", "DET N"), ("a walk", "DET V")], "same tag"),
        (check.defeat, [("the dog", "DET N"), ("a walk", "DET N")], "'dog'"),
        (check.defeat, [("the walk", "DET"), ("a walk", "DET N")], "2 words, but 1 tags"),
        (check.defeat, [("the walk", "DET NOUN"), ("a walk", "DET N")], "the tags are"),
        (check.defeat, [("the walk", "DET N")], "two observations"),
        (check.defeat, "the walk", "two observations"),
        (check.brute_force, lambda scores, steps: scores.argmax(axis=1), "add the transitions"),
        (check.brute_force, lambda a, b: search(a, b, start=False), "edge to the first"),
        (check.brute_force, lambda a, b: search(a, b, end=False), "last word to the edge"),
        (check.brute_force, lambda a, b: search(a, b, sign=-1), "worst"),
        (check.brute_force, lambda a, b: [0] * len(a), "better path"),
        (check.brute_force, lambda a, b: [0] * (len(a) + 1), "hold 1 tag numbers"),
        (check.brute_force, lambda a, b: ["NOUN"] * len(a), "tag numbers"),
        (check.forward, lambda a, b: forward(a, b, np.max), "best path's score"),
        (check.forward, lambda a, b: np.exp(forward(a, b)), "return its logarithm"),
        (check.forward, lambda a, b: forward(a, b) - b[0, -1], "sum over all paths"),
        (check.forward, forward_by_products, "log space"),
        (check.forward, lambda a, b: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_wrong_answers_get_a_hint_that_names_the_mistake(exercise, answer, hint):
    with np.errstate(all="ignore"):
        result = exercise(answer)
    assert result.status == "wrong"
    assert re.search(hint, result.hint), result.hint


@pytest.mark.parametrize("name", check.__all__)
def test_stubs_are_not_attempted(name):
    def stub(*arguments): ...

    values = {"four_observations", "defeat"}
    answer = ... if name in values else stub
    assert getattr(check, name)(answer).status == "not attempted yet"
