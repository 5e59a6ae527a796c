"""The weeks of a course, with links to the chapters and exercises that there are.

Each line of ``{course-plan}`` is ``week: page = title``. Where the book has the page, its own title
is shown, with its reading time and its exercises; where it has not yet, the title given.
"""

import re

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from . import chapters, tables

LINE = re.compile(r"\s*(\d+)\s*:\s*(\S+)\s*=\s*(.+?)\s*")
# Such exercises begin a discussion; the others want time.
IN_CLASS = re.compile(r"Predict|.*\b(by hand|on paper)\b")
HEADS = ("Week", "Read before", "In class", "At home")


class course_plan(nodes.General, nodes.Element):
    """Where the table of the weeks goes."""


class _Plan(SphinxDirective):
    has_content = True

    def run(self):
        rows = []
        for line in filter(str.strip, self.content):
            found = LINE.fullmatch(line)
            if not found:
                raise self.error(f"{line!r} is no line such as '1: learning/counting = Counting'")
            rows.append((int(found[1]), f"book/{found[2]}", found[3]))
        return [course_plan(rows=rows)]


def fill(app, doctree, docname):
    env = app.env
    for node in list(doctree.findall(course_plan)):
        there = chapters.order(env)
        planned = {page for _, page, _ in node["rows"]}
        plan = [*node["rows"], *((None, page, "") for page in there if page not in planned)]
        rows, weeks = [], set()
        for week, page, title in plan:
            address = app.builder.get_relative_uri(docname, page) if page in there else None
            name = "" if week in weeks else "more" if week is None else str(week)
            weeks.add(week)
            rows.append(tables.row([tables.text(name), *_chapter(env, page, title, address)]))
        node.replace_self(tables.table("course-plan", HEADS, rows, widths=(8, 32, 26, 34)))


def _chapter(env, page, title, address):
    """The cells of a chapter: its title, exercises for the class, exercises for home."""
    if address is None:
        to_come = nodes.inline("", "to come", classes=["time"])
        return [nodes.paragraph("", f"{title} ", to_come)], [], []
    said = env.dlbook_chapters[page]
    link = nodes.reference("", chapters.title(env, page), internal=True, refuri=address)
    time = nodes.inline("", f"{said['minutes']} min", classes=["time"])
    exercises = {True: [], False: []}
    for number, (label, name) in enumerate(said["exercises"], start=1):
        target = f"{address}#{label}"
        item = nodes.reference("", f"{number}. {name}", internal=True, refuri=target)
        exercises[bool(IN_CLASS.match(name))].append(nodes.paragraph("", "", item))
    first = nodes.paragraph("", "", link, nodes.Text(" "), time)
    return [first], exercises[True], exercises[False]


def setup(app):
    app.add_node(course_plan)
    app.add_directive("course-plan", _Plan)
    app.connect("doctree-resolved", fill)
