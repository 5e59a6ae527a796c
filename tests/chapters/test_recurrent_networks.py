"""What the chapter on recurrent networks builds, held against PyTorch, theory and its own text."""

import ast
from pathlib import Path
from types import SimpleNamespace

import jupytext
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

CHAPTER = Path(__file__).parents[2] / "book" / "sequences" / "recurrent-networks.md"
CONSTANTS = {"bends", "corner"}
LEFT_OUT = "dlbook.widgets.error_surface"  # which the definitions do not need


def wanted(node):
    """Imports, functions, classes, and a few tables; nothing that computes."""
    if isinstance(node, ast.Assign):
        names = {leaf.id for leaf in ast.walk(node.targets[0]) if isinstance(leaf, ast.Name)}
        return bool(names & CONSTANTS)
    if isinstance(node, ast.ImportFrom) and node.module == LEFT_OUT:
        return False
    return isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef)


def definitions():
    space = {}
    for cell in jupytext.read(CHAPTER).cells:
        if cell.cell_type == "code":
            tree = ast.parse(cell.source)
            tree.body = [node for node in tree.body if wanted(node)]
            exec(compile(tree, str(CHAPTER), "exec"), space)
    return SimpleNamespace(**space, space=space)


CODE = definitions()
SEEDS = st.integers(0, 2**32 - 1)


# ---- The network and its gradient -------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(SEEDS, st.tuples(*[st.integers(1, 5)] * 4))
def test_the_loop_is_pytorchs(seed, sizes):
    T, n, m, d = sizes
    torch.manual_seed(seed)
    rnn = torch.nn.RNN(m, d).double()
    W, U = (p.detach().numpy().T for p in (rnn.weight_hh_l0, rnn.weight_ih_l0))
    b = (rnn.bias_hh_l0 + rnn.bias_ih_l0).detach().numpy()
    x, h = torch.randn(T, n, m).double(), torch.randn(1, n, d).double()
    assert np.allclose(CODE.unroll(x.numpy(), h[0].numpy(), W, U, b), rnn(x, h)[0].detach())


@settings(deadline=None, max_examples=30)
@given(SEEDS, st.integers(1, 12), st.integers(1, 5), st.integers(1, 4))
def test_bptt_is_the_double_sum_and_pytorchs_gradient(seed, T, d, m):
    rng = np.random.default_rng(seed)
    theta, x, y, _ = CODE.random_problem(rng, T, d, m)
    problem = theta, x, y, rng.standard_normal(d)
    expected = CODE.by_engine(torch.tensor, *problem)
    parts = CODE.double_sum(*problem)
    assert parts.shape == (T, *theta.shape)
    assert np.allclose(CODE.bptt(*problem), expected, atol=1e-10)
    assert np.allclose(parts.sum(axis=0), expected, atol=1e-10)
    assert np.allclose(CODE.by_engine(CODE.autodiff.Tensor, *problem), expected, atol=1e-10)


def test_the_formula_holds_with_jacobians_written_out():
    """The double sum with matrices, not with the products of vectors that the chapter uses."""
    rng = np.random.default_rng(0)
    T, d, m = 5, 3, 2
    theta, x, y, h0 = CODE.random_problem(rng, T, d, m)
    h, z = CODE.forward(theta, x, h0)
    total = np.zeros(theta.size)
    for t in range(1, T + 1):
        for k in range(1, t + 1):
            product = np.eye(d)
            for j in range(k + 1, t + 1):
                product = np.diag(1 - h[j] ** 2) @ theta[:d].T @ product
            immediate = np.einsum("i,p,iq->ipq", 1 - h[k] ** 2, z[k - 1], np.eye(d))
            total += (h[t] - y[t - 1]) @ product @ immediate.reshape(d, -1)
    assert np.allclose(total.reshape(theta.shape), CODE.bptt(theta, x, y, h0))


@pytest.mark.parametrize("size", [1, 2, 3, 6, 12])
def test_chunks_keep_the_lags_within_them(size):
    theta, x, y, h0 = CODE.random_problem(np.random.default_rng(1), 12, 4, 3)
    h, _ = CODE.forward(theta, x, h0)
    expected = sum(
        CODE.bptt(theta, x[i : i + size], y[i : i + size], h[i]) for i in range(0, 12, size)
    )
    assert np.allclose(CODE.chunked_gradient(theta, x, y, h0, size), expected)


