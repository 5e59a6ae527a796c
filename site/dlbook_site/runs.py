"""How long each chapter ran, which data it reads, and what a GPU or a missing network changes.

The seconds are those of the execution whose results the pages show. The data are read off the
chapter's code. What the rest means is told line by line in ``{chapter-runs}``, as ``page | on a GPU
| without the data``; the build complains where the lines and the chapters do not agree.
"""

import os
import platform
import re
from pathlib import Path

from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from . import chapters

#: Function of ``dlbook.data``: what it fetches.
SOURCES = {"treebank": "English Web Treebank", "mnist": "MNIST", "shakespeare": "Shakespeare"}
FETCHING = re.compile(rf"\bdata\.({'|'.join(SOURCES)})\(")
# the loop of `dlbook.train` uses what is there
ON_GPU = re.compile(r"\bruntime\.device\(|\bcuda\b|\bfrom dlbook\.train\b")
HEADS = ("Chapter", "Seconds", "Fetches", "On a GPU", "Without these data")

logger = logging.getLogger(__name__)


class chapter_runs(nodes.General, nodes.Element):
    """Where the table goes."""


class _Runs(SphinxDirective):
    has_content = True

    def run(self):
        said = {}
        for line in filter(str.strip, self.content):
            cells = [cell.strip() for cell in line.split("|")]
            if len(cells) != len(HEADS) - 2 or not cells[0]:
                raise self.error(f"{line!r} is no line such as 'images/lenet | trains there | —'")
            said[f"book/{cells[0]}"] = cells[1:]
        return [chapter_runs(said=said, source=self.env.docname)]


def seconds(env, docname):
    """How long the chapter's last execution took, or None."""
    ran = NbMetadataCollector.get_exec_data(env, docname)
    return ran["runtime"] if ran else None


def machine():
    """What the chapters ran on, without a name that belongs to somebody."""
    cores = os.cpu_count()
    chip = {"x86_64": "x86-64", "aarch64": "ARM", "arm64": "ARM"}
    kind = chip.get(platform.machine(), platform.machine())
    count = "one core" if cores == 1 else f"{cores} cores"
    return f"{platform.system()} on {kind}, {count}, Python {platform.python_version()}"


def check(app, env):
    """Ask for the pages with a table: what they show may have changed without them."""
    return sorted(getattr(env, "dlbook_runs_pages", ()))


def read(app, doctree):
    pages = app.env.__dict__.setdefault("dlbook_runs_pages", set())
    found = next(iter(doctree.findall(chapter_runs)), None)
    (pages.discard if found is None else pages.add)(app.env.docname)


def purge(app, env, docname):
    env.__dict__.setdefault("dlbook_runs_pages", set()).discard(docname)


def merge(app, env, docnames, other):
    theirs = getattr(other, "dlbook_runs_pages", set())
    env.__dict__.setdefault("dlbook_runs_pages", set()).update(theirs & set(docnames))


def fill(app, doctree, docname):
    env = app.env
    for node in list(doctree.findall(chapter_runs)):
        order, said = chapters.order(env), node["said"]
        for page in sorted(set(said) - set(order)):
            _warn(f"there is no chapter {page!r}", docname)
        body = nodes.tbody()
        for page in order:
            code = Path(env.doc2path(page)).read_text(encoding="utf-8")
            fetched = [SOURCES[name] for name in SOURCES if name in FETCHING.findall(code)]
            on_gpu, without = said.get(page, ("", ""))
            for told, used, what in (
                (on_gpu, ON_GPU.search(code), "on a GPU"),
                (without, fetched, "without its data"),
            ):
                if bool(told) != bool(used):
                    _warn(f"{page!r}: what happens {what} is told or happens, not both", docname)
            ran = seconds(env, page)
            address = app.builder.get_relative_uri(docname, page)
            link = nodes.reference("", chapters.title(env, page), internal=True, refuri=address)
            cells = [
                nodes.paragraph("", "", link),
                nodes.paragraph("", "" if ran is None else f"{ran:.0f}"),
                nodes.paragraph("", ", ".join(fetched)),
                nodes.paragraph("", on_gpu),
                nodes.paragraph("", without),
            ]
            body += nodes.row("", *(nodes.entry("", cell) for cell in cells))
        group = nodes.tgroup(cols=len(HEADS))
        group += [nodes.colspec(colwidth=width) for width in (26, 10, 18, 22, 24)]
        head = (nodes.entry("", nodes.paragraph("", text)) for text in HEADS)
        group += [nodes.thead("", nodes.row("", *head)), body]
        where = (
            "The seconds are those of the runs whose results this site shows, as a rule with other "
            f"chapters running beside them. The machine: {machine()}."
        )
        node.replace_self(
            [nodes.table("", group, classes=["chapter-runs"]), nodes.paragraph("", where)]
        )


def _warn(message, where):
    logger.warning(message, location=where, type="dlbook", subtype="runs")


def setup(app):
    app.add_node(chapter_runs)
    app.add_directive("chapter-runs", _Runs)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("doctree-read", read)
    app.connect("env-updated", check)
    app.connect("doctree-resolved", fill)
