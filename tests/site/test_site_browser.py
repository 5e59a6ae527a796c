"""The built site in a browser: self-contained, quiet, accessible, alive, light."""

import os
import re
from pathlib import Path
from urllib.parse import quote

import pytest
import weigh
from fontTools.ttLib import TTFont

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("DLBOOK_SITE", ROOT / "_build" / "html"))
PAGES = weigh.pages(FOLDER) if FOLDER.exists() else ["book/index.html"]
WIDE_CODE = """[...document.querySelectorAll(".cell_input pre")]
  .filter((code) => code.scrollWidth > code.clientWidth + 1)
  .map((code) => `wider than the column: ${code.textContent.slice(0, 80)}`)"""
KEYS = ("ArrowRight", "Enter", "Space", "ArrowDown", "x")
# what a widget shows: elements and canvases, not the values that its controls hold by themselves
SHOWN = """(el) =>
  el.innerHTML + [...el.querySelectorAll("canvas")].map((each) => each.toDataURL()).join("")"""

# makes of this browser one that, as Safari, does not keep the place when something above it grows
WITHOUT_ANCHORS = """
  const { supports } = CSS;
  CSS.supports = (name, value) => name !== "overflow-anchor" && supports.call(CSS, name, value);
  addEventListener("DOMContentLoaded", () => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync("* { overflow-anchor: none; content-visibility: visible !important }");
    document.adoptedStyleSheets.push(sheet);
  });"""


@pytest.mark.parametrize("name", PAGES)
def test_page_is_quiet_accessible_and_fits(
    page, address, scroll_through, wait_until, violations, name, visit
):
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    visit(page, f"{address}/{name}")
    found = []
    for width in (390, 1300):
        page.set_viewport_size({"width": width, "height": 900})
        scroll_through(page)  # the page reacts to its width where the reader is
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            found.append(f"the page is {wide} px wide on a screen of {width}")
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            wait_until(page, f"document.documentElement.dataset.theme === '{theme}'")
            found += [f"{theme} {width}: {each}" for each in violations(page)]
            if (width, theme) == (390, "light"):
                # formulas make half of a chapter's elements, all in the text's colour: once will do
                page.evaluate("document.querySelectorAll('.math').forEach((each) => each.remove())")
    found += page.evaluate(WIDE_CODE)
    assert found == []
    assert page.troubles == []
    foreign = [url for url in requests if not url.startswith((address, "data:", "blob:"))]
    assert foreign == []


