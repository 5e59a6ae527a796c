"""Two-dimensional convolution as a matrix product whose left factor is never stored."""

import torch

from dlbook.kernels import _shared
from dlbook.kernels._shared import dot, jit, tl

__all__ = ["conv2d"]


def conv2d(images, weight, bias=None, stride=1, padding=0, *, tf32=False):
    r"""Slide filters over images (cross-correlation, as ``torch.nn.functional.conv2d``).

    .. math::

        y_{nkpq} = \text{bias}_k + \sum_{c,r,s} x_{n,\,c,\,p\,\text{stride}+r-\text{padding},\,
        q\,\text{stride}+s-\text{padding}}\; w_{kcrs}

    Parameters
    ----------
    images : torch.Tensor, shape (batch, channels, height, width)
    weight : torch.Tensor, shape (filters, channels, filter_height, filter_width)
    bias : torch.Tensor, shape (filters,), optional
    stride : int or (int, int)
        At least 1; steps downwards and to the right.
    padding : int or (int, int)
        Zeros added above and below, left and right.
    tf32 : bool
        Let a GPU round float32 factors to TF32. Without effect on the reference.

    Returns
    -------
    torch.Tensor, shape (batch, filters, out_height, out_width)
        With out_height = (height + 2 padding − filter_height) // stride + 1, and so for the width.

    Raises
    ------
    TypeError, ValueError
        If shapes, types or devices do not fit, or the filter is larger than the padded image.
    """
    _shared.check_float("images", images, 4, "(batch, channels, height, width)")
    _shared.check_float("weight", weight, 4, "(filters, channels, filter_height, filter_width)")
    filters, _, *size = weight.shape
    shape = (filters, images.shape[1], *size)
    _shared.check_shape("weight", weight, shape, "channels as images has")
    if bias is not None:
        _shared.check_float("bias", bias, 1, "(filters,)")
        _shared.check_shape("bias", bias, (filters,), "(filters,)")
    _shared.check_alike(images=images, weight=weight, bias=bias)
    _shared.check_flag("tf32", tf32)
    stride, padding = _pair("stride", stride, 1), _pair("padding", padding, 0)
    for i, axis in enumerate(("height", "width")):
        room = images.shape[2 + i] + 2 * padding[i]
        if not 1 <= size[i] <= room:
            raise ValueError(
                f"weight has {axis} {size[i]}: expected 1 to {room}, what the padded images have"
            )
    if _shared.obstacle(images, weight, bias) is None:
        return conv2d_op(images, weight, bias, list(stride), list(padding), tf32)
    return reference(images, weight, bias, stride, padding)


def _pair(name, value, lowest):
    pair = (value, value) if isinstance(value, int) else value
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise TypeError(f"{name} is {value!r}: expected an integer or a pair of integers")
    for number in pair:
        if isinstance(number, bool) or not isinstance(number, int):
            raise TypeError(f"{name} is {value!r}: expected an integer or a pair of integers")
        if number < lowest:
            raise ValueError(f"{name} is {value!r}: expected at least {lowest}")
    return tuple(pair)


def reference(images, weight, bias, stride, padding):
    """The same in plain PyTorch, with all patches laid out (im2col)."""
    down, right = padding
    padded = torch.nn.functional.pad(_shared.wide(images), (right, right, down, down))
    patches = padded.unfold(2, weight.shape[2], stride[0]).unfold(3, weight.shape[3], stride[1])
    batch, channels, height, width = patches.shape[:4]
    n_terms = channels * weight.shape[2] * weight.shape[3]
    rows = patches.permute(0, 2, 3, 1, 4, 5).reshape(batch * height * width, n_terms)
    answer = rows @ _shared.wide(weight).reshape(weight.shape[0], n_terms).T
    answer = answer.reshape(batch, height, width, weight.shape[0]).permute(0, 3, 1, 2)
    if bias is not None:
        answer = answer + bias[:, None, None]
    return answer.to(images.dtype).contiguous()


# Each of the three passes is a matrix product whose left factor, or right one, is a table of pixels
# with each pixel standing in many places. A kernel computes where an entry stands in the image
# when it needs it; the table, R S times as large as the images, is never made.
#
#     pass       rows (m)         columns (n)       summed over (k)
#     forward    batch, p, q      filters           channels, r, s
#     images     batch, y, x      channels          filters, r, s
#     weight     filters          channels, r, s    batch, p, q
#
# (p, q) is a place in the answer, (y, x) one in an image and (r, s) one in a filter; they meet
# where y = p stride + r − padding, and x likewise.


@jit
def pixels(base, n, c, y, x, height, width, by_n, by_c, by_y, by_x, real):
    """Load pixels; zeros outside the image. Offsets are 64-bit, as n and c are."""
    inside = real & (y >= 0) & (y < height) & (x >= 0) & (x < width)
    return tl.load(base + n * by_n + c * by_c + y * by_y + x * by_x, mask=inside, other=0.0)


