"""Lighthouse on a site, with a made-up `npx` in its place."""

import gzip
import sys
import urllib.request

import pytest
from lighthouse import judge
from weigh import serve

NPX = """#!{python}
import json, pathlib, sys, urllib.request
address, output = sys.argv[3], next(a for a in sys.argv if a.startswith("--output-path="))
counter = pathlib.Path(__file__).with_name("runs")
runs = int(counter.read_text()) if counter.exists() else 0
counter.write_text(str(runs + 1))
if "broken" in address:
    sys.exit("cannot read the page")
urllib.request.urlopen(address).read()
names = ["performance", "accessibility", "best-practices", "seo"]
times = ["first-contentful-paint", "largest-contentful-paint", "total-blocking-time",
         "cumulative-layout-shift"]
report = {{"categories": {{name: {{"score": 1 - runs / 10}} for name in names}},
           "audits": {{time: {{"numericValue": 900.0 + 100 * runs}} for time in times}}}}
pathlib.Path(output.split("=")[1]).write_text(json.dumps(report))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A site, and a `PATH` with nothing but npx and a browser's name."""
    for name in ("npx", "chromium"):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(NPX.format(python=sys.executable))
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("CHROMIUM", raising=False)
    site = tmp_path / "site"
    site.mkdir()
    for name in ("page", "broken"):
        (site / f"{name}.html").write_text("<p>words</p>" * 100)
    return site


def test_rows_hold_the_medians(folder):
    (row,) = judge(folder, ["page.html"], runs=3)
    assert row["page"] == "page.html" and row["performance"] == 90
    assert row["largest paint s"] == 1.0 and row["shift"] == 1000.0


def test_a_failure_names_the_page_and_the_reason(folder):
    with pytest.raises(RuntimeError, match=r"broken\.html: cannot read the page"):
        list(judge(folder, ["broken.html"]))


@pytest.mark.parametrize(("lacking", "told"), [("npx", "Node.js"), ("chromium", "Chromium")])
def test_what_is_lacking_is_told(folder, lacking, told):
    (folder.parent / "bin" / lacking).unlink()
    with pytest.raises(FileNotFoundError, match=told):
        list(judge(folder))


def test_text_is_served_compressed(folder):
    (folder / "letters.woff").write_bytes(b"letters")
    with serve(folder, compressed=True) as address:
        with urllib.request.urlopen(f"{address}/page.html") as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            assert gzip.decompress(answer.read()) == (folder / "page.html").read_bytes()
        with urllib.request.urlopen(f"{address}/letters.woff") as answer:
            assert answer.headers["Content-Encoding"] is None and answer.read() == b"letters"
