"""What widgets share: how their source is put together, and the arithmetic in it."""

import re
from pathlib import Path

import anywidget
import numpy as np
import pytest

import dlbook.widgets
from dlbook.widgets.optimiser_race import OptimiserRace
from dlbook.widgets.shared import source

FOLDER = Path(dlbook.widgets.__file__).parent
MODULES = sorted(file.stem for file in FOLDER.glob("*.js") if not file.stem.startswith("shared"))
PARTS = sorted(file.stem for file in FOLDER.glob("shared_*.js"))


def class_of(module):
    """The widget that a module holds."""
    names = vars(__import__(f"dlbook.widgets.{module}", fromlist=["x"])).values()
    (found,) = (
        value
        for value in names
        if isinstance(value, type)
        and issubclass(value, anywidget.AnyWidget)
        and value.__module__ == f"dlbook.widgets.{module}"
    )
    return found


def text(name):
    """A file as a page carries it."""
    lines = (FOLDER / name).read_text("utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.lstrip().startswith("//"))


def test_a_source_is_the_shared_text_the_parts_and_the_widgets_own():
    found = source(str(FOLDER / "stepper.py"), ".js", "random")
    assert found == "\n".join(map(text, ["shared.js", "shared_random.js", "stepper.js"]))


@pytest.mark.parametrize("module", MODULES)
def test_a_widget_carries_all_that_it_uses_and_nothing_else(module):
    carried = class_of(module)._esm
    assert carried.startswith(text("shared.js")) and carried.endswith(text(f"{module}.js"))
    assert not re.search(r"^import\b|\bimport\(", carried, re.MULTILINE)
    for name in PARTS:
        part = text(f"{name}.js")
        made = re.findall(r"^(?:export )?function (\w+)", part, re.MULTILINE)
        rest = carried.replace(part, "")
        used = [one for one in made if re.search(rf"\b{one}\(", rest)]
        assert bool(used) == (part in carried), f"{name}: {used}"


@pytest.mark.parametrize("module", MODULES)
def test_a_sheet_goes_with_its_part(module):
    widget = class_of(module)
    assert widget._css.startswith(text("shared.css"))
    for part in PARTS:
        if (FOLDER / f"{part}.css").exists():
            carried = text(f"{part}.js") in widget._esm
            assert (text(f"{part}.css") in widget._css) == carried, part


@pytest.mark.parametrize("sheet", sorted(file.name for file in FOLDER.glob("shared*.css")))
def test_any_rule_of_a_widget_wins_over_a_shared_one(sheet):
    """A rule counts as one class, whichever sheet it comes with; focus is the exception."""
    rules = re.sub(r"/\*.*?\*/", "", text(sheet), flags=re.DOTALL)
    selectors = re.findall(r"([^{}]+)\{", rules)
    for selector in (each.strip() for each in selectors):
        if ":focus" not in selector:
            assert re.fullmatch(r"\.dlbook-widget :where\(.*\)|:where\(.*\)", selector), selector


# ---- The arithmetic -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def widget():
    return OptimiserRace()  # which carries random numbers and fields


def test_random_numbers_are_uniform_normal_and_repeatable(evaluate):
    draws = evaluate(
        """[1, 1, 2].map((seed) => { const { uniform, normal } = m.generator(seed);
          const draw = (f) => Array.from({ length: 20000 }, f);
          return [draw(uniform), draw(normal)]; })"""
    )
    assert draws[0] == draws[1] != draws[2]
    uniform, normal = np.array(draws[0])
    assert uniform.min() >= 0 and uniform.max() < 1
    assert np.histogram(uniform, bins=10, range=(0, 1))[0] == pytest.approx(2000, abs=200)
    assert [normal.mean(), normal.std()] == pytest.approx([0, 1], abs=0.03)
    assert abs(np.corrcoef(normal[:-1], normal[1:])[0, 1]) < 0.03


def test_level_lines_lie_on_their_level_and_are_closed(evaluate):
    size, level = 41, 1.4321
    side = np.linspace(-2, 2, size)
    heights = np.add.outer(side**2, 2 * side**2) - level  # [row][column]: y² + 2x²
    pieces = np.array(evaluate(f"m.zeroLine(value, {size})", heights.ravel().tolist()))
    places = pieces.reshape(-1, 2) / (size - 1) * 4 - 2  # (ends, (x, y))
    assert len(places) > 100
    assert np.allclose(2 * places[:, 0] ** 2 + places[:, 1] ** 2, level, atol=0.02)
    _, counts = np.unique(places.round(9), axis=0, return_counts=True)
    assert np.all(counts == 2)  # each end is shared by two pieces
    x, y = places.reshape(-1, 2, 2).transpose(2, 0, 1)
    angles = np.linspace(0, 2 * np.pi, 10_000)
    ellipse = np.sqrt(level) * np.array([np.cos(angles) / np.sqrt(2), np.sin(angles)])
    around = np.hypot(*np.diff(ellipse)).sum()
    assert np.hypot(np.diff(x), np.diff(y)).sum() == pytest.approx(around, rel=0.01)


def test_level_lines_of_a_field_that_is_not_square(evaluate):
    heights = np.tile([-1.0, -1, 1], (2, 1))  # two rows, three columns
    assert evaluate("m.zeroLine(value, 3)", heights.ravel().tolist()) == [[1.5, 0, 1.5, 1]]
