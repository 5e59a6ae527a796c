"""What the chapter on multilayer perceptrons builds, held against theory and against PyTorch."""

import ast
from pathlib import Path
from types import SimpleNamespace

import jupytext
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlbook import data

CHAPTER = Path(__file__).parents[2] / "book" / "networks" / "multilayer-perceptron.md"
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef)


def definitions():
    """The chapter's own functions, without running the rest of it."""
    space = {}
    for cell in jupytext.read(CHAPTER).cells:
        if cell.cell_type == "code":
            tree = ast.parse(cell.source)
            tree.body = [node for node in tree.body if isinstance(node, DEFINITIONS)]
            exec(compile(tree, str(CHAPTER), "exec"), space)
    return SimpleNamespace(**space, space=space)


CODE = definitions()
shapes = st.tuples(*[st.integers(1, 6)] * 4)  # n, d, m, K


# ---- Bricks -----------------------------------------------------------------------------------


@given(st.floats(-2, 2), st.floats(-2, 2))
def test_the_derivative_of_a_shared_weight_is_the_sum_over_its_uses(w, x):
    outer = CODE.slope(lambda v: CODE.composed(v, w, x), at=w)
    inner = CODE.slope(lambda v: CODE.composed(w, v, x), at=w)
    shared = CODE.slope(lambda v: CODE.composed(v, v, x), at=w)
    assert shared == pytest.approx(outer + inner, abs=1e-4)
    assert shared == pytest.approx(3 * w**2 * x**4, abs=1e-4)


@settings(deadline=None)
@given(st.lists(st.integers(1, 8), min_size=3, max_size=7), st.integers(0, 2**32 - 1))
def test_a_stack_of_affine_maps_is_one_affine_map(widths, seed):
    rng = np.random.default_rng(seed)
    layers = CODE.random_layers(widths, rng)
    A, a = CODE.collapse(layers)
    X = rng.standard_normal((9, widths[0]))
    assert A.shape == (widths[0], widths[-1])
    assert np.linalg.matrix_rank(A) <= min(widths)
    out = CODE.run_stack(X, layers, lambda Z: Z)
    assert np.allclose(out, X @ A + a, rtol=0, atol=1e-10 * max(1, np.abs(out).max()))


# ---- The network and its gradients ------------------------------------------------------------


def problem(shape, seed, kind):
    """Inputs, targets (one-hot or numbers) and parameters with biases."""
    n, d, m, K = shape
    rng = np.random.default_rng(seed)
    Y = np.eye(K)[rng.integers(0, K, n)] if kind == "classes" else rng.standard_normal((n, K))
    parameters = CODE.initialise(d, m, K, seed)
    parameters = [p + 0.3 * rng.standard_normal(p.shape) for p in parameters]
    return rng.standard_normal((n, d)), Y, parameters


@settings(deadline=None)
@given(shapes, st.integers(0, 2**32 - 1))
def test_softmax_gives_distributions_that_shifts_do_not_change(shape, seed):
    Z = 100 * np.random.default_rng(seed).standard_normal(shape[:2])
    rows = CODE.softmax(Z)
    assert rows.sum(axis=1) == pytest.approx(np.ones(len(Z)))
    assert (rows >= 0).all()
    assert np.allclose(rows, CODE.softmax(Z + 1e3))


@settings(deadline=None)
@given(shapes, st.integers(0, 2**32 - 1), st.sampled_from(["classes", "numbers"]))
def test_gradients_are_torch_s(shape, seed, kind):
    X, Y, parameters = problem(shape, seed, kind)
    leaves = [torch.from_numpy(p.copy()).requires_grad_() for p in parameters]
    W1, b1, W2, b2 = leaves
    scores = torch.tanh(torch.from_numpy(X) @ W1 + b1) @ W2 + b2
    if kind == "classes":
        loss = torch.nn.functional.cross_entropy(scores, torch.from_numpy(Y))
        output, ours = CODE.softmax, CODE.cross_entropy
    else:
        loss = ((scores - torch.from_numpy(Y)) ** 2).sum() / (2 * len(X))
        output, ours = CODE.linear, CODE.squared_error
    loss.backward()
    assert ours(CODE.forward(X, parameters, output)[1], Y) == pytest.approx(loss.item())
    for leaf, gradient in zip(leaves, CODE.gradients(X, Y, parameters, output), strict=True):
        assert gradient.shape == tuple(leaf.shape)
        assert np.allclose(gradient, leaf.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_the_numerical_gradient_finds_a_planted_mistake_and_leaves_parameters_alone():
    X, Y, parameters = problem((6, 2, 3, 2), 0, "classes")
    before = [p.copy() for p in parameters]

    def loss():
        return CODE.cross_entropy(CODE.forward(X, parameters, CODE.softmax)[1], Y)

    found = CODE.gradients(X, Y, parameters, CODE.softmax)
    for array, gradient in zip(parameters, found, strict=True):
        slopes = CODE.numerical_gradient(loss, array)
        assert np.abs(gradient - slopes).max() < 1e-9
        assert np.abs(1.001 * gradient - slopes).max() > 1e-4 * np.abs(gradient).max()
    assert all(np.array_equal(p, q) for p, q in zip(parameters, before, strict=True))


def test_logistic_regression_is_the_maximum_of_its_likelihood():
    rng = np.random.default_rng(0)
    X, labels = rng.standard_normal((200, 2)), rng.integers(0, 2, 200)
    W, b = CODE.train_logistic(X, np.eye(2)[labels])
    delta = CODE.softmax(X @ W + b) - np.eye(2)[labels]
    assert np.abs(X.T @ delta).max() < 1e-6 and np.abs(delta.sum(axis=0)).max() < 1e-6


# ---- What the chapter states ------------------------------------------------------------------


def rate(law, noise, m, seed):
    """Accuracy on new points of a network with m hidden units."""
    (X, _, Y), (X_new, labels_new, _) = CODE.draw_data(law, noise, seed)
    parameters = CODE.train(X, Y, m, CODE.softmax, n_steps=1500, seed=seed)
    return CODE.accuracy(CODE.forward(X_new, parameters, CODE.softmax)[1], labels_new)


@pytest.mark.parametrize("seed", [10, 11, 12])
def test_other_draws_of_moons_and_rings_are_learned_too(seed):
    assert rate(data.two_moons, 0.15, 8, seed) > 0.97
    assert rate(data.rings, 0.2, 8, seed) > 0.97


def test_two_tanh_units_do_not_enclose_a_ring():
    assert rate(data.rings, 0.2, 2, seed=10) < 0.9


def test_equal_units_stay_equal_and_different_ones_do_not():
    X, Y, _ = problem((30, 2, 4, 2), 0, "classes")
    alike = [np.full((2, 4), 0.3), np.zeros(4), np.tile([0.1, -0.1], (4, 1)), np.zeros(2)]
    for gradient in CODE.gradients(X, Y, alike, CODE.softmax)[:2]:
        assert np.ptp(gradient, axis=-1).max() == 0
    found = CODE.gradients(X, Y, CODE.initialise(2, 4, 2, 0), CODE.softmax)
    assert np.ptp(found[0], axis=1).min() > 0
