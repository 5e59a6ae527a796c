"""Figures: lighter, and the same."""

import base64
import io
import re
from decimal import Decimal

import numpy as np
import pytest
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


def figure(pixels):
    address = "data:image/png;base64," + base64.b64encode(png(pixels)).decode()
    return f'# One\n\n<svg role="img"><image href="{address}" width="9" height="9"/></svg>\n'


def test_large_images_are_files_and_go_when_the_figure_does(book):
    assert book(one=figure(noise(64, 64, 3)), claims="") == ""
    text = (book.html / "book" / "one.html").read_text("utf-8")
    name = re.search(r'<image href="\.\./_static/rasters/([^"]+)"', text)[1]
    assert Image.open(book.html / "_static" / "rasters" / name).size == (64, 64)
    book(one=figure(noise(8, 8, 3)), claims="")
    text = (book.html / "book" / "one.html").read_text("utf-8")
    assert '<image href="data:image/' in text
    assert list((book.html / "_static" / "rasters").iterdir()) == []
