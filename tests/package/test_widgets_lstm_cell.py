"""The cell's arithmetic against PyTorch, its answers, and its page in a browser."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from dlbook.widgets.lstm_cell import LONGEST, TASKS, LSTMCell

TRAITS = ("task", "sequence", "input_bias", "forget_bias", "output_bias", "recurrent")


def settings(*arguments, **options):
    widget = LSTMCell(*arguments, **options)
    return {name: getattr(widget, name) for name in TRAITS}


def test_it_carries_its_settings():
    found = settings("count", "11.?", forget_bias=np.float32(0.5), recurrent=-1)
    assert found == dict(zip(TRAITS, ["count", "11.?", -3, 0.5, -3, -1], strict=True))
    json.dumps(found)
    assert settings()["sequence"] == TASKS["first"]


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (("last",), {}, ValueError, "task: expected one of first, latest, count, got 'last'"),
        (("first", 10), {}, TypeError, "sequence: expected a string, got 10"),
        (("first", ""), {}, ValueError, "sequence: expected 1 to 24 characters, got 0"),
        (("first", "1" * 25), {}, ValueError, "got 25"),
        (("first", "12?"), {}, ValueError, "expected 1, 0, . and . only, got '2'"),
        ((), {"forget_bias": 7}, ValueError, "forget_bias: expected a number from -6 to 6, got 7"),
        ((), {"recurrent": float("nan")}, ValueError, "recurrent: expected a number from -4 to 4"),
        ((), {"input_bias": "low"}, TypeError, "input_bias: expected a number, got 'low'"),
    ],
)
def test_bad_input_is_named(arguments, options, error, message):
    with pytest.raises(error, match=message):
        LSTMCell(*arguments, **options)


# ---- The mathematics in JavaScript ------------------------------------------------------------


@pytest.fixture(scope="module")
def widget():
    return LSTMCell()


def features(task, sequence):
    """What the docstring says that a step shows: value, mark, question."""
    bits = [k for k, symbol in enumerate(sequence) if symbol in "10"]
    marked = bits[:1] if task == "first" else bits
    value = [{"1": 1.0, "0": -1.0}.get(symbol, 0.0) for symbol in sequence]
    mark = [float(k in marked) for k in range(len(sequence))]
    ask = [float(symbol == "?") for symbol in sequence]
    return torch.tensor([value, mark, ask], dtype=torch.float64).T


def torch_cell(task, sequence, input_bias, forget_bias, output_bias, recurrent):
    """PyTorch's cell with the same weights: h, c and the derivative of c, a row for each step."""
    cell = nn.LSTMCell(3, 1).double()
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.weight_ih[0, 1] = 6  # i by the mark
        cell.weight_ih[1, 1] = -6 if task == "latest" else 0  # f by the mark
        cell.weight_ih[2, 0] = 2  # g by the value
        cell.weight_ih[3, 2] = 6  # o by the question
        cell.weight_hh[[0, 1, 3]] = recurrent
        cell.bias_ih[:] = torch.tensor([input_bias, forget_bias, 0, output_bias])
    start = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    h, c, rows = torch.zeros(1, 1, dtype=torch.float64), start, []
    for x in features(task, sequence):
        h, c = cell(x[None], (h, c))
        (slope,) = torch.autograd.grad(c, start, retain_graph=True)
        rows.append([h.item(), c.item(), slope.item()])
    return np.array(rows)


CASES = [
    settings(),
    settings("latest"),
    settings("count"),
    settings("first", "1", forget_bias=-6, input_bias=6),
    settings("latest", "10.?0101.??1", forget_bias=1, recurrent=2, output_bias=0.5),
    settings("count", "1100?.11111100000?", forget_bias=6, recurrent=-3.5, output_bias=1),
]


@pytest.mark.parametrize("case", CASES)
def test_the_cell_is_pytorchs(evaluate, case):
    found = evaluate(f"m.run({json.dumps(case)})")
    expected = torch_cell(**case)
    steps = np.array([[step["h"], step["c"], step["slope"]] for step in found])
    assert np.allclose(steps, expected, rtol=1e-10, atol=1e-12)
    gates = np.array([[step[name] for name in "ifo"] for step in found])
    assert np.all((gates > 0) & (gates < 1))
    assert np.allclose([step["direct"] for step in found], np.cumprod(gates[:, 1]))


