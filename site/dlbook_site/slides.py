"""Makes a deck of slides out of a chapter's finished page, so that both show the same.

What an audience looks at goes onto the slides: formulas, figures, code and what it prints, claims,
lists, and of the prose the sentences that hold a term in bold. The prose itself becomes the
speaker's notes. Cell tags overrule: ``slide`` begins a new slide, ``notes`` moves a cell into the
notes and ``skip-slide`` leaves it out.
"""

import copy
import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, NavigableString, Tag

from .pages import VIEW
from .stored import states

#: Heights are in rem of a slide that is 45 rem high; a slide's heading and margins are taken off.
ROOM = 34
LINE = 1.62  # of code
# Where a sentence may end: before a capital, a formula's bracket or an opening quotation mark.
GAP = re.compile(r"\s+(?=[A-ZÄÖÜ“‘(])")
ABBREVIATION = re.compile(r"(?:\b[A-Z]|e\.g|i\.e|cf|vs|Fig|Eq|al)\.$")
NOT_SHOWN = ".headerlink, .to-ledger, .copy"


@dataclass
class Slide:
    """One slide: a heading, what is shown, and what is said.

    `kind` is "title", "section" (headed by an h2), "part" (by an h3 or lower) or "exercise".
    """

    kind: str
    heading: list
    name: str = ""
    above: list | None = None  # heading of the section that a part belongs to
    again: bool = False  # goes on with the slide before
    opens: bool = False  # is the first of its section
    blocks: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    used: float = 0.0

    @property
    def title(self):
        """The heading as plain text, formulas as TeX's letters."""
        text = "".join(_plain(each) for each in self.heading)
        return " ".join(text.split())


def deck(page):
    """The slides of a chapter.

    Parameters
    ----------
    page : str
        The chapter's page, as HTML.

    Returns
    -------
    slides : list of Slide
        With Beautiful Soup's elements in it.
    states : list of str
        Where in the site the states of the chapter's widgets are.
    """
    soup = BeautifulSoup(page, "html.parser")
    for each in soup.select(NOT_SHOWN):
        each.decompose()
    for term in soup.select("a.term"):
        term.unwrap()
    soup.smooth()  # sentences are looked for within one string
    maker = _Maker()
    maker.read(soup.article)
    maker.close()
    for slide in maker.slides:
        for element in (*slide.blocks, *slide.notes):
            for inner in [element, *element.find_all("section")]:
                if inner.name == "section":
                    inner.name = "div"  # to reveal.js every section is a slide
    return maker.slides, states(page)


def sections(slides):
    """The slides of a deck as a list for each section, of which reveal.js makes columns."""
    found = []
    for slide in slides:
        if slide.opens or not found:
            found.append([])
        found[-1].append(slide)
    return found


