"""The viewer's softmax against NumPy, the size of its state, and its page by keyboard."""

import json

import numpy as np
import pytest

from dlbook.widgets.attention_viewer import AttentionViewer

WORDS = ["<s>", "the", "girls", "walk", "</s>"]
RNG = np.random.default_rng(0)
SELF = ("next word: the girls walk", WORDS, WORDS, 3 * RNG.standard_normal((2, 4, 5, 5)), True)
CROSS = (
    "backwards: abc",
    ["<s>", "c", "b"],
    list("abc."),
    RNG.standard_normal((1, 2, 3, 4)),
    False,
)
NAMES = ("texts", "text", "layer", "head", "word", "causal")


def state_of(widget):
    return {name: widget.get_state()[name] for name in NAMES}


def test_it_carries_rounded_scores_and_where_to_begin():
    state = state_of(AttentionViewer([SELF, CROSS], layer=1, head=3, word=2))
    assert json.loads(json.dumps(state)) == state
    first, second = state["texts"]
    assert np.allclose(first["scores"], SELF[3], atol=0.005001)
    assert all(len(repr(x).partition(".")[2]) <= 2 for x in np.ravel(first["scores"]).tolist())
    assert (first["queries"], first["causal"]) == (WORDS, True)
    assert (second["keys"], second["causal"]) == (list("abc."), False)
    assert [state[name] for name in NAMES[1:]] == [0, 1, 3, 2, True]


def test_a_chapters_worth_of_texts_stays_small():
    scores = 5 * RNG.standard_normal((2, 4, 9, 9))
    words = ["something"] * 9
    widget = AttentionViewer([(f"text {k}", words, words, scores, True) for k in range(9)])
    assert len(json.dumps(state_of(widget))) < 60_000


@pytest.mark.parametrize(
    ("texts", "options", "error", "message"),
    [
        ([], {}, ValueError, "texts: expected at least one"),
        ([(*SELF[:3], SELF[3][:, :, :4], True)], {}, ValueError, "scores have shape"),
        ([(*SELF[:3], SELF[3][0], True)], {}, ValueError, "scores have shape"),
        ([(*SELF[:3], SELF[3] - np.inf, True)], {}, ValueError, "before any mask"),
        ([(*CROSS[:4], True)], {}, ValueError, "as many keys as queries, got 4 and 3"),
        ([(1, *SELF[1:])], {}, TypeError, "a title and words"),
        ([SELF], {"head": 4}, ValueError, "head: expected an integer from 0 to 3, got 4"),
        ([SELF], {"layer": -1}, ValueError, "layer: expected an integer from 0 to 1, got -1"),
        ([SELF], {"word": 5}, ValueError, "word: expected an integer from 0 to 4"),
        ([SELF], {"text": True}, TypeError, "text: expected an integer, got True"),
    ],
)
def test_bad_input_is_named(texts, options, error, message):
    with pytest.raises(error, match=message):
        AttentionViewer(texts, **options)


# ---- The mathematics in JavaScript ------------------------------------------------------------


@pytest.fixture(scope="module")
def widget():
    return AttentionViewer([SELF])


def softmax(scores):
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("scale", [1, 30, 800])
def test_weights_agree_with_numpy(evaluate, causal, scale):
    scores = np.round(scale * RNG.standard_normal((7, 7)), 2)
    mask = np.tri(7) if causal else np.ones((7, 7))
    allowed = np.where(mask, scores, -np.inf)
    powers = np.exp(allowed - allowed.max(axis=1, keepdims=True))
    expected = powers / powers.sum(axis=1, keepdims=True)
    found = evaluate(
        "value[0].map((row, query) => m.default.weightsOf(row, query, value[1]))",
        [scores.tolist(), causal],
    )
    assert np.allclose(found, expected, atol=1e-12)


def test_ranks_and_spread(evaluate):
    weights = [0.125, 0.5, 0, 0.25, 0.125]
    assert evaluate("m.default.ranked(value)", weights) == [1, 3, 0, 4, 2]
    w = np.array(weights)[[0, 1, 3, 4]]
    assert evaluate("m.default.spread(value)", weights) == pytest.approx(
        np.exp(-(w * np.log(w)).sum())
    )
    assert evaluate("m.default.spread(value)", [0.25] * 4) == pytest.approx(4)
    assert evaluate("m.default.spread(value)", [0, 1, 0]) == pytest.approx(1)


