"""Docstrings of the helper package, made fit to stand together on one page."""

import re

from sphinx.util import inspect


def setup(app):
    app.setup_extension("sphinx.ext.autodoc")  # its events must be known
    app.connect("autodoc-process-docstring", plain_references, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", signature_of_widgets)
    app.connect("autodoc-skip-member", skip_fields)


def plain_references(app, what, name, obj, options, lines):
    """Turn numpydoc's numbered references into a list: each docstring has its own number 1."""
    text = "\n".join(lines)
    text = re.sub(r"\s\[\d+\]_", "", text)
    text = re.sub(r"(?m)^\.\. \[\d+\] (.*(?:\n {3}\S.*)*)", _item, text)
    lines[:] = text.split("\n")


def _item(match):
    text = " ".join(line.strip() for line in match[1].split("\n"))
    return "- " + re.sub(r"^(\w+)\.", r"\1\\.", text)  # else an initial would number a list


def skip_fields(app, what, name, obj, skip, options):
    """Leave out the fields of named tuples: their class describes them."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def signature_of_widgets(app, what, name, obj, options, signature, returns):
    """Show the arguments of a widget, which traitlets hides behind ``(*args, **kwargs)``."""
    if what == "class" and signature == "(*args, **kwargs)":
        own = inspect.signature(obj.__init__, bound_method=True)
        return inspect.stringify_signature(own), returns
    return None
