"""Sphinx extension of the book: claims, its own pages, and a check that the site is self-contained.

- `claims` gathers what the chapters found out and fills the ledger;
- `api` prepares the docstrings of the helper package;
- `figures` shows what the benchmark of the kernels has measured;
- `mathematics` typesets the formulas;
- `pages` gives each page what it needs and nothing else;
- `guard` refuses a site that would ask a third party for anything or show a dead widget.
"""

from . import api, claims, figures, guard, mathematics, pages


def setup(app):
    # the guard last: it looks at what the others wrote
    for part in (api, claims, figures, mathematics, pages, guard):
        part.setup(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
