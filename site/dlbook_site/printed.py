"""Makes one page of the whole built site, for a printer: the book from cover to bibliography.

Links between pages become links within it, identifiers get the name of their page in front, and
what only works on a screen is taken out or said in words.
"""

import html
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

from .pages import VIEW
from .stored import states

DROPPED = ".headerlink, .copy, details.hide, .launch, nav, script[src]"
REFERRING = ("for", "headers", "aria-labelledby", "aria-describedby", "aria-controls")
IN_FILE = re.compile(r"url\(#([^)]+)\)")
STYLE_NUMBER = re.compile(r'\[data-m="(\d+)"\]')
STILL = (
    "This figure is live in the book, where it answers to mouse and keyboard. "
    "Here it stands as it begins."
)


@dataclass
class Printed:
    """A page of the site, ready to be put between others."""

    name: str
    key: str
    title: str
    article: BeautifulSoup
    states: list  # where in the site the states of its widgets are
    sections: list  # of the second level: pairs of identifier and heading as HTML


def key_of(name):
    """What stands in front of the identifiers of a page, and is the page's own."""
    return name.replace("/", "-")


def prepare(name, text, names, site=""):
    """Read one of the site's pages.

    Parameters
    ----------
    name : str
        Such as ``learning/linear-regression``.
    text : str
        The page as HTML.
    names : set of str
        All pages that will be in the book.
    site : str
        Address of the published site, for links to what is not in the book; without it they
        become plain text.

    Returns
    -------
    Printed
    """
    soup = BeautifulSoup(text, "html.parser")
    article, key = soup.article, key_of(name)
    for each in article.select(DROPPED):
        each.decompose()
    for term in article.select("a.term"):
        term.unwrap()
    heading = article.find("h1")
    title = _words(heading)
    _gather_solutions(soup, article)
    for details in article.find_all("details"):
        details["open"] = ""
    for image in article.find_all("img", loading="lazy"):
        del image["loading"]  # on paper nothing comes near by scrolling
    for view in article.find_all("script", type=VIEW):
        note = soup.new_tag("p", attrs={"class": "still"})
        note.string = STILL
        view.insert_before(note)
    _name_apart(article, name, key, names, site)
    sections = [
        (part["id"], part.find("h2").decode_contents())
        for part in article.select("section > section[id]")
        if part.find("h2", recursive=False)
    ]
    for level in (5, 4, 3, 2, 1):  # below the headings of the parts
        for each in article.find_all(f"h{level}"):
            each.name = f"h{level + 1}"
            each["class"] = [*each.get("class", []), f"was-h{level}"]
    article.name, article.attrs = "div", {"class": "chapter", "id": key}
    return Printed(name, key, title, article, states(text), sections)


def _gather_solutions(soup, article):
    """Move the solutions to the end of the chapter, each still with the title of its exercise."""
    solutions = article.select("details.solution")
    if not solutions:
        return
    gathered = soup.new_tag("section", attrs={"class": "solutions", "id": "all-solutions"})
    head = soup.new_tag("h2")
    head.string = "Solutions"
    gathered.append(head)
    for solution in solutions:
        gathered.append(solution.extract())
    (article.find("section") or article).append(gathered)


def _name_apart(article, name, key, names, site):
    for each in article.find_all(True):
        attributes = each.attrs
        if "id" in attributes:
            attributes["id"] = f"{key}--{attributes['id']}"
        if "data-m" in attributes:
            attributes["data-m"] = f"{key}-{attributes['data-m']}"
        for kind in REFERRING:
            if kind in attributes:
                values = attributes[kind]
                values = values if isinstance(values, list) else values.split()
                attributes[kind] = " ".join(f"{key}--{value}" for value in values)
        for kind, value in list(attributes.items()):
            if isinstance(value, str) and "url(#" in value:
                attributes[kind] = IN_FILE.sub(rf"url(#{key}--\1)", value)
            if kind in ("href", "xlink:href") and each.name != "image":
                new = _address(value, name, names, site)
                if new is not None:
                    attributes[kind] = new
                else:
                    each.name = "span"
                    del attributes[kind]


