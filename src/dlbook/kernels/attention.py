"""Scaled dot-product attention without the n × n matrix of weights."""

import math
from dataclasses import replace

import torch

from dlbook.kernels import _shared
from dlbook.kernels._shared import dot, jit, tl

__all__ = ["attention"]

#: A program holds whole heads; a larger one takes the reference.
LARGEST_HEAD = 256

#: The kernels compute powers of 2, which GPUs do in one instruction: e^x = 2^(x log₂ e).
LOG2_E = 1.4426950408889634


def attention(query, key, value, causal=False, scale=None, *, tf32=False):
    r"""Average the values by how well their keys answer each query.

    .. math:: \operatorname{softmax}(\text{scale} \cdot Q K^\top)\, V

    Parameters
    ----------
    query : torch.Tensor, shape (batch, heads, n, head_size)
    key, value : torch.Tensor, shape (batch, heads, n_keys, head_size)
    causal : bool
        Let query *i* see keys 0 to *i* only.
    scale : float, optional
        If left out: 1/√head_size.
    tf32 : bool
        Let a GPU round float32 factors to TF32. Without effect on the reference.

    Returns
    -------
    torch.Tensor, shape (batch, heads, n, head_size)
        Of the type of `query`; sums are in float32 for half precision. Zeros where there are no
        keys.

    Raises
    ------
    TypeError, ValueError
        If shapes, types or devices do not fit.
    """
    axes = "(batch, heads, n, head_size)"
    for name, tensor in (("query", query), ("key", key), ("value", value)):
        _shared.check_float(name, tensor, 4, axes)
    batch, heads, _, head_size = query.shape
    shape = (batch, heads, key.shape[2], head_size)
    _shared.check_shape("key", key, shape, "batch, heads and head_size as query has")
    _shared.check_shape("value", value, key.shape, "as key has")
    _shared.check_alike(query=query, key=key, value=value)
    _shared.check_flag("causal", causal)
    _shared.check_flag("tf32", tf32)
    if scale is None:
        scale = 1.0 / math.sqrt(max(head_size, 1))
    elif not isinstance(scale, int | float):
        raise TypeError(f"scale is {scale!r}: expected a number")
    if _shared.obstacle(query, key, value) is None and head_size <= LARGEST_HEAD:
        return attention_op(query, key, value, causal, float(scale), tf32)[0]
    return reference(query, key, value, causal, float(scale))


def reference(query, key, value, causal, scale):
    """The same in plain PyTorch, with the n × n matrix."""
    n, n_keys = query.shape[2], key.shape[2]
    scores = _shared.wide(query) @ _shared.wide(key).mT * scale
    if causal:
        future = torch.ones(n, n_keys, dtype=torch.bool, device=query.device).triu(1)
        scores = scores.masked_fill(future, -math.inf)
    weights = torch.softmax(scores, dim=-1)  # (batch, heads, n, n_keys)
    return (weights @ _shared.wide(value)).to(query.dtype)


# The forward pass, after Dao et al. (2022), FlashAttention, and Dao (2023), FlashAttention-2: a
# program has M queries and walks over the keys, N at a time. It keeps, for each query, the highest
# score so far, the sum of the weights and the weighted sum of the values. When a block brings a
# higher score, both sums are scaled to it: the softmax is exact, and no row of it is ever stored.


@jit
def load_rows(base, rows, n_rows, row_step, columns, n_columns, column_step):
    """A tile of rows; zeros where a row or a column is past the end."""
    real = (rows < n_rows)[:, None] & (columns < n_columns)[None, :]
    place = rows.to(tl.int64)[:, None] * row_step + columns.to(tl.int64)[None, :] * column_step
    return tl.load(base + place, mask=real, other=0.0)


@jit
def visible(rows, columns, n_keys, CAUSAL: tl.constexpr):
    """Which keys (columns) count for which queries (rows)."""
    if CAUSAL:
        return (columns < n_keys) & (columns <= rows)
    else:
        return columns < n_keys


