"""Checks of the exercises in *Lego for functions*."""

from itertools import pairwise

import numpy as np

from dlbook.exercises import Hint, exercise, expect_array, expect_close

__all__ = [
    "forward_pass",
    "parameter_counts",
    "permutation",
    "shared_weight",
    "two_hidden_layers",
    "xor_by_hand",
]

NETWORKS = {"(a)": (64, 32, 10), "(b)": (427 * 640 * 3, 100, 2), "(c)": (2, 8, 8, 1)}


@exercise
def parameter_counts(answer):
    """Numbers of parameters of the three networks, biases included."""
    counts = expect_array(answer, (3,), "the answer")
    for (name, sizes), count in zip(NETWORKS.items(), counts, strict=True):
        weights = sum(d * m for d, m in pairwise(sizes))
        if count == weights:
            raise Hint(f"{name}: these are the weights; each unit has a bias as well")
        if count == sum(sizes) or count == sum(sizes[1:]):
            raise Hint(f"{name}: these are the units; count the lines between them, and the biases")
        if count == weights + sum(sizes):
            raise Hint(f"{name}: inputs have no bias")
        if count != weights + sum(sizes[1:]):
            raise Hint(f"{name}: a layer has a weight for each pair of input and unit, and biases")


@exercise
def shared_weight(derivative):
    """``derivative(w, x)`` of tanh(w tanh(w x)) with respect to w."""
    for w, x in ((0.7, 1.3), (-1.2, 0.4), (2.0, -0.5)):
        u = np.tanh(w * x)
        slope = 1 - np.tanh(w * u) ** 2
        outer, inner = slope * u, slope * w * (1 - u**2) * x
        found = expect_array(derivative(w, x), (), "the derivative")
        if np.isclose(found, outer):
            raise Hint("this is the outer use alone: w also acts inside, through tanh(wx)")
        if np.isclose(found, inner):
            raise Hint("this is the inner use alone: w also multiplies what comes out of it")
        if np.isclose(found, outer * inner):
            raise Hint("the two uses are multiplied; turning w once turns both, so their effects …")
        if np.isclose(found, u + w * (1 - u**2) * x):
            raise Hint("the outer tanh has a slope, too")
        if np.isclose(found, slope * (u + w * x)):
            raise Hint("the inner tanh has a slope, too")
        expect_close(found, outer + inner, "central differences give another slope")


@exercise
def xor_by_hand(W1, b1, W2, b2):
    """Weights of two ReLUs and a linear output that compute XOR on {0, 1}²."""
    W1, b1 = expect_array(W1, (2, 2), "W1"), expect_array(b1, (2,), "b1")
    W2, b2 = expect_array(W2, (2, 1), "W2"), expect_array(b2, (1,), "b2")
    corners = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    Z = corners @ W1 + b1
    if np.all(Z >= 0) or np.all(Z <= 0):
        raise Hint("on the four points no unit ever bends, so the network is affine there")
    output = (np.maximum(Z, 0) @ W2 + b2)[:, 0]
    for corner, value, wanted in zip(corners, output, (0, 1, 1, 0), strict=True):
        if abs(value - wanted) > 1e-9:
            x = f"({corner[0]:.0f}, {corner[1]:.0f})"
            raise Hint(f"at {x} the output is {value:g}; follow this point through both units")


@exercise
def forward_pass(all_layers):
    """``all_layers(X, layers)``: X, then each hidden layer after its tanh, then the scores."""
    rng = np.random.default_rng(1)
    for sizes in ((3, 2), (2, 4, 3), (2, 5, 4, 3)):
        X = rng.standard_normal((6, sizes[0]))
        layers = [(rng.standard_normal((d, m)), rng.standard_normal(m)) for d, m in pairwise(sizes)]
        expected = _forward(X, layers)
        found = all_layers(X, layers)
        if not isinstance(found, list | tuple):
            raise Hint(f"expected a list of arrays, got a {type(found).__name__}")
        if len(found) != len(expected):
            raise Hint(
                f"for {len(layers)} layers of weights the list should hold {len(expected)} arrays, "
                f"but it holds {len(found)}"
            )
        for level, (array, wanted) in enumerate(zip(found, expected, strict=True)):
            array = expect_array(array, wanted.shape, f"entry {level}")
            if level == len(layers) and np.allclose(array, np.tanh(wanted)):
                raise Hint("the scores went through tanh: the last layer has none")
            if 0 < level < len(layers) and np.allclose(np.tanh(array), wanted):
                raise Hint(f"entry {level} holds the pre-activations: apply tanh")
            expect_close(
                array, wanted, f"entry {level} is wrong: is the bias added?", f"entry {level}"
            )


