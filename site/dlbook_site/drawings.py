"""Makes figures light, without changing what is seen of them.

A figure becomes a file of its own, which the browser fetches when the reader comes near. Matplotlib
puts raster images into its drawings as PNG: lossless WebP needs half of that. Long lines are
written by their steps from point to point, which are shorter than the points.
"""

import base64
import html
import io
import re
import xml.etree.ElementTree as ET
from decimal import Decimal
from functools import cache

from PIL import Image

from .pages import ASSETS
from .stored import FIGURES, address

SHEET = ASSETS / "book.css"
FIGURE = re.compile(r'<svg [^>]*class="dlbook-figure".*?</svg>', re.DOTALL)
PATH = re.compile(r' d="(M [^"]*)"')
RUN = re.compile(r"(-?[\d.]+) (-?[\d.]+)((?: L -?[\d.]+ -?[\d.]+){2,})(?![\d.])")
PNG = re.compile(r'"data:image/png;base64,([\sA-Za-z0-9+/=]+)"')


@cache
def smaller(png):
    """A raster image, lossless, in the format that needs less.

    Parameters
    ----------
    png : bytes

    Returns
    -------
    kind : str
        "png" or "webp".
    data : bytes
    """
    buffer = io.BytesIO()
    # the utmost, 100 and 6, takes twelve times as long and saves 4 % more
    Image.open(io.BytesIO(png)).save(buffer, "WEBP", lossless=True, quality=75, method=5)
    return min(("webp", buffer.getvalue()), ("png", png), key=lambda each: len(each[1]))


def shorter(path):
    """The same path, with straight lines in steps.

    Parameters
    ----------
    path : str
        Absolute commands ``M x y L x y …`` as `dlbook.plot` writes them; steps are exact, since
        these have at most two decimals. Curves are left as they are.

    Returns
    -------
    str
    """

    def steps(match):
        at = [Decimal(match[1]), Decimal(match[2])]
        written = []
        for point in re.findall(r" L (\S+) (\S+)", match[3]):
            to = [Decimal(value) for value in point]
            written += [_number(new - old) for new, old in zip(to, at, strict=True)]
            at = to
        line = "".join(each if each[0] == "-" else f" {each}" for each in written).lstrip()
        return f"{match[1]} {match[2]}l{line}"

    return RUN.sub(steps, path)


def _number(value):
    """A decimal number with nothing that could be left out."""
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    sign, digits = ("-", text[1:]) if text[0] == "-" else ("", text)
    return sign + (digits.removeprefix("0") or "0") if digits != "0" else "0"


def lighten(app, pagename, templatename, context, doctree):
    """Make files of the figures of a page, so that its text does not wait for them."""

    def image(match):
        root = ET.fromstring(match[0])
        width, height = (float(value) * 96 / 72 for value in root.get("viewBox").split()[2:])
        label = root.attrib.pop("aria-label", None)
        alternative = "" if label is None else f' alt="{html.escape(label)}"'
        source = address(app, context, FIGURES, "svg", standalone(root).encode())
        return (
            f'<img class="dlbook-figure" src="{source}"{alternative} width="{width:.0f}" '
            f'height="{height:.0f}" loading="lazy" decoding="async">'
        )

    if "body" in context:
        context["body"] = FIGURE.sub(image, context["body"])


def standalone(root):
    """A drawing as the text of a file of its own.

    Parameters
    ----------
    root : xml.etree.ElementTree.Element
        An ``<svg>`` as `dlbook.plot` makes it; it is changed.

    Returns
    -------
    str
        Ink and type are those of the pages, the ink of the theme in which the image is shown.
    """
    for name in ("class", "role"):
        root.attrib.pop(name, None)
    root.set("xmlns", "http://www.w3.org/2000/svg")
    style = ET.Element("style")
    style.text = _style()
    root.insert(0, style)
    text = ET.tostring(root, encoding="unicode")
    text = PNG.sub(_embedded, text)
    return PATH.sub(lambda match: f' d="{shorter(match[1])}"', text)


def _embedded(match):
    kind, data = smaller(base64.b64decode(match[1]))
    return f'"data:image/{kind};base64,{base64.b64encode(data).decode()}"'


@cache
def _style():
    """Ink and type from the pages' style sheet."""
    book = SHEET.read_text(encoding="utf-8")
    light, dark = re.search(r"--ink: light-dark\((\S+), (\S+)\);", book).groups()
    sans = " ".join(re.search(r"--sans: ([^;]*);", book)[1].split())
    return (
        f"svg{{color:{light};font-family:{sans}}}"
        f"@media (prefers-color-scheme:dark){{svg{{color:{dark}}}}}"
    )


def setup(app):
    app.connect("html-page-context", lighten)
