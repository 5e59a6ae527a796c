"""Sphinx extension of the book: claims, its own pages, and a check that the site is self-contained.

- `claims` gathers what the chapters found out and fills the ledger;
- `chapters` reads what chapters say of themselves and draws their map (`chart`);
- `runs` says what it takes to run them;
- `course` puts the chapters into the weeks of a course; `solutions` folds, opens or drops
  solutions;
- `glossary` defines terms where chapters use them;
- `margin` sets notes beside the text;
- `search` collects the terms that the search page suggests;
- `previews` draws a card for each chapter and lists the pages, once their address is known;
- `api` prepares the docstrings of the helper package;
- `figures` shows what the benchmark of the kernels has measured;
- `drawings` makes figures light, and files;
- `mathematics` typesets the formulas;
- `pages` gives each page what it needs and nothing else;
- `guard` refuses a site that would ask a third party for anything or show a dead widget.

`tables` builds the tables of several of these, `stored` keeps what pages fetch after their text.
Two modules work on finished pages, for ``tools/slides.py`` and ``tools/pdf.py``: `slides` makes
decks, `printed` one page of the whole book.
"""

from . import (
    api,
    chapters,
    claims,
    course,
    drawings,
    figures,
    glossary,
    guard,
    margin,
    mathematics,
    pages,
    previews,
    runs,
    search,
    solutions,
    stored,
)


def setup(app):
    # the guard last: it looks at what the others wrote
    for part in (
        api,
        solutions,
        chapters,
        course,
        runs,
        claims,
        figures,
        glossary,
        margin,
        search,
        drawings,
        mathematics,
        pages,
        previews,
        stored,
        guard,
    ):
        part.setup(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
