"""Checks of the exercises in *Weight sharing in space*."""

import numpy as np

from dlbook.exercises import Hint, exercise, expect_array, expect_close

__all__ = [
    "edge_strength",
    "input_gradient",
    "kernel_of",
    "receptive_field",
    "separate",
    "sizes",
]


@exercise
def sizes(side, n_parameters):
    """Side of the last output and number of parameters of two layers on a 64×64 colour image."""
    side = float(expect_array(side, (), "the side of the output"))
    n_parameters = float(expect_array(n_parameters, (), "the number of parameters"))
    if side in (56, 57, 58, 60, 61, 62, 63, 64):
        raise Hint("the side of the output: the first layer takes only every second pixel")
    if side == 32:
        raise Hint("the side of the output: how many pixels does a dilated window reach over?")
    expect_close(side, 28, "the side of the output: work it out layer by layer, with the formula")
    if n_parameters == 32 * 27 + 16 * 800:
        raise Hint("the number of parameters: the biases are missing")
    if n_parameters == 32 * 10 + 16 * 26:
        raise Hint("the number of parameters: an output has a kernel for each input channel")
    if n_parameters == 32 * 28 + 16 * (32 * 81 + 1):
        raise Hint("the number of parameters: dilation spreads the weights out, it adds none")
    if n_parameters == 32 * 28 + 16 * (3 * 25 + 1):
        raise Hint("the number of parameters: how many channels does the second layer take in?")
    expected = 32 * 28 + 16 * 801
    expect_close(n_parameters, expected, "the number of parameters: count one kernel, then all")


@exercise
def edge_strength(strength):
    """``strength(image)``: length of the vector of Sobel's two responses, (H - 2, W - 2)."""
    import torch

    rng = np.random.default_rng(1)
    down, across = np.mgrid[:6, :9]
    quarters = rng.integers(0, 100, (7, 5)) / 4  # exact in 32 bits, as are their sums
    for image in (2.0 * across, 0.5 * down, 3.0 * across + 4.0 * down, quarters):
        height, width = image.shape
        given = torch.from_numpy(image.copy())
        try:
            found = strength(given)
        except RuntimeError:  # kernels may have been written in 32 bits, PyTorch's default
            given = given.float()
            found = strength(given)
        found = expect_array(found, (height - 2, width - 2), "the edge strength")
        if not np.array_equal(given.numpy(), image):
            raise Hint("edge_strength changed the image in place: compute a new tensor")
        right, below = _sobel(image)
        expected = np.hypot(right, below)
        _name_the_mistake(found, image, right, below)
        expect_close(found, expected, "the edge strength is not the length of the two responses")


def _name_the_mistake(found, image, right, below):
    expected = np.hypot(right, below)
    if np.allclose(found, expected):
        return
    plain = np.hypot(*_sobel(image, smooth=(1, 1, 1)))
    mistakes = [
        (expected**2, "that is the square of the length: its root is missing"),
        (np.abs(right) + np.abs(below), "absolute values add up to another norm than the length"),
        (right + below, "the responses add up with their signs, so that opposite edges cancel"),
        (np.abs(right), "only edges between left and right count: where is the second kernel?"),
        (right, "only edges between left and right count: where is the second kernel?"),
        (np.abs(below), "only edges between above and below count: where is the first kernel?"),
        (plain, "the middle row of the kernel counts as much as the others: look at its weights"),
    ]
    for wrong, hint in mistakes:
        if np.allclose(found, wrong):
            raise Hint(hint)


def _sobel(image, smooth=(1, 2, 1)):
    """Responses across columns and across rows, from differences of shifted copies."""
    right, below = image[:, 2:] - image[:, :-2], image[2:] - image[:-2]
    a, b, c = smooth
    return (
        a * right[:-2] + b * right[1:-1] + c * right[2:],
        a * below[:, :-2] + b * below[:, 1:-1] + c * below[:, 2:],
    )


@exercise
def separate(split):
    """``split(K)``: u and v with K = u vᵀ, or ValueError."""
    import torch

    rng = np.random.default_rng(2)
    cases = [((1, 2, 1), (1, 2, 1)), ((1, 2, 1), (-1, 0, 1)), ((0, 0, 1), (0, -3, 0))]
    cases += [(rng.standard_normal(5), rng.standard_normal(3))]
    for u, v in cases:
        K = np.outer(np.array(u, dtype=float), v)
        try:
            found = split(torch.from_numpy(K.copy()))
        except ValueError as error:
            raise Hint(f"a separable kernel was refused: {error}") from None
        try:
            first, second = found
        except (TypeError, ValueError):
            raise Hint("separate should return two vectors, u and v") from None
        first = expect_array(first, (K.shape[0],), "u")
        second = expect_array(second, (K.shape[1],), "v")
        product = np.outer(first, second)
        if np.allclose(product, -K):
            raise Hint("u vᵀ has the wrong sign")
        if np.linalg.matrix_rank(np.stack([product.ravel(), K.ravel()])) == 1:
            expect_close(product, K, "u vᵀ has the right form but the wrong size: a factor is lost")
        expect_close(product, K, "u vᵀ is not the kernel")
    for K in (np.eye(3), np.array([[1.0, 1, 1], [1, -8, 1], [1, 1, 1]])):
        try:
            split(torch.from_numpy(K.copy()))
        except ValueError:
            continue
        raise Hint(f"a kernel of rank {np.linalg.matrix_rank(K)} was not refused")


