"""Convolution and pooling of arrays of images, and their derivatives: rules of `dlbook.autodiff`.

Images have axes (image, channel, row, column). Inside, the batch is the last axis, so that the
pixels that a window's corner meets, of all images, are long runs of memory. `_batch_first` turns
only the view round: operations element by element keep this order of memory.
"""

import numpy as np

__all__ = ["conv2d", "conv2d_of_images", "conv2d_of_kernels", "max_pool2d", "max_pool2d_derivative"]


def _batch_last(x):
    return x.transpose(1, 2, 3, 0)


def _batch_first(x):
    return x.transpose(3, 0, 1, 2)


def _places(shape, window, stride, padding):
    """Lengths of the outputs' axes."""
    room = [n + 2 * padding - w for n, w in zip(shape[2:], window, strict=True)]
    if min(*window, stride) < 1 or padding < 0 or min(room) < 0:
        raise ValueError(f"window {window}, stride {stride} and padding {padding} do not fit")
    return room[0] // stride + 1, room[1] // stride + 1


def _windows(images, window, places, stride):
    """For each pixel of a window: its row and column there, and its view for all places."""
    for i in range(window[0]):
        for j in range(window[1]):
            rows = slice(i, i + stride * (places[0] - 1) + 1, stride)
            columns = slice(j, j + stride * (places[1] - 1) + 1, stride)
            yield i, j, images[:, rows, columns]


def conv2d(x, kernels, stride, padding, saved):
    if x.ndim != 4 or kernels.ndim != 4 or x.shape[1] != kernels.shape[1]:
        raise ValueError("expected four axes each, the second of equal length")
    window = kernels.shape[2:]
    places = _places(x.shape, window, stride, padding)
    images = np.ascontiguousarray(_batch_last(x))
    if padding:
        images = np.pad(images, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    columns = np.empty((x.shape[1], *window, *places, len(x)), dtype=x.dtype)
    for i, j, pixels in _windows(images, window, places, stride):
        columns[:, i, j] = pixels
    columns = columns.reshape(kernels[0].size, -1)  # a window in each
    saved[:] = (columns,)
    y = kernels.reshape(len(kernels), -1) @ columns
    return _batch_first(y.reshape(-1, *places, len(x)))


def conv2d_of_images(g, y, x, kernels, stride, padding, saved):
    (n_images, n_channels, height, width), window, places = x.shape, kernels.shape[2:], g.shape[2:]
    columns = kernels.reshape(len(kernels), -1).T @ _batch_last(g).reshape(len(kernels), -1)
    columns = columns.reshape(n_channels, *window, *places, n_images)
    total = np.zeros((n_channels, height + 2 * padding, width + 2 * padding, n_images), g.dtype)
    for i, j, pixels in _windows(total, window, places, stride):
        pixels += columns[:, i, j]
    return _batch_first(total[:, padding : padding + height, padding : padding + width])


def conv2d_of_kernels(g, y, x, kernels, stride, padding, saved):
    return (_batch_last(g).reshape(len(kernels), -1) @ saved[0].T).reshape(kernels.shape)


def max_pool2d(x, size, stride):
    if x.ndim != 4:
        raise ValueError("expected four axes")
    places = _places(x.shape, (size, size), stride, 0)
    windows = _windows(_batch_last(x), (size, size), places, stride)
    largest = next(windows)[2].copy()
    for _, _, pixels in windows:
        np.maximum(largest, pixels, out=largest)
    return _batch_first(largest)


def max_pool2d_derivative(g, y, x, size, stride):
    g, y, x = _batch_last(g), _batch_last(y), _batch_last(x)
    total, missing = np.zeros(x.shape, dtype=x.dtype), np.ones(y.shape, dtype=bool)
    both = [_windows(a, (size, size), y.shape[1:3], stride) for a in (x, total)]
    for (_, _, pixels), (_, _, totals) in zip(*both, strict=True):
        found = (pixels == y) & missing
        missing ^= found
        totals += g * found
    return _batch_first(total)
