"""Reverse-mode automatic differentiation of NumPy code, to be read from top to bottom.

A `Tensor` holds an array and, if it is the result of an operation, the operation's name and its
inputs, the parents. `RULES` is a table: for each operation how to compute the result, and for each
input how to turn the derivative of the loss with respect to the result, ``g``, into the part of
the input's derivative that comes this way. `Tensor.backward` goes through the graph from the loss
to the leaves and adds the parts up [1]_.

The rules need the values of the forward pass, so these must not change. No array of the caller's
is shared, `Tensor.data` of a result is read-only, and a leaf that is updated gets another array.

References
----------
.. [1] A. Griewank and A. Walther, *Evaluating Derivatives*, 2nd ed., SIAM, 2008, chapter 3.
"""

from operator import attrgetter

import numpy as np

from dlbook import image_rules

__all__ = [
    "RULES",
    "SGD",
    "Adam",
    "Optimiser",
    "Tensor",
    "check_gradients",
    "concatenate",
    "conv2d",
    "cross_entropy",
    "exp",
    "grad",
    "linear",
    "log",
    "log_softmax",
    "max_pool2d",
    "maximum",
    "relu",
    "sigmoid",
    "tanh",
    "value_and_grad",
    "where",
]


def _unary(operation, summary):
    def function(x):
        return _apply(operation, (x,))

    function.__name__, function.__doc__ = operation, summary
    return function


def _binary(operation):
    def function(self, other):
        return _apply(operation, (self, other))

    def reflected(self, other):
        return _apply(operation, (other, self))

    return function, reflected


exp = _unary("exp", "e to the power of each element.")
log = _unary("log", "Natural logarithm of each element.")
tanh = _unary("tanh", "Hyperbolic tangent of each element.")
sigmoid = _unary("sigmoid", "1 / (1 + exp(−x)) of each element, without overflow.")
relu = _unary("relu", "max(x, 0) of each element; the derivative at 0 is 0.")


