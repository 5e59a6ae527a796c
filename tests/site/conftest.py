"""The built site, served on this machine, and one browser for all of its tests."""

import io
import os
import sys
from pathlib import Path

import axe_playwright_python
import pytest
import weigh
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "site"
sys.path.insert(0, str(SITE))  # the extension, dlbook_site

INDEX = "# Book\n\n```{toctree}\none\nledger\n```\n\n```{claims-tally}\n```\n"
LEDGER = "# Ledger\n\n```{claims-ledger}\n```\n"


@pytest.fixture(scope="session")
def site():
    """The folder of the built site."""
    folder = Path(os.environ.get("DLBOOK_SITE", ROOT / "_build" / "html"))
    if not (folder / "index.html").exists():
        pytest.fail(f"no built site in {folder}: run `make book` first")
    return folder


@pytest.fixture(scope="session")
def address(site):
    with weigh.serve(site) as address:
        yield address


@pytest.fixture
def page(browser):
    """An empty page that notes its troubles: console errors, exceptions, failed requests."""
    context = browser.new_context(viewport={"width": 1300, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.troubles = []
    note = page.troubles.append

    def listen(message):
        if message.type in ("error", "warning"):
            note(f"console: {message.text}")

    def fail(request):
        if request.failure != "net::ERR_ABORTED":  # as when a reader leaves a page that still loads
            note(f"request failed: {request.url} ({request.failure})")

    page.on("console", listen)
    page.on("pageerror", lambda error: note(f"exception: {error}"))
    page.on("requestfailed", fail)
    yield page
    context.close()


@pytest.fixture(scope="session")
def scroll_through():
    return _scroll_through


@pytest.fixture(scope="session")
def violations():
    return _violations


@pytest.fixture(scope="session")
def wait_until():
    return _wait_until


@pytest.fixture(scope="session")
def visit():
    return _visit


AXE = next(Path(axe_playwright_python.__file__).parent.rglob("axe.min.js"))
VIOLATIONS = """async (options) => {
  const values = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const { violations } = await axe.run(document, {
    runOnly: { type: "tag", values }, resultTypes: ["violations"], ...options,
  });
  const told = (node) => `${node.html.slice(0, 160)} ${node.any.map((a) => a.message).join("; ")}`;
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${told(node)}`));
}"""


def _violations(page, **options):
    """What axe finds against WCAG 2.2 AA and good practice on a page as it stands."""
    if not page.evaluate("'axe' in globalThis"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    return page.evaluate(VIOLATIONS, options)


# The scripts of a page come after it: the first tells the theme, the last places the widgets.
ALIVE = """document.querySelector(".theme[aria-pressed]")
  && document.querySelectorAll(".widget").length
    === document.querySelectorAll("script[type*='widget-view']").length"""


def _visit(page, address):
    """Go to a page of the site and wait until its scripts have run."""
    page.goto(address)
    _wait_until(page, ALIVE)


def _wait_until(page, condition):
    """Wait for a condition in JavaScript (the browser's own way to, `eval`, pages forbid)."""
    holds = page.evaluate(
        f"""async () => {{
          for (let i = 0; i < 500 && !({condition}); i++)
            await new Promise((go) => setTimeout(go, 20));
          return Boolean({condition});
        }}"""
    )
    assert holds, f"not within 10 s: {condition}"


def _scroll_through(page):
    """Scroll to the end in steps, so that everything lazy starts, and wait until it has."""
    page.evaluate(
        """async () => {
          for (let y = 0; y < document.documentElement.scrollHeight; y += 700) {
            scrollTo({ top: y, behavior: "instant" });
            await new Promise(requestAnimationFrame);
          }
          scrollTo({ top: 0, behavior: "instant" });
        }"""
    )
    _wait_until(page, "!document.querySelector('.widget.waiting')")


@pytest.fixture(scope="session")
def run_sphinx():
    return _run_sphinx


def _run_sphinx(folder, settings=None):
    """Build the pages of a folder into ``html`` within it; the warnings."""
    warnings = io.StringIO()
    with patch_docutils(str(folder)), docutils_namespace():
        Sphinx(
            srcdir=folder,
            confdir=folder,
            outdir=folder / "html",
            doctreedir=folder / "doctrees",
            buildername="html",
            status=None,
            warning=warnings,
            confoverrides=settings,
        ).build()
    return warnings.getvalue()


@pytest.fixture
def book(tmp_path):
    """A function that writes files and builds them; it returns the warnings."""
    (tmp_path / "conf.py").write_text(
        f"""
extensions = ["myst_parser", "sphinx_exercise", "dlbook_site"]
root_doc = "book/index"
project = html_title = "Try"
html_theme = "basic"
templates_path = [r"{SITE / "templates"}"]
html_static_path = [r"{SITE / "assets"}"]
html_math_renderer = "typeset"
myst_enable_extensions = ["dollarmath"]
numfig = True
""",
        encoding="utf-8",
    )

    def build(settings=None, **files):
        for name, text in {"index": INDEX, "ledger": LEDGER, **files}.items():
            ending = "claims.toml" if name == "claims" else f"{name}.md"
            path = tmp_path / "book" / ending
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return _run_sphinx(tmp_path, settings)

    build.html, build.index = tmp_path / "html", INDEX
    return build
