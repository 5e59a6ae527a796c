"""Sentences of the fragment: drawn from the grammar, with everything that is known about them."""

from bisect import bisect
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

import numpy as np

from dlbook.fragment.grammar import LABELS, START, entries, rules
from dlbook.fragment.meaning import find_antecedents, logical_form

__all__ = ["Sentence", "Tree", "sample"]


@dataclass(frozen=True)
class Tree:
    """A constituent: its label and its children, trees or (below a tag) one word."""

    label: str
    children: tuple

    def __str__(self):
        return f"({self.label} {' '.join(map(str, self.children))})"

    def leaves(self):
        """The words below, from left to right (list of str)."""
        return [w for c in self.children for w in (c.leaves() if isinstance(c, Tree) else [c])]

    def preterminals(self):
        """The tags of the words, from left to right (list of str)."""
        if isinstance(self.children[0], str):
            return [self.label]
        return [tag for c in self.children for tag in c.preterminals()]

    def spans(self, start=0):
        """The constituents as (label, first word, one past the last), from the top down.

        Words are counted from 0; the tags of single words are left out.
        """
        if isinstance(self.children[0], str):
            return []
        below, end = [], start
        for child in self.children:
            below += child.spans(end)
            end += len(child.leaves())
        return [(self.label, start, end), *below]


@dataclass(frozen=True)
class Sentence:
    """A sentence with its analysis. Words are numbered from 1, as in Universal Dependencies.

    Attributes
    ----------
    words, tags, lemmas : tuple of str
        One per word; tags as in Universal Dependencies (UPOS).
    heads : tuple of int
        Number of each word's head, 0 for the root.
    relations : tuple of str
        Each word's relation to its head (Universal Dependencies).
    numbers, genders : tuple of str
        "sg" or "pl"; "f", "m", "n" or, for a person of either gender, "c"; "" where there is none.
    tree : Tree
        The constituents.
    antecedents : dict of int to int
        From a pronoun to the head word of what it refers to; a pronoun whose referent is outside
        the sentence is left out. See `find_antecedents` for the rule.
    logical_form : str
        See `logical_form` for the notation.
    """

    words: tuple[str, ...]
    tags: tuple[str, ...]
    lemmas: tuple[str, ...]
    heads: tuple[int, ...]
    relations: tuple[str, ...]
    numbers: tuple[str, ...]
    genders: tuple[str, ...]
    tree: Tree
    antecedents: dict[int, int]
    logical_form: str

    def __str__(self):
        return " ".join(self.words)


def sample(n, seed):
    """Draw sentences from the grammar.

    Parameters
    ----------
    n : int
        How many.
    seed : int or numpy.random.Generator
        The same seed gives the same sentences on every machine, and `sample(m, seed)` begins
        `sample(n, seed)` for m < n.

    Returns
    -------
    list of Sentence
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 0:
        raise ValueError(f"n: expected a number of sentences, 0 or more, got {n!r}")
    if not isinstance(seed, int | np.integer | np.random.Generator) or isinstance(seed, bool):
        raise TypeError(f"seed: expected an integer or a numpy Generator, got {seed!r}")
    generator = np.random.default_rng(seed)
    return [_draw(generator.random) for _ in range(n)]


@cache
def _choices():
    """For each category what it can become, with the cumulative probabilities to draw from."""
    table = {category: list(of_category) for category, of_category in entries().items()}
    for rule in rules():
        if rule.left not in entries():
            table.setdefault(rule.left, []).append(rule)
    return {
        category: ([*accumulate(o.probability for o in options)][:-1], options)
        for category, options in table.items()
    }


def _draw(uniform):
    choices, words, heads, relations = _choices(), [], [], []

    def grow(category):
        """Expand a category: its trees (several where it has no label) and its head word."""
        cumulative, options = choices[category]
        option = options[bisect(cumulative, uniform())]
        if category in entries():
            words.append(option)
            heads.append(0)
            relations.append("root")
            return [Tree(option.tag, (option.word,))], len(words)
        trees, dependents, head = [], [], 0
        for daughter, relation in zip(option.right, option.relations, strict=True):
            below, top = grow(daughter)
            trees += below
            if relation:
                dependents.append((top, relation))
            else:
                head = top
        for top, relation in dependents:
            heads[top - 1], relations[top - 1] = head, relation
        label = LABELS.get(category.partition("[")[0])
        if label is None or (len(trees) == 1 and (trees[0].label == label or category == "POSS")):
            return trees, head  # (NP her book), but (NP (NP Anna 's) book)
        return [Tree(label, tuple(trees))], head

    (tree,), _ = grow(START)
    antecedents, groups = find_antecedents(words, heads, relations)
    return Sentence(
        words=tuple(w.word for w in words),
        tags=tuple(w.tag for w in words),
        lemmas=tuple(w.lemma for w in words),
        heads=tuple(heads),
        relations=tuple(relations),
        numbers=tuple(w.number for w in words),
        genders=tuple(w.gender for w in words),
        tree=tree,
        antecedents=antecedents,
        logical_form=logical_form(words, heads, relations, antecedents, groups),
    )