@pytest.mark.parametrize("width", [390, 1300])
def test_links_from_elsewhere_arrive_at_their_section(browser, address, site, wait_until, width):
    page = browser.new_page(viewport={"width": width, "height": 900})  # motion as most have it
    for name in PAGES:
        ids = re.findall('<section id="([^"]+)"', (site / name).read_text("utf-8"))
        if len(ids) < 10:
            continue  # a short page, where it may not get to the top
        middle = ids[len(ids) // 2]
        page.goto(f"{address}/{name}#{middle}")
        top = f"document.getElementById('{middle}').getBoundingClientRect().top"
        wait_until(page, f"Math.abs({top} - 80) < 20")
        page.wait_for_timeout(200)  # what comes late must not move it
        assert abs(page.evaluate(top) - 80) < 20, name
    page.close()


@pytest.mark.parametrize("name", PAGES)
def test_widgets_answer_to_the_keyboard_without_a_kernel(
    page, address, site, scroll_through, name, visit
):
    if "jupyter.widget-view+json" not in (site / name).read_text(encoding="utf-8"):
        return
    visit(page, f"{address}/{name}")
    scroll_through(page)
    assert page.locator(".widget-trouble").count() == 0
    for widget in page.locator(".widget").all():
        widget.scroll_into_view_if_needed()
        control = widget.locator("button, input, select, textarea, [tabindex='0']").first
        control.focus()
        # else JupyterLab takes the arrow keys for its own
        assert control.get_attribute("data-lm-suppress-shortcuts"), name
        before = widget.evaluate(SHOWN)
        for key in KEYS:
            control.focus()
            page.keyboard.press(key)
            if widget.evaluate(SHOWN) != before:
                break
        else:
            page.wait_for_timeout(300)  # it may draw later
            assert widget.evaluate(SHOWN) != before, f"{name}: nothing changes on {KEYS}"
    assert page.troubles == []


def test_widgets_live_on_pages_opened_as_files(page, site, scroll_through, visit):
    for name in PAGES:
        if "jupyter.widget-view+json" in (site / name).read_text(encoding="utf-8"):
            visit(page, (site / name).resolve().as_uri())
            scroll_through(page)
            assert page.locator(".widget-trouble").count() == 0, name
    assert page.troubles == []


def test_first_load_is_light(site, browser):
    weights = weigh.measure(site, browser=browser)
    heavy = {}
    for name, weight in weights.items():
        limit = 250_000 if weight["mathematics"] else 100_000
        if weight["bytes"] > limit or weight["requests"] > 20:
            heavy[name] = weight
    assert heavy == {}


@pytest.mark.parametrize("name", PAGES)
def test_formulas_find_their_glyphs_in_the_fonts_of_the_page(page, address, site, name, visit):
    sheet = site / "_static" / "mathematics" / name.replace("/", "-").replace(".html", ".css")
    if not sheet.exists():
        return
    fonts = re.findall(
        r'font-family: ([\w-]+);\s*src: url\("(fonts/[^"]+)', sheet.read_text("utf-8")
    )
    held = {family: TTFont(sheet.parent / font).getBestCmap().keys() for family, font in fonts}
    visit(page, f"{address}/{name}")
    glyphs = page.evaluate(
        """() => [...document.querySelectorAll("mjx-c")]
          .map((each) => getComputedStyle(each, "::before"))
          .map(({ fontFamily, content }) => [fontFamily, content.slice(1, -1)])"""
    )
    shown = {(families, glyph) for families, text in glyphs for glyph in text}
    assert shown
    lost = [
        (families, glyph)
        for families, glyph in shown
        if not any(ord(glyph) in held.get(family, ()) for family in families.split(", "))
    ]
    assert lost == []


def test_all_fonts_of_formulas_are_there_for_who_prints_at_once(page, address, visit):
    visit(page, f"{address}/book/learning/logistic-regression.html")
    page.wait_for_load_state("networkidle")
    states = page.evaluate("[...document.fonts].map(({ family, status }) => [family, status])")
    assert len(states) > 5
    assert [family for family, status in states if status != "loaded"] == []


def test_a_link_into_a_chapter_arrives(page, address, visit):
    """Sections are laid out when they come near, so those above have no height yet."""
    visit(page, f"{address}/book/learning/linear-regression.html#further-reading")
    heading = page.locator("#further-reading > h2")
    for _ in range(2):
        assert 0 < heading.bounding_box()["y"] < 300
        page.locator(".here a", has_text="Exercises").click()
        assert 0 < page.locator("#exercises > h2").bounding_box()["y"] < 300
        page.locator(".here a", has_text="Further reading").click()
    assert page.troubles == []


def test_links_arrive_where_the_browser_does_not_keep_the_place(page, address, visit, wait_until):
    page.add_init_script(WITHOUT_ANCHORS)
    visit(page, f"{address}/book/learning/tagging-by-counting.html#exercises")
    wait_until(page, "document.getElementById('exercises').getBoundingClientRect().top < 160")
    page.wait_for_timeout(300)  # what comes late must not move it
    assert 0 < page.locator("#exercises > h2").bounding_box()["y"] < 300


def test_search_finds_a_word_of_a_chapter(page, address, visit):
    visit(page, f"{address}/book/index.html")
    assert page.locator("input[type=search]").count() == 1
    page.locator("input[type=search]").fill("likelihood")
    page.keyboard.press("Enter")
    hit = page.locator("#search-results a[href*='tagging-by-counting']").first
    hit.wait_for()
    hit.click()
    page.wait_for_url("**/tagging-by-counting.html*")
    assert page.troubles == []


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("softmax", "learning/logistic-regression.html"),
        ("LSTM", "sequences/lstm-and-gru.html"),
        ("backpropagation", "networks/backpropagation.html"),
        ("σ", "reference/notation.html"),
        ("θ", "reference/notation.html"),
        ("∇", "reference/notation.html"),
        ("cross_entropy", "reference/helper-package.html#dlbook.autodiff.cross_entropy"),
        ("np.linalg.solve", "learning/linear-regression.html"),
        ("nn.LSTM", ".html"),
    ],
)
def test_search_finds_terms_symbols_and_names_in_code(page, address, query, first, visit):
    visit(page, f"{address}/search.html?q={quote(query)}")
    page.locator("ul.search li p.context").first.wait_for()
    hits = page.locator("ul.search li > a").evaluate_all("(all) => all.map((each) => each.href)")
    assert first in hits[0]
    assert not page.locator("#search-help").is_visible()
    assert page.locator("ul.search").bounding_box()["width"] > 500
    shown = page.locator("ul.search").inner_text()
    assert "Download the notebook" not in shown and (query.isascii() or query in shown)
    assert page.troubles == []


def test_search_leads_to_the_heading(page, address, visit):
    visit(page, f"{address}/search.html?q=softmax")
    hit = page.locator("ul.search li > a", has_text="Many classes: softmax")
    hit.click()
    page.wait_for_url("**/logistic-regression.html#many-classes-softmax")