# ---- The page ---------------------------------------------------------------------------------


@pytest.fixture
def page(mount):
    return mount(AttentionViewer([SELF, CROSS]))


def figures(page):
    """Words looked at, scores and weights, as the table shows them."""
    rows = page.locator("table tr").all()[1:]
    return [[cell.inner_text() for cell in row.locator("th, td").all()] for row in rows]


def shown(page, layer, head, word, causal):
    scores = np.round(SELF[3][layer, head, word], 2)
    seen = word + 1 if causal else 5
    weights = softmax(scores[:seen])
    return [*(f"{w:.2f}" for w in weights), *["masked"] * (5 - seen)]


def weights(page):
    return [row[2] for row in figures(page)]


def test_words_are_walked_by_arrow_keys(page):
    assert weights(page) == shown(page, 0, 0, 0, True)
    page.get_by_role("radio", name="<s>").focus()
    for word in range(1, 5):
        page.keyboard.press("ArrowDown")
        assert page.evaluate("window.state.word") == word
        assert weights(page) == shown(page, 0, 0, word, True)
        assert WORDS[word] in page.get_by_role("status").inner_text()
    page.keyboard.press("ArrowUp")
    assert page.evaluate("window.state.word") == 3
    scores = [row[1].replace("−", "-") for row in figures(page)]
    assert scores == [f"{s:.2f}" for s in np.round(SELF[3][0, 0, 3], 2)]


def test_layer_head_and_mask_are_chosen_by_keyboard(page):
    page.get_by_role("radio", name="girls").check()
    page.get_by_role("combobox", name="Layer").focus()
    page.keyboard.press("ArrowDown")
    page.get_by_role("combobox", name="Head").focus()
    page.keyboard.press("End")
    assert weights(page) == shown(page, 1, 3, 2, True)
    page.get_by_label("Hide later words").focus()
    page.keyboard.press("Space")
    assert weights(page) == shown(page, 1, 3, 2, False)


def test_lines_are_as_wide_as_weights(page):
    page.get_by_label("Hide later words").uncheck()
    drawn = page.locator("svg path").evaluate_all(
        "all => all.map((path) => Number(path.getAttribute('stroke-width')))"
    )
    scores = np.round(SELF[3][0, 0, 0], 2)
    expected = softmax(scores)
    assert drawn == pytest.approx([0.5 + 11.5 * w for w in expected if w >= 0.005])


def test_rows_stand_beside_their_lines(page):
    """Word k, the end of its line and its row of figures have the same height on the page."""
    middle = (
        "all => all.map((e) => { const b = e.getBoundingClientRect(); return b.y + b.height/2; })"
    )
    words = page.locator("fieldset label").evaluate_all(middle)
    rows = page.locator("table tr").evaluate_all(middle)[1:]
    assert words == pytest.approx(rows, abs=1.5)
    box = page.locator("svg").bounding_box()
    assert box["y"] + box["height"] / 5 / 2 == pytest.approx(words[0], abs=1.5)


def test_another_text_brings_its_own_words_and_no_mask(page):
    page.get_by_role("radio", name="</s>").check()
    page.get_by_label("Text").select_option(label="backwards: abc")
    assert page.get_by_role("radio").count() == 3
    assert page.get_by_label("Hide later words").is_disabled()
    assert [row[0] for row in figures(page)] == list("abc.")
    assert weights(page) == [f"{w:.2f}" for w in softmax(np.round(CROSS[3][0, 0, 0], 2))]
    page.get_by_label("Text").select_option(label="next word: the girls walk")
    assert weights(page) == shown(page, 0, 0, 0, True)


def test_words_are_text_and_never_markup(mount):
    words = ["<img src=x onerror=alert(1)>", "b"]
    widget = AttentionViewer([("<b>t</b>", words, words, np.zeros((1, 1, 2, 2)), False)])
    page = mount(widget)
    assert page.locator("img, b").count() == 0


def test_it_fits_a_narrow_page_and_leaves_no_listener_behind(page):
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.evaluate("window.leave()")
    assert page.evaluate("window.listening()") == 0
