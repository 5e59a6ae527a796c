"""What the tests of widgets share: a widget's module, run in Node by itself or shown on a page."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest

MOUNT = Path(__file__).with_name("mount_widget.js").read_text("utf-8")


@pytest.fixture(scope="module")
def address(widget):
    """The module of a test file's `widget`, as an address that can be imported."""
    return "data:text/javascript;base64," + base64.b64encode(widget._esm.encode()).decode()


@pytest.fixture(scope="module")
def evaluate(address):
    """The value of a JavaScript expression in which ``m`` is the widget's module.

    A second argument is there under the name ``value``. Typed arrays come back as lists.
    """
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed, so the widget's functions cannot be run")

    def run(expression, value=None):
        code = f"""const value = {json.dumps(value)};
          const plain = (_, x) => (ArrayBuffer.isView(x) ? Array.from(x) : x);
          import({json.dumps(address)}).then((m) =>
            console.log(JSON.stringify({expression}, plain)))"""
        command = [node, "--input-type=module", "-"]
        done = subprocess.run(
            command, input=code, capture_output=True, text=True, check=True, timeout=60
        )
        return json.loads(done.stdout)

    return run


@pytest.fixture
def mount(browser, address):
    """A function that shows a widget on an empty page, where nothing may go wrong or be logged."""
    contexts, troubles = [], []

    def show(widget, height=900, **options):
        viewport = {"width": 360, "height": height}
        contexts.append(browser.new_context(viewport=viewport, has_touch=True, **options))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda message: troubles.append(message.text))
        state = {k: v for k, v in widget.get_state().items() if not k.startswith("_")}
        page.evaluate(MOUNT, [address, state | {"css": widget._css}])
        return page

    yield show
    for context in contexts:
        context.close()
    assert troubles == []
