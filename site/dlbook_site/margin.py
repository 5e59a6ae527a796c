"""Notes in the margin: ``{margin}``.

In a wide window a note stands beside the end of the paragraph before it; in a narrow one and on
paper it is an indented aside below that paragraph, on slides it goes into the speaker's notes.
"""

from docutils import nodes
from sphinx.util.docutils import SphinxDirective


class margin_note(nodes.General, nodes.Element):
    """What stands in the margin."""


class Margin(SphinxDirective):
    has_content = True

    def run(self):
        self.assert_has_content()
        return [margin_note("", *self.parse_content_to_nodes())]


def visit(translator, node):
    translator.body.append(translator.starttag(node, "aside", CLASS="margin", role="note"))


def depart(translator, node):
    translator.body.append("</aside>\n")


def setup(app):
    app.add_node(margin_note, html=(visit, depart))
    app.add_directive("margin", Margin, override=True)  # of the theme, which needs its style sheet
