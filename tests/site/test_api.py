"""What becomes of docstrings on the page of the helper package."""

from typing import NamedTuple

from dlbook_site import api
from docutils.core import publish_doctree

from dlbook.widgets.stepper import Stepper

NUMBERED = """\
Read digits [1]_ and letters [2]_.

References
----------
.. [1] A. One, "Digits",
   1998.
.. [2] B. Two.
"""


def test_numbered_references_become_a_list():
    """Two docstrings on a page would otherwise both define the target 1."""
    lines = NUMBERED.splitlines()
    api.plain_references(None, "function", "f", None, None, lines)
    assert lines[:4] == ["Read digits and letters.", "", "References", "----------"]
    entries = publish_doctree("\n".join(lines[4:])).children[0].children
    assert [entry.astext() for entry in entries] == ['A. One, "Digits", 1998.', "B. Two."]


def test_fields_of_named_tuples_are_left_to_their_class():
    class Pair(NamedTuple):
        first: int

        def total(self):
            return self.first

    assert api.skip_fields(None, "class", "first", Pair.first, False, None) is True
    assert api.skip_fields(None, "class", "total", Pair.total, False, None) is None


def test_widgets_show_their_arguments():
    shown, _ = api.signature_of_widgets(
        None, "class", "Stepper", Stepper, None, "(*args, **kwargs)", None
    )
    assert shown.startswith("(frames, captions")
    assert api.signature_of_widgets(None, "class", "Other", int, None, "(x)", None) is None
