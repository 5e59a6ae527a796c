"""Every kernel compiled for GPUs that are not there: do Triton and its assembler take it?"""

import os

import pytest
import torch

triton = pytest.importorskip(
    "triton", reason="Triton is not installed (it is for Linux on x86-64), so nothing is compiled"
)
from kernel_compiler import compiled, recorded  # noqa: E402

from dlbook import kernels  # noqa: E402
from dlbook.kernels import _shared  # noqa: E402

pytestmark = pytest.mark.skipif(
    os.environ.get("TRITON_INTERPRET") == "1", reason="TRITON_INTERPRET=1 replaces the compiler"
)

# capability, shared memory in bytes, type, and which tile: the first, or the last and smallest
T4 = (75, 65536, torch.float16, -1)
H200 = (90, 232448, torch.bfloat16, 0)


def attention(query, key, value):
    return kernels.attention(query, key, value, causal=True)


def lstm(*given):
    return kernels.lstm(*given)[0]


def cross_entropy(logits):
    return kernels.cross_entropy(logits, torch.zeros(32, dtype=torch.int64))


def conv2d(images, weight, bias):
    return kernels.conv2d(images, weight, bias, stride=2, padding=1)


CALLS = [
    (kernels.matmul, [(256, 256), (256, 256)]),
    (kernels.softmax, [(64, 4096)]),
    (kernels.softmax, [(2, 20000)]),
    (kernels.layer_norm, [(64, 1024), (1024,), (1024,)]),
    (kernels.layer_norm, [(2, 20000), (20000,), (20000,)]),
    (cross_entropy, [(32, 1000)]),
    (cross_entropy, [(32, 20000)]),
    (attention, [(2, 2, 100, 64)] * 3),
    (lstm, [(3, 64, 32), (256, 32), (256, 64), (256,), (256,)]),
    (conv2d, [(4, 3, 20, 20), (16, 3, 3, 3), (16,)]),
]


# Triton makes a constant of every size that is 1, which not every expression takes.
ONES = [
    (kernels.matmul, [(1, 1), (1, 1)]),
    (kernels.softmax, [(1, 1)]),
    (kernels.softmax, [(1, 20000)]),
    (kernels.layer_norm, [(1, 1), (1,), (1,)]),
    (kernels.layer_norm, [(1, 20000), (20000,), (20000,)]),
    (lambda logits: kernels.cross_entropy(logits, torch.zeros(1, dtype=torch.int64)), [(1, 1)]),
    (attention, [(1, 1, 1, 1)] * 3),
    (kernels.attention, [(1, 1, 1, 16)] * 3),
    (lstm, [(2, 1, 1), (4, 1), (4, 1), (4,), (4,)]),
    (lstm, [(1, 1, 1), (4, 1), (4, 1), (4,), (4,)]),
    (lambda *given: kernels.conv2d(*given), [(1, 1, 1, 1), (1, 1, 1, 1), (1,)]),
]


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_CACHE_DIR", str(tmp_path_factory.mktemp("triton")))
        yield


@pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION")
@pytest.mark.parametrize("gpu", [T4, H200], ids=["T4", "H200"])
@pytest.mark.parametrize(("function", "shapes"), CALLS)
def test_kernels_compile_and_fit(function, shapes, gpu):
    compile_all(function, shapes, *gpu)


@pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION")
@pytest.mark.parametrize(("function", "shapes"), ONES)
def test_sizes_of_one_compile(function, shapes):
    compile_all(function, shapes, 80, 166912, torch.float16, -1)


def compile_all(function, shapes, capability, shared_memory, dtype, which):
    device = _shared.Device(shared_memory, 4, capability // 10)
    with recorded(device.major) as launches:
        given = [torch.zeros(shape, dtype=dtype, requires_grad=True) for shape in shapes]
        answer = function(*given)
        torch.autograd.grad(answer.sum(), given)
    assert len(launches) >= 2  # forward and backward
    done = set()
    for kernel, arguments, constants in launches:
        if kernel in done:
            continue
        done.add(kernel)
        item_size = arguments[0].element_size()

        def needed(config, kernel=kernel, item_size=item_size, constants=constants):
            return kernel.needed(config, item_size, constants)

        configs = _shared.fitting(kernel.configs(constants), needed, device)
        found = compiled((kernel, arguments, constants), configs[which], capability)
        assert found.metadata.shared <= shared_memory
        # the estimate leaves out what reductions and changes of layout need
        assert found.metadata.shared <= needed(configs[which]) + 16384
        if capability == 90 and function is kernels.matmul:
            assert "wgmma" in found.asm["ptx"]  # the matrix units are used
