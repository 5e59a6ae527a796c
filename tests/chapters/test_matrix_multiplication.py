"""What the chapter on matrix products builds: every program multiplies, every count is right."""

import ast
from itertools import permutations, product
from pathlib import Path
from types import SimpleNamespace

import jupytext
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

CHAPTER = Path(__file__).parents[2] / "book" / "networks" / "matrix-multiplication.md"
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef)
SOURCES = {"kernel", "launcher", "comparison", "timing", "words"}


def wanted(node):
    """Imports, functions, sizes and the programs in C and Triton; nothing that computes."""
    if isinstance(node, ast.Assign):
        target = node.targets[0]
        name = getattr(target, "id", "")
        sizes = isinstance(target, ast.Tuple) and "LINE" in ast.unparse(target)
        return sizes or name in SOURCES or name.endswith("_in_c")
    return isinstance(node, DEFINITIONS)


def definitions():
    space = {}
    for cell in jupytext.read(CHAPTER).cells:
        if cell.cell_type == "code":
            tree = ast.parse(cell.source)
            tree.body = [node for node in tree.body if wanted(node)]
            exec(compile(tree, str(CHAPTER), "exec"), space)
    return SimpleNamespace(**space, space=space)


CODE = definitions()
SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 20)


def factors(seed, m, n, k):
    rng = np.random.default_rng(seed)
    return (rng.integers(-9, 10, shape).astype(float) for shape in ((m, k), (k, n)))


# ---- Products ---------------------------------------------------------------------------------


@given(SEEDS, SIZES, SIZES, SIZES)
@settings(max_examples=20)
def test_all_orders_multiply(seed, m, n, k):
    A, B = factors(seed, m, n, k)
    for order in permutations("ijp"):
        assert np.array_equal(CODE.loops("".join(order), A.tolist(), B.tolist()), A @ B)
    for story in ("dots", "rows", "columns", "outers", "row_products", "library"):
        C = np.zeros((m, n))
        getattr(CODE, story)(A, B, C)
        assert np.array_equal(C, A @ B), story
    C = np.zeros((m, n))
    CODE.outers_by_tiles(A, B, C, 6)
    assert np.array_equal(C, A @ B)


@given(SEEDS, SIZES, SIZES, SIZES, st.tuples(*[st.integers(1, 9)] * 5))
@settings(max_examples=60)
def test_five_loops_multiply_whatever_the_blocks(seed, m, n, k, blocks):
    A, B = factors(seed, m, n, k)
    mc, kc, nc, mr, nr = blocks
    assert np.array_equal(CODE.gemm(A, B, mc, kc, nc, mr, nr), A @ B)


@given(SEEDS, SIZES, SIZES, st.integers(1, 9))
def test_packing_keeps_every_number_in_the_order_of_use(seed, rows, depth, width):
    block = np.random.default_rng(seed).standard_normal((rows, depth))
    packed = CODE.pack(block, width)
    assert packed.flags.c_contiguous and packed.shape[1:] == (depth, width)
    back = packed.transpose(0, 2, 1).reshape(-1, depth)
    assert np.array_equal(back[:rows], block) and not back[rows:].any()
    assert len(back) - rows < width


def test_a_lost_margin_is_far_beyond_rounding():
    A, B = np.random.default_rng(0).standard_normal((2, 9, 9))
    assert CODE.disagreement(CODE.gemm(A, B), A, B) <= 1
    lost = CODE.gemm(A, B)
    lost[8] = 0
    assert CODE.disagreement(lost, A, B) > 1e6
    narrow = (A.astype(np.float32) @ B.astype(np.float32)).astype(float)
    assert CODE.disagreement(narrow, A, B) > 1e3


# ---- In C -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def library():
    made = CODE.compiled(
        CODE.words
        + CODE.loops_in_c
        + CODE.micro_kernel_in_c
        + CODE.packing_in_c
        + CODE.five_loops_in_c
    )
    if made is None:
        pytest.skip("no C compiler")
    CODE.space["blocked"] = made
    return made