class _Maker:
    """Goes through a page's elements in their order and deals them out to slides."""

    def __init__(self):
        self.slides = []
        self.waiting = []  # notes for the slide of what comes next
        self.leads = []  # first sentences of the section, should it show nothing else
        self.section = None
        self.names = []

    @property
    def slide(self):
        return self.slides[-1]

    def read(self, parent):
        for element in parent.find_all(recursive=False):
            classes = element.get("class", [])
            if element.name == "section":
                self.names.append(element.get("id", ""))
                self.read(element)
            elif re.fullmatch("h[1-6]", element.name):
                self.head(element)
            elif element.name == "p":
                self.prose(element)
            elif "cell" in classes:
                self.cell(element)
            elif "exercise" in classes:
                self.exercise(element)
            elif element.name in ("details", "aside"):
                self.waiting.append(element)
            elif element.get_text(strip=True) or element.find(["img", "svg", "script"]):
                for part in _split(element):
                    self.show(part)
            else:
                self.waiting.append(element)  # nothing but the end of a link

    def head(self, element):
        kind = {"h1": "title", "h2": "section"}.get(element.name, "part")
        name = self.names.pop() if self.names else ""
        self.begin(Slide(kind, list(element.contents), name, opens=kind != "part"))
        if kind == "section":
            self.section = self.slide
        elif kind == "part" and self.section:
            self.slide.above = self.section.heading

    def begin(self, slide):
        self.close()
        if self.slides and self.slide.kind == "section" and not self.slide.blocks:
            empty = self.slides.pop()  # a heading right above another: not worth a slide
            target = BeautifulSoup("<span></span>", "html.parser").span
            target["id"] = empty.name
            slide.notes += [target, *empty.notes]
            slide.opens = True
        self.slides.append(slide)

    def close(self):
        """End a slide: what was said last belongs to it, and it must not stay empty."""
        if not self.slides:
            return
        if not any(slide.blocks for slide in self.group()):
            for lead in self.leads[: 1 if self.slide.kind == "title" else 5]:
                self.slide.blocks.append(_paragraph(lead))
        self.slide.notes += self.waiting
        self.waiting, self.leads = [], []

    def group(self):
        """The slides since the last heading."""
        first = max(i for i, slide in enumerate(self.slides) if not slide.again)
        return self.slides[first:]

    def go_on(self):
        """Another slide under the same heading."""
        old = self.slide
        self.slides.append(Slide(old.kind, old.heading, "", old.above, again=True))

    def prose(self, element):
        parts = sentences(element)
        self.leads += parts[:1]
        self.waiting.append(element)
        if self.slide.kind == "title":
            shown = [part for part in parts if _text(part).rstrip().endswith("?")][:2]
        else:
            shown = [part for part in parts if any(_is_bold(each) for each in part)]
        for part in shown:
            self.show(_paragraph(part))

    def cell(self, element):
        tags = {name[4:] for name in element["class"] if name.startswith("tag_")}
        if "skip-slide" in tags or (self.slide.kind == "title" and "slide" not in tags):
            return
        if "notes" in tags:
            self.waiting.append(element)
            return
        if "slide" in tags and self.slide.blocks:
            self.go_on()
        widget = element.find("script", type=VIEW)
        source = element.find(class_="cell_input")
        if source is not None and element.select_one("details.above-input, details.hide"):
            source = None  # folded on the page too
        elif source is not None and widget:
            self.waiting.append(source)
            source = None
        if source is not None:
            self.show(source)
        if self.slide.kind != "exercise":
            for output in element.find_all(class_="cell_output"):
                for part in output.find_all(recursive=False):
                    self.show(part, output["class"])

    def exercise(self, element):
        title = element.find(class_="admonition-title")
        self.begin(Slide("exercise", list(title.contents), element.get("id", "")))
        title.extract()
        body = element.find("section") or element
        for part in body.find_all(recursive=False):
            for piece in _split(part):
                self.show(piece)

    def show(self, element, wrapper=None):
        """Put an element onto the slide, or onto another where it has no room."""
        need = height(element)
        if self.slide.used + need > ROOM and self.slide.blocks:
            *others, last = self.slide.blocks
            self.go_on()
            if others and last.name == "p" and last.get_text().rstrip().endswith(":"):
                self.slides[-2].blocks.pop()  # what it announces is here
                self.slide.blocks.append(last)
                self.slide.used += height(last)
        self.slide.used += need
        if wrapper:
            box = BeautifulSoup("<div></div>", "html.parser").div
            box["class"] = wrapper
            box.append(element)
            element = box
        self.slide.blocks.append(element)
        self.slide.notes += self.waiting
        self.waiting = []


def sentences(paragraph):
    """A paragraph's sentences, each as a list of copies of its elements."""
    found = [[]]
    for child in paragraph.children:
        if not isinstance(child, NavigableString):
            found[-1].append(_bare(child))
            continue
        text, start = str(child), 0
        for gap in GAP.finditer(text):
            before = _text(found[-1]) + text[start : gap.start()]
            if re.search(r"[.!?][)”’]?$", before) and not ABBREVIATION.search(before):
                found[-1].append(NavigableString(text[start : gap.start()]))
                found.append([])
                start = gap.end()
        found[-1].append(NavigableString(text[start:]))
    return [part for part in found if _text(part).strip()]


