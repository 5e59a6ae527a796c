"""Where the site finds what other packages bring along."""

import pytest
from dlbook_site import packages
from sphinx.errors import ExtensionError


def test_an_installed_package_has_a_folder_and_a_missing_one_is_named():
    assert (packages.folder("pytest") / "__init__.py").is_file()
    with pytest.raises(ExtensionError, match="the package no_such_package is not installed"):
        packages.folder("no_such_package")
