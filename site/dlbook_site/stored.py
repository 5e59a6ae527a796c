"""Files that pages fetch after their text, named by their content."""

import hashlib
import re
from pathlib import Path

FIGURES, STATES = FOLDERS = ("figures", "states")  # in _static


def address(app, context, folder, suffix, data):
    """Store data for a page; the address by which the page finds them.

    Parameters
    ----------
    app : sphinx.application.Sphinx
    context : dict
        The page's, of the event ``html-page-context``.
    folder : str
        One of `FOLDERS`.
    suffix : str
    data : bytes

    Returns
    -------
    str
    """
    name = f"_static/{folder}/{hashlib.sha256(data).hexdigest()[:16]}.{suffix}"
    path = Path(app.outdir) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return context["pathto"](name, resource=True)


def states(page):
    """Where in the site the states of a page's widgets are; the page as HTML."""
    return re.findall(rf'_static/{STATES}/[^"\s]+', page)


def prune(app, error):
    """Remove what no page names any more."""
    if error is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir)
    text = "".join(page.read_text(encoding="utf-8") for page in folder.rglob("*.html"))
    for kind in FOLDERS:
        for path in (folder / "_static" / kind).glob("*"):
            if path.name not in text:
                path.unlink()


def setup(app):
    app.connect("build-finished", prune)
