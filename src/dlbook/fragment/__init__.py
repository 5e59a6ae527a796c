"""A fragment of English whose distribution is known exactly.

A probabilistic context-free grammar draws sentences with their tags, constituents, dependencies,
coreference and a logical form. Since the grammar is known, so are the probability of a string, of
its next word and of each word's tag: no tagger or language model can do better than these.

>>> from dlbook import fragment
>>> fragment.best_tags("the girls take a walk".split())
('DET', 'NOUN', 'VERB', 'DET', 'NOUN')
>>> print(fragment.sample(1, seed=16)[0].tree)
(TOP (S (NP (PROPN Mark)) (VP (AUX does) (PART not) (VP (VERB dream)))) (PUNCT .))
"""

from dlbook.fragment.grammar import TAGS, Entry, Rule, lexicon, rules
from dlbook.fragment.inference import (
    END,
    best_accuracy,
    best_tags,
    cross_entropy,
    log_probability,
    masked_word_probabilities,
    next_word_probabilities,
    tag_posterior,
)
from dlbook.fragment.sentence import Sentence, Tree, sample

__all__ = [
    "END",
    "TAGS",
    "Entry",
    "Rule",
    "Sentence",
    "Tree",
    "best_accuracy",
    "best_tags",
    "cross_entropy",
    "lexicon",
    "log_probability",
    "masked_word_probabilities",
    "next_word_probabilities",
    "rules",
    "sample",
    "tag_posterior",
]