class Tensor:
    """An array that derivatives can be taken with respect to.

    It knows ``+ - * / ** @``, with NumPy's broadcasting, indexing, and the methods below. Numbers
    and arrays may stand beside it.

    Parameters
    ----------
    data : array_like
        Real numbers, of any shape. They are copied and keep their type.
    requires_grad : bool, optional
        Whether `backward` shall compute the derivative with respect to this tensor.

    Attributes
    ----------
    grad : ndarray or None
        Of a leaf: sum of what every `backward` has found, of the shape and type of the data.
    operation : str or None
        Of a result that requires a gradient: key of `RULES`.
    parents : tuple of (Tensor or None)
        The inputs of that operation, None for a number or an array; empty for a leaf.

    Raises
    ------
    TypeError
        If the data are no real numbers, or no floats although `requires_grad` is set.
    """

    __array_ufunc__ = None  # so that `array + tensor` calls `tensor.__radd__`
    __slots__ = (
        *("_data", "_depth", "_exposed", "_values"),
        *("grad", "operation", "parents", "requires_grad"),
    )

    def __init__(self, data, requires_grad=False):
        self._data = np.array(data._data if isinstance(data, Tensor) else data)
        self._exposed = False  # whether the caller holds the array and may write to it
        self._depth = 0  # operations on the longest way to a leaf
        self.requires_grad = bool(requires_grad)
        self.grad = self.operation = None
        self.parents = ()
        if self.dtype.kind not in "biuf" or (requires_grad and self.dtype.kind != "f"):
            expected = "floats, since requires_grad is set" if requires_grad else "real numbers"
            raise TypeError(f"data has type {self.dtype}: expected {expected}")

    @property
    def data(self):
        """The values, an ndarray: read-only for a result, free to be changed for a leaf."""
        if self.parents:
            self._data.setflags(write=False)
        elif not self._exposed:
            self._data = self._data.copy()  # a graph may need the old array
            self._exposed = True
        return self._data

    @data.setter
    def data(self, values):
        if values is self._data:  # as after `x.data -= step`
            return
        if self.parents:
            raise ValueError(f"data: this is the result of {self.operation}, not a leaf")
        if np.shape(values) != self.shape:
            raise ValueError(f"data has shape {np.shape(values)}: expected {self.shape}")
        self._data, self._exposed = np.array(values, dtype=self.dtype), False

    def _seal(self):
        """Take the array away from the caller who holds it: an operation is going to use it."""
        self._data.setflags(write=False)  # so that writing to it is an error
        self._data, self._exposed = self._data.copy(), False  # and older views of it do no harm

    shape = property(lambda self: self._data.shape)
    ndim = property(lambda self: self._data.ndim)
    size = property(lambda self: self._data.size)
    dtype = property(lambda self: self._data.dtype)

    def __len__(self):
        return len(self._data)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __repr__(self):
        origin = f", operation={self.operation!r}" if self.parents else ""
        return f"Tensor({self._data}, requires_grad={self.requires_grad}{origin})"

    def item(self):
        """Give the single value as a Python number."""
        return self._data.item()

    def detach(self):
        """Give a leaf of the same values that passes no derivative on."""
        return Tensor(self)

    def zero_grad(self):
        """Forget the derivative found so far."""
        self.grad = None

    def backward(self, gradient=None):
        """Add the derivatives of this tensor to `grad` of the leaves that require them.

        Parameters
        ----------
        gradient : array_like, optional
            Derivative of the loss with respect to this tensor, of its shape. If this tensor has
            a single element it may be left out, and is 1.

        Raises
        ------
        RuntimeError
            If nothing requires a derivative, or a leaf was changed after an operation used it.
        ValueError
            If `gradient` has another shape, or is missing.
        """
        if not self.requires_grad:
            raise RuntimeError("backward: nothing that went into this tensor requires a gradient")
        if gradient is None and self.size == 1:
            g = np.array(1, self.dtype, ndmin=self.ndim)
        else:
            g = np.array(gradient, self.dtype)
        if g.shape != self.shape:
            raise ValueError(f"gradient has shape {g.shape}: expected {self.shape}")
        order, totals, shared = [self], {self: g}, set()
        for node in order:  # which grows on the way
            for parent in node.parents:
                if parent is not None and parent.requires_grad and parent not in totals:
                    totals[parent] = None
                    order.append(parent)
        order.sort(key=attrgetter("_depth"), reverse=True)  # results before inputs, leaves last
        for node in order:
            g = totals.pop(node)
            if not node.parents:
                g = g.copy() if node in shared else g
                node.grad = g if node.grad is None else np.asarray(node.grad + g)
                continue
            values, derivatives = node._values, RULES[node.operation][1]
            arguments = (g, node._data, *values)
            for i, parent in enumerate(node.parents):
                if parent is None:
                    continue
                used = values[i]
                if parent._data is not used and parent._data.tobytes() != used.tobytes():
                    raise RuntimeError(
                        f"{node.operation}: an input of shape {used.shape} was changed "
                        "after the operation used it"
                    )
                if parent.requires_grad:
                    _add_part(derivatives[i](*arguments), g, parent, totals, shared)

    __add__, __radd__ = _binary("add")
    __sub__, __rsub__ = _binary("subtract")
    __mul__, __rmul__ = _binary("multiply")
    __truediv__, __rtruediv__ = _binary("divide")
    __pow__, __rpow__ = _binary("power")
    __matmul__, __rmatmul__ = _binary("matmul")
    __neg__ = _unary("negative", "−x of each element.")
    exp, log, tanh, sigmoid, relu = exp, log, tanh, sigmoid, relu

    def __getitem__(self, index):
        parts = index if isinstance(index, tuple) else (index,)
        once = all(p is None or p is ... or isinstance(p, int | slice) for p in parts)
        if not once:  # arrays of indices may repeat some, and may be changed by the caller
            parts = tuple(np.array(p) if isinstance(p, list | np.ndarray) else p for p in parts)
        return _apply("index", (self,), parts, once)

    def sum(self, axis=None, keepdims=False):
        """Sum over an axis, a tuple of axes, or all."""
        return _apply("sum", (self,), axis, keepdims)

    def mean(self, axis=None, keepdims=False):
        """Mean over an axis, a tuple of axes, or all."""
        return _apply("mean", (self,), axis, keepdims)

    def max(self, axis=None, keepdims=False):
        """Largest value over an axis, a tuple of axes, or all; equals share the derivative."""
        return _apply("max", (self,), axis, keepdims)

    def reshape(self, *shape):
        """The same elements in another shape, where one length may be −1."""
        return _apply("reshape", (self,), shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes):
        """Permute the axes; without arguments, reverse them."""
        axes = axes[0] if len(axes) == 1 else axes or range(self.ndim)[::-1]
        return _apply("transpose", (self,), axes)

    T = property(transpose)


