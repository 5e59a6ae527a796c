"""Terms are defined where later chapters use them: by keyboard, by pointer and by touch."""

import re

import pytest
from bs4 import BeautifulSoup
from dlbook_site import glossary, printed, slides

HEAD = "---\nkernelspec:\n  name: python3\n---\n\n"
LINE = "**You need** sums. **Takes** about 9 minutes to read, and under a minute to run.\n\n"
SETTINGS = {"myst_enable_extensions": ["dollarmath", "deflist"], "myst_heading_anchors": 2}
INDEX = "# Book\n\n```{toctree}\none\ntwo\nledger\nreference/glossary\n```\n"
GLOSSARY = """# Glossary

loss
: What learning makes small. [](../one.md#a-part)

core loss
: Heat in iron. [](../two.md#more)

minus one, SGD
: Below zero. [](../one.md#a-part)
"""
TWO = """## More

### `loss`

A *loss*, **loss**, `loss`, $loss$, [loss](one.md) and a closing loss-leader: Losses add up. A loss.

- The minus-one of SGDs.
- A core loss.

| loss |
| ---- |
| loss |

```{exercise}
:label: ex
What loss?
```

## A loss

A loss by sgd, <!-- no term: minus one --> at minus one.
"""
CHAPTER = "book/learning/logistic-regression.html"


@pytest.fixture
def two(book):
    def build(glossary=GLOSSARY, text=TWO):
        files = {"one": f"{HEAD}# One\n\n{LINE}## A part\n\nA loss.\n"}
        files["two"] = f"{HEAD}# Two\n\n{LINE}{text}"
        files |= {"index": INDEX, "reference/glossary": glossary, "claims": ""}
        said = book(SETTINGS, **files)
        page = (book.html / "book" / "two.html").read_text("utf-8")
        return said, BeautifulSoup(page, "html.parser")

    return build


def marked(part):
    return [" ".join(link.get_text().split()) for link in part.select("a.term")]


def test_the_first_occurrence_in_each_section_is_marked_in_prose_alone(two):
    said, page = two()
    assert not said
    assert marked(page.find(id="more")) == ["Losses", "minus-one"]
    # the comment keeps the second term as it is; an acronym is one in capitals only
    assert marked(page.find(id="a-loss")) == ["loss"]


def test_a_term_is_no_link_in_the_chapter_that_introduces_it_nor_on_its_own_page(two, book):
    two()
    for name in ("one", "reference/glossary", "index"):
        assert 'class="term' not in (book.html / "book" / f"{name}.html").read_text("utf-8")


def test_links_lead_to_the_definition_which_the_page_carries_hidden(two, book):
    _, page = two()
    listed = BeautifulSoup(
        (book.html / "book" / "reference" / "glossary.html").read_text("utf-8"), "html.parser"
    )
    for link in page.select("a.term"):
        path, _, name = link["href"].partition("#")
        assert path == "reference/glossary.html"
        assert listed.find("dt", id=name)
        assert page.select_one(f".definitions > [id='{name}']").has_attr("hidden")
    definitions = [each.get_text() for each in page.select(".definitions > p")]
    assert definitions == ["What learning makes small.", "Below zero."]  # core loss: not marked
    assert listed.select_one(".introduced a")["href"] == "../one.html#a-part"


def test_chapters_follow_when_only_the_glossary_changes(two):
    two()
    _, page = two(GLOSSARY.replace("makes small", "shrinks"))
    assert "What learning shrinks." in page.select_one(".definitions").get_text()


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("word\n: Without a link.\n", "'word' has to be a paragraph that ends in a link"),
        ("losses\n: Twice. [](../one.md#a-part)\n", "'losses' stands in the glossary more than"),
        ("word\n: Elsewhere. [](../three.md)\n", "three"),
        ("word\n: Elsewhere. [](../one.md#no-part)\n", "no-part"),
    ],
)
def test_a_wrong_entry_is_a_warning(two, entry, complaint):
    said, _ = two(f"{GLOSSARY}\n{entry}")
    assert complaint in said


def test_terms_are_found_in_every_spelling_the_longest_first():
    finder = glossary.pattern(["map", "one-hot map", "Newton's method", "GRU"])
    text = "One-hot\nmap, maps, Map: Newton’s method, newton's method, gru, GRU, Map-like"
    assert finder.findall(text) == ["One-hot\nmap", "Map", "Newton’s method", "GRU"]


