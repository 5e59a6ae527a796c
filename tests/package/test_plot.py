import subprocess
import sys
import xml.etree.ElementTree as ET

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from dlbook import plot


@pytest.fixture
def fig():
    with plt.rc_context():
        plot.use_style()
        fig, ax = plt.subplots()
        fig.set_label('A line & a <"curve">')
        ax.plot([0.123456, 1, 2], label="a")
        ax.scatter([1, 2], [3, 4])
        ax.imshow(np.eye(3))
        ax.set_xlabel("time in s", style="italic", weight="bold")
        ax.text(1, 1, "fixed", color="white")
        ax.legend()
        yield fig
        plt.close(fig)


def test_it_is_well_formed_and_says_what_it_shows(fig):
    root = ET.fromstring(plot.svg(fig))
    assert root.tag == "svg"
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'A line & a <"curve">'


def test_a_figure_without_a_label_has_no_empty_text_alternative(fig):
    fig.set_label("")
    assert "aria-label" not in ET.fromstring(plot.svg(fig)).attrib


def test_ink_follows_the_page_and_other_colours_stay(fig):
    drawn = plot.svg(fig)
    assert plot.INK not in drawn
    assert 'fill="currentColor"' in drawn and 'stroke="currentColor"' in drawn
    assert "#0072b2" in drawn.lower() and "#ffffff" in drawn.lower()


def test_text_stays_text_in_the_page_s_own_font(fig):
    labels = {text.text: text for text in ET.fromstring(plot.svg(fig)).iter("text")}
    assert labels["time in s"].get("font-style") == "italic"
    assert labels["time in s"].get("font-weight") in ("bold", "700")
    assert "font-family" not in plot.svg(fig)


def test_nothing_reaches_the_rest_of_the_page(fig):
    root = ET.fromstring(plot.svg(fig))
    assert not list(root.iter("style")) and not list(root.iter("metadata"))
    assert not any("style" in element.attrib for element in root.iter())


def test_every_reference_resolves_within_the_figure(fig):
    root = ET.fromstring(plot.svg(fig))
    identifiers = [element.get("id") for element in root.iter() if element.get("id")]
    references = {
        value.strip("url(#)")
        for element in root.iter()
        for name, value in element.attrib.items()
        if value.startswith("url(#") or (name == "href" and value.startswith("#"))
    }
    assert references
    assert references == set(identifiers)
    assert len(identifiers) == len(set(identifiers))


def test_two_figures_share_no_identifier(fig):
    first = plot.svg(fig)
    fig.axes[0].set_title("another")
    both = ET.fromstring(f"<div>{first}{plot.svg(fig)}</div>")
    identifiers = [element.get("id") for element in both.iter() if element.get("id")]
    assert len(identifiers) == len(set(identifiers))


def test_the_same_figure_gives_the_same_text(fig):
    assert plot.svg(fig) == plot.svg(fig)


def test_lengths_keep_two_decimals_and_scales_keep_all():
    assert plot._round("-0.001") == "0"
    assert plot._round("12.3456") == "12.35"
    element = ET.fromstring('<use x="1.23456" transform="scale(0.015625)" />')
    plot._shorten(element)
    assert element.attrib == {"x": "1.23", "transform": "scale(0.015625)"}


def test_anything_but_a_figure_is_refused():
    with pytest.raises(TypeError, match=r"fig: expected a matplotlib Figure, got list"):
        plot.svg([1, 2])


def test_importing_draws_in_no_library():
    code = "import sys, dlbook.plot; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_notebook_shows_svg_and_no_bitmap():
    import nbformat
    from nbclient import NotebookClient

    cells = [
        "import matplotlib.pyplot as plt\nfrom dlbook import plot\nplot.use_style()",
        "fig, ax = plt.subplots()\nfig.set_label('empty axes')",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    (shown,) = notebook.cells[1].outputs
    assert set(shown.data) == {"text/html", "text/plain"}
    assert 'aria-label="empty axes"' in shown.data["text/html"]