def maximum(a, b):
    """Larger of two values, element by element; equals share the derivative."""
    return _apply("maximum", (a, b))


def where(condition, a, b):
    """Elements of `a` where `condition`, an array of bool, holds, else those of `b`."""
    return _apply("where", (a, b), np.array(condition, dtype=bool))


def concatenate(tensors, axis=0):
    """Join tensors along an axis that they have."""
    return _apply("concatenate", tuple(tensors), axis)


def linear(x, weights, bias):
    """Compute ``x @ weights + bias`` in one operation, which saves an array and some time."""
    return _apply("linear", (x, weights, bias))


def log_softmax(x, axis=-1):
    """x − log Σ exp x along an axis, without overflow."""
    return _apply("log_softmax", (x,), axis)


def cross_entropy(logits, labels):
    """Mean of −log softmax(logits)[label], in nats.

    Parameters
    ----------
    logits : Tensor, shape (..., n_classes)
    labels : array_like of int, shape (...)
        From 0 to n_classes − 1.

    Returns
    -------
    Tensor, shape ()
    """
    return _apply("cross_entropy", (logits,), np.array(labels), [])


def conv2d(x, kernels, stride=1, padding=0):
    """Cross-correlate images with kernels.

    Parameters
    ----------
    x : Tensor, shape (n_images, n_channels, height, width)
    kernels : Tensor, shape (n_outputs, n_channels, kernel_height, kernel_width)
    stride, padding : int
        Step of the kernels, and rows and columns of zeros added on each side, in pixels.

    Returns
    -------
    Tensor, shape (n_images, n_outputs, out_height, out_width)
        With out_height = (height + 2 padding − kernel_height) // stride + 1.
    """
    return _apply("conv2d", (x, kernels), stride, padding, [])


def max_pool2d(x, size, stride=None):
    """Largest value in each window; of equals the first gets the derivative.

    Parameters
    ----------
    x : Tensor, shape (n_images, n_channels, height, width)
    size, stride : int
        Side of the windows and their step, in pixels. Left out, the step is the side.

    Returns
    -------
    Tensor, shape (n_images, n_channels, out_height, out_width)
        With out_height = (height − size) // stride + 1.
    """
    return _apply("max_pool2d", (x,), size, size if stride is None else stride)


# The forward pass.


def _apply(operation, inputs, *options):
    """Compute a result and, if an input requires a gradient, record where it comes from."""
    values, depth, requires_grad, constants = [], 0, False, False
    for x in inputs:
        if isinstance(x, Tensor):
            if x._exposed:
                x._seal()
            if x.requires_grad:
                requires_grad = True
                if x._depth >= depth:
                    depth = x._depth + 1
            values.append(x._data)
        else:
            constants = True
            values.append(_constant(x))
    values += options
    try:
        data = RULES[operation][0](*values)
    except (ValueError, TypeError, IndexError) as error:
        kind = next(k for k in (ValueError, TypeError, IndexError) if isinstance(error, k))
        shapes = " and ".join(str(np.shape(array)) for array in values[: len(inputs)])
        raise kind(f"{operation} of shape {shapes}: {error}") from error
    result = object.__new__(Tensor)
    result._data = data if type(data) is np.ndarray else np.asarray(data)  # from a number
    result._exposed = False
    result._depth = depth
    result.requires_grad = requires_grad
    result.grad = None
    if not requires_grad:
        result.operation, result.parents = None, ()
    else:
        if constants:
            inputs = tuple(x if isinstance(x, Tensor) else None for x in inputs)
        result.operation, result.parents, result._values = operation, inputs, values
    return result


