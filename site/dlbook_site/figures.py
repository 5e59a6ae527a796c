"""What the benchmark of the kernels has measured, from a file beside the page.

``{kernel-figures}`` shows ``kernels.json``, which ``python -m dlbook.kernels.bench --json`` writes
on a machine with a GPU. As long as there is no such file, the page says so.
"""

import hashlib
import json
from pathlib import Path

from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from . import tables

NAME = "kernels.json"
KEYS = ("date", "gpu", "device", "driver", "versions", "rows")
WAITING = (
    "The figures are still to be measured: nobody has run the benchmark on a GPU for this page yet."
)

logger = logging.getLogger(__name__)


class _Figures(SphinxDirective):
    def run(self):
        path = Path(self.env.doc2path(self.env.docname)).with_name(NAME)
        _store(self.env)[self.env.docname] = _digest(path)
        found = _read(path, self.get_location())
        if found is None:
            return [nodes.paragraph("", WAITING, classes=["kernel-figures"])]
        made = [nodes.paragraph("", _origin(found), classes=["kernel-figures"])]
        for name in ("rows", "memory"):
            if found.get(name):
                made.append(_table(found[name]))
        return made


def _read(path, where):
    """What the file holds; None where there is none, or none that may be shown."""
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        lacking = [key for key in KEYS if key not in found]
    except ValueError as error:
        lacking = [f"readable JSON ({error})"]
    if lacking:
        _warn(f"{NAME} has no {' and no '.join(lacking)}", where)
        return None
    if not found["gpu"] or not found["rows"]:
        _warn(f"{NAME} was not measured on a GPU", where)
        return None
    return found


def _warn(message, where):
    logger.warning(message, location=where, type="dlbook", subtype="figures")


def _origin(found):
    """A sentence: when and on what this was measured."""
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items() if number)
    driver = f", driver {found['driver']}" if found["driver"] else ""
    return f"Measured on {found['date']} on one {found['device']}{driver}, with {versions}."


def _table(rows):
    """Rows, dictionaries with the same keys, as a table."""
    cells = ([tables.text(str(value)) for value in each.values()] for each in rows)
    return tables.table("kernel-figures", list(rows[0]), map(tables.row, cells))


def _digest(path):
    """What tells one state of the file from another; None where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def _store(env):
    if not hasattr(env, "dlbook_figures"):
        env.dlbook_figures = {}
    return env.dlbook_figures


def outdated(app, env, added, changed, removed):
    """Pages whose file has come, gone or changed."""
    return [
        name
        for name, digest in _store(env).items()
        if name in env.found_docs and digest != _digest(Path(env.doc2path(name)).with_name(NAME))
    ]


def purge(app, env, docname):
    _store(env).pop(docname, None)


def merge(app, env, docnames, other):
    found = _store(other)
    _store(env).update({name: found[name] for name in docnames if name in found})


def setup(app):
    app.add_directive("kernel-figures", _Figures)
    app.connect("env-get-outdated", outdated)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
