"""The book as one page, and as a PDF where a Chromium is found."""

import re

import pdf
import pytest
from booklib import Book, BookError
from bs4 import BeautifulSoup
from dlbook_site import printed
from made_up import write_book
from weigh import find_chromium

VIEW = '<script type="application/vnd.jupyter.widget-view+json">{"model_id": "m1"}</script>'
ONE = f"""<section id="one"><h1>One<a class="headerlink" href="#one">#</a></h1>
<p>See <a href="two.html#part">there</a>, <a href="two.html">two</a>, <a href="#eq">above</a>,
<a href="one.ipynb">a file</a> and <a href="https://doi.org/1">a paper</a>.</p>
<section id="part"><h2>A part</h2><p id="eq"><mjx-container data-m="3">x</mjx-container></p>
<svg aria-labelledby="a b"><defs><path id="a"/></defs><use xlink:href="#a"/>
<g clip-path="url(#a)"/></svg>{VIEW}</section>
<section id="exercises"><h2>Exercises</h2>
<details class="solution dropdown" id="solution-1"><summary>Solution to 1</summary>Yes.</details>
<p>After it.</p></section></section>"""
TWO = """<section id="two"><h1>Two</h1>
<section id="part"><h2>A part</h2><p>Text.</p></section></section>"""
INDEX = '<section id="book"><h1>Made up</h1><p><a href="one.html">First.</a></p></section>'


@pytest.fixture
def book(tmp_path):
    root = write_book(tmp_path, {"one": "# One\n", "two": "# Two\n"})
    folder = root / "_build" / "html" / "book"
    folder.mkdir(parents=True)
    for name, text in {"index": INDEX, "one": ONE, "two": TWO}.items():
        (folder / f"{name}.html").write_text(f"<main><article>{text}</article></main>", "utf-8")
    rules = root / "_build" / "html" / "_static" / "mathematics" / "book-one.css"
    rules.parent.mkdir(parents=True)
    rules.write_text('[data-m="3"] {color: red}\n@font-face {src: url("fonts/x.woff")}\n')
    return Book(root)


def test_pages_become_one_whose_links_and_identifiers_are_its_own(book):
    soup = BeautifulSoup(pdf.assemble(book), "html.parser")
    ids = [each["id"] for each in soup.find_all(id=True)]
    assert len(set(ids)) == len(ids)
    links = {each["href"] for each in soup.select("main a[href]")}
    assert links == {"#two--part", "#two", "#one--eq", "#one", "https://doi.org/1"}
    assert all(link[1:] in ids for link in links if link.startswith("#"))
    use, group = soup.find("use"), soup.find("g")
    assert (use["xlink:href"], group["clip-path"]) == ("#one--a", "url(#one--a)")
    assert soup.find("svg")["aria-labelledby"] == "one--a one--b"
    assert printed.STILL in soup.find("main").get_text()


def test_formulas_keep_the_rules_of_their_page(book):
    text = pdf.assemble(book)
    rules = (book.build / "pdf" / "one.css").read_text("utf-8")
    assert 'data-m="one-3"' in text and '[data-m="one-3"]' in rules
    assert "../html/_static/mathematics/fonts/x.woff" in rules


def test_solutions_are_gathered_at_the_end_of_the_chapter(book):
    soup = BeautifulSoup(pdf.assemble(book), "html.parser")
    text = soup.find(id="one").get_text(" ", strip=True)
    assert text.index("After it.") < text.index("Solutions") < text.index("Yes.")
    assert soup.find("details").has_attr("open")
    assert not soup.select("#two .solutions")


def test_contents_follow_the_table_of_contents_and_give_page_numbers(book):
    soup = BeautifulSoup(pdf.assemble(book, {"two": 9}), "html.parser")
    entries = [each.get_text(" ", strip=True) for each in soup.select(".contents li")]
    assert entries == [
        "About this book",
        "One",
        "A part",
        "Exercises",
        "Solutions",
        "Two 9",
        "A part",
    ]


def test_a_title_cannot_break_out_of_the_style_sheet(book):
    path = book.build / "html" / "book" / "two.html"
    path.write_text(path.read_text("utf-8").replace("<h1>Two", '<h1>T"w\\o'), "utf-8")
    assert r'content: "T\"w\\o"' in pdf.assemble(book)


def test_a_page_that_is_not_built_is_named(book):
    (book.build / "html" / "book" / "two.html").unlink()
    with pytest.raises(BookError, match=r"two\.html.*make book"):
        pdf.assemble(book)


def test_without_chromium_it_says_how_to_get_one(book, monkeypatch):
    monkeypatch.setattr(pdf, "find_chromium", lambda: None)
    with pytest.raises(SystemExit, match="apt-get install chromium"):
        pdf.main([f"--root={book.root}"])


def test_the_pdf_has_pages_bookmarks_and_links_that_lead_somewhere(book, capsys):
    if find_chromium() is None:
        pytest.skip("no Chromium found")
    pdf.main([f"--root={book.root}"])
    assert re.search(r"\d+ pages, \d+ bookmarks", capsys.readouterr().out)
    data = (book.build / pdf.NAME).read_bytes()
    made = pdf.Pdf(data)
    inside, outside = made.links
    assert inside and inside <= set(made.targets)
    assert outside == {"https://doi.org/1"}
    assert made.targets["one"] < made.targets["two"] <= len(made.pages)
    assert made.bookmarks >= 6
    assert b"/StructTreeRoot" in data and b"/Lang (en)" in data
    page = (book.build / "pdf" / "book.html").read_text("utf-8")
    assert f'<span class="folio">{made.targets["two"]}</span>' in page