def _constant(value):
    """Numbers as Python's own, which leave float32 as it is; anything else as a new array."""
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, float | int) else Tensor(value)._data


# The backward pass.


def _add_part(part, g, tensor, totals, shared):
    """Add to the total of a tensor what a rule made of `g`: `g` itself, a view or a new array.

    The totals of the tensors in `shared` are arrays that something else may refer to as well: they
    must not be changed in place.
    """
    total, data = totals[tensor], tensor._data
    if type(part) is tuple:  # of "index": elsewhere the part is 0, and nothing need be touched
        part, index, once = part
        if total is None or tensor in shared:
            total = totals[tensor] = np.zeros_like(data) if total is None else total.copy()
            shared.discard(tensor)
        if once:
            total[index] += part
        else:
            np.add.at(total, index, part)
        return
    if type(part) is not np.ndarray:  # NumPy makes numbers of arrays without axes
        part = np.asarray(part)
    if part.shape != data.shape:
        part = _unbroadcast(part, data.shape)
    if part.dtype is not data.dtype:
        part = part.astype(data.dtype, copy=False)
    if total is None:
        totals[tensor] = part
        if part is g or part.base is not None:
            shared.add(tensor)
    elif tensor in shared:
        totals[tensor] = np.asarray(total + part)
        shared.discard(tensor)
    else:
        total += part


def _unbroadcast(g, shape):
    """Sum over the axes that broadcasting has put before those of `shape`, or stretched."""
    while g.ndim > len(shape):
        g = np.add.reduce(g)  # over the first axis
    if g.shape != shape:
        stretched = tuple([i for i, n in enumerate(shape) if n == 1 != g.shape[i]])
        g = np.add.reduce(g, axis=stretched, keepdims=True)
    return g


# What the rules need beyond an expression.


def _power_of_base(g, y, a, b):
    if isinstance(b, float | int):  # NumPy has fast ways for 0, 1 and 2
        return g * (b * a ** (b - 1 if b else 1))
    return g * b * a ** np.where(b, b - 1, 1)


def _power_of_exponent(g, y, a, b):
    return g * y * np.log(np.where(np.asarray(a) == 0, 1, a))  # 0**b is flat where b > 0


def _sigmoid(x):
    e = np.exp(-np.abs(x))  # at most 1
    return np.where(x >= 0, 1, e) / (1 + e)


def _relu_derivative(g, y, x):
    part = y.astype(bool).astype(y.dtype)  # 1 where x > 0
    part *= g
    return part


def _maximum_of_left(g, y, a, b):
    return g * ((np.sign(np.subtract(a, b)) + 1) * 0.5)  # 1/2 where they are equal


def _rows(x):
    """The vectors along the last axis, as rows of a matrix."""
    return x if x.ndim == 2 else x.reshape(-1, x.shape[-1])


def _matmul_of_left(g, y, a, b):
    if b.ndim == 1:
        return g[..., None] * b
    return (g if a.ndim > 1 else g[..., None, :]) @ b.mT


def _matmul_of_right(g, y, a, b):
    if b.ndim < 3:  # a single product sums over the batch as well
        return _rows(a).T @ (_rows(g) if b.ndim == 2 else g.reshape(-1))
    if a.ndim == 1:
        a, g = a[None], g[..., None, :]
    return a.mT @ g


