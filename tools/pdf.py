"""Print the whole built site as one PDF, ``_build/from-counting-to-attention.pdf``.

Nothing is executed: run ``make pdf``, or ``tools/build.py`` first. Chromium does the printing,
twice: the page numbers in the contents are read off the first print.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from booklib import ROOT, Book, BookError, lock, write_atomically
from weigh import FLAGS, find_chromium

sys.path.insert(0, str(ROOT / "site"))

from dlbook_site import mathematics, printed, stored

NAME = "from-counting-to-attention.pdf"
NO_BROWSER = (
    "the PDF is printed by Chromium, and none was found. To have it: `apt-get install chromium`, "
    "`brew install --cask chromium`, or CHROMIUM=/path/to/chromium."
)
MINUTES = 8
OBJECT = re.compile(rb"(?:^|\n)(\d+) 0 obj\b(.*?)\bendobj", re.DOTALL)


def assemble(book, numbers=None):
    """The whole book as one HTML page, for ``_build/pdf/book.html``."""
    html, folder = book.build / "html", book.build / "pdf"
    site = book.config.get("html", {}).get("baseurl") or ""
    names = set(book.pages)
    pages, formulas = {}, []
    for name in book.pages:
        path = html / "book" / f"{name}.html"
        if not path.exists():
            raise BookError(f"{path} is not there: run `make book` first")
        text = path.read_text("utf-8")
        figures = f"_static/{stored.FIGURES}/"
        text = re.sub(rf'"[./]*{figures}', f'"../html/{figures}', text)
        pages[name] = printed.prepare(name, text, names, site)
        key = pages[name].key
        rules = html / mathematics.sheet_of(f"book/{name}")
        if rules.exists():
            text = printed.sheet(rules.read_text("utf-8"), key)
            text = text.replace('url("fonts', 'url("../html/_static/mathematics/fonts')
            write_atomically(folder / f"{key}.css", text)
            formulas.append(f"{key}.css")
    for sheet in ("book.css", "print.css"):
        write_atomically(folder / sheet, (ROOT / "site/assets" / sheet).read_text("utf-8"))
    states = [state for page in pages.values() for state in page.states]
    design = "../html/_static/sphinx-design.min.css"
    return printed.assemble(
        book.config.get("title", ""),
        book.config.get("author", ""),
        str(book.config.get("copyright", "")),
        book.parts,
        pages,
        [design, "book.css", *formulas, "print.css"],
        [f"../html/{each}" for each in [*states, "_static/widgets.js"]],
        numbers,
    )


def print_page(page, target, chromium):
    """Print an HTML file; BookError where Chromium leaves no PDF."""
    with tempfile.TemporaryDirectory() as profile:
        command = [chromium, "--headless", *FLAGS, f"--user-data-dir={profile}"]
        command += ["--no-pdf-header-footer", "--generate-pdf-document-outline"]
        command += ["--virtual-time-budget=120000", f"--print-to-pdf={target}", page.as_uri()]
        target.unlink(missing_ok=True)
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=60 * MINUTES)
        except subprocess.TimeoutExpired:
            raise BookError(f"Chromium did not print the book in {MINUTES} minutes") from None
    if not target.exists() or not target.read_bytes().startswith(b"%PDF"):
        last = (answer.stderr.strip().splitlines() or ["no message"])[-1]
        raise BookError(f"Chromium made no PDF ({last})")
    return target


class Pdf:
    """What of a PDF by Chromium the book needs to know: pages, targets, links, bookmarks."""

    def __init__(self, data):
        self.objects = {int(number): body for number, body in OBJECT.findall(data)}
        self.pages = self._pages()

    def _pages(self):
        """Object numbers of the pages, in order."""
        found = []

        def walk(number):
            body = self.objects[number]
            if re.search(rb"/Type\s*/Pages\b", body):
                kids = re.search(rb"/Kids\s*\[(.*?)\]", body, re.DOTALL)[1]
                for kid in re.findall(rb"(\d+) 0 R", kids):
                    walk(int(kid))
            else:
                found.append(number)

        catalog = next(b for b in self.objects.values() if re.search(rb"/Type\s*/Catalog\b", b))
        walk(int(re.search(rb"/Pages (\d+) 0 R", catalog)[1]))
        return found

    @property
    def targets(self):
        """Page number, from 1, of each named target."""
        place = {number: i for i, number in enumerate(self.pages, start=1)}
        found = {}
        pattern = rb"/([^\s/\[\]<>()]+)\s*\[\s*(\d+) 0 R\s*/XYZ"
        for body in self.objects.values():
            for name, page in re.findall(pattern, body):
                if int(page) in place:
                    found[_name(name)] = place[int(page)]
        return found

    @property
    def links(self):
        """Names that links within the book lead to, and the addresses of those out of it."""
        inside, outside = set(), set()
        for body in self.objects.values():
            if re.search(rb"/Subtype\s*/Link\b", body):
                inside |= {_name(each) for each in re.findall(rb"/Dest\s*/([^\s/\[\]<>()]+)", body)}
                outside |= {each.decode() for each in re.findall(rb"/URI\s*\((.*?)\)", body)}
        return inside, outside

    @property
    def bookmarks(self):
        """How many entries the outline has."""
        return sum(b"/Title" in body and b"/Parent" in body for body in self.objects.values())


def _name(written):
    """A name of the PDF, in which ``#20`` stands for a space."""
    plain = re.sub(rb"#([0-9A-Fa-f]{2})", lambda code: bytes.fromhex(code[1].decode()), written)
    return plain.decode("utf-8", "replace")


def make(book, chromium):
    """Print the book; the file and what is in it."""
    folder = book.build / "pdf"
    page = folder / "book.html"
    draft = folder / "draft.pdf"
    write_atomically(page, assemble(book))
    numbers = Pdf(print_page(page, draft, chromium).read_bytes()).targets
    write_atomically(page, assemble(book, numbers))
    print_page(page, draft, chromium)
    made = Pdf(draft.read_bytes())
    moved = {name for name, at in made.targets.items() if numbers.get(name) != at}
    if moved:
        raise BookError(f"page numbers moved between the prints: {', '.join(sorted(moved)[:3])}")
    target = book.build / NAME
    os.replace(draft, target)
    return target, made


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT, help="root of the book's repository")
    book = Book(parser.parse_args(argv).root)
    chromium = find_chromium()
    if chromium is None:
        sys.exit(f"error: {NO_BROWSER}")
    try:
        with lock(book.build / "lock"):
            target, made = make(book, chromium)
    except BookError as error:
        sys.exit(f"error: {error}")
    size = target.stat().st_size / 1e6
    print(f"{len(made.pages)} pages, {made.bookmarks} bookmarks, {size:.1f} MB: {target}")


if __name__ == "__main__":
    main()
