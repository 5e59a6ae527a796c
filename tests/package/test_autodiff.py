"""The engine itself: graphs, accumulation, immutability, errors, memory; rules stand elsewhere."""

import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlbook import autodiff
from dlbook.autodiff import RULES, SGD, Adam, Tensor, check_gradients, grad, value_and_grad


def leaf(*values):
    return Tensor(np.array(values, dtype=float), requires_grad=True)


def test_needs_no_torch():
    code = "import sys, dlbook.autodiff; print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout == "False\n", answer.stderr


# Graphs


def test_the_gradient_of_the_lecture_s_example():
    x, y, z = (Tensor(v, requires_grad=True) for v in (-2.0, 5.0, -4.0))
    ((x + y) * z).backward()
    assert (x.grad, y.grad, z.grad) == (-4, -4, 3)


@pytest.mark.parametrize("n", [100_000])
def test_a_long_chain_needs_no_recursion(n):
    x = leaf(1.0)
    y = x
    for _ in range(n):
        y = y + 1.0
    y.backward()
    assert y.item() == n + 1
    assert x.grad == 1
    del y  # which frees the chain


def test_each_rule_is_used_once_for_each_edge(monkeypatch):
    """Exactly: so that the time of `backward` is linear in the number of operations."""
    calls = []
    forward, (left, right) = RULES["add"]
    counted = [lambda *a, d=d: calls.append(1) or d(*a) for d in (left, right)]
    monkeypatch.setitem(RULES, "add", (forward, counted))
    y = leaf(1.0)
    n = 60
    for _ in range(n):
        y = y + y  # 2**60 paths
    y.backward()
    assert len(calls) == 2 * n


@given(st.integers(0, 999), st.integers(2, 40))
@settings(max_examples=20, deadline=None, derandomize=True, database=None)
def test_any_graph_agrees_with_finite_differences(seed, n_operations):
    def f(*inputs):
        rng = np.random.default_rng(seed)
        values = list(inputs)
        for _ in range(n_operations):
            a, b = (values[i] for i in rng.integers(len(values), size=2))
            values.append([a + b, a * b.tanh(), (a - b).sigmoid()][rng.integers(3)])
        return values[-1] + values[0]

    check_gradients(f, *np.random.default_rng(seed).normal(size=(3, 2)), atol=1e-6)


def test_parents_and_operation_describe_the_graph():
    x = leaf(1.0, 2.0)
    y = x * 3.0
    assert y.operation == "multiply"
    assert y.parents[0] is x and y.parents[1] is None
    assert x.operation is None and x.parents == ()
    assert (Tensor(1.0) + 1.0).parents == ()  # nothing to be differentiated, nothing kept


def train(seed):
    rng = np.random.default_rng(seed)
    x, labels = rng.normal(size=(20, 3)), rng.integers(4, size=20)
    w = Tensor(rng.normal(size=(3, 4)), requires_grad=True)
    b = Tensor(np.zeros(4), requires_grad=True)
    optimiser = Adam([w, b], 0.1)
    for _ in range(20):
        optimiser.zero_grad()
        h = x @ w + b
        (autodiff.cross_entropy(h * h.sigmoid() + h.tanh(), labels) + (w * w).sum()).backward()
        optimiser.step()
    return w.data.tobytes()


def test_the_same_seed_gives_the_same_bits_in_any_process():
    code = f"import sys; sys.path.insert(0, {str(__file__)!r}.rsplit('/', 1)[0])\n"
    code += "import test_autodiff; print(test_autodiff.train(3).hex())"
    answers = {train(3).hex()}
    for hash_seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": "1"}
        answer = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment
        )
        answers.add(answer.stdout.strip())
    assert len(answers) == 1


# Accumulation


def test_a_second_backward_adds_exactly_once_more():
    x = leaf(0.3, -0.7)
    y = (x.exp() * x + x[[0, 0]]).sum()
    y.backward()
    first = x.grad
    kept = first.copy()
    y.backward()
    np.testing.assert_array_equal(x.grad, 2 * kept)
    np.testing.assert_array_equal(first, kept)  # the array given out before is left alone
    y.backward()
    np.testing.assert_array_equal(x.grad, 3 * kept)
    x.zero_grad()
    assert x.grad is None


