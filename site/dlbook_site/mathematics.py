"""Typesets formulas when the site is built, so that pages need no script for them.

MathJax, from the package sphinx-mathjax-offline, runs in a JavaScript engine inside of Python. A
page gets its formulas as HTML, with MathML for screen readers, and a style sheet and fonts of the
glyphs that it uses; attributes ``style`` become rules of that sheet, as strict pages want it.
"""

import base64
import hashlib
import io
import json
import re
from functools import cache
from pathlib import Path

from docutils import nodes
from fontTools import subset
from fontTools.ttLib import TTFont
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

from . import packages

logger = logging.getLogger(__name__)

FOLDER = "mathematics"  # in _static: a style sheet a page, and the fonts
PARTS = (
    "startup.js",
    "core.js",
    "adaptors/liteDOM.js",
    "input/tex-full.js",
    "output/chtml.js",
    "output/chtml/fonts/tex.js",
    "a11y/assistive-mml.js",
)
SETTINGS = """
var global = globalThis;
var MathJax = {
  loader: { load: [] },
  startup: { typeset: false, input: ["tex"], output: "chtml", adaptor: "liteDOM", document: "" },
  tex: { packages: ["base", "ams", "boldsymbol", "mathtools", "newcommand"] },
  chtml: { fontURL: "fonts", matchFontHeight: false },
};
"""
FUNCTIONS = """
MathJax.startup.getComponents();
MathJax.startup.makeMethods();
function typeset(tex, display) {
  const node = MathJax.tex2chtml(tex, { display, em: 16, ex: 8, containerWidth: 640 });
  return MathJax.startup.adaptor.outerHTML(node);
}
function takeSheet() {
  const text = MathJax.startup.adaptor.textContent(MathJax.chtmlStylesheet());
  MathJax.startup.output.clearCache();
  MathJax.startup.output.chtmlStyles = null;
  return text;
}
0
"""
STYLE = re.compile(r' style="([^"]*)"')
NEEDLESS = re.compile(r' unselectable="on" display="inline"| xmlns="[^"]*"')  # in HTML of today
ERROR = re.compile(r'data-mjx-error="([^"]*)"')
FACE = re.compile(
    r'@font-face [^{]*\{\s*font-family: ([\w-]+);\s*src: url\("fonts/([^"]+)"\)[^}]*\}\s*'
)
FAMILIES = re.compile(r"^([^\s@{}][^@{}]*) \{\s*font-family: ([^;!]+)", re.MULTILINE)
CONTENT = re.compile(r'content: "((?:[^"\\]|\\.)*)"')
ESCAPED = re.compile(r"\\(?:([0-9A-Fa-f]{1,6}) ?|(.))")
# The first family of all has no glyph to show; its height is that of lines with formulas. It stands
# in the sheet itself, or lines would move when it comes.
NO_WIDTH = "MJXZERO"


class Typesetter:
    """TeX in, HTML out, and the style sheet that goes with it."""

    def __init__(self):
        self._engine = None  # starting it takes half a second, and some builds set no formula
        self._styles = {}  # content of an attribute `style`: its number

    def html(self, tex, display):
        """Set a formula.

        Parameters
        ----------
        tex : str
        display : bool
            Whether it stands on a line of its own.

        Returns
        -------
        str

        Raises
        ------
        ValueError
            If MathJax does not understand it; the message is MathJax's.
        """
        text = self._call("typeset", tex, display)
        if error := ERROR.search(text):
            raise ValueError(error[1])
        return STYLE.sub(self._numbered, NEEDLESS.sub("", text))

    def take_sheet(self):
        """Rules for all formulas since the last call, as CSS."""
        rules = self._call("takeSheet")
        own = [
            f'[data-m="{number}"] {{{_important(style)}}}' for style, number in self._styles.items()
        ]
        self._styles = {}
        return "\n".join([rules.strip(), *own, ""])

    def _numbered(self, match):
        number = self._styles.setdefault(match[1], len(self._styles))
        return f' data-m="{number}"'

    def _call(self, function, *arguments):
        if self._engine is None:
            self._engine = _start()
        return self._engine.eval(f"{function}({', '.join(map(json.dumps, arguments))})")


def _important(style):
    """Declarations that win over every other rule, as those of an attribute do."""
    declarations = [each.strip() for each in style.split(";") if each.strip()]
    return "; ".join(f"{each} !important" for each in declarations)


def _start():
    from py_mini_racer import MiniRacer

    engine = MiniRacer()
    engine.eval(SETTINGS + "0")
    for name in PARTS:
        engine.eval((_mathjax() / name).read_text(encoding="utf-8") + "\n;0")
    engine.eval(FUNCTIONS)
    return engine


def _mathjax():
    return packages.folder("sphinx-mathjax-offline") / "static" / "mathjax"


typesetter = Typesetter()


