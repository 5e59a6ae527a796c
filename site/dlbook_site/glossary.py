"""Defines terms where the reader meets them.

The page ``book/reference/glossary.md`` is a list of definitions: a term, with its other forms after
commas, and a definition that ends in a link to the section which introduces the term. In chapters
after that one, the first occurrence of the term in each section becomes a link to the glossary.
Chapters stay plain Markdown; where a word is meant in another sense, ``<!-- no term: kernel -->``
in its paragraph keeps it as it is. The page carries the definitions of its own terms, hidden;
``book.js`` shows them.
"""

import re
from collections import Counter

from docutils import nodes
from sphinx import addnodes
from sphinx.util import logging

from . import chapters

PAGE = "book/reference/glossary"
#: Text is looked at only within these: not in headings, links, code, formulas, bold or italic type,
#: figures, tables, admonitions, exercises.
PROSE = (
    nodes.section,
    nodes.paragraph,
    nodes.bullet_list,
    nodes.enumerated_list,
    nodes.list_item,
    nodes.block_quote,
)
KEPT = re.compile(r"<!--\s*no term:\s*(.+?)\s*-->")

logger = logging.getLogger(__name__)


# --- Reading -----------------------------------------------------------------------------------
def read(app, doctree):
    """Note the terms of the glossary, and give them identifiers."""
    if app.env.docname != PAGE:
        return
    entries, known = [], Counter()
    for item in doctree.findall(nodes.definition_list_item):
        term, definition = item.next_node(nodes.term), item.next_node(nodes.definition)
        forms = [form.strip() for form in term.astext().split(",")]
        link = next(iter(reversed(list(definition.findall(addnodes.pending_xref)))), None)
        if link is None or len(definition) != 1 or definition[0][-1] is not link:
            _warn(f"the definition of {forms[0]!r} has to be a paragraph that ends in a link", term)
            continue
        definition[0].remove(link)
        definition += nodes.paragraph("", "", link, classes=["introduced"])
        name = f"term-{nodes.make_id(forms[0])}"
        term["ids"].append(name)
        known.update({form for each in forms for form in (each, plural(each))})
        text = " ".join(definition[0].astext().split())
        entries.append({"id": name, "forms": forms, "text": text, "page": link["reftarget"]})
    for form, count in known.items():
        if count > 1:
            _warn(f"{form!r} stands in the glossary more than once", doctree)
    app.env.dlbook_glossary = entries


def plural(form):
    """The regular plural of a noun.

    >>> [plural(each) for each in ("loss", "saddle", "penalty", "key")]
    ['losses', 'saddles', 'penalties', 'keys']
    """
    if re.search(r"[^aeiou]y$", form):
        return f"{form[:-1]}ies"
    return form + ("es" if re.search(r"(s|x|ch|sh)$", form) else "s")


def _entries(env):
    return getattr(env, "dlbook_glossary", [])


def purge(app, env, docname):
    if docname == PAGE:
        env.dlbook_glossary = []


def merge(app, env, docnames, other):
    if PAGE in docnames:
        env.dlbook_glossary = _entries(other)


def check(app, env):
    """Ask for all chapters where the terms, or the order of the chapters, have changed."""
    order = chapters.order(env)
    for entry in _entries(env):
        if entry["page"] not in env.all_docs:
            _warn(f"{entry['forms'][0]!r}: there is no page {entry['page']!r}", PAGE)
    state = repr((_entries(env), order))
    if state == getattr(env, "dlbook_glossary_state", None):
        return []
    env.dlbook_glossary_state = state
    return order


def _warn(message, where):
    logger.warning(message, location=where, type="dlbook", subtype="glossary")


# --- Marking -----------------------------------------------------------------------------------
def pattern(forms):
    """What finds the terms in a text: the longest first, in any spelling with spaces or hyphens.

    A term may begin with a capital where it begins a sentence; its other capitals are its own.
    """
    choices = []
    for form in sorted(forms, key=len, reverse=True):
        first, rest = re.escape(form[0]), form[1:]
        if form[0].islower():
            first = f"[{form[0]}{form[0].upper()}]"
        words = (re.escape(word) for word in re.split(r"[ -]", rest))
        choices.append(first + r"[\s-]+".join(words).replace("'", "['’]"))
    return re.compile(rf"(?<![\w-])(?:{'|'.join(choices)})(?![\w-])")


def _key(text):
    """A form as it is looked up, whatever its spelling in the text."""
    return re.sub(r"[\s-]+", " ", text).replace("’", "'").casefold()


def mark(app, doctree, docname):
    """Turn terms of earlier chapters into links."""
    env = app.env
    order = chapters.order(env)
    if docname not in order or not _entries(env) or app.builder.format != "html":
        return
    meant = {
        form: entry
        for entry in _entries(env)
        for each in entry["forms"]
        for form in (each, plural(each))
    }
    # the longest is found whether or not it is marked: a tensor core is no tensor
    finder = pattern(meant)
    meant = {_key(form): entry for form, entry in meant.items()}
    before = set(order[: order.index(docname)])
    address = app.builder.get_relative_uri(docname, PAGE)
    chapter = next(iter(doctree.findall(nodes.section)))
    for section in [child for child in chapter if isinstance(child, nodes.section)]:
        seen = set()
        for text in list(_prose(section)):
            kept = {_key(word) for word in _kept(text.parent)}
            parts, end = [], 0
            for found in finder.finditer(text):
                entry = meant[_key(found[0])]
                if entry["page"] not in before or entry["id"] in seen or _key(found[0]) in kept:
                    continue
                seen.add(entry["id"])
                target = f"{address}#{entry['id']}"
                link = nodes.reference("", found[0], internal=True, refuri=target, classes=["term"])
                parts += [nodes.Text(text[end : found.start()]), link]
                end = found.end()
            if parts:
                at = text.parent.index(text)
                text.parent[at : at + 1] = [*parts, nodes.Text(text[end:])]


def _prose(node):
    for child in node.children:
        if isinstance(child, nodes.Text):
            yield child
        elif isinstance(child, PROSE):
            yield from _prose(child)


def _kept(paragraph):
    """Words that a comment in the paragraph keeps from being marked."""
    for raw in paragraph.children:
        if isinstance(raw, nodes.raw) and (found := KEPT.search(raw.astext())):
            yield from found[1].split(", ")


def add_definitions(app, pagename, templatename, context, doctree):
    """Give the template the definitions of the terms that are marked on the page."""
    links = [] if doctree is None else doctree.findall(nodes.reference)
    marked = {link["refuri"].partition("#")[2] for link in links if "term" in link["classes"]}
    context["definitions"] = [each for each in _entries(app.env) if each["id"] in marked]


def setup(app):
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("doctree-read", read)
    app.connect("env-updated", check)
    app.connect("doctree-resolved", mark)
    app.connect("html-page-context", add_definitions)
