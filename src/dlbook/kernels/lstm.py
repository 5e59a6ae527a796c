"""A long short-term memory layer with its gates fused.

The inputs are multiplied by their weights once for all steps. Then there is one launch for each
step, which multiplies the state by its weights and does everything elementwise on the way out. A
single launch for all steps would have to let its programs wait for each other; that is left out.
"""

import torch

from dlbook.kernels import _shared
from dlbook.kernels._shared import dot, jit, tl
from dlbook.kernels.matmul import multiply

__all__ = ["lstm"]


def lstm(inputs, weight_ih, weight_hh, bias_ih, bias_hh, state=None, *, tf32=False):
    r"""Run one LSTM layer over a sequence.

    .. math::

        (i, f, g, o) &= W_{ih} x_t + b_{ih} + W_{hh} h_{t-1} + b_{hh} \\
        c_t &= \sigma(f) \odot c_{t-1} + \sigma(i) \odot \tanh(g) \\
        h_t &= \sigma(o) \odot \tanh(c_t)

    Weights and biases are laid out as those of ``torch.nn.LSTM``, so that ``weight_ih_l0`` and the
    others of a trained layer can be given.

    Parameters
    ----------
    inputs : torch.Tensor, shape (time, batch, features)
    weight_ih : torch.Tensor, shape (4 * hidden, features)
        Four blocks of rows, for the gates i, f, g, o.
    weight_hh : torch.Tensor, shape (4 * hidden, hidden)
    bias_ih, bias_hh : torch.Tensor or None, shape (4 * hidden,)
    state : (torch.Tensor, torch.Tensor), optional
        h and c before the first step, each of shape (batch, hidden). If left out: zeros.
    tf32 : bool
        Let a GPU round float32 factors to TF32. Without effect on the reference.

    Returns
    -------
    outputs : torch.Tensor, shape (time, batch, hidden)
        h after each step.
    (h, c) : (torch.Tensor, torch.Tensor), each of shape (batch, hidden)
        The state after the last step.

    Raises
    ------
    TypeError, ValueError
        If shapes, types or devices do not fit.

    References
    ----------
    Hochreiter and Schmidhuber (1997), Long short-term memory, Neural Computation 9 (8).
    """
    h, c = _checked_state(inputs, weight_ih, weight_hh, bias_ih, bias_hh, state)
    _shared.check_flag("tf32", tf32)
    given = (inputs, weight_ih, weight_hh, bias_ih, bias_hh, h, c)
    if _shared.obstacle(*given) is None:
        outputs, h, c, _, _ = lstm_op(*given, tf32)
        return outputs, (h, c)
    return reference(*given)


def _checked_state(inputs, weight_ih, weight_hh, bias_ih, bias_hh, state):
    """Check all arguments of `lstm` and return the state before the first step."""
    _shared.check_float("inputs", inputs, 3, "(time, batch, features)")
    _shared.check_float("weight_hh", weight_hh, 2, "(4 * hidden, hidden)")
    _, batch, features = inputs.shape
    hidden = weight_hh.shape[1]
    _shared.check_shape("weight_hh", weight_hh, (4 * hidden, hidden), "(4 * hidden, hidden)")
    _shared.check_float("weight_ih", weight_ih, 2, "(4 * hidden, features)")
    shape = (4 * hidden, features)
    _shared.check_shape("weight_ih", weight_ih, shape, "(4 * hidden, features)")
    for name, bias in (("bias_ih", bias_ih), ("bias_hh", bias_hh)):
        if bias is not None:
            _shared.check_float(name, bias, 1, "(4 * hidden,)")
            _shared.check_shape(name, bias, (4 * hidden,), "(4 * hidden,)")
    if state is None:
        h = c = inputs.new_zeros(batch, hidden)
    else:
        if not isinstance(state, tuple | list) or len(state) != 2:
            raise TypeError(f"state is a {type(state).__name__}: expected a pair (h, c)")
        h, c = state
        for name, part in (("state[0]", h), ("state[1]", c)):
            _shared.check_float(name, part, 2, "(batch, hidden)")
            _shared.check_shape(name, part, (batch, hidden), "(batch, hidden)")
    names = {"inputs": inputs, "weight_ih": weight_ih, "weight_hh": weight_hh}
    names |= {"bias_ih": bias_ih, "bias_hh": bias_hh, "state[0]": h, "state[1]": c}
    _shared.check_alike(**names)
    return h, c