def test_programs_in_c_multiply(library):
    rng = np.random.default_rng(1)
    for m, n, k in [(1, 1, 1), (6, 16, 8), (7, 17, 9), (13, 40, 33), (30, 5, 64)]:
        A, B = factors(rng.integers(1000), m, n, k)
        assert np.array_equal(CODE.call(library.ijp, A, B), A @ B)
        assert np.array_equal(CODE.call(library.ipj, A, B), A @ B)
        for b in (1, 4, 7, 64):
            assert np.array_equal(CODE.call(library.tiled, A, B, b), A @ B)
        for mc, kc, nc in [(1, 1, 1), (6, 8, 16), (7, 5, 19), (96, 256, 2048)]:
            assert np.array_equal(CODE.five_loops(A, B, mc, kc, nc), A @ B)


def test_a_program_that_does_not_compile_is_no_library():
    assert CODE.compiled("this is not C") is None


# ---- The cache --------------------------------------------------------------------------------


def misses_by_ages(addresses):
    """The same cache, as a list of lines from the oldest use to the latest."""
    held, count = [], 0
    for address in addresses:
        line = address // CODE.LINE
        count += line not in held
        held = [other for other in held if other != line] + [line]
        held = held[-CODE.CAPACITY :]
    return count


@given(SEEDS, st.integers(1, 1500))
@settings(max_examples=15)
def test_the_cache_forgets_what_was_used_least_recently(seed, spread):
    addresses = np.random.default_rng(seed).integers(spread, size=600).tolist()
    assert CODE.misses(addresses) == misses_by_ages(addresses)


def test_what_fits_misses_once():
    everything = range(CODE.LINE * CODE.CAPACITY)
    assert CODE.misses([*everything] * 3) == CODE.CAPACITY
    one_more = range(CODE.LINE * (CODE.CAPACITY + 1))
    assert CODE.misses([*one_more] * 3) == 3 * (CODE.CAPACITY + 1)


@pytest.mark.parametrize("order", ["ijp", "jip", "ipj", "pij", "jpi", "pji"])
def test_every_order_visits_every_place_once(order):
    places = list(CODE.in_order(order, 5))
    assert sorted(places) == sorted(product(range(5), repeat=3))
    moving = "ijp".index(order[-1])
    first, second = places[:2]
    assert [x != y for x, y in zip(first, second, strict=True)].index(True) == moving


@pytest.mark.parametrize("b", [1, 2, 4, 8])
def test_tiles_visit_every_place_once(b):
    assert sorted(CODE.in_tiles(8, b)) == sorted(product(range(8), repeat=3))


def test_matrices_lie_one_after_the_other():
    n = 4
    addresses = list(CODE.touched(n, product(range(n), repeat=3)))
    assert set(addresses) == set(range(3 * n * n)) and len(addresses) == 3 * n**3
    A, B, C = np.arange(3 * n * n).reshape(3, n, n)
    assert list(CODE.touched(n, [(1, 2, 3)])) == [A[1, 3], B[3, 2], C[1, 2]]


def test_a_blocked_product_moves_what_the_formula_says():
    for n in (32, 64):
        assert CODE.tiled_misses(n, 8) == (2 * n**3 // 8 + n**2) // CODE.LINE


# ---- The kernel in Triton ---------------------------------------------------------------------


@pytest.fixture
def triton():
    return pytest.importorskip("triton")


def test_the_kernel_multiplies_in_the_interpreter(triton):
    errors = CODE.run_triton(gpu=False)["errors"]
    assert len(errors) == 4 and max(errors) <= 1


def test_the_comparison_notices_a_wrong_kernel(triton, monkeypatch):
    wrong = CODE.kernel.replace("tile = tl.dot(a, b, tile,", "tile = tl.dot(a, b, 0 * tile,")
    assert wrong != CODE.kernel
    monkeypatch.setitem(CODE.space, "kernel", wrong)
    assert max(CODE.run_triton(gpu=False)["errors"]) > 100


# ---- The systolic array -----------------------------------------------------------------------


@given(SEEDS, st.integers(1, 12))
@settings(max_examples=30)
def test_operands_meet_where_they_should(seed, n):
    A, B = factors(seed, n, n, n)
    C, history = CODE.systolic(A, B)
    assert np.array_equal(C, A @ B) and len(history) == 3 * n - 2
    i, j = np.indices((n, n))
    for t, working in enumerate(history):
        assert np.array_equal(working, (t >= i + j) & (t < i + j + n))
