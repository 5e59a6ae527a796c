"""Layer normalisation over the last axis, with its scale and shift, in one kernel."""

import torch

from dlbook.kernels import _shared
from dlbook.kernels._shared import jit, tl

__all__ = ["layer_norm"]


def layer_norm(x, weight, bias, eps=1e-5):
    r"""Give each row mean 0 and variance 1, then scale and shift it.

    .. math:: y = \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} \odot \text{weight} + \text{bias}

    Parameters
    ----------
    x : torch.Tensor, shape (..., n)
    weight, bias : torch.Tensor, shape (n,)
    eps : float
        Not negative; it keeps a constant row from dividing by zero.

    Returns
    -------
    torch.Tensor, shape (..., n)
        Of the type of `x`; sums are in float32 for half precision.

    Raises
    ------
    TypeError, ValueError
        If shapes, types or devices do not fit, or `eps` is negative.

    References
    ----------
    Ba, Kiros and Hinton (2016), Layer normalization, arXiv:1607.06450.
    """
    _shared.check_float("x", x)
    n = x.shape[-1]
    for name, vector in (("weight", weight), ("bias", bias)):
        _shared.check_float(name, vector)
        _shared.check_shape(name, vector, (n,), "the last axis of x")
    _shared.check_alike(x=x, weight=weight, bias=bias)
    if not eps >= 0:
        raise ValueError(f"eps is {eps!r}: expected a number that is not negative")
    if _shared.obstacle(x, weight, bias) is None:
        return layer_norm_op(x, weight, bias, float(eps))[0]
    return reference(x, weight, bias, eps)


def reference(x, weight, bias, eps=1e-5):
    """The same in plain PyTorch."""
    if x.numel() == 0:
        return x * weight + bias
    rows = _shared.wide(x)
    centred = rows - rows.mean(dim=-1, keepdim=True)
    variance = (centred * centred).mean(dim=-1, keepdim=True)
    return (centred * torch.rsqrt(variance + eps) * weight + bias).to(x.dtype)


@jit
def forward_kernel(
    x,
    weight,
    bias,
    y,
    means,
    scales,
    n_rows,
    n,
    x_row,
    x_column,
    weight_step,
    bias_step,
    eps,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
    WHOLE: tl.constexpr,
):
    """Each program normalises ROWS rows; it leaves their means and 1 / deviations as well.

    The variance is the mean of squared differences from the mean: the mean of squares less the
    square of the mean would cancel where the mean is large.
    """
    rows = (tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS))[:, None]
    columns = tl.arange(0, BLOCK)[None, :].to(tl.int64)
    x += rows * x_row
    y += rows * n
    if WHOLE:
        inside = columns < n
        real = (rows < n_rows) & inside
        z = tl.load(x + columns * x_column, mask=real, other=0.0).to(tl.float32)
        mean = tl.sum(z, axis=1)[:, None] / n
        centred = tl.where(inside, z - mean, 0.0)
        variance = tl.sum(centred * centred, axis=1)[:, None] / n
        scale = 1.0 / tl.sqrt(variance + eps)
        w = tl.load(weight + columns * weight_step, mask=inside, other=0.0).to(tl.float32)
        b = tl.load(bias + columns * bias_step, mask=inside, other=0.0).to(tl.float32)
        tl.store(y + columns, centred * scale * w + b, mask=real)
    else:
        mean = tl.zeros((ROWS, 1), tl.float32)
        for start in range(0, n, BLOCK):
            real = (rows < n_rows) & (start + columns < n)
            z = tl.load(x + (start + columns) * x_column, mask=real, other=0.0).to(tl.float32)
            mean += tl.sum(z, axis=1)[:, None]
        mean /= n
        variance = tl.zeros((ROWS, 1), tl.float32)
        for start in range(0, n, BLOCK):
            real = (rows < n_rows) & (start + columns < n)
            z = tl.load(x + (start + columns) * x_column, mask=real, other=0.0).to(tl.float32)
            centred = tl.where(start + columns < n, z - mean, 0.0)
            variance += tl.sum(centred * centred, axis=1)[:, None]
        variance /= n
        scale = 1.0 / tl.sqrt(variance + eps)
        for start in range(0, n, BLOCK):
            inside = start + columns < n
            real = (rows < n_rows) & inside
            z = tl.load(x + (start + columns) * x_column, mask=real, other=0.0).to(tl.float32)
            w = tl.load(weight + (start + columns) * weight_step, mask=inside, other=0.0)
            b = tl.load(bias + (start + columns) * bias_step, mask=inside, other=0.0)
            normal = (z - mean) * scale
            tl.store(y + start + columns, normal * w.to(tl.float32) + b.to(tl.float32), mask=real)
    tl.store(means + rows, mean, mask=rows < n_rows)
    tl.store(scales + rows, scale, mask=rows < n_rows)


