import gzip
import math
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dlbook import data
from dlbook.data.idx import LARGEST, read_idx
from dlbook.data.images import read_labelled_images

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx(array, shape=None, code=None):
    """Bytes of an IDX file; a shape or type code of its own makes the header lie."""
    shape = array.shape if shape is None else shape
    code = CODES[array.dtype.str[1:]] if code is None else code
    sizes = b"".join(size.to_bytes(4, "big") for size in shape)
    body = array.astype(array.dtype.newbyteorder(">")).tobytes()
    return bytes([0, 0, code, len(shape)]) + sizes + body


def zipped(folder, content, name="images.gz"):
    path = folder / name
    path.write_bytes(gzip.compress(content, compresslevel=1))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("idx")


@given(
    st.sampled_from(sorted(CODES)).flatmap(
        lambda code: hnp.arrays(code, hnp.array_shapes(max_dims=4, min_side=0, max_side=4))
    )
)
def test_what_is_written_is_read(folder, array):
    read = read_idx(zipped(folder, idx(array)))
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it begins with"),
        (b"\x89PNG\r\n", "it begins with 89 50"),
        (idx(IMAGES, code=0x0A), "0x0a"),
        (idx(IMAGES, code=0x0C), "needs 96 bytes, only 24 follow"),
        (idx(IMAGES, shape=()), "0 axes"),
        (idx(IMAGES, shape=(1,) * 200), "200 axes"),
        (idx(IMAGES, shape=(3, 3, 4)), "needs 36 bytes, only 24 follow"),
        (idx(IMAGES, shape=(2, 3, 3)), "needs 18 bytes, more follow"),
        (idx(IMAGES)[:-1], "only 23 follow"),
        (idx(IMAGES)[:9], "ends within the sizes"),
        (idx(IMAGES, shape=(2**32 - 1, 2**32 - 1)), f"more than {LARGEST}"),
    ],
)
def test_a_header_that_lies_is_refused_by_name(tmp_path, content, reason):
    with pytest.raises(ValueError, match=rf"images\.gz is not a sound IDX file: .*{reason}"):
        read_idx(zipped(tmp_path, content))


@given(st.binary(max_size=40))
def test_any_other_content_is_refused_by_name(folder, content):
    path = zipped(folder, b"\0\0" + content, name="any.gz")
    try:
        array = read_idx(path)
    except ValueError as error:
        assert "any.gz" in str(error)
    else:  # the bytes happen to be sound
        assert 4 + 4 * array.ndim + array.nbytes == 2 + len(content)


def test_a_damaged_gzip_file_is_refused_by_name(tmp_path):
    path = zipped(tmp_path, idx(IMAGES))
    packed = path.read_bytes()
    wrong_sum = packed[:-8] + bytes(4) + packed[-4:]
    for damaged in (packed[:-9], packed[:5], wrong_sum, packed[:12] + b"?" * 9, idx(IMAGES)):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"images\.gz is "):
            read_idx(path)


def test_a_bomb_is_not_unpacked_further_than_its_header_promises(tmp_path):
    packer = zlib.compressobj(9, wbits=31)
    path = tmp_path / "bomb.gz"
    n_more = 1 << 26
    path.write_bytes(packer.compress(idx(IMAGES) + bytes(n_more)) + packer.flush())
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"bomb\.gz .*more follow"):
            read_idx(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < n_more / 16


def test_images_and_labels_must_fit(tmp_path):
    images = zipped(tmp_path, idx(IMAGES))

    def read(labels):
        return read_labelled_images(images, zipped(tmp_path, idx(labels), "labels.gz"))

    read_images, read_labels = read(np.array([0, 9], np.uint8))
    assert read_images.dtype == np.float32
    np.testing.assert_allclose(read_images * 255, IMAGES)
    np.testing.assert_array_equal(read_labels, [0, 9])
    for labels in ([1, 2, 3], [[1], [2]]):
        with pytest.raises(ValueError, match=r"labels\.gz holds .* one label for each image"):
            read(np.array(labels, np.uint8))
    with pytest.raises(ValueError, match=r"labels\.gz holds the label 10"):
        read(np.array([0, 10], np.uint8))
    with pytest.raises(ValueError, match=r"labels\.gz holds uint8 of shape \(2,\)"):
        read_labelled_images(tmp_path / "labels.gz", tmp_path / "labels.gz")


def test_digits():
    images, labels = data.digits()
    assert images.shape == (1797, 8, 8)
    assert images.dtype == np.float32
    assert set(np.unique(images * 16)) == set(range(17))  # nothing is lost by the scaling
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_photographs():
    for photograph in data.photographs():
        assert photograph.shape == (427, 640, 3)
        assert photograph.dtype == np.float32
        assert photograph.min() == 0
        assert photograph.max() == 1


@pytest.mark.skipif(
    not data.available("mnist", "test", fetch=False), reason="MNIST is not on this machine"
)
def test_mnist():
    images, labels = data.mnist("test")
    assert images.shape == (10_000, 28, 28)
    assert images.min() == 0
    assert images.max() == 1
    assert labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_mnist_has_two_splits():
    with pytest.raises(ValueError, match="split is 'validation': mnist has 'train', 'test'"):
        data.mnist("validation")


@given(st.integers(2, 30).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n - 1))))
def test_a_holdout_shares_out_every_image_once(sizes):
    n_images, n_held_out = sizes
    images = np.arange(n_images, dtype=np.float32).reshape(-1, 1, 1)
    whole = data.LabelledImages(images, np.arange(n_images))
    kept, held_out = data.holdout(whole, n_held_out, np.random.default_rng(0))
    assert len(held_out.labels) == n_held_out
    labels = np.concatenate([kept.labels, held_out.labels])
    np.testing.assert_array_equal(np.sort(labels), whole.labels)
    for part in (kept, held_out):
        np.testing.assert_array_equal(part.images.ravel(), part.labels)


def test_a_holdout_refuses_impossible_sizes():
    whole = data.LabelledImages(np.zeros((5, 1, 1), np.float32), np.arange(5))
    rng = np.random.default_rng(0)
    for n_held_out in (0, 5, -1):
        with pytest.raises(ValueError, match=r"n_held_out is .*: expected 1 to 4"):
            data.holdout(whole, n_held_out, rng)
    with pytest.raises(TypeError, match="n_held_out"):
        data.holdout(whole, 0.2, rng)
    with pytest.raises(TypeError, match="rng is 0"):
        data.holdout(whole, 2, 0)


def test_the_largest_array_of_mnist_is_allowed():
    assert math.prod((60_000, 28, 28)) < LARGEST