@jit
def forward_kernel(
    images,
    weight,
    bias,
    output,
    n_rows,
    channels,
    height,
    width,
    filters,
    out_height,
    out_width,
    by_n,
    by_c,
    by_y,
    by_x,
    DOWN: tl.constexpr,
    RIGHT: tl.constexpr,
    PAD_DOWN: tl.constexpr,
    PAD_RIGHT: tl.constexpr,
    R: tl.constexpr,
    S: tl.constexpr,
    BIAS: tl.constexpr,
    PRECISION: tl.constexpr,
    M: tl.constexpr,
    N: tl.constexpr,
    K: tl.constexpr,
):
    """M places of the answer and N filters; weight and output are contiguous."""
    n_right = tl.cdiv(filters, N)
    rows = (tl.program_id(0) // n_right).to(tl.int64) * M + tl.arange(0, M)
    columns = tl.program_id(0) % n_right * N + tl.arange(0, N)
    area = out_height * out_width
    n, place = (rows // area)[:, None], (rows % area)[:, None]
    p, q = place // out_width, place % out_width
    n_terms = channels * (R * S)
    total = tl.zeros((M, N), tl.float32)
    for start in range(0, n_terms, K):
        k = (start + tl.arange(0, K)).to(tl.int64)
        c, r, s = k // (R * S), k // S % R, k % S
        y, x = p * DOWN - PAD_DOWN + r[None, :], q * RIGHT - PAD_RIGHT + s[None, :]
        real = (rows < n_rows)[:, None] & (k < n_terms)[None, :]
        a = pixels(images, n, c[None, :], y, x, height, width, by_n, by_c, by_y, by_x, real)
        real = (k < n_terms)[:, None] & (columns < filters)[None, :]
        w = weight + columns.to(tl.int64)[None, :] * n_terms + k[:, None]
        total = dot(a, tl.load(w, mask=real, other=0.0), total, PRECISION)
    if BIAS:
        b = tl.load(bias + columns, mask=columns < filters, other=0.0)
        total += b.to(tl.float32)[None, :]
    real = (rows < n_rows)[:, None] & (columns < filters)[None, :]
    tl.store(output + (n * filters + columns[None, :]) * area + place, total, mask=real)


@jit
def images_kernel(
    doutput,
    weight,
    dimages,
    n_rows,
    channels,
    height,
    width,
    filters,
    out_height,
    out_width,
    by_n,
    by_c,
    by_y,
    by_x,
    DOWN: tl.constexpr,
    RIGHT: tl.constexpr,
    PAD_DOWN: tl.constexpr,
    PAD_RIGHT: tl.constexpr,
    R: tl.constexpr,
    S: tl.constexpr,
    PRECISION: tl.constexpr,
    M: tl.constexpr,
    N: tl.constexpr,
    K: tl.constexpr,
):
    """The gradient of M pixels in N channels; weight and dimages are contiguous.

    A pixel collects from each place that the filter has put it into: p = (y + padding − r) /
    stride, where that is a whole number. by_n and so on are the strides of doutput.
    """
    n_right = tl.cdiv(channels, N)
    rows = (tl.program_id(0) // n_right).to(tl.int64) * M + tl.arange(0, M)
    columns = tl.program_id(0) % n_right * N + tl.arange(0, N)
    area = height * width
    n, place = (rows // area)[:, None], (rows % area)[:, None]
    y, x = place // width, place % width
    n_terms = filters * (R * S)
    total = tl.zeros((M, N), tl.float32)
    for start in range(0, n_terms, K):
        k = (start + tl.arange(0, K)).to(tl.int64)
        f, r, s = k // (R * S), k // S % R, k % S
        down, right = y + PAD_DOWN - r[None, :], x + PAD_RIGHT - s[None, :]
        real = (rows < n_rows)[:, None] & (k < n_terms)[None, :]
        # division rounds to zero, so ask for the sign before it
        real = real & (down >= 0) & (right >= 0) & (down % DOWN == 0) & (right % RIGHT == 0)
        p, q = down // DOWN, right // RIGHT
        g = pixels(
            doutput, n, f[None, :], p, q, out_height, out_width, by_n, by_c, by_y, by_x, real
        )
        real = (k < n_terms)[:, None] & (columns < channels)[None, :]
        of_filter = f * channels * (R * S) + r * S + s
        w = weight + of_filter[:, None] + columns.to(tl.int64)[None, :] * (R * S)
        total = dot(g, tl.load(w, mask=real, other=0.0), total, PRECISION)
    real = (rows < n_rows)[:, None] & (columns < channels)[None, :]
    tl.store(dimages + (n * channels + columns[None, :]) * area + place, total, mask=real)


@jit
def weight_kernel(
    images,
    doutput,
    partial,
    n_terms,
    channels,
    height,
    width,
    filters,
    out_height,
    out_width,
    n_groups,
    by_n,
    by_c,
    by_y,
    by_x,
    g_n,
    g_f,
    g_p,
    g_q,
    DOWN: tl.constexpr,
    RIGHT: tl.constexpr,
    PAD_DOWN: tl.constexpr,
    PAD_RIGHT: tl.constexpr,
    R: tl.constexpr,
    S: tl.constexpr,
    PRECISION: tl.constexpr,
    M: tl.constexpr,
    N: tl.constexpr,
    K: tl.constexpr,
):
    """One group's share of the gradient of M filters and N entries of each.

    There are few weights and many places to add up over. So the places are dealt out to n_groups
    groups, and the partial sums, (n_groups, filters, channels R S), are added afterwards.
    """
    n_columns = channels * (R * S)
    group, tile = tl.program_id(0) % n_groups, tl.program_id(0) // n_groups
    n_right = tl.cdiv(n_columns, N)
    rows = tile // n_right * M + tl.arange(0, M)
    columns = (tile % n_right * N + tl.arange(0, N)).to(tl.int64)
    c, r, s = columns // (R * S), columns // S % R, columns % S
    area = out_height * out_width
    total = tl.zeros((M, N), tl.float32)
    for start in range(group * K, n_terms, n_groups * K):
        k = (start + tl.arange(0, K)).to(tl.int64)
        n, p, q = k // area, k % area // out_width, k % out_width
        real = (rows < filters)[:, None] & (k < n_terms)[None, :]
        f = rows.to(tl.int64)[:, None]
        p_row, q_row = p[None, :], q[None, :]
        g = pixels(
            doutput, n[None, :], f, p_row, q_row, out_height, out_width, g_n, g_f, g_p, g_q, real
        )
        y = p[:, None] * DOWN - PAD_DOWN + r[None, :]
        x = q[:, None] * RIGHT - PAD_RIGHT + s[None, :]
        real = (k < n_terms)[:, None] & (columns < n_columns)[None, :]
        a = pixels(
            images, n[:, None], c[None, :], y, x, height, width, by_n, by_c, by_y, by_x, real
        )
        total = dot(g, a, total, PRECISION)
    place = (group.to(tl.int64) * filters + rows[:, None]) * n_columns + columns[None, :]
    real = (rows < filters)[:, None] & (columns < n_columns)[None, :]
    tl.store(partial + place, total, mask=real)


def _configs(constants):
    small = [
        _shared.Config({"M": 64, "N": 32, "K": 32}, 4, 2),
        _shared.Config({"M": 64, "N": 64, "K": 32}, 4, 2),
        _shared.Config({"M": 32, "N": 32, "K": 32}, 2, 2),
    ]
    if constants["PRECISION"] == "ieee":
        return small
    return [
        *small,
        _shared.Config({"M": 128, "N": 64, "K": 32}, 4, 3),
        _shared.Config({"M": 128, "N": 128, "K": 32}, 8, 3),
        _shared.Config({"M": 64, "N": 128, "K": 32}, 4, 3),
    ]


def _needed(config, item_size, constants):
    """Bytes for a tile of either factor in each stage of the pipeline."""
    sizes = config.sizes
    return (sizes["M"] + sizes["N"]) * sizes["K"] * config.num_stages * item_size


_TINY = _shared.Config({"M": 64, "N": 16, "K": 32})
FORWARD = _shared.Kernel(forward_kernel, _configs, _TINY, _needed)
IMAGES = _shared.Kernel(images_kernel, _configs, _TINY, _needed)
WEIGHT = _shared.Kernel(weight_kernel, _configs, _TINY, _needed)


def _constants(weight, stride, padding, tf32):
    names = ("DOWN", "RIGHT", "PAD_DOWN", "PAD_RIGHT", "R", "S")
    constants = dict(zip(names, (*stride, *padding, *weight.shape[2:]), strict=True))
    return constants | {"PRECISION": _shared.precision(weight, tf32)}


def _out_shape(images, weight, stride, padding):
    size = [
        (images.shape[2 + i] + 2 * padding[i] - weight.shape[2 + i]) // stride[i] + 1
        for i in range(2)
    ]
    return (images.shape[0], weight.shape[0], *size)


def _tiles(m, n):
    """A grid that covers (m, n)."""
    return lambda sizes: _shared.cdiv(m, sizes["M"]) * _shared.cdiv(n, sizes["N"])


@torch.library.custom_op(
    "dlbook::conv2d",
    mutates_args=(),
    schema="(Tensor images, Tensor weight, Tensor? bias, int[] stride, int[] padding, bool tf32)"
    " -> Tensor",
)
def conv2d_op(images, weight, bias, stride, padding, tf32):
    """Launch the kernel; `conv2d` has checked its arguments."""
    batch, channels, height, width = images.shape
    shape = _out_shape(images, weight, stride, padding)
    output = torch.empty(shape, dtype=images.dtype, device=images.device)
    filters, area = shape[1], shape[2] * shape[3]
    if output.numel():
        weight = weight.contiguous()
        FORWARD(
            _tiles(batch * area, filters),
            *(images, weight, weight if bias is None else bias.contiguous(), output),
            *(batch * area, channels, height, width, *shape[1:], *images.stride()),
            problem=(batch * area, filters, weight[0].numel()),
            **_constants(weight, stride, padding, tf32),
            BIAS=bias is not None,
        )
    return output


@torch.library.custom_op(
    "dlbook::conv2d_images",
    mutates_args=(),
    schema="(Tensor doutput, Tensor weight, int height, int width, int[] stride, int[] padding,"
    " bool tf32) -> Tensor",
)
def conv2d_images_op(doutput, weight, height, width, stride, padding, tf32):
    """The gradient with respect to the images."""
    (batch, filters, *out_size), channels = doutput.shape, weight.shape[1]
    like = {"dtype": weight.dtype, "device": weight.device}
    dimages = torch.empty(batch, channels, height, width, **like)
    if dimages.numel():
        n_rows = batch * height * width
        IMAGES(
            _tiles(n_rows, channels),
            *(doutput, weight.contiguous(), dimages, n_rows, channels, height, width, filters),
            *(*out_size, *doutput.stride()),
            problem=(n_rows, channels, weight[:, 0].numel()),
            **_constants(weight, stride, padding, tf32),
        )
    return dimages


@torch.library.custom_op(
    "dlbook::conv2d_weight",
    mutates_args=(),
    schema="(Tensor images, Tensor doutput, int filter_height, int filter_width, int[] stride,"
    " int[] padding, bool tf32) -> Tensor",
)
def conv2d_weight_op(images, doutput, filter_height, filter_width, stride, padding, tf32):
    """The gradient with respect to the weight."""
    channels, height, width = images.shape[1:]
    batch, filters, *out_size = doutput.shape
    shape = (filters, channels, filter_height, filter_width)
    dweight = torch.empty(shape, dtype=images.dtype, device=images.device)
    n_columns, n_terms = channels * filter_height * filter_width, batch * out_size[0] * out_size[1]
    if dweight.numel() == 0:
        return dweight
    # enough groups for every processor to have work, and at least 512 places for each
    n_tiles = _shared.cdiv(filters, 64) * _shared.cdiv(n_columns, 64)
    wanted = _shared.cdiv(2 * _shared.n_processors(images), n_tiles)
    n_groups = max(1, min(wanted, n_terms // 512))
    partial = torch.empty(n_groups, *shape, dtype=torch.float32, device=images.device)
    covered = _tiles(filters, n_columns)
    WEIGHT(
        lambda sizes: covered(sizes) * n_groups,
        *(images, doutput, partial, n_terms, channels, height, width, filters, *out_size),
        *(n_groups, *images.stride(), *doutput.stride()),
        problem=(n_terms, filters, n_columns),
        **_constants(dweight, stride, padding, tf32),
    )
    return partial.sum(dim=0).to(images.dtype)


@conv2d_op.register_fake
def _(images, weight, bias, stride, padding, tf32):
    return images.new_empty(_out_shape(images, weight, stride, padding))


@conv2d_images_op.register_fake
def _(doutput, weight, height, width, stride, padding, tf32):
    return doutput.new_empty(doutput.shape[0], weight.shape[1], height, width)


@conv2d_weight_op.register_fake
def _(images, doutput, filter_height, filter_width, stride, padding, tf32):
    shape = (doutput.shape[1], images.shape[1], filter_height, filter_width)
    return images.new_empty(shape)


def _keep(ctx, inputs, output):
    images, weight, _, *ctx.options = inputs
    ctx.save_for_backward(images, weight)


def _backward(ctx, doutput):
    images, weight = ctx.saved_tensors
    for_images, for_weight, for_bias = ctx.needs_input_grad[:3]
    dimages = dweight = dbias = None
    if for_images:
        dimages = conv2d_images_op(doutput, weight, *images.shape[2:], *ctx.options)
    if for_weight:
        dweight = conv2d_weight_op(images, doutput, *weight.shape[2:], *ctx.options)
    if for_bias:
        dbias = doutput.sum(dim=(0, 2, 3), dtype=torch.float32).to(doutput.dtype)
    return dimages, dweight, dbias, None, None, None


conv2d_op.register_autograd(_backward, setup_context=_keep)
