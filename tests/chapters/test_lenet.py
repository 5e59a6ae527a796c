"""What the chapter on LeNet builds: its layers, its counts, and a loop that can be resumed."""

import ast
import copy
from pathlib import Path
from types import SimpleNamespace

import jupytext
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from dlbook import data
from dlbook.train import Batches, fit
from dlbook.widgets.digit_reader import SHAPES, DigitReader, published_table

CHAPTER = Path(__file__).parents[2] / "book" / "images" / "lenet.md"
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
CONSTANTS = {"TABLE_I", "reads", "cross_entropy", "published"}


def wanted(node):
    """Imports, functions, classes, and a few tables; nothing that computes."""
    if isinstance(node, ast.Assign):
        return getattr(node.targets[0], "id", None) in CONSTANTS
    return isinstance(node, DEFINITIONS)


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


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


# ---- Layers -----------------------------------------------------------------------------------


def test_ones_stay_ones_where_the_curve_bends_most():
    a = torch.linspace(-3, 3, 6001, dtype=torch.float64)
    f = CODE.squash(a)
    assert torch.allclose(f, -f.flip(0))
    assert CODE.squash(torch.tensor(1.0)).item() == pytest.approx(1, abs=1e-4)
    bend = torch.diff(f, n=2).abs()
    assert abs(abs(a[bend.argmax() + 1].item()) - 1) < 0.02


@given(SEEDS, st.integers(1, 4), st.integers(1, 4))
def test_subsampling_adds_up_blocks(seed, height, width):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, 3, 2 * height, 2 * width, generator=generator)
    layer = CODE.Subsampling(3)
    with torch.no_grad():
        layer.coefficient.normal_(generator=generator)
        layer.bias.normal_(generator=generator)
        found = layer(x)
    sums = x.reshape(2, 3, height, 2, width, 2).sum(dim=(3, 5))
    assert torch.allclose(found, layer.coefficient * sums + layer.bias, atol=1e-5)


def test_the_table_is_the_published_one():
    assert CODE.reads.sum() == 60
    assert [int(n) for n in CODE.reads.sum(axis=0)] == [3] * 6 + [4] * 9 + [6]
    assert [int(n) for n in CODE.reads.sum(axis=1)] == [10] * 6  # each map is read as often
    assert np.array_equal(CODE.reads, published_table())


def test_a_map_reads_what_the_table_says():
    layer = CODE.TableConvolution(CODE.reads, 5)
    x = torch.randn(1, 6, 9, 9)
    whole = layer(x)
    for k, column in enumerate(CODE.reads.T):
        some = torch.tensor(np.flatnonzero(column))
        alone = F.conv2d(x[:, some], layer.weight[k : k + 1, some], layer.bias[k : k + 1])
        assert torch.allclose(whole[:, k : k + 1], alone, atol=1e-5)
    whole.sum().backward()
    moved = layer.weight.grad.abs().sum(dim=(2, 3)) > 0
    assert np.array_equal(moved.numpy().T, CODE.reads)


def test_counts_are_of_parameters_that_move():
    model = CODE.LeNet(32)
    for _ in range(2):
        model(torch.randn(4, 1, 32, 32)).square().sum().backward()
    for name, expected in CODE.published.items():
        layer = getattr(model, name)
        moved = sum(int((p.grad != 0).sum()) for p in layer.parameters())
        assert CODE.n_parameters(layer) == moved == expected
    assert CODE.total(model) == 60_000 + 850


@pytest.mark.parametrize("side", [16, 20, 24, 32])
def test_any_field_will_do(side):
    model = CODE.LeNet(side)
    assert model(torch.randn(3, 1, side, side)).shape == (3, 10)
    assert int(CODE.sees(model, ["C1", "S2", "C3", "S4", "C5"], side).sum()) == side**2


