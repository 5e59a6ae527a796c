"""The stepper's values and adjoints against NumPy and differences, and its page in a browser."""

import json
import re

import numpy as np
import pytest

from dlbook.widgets.graph_stepper import GraphStepper

NUMBERS = {
    "product": {"x": -2.0, "y": 5.0, "z": -4.0},
    "neuron": {"w0": 2.0, "x0": -1.0, "w1": -3.0, "x1": -2.0, "w2": -3.0},
    "shared": {"x": 3.0, "y": 2.0},
}
FUNCTIONS = {
    "product": lambda x, y, z: (x + y) * z,
    "neuron": lambda w0, x0, w1, x1, w2: 1 / (1 + np.exp(-(w0 * x0 + w1 * x1 + w2))),
    "shared": lambda x, y: (x + y) * x,
}


@pytest.mark.parametrize("circuit", NUMBERS)
def test_it_carries_the_numbers_of_the_chapter(circuit):
    widget = GraphStepper(circuit)
    assert (widget.circuit, widget.inputs, widget.step) == (circuit, NUMBERS[circuit], 0)
    json.dumps([widget.get_state()[name] for name in ("circuit", "inputs", "step")])


def test_inputs_may_be_given_in_part():
    widget = GraphStepper("product", {"x": np.float32(0.5)}, step=3)
    assert widget.inputs == NUMBERS["product"] | {"x": 0.5}
    assert widget.step == 3


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (("circle",), {}, ValueError, "circuit: expected one of product, neuron, shared, got 'c"),
        (("product", {"w": 1}), {}, ValueError, "inputs: expected names x, y, z, got 'w'"),
        (("product", {"x": "a"}), {}, TypeError, r"inputs\['x'\]: expected a number, got 'a'"),
        (("product", {"x": float("nan")}), {}, ValueError, "from -10 to 10, got nan"),
        (("product", {"x": 11}), {}, ValueError, "from -10 to 10, got 11"),
        ((), {"step": -1}, ValueError, "step: expected at least 0, got -1"),
        ((), {"step": 1.5}, TypeError, "step: expected an integer, got 1.5"),
    ],
)
def test_bad_input_is_named(arguments, options, error, message):
    with pytest.raises(error, match=message):
        GraphStepper(*arguments, **options)


# ---- The mathematics in JavaScript ------------------------------------------------------------


@pytest.fixture(scope="module")
def widget():
    return GraphStepper()


@pytest.fixture(scope="module")
def run(evaluate):
    """All steps of each (circuit, inputs), by the widget's module."""
    expression = "value.map(([circuit, inputs]) => m.steps(circuit, inputs))"
    return lambda cases: evaluate(expression, cases)


def slopes(function, inputs, step=1e-5):
    """Central differences of the function by each of its inputs."""
    found = {}
    for name, value in inputs.items():
        ahead = function(**(inputs | {name: value + step}))
        behind = function(**(inputs | {name: value - step}))
        found[name] = (ahead - behind) / (2 * step)
    return found


@pytest.mark.parametrize("circuit", NUMBERS)
def test_values_and_adjoints_agree_with_numpy(run, circuit):
    rng = np.random.default_rng(0)
    names = NUMBERS[circuit]
    cases = [NUMBERS[circuit]]
    cases += [{name: float(rng.uniform(-2, 2)) for name in names} for _ in range(50)]
    for inputs, found in zip(cases, run([(circuit, case) for case in cases]), strict=True):
        assert found["values"]["f"] == pytest.approx(FUNCTIONS[circuit](**inputs))
        for name, slope in slopes(FUNCTIONS[circuit], inputs).items():
            assert found["adjoints"][name] == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_values_and_adjoints_agree_with_torch(run):
    torch = pytest.importorskip("torch")
    inputs = {"w0": 0.3, "x0": -1.2, "w1": 2.0, "x1": 0.7, "w2": -0.4}
    (found,) = run([("neuron", inputs)])
    leaves = {n: torch.tensor(v, dtype=float, requires_grad=True) for n, v in inputs.items()}
    w0, x0, w1, x1, w2 = leaves.values()
    torch.sigmoid(w0 * x0 + w1 * x1 + w2).backward()
    for name, leaf in leaves.items():
        assert found["adjoints"][name] == pytest.approx(leaf.grad.item())