def _linear(x, weights, bias):
    if weights.ndim != 2 or bias.shape != weights.shape[1:]:
        raise ValueError("expected weights of two axes, and a bias for each of their columns")
    y = x @ weights
    y += bias
    return y


def _along(reduce):
    return lambda x, axis, keepdims: reduce(x, axis=axis, keepdims=keepdims)


def _spread(g, y, x, axis, keepdims):
    """Repeat the derivative of a sum along the axes that it has removed."""
    spread = np.empty_like(x)
    spread[...] = g if keepdims or axis is None else np.expand_dims(g, axis)
    return spread


def _max_derivative(g, y, x, axis, keepdims):
    equal = x == _spread(y, y, x, axis, keepdims)
    return _spread(g, y, x, axis, keepdims) * (equal / equal.sum(axis=axis, keepdims=True))


class _Pieces:
    """The derivatives of `concatenate`: as many as there are inputs."""

    def __getitem__(self, i):
        def piece(g, y, *values):
            *arrays, axis = values
            start = sum(array.shape[axis] for array in arrays[:i])
            stop = start + arrays[i].shape[axis]
            return g.swapaxes(0, axis)[start:stop].swapaxes(0, axis)

        return piece


def _log_softmax(x, axis):
    z = x - np.maximum.reduce(x, axis=axis, keepdims=True)
    z -= np.log(np.add.reduce(np.exp(z), axis=axis, keepdims=True))
    return z


def _cross_entropy(logits, labels, saved):
    if labels.shape != logits.shape[:-1] or labels.dtype.kind not in "iu":
        raise ValueError(
            f"labels of type {labels.dtype} and shape {labels.shape}: "
            f"expected integers of shape {logits.shape[:-1]}"
        )
    z = _rows(logits)
    z = z - np.maximum.reduce(z, axis=1)[:, None]
    try:  # to find the labels' positions in the flat array
        chosen = np.ravel_multi_index((np.arange(len(z)), labels.reshape(-1)), z.shape)
    except ValueError:
        raise ValueError(f"labels: expected integers from 0 to {z.shape[1] - 1}") from None
    z_chosen = z.take(chosen)
    exponentials = np.exp(z, out=z)
    sums = np.add.reduce(exponentials, axis=1)
    saved[:] = exponentials, sums, chosen
    return np.add.reduce(np.log(sums) - z_chosen) / len(z)


def _cross_entropy_derivative(g, y, logits, labels, saved):
    exponentials, sums, chosen = saved
    p = exponentials / sums[:, None]
    p.reshape(-1)[chosen] -= 1
    p *= float(g) / len(p)
    return p.reshape(logits.shape)


