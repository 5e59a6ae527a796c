"""What the chapter on gates builds, held against PyTorch and against what must be true of it."""

import ast
from pathlib import Path
from types import SimpleNamespace

import jupytext
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dlbook import fragment

BOOK = Path(__file__).parents[2] / "book"
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
CONSTANTS = {"contestants", "zero", "one", "none"}


def definitions(chapter):
    """Imports, functions, classes and a few constants; nothing that computes."""
    space = {}
    for cell in jupytext.read(BOOK / chapter).cells:
        if cell.cell_type == "code":
            tree = ast.parse(cell.source)
            tree.body = [node for node in tree.body if wanted(node)]
            exec(compile(tree, chapter, "exec"), space)
    return SimpleNamespace(**space)


def wanted(node):
    if isinstance(node, ast.Assign):
        target = node.targets[0]
        names = {n.id for n in ast.walk(target) if isinstance(n, ast.Name)}
        return bool(names) and names <= CONSTANTS
    return isinstance(node, DEFINITIONS)


CODE = definitions("sequences/lstm-and-gru.md")
SEEDS = st.integers(0, 2**31 - 1)


def random(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


# ---- Cells ------------------------------------------------------------------------------------


@given(SEEDS, st.integers(1, 4), st.integers(1, 5), st.integers(1, 3))
def test_a_step_of_the_lstm_is_pytorchs(seed, p, d, batch):
    cell = nn.LSTMCell(p, d).double()
    for k, parameter in enumerate(cell.parameters()):
        parameter.data = random(*parameter.shape, seed=[seed, k])
    x, h, c = random(batch, p, seed=seed), random(batch, d, seed=seed), random(batch, d)
    bias = cell.bias_ih + cell.bias_hh
    found = CODE.lstm_step(x, h, c, cell.weight_hh.T, cell.weight_ih.T, bias)
    for ours, theirs in zip(found, cell(x, (h, c)), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-12)


@given(SEEDS)
def test_peepholes_are_those_of_the_equations(seed):
    m, d = 2, 3
    x, h, c = random(1, m, seed=seed), random(1, d, seed=seed), random(1, d, seed=seed + 1)
    W, U, b, w = random(d, 4 * d), random(m, 4 * d), random(4 * d), random(3, d, seed=seed)
    z = {name: h @ W[:, k] + x @ U[:, k] + b[k] for name, k in zip("ifgo", blocks(d), strict=True)}
    i, f = torch.sigmoid(z["i"] + w[0] * c), torch.sigmoid(z["f"] + w[1] * c)
    new = f * c + i * torch.tanh(z["g"])
    o = torch.sigmoid(z["o"] + w[2] * new)  # the new state, not the old one
    found = CODE.lstm_step(x, h, c, W, U, b, tuple(w))
    assert torch.allclose(found[1], new) and torch.allclose(found[0], o * torch.tanh(new))


def blocks(d):
    return [slice(k * d, (k + 1) * d) for k in range(4)]


@pytest.mark.parametrize("peephole", [50.0, 0.0])
def test_the_clock_needs_its_peephole(peephole):
    assert CODE.clock(15, peephole) == ([*range(11, 16)] if peephole else [])


@given(SEEDS, st.integers(1, 4), st.integers(1, 5))
def test_a_step_of_the_gru_is_pytorchs(seed, p, d):
    cell = nn.GRUCell(p, d).double()
    for k, parameter in enumerate(cell.parameters()):
        parameter.data = random(*parameter.shape, seed=[seed, k])
    x, h = random(2, p, seed=seed), random(2, d, seed=seed)
    weights = cell.weight_hh.T, cell.weight_ih.T, cell.bias_ih, cell.bias_hh
    assert torch.allclose(CODE.gru_step(x, h, *weights), cell(x, h), atol=1e-12)


def test_where_the_gru_resets_matters_unless_its_matrix_is_diagonal():
    m, d = 3, 4
    x, h, U, b_x, b_h = random(2, m), random(2, d), random(m, 3 * d), random(3 * d), random(3 * d)
    b_h[2 * d :] = 0
    W = random(d, 3 * d)
    steps = [CODE.gru_step(x, h, W, U, b_x, b_h, reset) for reset in ("after", "before")]
    assert not torch.allclose(*steps, atol=0.01)
    W[:, 2 * d :] = torch.diag(random(d))
    steps = [CODE.gru_step(x, h, W, U, b_x, b_h, reset) for reset in ("after", "before")]
    assert torch.allclose(*steps)


# ---- Gradients over lags ----------------------------------------------------------------------


def test_a_forget_bias_is_set_and_nothing_else():
    for layer in (nn.LSTM(3, 4), nn.LSTMCell(3, 4)):
        before = {name: value.clone() for name, value in layer.state_dict().items()}
        CODE.with_forget_bias(layer, 2.5)
        after = layer.state_dict()
        total = sum(value[4:8] for name, value in after.items() if name.startswith("bias"))
        assert torch.allclose(total, torch.full((4,), 2.5))
        for name, value in after.items():
            rest = torch.ones(16, dtype=torch.bool)
            rest[4:8] = name.startswith("weight")
            assert torch.equal(value[rest], before[name][rest])


def test_the_direct_path_is_the_product_of_the_forget_gates():
    torch.manual_seed(0)
    cell = nn.LSTMCell(8, 5)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
    CODE.with_forget_bias(cell, 1.0)
    expected = torch.sigmoid(torch.tensor(1.0, dtype=torch.float64)) ** torch.arange(11)
    for direct in (True, False):  # with all weights 0 there are no detours
        found = CODE.gradient_lengths(cell, direct, steps=10, batch=3)
        assert torch.allclose(found, expected)


def test_a_plain_network_is_measured_by_its_jacobian():
    torch.manual_seed(0)
    cell = nn.RNNCell(8, 5).double()
    with torch.no_grad():
        cell.weight_ih.zero_(), cell.bias_ih.zero_(), cell.bias_hh.zero_()
        cell.weight_hh.copy_(0.5 * torch.eye(5))
    found = CODE.gradient_lengths(cell, steps=4, batch=3)  # h = 0 throughout
    assert torch.allclose(found, 0.5 ** torch.arange(5, dtype=torch.float64))


# ---- Tests of memory --------------------------------------------------------------------------


@settings(max_examples=20)
@given(st.integers(0, 2**31), st.integers(2, 12), st.integers(1, 5))
def test_tasks_are_what_the_text_says(seed, T, n):
    rng = torch.Generator().manual_seed(seed)
    X, y = CODE.adding(T, n, rng)
    assert X.shape == (T, n, 2) and y.shape == (1, n)
    values, marks = X.unbind(-1)
    assert torch.all(marks.sum(0) == 2) and torch.all(marks[0] == 1)
    assert torch.allclose((values * marks).sum(0), y[0])

    X, y = CODE.copying(T, n, rng)
    assert X.shape == (T + 4, n, 6) and y.shape == (2, n)
    symbols = X.argmax(-1)
    assert torch.equal(symbols[:2], y) and torch.all(symbols[2 : T + 2] == 4)
    assert torch.all(symbols[T + 2 :] == 5)

    X, y = CODE.parity(T, n, rng)
    assert X.shape == (T, n, 1) and y.shape == (T, n)
    odd = 0
    for bit, parity in zip(X[:, 0, 0], y[:, 0], strict=True):
        odd ^= int(bit > 0)
        assert parity == odd


def test_the_contestants_have_about_as_many_recurrent_weights():
    sizes = [make(3, d).weight_hh_l0.numel() for make, d in CODE.contestants.values()]
    assert max(sizes) / min(sizes) < 1.01


def test_slow_gates_divide_one_between_keeping_and_taking_in():
    layer = CODE.slow_lstm(3, 50, longest=20)
    bias = layer.bias_ih_l0 + layer.bias_hh_l0
    i, f = torch.sigmoid(bias[:50]), torch.sigmoid(bias[50:100])
    assert torch.allclose(i + f, torch.ones(50))
    memory = f / (1 - f)
    assert torch.all((memory >= 1 - 1e-4) & (memory <= 20 + 1e-3)) and memory.std() > 2


def test_judging():
    answers = torch.tensor([[[0.5], [1.0]]])
    loss, right = CODE.judge(answers, torch.tensor([[0.55, 0.7]]))
    assert right == 0.5 and loss == pytest.approx((0.05**2 + 0.3**2) / 2)
    logits = torch.tensor([[[2.0, 0, 0], [0, 1.0, 0]]])
    assert CODE.judge(logits, torch.tensor([[0, 2]]))[1] == 0.5


def test_an_easy_task_is_solved_and_a_budget_is_kept():
    assert CODE.steps_to_solve(CODE.parity, 2, nn.LSTM, 16, budget=200) in range(25, 201, 25)
    assert CODE.steps_to_solve(CODE.copying, 20, nn.RNN, 4, budget=25) is None


# ---- Tagging ----------------------------------------------------------------------------------


def test_clues():
    assert CODE.clues("1990-ies") == [
        "=1990-ies", "#9-x", "1-", "19-", "199-", "-s", "-es", "-ies", "--ies",
    ]  # fmt: skip
    assert {len(CODE.clues(word)) for word in ("a", "Of", "", "…") if word} == {9}


SENTENCES = fragment.sample(60, seed=5)


def test_words_seen_once_are_known_by_their_looks_only():
    numbers = CODE.number_clues(SENTENCES, CODE.clues)
    counts = CODE.Counter(word for s in SENTENCES for word in s.words)
    once = next(word for word, n in counts.items() if n == 1)
    often = counts.most_common(1)[0][0]
    assert "=" + once not in numbers and "=" + often in numbers
    assert min(numbers.values()) == 2 and len(set(numbers.values())) == len(numbers)
    X, y = CODE.encode(SENTENCES[:2], CODE.clues, numbers, fragment.TAGS)
    assert X[0].shape == (len(SENTENCES[0].words), 9) and X[0].min() >= 1
    assert [fragment.TAGS[k] for k in y[0]] == list(SENTENCES[0].tags)


def small_tagger(both_ways=True):
    torch.manual_seed(0)
    return CODE.Tagger(30, 4, 6, 0.5, both_ways).double().eval()


def test_a_sentence_is_tagged_alike_alone_and_in_company():
    model, X = small_tagger(), [torch.randint(1, 30, (n, 9)) for n in (3, 7, 5)]
    together = model(CODE.pad_sequence(X, True))
    assert together.shape == (3, 7, 4)
    for x, row in zip(X, together, strict=True):
        assert torch.allclose(model(x[None])[0], row[: len(x)])


@pytest.mark.parametrize("both_ways", [True, False])
def test_who_sees_what_comes_later(both_ways):
    model, X = small_tagger(both_ways), torch.randint(1, 30, (1, 6, 9))
    changed = X.clone()
    changed[0, 4] = torch.randint(1, 30, (9,))
    differs = (model(X) != model(changed))[0].any(dim=-1).tolist()
    assert differs == ([True] * 6 if both_ways else [False] * 4 + [True] * 2)


def test_padding_costs_nothing():
    model, X = small_tagger(), [torch.randint(1, 30, (n, 9)) for n in (2, 5)]
    y = [torch.tensor([1, 2]), torch.tensor([0, 1, 2, 3, -1])]
    loss = CODE.tagging_loss(model, *CODE.collate(X, y))
    rows = torch.cat([model(x[None])[0] for x in X])
    expected = nn.functional.cross_entropy(rows[:6], torch.cat(y)[:6])
    assert torch.allclose(loss, expected)


def test_training_helps_and_repeats():
    known = {word for s in SENTENCES for word in s.words}
    guesses = [
        CODE.train_tagger(SENTENCES, d=16, epochs=20, rate=0.02)(SENTENCES) for _ in range(2)
    ]
    assert guesses[0] == guesses[1]
    assert [len(row) for row in guesses[0]] == [len(s.words) for s in SENTENCES]
    assert CODE.accuracy(guesses[0], SENTENCES, known)[0] > 0.8


def test_the_counting_taggers_are_those_of_their_chapter():
    other = definitions("learning/tagging-by-counting.md")
    train, test = fragment.sample(300, seed=1), fragment.sample(100, seed=2)
    known = {word for s in train for word in s.words}
    for name in ("word_tagger", "bigram_tagger"):
        ours = getattr(CODE, name)(train)(test)
        theirs = [getattr(other, name)(train)(s.words) for s in test]
        assert [list(row) for row in ours] == [list(row) for row in theirs]
        scores = other.evaluate(getattr(other, name)(train), test, known)
        assert CODE.accuracy(ours, test, known) == scores
