"""Checks of the chapter "Part-of-speech tags by maximum likelihood"."""

from itertools import pairwise, product

import numpy as np

from dlbook.exercises import Hint, exercise, expect_array, expect_close

__all__ = ["brute_force", "defeat", "forward", "four_observations", "shortfall", "smoothing"]

_ROUGH = {"tolerance": 1e-3}  # answers worked out by hand


@exercise
def four_observations(answer):
    """Four probabilities under the counts of four tagged sentences.

    Parameters
    ----------
    answer : sequence of 4 floats
        P(V | walk), P(N | look), the probability of "DET N V" for "the girls walk", and the
        likelihood of all four observations.
    """
    answer = expect_array(answer, (4,), "the answer")
    if np.any((answer < 0) | (answer > 1)):
        raise Hint("a probability lies between 0 and 1")
    if abs(answer[0] - 1 / 2) < 1e-3:
        raise Hint("P(V | walk): 1/2 was right for two observations; walk now occurs three times")
    expect_close(answer[0], 2 / 3, "P(V | walk): divide walk's V by all its occurrences", **_ROUGH)
    expect_close(answer[1], 1, "P(N | look): how often is look seen, how often as N?", **_ROUGH)
    expect_close(
        answer[2],
        answer[0],
        "the sentence: multiply one probability a word; which of the three words is ambiguous?",
        **_ROUGH,
    )
    if abs(answer[3] - 2 / 9) < 1e-3:
        raise Hint("the likelihood: walk occurs in three of the observations, so three factors")
    expect_close(
        answer[3],
        4 / 27,
        "the likelihood: multiply the probabilities of all four observations' tags",
        **_ROUGH,
    )


@exercise
def smoothing(smoothed):
    """Add-alpha smoothing of a table of counts.

    Parameters
    ----------
    smoothed : callable
        ``smoothed(counts, alpha)``: counts of shape (words, tags) and a positive number to the
        table of P(tag | word), of the same shape.
    """
    counts = np.array([[4, 0, 0], [0, 1, 1], [0, 0, 0], [2, 5, 1]])
    before = counts.copy()
    for alpha in (1.0, 0.1, 2.5):
        table = expect_array(smoothed(counts, alpha), counts.shape, "the table")
        if not np.array_equal(counts, before):
            raise Hint("the counts were changed in place: make a new array")
        if not np.allclose(table.sum(axis=1), 1):
            if np.allclose(table.sum(axis=0), 1):
                raise Hint("columns sum to one: divide by the sum over tags, one sum a word")
            raise Hint(
                f"with alpha = {alpha} rows do not sum to one: alpha is added once for each tag, "
                "so how much is added to the row's sum?"
            )
        if not np.allclose(table[2], 1 / 3):
            raise Hint("a word that was never seen should get the same share for each tag")
        ratio = (counts[1] + alpha) / (counts[1] + alpha).sum()
        expect_close(
            table[1],
            ratio,
            f"with alpha = {alpha} the counts 0, 1, 1 should act like {alpha}, {1 + alpha}, "
            f"{1 + alpha}",
        )
        expect_close(
            table, (counts + alpha) / (counts + alpha).sum(axis=1, keepdims=True), "not yet"
        )


@exercise
def shortfall(lost):
    """Log-likelihood lost by a distribution other than the relative frequencies.

    Parameters
    ----------
    lost : callable
        ``lost(counts, q)``: counts of shape (tags,) and a distribution of the same shape to the
        log-likelihood at the relative frequencies less that at `q`, in nats.
    """
    rng = np.random.default_rng(0)
    counts = np.array([3.0, 5.0, 2.0])
    value = float(expect_array(lost(counts, counts / counts.sum()), (), "the loss"))
    expect_close(value, 0, "at the relative frequencies themselves nothing is lost")
    for q in rng.dirichlet(np.ones(3), size=5):
        expected = float(counts @ np.log(counts / counts.sum() / q))
        value = float(expect_array(lost(counts, q), (), "the loss"))
        if np.isclose(value, -expected):
            raise Hint("the sign: the maximum less the value at q is never negative")
        if np.isclose(value, expected / counts.sum()):
            raise Hint("this is the loss of one observation; the counts hold several")
        if np.isclose(value, expected / np.log(2)):
            raise Hint("this is in bits; use the natural logarithm")
        expect_close(value, expected, "compare with the difference of the two log-likelihoods")
    with np.errstate(all="ignore"):
        value = lost(np.array([2.0, 0.0, 2.0]), np.array([0.25, 0.5, 0.25]))
    if not np.isfinite(np.asarray(value, dtype=float)).all():
        raise Hint("a tag with count 0 gives NaN or infinity: 0 log 0 counts as 0")
    expect_close(value, 4 * np.log(2), "a tag with count 0 should contribute nothing")