# The table. For each operation: the function of its result, and for each input the function of its
# part of the derivative, given that of the result `g`, the result `y`, the inputs and the options.
# Where an input was broadcast, its part has the larger shape: `_unbroadcast` sees to all of them.
RULES = {
    "add": (np.add, (lambda g, y, a, b: g, lambda g, y, a, b: g)),
    "subtract": (np.subtract, (lambda g, y, a, b: g, lambda g, y, a, b: -g)),
    "multiply": (np.multiply, (lambda g, y, a, b: g * b, lambda g, y, a, b: g * a)),
    "divide": (np.divide, (lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b)),
    "negative": (np.negative, (lambda g, y, x: -g,)),
    "power": (lambda a, b: a**b, (_power_of_base, _power_of_exponent)),
    "exp": (np.exp, (lambda g, y, x: g * y,)),
    "log": (np.log, (lambda g, y, x: g / x,)),
    "tanh": (np.tanh, (lambda g, y, x: g * (1 - y * y),)),
    "sigmoid": (_sigmoid, (lambda g, y, x: g * (y * (1 - y)),)),
    "relu": (lambda x: np.maximum(x, 0), (_relu_derivative,)),
    "maximum": (np.maximum, (_maximum_of_left, lambda g, y, a, b: _maximum_of_left(g, y, b, a))),
    "where": (
        lambda a, b, condition: np.where(condition, a, b),
        (
            lambda g, y, a, b, condition: np.where(condition, g, 0),
            lambda g, y, a, b, condition: np.where(condition, 0, g),
        ),
    ),
    "matmul": (np.matmul, (_matmul_of_left, _matmul_of_right)),
    "linear": (
        _linear,
        (
            lambda g, y, x, weights, bias: g @ weights.T,
            lambda g, y, x, weights, bias: _rows(x).T @ _rows(g),
            lambda g, y, x, weights, bias: g,
        ),
    ),
    "sum": (_along(np.add.reduce), (_spread,)),
    "mean": (
        _along(np.mean),
        (lambda g, y, x, *options: _spread(g * (y.size / x.size), y, x, *options),),
    ),
    "max": (_along(np.maximum.reduce), (_max_derivative,)),
    "index": (lambda x, index, once: x[index], (lambda g, y, x, *options: (g, *options),)),
    "reshape": (lambda x, shape: x.reshape(shape), (lambda g, y, x, shape: g.reshape(x.shape),)),
    "transpose": (
        np.transpose,
        (lambda g, y, x, axes: g.transpose(np.argsort(np.mod(axes, x.ndim))),),
    ),
    "concatenate": (lambda *values: np.concatenate(values[:-1], values[-1]), _Pieces()),
    "log_softmax": (
        _log_softmax,
        (lambda g, y, x, axis: g - np.exp(y) * np.add.reduce(g, axis=axis, keepdims=True),),
    ),
    "cross_entropy": (_cross_entropy, (_cross_entropy_derivative,)),
    "conv2d": (image_rules.conv2d, (image_rules.conv2d_of_images, image_rules.conv2d_of_kernels)),
    "max_pool2d": (image_rules.max_pool2d, (image_rules.max_pool2d_derivative,)),
}


# Gradients of functions.


def grad(f, argnums=0):
    """Make of a function its gradient.

    Parameters
    ----------
    f : callable
        Returns a `Tensor` with a single element.
    argnums : int or tuple of int, optional
        Positions of the arguments to differentiate by, which reach `f` as tensors. The others
        reach it as they are.

    Returns
    -------
    callable
        Takes what `f` takes, with arrays of floats at `argnums`. Returns an ndarray of the shape
        of the argument, or a tuple of them if `argnums` is a tuple.
    """
    return lambda *args, **kwargs: value_and_grad(f, argnums)(*args, **kwargs)[1]


def value_and_grad(f, argnums=0):
    """Do as `grad`, but of a function that returns the value, a number, and the gradient."""
    positions = (argnums,) if isinstance(argnums, int) else argnums

    def value_and_gradient(*args, **kwargs):
        args = list(args)
        for i in positions:
            args[i] = Tensor(args[i], requires_grad=True)
        value = f(*args, **kwargs)
        if not isinstance(value, Tensor) or value.size != 1:
            raise TypeError(f"f returned {value!r}: expected a Tensor with a single element")
        if value.requires_grad:
            value.backward()
        inputs = (args[i] for i in positions)
        gradients = tuple(np.zeros_like(x._data) if x.grad is None else x.grad for x in inputs)
        return value.item(), gradients[0] if isinstance(argnums, int) else gradients

    return value_and_gradient


