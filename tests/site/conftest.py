"""The built site, served on this machine, and one browser for all of its tests."""

import os
import sys
from pathlib import Path

import pytest
import weigh

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "site"))  # the extension, dlbook_site


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
def wait_until():
    return _wait_until


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
