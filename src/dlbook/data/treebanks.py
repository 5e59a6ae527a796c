"""Sentences with tags and dependency trees, from treebanks in the CoNLL-U format."""

import functools
from dataclasses import dataclass

from dlbook.data.fetch import locate
from dlbook.data.sources import files

__all__ = ["UPOS", "Sentence", "parse_conllu", "read_conllu", "treebank"]

# https://universaldependencies.org/u/pos/
UPOS = (
    "ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM",
    "PART", "PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with its analysis: one entry for each word, or none where it was not annotated.

    Attributes
    ----------
    words : tuple of str
        The syntactic words as written: *don't* is the two words *do* and *n't*.
    tags : tuple of str
        Universal part-of-speech tags, from :data:`UPOS`.
    heads : tuple of int
        Position of each word's head, counted from 1; 0 for the root.
    relations : tuple of str
        Universal dependency relation of each word to its head, such as "nsubj" or "nmod:poss".
    lemmas : tuple of str
        Dictionary forms.
    features : tuple of str
        Morphological features such as "Number=Plur|Person=3", or "".

    Raises
    ------
    ValueError
        If an attribute has too few entries, or too many.
    """

    words: tuple[str, ...]
    tags: tuple[str, ...] = ()
    heads: tuple[int, ...] = ()
    relations: tuple[str, ...] = ()
    lemmas: tuple[str, ...] = ()
    features: tuple[str, ...] = ()

    def __post_init__(self):
        n_words = len(self.words)
        for name in ("tags", "heads", "relations", "lemmas", "features"):
            n_entries = len(getattr(self, name))
            if n_entries not in (0, n_words):
                raise ValueError(f"{name} has {n_entries} entries: expected {n_words} or none")

    def __len__(self):
        return len(self.words)

    def __str__(self):
        return " ".join(self.words)


def treebank(name, split):
    """Read one part of a treebank: a tuple of sentences.

    "ewt" is the Universal Dependencies English Web Treebank [1]_, CC BY-SA 4.0: 254,818 words of
    weblogs, newsgroups, e-mails, reviews and questions.

    Parameters
    ----------
    name : str
        "ewt".
    split : str
        "train" (12,544 sentences), "dev" (2,001) or "test" (2,077).

    Returns
    -------
    tuple of Sentence
        The same object each time.

    Raises
    ------
    DataUnavailable
        If the file is not at hand and cannot be fetched.
    ValueError
        If there is no such treebank or split.

    References
    ----------
    .. [1] N. Silveira et al., "A Gold Standard Dependency Corpus for English", LREC 2014.
       https://github.com/UniversalDependencies/UD_English-EWT
    """
    if name != "ewt":
        raise ValueError(f"name is {name!r}: expected 'ewt'")
    if split not in ("train", "dev", "test"):
        raise ValueError(f"split is {split!r}: expected 'train', 'dev' or 'test'")
    (source,) = files(name, split)
    return _read_once(locate(source), source.sha256)


@functools.lru_cache(maxsize=8)
def _read_once(path, sha256):
    return tuple(read_conllu(path))


def read_conllu(path):
    """Read a CoNLL-U file [1]_, sentence by sentence.

    Parameters
    ----------
    path : str or pathlib.Path
        A text file in UTF-8.

    Yields
    ------
    Sentence

    Raises
    ------
    ValueError
        If a line is malformed: the message names the file and the line.

    References
    ----------
    .. [1] https://universaldependencies.org/format.html
    """
    with open(path, encoding="utf-8") as lines:
        try:
            yield from parse_conllu(lines, name=str(path))
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is not UTF-8: {error.reason}") from None


def parse_conllu(lines, name="CoNLL-U"):
    """Read sentences from lines in the CoNLL-U format.

    Multiword ranges (``3-4``: *don't* as it was written) and empty nodes (``8.1``: words that
    were left out) are no words of the basic tree and are skipped.

    Parameters
    ----------
    lines : iterable of str
    name : str, optional
        What to call the lines in messages.

    Yields
    ------
    Sentence

    Raises
    ------
    ValueError
        If a line is malformed: the message names it.
    """
    from conllu.exceptions import ParseException
    from conllu.parser import parse_id_value, parse_int_value

    # Few different strings, each met thousands of times.
    parse_id = functools.lru_cache(maxsize=4096)(parse_id_value)
    parse_head = functools.lru_cache(maxsize=4096)(parse_int_value)

    number = 0
    rows = []  # (form, tag, head, relation, lemma, features) of each word so far
    numbers = []  # the line of each
    for number, line in enumerate(lines, start=1):
        line = line.rstrip("\r\n")
        if not line:
            if rows:
                yield _sentence(rows, numbers, name)
                rows, numbers = [], []
            continue
        if line.startswith("#"):
            continue
        try:
            columns = line.split("\t")
            if len(columns) != 10:
                raise ParseException(f"expected 10 columns between tabs, found {len(columns)}")
            identifier = parse_id(columns[0])
            if not isinstance(identifier, int):
                if identifier is None:
                    raise ParseException("it has no ID")
                continue
            if identifier != len(rows) + 1:
                raise ParseException(f"expected word {len(rows) + 1}, found {identifier}")
            _, form, lemma, tag, _, features, head, relation, _, _ = columns
            if not form:
                raise ParseException("the word is empty")
            if tag not in _UPOS:
                raise ParseException(f"{tag!r} is not a universal part-of-speech tag")
            position = parse_head(head)
            if position is None or position < 0:
                raise ParseException(f"{head!r} is not the position of a head")
            if relation in ("", "_"):
                raise ParseException("the relation is missing")
        except ParseException as error:
            raise ValueError(f"{name}, line {number}: {error}") from None
        rows.append((form, tag, position, relation, lemma, "" if features == "_" else features))
        numbers.append(number)
    if rows:
        raise ValueError(
            f"{name}, line {number}: the file ends within a sentence (a blank line should follow)"
        )


_UPOS = frozenset(UPOS)


def _sentence(rows, numbers, name):
    words, tags, heads, relations, lemmas, features = zip(*rows, strict=True)
    n_words = len(words)
    for head, number in zip(heads, numbers, strict=True):
        if head > n_words:
            raise ValueError(
                f"{name}, line {number}: the head is word {head} of a sentence of {n_words}"
            )
    if not _is_tree(heads):
        raise ValueError(
            f"{name}, lines {numbers[0]} to {numbers[-1]}: the heads do not form a tree with one "
            "root"
        )
    return Sentence(words, tags, heads, relations, lemmas, features)


def _is_tree(heads):
    """Say whether exactly one word is the root and every word's chain of heads ends there."""
    if heads.count(0) != 1:
        return False
    reaches_root = [False] * (len(heads) + 1)
    reaches_root[0] = True
    for word in range(1, len(heads) + 1):
        chain = []
        while not reaches_root[word]:
            if len(chain) > len(heads):
                return False
            chain.append(word)
            word = heads[word - 1]
        for member in chain:
            reaches_root[member] = True
    return True