@exercise
def permutation(renumbered):
    """``renumbered(parameters, order)``: new unit k is the old unit order[k]."""
    rng = np.random.default_rng(2)
    shapes = {"W1": (2, 4), "b1": (4,), "W2": (4, 3), "b2": (3,)}
    parameters = [rng.standard_normal(shape) for shape in shapes.values()]
    W1, b1, W2, b2 = parameters
    order = np.array([2, 0, 3, 1])  # not its own inverse
    found = renumbered([p.copy() for p in parameters], order)
    if len(found) != 4:
        raise Hint(f"expected the four arrays W1, b1, W2 and b2, got {len(found)}")
    items = zip(shapes.items(), found, strict=True)
    new = [expect_array(array, shape, name) for (name, shape), array in items]
    X = rng.standard_normal((5, 2))
    before = np.tanh(X @ W1 + b1) @ W2 + b2
    after = np.tanh(X @ new[0] + new[1]) @ new[2] + new[3]
    if all(np.array_equal(a, b) for a, b in zip(new, parameters, strict=True)):
        raise Hint("nothing has moved")
    if not np.allclose(after, before):
        raise Hint("the function has changed: a unit takes its weights, bias and outgoing weights")
    if np.allclose(new[0][:, order], W1):
        raise Hint("this is the inverse order: column k of the new W1 is column order[k]")
    expect_close(new[0], W1[:, order], "the order of the columns of W1 is not the one asked for")


@exercise
def two_hidden_layers(gradients):
    """``gradients(X, Y, parameters)`` of the mean cross-entropy with two hidden tanh layers."""
    rng = np.random.default_rng(3)
    sizes = (2, 4, 5, 3)
    parameters = []
    for d, m in pairwise(sizes):
        parameters += [rng.standard_normal((d, m)), rng.standard_normal(m)]
    X, Y = rng.standard_normal((7, 2)), np.eye(3)[rng.integers(0, 3, 7)]
    found = gradients(X, Y, [p.copy() for p in parameters])
    if len(found) != 6:
        raise Hint(f"expected six gradients, one for each array of parameters, got {len(found)}")
    names = ("W1", "b1", "W2", "b2", "W3", "b3")
    expected = _gradients(X, Y, parameters)
    without = _gradients(X, Y, parameters, slope=lambda H: 1.0)
    for k in reversed(range(6)):  # from the top, where a mistake begins
        name = f"the gradient of {names[k]}"
        array = expect_array(found[k], parameters[k].shape, name)
        if np.allclose(array, 7 * expected[k]):
            raise Hint("these are gradients of the sum over the examples; the loss is their mean")
        if np.allclose(array, -expected[k]):
            raise Hint(f"{name} has the wrong sign: it is prediction minus target that comes down")
        if k < 4 and np.allclose(array, without[k]):
            raise Hint(f"{name}: on the way down the slope of tanh, 1 − H², is missing")
        expect_close(array, expected[k], f"{name} differs from central differences", name)


def _forward(X, layers):
    """X, hidden layers after tanh, and the scores."""
    kept = [X]
    for W, b in layers[:-1]:
        kept.append(np.tanh(kept[-1] @ W + b))
    W, b = layers[-1]
    return [*kept, kept[-1] @ W + b]


def _gradients(X, Y, parameters, slope=lambda H: 1 - H**2):
    """Gradients of the mean cross-entropy; `slope` is tanh' as a function of tanh."""
    weights = parameters[::2]
    kept = _forward(X, list(zip(weights, parameters[1::2], strict=True)))
    powers = np.exp(kept[-1])
    delta = (powers / powers.sum(axis=1, keepdims=True) - Y) / len(X)
    found = []
    for level in reversed(range(len(weights))):
        found = [kept[level].T @ delta, delta.sum(axis=0), *found]
        delta = delta @ weights[level].T * slope(kept[level])
    return found