@pytest.mark.parametrize("circuit", NUMBERS)
def test_every_edge_multiplies_and_every_node_adds(run, circuit):
    (found,) = run([(circuit, NUMBERS[circuit])])
    sums = {"f": 1.0}
    for edge in found["edges"]:
        assert edge["above"] == pytest.approx(sums[edge["to"]])  # complete when it is used
        assert edge["part"] == pytest.approx(edge["local"] * edge["above"])
        sums[edge["from"]] = sums.get(edge["from"], 0) + edge["part"]
    assert sums == pytest.approx(found["adjoints"])


@pytest.mark.parametrize("circuit", NUMBERS)
def test_steps_reveal_one_gate_and_then_one_edge_at_a_time(run, circuit):
    (found,) = run([(circuit, NUMBERS[circuit])])
    known = [len(step["known"]) for step in found["list"]]
    passed = [step["passed"] for step in found["list"]]
    n_inputs, n_nodes, n_edges = len(NUMBERS[circuit]), len(found["values"]), len(found["edges"])
    n_gates = n_nodes - n_inputs
    assert known == [*range(n_inputs, n_nodes), *[n_nodes] * (n_edges + 3)]
    assert passed == [0] * (n_gates + 2) + [*range(1, n_edges + 1), n_edges]
    assert "undefined" not in json.dumps(found) and "NaN" not in json.dumps(found)


def test_sentences_say_what_happens(run):
    product, shared = (
        step["list"] for step in run([(c, NUMBERS[c]) for c in ("product", "shared")])
    )
    assert product[1]["text"] == "Forward: q = x + y = −2 + 5 = 3."
    assert product[4]["text"] == (
        "Backward: local derivative ∂f/∂q = z = −4, times the adjoint above, f\u0304 = 1: "
        "q\u0304 = −4 × 1 = −4."
    )
    assert product[-1]["text"] == "Done: ∂f/∂x = −4, ∂f/∂y = −4, ∂f/∂z = 3."
    assert any("x is used twice, so add it: x\u0304 = 5 + 3 = 8." in s["text"] for s in shared)


def test_the_ends_of_the_range_give_finite_numbers(run):
    cases = [dict.fromkeys(NUMBERS["neuron"], sign * 10.0) for sign in (1, -1)]
    cases.append({"w0": 10.0, "x0": -10.0, "w1": 10.0, "x1": -10.0, "w2": -10.0})
    for found in run([("neuron", case) for case in cases]):
        assert np.all(np.isfinite([*found["values"].values(), *found["adjoints"].values()]))


# ---- The page ---------------------------------------------------------------------------------


@pytest.fixture
def page(mount):
    return mount(GraphStepper())


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def sentence(page):
    return page.locator("[aria-live]").inner_text().replace("−", "-")


def shown(page, kind):
    texts = page.locator(f"svg text.{kind}").all_text_contents()
    return [text.replace("−", "-") for text in texts]


def test_values_appear_and_then_adjoints(page):
    assert shown(page, "value") == ["-2", "5", "-4"] and not shown(page, "adjoint")
    for _ in range(2):
        press(page, "Next step")
    assert sorted(shown(page, "value")) == sorted(["-2", "5", "-4", "3", "-12"])
    press(page, "Next step")
    assert shown(page, "adjoint") == ["1"]
    press(page, "Next step")
    assert sorted(shown(page, "adjoint")) == sorted(["1", "-4"])
    press(page, "Previous step")
    assert shown(page, "adjoint") == ["1"]
    press(page, "First step")
    assert sentence(page).startswith("Step 0 of 8. The inputs: x = -2, y = 5, z = -4.")


