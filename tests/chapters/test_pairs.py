"""Each chapter and its notebook say the same, and both stay what they are when they are opened."""

import jupytext
import nbformat
import pytest
from booklib import COMPARED, Book
from home import check as check_home
from home import setup_cell
from jupytext.config import load_jupytext_configuration_file
from notebooks import check
from plain import Index, leftovers

BOOK = Book()
NAMES = [chapter.name for chapter in BOOK.chapters]


@pytest.fixture(scope="module")
def index():
    return Index(BOOK)


@pytest.mark.parametrize("name", NAMES)
def test_the_twin_is_what_the_chapter_makes_it(name):
    chapter = BOOK.chapter(name)
    assert check(BOOK, [chapter]) == []


@pytest.mark.parametrize("name", NAMES)
def test_no_myst_is_left_in_the_twin(name, index):
    notebook = nbformat.read(BOOK.chapter(name).twin, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert leftovers(index, cell.source) == []


@pytest.mark.parametrize("name", NAMES)
def test_something_is_compared(name):
    tagged = [c for c in BOOK.chapter(name).code_cells if COMPARED in c.metadata.get("tags", [])]
    assert tagged


@pytest.mark.parametrize("name", NAMES)
def test_jupyterlab_keeps_every_cell_of_the_chapter(name, tmp_path):
    """Opened as a notebook by way of jupytext and saved, the .md has the same cells and header."""
    chapter = BOOK.chapter(name)
    settings = load_jupytext_configuration_file(str(BOOK.root / "jupytext.toml"))
    text = chapter.path.read_text("utf-8")
    saved = tmp_path / "saved.md"
    saved.write_text(
        jupytext.writes(
            jupytext.reads(text, fmt="md:myst", config=settings), fmt="md:myst", config=settings
        )
    )
    before, after = chapter.notebook, BOOK.read(saved)
    assert [(c.cell_type, c.source, c.metadata) for c in after.cells] == [
        (c.cell_type, c.source, c.metadata) for c in before.cells
    ]
    assert after.metadata.kernelspec == before.metadata.kernelspec
    assert after.metadata.jupytext == before.metadata.jupytext


def test_every_page_is_in_the_table_of_contents():
    pages = {
        p.relative_to(BOOK.folder).with_suffix("").as_posix() for p in BOOK.folder.rglob("*.md")
    }
    assert pages == set(BOOK.pages)


def test_the_home_is_the_same_everywhere():
    assert check_home(BOOK) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_set_up_cell_comes_first(name):
    home = BOOK.home.removeprefix("https://github.com/").split("/") if BOOK.home else None
    assert BOOK.chapter(name).code_cells[0].source == setup_cell(home)
