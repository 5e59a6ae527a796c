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

from . import chapters, tables

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
        self.env.note_reread()  # the chapters may run anew while this page stays as it is
        return [chapter_runs(said=said)]


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


def fill(app, doctree, docname):
    env = app.env
    for node in list(doctree.findall(chapter_runs)):
        order, said = chapters.order(env), node["said"]
        for page in sorted(set(said) - set(order)):
            _warn(f"there is no chapter {page!r}", docname)
        rows = []
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
            measured = "" if ran is None else f"{ran:.0f}"
            cells = map(tables.text, (measured, ", ".join(fetched), on_gpu, without))
            rows.append(tables.row([[nodes.paragraph("", "", link)], *cells]))
        where = (
            "The seconds are those of the runs whose results this site shows, as a rule with other "
            f"chapters running beside them. The machine: {machine()}."
        )
        made = tables.table("chapter-runs", HEADS, rows, widths=(26, 10, 18, 22, 24))
        node.replace_self([made, nodes.paragraph("", where)])


def _warn(message, where):
    logger.warning(message, location=where, type="dlbook", subtype="runs")


def setup(app):
    app.add_node(chapter_runs)
    app.add_directive("chapter-runs", _Runs)
    app.connect("doctree-resolved", fill)
