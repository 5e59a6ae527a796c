"""The table of what each chapter takes: measured, read off its code, or held against it."""

import pytest
from bs4 import BeautifulSoup
from myst_nb.sphinx_ import NbMetadataCollector

HEAD = "---\nkernelspec:\n  name: python3\n---\n\n"
LINE = "**You need** sums. **Takes** about 9 minutes to read, and under a minute to run.\n\n"
INDEX = "# Book\n\n```{toctree}\none\ntwo\nledger\nrunning\n```\n"
RUNNING = "# Running\n\n```{chapter-runs}\n%s\n```\n"
BOTH = """import torch
images = data.mnist("test"), data.treebank("ewt", "train")
net.to(runtime.device())
"""
SAID = "one | trains there | shows less"


@pytest.fixture
def rows(book, monkeypatch):
    took = {"book/one": {"runtime": 12.6}}
    monkeypatch.setattr(NbMetadataCollector, "get_exec_data", lambda env, name: took.get(name))

    def build(said=SAID, code=BOTH):
        files = {"one": f"{HEAD}# One\n\n{LINE}```python\n{code}```\n", "claims": ""}
        files |= {"two": f"{HEAD}# Two\n\n{LINE}", "index": INDEX, "running": RUNNING % said}
        warnings = book(**files)
        page = BeautifulSoup(
            (book.html / "book" / "running.html").read_text("utf-8"), "html.parser"
        )
        cells = [
            [cell.get_text(strip=True) for cell in row.find_all("td")]
            for row in page.select(".chapter-runs tbody tr")
        ]
        return warnings, cells, page.select_one("article").get_text()

    return build


def test_the_table_says_what_was_measured_fetched_and_told(rows):
    warnings, cells, text = rows()
    assert not warnings
    fetched = "English Web Treebank, MNIST"
    assert cells == [
        ["One", "13", fetched, "trains there", "shows less"],
        ["Two", "", "", "", ""],
    ]
    assert "core" in text and "Python 3." in text


def test_the_table_follows_a_chapter(rows):
    rows()
    _, cells, _ = rows(code=BOTH.replace(', data.treebank("ewt", "train")', ""))
    assert cells[0][2] == "MNIST"


@pytest.mark.parametrize(
    ("said", "code", "complaint"),
    [
        ("one | | shows less", BOTH, "on a GPU"),
        ("one | trains there |", BOTH, "without its data"),
        (SAID, "x = 1\n", "on a GPU"),
        (f"{SAID}\nthree | |", BOTH, "no chapter 'book/three'"),
        ("one", BOTH, "is no line such as"),
    ],
)
def test_what_is_told_and_not_so_is_a_warning(rows, book, said, code, complaint):
    if complaint == "is no line such as":
        assert complaint in book(index=INDEX, running=RUNNING % said)
    else:
        assert complaint in rows(said, code)[0]
