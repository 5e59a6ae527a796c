"""A site is kept only if it was built whole; `make test` fails when any part of it does."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bench import table
from booklib import Book, notebook_json
from build import report, site_inputs, write_without_solutions
from check import Results
from colab import changed
from made_up import cell, write_book
from notebooks import twin
from plain import Index

TOOLS = Path(__file__).resolve().parents[2] / "tools"


def build(root):
    return subprocess.run(
        [sys.executable, TOOLS / "build.py", f"--root={root}"], capture_output=True, text=True
    )


def test_a_killed_build_and_a_faulty_one_leave_nothing_behind(tmp_path):
    root = write_book(tmp_path, {"one": "# One\n\nText of a page.\n"})
    assert build(root).returncode == 0
    page = root / "_build" / "html" / "book" / "one.html"
    whole = page.read_text()

    # What a build leaves that was killed while it wrote: newer than the source, but half.
    page.write_text(whole[:200])
    (root / "_build" / "site-receipt").unlink()
    assert build(root).returncode == 0
    assert page.read_text() == whole

    source = root / "book" / "one.md"
    source.write_text("# One\n\n{ref}`nowhere`\n")
    for _ in range(2):  # Sphinx alone would not repeat its complaint
        answer = build(root)
        assert answer.returncode == 1
        assert "nowhere" in answer.stderr


def test_what_all_pages_share_is_watched(tmp_path):
    root = write_book(tmp_path, {})
    before = site_inputs(Book(root))
    assert site_inputs(Book(root)) == before
    (root / "site").mkdir()
    (root / "site" / "extension.py").write_text("x = 1\n")
    assert site_inputs(Book(root)) != before


def test_the_choice_of_solutions_is_watched_and_checked(tmp_path, monkeypatch):
    book = Book(write_book(tmp_path, {}))
    before = site_inputs(book)
    monkeypatch.setenv("SOLUTIONS", "hidden")
    assert site_inputs(book) == before
    monkeypatch.setenv("SOLUTIONS", "absent")
    assert site_inputs(book) != before
    monkeypatch.setenv("SOLUTIONS", "yes")
    answer = build(book.root)
    assert answer.returncode == 1
    assert answer.stderr == "error: SOLUTIONS is 'yes': expected hidden, shown or absent\n"


def test_a_site_without_solutions_offers_notebooks_without(tmp_path):
    text = "# One\n\n" + cell("1", "raises-exception")
    text += "\n```{admonition} Note\nRead.\n```\n"
    book = Book(write_book(tmp_path, {"one": text}))
    chapter = book.chapter("one")
    chapter.twin.write_text(notebook_json(twin(Index(book), chapter, {})))
    write_without_solutions(book)
    made = book.build / "html" / "book" / "one.ipynb"
    assert made.read_text("utf-8") == chapter.twin.read_text("utf-8")  # there was none


def test_the_report_names_the_verdict_of_each_claim(tmp_path, capsys):
    book = Book(write_book(tmp_path, {}))
    (book.build / "html").mkdir(parents=True)
    claim = {"id": "half", "verdict": "holds", "evidence": "0.5"}
    (book.build / "html" / "claims.json").write_text(json.dumps([claim]))
    report(book)
    assert "holds         half: 0.5" in capsys.readouterr().out


def suite(failures=0, errors=0, skipped=0, tests=5):
    return (
        f'<testsuites><testsuite tests="{tests}" failures="{failures}" errors="{errors}" '
        f'skipped="{skipped}"/></testsuites>'
    )


def test_all_runs_are_summed(tmp_path, capsys):
    results = Results(tmp_path)
    for i, text in enumerate([suite(skipped=1), suite(failures=2)]):
        path = tmp_path / f"{i}.xml"
        path.write_text(text)
        results.count(path)
    results.single("style", lambda: True)
    results.close()
    last = capsys.readouterr().out.splitlines()[-1]
    assert "2 failed, 8 passed, 1 skipped in" in last


@pytest.mark.parametrize("broken", ["single", "step"])
def test_one_failure_fails_the_whole(tmp_path, broken):
    results = Results(tmp_path)
    results.single("first", lambda: True)
    getattr(results, broken)("second", lambda: False)
    results.single("third", lambda: True)
    assert not results.close()


def test_tables_are_aligned():
    assert table([{"a": 1, "bb": 2}, {"a": 10, "bb": 3}]) == "  a   bb\n  1   2\n  10  3"


def test_a_changed_and_a_removed_package_are_named():
    before = {"numpy": "1", "torch": "2", "tqdm": "3"}
    assert changed(before, {"numpy": "1", "torch": "3", "new": "1"}) == [
        "torch 2 → 3",
        "tqdm 3 → gone",
    ]