def test_it_is_worked_by_keyboard(page):
    page.get_by_role("button", name="Next step").focus()
    focused = page.locator(":focus")
    assert focused.get_attribute("data-lm-suppress-shortcuts")  # else JupyterLab takes the keys
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("state.step") == 1
    page.get_by_role("slider", name="Step").focus()
    page.keyboard.press("End")
    assert sentence(page).endswith("Done: ∂f/∂x = -4, ∂f/∂y = -4, ∂f/∂z = 3.")
    page.keyboard.press("Home")
    assert page.evaluate("state.step") == 0
    page.get_by_role("button", name="Previous step").focus()
    page.keyboard.press("Enter")  # at the end of the way: nothing happens
    assert page.evaluate("state.step") == 0


def test_inputs_can_be_changed_at_any_step(page):
    page.get_by_role("slider", name="Step").focus()
    page.keyboard.press("End")
    page.get_by_role("spinbutton", name="z =").fill("2.5")
    assert "∂f/∂x = 2.5, ∂f/∂y = 2.5, ∂f/∂z = 3." in sentence(page)
    page.get_by_role("spinbutton", name="x =").fill("")
    assert "x has to be a number" in sentence(page)
    assert page.evaluate("state.inputs.x") == -2
    page.get_by_role("spinbutton", name="x =").fill("1000")
    assert page.evaluate("state.inputs.x") == -2
    page.get_by_role("spinbutton", name="x =").fill("4")
    assert "∂f/∂z = 9." in sentence(page)


def test_inputs_set_from_the_kernel_are_shown(page):
    page.evaluate("model.set('inputs', { x: 1, y: 1, z: 1 })")
    assert page.get_by_role("spinbutton", name="y =").input_value() == "1"
    assert "x = 1, y = 1, z = 1" in sentence(page)


def test_circuits_can_be_chosen_back_and_forth(page):
    for name in ("neuron", "shared", "product", "neuron"):
        page.get_by_role("combobox").select_option(name)
        assert page.evaluate("[state.circuit, state.step]") == [name, 0]
        assert page.evaluate("state.inputs") == NUMBERS[name]
        assert page.get_by_role("spinbutton").count() == len(NUMBERS[name])
        page.get_by_role("slider", name="Step").focus()
        page.keyboard.press("End")
        numbers = re.findall(r"= (-?[\d.]+)[,.]", sentence(page) + ".")
        expected = slopes(FUNCTIONS[name], NUMBERS[name]).values()
        found = [float(number.rstrip(".")) for number in numbers]
        assert found == pytest.approx(list(expected), abs=1e-3)


def test_the_picture_is_described_in_words(page):
    press(page, "Next step")
    label = page.get_by_role("img").get_attribute("aria-label").replace("−", "-")
    assert label == (
        "Graph of f = (x + y) z. Values: x = -2, y = 5, z = -4, q = 3. Adjoints: none yet."
    )


@pytest.mark.parametrize("circuit", NUMBERS)
def test_numbers_do_not_lie_on_each_other(page, circuit):
    page.get_by_role("combobox").select_option(circuit)
    page.get_by_role("slider", name="Step").focus()
    page.keyboard.press("End")
    boxes = page.evaluate("""[...document.querySelectorAll("svg text")].map((text) => {
      const { x, y, width, height } = text.getBBox();
      return [x, y + 3, x + width, y + height - 4];
    })""")
    for i, a in enumerate(boxes):
        assert a[0] >= 0 and a[2] <= 430
        for b in boxes[:i]:
            assert a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3], (a, b)


def test_leaving_takes_its_listeners_along(page):
    assert page.evaluate("listening()") == 3
    page.evaluate("leave()")
    assert page.evaluate("listening()") == 0


@pytest.mark.parametrize("circuit", NUMBERS)
def test_nothing_overflows_a_narrow_page(page, circuit):
    page.get_by_role("combobox").select_option(circuit)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
