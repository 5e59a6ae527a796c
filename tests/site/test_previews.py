"""Cards, sitemap and canonical addresses: there once the address is known, and not before."""

import os
import re
import struct

import pytest
from dlbook_site import previews

HOME = {"html_baseurl": "https://someone.github.io/book/"}
CHAPTER = (
    "---\nkernelspec:\n  name: python3\n---\n\n# A title\n\nWhat is it, and what is it for, and "
    "why should anybody want to know? {}\n\n"
    "**You need** nothing. **Takes** about 5 minutes to read, and under a minute to run.\n"
)
INDEX = "# Book\n\n```{toctree}\n:caption: The part\none\nledger\n```\n"


@pytest.fixture
def published(book):
    def build(settings=HOME, words="More words. " * 30):
        warnings = book(settings, index=INDEX, one=CHAPTER.format(words), claims="")
        assert warnings == ""
        text = (book.html / "book" / "one.html").read_text("utf-8")
        return dict(re.findall(r'<meta (?:name|property)="([^"]+)" content="([^"]*)"', text)), text

    build.html = book.html
    return build


def test_a_chapter_has_a_card_and_a_canonical_address(published):
    metas, text = published()
    base = HOME["html_baseurl"]
    assert metas["og:image"] == f"{base}_static/previews/one.png"
    assert metas["og:title"] == "A title" and "The part" in metas["og:image:alt"]
    assert f'<link rel="canonical" href="{base}book/one.html">' in text
    card = (published.html / "_static" / "previews" / "one.png").read_bytes()
    assert struct.unpack(">II", card[16:24]) == previews.SIZE
    assert len(card) < 100_000
    front = (published.html / "index.html").read_text("utf-8")
    assert f'<link rel="canonical" href="{base}book/index.html">' in front
    assert "_static/preview.png" in front


def test_cards_are_drawn_once(published, monkeypatch):
    published()
    monkeypatch.setattr(previews, "draw", None)
    os.utime(published.html.parent / "book" / "one.md")
    published(words="Other words. " * 30)


def test_the_sitemap_lists_all_pages(published):
    published()
    text = (published.html / "sitemap.xml").read_text("utf-8")
    pages = re.findall("<loc>https://someone.github.io/book/([^<]*)</loc>", text)
    assert pages == ["book/index.html", "book/ledger.html", "book/one.html"]
    assert all((published.html / page).exists() for page in pages)
    robots = (published.html / "robots.txt").read_text("utf-8")
    assert "Sitemap: https://someone.github.io/book/sitemap.xml" in robots


def test_without_a_home_no_address_is_made_up(published):
    metas, text = published({})
    assert not [name for name in metas if name.startswith("og:image")] and "canonical" not in text
    for name in ("sitemap.xml", "robots.txt", "_static/previews"):
        assert not (published.html / name).exists()


def test_a_description_is_made_of_whole_sentences(published):
    metas, _ = published({})
    assert metas["description"].startswith("What is it") and metas["description"].endswith("words.")
    metas, _ = published({}, words="and on " * 60)
    assert metas["description"].endswith("to know?")


def test_a_long_title_fits_on_the_card(tmp_path):
    path = tmp_path / "card.png"
    previews.draw(path, "A title that goes on and on until nobody reads it", "A part", "A book")
    assert path.exists() and not path.with_suffix(".new").exists()
