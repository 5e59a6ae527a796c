"""The ledger of claims, made from the outputs of the executed chapters.

``dlbook.claims.claim`` leaves ``<div class="dlbook-claim" data-claim="{json}">`` in a cell's
output. `ReadClaims` turns each into a line of the page, `check` compares them with
``book/claims.toml``, and `fill` writes the ledger and the tally where ``{claims-ledger}`` and
``{claims-tally}`` stand.
"""

import html
import json
import os
import re
import tomllib
from collections import Counter
from html.parser import HTMLParser
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from docutils import nodes
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from . import tables

#: Verdicts in the order of the tally, each with its symbol and the class that styles it.
VERDICTS = {
    "holds": ("✓", "holds"),
    "partly holds": ("◐", "partly"),
    "does not hold": ("✗", "fails"),
    "could not run": ("–", "waits"),
}

ROWS = "book/claims.toml"
KEYS = ("chapter", "deck", "statement")
DECKS = "GVNPH"

logger = logging.getLogger(__name__)


class claims_ledger(nodes.General, nodes.Element):
    """Where the table of all claims goes."""


class claims_tally(nodes.General, nodes.Element):
    """Where the count of verdicts goes."""


class _Ledger(SphinxDirective):
    node = claims_ledger

    def run(self):
        self.env.note_dependency(str(_path(self.env)))
        return [self.node()]


class _Tally(_Ledger):
    node = claims_tally


class _Stored(HTMLParser):
    """Finds the claim that an output holds."""

    claim = None

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if "dlbook-claim" in (attributes.get("class") or "").split():
            self.claim = json.loads(attributes["data-claim"])


class ReadClaims(SphinxTransform):
    """Replaces each stored claim by a line of the page and notes it in the environment."""

    default_priority = 400  # before Sphinx collects labels and equations

    def apply(self):
        found = []
        rows = _rows(self.env)
        for raw in list(self.document.findall(nodes.raw)):
            if raw.get("format") != "html" or "dlbook-claim" not in raw.astext():
                continue
            parser = _Stored()
            parser.feed(raw.astext())
            if parser.claim is None:
                continue
            stored = parser.claim
            found.append({**stored, "line": _line(raw)})
            raw.parent[raw.parent.index(raw)] = _claim_line(stored, rows.get(stored["id"], {}))
        if found:
            self.env.note_dependency(str(_path(self.env)))
        _store(self.env)[self.env.docname] = found


def _claim_line(claim, row):
    symbol, style = VERDICTS.get(claim["verdict"], ("?", "waits"))
    line = nodes.container(classes=["dlbook-claim", f"dlbook-{style}"])
    line["ids"].append(f"claim-{claim['id']}")
    statement = nodes.paragraph(classes=["claim-statement"])
    statement += nodes.inline("", f"{symbol} Claim {claim['verdict']}", classes=["verdict"])
    statement += nodes.Text(" ")
    statement += _inline(row.get("statement", claim["id"]))
    evidence = nodes.paragraph(classes=["claim-evidence"])
    evidence += nodes.Text(f"{claim['evidence']} ")
    # resolved in `fill`, once the place of the ledger is known
    evidence += nodes.inline("", "ledger", classes=["to-ledger"], claim=claim["id"])
    line += [statement, evidence]
    return line


def _inline(text):
    """Nodes for text with ``$mathematics$``, `` `code` `` and ``*emphasis*``."""
    made = []
    for piece in re.split(r"(\$[^$]+\$|`[^`]+`|\*[^*\s][^*]*\*)", text):
        if len(piece) > 2 and piece[0] == piece[-1] and piece[0] in "$`*":
            kind = {"$": nodes.math, "`": nodes.literal, "*": nodes.emphasis}[piece[0]]
            made.append(kind("", piece[1:-1]))
        elif piece:
            made.append(nodes.Text(piece))
    return made


def _line(node):
    while node is not None:
        if node.line:
            return node.line
        node = node.parent


def _path(env):
    return Path(env.srcdir) / ROWS


