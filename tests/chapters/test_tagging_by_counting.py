"""What the chapter on tagging by counting builds, held against theory and against NLTK."""

import ast
import time
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import jupytext
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlbook import data, fragment

CHAPTER = Path(__file__).parents[2] / "book" / "learning" / "tagging-by-counting.md"
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef)


@pytest.fixture(scope="module")
def chapter():
    """The chapter's own functions, without running the rest of it."""
    space = {}
    for cell in jupytext.read(CHAPTER).cells:
        if cell.cell_type == "code":
            tree = ast.parse(cell.source)
            tree.body = [node for node in tree.body if isinstance(node, DEFINITIONS)]
            exec(compile(tree, str(CHAPTER), "exec"), space)
    return SimpleNamespace(**space, space=space)


@pytest.fixture(scope="module")
def small():
    return fragment.sample(400, seed=1), fragment.sample(100, seed=2)


@pytest.fixture(scope="module")
def ewt():
    if not data.available("ewt"):
        pytest.skip("the treebank EWT is not at hand")
    return data.treebank("ewt", "train"), data.treebank("ewt", "test")


def sentence(words, tags):
    return SimpleNamespace(words=tuple(words.split()), tags=tuple(tags.split()))


# ---- The count table --------------------------------------------------------------------------


def test_counts_are_of_word_and_tag(chapter):
    table = chapter.count([sentence("the girls walk", "D N V"), sentence("a walk", "D N")])
    assert table == {"the": {"D": 1}, "girls": {"N": 1}, "walk": {"V": 1, "N": 1}, "a": {"D": 1}}


@given(st.lists(st.integers(0, 20), min_size=2, max_size=5).filter(any), st.integers(0, 2**32 - 1))
def test_no_distribution_is_likelier_than_the_relative_frequencies(counts, seed):
    counts = np.array(counts)
    seen = counts > 0

    def log_likelihood(p):
        return (counts[seen] * np.log(p[seen])).sum()

    other = np.random.default_rng(seed).dirichlet(np.ones(len(counts))) + 1e-300
    assert log_likelihood(other) <= log_likelihood(counts / counts.sum()) + 1e-9


@given(
    st.lists(st.integers(0, 9), min_size=3, max_size=3),
    st.floats(1e-3, 10),
    st.integers(0, 2**32 - 1),
)
def test_smoothing_is_between_the_counts_and_the_prior(chapter, counts, alpha, seed):
    q = np.random.default_rng(seed).dirichlet(np.ones(3))
    counts = np.array(counts)
    row = chapter.smooth(counts, q, alpha)
    assert row.sum() == pytest.approx(1)
    frequencies = counts / counts.sum() if counts.any() else q
    assert (row >= np.minimum(frequencies, q) - 1e-12).all()
    assert (row <= np.maximum(frequencies, q) + 1e-12).all()


def test_the_network_s_gradient_is_the_slope_of_its_loss(chapter):
    rng = np.random.default_rng(0)
    chapter.space["counts"] = rng.integers(0, 5, size=(4, 3))
    W, direction = rng.normal(size=(2, 4, 3))
    ends = [chapter.loss(W + h * direction) for h in (1e-6, -1e-6)]
    slope = (chapter.gradient(W) * direction).sum()
    assert slope == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-6)
    counts = chapter.space["counts"] = rng.integers(1, 5, size=(4, 3))
    assert np.abs(chapter.gradient(np.log(counts))).max() < 1e-15


# ---- The bigram model -------------------------------------------------------------------------


def test_transitions_and_emissions_are_distributions(chapter, small):
    tags, steps, _ = chapter.bigram_model(small[0])
    assert steps.shape == (len(tags) + 1, len(tags) + 1)
    assert np.exp(steps).sum(axis=1) == pytest.approx(np.ones(len(tags) + 1))
    distribution = chapter.tag_distribution(chapter.rows_of_counts(small[0], tags))
    for word in ("the", "walk", "unseen", "Unseen", "7", "'"):
        row = distribution(word)
        assert row.shape == (len(tags),)
        assert row.sum() == pytest.approx(1)
        assert (row > 0).all()


