"""The documents beside the book say what is there."""

import re
from pathlib import Path

import pytest
import yaml

import dlbook

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "book/reference/running.md"]


def read(name):
    return (ROOT / name).read_text("utf-8")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_local_links_lead_somewhere(name):
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", read(name))
    missing = [t for t in targets if not ((ROOT / name).parent / t).exists()]
    assert not missing


@pytest.mark.parametrize("name", DOCUMENTS)
def test_named_commands_exist(name):
    named = set(re.findall(r"(?m)(?:`|^ *)make ([a-z-]+)", read(name)))
    rules = set(re.findall(r"(?m)^([a-z-]+):", read("Makefile")))
    assert named
    assert named <= rules


def test_variables_of_the_environment_are_read_somewhere():
    named = set(re.findall(r"`(DLBOOK_\w+)`", read("book/reference/running.md")))
    code = "".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    assert named == set(re.findall(r"\bDLBOOK_[A-Z]+\b", code))


def test_citation_has_the_version_of_the_package():
    citation = yaml.safe_load(read("CITATION.cff"))
    assert citation["version"] == dlbook.__version__
    assert citation["cff-version"] == "1.2.0"


def test_licences_are_the_ones_that_are_named():
    text = read("book/LICENSE")
    assert text.startswith("Attribution 4.0 International\n")
    assert not re.search(r"NonCommercial|ShareAlike|NoDerivatives", text)
    assert text.rstrip().endswith("Creative Commons may be contacted at creativecommons.org.")
    assert all(f"\nSection {number} -- " in text for number in range(1, 9))
    assert "BSD 3-Clause" in read("LICENSE")


def test_every_source_can_be_identified():
    """Key, title and year of each entry, and the author's name in the key of a paper."""
    from pybtex.database import parse_file

    entries = parse_file(ROOT / "book" / "references.bib").entries
    for key, entry in entries.items():
        assert entry.fields.get("title"), key
        if key != "numerical-dl":  # the deck names neither author nor year
            assert re.fullmatch(rf"[a-z]+{entry.fields['year']}[a-z]?", key), key
            assert entry.persons["author"] or entry.persons["editor"], key
