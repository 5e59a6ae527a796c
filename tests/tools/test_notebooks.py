"""A twin is what its chapter makes it, byte for byte, and stores what is compared and no more."""

import nbformat
import pytest
from booklib import Book, BookError, notebook_json
from made_up import cell, write_book
from nbformat.v4 import new_output
from notebooks import check, compared_outputs, stored, twin
from plain import Index

CHAPTER = (
    "# One\n\n:::{note}\nText\n:::\n\n"
    + cell("print(1)", "nbval-check-output")
    + cell("print(1)")
    + "\nMore.\n\n"
    + cell("print(2)", "hide-input")
    + "\n```{exercise}\n:label: ex-a\nWhy?\n```\n\n```{solution-start} ex-a\n```\n\n"
    + cell("x = 1")
    + "\n```{solution-end}\n```\n\n"
    + cell(
        "plot()", options="---\nmystnb:\n  figure:\n    name: fig-a\n    caption: A line.\n---\n"
    )
)
ONE = [new_output("stream", name="stdout", text="1\n")]


@pytest.fixture
def book(tmp_path):
    book = Book(write_book(tmp_path, {"one": CHAPTER}))
    book.chapter("one").twin.write_text(make(book))
    return book


def make(book, outputs=ONE):
    return notebook_json(twin(Index(book), book.chapter("one"), {0: outputs}))


def cells(book):
    return nbformat.reads(make(book), as_version=4).cells


def complaint(book):
    (text,) = check(Book(book.root), Book(book.root).chapters)
    return text


def test_a_twin_in_step_gives_no_complaint(book):
    assert check(book, book.chapters) == []


def test_it_is_a_valid_notebook_with_the_kernel_and_nothing_else(book):
    notebook = nbformat.reads(make(book), as_version=4)
    nbformat.validate(notebook)
    assert set(notebook.metadata) == {"kernelspec"}
    assert make(book) == make(Book(book.root))


def test_cells_are_the_chapters_in_order(book):
    sources = [c.source for c in cells(book)]
    assert sources[0] == "# One\n\n> **Note.** Text"
    assert sources[1:5] == ["print(1)", "print(1)", "More.", "print(2)"]
    assert sources[-2:] == ["plot()", "*Figure 1. A line.*"]


def test_only_compared_cells_have_outputs(book):
    code = [c for c in cells(book) if c.cell_type == "code"]
    assert [c.execution_count for c in code] == [1, None, None, None, None]
    assert [len(c.outputs) for c in code] == [1, 0, 0, 0, 0]


def test_hidden_input_and_solutions_are_folded(book):
    folded = [c.source for c in cells(book) if c.metadata.get("cellView") == "form"]
    assert folded == ["print(2)", "x = 1"]


def test_without_solutions_the_rest_is_as_it_was(book):
    chapter = book.chapter("one")
    kept = twin(Index(book), chapter, {0: ONE}, solutions=False)
    whole = [c.source for c in cells(book)]
    left = [c.source for c in kept.cells]
    gone = [source for source in whole if source not in left]
    assert gone[1:] == ["x = 1"] and "**Solution to Exercise 1** is in" in gone[0]
    assert left[-3:-2] == ["> **Exercise 1.** Why?"]
    assert left[-2:] == ["plot()", "*Figure 1. A line.*"]


def test_a_short_solution_goes_too(book):
    path = book.folder / "one.md"
    text = path.read_text().replace("solution-start} ex-a\n```", "solution} ex-a\nBecause.\n```")
    path.write_text(text.replace("\n```{solution-end}\n```\n", ""))
    book = Book(book.root)
    kept = twin(Index(book), book.chapter("one"), {0: ONE}, solutions=False)
    assert "Because." in make(book) and "Because." not in notebook_json(kept)


def test_ids_differ_and_change_only_where_the_text_does(book):
    before = [c.id for c in cells(book)]
    assert len(set(before)) == len(before)
    path = book.folder / "one.md"
    path.write_text(path.read_text().replace("More.", "Other."))
    after = [c.id for c in cells(Book(book.root))]
    assert [a == b for a, b in zip(after, before, strict=True)].count(False) == 1


def test_prose_that_changed_is_out_of_step(book):
    path = book.folder / "one.md"
    path.write_text(path.read_text().replace("More.", "Other."))
    assert "out of step" in complaint(book)


def test_a_twin_edited_by_hand_is_out_of_step(book):
    path = book.folder / "one.ipynb"
    path.write_text(path.read_text().replace("More.", "Other."))
    assert "out of step" in complaint(book)


def test_a_compared_cell_without_stored_output_is_refused(book):
    """nbval passes such a cell without looking."""
    path = book.folder / "one.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].outputs = []
    path.write_text(notebook_json(notebook))
    assert "no stored output" in complaint(book)


def test_a_missing_and_a_needless_twin_are_named(book):
    (book.folder / "one.ipynb").rename(book.folder / "two.ipynb")
    missing, needless = check(Book(book.root), Book(book.root).chapters)
    assert "one.ipynb is missing" in missing
    assert "two.ipynb is the twin of no chapter" in needless


def test_an_open_solution_is_refused(book):
    path = book.folder / "one.md"
    path.write_text(path.read_text().replace("```{solution-end}\n```", ""))
    with pytest.raises(BookError, match="never closed"):
        make(Book(book.root))


def test_stored_outputs_hold_text_without_pictures_widgets_and_counters(book):
    data = {"text/plain": "t", "image/png": "p", "text/latex": "l", "text/html": "<b>h</b>"}
    widget = {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "w"}
    kept = stored(
        [
            new_output("execute_result", data=data, execution_count=7, metadata={"a": 1}),
            new_output("display_data", data=widget),
            new_output("display_data", data={"image/png": "p"}),
        ],
        book.chapter("one"),
        0,
    )
    assert [set(o.data) for o in kept] == [
        {"text/plain", "text/latex", "text/html"},
        {"text/plain"},
    ]
    assert kept[0].execution_count == 1
    assert kept[0].metadata == {}


def test_a_compared_figure_is_refused(book):
    with pytest.raises(BookError, match="shows a figure"):
        stored(
            [new_output("display_data", data={"text/html": "<svg></svg>"})], book.chapter("one"), 0
        )


def test_compared_outputs_are_those_of_tagged_cells(book):
    notebook = nbformat.reads(make(book), as_version=4)
    notebook.cells[2].outputs = ONE
    assert list(compared_outputs(notebook)) == [0]
