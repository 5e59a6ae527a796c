"""The systolic array's arithmetic against NumPy, and its page in a browser."""

import json

import numpy as np
import pytest

from dlbook.widgets.systolic_array import SystolicArray

TRAITS = ("a", "b", "n", "cycle")
A = [[1, 2, 0, 1], [3, 1, 2, 0], [0, 1, 1, 2], [2, 0, 1, 3]]
B = [[2, 1, 0, 1], [0, 3, 1, 0], [1, 1, 2, 0], [1, 0, 1, -2]]


def test_it_carries_its_settings():
    widget = SystolicArray(np.eye(2), [[1.0, 2], [3, 4]], n=np.int64(1), cycle=1)
    assert [getattr(widget, name) for name in TRAITS] == [[[1, 0], [0, 1]], [[1, 2], [3, 4]], 1, 1]
    json.dumps([widget.get_state()[name] for name in TRAITS])  # JSON, nothing binary
    assert SystolicArray(A, B).n == 4


@pytest.mark.parametrize(
    ("a", "b", "options", "error", "message"),
    [
        ("A", B, {}, TypeError, "a: expected a square matrix of numbers, got 'A'"),
        (A, [[1, 2]], {}, ValueError, r"b: expected a square of 1 to 4 rows, got shape \(1, 2\)"),
        (A, 3, {}, ValueError, "b: expected a square"),
        (np.eye(5), np.eye(5), {}, ValueError, "a: expected a square of 1 to 4 rows"),
        (A, np.eye(2), {}, ValueError, r"b: expected the shape of a, \(4, 4\), got \(2, 2\)"),
        ([[0.5]], [[1]], {}, ValueError, "a: expected whole entries"),
        ([[10]], [[1]], {}, ValueError, "a: expected whole entries from −9 to 9"),
        ([[np.nan]], [[1]], {}, ValueError, "a: expected whole entries"),
        (A, B, {"n": 5}, ValueError, "n: expected an integer from 1 to 4, got 5"),
        (A, B, {"n": 2.0}, TypeError, "n: expected an integer, got 2.0"),
        (A, B, {"n": 2, "cycle": 5}, ValueError, "cycle: expected an integer from 0 to 4, got 5"),
    ],
)
def test_bad_input_is_named(a, b, options, error, message):
    with pytest.raises(error, match=message):
        SystolicArray(a, b, **options)


# ---- The arithmetic in JavaScript -------------------------------------------------------------


@pytest.fixture(scope="module")
def widget():
    return SystolicArray(A, B)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7])
def test_it_multiplies_in_3n_minus_2_cycles(evaluate, n):
    a, b = np.random.default_rng(n).integers(-9, 10, (2, n, n))
    frames = evaluate(f"m.simulate({a.tolist()}, {b.tolist()}, {n})")
    assert len(frames) == 3 * n - 1  # the empty array comes first
    assert np.array_equal(frames[-1]["sums"], a @ b)
    assert not np.any(frames[0]["sums"])


def test_cells_hold_the_operands_that_theory_sends_there(evaluate):
    n = 4
    a, b = np.array(A), np.array(B)
    frames = evaluate(f"m.simulate({A}, {B}, {n})")
    for t, frame in enumerate(frames):
        for i, j in np.ndindex(n, n):
            p = t - 1 - i - j
            working = 0 <= p < n
            assert frame["working"][i][j] == working
            assert frame["a"][i][j] == (a[i, p] if working else None)
            assert frame["b"][i][j] == (b[p, j] if working else None)
            assert frame["sums"][i][j] == a[i, : max(p + 1, 0)] @ b[: max(p + 1, 0), j]


def test_a_corner_is_multiplied_alone(evaluate):
    frames = evaluate(f"m.simulate({A}, {B}, 2)")
    assert np.array_equal(frames[-1]["sums"], np.array(A)[:2, :2] @ np.array(B)[:2, :2])


