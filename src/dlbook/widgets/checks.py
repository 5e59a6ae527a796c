"""Checks of what widgets are given, as their docstrings promise."""

import math


def number(value, name, low, high):
    """`value` as a float between `low` and `high`."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: expected a number, got {value!r}") from None
    if not (math.isfinite(found) and low <= found <= high):
        raise ValueError(f"{name}: expected a number from {low:g} to {high:g}, got {found:g}")
    return found