@jit
def rows_kernel(
    x,
    weight,
    dy,
    means,
    scales,
    dx,
    n_rows,
    n,
    x_row,
    x_column,
    weight_step,
    dy_row,
    dy_column,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
    WHOLE: tl.constexpr,
):
    """The gradient with respect to x, row by row.

    With g = dy ⊙ weight and the normalised row z: dx = (g − mean(g) − z mean(g z)) / deviation.
    """
    rows = (tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS))[:, None]
    columns = tl.arange(0, BLOCK)[None, :].to(tl.int64)
    mean = tl.load(means + rows, mask=rows < n_rows, other=0.0)
    scale = tl.load(scales + rows, mask=rows < n_rows, other=0.0)
    x += rows * x_row
    dy += rows * dy_row
    dx += rows * n
    if WHOLE:
        real = (rows < n_rows) & (columns < n)
        z = tl.load(x + columns * x_column, mask=real, other=0.0).to(tl.float32)
        g = tl.load(dy + columns * dy_column, mask=real, other=0.0).to(tl.float32)
        w = tl.load(weight + columns * weight_step, mask=columns < n, other=0.0)
        z = (z - mean) * scale
        g *= w.to(tl.float32)  # 0 beyond the row's end, so that z there does not count
        of_g = tl.sum(g, axis=1)[:, None] / n
        of_gz = tl.sum(g * z, axis=1)[:, None] / n
        tl.store(dx + columns, (g - of_g - z * of_gz) * scale, mask=real)
    else:
        of_g = tl.zeros((ROWS, 1), tl.float32)
        of_gz = tl.zeros((ROWS, 1), tl.float32)
        for start in range(0, n, BLOCK):
            inside = start + columns < n
            real = (rows < n_rows) & inside
            z = tl.load(x + (start + columns) * x_column, mask=real, other=0.0).to(tl.float32)
            g = tl.load(dy + (start + columns) * dy_column, mask=real, other=0.0).to(tl.float32)
            w = tl.load(weight + (start + columns) * weight_step, mask=inside, other=0.0)
            g *= w.to(tl.float32)
            of_g += tl.sum(g, axis=1)[:, None]
            of_gz += tl.sum(g * (z - mean) * scale, axis=1)[:, None]
        of_g /= n
        of_gz /= n
        for start in range(0, n, BLOCK):
            inside = start + columns < n
            real = (rows < n_rows) & inside
            z = tl.load(x + (start + columns) * x_column, mask=real, other=0.0).to(tl.float32)
            g = tl.load(dy + (start + columns) * dy_column, mask=real, other=0.0).to(tl.float32)
            w = tl.load(weight + (start + columns) * weight_step, mask=inside, other=0.0)
            z = (z - mean) * scale
            answer = (g * w.to(tl.float32) - of_g - z * of_gz) * scale
            tl.store(dx + start + columns, answer, mask=real)


