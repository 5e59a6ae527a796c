"""The figure style of the book: plain matplotlib, shown as SVG that follows light and dark pages.

A chapter calls :func:`use_style` once, draws with matplotlib as usual, and gives each figure its
text alternative with ``fig.set_label("…")``.
"""

import hashlib
import io
import re
import xml.etree.ElementTree as ET
from importlib.resources import as_file, files

__all__ = ["COLOURS", "INK", "svg", "use_style"]

#: Okabe and Ito's colours, told apart by readers with any common form of colour blindness, without
#: the yellow and the black, which vanish on a white or a dark page (Okabe and Ito, 2008, "Color
#: Universal Design"). Use a marker or a dash pattern besides.
COLOURS = {
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "orange": "#E69F00",
    "sky": "#56B4E9",
}

#: Stands for "the colour of the page's text"; `svg` turns it into ``currentColor``.
INK = "#010203"

# Attributes that hold lengths in points; two decimals are a hundredth of a pixel.
_LENGTHS = {"d", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "points", "width", "height"}
_LONG_DECIMAL = re.compile(r"-?\d+\.\d{3,}(?:e-?\d+)?")
_REFERENCE = re.compile(r"#([\w.-]+)")


def use_style():
    """Apply the book's style and show figures as inline SVG in notebooks.

    Outside IPython only the style is applied.
    """
    import matplotlib.pyplot as plt
    from matplotlib.figure import Figure

    with as_file(files("dlbook") / "book.mplstyle") as style:
        plt.style.use(style)
    try:
        from IPython import get_ipython
    except ImportError:
        return
    shell = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    set_matplotlib_formats()  # no bitmap beside the SVG
    shell.display_formatter.formatters["text/html"].for_type(Figure, _html)


def svg(fig):
    """The figure as an SVG element to be put into a page.

    Text stays text, ink (`INK`) becomes ``currentColor``, the figure's label becomes the text
    alternative, and nothing in it (identifiers, style sheets) reaches the rest of the page.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
        Its label (``fig.set_label``) is the text alternative.

    Returns
    -------
    str
        ``<svg …>…</svg>``, the same for the same figure.

    Raises
    ------
    TypeError
        If `fig` is not a figure.
    """
    from matplotlib.figure import Figure

    if not isinstance(fig, Figure):
        raise TypeError(f"fig: expected a matplotlib Figure, got {type(fig).__name__}")
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    fig.savefig(buffer, format="svg", metadata=nothing, facecolor="none", edgecolor="none")
    root = ET.fromstring(buffer.getvalue())
    _forget_namespaces(root)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        _style_to_attributes(element)
        _shorten(element)
        if element.tag not in ("text", "tspan"):
            element.text = None  # white space between elements
        if element.tag != "tspan":
            element.tail = None
    _make_identifiers_local(root)
    root.attrib.update(
        {
            "class": "dlbook-figure",
            "role": "img",
            "stroke-linejoin": "round",  # matplotlib says so in a style sheet for the whole page
            "stroke-linecap": "butt",
        }
    )
    if fig.get_label():
        root.set("aria-label", fig.get_label())
    return ET.tostring(root, encoding="unicode")


def _html(fig):
    return f'<div class="dlbook-plot">{svg(fig)}</div>'


def _forget_namespaces(root):
    """Names as they stand in HTML: ``svg``, ``href``."""
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for name in [name for name in element.attrib if "}" in name]:
            element.set(name.rpartition("}")[2], element.attrib.pop(name))


def _style_to_attributes(element):
    """Write ``style="fill: red"`` as ``fill="red"``: shorter, and allowed by strict pages."""
    for declaration in filter(None, element.attrib.pop("style", "").split(";")):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name == "font":  # shorthand: keep slant, weight and size, take the page's family
            slant, weight, size = _split_font(value)
            element.attrib.update({"font-size": size, **slant, **weight})
        elif name != "font-family":
            element.set(name, value)
    for name, value in element.attrib.items():
        if value.lower() == INK:
            element.set(name, "currentColor")


def _split_font(value):
    words = value.split("px")[0].split()
    slant = {"font-style": "italic"} if {"italic", "oblique"} & set(words) else {}
    weights = [word for word in words[:-1] if word in ("bold", "bolder") or word.isdigit()]
    return slant, ({"font-weight": weights[-1]} if weights else {}), f"{words[-1]}px"


def _shorten(element):
    for name, value in element.attrib.items():
        if name in _LENGTHS or (name == "transform" and value.startswith("translate")):
            short = _LONG_DECIMAL.sub(lambda number: _round(number[0]), value)
            element.set(name, " ".join(short.split()))


def _round(number):
    short = f"{float(number):.2f}".rstrip("0").rstrip(".")
    return "0" if short == "-0" else short


def _make_identifiers_local(root):
    """Drop identifiers nobody refers to; give the others a prefix of their own."""
    used = set()
    for element in root.iter():
        for name, value in element.attrib.items():
            if name == "href" or value.startswith("url("):
                used.update(_REFERENCE.findall(value))
    prefix = "f" + hashlib.sha256(ET.tostring(root)).hexdigest()[:8] + "-"
    for element in root.iter():
        for name, value in list(element.attrib.items()):
            if name == "id":
                if value in used:
                    element.set("id", prefix + value)
                else:
                    del element.attrib["id"]
            elif (name == "href" and value.startswith("#")) or value.startswith("url("):
                element.set(name, _REFERENCE.sub(rf"#{prefix}\1", value))
