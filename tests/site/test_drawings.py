"""Figures: lighter, and the same."""

import base64
import io
import re
import xml.etree.ElementTree as ET
from decimal import Decimal

import numpy as np
import pytest
from bs4 import BeautifulSoup
from dlbook_site import drawings
from PIL import Image


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("pixels", [noise(40, 50, 3), noise(40, 50), noise(40, 50, 4)])
def test_every_visible_pixel_stays(pixels):
    kind, data = drawings.smaller(png(pixels))
    found = Image.open(io.BytesIO(data))
    assert found.format.lower() == kind
    found, meant = (np.asarray(each.convert("RGBA")) for each in (found, Image.fromarray(pixels)))
    seen = meant[..., 3] > 0
    assert (found[..., 3] == meant[..., 3]).all() and (found[seen] == meant[seen]).all()


def test_a_heat_map_needs_less():
    cells = np.kron(noise(8, 8, 1) * np.ones(3, np.uint8), np.ones((20, 20, 1), np.uint8))
    data = png(cells)
    kind, less = drawings.smaller(data)
    assert kind == "webp" and len(less) < len(data)


def points(path):
    """Where a path of straight lines goes."""
    at, found = (Decimal(0), Decimal(0)), []
    for command, numbers in re.findall(r"([MLlz])([^MLlz]*)", path):
        values = [Decimal(each) for each in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", numbers)]
        for x, y in zip(values[::2], values[1::2], strict=True):
            at = (at[0] + x, at[1] + y) if command == "l" else (x, y)
            found.append(at)
        if command == "z":
            found.append("closed")
    return found


@pytest.mark.parametrize(
    "path",
    [
        "M 1 2 L 3.05 2 L 3.5 1.75 L 0.25 -0.5 L 0.25 10 z",
        "M 1 2 L 3 4 M 5 6 L 7.1 8.12 L 7.1 8.12 L 107 8 z M 0 0 L -1 -1 L -1.5 -1.05",
    ],
)
def test_lines_in_steps_go_through_the_same_points(path):
    made = drawings.shorter(path)
    assert "l" in made and len(made) < len(path)
    assert points(made) == points(path)


def test_curves_are_left():
    path = "M 1 2 C 1 2 3 4 5 6 Q 1 2 3 4"
    assert drawings.shorter(path) == path
    assert drawings.shorter(path + " L 3 5 L 4 7") == path + "l0 1 1 2"


def drawing(pixels):
    """A drawing with a raster image, as `dlbook.plot` writes it."""
    address = "data:image/png;base64," + base64.b64encode(png(pixels)).decode()
    return (
        '<svg width="72pt" height="36pt" viewBox="0 0 72 36" class="dlbook-figure" role="img" '
        'aria-label="x &amp; &quot;more&quot;">'
        f'<image href="{address}" width="9" height="9"/>'
        '<path d="M 0 0 L 1 1 L 2 3" stroke="currentColor"/><text>caf\u00e9</text></svg>'
    )


def files(book):
    return sorted((book.html / "_static" / "figures").iterdir())


def test_a_figure_is_a_file_in_the_ink_and_type_of_the_pages(book):
    assert book(one=f"# One\n\n{drawing(noise(8, 8, 3))}\n", claims="") == ""
    text = (book.html / "book" / "one.html").read_text("utf-8")
    image = BeautifulSoup(text, "html.parser").find("img", class_="dlbook-figure")
    assert image["alt"] == 'x & "more"' and "<svg" not in text.partition("<article>")[2]
    assert (image["width"], image["height"], image["loading"]) == ("96", "48", "lazy")
    (path,) = files(book)
    assert image["src"] == f"../_static/figures/{path.name}"
    root = ET.parse(path).getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{space}svg" and root.find(f"{space}text").text == "caf\u00e9"
    raster = base64.b64decode(root.find(f"{space}image").get("href").partition(",")[2])
    assert (np.asarray(Image.open(io.BytesIO(raster)).convert("RGB")) == noise(8, 8, 3)).all()
    style = root.find(f"{space}style").text
    sheet = drawings.SHEET.read_text("utf-8")
    for colour in re.findall(r"color:(#\w+)", style):
        assert re.search(rf"--ink: .*{colour}", sheet)
    assert "prefers-color-scheme:dark" in style and "system-ui" in style


def test_a_figure_without_a_label_is_not_passed_over(book):
    """An empty `alt` would hide it, and the lack, from the check of the built pages."""
    bare = re.sub(r' aria-label="[^"]*"', "", drawing(noise(8, 8, 3)))
    book(one=f"# One\n\n{bare}\n", claims="")
    image = BeautifulSoup((book.html / "book" / "one.html").read_text("utf-8"), "html.parser").img
    assert "alt" not in image.attrs


def test_the_file_goes_when_the_figure_does(book):
    book(one=f"# One\n\n{drawing(noise(8, 8, 3))}\n", claims="")
    (first,) = files(book)
    book(one=f"# One\n\n{drawing(noise(8, 9, 3))}\n", claims="")
    assert first not in files(book) and len(files(book)) == 1