def height(element):
    """About how high an element will be on a slide, in rem."""
    classes = element.get("class", [])
    if element.name == "script" or element.find("script"):
        return ROOM
    if "math" in classes:
        tables = element.find_all("mjx-table")
        rows = max((len(each.find_all("mjx-mtr")) for each in tables), default=1)
        tall = 1.6 if element.find(["mjx-frac", "mjx-munder", "mjx-munderover"]) else 0
        return 2.6 + (2.3 + tall) * max(rows, 1)
    figure = element if element.name == "svg" else element.find("svg")
    if figure is not None and figure.get("height"):
        caption = element.find("figcaption")
        words = caption.get_text(" ", strip=True) if caption else ""
        points = float(re.match(r"[\d.]+", figure["height"])[0])
        return min(points / 10, 24) + len(words) / 75
    if element.find("img"):
        return 24
    if element.name == "pre" or element.find("pre"):
        pres = [element] if element.name == "pre" else element.find_all("pre")
        return 1.6 + LINE * sum(pre.get_text().strip("\n").count("\n") + 1 for pre in pres)
    if element.find("tr"):
        return 2.4 * len(element.find_all("tr")) + 1
    if element.name in ("ul", "ol"):
        return sum(height(item) for item in element.find_all("li", recursive=False))
    return 2.3 * (1 + len(_plain(element)) // 80) + 0.7


def _split(element):
    """An element, or several instead of a list too long for a slide."""
    if element.name not in ("ul", "ol") or height(element) <= ROOM:
        return [element]
    parts, items = [], element.find_all("li", recursive=False)
    for number, item in enumerate(items, start=int(element.get("start", 1))):
        if not parts or height(parts[-1]) + height(item) > ROOM:
            fresh = copy.copy(element)
            fresh.clear()
            if element.name == "ol":
                fresh["start"] = str(number)
            if parts:
                del fresh["id"]
            parts.append(fresh)
        parts[-1].append(item.extract())
    return parts


def _is_bold(element):
    if not isinstance(element, Tag):
        return False
    return element.name == "strong" or element.find("strong") is not None


def _bare(element):
    """A copy without identifiers, which stay with the original."""
    fresh = copy.copy(element)
    for each in [fresh, *fresh.find_all(id=True)]:
        del each["id"]
    return fresh


def _paragraph(parts):
    fresh = BeautifulSoup('<p class="lead"></p>', "html.parser").p
    for part in parts:
        fresh.append(copy.copy(part))
    return fresh


def _plain(element):
    """Text as one reads it: of a formula, its MathML alone."""
    if isinstance(element, NavigableString):
        return str(element)
    if element.name in ("mjx-math", "script", "style"):
        return ""
    return "".join(_plain(child) for child in element.children)


def _text(parts):
    return "".join(_plain(part) for part in parts)


def relink(elements, here, decks, site):
    """Let links lead within the decks, or to the site's pages, or nowhere; images to their files.

    Parameters
    ----------
    elements : iterable of bs4.Tag
    here : str
        The chapter's name, such as ``learning/linear-regression``.
    decks : dict of set
        For the name of each deck the identifiers that it has.
    site : str
        Address of the site, which may be relative, or the empty string.
    """
    for element in elements:
        for image in element.find_all("img", src=True):
            image["src"] = image["src"].removeprefix("../")  # decks have no folder "book"
        for link in element.find_all("a", href=True):
            parts = urlsplit(link["href"])
            if parts.scheme or parts.netloc:
                link["rel"] = "noopener"
                continue
            name = _resolve(here, unquote(parts.path))
            anchor = unquote(parts.fragment)
            if name in decks and (not anchor or anchor in decks[name]):
                continue
            if site:
                link["href"] = f"{site.rstrip('/')}/book/{name}.html" + f"#{anchor}" * bool(anchor)
            elif name in decks:
                link["href"] = link["href"].partition("#")[0] or "#/1"
            else:
                link.name = "span"
                del link["href"]


def _resolve(here, path):
    if not path:
        return here
    steps = here.split("/")[:-1]
    for step in path.removesuffix(".html").split("/"):
        if step == "..":
            steps = steps[:-1]
        elif step != ".":
            steps.append(step)
    return "/".join(steps)