@jit
def columns_kernel(
    x,
    dy,
    means,
    scales,
    dweight,
    dbias,
    n_rows,
    n,
    n_groups,
    x_row,
    x_column,
    dy_row,
    dy_column,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """The gradients with respect to weight and bias, as one partial sum for each group of rows.

    Program p adds up every n_groups-th tile of rows. The few partial sums, (n_groups, n), are
    added afterwards: always in the same order, which atomic additions would not keep to.
    """
    group = tl.program_id(0) % n_groups
    columns = (tl.program_id(0) // n_groups).to(tl.int64) * COLUMNS + tl.arange(0, COLUMNS)
    of_weight = tl.zeros((COLUMNS,), tl.float32)
    of_bias = tl.zeros((COLUMNS,), tl.float32)
    for start in range(group * ROWS, n_rows, n_groups * ROWS):
        rows = start + tl.arange(0, ROWS).to(tl.int64)
        real = (rows < n_rows)[:, None] & (columns < n)[None, :]
        mean = tl.load(means + rows, mask=rows < n_rows, other=0.0)[:, None]
        scale = tl.load(scales + rows, mask=rows < n_rows, other=0.0)[:, None]
        z = tl.load(
            x + rows[:, None] * x_row + columns[None, :] * x_column, mask=real, other=0.0
        ).to(tl.float32)
        g = tl.load(
            dy + rows[:, None] * dy_row + columns[None, :] * dy_column, mask=real, other=0.0
        ).to(tl.float32)
        of_weight += tl.sum(g * (z - mean) * scale, axis=0)
        of_bias += tl.sum(g, axis=0)
    place = group.to(tl.int64) * n + columns
    tl.store(dweight + place, of_weight, mask=columns < n)
    tl.store(dbias + place, of_bias, mask=columns < n)


FORWARD = _shared.Kernel(forward_kernel, _shared.row_configs, _shared.TINY_ROWS)
ROWS_BACKWARD = _shared.Kernel(rows_kernel, _shared.row_configs, _shared.TINY_ROWS)
COLUMNS_BACKWARD = _shared.Kernel(
    columns_kernel,
    [
        _shared.Config({"ROWS": 16, "COLUMNS": 64}, 4),
        _shared.Config({"ROWS": 32, "COLUMNS": 64}, 8),
        _shared.Config({"ROWS": 16, "COLUMNS": 128}, 4),
        _shared.Config({"ROWS": 32, "COLUMNS": 128}, 8),
    ],
    _shared.Config({"ROWS": 4, "COLUMNS": 16}),
)


@torch.library.custom_op(
    "dlbook::layer_norm",
    mutates_args=(),
    schema="(Tensor x, Tensor weight, Tensor bias, float eps) -> (Tensor, Tensor, Tensor)",
)
def layer_norm_op(x, weight, bias, eps):
    """Launch the kernel: the answer, and means and 1 / deviations of the rows in float32."""
    n = x.shape[-1]
    n_rows = x.shape[:-1].numel()
    y = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    means = torch.empty(n_rows, dtype=torch.float32, device=x.device)
    scales = torch.empty_like(means)
    if y.numel() == 0:
        return y, means.zero_(), scales.zero_()
    rows = x.reshape(n_rows, n)
    block, whole = _shared.row_sizes(n)
    FORWARD(
        lambda sizes: _shared.cdiv(n_rows, sizes["ROWS"]),
        *(rows, weight, bias, y, means, scales, n_rows, n),
        *(*rows.stride(), *weight.stride(), *bias.stride(), eps),
        problem=(n_rows,),
        BLOCK=block,
        WHOLE=whole,
    )
    return y, means, scales


@torch.library.custom_op(
    "dlbook::layer_norm_backward",
    mutates_args=(),
    schema="(Tensor x, Tensor weight, Tensor means, Tensor scales, Tensor dy)"
    " -> (Tensor, Tensor, Tensor)",
)
def layer_norm_backward_op(x, weight, means, scales, dy):
    """The gradients with respect to x, weight and bias."""
    n, n_rows = x.shape[-1], len(means)
    dx = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    if dx.numel() == 0:
        zeros = torch.zeros(n, dtype=x.dtype, device=x.device)
        return dx, zeros, zeros.clone()
    rows, gradients = x.reshape(n_rows, n), dy.reshape(n_rows, n)
    block, whole = _shared.row_sizes(n)
    ROWS_BACKWARD(
        lambda sizes: _shared.cdiv(n_rows, sizes["ROWS"]),
        *(rows, weight, gradients, means, scales, dx, n_rows, n),
        *(*rows.stride(), *weight.stride(), *gradients.stride()),
        problem=(n_rows,),
        BLOCK=block,
        WHOLE=whole,
    )
    # enough groups for every processor to have work also where a row is short
    n_groups = min(_shared.cdiv(n_rows, 32), 2 * _shared.n_processors(x))
    partial = torch.empty(2, n_groups, n, dtype=torch.float32, device=x.device)
    COLUMNS_BACKWARD(
        lambda sizes: _shared.cdiv(n, sizes["COLUMNS"]) * n_groups,
        *(rows, gradients, means, scales, partial[0], partial[1], n_rows, n, n_groups),
        *(*rows.stride(), *gradients.stride()),
        problem=(n_rows, n),
    )
    dweight, dbias = partial.sum(dim=1).to(x.dtype)
    return dx, dweight.clone(), dbias.clone()


@layer_norm_op.register_fake
def _(x, weight, bias, eps):
    means = x.new_empty(x.shape[:-1].numel(), dtype=torch.float32)
    return x.new_empty(x.shape), means, torch.empty_like(means)


@layer_norm_backward_op.register_fake
def _(x, weight, means, scales, dy):
    return x.new_empty(x.shape), weight.new_empty(weight.shape), weight.new_empty(weight.shape)


def _keep(ctx, inputs, output):
    x, weight, _, _ = inputs
    _, means, scales = output
    ctx.save_for_backward(x, weight, means, scales)
    ctx.mark_non_differentiable(means, scales)


def _backward(ctx, dy, _means, _scales):
    return *layer_norm_backward_op(*ctx.saved_tensors, dy), None


layer_norm_op.register_autograd(_backward, setup_context=_keep)
