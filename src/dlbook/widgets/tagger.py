"""A tagger that the reader can feed: counts, smoothing and Viterbi, computed in the page."""

import anywidget
import traitlets

from .shared import source

__all__ = ["Tagger"]


class Tagger(anywidget.AnyWidget):
    """Tag a sentence by counting, word by word and in context.

    The reader types or picks a sentence and moves two sliders: how many of the training sentences
    are counted, and how strong the smoothing is. The page shows each word's distribution over
    tags, the best tag of the word alone, and its tag on the best path of the bigram model.

    With counts :math:`N`, relative frequencies :math:`P(t)` of the tags and smoothing strength
    :math:`\\alpha`, the word's distribution is :math:`(N(w,t)+\\alpha P(t))/(N(w)+\\alpha)`;
    a transition is smoothed the same way. The path maximises the product of transitions and of
    :math:`P(t\\mid w)/P(t)` (Brants, 2000, "TnT").

    Parameters
    ----------
    sentences : sequence
        Training sentences, at least one, with attributes ``words`` and ``tags``: tuples of str of
        the same length. Words hold no white space.
    examples : sequence of str
        Sentences to pick from, at least one, their words separated by blanks. The first is shown.
    size : int, optional
        How many of `sentences` are counted at first, from the beginning; default: all.
    alpha : float
        Smoothing strength at first, in pseudo-counts a word, from 0 to 5.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, empty or out of its range.
    """

    _esm = source(__file__, ".js")
    _css = source(__file__, ".css")
    tags = traitlets.List(traitlets.Unicode()).tag(sync=True)
    training = traitlets.List(traitlets.Unicode()).tag(sync=True)
    examples = traitlets.List(traitlets.Unicode()).tag(sync=True)
    sentence = traitlets.Unicode().tag(sync=True)
    size = traitlets.Int().tag(sync=True)
    alpha = traitlets.Float().tag(sync=True)

    def __init__(self, sentences, examples, *, size=None, alpha=1.0):
        sentences, examples = list(sentences), list(examples)
        if not sentences:
            raise ValueError("sentences: expected at least one sentence, got none")
        if not examples or not all(isinstance(text, str) and text.strip() for text in examples):
            raise ValueError(f"examples: expected at least one, none of them empty, got {examples}")
        size = len(sentences) if size is None else size
        if not 1 <= size <= len(sentences):
            raise ValueError(f"size: expected 1 to {len(sentences)} sentences, got {size}")
        if not 0 <= alpha <= 5:
            raise ValueError(f"alpha: expected a strength from 0 to 5, got {alpha}")
        super().__init__(
            tags=sorted({tag for sentence in sentences for tag in sentence.tags}),
            training=[_encode(sentence) for sentence in sentences],
            examples=examples,
            sentence=examples[0],
            size=size,
            alpha=float(alpha),
        )


def _encode(sentence):
    """``the/DET girls/NOUN``: a third of the size of a list of pairs in JSON."""
    if not sentence.words or len(sentence.words) != len(sentence.tags):
        raise ValueError(
            f"sentences: expected as many words as tags, and at least one, got "
            f"{len(sentence.words)} words and {len(sentence.tags)} tags"
        )
    if any(not word or word.split() != [word] for word in sentence.words):
        raise ValueError(f"sentences: expected words without white space, got {sentence.words}")
    return " ".join(
        f"{word}/{tag}" for word, tag in zip(sentence.words, sentence.tags, strict=True)
    )
