"""The explorer's arithmetic against PyTorch, and its page in a browser."""

import json
from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dlbook.widgets.convolution_explorer import PRESETS, ConvolutionExplorer

TRAITS = ("presets", "images", "image", "kernel", "stride", "padding", "dilation", "place")
IMAGE = np.round(np.random.default_rng(0).random((8, 9)), 2)


def test_it_carries_its_settings():
    widget = ConvolutionExplorer({"noise": IMAGE}, kernel=np.eye(5), stride=2, padding=1)
    assert widget.image == "noise" and widget.images["noise"] == IMAGE.tolist()
    assert set(widget.images) == {"noise", "blank"} and widget.kernel == np.eye(5).tolist()
    assert (widget.stride, widget.padding, widget.dilation, widget.place) == (2, 1, 1, [0, 0])
    json.dumps([widget.get_state()[name] for name in TRAITS])  # JSON, nothing binary
    assert ConvolutionExplorer({}, kernel="blur").kernel == PRESETS["blur"]["3"]


@pytest.mark.parametrize(
    ("images", "options", "error", "message"),
    [
        ([IMAGE], {}, TypeError, "images: expected names with arrays"),
        ({"a": np.zeros((4, 9))}, {}, ValueError, "5 to 24 pixels a side, got shape"),
        ({"a": np.zeros((3, 9, 9))}, {}, ValueError, "5 to 24 pixels a side, got shape"),
        ({"a": 2 * np.ones((9, 9))}, {}, ValueError, "expected values from 0 to 1"),
        ({"a": "ink"}, {}, TypeError, "expected an array of numbers"),
        ({"a": np.full((9, 9), np.nan)}, {}, ValueError, "expected finite numbers"),
        ({}, {"image": "cat"}, ValueError, "image: expected one of blank, got 'cat'"),
        ({}, {"kernel": "sobel"}, ValueError, "kernel: expected one of identity"),
        ({}, {"kernel": np.eye(4)}, ValueError, r"kernel: expected shape \(3, 3\) or"),
        ({}, {"stride": 0}, ValueError, "stride: expected an integer from 1 to 3, got 0"),
        ({}, {"padding": 5}, ValueError, "padding: expected an integer from 0 to 4, got 5"),
        ({}, {"dilation": 1.0}, TypeError, "dilation: expected an integer"),
        ({}, {"stride": True}, TypeError, "stride: expected an integer"),
    ],
)
def test_bad_input_is_named(images, options, error, message):
    with pytest.raises(error, match=message):
        ConvolutionExplorer(images, **options)


@pytest.mark.parametrize("size", ["3", "5"])
def test_presets_do_what_their_names_say(size):
    kernels = {name: np.array(sizes[size]) for name, sizes in PRESETS.items()}
    half = int(size) // 2
    identity = np.zeros((int(size), int(size)))
    identity[half, half] = 1
    assert np.array_equal(kernels["identity"], identity)
    assert kernels["blur"].sum() == pytest.approx(1, abs=1e-3) and np.all(kernels["blur"] > 0)
    assert np.allclose(kernels["sharpen"], 2 * identity - kernels["blur"], atol=1e-4)
    assert np.array_equal(kernels["vertical edges"], kernels["horizontal edges"].T)
    for name in ("vertical edges", "horizontal edges", "Gabor"):
        assert abs(kernels[name].sum()) < 1e-2  # even light gives no response
    light_on_the_right = np.tile(np.arange(int(size)), (int(size), 1))
    assert (kernels["vertical edges"] * light_on_the_right).sum() > 0
    assert np.allclose(kernels["Gabor"], kernels["Gabor"].T)


# ---- The arithmetic in JavaScript -------------------------------------------------------------


@pytest.fixture(scope="module")
def widget():
    return ConvolutionExplorer({})


def in_torch(image, kernel, stride, padding, dilation):
    X, K = (torch.tensor(np.array(each))[None, None].double() for each in (image, kernel))
    return F.conv2d(X, K, None, stride, padding, dilation)[0, 0].numpy()


def settings_of(stride, padding, dilation):
    return json.dumps({"stride": stride, "padding": padding, "dilation": dilation})