@pytest.mark.parametrize(
    ("query", "meant"),
    [
        ("sofmax", "softmax"),
        ("backpropogation", "backpropagation"),
        ("corss_entropy", "cross_entropy"),
    ],
)
def test_search_suggests_what_was_meant(page, address, query, meant, visit):
    visit(page, f"{address}/search.html?q={query}")
    suggestion = page.locator("#search-help .nearest a").first
    suggestion.wait_for()
    assert suggestion.inner_text().lower() == meant
    suggestion.press("Enter")
    page.locator("ul.search li").first.wait_for()
    assert page.troubles == []


def test_search_says_what_can_be_found(page, address, visit):
    visit(page, f"{address}/search.html")
    assert not page.locator("#search-help").is_visible()
    page.locator("section > p a[href='?q=softmax']").click()
    page.locator("ul.search li").first.wait_for()
    assert page.troubles == []


def test_search_that_finds_nothing_near_leads_on(page, address, violations, visit):
    visit(page, f"{address}/search.html?q=zzqzzqzzq")
    page.locator("#search-help").wait_for()
    assert not page.locator(".meant").is_visible()
    assert "zzqzzqzzq" in page.locator(".search-summary").inner_text()
    assert violations(page) == []
    page.locator("#search-help a[href$='notation.html']").press("Enter")
    page.wait_for_url("**/notation.html*")
    assert page.troubles == []


def test_the_map_is_worked_by_keyboard_and_gives_way_to_the_list(page, address, visit):
    visit(page, f"{address}/book/index.html")
    links = page.locator("svg.chapter-map a")
    links.first.focus()
    assert links.first.evaluate("(link) => document.activeElement === link")
    page.keyboard.press("Tab")
    assert links.nth(1).evaluate("(link) => document.activeElement === link")
    accent = links.nth(1).locator("rect").evaluate("(box) => getComputedStyle(box).strokeWidth")
    assert accent == "2.5px"
    page.set_viewport_size({"width": 390, "height": 800})
    assert not page.locator("svg.chapter-map").is_visible()
    assert page.locator(".chapter-list a").count() == links.count()
    page.set_viewport_size({"width": 1300, "height": 900})
    target = links.nth(1).get_attribute("href")
    links.nth(1).focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{target}*")
    assert page.troubles == []


def test_theme_button_turns_the_page_and_is_remembered(page, address, visit):
    page.emulate_media(color_scheme="light")
    visit(page, f"{address}/book/index.html")
    paper = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.locator("button.theme").press("Enter")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") != paper
    visit(page, f"{address}/book/reference/notation.html")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_chapters_open_on_a_narrow_screen(page, address, visit):
    page.set_viewport_size({"width": 390, "height": 800})
    visit(page, f"{address}/book/index.html")
    chapters = page.locator("#chapters")
    assert not chapters.is_visible()
    page.locator("button.menu").press("Enter")
    assert chapters.is_visible()
    page.keyboard.press("Escape")
    assert not chapters.is_visible()


def test_text_has_a_measure_of_65_to_75_characters(page, address, visit):
    """Average over the full lines of prose on a wide screen."""
    visit(page, f"{address}/book/index.html")
    average = page.evaluate(
        """() => {
          const lengths = [];
          for (const paragraph of document.querySelectorAll("article section > p")) {
            const height = parseFloat(getComputedStyle(paragraph).lineHeight);
            const lines = Math.round(paragraph.clientHeight / height);
            if (lines > 2) lengths.push(paragraph.textContent.length / (lines - 0.5));
          }
          return lengths.reduce((a, b) => a + b) / lengths.length;
        }"""
    )
    assert 60 <= average <= 80


def test_pages_come_alive_where_no_drawing_is_reported(page, address, visit):
    page.add_init_script("globalThis.PerformanceObserver = class { observe() {} }")
    visit(page, f"{address}/book/learning/linear-regression.html")
    assert "drawn" in page.evaluate("document.documentElement.className")


def test_first_the_text_and_then_the_rest(page, address, visit):
    """Scripts and fonts are asked for after the first paint of a chapter."""
    visit(page, f"{address}/book/learning/logistic-regression.html")
    page.wait_for_load_state("networkidle")
    painted, asked = page.evaluate(
        """() => [
          performance.getEntriesByName("first-paint")[0].startTime,
          performance.getEntriesByType("resource")
            .filter(({ name }) => !name.startsWith("data:") && !name.includes("favicon"))
            .map(({ name, startTime }) => [name.split("/").at(-1), startTime]),
        ]"""
    )
    kinds = {name.partition("?")[0].rpartition(".")[2] for name, _ in asked}
    assert {"js", "woff"} <= kinds
    assert [name for name, time in asked if time < painted] == []
