"""Chapters are executed when what they rest on changed, once, and stored whole or not at all."""

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from booklib import Book, companions, imported_modules, module_files
from made_up import cell, write_book

TOOLS = Path(__file__).resolve().parents[2] / "tools"
FIGURE = "---\nmystnb:\n  figure:\n    name: fig-a\n    caption: A caption\n---\n"


def tool(name, root, *arguments):
    """Run a script of tools/ on the book at `root`."""
    return subprocess.run(
        [sys.executable, TOOLS / f"{name}.py", f"--root={root}", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )


CHAPTERS = {
    "one/data": cell("from dlbook import data\nprint(data.ROWS)", "nbval-check-output"),
    "one/plot": "# Title\n"
    + cell("from dlbook.plot import style\n1 + 1;")
    + cell("2", options=FIGURE),
    "one/widget": cell(
        """
        from dlbook.widgets import stepper
        from ipywidgets import IntSlider
        IntSlider(7)
        """
    )
    + cell("for i in range(3_000):\n    print(f'{i:2500}', flush=True)"),
    "one/fails": cell("x = 1") + cell("def f():\n    return x / 0\n\nf()") + cell("print('never')"),
    "one/dies": cell("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A book that was executed once; two of its chapters cannot be."""
    root = write_book(tmp_path_factory.mktemp("book"), CHAPTERS)
    answer = tool("execute", root, "--jobs=2")
    return root, answer


@pytest.fixture
def book(run):
    """The executed book, with every file as it was."""
    root, _ = run
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    yield Book(root)
    for path, content in before.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def stale(root):
    book = Book(root)
    return {c.name.removeprefix("one/") for c in book.chapters if book.reason_stale(c)}


BROKEN = {"fails", "dies"}


def outputs(book, name):
    notebook = book.executed(book.chapter(f"one/{name}"))
    return [c.outputs for c in notebook.cells if c.cell_type == "code"], notebook


def test_a_failing_chapter_is_named_with_cell_and_traceback_and_the_others_finish(run):
    root, answer = run
    assert answer.returncode == 1
    assert "one/fails, code cell 1" in answer.stdout
    assert "ZeroDivisionError" in answer.stdout
    assert "return x / 0" in answer.stdout
    assert "\x1b" not in answer.stdout  # no colours where nobody looks
    assert answer.stdout.count("Input:") == 2  # not one for each cell after the failing one
    assert stale(root) == BROKEN


def test_tracebacks_count_the_cells(run):
    """nbval 0.11 says In[1] for every cell."""
    assert "In[2]" in run[1].stdout.replace(" ", "")


def test_a_dead_kernel_is_noticed_before_the_time_runs_out(run):
    """nbval 0.11 waits for the time limit of the cell, here 60 s."""
    assert "one/dies, code cell 0: the kernel died" in run[1].stdout
    seconds = next(
        float(line.split()[-2]) for line in run[1].stdout.splitlines() if "FAILED one/dies" in line
    )
    assert seconds < 30


def test_a_trailing_semicolon_hides_the_value(book):
    """nbval 0.11 runs cells without history, where IPython ignores the semicolon."""
    (first, second), _ = outputs(book, "plot")
    assert first == []
    assert second[0].data["text/plain"] == "2"


def test_no_message_is_lost(book):
    """nbval 0.11 reads messages after the reply, when the oldest of many are gone."""
    (_, printed), _ = outputs(book, "widget")
    assert "".join(o.text for o in printed) == "".join(f"{i:2500}\n" for i in range(3_000))


def test_widget_state_is_stored(book):
    _, notebook = outputs(book, "widget")
    state = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    assert 7 in [model["state"].get("value") for model in state.values()]


def test_sphinx_finds_what_was_stored(book):
    """The key in the cache is that of the notebook as MyST-NB reads it, figure options and all."""
    chapter = book.chapter("one/plot")
    assert "mystnb" in chapter.code_cells[1].metadata
    assert book.cache.match_cache_notebook(chapter.notebook).hashkey == book.key(chapter)


@pytest.mark.parametrize(
    ("file", "affected"),
    [
        ("src/dlbook/data/tables.py", {"data"}),  # by way of the package's __init__
        ("src/dlbook/data/__init__.py", {"data"}),
        ("src/dlbook/runtime.py", {"plot"}),  # by way of a relative import in a function
        ("src/dlbook/widgets/stepper.js", {"widget"}),
        ("src/dlbook/widgets/other.js", set()),
        ("src/dlbook/widgets/other.py", set()),
        ("src/dlbook/__init__.py", {"data", "plot", "widget"}),
    ],
)
def test_a_change_in_the_package_makes_its_importers_stale(book, file, affected):
    path = book.root / file
    path.write_text(path.read_text() + "\n# changed\n")
    assert stale(book.root) == BROKEN | affected


def test_prose_makes_nothing_stale(book):
    path = book.folder / "one" / "plot.md"
    path.write_text(path.read_text().replace("# Title", "# Another title\n\nMore prose."))
    assert stale(book.root) == BROKEN


def test_code_and_options_of_a_cell_make_its_chapter_stale(book):
    path = book.folder / "one" / "plot.md"
    text = path.read_text()
    for old, new in [("1 + 1;", "1 + 2;"), ("A caption", "Another caption")]:
        path.write_text(text.replace(old, new))
        assert stale(book.root) == BROKEN | {"plot"}


def test_available_data_matter_to_those_who_import_data(book):
    path = book.root / "src/dlbook/data/__init__.py"
    now, chapter = Book(book.root), book.chapter("one/data")
    now.data = '{"a": false}'
    assert "available data" in now.reason_stale(chapter)
    assert now.reason_stale(book.chapter("one/plot")) is None
    assert path.exists()


def test_other_package_versions_make_everything_stale(book):
    (book.root / "constraints.txt").write_text("numpy==0.0\n")
    try:
        assert stale(book.root) == BROKEN | {"data", "plot", "widget"}
    finally:
        (book.root / "constraints.txt").unlink()


@pytest.mark.parametrize("harm", ["without receipt", "gone", "cut short"])
def test_what_a_killed_run_left_is_made_anew(book, harm):
    chapter = book.chapter("one/data")
    record = book.cache.path / "executed" / book.key(chapter) / "base.ipynb"
    if harm == "cut short":
        record.write_text(record.read_text()[:100])
    elif harm == "gone":
        record.unlink()
    else:
        chapter.receipt.unlink()
    assert "data" in stale(book.root)
    if harm == "cut short":  # the others are less
        assert tool("execute", book.root, "one/data").returncode == 0
        assert "data" not in stale(book.root)
        assert not list(book.build.rglob("*.tmp"))


def test_outputs_are_compared_with_those_of_the_twin(book):
    assert tool("notebooks", book.root, "one/data").returncode == 0
    assert tool("execute", book.root, "--compare", "one/data").returncode == 0
    twin = book.chapter("one/data").twin
    notebook = nbformat.read(twin, as_version=4)
    notebook.cells[-1].outputs[0].text = "4\n"
    twin.write_text(nbformat.writes(notebook))
    answer = tool("execute", book.root, "--compare", "one/data")
    assert answer.returncode == 1
    assert "Cell outputs differ" in answer.stdout
    twin.unlink()


def test_receipts_name_what_the_chapter_rests_on(book):
    receipt = json.loads(book.chapter("one/data").receipt.read_text())
    assert {"its code", "available data", "package versions", "Python", "GPU"} <= set(
        receipt["rests on"]
    )
    assert receipt["seconds"] > 0


def test_imports_are_found_wherever_they_stand():
    code = "import dlbook.a.b, numpy\ndef f():\n    from dlbook import c\n    from .. import d\n"
    found = imported_modules(code, "dlbook", "dlbook.x.y")
    assert found >= {"dlbook.a.b", "dlbook.c", "dlbook.x.d"}
    assert not any(name.startswith("numpy") for name in found)


def test_a_module_brings_its_packages_and_its_companions(tmp_path):
    write_book(tmp_path, {})
    package = tmp_path / "src" / "dlbook"
    (package / "widgets" / "shared.css").write_text("")
    files = module_files(package, "dlbook.widgets.stepper.Stepper")
    assert [name for _, name in files] == ["dlbook", "dlbook.widgets", "dlbook.widgets.stepper"]
    assert {f.name for f in companions(files[2][0])} == {"stepper.js"}
    assert {f.name for f in companions(files[1][0])} == {"shared.css"}
