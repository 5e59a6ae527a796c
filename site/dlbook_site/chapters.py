"""What a chapter says of itself in its opening, and what follows from it for the whole book.

Each chapter has a line "**You need** … **Takes** about 75 minutes to read, and some 20 seconds to
run." and, before it, a sentence "By the end you can …". From the links in that line comes the graph
of the chapters: what each one needs, what it leads to. ``{start-here}`` and ``{chapter-map}`` draw
the cover's contents from it, so that no page lists chapters by hand.
"""

import html
import re

from docutils import nodes
from sphinx import addnodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from . import chart

LINE = (
    '"**You need** …. **Takes** about 75 minutes to read, and some 20 seconds to run." '
    "(or: under a minute to run)"
)
NEEDS = "You need"
TAKES = re.compile(
    r"Takes about (\d+) minutes to read, and "
    r"(?:(?:some|about) (?:(\d+) seconds|a minute)|under a minute) to run\b"
)
PROMISE = "By the end you can "

logger = logging.getLogger(__name__)


class start_here(nodes.General, nodes.Element):
    """Where the link to the first chapter goes."""


class chapter_map(nodes.General, nodes.Element):
    """Where the map and the list of the parts go."""


class _Start(SphinxDirective):
    def run(self):
        return [start_here()]


class _Map(SphinxDirective):
    """Each line of its content is ``Name of a part: a sentence about it``."""

    has_content = True

    def run(self):
        said = {}
        for line in filter(str.strip, self.content):
            name, colon, sentence = line.partition(":")
            if not colon or not sentence.strip():
                raise self.error(f"{line!r} is no line such as 'Images: weights shared in space.'")
            said[name.strip()] = sentence.strip()
        return [chapter_map(said=said)]


# --- Reading -----------------------------------------------------------------------------------
def is_chapter(env, docname):
    """Whether the page is a notebook."""
    return "kernelspec" in env.metadata.get(docname, {})


def read(app, doctree):
    """Note what the chapter being read says of itself; None if it cannot be made out."""
    env = app.env
    _store(env).pop(env.docname, None)
    if is_chapter(env, env.docname):
        _store(env)[env.docname] = facts(doctree)
    kinds = list(doctree.findall(lambda node: type(node).__name__ in PLACES))
    pages = env.__dict__.setdefault("dlbook_chapter_pages", set())
    (pages.add if kinds else pages.discard)(env.docname)


def facts(doctree):
    """What a chapter says of itself, or None.

    Keys: minutes, seconds, needs (pages that are linked), promise (nodes), exercises (label and
    title of each).
    """
    for paragraph in doctree.findall(nodes.paragraph):
        first = next((child for child in paragraph.children if child.astext()), None)
        if not isinstance(first, nodes.strong) or first.astext() != NEEDS:
            continue
        found = TAKES.search(" ".join(paragraph.astext().split()))
        if not found:
            return None
        needs = [
            link["reftarget"]
            for link in paragraph.findall(addnodes.pending_xref)
            if link.get("refdomain") == "doc" or link.get("reftype") == "doc"
        ]
        return {
            "minutes": int(found[1]),
            "seconds": int(found[2] or 60),
            "needs": list(dict.fromkeys(needs)),
            "promise": _promise(doctree),
            "exercises": _exercises(doctree),
        }
    return None


def _promise(doctree):
    """The nodes after "By the end you can", to the end of that sentence."""
    for paragraph in doctree.findall(nodes.paragraph):
        if PROMISE not in " ".join(paragraph.astext().split()):
            continue
        found, begun = [], False
        for child in paragraph.children:
            text = child.astext()
            if isinstance(child, nodes.Text):
                if not begun:
                    begun, text = PROMISE in text, text.partition(PROMISE)[2]
                if not begun:
                    continue
                sentence, stop, _ = text.partition(". ")
                found.append(nodes.Text(sentence.rstrip(".")))
                if stop or text.endswith("."):
                    return found
            elif begun:
                if not text:  # the words of such a link come too late for the cover
                    _warn("a link in the sentence 'By the end you can …' has no text", child)
                kept = isinstance(child, nodes.math | nodes.literal | nodes.emphasis)
                found.append(child.deepcopy() if kept else nodes.Text(text))
        return found
    return []


