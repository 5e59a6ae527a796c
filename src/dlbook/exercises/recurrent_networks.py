"""Checks of the exercises in *Weight sharing in time*."""

import numpy as np

from dlbook.exercises import Hint, exercise, expect_array, expect_close

__all__ = [
    "clip_together",
    "keeping_radius",
    "linear_bptt",
    "sigmoid_forgets",
    "two_steps",
]


@exercise
def two_steps(state, slope_w, slope_x):
    """h₂, ∂L/∂w and ∂L/∂x₁ for w = 2, h₀ = 1, x = (−1, 3) and L = (h₂ − 4)²/2."""
    state = float(expect_array(state, (), "h₂"))
    slope_w = float(expect_array(slope_w, (), "the slope for w"))
    slope_x = float(expect_array(slope_x, (), "the slope for x₁"))
    expect_close(state, 5, "h₂: compute h₁ first, then take one more step")
    if np.isclose(slope_w, 1):
        raise Hint("the slope for w: w was used at step 1, too, and that use is missing")
    if np.isclose(slope_w, 2):
        raise Hint("the slope for w: w was used at step 2, too, and that use is missing")
    expect_close(slope_w, 3, "the slope for w: add one term for each step in which w was used")
    if np.isclose(slope_x, 1):
        raise Hint("the slope for x₁: it still has to pass through the second step")
    expect_close(slope_x, 2, "the slope for x₁: along which way does x₁ reach the loss?")


@exercise
def sigmoid_forgets(largest, least):
    """Largest ∂h₅₀/∂h₀ of a sigmoid unit with w = 3.6, and the |w| from which it can reach 1."""
    largest = float(expect_array(largest, (), "the largest derivative"))
    least = float(expect_array(least, (), "the least |w|"))
    if np.isclose(largest, 0.9):
        raise Hint("the largest derivative: that is one step, and there are fifty")
    if np.isclose(largest, 3.6**50) or np.isclose(largest, 3.6):
        raise Hint("the largest derivative: the slope of the sigmoid is a factor of every step")
    if np.isclose(largest, 0, atol=1e-12):
        raise Hint("the largest derivative: small, but not zero; how large is the sigmoid's slope?")
    if not np.isclose(largest, 0.9**50, rtol=0.05):  # 0.005 will do
        raise Hint("the largest derivative: how steep is the sigmoid at its steepest?")
    if np.isclose(least, 1):
        raise Hint("the least |w|: 1 would do for the tangent; the sigmoid is flatter")
    expect_close(least, 4, "the least |w|: one factor has to reach 1 for fifty of them to do so")


@exercise
def linear_bptt(walk):
    """``walk(W, H, G)``: gradient for W of a linear network H[t] = H[t−1] W + X[t]."""
    rng = np.random.default_rng(0)
    for T, batch, d in ((1, 1, 2), (2, 3, 2), (6, 4, 3)):
        W = rng.standard_normal((d, d))
        H, G = rng.standard_normal((T + 1, batch, d)), rng.standard_normal((T, batch, d))
        before = W.copy(), H.copy(), G.copy()
        found = expect_array(walk(W, H, G), (d, d), "the gradient")
        if not all(np.array_equal(*pair) for pair in zip(before, (W, H, G), strict=True)):
            raise Hint("walk changed its arguments in place: compute new arrays")
        _judge_walk(found, W, H, G)


def _judge_walk(found, W, H, G):
    T = len(G)

    def walked(matrix, states=H, carry=1):
        gradient, delta = np.zeros_like(W), np.zeros_like(G[0])
        for t in reversed(range(T)):
            delta = G[t] + carry * delta @ matrix
            gradient = gradient + states[t].T @ delta
        return gradient

    right = walked(W.T)
    if np.allclose(found, right):
        return
    reasons = {
        "the order of the two factors: the gradient came out transposed": right.T,
        "each step multiplies with the state before it, not with the one after": walked(W.T, H[1:]),
        "only the direct terms are there: what later losses send back is missing": walked(
            W.T, carry=0
        ),
        "going back through a step takes the transposed matrix": walked(W),
        "only the last step is there: add the steps up": H[T - 1].T @ G[T - 1],
        "the sum over the batch became a mean": right / len(G[0]),
    }
    for reason, value in reasons.items():
        if np.allclose(found, value):
            raise Hint(reason)
    raise Hint(f"the gradient is another with {T} step(s): go back from the last to the first")


