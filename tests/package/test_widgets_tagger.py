"""The playground's arithmetic against NumPy and brute force, its page in a browser."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from dlbook.widgets.tagger import Tagger


def sentence(words, tags):
    return SimpleNamespace(words=tuple(words.split()), tags=tuple(tags.split()))


TOY = [
    sentence("the girls walk", "DET N V"),
    sentence("the girls take a walk", "DET N V DET N"),
    sentence("a walk", "DET N"),
    sentence("take 1/2 walk !", "V N N X"),
]


def test_it_carries_its_sentences():
    widget = Tagger(TOY, ["a walk", "the walk"], size=2, alpha=0.5)
    state = widget.get_state()
    assert state["training"][1] == "the/DET girls/N take/V a/DET walk/N"
    assert state["tags"] == ["DET", "N", "V", "X"]
    assert (state["size"], state["alpha"], state["sentence"]) == (2, 0.5, "a walk")
    assert Tagger(TOY, ["a walk"]).size == 4


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([], ["a"]), {}, "sentences: expected at least one"),
        ((TOY, []), {}, "examples: expected at least one"),
        ((TOY, [" "]), {}, "examples: expected at least one"),
        ((TOY, ["a"]), {"size": 5}, "size: expected 1 to 4 sentences, got 5"),
        ((TOY, ["a"]), {"alpha": -1}, "alpha: expected a strength from 0 to 5, got -1"),
        (([sentence("a b", "X")], ["a"]), {}, "as many words as tags"),
        (([sentence("", "")], ["a"]), {}, "at least one, got 0 words"),
        (([SimpleNamespace(words=("a b",), tags=("X",))], ["a"]), {}, "without white space"),
    ],
)
def test_bad_input_is_named(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        Tagger(*arguments, **options)


# ---- The model in JavaScript ------------------------------------------------------------------


@pytest.fixture(scope="module")
def widget():
    return Tagger(TOY, ["a walk", "the girls walk"], size=2, alpha=1)


@pytest.fixture(scope="module")
def analyse(evaluate):
    """The module's own function on several texts at once."""

    def run(widget, texts, **changes):
        state = {name: getattr(widget, name) for name in ("training", "tags", "size", "alpha")}
        states = [state | changes | {"text": text} for text in texts]
        return evaluate("value.map((state) => m.default.analyse(state))", states)

    return run


def model(sentences, tags, alpha):
    """The formulas of the docstring in NumPy: P(tag | word) as a function, P(tag), log steps."""
    edge = len(tags)
    pairs, words = np.zeros((edge + 1, edge + 1)), {}
    for s in sentences:
        path = [edge, *(tags.index(tag) for tag in s.tags), edge]
        np.add.at(pairs, (path[:-1], path[1:]), 1)
        for word, tag in zip(s.words, path[1:-1], strict=True):
            words.setdefault(word, np.zeros(edge))[tag] += 1
    following = pairs.sum(axis=0)
    share = following[:-1] / following[:-1].sum()

    def smooth(counts, q):
        return (counts + alpha * q) / (counts.sum(axis=-1, keepdims=True) + alpha)

    with np.errstate(all="ignore"):
        steps = np.log(np.nan_to_num(smooth(pairs, following / following.sum())))
    return lambda word: smooth(words.get(word, np.zeros(edge)), share), share, steps


def best_path(rows, share, steps):
    """By trying all; None where no path has a positive probability."""
    scores = np.log(rows / share)

    def total(path):
        edges = [len(share), *path, len(share)]
        return scores[np.arange(len(rows)), list(path)].sum() + steps[edges[:-1], edges[1:]].sum()

    best = max(product(range(len(share)), repeat=len(rows)), key=total)
    return list(best) if total(best) > -np.inf else None


