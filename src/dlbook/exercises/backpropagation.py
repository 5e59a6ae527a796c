"""Checks of the exercises in *The chain rule on a graph*."""

import numpy as np

from dlbook.exercises import Hint, exercise, expect_array, expect_close

__all__ = [
    "batched_matmul",
    "best_step",
    "graph_by_hand",
    "maximum_rule",
    "taylor_product",
]


@exercise
def graph_by_hand(answer):
    """Value and adjoints of f = (xy + z) y at x = 2, y = −3, z = 4."""
    f, x_bar, y_bar, z_bar = expect_array(answer, (4,), "the answer")
    if not np.isclose(f, 6):
        raise Hint("forward first: q = xy, then s = q + z, then f = sy; the value is not right")
    if np.isclose(y_bar, -2) or np.isclose(y_bar, -6):
        raise Hint("two edges leave y: its adjoint is the sum of both parts")
    if not np.isclose(z_bar, -3):
        raise Hint("z enters a sum, whose local derivative is 1: what is the adjoint above?")
    if not np.isclose(x_bar, 9):
        raise Hint("x reaches f through q and s: multiply the local derivatives on its path")
    expect_close(y_bar, -8, "one part of y's adjoint comes from f directly, one through q")


@exercise
def maximum_rule(rule):
    """``rule(g, y, a, b)`` with the parts of the adjoint for both inputs of ``np.maximum``."""
    rng = np.random.default_rng(5)
    a, b, g = rng.standard_normal((3, 4, 3))
    part_a, part_b = _pair(rule, g, a, b)
    if np.array_equal(part_a, a > b) and np.array_equal(part_b, b > a):
        raise Hint("that is the local derivative: it still has to meet the adjoint above, g")
    if np.allclose(part_a, np.where(a > b, 0, g)) and np.allclose(part_b, np.where(a > b, g, 0)):
        raise Hint("the smaller input gets the adjoint: does moving it change the maximum?")
    expect_close(part_a, np.where(a > b, g, 0), "the part for a is not its derivative times g")
    expect_close(part_b, np.where(a > b, 0, g), "the part for b is not its derivative times g")
    part_a, part_b = _pair(rule, g, a, a.copy())
    hint = "where a equals b the two parts should add up to g: f = max(x, x) is x, of slope 1"
    expect_close(part_a + part_b, g, hint)


@exercise
def batched_matmul(rule):
    """``rule(g, a, b)`` with the adjoints of a (batch, n, k) and b (k, m) in ``a @ b``."""
    rng = np.random.default_rng(6)
    a, b = rng.standard_normal((5, 2, 3)), rng.standard_normal((3, 4))
    g = rng.standard_normal((5, 2, 4))
    answer = rule(g, a, b)
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise Hint("return two arrays, the adjoint of a and the adjoint of b")
    if np.shape(answer[1]) == (5, 3, 4):
        raise Hint("b was used once for each matrix of the batch: its adjoint has b's own shape")
    a_bar, b_bar = expect_array(answer[0], a.shape, "ā"), expect_array(answer[1], b.shape, "b̄")
    expect_close(a_bar, np.einsum("bnm,km->bnk", g, b), "ā is not g times the transpose of b")
    expected = np.einsum("bnk,bnm->km", a, g)
    if np.allclose(b_bar, expected / 5):
        raise Hint("adjoints of several uses add up; yours are averaged")
    expect_close(b_bar, expected, "b̄ should collect what all matrices of the batch send back")


@exercise
def best_step(answer):
    """Order of magnitude of the best step of a central difference in single precision."""
    step = float(expect_array(answer, (), "the step"))
    if step <= 0:
        raise Hint("a step is positive")
    if 1e-6 < step < 3e-5:
        raise Hint("that is right for 64 bits: single precision has u = 2**-24")
    if 1e-4 < step < 6e-4:
        raise Hint("that is the best step of a one-sided difference")
    if not 1e-3 <= step <= 2e-2:
        raise Hint("balance the rounding error u/h against the truncation error h²")


@exercise
def taylor_product(multiply):
    """``multiply(p, q)`` for p = p0 + p1 ε + p2 ε² with ε³ = 0, as arrays of three numbers."""
    rng = np.random.default_rng(7)
    p, q = rng.standard_normal((2, 3))
    expected = np.convolve(p, q)[:3]
    product = expect_array(multiply(p, q), (3,), "the product")
    expect_close(product[0], expected[0], "the value of a product is the product of the values")
    expect_close(product[1], expected[1], "the coefficient of ε should follow the product rule")
    if np.isclose(product[2], p[0] * q[2] + p[2] * q[0]):
        raise Hint("ε · ε = ε² is no longer zero: a term is missing")
    if np.isclose(product[2], p[0] * q[2] + 2 * p[1] * q[1] + p[2] * q[0]):
        raise Hint("these are coefficients, not derivatives: multiply the brackets out once more")
    expect_close(product[2], expected[2], "the coefficient of ε² has three terms")


def _pair(rule, g, a, b):
    answer = rule(g, np.maximum(a, b), a, b)
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise Hint("return two arrays, the part for a and the part for b")
    return [
        expect_array(part, g.shape, f"the part for {name}")
        for part, name in zip(answer, "ab", strict=True)
    ]
