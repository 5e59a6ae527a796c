"""The loader of widgets, on made-up pages: what an anywidget may rely on without a kernel."""

import json
from pathlib import Path

import pytest

LOADER = Path(__file__).resolve().parents[2] / "site" / "assets" / "widgets.js"

COUNTER = """
function render({ model, el }) {
  const button = document.createElement("button");
  const show = () => (button.textContent = model.get("count"));
  button.addEventListener("click", () => model.set("count", model.get("count") + 1));
  model.on("change:count", show);
  show();
  el.append(button);
}
"""


@pytest.fixture
def show(page, tmp_path):
    """A function that puts widgets on a page: their states, and which to show in which order."""

    def show(states, views, between="<p>x</p>"):
        state = {
            name: {"model_module": "anywidget", "model_name": "AnyModel", "state": values}
            for name, values in states.items()
        }
        holding = json.dumps(state).replace("</", "<\\/")
        kind = "application/vnd.jupyter.widget"
        scripts = between.join(
            f'<script type="{kind}-view+json">{{"model_id": "{view}"}}</script>' for view in views
        )
        file = tmp_path / "page.html"
        file.write_text(
            f"<!DOCTYPE html><body>{scripts}<script>widgetStates = {holding}</script>"
            f'<script src="{LOADER.as_uri()}"></script>',
            encoding="utf-8",
        )
        page.goto(file.as_uri())
        return page

    return show


@pytest.mark.parametrize(
    "ending",
    ["export default { render };", "export default () => ({ render });", "export { render };"],
)
def test_every_form_of_a_widget_is_rendered(show, ending):
    page = show({"m": {"_esm": COUNTER + ending, "count": 3}}, ["m"])
    page.get_by_role("button", name="3").click()
    page.get_by_role("button", name="4").wait_for()


def test_views_of_one_model_move_together(show):
    page = show({"m": {"_esm": COUNTER + "export default { render };", "count": 0}}, ["m", "m"])
    page.get_by_role("button").nth(1).wait_for()
    page.get_by_role("button").first.click()
    assert page.get_by_role("button").all_text_contents() == ["1", "1"]


def test_a_model_is_initialised_once_and_listeners_can_be_removed(show):
    module = """export default {
      initialize({ model }) { model.set("count", model.get("count") + 1); },
      render({ model, el }) {
        let heard = 0;
        const listen = () => heard++;
        model.on("change:count change:other", listen);
        model.set("count", 10);
        model.set("count", 10);
        model.set("other", 1);
        model.off("change:count", listen);
        model.set("count", 11);
        model.off("change:other");
        model.set("other", 2);
        model.send({}); model.save_changes();
        el.textContent = `heard ${heard}, other ${model.get("other")}, ${model.get("none")}`;
      },
    }"""
    page = show({"m": {"_esm": module, "count": 1, "other": 0}}, ["m"])
    page.get_by_text("heard 2, other 2, undefined").wait_for()


def test_style_sheets_come_once(show):
    module = "export default { render({ el }) { el.textContent = 'here'; } }"
    css = ".widget { color: rgb(1, 2, 3); }"
    page = show({name: {"_esm": module, "_css": css} for name in "ab"}, ["a", "b"])
    page.get_by_text("here").nth(1).wait_for()
    assert page.evaluate("document.adoptedStyleSheets.length") == 1
    colour = page.locator(".widget").first.evaluate("(el) => getComputedStyle(el).color")
    assert colour == "rgb(1, 2, 3)"


def test_trouble_is_told_and_the_other_widgets_live(show):
    states = {
        "bad": {"_esm": "export default { render() { throw new Error('no canvas'); } }"},
        "good": {"_esm": COUNTER + "export default { render };", "count": 7},
    }
    page = show(states, ["bad", "gone", "good"])
    page.get_by_role("button", name="7").wait_for()
    told = page.locator(".widget-trouble").all_text_contents()
    assert len(told) == 2
    assert "no canvas" in told[0]
    assert "state" in told[1]
    assert page.locator(".waiting").count() == 0


def test_a_widget_far_down_waits_until_the_reader_comes_near(show):
    far = '<div style="height: 5000px"></div>'
    module = COUNTER + "export default { render };"
    states = {"a": {"_esm": module, "count": 1}, "b": {"_esm": module, "count": 2}}
    page = show(states, ["a", "b"], far)
    page.get_by_role("button", name="1").wait_for()
    assert page.locator(".waiting").count() == 1
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    page.get_by_role("button", name="2").wait_for()
