"""What all tests share: one thread, the folder of the tools on the path, and one browser."""

import os
import sys
from pathlib import Path

import pytest

# Set before anything imports torch: another number of threads gives other digits.
os.environ.setdefault("OMP_NUM_THREADS", "1")

TOOLS = str(Path(__file__).resolve().parents[1] / "tools")
if TOOLS not in sys.path:
    sys.path.insert(0, TOOLS)

sys.path.insert(0, str(Path(__file__).resolve().parent / "tools"))


@pytest.fixture(scope="session")
def browser():
    """A Chromium for all tests of this process; they are skipped where none is found."""
    from weigh import FLAGS, find_chromium

    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium found: `apt install chromium`, or set CHROMIUM to where one is")
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()
