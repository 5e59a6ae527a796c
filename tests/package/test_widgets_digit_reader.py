"""The reader's layers against PyTorch, its way from strokes to pixels, and its page."""

import base64
import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dlbook.widgets.digit_reader import SHAPES, DigitReader, published_table


def weights(seed=0, size=0.3):
    generator = torch.Generator().manual_seed(seed)
    made = {k: size * torch.randn(shape, generator=generator) for k, shape in SHAPES.items()}
    return {name: value.half().float() for name, value in made.items()}  # as they are stored


def squash(a):
    return 1.7159 * torch.tanh(2 / 3 * a)


def layers_in_torch(w, pixels):
    """All layers for an image of 8×8, in double precision."""
    w = {name: value.double() for name, value in w.items()}
    x = 1.275 * torch.tensor(pixels, dtype=torch.float64).reshape(1, 1, 8, 8) - 0.1
    x = F.interpolate(x, scale_factor=2, mode="bilinear")
    found = {"input": F.pad(x, [2] * 4, value=-0.1)}
    table = torch.tensor(published_table().T[:, :, None, None])
    x = squash(F.conv2d(found["input"], w["C1.weight"], w["C1.bias"]))
    found["C1"] = x
    for pool, conv in (("S2", "C3"), ("S4", "C5")):
        sums = F.avg_pool2d(x, 2, divisor_override=1)
        found[pool] = squash(w[f"{pool}.coefficient"] * sums + w[f"{pool}.bias"])
        kernels = w[f"{conv}.weight"] * (table if conv == "C3" else 1)
        x = found[conv] = squash(F.conv2d(found[pool], kernels, w[f"{conv}.bias"]))
    found["F6"] = squash(F.linear(x.flatten(1), w["F6.weight"], w["F6.bias"]))
    found["scores"] = F.linear(found["F6"], w["output.weight"], w["output.bias"])
    found["probabilities"] = found["scores"].softmax(dim=1)
    return {name: value.numpy().ravel() for name, value in found.items()}


# ---- Python -----------------------------------------------------------------------------------


def test_it_holds_the_weights_in_little_space():
    widget = DigitReader(weights())
    assert len(widget.weights) < 60_000
    flat = np.frombuffer(base64.b64decode(widget.weights), dtype="<f2")
    assert len(flat) == sum(int(np.prod(shape)) for shape in SHAPES.values())
    assert np.array_equal(flat[:150], weights()["C1.weight"].numpy().ravel())
    json.dumps(widget.weights)


def test_connections_that_are_not_there_are_stored_as_zero():
    mask = published_table().T[:, :, None, None]
    one, other = weights(), weights()
    other["C3.weight"] = torch.where(torch.tensor(mask), one["C3.weight"], 100)
    assert DigitReader(one).weights == DigitReader(other).weights
    everything = np.ones((6, 16), dtype=bool)
    assert DigitReader(one, table=everything).weights != DigitReader(one).weights


def test_arrays_will_do_and_nothing_is_changed():
    given = {name: value.numpy() for name, value in weights().items()}
    before = {name: value.copy() for name, value in given.items()}
    assert DigitReader(given).weights == DigitReader(weights()).weights
    assert all(np.array_equal(given[name], before[name]) for name in given)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda w: [w], TypeError, "weights: expected a dict of tensors, got list"),
        (lambda w: {"C1.weight": w["C1.weight"]}, ValueError, "weights: C1.bias is missing"),
        (lambda w: w | {"F6.bias": torch.zeros(3)}, ValueError, r"the shape \(84,\) for F6.bias"),
        (lambda w: w | {"F6.bias": "many"}, TypeError, "expected numbers for F6.bias"),
        (
            lambda w: w | {"F6.bias": torch.full((84,), torch.nan)},
            ValueError,
            "expected numbers between -60000 and 60000 in F6.bias",
        ),
    ],
)
def test_bad_weights_are_named(change, error, message):
    with pytest.raises(error, match=message):
        DigitReader(change(weights()))


def test_bad_tables_are_named():
    with pytest.raises(ValueError, match=r"table: expected the shape \(6, 16\), got \(2, 2\)"):
        DigitReader(weights(), table=np.ones((2, 2)))


# ---- The mathematics in JavaScript ------------------------------------------------------------


@pytest.fixture(scope="module")
def widget():
    return DigitReader(weights())


def test_page_and_package_agree_on_shapes(evaluate):
    sizes = {name: int(np.prod(shape)) for name, shape in evaluate("m.SHAPES")}
    assert list(sizes.items()) == [(name, int(np.prod(s))) for name, s in SHAPES.items()]


def test_half_precision_is_read(evaluate):
    bits = [0, 1, 0x3FF, 0x400, 0x3C00, 0xC000, 0x7BFF, 0x8001, 0x3555]
    expected = np.array(bits, dtype=np.uint16).view(np.float16).astype(float)
    assert evaluate(f"{bits}.map(m.fromHalf)") == expected.tolist()


@pytest.mark.parametrize("seed", range(3))
def test_every_layer_agrees_with_pytorch(evaluate, seed):
    w = weights(seed)
    pixels = np.random.default_rng(seed).random(64).round(4)
    packed = DigitReader(w).weights
    found = evaluate(f"m.forward(m.unpack({packed!r}), new Float64Array({pixels.tolist()}))")
    expected = layers_in_torch(w, pixels)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert np.allclose(found[name], values, atol=1e-9), name


def test_probabilities_survive_large_scores(evaluate):
    assert evaluate("m.softmax([1000, 1000, -1000])") == [0.5, 0.5, 0]


