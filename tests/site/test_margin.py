"""Notes in the margin: beside the text where there is room, below it where there is none."""

import pytest
from bs4 import BeautifulSoup
from dlbook_site import slides

TEXT = "# One\n\n## Part\n\nA paragraph.\n\n```{margin}\nAn *aside*.\n```\n\nAnother.\n"
PLACES = """() => [...document.querySelectorAll(".margin")].map((note) => {
  const box = (each) => (({ left, right, top, bottom }) => ({ left, right, top, bottom }))(
    each.getBoundingClientRect());
  return { note: box(note), text: box(note.previousElementSibling),
           column: box(document.querySelector("article")) };
})"""


def test_a_note_is_an_aside_after_its_paragraph_and_goes_into_the_speakers_notes(book):
    assert not book(one=TEXT, claims="")
    text = (book.html / "book" / "one.html").read_text("utf-8")
    note = BeautifulSoup(text, "html.parser").select_one("aside.margin")
    assert (note.get_text(strip=True), note["role"]) == ("Anaside.", "note")
    assert note.find_previous_sibling("p").get_text() == "A paragraph."
    shown, _ = slides.deck(text)
    said = [" ".join(each.get_text().split()) for each in shown[-1].notes]
    assert said == ["A paragraph.", "An aside.", "Another."]
    assert "aside" not in "".join(str(block) for block in shown[-1].blocks)


def test_an_empty_note_is_a_mistake(book):
    assert 'Content block expected for the "margin"' in book(one="```{margin}\n```\n", claims="")


@pytest.fixture(scope="module")
def pages(site):
    found = sorted(site.rglob("*.html"))
    return [
        path.relative_to(site).as_posix()
        for path in found
        if 'class="margin"' in path.read_text("utf-8") and "slides" not in path.parts
    ]


def test_notes_stand_beside_their_paragraph_in_wide_windows_and_do_not_meet(
    page, address, pages, visit
):
    assert len(pages) > 8
    page.set_viewport_size({"width": 1300, "height": 900})
    for name in pages:
        visit(page, f"{address}/{name}")
        above = float("-inf")
        for place in page.evaluate(PLACES):
            note, text = place["note"], place["text"]
            assert place["column"]["right"] < note["left"] < note["right"] <= 1300, name
            assert abs(note["bottom"] - text["bottom"]) < 12, name
            assert note["top"] > above, name
            above = note["bottom"]


def test_notes_stand_below_their_paragraph_in_narrow_windows_and_in_print(
    page, address, pages, visit
):
    for width, media in ((390, "screen"), (1300, "print")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(media=media)
        visit(page, f"{address}/{pages[0]}")
        for place in page.evaluate(PLACES):
            assert place["note"]["top"] > place["text"]["bottom"]
            assert place["column"]["left"] < place["note"]["right"] <= place["column"]["right"]


def test_the_contents_of_the_page_make_way_for_a_note(page, address, pages, wait_until, visit):
    visit(page, f"{address}/{pages[0]}")
    contents = "getComputedStyle(document.querySelector('.here')).opacity"
    wait_until(page, f"{contents} === '1'")
    page.locator(".margin").first.scroll_into_view_if_needed()
    wait_until(page, f"{contents} === '0'")
    page.locator(".here a").nth(1).focus()
    wait_until(page, f"{contents} === '1'")
    assert page.troubles == []