def reference(inputs, weight_ih, weight_hh, bias_ih, bias_hh, h, c):
    """The same in plain PyTorch, step by step."""
    dtype = inputs.dtype
    h, c, recurrent = _shared.wide(h), _shared.wide(c), _shared.wide(weight_hh)
    projected = _shared.wide(inputs) @ _shared.wide(weight_ih).T  # (time, batch, 4 * hidden)
    for bias in (bias_ih, bias_hh):
        if bias is not None:
            projected = projected + bias
    outputs = []
    for gates in projected:
        i, f, g, o = (gates + h @ recurrent.T).chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        outputs.append(h)
    sequence = torch.stack(outputs) if outputs else projected[..., : h.shape[1]]
    return sequence.to(dtype), (h.to(dtype), c.to(dtype))


@jit
def tanh(x):
    """tanh x = 2 σ(2x) − 1, right to a rounding of 1: good for a gate, not for tiny x alone."""
    return 2 * tl.sigmoid(2 * x) - 1


@jit(do_not_specialize=["step"])  # else some steps would be compiled anew
def forward_kernel(
    weight,
    projected,
    bias,
    states,
    cells,
    gates,
    batch,
    hidden,
    w_row,
    w_column,
    step,
    PRECISION: tl.constexpr,
    M: tl.constexpr,
    N: tl.constexpr,
    K: tl.constexpr,
):
    """One step for M sequences and N units.

    states, cells: (time + 1, batch, hidden), the first being the given state. projected and
    gates: (time, batch, 4 * hidden); what is left in `gates` are i, f, g and o after their
    nonlinearities, which is what the backward pass needs. w_row and w_column are strides.
    """
    n_right = tl.cdiv(hidden, N)
    rows = tl.program_id(0) // n_right * M + tl.arange(0, M)
    units = tl.program_id(0) % n_right * N + tl.arange(0, N)
    now = tl.cast(step, tl.int64) * batch
    real = (rows < batch)[:, None] & (units < hidden)[None, :]
    place = (now + rows)[:, None] * hidden + units[None, :]  # in states and cells
    of_gate = (now + rows)[:, None] * (4 * hidden) + units[None, :]

    i = tl.zeros((M, N), tl.float32)
    f = tl.zeros((M, N), tl.float32)
    g = tl.zeros((M, N), tl.float32)
    o = tl.zeros((M, N), tl.float32)
    block = tl.cast(hidden, tl.int64) * w_row  # from the rows of a gate to those of the next
    for start in range(0, hidden, K):
        inner = start + tl.arange(0, K)
        seen = (rows < batch)[:, None] & (inner < hidden)[None, :]
        h = tl.load(states + (now + rows)[:, None] * hidden + inner[None, :], mask=seen, other=0.0)
        there = (inner < hidden)[:, None] & (units < hidden)[None, :]
        w = weight + units.to(tl.int64)[None, :] * w_row + inner.to(tl.int64)[:, None] * w_column
        i = dot(h, tl.load(w, mask=there, other=0.0), i, PRECISION)
        f = dot(h, tl.load(w + block, mask=there, other=0.0), f, PRECISION)
        g = dot(h, tl.load(w + 2 * block, mask=there, other=0.0), g, PRECISION)
        o = dot(h, tl.load(w + 3 * block, mask=there, other=0.0), o, PRECISION)

    inside = (units < hidden)[None, :]
    b = bias + units[None, :]
    p = projected + of_gate
    i += tl.load(p, mask=real, other=0.0) + tl.load(b, mask=inside, other=0.0)
    f += tl.load(p + hidden, mask=real, other=0.0) + tl.load(b + hidden, mask=inside, other=0.0)
    g += tl.load(p + 2 * hidden, mask=real, other=0.0)
    g += tl.load(b + 2 * hidden, mask=inside, other=0.0)
    o += tl.load(p + 3 * hidden, mask=real, other=0.0)
    o += tl.load(b + 3 * hidden, mask=inside, other=0.0)
    i, f, g, o = tl.sigmoid(i), tl.sigmoid(f), tanh(g), tl.sigmoid(o)
    c = f * tl.load(cells + place, mask=real, other=0.0) + i * g
    later = tl.cast(batch, tl.int64) * hidden
    tl.store(cells + later + place, c, mask=real)
    tl.store(states + later + place, o * tanh(c), mask=real)
    tl.store(gates + of_gate, i, mask=real)
    tl.store(gates + of_gate + hidden, f, mask=real)
    tl.store(gates + of_gate + 2 * hidden, g, mask=real)
    tl.store(gates + of_gate + 3 * hidden, o, mask=real)


