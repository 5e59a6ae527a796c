"""Gives each page what it needs and nothing else.

The theme supplies contents and launch buttons; the templates, style sheet and scripts in ``site/``
are the book's own.
"""

import base64
import hashlib
import html
import json
import re
import shutil
from functools import cache
from pathlib import Path

from docutils import nodes
from markupsafe import Markup
from rcssmin import cssmin

from . import stored
from .mathematics import FOLDER
from .solutions import is_solution

#: The scripts of the search page, Sphinx's and the book's, in their order.
SEARCH = (
    "documentation_options.js",
    "doctools.js",
    "sphinx_highlight.js",
    "language_data.js",
    "searchtools.js",
    "terms.js",
    "search.js",
)
#: All of ``_static`` that the pages use: the rest, of themes and extensions, is removed again.
KEPT = {
    *SEARCH,
    "book.js",
    "design-tabs.js",
    "favicon.png",
    "favicon.svg",
    "figures",
    "images",
    "mathematics",
    "preview.png",
    "previews",
    "sphinx-design.min.css",
    "states",
    "widgets.js",
}
# Tokens of code that look like plain text: in these pages that is most of them.
PLAIN_TOKEN = re.compile(r'<span class="(?:n[abcefilnopvx]?|p|o|w|fm|bp|v[cgim])">([^<]*)</span>')
# A formula in the text with the punctuation that must stay with it.
PUNCTUATED = re.compile(
    r'\(?<span class="math"[^>]*><mjx-container(?:(?!</mjx-container>).)*</mjx-container></span>'
    r"[,.;:!?)’”]+",
    re.DOTALL,
)
COLUMN = re.compile(r'<col style="width: ([\d.]+)%" />')
DESCRIPTION = re.compile(r'<meta content="([^"]*)" (?:lang="\w+" )?name="description" ?/>')
ASSETS = Path(__file__).parents[1] / "assets"
#: What a browser may load and run: nothing but the site's own files, and no code in attributes.
POLICY = {
    "default-src": "'self'",
    "script-src": "'self'",
    "style-src": "'self'",
    "font-src": "'self' data:",  # the smallest font of formulas stands in the page
    "object-src": "'none'",
    "base-uri": "'none'",
}
#: A widget's module stands in its state as text; it is imported from an address made of that text.
WIDGETS = {"script-src": ("blob:",)}
VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"


def fold(app, doctree, docname):
    """Turn admonitions and solutions of class "dropdown" into ``<details>``."""
    if app.builder.format != "html":
        return
    for section in doctree.findall(nodes.section):
        if section["ids"] in (["exercise-content"], ["solution-content"]):
            section["ids"] = []  # sphinx-exercise gives the same to each exercise of a page
    for node in list(doctree.findall(nodes.Admonition)):
        if "dropdown" not in node["classes"]:
            continue
        title = next(iter(node.findall(nodes.title)), None)
        text = title.astext() if title is not None else node.tagname.capitalize()
        if title is not None:
            title.parent.remove(title)
        style = " ".join(["admonition", *_style(node)])
        ids = "".join(f'<span id="{html.escape(name)}"></span>' for name in node["ids"][1:])
        name = f' id="{html.escape(node["ids"][0])}"' if node["ids"] else ""
        shown = app.config.dlbook_solutions == "shown" and is_solution(node)
        opening = (
            f'<details class="{style}"{name}{" open" * shown}>'
            f"<summary>{html.escape(text)}</summary>{ids}"
        )
        # `replace_self` would hand the node's names on to the first of the new nodes
        at = node.parent.index(node)
        node.parent[at : at + 1] = [_raw(opening), *node.children, _raw("</details>")]


def _style(node):
    kind = node.tagname.removesuffix("_node").split("_")[0]
    return [name for name in dict.fromkeys([kind, *node["classes"]]) if name != "admonition"]


def _raw(text):
    return nodes.raw("", text, format="html")