# ---- Products of Jacobians --------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(SEEDS, st.floats(0.2, 6), st.sampled_from(["linear", "tanh", "sigmoid"]))
def test_the_bound_holds(seed, radius, bend):
    W = CODE.gaussian(6, radius, seed)
    assert np.abs(np.linalg.eigvals(W)).max() == pytest.approx(radius)
    norms = CODE.jacobian_norms(W, bend, n_lags=15)
    largest_slope = {"linear": 1, "tanh": 1, "sigmoid": 1 / 4}[bend]
    bound = (largest_slope * np.linalg.norm(W, 2)) ** np.arange(1, 16)
    assert np.all(norms <= bound * (1 + 1e-9))


def test_measured_jacobians_are_pytorchs():
    W, lags = CODE.gaussian(5, 1.2), 7
    norms = CODE.jacobian_norms(W, "tanh", n_lags=lags)
    rng, h = np.random.default_rng(1), np.zeros(5)
    draws = [0.1 * rng.standard_normal(5) for _ in range(2 * lags)]
    for noise in draws[:lags]:
        h = np.tanh(W.T @ h + noise)
    for lag in range(1, lags + 1):

        def run(h, lag=lag):
            for noise in draws[lags : lags + lag]:
                h = torch.tanh(torch.tensor(W.T) @ h + torch.tensor(noise))
            return h

        jacobian = torch.autograd.functional.jacobian(run, torch.tensor(h))
        assert norms[lag - 1] == pytest.approx(np.linalg.norm(jacobian, 2))


def test_orthogonal_weights_keep_the_norm_of_a_linear_network():
    Q = np.linalg.qr(CODE.gaussian(8, 1.0))[0]
    assert np.allclose(CODE.jacobian_norms(Q, "linear"), 1)
    assert np.all(CODE.jacobian_norms(Q, "tanh") <= 1 + 1e-9)


@given(st.floats(-60, 60))
def test_the_sigmoid_and_its_slopes(z):
    value = CODE.sigmoid(np.array(z))
    assert value == pytest.approx(1 / (1 + np.exp(-z)), abs=1e-15)
    for phi, slope in CODE.bends.values():
        a = np.array([z / 20])
        difference = (phi(a + 1e-6) - phi(a - 1e-6)) / 2e-6
        assert slope(phi(a)) == pytest.approx(difference, abs=1e-6)


# ---- One unit ---------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.floats(-3.9, 3.9), st.floats(-4, 4), st.integers(1, 60))
def test_below_four_the_slope_is_bounded_and_the_start_forgotten(w, b, n_steps):
    _, h_w, h_b = CODE.one_unit(np.array(w), np.array(b), n_steps)
    assert abs(h_b) <= 1 / (1 - abs(w) / 4) + 1e-9
    assert abs(h_w) <= 1 / (1 - abs(w) / 4) + 1e-9


@settings(deadline=None)
@given(st.floats(1, 6), st.integers(1, 20))
def test_on_the_wall_the_slope_is_a_geometric_sum(w, n_steps):
    h, h_w, h_b = CODE.one_unit(np.array(w), np.array(CODE.wall(w)), n_steps)
    s = 1 / (1 + np.exp(-0.5))
    r = w * s * (1 - s)
    assert h == pytest.approx(0.5, abs=1e-6)
    assert h_b == pytest.approx(sum(r**j for j in range(n_steps)), rel=1e-4)
    assert h_w / h_b == pytest.approx(s)


def test_gradients_of_the_unit_are_pytorchs():
    rng = np.random.default_rng(0)
    w, b = rng.uniform(-2, 6, 50), rng.uniform(-5, 1, 50)
    leaves = [torch.tensor(v, requires_grad=True) for v in (w, b)]
    h = torch.full((50,), 0.5, dtype=torch.float64)
    for _ in range(50):
        h = leaves[0] * torch.sigmoid(h) + leaves[1]
    error = (h - 0.7) ** 2
    error.sum().backward()
    found, gradient = CODE.error_and_gradient(w, b)
    assert np.allclose(found, error.detach())
    assert np.allclose(gradient, torch.stack([v.grad for v in leaves]), rtol=1e-6)