def test_gradients_of_two_leaves_are_two_arrays():
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (a + b).reshape(2, 1).sum().backward()
    a.grad *= 5
    np.testing.assert_array_equal(b.grad, [1, 1])


def test_a_repeated_index_counts_as_often_as_it_occurs():
    x = leaf(1.0, 2.0, 3.0)
    (x[np.array([0, 0, 2])] * np.array([1.0, 10.0, 100.0])).sum().backward()
    np.testing.assert_array_equal(x.grad, [11, 0, 100])


def test_slices_of_one_tensor_accumulate():
    x = Tensor(np.arange(12.0).reshape(3, 4), requires_grad=True)
    sum((x[i] * x[i] for i in range(1, 3)), start=x[0, 0] + x.sum()).sum().backward()
    expected = 4 * np.ones((3, 4))
    expected[0, 0] += 4
    expected[1:] += 2 * np.arange(12.0).reshape(3, 4)[1:]
    np.testing.assert_array_equal(x.grad, expected)


def test_axes_may_be_counted_from_the_end():
    x = Tensor(np.arange(4.0).reshape(2, 2), requires_grad=True)
    weights = np.array([[1.0, 2.0], [3.0, 4.0]])
    (x.transpose(-1, 0) * weights).sum().backward()
    np.testing.assert_array_equal(x.grad, weights.T)


def test_a_number_may_be_indexed():
    x = Tensor(2.0, requires_grad=True)
    (x[None] * x[...]).sum().backward()
    assert x.grad == 4


def test_backward_of_a_result_that_is_no_number():
    x = leaf(1.0, 2.0)
    (x * x).backward([1.0, 10.0])
    np.testing.assert_array_equal(x.grad, [2, 40])
    with pytest.raises(ValueError, match=r"gradient has shape \(\): expected \(2,\)"):
        (x * x).backward()
    with pytest.raises(ValueError, match=r"gradient has shape \(3,\): expected \(2,\)"):
        (x * x).backward([1.0, 2.0, 3.0])


def test_detach_stops_the_derivative():
    x = leaf(2.0)
    (x * x.detach()).backward()
    assert x.grad == 2
    assert not x.detach().requires_grad


# Values that are needed later cannot be damaged


def test_a_result_cannot_be_changed():
    x = leaf(1.0, 2.0)
    y = x.exp()
    with pytest.raises(ValueError, match="read-only"):
        y.data[0] = 7
    with pytest.raises(ValueError, match="read-only"):
        x.reshape(2, 1).data[0] = 7
    with pytest.raises(ValueError, match="result of exp"):
        y.data = np.zeros(2)


def damage_by_item(x):
    x.data[0] = 7


def damage_by_update(x):
    x.data -= 1


def damage_by_assignment(x):
    x.data = np.zeros(2)


def damage_by_optimiser(x):
    x.grad = np.ones(2)
    SGD([x], 0.1).step()


@pytest.mark.parametrize(
    "damage", [damage_by_item, damage_by_update, damage_by_assignment, damage_by_optimiser]
)
def test_a_changed_leaf_is_detected(damage):
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    damage(x)
    with pytest.raises(RuntimeError, match=r"multiply: an input of shape \(2,\) was changed"):
        y.backward()
    (x * x).sum().backward()  # a new forward pass is as good as ever


def test_a_changed_constant_tensor_is_detected():
    x, c = leaf(1.0, 2.0), Tensor([3.0, 4.0])
    y = (x * c).sum()
    c.data[0] = 7
    with pytest.raises(RuntimeError, match="multiply"):
        y.backward()


def test_reading_a_leaf_is_no_damage():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    assert x.data[0] == 1
    y.backward()
    np.testing.assert_array_equal(x.grad, [2, 4])


def test_arrays_of_the_caller_are_copied():
    array, constant, index, labels = np.ones(2), np.ones(2), np.array([0, 1]), np.array([1])
    x = Tensor(array, requires_grad=True)
    view = x.data[:]
    y = (x * constant)[index].sum() + autodiff.cross_entropy(x.reshape(1, 2), labels)
    for held in (array, constant, index, labels, view):
        held[...] = 0
    y.backward()
    np.testing.assert_array_equal(x.grad, [1.5, 0.5])


