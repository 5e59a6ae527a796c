"""The address of the book's home stands in one place, and can be set and taken back."""

import shlex
import subprocess

import pytest
import yaml
from booklib import ROOT, Book
from home import check, parse_address, settle, setup_cell, site
from made_up import cell, write_book

URL = "https://github.com/someone/a-book"


@pytest.fixture
def root(tmp_path):
    first = cell(setup_cell(None), "remove-cell")
    root = write_book(tmp_path, {"one": f"# One\n\n{first}\n" + cell("x = 1")})
    (root / "_config.yml").write_text(
        '# home:start\nrepository:\n  url: ""\n# home:end\nhtml:\n  baseurl: ""\n'
    )
    (root / "README.md").write_text("# B\n<!-- home:start -->\n<!-- home:end -->\nEnd\n")
    (root / "CITATION.cff").write_text("title: B\n# home:start\n# home:end\n")
    (root / "pyproject.toml").write_text("[project]\n# home:start\n# home:end\n[tool.x]\n")
    return root


def texts(root):
    return {path: path.read_text() for path in root.rglob("*") if path.is_file()}


def test_setting_the_home_and_taking_it_back_leaves_no_trace(root):
    before = texts(root)
    changed = settle(root, URL)
    assert len(changed) == 5
    assert texts(root) != before
    settle(root, "")
    assert texts(root) == before


def test_setting_it_twice_changes_nothing_more(root):
    settle(root, URL)
    assert settle(root, URL + "/") == []
    assert settle(root, URL + ".git") == []


def test_launch_buttons_and_install_cell_name_the_repository(root):
    settle(root, URL)
    config = yaml.safe_load((root / "_config.yml").read_text())
    assert config["repository"]["url"] == URL
    assert config["launch_buttons"]["colab_url"] == "https://colab.research.google.com"
    assert config["html"]["baseurl"] == "https://someone.github.io/a-book/"
    assert f"dlbook @ git+{URL}" in (root / "book" / "one.md").read_text()
    assert URL in (root / "CITATION.cff").read_text()


def test_a_hub_is_set_kept_in_step_and_taken_back(root):
    before = texts(root)
    settle(root, URL, "https://hub.some-college.org/courses/")
    launch = yaml.safe_load((root / "_config.yml").read_text())["launch_buttons"]
    assert launch["jupyterhub_url"] == "https://hub.some-college.org/courses"
    assert check(Book(root)) == []
    settle(root, URL)
    assert "hub" not in (root / "_config.yml").read_text().replace("github", "").replace(
        "binderhub", ""
    )
    settle(root, "")
    assert texts(root) == before


@pytest.mark.parametrize("hub", ["http://hub.org", "hub.org", 'https://hub.org/"', "https://a b"])
def test_other_hubs_are_refused(root, hub):
    before = texts(root)
    with pytest.raises(ValueError, match="expected https://hub"):
        settle(root, URL, hub)
    with pytest.raises(ValueError, match="without URL"):
        settle(root, "", "https://hub.org")
    assert texts(root) == before


def test_make_hands_the_hub_on():
    """What `make home` would run, and that without HUB there is none."""
    make = ["make", "--dry-run", "--no-print-directory", "home", f"URL={URL}"]
    for more, expected in (([], []), (["HUB=https://hub.org"], ["--hub", "https://hub.org"])):
        said = subprocess.run([*make, *more], cwd=ROOT, capture_output=True, text=True, check=True)
        (line,) = [each for each in said.stdout.splitlines() if "tools/home.py" in each]
        assert shlex.split(line)[2:] == [URL, *expected]


def test_without_a_home_no_address_is_named(root):
    assert "github" not in "".join(texts(root).values())


def test_what_is_out_of_step_is_found(root):
    assert check(Book(root)) == []
    settle(root, URL)
    assert check(Book(root)) == []
    path = root / "book" / "one.md"
    path.write_text(path.read_text().replace("a-book", "another"))
    assert len(check(Book(root))) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://github.com/a/b",
        "https://gitlab.com/a/b",
        "https://github.com/a",
        "https://github.com/a/b/c",
        "https://github.com/a/..",
        'https://github.com/a/b"; import os',
        "https://github.com/a/b\nx",
        "github.com/a/b",
    ],
)
def test_other_addresses_are_refused(root, url):
    before = texts(root)
    with pytest.raises(ValueError, match="expected https://github"):
        settle(root, url)
    assert texts(root) == before


def test_addresses_and_sites():
    assert parse_address("") is None
    assert parse_address(URL) == ("someone", "a-book")
    assert site(("Some", "some.github.io")) == "https://some.github.io/"
