"""Refuses a site that would ask a third party for anything, or that holds a dead widget."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

from sphinx.errors import ExtensionError

from .pages import VIEW, read_states
from .stored import states

# Attributes whose address the browser fetches by itself. Links in <a> are followed by readers only.
FETCHED = {
    "audio": ("src",),
    "embed": ("src",),
    "feimage": ("href", "xlink:href"),
    "iframe": ("src",),
    "image": ("href", "xlink:href"),
    "img": ("src", "srcset"),
    "input": ("src",),
    "link": ("href", "imagesrcset"),
    "object": ("data",),
    "script": ("src", "href", "xlink:href"),
    "source": ("src", "srcset"),
    "track": ("src",),
    "use": ("href", "xlink:href"),
    "video": ("src", "poster"),
}
# Relations that name a page and fetch nothing.
NAMING = {"author", "canonical", "index", "license", "next", "prev", "search"}
CSS_ADDRESS = re.compile(r"""url\(\s*["']?([^"')\s]+)|@import\s+["']([^"']+)""", re.IGNORECASE)


def is_foreign(address):
    """Whether a browser would leave the site to fetch the address."""
    parts = urlsplit(address.strip())
    return bool(parts.netloc) or parts.scheme not in ("", "data", "blob", "about")


class _Page(HTMLParser):
    """Notes what a page fetches, and its widget views."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.addresses, self.views = [], []
        self._holding = None

    def handle_starttag(self, tag, attributes):
        attributes = {name: value or "" for name, value in attributes}
        naming = tag == "link" and set(attributes.get("rel", "").lower().split()) <= NAMING
        for name in () if naming else FETCHED.get(tag, ()):
            if name.endswith("srcset"):
                candidates = attributes.get(name, "").split(",")
                self.addresses += [each.split()[0] for each in candidates if each.split()]
            elif attributes.get(name):
                self.addresses.append(attributes[name])
        self.addresses += attributes.get("data-scripts", "").split()
        self.addresses += _css_addresses(attributes.get("style", ""))
        for name in ("fill", "stroke", "filter", "mask", "clip-path"):  # SVG: url(#…)
            self.addresses += _css_addresses(attributes.get(name, ""))
        refresh = attributes.get("http-equiv", "").lower() == "refresh"
        if tag == "meta" and refresh and "url=" in attributes.get("content", ""):
            self.addresses.append(attributes["content"].split("url=", 1)[1])
        if tag == "style":
            self._holding = "css"
        elif tag == "script":
            self._holding = attributes.get("type")

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self._holding = None

    def handle_data(self, data):
        if self._holding == "css":
            self.addresses += _css_addresses(data)
        elif self._holding == VIEW:
            self.views.append(json.loads(data)["model_id"])


def _css_addresses(text):
    return [first or second for first, second in CSS_ADDRESS.findall(text)]


def problems(folder):
    """What keeps a built site from standing on its own.

    Parameters
    ----------
    folder : pathlib.Path
        The site, with all its HTML, CSS and SVG files.

    Returns
    -------
    list of str
        One line for each problem, with the file's name.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        if path.suffix not in (".html", ".css", ".svg") or not path.is_file():
            continue
        name = path.relative_to(folder).as_posix()
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".css":
            addresses, page = _css_addresses(text), None
        else:
            page = _Page()
            page.feed(text)
            page.close()
            addresses = page.addresses
        found += [f"{name}: fetches {each}" for each in addresses if is_foreign(each)]
        if page is None:
            continue
        models = {}
        for each in filter(Path.exists, map(folder.joinpath, states(text))):
            models |= read_states(each.read_text(encoding="utf-8"))
        for view in page.views:
            model = models.get(view)
            if model is None:
                found.append(f"{name}: widget {view} has no state")
            elif model.get("model_module") != "anywidget" or not model["state"].get("_esm"):
                kind = f"{model.get('model_module')}.{model.get('model_name')}"
                found.append(f"{name}: widget {view} is a {kind}, only anywidgets can be shown")
    return found


def check(app, error):
    """Fail the build if the site has a problem."""
    if error is not None or app.builder.format != "html":
        return
    found = problems(Path(app.outdir))
    if found:
        raise ExtensionError("the site does not stand on its own:\n  " + "\n  ".join(found))


def setup(app):
    app.connect("build-finished", check, priority=900)
