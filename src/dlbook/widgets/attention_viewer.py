"""Attention of trained models, looked at word by word: who looks at whom, and how strongly."""

import anywidget
import numpy as np
import traitlets

from .checks import integer
from .shared import source

__all__ = ["AttentionViewer"]


class AttentionViewer(anywidget.AnyWidget):
    """Go along the words of a text and see where a head of a trained model looks.

    The reader picks a text, a layer and a head, moves along the words by the arrow keys, and sees
    a line to each word that is looked at, as wide as its weight, and a table with score and
    weight. The weights are the softmax of the scores, computed in the page; a switch hides later
    words from it or shows them.

    Parameters
    ----------
    texts : sequence of tuple
        At least one ``(title, queries, keys, scores, causal)``: what to call it; the words that
        look (n strings) and those that are looked at (m strings); the scores
        :math:`q^\\top k/\\sqrt d` before any mask, shape (layers, heads, n, m), which are kept to
        two decimals; and whether the model itself may not see later words, which takes n = m.
    text, layer, head, word : int
        What is shown at first, from 0.

    Raises
    ------
    TypeError, ValueError
        If a text is not what it should be, or a number is out of range.
    """

    _esm = source(__file__, ".js")
    _css = source(__file__, ".css")
    texts = traitlets.List(traitlets.Dict()).tag(sync=True)
    text = traitlets.Int().tag(sync=True)
    layer = traitlets.Int().tag(sync=True)
    head = traitlets.Int().tag(sync=True)
    word = traitlets.Int().tag(sync=True)
    causal = traitlets.Bool().tag(sync=True)

    def __init__(self, texts, *, text=0, layer=0, head=0, word=0):
        texts = [_text(k, *entry) for k, entry in enumerate(texts)]
        if not texts:
            raise ValueError("texts: expected at least one, got none")
        integer(text, "text", 0, len(texts) - 1)
        shown = texts[text]
        integer(layer, "layer", 0, len(shown["scores"]) - 1)
        integer(head, "head", 0, len(shown["scores"][0]) - 1)
        integer(word, "word", 0, len(shown["queries"]) - 1)
        causal = shown["causal"]
        super().__init__(texts=texts, text=text, layer=layer, head=head, word=word, causal=causal)


def _text(number, title, queries, keys, scores, causal):
    name = f"texts[{number}]"
    queries, keys = list(queries), list(keys)
    if not all(isinstance(word, str) for word in [title, *queries, *keys]):
        raise TypeError(f"{name}: expected a title and words of type str")
    scores = np.asarray(scores, dtype=float)
    if scores.ndim != 4 or scores.shape[2:] != (len(queries), len(keys)) or 0 in scores.shape:
        raise ValueError(
            f"{name}: scores have shape {scores.shape}, expected (layers, heads, "
            f"{len(queries)}, {len(keys)}), none of them 0"
        )
    if not np.isfinite(scores).all():
        raise ValueError(f"{name}: scores hold NaN or infinity: give them before any mask")
    if causal and len(queries) != len(keys):
        raise ValueError(
            f"{name}: a causal text needs as many keys as queries, got {len(keys)} and "
            f"{len(queries)}"
        )
    rounded = (np.round(scores, 2) + 0.0).tolist()  # + 0.0: no minus zero
    return dict(title=title, queries=queries, keys=keys, scores=rounded, causal=bool(causal))
