"""Images, with labels where they have some."""

from typing import NamedTuple

import numpy as np

from dlbook.data.fetch import locate
from dlbook.data.idx import read_idx
from dlbook.data.sources import files

__all__ = ["LabelledImages", "Photographs", "digits", "holdout", "mnist", "photographs"]


class LabelledImages(NamedTuple):
    """Grey images and what they show.

    Attributes
    ----------
    images : ndarray of float32, shape (n_images, height, width)
        Intensity in [0, 1]: 0 is the paper, 1 the ink.
    labels : ndarray of int64, shape (n_images,)
        The digit in each image, 0 to 9.
    """

    images: np.ndarray
    labels: np.ndarray


class Photographs(NamedTuple):
    """Two photographs, each an ndarray of float32 of shape (427, 640, 3).

    The last axis is red, green, blue, in [0, 1].

    Attributes
    ----------
    china : ndarray
        A temple in China, by danielbuechele (Flickr, CC BY 2.0).
    flower : ndarray
        A dahlia, by vultilion (Flickr, CC BY 2.0).
    """

    china: np.ndarray
    flower: np.ndarray


def digits():
    """1,797 handwritten digits of 8×8 pixels, embedded in scikit-learn [1]_.

    Returns
    -------
    LabelledImages
        Each pixel, published as a count from 0 to 16, is divided by 16 (exactly, in float32).

    References
    ----------
    .. [1] E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
       Learning Repository, 1998. https://doi.org/10.24432/C50P49
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = (bunch.images / 16).astype(np.float32)
    return LabelledImages(images, bunch.target.astype(np.int64))


def photographs():
    """Two colour photographs of 427×640 pixels, embedded in scikit-learn, CC BY 2.0.

    Returns
    -------
    Photographs
        Each pixel, published as a byte, is divided by 255.
    """
    from sklearn.datasets import load_sample_image

    def photograph(name):
        return load_sample_image(name).astype(np.float32) / 255

    return Photographs(photograph("china.jpg"), photograph("flower.jpg"))


def mnist(split):
    """Handwritten digits of 28×28 pixels [1]_.

    Parameters
    ----------
    split : str
        "train" (60,000 images) or "test" (10,000). Where only the test part can be had, divide
        that with :func:`holdout`, 8,000 to 2,000, and say so.

    Returns
    -------
    LabelledImages
        Each pixel, published as a byte, is divided by 255.

    Raises
    ------
    DataUnavailable
        If a file is not at hand and cannot be fetched.
    ValueError
        If there is no such split, or the files do not hold what MNIST holds.

    References
    ----------
    .. [1] Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to
       document recognition", Proceedings of the IEEE 86 (1998), 2278–2324.
    """
    paths = [locate(source) for source in files("mnist", split)]
    return read_labelled_images(*paths)


def read_labelled_images(image_path, label_path):
    """Read images and their labels from two gzipped IDX files.

    Parameters
    ----------
    image_path, label_path : str or pathlib.Path
        Bytes of shape (n_images, height, width) and (n_images,).

    Returns
    -------
    LabelledImages

    Raises
    ------
    ValueError
        If a file is unsound, or the two do not fit; the message names them.
    """
    images, labels = read_idx(image_path), read_idx(label_path)
    if images.ndim != 3 or images.dtype != np.uint8:
        raise ValueError(
            f"{image_path} holds {images.dtype} of shape {images.shape}: expected bytes of shape "
            "(n_images, height, width)"
        )
    if labels.shape != images.shape[:1] or labels.dtype != np.uint8:
        raise ValueError(
            f"{label_path} holds {labels.dtype} of shape {labels.shape}: expected bytes of shape "
            f"({len(images)},), one label for each image"
        )
    if labels.size and labels.max() > 9:
        raise ValueError(f"{label_path} holds the label {labels.max()}: expected 0 to 9")
    return LabelledImages(images.astype(np.float32) / 255, labels.astype(np.int64))


def holdout(data, n_held_out, rng):
    """Divide images at random into two parts without overlap.

    At random, since published order is often not: the first half of MNIST's test part was
    written by other people than the second.

    Parameters
    ----------
    data : LabelledImages
    n_held_out : int
        How many images the second part gets; at least 1, and fewer than there are.
    rng : numpy.random.Generator

    Returns
    -------
    kept, held_out : LabelledImages
        Of ``len(data.labels) - n_held_out`` and `n_held_out` images.

    Raises
    ------
    TypeError
        If `n_held_out` is no integer, or `rng` no generator.
    ValueError
        If `n_held_out` is out of range.
    """
    n_images = len(data.labels)
    if not isinstance(n_held_out, int | np.integer):
        raise TypeError(f"n_held_out is {n_held_out!r}: expected an integer")
    if not 1 <= n_held_out < n_images:
        raise ValueError(f"n_held_out is {n_held_out}: expected 1 to {n_images - 1}")
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng is {rng!r}: expected a numpy.random.Generator")
    order = rng.permutation(n_images)
    held_out, kept = order[:n_held_out], order[n_held_out:]
    return (
        LabelledImages(data.images[kept], data.labels[kept]),
        LabelledImages(data.images[held_out], data.labels[held_out]),
    )