def test_operands_are_drawn_in_the_cell_that_holds_them(evaluate):
    frames = evaluate(f"m.simulate({A}, {B}, 4)")
    for t, frame in enumerate(frames):
        for p, r in np.ndindex(4, 4):
            along = evaluate(f"m.position({p}, {r}, {t})") if p == r == 1 else t - 1 - p - r
            if 0 <= along < 4:
                assert frame["a"][r][along] == A[r][p] and frame["b"][along][r] == B[p][r]


# ---- The page ---------------------------------------------------------------------------------


@pytest.fixture
def page(mount):
    return mount(SystolicArray(A, B, n=3), height=1000, reduced_motion="reduce")


def press(page, name):
    button = page.get_by_role("button", name=name, exact=True)
    button.click(force=True)  # what is aria-disabled may be pressed, and does nothing


def readout(page):
    return page.locator("[aria-live]").inner_text()


def sums(page):
    label = page.get_by_role("img").get_attribute("aria-label").replace("−", "-")
    rows = label.removeprefix("Sums, row by row: ").split("; ")
    return np.array([[int(number) for number in row.split()] for row in rows])


def test_it_steps_forwards_and_backwards(page):
    assert readout(page).startswith("No cycle yet") and not sums(page).any()
    press(page, "Step")
    assert readout(page) == "Cycle 1 of 7: 1 of 9 cells at work, 1 of 27 products made."
    assert sums(page)[0, 0] == A[0][0] * B[0][0]
    press(page, "Step")
    assert readout(page).startswith("Cycle 2 of 7: 3 of 9 cells at work, 4 of 27")
    press(page, "Back")
    assert page.evaluate("state.cycle") == 1
    press(page, "Reset")
    assert readout(page).startswith("No cycle yet")
    press(page, "Back")
    assert page.evaluate("state.cycle") == 0


def test_the_end_holds_the_product(page):
    press(page, "Run")
    assert readout(page).endswith(
        "1 of 9 cells at work, 27 of 27 products made. The cells hold AB."
    )
    assert np.array_equal(sums(page), np.array(A)[:3, :3] @ np.array(B)[:3, :3])
    press(page, "Step")
    assert page.evaluate("state.cycle") == 7
    assert page.get_by_role("button", name="Step").get_attribute("aria-disabled") == "true"


def test_everything_is_done_by_keyboard(page):
    page.get_by_role("button", name="Step").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("state.cycle") == 2
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("state.cycle") == 1
    slider = page.get_by_role("slider", name="Cycle")
    slider.focus()
    page.keyboard.press("End")
    assert page.evaluate("state.cycle") == 7
    assert slider.get_attribute("aria-valuetext") == "7 of 7"
    page.get_by_label("Cells").focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("[state.n, state.cycle]") == [4, 0]
    press(page, "Run")
    assert np.array_equal(sums(page), np.array(A) @ np.array(B))


def test_working_cells_are_framed_and_operands_stand_in_them(page):
    for _ in range(3):
        press(page, "Step")
    framed = page.locator(".cell.working")
    assert framed.count() == 6
    box = page.locator(".cell").first.bounding_box()  # cell (0, 0) holds A[0][2] and B[2][0]
    inside = page.evaluate(
        """({x, y, width, height}) => [...document.querySelectorAll(".operand")].filter((el) => {
          const b = el.getBoundingClientRect();
          const [u, v] = [b.x + b.width / 2, b.y + b.height / 2];
          return u > x && u < x + width && v > y && v < y + height;
        }).map((el) => [el.classList[1], el.textContent])""",
        box,
    )
    assert sorted(inside) == [["a", str(A[0][2])], ["b", str(B[2][0])]]


def test_leaving_takes_its_listeners_along(page):
    assert page.evaluate("listening()") == 4
    page.evaluate("leave()")
    assert page.evaluate("listening()") == 0


def test_nothing_overflows_a_narrow_page(page):
    page.get_by_label("Cells").select_option("4")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
