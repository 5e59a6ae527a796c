import ast
import subprocess
import sys

import numpy as np
import pytest

from dlbook import data
from dlbook.data.sources import SOURCES, files


def test_importing_is_cheap():
    heavy = {"torch", "sklearn", "pandas", "scipy", "pooch", "requests", "conllu", "tqdm"}
    script = f"import sys, dlbook.data; print({heavy} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.stdout.strip() == "set()", result.stderr


def test_all_is_sorted_out_and_documented():
    for name in data.__all__:
        assert getattr(data, name).__doc__


def test_every_source_is_pinned_and_checksummed():
    sources = [source for name in SOURCES for source in files(name)]
    assert len({source.path for source in sources}) == len(sources)
    for source in sources:
        assert source.url.startswith("https://")
        assert source.url.endswith(source.path.rsplit("/", 1)[1])
        assert len(bytes.fromhex(source.sha256)) == 32
        assert source.size > 0
        assert ".." not in source.path
        assert not source.path.startswith("/")


def test_unknown_data_are_refused():
    with pytest.raises(ValueError, match="name is 'cifar10': expected one of 'ewt', 'mnist'"):
        data.available("cifar10")
    with pytest.raises(ValueError, match="split is 'dev': mnist has 'train', 'test'"):
        data.available("mnist", "dev")


def test_without_data_the_answer_is_no_and_the_error_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("DLBOOK_CACHE", str(tmp_path))
    monkeypatch.setenv("DLBOOK_OFFLINE", "1")
    monkeypatch.delenv("DLBOOK_DATA", raising=False)
    assert not any(data.availability(fetch=True).values())
    assert not data.available("ewt")
    for request in (
        lambda: data.treebank("ewt", "test"),
        lambda: data.mnist("train"),
        data.shakespeare,
    ):
        with pytest.raises(data.DataUnavailable, match="DLBOOK_OFFLINE") as caught:
            request()
        assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(
    not data.available("shakespeare", fetch=False), reason="Shakespeare is not on this machine"
)
def test_shakespeare():
    text = data.shakespeare()
    assert len(text) == 1_115_394
    assert text.startswith("First Citizen:\nBefore we proceed any further, hear me speak.")


def test_diabetes_in_units():
    features, target, names, units = data.diabetes()
    assert features.shape == (442, 10)
    assert target.shape == (442,)
    assert len(names) == len(units) == 10
    assert (target.min(), target.max()) == (25, 346)
    age = features[:, names.index("age")]
    assert (age.min(), age.max()) == (19, 79)
    assert set(features[:, names.index("sex")]) == {1, 2}
    # the ratio of cholesterol to HDL is what its name says, though often rounded to an integer
    ratio = features[:, names.index("total cholesterol")] / features[:, names.index("HDL")]
    errors = np.abs(ratio - features[:, names.index("cholesterol ratio")])
    assert np.mean(errors < 0.55) > 0.99


def test_scaled_diabetes_has_mean_0_and_standard_deviation_1():
    raw, scaled = data.diabetes(), data.diabetes(scaled=True)
    np.testing.assert_allclose(scaled.features.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled.features.std(axis=0), 1)
    np.testing.assert_array_equal(scaled.target, raw.target)
    for j in range(10):
        assert np.corrcoef(raw.features[:, j], scaled.features[:, j])[0, 1] == pytest.approx(1)
    with pytest.raises(TypeError, match="scaled is 'yes'"):
        data.diabetes(scaled="yes")


def test_python_source_is_python_whole_bounded_and_the_same_each_time():
    text = data.python_source(200_000)
    assert 0 < len(text) <= 200_000
    assert text == data.python_source(200_000)
    ast.parse(text.replace("from __future__", "from future"))  # must stand first in its file
    assert data.python_source(400_000).startswith(text)
    with pytest.raises(ValueError, match="max_characters is 10"):
        data.python_source(10)
    with pytest.raises(TypeError, match="max_characters is 1000000"):
        data.python_source(1e6)


DRAWS = [data.two_moons, data.rings, data.spirals, data.xor]


@pytest.mark.parametrize("draw", DRAWS)
def test_a_draw_depends_on_its_generator_alone(draw):
    first = draw(101, np.random.default_rng(1))
    np.random.seed(7)
    again = draw(101, np.random.default_rng(1))
    other = draw(101, np.random.default_rng(2))
    assert first.inputs.shape == (101, 2)
    assert set(first.labels) == {0, 1}
    np.testing.assert_array_equal(first.inputs, again.inputs)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert not np.array_equal(first.inputs, other.inputs)


@pytest.mark.parametrize("draw", [*DRAWS, data.noisy_line])
def test_a_draw_refuses_bad_arguments(draw):
    rng = np.random.default_rng(0)
    with pytest.raises(TypeError, match="rng is 0: expected a numpy"):
        draw(10, 0)
    with pytest.raises(TypeError, match="n_points is 10"):
        draw(10.5, rng)
    with pytest.raises(ValueError, match="n_points is 0"):
        draw(0, rng)
    if draw is not data.xor:
        with pytest.raises(ValueError, match="noise is -1"):
            draw(10, rng, noise=-1)
        with pytest.raises(ValueError, match="noise is nan"):
            draw(10, rng, noise=float("nan"))


def test_without_noise_the_points_lie_on_their_curves():
    rng = np.random.default_rng(0)
    x, y = data.noisy_line(50, rng, slope=3, intercept=-1, noise=0)
    np.testing.assert_allclose(y, 3 * x - 1)

    points, labels = data.two_moons(50, rng, noise=0)
    centres = np.array([[0, 0], [1, 0.5]])[labels]
    np.testing.assert_allclose(np.linalg.norm(points - centres, axis=1), 1)
    upwards = points[:, 1] - centres[:, 1]
    assert np.all(upwards[labels == 0] >= 0)
    assert np.all(upwards[labels == 1] <= 0)

    points, labels = data.rings(50, rng, noise=0)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1 + labels)

    points, labels = data.spirals(50, rng, noise=0, turns=2)
    radius = np.linalg.norm(points, axis=1)
    angle = 4 * np.pi * radius + np.pi * labels
    np.testing.assert_allclose(points, radius[:, None] * np.c_[np.cos(angle), np.sin(angle)])

    points, labels = data.xor(50, rng)
    assert np.all(labels == (np.sign(points[:, 0]) != np.sign(points[:, 1])))


def test_the_noise_has_the_standard_deviation_that_is_asked_for():
    x, y = data.noisy_line(20_000, np.random.default_rng(0), slope=3, intercept=-1, noise=0.25)
    assert np.std(y - (3 * x - 1)) == pytest.approx(0.25, rel=0.03)
    with pytest.raises(ValueError, match="turns is 0"):
        data.spirals(10, np.random.default_rng(0), turns=0)