def test_without_a_weight_from_h_the_product_is_the_whole_derivative(evaluate):
    for step in evaluate(f"m.run({json.dumps(CASES[2])})"):
        assert step["slope"] == pytest.approx(step["direct"], rel=1e-12)


@pytest.mark.parametrize("task", TASKS)
def test_at_its_defaults_the_cell_solves_its_tasks(evaluate, task):
    case = settings(task)
    found = evaluate(f"m.run({json.dumps(case)}).map((step) => step.h)")
    wanted = evaluate(f"m.answers({json.dumps(task)}, {json.dumps(case['sequence'])})")
    asked = [k for k, symbol in enumerate(case["sequence"]) if symbol == "?"]
    assert len(asked) == 2
    for k, (h, answer) in enumerate(zip(found, wanted, strict=True)):
        if k in asked:
            assert h * answer > 0.1
        else:
            assert answer == 0 and abs(h) < 0.1


def test_answers(evaluate):
    assert evaluate("m.answers('first', '?.01?1?')") == [0, 0, 0, 0, -1, 0, -1]
    assert evaluate("m.answers('latest', '01?0?')") == [0, 0, 1, 0, -1]
    assert evaluate("m.answers('count', '01?1?')") == [0, 0, 0, 0, 1]


def test_page_and_package_agree(evaluate):
    found = evaluate("m.TASKS")
    assert {name: task["sequence"] for name, task in found.items()} == TASKS
    assert evaluate("m.LONGEST") == LONGEST
    assert evaluate("m.clean('1 0x.?' + '1'.repeat(40))") == "10.?" + "1" * (LONGEST - 4)


# ---- The page ---------------------------------------------------------------------------------


@pytest.fixture
def page(mount):
    return mount(LSTMCell(), height=1100)


def readout(page):
    return page.locator("[aria-live]").inner_text()


def test_it_answers_and_says_so(page):
    assert readout(page).count("it says 1") == 2 and "wrong" not in readout(page)
    page.get_by_role("slider", name="Forget gate: bias").focus()
    page.keyboard.press("Home")
    assert page.evaluate("state.forget_bias") == -6
    assert readout(page).count("it says nothing") == 2 and readout(page).count("wrong") == 2


def test_an_open_input_gate_lets_the_noise_in(page):
    page.get_by_role("slider", name="Input gate: bias").focus()
    page.keyboard.press("End")
    assert page.evaluate("state.input_bias") == 6 and "wrong" in readout(page)


def test_a_sequence_is_typed(page):
    field = page.get_by_role("textbox")
    field.fill("0x1??")
    assert page.evaluate("state.sequence") == "01??"
    assert "asked at step 3, it says 0" in readout(page)
    field.fill("")
    assert page.evaluate("state.sequence") == "01??"  # nothing to run: the last one stays
    page.keyboard.press("Tab")
    assert field.input_value() == "01??"


def test_a_task_is_chosen_by_keyboard(page):
    page.get_by_label("Task").focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("[state.task, state.sequence]") == ["latest", TASKS["latest"]]
    page.get_by_role("slider", name="Weight from h").focus()
    page.keyboard.press("End")
    assert page.evaluate("state.recurrent") == 4 and "the whole derivative" in readout(page)
    page.get_by_role("button", name="Reset").press("Enter")
    assert page.evaluate("[state.task, state.recurrent]") == ["latest", 0]


def test_the_picture_is_described_and_its_lines_differ_by_more_than_colour(page):
    assert "Gates, state and gradient" in page.get_by_role("img").get_attribute("aria-label")
    kinds = ("state", "output", "slope", "direct")
    looks = {
        page.locator(f".{kind} .path").evaluate("(el) => getComputedStyle(el).strokeDasharray")
        + str(page.locator(f".{kind} .marker").count() and kind)
        for kind in kinds
    }
    assert len(looks) == len(kinds)


def test_jupyterlab_leaves_the_keys_alone(page):
    page.get_by_role("textbox").focus()
    assert page.evaluate("document.activeElement.dataset.lmSuppressShortcuts") == "true"


def test_leaving_takes_its_listeners_along(page):
    assert page.evaluate("listening()") == len(TRAITS)
    page.evaluate("leave()")
    assert page.evaluate("listening()") == 0


def test_nothing_overflows_a_narrow_page(page):
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
