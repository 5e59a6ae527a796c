"""The decks of slides: what goes onto them, and how they are played."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import axe_playwright_python
import pytest
import slides as tool
import weigh
from booklib import Book
from bs4 import BeautifulSoup
from dlbook_site import guard
from dlbook_site import slides as making

CHAPTERS = ("networks/gradient-descent", "learning/linear-regression")
AXE = next(Path(axe_playwright_python.__file__).parent.rglob("axe.min.js")).read_text("utf-8")
VIOLATIONS = """async () => {
  const values = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const { violations } = await axe.run(document, {
    runOnly: { type: "tag", values }, resultTypes: ["violations"],
  });
  const told = (id) => ({ html }) => `${id}: ${html.slice(0, 160)}`;
  return violations.flatMap(({ id, nodes }) => nodes.map(told(id)));
}"""
SHOWN = "(el) => el.innerHTML + [...el.querySelectorAll('canvas')].map((each) => each.toDataURL())"


def cell(source, output="", tags=""):
    shown = f'<div class="cell_output container">{output}</div>' if output else ""
    return (
        f'<div class="cell {tags} container"><div class="cell_input container">'
        f"<pre>{source}</pre></div>{shown}</div>"
    )


def deck(*parts):
    body = "\n".join(parts)
    page = f'<article><section id="top"><h1>Title</h1>{body}</section></article>'
    return making.deck(page)[0]


def section(*parts, name="first"):
    return f'<section id="{name}"><h2>{name.title()}</h2>{"".join(parts)}</section>'


def shown(slide):
    return " | ".join(block.get_text(" ", strip=True) for block in slide.blocks)


def said(slide):
    return " | ".join(note.get_text(" ", strip=True) for note in slide.notes)


def test_prose_becomes_notes_and_sentences_with_a_term_are_shown():
    text = "<p>It rains. A <strong>cloud</strong> is water, e.g. in drops. It passes.</p>"
    title, slide = deck("<p>Why so? Because.</p>", cell("import os"), section(text))
    assert (title.kind, title.title, shown(title)) == ("title", "Title", "Why so?")
    assert shown(slide) == "A cloud is water, e.g. in drops."
    assert said(slide) == "It rains. A cloud is water, e.g. in drops. It passes."
    assert (slide.name, slide.kind) == ("first", "section")


def test_notes_go_with_what_they_lead_to():
    rows = "\n".join("x = 1" for _ in range(15))
    parts = ["<p>Before one.</p>", cell(rows), "<p>Before two.</p>", cell(rows), "<p>After.</p>"]
    _, first, second = deck(section(*parts))
    assert said(first) == "Before one."
    assert said(second) == "Before two. | After."
    assert second.again and not first.again and second.title == first.title


def test_a_sentence_goes_along_with_the_list_that_it_announces():
    items = "".join(f"<li>Item {i}</li>" for i in range(9))
    colon = "<p>Three <strong>things</strong>:</p>"
    _, first, second = deck(section(cell("x\n" * 8), colon, f"<ul>{items}</ul>"))
    assert "things" not in shown(first)
    assert shown(second).startswith("Three things :")


def test_a_section_of_prose_shows_its_first_sentences():
    _, slide = deck(section("<p>One thing. More of it.</p>", "<p>Another. And so on.</p>"))
    assert shown(slide) == "One thing. | Another."


def test_tags_overrule():
    code = [cell("a"), cell("b", tags="tag_slide"), cell("c", tags="tag_notes")]
    code += [cell("d", tags="tag_skip-slide"), cell("e")]
    _, first, second = deck(section(*code))
    assert (shown(first), shown(second), said(second)) == ("a", "b | e", "c")


def test_an_exercise_has_a_slide_and_its_solution_is_a_note():
    exercise = (
        '<div class="exercise admonition" id="ex-one"><p class="admonition-title">Exercise 1</p>'
        "<section><p>Predict.</p></section></div>"
    )
    solution = '<details class="solution"><summary>Solution</summary><p>Seven.</p></details>'
    slides = deck(section(exercise, cell("x = ...", "not tried"), solution))
    assert [slide.kind for slide in slides] == ["title", "exercise"]  # no slide for a bare heading
    assert shown(slides[-1]) == "Predict. | x = ..."
    assert said(slides[-1]).endswith("Solution Seven.")
    assert slides[-1].notes[0]["id"] == "first"


def test_widgets_and_folded_drawings_stand_without_their_code():
    view = f'<script type="{making.VIEW}">{{"model_id": "m1"}}</script>'
    folded = '<details class="hide above-input"><div class="cell_input">draw()</div></details>'
    drawing = f'<div class="cell">{folded}<div class="cell_output"><p>drawn</p></div></div>'
    _, slide, other = deck(section(drawing, cell("Play()", view)))
    assert (shown(slide), said(other)) == ("drawn", "Play()")
    assert other.blocks[0].find("script")


def test_a_list_that_is_too_long_is_dealt_out_with_its_numbers():
    items = "".join(f"<li>Item {i}</li>" for i in range(1, 31))
    _, *slides = deck(section(f"<ol>{items}</ol>"))
    assert len(slides) > 1
    starts = [int(slide.blocks[0].get("start", 1)) for slide in slides]
    counts = [len(slide.blocks[0].find_all("li")) for slide in slides]
    assert sum(counts) == 30 and starts[1] == counts[0] + 1


@pytest.mark.parametrize(
    ("link", "site", "expected"),
    [
        ("#here", "", "#here"),
        ("two.html#there", "", "two.html#there"),
        ("two.html#gone", "", "two.html"),
        ("../reference/notation.html", "", None),
        ("../reference/notation.html#x", "https://book.test/", "reference/notation.html#x"),
        ("https://doi.org/1", "", "https://doi.org/1"),
    ],
)
def test_links_stay_within_the_decks_or_go_to_the_site(link, site, expected):
    slide = deck(f'<p><a href="{link}">Read?</a></p>')[0]
    decks = {"part/one": {"here"}, "part/two": {"there"}}
    making.relink(slide.notes, "part/one", decks, site)
    found = slide.notes[0].find("a")
    if expected is None:
        assert found is None
    else:
        assert found["href"] == (f"https://book.test/book/{expected}" if site else expected)


LISTED = (
    '<main>\n<ul class="launch">\n  <li><a href="x.ipynb">x</a></li>\n</ul>\n<article></article>'
)


def test_a_page_leads_to_its_deck_once(tmp_path):
    page = tmp_path / "book" / "learning" / "x.html"
    page.parent.mkdir(parents=True)
    page.write_text(LISTED)
    tool.link(tmp_path, ["learning/x"])
    once = page.read_text()
    assert once.count("Slides") == 1 and 'href="../../slides/learning/x.html"' in once
    tool.link(tmp_path, ["learning/x"])
    assert page.read_text() == once
    assert tool.LINK.sub("", once).split() == LISTED.split()


# --- the decks of the built site, in a browser ----------------------------------------------------
@pytest.fixture(scope="module")
def decks(site, tmp_path_factory):
    folder = tmp_path_factory.mktemp("decks") / "slides"
    book = Book()
    book.chapters = [chapter for chapter in book.chapters if chapter.name in CHAPTERS]
    tool.make(book, html=site, folder=folder)
    return folder


@pytest.fixture
def deck_page(page, decks):
    """A deck opened as a file, on its first slide."""
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto((decks / f"{CHAPTERS[0]}.html").as_uri())
    page.locator(".playing").wait_for()
    return page


def place(page):
    return page.locator(".deck-place").text_content()


def test_decks_stand_on_their_own_and_show_what_the_chapters_do(decks, site):
    assert guard.problems(decks) == []
    for name in CHAPTERS:
        page = (site / "book" / f"{name}.html").read_text("utf-8")
        slides = (decks / f"{name}.html").read_text("utf-8")
        for mark in ('class="dlbook-figure', 'class="dlbook-claim ', "widget-view+json", "ex-"):
            assert (mark in page) == (mark in slides), (name, mark)
        claims = page.count("claim-statement"), slides.count("claim-statement")
        assert claims[0] == claims[1], name
        assert f"{name}.html" in (decks / "index.html").read_text("utf-8")


def test_links_lead_to_other_slides_or_to_pages_of_the_site(decks, site):
    for name in CHAPTERS:
        deck = decks / f"{name}.html"
        links = BeautifulSoup(deck.read_text("utf-8"), "html.parser").find_all("a", href=True)
        paths = [unquote(urlsplit(link["href"]).path) for link in links if ":" not in link["href"]]
        # the decks stand beside the book in the site
        there = [(site / "slides" / name).parent / path for path in paths if path]
        outside = {path.resolve() for path in there if "book" in path.parts}
        assert outside and all(path.is_file() for path in outside)


def test_keys_turn_the_slides(deck_page, wait_until):
    page = deck_page
    wait_until(page, "document.querySelector('.deck-place').textContent.startsWith('1 /')")
    number = page.locator(".deck-frame").count()
    for key, expected in [
        ("ArrowRight", 2),
        ("Space", 3),
        ("ArrowDown", 4),
        ("ArrowLeft", 3),
        ("Shift+Space", 2),
        ("End", number),
        ("ArrowRight", number),
        ("Home", 1),
        ("ArrowUp", 1),
        ("PageDown", 2),
    ]:
        page.keyboard.press(key)
        assert place(page) == f"{expected} / {number}", key
    assert page.url.endswith("#/2")
    assert "Slide 2 of" in page.locator(".deck-status").text_content()
    inert = page.locator(".deck-slide").evaluate_all("all => all.map((each) => each.inert)")
    assert inert.count(False) == 1 and inert[1] is False
    assert page.evaluate(
        "document.activeElement.parentElement === document.querySelector('.deck-frame.current')"
    )
    assert page.troubles == []


def test_help_and_overview(deck_page):
    page = deck_page
    page.keyboard.press("?")
    assert page.locator("dialog.deck-help").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("dialog.deck-help").is_visible()
    page.keyboard.press("o")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("Slide 1 ")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert not page.locator(".overview").count()
    assert int(place(page).split(" ")[0]) > 2
    page.keyboard.press("Escape")
    assert page.locator(".overview").count() == 1
    assert page.troubles == []


def test_the_speaker_sees_notes_and_both_windows_turn(deck_page, wait_until):
    page = deck_page
    page.keyboard.press("ArrowRight")
    with page.expect_popup() as opened:
        page.keyboard.press("s")
    speaker = opened.value
    speaker.locator(".speaker").wait_for()
    wait_until(speaker, "document.querySelector('.deck-place').textContent.startsWith('2 /')")
    assert speaker.locator(".deck-frame.current .deck-notes").is_visible()
    assert not page.locator(".deck-frame.current .deck-notes").is_visible()
    speaker.keyboard.press("ArrowRight")
    wait_until(page, "document.querySelector('.deck-place').textContent.startsWith('3 /')")
    page.keyboard.press("End")
    number = page.locator(".deck-frame").count()
    wait_until(
        speaker, f"document.querySelector('.deck-place').textContent.startsWith('{number} /')"
    )


def test_slides_fit_and_links_turn_to_their_target(deck_page, wait_until):
    page = deck_page
    number = page.locator(".deck-frame").count()
    for i in range(number):
        page.keyboard.press("ArrowRight") if i else None
    wait_until(page, "!document.querySelector('.widget.waiting')")
    page.evaluate("new Promise((done) => setTimeout(done, 100))")
    high = page.evaluate(
        """() => [...document.querySelectorAll(".deck-frame")].flatMap((frame, i) => {
          const box = frame.querySelector(".deck-content");
          return box.scrollHeight > box.clientHeight + 1 ? [i + 1] : [];
        })"""
    )
    assert high == []
    link = page.locator('.deck-slide a[href^="#equation"]').first
    page.evaluate("(link) => link.click()", link.element_handle())
    name = link.get_attribute("href")[1:]
    assert page.evaluate(
        "(name) => document.getElementById(name).closest('.deck-frame.current') !== null", name
    )


def test_widgets_are_alive_and_keep_their_keys(deck_page, wait_until):
    page = deck_page
    at = page.evaluate(
        """() => [...document.querySelectorAll(".deck-frame")].findIndex((each) =>
          each.querySelector(".widget"))"""
    )
    page.evaluate("(at) => (location.hash = `#/${at}`)", at + 1)
    wait_until(page, f"document.querySelector('.deck-place').textContent.startsWith('{at + 1} /')")
    wait_until(page, "!document.querySelector('.deck-frame.current .widget.waiting')")
    widget = page.locator(".deck-frame.current .widget")
    before = widget.evaluate(SHOWN)
    control = widget.locator("[tabindex='0'], button, input").first
    control.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert widget.evaluate(SHOWN) != before
    assert place(page).startswith(f"{at + 1} /")
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    assert place(page).startswith(f"{at + 2} /")
    assert page.troubles == []


def test_decks_are_accessible_in_light_and_dark_and_on_a_phone(page, decks, wait_until):
    with weigh.serve(decks) as address:
        for name in ("index.html", f"{CHAPTERS[1]}.html"):
            page.goto(f"{address}/{name}")
            page.evaluate(AXE)
            page.evaluate("document.querySelectorAll('.math').forEach((each) => each.remove())")
            for theme in ("light", "dark"):
                page.evaluate("(theme) => (document.documentElement.dataset.theme = theme)", theme)
                assert page.evaluate(VIOLATIONS) == [], (name, theme)
                page.keyboard.press("ArrowRight")
        page.set_viewport_size({"width": 390, "height": 800})
        wait_until(page, "!document.querySelector('.playing')")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.locator(".deck-slide").nth(5).is_visible()
    assert page.troubles == []


def test_a_slide_is_printed_to_a_page(deck_page):
    from pdf import Pdf

    printed = Pdf(deck_page.pdf(prefer_css_page_size=True))
    assert len(printed.pages) == deck_page.locator(".deck-frame").count()