def furnish(app, pagename, templatename, context, doctree):
    """Choose scripts and style sheets, and describe the page to search engines and previews."""
    raws = [] if doctree is None else [raw.astext() for raw in doctree.findall(nodes.raw)]
    widgets = any(VIEW in raw for raw in raws)
    design = bool(re.search(r'class="[^"]*\bsd-', context.get("body", "")))

    context["css_files"] = [
        sheet for sheet in context["css_files"] if design and "design" in str(sheet.filename)
    ]
    scripts = ["book.js", *(SEARCH if pagename == "search" else []), *["design-tabs.js"] * design]
    context["scripts"] = [_static(context, name) for name in scripts]
    if pagename == "search":
        context["scripts"].append(context["pathto"]("searchindex.js", resource=True))
    if widgets:
        for script in context["script_files"]:
            if script.attributes.get("type") == STATE:
                data = _held(script.attributes["body"])
                context["scripts"].append(stored.address(app, context, stored.STATES, "js", data))
        context["scripts"].append(_static(context, "widgets.js"))
    # What a page needs before it can be drawn stands in it: a request less, and the first lines
    # are there as soon as the page is.
    theme = (ASSETS / "theme.js").read_text(encoding="utf-8")
    styles = [(ASSETS / "book.css").read_text(encoding="utf-8")]
    if context["mathematics"]:
        place = context["pathto"](f"_static/{FOLDER}/", resource=True)
        styles.insert(0, context["mathematics"].replace('url("fonts/', f'url("{place}fonts/'))
    styles = list(map(cssmin, styles))
    context["theme"], context["styles"] = Markup(theme), list(map(Markup, styles))
    context["policy"] = policy(
        *([WIDGETS] if widgets else []),
        {"script-src": [_allowed(theme)], "style-src": map(_allowed, styles)},
    )

    if "body" in context:
        context["body"] = _mend(context["body"])
    context["description"] = _description(context, doctree)
    baseurl = app.config.html_baseurl
    context["preview"] = f"{baseurl.rstrip('/')}/_static/preview.png" if baseurl else None
    context["preview_alt"] = "Tally strokes joined by arcs of attention"
    # these open the repository's notebooks, which hold the solutions
    closed = app.config.dlbook_solutions == "absent"
    context["launch_links"] = [] if closed else _launch_links(context.get("header_buttons", []))
    twin = Path(app.srcdir) / f"{pagename}.ipynb"
    context["notebook"] = twin.name if doctree is not None and twin.exists() else None


def _static(context, name):
    """Where a page finds a script; the book's own change their address when they change."""
    address = context["pathto"](f"_static/{name}", resource=True)
    return f"{address}?v={_version()}" if (ASSETS / name).exists() else address


def _held(state):
    """Widgets' states, as JSON, as a script: pages opened as files cannot fetch anything else."""
    return f"Object.assign((globalThis.widgetStates ??= {{}}), {state.strip()}.state);\n".encode()


def read_states(script):
    """The states by their widgets' identifiers, from the text of such a script."""
    return json.loads(script[script.index("), ") + 3 : script.rindex(".state);")])["state"]


def policy(*more):
    """The Content-Security-Policy of a page, with sources added to some kinds of it."""
    kinds = {kind: [sources] for kind, sources in POLICY.items()}
    for each in more:
        for kind, sources in each.items():
            kinds[kind] += sources
    return "; ".join(f"{kind} {' '.join(sources)}" for kind, sources in kinds.items())