def _rows(env):
    path = _path(env)
    if not path.exists():
        return {}
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _store(env):
    if not hasattr(env, "dlbook_claims"):
        env.dlbook_claims = {}
    return env.dlbook_claims


def purge(app, env, docname):
    _store(env).pop(docname, None)


def merge(app, env, docnames, other):
    _store(env).update({name: _store(other).get(name, []) for name in docnames})


def check(app, env):
    """Warn of rows and claims that do not agree; ask for the ledger's pages to be rewritten.

    Runs on every build, so that a mistake goes on failing until it is mended.
    """
    rows = _rows(env)
    places = {}
    for docname in sorted(_store(env)):
        for claim in _store(env)[docname]:
            places.setdefault(claim["id"], []).append((docname, claim))
    for name, row in rows.items():
        lacking = [key for key in KEYS if not isinstance(row.get(key), str) or not row[key]]
        if lacking:
            _warn(f"claim {name!r} has no {' and no '.join(lacking)} in {ROWS}", ROWS)
            continue
        if row["deck"] not in DECKS:
            _warn(f"claim {name!r} names deck {row['deck']!r}, expected one of {DECKS}", ROWS)
        chapter = f"book/{row['chapter']}"
        if chapter in env.found_docs and name not in places:
            _warn(f"claim {name!r} of {ROWS} is missing from its chapter", chapter)
    for name, seen in places.items():
        docname, claim = seen[-1]
        where = (docname, claim["line"])
        if name not in rows:
            _warn(f"unknown claim {name!r}: {ROWS} has no such row", where)
        elif docname != f"book/{rows[name].get('chapter')}":
            _warn(f"claim {name!r} belongs to {rows[name].get('chapter')!r} by {ROWS}", where)
        if len(seen) > 1:
            _warn(f"claim {name!r} is recorded {len(seen)} times", where)
        if claim["verdict"] not in VERDICTS:
            _warn(f"claim {name!r} has the unknown verdict {claim['verdict']!r}", where)

    state = json.dumps([rows, _store(env)], sort_keys=True)
    if state == getattr(env, "dlbook_claims_state", None):
        return []
    env.dlbook_claims_state = state
    return sorted(getattr(env, "dlbook_claims_pages", {}))


def _warn(message, where):
    logger.warning(message, location=where, type="dlbook", subtype="claims")


def note_pages(app, doctree):
    """Remember which pages show the ledger or the tally."""
    pages = app.env.__dict__.setdefault("dlbook_claims_pages", {})
    kinds = {type(node).__name__ for node in doctree.findall(_is_placeholder)}
    if kinds:
        pages[app.env.docname] = kinds
    else:
        pages.pop(app.env.docname, None)


def _is_placeholder(node):
    return isinstance(node, claims_ledger | claims_tally)


def entries(env):
    """All claims of the book in the order of its pages.

    Returns
    -------
    list of dict
        Keys id, deck, statement, chapter, link (from the site's root), verdict, evidence; and
        docname.
    """
    rows = _rows(env)
    found = []
    for docname in _reading_order(env):
        for claim in _store(env).get(docname, []):
            row = rows.get(claim["id"], {})
            found.append(
                {
                    "id": claim["id"],
                    "deck": row.get("deck", ""),
                    "statement": row.get("statement", ""),
                    "chapter": docname.removeprefix("book/"),
                    "link": f"{docname}.html#claim-{claim['id']}",
                    "verdict": claim["verdict"],
                    "evidence": claim["evidence"],
                    "docname": docname,
                }
            )
    return found


def _reading_order(env):
    order, waiting = [], [env.config.root_doc]
    while waiting:
        docname = waiting.pop(0)
        if docname not in order:
            order.append(docname)
            waiting = env.toctree_includes.get(docname, []) + waiting
    return order + sorted(set(_store(env)) - set(order))


