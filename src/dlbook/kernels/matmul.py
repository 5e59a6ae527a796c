"""The product of two matrices, in tiles."""

import torch

from dlbook.kernels import _shared
from dlbook.kernels._shared import dot, jit, tl

__all__ = ["matmul"]


def matmul(a, b, *, tf32=False):
    r"""Multiply two matrices, :math:`c_{ij} = \sum_k a_{ik} b_{kj}`.

    Parameters
    ----------
    a : torch.Tensor, shape (m, k)
    b : torch.Tensor, shape (k, n)
    tf32 : bool
        Let a GPU round float32 factors to the 10 fraction bits of TF32, which its matrix units
        take. Without effect on the reference.

    Returns
    -------
    torch.Tensor, shape (m, n)
        Of the type of `a`; half precision is added up in float32.

    Raises
    ------
    TypeError, ValueError
        If shapes, types or devices do not fit.
    """
    _shared.check_float("a", a, 2, "(m, k)")
    _shared.check_float("b", b, 2, "(k, n)")
    _shared.check_shape("b", b, (a.shape[1], b.shape[1]), "as many rows as a has columns")
    _shared.check_alike(a=a, b=b)
    _shared.check_flag("tf32", tf32)
    if _shared.obstacle(a, b) is None:
        return matmul_op(a, b, tf32)
    return reference(a, b)


def reference(a, b):
    """The same in plain PyTorch."""
    return (_shared.wide(a) @ _shared.wide(b)).to(a.dtype)


@jit
def tile_of(number, n_down, n_right, GROUP: tl.constexpr):
    """Row and column of the tile that program `number` computes.

    Neighbouring programs run at the same time and share the second-level cache. So they go down
    GROUP tiles before they go right: a patch of the answer needs fewer rows of a and columns of b
    than a strip with as many tiles.
    """
    per_group = GROUP * n_right
    first = number // per_group * GROUP
    height = min(n_down - first, GROUP)
    return first + number % per_group % height, number % per_group // height


@jit
def kernel(
    a,
    b,
    c,
    m,
    n,
    k,
    a_row,
    a_column,
    b_row,
    b_column,
    EVEN: tl.constexpr,
    PRECISION: tl.constexpr,
    M: tl.constexpr,
    N: tl.constexpr,
    K: tl.constexpr,
    GROUP: tl.constexpr,
):
    """Each program computes one (M, N) tile of c, walking along k in steps of K.

    a_row, a_column, b_row and b_column are strides, so a transposed matrix costs nothing. c is
    contiguous. EVEN says that K divides k, which spares the loop its masks.
    """
    down, right = tile_of(tl.program_id(0), tl.cdiv(m, M), tl.cdiv(n, N), GROUP)
    rows, columns = down * M + tl.arange(0, M), right * N + tl.arange(0, N)
    inner = tl.arange(0, K).to(tl.int64)
    # Rows and columns past the end are wrapped around: they are computed and never stored, and
    # the loop needs no mask for them. Offsets are 64-bit: m k may exceed 2^31.
    a += (rows % m).to(tl.int64)[:, None] * a_row + inner[None, :] * a_column
    b += inner[:, None] * b_row + (columns % n).to(tl.int64)[None, :] * b_column
    step = tl.full([], K, tl.int64)
    total = tl.zeros((M, N), tl.float32)
    for start in range(0, k, K):
        if EVEN:
            x, y = tl.load(a), tl.load(b)
        else:
            x = tl.load(a, mask=inner[None, :] < k - start, other=0.0)
            y = tl.load(b, mask=inner[:, None] < k - start, other=0.0)
        total = dot(x, y, total, PRECISION)
        a += step * a_column
        b += step * b_row
    real = (rows < m)[:, None] & (columns < n)[None, :]
    tl.store(c + rows.to(tl.int64)[:, None] * n + columns[None, :], total, mask=real)


def _configs(constants):
    """Large tiles for the matrix units; small ones for float32, whose tiles fill the registers."""
    small = [
        _shared.Config({"M": 64, "N": 64, "K": 32, "GROUP": 8}, 4, 3),
        _shared.Config({"M": 128, "N": 64, "K": 32, "GROUP": 8}, 4, 3),
        _shared.Config({"M": 32, "N": 32, "K": 32, "GROUP": 8}, 2, 2),
        _shared.Config({"M": 128, "N": 128, "K": 16, "GROUP": 8}, 8, 2),
    ]
    if constants["PRECISION"] == "ieee":
        return small
    return [
        *small[:3],
        _shared.Config({"M": 128, "N": 128, "K": 64, "GROUP": 8}, 8, 3),
        _shared.Config({"M": 128, "N": 128, "K": 64, "GROUP": 8}, 4, 4),
        _shared.Config({"M": 128, "N": 256, "K": 64, "GROUP": 8}, 8, 3),
        _shared.Config({"M": 256, "N": 128, "K": 64, "GROUP": 8}, 8, 3),
        _shared.Config({"M": 64, "N": 128, "K": 64, "GROUP": 8}, 4, 4),
    ]


def _needed(config, item_size, constants):
    """Bytes for the tiles of a and b in each stage of the pipeline."""
    sizes = config.sizes
    return (sizes["M"] + sizes["N"]) * sizes["K"] * config.num_stages * item_size


KERNEL = _shared.Kernel(
    kernel, _configs, _shared.Config({"M": 64, "N": 32, "K": 32, "GROUP": 2}), _needed
)


def multiply(a, b, tf32=False, dtype=None):
    """Launch the kernel on two matrices that have been checked; `dtype` is that of the answer."""
    (m, k), n = a.shape, b.shape[1]
    c = torch.empty(m, n, dtype=dtype or a.dtype, device=a.device)
    if c.numel():
        KERNEL(
            lambda sizes: _shared.cdiv(m, sizes["M"]) * _shared.cdiv(n, sizes["N"]),
            *(a, b, c, m, n, k, *a.stride(), *b.stride()),
            problem=(m, n, k),
            EVEN=k % 64 == 0,  # every K above divides 64
            PRECISION=_shared.precision(a, tf32),
        )
    return c


@torch.library.custom_op(
    "dlbook::matmul", mutates_args=(), schema="(Tensor a, Tensor b, bool tf32) -> Tensor"
)
def matmul_op(a, b, tf32):
    """Launch the kernel; `matmul` has checked its arguments."""
    return multiply(a, b, tf32)


@matmul_op.register_fake
def _(a, b, tf32):
    return a.new_empty(a.shape[0], b.shape[1])


def _keep(ctx, inputs, output):
    a, b, ctx.tf32 = inputs
    ctx.save_for_backward(a, b)


def _backward(ctx, dc):
    """da = dc bᵀ and db = aᵀ dc: the same kernel with other strides."""
    a, b = ctx.saved_tensors
    da = matmul_op(dc, b.T, ctx.tf32) if ctx.needs_input_grad[0] else None
    db = matmul_op(a.T, dc, ctx.tf32) if ctx.needs_input_grad[1] else None
    return da, db, None


matmul_op.register_autograd(_backward, setup_context=_keep)
