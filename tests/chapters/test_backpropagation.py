"""What the chapter on backpropagation builds, held against PyTorch, theory and its own text."""

import ast
import re
from pathlib import Path
from types import SimpleNamespace

import jupytext
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

CHAPTER = Path(__file__).parents[2] / "book" / "networks" / "backpropagation.md"
NAMES = {"RULES", "counted_array"}
TARGETS = ("Node", "Counted")  # classes that get their methods after they were made


def wanted(node):
    """Imports, functions, classes with their methods, and tables; nothing that computes."""
    if isinstance(node, ast.Assign):
        target = node.targets[0]
        target = target.elts[0] if isinstance(target, ast.Tuple) else target
        if isinstance(target, ast.Attribute):
            return getattr(target.value, "id", None) in TARGETS
        return getattr(target, "id", None) in NAMES
    if isinstance(node, ast.For):
        return "setattr" in ast.unparse(node)
    return isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef)


def definitions():
    space = {}
    for cell in jupytext.read(CHAPTER).cells:
        if cell.cell_type == "code":
            tree = ast.parse(cell.source)
            tree.body = [node for node in tree.body if wanted(node)]
            exec(compile(tree, str(CHAPTER), "exec"), space)
    return SimpleNamespace(**space)


CODE = definitions()
seeds = st.integers(0, 2**32 - 1)


# ---- The engine -------------------------------------------------------------------------------


def random_program(rng, n_steps):
    """Steps (operation, places of its inputs) on arrays of shapes that broadcast together."""
    unary, binary = ["exp", "tanh", "reciprocal"], ["add", "subtract", "multiply"]
    program = []
    for i in range(3, 3 + n_steps):
        operation = str(rng.choice(unary + 2 * binary))
        program.append((operation, rng.integers(0, i, 1 if operation in unary else 2)))
    return program


def run_program(program, inputs, functions):
    values = list(inputs)
    for operation, places in program:
        values.append(functions[operation](*(values[place] for place in places)))
    return values


TORCH = {
    "exp": lambda x: torch.exp(torch.tanh(x)),  # kept in bounds
    "tanh": torch.tanh,
    "reciprocal": lambda x: 1 / (torch.exp(torch.tanh(x)) + 1),
    "add": torch.add,
    "subtract": torch.subtract,
    "multiply": lambda a, b: torch.tanh(a) * torch.tanh(b),
}
OURS = {
    "exp": lambda x: x.tanh().exp(),
    "tanh": lambda x: x.tanh(),
    "reciprocal": lambda x: (x.tanh().exp() + 1).reciprocal(),
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a.tanh() * b.tanh(),
}


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(1, 12))
def test_random_graphs_agree_with_torch(seed, n_steps):
    rng = np.random.default_rng(seed)
    program = random_program(rng, n_steps)
    arrays = [rng.standard_normal(shape) for shape in ((2, 3), (3,), (2, 1))]
    nodes = [CODE.Node(array) for array in arrays]
    CODE.backward(run_program(program, nodes, OURS)[-1].sum())
    leaves = [torch.tensor(array, requires_grad=True) for array in arrays]
    run_program(program, leaves, TORCH)[-1].sum().backward()
    for node, leaf in zip(nodes, leaves, strict=True):
        expected = np.zeros(leaf.shape) if leaf.grad is None else leaf.grad.numpy()
        assert np.allclose(node.grad, expected, rtol=1e-9, atol=1e-9)


@settings(deadline=None)
@given(seeds, st.tuples(*[st.integers(1, 5)] * 4))
def test_the_network_agrees_in_four_ways(seed, sizes):
    n, d, h, m = sizes
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((n, d)), rng.standard_normal((n, m))
    parameters = CODE.draw(rng, d, h, m)
    leaves = [torch.tensor(p, requires_grad=True) for p in parameters]
    W1, b1, W2, b2 = leaves
    R = torch.tanh(torch.tensor(X) @ W1 + b1) @ W2 + b2 - torch.tensor(Y)
    (R * R).sum().backward()
    by_hand = CODE.gradient_by_hand(*parameters, X, Y)
    by_engine = CODE.gradient_by_engine(parameters, X, Y)
    by_duals = CODE.one_by_one(CODE.slope_by_duals, parameters, X, Y)
    expected = np.concatenate([leaf.grad.numpy().ravel() for leaf in leaves])
    for found in (by_hand, by_engine, [by_duals]):
        flat = np.concatenate([np.ravel(g) for g in found])
        assert np.allclose(flat, expected, rtol=1e-10, atol=1e-10)
    for g, p in zip(by_engine, parameters, strict=True):
        assert g.shape == p.shape


@pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 3), (2, 1), (2, 3), (1, 1), (4, 2, 3)])
def test_unbroadcast_undoes_broadcasting(shape):
    part = np.arange(24.0).reshape(4, 2, 3)
    found = CODE.unbroadcast(part, shape)
    leaf = torch.zeros(shape, dtype=float, requires_grad=True)
    (leaf * torch.tensor(part)).sum().backward()
    assert found.shape == shape
    assert np.allclose(found, leaf.grad.numpy())