@pytest.mark.parametrize("size", [3, 5])
def test_outputs_agree_with_pytorch(evaluate, size):
    kernel = np.random.default_rng(1).standard_normal((size, size))
    cases = [
        (s, p, r)
        for s, p, r in product((1, 2, 3), range(5), (1, 2, 3))
        if r * (size - 1) + 1 <= 8 + 2 * p
    ]
    calls = ", ".join(
        f"m.correlate({IMAGE.tolist()}, {kernel.tolist()}, {settings_of(*case)})" for case in cases
    )
    for case, found in zip(cases, evaluate(f"[{calls}]"), strict=True):
        expected = in_torch(IMAGE, kernel, *case)
        assert np.shape(found) == expected.shape and np.allclose(found, expected)


def test_a_window_that_does_not_fit_has_no_output(evaluate):
    kernel, settings = np.eye(5).tolist(), settings_of(1, 0, 2)
    assert evaluate(f"m.correlate({IMAGE.tolist()}, {kernel}, {settings})") == []  # 9 rows needed
    assert evaluate(f"m.outputSize(9, 5, {settings})") == 1


def test_products_add_up_to_the_output(evaluate):
    kernel, case = np.arange(9.0).reshape(3, 3) - 4, (2, 1, 2)
    expected = in_torch(IMAGE, kernel, *case)
    call = f"m.products({IMAGE.tolist()}, {kernel.tolist()}, 1, 2, {settings_of(*case)})"
    terms = evaluate(call)
    assert [[term["weight"] for term in row] for row in terms] == kernel.tolist()
    assert evaluate(f"m.sumOf({call})") == pytest.approx(expected[1, 2])
    assert terms[0][0]["u"] == 1 and terms[0][0]["v"] == 3  # 2 i + 2 a - 1
    outside = evaluate(
        f"m.products({IMAGE.tolist()}, {kernel.tolist()}, 0, 0, {settings_of(*case)})"
    )
    assert outside[0][0] == {"weight": -4, "u": -1, "v": -1, "value": 0, "inFrame": True}


def test_kernels_are_resized_about_their_middle(evaluate):
    small, large = np.arange(9).reshape(3, 3), np.arange(25).reshape(5, 5)
    assert evaluate(f"m.resized({small.tolist()}, 5)") == np.pad(small, 1).tolist()
    assert evaluate(f"m.resized({large.tolist()}, 3)") == large[1:4, 1:4].tolist()
    assert evaluate(f"m.resized({small.tolist()}, 3)") == small.tolist()


def test_numbers_are_written_for_reading(evaluate):
    numbers = "[0, -0.001, 1, -1.5, 0.125, -2.346]"
    assert evaluate(f"{numbers}.map(m.short)") == ["0", "0", "1", "−1.5", "0.13", "−2.35"]
    terms = [[{"weight": -1, "value": 0.5}, {"weight": 2, "value": 1}]]
    assert evaluate(f"m.written({json.dumps(terms)})") == ["0.5 · (−1) + 1 · 2"]


# ---- The page ---------------------------------------------------------------------------------


@pytest.fixture
def page(mount):
    return mount(ConvolutionExplorer({"noise": IMAGE}, kernel="vertical edges"), height=1400)


def readout(page):
    return page.locator("[aria-live]").inner_text().replace("−", "-")


def window(page):
    return page.get_by_role("slider", name="Window")


def pencil(page):
    return page.get_by_role("slider", name="Pencil")


def test_it_says_what_stands_under_the_window(page):
    Z = in_torch(IMAGE, PRESETS["vertical edges"]["3"], 1, 0, 1)
    assert readout(page).startswith(f"Output in row 1, column 1: {round(Z[0, 0], 2):g}.")
    assert "The output has 6 × 7 numbers" in readout(page)
    written = page.get_by_role("group", name="The sum of products at the window")
    lines = written.inner_text().replace("−", "-").splitlines()
    assert len(lines) == 4 and lines[-1] == f"= {round(Z[0, 0], 2):g}"
    assert lines[0] == f"{IMAGE[0, 0]:g} · (-1) + {IMAGE[0, 1]:g} · 0 + {IMAGE[0, 2]:g} · 1"


