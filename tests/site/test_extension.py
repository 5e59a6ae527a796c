"""The Sphinx extension, on made-up books of a page or two."""

import html
import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from dlbook_site import guard, mathematics, pages
from fontTools.ttLib import TTFont
from rcssmin import cssmin
from sphinx.errors import ExtensionError

SITE = Path(guard.__file__).parents[1]
ROW = '[{id}]\nchapter = "{chapter}"\ndeck = "P"\nstatement = "It rains on `Mondays`."\n'
HOLDS = {"id": "it-rains", "verdict": "holds", "evidence": "4 of 4 Mondays"}
VIEW = '<script type="application/vnd.jupyter.widget-view+json">{"model_id": "m1"}</script>'


def stored(**changes):
    data = html.escape(json.dumps({**HOLDS, **changes}))
    return f'```{{raw}} html\n<div class="dlbook-claim" data-claim="{data}">✓</div>\n```\n'


def state(module, **values):
    """Settings by which a page has the state of a widget, as a notebook's page has it."""
    model = {"model_name": "M", "model_module": module, "state": values}
    text = json.dumps({"version_major": 2, "state": {"m1": model}})
    return {"html_js_files": [(None, {"type": pages.STATE, "body": text})]}


def page(book, name):
    return (book.html / "book" / f"{name}.html").read_text(encoding="utf-8")


def claims(book):
    return json.loads((book.html / "claims.json").read_text(encoding="utf-8"))


def test_a_claim_reaches_page_ledger_and_json(book):
    assert not book(one="# One\n\n" + stored(), claims=ROW.format(id="it-rains", chapter="one"))
    assert claims(book) == [
        {
            "id": "it-rains",
            "deck": "P",
            "statement": "It rains on `Mondays`.",
            "chapter": "one",
            "link": "book/one.html#claim-it-rains",
            "verdict": "holds",
            "evidence": "4 of 4 Mondays",
        }
    ]
    chapter = page(book, "one")
    assert 'id="claim-it-rains"' in chapter
    assert "✓ Claim holds" in chapter
    assert "<code" in chapter and "4 of 4 Mondays" in chapter
    assert 'href="ledger.html#ledger-it-rains"' in chapter
    ledger = page(book, "ledger")
    assert 'id="ledger-it-rains"' in ledger
    assert 'href="one.html#claim-it-rains"' in ledger
    assert "1 claim so far" in page(book, "index")


@pytest.mark.parametrize(
    ("one", "rows", "complaint"),
    [
        (stored(id="it-snows"), "", "unknown claim 'it-snows'"),
        ("Nothing.\n", ROW.format(id="it-rains", chapter="one"), "missing from its chapter"),
        (stored() + "\n" + stored(), ROW.format(id="it-rains", chapter="one"), "recorded 2 times"),
        (stored(), ROW.format(id="it-rains", chapter="other"), "belongs to 'other'"),
        (stored(verdict="maybe"), ROW.format(id="it-rains", chapter="one"), "unknown verdict"),
        (stored(), '[it-rains]\nchapter = "one"\ndeck = "P"\n', "has no statement"),
    ],
)
def test_what_does_not_agree_is_a_warning_on_every_build(book, one, rows, complaint):
    assert complaint in book(one="# One\n\n" + one, claims=rows)
    assert complaint in book()  # nothing has changed: still wrong


def test_a_claim_recorded_in_two_chapters_is_a_warning(book):
    both = "# Book\n\n```{toctree}\none\ntwo\nledger\n```\n"
    rows = ROW.format(id="it-rains", chapter="one")
    text = "# Page\n\n" + stored()
    assert "recorded 2 times" in book(index=both, one=text, two=text, claims=rows)


def test_a_row_of_a_chapter_to_come_waits(book):
    rows = ROW.format(id="it-rains", chapter="one") + ROW.format(id="it-snows", chapter="later")
    assert not book(one="# One\n\n" + stored(), claims=rows)
    assert [claim["id"] for claim in claims(book)] == ["it-rains"]