def test_an_array_that_an_operation_has_used_is_closed_to_its_holder():
    x = leaf(1.0, 2.0)
    held = x.data
    held[0] = 5  # still free
    y = (x * x).sum()
    with pytest.raises(ValueError, match="read-only"):
        held[0] = 7
    y.backward()
    np.testing.assert_array_equal(x.grad, [10, 4])


def test_an_optimiser_keeps_no_array_of_the_caller():
    """What is done to a gradient after a step does not reach the next one."""
    x = leaf(0.0)
    optimiser = SGD([x], 1.0, momentum=0.5)
    x.grad = np.ones(1)
    optimiser.step()
    x.grad *= 3
    optimiser.step()
    assert x.item() == -1 - (0.5 + 3)
    x.grad *= 3
    assert x.item() == -1 - (0.5 + 3)


def test_descent_by_hand():
    x = leaf(1.0, 2.0)
    for _ in range(100):
        x.zero_grad()
        (x * x).sum().backward()
        x.data -= 0.1 * x.grad
    np.testing.assert_allclose(x.data, 0, atol=1e-8)


# Types and errors


def test_numbers_leave_float32_as_it_is():
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    for result in (x * 2.0, 2 / x, x ** np.float64(2), np.sqrt(2.0) * x, x - np.int64(1)):
        assert result.dtype == np.float32
    y = x * np.ones(2)  # an array of float64 is no number
    assert y.dtype == np.float64
    y.sum().backward()
    assert x.grad.dtype == np.float32


def test_numpy_arrays_may_stand_on_the_left():
    x = Tensor(np.eye(2), requires_grad=True)
    a = np.array([[1.0, 2.0], [3.0, 4.0]])
    for result, expected in (
        (a + x, a + np.eye(2)),
        (a - x, a - np.eye(2)),
        (a @ x, a),
        (a * x, a * np.eye(2)),
        (a / (x + 1), a / (np.eye(2) + 1)),
        (a**x, a ** np.eye(2)),
    ):
        np.testing.assert_array_equal(result.data, expected)
        assert result.requires_grad


@pytest.mark.parametrize(
    ("compute", "kind", "message"),
    [
        (lambda: leaf(1.0, 2.0) + leaf(1.0, 2.0, 3.0), ValueError, r"add.*\(2,\) and \(3,\)"),
        (lambda: np.ones((2, 3)) @ leaf(1.0, 2.0), ValueError, r"matmul.*\(2, 3\) and \(2,\)"),
        (
            lambda: autodiff.linear(np.ones((2, 3)), np.ones((3, 4)), np.ones(3)),
            ValueError,
            r"linear.*\(2, 3\) and \(3, 4\) and \(3,\)",
        ),
        (lambda: leaf(1.0, 2.0).reshape(3), ValueError, r"reshape.*\(2,\)"),
        (lambda: leaf(1.0, 2.0)[2], IndexError, r"index.*\(2,\)"),
        (lambda: leaf(1.0, 2.0).sum(axis=1), ValueError, r"sum.*\(2,\)"),
        (
            lambda: autodiff.concatenate([np.ones((2, 3)), leaf(1.0)]),
            ValueError,
            r"concatenate.*\(2, 3\) and \(1,\)",
        ),
        (
            lambda: autodiff.conv2d(np.ones((1, 2, 3, 3)), np.ones((1, 3, 2, 2))),
            ValueError,
            r"conv2d.*\(1, 2, 3, 3\) and \(1, 3, 2, 2\)",
        ),
        (
            lambda: autodiff.conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 4, 4))),
            ValueError,
            "do not fit",
        ),
        (lambda: autodiff.max_pool2d(np.ones((1, 1, 3, 3)), 4), ValueError, "do not fit"),
        (lambda: autodiff.max_pool2d(np.ones((3, 3)), 2), ValueError, "four axes"),
        (lambda: autodiff.cross_entropy(np.ones((2, 3)), [0, 3]), ValueError, "from 0 to 2"),
        (lambda: autodiff.cross_entropy(np.ones((2, 3)), [0, -1]), ValueError, "from 0 to 2"),
        (lambda: autodiff.cross_entropy(np.ones((2, 3)), [0]), ValueError, r"shape \(2,\)"),
        (lambda: autodiff.cross_entropy(np.ones((1, 3)), [0.5]), ValueError, "integers"),
        (lambda: Tensor([1, 2], requires_grad=True), TypeError, "int64: expected floats"),
        (lambda: Tensor(["a"]), TypeError, "expected real numbers"),
        (lambda: Tensor(1.0).backward(), RuntimeError, "requires a gradient"),
        (lambda: setattr(leaf(1.0), "data", np.ones(2)), ValueError, r"\(2,\): expected \(1,\)"),
        (lambda: SGD([], 0.1), ValueError, "parameters is empty"),
        (lambda: SGD([leaf(1.0), Tensor(1.0)], 0.1), TypeError, r"parameters\[1\]"),
        (lambda: Adam([leaf(1.0) * 2]), TypeError, r"parameters\[0\]"),
        (lambda: grad(lambda x: x * x)([1.0, 2.0]), TypeError, "single element"),
    ],
)
def test_errors_name_the_operation_and_the_shapes(compute, kind, message):
    with pytest.raises(kind, match=message):
        compute()


