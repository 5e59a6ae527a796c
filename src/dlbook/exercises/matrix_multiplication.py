"""Checks of the exercises in *Linear algebra's dirty secrets*."""

from itertools import product

import numpy as np

from dlbook.exercises import Hint, exercise, expect_array, expect_close

__all__ = [
    "batch_intensity",
    "block_sizes",
    "blocked_loads",
    "stationary_array",
    "transpose_misses",
]


@exercise
def transpose_misses(row_by_row, by_tiles):
    """Misses of copying a transpose of 64 × 64, plain and by tiles of 8 × 8."""
    plain = float(expect_array(row_by_row, (), "the first count"))
    tiled = float(expect_array(by_tiles, (), "the second count"))
    if plain == 2 * 64 * 64:
        raise Hint("row by row: S is read along its rows, how many numbers come with each line?")
    if plain == 2 * 64 * 8:
        raise Hint("row by row: when T asks for a line again, is it still there?")
    if plain == 64 * 64:
        raise Hint("row by row: that is the misses of one of the two matrices, count the other too")
    if plain != 64 * 64 + 64 * 8:
        raise Hint("row by row: count the lines fetched for S and for T separately")
    if tiled == 64 * 8:
        raise Hint("by tiles: that is one of the two matrices, count the other, too")
    if tiled != 2 * 64 * 8:
        raise Hint("by tiles: how many lines does a tile touch in S, in T, and do they all fit?")


@exercise
def blocked_loads(loads):
    """``loads(m, n, k, bm, bn, bk)``: numbers moved by a blocked product, C written once."""
    cases = [
        ((64, 64, 64, 8, 8, 8), "on square matrices that the blocks divide"),
        ((64, 64, 64, 64, 64, 64), "with blocks as large as the matrices"),
        ((48, 32, 16, 8, 16, 4), "on oblong matrices with oblong blocks"),
        ((10, 7, 5, 4, 3, 2), "where the blocks do not divide the sizes"),
        ((3, 5, 2, 8, 8, 8), "with blocks larger than the matrices"),
    ]
    for sizes, where in cases:
        found = float(expect_array(loads(*sizes), (), "the count"))
        _judge_loads(found, sizes, where)


