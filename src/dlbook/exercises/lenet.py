"""Checks of the exercises in *Reading digits*."""

import numpy as np
import torch

from dlbook.exercises import Hint, exercise, expect_array, expect_close

__all__ = [
    "as_linear",
    "enough_to_resume",
    "field_of",
    "rearranged",
    "subsampling_gradients",
    "table_of_pairs",
]


@exercise
def table_of_pairs(parameters, connections):
    """Parameters and connections of a C3 with a map for each pair of six maps."""
    parameters = float(expect_array(parameters, (), "the number of parameters"))
    connections = float(expect_array(connections, (), "the number of connections"))
    if parameters == 15 * 2 * 25:
        raise Hint("parameters: each map of C3 has a bias, too")
    if parameters == 15 * (25 + 1):
        raise Hint("parameters: a map that reads two maps has a kernel for each of them")
    if parameters == 15 * 2 * (25 + 1):
        raise Hint("parameters: a map has one bias, however many maps it reads")
    if parameters == 30 * (2 * 25 + 1) or parameters == 36 * (2 * 25 + 1):
        raise Hint("parameters: {1, 2} and {2, 1} are the same pair, and {1, 1} is none")
    expect_close(parameters, 765, "parameters: how many pairs are there, and what has each?")
    if connections == parameters:
        raise Hint("connections: a shared weight is used at each place of its map")
    if connections == 15 * 2 * 25 * 100:
        raise Hint("connections: the bias is used at each place, too")
    expect_close(connections, 76_500, "connections: a map has 10×10 units, not as many as yours")


@exercise
def field_of(compute):
    """``compute(layers, i)``: first and last pixel that unit i of the last layer looks at."""
    tried = [
        ([(5, 1, 0)], 3),
        ([(5, 1, 0), (2, 2, 0)], 0),
        ([(5, 1, 0), (2, 2, 0)], 3),
        ([(5, 1, 0), (2, 2, 0), (5, 1, 0), (2, 2, 0), (5, 1, 0)], 2),
        ([(5, 1, 2)], 4),
        ([(3, 2, 1), (3, 2, 1), (3, 1, 1)], 1),
        ([(1, 3, 0), (4, 1, 2)], 5),
        ([], 7),
    ]
    for layers, i in tried:
        given = list(layers)
        found = _unpacked(compute(given, i), 2, "the first and the last pixel")
        if given != layers:
            raise Hint("the function changed the list of layers")
        first, last = (float(expect_array(pixel, (), "a pixel")) for pixel in found)
        where = f"for {layers or 'no layer at all'} and i = {i}"
        _judge_field(first, last, layers, i, where)


def _judge_field(first, last, layers, i, where):
    right_first, right_last = _field(layers, i)
    if (first, last) == (right_first, right_last):
        return
    side = last - first + 1
    right_side = right_last - right_first + 1
    if side == right_side + 1 and first == right_first:
        raise Hint(f"{where} the last pixel is one too far: a field of side 1 ends where it begins")
    unstrided = [(k, 1, p) for k, _, p in layers]
    if (first, last) == _field(unstrided, i):
        raise Hint(f"{where} strides have no effect: one unit further is more than one pixel")
    if side != right_side and side == np.ptp(_field(unstrided, i)) + 1:
        raise Hint(f"{where} the field is too small: one unit further is more than one pixel")
    expect_close(side, right_side, f"{where} the field is not {side:g} pixels wide")
    unpadded = [(k, s, 0) for k, s, _ in layers]
    if first == _field(unpadded, i)[0]:
        raise Hint(f"{where} the field is too far to the right: unit 0 begins in the frame")
    if first == right_first - 2 * (right_first - _field(unpadded, i)[0]):
        raise Hint(f"{where} the padding moves the field the other way")
    raise Hint(f"{where} the field has the right width but does not begin at pixel {first:g}")


def _field(layers, i):
    """From the last layer down: which units of each layer below are read."""
    first = last = i
    for kernel, stride, padding in reversed(layers):
        first, last = first * stride - padding, last * stride - padding + kernel - 1
    return first, last


@exercise
def subsampling_gradients(compute):
    """``compute(X, beta, Z_bar)``: derivatives for β, b and X, on maps of several shapes."""
    rng = np.random.default_rng(4)
    for height, width in [(2, 2), (1, 3), (4, 2)]:
        X, Z_bar = (
            rng.standard_normal((2 * height, 2 * width)),
            rng.standard_normal((height, width)),
        )
        beta, before = 0.7, (X.copy(), Z_bar.copy())
        found = _unpacked(compute(X, beta, Z_bar), 3, "the derivatives for beta, b and X")
        if not all(np.array_equal(*pair) for pair in zip(before, (X, Z_bar), strict=True)):
            raise Hint("the function changed its arguments in place: make new arrays")
        d_beta = expect_array(found[0], (), "the derivative for beta")
        d_bias = expect_array(found[1], (), "the derivative for b")
        d_input = expect_array(found[2], X.shape, "the derivative for X")
        sums = X.reshape(height, 2, width, 2).sum(axis=(1, 3))
        if np.isclose(d_beta, (Z_bar * sums).sum() / 4):
            raise Hint("beta multiplies the sum of a block, not its mean")
        expect_close(d_beta, (Z_bar * sums).sum(), "beta: one term for each block, and all add up")
        if np.isclose(d_bias, Z_bar.mean()) and Z_bar.size > 1:
            raise Hint("b: the uses of a shared parameter add up, they are not averaged")
        expect_close(d_bias, Z_bar.sum(), "b: how often is it used, and with which factor?")
        _judge_input(d_input, beta, Z_bar)


