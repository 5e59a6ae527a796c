"""Every check passes right answers, however written, and names what is wrong with others."""

import re
from pathlib import Path

import numpy as np
import pytest

from dlbook.exercises import matrix_multiplication as check

# ---- Right answers ----------------------------------------------------------------------------


def loads(m, n, k, bm, bn, bk):
    total = m * n
    for i in range(0, m, bm):
        for j in range(0, n, bn):
            total += (min(bm, m - i) + min(bn, n - j)) * k
    return total


def sizes(l1, l2, l3, mr, nr):
    kc = l1 // (16 * nr)
    kc -= kc % 8
    mc = l2 // (16 * kc)
    nc = l3 // (16 * kc)
    return [kc, mc - mc % mr, nc - nc % nr]


def intensity(N, d, size):
    return 2 / size / (2 / d + 1 / N)


def batch_for(ridge, d, size):
    N = 1
    while intensity(N, d, size) < ridge:
        N += 1
        if N > 10_000:
            return float("inf")
    return N


def stream(X, W):
    N, n = X.shape
    return X @ W, N + 2 * n - 2


RIGHT = {
    "transpose_misses": (4608, 1024),
    "blocked_loads": (loads,),
    "block_sizes": (sizes,),
    "batch_intensity": (intensity, batch_for),
    "stationary_array": (stream,),
}


@pytest.mark.parametrize("name", check.__all__)
def test_right_answers_pass(name):
    result = getattr(check, name)(*RIGHT[name])
    assert result.status == "passed", result


# ---- Planted mistakes -------------------------------------------------------------------------


def moved(m, n, k, bm, bn, bk, *, held=True, whole=False):
    """As `loads`, with the tile of C moved for every p, or with margins as large as tiles."""
    total = m * n if held else 0
    for i in range(0, m, bm):
        for j in range(0, n, bn):
            for p in range(0, k, bk):
                total += (
                    bk * (bm + bn) if whole else min(bk, k - p) * (min(bm, m - i) + min(bn, n - j))
                )
                total += 0 if held else bm * bn
    return total


@pytest.mark.parametrize(
    ("name", "answers", "hint"),
    [
        ("transpose_misses", (8192, 1024), "how many numbers come with each line"),
        ("transpose_misses", (1024, 1024), "is it still there"),
        ("transpose_misses", (4096, 1024), "one of the two"),
        ("transpose_misses", (5000, 1024), "row by row: count the lines"),
        ("transpose_misses", (4608, 512), "by tiles: that is one"),
        ("transpose_misses", (4608, 4608), "do they all fit"),
        ("transpose_misses", ("many", 1024), "made of numbers"),
        ("blocked_loads", (lambda *s: loads(*s) - s[0] * s[1],), "written, too"),
        ("blocked_loads", (lambda *s: loads(*s) + s[0] * s[1],), "never read"),
        ("blocked_loads", (lambda *s: moved(*s, held=False),), "held while p runs"),
        ("blocked_loads", (lambda *s: moved(*s, whole=True),), "margins"),
        (
            "blocked_loads",
            (lambda m, n, k, bm, bn, bk: loads(m, n, k, bn, bm, bk),),
            "which block size counts",
        ),
        ("blocked_loads", (lambda m, n, k, *b: m * k + k * n + m * n,), "too low"),
        ("blocked_loads", (lambda m, n, k, *b: 2 * m * n * k + m * n,), "too high"),
        ("block_sizes", (lambda *s: sizes(*s)[:2],), "three numbers"),
        ("block_sizes", (lambda l1, l2, l3, mr, nr: sizes(2 * l1, l2, l3, mr, nr),), "half"),
        ("block_sizes", (lambda l1, l2, l3, mr, nr: sizes(8 * l1, l2, l3, mr, nr),), "bytes"),
        ("block_sizes", (lambda l1, l2, l3, mr, nr: sizes(l1, l2 / 2, l3, mr, nr),), "larger"),
        ("block_sizes", (lambda *s: [k + (i == 1) for i, k in enumerate(sizes(*s))],), "multiple"),
        ("block_sizes", (lambda *s: [0, 0, 0],), "above 0"),
        ("batch_intensity", (lambda *s: intensity(*s) / 2, batch_for), "two flops"),
        ("batch_intensity", (lambda N, d, s: intensity(N, d, 1), batch_for), "how many bytes"),
        ("batch_intensity", (lambda N, d, s: 2 * N / s, batch_for), "not all that moves"),
        ("batch_intensity", (lambda N, d, s: 2 * N * d / (s * (N + d)), batch_for), "missing"),
        ("batch_intensity", (lambda *s: 1.0, batch_for), "flops over"),
        ("batch_intensity", (intensity, lambda *s: batch_for(*s) + 1), "smaller batch"),
        ("batch_intensity", (intensity, lambda *s: max(1, batch_for(*s) - 1)), "does not reach"),
        ("batch_intensity", (intensity, lambda *s: batch_for(*s) - 0.5), "whole number"),
        ("batch_intensity", (intensity, lambda *s: min(batch_for(*s), 9999)), "no batch reaches"),
        ("stationary_array", (lambda X, W: (X @ W.T, len(X) + 2 * len(W) - 2),), "transpose"),
        ("stationary_array", (lambda X, W: X @ W,), "two things"),
        ("stationary_array", (lambda X, W: (X, len(X) + 2 * len(W) - 2),), "product is wrong"),
        ("stationary_array", (lambda X, W: (X @ W, 3 * len(W) - 2),), "on the rows, too"),
        ("stationary_array", (lambda X, W: (X @ W, len(X) * (3 * len(W) - 2)),), "next row"),
        ("stationary_array", (lambda X, W: (X @ W, len(X) + 2 * len(W) - 3),), "one cycle is miss"),
        ("stationary_array", (lambda X, W: (X @ W, len(X) + 2 * len(W) - 1),), "too many"),
        ("stationary_array", (lambda X, W: (X @ W, 1),), "too few"),
        ("stationary_array", (lambda X, W: 1 / 0,), "ZeroDivisionError"),
    ],
)
def test_mistakes_are_named(name, answers, hint):
    result = getattr(check, name)(*answers)
    assert result.status == "wrong", result
    assert re.search(hint, result.hint), result


@pytest.mark.parametrize("name", check.__all__)
def test_stubs_count_as_not_attempted(name):
    stub = ... if name == "transpose_misses" else lambda *arguments: None
    assert getattr(check, name)(*[stub] * len(RIGHT[name])).status == "not attempted yet"


def test_half_an_answer_is_not_attempted_yet():
    result = check.stationary_array(lambda X, W: (..., np.nan))
    assert result.status == "not attempted yet"


def test_no_hint_gives_the_answer_away():
    hints = re.findall(r'Hint\(\s*f?"([^"]*)"', Path(check.__file__).read_text("utf-8"))
    assert len(hints) > 20 and not any("4608" in hint or "1024" in hint for hint in hints)