def _exercises(doctree):
    """Label and title of each numbered exercise."""
    found = []
    for node in doctree.findall(lambda node: type(node).__name__ == "exercise_enumerable_node"):
        names = [each for each in node[0].children if type(each).__name__ == "exercise_subtitle"]
        name = "".join(each.astext() for each in names).strip("() ")
        found.append((node["label"], name or "Exercise"))
    return found


def _store(env):
    return env.__dict__.setdefault("dlbook_chapters", {})


def purge(app, env, docname):
    _store(env).pop(docname, None)
    env.__dict__.setdefault("dlbook_chapter_pages", set()).discard(docname)


def merge(app, env, docnames, other):
    _store(env).update({name: _store(other)[name] for name in docnames if name in _store(other)})
    theirs = getattr(other, "dlbook_chapter_pages", set())
    env.__dict__.setdefault("dlbook_chapter_pages", set()).update(theirs & set(docnames))


# --- The book as a whole -----------------------------------------------------------------------
def parts(env):
    """The parts of the book that have chapters: name to pages, in the order of the contents."""
    found = {}
    for tree in env.get_doctree(env.config.root_doc).findall(addnodes.toctree):
        pages, waiting = [], [page for _, page in tree["entries"]]
        while waiting:
            page = waiting.pop(0)
            if page not in pages:
                pages.append(page)
                waiting = env.toctree_includes.get(page, []) + waiting
        if chapters := [page for page in pages if _store(env).get(page)]:
            found.setdefault(tree.get("rawcaption") or tree.get("caption") or "", []).extend(
                chapters
            )
    return found


def order(env):
    """All chapters in the order of the contents."""
    return [page for pages in parts(env).values() for page in pages]


def needs(env, docname):
    """The chapters that a chapter links in its "You need", in the order of the contents."""
    told, pages = _store(env)[docname]["needs"], order(env)
    before = pages[: pages.index(docname)] if docname in pages else []
    return [page for page in before if page in told]


def leads_to(env, docname):
    """The chapters that need this one, in the order of the contents."""
    return [page for page in order(env) if docname in needs(env, page)]


def minutes(env, docname):
    return _store(env)[docname]["minutes"]


def _time(env, docname):
    return f"{minutes(env, docname)} min"


def title(env, docname):
    return env.titles[docname].astext()


def duration(count):
    """Minutes as people say them: ``45 min``, ``3 h 40 min``."""
    hours, rest = divmod(count, 60)
    return " ".join([f"{hours} h"] * bool(hours) + [f"{rest} min"] * bool(rest or not hours))


def check(app, env):
    """Warn of chapters that do not say what they need; ask for pages that show others' facts."""
    for docname, said in sorted(_store(env).items()):
        if said is None:
            _warn(f"a chapter has to have a line {LINE}, and this one has none", docname)
    places = {page: place for place, page in enumerate(order(env))}
    for docname, place in places.items():
        for needed in _store(env)[docname]["needs"]:
            if places.get(needed, -1) > place:
                _warn(f"this chapter needs {needed!r}, which comes after it", docname)
    told = [
        (name, title(env, name), said and {**said, "promise": str(said["promise"])})
        for name, said in sorted(_store(env).items())
    ]
    state = repr((parts(env), told))
    if state == getattr(env, "dlbook_chapters_state", None):
        return []
    env.dlbook_chapters_state = state
    return sorted({*_store(env), *getattr(env, "dlbook_chapter_pages", ())})


def _warn(message, where):
    logger.warning(message, location=where, type="dlbook", subtype="chapters")


