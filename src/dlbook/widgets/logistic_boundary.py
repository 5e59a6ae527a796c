"""Logistic regression on the plane to play with: features, two ways to train, the boundary."""

import math

import anywidget
import traitlets

from .checks import one_of
from .shared import source

__all__ = ["LogisticBoundary"]

FEATURES = ("x1^2", "x2^2", "x1 x2", "r^2")


class LogisticBoundary(anywidget.AnyWidget):
    """Points of two classes, the features that a reader picks, and the probability they lead to.

    The loss is the negative log-likelihood plus ``ridge`` times the sum of squared weights, the
    bias left free. Features are standardised. Everything is computed in the page.

    Parameters
    ----------
    examples : dict
        Name of each data set to its inputs, shape (n_points, 2), and labels, shape (n_points,),
        0 or 1. Both classes have to occur.
    start : str, optional
        Data set to begin with; the first one if left out.
    features : sequence of str
        Features to begin with besides the two coordinates, from "x1^2", "x2^2", "x1 x2", "r^2".
    ridge : float
        Strength of the ridge: 0, 0.001, 0.1 or 1.

    Raises
    ------
    TypeError, ValueError
        If the examples are not as described, or there is no such data set, feature or ridge.

    Notes
    -----
    The attributes ``chosen``, ``features`` and ``ridge`` hold what was given, then what the reader
    makes of it; ``examples`` holds the points, rounded to three decimals.
    """

    _esm = source(__file__, ".js", "run", "levels", "shade")
    _css = source(__file__, ".css")
    examples = traitlets.List().tag(sync=True)
    chosen = traitlets.Unicode().tag(sync=True)
    features = traitlets.List(traitlets.Unicode()).tag(sync=True)
    ridge = traitlets.Float().tag(sync=True)

    def __init__(self, examples, *, start=None, features=(), ridge=0.001):
        if not isinstance(examples, dict):
            raise TypeError(f"examples: expected a dict, got {type(examples).__name__}")
        if not examples:
            raise ValueError("examples: expected at least one data set, got none")
        held = [_example(name, *_pair(name, points)) for name, points in examples.items()]
        super().__init__(
            examples=held,
            chosen=one_of(held[0]["name"] if start is None else start, "start", examples),
            features=[one_of(feature, "features", FEATURES) for feature in features],
            ridge=float(one_of(ridge, "ridge", (0, 0.001, 0.1, 1))),
        )


def _pair(name, points):
    try:
        inputs, labels = points
    except (TypeError, ValueError):
        raise TypeError(f"examples[{name!r}]: expected a pair of inputs and labels") from None
    return inputs, labels


def _example(name, inputs, labels):
    """A data set as JSON: its name, its points and their labels."""
    where = f"examples[{name!r}]"
    try:
        points = [[round(float(x), 3) for x in point] for point in inputs]
        classes = [float(label) for label in labels]
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{where}: expected inputs and labels made of numbers") from None
    for i, point in enumerate(points):
        if len(point) != 2 or not all(math.isfinite(x) for x in point):
            raise ValueError(f"{where}: expected two finite coordinates for point {i}, got {point}")
    if len(points) != len(classes):
        raise ValueError(f"{where}: expected {len(points)} labels, got {len(classes)}")
    if set(classes) != {0.0, 1.0}:
        raise ValueError(f"{where}: expected labels 0 and 1, both of them, got {set(classes)}")
    return {"name": str(name), "inputs": points, "labels": [int(label) for label in classes]}