def test_ledger_follows_when_only_a_chapter_changes(book):
    rows = ROW.format(id="it-rains", chapter="one")
    book(one="# One\n\n" + stored(), claims=rows)
    book(one="# One\n\n" + stored(verdict="does not hold", evidence="dry"))
    assert claims(book)[0]["verdict"] == "does not hold"
    assert "✗ does not hold" in page(book, "ledger")
    assert "dry" in page(book, "ledger")
    assert "1 does not hold" in page(book, "index")


def test_chapter_follows_when_only_the_statement_changes(book):
    rows = ROW.format(id="it-rains", chapter="one")
    book(one="# One\n\n" + stored(), claims=rows)
    book(claims=rows.replace("rains on", "pours on"))
    assert "It pours on" in page(book, "one")
    assert "It pours on" in page(book, "ledger")


FORMULAS = """# One

A formula ($x^2$), and one of its own:

$$
\\alpha = \\frac{1}{2}
$$ (eq-half)

See {eq}`eq-half`.
"""


def test_formulas_are_set_when_the_site_is_built(book):
    assert book(one=FORMULAS, claims="") == ""
    text = page(book, "one")
    assert text.count("<mjx-container") == 2 and "<script" not in text.split("<mjx-container", 1)[1]
    assert "<math" in text  # for screen readers
    assert '<span class="unbroken">(<span class="math"' in text
    assert re.search(r'class="math"[^>]*id="equation-eq-half".*?<span class="eqno">\(1\)', text)
    assert " style=" not in text.split("<article>")[1].split("</article>")[0]
    sheet = book.html / "_static" / "mathematics" / "book-one.css"
    glyphs = sheet.read_text(encoding="utf-8")
    assert "MJXTEX" not in page(book, "index")
    inlined = glyphs.replace('url("fonts/', 'url("../_static/mathematics/fonts/')
    assert f"<style>{cssmin(inlined)}</style>" in text
    assert "mjx-c.mjx-c1D6FC" in glyphs and "1D6FD" not in glyphs  # α but no β
    assert re.search(r"font-family: MJXZERO;\s*src: url\(.data:", glyphs)  # or lines would move
    for font in re.findall(r'url\("(fonts/[^"]+)', glyphs):
        assert (sheet.parent / font).exists()


def test_fonts_hold_the_glyphs_of_their_page(book):
    book(one="# One\n\n$\\alpha + \\mathbb{R}$\n", claims="")
    folder = book.html / "_static" / "mathematics"
    fonts = re.findall(
        r'font-family: ([\w-]+);\s*src: url\("(fonts/[^"]+)',
        (folder / "book-one.css").read_text("utf-8"),
    )
    held = {family: set(TTFont(folder / name).getBestCmap()) for family, name in fonts}
    assert held["MJXTEX"] == {ord("+"), ord("R")}  # its own R comes with that of the double strokes
    assert held["MJXTEX-I"] == {ord("α"), ord("R")}
    assert ord("R") in held["MJXTEX-A"] and "MJXTEX-FR" not in held
    first = {path.name for path in (folder / "fonts").iterdir()}
    book(one="# One\n\n$\\alpha$\n", claims="")
    assert not {path.name for path in (folder / "fonts").iterdir()} & first


def test_fonts_are_the_same_from_every_build(monkeypatch):
    cut = mathematics._font.__wrapped__
    once = cut("MathJax_Main-Regular.woff", "R")
    monkeypatch.setattr("fontTools.misc.timeTools.time.time", lambda: 4e9)  # years later
    assert cut("MathJax_Main-Regular.woff", "R") == once


def test_pages_do_not_share_their_formulas(book):
    book(one="# One\n\n$\\alpha$\n", index=book.index + "\n$\\beta$\n", claims="")
    folder = book.html / "_static" / "mathematics"
    sheets = [(folder / f"book-{name}.css").read_text("utf-8") for name in ("one", "index")]
    assert [("1D6FC" in sheet, "1D6FD" in sheet) for sheet in sheets] == [
        (True, False),
        (False, True),
    ]


@pytest.mark.parametrize("tex", [r"\alhpa", r"\frac{1}", r"\begin{aligned} x"])
def test_a_formula_that_tex_refuses_is_reported(book, tex):
    assert tex.split("{")[0].strip("\\") in book(one=f"# One\n\n$${tex}$$\n", claims="")


