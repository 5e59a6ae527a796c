"""Cross-entropy of logits with labels: the probabilities are never stored."""

import torch

from dlbook.kernels import _shared
from dlbook.kernels._shared import jit, tl

__all__ = ["cross_entropy"]


def cross_entropy(logits, labels):
    r"""Average the surprise at the right classes, :math:`\log\sum_k e^{z_k} - z_{\text{label}}`.

    Parameters
    ----------
    logits : torch.Tensor, shape (..., n_classes)
    labels : torch.Tensor of int64, shape (...)
        From 0 to `n_classes` − 1. The reference refuses others; the kernel, which would have to
        wait for the GPU to do so, answers with NaN.

    Returns
    -------
    torch.Tensor, shape ()
        The mean in nats, of the type of `logits`; NaN where there are no rows.

    Raises
    ------
    TypeError, ValueError
        If shapes, types or devices do not fit, or a label is out of range.
    """
    _shared.check_float("logits", logits)
    _shared.check_tensor("labels", labels)
    if labels.dtype != torch.int64:
        found = str(labels.dtype).removeprefix("torch.")
        raise TypeError(f"labels has dtype {found}: expected int64")
    _shared.check_shape("labels", labels, logits.shape[:-1], "logits without its last axis")
    if labels.device != logits.device:
        raise ValueError(f"labels is on {labels.device}: expected {logits.device}, where logits is")
    if _shared.obstacle(logits, labels) is None:
        return cross_entropy_op(logits, labels)[0].mean().to(logits.dtype)
    return reference(logits, labels)


def reference(logits, labels):
    """The same in plain PyTorch."""
    n_classes = logits.shape[-1]
    z = _shared.wide(logits).reshape(labels.numel(), n_classes)
    right = labels.reshape(-1)
    if not torch.compiler.is_compiling() and not right.is_cuda and right.numel():
        lowest, highest = right.min().item(), right.max().item()
        if lowest < 0 or highest >= n_classes:
            wrong = lowest if lowest < 0 else highest
            raise ValueError(f"labels holds {wrong}: expected 0 to {n_classes - 1}")
    if z.numel() == 0:
        return z.sum().div(0.0).to(logits.dtype)  # the mean of no rows
    surprise = torch.logsumexp(z, dim=-1) - z.gather(1, right[:, None])[:, 0]
    return surprise.mean().to(logits.dtype)


@jit
def forward_kernel(
    logits,
    labels,
    losses,
    sums,
    n_rows,
    n,
    row_step,
    column_step,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
    WHOLE: tl.constexpr,
):
    """Each program reads ROWS rows once and leaves log Σ exp and the loss of each."""
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    columns = tl.arange(0, BLOCK)[None, :].to(tl.int64)
    label = tl.load(labels + rows, mask=rows < n_rows, other=0)
    starts = logits + rows[:, None] * row_step
    real_rows = (rows < n_rows)[:, None]
    if WHOLE:
        real = real_rows & (columns < n)
        z = tl.load(starts + columns * column_step, mask=real, other=-float("inf"))
        z = z.to(tl.float32)
        highest = tl.max(z, axis=1)
        total = tl.sum(tl.exp(z - highest[:, None]), axis=1)
    else:
        highest = tl.full((ROWS,), -float("inf"), tl.float32)
        total = tl.zeros((ROWS,), tl.float32)
        for start in range(0, n, BLOCK):
            real = real_rows & (start + columns < n)
            z = tl.load(starts + (start + columns) * column_step, mask=real, other=-float("inf"))
            z = z.to(tl.float32)
            higher = tl.maximum(highest, tl.max(z, axis=1))
            # a row that has begun with -inf only: subtract 0, since inf - inf is no number
            offset = tl.where(higher == -float("inf"), 0.0, higher)
            total = total * tl.exp(highest - offset)
            total += tl.sum(tl.exp(z - offset[:, None]), axis=1)
            highest = higher
    known = (rows < n_rows) & (label >= 0) & (label < n)
    right = tl.load(
        logits + rows * row_step + label * column_step, mask=known, other=float("nan")
    ).to(tl.float32)
    tl.store(sums + rows, highest + tl.log(total), mask=rows < n_rows)
    # in this order: large logits that are close to each other cancel without an error
    tl.store(losses + rows, highest - right + tl.log(total), mask=rows < n_rows)