# --- Writing -----------------------------------------------------------------------------------
def fill(app, doctree, docname):
    """Write the start, the map and the parts where they belong."""
    env = app.env

    def address(page):
        return app.builder.get_relative_uri(docname, page)

    for node in list(doctree.findall(start_here)):
        node.replace_self(_start(env, address))
    for node in list(doctree.findall(chapter_map)):
        shown = parts(env)
        drawing = _raw(_drawing(env, shown, address)) if shown else None
        made = [drawing] if drawing else []
        node.replace_self([*made, *_parts(env, shown, node["said"], address)])


def _start(env, address):
    pages = order(env)
    if not pages:
        return []
    paragraph = nodes.paragraph(classes=["start-here"])
    paragraph += _link(f"Start here: {title(env, pages[0])}", address(pages[0]))
    paragraph += nodes.inline("", f" {_time(env, pages[0])} to read", classes=["time"])
    return paragraph


def _drawing(env, shown, address):
    bands = [
        (name, duration(sum(minutes(env, page) for page in pages)), pages)
        for name, pages in shown.items()
    ]
    boxes = {}
    for page in order(env):
        wanted = [title(env, each) for each in needs(env, page)]
        time = _time(env, page)
        label = f"{title(env, page)}, {time}"
        label += f"; needs {_listing(wanted)}" if wanted else ""
        boxes[page] = chart.Box(title(env, page), time, address(page), label, needs(env, page))
    return chart.draw(bands, boxes, "Map of the chapters")


def _listing(names):
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _parts(env, shown, said, address):
    """The list of the parts: those that have chapters, then those that are only announced."""
    made = []
    names = [*shown, *(name for name in said if name not in shown)]
    for number, name in enumerate(sorted(names, key=_place(said, names)), start=1):
        pages = shown.get(name, [])
        part = nodes.container(classes=["part"])
        time = duration(sum(minutes(env, page) for page in pages)) if pages else "to come"
        part += _raw(
            f'<h3>{number}. {html.escape(name)} <span class="time">{html.escape(time)}</span></h3>'
        )
        if sentence := said.get(name):
            part += nodes.paragraph("", sentence)
        if pages:
            listed = nodes.bullet_list(classes=["chapter-list"])
            for page in pages:
                line = nodes.paragraph(
                    "", "", _link(title(env, page), address(page)), nodes.Text(" ")
                )
                line += nodes.inline("", _time(env, page), classes=["time"])
                listed += nodes.list_item("", line)
            part += listed
        if promised := [page for page in pages if _store(env)[page]["promise"]]:
            part += _raw('<details class="promises"><summary>By the end you can …</summary>')
            listed = nodes.bullet_list()
            for page in promised:
                copies = [node.deepcopy() for node in _store(env)[page]["promise"]]
                listed += nodes.list_item("", nodes.paragraph("", "", *copies, nodes.Text(".")))
            part += [listed, _raw("</details>")]
        made.append(part)
    return made


def _place(said, names):
    """Parts stand in the order of the sentences about them; others after the part before them."""
    places, last = {}, -1
    for name in names:
        last = places[name] = list(said).index(name) if name in said else last
    return lambda name: places[name]


def _raw(text):
    return nodes.raw("", text, format="html")


def _link(text, target):
    return nodes.reference("", text, internal=True, refuri=target)


def add_leads(app, pagename, templatename, context, doctree):
    """Tell the template where a chapter leads."""
    env = app.env
    pages = leads_to(env, pagename) if _store(env).get(pagename) else []
    context["leads_to"] = [
        {
            "title": title(env, page),
            "link": app.builder.get_relative_uri(pagename, page),
            "time": _time(env, page),
        }
        for page in pages
    ]


PLACES = ("start_here", "chapter_map", "course_plan")


def setup(app):
    app.add_node(start_here)
    app.add_node(chapter_map)
    app.add_directive("start-here", _Start)
    app.add_directive("chapter-map", _Map)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("doctree-read", read, priority=700)  # after the toctrees and the metadata
    app.connect("env-updated", check)
    app.connect("doctree-resolved", fill)
    app.connect("html-page-context", add_leads)