def test_receptive_fields_agree_with_the_recurrence():
    model, names = CODE.LeNet(32), ["C1", "S2", "C3", "S4", "C5"]
    layers = [(5, 1, 0), (2, 2, 0), (5, 1, 0), (2, 2, 0), (5, 1, 0)]
    for n, middle in enumerate([14, 7, 5, 2, 0], 1):
        seen = CODE.sees(model, names[:n])
        first, last = CODE.first_and_last(layers[:n], middle)
        expected = torch.zeros(32, 32, dtype=torch.bool)
        expected[first : last + 1, first : last + 1] = True
        assert torch.equal(seen, expected)


@pytest.mark.parametrize(("make", "side"), [(CODE.for_digits, 16), (CODE.for_mnist, 28)])
def test_images_fill_the_field_with_a_margin_of_paper(make, side):
    *before, net = make()
    field = nn.Sequential(*before)(torch.full((1, 1, side, side), 1.175))
    assert net(field).shape == (1, 10)
    assert torch.allclose(field[..., 2:-2, 2:-2], torch.tensor(1.175))
    assert torch.all(field[..., :2, :] == -0.1) and torch.all(field[..., -2:] == -0.1)


def test_weights_begin_so_that_signals_keep_their_size():
    model = CODE.start(CODE.LeNet(32))
    x = torch.randn(64, 1, 32, 32)
    for name in ("C1", "C3"):
        layer = getattr(model, name)
        inputs = x if name == "C1" else torch.randn(64, 6, 14, 14)
        assert layer(inputs).square().mean().item() == pytest.approx(1, abs=0.35)
    assert model.F6(torch.randn(500, 120)).square().mean().item() == pytest.approx(1, abs=0.1)
    assert all(torch.all(p == 0) for n, p in model.named_parameters() if n.endswith("bias"))
    thirds = CODE.start(nn.Linear(300, 300), lambda m: 1 / (3 * m))
    assert thirds.weight.var().item() * 900 == pytest.approx(1, abs=0.02)


# ---- The loop ---------------------------------------------------------------------------------


def examples(n, seed):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(n, 1, 4, 4, generator=generator)
    return images, (images.flatten(1)[:, :3].argmax(dim=1))


@pytest.fixture
def loop():
    """The chapter's loop on a small task: a function that makes model, optimiser, generator."""
    CODE.space["learn"], CODE.space["valid"] = examples(90, 1), examples(40, 2)

    def made(seed, rule=torch.optim.Adam):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 3))
        optimiser = rule(model.parameters(), lr=0.02)
        return model, optimiser, torch.Generator().manual_seed(seed)

    return made


@pytest.mark.parametrize("cut", [1, 2, 5])
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(loop, tmp_path, cut):
    whole, *rest = loop(3)
    history = CODE.train(whole, *rest, epochs=7, patience=9, path=tmp_path / "a.safetensors")
    path = tmp_path / "b.safetensors"
    CODE.train(*loop(3), epochs=cut, patience=9, path=path)
    resumed, *rest = loop(44)
    assert CODE.train(resumed, *rest, epochs=7, patience=9, path=path) == history
    assert CODE.same_weights(whole, resumed)


@pytest.mark.parametrize("patience", [1, 3])
def test_the_package_does_the_same(loop, tmp_path, patience):
    ours, *rest = loop(5)
    history = CODE.train(ours, *rest, epochs=9, patience=patience, path=tmp_path / "c.safetensors")
    theirs, optimiser, generator = loop(5)
    packaged = fit(
        theirs,
        Batches(*CODE.space["learn"], batch_size=32, generator=generator),
        CODE.loss,
        optimiser,
        epochs=9,
        device="cpu",
        evaluate=CODE.on_validation,
        monitor="accuracy",
        patience=patience,
    )
    assert CODE.same_weights(ours, theirs)
    assert packaged.losses == history["losses"]
    assert packaged.metrics["accuracy"] == history["accuracy"]


