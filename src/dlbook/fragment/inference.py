"""Exact inference in the fragment's grammar: the inside–outside algorithm and prefix probabilities.

The grammar is binarised (A → B C D becomes A → B X, X → C D), so that a rule joins two neighbouring
spans; chains of unary rules of any length are summed by one matrix inverse.
"""

from functools import cache
from types import SimpleNamespace

import numpy as np

from dlbook.fragment.grammar import START, TAGS, entries, lexicon, rules

__all__ = [
    "END",
    "best_accuracy",
    "best_tags",
    "cross_entropy",
    "log_probability",
    "masked_word_probabilities",
    "next_word_probabilities",
    "tag_posterior",
]

END = "</s>"

SCALE = 100.0  # about one over the probability of a word: long sentences do not underflow


def log_probability(words):
    """Probability of a sentence, summed over all its analyses.

    Parameters
    ----------
    words : sequence of str
        The sentence.

    Returns
    -------
    float
        The natural logarithm of its probability under the grammar.

    Raises
    ------
    ValueError
        If a word is not in the lexicon, or the grammar does not generate the sentence.
    """
    g = _part_for(_encode(words))
    return float(np.log(_total(g, _inside(g), words)) - len(words) * np.log(SCALE))


def tag_posterior(words):
    """Probability of each tag of each word, given the whole sentence.

    It is exact: it sums over all analyses of the sentence by the inside–outside algorithm [1]_.

    Parameters
    ----------
    words : sequence of str
        The sentence.

    Returns
    -------
    ndarray, shape (len(words), len(TAGS))
        Rows sum to one; columns are in the order of `TAGS`.

    Raises
    ------
    ValueError
        If a word is not in the lexicon, or the grammar does not generate the sentence.

    References
    ----------
    .. [1] J. K. Baker, "Trainable grammars for speech recognition", JASA 65 (S1), S132, 1979.
    """
    g = _part_for(_encode(words))
    inside = _inside(g)
    total = _total(g, inside, words)
    return (_outside_of_words(g, inside) * g.words / total) @ g.tags


def best_tags(words):
    """The most probable tag of each word given the sentence: no tagger gets more right on average.

    Parameters
    ----------
    words : sequence of str
        The sentence.

    Returns
    -------
    tuple of str

    Raises
    ------
    ValueError
        As `tag_posterior`.
    """
    return tuple(TAGS[tag] for tag in tag_posterior(words).argmax(axis=1))


def best_accuracy(sentences):
    """Share of words that the best possible tagger is expected to get right.

    It is the mean, over all words of the sentences, of the largest posterior probability of a tag.
    Given the words this expectation is exact and needs no tags, so that as an estimate of the
    accuracy on all sentences of the grammar it varies less than counting hits does (Rao–Blackwell).

    Parameters
    ----------
    sentences : sequence of Sentence or of sequences of str
        At least one.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        As `tag_posterior`, or if there are no sentences.
    """
    best = [tag_posterior(words).max(axis=1) for words in _words_of(sentences)]
    return float(np.concatenate(best).mean())


def cross_entropy(sentences):
    """Mean of minus the log-probability: what the grammar itself needs to tell the sentences.

    The mean over drawn sentences estimates the entropy of the distribution over strings, below
    which no language model can come. (That entropy has no closed form since a string can have many
    analyses; the probability of each string is exact.)

    Parameters
    ----------
    sentences : sequence of Sentence or of sequences of str
        At least one.

    Returns
    -------
    float
        In nats per sentence.

    Raises
    ------
    ValueError
        As `log_probability`, or if there are no sentences.
    """
    return -float(np.mean([log_probability(words) for words in _words_of(sentences)]))


