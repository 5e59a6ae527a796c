import contextlib
import os
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from dlbook import kernels
from dlbook.kernels import _shared


@pytest.fixture(autouse=True)
def _as_by_default(monkeypatch):
    monkeypatch.delenv("DLBOOK_KERNELS", raising=False)


def normal(*shape, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed + sum(shape))
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()


def lstm_arguments(time=3, batch=2, features=4, hidden=5):
    shapes = [(time, batch, features), (4 * hidden, features), (4 * hidden, hidden)]
    shapes += [(4 * hidden,), (4 * hidden,), (batch, hidden), (batch, hidden)]
    *given, h, c = (normal(*shape, seed=i) for i, shape in enumerate(shapes))
    return *given, (h, c)


# --- the references ---------------------------------------------------------------------------

LABELS = torch.tensor([[0, 4, 2], [1, 1, 3]])
REFERENCES = {
    "softmax": (kernels.softmax, lambda: [normal(2, 3, 5)]),
    "layer_norm": (kernels.layer_norm, lambda: [normal(2, 3, 5), normal(5), normal(5, seed=1)]),
    "cross_entropy": (lambda z: kernels.cross_entropy(z, LABELS), lambda: [normal(2, 3, 5)]),
    "matmul": (kernels.matmul, lambda: [normal(3, 4), normal(4, 2)]),
    "attention": (kernels.attention, lambda: [normal(1, 2, 4, 3, seed=i) for i in range(3)]),
    "attention, causal": (
        lambda q, k, v: kernels.attention(q, k, v, causal=True, scale=0.3),
        lambda: [normal(1, 2, n, 3, seed=i) for i, n in enumerate((4, 6, 6))],
    ),
    "lstm": (lambda *given: kernels.lstm(*given), lambda: list(lstm_arguments())[:5]),
    "conv2d": (
        lambda x, w, b: kernels.conv2d(x, w, b, stride=(2, 1), padding=1),
        lambda: [normal(2, 3, 5, 4), normal(4, 3, 3, 2), normal(4)],
    ),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_gradients_of_the_references_are_finite_differences(name):
    function, arguments = REFERENCES[name]

    def flat(*given):
        found = function(*given)
        return (found[0], *found[1]) if isinstance(found, tuple) else found

    assert torch.autograd.gradcheck(flat, arguments())


def test_the_references_compute_what_pytorch_computes():
    x, w, b = normal(2, 3, 5), normal(5), normal(5, seed=1)
    torch.testing.assert_close(kernels.softmax(x), torch.softmax(x, -1))
    torch.testing.assert_close(kernels.layer_norm(x, w, b), F.layer_norm(x, (5,), w, b))
    exact = F.cross_entropy(x.reshape(6, 5), LABELS.reshape(6))
    torch.testing.assert_close(kernels.cross_entropy(x, LABELS), exact)
    torch.testing.assert_close(kernels.matmul(x[0], x[1].T), x[0] @ x[1].T)
    q, k, v = (normal(2, 3, 6, 4, seed=i) for i in range(3))
    for causal in (False, True):
        exact = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        torch.testing.assert_close(kernels.attention(q, k, v, causal), exact)
    images, weight, bias = normal(2, 3, 7, 6), normal(4, 3, 3, 2), normal(4)
    for stride, padding in ((1, 0), ((2, 3), (1, 2))):
        exact = F.conv2d(images, weight, bias, stride, padding)
        torch.testing.assert_close(kernels.conv2d(images, weight, bias, stride, padding), exact)


def test_a_layer_of_pytorch_can_be_swapped_for_lstm():
    layer = torch.nn.LSTM(4, 5).double()
    x, h, c = normal(3, 2, 4), normal(2, 5), normal(2, 5, seed=1)
    weights = [getattr(layer, f"{name}_l0") for name in ("weight_ih", "weight_hh")]
    weights += [layer.bias_ih_l0, layer.bias_hh_l0]
    outputs, state = kernels.lstm(x, *weights, (h, c))
    exact, exact_state = layer(x, (h[None], c[None]))
    torch.testing.assert_close(outputs, exact)
    for found, wanted in zip(state, exact_state, strict=True):
        torch.testing.assert_close(found, wanted[0])
    torch.testing.assert_close(kernels.lstm(x, *weights)[0], layer(x)[0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_half_precision_is_rounded_once(dtype):
    x = normal(40, 300, dtype=dtype)
    exact = torch.softmax(x.double(), -1)
    assert kernels.softmax(x).dtype == dtype
    torch.testing.assert_close(
        kernels.softmax(x), exact.to(dtype), rtol=2e-6 + torch.finfo(dtype).eps, atol=0
    )
    assert kernels.matmul(x, x.T).dtype == dtype
    torch.testing.assert_close(
        kernels.matmul(x, x.T),
        (x.double() @ x.double().T).to(dtype),
        rtol=torch.finfo(dtype).eps,
        atol=1e-3,
    )


def test_nothing_is_a_fine_size():
    assert kernels.softmax(torch.zeros(0, 3)).shape == (0, 3)
    assert kernels.softmax(torch.zeros(3, 0)).shape == (3, 0)
    assert kernels.layer_norm(torch.zeros(0, 3), torch.ones(3), torch.ones(3)).shape == (0, 3)
    assert kernels.cross_entropy(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long)).isnan()
    assert not kernels.matmul(torch.ones(2, 0), torch.ones(0, 3)).any()
    q, none = torch.ones(1, 1, 2, 4), torch.ones(1, 1, 0, 4)
    assert not kernels.attention(q, none, none, causal=True).any()
    assert kernels.attention(none, q, q).shape == (1, 1, 0, 4)
    outputs, (h, c) = kernels.lstm(*(t.detach() for t in lstm_arguments(time=0)[:5]))
    assert outputs.shape == (0, 2, 5) and not h.any() and not c.any()
    assert kernels.conv2d(torch.ones(0, 3, 4, 4), torch.ones(2, 3, 3, 3)).shape == (0, 2, 2, 2)


@pytest.mark.parametrize("name", ["softmax", "layer_norm", "matmul", "attention", "conv2d"])
def test_the_graph_of_a_reference_does_not_break(name):
    function, arguments = REFERENCES[name]
    compiled = torch.compile(function, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(*arguments()), function(*arguments()))


# --- what is refused --------------------------------------------------------------------------

X, W, B = torch.ones(2, 3), torch.ones(3), torch.ones(3)
Q = torch.ones(1, 2, 3, 4)
IMAGES, FILTERS = torch.ones(2, 3, 5, 5), torch.ones(4, 3, 3, 3)
L = [t.detach().float() for t in lstm_arguments()[:5]]
WRONG = [
    (kernels.softmax, ([1.0],), TypeError, "x is a list: expected a torch.Tensor"),
    (
        kernels.softmax,
        (torch.ones(2, dtype=torch.int64),),
        TypeError,
        "x has dtype int64: expected",
    ),
    (kernels.softmax, (torch.tensor(1.0),), ValueError, "x has no axes"),
    (
        kernels.layer_norm,
        (X, torch.ones(2), B),
        ValueError,
        r"weight has shape \(2,\): expected \(3,\)",
    ),
    (kernels.layer_norm, (X, W, B.double()), TypeError, "bias has dtype float64: expected float32"),
    (kernels.layer_norm, (X, W.to("meta"), B), ValueError, "weight is on meta: expected cpu"),
    (kernels.layer_norm, (X, W, B, -1.0), ValueError, "eps is -1.0"),
    (kernels.cross_entropy, (X, torch.zeros(2)), TypeError, "labels has dtype float32"),
    (kernels.cross_entropy, (X, torch.zeros(3).long()), ValueError, r"labels has shape \(3,\)"),
    (
        kernels.cross_entropy,
        (X, torch.tensor([0, 3])),
        ValueError,
        "labels holds 3: expected 0 to 2",
    ),
    (kernels.cross_entropy, (X, torch.tensor([-1, 0])), ValueError, "labels holds -1"),
    (
        kernels.cross_entropy,
        (X, torch.zeros(2, device="meta").long()),
        ValueError,
        "labels is on meta",
    ),
    (kernels.matmul, (X, X), ValueError, r"b has shape \(2, 3\): expected \(3, 3\)"),
    (kernels.matmul, (X, W), ValueError, r"b has shape \(3,\): expected 2 axes"),
    (kernels.attention, (Q, Q[:, :1], Q[:, :1]), ValueError, "key has shape"),
    (kernels.attention, (Q, Q, Q[:, :, :1]), ValueError, "value has shape"),
    (kernels.attention, (Q, Q, Q, 1), TypeError, "causal is 1: expected True or False"),
    (kernels.attention, (Q, Q, Q, True, "a"), TypeError, "scale is 'a'"),
    (kernels.lstm, (L[0], L[1], L[2][:7], *L[3:]), ValueError, r"weight_hh has shape \(7, 5\)"),
    (kernels.lstm, (L[0], L[2], *L[2:]), ValueError, r"weight_ih has shape \(20, 5\)"),
    (kernels.lstm, (*L[:4], L[4][:2]), ValueError, r"bias_hh has shape \(2,\)"),
    (kernels.lstm, (*L, L[0]), TypeError, "state is a Tensor: expected a pair"),
    (kernels.lstm, (*L, (L[0], L[0])), ValueError, r"state\[0\] has shape"),
    (kernels.lstm, (*L, (torch.ones(2, 5), torch.ones(3, 5))), ValueError, r"state\[1\] has shape"),
    (kernels.conv2d, (IMAGES, FILTERS[:, :2]), ValueError, r"weight has shape \(4, 2, 3, 3\)"),
    (kernels.conv2d, (IMAGES, FILTERS, W), ValueError, r"bias has shape \(3,\)"),
    (kernels.conv2d, (IMAGES, FILTERS, None, 0), ValueError, "stride is 0: expected at least 1"),
    (kernels.conv2d, (IMAGES, FILTERS, None, 1, -1), ValueError, "padding is -1"),
    (kernels.conv2d, (IMAGES, FILTERS, None, 1.5), TypeError, "stride is 1.5"),
    (kernels.conv2d, (IMAGES[..., :2], FILTERS), ValueError, "weight has width 3: expected 1 to 2"),
    (kernels.path, (X, 3), TypeError, "argument 1 is a int"),
]


@pytest.mark.parametrize(("function", "arguments", "error", "message"), WRONG)
def test_what_does_not_fit_is_refused(function, arguments, error, message):
    with pytest.raises(error, match=message):
        function(*arguments)


@pytest.mark.parametrize("name", ["matmul", "attention", "lstm", "conv2d"])
def test_tf32_is_a_choice(name):
    given = {"matmul": (X, X.T), "attention": (Q, Q, Q), "lstm": L, "conv2d": (IMAGES, FILTERS)}
    function = getattr(kernels, name)
    function(*given[name], tf32=True)
    with pytest.raises(TypeError, match="tf32 is 'yes': expected True or False"):
        function(*given[name], tf32="yes")


# --- the choice of path -----------------------------------------------------------------------


def test_the_path_on_a_cpu_is_the_reference():
    assert kernels.path() == "PyTorch reference (no CUDA tensor)"
    assert kernels.path(X, LABELS) == "PyTorch reference (no CUDA tensor)"


def test_the_environment_forces_the_reference(monkeypatch):
    monkeypatch.setenv("DLBOOK_KERNELS", "reference")
    assert kernels.path(X) == "PyTorch reference (DLBOOK_KERNELS=reference)"
    monkeypatch.setenv("DLBOOK_KERNELS", "auto")
    assert kernels.path(X) == "PyTorch reference (no CUDA tensor)"
    monkeypatch.setenv("DLBOOK_KERNELS", "kernel")
    for function in (kernels.path, kernels.softmax):
        with pytest.raises(ValueError, match="DLBOOK_KERNELS is 'kernel': expected 'auto'"):
            function(X)


class OnGPU:
    """What the choice of path asks of a tensor, for a GPU that is not there."""

    device = torch.device("cuda", 0)

    def __init__(self, dtype):
        self.dtype = dtype


@pytest.mark.parametrize(
    ("major", "dtype", "reason"),
    [
        (9, torch.bfloat16, None),
        (7, torch.float16, None),
        (7, torch.float32, None),
        (7, torch.bfloat16, "bfloat16 needs compute capability 8.0, this GPU has 7"),
        (6, torch.float32, "Triton needs compute capability 7.0, this GPU has 6"),
        (9, torch.float64, "no kernel for float64"),
    ],
)
def test_the_path_on_a_gpu(monkeypatch, major, dtype, reason):
    properties = type("Properties", (), {"major": major})
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    monkeypatch.setattr(_shared, "HAS_TRITON", True)
    assert _shared.obstacle(OnGPU(dtype), None, OnGPU(torch.int64)) == reason
    monkeypatch.setattr(_shared, "HAS_TRITON", False)
    assert _shared.obstacle(OnGPU(dtype)) == "Triton is not installed"


# --- the choice of tiles ----------------------------------------------------------------------

T4 = _shared.Device(shared_memory=65536, n_processors=40, major=7)
H200 = _shared.Device(shared_memory=232448, n_processors=132, major=9)
KERNELS = [
    (kernel, constants)
    for module, names in {
        "matmul": ["KERNEL"],
        "attention": ["FORWARD", "KEYS", "QUERIES"],
        "lstm": ["FORWARD", "BACKWARD"],
        "conv2d": ["FORWARD", "IMAGES", "WEIGHT"],
    }.items()
    for kernel in (getattr(sys.modules[f"dlbook.kernels.{module}"], name) for name in names)
    for constants in (
        {"PRECISION": how, "HEAD": head} for how in ("ieee", "tf32") for head in (16, 64, 256)
    )
]


@pytest.mark.parametrize("item_size", [2, 4])
@pytest.mark.parametrize("device", [T4, H200])
@pytest.mark.parametrize(("kernel", "constants"), KERNELS)
def test_some_tile_fits_every_device(kernel, constants, device, item_size):
    if device is T4 and constants["PRECISION"] == "tf32":
        return  # there products are "ieee", since Triton has no matrix units for it

    def needed(config):
        return kernel.needed(config, item_size, constants)

    kept = _shared.fitting(kernel.configs(constants), needed, device)
    # `needed` is an upper bound: at the one excess, 66,560 bytes, the compiler takes 65,536
    assert kept and all(needed(config) <= device.shared_memory + 1024 for config in kept)


def test_tiles_too_large_for_a_device_are_left_out():
    configs = [_shared.Config({"M": m}, 4, stages) for m, stages in ((128, 3), (64, 3), (64, 2))]

    def needed(config):
        return config.sizes["M"] * config.num_stages * 300

    assert _shared.fitting(configs, needed, H200) == configs
    # no pipeline deeper than 2, so that two of them are the same
    assert _shared.fitting(configs, needed, T4) == [configs[2]]
    tiny = _shared.Device(shared_memory=1, n_processors=1, major=8)
    assert _shared.fitting(configs, needed, tiny) == [configs[2]]


def test_the_fastest_tile_is_chosen(monkeypatch):
    class OutOfResources(Exception):
        pass

    monkeypatch.setattr(_shared, "triton", type("Triton", (), {"OutOfResources": OutOfResources}))
    configs = [_shared.Config({"M": m}) for m in (16, 32, 64, 128)]
    taken = {16: 3.0, 32: 1.0, 64: 2.0}

    def launch(config):
        if config.sizes["M"] not in taken:
            raise OutOfResources("shared memory")
        return taken[config.sizes["M"]]

    assert _shared.fastest(configs, launch, seconds=lambda call: call()) == configs[1]
    taken.clear()
    with pytest.raises(RuntimeError, match="no tile of 4 fits this GPU: shared memory"):
        _shared.fastest(configs, launch, seconds=lambda call: call())


class Launches:
    """In place of a compiled kernel: a note of each launch."""

    def __init__(self):
        self.made = []

    def __getitem__(self, grid):
        return lambda *arguments, **options: self.made.append((grid, arguments[1:], options))


def test_a_tile_is_chosen_once_for_each_kind_of_problem(monkeypatch):
    timed = []

    def fastest(configs, launch):
        launch(configs[0])
        timed.append(configs)
        return configs[-1]

    monkeypatch.setattr(torch.cuda, "device", lambda device: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: capturing)
    monkeypatch.setattr(_shared, "device_at", lambda index: T4)
    monkeypatch.setattr(_shared, "fastest", fastest)
    launches, capturing = Launches(), False
    configs = [_shared.Config({"M": m}, 4, 2) for m in (128, 16, 32)]
    kernel = _shared.Kernel(
        launches,
        configs,
        configs[0],
        lambda config, size, constants: config.sizes["M"] * size * 256,
    )

    def call(n, **more):
        launches.made.clear()
        kernel(lambda sizes: _shared.cdiv(n, sizes["M"]), X, n, problem=(n,), EVEN=True, **more)
        return launches.made

    options = {"EVEN": True, "num_warps": 4, "num_stages": 2}
    first = ((7,), (100,), {**options, "M": 16})  # 128 rows of 1 KB are more than a T4 has
    chosen = ((4,), (100,), {**options, "M": 32})
    assert call(100) == [first, chosen] and timed == [configs[1:]]
    assert call(100) == [chosen]
    assert call(127) == [((4,), (127,), {**options, "M": 32})]  # of the same kind
    assert len(call(128)) == 2 and len(timed) == 2
    assert [made[1] for made in call(100, steps=range(3))] == [(100, 0), (100, 1), (100, 2)]
    # while a CUDA graph is recorded nothing is timed, nor is anything remembered
    capturing = True
    assert call(1000) == [((63,), (1000,), {**options, "M": 16})]
    capturing = False
    assert len(call(1000)) == 2


@pytest.mark.parametrize("n", [1, 2, 7, 64, 1000, 16384, 16385, 10**6])
def test_a_row_is_covered(n):
    block, whole = _shared.row_sizes(n)
    assert block & (block - 1) == 0
    assert whole == (n <= 16384) and (not whole or n <= block < 2 * n)
    configs = _shared.row_configs({"BLOCK": block})
    assert configs and all(config.sizes["ROWS"] * block <= 16384 for config in configs)


# --- the package ------------------------------------------------------------------------------


def python(code, **environment):
    answer = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


def test_the_package_does_not_load_them():
    assert python("import sys, dlbook; print('torch' in sys.modules)") == "False"


def test_they_work_without_triton():
    code = """
import sys
sys.modules["triton"] = None
from dlbook import kernels
import torch
print(kernels.path(torch.ones(1)), kernels.softmax(torch.zeros(4)).sum().item())
"""
    # the variable of the interpreter means nothing without Triton
    found = python(code, TRITON_INTERPRET="1")
    assert found == "PyTorch reference (no CUDA tensor) 1.0"


def test_loading_them_loads_no_compiler():
    code = "import sys, dlbook.kernels; print('torch._inductor' in sys.modules)"
    assert python(code) == "False"
