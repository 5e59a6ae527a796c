"""What other sites and search engines need once the book's address is known.

A card of 1200 × 630 pixels for each chapter, to be shown where a link to it is shared, a list of
all pages in ``sitemap.xml``, and ``robots.txt``. Cards are kept beside the doctrees by content.
"""

import hashlib
import os
import shutil
import textwrap
from html import escape
from pathlib import Path

from . import chapters

FOLDER = "previews"
SIZE = (1200, 630)
PAPER, INK, MUTED, ACCENT = "#fffdf8", "#22252a", "#5d6168", "#0b6259"
LETTERS = 24  # in a line of the title
STROKES = (100, 148, 196, 244)  # where the tally strokes of the mark stand


def address(app, name):
    """The public address of a file of the site; None while the book has no home."""
    base = app.config.html_baseurl
    return f"{base.rstrip('/')}/{name}" if base else None


def card_name(docname):
    return f"{docname.removeprefix('book/').replace('/', '-')}.png"


def name_card(app, pagename, templatename, context, doctree):
    """Let a chapter's page name its own card instead of the book's."""
    part = _part(app.env, pagename)
    if context.get("preview") and part:
        context["preview"] = address(app, f"_static/{FOLDER}/{card_name(pagename)}")
        context["preview_alt"] = f"{chapters.title(app.env, pagename)}, a chapter of {part}"


def _part(env, docname):
    if not env.__dict__.get("dlbook_chapters", {}).get(docname):
        return None
    return next((part for part, pages in chapters.parts(env).items() if docname in pages), None)


def draw(path, title, part, book):
    """Draw a card.

    Parameters
    ----------
    path : pathlib.Path
        Where it goes, as PNG.
    title, part, book : str
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Arc, Rectangle

    figure = Figure(figsize=(SIZE[0] / 100, SIZE[1] / 100), dpi=100, facecolor=PAPER)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, SIZE[0]), ylim=(SIZE[1], 0))
    axes.axis("off")
    axes.add_patch(Rectangle((0, SIZE[1] - 9), SIZE[0], 9, color=ACCENT))
    for x in STROKES:
        axes.plot([x, x], [500, 560], color=INK, linewidth=13, solid_capstyle="round")
    last = STROKES[-1]
    for x, width in zip(STROKES, (10, 6, 8), strict=False):
        middle, across = (x + last) / 2, last - x
        arc = Arc((middle, 478), across, across * 0.95, theta1=180, theta2=360)
        arc.set(color=ACCENT, linewidth=width, capstyle="round")
        axes.add_patch(arc)
    serif = {"family": "DejaVu Serif", "va": "baseline"}
    axes.text(96, 110, part, color=ACCENT, fontsize=24, family="DejaVu Sans", va="baseline")
    lines = textwrap.wrap(title, LETTERS)
    size = 52 if len(lines) <= 3 else 40
    for i, line in enumerate(lines):
        axes.text(94, 195 + i * size * 1.65, line, color=INK, fontsize=size, weight="bold", **serif)
    axes.text(300, 535, book, color=INK, fontsize=26, weight="bold", **serif)
    axes.text(300, 575, "A book on deep learning that runs", color=MUTED, fontsize=19, **serif)
    fresh = path.with_suffix(".new")
    figure.savefig(fresh, format="png", metadata={"Software": None})
    os.replace(fresh, path)


def write(app, error):
    """Write cards, sitemap and robots.txt, if the address is known."""
    if error is not None or app.builder.format != "html" or not app.config.html_baseurl:
        return
    env, site = app.env, Path(app.outdir)
    kept = Path(app.doctreedir).parent / FOLDER
    shown = site / "_static" / FOLDER
    for folder in (kept, shown):
        folder.mkdir(parents=True, exist_ok=True)
    wanted = {}
    for part, pages in chapters.parts(env).items():
        for page in pages:
            texts = (chapters.title(env, page), part, app.config.project)
            content = Path(__file__).read_bytes() + repr(texts).encode()
            drawn = kept / f"{hashlib.sha256(content).hexdigest()[:16]}.png"
            if not drawn.exists():
                draw(drawn, *texts)
            wanted[card_name(page)] = drawn
    for name, drawn in wanted.items():
        shutil.copy2(drawn, shown / name)
    for old in set(shown.iterdir()) - {shown / name for name in wanted}:
        old.unlink()
    pages = [address(app, app.builder.get_target_uri(page)) for page in sorted(env.found_docs)]
    entries = "".join(f"  <url><loc>{escape(page)}</loc></url>\n" for page in pages)
    (site / "sitemap.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{entries}</urlset>\n',
        encoding="utf-8",
    )
    sitemap = address(app, "sitemap.xml")
    (site / "robots.txt").write_text(f"User-agent: *\nAllow: /\nSitemap: {sitemap}\n", "utf-8")


def setup(app):
    app.connect("html-page-context", name_card, priority=950)  # after `pages.furnish`
    app.connect("build-finished", write)
