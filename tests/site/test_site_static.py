"""What the files of the built site must hold, whatever browser shows them."""

import json
import re
from collections import Counter
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest
import weigh
from dlbook_site import guard


class Page(HTMLParser):
    """A page's links, identifiers, pictures and title."""

    def __init__(self, text):
        super().__init__()
        self.links, self.ids, self.pictures, self.figures, self.metas = [], [], [], [], {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if attributes.get("id"):
            self.ids.append(attributes["id"])
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])
        elif tag == "img":
            self.pictures.append(attributes)
        elif tag == "svg":
            self.figures.append(attributes)
        elif tag == "meta":
            name = attributes.get("name") or attributes.get("property")
            self.metas[name] = attributes.get("content")


@pytest.fixture(scope="module")
def pages(site):
    return {name: Page((site / name).read_text(encoding="utf-8")) for name in weigh.pages(site)}


def test_the_site_stands_on_its_own(site):
    assert guard.problems(site) == []


def test_every_internal_link_and_anchor_resolves(site, pages):
    broken = []
    for name, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (site / name).parent / unquote(parts.path) if parts.path else site / name
            target = target.resolve()
            if not target.is_file():
                broken.append(f"{name} → {link}")
                continue
            if parts.fragment and target.suffix == ".html":
                ids = pages[target.relative_to(site.resolve()).as_posix()].ids
                if unquote(parts.fragment) not in ids:
                    broken.append(f"{name} → {link}")
    assert broken == []


def test_identifiers_are_unique(pages):
    doubled = {
        name: [each for each, count in Counter(page.ids).items() if count > 1]
        for name, page in pages.items()
    }
    assert not any(doubled.values()), doubled


def test_every_picture_has_a_text_alternative(pages):
    for name, page in pages.items():
        assert all("alt" in picture for picture in page.pictures), name
        for figure in page.figures:
            named = figure.get("role") in ("img", "group") and figure.get("aria-label")
            assert named or figure.get("aria-hidden") == "true", f"{name}: {figure}"


def test_every_page_describes_itself(pages):
    for name, page in pages.items():
        assert page.metas.get("description"), name
        assert page.metas.get("og:title"), name
        assert name == "index.html" or "width=device-width" in page.metas.get("viewport", ""), name


def test_no_made_up_address(site):
    text = "".join((site / name).read_text(encoding="utf-8") for name in weigh.pages(site))
    assert "executablebooks/jupyter-book" not in text
    assert not re.search(r"https?://(www\.)?example\.", text)


def test_no_markup_is_left_in_the_prose(site):
    """A formula or a role that was not understood stands in the text as it was written."""
    hidden = r"<(script|pre|code|style|svg)\b.*?</\1>|<(span|div) class=\"math .*?</\2>"
    for name in weigh.pages(site):
        article = (site / name).read_text(encoding="utf-8").partition("<article>")[2]
        prose = re.sub(hidden, "", article, flags=re.DOTALL)
        prose = re.sub(r"<[^>]*>", "", prose)
        left = re.findall(
            r"\$[^$]{0,40}\\[a-z]+|\{[a-z:]+\}`[^`]*`|^:::.*|^```.*", prose, re.MULTILINE
        )
        assert left == [], name


def test_claims_json_agrees_with_the_pages(site, pages):
    claims = json.loads((site / "claims.json").read_text(encoding="utf-8"))
    assert len({claim["id"] for claim in claims}) == len(claims)
    for claim in claims:
        assert set(claim) == {"id", "deck", "statement", "chapter", "link", "verdict", "evidence"}
        assert claim["verdict"] in {"holds", "partly holds", "does not hold", "could not run"}
        assert claim["statement"] and claim["evidence"]
        name, _, anchor = claim["link"].partition("#")
        assert anchor in pages[name].ids
        assert f"ledger-{claim['id']}" in pages["book/reference/claims.html"].ids


def test_pages_bring_what_they_need_and_no_more(site):
    for name in weigh.pages(site):
        text = (site / name).read_text(encoding="utf-8")
        assert ("_static/mathematics/" in text) == ("<mjx-container" in text), name
        assert ("searchindex.js" in text) == (name == "search.html"), name
        assert ("widgets.js" in text) == ("jupyter.widget-view+json" in text), name


def test_every_chapter_is_on_the_map_and_leads_on(site):
    """Nothing lists chapters by hand: what the contents have, the cover shows."""
    cover = (site / "book" / "index.html").read_text(encoding="utf-8")
    drawing = re.search(r'<svg class="chapter-map".*?</svg>', cover, re.DOTALL)[0]
    listed = cover.partition("</svg>")[2].partition("What makes it different")[0]
    chapters = {path.relative_to(site / "book").as_posix() for path in site.rglob("*.ipynb")}
    assert chapters
    for name in sorted(chapters):
        link = f'href="{name.removesuffix(".ipynb")}.html"'
        assert drawing.count(link) == 1 and link in listed, name


def test_the_plan_for_teachers_has_all_chapters(site):
    plan = (site / "book" / "reference" / "teaching.html").read_text(encoding="utf-8")
    plan = plan.partition("<table")[2].partition("</table>")[0]
    for path in site.rglob("*.ipynb"):
        name = path.relative_to(site / "book").with_suffix(".html").as_posix()
        assert f'href="../{name}"' in plan, name