@jit(do_not_specialize=["step"])
def backward_kernel(
    weight,
    cells,
    gates,
    doutputs,
    dlast,
    dcells,
    dgates,
    n_steps,
    batch,
    hidden,
    w_row,
    w_column,
    d_time,
    d_row,
    d_column,
    step,
    PRECISION: tl.constexpr,
    M: tl.constexpr,
    N: tl.constexpr,
    K: tl.constexpr,
):
    """One step backwards for M sequences and N units.

    dgates, (time, batch, 4 * hidden), are the gradients before the nonlinearities. The gradient of
    this step's h is what its output gets, and what the next step's gates hand back through the
    weights. That of c wanders through two buffers, dcells, (2, batch, hidden): reading one and
    writing the other, a launch may be repeated.
    """
    n_right = tl.cdiv(hidden, N)
    rows = tl.program_id(0) // n_right * M + tl.arange(0, M)
    units = tl.program_id(0) % n_right * N + tl.arange(0, N)
    now = tl.cast(step, tl.int64) * batch
    later = tl.cast(batch, tl.int64) * hidden
    real = (rows < batch)[:, None] & (units < hidden)[None, :]
    place = rows.to(tl.int64)[:, None] * hidden + units[None, :]  # in one step of h or c
    of_gate = (now + rows)[:, None] * (4 * hidden) + units[None, :]

    dh = tl.zeros((M, N), tl.float32)
    last = step == n_steps - 1
    for start in range(0, tl.where(last, 0, 4 * hidden), K):
        inner = start + tl.arange(0, K)
        seen = (rows < batch)[:, None] & (inner < 4 * hidden)[None, :]
        next_step = (now + batch + rows)[:, None] * (4 * hidden) + inner[None, :]
        d = tl.load(dgates + next_step, mask=seen, other=0.0)
        there = (inner < 4 * hidden)[:, None] & (units < hidden)[None, :]
        w = weight + inner.to(tl.int64)[:, None] * w_row + units.to(tl.int64)[None, :] * w_column
        dh = dot(d, tl.load(w, mask=there, other=0.0), dh, PRECISION)
    dh += tl.where(last, tl.load(dlast + place, mask=real, other=0.0), 0.0)
    from_output = doutputs + tl.cast(step, tl.int64) * d_time + rows.to(tl.int64)[:, None] * d_row
    from_output += units.to(tl.int64)[None, :] * d_column
    dh += tl.load(from_output, mask=real, other=0.0).to(tl.float32)

    i = tl.load(gates + of_gate, mask=real, other=0.0).to(tl.float32)
    f = tl.load(gates + of_gate + hidden, mask=real, other=0.0).to(tl.float32)
    g = tl.load(gates + of_gate + 2 * hidden, mask=real, other=0.0).to(tl.float32)
    o = tl.load(gates + of_gate + 3 * hidden, mask=real, other=0.0).to(tl.float32)
    before = tl.load(cells + now * hidden + place, mask=real, other=0.0)
    bent = tanh(tl.load(cells + now * hidden + later + place, mask=real, other=0.0))
    dc = tl.load(dcells + (step + 1) % 2 * later + place, mask=real, other=0.0)
    dc += dh * o * (1 - bent * bent)
    tl.store(dcells + step % 2 * later + place, dc * f, mask=real)
    tl.store(dgates + of_gate, dc * g * i * (1 - i), mask=real)
    tl.store(dgates + of_gate + hidden, dc * before * f * (1 - f), mask=real)
    tl.store(dgates + of_gate + 2 * hidden, dc * i * (1 - g * g), mask=real)
    tl.store(dgates + of_gate + 3 * hidden, dh * bent * o * (1 - o), mask=real)


