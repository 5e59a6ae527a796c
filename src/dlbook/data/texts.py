"""Plain text for character models."""

import sys
import sysconfig
import tokenize
from pathlib import Path

from dlbook.data.fetch import DataUnavailable, locate
from dlbook.data.sources import files

__all__ = ["python_source", "shakespeare"]


def shakespeare():
    """Passages from Shakespeare's plays, 1,115,394 characters: "tiny Shakespeare" [1]_.

    Returns
    -------
    str

    Raises
    ------
    DataUnavailable
        If the file is not at hand and cannot be fetched.

    References
    ----------
    .. [1] A. Karpathy, "The Unreasonable Effectiveness of Recurrent Neural Networks", 2015.
       https://karpathy.github.io/2015/05/21/rnn-effectiveness/
    """
    (source,) = files("shakespeare")
    return locate(source).read_bytes().decode("ascii")


def python_source(max_characters=1_000_000):
    """Source text of the running interpreter's own standard library.

    The public modules that are one file each (``abc.py``, ``argparse.py`` and so on, without
    packages, tests and private modules), whole and in the order of their names, one after the
    other, as many as fit. The text is the same each time on one interpreter and differs between
    versions of Python: results on it are not to be compared between machines.

    Parameters
    ----------
    max_characters : int, optional
        Bound on the length of the text. The first module that does not fit ends it.

    Returns
    -------
    str

    Raises
    ------
    TypeError, ValueError
        If `max_characters` is no integer, or too few for the first module.
    DataUnavailable
        If this interpreter comes without the source of its library.
    """
    if not isinstance(max_characters, int):
        raise TypeError(f"max_characters is {max_characters!r}: expected an integer")
    library = Path(sysconfig.get_path("stdlib"))
    names = sorted(name for name in sys.stdlib_module_names if not name.startswith("_"))
    modules = [path for name in names if (path := library / f"{name}.py").is_file()]
    if not modules:
        raise DataUnavailable("this Python comes without the source of its standard library")
    texts = []
    left = max_characters
    for module in modules:
        with tokenize.open(module) as file:  # minds a module's own encoding
            text = file.read()
        left -= len(text)
        if left < 0:
            break
        texts.append(text)
    if not texts:
        raise ValueError(
            f"max_characters is {max_characters}: the first module alone has {len(text)}"
        )
    return "".join(texts)