def check_gradients(f, *inputs, step=1e-6, rtol=1e-5, atol=1e-7):
    """Compare derivatives with central differences, element by element, in double precision.

    Parameters
    ----------
    f : callable
        From tensors to a tensor of any shape, whose elements, if several, are summed with fixed
        random weights so that one backward pass tests all. It is called twice for each element
        of the inputs.
    *inputs : array_like or Tensor
        A point at which `f` is smooth.
    step : float, optional
        How far an element is moved to each side.
    rtol, atol : float, optional
        How far the two may differ: ``atol + rtol * abs(central difference)``.

    Returns
    -------
    float
        The largest difference.

    Raises
    ------
    AssertionError
        If they differ by more. The message names the input, the element and both values.
    """
    points = [np.array(x._data if isinstance(x, Tensor) else x, dtype=float) for x in inputs]
    value = f(*(Tensor(point) for point in points))
    weights = np.random.default_rng(0).uniform(0.5, 1.5, value.shape) if value.size > 1 else 1.0

    def weighted_sum(*tensors):
        return (f(*tensors) * weights).sum()

    _, gradients = value_and_grad(weighted_sum, tuple(range(len(points))))(*points)
    largest = 0.0
    for i, (point, gradient) in enumerate(zip(points, gradients, strict=True)):
        for place, centre in np.ndenumerate(point.copy()):
            sums = []
            for point[place] in (centre + step, centre - step):
                sums.append(weighted_sum(*(Tensor(p) for p in points)).item())
            point[place] = centre
            expected = (sums[0] - sums[1]) / (2 * step)
            difference = abs(gradient[place] - expected)
            largest = max(largest, float(difference))
            if not difference <= atol + rtol * abs(expected):
                raise AssertionError(
                    f"input {i}, element {place}: derivative {gradient[place]:.10g}, "
                    f"central difference {expected:.10g}"
                )
    return largest


# Optimisers.


class Optimiser:
    """What the optimisers share: θ ← θ − η d, where each has its own direction d.

    Parameters
    ----------
    parameters : iterable of Tensor
        Leaves that require a gradient.
    learning_rate : float
        η. May be changed between steps.
    """

    def __init__(self, parameters, learning_rate):
        self.parameters, self.learning_rate = list(parameters), learning_rate
        for i, p in enumerate(self.parameters):
            if not isinstance(p, Tensor) or not p.requires_grad or p.parents:
                raise TypeError(f"parameters[{i}] is {p!r}: expected a leaf with requires_grad")
        if not self.parameters:
            raise ValueError("parameters is empty: expected at least one tensor")

    def step(self):
        """Move the parameters that have a gradient."""
        rate = -float(self.learning_rate)
        for i, parameter in enumerate(self.parameters):
            if parameter.grad is not None:
                moved = rate * self._direction(i, parameter.grad)
                moved += parameter._data
                parameter._data, parameter._exposed = np.asarray(moved), False

    def zero_grad(self):
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None


class SGD(Optimiser):
    """Gradient descent with momentum: d ← μ d + ∇.

    Parameters
    ----------
    parameters, learning_rate
        As of `Optimiser`.
    momentum : float, optional
        μ, from 0 to below 1.
    """

    def __init__(self, parameters, learning_rate, momentum=0.0):
        super().__init__(parameters, learning_rate)
        self.momentum, self._velocities = momentum, {}

    def _direction(self, i, g):
        if self.momentum:
            g = self._velocities[i] = self.momentum * self._velocities.get(i, 0.0) + g
        return g


class Adam(Optimiser):
    """Steps along the running mean of ∇, divided by the root of that of ∇² [1]_.

    Parameters
    ----------
    parameters, learning_rate
        As of `Optimiser`.
    betas : tuple of two floats, optional
        How much of each running mean a step keeps.
    epsilon : float, optional
        Added to the root.

    References
    ----------
    .. [1] D. P. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.
    """

    def __init__(self, parameters, learning_rate=1e-3, betas=(0.9, 0.999), epsilon=1e-8):
        super().__init__(parameters, learning_rate)
        self.betas, self.epsilon, self._states = betas, epsilon, {}

    def _direction(self, i, g):
        (beta1, beta2), (n_steps, mean, square) = self.betas, self._states.get(i, (0, 0.0, 0.0))
        n_steps += 1
        mean = beta1 * mean + (1 - beta1) * g
        square = beta2 * square + (1 - beta2) * g * g
        self._states[i] = n_steps, mean, square
        mean, square = mean / (1 - beta1**n_steps), square / (1 - beta2**n_steps)
        return mean / (np.sqrt(square) + self.epsilon)
