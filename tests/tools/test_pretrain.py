"""What tools/pretrain.py feeds the models, and that a run which was stopped ends like any other."""

from types import SimpleNamespace

import pretrain
import pytest
import torch
from safetensors.torch import load_file


def batches(seed):
    code, generator = pretrain.chapter(), torch.Generator().manual_seed(seed)
    return pretrain.FreshBatches(code, code["padded"], generator, n_sentences=400, n_batches=12)


def test_batches_hold_each_sentence_but_the_longest_once_and_about_as_many_words():
    fed = batches(seed=0)
    found = list(fed)
    assert len(found) == len(fed) == 12
    seed = torch.randint(2**31, (), generator=torch.Generator().manual_seed(0)).item()
    drawn = [s.words for s in fed.code["fragment"].sample(400, seed=seed) if len(s.words) <= 40]
    names = fed.code["names"]
    rows = [tuple(names[k] for k in row if k > 2) for (tokens,) in found for row in tokens.tolist()]
    assert sorted(rows) == sorted(sorted(drawn, key=len)[:-1])
    sizes = [(tokens != 0).sum().item() for (tokens,) in found]
    assert max(sizes) - min(sizes) <= 2 * 42


def test_each_epoch_has_new_sentences_and_a_seed_repeats_them():
    first, second = batches(seed=0), batches(seed=0)
    one, two = [b.tolist() for (b,) in first], [b.tolist() for (b,) in first]
    assert one != two
    assert one == [b.tolist() for (b,) in second]


@pytest.mark.parametrize(
    "arguments", [["next-word"], ["masked-word"], ["masked-word", "--round", "2"]], ids=" ".join
)
def test_a_stopped_run_ends_like_any_other(arguments, tmp_path, monkeypatch):
    name = arguments[0]
    monkeypatch.setattr(pretrain, "EPOCHS", {name: 2})
    monkeypatch.setattr(pretrain, "SENTENCES", 60)
    monkeypatch.setattr(pretrain, "BATCHES", 3)
    found = []
    for stop in (False, True):
        folder = tmp_path / str(stop)
        folder.mkdir()
        monkeypatch.setattr(pretrain, "PROGRESS", folder / "progress")
        monkeypatch.setattr(pretrain, "WEIGHTS", folder)
        if stop:
            with monkeypatch.context() as stopped, pytest.raises(KeyboardInterrupt):
                stopped.setattr(pretrain.FreshBatches, "__iter__", stops_in_its_second_epoch())
                pretrain.main(arguments)
        pretrain.main(arguments)
        found.append(load_file(folder / f"fragment-{name}.safetensors"))
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])


def stops_in_its_second_epoch():
    calls, go_through = SimpleNamespace(n=0), pretrain.FreshBatches.__iter__

    def iterate(self):
        calls.n += 1
        if calls.n == 2:
            raise KeyboardInterrupt
        return go_through(self)

    return iterate
