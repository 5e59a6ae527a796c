"""Checks that answer at once: passed, a hint, or not attempted yet.

Each chapter has a module here with one check per coding exercise. A check is a function decorated
with :func:`exercise`; it tries the reader's answer and raises :class:`Hint` where it is wrong. A
hint says what is wrong, never what is right.
"""

import functools
from dataclasses import dataclass

import numpy as np

__all__ = ["Hint", "Result", "exercise", "expect_array", "expect_close"]


class Hint(Exception):
    """What is wrong with an answer, in a sentence that helps the reader on."""


class _NotAttempted(Exception):
    pass


@dataclass(frozen=True)
class Result:
    """The answer of a check.

    Attributes
    ----------
    exercise : str
        Name of the check.
    status : str
        "passed", "wrong" or "not attempted yet".
    hint : str
        What is wrong; empty if nothing is.
    """

    exercise: str
    status: str
    hint: str = ""

    def __repr__(self):
        symbol = {"passed": "✓", "wrong": "✗", "not attempted yet": "–"}[self.status]
        return f"{symbol} {self.exercise}: {self.hint or self.status}"


def exercise(check):
    """Turn a function that raises `Hint` on a wrong answer into a check.

    The answer counts as not attempted while it is ``...``, or a function that returns None or
    ``...`` or raises NotImplementedError. Whatever else goes wrong in the answer is reported as a
    hint: a check never raises on an answer.

    Parameters
    ----------
    check : callable
        Takes the reader's answers (values or functions). Its name is the exercise's name.

    Returns
    -------
    callable
        Takes the same answers, returns a `Result`.
    """
    name = check.__name__.replace("_", " ")

    @functools.wraps(check)
    def checked(*answers):
        try:
            check(*(_guarded(answer) for answer in answers))
        except (_NotAttempted, NotImplementedError):
            return Result(name, "not attempted yet")
        except Hint as hint:
            return Result(name, "wrong", str(hint))
        except Exception as error:
            return Result(name, "wrong", f"your answer raised {type(error).__name__}: {error}")
        return Result(name, "passed")

    return checked


def _guarded(answer):
    """The answer itself, watched for being a stub that was left as it was."""
    if answer is None or answer is ...:
        raise _NotAttempted
    if isinstance(answer, type) or not callable(answer):
        return answer

    @functools.wraps(answer)
    def watched(*args, **kwargs):
        result = answer(*args, **kwargs)
        if result is None or result is ...:
            raise _NotAttempted
        return result

    return watched


def expect_array(value, shape, name="the result"):
    """`value` as a float array of the shape expected.

    Parameters
    ----------
    value : array_like
        The reader's answer.
    shape : tuple of int
        The shape it should have; ``()`` for a number.
    name : str
        What to call it in a hint.

    Raises
    ------
    Hint
        If it is not numeric, has another shape, or holds NaN or infinity.
    """
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise Hint(f"{name} should be made of numbers, but is a {type(value).__name__}") from None
    if array.shape != tuple(shape):
        raise Hint(f"{name} should have shape {tuple(shape)}, but has shape {array.shape}")
    if not np.all(np.isfinite(array)):
        raise Hint(f"{name} holds NaN or infinity")
    return array


def expect_close(value, expected, hint, name="the result", tolerance=1e-6):
    """Raise ``Hint(hint)`` unless `value` equals `expected` within `tolerance`.

    Parameters
    ----------
    value, expected : array_like
        The reader's answer and what it should be, of the same shape.
    hint : str
        What is likely to be wrong.
    name : str
        What to call the answer in a hint about its shape.
    tolerance : float
        Largest difference allowed, relative to the larger of 1 and the entry expected.
    """
    expected = np.asarray(expected, dtype=float)
    array = expect_array(value, expected.shape, name)
    if np.any(np.abs(array - expected) > tolerance * np.maximum(1.0, np.abs(expected))):
        raise Hint(hint)
