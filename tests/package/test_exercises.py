import numpy as np
import pytest

from dlbook.exercises import Hint, Result, exercise, expect_array, expect_close


@exercise
def double_a_vector(answer):
    expect_close(answer(np.array([1.0, 2.0])), [2.0, 4.0], "each entry should be doubled")


@exercise
def a_constant(answer):
    expect_close(answer, 3.0, "count again")


def test_a_right_answer_passes():
    assert repr(double_a_vector(lambda x: 2 * x)) == "✓ double a vector: passed"
    assert a_constant(3).status == "passed"


def test_a_planted_mistake_is_caught_with_its_hint():
    assert repr(double_a_vector(lambda x: x)) == "✗ double a vector: each entry should be doubled"
    assert a_constant(3.001).hint == "count again"


def test_a_stub_is_not_attempted_and_fails_nothing():
    def stub(x): ...

    def dots(x):
        return ...

    def unwritten(x):
        raise NotImplementedError

    for answer in (stub, dots, unwritten, ..., None):
        assert double_a_vector(answer) == Result("double a vector", "not attempted yet")


def test_an_answer_that_raises_is_reported_not_raised():
    result = double_a_vector(lambda x: x + "one")
    assert result.status == "wrong"
    assert "your answer raised" in result.hint


def test_a_wrong_shape_or_kind_is_named():
    assert "shape (2,), but has shape (1, 2)" in double_a_vector(lambda x: 2 * x[None]).hint
    assert "made of numbers" in double_a_vector(lambda x: "four").hint
    assert "NaN" in double_a_vector(lambda x: x * np.nan).hint
    with pytest.raises(Hint, match=r"theta should have shape \(2,\)"):
        expect_array(1.0, (2,), "theta")


def test_tolerance_is_relative_above_one():
    expect_close(1e6 + 0.5, 1e6, "too far")
    with pytest.raises(Hint, match="too far"):
        expect_close(1e6 + 2, 1e6, "too far")