@exercise
def keeping_radius(keep):
    """``keep(W, slope)``: a multiple of W for which (slope · W)ⁿ keeps its order of size."""
    rng = np.random.default_rng(1)
    turn = np.array([[0.0, -3.0], [3.0, 0.0]])  # eigenvalues ±3i
    shear = np.array([[0.9, 5.0], [0.0, 0.5]])
    for W in (turn, shear, rng.standard_normal((6, 6))):
        for slope in (1.0, 0.25, 0.6):
            before = W.copy()
            kept = expect_array(keep(W, slope), W.shape, "the matrix")
            if not np.array_equal(W, before):
                raise Hint("keep changed W in place: compute a new array")
            _judge_radius(kept, W, slope)


def _judge_radius(kept, W, slope):
    factor = np.sum(kept * W) / np.sum(W * W)
    if not np.allclose(kept, factor * W):
        raise Hint("the answer should be a multiple of W")
    radius = np.abs(np.linalg.eigvals(W)).max()
    size = abs(factor) * slope
    if np.isclose(size * radius, 1):
        return
    if np.isclose(size * np.linalg.norm(W, 2), 1):
        raise Hint("scaled to its largest singular value W is too small: that bounds one step only")
    if np.isclose(abs(factor) * radius, 1):
        raise Hint("the slope has no effect: it is a factor of each Jacobian")
    if np.isclose(abs(factor) * radius, slope):
        raise Hint("the slope acts the wrong way around: where the bend is flat, W must be larger")
    real = np.abs(np.linalg.eigvals(W).real).max()
    if real > 0 and np.isclose(size * real, 1):
        raise Hint("eigenvalues can be complex: it is their modulus that counts")
    way = "explode" if size * radius > 1 else "vanish"
    raise Hint(f"with this multiple the products {way}")


@exercise
def clip_together(clip):
    """``clip(gradients, threshold)``: a list of arrays, clipped by their common norm."""
    rng = np.random.default_rng(2)
    gradients = [rng.standard_normal(shape) for shape in ((3, 4), (4,), (1,))]
    gradients[1] *= 10
    before = [g.copy() for g in gradients]
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
    found = _listed(clip(gradients, 1.0), gradients)
    if not all(np.array_equal(*pair) for pair in zip(before, gradients, strict=True)):
        raise Hint("clip changed the gradients in place: return new arrays")
    _judge_clipped(found, gradients, norm)
    small = [g / norm / 2 for g in gradients]
    found = _listed(clip(small, 1.0), small)
    if not all(np.allclose(a, b, rtol=1e-4) for a, b in zip(found, small, strict=True)):
        raise Hint("gradients below the threshold should stay as they are")
    found = _listed(clip(gradients, 3.0), gradients)
    if not np.isclose(np.sqrt(sum(np.sum(g**2) for g in found)), 3, rtol=1e-4):
        raise Hint("with threshold 3 the common norm is not 3")
    zeros = [np.zeros(3), np.zeros((2, 2))]
    with np.errstate(all="ignore"):
        found = clip(zeros, 1.0)
    if not all(np.array_equal(a, b) for a, b in zip(found, zeros, strict=True)):
        raise Hint("gradients of zero do not pass unharmed: is something divided by their norm?")


def _listed(found, gradients):
    if not isinstance(found, list | tuple) or len(found) != len(gradients):
        raise Hint(f"clip should return a list of {len(gradients)} arrays")
    return [
        expect_array(each, g.shape, f"gradient {i}")
        for i, (each, g) in enumerate(zip(found, gradients, strict=True))
    ]


def _judge_clipped(found, gradients, norm):
    def same(expected):
        return all(np.allclose(a, b, rtol=1e-4) for a, b in zip(found, expected, strict=True))

    if same([g / norm for g in gradients]):
        return
    if same([g / max(np.linalg.norm(g), 1) for g in gradients]):
        raise Hint("each array is clipped by its own norm, which turns the step as a whole")
    if same([np.clip(g, -1, 1) for g in gradients]):
        raise Hint("that clips each entry, which turns the step: scale all by one factor")
    if same([g / norm**2 for g in gradients]):
        raise Hint("the norm is the root of the sum of squares")
    if same([g / sum(np.linalg.norm(g) for g in gradients) for g in gradients]):
        raise Hint("norms do not add up: their squares do")
    if same(gradients):
        raise Hint("nothing was clipped, although the common norm is above the threshold")
    raise Hint("the common norm after clipping should be the threshold, and the direction the same")
