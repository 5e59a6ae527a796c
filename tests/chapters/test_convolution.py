"""What the chapter on convolution builds, held against PyTorch and against what it promises."""

import ast
from pathlib import Path
from types import SimpleNamespace

import jupytext
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

CHAPTER = Path(__file__).parents[2] / "book" / "images" / "convolution.md"
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef)
CONSTANTS = {"device", "digits", "images", "labels", "three", "positions", "middle"}


def wanted(node):
    """Imports, functions, and a few tables; nothing that trains."""
    if isinstance(node, ast.Assign):
        return getattr(node.targets[0], "id", None) in CONSTANTS
    return isinstance(node, DEFINITIONS)


def definitions():
    space = {}
    for cell in jupytext.read(CHAPTER).cells:
        if cell.cell_type == "code":
            tree = ast.parse(cell.source)
            tree.body = [node for node in tree.body if wanted(node)]
            exec(compile(tree, str(CHAPTER), "exec"), space)
    return SimpleNamespace(**space, space=space)


CODE = definitions()
SEEDS = st.integers(0, 2**32 - 1)


def draw(seed, *shape):
    return CODE.integers(*shape, seed=seed)


# ---- The layer --------------------------------------------------------------------------------


@given(SEEDS, st.integers(1, 3), st.integers(0, 3), st.integers(1, 3), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_the_layer_is_pytorchs(seed, stride, padding, dilation, k):
    X, K = draw(seed, 2, 3, 10, 13), draw(seed, 4, 3, k, k)
    expected = F.conv2d(X, K, None, stride, padding, dilation)
    assert torch.equal(CODE.correlate(X, K, stride, padding, dilation), expected)
    assert CODE.output_size(10, k, stride, padding, dilation) == expected.shape[2]


@given(SEEDS, st.integers(1, 5), st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_all_ways_give_the_same(seed, height, width):
    X, K = draw(seed, 7, 9), draw(seed, height, width)
    expected = F.conv2d(X[None, None], K[None, None])[0, 0]
    assert torch.equal(CODE.correlate_by_loops(X, K), expected)
    assert torch.equal(CODE.correlate_by_im2col(X, K), expected)
    assert torch.allclose(CODE.correlate_by_fft(X, K), expected, rtol=0, atol=1e-10)


def test_the_layer_by_fft_sums_over_channels():
    X, K = draw(0, 2, 3, 8, 9), draw(1, 4, 3, 3, 3)
    assert torch.allclose(CODE.layer_by_fft(X, K), F.conv2d(X, K), rtol=0, atol=1e-9)


def test_gabor_kernels_answer_to_their_own_orientation_only():
    directions = np.pi * np.arange(4) / 4
    for own in directions:
        v, u = np.mgrid[:40, :40]
        stripes = np.cos(2 * np.pi * (u * np.cos(own) + v * np.sin(own)) / 6)
        image = torch.from_numpy(stripes)[None, None]
        energies = [(F.conv2d(image, CODE.gabor(d)[None, None]) ** 2).mean() for d in directions]
        assert directions[int(np.argmax(energies))] == own
        assert sorted(energies)[-2] < 0.1 * max(energies)
    assert abs(CODE.gabor(0.3).sum()) < 1e-12  # even light gives no response


# ---- The matrix and the gradient --------------------------------------------------------------


@given(SEEDS, st.integers(1, 3), st.integers(1, 2))
@settings(max_examples=20, deadline=None)
def test_the_matrix_multiplies_forwards_and_its_transpose_backwards(seed, k, stride):
    X, K = draw(seed, 3, 2, 6, 6), draw(seed, 2, 2, k, k)
    W = CODE.matrix_of(lambda images: F.conv2d(images, K, stride=stride), (2, 6, 6))
    X.requires_grad_()
    Z = F.conv2d(X, K, stride=stride)
    assert torch.equal(X.flatten(1) @ W, Z.flatten(1))
    Z_bar = draw(seed, *Z.shape)
    Z.backward(Z_bar)
    assert torch.equal(X.grad.flatten(1), Z_bar.flatten(1) @ W.T)
    assert CODE.is_shared(W, 2, 6, 2, Z.shape[2], stride)


def test_a_matrix_without_sharing_is_found_out():
    K = draw(0, 1, 1, 3, 3)
    W = CODE.matrix_of(lambda images: F.conv2d(images, K), (1, 6, 6))
    assert CODE.is_shared(W, 1, 6, 1, 4, 1)
    W[7, 0] += 1
    assert not CODE.is_shared(W, 1, 6, 1, 4, 1)


@given(SEEDS, st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_the_gradient_is_pytorchs(seed, k):
    X, K = draw(seed, 2, 3, 5, 6).requires_grad_(), draw(seed, 4, 3, k, k).requires_grad_()
    b = draw(seed, 4).requires_grad_()
    Z = F.conv2d(X, K, b)
    Z_bar = draw(seed, *Z.shape)
    Z.backward(Z_bar)
    found = CODE.backward(X.detach(), K.detach(), Z_bar)
    assert all(
        torch.equal(ours, theirs.grad) for ours, theirs in zip(found, (X, K, b), strict=True)
    )


# ---- Shifts -----------------------------------------------------------------------------------


@pytest.fixture
def layers():
    CODE.space.update(
        picture=draw(0, 1, 1, 24, 24), probe=draw(1, 4, 1, 5, 5), bias=draw(2, 4).mul(3)
    )
    return CODE.on_circle, CODE.with_zeros


def test_on_a_circle_the_layer_commutes_with_shifts(layers):
    circle, _ = layers
    assert all((CODE.gap(circle, t) == 0).all() for t in range(24))
    assert all((CODE.gap(circle, t, 2) == 0).all() for t in range(0, 24, 2))


def test_borders_and_strides_break_it_where_the_text_says(layers):
    circle, zeros = layers
    for t in (1, 4):
        gap = CODE.gap(zeros, t)
        assert gap.max() > 0 and (gap[:, :, 2 + t : -2, 2:-2] == 0).all()
    assert CODE.best_gap(circle, 3, 2).max() > 0
    assert CODE.best_gap(circle, 4, 2).max() == 0  # a multiple of the stride


def test_motion_kernels_prefer_their_own_velocity():
    velocities = [-2, -1, 0, 1, 2]
    for own in (-1, 0, 1):
        energies = [CODE.energy(own, v) for v in velocities]
        assert velocities[int(np.argmax(energies))] == own


# ---- The networks -----------------------------------------------------------------------------


def test_digits_are_placed_whole():
    where = torch.tensor([[0, 0], [4, 4], [1, 3]])
    placed = CODE.place(CODE.images[:3], where)
    for image, canvas, (row, column) in zip(CODE.images[:3], placed, where.tolist(), strict=True):
        assert torch.equal(canvas[0, row : row + 8, column : column + 8], image[0])
        assert canvas.sum() == pytest.approx(image.sum().item())


def test_maximum_by_relu():
    a, b = draw(0, 100), draw(1, 100)
    assert torch.equal(CODE.max_by_relu(a, b), torch.maximum(a, b))


def test_both_networks_have_the_same_form_and_one_can_be_the_other():
    torch.manual_seed(0)
    conv = CODE.convnet()
    X = torch.rand(5, 1, 12, 12, generator=torch.Generator().manual_seed(1))
    twin = CODE.mimic(conv)
    with torch.no_grad():
        for theirs, ours in zip(conv, twin, strict=True):  # layer by layer
            Z, X = theirs(X), ours(X)
            assert Z.shape == X.shape and torch.allclose(Z, X, atol=1e-5)


def test_the_convnet_does_not_notice_even_shifts():
    torch.manual_seed(0)
    conv, X = CODE.convnet(), torch.rand(4, 1, 12, 12)
    with torch.no_grad():
        still, even, odd = (conv(X.roll(t, dims=3)) for t in (0, 2, 1))
    assert torch.allclose(still, even, atol=1e-5) and not torch.allclose(still, odd, atol=1e-4)


# ---- Exercises --------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 2)), max_size=3))
@settings(max_examples=25, deadline=None)
def test_the_receptive_field_is_what_a_gradient_reaches(layers):
    n = 150
    X = torch.ones(1, 1, n, requires_grad=True)
    Z = X
    for kernel, stride, dilation in layers:
        Z = F.conv1d(Z, torch.ones(1, 1, kernel), stride=stride, dilation=dilation)
    Z[0, 0, 0].backward()
    reached = X.grad[0, 0].nonzero().flatten()
    assert CODE.field(layers) == int(reached.max() - reached.min()) + 1
