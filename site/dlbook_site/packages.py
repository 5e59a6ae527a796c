"""Where installed packages keep the files that the site takes from them."""

from importlib.util import find_spec
from pathlib import Path

from sphinx.errors import ExtensionError


def folder(name):
    """The folder of an installed package, which is not imported.

    Parameters
    ----------
    name : str
        As it would be imported.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ExtensionError
        If it is not installed.
    """
    package = find_spec(name)
    if package is None:
        raise ExtensionError(f"the package {name} is not installed")
    return Path(package.origin).parent