def test_extreme_values_do_not_overflow():
    with np.errstate(all="raise", under="ignore"):
        x = leaf(-1000.0, 0.0, 1000.0)
        np.testing.assert_array_equal(x.sigmoid().data, [0, 0.5, 1])
        np.testing.assert_array_equal(autodiff.log_softmax(x).data, [-2000, -1000, 0])
        autodiff.cross_entropy(x, 0).backward()
        np.testing.assert_array_equal(x.grad, [-1, 0, 1])


# Gradients of functions


def test_grad_and_value_and_grad():
    def f(x, n, y):
        return (x**n * y).sum()

    x, y = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    np.testing.assert_array_equal(grad(f)(x, 2, y), 2 * x * y)
    value, (of_x, of_y) = value_and_grad(f, (0, 2))(x, 2, y)
    assert value == 19
    np.testing.assert_array_equal(of_x, 2 * x * y)
    np.testing.assert_array_equal(of_y, x**2)
    np.testing.assert_array_equal(grad(lambda x: Tensor(3.0))(x), [0, 0])
    assert grad(lambda x: x * x)(3.0) == 6


def test_checker_names_the_element(monkeypatch):
    forward, _ = RULES["exp"]

    def wrong(g, y, x):
        return g * y * np.where(np.arange(3) == 1, 1.001, 1)

    monkeypatch.setitem(RULES, "exp", (forward, (wrong,)))
    with pytest.raises(AssertionError, match=r"input 1, element \(1,\): derivative 2\.721"):
        check_gradients(lambda a, b: (a + b.exp()).sum(), np.zeros(3), np.ones(3))


def test_checker_leaves_its_inputs_alone():
    point = np.array([1.0, 2.0], np.float32)
    assert check_gradients(lambda x: x.exp(), point) < 1e-6
    np.testing.assert_array_equal(point, [1, 2])


# Memory


def test_slices_do_not_each_cost_a_whole_tensor():
    """Rows of one matrix, one after another: additions touch only the rows."""
    n = 2000
    x = Tensor(np.ones((n, 100)), requires_grad=True)
    y = sum((x[i] for i in range(n)), start=Tensor(np.zeros(100)))
    tracemalloc.start()
    y.sum().backward()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(x.grad, 1)
    assert peak < 3 * x.data.nbytes


def test_backward_frees_what_it_has_passed_on():
    """Of a deep network only a few layers' derivatives live at the same time."""
    n_layers, size = 50, 100_000
    x = Tensor(np.ones(size), requires_grad=True)
    y = x
    for _ in range(n_layers):
        y = y.tanh()
    tracemalloc.start()
    y.backward(np.ones(size))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * x.data.nbytes


def test_without_gradients_nothing_is_kept():
    y = Tensor(np.ones(100_000))
    tracemalloc.start()
    for _ in range(20):
        y = y.tanh()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 2 * y.data.nbytes


def test_training_needs_at_most_half_as_much_again_as_by_hand():
    from bench_autodiff import memory

    assert memory()[-1]["dlbook / NumPy by hand"] <= 1.5