def fill(app, doctree, docname):
    """Write ledger and tally, and the claims' links to the ledger."""
    env = app.env
    pages = getattr(env, "dlbook_claims_pages", {})
    ledger = next((name for name in sorted(pages) if "claims_ledger" in pages[name]), None)
    for node in list(doctree.findall(lambda node: "to-ledger" in _classes(node))):
        if ledger is None:
            node.parent.remove(node)
        else:
            target = f"{app.builder.get_relative_uri(docname, ledger)}#ledger-{node['claim']}"
            node.replace_self(_link("ledger", target, classes=["to-ledger"]))
    for node in list(doctree.findall(_is_placeholder)):
        claims = entries(env)
        made = [_tally(claims)]
        if isinstance(node, claims_ledger):
            parts = groupby(claims, key=itemgetter("docname"))
            made += [_part(app, docname, page, list(part)) for page, part in parts]
        node.replace_self(made)


def _classes(node):
    return node.get("classes", []) if isinstance(node, nodes.Element) else []


def _link(text, target, **attributes):
    return nodes.reference("", text, internal=True, refuri=target, **attributes)


def _tally(claims):
    counts = Counter(claim["verdict"] for claim in claims)
    paragraph = nodes.paragraph(classes=["claims-tally"])
    if not claims:
        paragraph += nodes.Text("No chapter has put a claim to the test yet.")
        return paragraph
    number = len(claims)
    paragraph += nodes.Text(f"{number} {'claim' if number == 1 else 'claims'} so far: ")
    shown = [verdict for verdict in VERDICTS if counts[verdict]]
    for verdict in shown:
        symbol, style = VERDICTS[verdict]
        text = f"{symbol} {counts[verdict]} {_plural(verdict, counts[verdict])}"
        paragraph += nodes.inline("", text, classes=["verdict", f"dlbook-{style}"])
        paragraph += nodes.Text("." if verdict == shown[-1] else ", ")
    return paragraph


def _plural(verdict, count):
    if count == 1:
        return verdict
    many = {"holds": "hold", "partly holds": "partly hold", "does not hold": "do not hold"}
    return many.get(verdict, verdict)


def _part(app, docname, page, claims):
    """The claims of a page under its title."""
    title = app.env.titles[page].astext()
    address = app.builder.get_relative_uri(docname, page)
    heading = nodes.raw("", f"<h2>{html.escape(title)}</h2>", format="html")
    rows = []
    for claim in claims:
        symbol, style = VERDICTS.get(claim["verdict"], ("?", "waits"))
        verdict = nodes.inline("", f"{symbol} {claim['verdict']}", classes=["verdict"])
        statement = nodes.paragraph("", "", *_inline(claim["statement"]))
        source = nodes.paragraph(classes=["claim-source"])
        source += _link("in the chapter", f"{address}#claim-{claim['id']}")
        cells = [
            [nodes.paragraph("", "", verdict)],
            [statement, source],
            tables.text(claim["evidence"]),
            tables.text(claim["deck"]),
        ]
        place = f"ledger-{claim['id']}"
        rows.append(tables.row(cells, classes=[f"dlbook-{style}"], ids=[place]))
    heads = ("Verdict", "Claim", "Evidence", "Deck")
    made = tables.table("claims-ledger", heads, rows, widths=(14, 40, 38, 8))
    return nodes.container("", heading, made, classes=["ledger-part"])


def write(app, error):
    """Write ``claims.json`` beside the site's front page."""
    if error is not None or app.builder.format != "html":
        return
    public = [{k: v for k, v in claim.items() if k != "docname"} for claim in entries(app.env)]
    path = Path(app.outdir) / "claims.json"
    fresh = path.with_suffix(".json.new")
    fresh.write_text(json.dumps(public, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(fresh, path)


def setup(app):
    app.add_node(claims_ledger)
    app.add_node(claims_tally)
    app.add_directive("claims-ledger", _Ledger)
    app.add_directive("claims-tally", _Tally)
    app.add_transform(ReadClaims)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("doctree-read", note_pages)
    app.connect("env-updated", check)
    app.connect("doctree-resolved", fill)
    app.connect("build-finished", write)