def test_the_window_moves_by_keys_and_stays_on_the_output(page):
    window(page).focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
    assert page.evaluate("state.place") == [0, 2]
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("state.place") == [0, 6]
    assert window(page).get_attribute("aria-valuetext").startswith("row 1, column 7, ")
    assert window(page).evaluate("(el) => el === document.activeElement")
    assert window(page).get_attribute("data-lm-suppress-shortcuts") == "true"


def test_the_window_moves_by_pointer_on_both_pictures(page):
    for title in ("Output", "Image"):
        box = page.get_by_role("group", name=title, exact=True).bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        i, j = page.evaluate("state.place")
        assert i in (2, 3) and j == 3
        page.evaluate("model.set('place', [0, 0])")


def test_pixels_are_drawn_by_keys(page):
    pencil(page).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    before = page.evaluate("state.images.noise[1][1]")
    page.keyboard.press("Space")
    after = page.evaluate("state.images.noise[1][1]")
    assert after == (1 if before < 0.5 else 0)
    assert pencil(page).get_attribute("aria-valuetext") == f"row 2, column 2, brightness {after}"
    page.keyboard.press("Enter")
    assert page.evaluate("state.images.noise[1][1]") == 1 - after
    page.get_by_role("button", name="Restore image").click()
    assert page.evaluate("state.images.noise") == IMAGE.tolist()


def test_pixels_are_drawn_by_pointer_on_the_blank_image(page):
    page.locator("select").nth(0).select_option("blank")
    assert page.get_by_label("Draw with the pointer").is_checked()
    box = page.get_by_role("group", name="Image", exact=True).bounding_box()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"] - 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 0.5 * box["height"] - 5, steps=20)
    page.mouse.up()
    drawn = np.array(page.evaluate("state.images.blank"))
    assert drawn[4].sum() >= 5 and drawn.sum() == drawn[4].sum()
    assert "numbers from" in readout(page)


def test_kernels_are_chosen_and_typed(page):
    page.locator("select").nth(1).select_option("sharpen")
    assert page.evaluate("state.kernel") == PRESETS["sharpen"]["3"]
    page.get_by_label("Cells").select_option("5")
    assert page.evaluate("state.kernel") == PRESETS["sharpen"]["5"]
    field = page.get_by_label("Weight in row 2, column 3")
    field.fill("-1.25")
    assert page.evaluate("state.kernel[1][2]") == -1.25
    menu = page.locator("select").nth(1)
    assert menu.input_value() == "own weights"
    page.get_by_label("Cells").select_option("3")
    assert page.evaluate("state.kernel[0][1]") == -1.25
    field = page.get_by_label("Weight in row 1, column 1")
    field.fill("")
    assert field.get_attribute("aria-invalid") == "true"
    page.keyboard.press("Tab")
    assert field.input_value() != "" and field.get_attribute("aria-invalid") is None


def test_settings_change_the_output(page):
    for name, value in {"Stride": 2, "Padding": 1, "Dilation": 2}.items():
        page.get_by_label(name).select_option(str(value))
    Z = in_torch(IMAGE, PRESETS["vertical edges"]["3"], 2, 1, 2)
    assert f"The output has {Z.shape[0]} × {Z.shape[1]} numbers" in readout(page)
    assert f"to {round(Z.max(), 2):g}." in readout(page)


def test_a_window_that_is_too_large_is_reported(page):
    page.get_by_label("Cells").select_option("5")
    page.get_by_label("Dilation").select_option("3")
    assert readout(page).startswith("No output: the window reaches over 13 pixels")
    window(page).focus()
    page.keyboard.press("ArrowRight")
    page.get_by_label("Padding").select_option("4")
    assert "The output has 4 × 5 numbers" in readout(page)


def test_signs_differ_by_more_than_colour(page):
    assert page.locator("svg .minus").count() > 0
    assert page.locator("svg path.sign").count() > 0


def test_leaving_takes_its_listeners_along(page):
    assert page.evaluate("listening()") == 7
    page.evaluate("leave()")
    assert page.evaluate("listening()") == 0


def test_nothing_overflows_a_narrow_page(page):
    page.get_by_label("Cells").select_option("5")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