@exercise
def receptive_field(field):
    """``field(layers)`` for triples (kernel, stride, dilation)."""
    cases = [[(3, 1, 1)], [(3, 1, 1), (3, 1, 1)], [(3, 1, 2)], [(3, 1, 1), (5, 1, 4)]]
    cases += [[(5, 2, 1), (3, 1, 1)], [(3, 2, 1), (2, 2, 1), (3, 1, 2), (3, 3, 1)], []]
    for layers in cases:
        found = float(expect_array(field(list(layers)), (), "the receptive field"))
        kernels, strides, dilations = np.array(layers, dtype=int).reshape(-1, 3).T
        jumps = np.cumprod(np.append(1, strides))
        grown = dilations * (kernels - 1)
        expected = 1 + grown @ jumps[:-1]
        if found == expected:
            continue
        mistakes = [
            ((kernels - 1) @ jumps[:-1] + 1, "the dilation does not count"),
            (grown @ jumps[1:] + 1, "a layer's own stride does not spread its own window"),
            (grown.sum() + 1, "strides below a layer spread its window over more input pixels"),
            (expected - 1, "one pixel is missing: what does a network of no layers see?"),
            (dilations * kernels @ jumps[:-1] + 1, "k weights span k - 1 steps"),
        ]
        for wrong, hint in mistakes:
            if found == wrong:
                raise Hint(f"for {layers}: {hint}")
        raise Hint(f"for {layers} a unit sees a width of {expected:g} pixels, not of {found:g}")


@exercise
def kernel_of(find):
    """``find(f, N)``: K with f(x)_i = sum of K_a x_(i+a), indices modulo N."""
    import torch

    rng = np.random.default_rng(3)
    for size in (5, 8, 1, 2):  # the small ones last: they tell fewer mistakes apart
        K = rng.standard_normal(size)
        circulant = np.stack([np.roll(K, i) for i in range(size)])  # row i: weights of output i
        matrix, calls = torch.from_numpy(circulant), []

        def f(x, matrix=matrix, calls=calls):
            calls.append(1)
            return matrix @ x.to(matrix.dtype)  # a unit vector may well have 32 bits

        found = expect_array(find(f, size), (size,), "the kernel")
        g = circulant[:, 0]
        if not np.allclose(g, K) and np.allclose(found, g):
            raise Hint("that is the response to the unit vector: which way round is the kernel?")
        if not np.allclose(found, K) and np.allclose(found, K[::-1]):
            raise Hint("turned a place too far: K_0 is the weight of the pixel itself")
        if any(np.allclose(found, np.roll(K, by)) for by in range(1, size)):
            raise Hint("the kernel is right up to a shift")
        expect_close(found, K, "the kernel is not the one of f")
        if len(calls) > 1:
            raise Hint(f"f was called {len(calls)} times: one call is enough")


@exercise
def input_gradient(gradient):
    """``gradient(Z_bar, K, height, width, stride)`` of a one-channel layer without padding."""
    import torch

    rng = np.random.default_rng(4)
    for k, height, width, stride in ((3, 5, 6, 1), (3, 7, 9, 2), (3, 8, 6, 2), (2, 9, 7, 3)):
        m, m2 = (height - k) // stride + 1, (width - k) // stride + 1
        K, Z_bar = rng.standard_normal((k, k)), rng.standard_normal((m, m2))
        args = torch.from_numpy(Z_bar.copy()), torch.from_numpy(K.copy())
        found = gradient(*args, height, width, stride)
        found = expect_array(found, (height, width), f"with stride {stride} the gradient")
        expected, turned = np.zeros((height, width)), np.zeros((height, width))
        for i, j in np.ndindex(m, m2):
            place = np.s_[i * stride : i * stride + k, j * stride : j * stride + k]
            expected[place] += Z_bar[i, j] * K
            turned[place] += Z_bar[i, j] * K[::-1, ::-1]
        if np.allclose(found, expected):
            continue
        if np.allclose(found, turned):
            raise Hint("the kernel is turned the wrong way: strict sense, or a cross-correlation?")
        hint = "already at stride 1" if stride == 1 else f"at stride {stride}"
        raise Hint(f"{hint} some pixels get another sum than that over the outputs they act on")
