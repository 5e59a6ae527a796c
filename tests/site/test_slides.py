"""The decks of slides: what goes onto them, and how they are played."""

from urllib.parse import unquote, urlsplit

import pytest
import slides as tool
import weigh
from booklib import Book
from bs4 import BeautifulSoup
from dlbook_site import guard
from dlbook_site import slides as making

CHAPTERS = ("networks/gradient-descent", "learning/linear-regression")
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


def test_each_section_is_a_column():
    task = '<div class="exercise"><p class="admonition-title">One</p><p>Do.</p></div>'
    part = '<section id="part"><h3>Part</h3><p>Of it.</p></section>'
    parts = [section("<p>Said.</p>", part), section(task, name="exercises")]
    columns = making.sections(deck("<p>Why?</p>", *parts))
    assert [[slide.title for slide in column] for column in columns] == [
        ["Title"],
        ["First", "Part"],
        ["One"],
    ]


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


READY = "document.querySelector('.reveal.ready')"
PRESENT = ".slides > .present > .present"  # the slide that is shown
TURN = """([number]) => {
  const { h, v } = Reveal.getIndices(Reveal.getSlides()[number - 1]);
  Reveal.slide(h, v);
}"""


@pytest.fixture(params=["file", "server"])
def deck_address(request, decks):
    """Where a deck is that was opened as a file, and one that a server hands out."""
    name = f"{CHAPTERS[0]}.html"
    if request.param == "file":
        yield (decks / name).as_uri()
    else:
        with weigh.serve(decks) as address:
            yield f"{address}/{name}"


@pytest.fixture
def deck_page(page, decks):
    """A deck opened as a file, on its first slide."""
    return open_deck(page, (decks / f"{CHAPTERS[0]}.html").as_uri())


def open_deck(page, address):
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(address)
    page.locator(".reveal.ready").wait_for()
    return page


def place(page):
    return "".join(page.locator(".slide-number").text_content().split())


def is_at(number):
    return f"Reveal.getSlidePastCount() + 1 === {number}"


def to_widget(page, wait_until):
    """Turn to the first slide with a widget; its number and the widget."""
    at = page.evaluate("Reveal.getSlides().findIndex((each) => each.querySelector('.widget'))") + 1
    page.evaluate(TURN, [at])
    wait_until(page, f"!document.querySelector('{PRESENT} .widget.waiting')")
    return at, page.locator(f"{PRESENT} .widget")


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


def test_decks_are_played_by_reveal(deck_page, decks):
    page = deck_page
    assert page.evaluate("Reveal.VERSION").startswith("5.")
    assert page.evaluate("Reveal.isReady()")
    shown = BeautifulSoup((decks / f"{CHAPTERS[0]}.html").read_text("utf-8"), "html.parser")
    slides = shown.select(".reveal > .slides > section > section")
    assert page.evaluate("Reveal.getTotalSlides()") == len(slides) == len(shown.select("h1, h2"))
    assert "Hakim El Hattab" in (decks / "_static" / "reveal" / "LICENSE").read_text("utf-8")


def test_keys_turn_the_slides(deck_page, wait_until):
    page = deck_page
    number = page.evaluate("Reveal.getTotalSlides()")
    assert place(page) == f"1/{number}"
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
        assert place(page) == f"{expected}/{number}", key
    wait_until(page, "location.hash === '#/the-best-short-step'")
    heading = "document.querySelector('.aria-status').textContent.includes('The best short step')"
    wait_until(page, heading)
    reached = "(all) => all.flatMap((each, i) => (each.checkVisibility(SEEN) ? [i + 1] : []))"
    reached = reached.replace("SEEN", "{ visibilityProperty: true }")
    assert page.locator(".deck-slide").evaluate_all(reached) == [2]
    page.keyboard.press("PageUp")
    for _ in range(number):
        page.keyboard.press("Space")
    assert page.evaluate("Reveal.isLastSlide()")
    assert page.troubles == []


def test_each_column_begins_at_its_top_wherever_one_was_in_it(deck_page):
    page = deck_page
    columns = "(all) => all.map((each) => each.querySelectorAll('.deck-slide').length)"
    rows = page.locator(".slides > section").evaluate_all(columns)
    h = next(h for h in range(2, len(rows)) if rows[h] > 1)
    page.evaluate(f"Reveal.slide({h}, 1)")
    page.evaluate(f"Reveal.slide({h - 1}, {rows[h - 1] - 1})")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("[Reveal.getIndices().h, Reveal.getIndices().v]") == [h, 0]


def test_addresses_lead_to_slides(deck_page, wait_until):
    page = deck_page
    page.evaluate("location.hash = '#/3/2'")
    wait_until(page, "Reveal.getIndices().h === 2 && Reveal.getIndices().v === 1")
    page.evaluate("location.hash = '#/the-best-short-step'")
    wait_until(page, is_at(2))


def test_help_and_overview(deck_page):
    page = deck_page
    page.keyboard.press("?")
    assert "Speaker's window" in page.locator(".r-overlay-help").text_content()
    assert page.get_by_role("button", name="Esc").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator(".r-overlay-help").count()
    page.keyboard.press("o")
    assert page.evaluate("Reveal.isOverview()")
    assert all(each.is_visible() for each in page.locator("section.deck-slide").all())
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert not page.evaluate("Reveal.isOverview()")
    assert page.evaluate("Reveal.getIndices()") == {"h": 1, "v": 1, "f": None}
    page.keyboard.press("Escape")
    assert page.evaluate("Reveal.isOverview()")
    assert page.troubles == []


