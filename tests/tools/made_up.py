"""A made-up book for the tests of the tools: small, and broken where a test wants it so."""

import textwrap

HEADER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3 (ipykernel)
  language: python
  name: python3
---

"""

PACKAGE = {
    "__init__.py": "",
    "data/__init__.py": "from dlbook.data.tables import ROWS\navailability = lambda: {'a': True}\n",
    "data/tables.py": "ROWS = 3\n",
    "plot.py": "def style():\n    from . import runtime\n",
    "runtime.py": "",
    "widgets/__init__.py": "",
    "widgets/stepper.py": "",
    "widgets/stepper.js": "export default {}",
    "widgets/other.py": "",
    "widgets/other.js": "export default {}",
}


def cell(code, *tags, options=""):
    """A code cell as MyST."""
    head = f":tags: [{', '.join(tags)}]\n\n" if tags else ""
    return f"```{{code-cell}} ipython3\n{options}{head}{textwrap.dedent(code).strip()}\n```\n"


def write_book(root, chapters, package=PACKAGE):
    """Write a book; `chapters` maps a name to the text below its header, or to a plain page."""
    for name, text in package.items():
        path = root / "src" / "dlbook" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name, text in chapters.items():
        path = root / "book" / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEADER + text if "{code-cell}" in text else text)
    files = "".join(f"  - file: book/{name}\n" for name in chapters)
    (root / "book").mkdir(parents=True, exist_ok=True)
    (root / "book" / "index.md").write_text("# A made-up book\n")
    (root / "_toc.yml").write_text(f"format: jb-book\nroot: book/index\nchapters:\n{files}")
    (root / "_config.yml").write_text(
        "title: Made up\n"
        "only_build_toc_files: true\n"
        'exclude_patterns: ["**/*.ipynb", ".*/**", "src/**"]\n'
        "execute: {execute_notebooks: cache, cache: _build/.jupyter_cache, timeout: 60}\n"
    )
    return root