def _tiles(*tiles):
    """Configurations from (M, N, K, warps, stages)."""
    return [_shared.Config({"M": m, "N": n, "K": k}, *rest) for m, n, k, *rest in tiles]


def _needed_with(n_weights):
    """Bytes for a tile of the state and `n_weights` tiles of weights in each stage."""

    def needed(config, item_size, constants):
        sizes = config.sizes
        rows = sizes["M"] + n_weights * sizes["N"]
        return rows * sizes["K"] * config.num_stages * item_size

    return needed


FORWARD = _shared.Kernel(
    forward_kernel,
    _tiles((16, 16, 64, 4, 3), (32, 16, 64, 4, 3), (64, 16, 32, 4, 3), (32, 32, 32, 4, 2)),
    _tiles((16, 64, 64, 4, 1))[0],
    _needed_with(4),
)
BACKWARD = _shared.Kernel(
    backward_kernel,
    _tiles((16, 16, 64, 4, 3), (32, 16, 128, 4, 3), (64, 16, 64, 4, 3), (32, 32, 64, 4, 3)),
    _tiles((32, 64, 128, 4, 1))[0],
    _needed_with(1),
)


def _programs(batch, hidden):
    """A grid that covers (batch, hidden)."""
    return lambda sizes: _shared.cdiv(batch, sizes["M"]) * _shared.cdiv(hidden, sizes["N"])


@torch.library.custom_op(
    "dlbook::lstm",
    mutates_args=(),
    schema="(Tensor inputs, Tensor weight_ih, Tensor weight_hh, Tensor? bias_ih, Tensor? bias_hh,"
    " Tensor h, Tensor c, bool tf32) -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
)
def lstm_op(inputs, weight_ih, weight_hh, bias_ih, bias_hh, h, c, tf32):
    """Launch the kernels: outputs, the last h and c, all c in float32, and the gates."""
    n_steps, batch, features = inputs.shape
    hidden = weight_hh.shape[1]
    like = {"dtype": inputs.dtype, "device": inputs.device}
    states = torch.empty(n_steps + 1, batch, hidden, **like)
    cells = torch.empty(n_steps + 1, batch, hidden, dtype=torch.float32, device=inputs.device)
    gates = torch.empty(n_steps, batch, 4 * hidden, **like)
    states[0], cells[0] = h, c
    if gates.numel():
        rows = inputs.reshape(n_steps * batch, features)
        projected = multiply(rows, weight_ih.T, tf32, torch.float32)
        bias = torch.zeros(4 * hidden, dtype=torch.float32, device=inputs.device)
        for part in (bias_ih, bias_hh):
            if part is not None:
                bias += part
        FORWARD(
            _programs(batch, hidden),
            *(weight_hh, projected, bias, states, cells, gates, batch, hidden),
            *weight_hh.stride(),
            problem=(batch, hidden),
            steps=range(n_steps),
            PRECISION=_shared.precision(inputs, tf32),
        )
    # copies, because the answers of an operator may not share memory
    return (
        states[1:].clone(),
        states[-1].clone(),
        cells[-1].to(inputs.dtype, copy=True),
        cells,
        gates,
    )