def test_the_speaker_sees_notes_and_both_windows_turn(page, deck_address, wait_until):
    open_deck(page, deck_address)
    page.keyboard.press("ArrowRight")
    notes = page.locator(f"{PRESENT} aside.notes").text_content()
    assert notes.strip()
    with page.expect_popup() as opened:
        page.keyboard.press("s")
    speaker = opened.value
    speaker.on("console", lambda message: page.troubles.append(message.text))
    wait_until(speaker, READY)
    wait_until(speaker, is_at(2))
    shown = speaker.locator(".speaker-notes")
    assert shown.is_visible() and shown.text_content() == notes
    assert speaker.locator(".deck-slide.next").is_visible()
    assert speaker.locator(".deck-slide.next").get_attribute("aria-label").startswith("3 of")
    assert ":" in speaker.locator("[role=timer]").text_content()
    assert not page.locator(".speaker-notes, aside.notes").filter(visible=True).count()
    speaker.keyboard.press("ArrowRight")
    wait_until(page, is_at(3))
    page.keyboard.press("End")
    number = page.evaluate("Reveal.getTotalSlides()")
    wait_until(speaker, is_at(number))
    assert page.troubles == []


def test_theme_is_remembered(deck_page):
    page = deck_page
    stored = "[document.documentElement.dataset.theme, localStorage.getItem('theme')]"
    assert page.evaluate(stored) == ["light", None]
    page.keyboard.press("d")
    assert page.evaluate(stored) == ["dark", "dark"]
    page.reload()
    page.locator(".reveal.ready").wait_for()
    assert page.evaluate(stored) == ["dark", "dark"]
    page.get_by_role("button", name="Light or dark").click()
    assert page.evaluate(stored) == ["light", None]  # the system's own choice


def test_slides_fit_and_links_turn_to_their_target(deck_page, wait_until):
    page = deck_page
    wait_until(page, "!document.querySelector('.widget.waiting')")
    page.evaluate("new Promise((done) => setTimeout(done, 100))")
    high = page.evaluate(
        """() => Reveal.getSlides().flatMap((slide, i) => {
          const box = slide.querySelector(".deck-content");
          return box.clientHeight && box.scrollHeight <= box.clientHeight + 1 ? [] : [i + 1];
        })"""
    )
    assert high == []
    link = page.locator('.deck-content a[href^="#equation"]').first
    page.evaluate("(link) => link.click()", link.element_handle())
    name = link.get_attribute("href")[1:]
    wait_until(page, f"document.getElementById('{name}').closest('{PRESENT}')")


def test_widgets_are_alive_and_keep_their_keys(deck_page, wait_until):
    page = deck_page
    at, widget = to_widget(page, wait_until)
    before = widget.evaluate(SHOWN)
    control = widget.locator("[tabindex='0'], button, input").first
    control.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert widget.evaluate(SHOWN) != before
    assert page.evaluate(is_at(at))
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(is_at(at + 1))
    assert page.troubles == []


def middle(element):
    box = element.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_widgets_feel_the_pointer_where_it_is(page, deck_address, wait_until):
    open_deck(page, deck_address)
    _, widget = to_widget(page, wait_until)
    start = widget.get_by_role("slider", name="Start of the race")
    x, y = middle(start)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 50, y + 20)
    page.mouse.up()
    assert middle(start) == pytest.approx((x + 50, y + 20), abs=3)
    before = widget.evaluate(SHOWN)
    widget.get_by_role("button", name="Step").click()
    assert widget.evaluate(SHOWN) != before
    assert page.troubles == []


def test_decks_are_accessible_in_light_and_dark_and_on_a_phone(page, decks, wait_until, violations):
    with weigh.serve(decks) as address:
        for name in ("index.html", f"{CHAPTERS[1]}.html"):
            page.goto(f"{address}/{name}")
            if name != "index.html":
                wait_until(page, READY)
            page.evaluate("document.querySelectorAll('.math').forEach((each) => each.remove())")
            for theme in ("light", "dark"):
                page.evaluate("(theme) => (document.documentElement.dataset.theme = theme)", theme)
                # without preload: axe stumbles over style sheets that import others
                assert violations(page, preload=False) == [], (name, theme)
                page.keyboard.press("ArrowRight")
        with page.expect_navigation():
            page.set_viewport_size({"width": 390, "height": 800})
        assert not page.locator(".reveal-viewport").count()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.locator(".deck-slide").nth(5).is_visible()
    assert page.troubles == []


def test_slides_follow_each_other_without_scripts(browser, decks):
    context = browser.new_context(
        java_script_enabled=False, viewport={"width": 1280, "height": 720}
    )
    page = context.new_page()
    page.goto((decks / f"{CHAPTERS[0]}.html").as_uri())
    boxes = [each.bounding_box() for each in page.locator(".deck-slide").all()]
    tops = [box["y"] for box in boxes]
    ends = [box["y"] + box["height"] for box in boxes]
    assert len(boxes) > 50 and tops[1:] == pytest.approx(ends[:-1])
    context.close()


@pytest.mark.parametrize("overview", [False, True])
def test_a_slide_is_printed_to_a_page(deck_page, overview):
    from pdf import Pdf

    if overview:
        deck_page.keyboard.press("o")
    printed = Pdf(deck_page.pdf(prefer_css_page_size=True))
    assert len(printed.pages) == deck_page.evaluate("Reveal.getTotalSlides()")