def test_unknown_words_go_by_rare_words_of_the_same_shape(chapter):
    text = [sentence(f"the {stem}ing {stem}ness", "D V N") for stem in ("walk", "fill", "cold")]
    tags = ["D", "N", "V"]
    distribution = chapter.tag_distribution(chapter.rows_of_counts(text, tags))
    assert tags[distribution("happiness").argmax()] == "N"
    assert tags[distribution("running").argmax()] == "V"
    assert tags[distribution("the").argmax()] == "D"


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(2, 4), st.integers(0, 2**32 - 1))
def test_viterbi_finds_the_best_of_all_paths(chapter, n, n_tags, seed):
    rng = np.random.default_rng(seed)
    scores = np.log(rng.dirichlet(np.ones(n_tags), size=n))
    steps = np.log(rng.dirichlet(np.ones(n_tags + 1), size=n_tags + 1))

    def total(path):
        edges = [n_tags, *path, n_tags]
        return scores[np.arange(n), list(path)].sum() + steps[edges[:-1], edges[1:]].sum()

    best = max(total(path) for path in product(range(n_tags), repeat=n))
    path = chapter.read_back(*chapter.fill(scores, steps), steps)
    assert total(path) == pytest.approx(best)


def test_long_sentences_do_not_underflow(chapter, small):
    words = small[1][0].words * 500
    tags = chapter.bigram_tagger(small[0])(words)
    assert len(tags) == len(words)
    assert len(set(tags)) > 1


def test_on_the_fragment_context_helps_and_the_optimum_is_out_of_reach(chapter, small):
    train, test = small
    alone = chapter.evaluate(chapter.word_tagger(train), test, ())[0]
    bigram = chapter.evaluate(chapter.bigram_tagger(train), test, ())[0]
    assert alone + 0.02 < bigram < fragment.best_accuracy(test)


def test_in_the_chapter_s_sentence_a_later_word_decides_an_earlier_one(chapter):
    tags, steps, scores = chapter.bigram_model(fragment.sample(2000, seed=1))
    words = ["that", "walk", "must", "end"]
    delta, winners = chapter.fill(scores(words), steps)
    path = [tags[index] for index in chapter.read_back(delta, winners, steps)]
    ahead = [tags[index] for index in delta.argmax(axis=1)]
    assert path == ["DET", "NOUN", "AUX", "VERB"] == list(fragment.best_tags(words))
    assert ahead[:2] == ["PRON", "VERB"]
    alone = chapter.word_tagger(fragment.sample(2000, seed=1))(words)
    assert sum(a != b for a, b in zip(alone, path, strict=True)) == 2


# ---- Real text --------------------------------------------------------------------------------


def test_the_word_tagger_is_nltk_s_unigram_tagger_with_a_noun_default(chapter, ewt):
    nltk = pytest.importorskip("nltk")
    train, test = ewt
    pairs = [list(zip(s.words, s.tags, strict=True)) for s in train]
    theirs = nltk.UnigramTagger(pairs, backoff=nltk.DefaultTagger("NOUN"))
    ours = chapter.word_tagger(train)
    known_words = {word for s in train for word in s.words}
    right = {True: [], False: []}
    for s in test:
        tags = [tag for _, tag in theirs.tag(s.words)]
        assert ours(s.words) == tags
        for word, guess, tag in zip(s.words, tags, s.tags, strict=True):
            right[word in known_words].append(guess == tag)
    overall, known, unknown = chapter.evaluate(ours, test, known_words)
    assert overall == pytest.approx(0.862, abs=5e-4)
    assert [known, unknown] == [np.mean(right[True]), np.mean(right[False])]


def test_the_bigram_tagger_beats_nltk_s_with_back_off(chapter, ewt):
    nltk = pytest.importorskip("nltk")
    train, test = ewt
    pairs = [[list(zip(s.words, s.tags, strict=True)) for s in part] for part in ewt]
    unigram = nltk.UnigramTagger(pairs[0], backoff=nltk.DefaultTagger("NOUN"))
    theirs = nltk.BigramTagger(pairs[0], backoff=unigram).accuracy(pairs[1])
    ours = chapter.evaluate(chapter.bigram_tagger(train), test, ())[0]
    assert theirs == pytest.approx(0.873, abs=5e-4)
    assert ours > 0.91 > theirs


def test_counting_the_treebank_takes_under_half_a_second(chapter, ewt):
    def seconds():
        start = time.process_time()
        chapter.count(ewt[0])
        return time.process_time() - start

    assert min(seconds() for _ in range(3)) < 0.5
