"""A kernel that slides over an image, both chosen or made by the reader."""

import anywidget
import numpy as np
import traitlets

from .checks import integer, one_of
from .shared import source

__all__ = ["PRESETS", "ConvolutionExplorer"]

#: Sides that an image may have, and the largest settings.
SIDES = range(5, 25)
MOST = {"stride": 3, "padding": 4, "dilation": 3}
BLANK = "blank"


def _presets():
    """Kernels by name and size, as lists: what a page can carry."""
    made = {}
    for size in (3, 5):
        half = size // 2
        v, u = np.mgrid[-half : half + 1, -half : half + 1]
        binomial = np.array({3: [1, 2, 1], 5: [1, 4, 6, 4, 1]}[size])
        slope = np.array({3: [-1, 0, 1], 5: [-1, -2, 0, 2, 1]}[size])
        identity = ((u == 0) & (v == 0)).astype(float)
        blur = np.outer(binomial, binomial) / binomial.sum() ** 2
        wave = np.cos(2 * np.pi * (u + v) / np.sqrt(2) / (size - 1)) * np.exp(
            -(u**2 + v**2) / (2 * (size / 4) ** 2)
        )
        kernels = {
            "identity": identity,
            "vertical edges": np.outer(binomial, slope),
            "horizontal edges": np.outer(slope, binomial),
            "blur": blur,
            "sharpen": 2 * identity - blur,
            "Gabor": wave - wave.mean(),
        }
        for name, kernel in kernels.items():
            made.setdefault(name, {})[str(size)] = (np.round(kernel, 4) + 0.0).tolist()
    return made


#: Kernels by name, then by size ("3" or "5"). The Gabor kernel alternates along the diagonal.
PRESETS = _presets()


class ConvolutionExplorer(anywidget.AnyWidget):
    """Cross-correlation of an image with a kernel, one window at a time.

    The reader chooses an image or draws one, chooses a kernel or types its weights, sets stride,
    padding and dilation, and moves the window over the output; the sum of products is written
    out. Everything is computed in the page.

    Parameters
    ----------
    images : mapping of str to array_like, shape (height, width)
        Images to choose from, of 5 to 24 pixels a side, in [0, 1]; 1 is shown white. A blank
        image of 10×10 pixels to draw on is added.
    image : str, optional
        The one shown at first; if left out, the first.
    kernel : str or array_like, shape (3, 3) or (5, 5)
        One of `PRESETS` (in its 3×3 form), or the weights.
    stride : int
        1 to 3.
    padding : int
        0 to 4.
    dilation : int
        1 to 3.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of its range.

    Notes
    -----
    The attributes of the same names hold what was given, then what the reader makes of it;
    `place` is the row and the column of the output that the window belongs to.
    """

    _esm = source(__file__, ".js")
    _css = source(__file__, ".css")
    presets = traitlets.Dict().tag(sync=True)
    images = traitlets.Dict().tag(sync=True)
    image = traitlets.Unicode().tag(sync=True)
    kernel = traitlets.List().tag(sync=True)
    stride = traitlets.Int().tag(sync=True)
    padding = traitlets.Int().tag(sync=True)
    dilation = traitlets.Int().tag(sync=True)
    place = traitlets.List(traitlets.Int()).tag(sync=True)

    def __init__(self, images, *, image=None, kernel="identity", stride=1, padding=0, dilation=1):
        try:
            named = {str(name): _pixels(value, name) for name, value in images.items()}
        except AttributeError:
            raise TypeError(f"images: expected names with arrays, got {images!r}") from None
        named.setdefault(BLANK, np.zeros((10, 10)).tolist())
        super().__init__(
            presets=PRESETS,
            images=named,
            image=one_of(next(iter(named)) if image is None else image, "image", named),
            kernel=_weights(kernel),
            stride=integer(stride, "stride", 1, MOST["stride"]),
            padding=integer(padding, "padding", 0, MOST["padding"]),
            dilation=integer(dilation, "dilation", 1, MOST["dilation"]),
            place=[0, 0],
        )


def _numbers(value, name):
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: expected an array of numbers, got {value!r}") from None
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name}: expected finite numbers")
    return array


def _pixels(value, name):
    """Rows of pixels, to four decimals: enough for the eye, and short in the page."""
    array = _numbers(value, f"images[{name!r}]")
    if array.ndim != 2 or not all(side in SIDES for side in array.shape):
        raise ValueError(
            f"images[{name!r}]: expected {SIDES[0]} to {SIDES[-1]} pixels a side, "
            f"got shape {array.shape}"
        )
    if array.min() < 0 or array.max() > 1:
        raise ValueError(f"images[{name!r}]: expected values from 0 to 1")
    return np.round(array, 4).tolist()


def _weights(kernel):
    if isinstance(kernel, str):
        return PRESETS[one_of(kernel, "kernel", PRESETS)]["3"]
    array = _numbers(kernel, "kernel")
    if array.shape not in ((3, 3), (5, 5)):
        raise ValueError(f"kernel: expected shape (3, 3) or (5, 5), got {array.shape}")
    return array.tolist()
