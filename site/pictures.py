"""Draw the book's mark, its icons and the picture that a link to it shows.

The mark: tally strokes, and arcs of attention from the last one back to those before it. What this
writes is kept in the project; run it again after a change.
"""

import argparse
import os
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.patches import Arc

HERE = Path(__file__).parent
PAPER, INK, ACCENT = "#fffdf8", "#22252a", "#0b6259"
DARK_INK, DARK_ACCENT = "#dcdfe3", "#62cbbb"
STROKES = (10, 24.5, 39, 54)  # x of each stroke in a square of 64
TOP, BOTTOM = 37, 58
ARCS = ((10, 4.5), (24.5, 2.5), (39, 3.5))  # where an arc ends, and its weight
WIDTH = 5.5


def mark_svg(attributes, style=""):
    """The mark as an SVG element.

    Parameters
    ----------
    attributes : str
        Further attributes of the element.
    style : str
        A style sheet to go into it.
    """
    strokes = "".join(f"M{x} {TOP}V{BOTTOM}" for x in STROKES)
    last = STROKES[-1]
    arcs = ""
    for x, width in ARCS:
        radius = (last - x) / 2
        arcs += (
            f'<path stroke-width="{width}" d="M{last} {TOP - 7}A{radius:g} {radius * 0.95:g} '
            f'0 0 0 {x} {TOP - 7}"/>'
        )
    return (
        f'<svg {attributes} viewBox="0 0 64 64" fill="none" stroke-linecap="round">{style}'
        f'<path class="strokes" stroke="currentColor" stroke-width="{WIDTH}" d="{strokes}"/>'
        f'<g class="arcs">{arcs}</g></svg>\n'
    )


def draw_mark(axes, left, bottom, size, ink=INK, accent=ACCENT):
    """Draw the mark into axes whose unit is a pixel, y upwards."""
    unit = size / 64
    point = 72 / axes.figure.dpi

    def place(x, y):
        return left + x * unit, bottom + (64 - y) * unit

    for x in STROKES:
        (x0, y0), (_, y1) = place(x, TOP), place(x, BOTTOM)
        axes.plot([x0, x0], [y0, y1], color=ink, lw=WIDTH * unit * point, solid_capstyle="round")
    last = STROKES[-1]
    for x, width in ARCS:
        centre = place((x + last) / 2, TOP - 7)
        axes.add_patch(
            Arc(
                centre,
                (last - x) * unit,
                (last - x) * 0.95 * unit,
                theta1=0,
                theta2=180,
                color=accent,
                lw=width * unit * point,
                capstyle="round",
            )
        )


def canvas(width, height, colour):
    """A figure of so many pixels, and axes that fill it."""
    figure = plt.figure(figsize=(width / 100, height / 100), dpi=100, facecolor=colour)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    return figure, axes


def write(path, content):
    """Write under a temporary name first."""
    fresh = path.with_name(path.name + ".new")
    if isinstance(content, str):
        fresh.write_text(content, encoding="utf-8")
    else:
        content.savefig(fresh, format="png", metadata={"Software": None}, facecolor="auto")
        plt.close(content)
    os.replace(fresh, path)


def main():
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    write(HERE / "templates" / "mark.svg", mark_svg('class="mark" aria-hidden="true"'))
    style = (
        f"<style>svg{{color:{INK}}}.arcs{{stroke:{ACCENT}}}@media(prefers-color-scheme:dark)"
        f"{{svg{{color:{DARK_INK}}}.arcs{{stroke:{DARK_ACCENT}}}}}</style>"
    )
    write(HERE / "assets" / "favicon.svg", mark_svg('xmlns="http://www.w3.org/2000/svg"', style))

    figure, axes = canvas(64, 64, "none")
    draw_mark(axes, 0, 0, 64)
    write(HERE / "assets" / "favicon.png", figure)

    figure, axes = canvas(1200, 630, PAPER)
    draw_mark(axes, 70, 150, 330)
    face = {"family": "DejaVu Serif", "color": INK, "va": "baseline"}
    axes.text(470, 372, "From Counting", size=46, weight="bold", **face)
    axes.text(470, 290, "to Attention", size=46, weight="bold", **face)
    axes.text(472, 222, "A book on deep learning that runs", size=20, **face)
    axes.plot([0, 1200], [4, 4], color=ACCENT, lw=8)
    write(HERE / "assets" / "preview.png", figure)


if __name__ == "__main__":
    main()
