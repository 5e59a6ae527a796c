"""What becomes of the solutions: ``SOLUTIONS=hidden`` (folded, as always), ``shown`` or ``absent``.

Absent solutions are taken out while pages are read, before anything notes what they hold, so that
neither a page nor the search index has them; `tools/build.py` takes them out of the notebooks.
"""

import os

from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform

CHOICES = ("hidden", "shown", "absent")


def chosen(environment=os.environ):
    """What the environment variable ``SOLUTIONS`` asks for.

    Raises
    ------
    ValueError
        If it asks for something else.
    """
    choice = environment.get("SOLUTIONS") or CHOICES[0]
    if choice not in CHOICES:
        raise ValueError(f"SOLUTIONS is {choice!r}: expected {', '.join(CHOICES[:-1])} or absent")
    return choice


def is_solution(node):
    return type(node).__name__ == "solution_node"


class DropSolutions(SphinxTransform):
    """Takes solutions out of a page that is read."""

    default_priority = 20  # sphinx-exercise gathers what lies between start and end at 10

    def apply(self):
        if self.config.dlbook_solutions != "absent":
            return
        for node in list(self.document.findall(is_solution)):
            node.parent.remove(node)


def setup(app):
    try:
        choice = chosen()
    except ValueError as error:
        raise ExtensionError(str(error)) from error
    app.add_config_value("dlbook_solutions", choice, "env")
    app.add_transform(DropSolutions)