def _judge_loads(found, sizes, where):
    m, n, k, bm, bn, bk = sizes
    right = _loads(*sizes)
    if found == right:
        return
    for_each_tile = -(-m // bm) * -(-n // bn) * -(-k // bk)
    if found == right - m * n:
        raise Hint(f"{where}: the tiles of C are written, too")
    if found == right + m * n:
        raise Hint(f"{where}: C is written once and never read")
    if found == right - m * n + for_each_tile * bm * bn:
        raise Hint(f"{where}: the tile of C is held while p runs, not moved at each step")
    if found == _loads(m, n, k, bn, bm, bk) or found == m * n + k * m * -(-m // bm) + k * n * -(
        -n // bn
    ):
        raise Hint(f"{where}: A is read once for each column of tiles, so which block size counts?")
    if found == for_each_tile * (bm * bk + bk * bn) + m * n:
        raise Hint(f"{where}: at the margins the tiles are smaller")
    raise Hint(f"{where} the count is {'too low' if found < right else 'too high'}")


def _loads(m, n, k, bm, bn, bk):
    """Counted, tile by tile."""
    total = m * n
    for i, j, p in product(range(0, m, bm), range(0, n, bn), range(0, k, bk)):
        rows, columns, depth = min(bm, m - i), min(bn, n - j), min(bk, k - p)
        total += rows * depth + depth * columns
    return total


@exercise
def block_sizes(sizes):
    """``sizes(l1, l2, l3, mr, nr)``: kc, mc, nc that fill half of their caches."""
    for l1, l2, l3, mr, nr in [
        (32768, 524288, 2**23, 6, 8),
        (49152, 2**21, 2**25, 6, 16),
        (65536, 2**20, 3 * 2**22, 4, 4),
    ]:
        found = sizes(l1, l2, l3, mr, nr)
        if np.shape(found) != (3,):
            raise Hint("the answer should be three numbers, kc, mc and nc")
        kc, mc, nc = (float(value) for value in found)
        _judge_size(kc, 8 * nr, l1 // 2, 8, "kc", "a sliver of B in L1")
        _judge_size(mc, 8 * kc, l2 // 2, mr, "mc", "a block of A in L2")
        _judge_size(nc, 8 * kc, l3 // 2, nr, "nc", "a panel of B in L3")


def _judge_size(value, bytes_each, room, multiple, name, piece):
    if value != int(value) or value <= 0:
        raise Hint(f"{name} is {value:g}: it should be a whole number above 0")
    if value % multiple:
        raise Hint(f"{name} is {value:g}, which is no multiple of {multiple}")
    if value * bytes_each > 2 * room:
        raise Hint(
            f"{name} is {value:g}: {piece} does not even fit; a number takes how many bytes?"
        )
    if value * bytes_each > room:
        raise Hint(f"{name} is {value:g}: {piece} takes more than half of the cache")
    if (value + multiple) * bytes_each <= room:
        raise Hint(f"{name} is {value:g}: {piece} would leave room for a larger one")


@exercise
def batch_intensity(intensity, batch_for):
    """``intensity(N, d, size)`` in flops a byte, and ``batch_for(ridge, d, size)``."""
    for N, d, size in [(1, 1000, 4), (64, 512, 2), (4096, 4096, 8), (5, 3, 1)]:
        found = float(expect_array(intensity(N, d, size), (), "the intensity"))
        right = 2 * N * d**2 / (size * (2 * N * d + d**2))
        if np.isclose(found, right / 2):
            raise Hint("a multiplication and an addition are two flops")
        if size > 1 and np.isclose(found, right * size):
            raise Hint("that is flops for each number: how many bytes has a number?")
        if np.isclose(found, 2 * N * d**2 / (size * (N * d + d**2))):
            raise Hint("inputs are read and outputs are written: one of them is missing")
        if np.isclose(found, 2 * N / size):
            raise Hint("the weights are not all that moves: count inputs and outputs")
        expect_close(found, right, "the intensity: flops over (inputs + weights + outputs)")
    for ridge, d, size in [(150, 4096, 2), (10, 1024, 4), (1.5, 64, 8), (0.01, 64, 8)]:
        found = float(np.asarray(batch_for(ridge, d, size), dtype=float))
        _judge_batch(found, ridge, d, size)
    for ridge, d, size in [(150, 256, 2), (32, 64, 2)]:
        found = np.asarray(batch_for(ridge, d, size), dtype=float)
        if not np.isposinf(found):
            raise Hint(f"for d = {d} no batch reaches {ridge} flops a byte: what is the limit?")


def _judge_batch(found, ridge, d, size):
    def reached(N):
        return 2 * N * d / (size * (2 * N + d)) >= ridge * (1 - 1e-9)

    if not np.isfinite(found) or found != int(found) or found < 1:
        raise Hint(f"batch_for({ridge}, {d}, {size}) is {found:g}: expected a whole number from 1")
    if not reached(found):
        raise Hint(f"batch_for({ridge}, {d}, {size}) is {found:g}, which does not reach the ridge")
    if found > 1 and reached(found - 1):
        raise Hint(f"batch_for({ridge}, {d}, {size}) is {found:g}: a smaller batch would do")


@exercise
def stationary_array(stream):
    """``stream(X, W)``: product and number of cycles of an array in which W stays."""
    rng = np.random.default_rng(0)
    for N, n in [(2, 2), (7, 3), (1, 3), (4, 4), (3, 1), (20, 5)]:
        X, W = (
            rng.integers(-9, 10, (N, n)).astype(float),
            rng.integers(-9, 10, (n, n)).astype(float),
        )
        found = stream(X.copy(), W.copy())
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise Hint("the answer should return two things, the product and the number of cycles")
        if found[0] is None or found[0] is ...:
            raise NotImplementedError
        product_found = expect_array(found[0], (N, n), "the product")
        if n == N > 1 and np.allclose(product_found, X @ W.T):
            raise Hint("that is X times the transpose of W: which way do the sums move?")
        expect_close(product_found, X @ W, f"for X of shape {(N, n)} the product is wrong")
        _judge_cycles(float(expect_array(found[1], (), "the cycles")), N, n)


def _judge_cycles(cycles, N, n):
    where = f"{N} rows through {n} × {n} cells"
    if n > 1 and cycles == N * (3 * n - 2):
        raise Hint(f"{where}: the next row may enter before the first has left")
    if n != N and cycles == 3 * n - 2:
        raise Hint(f"{where}: the number of cycles depends on the rows, too")
    if cycles == N + 2 * n - 3:
        raise Hint(f"{where}: one cycle is missing; do you count from 0?")
    if cycles == N + 2 * n - 1:
        raise Hint(f"{where}: one cycle too many; in the last one nothing happens any more")
    if cycles != N + 2 * n - 2:
        few = "few" if cycles < N + 2 * n - 2 else "many"
        raise Hint(f"{where}: {cycles:g} cycles are too {few}")