def next_word_probabilities(prefix):
    """Exact distribution of the next word, given how a sentence begins.

    Left recursion of any depth is summed by a matrix inverse [1]_.

    Parameters
    ----------
    prefix : sequence of str
        The first words; none for the first word of a sentence.

    Returns
    -------
    dict of str to float
        The words that can follow, the most probable first; `END` is the end of the sentence.

    Raises
    ------
    ValueError
        If a word is not in the lexicon, or no sentence begins like this.

    References
    ----------
    .. [1] F. Jelinek and J. D. Lafferty, "Computation of the probability of initial substring
       generation by stochastic context-free grammars", Computational Linguistics 17 (3), 1991.
    """
    g, codes = _grammar(), _encode(prefix, empty=True)
    n = len(codes)
    part = _part_for(codes)
    inside = np.zeros((n + 1, n + 1, len(g.tags)))
    inside[:, :, part.symbols] = _inside(part)
    # forward[k]: expected number of constituents predicted to begin after k words, not counting
    # those that are only the first daughter of another one that begins there.
    forward = np.zeros((n + 1, len(g.tags)))
    forward[0, g.start] = 1
    predicted = np.zeros_like(forward)
    for k in range(n + 1):
        if k:
            joined = (predicted[:k, g.parent] * inside[:k, k][:, g.left]).sum(axis=0)
            np.add.at(forward[k], g.right, joined * g.probability)
        predicted[k] = forward[k] @ g.left_corners
    masses = dict(zip(lexicon(), g.words @ predicted[n], strict=True))
    if n:
        masses[END] = inside[0, n, g.start] * SCALE
    total = sum(masses.values())
    if total <= 0:
        raise ValueError(f"prefix: no sentence of the fragment begins with {' '.join(prefix)!r}")
    ranked = sorted(masses.items(), key=lambda item: (-item[1], item[0]))
    return {word: float(mass / total) for word, mass in ranked if mass > 0}


def masked_word_probabilities(words):
    """Exact distribution of each hidden word, given all words that are not hidden.

    A hidden word is replaced by the sum over all words; what surrounds it then follows from the
    inside–outside algorithm. Where several words are hidden, each distribution sums over all the
    others.

    Parameters
    ----------
    words : sequence of str or None
        The sentence, with None for each hidden word.

    Returns
    -------
    list of dict of str to float
        One for each hidden word, from left to right: the words that can stand there, the most
        probable first.

    Raises
    ------
    ValueError
        If a word is not in the lexicon, or no sentence of the fragment has these words in these
        places.
    """
    hidden = [i for i, word in enumerate(words) if word is None]
    shown = [i for i, word in enumerate(words) if word is not None]
    codes = _encode([words[i] for i in shown], empty=bool(hidden))
    full = _grammar()
    rows = np.tile(full.words.sum(axis=0), (len(words), 1))
    rows[shown] = full.words[codes]
    g = _part_with(rows)
    inside = _inside(g)
    total = _total(g, inside, [word or "…" for word in words])
    outside = _outside_of_words(g, inside)[hidden] / total
    found = []
    for masses in outside @ full.words[:, g.symbols].T:
        pairs = zip(lexicon(), masses.tolist(), strict=True)
        found.append(dict(sorted((p for p in pairs if p[1] > 0), key=lambda p: (-p[1], p[0]))))
    return found


@cache
def _grammar():
    """The binarised grammar as arrays; S categories (with those binarisation adds), R rules."""
    binary, unary = {}, []
    for rule in rules():
        if len(rule.right) == 1:
            if rule.left not in entries():
                unary.append((rule.left, rule.right[0], rule.probability))
            continue
        left, right, probability = rule.left, rule.right, rule.probability
        while len(right) > 2:
            rest = "+".join(right[1:])
            binary[left, right[0], rest] = probability
            left, right, probability = rest, right[1:], 1.0
        binary[left, *right] = probability

    symbols = dict.fromkeys(rule.left for rule in rules()) | dict.fromkeys(a for a, _, _ in binary)
    code = {symbol: k for k, symbol in enumerate(symbols)}
    ones = np.eye(len(code))
    chains, left_corners = ones.copy(), ones.copy()
    for a, b, p in unary:
        chains[code[a], code[b]] -= p
        left_corners[code[a], code[b]] -= p
    for (a, b, _), p in binary.items():
        left_corners[code[a], code[b]] -= p
    words, tags = np.zeros((len(lexicon()), len(code))), np.zeros((len(code), len(TAGS)))
    number = {word: k for k, word in enumerate(lexicon())}
    for category, of_category in entries().items():
        for entry in of_category:
            words[number[entry.word], code[category]] = entry.probability * SCALE
            tags[code[category], TAGS.index(entry.tag)] = 1
    parent, left, right = (np.array([code[rule[k]] for rule in binary]) for k in range(3))
    return SimpleNamespace(
        start=code[START],
        symbols=np.arange(len(code)),
        number=number,
        words=words,  # (words, S): probability of the word given the category, times SCALE
        tags=tags,  # (S, tags): 1 where a category of words has the tag
        parent=parent,  # (R,)
        left=left,  # (R,)
        right=right,  # (R,)
        probability=np.array([*binary.values()]),  # (R,)
        # (S, S): entry (a, b) sums the unary chains from a to b of any length, none included
        chains=np.linalg.inv(chains),
        # (S, S): expected number of b among a, its first daughter, the first daughter of that, …
        left_corners=np.linalg.inv(left_corners),
    )