def test_every_example_comes_once_in_an_epoch():
    images, labels = torch.arange(70), torch.arange(70) * 2
    batches = list(CODE.shuffled_batches(images, labels, torch.Generator().manual_seed(0)))
    assert [len(part) for part, _ in batches] == [32, 32, 6]
    joined = torch.cat([part for part, _ in batches])
    assert joined.tolist() != images.tolist() and joined.sort().values.equal(images)
    assert all(torch.equal(told, 2 * part) for part, told in batches)


@settings(max_examples=50)
@given(st.lists(st.sampled_from([0.1, 0.5, 0.9]), min_size=1, max_size=8))
def test_waiting_is_counted_from_the_first_best(scores):
    best = scores.index(max(scores))
    assert CODE.waited({"accuracy": scores}) == len(scores) - 1 - best


def test_waiting_has_not_begun_without_an_epoch():
    assert CODE.waited({"accuracy": []}) == 0


def test_the_best_weights_come_back(loop, tmp_path, monkeypatch):
    scores = iter([0.2, 0.8, 0.3, 0.8, 0.1])
    seen = []

    def made_up(model, *_):
        seen.append(copy.deepcopy(model))
        return next(scores)

    monkeypatch.setitem(CODE.space, "accuracy", made_up)
    model, *rest = loop(1)
    history = CODE.train(model, *rest, epochs=9, patience=3, path=tmp_path / "d.safetensors")
    assert history["accuracy"] == [0.2, 0.8, 0.3, 0.8, 0.1]
    assert CODE.same_weights(model, seen[1]) and not CODE.same_weights(model, seen[3])


def test_a_crash_while_writing_leaves_the_old_checkpoint(loop, tmp_path, monkeypatch):
    path = tmp_path / "e.safetensors"
    CODE.train(*loop(2), epochs=2, patience=9, path=path)
    before = path.read_bytes()

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space"):
        CODE.train(*loop(2), epochs=3, patience=9, path=path)
    assert path.read_bytes() == before


# ---- Readers and their errors -----------------------------------------------------------------


def test_readings_are_the_highest_scores_and_leave_no_gradients():
    model = CODE.for_digits()
    images = torch.randn(1203, 1, 16, 16)  # more than one part
    answers = CODE.read(model, images)
    assert torch.equal(answers, model(images).argmax(dim=1))
    assert not answers.requires_grad and not model.training
    labels = answers.clone()
    labels[:3] += 1
    assert CODE.accuracy(model, images, labels) == pytest.approx(1200 / 1203)
    pictures, told, read = CODE.misread(model, images, labels)
    assert torch.equal(pictures, images[:3]) and torch.equal(told, read + 1)


@given(st.integers(-4, 4), st.integers(-4, 4))
def test_shifts_move_the_ink(down, right):
    images = torch.full((1, 1, 12, 12), -0.1)
    images[..., 5, 6] = 1
    moved = CODE.shifted(images, down, right)
    assert moved.shape == images.shape and moved[0, 0, 5 + down, 6 + right] == 1
    assert torch.equal(moved.flatten().sort().values, images.flatten().sort().values)


def test_parts_do_not_overlap():
    (images, labels), (unseen, truth) = CODE.divided(data.digits(), 360, seed=3)
    assert len(labels) == 1437 and len(truth) == 360
    rows = torch.cat([images, unseen]).flatten(1)
    digits = torch.tensor(data.digits().images).flatten(1)
    assert len(rows) == len(digits)
    whole = (1.275 * digits - 0.1).sum(dim=1).sort().values
    assert torch.allclose(rows.sum(dim=1).sort().values, whole)


def test_equal_sizes_are_nearly_equal():
    for lenet, mlp in (
        (CODE.for_digits(), CODE.perceptron(256, 77)),
        (CODE.for_mnist(), CODE.perceptron(784, 76)),
    ):
        assert CODE.total(mlp) == pytest.approx(CODE.total(lenet), rel=0.01)


def test_the_widget_takes_the_chapters_network():
    network = CODE.LeNet(20)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert shapes == SHAPES
    DigitReader(network.state_dict())