@jit
def forward_step(
    highest,
    total,
    answer,
    q,
    key,
    value,
    rows,
    start,
    n_keys,
    head_size,
    k_row,
    k_column,
    v_row,
    v_column,
    scale,
    N: tl.constexpr,
    HEAD: tl.constexpr,
    CAUSAL: tl.constexpr,
    MASKED: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Take in one block of N keys and values."""
    columns, within = start + tl.arange(0, N), tl.arange(0, HEAD)
    k = load_rows(key, columns, n_keys, k_row, within, head_size, k_column)
    scores = dot(q, tl.trans(k), tl.zeros((q.shape[0], N), tl.float32), PRECISION) * scale
    if MASKED:
        seen = visible(rows[:, None], columns[None, :], n_keys, CAUSAL)
        scores = tl.where(seen, scores, -float("inf"))
    higher = tl.maximum(highest, tl.max(scores, axis=1))
    weights = tl.exp2(scores - higher[:, None])
    shrink = tl.exp2(highest - higher)
    total = total * shrink + tl.sum(weights, axis=1)
    v = load_rows(value, columns, n_keys, v_row, within, head_size, v_column)
    answer = dot(weights.to(v.dtype), v, answer * shrink[:, None], PRECISION)
    return higher, total, answer


@jit
def forward_kernel(
    query,
    key,
    value,
    output,
    sums,
    heads,
    n,
    n_keys,
    head_size,
    q_batch,
    q_head,
    q_row,
    q_column,
    k_batch,
    k_head,
    k_row,
    k_column,
    v_batch,
    v_head,
    v_row,
    v_column,
    scale,
    CAUSAL: tl.constexpr,
    HEAD: tl.constexpr,
    PRECISION: tl.constexpr,
    M: tl.constexpr,
    N: tl.constexpr,
):
    """M queries of one head; `scale` includes log₂ e, and so does log₂ Σ in `sums`.

    HEAD is the head's size rounded up to a power of two. Keys that all M queries see need no mask;
    where the mask is causal, only the blocks across the diagonal do, and later ones are left out.
    """
    n_blocks = tl.cdiv(n, M)
    # under a causal mask later queries have more to do: begin with them
    first = (n_blocks - 1 - tl.program_id(0) % n_blocks) * M
    which = (tl.program_id(0) // n_blocks).to(tl.int64)
    batch, head = which // heads, which % heads
    key += batch * k_batch + head * k_head
    value += batch * v_batch + head * v_head
    rows, within = first + tl.arange(0, M), tl.arange(0, HEAD)
    start_of_q = query + batch * q_batch + head * q_head
    q = load_rows(start_of_q, rows, n, q_row, within, head_size, q_column)

    highest = tl.full((M,), -float("inf"), tl.float32)
    total = tl.zeros((M,), tl.float32)
    answer = tl.zeros((M, HEAD), tl.float32)
    unmasked, last = n_keys // N * N, n_keys
    if CAUSAL:
        unmasked = min(first + 1, n_keys) // N * N
        last = min(first + M, n_keys)
    for start in range(0, unmasked, N):
        # fmt: off
        highest, total, answer = forward_step(
            highest, total, answer, q, key, value, rows, start, n_keys, head_size,
            k_row, k_column, v_row, v_column, scale, N, HEAD, CAUSAL, False, PRECISION,
        )
        # fmt: on
    for start in range(unmasked, last, N):
        # fmt: off
        highest, total, answer = forward_step(
            highest, total, answer, q, key, value, rows, start, n_keys, head_size,
            k_row, k_column, v_row, v_column, scale, N, HEAD, CAUSAL, True, PRECISION,
        )
        # fmt: on

    place = (which * n + rows)[:, None] * head_size + within[None, :]
    real = (rows < n)[:, None] & (within < head_size)[None, :]
    tl.store(output + place, answer / total[:, None], mask=real)
    tl.store(sums + which * n + rows, highest + tl.log2(total), mask=rows < n)


# The backward pass makes the weights anew, block by block, from the scores and the stored log Σ:
# p = 2^(score − sum). With g the gradient with respect to the output, and d = Σ g ⊙ output, which
# is the same for a whole row,
#     dv = pᵀ g,    ds = p ⊙ (g vᵀ − d),    dq = scale · ds k,    dk = scale · dsᵀ q.
# dk and dv are sums over queries, dq is one over keys. Each has a kernel that owns its rows and
# adds up in registers, so that nothing is added to memory from two sides.


@jit
def inner_kernel(
    output,
    doutput,
    inner,
    heads,
    n,
    head_size,
    g_batch,
    g_head,
    g_row,
    g_column,
    HEAD: tl.constexpr,
    M: tl.constexpr,
):
    """d = Σ g ⊙ output, for M rows."""
    n_blocks = tl.cdiv(n, M)
    which = (tl.program_id(0) // n_blocks).to(tl.int64)
    batch, head = which // heads, which % heads
    rows, within = tl.program_id(0) % n_blocks * M + tl.arange(0, M), tl.arange(0, HEAD)
    o = load_rows(output + which * n * head_size, rows, n, head_size, within, head_size, 1)
    start_of_g = doutput + batch * g_batch + head * g_head
    g = load_rows(start_of_g, rows, n, g_row, within, head_size, g_column)
    d = tl.sum(o.to(tl.float32) * g.to(tl.float32), axis=1)
    tl.store(inner + which * n + rows, d, mask=rows < n)


@jit
def key_step(
    dk,
    dv,
    k,
    v,
    query,
    doutput,
    sums,
    inner,
    columns,
    start,
    n,
    n_keys,
    head_size,
    q_row,
    q_column,
    g_row,
    g_column,
    scale,
    M: tl.constexpr,
    HEAD: tl.constexpr,
    MASKED: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Add what M queries contribute to the gradients of one block of keys and values."""
    rows, within = start + tl.arange(0, M), tl.arange(0, HEAD)
    q = load_rows(query, rows, n, q_row, within, head_size, q_column)
    g = load_rows(doutput, rows, n, g_row, within, head_size, g_column)
    log_sum = tl.load(sums + rows, mask=rows < n, other=0.0)
    d = tl.load(inner + rows, mask=rows < n, other=0.0)
    # all transposed, (keys, queries): then the products below need no other transposition
    zeros = tl.zeros((k.shape[0], M), tl.float32)
    scores = dot(k, tl.trans(q), zeros, PRECISION) * scale
    weights = tl.exp2(scores - log_sum[None, :])
    if MASKED:
        weights = tl.where(visible(rows[None, :], columns[:, None], n_keys, True), weights, 0.0)
    dv = dot(weights.to(g.dtype), g, dv, PRECISION)
    ds = weights * (dot(v, tl.trans(g), zeros, PRECISION) - d[None, :])
    dk = dot(ds.to(q.dtype), q, dk, PRECISION)
    return dk, dv


@jit
def keys_kernel(
    query,
    key,
    value,
    doutput,
    sums,
    inner,
    dkey,
    dvalue,
    heads,
    n,
    n_keys,
    head_size,
    q_batch,
    q_head,
    q_row,
    q_column,
    k_batch,
    k_head,
    k_row,
    k_column,
    v_batch,
    v_head,
    v_row,
    v_column,
    g_batch,
    g_head,
    g_row,
    g_column,
    scale,
    LOG2: tl.constexpr,
    CAUSAL: tl.constexpr,
    HEAD: tl.constexpr,
    PRECISION: tl.constexpr,
    M: tl.constexpr,
    N: tl.constexpr,
):
    """dk and dv for N keys of one head: a walk over the queries, M at a time."""
    n_blocks = tl.cdiv(n_keys, N)
    first = tl.program_id(0) % n_blocks * N
    which = (tl.program_id(0) // n_blocks).to(tl.int64)
    batch, head = which // heads, which % heads
    query += batch * q_batch + head * q_head
    doutput += batch * g_batch + head * g_head
    sums += which * n
    inner += which * n
    columns, within = first + tl.arange(0, N), tl.arange(0, HEAD)
    start_of_k = key + batch * k_batch + head * k_head
    start_of_v = value + batch * v_batch + head * v_head
    k = load_rows(start_of_k, columns, n_keys, k_row, within, head_size, k_column)
    v = load_rows(start_of_v, columns, n_keys, v_row, within, head_size, v_column)

    dk = tl.zeros((N, HEAD), tl.float32)
    dv = tl.zeros((N, HEAD), tl.float32)
    begin, unmasked = 0, 0
    if CAUSAL:
        begin = first // M * M  # earlier queries see none of these keys
        unmasked = min(tl.cdiv(first + N, M) * M, tl.cdiv(n, M) * M)  # and later ones see all
    for start in range(begin, unmasked, M):
        # fmt: off
        dk, dv = key_step(
            dk, dv, k, v, query, doutput, sums, inner, columns, start, n, n_keys, head_size,
            q_row, q_column, g_row, g_column, scale * LOG2, M, HEAD, True, PRECISION,
        )
        # fmt: on
    for start in range(unmasked, n, M):
        # fmt: off
        dk, dv = key_step(
            dk, dv, k, v, query, doutput, sums, inner, columns, start, n, n_keys, head_size,
            q_row, q_column, g_row, g_column, scale * LOG2, M, HEAD, False, PRECISION,
        )
        # fmt: on
    place = (which * n_keys + columns)[:, None] * head_size + within[None, :]
    real = (columns < n_keys)[:, None] & (within < head_size)[None, :]
    tl.store(dkey + place, dk * scale, mask=real)
    tl.store(dvalue + place, dv, mask=real)


@jit
def query_step(
    dq,
    q,
    g,
    log_sum,
    d,
    key,
    value,
    rows,
    start,
    n_keys,
    head_size,
    k_row,
    k_column,
    v_row,
    v_column,
    scale,
    N: tl.constexpr,
    HEAD: tl.constexpr,
    CAUSAL: tl.constexpr,
    MASKED: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Add what one block of N keys contributes to the gradients of M queries."""
    columns, within = start + tl.arange(0, N), tl.arange(0, HEAD)
    k = load_rows(key, columns, n_keys, k_row, within, head_size, k_column)
    v = load_rows(value, columns, n_keys, v_row, within, head_size, v_column)
    zeros = tl.zeros((q.shape[0], N), tl.float32)
    scores = dot(q, tl.trans(k), zeros, PRECISION) * scale
    weights = tl.exp2(scores - log_sum[:, None])
    if MASKED:
        seen = visible(rows[:, None], columns[None, :], n_keys, CAUSAL)
        weights = tl.where(seen, weights, 0.0)
    ds = weights * (dot(g, tl.trans(v), zeros, PRECISION) - d[:, None])
    return dot(ds.to(k.dtype), k, dq, PRECISION)


@jit
def queries_kernel(
    query,
    key,
    value,
    doutput,
    sums,
    inner,
    dquery,
    heads,
    n,
    n_keys,
    head_size,
    q_batch,
    q_head,
    q_row,
    q_column,
    k_batch,
    k_head,
    k_row,
    k_column,
    v_batch,
    v_head,
    v_row,
    v_column,
    g_batch,
    g_head,
    g_row,
    g_column,
    scale,
    LOG2: tl.constexpr,
    CAUSAL: tl.constexpr,
    HEAD: tl.constexpr,
    PRECISION: tl.constexpr,
    M: tl.constexpr,
    N: tl.constexpr,
):
    """dq for M queries of one head: a walk over the keys, as in the forward pass."""
    n_blocks = tl.cdiv(n, M)
    first = (n_blocks - 1 - tl.program_id(0) % n_blocks) * M
    which = (tl.program_id(0) // n_blocks).to(tl.int64)
    batch, head = which // heads, which % heads
    key += batch * k_batch + head * k_head
    value += batch * v_batch + head * v_head
    rows, within = first + tl.arange(0, M), tl.arange(0, HEAD)
    start_of_q = query + batch * q_batch + head * q_head
    start_of_g = doutput + batch * g_batch + head * g_head
    q = load_rows(start_of_q, rows, n, q_row, within, head_size, q_column)
    g = load_rows(start_of_g, rows, n, g_row, within, head_size, g_column)
    log_sum = tl.load(sums + which * n + rows, mask=rows < n, other=0.0)
    d = tl.load(inner + which * n + rows, mask=rows < n, other=0.0)

    dq = tl.zeros((M, HEAD), tl.float32)
    unmasked, last = n_keys // N * N, n_keys
    if CAUSAL:
        unmasked = min(first + 1, n_keys) // N * N
        last = min(first + M, n_keys)
    for start in range(0, unmasked, N):
        # fmt: off
        dq = query_step(
            dq, q, g, log_sum, d, key, value, rows, start, n_keys, head_size, k_row, k_column,
            v_row, v_column, scale * LOG2, N, HEAD, CAUSAL, False, PRECISION,
        )
        # fmt: on
    for start in range(unmasked, last, N):
        # fmt: off
        dq = query_step(
            dq, q, g, log_sum, d, key, value, rows, start, n_keys, head_size, k_row, k_column,
            v_row, v_column, scale * LOG2, N, HEAD, CAUSAL, True, PRECISION,
        )
        # fmt: on
    place = (which * n + rows)[:, None] * head_size + within[None, :]
    real = (rows < n)[:, None] & (within < head_size)[None, :]
    tl.store(dquery + place, dq * scale, mask=real)


def _tiles(*tiles):
    """Configurations from (M, N, warps, stages)."""
    return [_shared.Config({"M": m, "N": n}, warps, stages) for m, n, warps, stages in tiles]


def _moderate(constants, configs):
    """Without matrix units a product is written out; leave out what would take minutes to compile.

    This keeps what has at most 1,024 multiplications for a thread.
    """
    if constants["PRECISION"] != "ieee":
        return configs
    return [
        config
        for config in configs
        if config.sizes["M"] * config.sizes["N"] * constants["HEAD"] <= 32 * 1024 * config.num_warps
    ]


def _forward_configs(constants):
    tiles = [(64, 64, 8, 2), (64, 32, 4, 2), (32, 32, 4, 2), (16, 16, 2, 1)]
    if constants["PRECISION"] != "ieee":
        tiles = [(128, 64, 4, 3), (128, 64, 8, 3), (128, 128, 8, 2), (64, 64, 4, 3), *tiles]
    return _moderate(constants, _tiles(*tiles))


def _keys_configs(constants):
    tiles = [(32, 64, 8, 1), (32, 32, 4, 2), (16, 16, 2, 1)]
    if constants["PRECISION"] != "ieee":
        tiles = [(64, 128, 8, 2), (64, 64, 4, 2), (32, 128, 8, 2), (32, 64, 4, 2), *tiles]
    return _moderate(constants, _tiles(*tiles))


def _queries_configs(constants):
    """Those of the keys with the parts exchanged."""
    return [
        replace(config, sizes={"M": config.sizes["N"], "N": config.sizes["M"]})
        for config in _keys_configs(constants)
    ]


def _needed_by(held, streamed, held_tiles, streamed_tiles):
    """Bytes for tiles that a program holds and those that it streams through its pipeline.

    A tile of weights between two products passes through shared memory as well.
    """

    def needed(config, item_size, constants):
        sizes, head = config.sizes, constants["HEAD"]
        rows = held_tiles * sizes[held] + streamed_tiles * sizes[streamed] * config.num_stages
        return (rows * head + sizes[held] * sizes[streamed]) * item_size

    return needed


FORWARD = _shared.Kernel(
    forward_kernel, _forward_configs, _tiles((32, 16, 4, 1))[0], _needed_by("M", "N", 1, 2)
)
INNER = _shared.Kernel(inner_kernel, [_shared.Config({"M": 32}, 4)], _shared.Config({"M": 16}))
KEYS = _shared.Kernel(
    keys_kernel, _keys_configs, _tiles((16, 32, 4, 1))[0], _needed_by("N", "M", 2, 2)
)
QUERIES = _shared.Kernel(
    queries_kernel, _queries_configs, _tiles((32, 16, 4, 1))[0], _needed_by("M", "N", 2, 2)
)


def _constants(query, causal, tf32):
    return {
        "CAUSAL": causal,
        "HEAD": max(16, 1 << (query.shape[3] - 1).bit_length()),
        "PRECISION": _shared.precision(query, tf32),
    }


@torch.library.custom_op(
    "dlbook::attention",
    mutates_args=(),
    schema="(Tensor query, Tensor key, Tensor value, bool causal, float scale, bool tf32)"
    " -> (Tensor, Tensor)",
)
def attention_op(query, key, value, causal, scale, tf32):
    """Launch the kernel: the answer, and log₂ Σ 2^score of each query in float32."""
    batch, heads, n, head_size = query.shape
    n_keys = key.shape[2]
    output = torch.empty(query.shape, dtype=query.dtype, device=query.device)
    sums = torch.empty(batch, heads, n, dtype=torch.float32, device=query.device)
    if n_keys == 0 or output.numel() == 0:
        return output.zero_(), sums.zero_()
    FORWARD(
        lambda sizes: _shared.cdiv(n, sizes["M"]) * batch * heads,
        *(query, key, value, output, sums, heads, n, n_keys, head_size),
        *(*query.stride(), *key.stride(), *value.stride(), scale * LOG2_E),
        problem=(batch * heads, n, n_keys),
        **_constants(query, causal, tf32),
    )
    return output, sums


@torch.library.custom_op(
    "dlbook::attention_backward",
    mutates_args=(),
    schema="(Tensor query, Tensor key, Tensor value, Tensor output, Tensor sums, Tensor doutput,"
    " bool causal, float scale, bool tf32) -> (Tensor, Tensor, Tensor)",
)
def attention_backward_op(query, key, value, output, sums, doutput, causal, scale, tf32):
    """The gradients with respect to query, key and value."""
    batch, heads, n, head_size = query.shape
    n_keys = key.shape[2]
    dquery, dkey, dvalue = (
        torch.empty(tensor.shape, dtype=tensor.dtype, device=tensor.device)
        for tensor in (query, key, value)
    )
    if output.numel() == 0 or n_keys == 0:
        return dquery.zero_(), dkey.zero_(), dvalue.zero_()
    constants = _constants(query, causal, tf32)
    inner = torch.empty_like(sums)
    INNER(
        lambda sizes: _shared.cdiv(n, sizes["M"]) * batch * heads,
        *(output, doutput, inner, heads, n, head_size, *doutput.stride()),
        HEAD=constants["HEAD"],
    )
    given = (query, key, value, doutput, sums, inner)
    sizes_and_strides = (
        heads,
        n,
        n_keys,
        head_size,
        *tuple(step for tensor in (query, key, value, doutput) for step in tensor.stride()),
    )
    KEYS(
        lambda sizes: _shared.cdiv(n_keys, sizes["N"]) * batch * heads,
        *(*given, dkey, dvalue, *sizes_and_strides, scale),
        problem=(batch * heads, n, n_keys),
        LOG2=LOG2_E,
        **constants,
    )
    QUERIES(
        lambda sizes: _shared.cdiv(n, sizes["M"]) * batch * heads,
        *(*given, dquery, *sizes_and_strides, scale),
        problem=(batch * heads, n, n_keys),
        LOG2=LOG2_E,
        **constants,
    )
    return dquery, dkey, dvalue


@attention_op.register_fake
def _(query, key, value, causal, scale, tf32):
    return query.new_empty(query.shape), query.new_empty(query.shape[:3], dtype=torch.float32)


@attention_backward_op.register_fake
def _(query, key, value, output, sums, doutput, causal, scale, tf32):
    return tuple(tensor.new_empty(tensor.shape) for tensor in (query, key, value))


def _keep(ctx, inputs, output):
    query, key, value, *ctx.options = inputs
    ctx.save_for_backward(query, key, value, *output)
    ctx.mark_non_differentiable(output[1])


def _backward(ctx, doutput, _sums):
    return *attention_backward_op(*ctx.saved_tensors, doutput, *ctx.options), None, None, None


attention_op.register_autograd(_backward, setup_context=_keep)