@pytest.mark.parametrize("w", [4.4, 5.0, 6.5])
def test_the_start_falls_on_either_side_of_the_wall(w):
    offsets = np.array([-1e-2, 1e-2])
    ends, *_ = CODE.one_unit(np.full(2, w), CODE.wall(w) + offsets, n_steps=2000)
    beta = ends - w * CODE.sigmoid(ends)
    assert np.allclose(beta, CODE.wall(w) + offsets)  # both are fixed points
    assert ends[0] < 0.5 < ends[1]


# ---- Clipping ---------------------------------------------------------------------------------


@given(SEEDS, st.floats(0.1, 10))
def test_clipping_keeps_the_direction(seed, threshold):
    g = np.random.default_rng(seed).standard_normal((2, 7)) * 5
    found = CODE.clipped(g, threshold)
    norms, before = np.linalg.norm(found, axis=0), np.linalg.norm(g, axis=0)
    assert np.allclose(norms, np.minimum(before, threshold))
    assert np.allclose(found * before, g * norms)
    assert np.array_equal(CODE.clipped(np.zeros((2, 1))), np.zeros((2, 1)))


def test_a_clipped_descent_takes_short_steps():
    path, errors = CODE.descend(np.array(6.0), np.array(-3.2), CODE.clipped, n_steps=50)
    assert path.shape == (51, 2) and errors.shape == (51,)
    assert np.linalg.norm(np.diff(path, axis=0), axis=1).max() <= 0.01 + 1e-12
    assert errors[-1] == pytest.approx(CODE.error_and_gradient(*path[-1])[0])


# ---- Data and loops ---------------------------------------------------------------------------


def test_the_sign_is_in_the_first_step_only():
    x, labels = CODE.first_sign(50, 9, torch.Generator().manual_seed(0))
    assert x.shape == (9, 50, 2) and set(labels.tolist()) == {0, 1}
    assert torch.equal(x[0, :, 1], 2.0 * labels - 1) and not x[1:, :, 1].any()


def test_waves_are_noise_around_a_sine():
    x, clean = CODE.waves(300, 40, torch.Generator().manual_seed(0))
    assert x.shape == clean.shape == (40, 300, 1)
    assert (x - clean).std() == pytest.approx(0.1, rel=0.05) and clean.abs().max() <= 1
    middle, ends = clean[1:-1], clean[2:] + clean[:-2]  # a sine obeys a linear recurrence
    turn = (ends * middle).sum(0) / (middle**2).sum(0) / 2
    assert torch.all((turn > np.cos(0.4) - 1e-3) & (turn < np.cos(0.2) + 1e-3))


def test_free_running_reads_its_own_values():
    torch.manual_seed(0)
    model = CODE.NextValue(d=6)
    x = torch.randn(5, 3, 1)
    with torch.no_grad():
        values = CODE.run_free(model, x, 8)
        whole = torch.cat([x, values])
        forced, _ = model(whole[:-1])
    assert values.shape == (8, 3, 1)
    assert torch.allclose(forced[4:], values, atol=1e-6)  # a teacher who repeats it


def test_only_words_up_to_the_first_end_count():
    end = CODE.fragment.END
    CODE.space |= {"T": 6, "number": {end: 0, "a": 1, "b": 2}, "vocabulary": [end, "a", "b"]}
    words, counts = CODE.table([["a", "b"], ["b"]])
    assert words.T.tolist() == [[0, 1, 2, 0, 0, 0, 0], [0, 2, 0, 0, 0, 0, 0]]
    assert counts.sum(dim=0).tolist() == [3, 2]  # the end counts
    torch.manual_seed(0)
    model = CODE.NextWord(3, d=4)
    nats = CODE.nats_per_sentence(model, words, counts)
    scores = model(words[:-1])[0].log_softmax(dim=-1)
    told = [(0, 0, 1), (1, 0, 2), (2, 0, 0), (0, 1, 2), (1, 1, 0)]
    assert nats.item() == pytest.approx(-sum(scores[place].item() for place in told) / 2)
    spoken = CODE.speak(model, 20, torch.Generator().manual_seed(0))
    assert all(len(s) <= 6 and end not in s for s in spoken)


@pytest.mark.parametrize(
    ("sentence", "n"), [("the girls sing .", np.inf), ("the girls takes", 2), ("the", 1)]
)
def test_mistakes_are_counted_from_the_first_word(sentence, n):
    CODE.space["T"] = 16
    assert CODE.flawless_words(sentence.split()) == n