def test_a_dropdown_is_folded_without_javascript(book):
    text = "# One\n\n```{admonition} More\n:class: dropdown\n\nHidden words.\n```\n"
    book(one=text, claims="")
    before, _, inside = page(book, "one").partition("<details")
    assert "Hidden words" not in before
    assert "<summary>More</summary>" in inside
    assert "Hidden words" in inside.partition("</details>")[0]


@pytest.mark.parametrize(
    "planted",
    [
        '<script src="https://cdn.example/x.js"></script>',
        '<link rel="stylesheet" href="//cdn.example/x.css">',
        '<link rel="preconnect" href="https://cdn.example">',
        '<img alt="" src="http://pictures.example/x.png">',
        '<img alt="" srcset="x.png 1x, https://pictures.example/x.png 2x">',
        '<iframe title="x" src="https://video.example"></iframe>',
        "<style>@import 'https://fonts.example/x.css';</style>",
        "<style>@font-face { src: url(https://fonts.example/x.woff2) }</style>",
        '<p style="background: url(//pictures.example/x.png)">x</p>',
        '<svg><image href="https://pictures.example/x.png"/></svg>',
    ],
)
def test_a_foreign_address_fails_the_build(book, planted):
    with pytest.raises(ExtensionError, match="example"):
        book(one=f"# One\n\n```{{raw}} html\n{planted}\n```\n", claims="")


def test_links_for_readers_may_lead_anywhere(book):
    book(one="# One\n\nSee [there](https://example.org/page).\n", claims="")
    assert "https://example.org/page" in page(book, "one")


@pytest.mark.parametrize(
    ("planted", "complaint"),
    [
        ({}, "m1 has no state"),
        (state("@jupyter-widgets/controls"), "only anywidgets"),
        (state("anywidget"), "only anywidgets"),
    ],
)
def test_a_dead_widget_fails_the_build(book, planted, complaint):
    with pytest.raises(ExtensionError, match=complaint):
        book(one=f"# One\n\n```{{raw}} html\n{VIEW}\n```\n", claims="", settings=planted)


def test_an_anywidget_with_its_state_is_welcome(book):
    planted = state("anywidget", _esm="export default '</script>'")
    book(one=f"# One\n\n```{{raw}} html\n{VIEW}\n```\n", claims="", settings=planted)
    scripts = re.search('data-scripts="([^"]*)"', page(book, "one"))[1].split()
    names = [urlsplit(each).path.rpartition("/")[2] for each in scripts]
    (held,) = (book.html / "_static" / "states").iterdir()
    assert names == ["book.js", held.name, "widgets.js"]
    model = pages.read_states(held.read_text("utf-8"))["m1"]
    assert model["state"]["_esm"] == "export default '</script>'"
    assert "widgets.js" not in page(book, "index")


@pytest.mark.parametrize(
    ("address", "foreign"),
    [
        ("https://a.example/x", True),
        ("//a.example/x", True),
        ("file:///etc/x", True),
        ("x/y.css?v=1", False),
        ("#part", False),
        ("data:image/png;base64,AA", False),
    ],
)
def test_what_counts_as_foreign(address, foreign):
    assert guard.is_foreign(address) is foreign


def test_numbers_begin_at_one_on_every_page_and_stay_on_an_unchanged_build(book):
    def text(name, *labels):
        figures = "".join(
            f"```{{figure}} dot.png\n:name: {label}\n:alt: A dot\n\nA dot.\n```\n\n"
            for label in labels
        )
        return f"# {name}\n\nSee {{numref}}`{labels[-1]}`.\n\n{figures}"

    dot = book.html.parent / "book" / "dot.png"
    dot.parent.mkdir(exist_ok=True)
    dot.write_bytes((SITE / "assets" / "favicon.png").read_bytes())
    files = {"one": text("One", "fig-a", "fig-b"), "ledger": text("Two", "fig-c")}
    for _ in range(2):
        assert book(**files) == ""
        assert "Fig. 2" in page(book, "one")
        assert "Fig. 1" in page(book, "ledger") and "Fig. 3" not in page(book, "ledger")
    files["one"] = text("One", "fig-a", "fig-b", "fig-d")
    assert book(**files) == ""
    assert "Fig. 3" in page(book, "one")