def _judge_input(d_input, beta, Z_bar):
    copied = np.kron(Z_bar, np.ones((2, 2)))
    if np.allclose(d_input, copied):
        raise Hint("X: an entry reaches z only through beta")
    if np.allclose(d_input, beta * copied / 4):
        raise Hint("X: each entry of a block enters the sum with the factor 1, not 1/4")
    if Z_bar.size > 1 and np.allclose(d_input, beta * np.tile(Z_bar, (2, 2))):
        raise Hint("X: the entries of Z̄ are at the wrong places; a block of X lies together")
    expect_close(d_input, beta * copied, "X: each entry of a block gets the same; which number?")


@exercise
def as_linear(convert):
    """``convert(codes)``: W and b whose softmax is that of the negative squared distances."""
    rng = np.random.default_rng(6)
    for n_codes, size in [(2, 1), (10, 5), (3, 8)]:
        codes, x = rng.standard_normal((n_codes, size)), rng.standard_normal((7, size))
        before = codes.copy()
        found = _unpacked(convert(codes), 2, "W and b")
        if not np.array_equal(codes, before):
            raise Hint("the function changed the codes")
        W = expect_array(found[0], (size, n_codes), "W")
        b = expect_array(found[1], (n_codes,), "b")
        expected = _softmax(-((x[:, None] - codes) ** 2).sum(axis=2))
        squares = (codes**2).sum(axis=1)
        if np.allclose(_softmax(x @ W + b), expected, atol=1e-8):
            continue
        if np.allclose(_softmax(-(x @ W + b)), expected):
            raise Hint("the nearest code gets the lowest probability: look at the signs")
        if np.allclose(W, codes.T):
            raise Hint("multiply the square out: what is the factor of the mixed term?")
        if np.allclose(b, b[0]):
            raise Hint("longer codes are farther away: b depends on the code")
        if np.allclose(b, squares) or np.allclose(b, -np.sqrt(squares)):
            raise Hint("b: with which sign does the square of the code's length enter?")
        raise Hint("the probabilities differ from those of the distances")


def _softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@exercise
def enough_to_resume(answers):
    """Which of five interrupted trainings end as if they had not been interrupted."""
    if not isinstance(answers, tuple | list) or len(answers) != 5:
        raise Hint("five answers are expected, True or False")
    if any(answer is ... or answer is None for answer in answers):
        raise NotImplementedError
    if not all(isinstance(answer, bool | np.bool_) for answer in answers):
        raise Hint("each answer should be True or False")
    reasons = [
        (True, "1: what besides the weights does the next step of plain descent depend on?"),
        (False, "2: the velocity is a memory of all gradients so far; where is it now?"),
        (False, "3: a generator that is made anew begins at its beginning"),
        (True, "4: what could still differ?"),
        (False, "5: when was the order of the examples drawn that are still to come?"),
    ]
    for answer, (expected, reason) in zip(answers, reasons, strict=True):
        if bool(answer) != expected:
            raise Hint(reason)


@exercise
def rearranged(move):
    """``move(images, order)``: the same order of pixels for all images, shape as before."""
    generator = torch.Generator().manual_seed(3)
    for height, width in [(2, 3), (8, 8)]:
        images = torch.rand(5, 1, height, width, generator=generator)
        order = torch.randperm(height * width, generator=generator)
        before = images.clone()
        found = move(images, order)
        if not isinstance(found, torch.Tensor):
            raise Hint(f"the result should be a tensor, but is a {type(found).__name__}")
        if not torch.equal(images, before):
            raise Hint("the function changed the images in place: make new ones")
        if found.shape != images.shape:
            raise Hint(f"the result should have shape {tuple(images.shape)}, as before")
        expected = images.flatten(1)[:, order].reshape(images.shape)
        if torch.equal(found, expected):
            continue
        if torch.equal(found.flatten(1)[:, order], images.flatten(1)):
            raise Hint("that is the inverse: pixel p of the new image is pixel order[p] of the old")
        if torch.equal(found, images):
            raise Hint("nothing has moved")
        if torch.equal(found.flatten(1).sort().values, images.flatten(1).sort().values):
            raise Hint("each image has its own pixels, but not in the order asked for")
        raise Hint("pixels were lost, made up, or moved from one image to another")


def _unpacked(result, n, names):
    if not isinstance(result, tuple | list) or len(result) != n:
        raise Hint(f"the answer should return {n} things, {names}")
    if any(each is None or each is ... for each in result):
        raise NotImplementedError
    return result