def _encode(words, empty=False):
    if isinstance(words, str):
        raise TypeError(f"words: expected a sequence of words, got the string {words!r}")
    number = _grammar().number
    for word in words:
        if word not in number:
            raise ValueError(f"words: {word!r} is not in the lexicon of the fragment")
    if not (len(words) or empty):
        raise ValueError("words: expected at least one word, got none")
    return np.array([number[word] for word in words], dtype=int)


def _words_of(sentences):
    if not len(sentences):
        raise ValueError("sentences: expected at least one sentence, got none")
    return [getattr(sentence, "words", sentence) for sentence in sentences]


def _total(g, inside, words):
    """Probability of the whole sentence, times ``SCALE ** n``."""
    total = inside[0, -1, g.start].sum()
    if total <= 0:
        raise ValueError(f"words: {' '.join(words)!r} is not a sentence of the fragment")
    return total


def _part_for(codes):
    """The part of the grammar that the words of a sentence can use, usually a fifth of it.

    It holds the categories that can be built from the words from the bottom up, in any order. Its
    `words` are those of the sentence, its `start` is an array, empty if no sentence can be built.
    """
    return _part_with(_grammar().words[codes])


def _part_with(words):
    """The same for rows of `words`, (n, S), of which some may stand for several words at once."""
    g = _grammar()
    below = g.chains.T > 0
    built = np.zeros(len(below), dtype=bool)
    more = (words > 0).any(axis=0) @ below
    while (more != built).any():
        built = more
        usable = built[g.left] & built[g.right]
        more = built.copy()
        more[g.parent[usable]] = True
        more = more @ below
    symbols, usable = np.flatnonzero(built), built[g.left] & built[g.right]
    number = np.cumsum(built) - 1
    return SimpleNamespace(
        symbols=symbols,
        start=number[[g.start]][built[[g.start]]],
        words=words[:, symbols],
        tags=g.tags[symbols],
        parent=number[g.parent[usable]],
        left=number[g.left[usable]],
        right=number[g.right[usable]],
        probability=g.probability[usable],
        chains=g.chains[np.ix_(symbols, symbols)],
    )


def _inside(g):
    """Probability of the words of each span given each category.

    Returns
    -------
    ndarray, shape (n + 1, n + 1, S)
        Entry (i, k, a): that category a yields words i to k - 1, times ``SCALE ** (k - i)``.
    """
    n = len(g.words)
    inside = np.zeros((n + 1, n + 1, len(g.tags)))
    inside[np.arange(n), np.arange(n) + 1] = g.words @ g.chains.T
    left, right = np.zeros((2, n + 1, n + 1, len(g.parent)))  # the same by rule
    for length in range(1, n + 1):
        spans = [(i, i + length) for i in range(n + 1 - length)]
        i, k = np.transpose(spans)
        if length > 1:
            joined = [_sum_of_products(left[i, i + 1 : k], right[i + 1 : k, k]) for i, k in spans]
            inside[i, k] = _sum_by(g.parent, joined * g.probability, g) @ g.chains.T
        left[i, k], right[i, k] = inside[i, k][:, g.left], inside[i, k][:, g.right]
    return inside


def _outside_of_words(g, inside):
    """Derivative of the sentence's probability with respect to each word's given its category.

    It goes down from the whole sentence: what surrounds a span as a left or right daughter is what
    surrounds its parent times the probability of its sister.

    Returns
    -------
    ndarray, shape (n, S)
    """
    n = len(g.words)
    left, right = inside[:, :, g.left], inside[:, :, g.right]
    above = np.zeros_like(left)  # what surrounds the parent of each rule
    outside = g.chains[g.start]
    for length in range(n, 0, -1):
        spans = [(i, i + length) for i in range(n + 1 - length)]
        if length < n:
            as_left = [_sum_of_products(above[i, k + 1 :], right[k, k + 1 :]) for i, k in spans]
            as_right = [_sum_of_products(above[:i, k], left[:i, i]) for i, k in spans]
            outside = _sum_by(g.left, as_left, g) + _sum_by(g.right, as_right, g)
            outside = outside @ g.chains
        i, k = np.transpose(spans)
        above[i, k] = outside[:, g.parent] * g.probability
    return outside


def _sum_of_products(a, b):
    return np.einsum("kr,kr->r", a, b)


def _sum_by(symbols, values, g):
    """Sum what rules contribute, shape (n, R), by category: shape (n, S)."""
    sums = np.zeros((len(values), len(g.tags)))
    np.add.at(sums, (slice(None), symbols), values)
    return sums