@jit
def backward_kernel(
    logits,
    labels,
    sums,
    dlosses,
    dlogits,
    n_rows,
    n,
    row_step,
    column_step,
    dloss_step,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
    WHOLE: tl.constexpr,
):
    """dlogits = (softmax(logits) − one-hot(label)) dloss, a tile for each program.

    The probabilities are made anew from log Σ exp, so that no program has to see a whole row.
    """
    n_blocks = tl.cdiv(n, BLOCK)
    tile_row, tile_column = tl.program_id(0) // n_blocks, tl.program_id(0) % n_blocks
    rows = tile_row.to(tl.int64) * ROWS + tl.arange(0, ROWS)
    columns = tile_column.to(tl.int64) * BLOCK + tl.arange(0, BLOCK)[None, :]
    label = tl.load(labels + rows, mask=rows < n_rows, other=0)[:, None]
    log_sum = tl.load(sums + rows, mask=rows < n_rows, other=0.0)[:, None]
    g = tl.load(dlosses + rows * dloss_step, mask=rows < n_rows, other=0.0)[:, None]
    rows = rows[:, None]
    real = (rows < n_rows) & (columns < n)
    z = tl.load(logits + rows * row_step + columns * column_step, mask=real, other=0.0)
    p = tl.exp(z.to(tl.float32) - log_sum)
    answer = tl.where(columns == label, p - 1.0, p) * g
    tl.store(dlogits + rows * n + columns, answer, mask=real)


FORWARD = _shared.Kernel(forward_kernel, _shared.row_configs, _shared.TINY_ROWS)
BACKWARD = _shared.Kernel(backward_kernel, _shared.row_configs, _shared.TINY_ROWS)


@torch.library.custom_op(
    "dlbook::cross_entropy",
    mutates_args=(),
    schema="(Tensor logits, Tensor labels) -> (Tensor, Tensor)",
)
def cross_entropy_op(logits, labels):
    """Launch the kernel: the loss of each row and its log Σ exp, both in float32."""
    n, n_rows = logits.shape[-1], labels.numel()
    losses = torch.empty(n_rows, dtype=torch.float32, device=logits.device)
    sums = torch.empty_like(losses)
    if n_rows == 0 or n == 0:
        return losses.fill_(float("nan")), sums.fill_(-float("inf"))
    rows = logits.reshape(n_rows, n)
    block, whole = _shared.row_sizes(n)
    FORWARD(
        lambda sizes: _shared.cdiv(n_rows, sizes["ROWS"]),
        *(rows, labels.reshape(-1).contiguous(), losses, sums, n_rows, n, *rows.stride()),
        problem=(n_rows,),
        BLOCK=block,
        WHOLE=whole,
    )
    return losses, sums


@torch.library.custom_op(
    "dlbook::cross_entropy_backward",
    mutates_args=(),
    schema="(Tensor logits, Tensor labels, Tensor sums, Tensor dlosses) -> Tensor",
)
def cross_entropy_backward_op(logits, labels, sums, dlosses):
    """The gradient with respect to the logits, from those with respect to the rows' losses."""
    n, n_rows = logits.shape[-1], labels.numel()
    dlogits = torch.empty(logits.shape, dtype=logits.dtype, device=logits.device)
    if dlogits.numel() == 0:
        return dlogits
    rows = logits.reshape(n_rows, n)
    block, whole = _shared.row_sizes(n)
    BACKWARD(
        lambda sizes: _shared.cdiv(n_rows, sizes["ROWS"]) * _shared.cdiv(n, block),
        *(rows, labels.reshape(-1).contiguous(), sums, dlosses, dlogits, n_rows, n),
        *(*rows.stride(), *dlosses.stride()),
        problem=(n_rows,),
        BLOCK=block,
        WHOLE=whole,
    )
    return dlogits


@cross_entropy_op.register_fake
def _(logits, labels):
    losses = logits.new_empty(labels.numel(), dtype=torch.float32)
    return losses, torch.empty_like(losses)


@cross_entropy_backward_op.register_fake
def _(logits, labels, sums, dlosses):
    return logits.new_empty(logits.shape)


def _keep(ctx, inputs, output):
    ctx.save_for_backward(*inputs, output[1])
    ctx.mark_non_differentiable(output[1])


def _backward(ctx, dlosses, _sums):
    return cross_entropy_backward_op(*ctx.saved_tensors, dlosses), None


cross_entropy_op.register_autograd(_backward, setup_context=_keep)
