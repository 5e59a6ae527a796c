"""Builds tables."""

from docutils import nodes


def table(style, heads, rows, widths=None):
    """A table with a row of heads.

    Parameters
    ----------
    style : str
        Class of the table.
    heads : sequence of str
    rows : iterable of docutils.nodes.row
        As `row` makes them.
    widths : sequence of int, optional
        Of the columns, in per cent; equal if left out.
    """
    group = nodes.tgroup(cols=len(heads))
    group += [nodes.colspec(colwidth=width) for width in widths or [1] * len(heads)]
    group += nodes.thead("", row(map(text, heads)))
    group += nodes.tbody("", *rows)
    return nodes.table("", group, classes=[style])


def row(cells, **attributes):
    """A row of cells, each a list of nodes."""
    return nodes.row("", *(nodes.entry("", *cell) for cell in cells), **attributes)


def text(value):
    """A cell with words and nothing else."""
    return [nodes.paragraph("", value)]
