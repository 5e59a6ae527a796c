"""Data of the book: one function for each source, typed results, nothing read on import.

Always there, embedded in what the book installs or drawn at random: :func:`digits`,
:func:`photographs`, :func:`diabetes`, :func:`python_source`, and the synthetic
:func:`noisy_line`, :func:`two_moons`, :func:`rings`, :func:`spirals` and :func:`xor`.

Published, fetched once and checked against their SHA-256: :func:`treebank`, :func:`mnist` and
:func:`shakespeare`. Ask :func:`available` first; where they cannot be had, they raise
:class:`DataUnavailable`.

Environment variables:

``DLBOOK_DATA``
    Folder with the published files, tried first and never written to.
``DLBOOK_CACHE``
    Folder that downloads are kept in, instead of the user's cache folder.
``DLBOOK_OFFLINE``
    ``1`` forbids the network.
"""

from dlbook.data.fetch import DataUnavailable
from dlbook.data.images import LabelledImages, Photographs, digits, holdout, mnist, photographs
from dlbook.data.sources import availability, available
from dlbook.data.synthetic import Points, noisy_line, rings, spirals, two_moons, xor
from dlbook.data.tables import Table, diabetes
from dlbook.data.texts import python_source, shakespeare
from dlbook.data.treebanks import UPOS, Sentence, treebank

__all__ = [
    "UPOS",
    "DataUnavailable",
    "LabelledImages",
    "Photographs",
    "Points",
    "Sentence",
    "Table",
    "availability",
    "available",
    "diabetes",
    "digits",
    "holdout",
    "mnist",
    "noisy_line",
    "photographs",
    "python_source",
    "rings",
    "shakespeare",
    "spirals",
    "treebank",
    "two_moons",
    "xor",
]
