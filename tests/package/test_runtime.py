import os
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import threadpoolctl
import torch

from dlbook import runtime


def draws():
    return random.random(), np.random.random(), torch.rand(1).item()


def test_a_seed_fixes_every_generator():
    own = runtime.seed_everything(3)
    first = draws()
    own_again = runtime.seed_everything(3)
    assert draws() == first
    assert own.random() == own_again.random()
    runtime.seed_everything(np.int64(4))
    assert all(new != old for new, old in zip(draws(), first, strict=True))


def test_the_generator_is_independent_of_the_global_one():
    before = runtime.seed_everything(3).random()
    own = runtime.seed_everything(3)
    np.random.random(100)
    assert own.random() == before


@pytest.mark.parametrize("seed", [1.0, "1", None, True])
def test_a_seed_is_an_integer(seed):
    with pytest.raises(TypeError, match=r"seed is .*: expected an integer"):
        runtime.seed_everything(seed)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_is_in_range(seed):
    with pytest.raises(ValueError, match=f"seed is {seed}"):
        runtime.seed_everything(seed)


def test_the_device_exists_and_can_be_chosen(monkeypatch):
    monkeypatch.delenv("DLBOOK_DEVICE", raising=False)
    assert torch.zeros(1, device=runtime.device()).sum() == 0
    monkeypatch.setenv("DLBOOK_DEVICE", "cpu")
    assert runtime.device() == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "cpu:1", "meta", "cuda:-1", "mps:1"])
def test_a_device_that_is_not_there_is_refused(monkeypatch, name):
    monkeypatch.setenv("DLBOOK_DEVICE", name)
    with pytest.raises(ValueError, match=f"DLBOOK_DEVICE is '{name}'"):
        runtime.device()


@pytest.fixture
def threads():
    """Put the number of threads back."""
    before = torch.get_num_threads()
    with threadpoolctl.threadpool_limits(None):
        yield
    torch.set_num_threads(before)


def test_threads(threads, monkeypatch):
    np.ones((2, 2)) @ np.ones((2, 2))
    assert runtime.set_threads(2) == torch.get_num_threads() == 2
    assert {pool["num_threads"] for pool in threadpoolctl.threadpool_info()} == {2}
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert runtime.set_threads() == torch.get_num_threads() == 1
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert 1 <= runtime.set_threads() <= os.cpu_count()


def test_impossible_numbers_of_threads_are_refused(monkeypatch):
    for n_threads in (0, -1):
        with pytest.raises(ValueError, match=f"n_threads is {n_threads}"):
            runtime.set_threads(n_threads)
    for n_threads in (1.5, "2", True):
        with pytest.raises(TypeError, match="n_threads is"):
            runtime.set_threads(n_threads)
    for value in ("none", "0", "-2", "1.5"):
        monkeypatch.setenv("OMP_NUM_THREADS", value)
        with pytest.raises(ValueError, match=f"OMP_NUM_THREADS is '{value}'"):
            runtime.set_threads()


def test_the_description_names_versions_and_no_personal_path(tmp_path, monkeypatch):
    monkeypatch.setenv("DLBOOK_CACHE", str(tmp_path))
    monkeypatch.delenv("DLBOOK_DATA", raising=False)
    text = runtime.describe()
    for name, version in (("numpy", np.__version__), ("torch", torch.__version__)):
        assert f"{name}: {version}" in text.splitlines()
    assert "data at hand: none" in text
    monkeypatch.setenv("DLBOOK_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setenv("DLBOOK_DEVICE", "abacus")
    text += runtime.describe()
    assert "abacus" in text
    assert "DLBOOK_DATA names a folder that does not exist" in text
    for private in (tmp_path, Path.home(), Path(sys.prefix), Path.cwd()):
        assert str(private) not in text.replace("https://", "")
    assert all(re.match(r"[\w -]+: \S", line) for line in text.splitlines())


def test_seeds_and_descriptions_need_no_torch():
    script = """
import importlib.util, sys

find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "torch" else find_spec(name, *rest)
from dlbook import runtime
assert 0 <= runtime.seed_everything(1).random() < 1
runtime.set_threads(1)
assert "without torch" in runtime.describe()
assert "torch" not in sys.modules
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