def test_slides_and_print_show_no_links_to_definitions():
    text = (
        '<article><section id="a"><h1>T</h1><section id="b"><h2>S</h2><p>It has a '
        '<a class="term" href="g.html#term-loss">Loss</a>. A <strong>cost</strong> is another.</p>'
        '</section></section></article><div class="definitions"><p hidden>Small.</p></div>'
    )
    shown, _ = slides.deck(text)
    assert [str(block) for block in shown[1].blocks] == [
        '<p class="lead">A <strong>cost</strong> is another.</p>'
    ]
    assert "term" not in str(shown[1].notes) and "Small" not in str(shown[1].notes)
    article = str(printed.prepare("a", text, {"a"}).article)
    assert "It has a Loss. A" in article and "term" not in article and "Small" not in article


# --- In the browser ----------------------------------------------------------------------------
@pytest.fixture
def term(page, address, visit):
    visit(page, f"{address}/{CHAPTER}")
    return page.locator("a.term").first


def shown(page):
    return page.locator(".definitions > p:visible").all_inner_texts()


def test_a_definition_shows_on_hover_stays_under_the_pointer_and_goes(page, term, wait_until):
    assert shown(page) == []
    term.hover()
    assert len(shown(page)) == 1
    page.locator(".definitions > p:visible").hover()
    page.clock.install()
    page.clock.run_for(2000)
    assert len(shown(page)) == 1
    page.mouse.move(5, 5)
    wait_until(page, "!document.querySelector('.definitions > p:not([hidden])')")
    term.hover()
    page.keyboard.press("Escape")
    assert shown(page) == []


def test_a_definition_shows_on_focus_and_describes_its_term(page, term, scroll_through, violations):
    scroll_through(page)  # the page reacts to its width where the reader is
    term.focus()
    (text,) = shown(page)
    described = page.evaluate(
        "document.getElementById(document.activeElement.getAttribute('aria-describedby')).innerText"
    )
    assert described == text
    assert violations(page) == []
    page.keyboard.press("Escape")
    assert shown(page) == []
    page.keyboard.press("Enter")
    page.wait_for_url("**/glossary.html#term-*")
    assert page.troubles == []


def test_the_first_tap_defines_and_the_second_follows(browser, address, visit):
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True)
    page = context.new_page()
    visit(page, f"{address}/{CHAPTER}")
    term = page.locator("a.term").first
    term.tap()
    box = page.locator(".definitions > p:visible").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    assert page.url.endswith(CHAPTER)
    page.locator("h1").tap()
    assert shown(page) == []
    term.tap()
    term.tap()
    page.wait_for_url("**/glossary.html#term-*")
    context.close()


def test_definitions_are_not_printed_and_follow_the_theme(page, term):
    colours = {}
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        term.focus()
        style = "(box) => getComputedStyle(box).backgroundColor"
        colours[theme] = page.locator(".definitions > p:visible").evaluate(style)
    assert colours["light"] != colours["dark"]
    page.emulate_media(media="print")
    assert shown(page) == []
    line = term.evaluate("(link) => getComputedStyle(link).textDecorationLine")
    assert line == "none"


def test_without_javascript_a_term_is_a_link(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/{CHAPTER}")
    page.locator("a.term").first.hover()
    assert shown(page) == []
    page.locator("a.term").first.click()
    page.wait_for_url("**/glossary.html#term-*")
    context.close()


def test_the_glossary_is_one_result_behind_the_chapters(page, address, visit):
    visit(page, f"{address}/search.html?q=softmax")
    page.locator("ul.search li p.context").first.wait_for()
    results = page.locator("ul.search li > a").evaluate_all("(all) => all.map((each) => each.href)")
    places = [i for i, link in enumerate(results) if "glossary.html" in link]
    assert len(places) <= 1 and 0 not in places


def test_every_entry_of_the_glossary_is_short_and_plain(site):
    text = (site / "book" / "reference" / "glossary.html").read_text("utf-8")
    entries = BeautifulSoup(text, "html.parser").select("article dl > dd")
    assert len(entries) >= 80
    for entry in entries:
        definition = entry.find("p").get_text().rstrip()
        assert 20 < len(definition) < 300 and re.search(r"\.$", definition), definition
        assert len(re.findall(r"[.?!](?= [A-Z]|$)", definition)) <= 3, definition
        assert not entry.find("p").find(["a", "mjx-container"])  # shown as text elsewhere