def test_children_come_before_their_parents():
    rng = np.random.default_rng(0)
    nodes = [CODE.Node(1.0) for _ in range(3)]
    for _ in range(40):
        i, j = rng.integers(0, len(nodes), 2)
        nodes.append(nodes[i] + nodes[j])
    place = {node: k for k, node in enumerate(CODE.children_first(nodes[-1]))}
    assert nodes[-1] in place and len(place) > 5
    for node in place:
        assert all(place[parent] > place[node] for parent in node.parents)
    recursive = CODE.children_first_by_recursion(nodes[-1], set(), [])
    assert set(recursive) == set(place)


def test_the_same_program_gives_the_same_bits():
    def gradient():
        rng = np.random.default_rng(0)
        X, Y = rng.standard_normal((20, 7)), rng.standard_normal((20, 3))
        return CODE.gradient_by_engine(CODE.draw(rng, 7, 11, 3), X, Y)

    assert all(np.array_equal(a, b) for a, b in zip(gradient(), gradient(), strict=True))


def test_a_rule_that_is_slightly_wrong_is_found_by_differences(monkeypatch):
    function, (rule,) = CODE.RULES["tanh"]
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((4, 3)), rng.standard_normal((4, 2))
    theta, delta = CODE.draw(rng, 3, 5, 2), CODE.draw(rng, 3, 5, 2)
    expected = CODE.slope_by_differences(theta, delta, X, Y)

    def slope():
        gradient = CODE.gradient_by_engine(theta, X, Y)
        return sum((g * v).sum() for g, v in zip(gradient, delta, strict=True))

    assert slope() == pytest.approx(expected, rel=1e-7)
    wrong = (lambda g, y, x: 1.001 * rule(g, y, x),)
    monkeypatch.setitem(CODE.RULES, "tanh", (function, wrong))
    assert slope() != pytest.approx(expected, rel=1e-7)


def test_the_engine_has_less_than_a_hundred_lines():
    text = CHAPTER.read_text("utf-8")
    section = text.partition("## An engine in the open")[2]
    cells = re.findall(r"```\{code-cell\} ipython3\n(.*?)```", section, re.DOTALL)
    last = next(i for i, cell in enumerate(cells) if "def backward(" in cell)
    assert sum(len(cell.strip().splitlines()) for cell in cells[: last + 1]) < 100


# ---- Costs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (4, 3, 8, 2), (2, 10, 20, 1)])
def test_every_operation_is_counted_once(sizes):
    n, d, h, m = sizes
    rng = np.random.default_rng(0)
    batch = [rng.standard_normal((n, d)), rng.standard_normal((n, m))]
    layers = n * h * (2 * d - 1) + n * m * (2 * h - 1)  # products
    biases_and_tanh = 2 * n * h + n * m
    loss = n * m + n * m + (n * m - 1)  # minus Y, squared, summed
    count = CODE.operations(CODE.function, CODE.draw(rng, d, h, m), [], batch)
    assert count == layers + biases_and_tanh + loss


@settings(max_examples=20, deadline=None)
@given(st.tuples(*[st.integers(1, 6)] * 4))
def test_a_gradient_costs_less_than_five_times_the_function(sizes):
    n, d, h, m = sizes
    rng = np.random.default_rng(0)
    batch = [rng.standard_normal((n, d)), rng.standard_normal((n, m))]
    parameters = CODE.draw(rng, d, h, m)
    function, reverse = (
        CODE.operations(way, parameters, [], batch) for way in (CODE.function, CODE.reverse_mode)
    )
    assert reverse <= 5 * function


# ---- What the text says -----------------------------------------------------------------------


@settings(deadline=None)
@given(st.tuples(*[st.floats(-5, 5)] * 5))
def test_the_neuron_by_gates(inputs):
    leaves = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in inputs]
    w0, x0, w1, x1, w2 = leaves
    torch.sigmoid(w0 * x0 + w1 * x1 + w2).backward()
    _, adjoints = CODE.neuron_by_gates(*inputs)
    assert np.allclose(adjoints, [leaf.grad.item() for leaf in leaves], rtol=1e-9, atol=1e-14)


@settings(deadline=None)
@given(seeds)
def test_dual_numbers_form_a_ring(seed):
    def pair(dual):
        return np.array([dual.value, dual.tangent])

    rng = np.random.default_rng(seed)
    a, b, c = (CODE.Dual(*rng.integers(-9, 9, 2)) for _ in range(3))
    assert np.array_equal(pair(a * b), pair(b * a))
    assert np.array_equal(pair((a * b) * c), pair(a * (b * c)))
    assert np.array_equal(pair(a * (b + c)), pair(a * b + a * c))
    epsilon = CODE.Dual(0, 1)
    assert np.array_equal(pair(epsilon * epsilon), [0, 0])


def test_the_jacobian_has_a_row_for_each_output():
    A = np.array([[1.0, 2.0, 0.0], [0.0, -1.0, 3.0]])
    found = CODE.jacobian(lambda x: A @ np.sin(x), np.array([0.1, 0.2, 0.3]))
    assert found.shape == (2, 3)
    assert np.allclose(found, A * np.cos([0.1, 0.2, 0.3]), atol=1e-8)
