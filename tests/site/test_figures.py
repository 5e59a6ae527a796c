"""The table of measured kernels, on made-up pages and figures."""

import json

import pytest
from dlbook_site import figures

ROWS = [
    {"operator": "softmax", "size": "3 × 4", "ratio": 1.25},
    {"operator": "matmul", "size": "64³", "ratio": 0.9},
]
FOUND = {
    "date": "2030-01-02",
    "gpu": True,
    "device": "Imaginary GPU",
    "driver": "123.4",
    "versions": {"torch": "9.9", "triton": None},
    "rows": ROWS,
}


@pytest.fixture
def build(tmp_path, monkeypatch, run_sphinx):
    """A function that builds a page with the figures and returns its HTML and the warnings."""
    settings = "extensions = ['myst_parser', 'only_figures']\nroot_doc = 'kernels'\n"
    (tmp_path / "conf.py").write_text(settings + "html_theme = 'basic'\n", encoding="utf-8")
    extension = "from dlbook_site.figures import setup\n"
    (tmp_path / "only_figures.py").write_text(extension, encoding="utf-8")
    page = "# Kernels\n\n```{kernel-figures}\n```\n"
    (tmp_path / "kernels.md").write_text(page, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)

    def run(found=None):
        if found is not None:
            text = found if isinstance(found, str) else json.dumps(found)
            (tmp_path / figures.NAME).write_text(text, encoding="utf-8")
        warnings = run_sphinx(tmp_path)
        html = (tmp_path / "html" / "kernels.html").read_text(encoding="utf-8")
        return html, warnings

    return run


def test_without_a_file_the_page_says_that_nothing_is_measured(build):
    html, warnings = build()
    assert "still to be measured" in html and "<table" not in html
    assert not warnings


def test_a_file_that_comes_and_changes_is_shown(build):
    build()
    html, warnings = build(FOUND)  # nothing else has changed
    assert not warnings and "still to be measured" not in html
    assert "Measured on 2030-01-02 on one Imaginary GPU, driver 123.4, with torch 9.9." in html
    for text in ("operator", "ratio", "softmax", "1.25", "matmul", "0.9"):
        assert text in html
    html, _ = build(FOUND | {"date": "2031-01-02", "memory": [{"length": 7, "peak MB": 1}]})
    assert "2031-01-02" in html and "peak MB" in html


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        (FOUND | {"gpu": False}, "was not measured on a GPU"),
        (FOUND | {"rows": []}, "was not measured on a GPU"),
        ({k: v for k, v in FOUND.items() if k != "driver"}, "has no driver"),
        ("{", "has no readable JSON"),
    ],
)
def test_figures_that_may_not_be_shown_are_a_warning(build, found, complaint):
    html, warnings = build(found)
    assert complaint in warnings and "still to be measured" in html
