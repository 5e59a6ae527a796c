"""Make a deck of slides of each chapter, out of the built site, in ``_build/html/slides``.

Nothing is executed: run ``make slides``, or ``tools/build.py`` first. The decks are played by
reveal.js and need no network and no server. Each page gets a link to its deck. A later build writes
the page anew where its chapter has changed, and so without the link, until the deck has been made
anew as well.
"""

import argparse
import os
import re
import shutil
import sys
from pathlib import Path

from booklib import ROOT, Book, BookError, lock, write_atomically
from jinja2 import Environment, FileSystemLoader

sys.path.insert(0, str(ROOT / "site"))

from dlbook_site import mathematics, packages, stored
from dlbook_site import slides as making
from dlbook_site.pages import WIDGETS, policy
from sphinx.errors import ExtensionError

SITE = ROOT / "site"
ASSETS = (
    "book.css",
    "favicon.svg",
    "slides.css",
    "slides.js",
    "speaker.css",
    "speaker.js",
    "theme.js",
    "widgets.js",
)
#: Of reveal.js, which the package sphinx-revealjs brings along.
REVEAL = ("LICENSE", "dist/reveal.css", "dist/reveal.js")
DESIGN = "sphinx-design.min.css"
LAUNCH = re.compile(r'(<ul class="launch"[^>]*>.*?)\n *</ul>', re.DOTALL)
LINK = re.compile(r'\n *<li class="to-slides">.*?</li>')


def make(book, html=None, folder=None):
    """Write all decks and their list; the number of slides for each chapter's name."""
    html, folder = html or book.build / "html", folder or book.build / "html" / "slides"
    read = {}
    for chapter in book.chapters:
        path = html / "book" / f"{chapter.name}.html"
        if not path.exists():
            raise BookError(f"{path} is not there: run `make book` first")
        page = path.read_text("utf-8")
        read[chapter.name] = (page, *making.deck(page))
    ids = {name: _ids(slides) for name, (_, slides, _) in read.items()}
    fresh = folder.with_name("slides.new")
    shutil.rmtree(fresh, ignore_errors=True)
    _copy_assets(html, fresh)
    templates = Environment(loader=FileSystemLoader(SITE / "templates"))
    title = book.config.get("title", "")
    parts = []
    for caption, names in book.parts:
        listed = []
        for name in [name for name in names if name in read]:
            page, slides, states = read[name]
            elements = [each for slide in slides for each in (*slide.blocks, *slide.notes)]
            headings = [each for slide in slides for each in slide.heading if each.name]
            up = "../" * name.count("/")
            making.relink([*elements, *headings], name, ids, f"{up}..")
            sheet = mathematics.sheet_of(f"book/{name}")
            text = templates.get_template("deck.html").render(
                book=title,
                part=caption,
                title=slides[0].title,
                sections=making.sections(slides),
                number=len(slides),
                states=states,
                up=up,
                policy=policy(*([WIDGETS] if states else [])),
                mathematics=sheet if (html / sheet).exists() else None,
                sheets=([DESIGN] if DESIGN in page else []) + ["book.css", "slides.css"],
            )
            write_atomically(fresh / f"{name}.html", text)
            listed.append({"name": name, "title": slides[0].title, "slides": len(slides)})
        if listed:
            parts.append((caption, listed))
    text = templates.get_template("decks.html").render(
        book=title, parts=parts, policy=policy(), sheets=["book.css", "slides.css"]
    )
    write_atomically(fresh / "index.html", text)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(fresh, folder)
    return {name: len(slides) for name, (_, slides, _) in read.items()}


def _ids(slides):
    found = {slide.name for slide in slides}
    for element in [each for slide in slides for each in (*slide.blocks, *slide.notes)]:
        found |= {each["id"] for each in [element, *element.find_all(id=True)] if each.get("id")}
    return found


def link(html, names):
    """Let the pages of the chapters lead to their decks."""
    for name in names:
        path = html / "book" / f"{name}.html"
        up = "../" * (name.count("/") + 1)
        item = f'\n      <li class="to-slides"><a href="{up}slides/{name}.html">Slides</a></li>'
        old = path.read_text("utf-8")
        new = LAUNCH.sub(rf"\g<1>{item}\n    </ul>", LINK.sub("", old), count=1)
        if new != old:
            write_atomically(path, new)


def _copy_assets(html, folder):
    static = folder / "_static"
    static.mkdir(parents=True)
    for name in ASSETS:
        shutil.copy2(SITE / "assets" / name, static / name)
    (static / "reveal").mkdir()
    reveal = packages.folder("sphinx_revealjs") / "_static" / "revealjs"
    for name in REVEAL:
        shutil.copy2(reveal / name, static / "reveal")
    for name in (mathematics.FOLDER, *stored.FOLDERS, DESIGN):
        source = html / "_static" / name
        if source.is_dir():
            shutil.copytree(source, static / name)
        elif source.exists():
            shutil.copy2(source, static / name)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT, help="root of the book's repository")
    book = Book(parser.parse_args(argv).root)
    try:
        with lock(book.build / "lock"):
            counts = make(book)
            link(book.build / "html", counts)
    except (BookError, ExtensionError) as error:
        sys.exit(f"error: {error}")
    for name, number in counts.items():
        print(f"  {number:4} slides  {name}")
    print(f"\nThe slides: {book.build / 'html' / 'slides' / 'index.html'}")


if __name__ == "__main__":
    main()
