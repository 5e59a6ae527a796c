"""Gives the search page the terms to suggest from: the chapters' bold ones and the glossary's."""

import json
import os
from pathlib import Path

from docutils import nodes

from . import chapters

LONGEST = 40  # letters: what is longer is no term


def read(app, doctree):
    """Note what the chapter being read sets in bold."""
    terms = app.env.__dict__.setdefault("dlbook_terms", {})
    terms.pop(app.env.docname, None)
    if chapters.is_chapter(app.env, app.env.docname):
        bold = (" ".join(node.astext().split()) for node in doctree.findall(nodes.strong))
        terms[app.env.docname] = sorted({text for text in bold if _is_term(text)})


def _is_term(text):
    opening = text in {chapters.NEEDS, "Takes"}
    plain = text.replace(" ", "").replace("-", "").replace("’", "").isalpha()
    return plain and not opening and 2 < len(text) <= LONGEST


def purge(app, env, docname):
    env.__dict__.setdefault("dlbook_terms", {}).pop(docname, None)


def merge(app, env, docnames, other):
    theirs = getattr(other, "dlbook_terms", {})
    env.__dict__.setdefault("dlbook_terms", {}).update(
        {name: theirs[name] for name in docnames if name in theirs}
    )


def write(app, error):
    """Write ``_static/terms.js``."""
    if error is not None or app.builder.format != "html":
        return
    found = {term for terms in getattr(app.env, "dlbook_terms", {}).values() for term in terms}
    found |= {entry["forms"][0] for entry in getattr(app.env, "dlbook_glossary", [])}
    terms = sorted(found, key=lambda term: (term.casefold(), term))
    path = Path(app.outdir) / "_static" / "terms.js"
    fresh = path.with_suffix(".new")
    fresh.write_text(f"const TERMS = {json.dumps(terms, ensure_ascii=False)};\n", encoding="utf-8")
    os.replace(fresh, path)


def setup(app):
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("doctree-read", read, priority=700)
    app.connect("build-finished", write)