def test_strokes_are_fitted_into_the_field(evaluate):
    points = np.array(evaluate("m.fitted([[[10, 10], [30, 90]], [[20, 50]]])[0]"))
    assert points[:, 1] == pytest.approx([2.75, 29.25])  # the height is filled, less the pen
    assert points[:, 0].mean() == pytest.approx(16)  # centred
    assert np.diff(points[:, 0]) == pytest.approx(20 * 26.5 / 80)  # both axes scaled alike
    wide = np.array(evaluate("m.fitted([[[10, 10], [90, 90]]])[0]"))
    assert wide[:, 0] == pytest.approx([8.25, 23.75]) and np.ptp(wide[:, 1]) == 26.5
    assert evaluate("m.fitted([[[40, 70]]])") == [[[16, 16]]]
    assert evaluate("m.fitted([])") == []


def test_place_and_size_of_what_is_written_do_not_matter(evaluate):
    strokes = [[[20, 20], [70, 25], [40, 80]], [[30, 50], [60, 50]]]
    moved = [[[x / 4 + 3, y / 4 + 60] for x, y in stroke] for stroke in strokes]
    one, other = (evaluate(f"m.counted(m.bitmap(m.fitted({s})))") for s in (strokes, moved))
    assert one == pytest.approx(other, abs=2 / 16)


def test_the_bitmap_is_what_the_pen_covers(evaluate):
    bits = np.array(evaluate("m.bitmap([[[4, 16], [28, 16]]], 32, 4)")).reshape(32, 32)
    assert set(np.unique(bits)) == {0, 1}
    assert bits[14:18, 4:28].all() and not bits[:14].any() and not bits[18:].any()
    assert bits[:, :2].sum() == bits[:, 30:].sum() == 0
    dot = np.array(evaluate("m.bitmap([[[16, 16]]], 32, 6)"))
    assert dot.sum() == pytest.approx(np.pi * 9, rel=0.2)


def test_blocks_are_counted_as_for_the_data_set(evaluate):
    cells = (np.random.default_rng(0).random((32, 32)) < 0.3).astype(int)
    found = np.array(evaluate(f"m.counted({cells.ravel().tolist()})")).reshape(8, 8)
    assert np.array_equal(found, cells.reshape(8, 4, 8, 4).sum(axis=(1, 3)) / 16)


# ---- The page ---------------------------------------------------------------------------------


@pytest.fixture
def page(mount):
    return mount(DigitReader(weights()), height=1100)


def readout(page):
    return page.locator("[aria-live]").inner_text()


def n_strokes(page):
    return page.locator(".field path").count()


def field(page):
    return page.get_by_role("application", name="Field to write in")


def test_an_example_is_read_to_begin_with(page):
    assert readout(page).startswith("LeNet reads ")
    assert n_strokes(page) == 1
    assert page.locator("canvas").count() == 1 + 6 + 6 + 16 + 16 + 1 + 1


def test_a_digit_is_written_by_keyboard(page):
    field(page).focus()
    page.keyboard.press("ArrowUp")
    assert readout(page).startswith("Pen up at 50, 45.")
    assert n_strokes(page) == 1  # the example is still there
    page.keyboard.press("Space")
    assert n_strokes(page) == 1
    for _ in range(6):
        page.keyboard.press("ArrowDown")
    assert readout(page).startswith("Pen down. LeNet reads ")
    assert page.locator(".field path").get_attribute("d") == (
        "M50 45L50 50L50 55L50 60L50 65L50 70L50 75"
    )
    page.keyboard.press("Enter")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Space")
    assert n_strokes(page) == 2
    assert page.locator(".field path").nth(1).get_attribute("d").startswith("M51 75")
    page.keyboard.press("Backspace")
    assert n_strokes(page) == 1
    page.keyboard.press("Delete")
    assert n_strokes(page) == 0 and readout(page) == "Nothing is written yet."


def test_the_pen_stays_in_the_field(page):
    field(page).focus()
    for _ in range(15):
        page.keyboard.press("ArrowLeft")
    assert readout(page).startswith("Pen up at 0, 50.")


def test_a_digit_is_written_by_pointer(page):
    box = field(page).bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 120, steps=5)
    assert page.locator("[aria-live]").get_attribute("aria-live") == "off"
    page.mouse.up()
    assert page.locator("[aria-live]").get_attribute("aria-live") == "polite"
    assert n_strokes(page) == 1 and readout(page).startswith("LeNet reads ")
    page.mouse.move(box["x"] + 20, box["y"] + 60)
    page.mouse.down()
    page.mouse.up()
    assert n_strokes(page) == 2
    page.get_by_role("button", name="Take back").click()
    assert n_strokes(page) == 1
    page.get_by_role("button", name="Clear").click()
    assert n_strokes(page) == 0
    page.get_by_role("button", name="Take back").click()
    assert readout(page).endswith("Nothing is written yet.")


def test_other_weights_read_otherwise(page):
    before = page.locator(".bars").inner_text()
    page.evaluate("(w) => model.set('weights', w)", DigitReader(weights(5)).weights)
    assert page.locator(".bars").inner_text() != before
    shares = [float(v.split()[0]) for v in page.locator(".value").all_inner_texts()]
    assert sum(shares) == pytest.approx(100, abs=1)


def test_leaving_takes_its_listeners_along(page):
    assert page.evaluate("listening()") == 1
    page.evaluate("leave()")
    assert page.evaluate("listening()") == 0


def test_keys_are_kept_from_jupyterlab(page):
    field(page).focus()
    assert field(page).get_attribute("data-lm-suppress-shortcuts") == "true"


def test_nothing_overflows_a_narrow_page(page):
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
