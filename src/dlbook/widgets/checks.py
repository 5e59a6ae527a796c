"""Checks of what widgets are given, as their docstrings promise."""

import math
import operator


def number(value, name, low, high):
    """`value` as a float between `low` and `high`."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: expected a number, got {value!r:.60}") from None
    if not (math.isfinite(found) and low <= found <= high):
        raise ValueError(f"{name}: expected a number from {low:g} to {high:g}, got {found:g}")
    return found


def integer(value, name, low, high):
    """`value` as an int between `low` and `high`; True and False are none, nor is 2.0."""
    try:
        found = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        found = None
    if found is None:
        raise TypeError(f"{name}: expected an integer, got {value!r:.60}")
    if not low <= found <= high:
        raise ValueError(f"{name}: expected an integer from {low} to {high}, got {found}")
    return found


def one_of(value, name, allowed):
    """`value`, which is one of those allowed."""
    if value not in list(allowed):  # a list, so that it need not be hashable
        raise ValueError(f"{name}: expected one of {', '.join(map(str, allowed))}, got {value!r}")
    return value


def pair(values, name, *ranges):
    """`values` as a list of two floats, each within its own range (low, high)."""
    try:
        first, second = values
    except (TypeError, ValueError):
        raise TypeError(f"{name}: expected two numbers, got {values!r:.60}") from None
    return [number(value, f"{name}[{i}]", *ranges[i]) for i, value in enumerate((first, second))]
