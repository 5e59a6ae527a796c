"""Softmax over the last axis: one pass over memory where a row fits into registers."""

import torch

from dlbook.kernels import _shared
from dlbook.kernels._shared import jit, tl

__all__ = ["softmax"]


def softmax(x):
    r"""Turn each row into probabilities, :math:`y_j = e^{x_j} / \sum_k e^{x_k}`.

    Parameters
    ----------
    x : torch.Tensor, shape (..., n)

    Returns
    -------
    torch.Tensor, shape (..., n)
        Of the type of `x`; sums are in float32 for half precision.

    Raises
    ------
    TypeError, ValueError
        If `x` is no tensor of floating-point numbers with at least one axis.
    """
    _shared.check_float("x", x)
    if _shared.obstacle(x) is None:
        return softmax_op(x)
    return reference(x)


def reference(x):
    """The same in plain PyTorch."""
    if x.numel() == 0:
        return x.clone()
    shifted = _shared.wide(x) - x.amax(dim=-1, keepdim=True)  # so that no exponential overflows
    weights = torch.exp(shifted)
    return (weights / weights.sum(dim=-1, keepdim=True)).to(x.dtype)


@jit
def forward_kernel(
    x, y, n_rows, n, x_row, x_column, ROWS: tl.constexpr, BLOCK: tl.constexpr, WHOLE: tl.constexpr
):
    """Each program turns ROWS rows of x into rows of y, which is contiguous.

    x_row and x_column are strides. Row numbers are 64-bit, and so are all offsets made of them.
    """
    rows = (tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS))[:, None]
    columns = tl.arange(0, BLOCK)[None, :].to(tl.int64)
    x += rows * x_row
    y += rows * n
    if WHOLE:
        real = (rows < n_rows) & (columns < n)
        z = tl.load(x + columns * x_column, mask=real, other=-float("inf")).to(tl.float32)
        weights = tl.exp(z - tl.max(z, axis=1)[:, None])
        tl.store(y + columns, weights / tl.sum(weights, axis=1)[:, None], mask=real)
    else:
        # Maximum and sum in one pass: when a block brings a new maximum, what has been added up
        # so far is scaled to it. The second pass writes.
        highest = tl.full((ROWS, 1), -float("inf"), tl.float32)
        total = tl.zeros((ROWS, 1), tl.float32)
        for start in range(0, n, BLOCK):
            real = (rows < n_rows) & (start + columns < n)
            z = tl.load(x + (start + columns) * x_column, mask=real, other=-float("inf"))
            z = z.to(tl.float32)
            higher = tl.maximum(highest, tl.max(z, axis=1)[:, None])
            # a row that has begun with -inf only: subtract 0 from it, since inf - inf is no number
            offset = tl.where(higher == -float("inf"), 0.0, higher)
            total = total * tl.exp(highest - offset)
            total += tl.sum(tl.exp(z - offset), axis=1)[:, None]
            highest = higher
        for start in range(0, n, BLOCK):
            real = (rows < n_rows) & (start + columns < n)
            z = tl.load(x + (start + columns) * x_column, mask=real, other=-float("inf"))
            weights = tl.exp(z.to(tl.float32) - highest)
            tl.store(y + start + columns, weights / total, mask=real)


@jit
def backward_kernel(
    y,
    dy,
    dx,
    n_rows,
    n,
    dy_row,
    dy_column,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
    WHOLE: tl.constexpr,
):
    """dx = y ⊙ (dy − Σ y dy), row by row; y and dx are contiguous."""
    rows = (tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS))[:, None]
    columns = tl.arange(0, BLOCK)[None, :].to(tl.int64)
    y += rows * n
    dx += rows * n
    dy += rows * dy_row
    if WHOLE:
        real = (rows < n_rows) & (columns < n)
        p = tl.load(y + columns, mask=real, other=0.0).to(tl.float32)
        g = tl.load(dy + columns * dy_column, mask=real, other=0.0).to(tl.float32)
        tl.store(dx + columns, p * (g - tl.sum(p * g, axis=1)[:, None]), mask=real)
    else:
        mean = tl.zeros((ROWS, 1), tl.float32)
        for start in range(0, n, BLOCK):
            real = (rows < n_rows) & (start + columns < n)
            p = tl.load(y + start + columns, mask=real, other=0.0).to(tl.float32)
            g = tl.load(dy + (start + columns) * dy_column, mask=real, other=0.0).to(tl.float32)
            mean += tl.sum(p * g, axis=1)[:, None]
        for start in range(0, n, BLOCK):
            real = (rows < n_rows) & (start + columns < n)
            p = tl.load(y + start + columns, mask=real, other=0.0).to(tl.float32)
            g = tl.load(dy + (start + columns) * dy_column, mask=real, other=0.0).to(tl.float32)
            tl.store(dx + start + columns, p * (g - mean), mask=real)


FORWARD = _shared.Kernel(forward_kernel, _shared.row_configs, _shared.TINY_ROWS)
BACKWARD = _shared.Kernel(backward_kernel, _shared.row_configs, _shared.TINY_ROWS)


@torch.library.custom_op("dlbook::softmax", mutates_args=(), schema="(Tensor x) -> Tensor")
def softmax_op(x):
    """Launch the kernel; `softmax` has checked its argument."""
    y = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    if y.numel() == 0:
        return y
    n = x.shape[-1]
    rows = x.reshape(-1, n)  # a view wherever strides allow one
    block, whole = _shared.row_sizes(n)
    FORWARD(
        lambda sizes: _shared.cdiv(len(rows), sizes["ROWS"]),
        *(rows, y, len(rows), n, *rows.stride()),
        problem=(len(rows),),
        BLOCK=block,
        WHOLE=whole,
    )
    return y


@torch.library.custom_op(
    "dlbook::softmax_backward", mutates_args=(), schema="(Tensor y, Tensor dy) -> Tensor"
)
def softmax_backward_op(y, dy):
    """The gradient with respect to x, from y = softmax(x) and the gradient with respect to y."""
    y = y.contiguous()
    dx = torch.empty(y.shape, dtype=y.dtype, device=y.device)
    if dx.numel() == 0:
        return dx
    n = y.shape[-1]
    gradients = dy.reshape(-1, n)
    block, whole = _shared.row_sizes(n)
    BACKWARD(
        lambda sizes: _shared.cdiv(len(gradients), sizes["ROWS"]),
        *(y, gradients, dx, len(gradients), n, *gradients.stride()),
        problem=(len(gradients),),
        BLOCK=block,
        WHOLE=whole,
    )
    return dx


@softmax_op.register_fake
def _(x):
    return x.new_empty(x.shape)


@softmax_backward_op.register_fake
def _(y, dy):
    return y.new_empty(y.shape)


def _keep(ctx, inputs, output):
    ctx.save_for_backward(output)


def _backward(ctx, dy):
    (y,) = ctx.saved_tensors
    return softmax_backward_op(y, dy)


softmax_op.register_autograd(_backward, setup_context=_keep)