def _address(link, here, names, site):
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return link
    name = here
    if parts.path:
        steps = here.split("/")[:-1]
        for step in unquote(parts.path).removesuffix(".html").split("/"):
            steps = steps[:-1] if step == ".." else [*steps, step]
        name = "/".join(steps)
    anchor = f"#{parts.fragment}" if parts.fragment else ""
    if name in names:
        return f"#{key_of(name)}" + (f"--{parts.fragment}" if anchor else "")
    return f"{site.rstrip('/')}/book/{parts.path}{anchor}" if site else None


def _words(element):
    """Text of an element, of a formula its MathML alone."""
    copy = BeautifulSoup(str(element), "html.parser")
    for each in copy.find_all("mjx-math"):
        each.decompose()
    return " ".join(copy.get_text().split())


def sheet(text, key):
    """The style sheet of a page's formulas, as it applies to this page alone."""
    return STYLE_NUMBER.sub(rf'[data-m="{key}-\1"]', text)


def assemble(title, author, year, parts, pages, sheets, scripts, numbers=None):
    """All pages as one.

    Parameters
    ----------
    title, author, year : str
    parts : list of (str, list of str)
        Captions and the names of their pages.
    pages : dict of Printed
        By name; the first is the cover.
    sheets : list of str
        Addresses of the style sheets.
    scripts : list of str
        Addresses of the scripts.
    numbers : dict of int, optional
        Page numbers of identifiers, for the contents, once they are known.

    Returns
    -------
    str
    """
    numbers = numbers or {}

    def entry(target, text, style):
        number = numbers.get(target, "")
        return (
            f'<li class="{style}"><a href="#{html.escape(target)}"><span>{text}</span>'
            f'<span class="folio">{number}</span></a></li>'
        )

    contents, body = [], []
    for place, (caption, names) in enumerate(parts, start=1):
        present = [pages[name] for name in names if name in pages]
        part = f"part-{place}"
        if caption and present:
            contents.append(entry(part, html.escape(caption), "of-part"))
            body.append(f'<h1 class="part" id="{part}">{html.escape(caption)}</h1>')
        for page in present:
            contents.append(entry(page.key, html.escape(page.title), "of-chapter"))
            contents += [entry(ident, text, "of-section") for ident, text in page.sections]
            body.append(str(page.article))
    cover = next(iter(pages.values()))
    picture = cover.article.select_one("figure.cover")
    picture = str(picture.extract()) if picture else ""
    if head := cover.article.select_one(".was-h1"):
        head.string = "About this book"
    running = "\n".join(
        f"#{page.key} {{ page: {page.key} }}\n"
        f"@page {page.key} {{ @top-left {{ content: {_css_string(page.title)} }} }}"
        for page in pages.values()
    )
    links = "\n".join(f'<link rel="stylesheet" href="{each}">' for each in sheets)
    runs = "\n".join(f'<script defer src="{each}"></script>' for each in scripts)
    return f"""<!DOCTYPE html>
<html lang="en" data-theme="light" data-eager>
<head>
<meta charset="utf-8">
<title>{html.escape(title)}</title>
<meta name="author" content="{html.escape(author)}">
{links}
<style>
{running}
</style>
{runs}
</head>
<body>
<header class="front">
<h1>{html.escape(title)}</h1>
{picture}
<p>{html.escape(author)}</p>
<p>{html.escape(year)}</p>
<p class="licence">Text and figures: CC BY 4.0. Code: BSD 3-Clause.</p>
</header>
<nav class="contents"><h1>Contents</h1>
<ul>
{entry(cover.key, "About this book", "of-chapter")}
{chr(10).join(contents)}
</ul>
</nav>
<main>
{cover.article}
{chr(10).join(body)}
</main>
</body>
</html>
"""


def _css_string(text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'
