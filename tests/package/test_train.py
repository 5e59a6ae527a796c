"""The training loop: what it computes, what it refuses, and that it goes on where it stood."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from torch import nn

from dlbook.train import Batches, Diverged, History, fit, load_checkpoint, save_checkpoint

INPUTS = torch.randn(50, 3, generator=torch.Generator().manual_seed(1))
LABELS = (INPUTS.sum(1) > 0).long()


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def network(seed=0, dropout=0.0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 2))


def cross_entropy(model, inputs, labels):
    return nn.functional.cross_entropy(model(inputs), labels)


def accuracy(model):
    return {"accuracy": (model(INPUTS).argmax(1) == LABELS).float().mean()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def train(model, kind=torch.optim.Adam, seed=0, n=50, **options):
    batches = Batches(INPUTS[:n], LABELS[:n], batch_size=16, generator=generator(seed))
    optimiser = kind(model.parameters(), lr=options.pop("lr", 0.01))
    schedule = options.pop("schedule", None)
    options = {"epochs": 3, "device": "cpu"} | options
    if schedule is not None:
        options["schedule"] = schedule(optimiser)
    return fit(model, batches, cross_entropy, optimiser, **options)


# ---- Batches ----------------------------------------------------------------------------------


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 99), st.booleans(), st.booleans())
def test_each_pass_shows_each_example_once(n, size, seed, shuffled, bucketed):
    x = torch.arange(n)
    batches = Batches(
        x,
        10 * x.numpy(),
        batch_size=size,
        generator=generator(seed) if shuffled else None,
        bucket_by=x % 3 if bucketed else None,
    )
    for _ in range(2):
        parts = list(batches)
        assert len(parts) == len(batches) == math.ceil(n / size)
        assert sorted(torch.cat([a for a, _ in parts]).tolist()) == x.tolist()
        assert all(torch.equal(10 * a, b) for a, b in parts)
        assert all(len(a) <= size for a, _ in parts)


def test_order_is_the_generators():
    order = torch.randperm(50, generator=generator(3))
    first = torch.cat([x for (x,) in Batches(torch.arange(50), generator=generator(3))])
    assert torch.equal(first, order)
    batches = Batches(torch.arange(50), generator=generator(3))
    assert [x.tolist() for (x,) in batches] != [x.tolist() for (x,) in batches]
    plain = Batches(torch.arange(5), batch_size=2)
    assert [x.tolist() for (x,) in plain] == [[0, 1], [2, 3], [4]]


def test_buckets_save_padding_and_keep_chance():
    lengths = torch.randint(1, 60, (400,), generator=generator(5))
    options = {"batch_size": 20, "generator": generator(1)}
    buckets = Batches(lengths, bucket_by=lengths, **options)
    first, second = [[x for (x,) in buckets] for _ in range(2)]
    mixed = [x for (x,) in Batches(lengths, **options)]
    padding = [sum(int(x.max() * len(x) - x.sum()) for x in parts) for parts in (first, mixed)]
    assert padding[0] < 0.2 * padding[1]
    assert [int(x.max()) for x in first] != sorted(int(x.max()) for x in first)
    assert [x.tolist() for x in first] != [x.tolist() for x in second]


def test_ragged_columns_are_collated():
    sentences, tags = [[1], [2, 3], [4, 5, 6]], ["a", "bc", "def"]

    def pad(rows, marks):
        assert [len(r) for r in rows] == [len(m) for m in marks]
        longest = max(map(len, rows))
        return (torch.tensor([row + [0] * (longest - len(row)) for row in rows]),)

    (first,), (second,) = Batches(sentences, tags, batch_size=2, collate=pad)
    assert first.tolist() == [[1, 0], [2, 3]] and second.tolist() == [[4, 5, 6]]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Batches(), ValueError, "columns"),
        (lambda: Batches(torch.empty(0, 3)), ValueError, "0 examples"),
        (lambda: Batches([], collate=tuple), ValueError, "0 examples"),
        (lambda: Batches(torch.ones(3), torch.ones(4)), ValueError, r"\[3, 4\]"),
        (lambda: Batches(torch.tensor(3.0)), ValueError, r"columns\[0\]"),
        (lambda: Batches(torch.ones(2), [[1], [2]]), TypeError, r"columns\[1\] is a list.*collate"),
        (lambda: Batches(torch.ones(3), batch_size=0), ValueError, "batch_size is 0"),
        (lambda: Batches(torch.ones(3), batch_size=2.0), TypeError, "batch_size is 2.0"),
        (lambda: Batches(torch.ones(3), generator=3), TypeError, "generator is 3"),
        (lambda: Batches(torch.ones(3), bucket_by=[1, 2]), ValueError, r"bucket_by.*\(2,\).*\(3,"),
    ],
)
def test_batches_refuse(make, error, words):
    with pytest.raises(error, match=words):
        make()


# ---- The loop ---------------------------------------------------------------------------------


@pytest.mark.parametrize("clip", [None, 0.05])
def test_it_is_the_plain_loop(clip):
    plain, fitted = network(dropout=0.2), network(dropout=0.2)
    torch.manual_seed(7)
    optimiser, rng, losses = torch.optim.SGD(plain.parameters(), lr=0.3), generator(), []
    for _ in range(3):
        for rows in torch.randperm(50, generator=rng).split(16):
            loss = cross_entropy(plain, INPUTS[rows], LABELS[rows])
            losses.append(loss.item())
            optimiser.zero_grad()
            loss.backward()
            if clip:
                nn.utils.clip_grad_norm_(plain.parameters(), clip)
            optimiser.step()
    torch.manual_seed(7)
    history = train(fitted, torch.optim.SGD, lr=0.3, clip_norm=clip)
    assert history.losses == losses and same(plain.state_dict(), fitted.state_dict())
    assert history.metrics["loss"] == pytest.approx(np.reshape(losses, (3, 4)).mean(1))


def test_two_runs_are_the_same_and_it_learns():
    models = [network(), network()]
    first, second = [train(model, epochs=20, evaluate=accuracy, lr=0.03) for model in models]
    assert first == second and same(*(model.state_dict() for model in models))
    assert first.metrics["accuracy"][-1] > 0.95 and first.metrics["loss"][-1] < 0.3
    assert first.n_epochs == 20 and len(first.losses) == 80


def test_modes():
    model, seen = network(), []

    def loss(model, *batch):
        seen.append(("loss", model.training, torch.is_grad_enabled()))
        return cross_entropy(model, *batch)

    def evaluate(model):
        seen.append(("evaluate", model.training, torch.is_grad_enabled()))
        return {}

    batches = Batches(INPUTS, LABELS)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    fit(model, batches, loss, optimiser, epochs=2, evaluate=evaluate, device="cpu")
    assert seen == [("loss", True, True), ("evaluate", False, False)] * 2
    assert not model.training


def test_the_schedule_steps_with_the_optimiser():
    model = network()
    optimiser = torch.optim.SGD(model.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 / (1 + step))
    batches = Batches(INPUTS, LABELS, batch_size=16)
    fit(model, batches, cross_entropy, optimiser, epochs=2, schedule=schedule, device="cpu")
    assert optimiser.param_groups[0]["lr"] == pytest.approx(1 / 9)


@pytest.mark.parametrize("monitor", ["some loss", "accuracy"])
def test_stopping_early_keeps_the_best_state(monitor):
    model, states = network(), []
    values = [3.0, 1.0, 2.0, 1.0, 5.0]
    if monitor == "accuracy":
        values = [-value for value in values]

    def evaluate(model):
        states.append({k: v.clone() for k, v in model.state_dict().items()})
        return {monitor: values[len(states) - 1]}

    history = train(model, epochs=5, evaluate=evaluate, monitor=monitor, patience=3)
    assert len(states) == 5 and history.best_epoch == 1
    assert same(model.state_dict(), states[1])
    states.clear()
    history = train(model, epochs=5, evaluate=evaluate, monitor=monitor, patience=2)
    assert len(states) == 4 and history.n_epochs == 4


# ---- What goes wrong --------------------------------------------------------------------------


def poisoned(at):
    """A loss that is NaN at one step."""
    steps = iter(range(1, 1000))

    def loss(model, *batch):
        return cross_entropy(model, *batch) * (math.nan if next(steps) == at else 1)

    return loss


def test_nan_names_the_step_and_keeps_the_last_good_state():
    model, sound = network(), network()
    train(sound, epochs=1)
    batches = Batches(INPUTS, LABELS, batch_size=16, generator=generator())
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    with pytest.raises(Diverged, match="nan at step 7") as caught:
        fit(model, batches, poisoned(7), optimiser, epochs=3, device="cpu")
    assert caught.value.step == 7 and isinstance(caught.value, ArithmeticError)
    assert same(model.state_dict(), sound.state_dict())
    assert optimiser.state_dict()["state"][0]["step"] == 4


def test_a_loss_that_explodes_is_not_hidden():
    model = nn.Linear(3, 1)
    start = {name: value.clone() for name, value in model.state_dict().items()}

    def square(model, inputs, labels):
        return (model(inputs)[:, 0] - labels).square().mean()

    optimiser = torch.optim.SGD(model.parameters(), lr=1e30)
    batches = Batches(INPUTS, LABELS.float(), batch_size=10)
    with pytest.raises(Diverged):
        fit(model, batches, square, optimiser, epochs=1, device="cpu")
    assert same(model.state_dict(), start)
    # One step an epoch: the loss is still finite when the weights no longer are.
    optimiser = torch.optim.SGD(model.parameters(), lr=3e38)
    with pytest.raises(Diverged, match="weight is not finite after step 1"):
        fit(model, [(10 * INPUTS, LABELS.float())], square, optimiser, epochs=1, device="cpu")
    assert same(model.state_dict(), start)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"epochs": 0}, ValueError, "epochs is 0"),
        ({"epochs": 1.5}, TypeError, "epochs is 1.5"),
        ({"patience": 0}, ValueError, "patience is 0"),
        ({"clip_norm": 0}, ValueError, "clip_norm is 0"),
        ({"patience": 1, "monitor": "F1"}, ValueError, "mode is left out"),
        ({"patience": 1, "mode": "up"}, ValueError, "mode is 'up'"),
        ({"patience": 1, "monitor": "accuracy"}, ValueError, r"monitor is 'accuracy'.*\['loss'\]"),
        ({"evaluate": lambda model: 0.5}, ValueError, "evaluate returned 0.5"),
        ({"evaluate": lambda model: {"loss": 1}}, ValueError, "validation loss"),
        ({"checkpoint": "model.pt"}, ValueError, "safetensors"),
    ],
)
def test_fit_refuses(options, error, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=words):
        train(network(), **options)


def test_fit_refuses_no_batches_and_losses_of_many_numbers():
    model = network()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="batches gave no batch"):
        fit(model, [], cross_entropy, optimiser, epochs=1, device="cpu")
    with pytest.raises(TypeError, match=r"loss returned \(50, 2\)"):
        fit(model, [(INPUTS,)], lambda m, x: m(x), optimiser, epochs=1, device="cpu")


# ---- Checkpoints ------------------------------------------------------------------------------


def halving(optimiser):
    return torch.optim.lr_scheduler.StepLR(optimiser, step_size=5, gamma=0.5)


def momentum(parameters, lr):
    return torch.optim.SGD(parameters, lr=lr, momentum=0.9)


class Stop(Exception):
    pass


@pytest.mark.parametrize("kind", [torch.optim.SGD, momentum, torch.optim.Adam])
@pytest.mark.parametrize("broken_at", [1, 2, 4])
def test_resumed_training_is_the_same_bit_for_bit(kind, broken_at, tmp_path):
    path = tmp_path / "there" / "model.safetensors"
    options = {"epochs": 5, "schedule": halving, "patience": 5, "kind": kind}
    whole = network(dropout=0.3)
    expected = train(whole, evaluate=accuracy, **options)

    calls = iter(range(1, 100))

    def interrupted(model):
        if next(calls) == broken_at:
            raise Stop
        return accuracy(model)

    model = network(dropout=0.3)
    with pytest.raises(Stop):
        train(model, evaluate=interrupted, checkpoint=path, **options)
    assert path.exists() == (broken_at > 1)
    model = network(dropout=0.3)
    if path.exists():
        torch.manual_seed(99)  # the file knows better
    history = train(model, evaluate=accuracy, checkpoint=path, **options)
    assert history == expected
    assert same(model.state_dict(), whole.state_dict())
    assert [p.name for p in path.parent.iterdir()] == ["model.safetensors"]
    again = train(network(seed=1), evaluate=accuracy, checkpoint=path, **options)
    assert again == expected  # nothing was left to do


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000))
def test_a_checkpoint_holds_everything(seed, tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "a.safetensors"
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    model[2].weight = nn.Parameter(model[0].weight.detach().T)  # strides of its own
    optimiser = torch.optim.Adam(model.parameters(), lr=0.1, betas=(0.8, 0.9))
    model(torch.randn(5, 3, generator=generator(seed))).square().sum().backward()
    optimiser.step()
    save_checkpoint(path, model, optimiser, epoch=3, words=["a", "b"], order=torch.arange(3))
    other = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    twin = torch.optim.Adam(other.parameters())
    notes = load_checkpoint(path, other, twin)
    assert notes.pop("order").tolist() == [0, 1, 2]
    assert notes == {"epoch": 3, "words": ["a", "b"]}
    assert same(model.state_dict(), other.state_dict())
    old, new = optimiser.state_dict(), twin.state_dict()
    assert list(new["param_groups"][0]["betas"]) == [0.8, 0.9]
    assert all(same(old["state"][i], new["state"][i]) for i in old["state"])


def test_shared_weights_are_saved_under_both_names(tmp_path):
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    save_checkpoint(tmp_path / "a.safetensors", model)
    load_checkpoint(tmp_path / "a.safetensors", model)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path, model = tmp_path / "a.safetensors", network()
    save_checkpoint(path, model, epoch=1)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        save_checkpoint(path, model, epoch={1, 2})

    def full(handle):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint(path, model, epoch=2)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_wrong_files_are_refused_and_change_nothing(tmp_path):
    path, model = tmp_path / "a.safetensors", network()
    start = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(FileNotFoundError, match=r"a\.safetensors"):
        load_checkpoint(path, model)
    save_checkpoint(path, nn.Sequential(nn.Linear(3, 9)))
    with pytest.raises(ValueError, match=r"has \(9,\) for 0\.bias: the model expects \(8,\)"):
        load_checkpoint(path, model)
    other = network(seed=5)
    save_checkpoint(path, other)
    with pytest.raises(ValueError, match="no state of an optimiser"):
        load_checkpoint(path, model, torch.optim.Adam(model.parameters()))
    with pytest.raises(ValueError, match="not of a training"):
        train(model, checkpoint=path)
    save_checkpoint(path, other, torch.optim.Adam(other[0].parameters()))
    with pytest.raises(ValueError, match="another optimiser"):
        load_checkpoint(path, model, torch.optim.Adam(model.parameters()))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="damaged"):
        load_checkpoint(path, model)
    assert same(model.state_dict(), start)


def test_files_of_others_are_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"weight": torch.ones(2)}, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="no checkpoint of this book"):
        load_checkpoint(tmp_path / "a.safetensors", network())


# ---- History ----------------------------------------------------------------------------------


def test_history_draws_itself():
    history = History([4.0, 2.0, 1.0, 1.0], {"loss": [3.0, 1.0], "accuracy": [0.5, 0.75]})
    ax = Figure().subplots()
    assert history.plot(ax=ax) is ax
    steps, means = ax.lines
    assert steps.get_xdata()[-1] == means.get_xdata()[-1] == 2
    assert ax.get_xlabel() == "epochs" and ax.get_ylabel() == "loss"
    ax = history.plot("accuracy", "loss", ax=Figure().subplots())
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {"accuracy", "loss"}
    with pytest.raises(ValueError, match="'error'"):
        history.plot("error")
