"""Synthetic data whose law is known; each draw takes its random generator explicitly."""

from typing import NamedTuple

import numpy as np

__all__ = ["Points", "noisy_line", "rings", "spirals", "two_moons", "xor"]


class Points(NamedTuple):
    """Points in the plane, each of one of two classes.

    Attributes
    ----------
    inputs : ndarray of float64, shape (n_points, 2)
    labels : ndarray of int64, shape (n_points,)
        0 or 1.
    """

    inputs: np.ndarray
    labels: np.ndarray


def noisy_line(n_points, rng, slope=2.0, intercept=1.0, noise=0.5):
    """Draw y = slope · x + intercept + ε with x uniform on [-1, 1] and ε normal.

    Parameters
    ----------
    n_points : int
    rng : numpy.random.Generator
    slope, intercept : float, optional
    noise : float, optional
        Standard deviation of ε, at least 0.

    Returns
    -------
    x, y : ndarray of float64, shape (n_points,)
    """
    _check(n_points, rng, noise)
    x = rng.uniform(-1, 1, n_points)
    return x, slope * x + intercept + rng.normal(0, noise, n_points)


def two_moons(n_points, rng, noise=0.1):
    """Draw two interleaved half circles of radius 1, which no straight line separates.

    Class 0 is the upper half of the circle about (0, 0), class 1 the lower half of the circle
    about (1, 1/2); half of the points each (class 1 gets the odd one).

    Parameters
    ----------
    n_points : int
    rng : numpy.random.Generator
    noise : float, optional
        Standard deviation of the normal noise added to each coordinate, at least 0.

    Returns
    -------
    Points
    """
    labels = _labels(n_points, rng, noise)
    angle = rng.uniform(0, np.pi, n_points)
    side = 1 - 2 * labels  # +1 for class 0, -1 for class 1
    inputs = np.stack([side * np.cos(angle) + labels, side * np.sin(angle) + labels / 2], axis=1)
    return Points(inputs + rng.normal(0, noise, inputs.shape), labels)


def rings(n_points, rng, noise=0.1):
    """Draw a ring within a ring: class 0 at radius 1, class 1 at radius 2.

    Parameters
    ----------
    n_points : int
    rng : numpy.random.Generator
    noise : float, optional
        Standard deviation of the normal noise added to each coordinate, at least 0.

    Returns
    -------
    Points
    """
    labels = _labels(n_points, rng, noise)
    angle = rng.uniform(0, 2 * np.pi, n_points)
    radius = 1 + labels
    inputs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return Points(inputs + rng.normal(0, noise, inputs.shape), labels)


def spirals(n_points, rng, noise=0.05, turns=1.5):
    """Draw two spirals, each the other turned by half a circle about the origin.

    The radius grows from 0 to 1 in proportion to the angle.

    Parameters
    ----------
    n_points : int
    rng : numpy.random.Generator
    noise : float, optional
        Standard deviation of the normal noise added to each coordinate, at least 0.
    turns : float, optional
        How often each spiral winds about the origin; above 0.

    Returns
    -------
    Points
    """
    labels = _labels(n_points, rng, noise)
    if not turns > 0:
        raise ValueError(f"turns is {turns!r}: expected a number above 0")
    radius = np.sqrt(rng.uniform(0, 1, n_points))  # so that the points lie evenly along the arc
    angle = 2 * np.pi * turns * radius + np.pi * labels
    inputs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return Points(inputs + rng.normal(0, noise, inputs.shape), labels)


def xor(n_points, rng):
    """Draw points of the square [-1, 1]²: class 1 where the coordinates differ in sign.

    Parameters
    ----------
    n_points : int
    rng : numpy.random.Generator

    Returns
    -------
    Points
    """
    _check(n_points, rng)
    inputs = rng.uniform(-1, 1, (n_points, 2))
    return Points(inputs, (inputs[:, 0] * inputs[:, 1] < 0).astype(np.int64))


def _check(n_points, rng, noise=0.0):
    if not isinstance(n_points, int | np.integer):
        raise TypeError(f"n_points is {n_points!r}: expected an integer")
    if n_points < 1:
        raise ValueError(f"n_points is {n_points}: expected at least 1")
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng is {rng!r}: expected a numpy.random.Generator")
    if not 0 <= noise < np.inf:
        raise ValueError(f"noise is {noise!r}: expected a standard deviation of at least 0")


def _labels(n_points, rng, noise):
    """Check the arguments and give the first half of the points class 0, the rest class 1."""
    _check(n_points, rng, noise)
    return (np.arange(n_points) >= n_points // 2).astype(np.int64)