@torch.library.custom_op(
    "dlbook::lstm_backward",
    mutates_args=(),
    schema="(Tensor inputs, Tensor weight_ih, Tensor weight_hh, Tensor h, Tensor outputs,"
    " Tensor cells, Tensor gates, Tensor doutputs, Tensor dh, Tensor dc, bool tf32)"
    " -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
)
def lstm_backward_op(
    inputs, weight_ih, weight_hh, h, outputs, cells, gates, doutputs, dh, dc, tf32
):
    """The gradients with respect to inputs, weight_ih, weight_hh, either bias, h and c."""
    n_steps, batch, features = inputs.shape
    hidden = weight_hh.shape[1]
    dgates = torch.empty(gates.shape, dtype=gates.dtype, device=gates.device)
    if gates.numel() == 0:
        zeros = (torch.zeros(t.shape, dtype=h.dtype, device=h.device) for t in (inputs, weight_ih))
        dbias = torch.zeros(4 * hidden, dtype=h.dtype, device=h.device)
        return *zeros, torch.zeros_like(weight_hh), dbias, dh.clone(), dc.clone()
    dcells = torch.empty(2, batch, hidden, dtype=torch.float32, device=gates.device)
    dcells[n_steps % 2] = dc
    BACKWARD(
        _programs(batch, hidden),
        *(weight_hh, cells, gates, doutputs, dh.float().contiguous(), dcells, dgates, n_steps),
        *(batch, hidden, *weight_hh.stride(), *doutputs.stride()),
        problem=(batch, hidden),
        steps=range(n_steps - 1, -1, -1),
        PRECISION=_shared.precision(inputs, tf32),
    )
    # what is left are products over all steps at once
    rows = dgates.reshape(n_steps * batch, 4 * hidden)
    before = torch.cat([h[None], outputs[:-1]]).reshape(n_steps * batch, hidden)
    x = inputs.reshape(n_steps * batch, features)
    return (
        multiply(rows, weight_ih, tf32).reshape(inputs.shape),
        multiply(rows.T, x, tf32),
        multiply(rows.T, before, tf32),
        rows.sum(dim=0, dtype=torch.float32).to(inputs.dtype),
        multiply(dgates[0], weight_hh, tf32),
        dcells[0].to(inputs.dtype, copy=True),
    )


@lstm_op.register_fake
def _(inputs, weight_ih, weight_hh, bias_ih, bias_hh, h, c, tf32):
    n_steps, batch, _ = inputs.shape
    hidden = weight_hh.shape[1]
    return (
        inputs.new_empty(n_steps, batch, hidden),
        inputs.new_empty(batch, hidden),
        inputs.new_empty(batch, hidden),
        inputs.new_empty(n_steps + 1, batch, hidden, dtype=torch.float32),
        inputs.new_empty(n_steps, batch, 4 * hidden),
    )


@lstm_backward_op.register_fake
def _(inputs, weight_ih, weight_hh, h, outputs, cells, gates, doutputs, dh, dc, tf32):
    dbias = inputs.new_empty(weight_hh.shape[0])
    shapes = (inputs.shape, weight_ih.shape, weight_hh.shape)
    return (
        *(inputs.new_empty(shape) for shape in shapes),
        dbias,
        *(inputs.new_empty(h.shape) for _ in range(2)),
    )


def _keep(ctx, inputs, output):
    x, weight_ih, weight_hh, bias_ih, bias_hh, h, _, ctx.tf32 = inputs
    outputs, _, _, cells, gates = output
    ctx.has_bias = (bias_ih is not None, bias_hh is not None)
    ctx.save_for_backward(x, weight_ih, weight_hh, h, outputs, cells, gates)
    ctx.mark_non_differentiable(cells, gates)


def _backward(ctx, doutputs, dh, dc, _cells, _gates):
    dx, dweight_ih, dweight_hh, dbias, dh0, dc0 = lstm_backward_op(
        *ctx.saved_tensors, doutputs, dh, dc, ctx.tf32
    )
    dbiases = (dbias if has_bias else None for has_bias in ctx.has_bias)
    return dx, dweight_ih, dweight_hh, *dbiases, dh0, dc0, None


lstm_op.register_autograd(_backward, setup_context=_keep)
