"""Every rule of the engine against PyTorch and against finite differences."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as shapes

from dlbook import autodiff
from dlbook.autodiff import RULES, SGD, Adam, Tensor, check_gradients

few = settings(max_examples=40, deadline=None, derandomize=True, database=None)
sides = st.integers(1, 4)


@st.composite
def unary(draw, ours, theirs, positive=False):
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    x = rng.normal(size=draw(shapes.array_shapes(min_dims=0, max_dims=3, max_side=4)))
    if positive:
        x = np.abs(x) + 0.1
    return [np.where(np.abs(x) < 0.01, 0.01, x)], ours, theirs  # away from the kink of relu


@st.composite
def binary(draw, ours, theirs=None, positive=False):
    both = draw(shapes.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    a, b = (rng.uniform(0.5, 2, shape) for shape in both.input_shapes)
    if not positive:
        a, b = (x * rng.choice([-1, 1], x.shape) for x in (a, b))
    return [a, b], ours, theirs or ours


@st.composite
def where(draw):
    both = draw(shapes.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    condition, a, b = (rng.normal(size=shape) for shape in both.input_shapes)
    condition = condition > 0

    def theirs(a, b):
        return torch.where(torch.tensor(condition), a, b)

    return [a, b], lambda a, b: autodiff.where(condition, a, b), theirs


@st.composite
def reduction(draw, name):
    shape = draw(shapes.array_shapes(min_dims=1, max_dims=3, max_side=4))
    x = np.random.default_rng(draw(st.integers(0, 999))).permutation(int(np.prod(shape))) / 7.0
    axis = draw(st.none() | shapes.valid_tuple_axes(len(shape), min_size=1))
    if axis is not None and len(axis) == 1 and draw(st.booleans()):
        axis = axis[0]
    keepdims = draw(st.booleans())
    every = tuple(range(len(shape))) if axis is None else axis
    theirs = getattr(torch, "amax" if name == "max" else name)
    return (
        [x.reshape(shape)],
        lambda x: getattr(x, name)(axis=axis, keepdims=keepdims),
        lambda x: theirs(x, dim=every, keepdim=keepdims),
    )


@st.composite
def matmul(draw):
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    m, k, n = draw(sides), draw(sides), draw(sides)
    batches = draw(shapes.mutually_broadcastable_shapes(num_shapes=2, max_dims=2, max_side=3))
    left, right = (
        (*batch, *core) for batch, core in zip(batches.input_shapes, ((m, k), (k, n)), strict=True)
    )
    left = draw(st.sampled_from([left, (k,)]))
    right = draw(st.sampled_from([right, (k, n), (k,)]))
    return [rng.normal(size=left), rng.normal(size=right)], lambda a, b: a @ b, torch.matmul


@st.composite
def linear(draw):
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    n_in, n_out = draw(sides), draw(sides)
    batch = draw(shapes.array_shapes(min_dims=0, max_dims=2, max_side=3))
    arrays = [rng.normal(size=shape) for shape in ((*batch, n_in), (n_in, n_out), (n_out,))]
    return arrays, autodiff.linear, lambda x, w, b: x @ w + b


@st.composite
def index(draw):
    shape = draw(shapes.array_shapes(min_dims=1, max_dims=3, min_side=2, max_side=4))
    x = np.random.default_rng(draw(st.integers(0, 999))).normal(size=shape)
    arrays = shapes.integer_array_indices(
        shape, result_shape=shapes.array_shapes(max_dims=2, max_side=5)
    )
    masks = shapes.arrays(bool, shape)
    simple = shapes.basic_indices(shape, allow_newaxis=True).filter(
        lambda i: not any(isinstance(p, slice) and (p.step or 1) < 0 for p in np.index_exp[i])
    )
    chosen = draw(st.one_of(arrays, masks, simple))
    parts = chosen if isinstance(chosen, tuple) else (chosen,)
    theirs = tuple(torch.tensor(p) if isinstance(p, np.ndarray) else p for p in parts)
    return [x], lambda x: x[chosen], lambda x: x[theirs]


@st.composite
def reshape(draw):
    shape = draw(shapes.array_shapes(max_dims=3, max_side=4))
    other = draw(st.permutations(shape))
    x = np.random.default_rng(draw(st.integers(0, 999))).normal(size=shape)
    if draw(st.booleans()):
        other = (-1, *other[1:])
    return [x], lambda x: x.reshape(*other), lambda x: x.reshape(other)


@st.composite
def transpose(draw):
    shape = draw(shapes.array_shapes(max_dims=4, max_side=3))
    axes = draw(st.permutations(range(len(shape))))
    x = np.random.default_rng(draw(st.integers(0, 999))).normal(size=shape)
    return [x], lambda x: x.transpose(*axes), lambda x: x.permute(axes)


@st.composite
def concatenate(draw):
    shape = draw(shapes.array_shapes(max_dims=3, max_side=3))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    pieces = []
    for length in draw(st.lists(st.integers(0, 3), min_size=1, max_size=4)):
        lengths = list(shape)
        lengths[axis] = length
        pieces.append(rng.normal(size=lengths))
    return pieces, lambda *x: autodiff.concatenate(x, axis), lambda *x: torch.cat(x, axis)


@st.composite
def log_softmax(draw):
    shape = draw(shapes.array_shapes(max_dims=3, max_side=4))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    x = np.random.default_rng(draw(st.integers(0, 999))).normal(size=shape, scale=3)
    return [x], lambda x: autodiff.log_softmax(x, axis), lambda x: torch.log_softmax(x, axis)


@st.composite
def cross_entropy(draw):
    *batch, n_classes = draw(shapes.array_shapes(min_dims=1, max_dims=3, max_side=4))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    logits = rng.normal(size=(*batch, n_classes), scale=3)
    labels = rng.integers(n_classes, size=batch)

    def theirs(logits):
        flat = torch.tensor(labels).reshape(-1)
        return torch.nn.functional.cross_entropy(logits.reshape(-1, n_classes), flat)

    return [logits], lambda logits: autodiff.cross_entropy(logits, labels), theirs


@st.composite
def conv2d(draw):
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    kernel = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    stride, padding = draw(st.integers(1, 3)), draw(st.integers(0, 2))
    size = [draw(st.integers(max(1, k - 2 * padding), 5)) for k in kernel]
    n_images, n_channels, n_outputs = (draw(st.integers(1, 3)) for _ in range(3))
    arrays = [
        rng.normal(size=(n_images, n_channels, *size)),
        rng.normal(size=(n_outputs, n_channels, *kernel)),
    ]

    def theirs(x, kernels):
        return torch.nn.functional.conv2d(x, kernels, stride=stride, padding=padding)

    return arrays, lambda x, kernels: autodiff.conv2d(x, kernels, stride, padding), theirs


@st.composite
def max_pool2d(draw):
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    size, stride = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    shape = tuple(
        draw(st.integers(low, high)) for low, high in ((1, 2), (1, 2), (size, 6), (size, 6))
    )
    x = rng.permutation(int(np.prod(shape))).reshape(shape) / 7.0

    def theirs(x):
        return torch.nn.functional.max_pool2d(x, size, stride)

    return [x], lambda x: autodiff.max_pool2d(x, size, stride), theirs


CASES = {
    "add": binary(lambda a, b: a + b),
    "subtract": binary(lambda a, b: a - b),
    "multiply": binary(lambda a, b: a * b),
    "divide": binary(lambda a, b: a / b),
    "power": binary(lambda a, b: a**b, positive=True),
    "maximum": binary(autodiff.maximum, torch.maximum),
    "negative": unary(lambda x: -x, torch.neg),
    "exp": unary(autodiff.exp, torch.exp),
    "log": unary(autodiff.log, torch.log, positive=True),
    "tanh": unary(autodiff.tanh, torch.tanh),
    "sigmoid": unary(autodiff.sigmoid, torch.sigmoid),
    "relu": unary(autodiff.relu, torch.relu),
    "where": where(),
    "sum": reduction("sum"),
    "mean": reduction("mean"),
    "max": reduction("max"),
    "matmul": matmul(),
    "linear": linear(),
    "index": index(),
    "reshape": reshape(),
    "transpose": transpose(),
    "concatenate": concatenate(),
    "log_softmax": log_softmax(),
    "cross_entropy": cross_entropy(),
    "conv2d": conv2d(),
    "max_pool2d": max_pool2d(),
}


def test_every_rule_has_a_case():
    assert CASES.keys() == RULES.keys()


@pytest.mark.parametrize("operation", CASES)
@given(data=st.data())
@few
def test_rule_agrees_with_torch_and_with_finite_differences(operation, data):
    arrays, ours, theirs = data.draw(CASES[operation])
    tensors = [Tensor(a, requires_grad=True) for a in arrays]
    references = [torch.tensor(a, requires_grad=True) for a in arrays]
    result, reference = ours(*tensors), theirs(*references)
    np.testing.assert_allclose(result.data, reference.detach().numpy(), rtol=1e-12, atol=1e-12)
    weights = np.random.default_rng(1).normal(size=result.shape)
    result.backward(weights)
    reference.backward(torch.tensor(weights))
    for tensor, other in zip(tensors, references, strict=True):
        np.testing.assert_allclose(tensor.grad, other.grad.numpy(), rtol=1e-10, atol=1e-12)
    check_gradients(ours, *arrays, atol=1e-6)


@pytest.mark.parametrize("operation", CASES)
@given(data=st.data())
@few
def test_float32_stays_float32(operation, data):
    arrays, ours, _ = data.draw(CASES[operation])
    tensors = [Tensor(a.astype(np.float32), requires_grad=True) for a in arrays]
    result = ours(*tensors)
    result.backward(np.ones(result.shape))
    assert result.dtype == np.float32
    assert all(t.grad.dtype == np.float32 and t.grad.shape == t.shape for t in tensors)


EXAMPLES = {  # a point for each rule at which no derivative vanishes
    "add": ([[1.0, 2.0], [3.0, 4.0]], lambda a, b: a + b),
    "subtract": ([[1.0, 2.0], [3.0, 4.0]], lambda a, b: a - b),
    "multiply": ([[1.0, 2.0], [3.0, 4.0]], lambda a, b: a * b),
    "divide": ([[1.0, 2.0], [3.0, 4.0]], lambda a, b: a / b),
    "power": ([[1.5, 2.0], [3.0, 4.0]], lambda a, b: a**b),
    "maximum": ([[1.0, 2.0], [3.0, 1.0]], autodiff.maximum),
    "negative": ([[1.0, 2.0]], lambda x: -x),
    "exp": ([[1.0, 2.0]], autodiff.exp),
    "log": ([[1.0, 2.0]], autodiff.log),
    "tanh": ([[0.5, -0.2]], autodiff.tanh),
    "sigmoid": ([[0.5, -0.2]], autodiff.sigmoid),
    "relu": ([[0.5, -0.2]], autodiff.relu),
    "where": ([[1.0, 2.0], [3.0, 4.0]], lambda a, b: autodiff.where([True, False], a, b)),
    "sum": ([[1.0, 2.0]], lambda x: x.sum()),
    "mean": ([[1.0, 2.0]], lambda x: x.mean()),
    "max": ([[1.0, 2.0]], lambda x: x.max()),
    "matmul": ([np.eye(2), np.ones((2, 3))], lambda a, b: a @ b),
    "linear": ([np.eye(2), np.ones((2, 3)), np.ones(3)], autodiff.linear),
    "index": ([[1.0, 2.0]], lambda x: x[[0, 0, 1]]),
    "reshape": ([[1.0, 2.0]], lambda x: x.reshape(2, 1)),
    "transpose": ([np.ones((2, 3))], lambda x: x.T),
    "concatenate": ([[1.0, 2.0], [3.0]], lambda *x: autodiff.concatenate(x)),
    "log_softmax": ([[1.0, 2.0]], autodiff.log_softmax),
    "cross_entropy": ([[[1.0, 2.0]]], lambda x: autodiff.cross_entropy(x, [1])),
    "conv2d": ([np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2))], autodiff.conv2d),
    "max_pool2d": ([np.arange(16.0).reshape(1, 1, 4, 4)], lambda x: autodiff.max_pool2d(x, 2)),
}


@pytest.mark.parametrize("operation", EXAMPLES)
def test_checker_finds_a_rule_that_is_wrong_by_a_thousandth(operation, monkeypatch):
    arrays, f = EXAMPLES[operation]
    check_gradients(f, *arrays)
    forward, derivatives = RULES[operation]
    for wrong in range(len(arrays)):
        planted = [derivatives[i] for i in range(len(arrays))]

        def off(g, *values, derivative=derivatives[wrong]):
            return derivative(1.001 * g, *values)

        planted[wrong] = off
        monkeypatch.setitem(RULES, operation, (forward, planted))
        with pytest.raises(AssertionError, match=f"input {wrong}"):
            check_gradients(f, *arrays)


@pytest.mark.parametrize("operation", EXAMPLES)
def test_a_rule_changes_nothing_and_a_gradient_is_shared_with_nothing(operation):
    arrays, f = EXAMPLES[operation]
    tensors = [Tensor(a, requires_grad=True) for a in arrays]
    result = f(*tensors)
    given = [np.ones(result.shape), result._data, *result._values]
    saved = [value for option in given if isinstance(option, list) for value in option]
    held = [value for value in given + saved if isinstance(value, np.ndarray)]
    for array in held:
        array.setflags(write=False)
    for i in range(len(tensors)):
        RULES[operation][1][i](*given)  # writing to any of them is an error
    result.backward(given[0])
    held += [tensor.grad for tensor in tensors]
    for tensor in tensors:
        assert sum(np.shares_memory(tensor.grad, array) for array in held) == 1  # with itself


@given(data=st.data())
@few
def test_a_whole_network_agrees_with_torch(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    x = rng.normal(size=(3, 2, 6, 6))
    labels = rng.integers(4, size=3)
    arrays = [rng.normal(size=s) / 3 for s in ((5, 2, 3, 3), (5, 1, 1), (5 * 9, 4), (4,))]

    def ours(k, c, w, b):
        h = autodiff.max_pool2d((autodiff.conv2d(x, k, padding=1) + c).relu(), 2)
        return autodiff.cross_entropy(h.reshape(3, -1) @ w + b, labels)

    def theirs(k, c, w, b):
        h = torch.relu(torch.conv2d(torch.tensor(x), k, padding=1) + c)
        h = torch.nn.functional.max_pool2d(h, 2).reshape(3, -1)
        return torch.nn.functional.cross_entropy(h @ w + b, torch.tensor(labels))

    value, gradients = autodiff.value_and_grad(ours, (0, 1, 2, 3))(*arrays)
    references = [torch.tensor(a, requires_grad=True) for a in arrays]
    loss = theirs(*references)
    loss.backward()
    assert value == pytest.approx(loss.item(), rel=1e-12)
    for gradient, reference in zip(gradients, references, strict=True):
        np.testing.assert_allclose(gradient, reference.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_ties_are_broken_as_in_torch():
    x = np.array([[2.0, 2.0, 1.0, 2.0]])
    pairs = [
        (lambda t: t.max(1), lambda t: t.amax(1)),
        (lambda t: autodiff.maximum(t, 2.0), lambda t: torch.maximum(t, torch.tensor(2.0))),
        (lambda t: (t - 2.0).relu(), lambda t: (t - 2.0).relu()),
        (
            lambda t: autodiff.max_pool2d(t.reshape(1, 1, 2, 2), 2),
            lambda t: torch.nn.functional.max_pool2d(t.reshape(1, 1, 2, 2), 2),
        ),
        (lambda t: t**0, lambda t: t**0),
        (lambda t: 0.0**t, lambda t: 0.0**t),
        (lambda t: (t - 2.0) ** 2, lambda t: (t - 2.0) ** 2),
        (lambda t: (t - 2.0) ** 1, lambda t: (t - 2.0) ** 1),
    ]
    for ours, theirs in pairs:
        tensor, reference = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        ours(tensor).sum().backward()
        theirs(reference).sum().backward()
        np.testing.assert_array_equal(tensor.grad, reference.grad.numpy())


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-6)])
@pytest.mark.parametrize("name", ["sgd", "momentum", "adam", "adam with options"])
def test_optimisers_take_the_steps_of_torch(name, dtype, tolerance):
    makers = {
        "sgd": (lambda p: SGD(p, 0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
        "momentum": (
            lambda p: SGD(p, 0.1, momentum=0.9),
            lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        ),
        "adam": (lambda p: Adam(p), lambda p: torch.optim.Adam(p)),
        "adam with options": (
            lambda p: Adam(p, 0.01, betas=(0.8, 0.99), epsilon=1e-4),
            lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.99), eps=1e-4),
        ),
    }
    rng = np.random.default_rng(0)
    start = [rng.normal(size=shape).astype(dtype) for shape in ((3, 4), (4,), ())]
    tensors = [Tensor(a, requires_grad=True) for a in start]
    references = [torch.tensor(a, requires_grad=True) for a in start]
    ours, theirs = makers[name][0](tensors), makers[name][1](references)
    for _ in range(20):
        gradients = [rng.normal(size=a.shape).astype(dtype) for a in start]
        for tensor, reference, g in zip(tensors, references, gradients, strict=True):
            tensor.grad, reference.grad = np.asarray(g, dtype), torch.tensor(g)
        ours.step()
        theirs.step()
    for tensor, reference in zip(tensors, references, strict=True):
        assert tensor.dtype == dtype
        np.testing.assert_allclose(
            tensor.data, reference.detach().numpy(), rtol=tolerance, atol=tolerance
        )