def _set(node, tex, display):
    try:
        return typesetter.html(tex, display)
    except ValueError as error:
        logger.warning("formula %r: %s", tex, error, location=node, type="mathematics")
        return ""


def visit_inline(translator, node):
    opening = translator.starttag(node, "span", "", CLASS="math")
    translator.body.append(f"{opening}{_set(node, node.astext(), False)}</span>")
    raise nodes.SkipNode


def visit_block(translator, node):
    translator.body.append(translator.starttag(node, "div", "", CLASS="math"))
    if node["number"]:
        translator.body.append(f'<span class="eqno">({get_node_equation_number(translator, node)})')
        translator.add_permalink_ref(node, "Link to this formula")
        translator.body.append("</span>")
    translator.body.append(f"{_set(node, _aligned(node), True)}</div>\n")
    raise nodes.SkipNode


def _aligned(node):
    """The TeX of a displayed formula, several paragraphs of it below each other, as in Sphinx."""
    text = node.astext()
    if node["nowrap"]:
        return text
    parts = [part for part in text.split("\n\n") if part.strip()]
    parts = [rf"\begin{{split}}{part}\end{{split}}" if r"\\" in part else part for part in parts]
    if len(parts) == 1:
        return parts[0]
    lines = r"\\".join(parts)
    return rf"\begin{{align}}\begin{{aligned}}{lines}\end{{aligned}}\end{{align}}"


def add_sheet(app, pagename, templatename, context, doctree):
    """Give a page that has formulas their style sheet, and write it, for slides and for print."""
    context["mathematics"] = None
    body = context.get("body", "")
    sheet = typesetter.take_sheet() if "<mjx-container" in body else None
    if sheet:
        path = Path(app.outdir) / sheet_of(pagename)
        fonts = path.with_name("fonts")
        fonts.mkdir(parents=True, exist_ok=True)
        context["mathematics"] = _with_fonts(sheet, body, fonts)
        path.write_text(context["mathematics"], encoding="utf-8")


def sheet_of(pagename):
    """Where in the site the style sheet of a page's formulas is, if it has any."""
    return f"_static/{FOLDER}/{pagename.replace('/', '-')}.css"


def _with_fonts(sheet, body, folder):
    """The sheet with fonts that hold its glyphs and no more, for the families that `body` uses."""
    characters = "".join(sorted(set("".join(map(_unescaped, CONTENT.findall(sheet))))))
    used = set(re.findall(r"\b(?:MJX-)?TEX(?:-\w+)?\b", body))
    families = set()
    for selector, names in FAMILIES.findall(sheet):
        if not selector.startswith(".") or selector[1:] in used:
            families.update(names.replace(" ", "").split(","))

    def face(match):
        family, name = match.groups()
        data = None
        if family in families:
            data = _font(name, "\ueffc" if family == NO_WIDTH else characters)
        if data is None:
            return ""
        if family == NO_WIDTH:
            data = base64.b64encode(data).decode()
            return match[0].replace(f"fonts/{match[2]}", f"data:font/woff;base64,{data}")
        name = f"{Path(name).stem}-{hashlib.sha256(data).hexdigest()[:8]}.woff"
        (folder / name).write_bytes(data)
        return match[0].replace(match[2], name)

    return FACE.sub(face, sheet)


def _unescaped(text):
    """What a string of CSS stands for."""
    return ESCAPED.sub(lambda match: chr(int(match[1], 16)) if match[1] else match[2], text)


@cache
def _font(name, characters):
    """One of MathJax's fonts with these characters only; None if it has none of them."""
    path = _mathjax() / "output" / "chtml" / "fonts" / "woff-v2" / name
    font = TTFont(path, recalcTimestamp=False)  # the same bytes from every build
    if not set(map(ord, characters)) & set(font.getBestCmap()):
        return None
    options = subset.Options(flavor="woff", hinting=False, layout_features=[], name_IDs=[])
    options.drop_tables += ["FFTM"]
    cut = subset.Subsetter(options)
    cut.populate(text=characters)
    cut.subset(font)
    buffer = io.BytesIO()
    subset.save_font(font, buffer, options)
    return buffer.getvalue()


def prune(app, error):
    """Remove sheets and fonts of pages that are gone or have changed since."""
    if error is not None or app.builder.format != "html":
        return
    folder, fonts = Path(app.outdir) / "_static" / FOLDER, set()
    sheets = {Path(app.outdir) / sheet_of(name) for name in app.env.found_docs}
    for path in folder.glob("*.css"):
        if path in sheets:
            fonts |= {name for _, name in FACE.findall(path.read_text(encoding="utf-8"))}
        else:
            path.unlink()
    for path in (folder / "fonts").glob("*"):
        if path.name not in fonts:
            path.unlink()


def setup(app):
    app.add_html_math_renderer("typeset", (visit_inline, None), (visit_block, None))
    app.connect("html-page-context", add_sheet)
    app.connect("build-finished", prune)
