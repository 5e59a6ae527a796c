"""Every check passes right answers, however written, and names what is wrong with others."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from dlbook.exercises import multilayer_perceptron as check

COUNTS = [2410, 81_984_302, 105]

# ---- Right answers ----------------------------------------------------------------------------


def shared(w, x):
    u = np.tanh(w * x)
    return (1 - np.tanh(w * u) ** 2) * (u + w * (1 - u**2) * x)


def shared_by_torch(w, x):
    weight = torch.tensor(w, dtype=torch.float64, requires_grad=True)
    torch.tanh(weight * torch.tanh(weight * x)).backward()
    return weight.grad.item()


def layers_of(X, layers):
    kept = [X]
    for W, b in layers:
        kept.append(np.tanh(kept[-1] @ W + b))
    W, b = layers[-1]
    kept[-1] = kept[-2] @ W + b
    return kept


def layers_by_recursion(X, layers):
    (W, b), *rest = layers
    Z = X @ W + b
    return (X, *layers_by_recursion(np.tanh(Z), rest)) if rest else (X, Z)


def in_order(parameters, order):
    W1, b1, W2, b2 = parameters
    return W1[:, order], b1[order], W2[order], b2


def by_matrix(parameters, order):
    W1, b1, W2, b2 = parameters
    matrix = np.eye(len(order))[:, order]
    return [W1 @ matrix, b1 @ matrix, matrix.T @ W2, b2]


def deeper(X, Y, parameters):
    """By automatic differentiation, which the check knows nothing of."""
    inputs, targets = torch.from_numpy(X), torch.from_numpy(Y)
    leaves = [torch.from_numpy(p).requires_grad_() for p in parameters]
    W1, b1, W2, b2, W3, b3 = leaves
    scores = torch.tanh(torch.tanh(inputs @ W1 + b1) @ W2 + b2) @ W3 + b3
    torch.nn.functional.cross_entropy(scores, targets).backward()
    return [leaf.grad.numpy() for leaf in leaves]


XOR = [[1, 1], [1, 1]], [0, -1], [[1], [-2]], [0]
XOR_BY_DIFFERENCE = [[1, -1], [-1, 1]], [0, 0], [[1], [1]], [0]


@pytest.mark.parametrize(
    ("exercise", "answers"),
    [
        (check.parameter_counts, [COUNTS]),
        (check.parameter_counts, [np.array(COUNTS)]),
        (check.shared_weight, [shared]),
        (check.shared_weight, [shared_by_torch]),
        (check.xor_by_hand, XOR),
        (check.xor_by_hand, XOR_BY_DIFFERENCE),
        (check.forward_pass, [layers_of]),
        (check.forward_pass, [layers_by_recursion]),
        (check.permutation, [in_order]),
        (check.permutation, [by_matrix]),
        (check.two_hidden_layers, [deeper]),
    ],
)
def test_right_answers_pass(exercise, answers):
    assert exercise(*answers).status == "passed", exercise(*answers)


# ---- Planted mistakes -------------------------------------------------------------------------


def u_of(w, x):
    return np.tanh(w * x)


def slope_of(w, x):
    return 1 - np.tanh(w * u_of(w, x)) ** 2


def without_slope(X, Y, parameters, top=True):
    """Each gradient right from above, but the slope of tanh left out."""
    W1, b1, W2, b2, W3, b3 = parameters
    H1 = np.tanh(X @ W1 + b1)
    H2 = np.tanh(H1 @ W2 + b2)
    scores = H2 @ W3 + b3
    Y_hat = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    d3 = (Y_hat - Y) / len(X)
    d2 = d3 @ W3.T
    d1 = d2 @ W2.T
    parts = ((X, d1), (H1, d2), (H2, d3))
    return [g for H, d in parts for g in (H.T @ d, d.sum(axis=0))]


@pytest.mark.parametrize(
    ("exercise", "answers", "hint"),
    [
        (check.parameter_counts, [[2368, *COUNTS[1:]]], r"\(a\).*bias"),
        (check.parameter_counts, [[42, *COUNTS[1:]]], "units"),
        (check.parameter_counts, [[*COUNTS[:2], 107]], r"\(c\): inputs have no bias"),
        (check.parameter_counts, [[1, 2, 3]], "each pair"),
        (check.parameter_counts, [COUNTS[:2]], r"shape \(3,\)"),
        (check.shared_weight, [lambda w, x: slope_of(w, x) * u_of(w, x)], "outer use alone"),
        (
            check.shared_weight,
            [lambda w, x: slope_of(w, x) * w * (1 - u_of(w, x) ** 2) * x],
            "inner use alone",
        ),
        (
            check.shared_weight,
            [lambda w, x: slope_of(w, x) ** 2 * u_of(w, x) * w * (1 - u_of(w, x) ** 2) * x],
            "multiplied",
        ),
        (
            check.shared_weight,
            [lambda w, x: u_of(w, x) + w * (1 - u_of(w, x) ** 2) * x],
            "outer tanh",
        ),
        (check.shared_weight, [lambda w, x: slope_of(w, x) * (u_of(w, x) + w * x)], "inner tanh"),
        (check.shared_weight, [lambda w, x: -shared(w, x)], "central differences"),
        (check.xor_by_hand, [[[1, 1], [1, 1]], [0, -1], [[1], [-1]], [0]], r"at \(1, 1\)"),
        (check.xor_by_hand, [[[1, 1], [1, 1]], [0, 1], [[1], [-2]], [0]], "never bends|no unit"),
        (check.xor_by_hand, [[[1, 1], [1, 1]], [0, -1], [1, -2], [0]], "W2 should have shape"),
        (check.forward_pass, [lambda X, layers: layers_of(X, layers)[-1]], "list"),
        (check.forward_pass, [lambda X, layers: layers_of(X, layers)[1:]], "hold 2 arrays"),
        (
            check.forward_pass,
            [lambda X, layers: [*layers_of(X, layers)[:-1], np.tanh(layers_of(X, layers)[-1])]],
            "the last layer has none",
        ),
        (
            check.forward_pass,
            [lambda X, layers: layers_of(X, [(W, 0 * b) for W, b in layers])],
            "bias added",
        ),
        (check.permutation, [lambda parameters, order: parameters], "nothing has moved"),
        (
            check.permutation,
            [lambda p, order: (p[0][:, order], p[1], p[2][order], p[3])],
            "function has changed",
        ),
        (check.permutation, [lambda p, order: in_order(p, np.argsort(order))], "inverse"),
        (check.permutation, [lambda p, order: in_order(p, np.roll(order, 1))], "not the one asked"),
        (check.permutation, [lambda p, order: p[:2]], "four arrays"),
        (
            check.two_hidden_layers,
            [lambda X, Y, p: [7 * g for g in deeper(X, Y, p)]],
            "sum over the examples",
        ),
        (check.two_hidden_layers, [lambda X, Y, p: [-g for g in deeper(X, Y, p)]], "sign"),
        (check.two_hidden_layers, [without_slope], r"gradient of b2: .*slope of tanh"),
        (check.two_hidden_layers, [lambda X, Y, p: deeper(X, Y, p)[:4]], "six gradients"),
        (
            check.two_hidden_layers,
            [lambda X, Y, p: [g.T for g in deeper(X, Y, p)]],
            "gradient of W3 should have shape",
        ),
        (check.two_hidden_layers, [lambda X, Y, p: 1 / 0], "ZeroDivisionError"),
    ],
)
def test_mistakes_are_named(exercise, answers, hint):
    result = exercise(*answers)
    assert result.status == "wrong", result
    assert re.search(hint, result.hint), result


@pytest.mark.parametrize("name", check.__all__)
def test_stubs_count_as_not_attempted(name):
    stubs = {"parameter_counts": [...], "xor_by_hand": [...] * 4}
    answers = stubs.get(name, [lambda *arguments: None])
    assert getattr(check, name)(*answers).status == "not attempted yet"


def test_hints_do_not_give_the_answer():
    """No hint holds the numbers or the formula that the exercise asks for."""
    source = Path(check.__file__).read_text("utf-8")
    hints = re.findall(r"Hint\((?:[^()]|\([^()]*\))*\)", source)
    assert len(hints) > 15
    assert not any(str(count) in hint for hint in hints for count in COUNTS)


def test_every_check_is_used_in_the_chapter():
    root = Path(__file__).parents[2]
    chapter = (root / "book/networks/multilayer-perceptron.md").read_text("utf-8")
    for name in check.__all__:
        assert chapter.count(f"check.{name}(") >= 2