@pytest.mark.parametrize("alpha", [0, 0.25, 1, 5])
@pytest.mark.parametrize("size", [2, 4])
def test_javascript_agrees_with_numpy_and_brute_force(analyse, alpha, size):
    widget = Tagger(TOY, ["a walk"])
    texts = ["the girls walk", "a walk", "girls take the walk", "take walk", "walk"]
    texts += ["the look", "look walk look"] if alpha else []
    if size == 2:
        widget = Tagger(TOY[:2], ["a walk"])
    distribution, share, steps = model(TOY[:size], widget.tags, alpha)
    for text, result in zip(texts, analyse(widget, texts, size=size, alpha=alpha), strict=True):
        rows = np.array([distribution(word) for word in text.split()])
        assert [row["word"] for row in result["rows"]] == text.split()
        found = np.array([row["distribution"] for row in result["rows"]])
        assert found == pytest.approx(rows)
        assert [row["alone"] for row in result["rows"]] == found.argmax(axis=1).tolist()
        with np.errstate(divide="ignore"):
            path = best_path(rows, share, steps)
        assert [row["inContext"] for row in result["rows"]] == (path or [None] * len(rows))


def test_sentences_beyond_the_size_are_not_counted(analyse):
    widget = Tagger(TOY, ["a walk"], size=1)
    (result,) = analyse(widget, ["the walk take"])
    assert result["n_words"] == 3
    assert [row["known"] for row in result["rows"]] == [True, True, False]


def test_without_smoothing_an_unseen_word_has_no_tag(analyse):
    (result,) = analyse(Tagger(TOY, ["a walk"], alpha=0), ["the girls look"])
    assert result["rows"][2]["alone"] is None
    assert [row["inContext"] for row in result["rows"]] == [None] * 3


def test_punctuation_is_split_off_and_nothing_typed_breaks_it(analyse):
    texts = ["Mary's well-known walk!", "", "   ", "¿№ 1/2", "<b>walk</b>"]
    results = analyse(Tagger(TOY, ["a walk"]), texts)
    words = [[row["word"] for row in result["rows"]] for result in results]
    assert words[:3] == [["Mary", "'s", "well-known", "walk", "!"], [], []]
    assert words[4] == ["<", "b", ">", "walk", "<", "/", "b", ">"]


# ---- The page -----------------------------------------------------------------------------------


@pytest.fixture
def shown(mount, widget):
    return mount(widget)


def cells(page):
    rows = page.locator("tr").all()[1:]
    return [[row.locator("th").inner_text(), *row.locator("td").all_inner_texts()] for row in rows]


def test_it_is_worked_by_keyboard_alone(shown):
    assert [row[0] for row in cells(shown)] == ["a", "walk"]
    shown.keyboard.press("Tab")
    shown.keyboard.press("Control+a")
    shown.keyboard.type("the look")
    assert [row[0] for row in cells(shown)] == ["the", "look *"]
    shown.keyboard.press("Tab")
    shown.keyboard.press("ArrowDown")
    assert "choose" not in shown.locator("select").input_value()
    shown.keyboard.press("Tab")
    shown.keyboard.press("End")
    assert "Counted 4 sentences, 14 words." in shown.get_by_role("status").inner_text()
    shown.keyboard.press("Tab")
    shown.keyboard.press("Home")
    assert shown.get_by_label("Smoothing").input_value() == "0"


def test_an_unseen_word_without_smoothing_is_reported(shown):
    shown.get_by_label("Sentence", exact=True).fill("the look")
    shown.get_by_label("Smoothing").fill("0")
    assert cells(shown)[1][1:] == ["unseen: 0/0", "none", "none"]
    assert "probability zero" in shown.get_by_role("status").inner_text()


def test_typed_markup_stays_text(shown):
    shown.get_by_label("Sentence", exact=True).fill("<img src=x onerror=alert(1)>")
    assert shown.locator("img").count() == 0


def test_it_fits_a_narrow_screen_and_leaves_no_listener_behind(shown):
    assert shown.evaluate("document.documentElement.scrollWidth") <= 360
    shown.evaluate("window.leave()")
    assert shown.evaluate("listening()") == 0