@exercise
def defeat(answer):
    """Two observations that no word-only tagger gets right together, but a bigram tagger does.

    Parameters
    ----------
    answer : sequence of two pairs
        Each a sentence and its tags, as two strings with blanks between.
    """
    observations = [_observation(pair) for pair in _pair(answer, "the answer", "observations")]
    tags = {}
    for words, sequence in observations:
        for position, (word, tag) in enumerate(zip(words, sequence, strict=True)):
            before = sequence[position - 1] if position else "start"
            tags.setdefault(word, {}).setdefault(tag, set()).add(before)
    ambiguous = {word: seen for word, seen in tags.items() if len(seen) > 1}
    if not ambiguous:
        raise Hint("every word has one tag only, so the table of counts makes no mistake")
    for word, seen in ambiguous.items():
        befores = [before for contexts in seen.values() for before in contexts]
        if len(befores) != len(set(befores)):
            raise Hint(f"{word!r} has two tags after the same tag, so a bigram cannot decide it")


def _pair(value, name, what):
    if isinstance(value, str) or len(value) != 2:
        raise Hint(f"{name} should hold two {what}")
    return value


def _observation(pair):
    sentence, sequence = _pair(pair, "an observation", "strings: a sentence and its tags")
    words, tags = sentence.split(), sequence.split()
    if len(words) != len(tags) or not words:
        raise Hint(f"{sentence!r} has {len(words)} words, but {len(tags)} tags")
    unknown = set(words) - {"the", "a", "girls", "walk", "take", "look"}
    if unknown:
        raise Hint(f"{min(unknown)!r} is not one of the six words")
    if set(tags) - {"DET", "N", "V"}:
        raise Hint("the tags are DET, N and V")
    return words, tags


@exercise
def brute_force(best_path):
    """The best tag sequence by trying all.

    Parameters
    ----------
    best_path : callable
        ``best_path(scores, steps)``: log emissions of shape (n, K) and log transitions of shape
        (K + 1, K + 1), the sentence's edge last, to the n tag numbers of the best path.
    """
    models = list(_models())
    paths = [_path(best_path(scores, steps), *scores.shape) for scores, steps in models]

    def all_are(mistake):
        return all(p == tuple(mistake(*model)) for p, model in zip(paths, models, strict=True))

    if all_are(_best):
        return
    if all_are(lambda scores, steps: scores.argmax(axis=1)):
        raise Hint("this is the best tag of each word alone: add the transitions")
    if all_are(lambda scores, steps: _best(scores, steps, start=False)):
        raise Hint("a step is missing: from the edge to the first word")
    if all_are(lambda scores, steps: _best(scores, steps, end=False)):
        raise Hint("a step is missing: from the last word to the edge")
    if all_are(lambda scores, steps: _best(-scores, -steps)):
        raise Hint("this is the worst path: take the largest sum of logarithms")
    wrong = [len(p) for p, model in zip(paths, models, strict=True) if p != _best(*model)]
    raise Hint(f"on {len(wrong)} of {len(models)} models a better path exists")


def _path(value, n, n_tags):
    path = np.asarray(value)
    if path.shape != (n,):
        raise Hint(f"a path should hold {n} tag numbers, but has shape {path.shape}")
    if not set(path.tolist()) <= set(range(n_tags)):
        raise Hint(f"tag numbers should be 0 to {n_tags - 1}, got {path.tolist()}")
    return tuple(path.tolist())


@exercise
def forward(log_probability):
    """The sum over all paths by the forward recursion.

    Parameters
    ----------
    log_probability : callable
        ``log_probability(scores, steps)``, arguments as for `brute_force`, to the logarithm of the
        sum over all paths of the product along the path.
    """
    for scores, steps in _models():
        value = float(expect_array(log_probability(scores, steps), (), "the log-probability"))
        paths = product(range(scores.shape[1]), repeat=len(scores))
        totals = np.array([_path_score(path, scores, steps) for path in paths])
        if np.isclose(value, totals.max()) and len(totals) > 1:
            raise Hint("this is the best path's score: sum over paths instead of the maximum")
        expected = np.logaddexp.reduce(totals)
        if np.isclose(value, np.exp(expected)):
            raise Hint("this is the probability: return its logarithm")
        hint = f"for {len(scores)} words it differs from the sum over all paths"
        expect_close(value, expected, hint)
    scores = np.full((2000, 2), -5.0)
    steps = np.log(np.full((3, 3), 1 / 3))
    with np.errstate(all="ignore"):
        value = np.asarray(log_probability(scores, steps), dtype=float)
    if not np.all(np.isfinite(value)):
        raise Hint("2,000 words give infinity or NaN: stay in log space, with np.logaddexp")
    expect_close(value, 2000 * (np.log(2 / 3) - 5) + np.log(1 / 3), "2,000 words come out wrong")


def _models():
    """Random models in which the words alone, the start and the end all mislead somewhere."""
    rng = np.random.default_rng(1)
    for n, n_tags in ((1, 3), (2, 2), (4, 3), (3, 4), (5, 3)):
        for _ in range(4):
            steps = np.log(rng.dirichlet(np.full(n_tags + 1, 0.3), size=n_tags + 1) + 1e-6)
            yield np.log(rng.dirichlet(np.ones(n_tags), size=n)), steps


def _best(scores, steps, **parts):
    paths = product(range(scores.shape[1]), repeat=len(scores))
    return max(paths, key=lambda path: _path_score(path, scores, steps, **parts))


def _path_score(path, scores, steps, start=True, end=True):
    total = sum(scores[position, tag] for position, tag in enumerate(path))
    total += sum(steps[before, after] for before, after in pairwise(path))
    return total + start * steps[-1, path[0]] + end * steps[path[-1], -1]