def _allowed(text):
    """The source by which a policy lets this very text stand in a page."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _version():
    """Changes with the style sheet and the scripts, so that no stale copy is shown."""
    files = sorted(ASSETS.iterdir())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:8]


def _mend(body):
    """Small repairs of what docutils and Pygments write."""
    body = body.replace('role="doc-biblioentry"', 'role="listitem"')  # deprecated, and in a list
    body = body.replace('<th class="head"><p></p></th>', "<td></td>")  # heads nothing
    body = COLUMN.sub(r'<col width="\1%" />', body)  # strict pages ignore attributes `style`
    body = PUNCTUATED.sub(r'<span class="unbroken">\g<0></span>', body)
    return PLAIN_TOKEN.sub(r"\1", body)


def _description(context, doctree):
    """What the page's header says, taken out of there; else the page's first paragraph."""
    metatags = context.get("metatags") or ""
    if said := DESCRIPTION.search(metatags):
        context["metatags"] = DESCRIPTION.sub("", metatags)
        return html.unescape(said[1])
    if doctree is None:
        return None
    for paragraph in doctree.findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        if len(text) > 40:
            return _shortened(text)
    return None


def _shortened(text, most=200, least=60):
    """The first sentences of a text, or its first words where they are too long."""
    if len(text) <= most:
        return text
    ends = [match.end() for match in re.finditer(r"[.?!](?= )", text[:most])]
    if ends and ends[-1] >= least:
        return text[: ends[-1]]
    return text[:most].rsplit(" ", 1)[0] + " …"


def _launch_links(buttons):
    """The theme's launch buttons as pairs of text and address."""
    links = []
    for button in buttons:
        group = button.get("buttons", [button])
        links += [(each["text"], each["url"]) for each in group if each.get("type") == "link"]
    return links


def tidy(app, error):
    """Remove from the site what no page uses; add the notebooks and a front door."""
    if error is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir)
    for path in (folder / "_static").iterdir():
        if path.name not in KEPT:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for docname in sorted(app.env.found_docs):
        twin = Path(app.srcdir) / f"{docname}.ipynb"
        # without solutions it is not the same: `tools/build.py` makes another one
        if twin.exists() and app.config.dlbook_solutions != "absent":
            shutil.copy2(twin, folder / f"{docname}.ipynb")
    root = app.config.root_doc
    if root != "index":
        page = (folder / f"{root}.html").read_text(encoding="utf-8")
        (folder / "index.html").write_text(_front_door(page, f"{root}.html"), encoding="utf-8")


def _front_door(page, target):
    """A page that leads on to the first one, and describes itself as that does."""
    kinds = r'<meta (?:name="description"|property)[^>]*>|<link rel="canonical"[^>]*>'
    head = re.findall(rf"<title>.*?</title>|{kinds}", page, re.S)
    lines = "\n".join(head)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n{lines}\n'
        f'<meta http-equiv="refresh" content="0; url={target}">\n</head>\n'
        f'<body><main><h1><a href="{target}">From Counting to Attention</a></h1></main></body>\n'
        "</html>\n"
    )


def forget_removed(app, env, added, changed, removed):
    """Delete the pages of documents that are gone, which Sphinx leaves behind."""
    for docname in removed:
        (Path(app.outdir) / f"{docname}.html").unlink(missing_ok=True)
    return []


def add_names(app, pagename, templatename, context, doctree):
    # Sphinx marks the captions of its contents as headings, which would precede the page's own
    toctree = context.get("toctree")

    def contents(**options):
        return Markup(re.sub(r' (?:role="heading"|aria-level="\d")', "", toctree(**options) or ""))

    if toctree:
        context["contents"] = contents


def recall_numbers(app, env):
    """Give Sphinx back its own numbers of figures, from which it sees what has changed."""
    env.toc_fignumbers = getattr(env, "dlbook_fignumbers", {})
    return []


def number_within_page(app, env):
    """Number figures, formulas and exercises from 1 on each page, as its notebook does.

    Sphinx counts through the whole book, so that a new figure would renumber all later chapters.
    """
    env.dlbook_fignumbers = env.toc_fignumbers
    env.toc_fignumbers = {
        docname: {
            kind: {name: (place,) for place, name in enumerate(numbers, start=1)}
            for kind, numbers in kinds.items()
        }
        for docname, kinds in env.toc_fignumbers.items()
    }
    return []


def setup(app):
    app.set_html_assets_policy("always")  # `furnish` decides page by page
    app.connect("doctree-resolved", fold, priority=900)
    app.connect("html-page-context", add_names)
    app.connect("html-page-context", furnish, priority=900)
    app.connect("env-get-outdated", forget_removed)
    app.connect("env-get-updated", recall_numbers, priority=400)  # Sphinx numbers at 500
    app.connect("env-get-updated", number_within_page, priority=600)
    app.connect("build-finished", tidy, priority=800)
