"""The rules of CONTRIBUTING.md that a machine can check, on every chapter of the book.

A rule is a function that takes a `Chapter` and yields its complaints. Each is tried on a small
chapter that keeps all rules, and on the same chapter with one mistake planted in it.
"""

import ast
import re
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pytest
import yaml
from myst_nb.core.read import is_myst_markdown_notebook, read_myst_markdown_notebook
from myst_parser.config.main import MdParserConfig

ROOT = Path(__file__).resolve().parents[2]
MAX_CELL = 15  # lines of code, without blank lines and comments
MAX_HIDDEN_CELL = 25  # of one tagged hide-input, such as a drawing that is not the lesson
MAX_FUNCTION = 14  # "rarely more than 12"
MAX_COLUMNS = 88  # what the page shows without scrolling sideways
EXERCISES = range(3, 7)

HEADER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3 (ipykernel)
  language: python
  name: python3
"""
MYST = MdParserConfig(
    enable_extensions={"amsmath", "colon_fence", "deflist", "dollarmath", "tasklist"}
)

# American stems with what the book writes instead. Only what is never right in British prose.
AMERICAN = {
    r"analyz(?:e|es|ed|er|ing)": "analyse",
    r"artifacts?": "artefact",
    r"behaviors?": "behaviour",
    r"centers?|centered|centering": "centre",
    r"colors?|colored|coloring": "colour",
    r"defense": "defence",
    r"factoriz\w+": "factorise",
    r"favors?|favorite": "favour",
    r"fulfills?": "fulfil",
    r"generaliz\w+": "generalise",
    r"gray": "grey",
    r"initializ\w+": "initialise",
    r"labeled|labeling": "labelled",
    r"linearly-?ized|lineariz\w+": "linearise",
    r"maximiz\w+": "maximise",
    r"memoriz\w+": "memorise",
    r"minimiz\w+": "minimise",
    r"modeled|modeling": "modelled",
    r"neighbors?|neighboring|neighborhoods?": "neighbour",
    r"normaliz\w+": "normalise",
    r"optimiz\w+": "optimise",
    r"organiz\w+": "organise",
    r"parametriz\w+|parameteriz\w+": "parametrise",
    r"penaliz\w+": "penalise",
    r"realiz\w+": "realise",
    r"recogniz\w+": "recognise",
    r"regulariz\w+": "regularise",
    r"signaled|signaling": "signalled",
    r"standardiz\w+": "standardise",
    r"summariz\w+": "summarise",
    r"traveled|traveling": "travelled",
    r"visualiz\w+": "visualise",
}
ALLOWED = re.compile(r"<!-- typed: \S.*? -->")


@dataclass
class Cell:
    kind: str
    source: str
    line: int
    metadata: dict = field(default_factory=dict)
    in_solution: bool = False

    @property
    def tags(self):
        return self.metadata.get("tags", [])

    @cached_property
    def tree(self):
        return ast.parse(self.source)


@dataclass
class Chapter:
    name: str
    text: str
    claims: tuple[str, ...] = ()

    def __post_init__(self):
        notebook = read_myst_markdown_notebook(self.text, config=MYST, add_source_map=True)
        self.cells, solving = [], False
        lines = notebook.metadata["source_map"]
        for cell, line in zip(notebook.cells, lines, strict=True):
            self.cells.append(Cell(cell.cell_type, cell.source, line + 1, cell.metadata, solving))
            for start_or_end in re.findall(r"{solution-(start|end)}", cell.source):
                solving = start_or_end == "start"

    @property
    def code(self):
        return [cell for cell in self.cells if cell.kind == "code"]

    @property
    def prose(self):
        return [cell for cell in self.cells if cell.kind == "markdown"]

    @property
    def lesson(self):
        """Code cells that the reader meets: neither set-up, imports nor solutions."""
        return [cell for cell in self.code[2:] if not cell.in_solution]


def in_toc(node):
    """Paths of the pages that a table of contents lists, in its order."""
    if isinstance(node, list):
        for item in node:
            yield from in_toc(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in {"root", "file"}:
                yield value
            else:
                yield from in_toc(value)


def chapters():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    rows = tomllib.loads((ROOT / "book" / "claims.toml").read_text("utf-8"))
    for page in in_toc(toc):
        text = (ROOT / page).with_suffix(".md").read_text("utf-8")
        if is_myst_markdown_notebook(text):
            name = page.removeprefix("book/").removesuffix(".md")
            ids = tuple(id for id, row in rows.items() if row["chapter"] == name)
            yield Chapter(name, text, ids)


def lines_of_code(source):
    return sum(1 for line in source.splitlines() if line.strip() and line.strip()[0] != "#")


def called(tree, name):
    """Calls in `tree` of a function called `name`, be it ``name(…)`` or ``object.name(…)``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            found = function.attr if isinstance(function, ast.Attribute) else None
            if name in (found, getattr(function, "id", None)):
                yield node


# What is no prose: fences (except of directives that hold prose), lines of options and tables,
# mathematics, roles, code, targets of links, quotations.
PROSE_IN = "exercise|admonition|note|tip|warning|important|hint"
NOT_PROSE = re.compile(
    rf"""(?msx)
    ^(?P<fence>`{{3,}}|~{{3,}})(?!\{{(?:{PROSE_IN})).*?^(?P=fence)`*$
    | ^:[\w-]+:[^\n]*$ | ^[:`]{{3,}}[^\n]*$ | ^%\ [^\n]*$ | ^\|[^\n]*$ | ^\([\w-]+\)=$
    | \$\$.*?\$\$ | \$[^$]+\$ | \\begin\{{.*?\\end\{{[^\n]*
    | \{{[\w:-]+\}}`[^`]*` | `[^`]*` | \]\([^)]*\) | https?://\S+
    | “[^”]{{,200}}” | "[^"]{{,200}}"
    """
)


def plain(markdown):
    """The prose of a Markdown cell, and nothing else."""
    return NOT_PROSE.sub(" ", markdown)


# ---- Rules ----------------------------------------------------------------------------------


def header_is_the_same(chapter):
    if not chapter.text.startswith(HEADER):
        yield "1: the header differs from the one in CONTRIBUTING.md"


def characters_are_plain(chapter):
    """Tabs and other control characters, such as an escape that swallowed a backslash leaves."""
    for number, line in enumerate(chapter.text.splitlines(), start=1):
        if re.search(r"[\x00-\x1f\x7f\u200b\ufeff]", line):
            yield f"{number}: a control character in {line[:60]!r}"


def opens_with_a_title(chapter):
    first = chapter.prose[0].source.lstrip()
    titles = re.findall(r"(?m)^# ", "\n".join(cell.source for cell in chapter.prose))
    if not first.startswith("# ") or len(titles) != 1:
        yield "the chapter needs one title, '# …', before anything else"


def sets_up_first(chapter):
    first = chapter.code[0]
    if "remove-cell" not in first.tags or "google.colab" not in first.source:
        yield f"{first.line}: the first code cell has to be the set-up cell, tagged remove-cell"


def imports_second(chapter):
    cell = chapter.code[1]
    *imports, last = cell.tree.body
    if not all(isinstance(node, ast.Import | ast.ImportFrom) for node in imports):
        yield f"{cell.line}: the second code cell holds imports and nothing else"
    if ast.unparse(last) != "plot.use_style()":
        yield f"{cell.line}: the second code cell ends with plot.use_style()"
    for other in chapter.lesson:
        if any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(other.tree)):
            yield f"{other.line}: imports belong in the second code cell"


def cells_are_short(chapter):
    for cell in chapter.lesson:
        most = MAX_HIDDEN_CELL if "hide-input" in cell.tags else MAX_CELL
        if (n := lines_of_code(cell.source)) > most:
            yield f"{cell.line}: {n} lines of code in a cell, at most {most} are easy to read"


def lines_fit_the_page(chapter):
    for cell in chapter.code[1:]:
        for offset, line in enumerate(cell.source.split("\n")):
            if len(line) > MAX_COLUMNS:
                yield f"{cell.line}+{offset}: {len(line)} columns of code, at most {MAX_COLUMNS}"


def functions_are_short(chapter):
    for cell in chapter.code:
        for node in ast.walk(cell.tree):
            if isinstance(node, ast.FunctionDef):
                source = ast.get_source_segment(cell.source, node)
                documented = ast.get_docstring(node, clean=False) or ""
                n = lines_of_code(source) - lines_of_code(documented)
                if n > MAX_FUNCTION:
                    yield f"{cell.line}: {node.name} has {n} lines, at most {MAX_FUNCTION}"


def figures_are_described(chapter):
    helped = False  # whether some function gives figures their label
    for cell in chapter.code:
        functions = [node for node in ast.walk(cell.tree) if isinstance(node, ast.FunctionDef)]
        helped |= any(any(called(function, "set_label")) for function in functions)
    for cell in chapter.code:
        functions = [node for node in ast.walk(cell.tree) if isinstance(node, ast.FunctionDef)]
        within = {call for function in functions for call in ast.walk(function)}
        makes = {*called(cell.tree, "subplots"), *called(cell.tree, "figure")}
        labelled = any(called(cell.tree, "set_label")) or (helped and makes <= within)
        if makes and not labelled:
            yield f"{cell.line}: fig.set_label('…') is missing, the figure's text alternative"
        caption = cell.metadata.get("mystnb", {}).get("figure", {})
        captioned = caption.get("name") and caption.get("caption")
        if makes - within and not cell.in_solution and not captioned:
            yield f"{cell.line}: the figure needs mystnb: figure: with a name and a caption"


def displays_stand_alone(chapter):
    """``$$`` right below a line of text is read as two inline formulas, and the page shows both."""
    for cell in chapter.prose:
        inside, before = False, ""
        for line in map(str.strip, cell.source.split("\n")):
            if not inside and line.startswith("$$") and before:
                yield f"{cell.line}: a blank line is missing between {before[-40:]!r} and $$"
            if line.count("$$") == 1:
                inside = not inside
            before = line


def exercises_are_solved(chapter):
    text = "\n".join(cell.source for cell in chapter.prose)
    blocks = re.findall(r"(?m)^[:`]{3,}\{exercise(?:-start)?\}.*\n((?::.*\n)*)", text)
    labels = [re.search(r":label: (\S+)", options) for options in blocks]
    if not all(labels):
        yield "an exercise has no :label:"
    names = [label[1] for label in labels if label]
    solved = re.findall(r"(?m)^[:`]{3,}\{solution(?:-start)?\} +(\S+)", text)
    if len(blocks) not in EXERCISES:
        yield f"{len(blocks)} exercises, expected {EXERCISES[0]} to {EXERCISES[-1]}"
    for name in sorted({*names} ^ {*solved} | {name for name in names if names.count(name) > 1}):
        yield f"{name}: an exercise has one label and one solution"
    if text.count("{solution-start}") != text.count("{solution-end}"):
        yield "a {solution-start} lacks its {solution-end}"


def checks_are_solved(chapter):
    """Each check of the exercises is called on the stub and, compared, on the solution."""

    def checks(cells):
        return {
            node.func.attr
            for cell in cells
            for node in ast.walk(cell.tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and getattr(node.func.value, "id", None) == "check"
        }

    compared = [c for c in chapter.code if c.in_solution and "nbval-check-output" in c.tags]
    for name in sorted(checks(chapter.lesson) - checks(compared)):
        yield f"check.{name} is not called on a solution in a cell tagged nbval-check-output"


def claims_are_stated(chapter):
    found = []
    for cell in chapter.code:
        for call in called(cell.tree, "claim"):
            found.append(ast.literal_eval(call.args[0]))
            last = cell.tree.body[-1]
            if not (isinstance(last, ast.Expr) and ast.dump(last.value) == ast.dump(call)):
                yield f"{cell.line}: claim(…) is the last statement of its cell"
    for id in sorted({*found} ^ {*chapter.claims} | {id for id in found if found.count(id) > 1}):
        yield f"{id}: claims.toml and the chapter have to agree on it, once each"


def recommends_reading(chapter):
    headings = [h for cell in chapter.prose for h in re.findall(r"(?m)^## (.+)$", cell.source)]
    if not headings or headings[-1] != "Further reading":
        yield "the last section is '## Further reading'"


def spelling_is_british(chapter):
    for cell in chapter.cells:
        if cell.kind == "code":
            text = "\n".join(re.findall(r"#.*|\"\"\".*?\"\"\"", cell.source))
            text = re.sub(r"`[^`]*`", " ", text)
        else:
            text = plain(cell.source)
        for american, british in AMERICAN.items():
            for match in re.finditer(rf"(?i)\b(?:{american})\b", text):
                yield f"{cell.line}: {match[0]}: the book writes {british}"


def figures_are_computed(chapter):
    """A percentage or a number with two decimals or more is printed by a cell, not typed.

    A number that stands in the code is what was put in, not what came out, and may be named.
    """
    settings = {n for cell in chapter.code for n in re.findall(r"\d+\.\d+", cell.source)}
    for cell in chapter.prose:
        for paragraph in re.split(r"\n\s*\n", plain(cell.source)):
            typed = re.findall(r"\d[\d.,]*\s?(?:%|per cent)|\d+\.\d{2,}", paragraph)
            for number in [] if ALLOWED.search(paragraph) else sorted({*typed} - settings):
                yield (
                    f"{cell.line}: {number} is typed into the text: let a cell print it, or "
                    "say why it may stand with <!-- typed: reason --> in its paragraph"
                )


RULES = [
    header_is_the_same,
    characters_are_plain,
    opens_with_a_title,
    sets_up_first,
    imports_second,
    cells_are_short,
    lines_fit_the_page,
    functions_are_short,
    figures_are_described,
    displays_stand_alone,
    exercises_are_solved,
    checks_are_solved,
    claims_are_stated,
    recommends_reading,
    spelling_is_british,
    figures_are_computed,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_chapter_keeps(rule):
    complaints = [f"book/{chapter.name}.md:{c}" for chapter in chapters() for c in rule(chapter)]
    assert not complaints, "\n" + "\n".join(complaints)


def test_every_chapter_has_the_same_set_up():
    assert len({chapter.code[0].source for chapter in chapters()}) == 1


# ---- The rules themselves -------------------------------------------------------------------

STUB = """\
:::{exercise}
:label: ex-small-NAME

Write `answer`.
:::

```{code-cell} ipython3
answer = ...
check.NAME(answer)
```

:::{solution-start} ex-small-NAME
:class: dropdown
:::

```{code-cell} ipython3
:tags: [nbval-check-output]

solution = 2
check.NAME(solution)
```

:::{solution-end}
:::
"""

GOOD = (
    HEADER
    + """---

# A small chapter

What is the colour of $1.25$, within 0.25? The `color` says so; the lecture's 86.8 %
is one run. <!-- typed: the lecture's own number -->

```{code-cell} ipython3
:tags: [remove-cell]

import sys

if "google.colab" in sys.modules:
    print("not here")
```

```{code-cell} ipython3
import matplotlib.pyplot as plt
import numpy as np

from dlbook import plot
from dlbook.claims import claim
from dlbook.exercises import small as check

plot.use_style()
```

1. Now a formula,

   $$
   x = 1,
   $$ (eq-small)

   and a picture.

Now a picture.

```{code-cell} ipython3
---
mystnb:
  figure:
    name: fig-small
    caption: |
      A line.
---
fig, ax = plt.subplots()
ax.plot(np.arange(3))
fig.set_label("A rising line.")
plt.show()
```

```{code-cell} ipython3
tolerance = 0.25


def double(x):
    \"\"\"Twice `x`.\"\"\"
    return 2 * x

def draw(x):
    fig, ax = plt.subplots()
    fig.set_label(f"A frame of a stepper, {x}.")
    return fig


claim("small-claim", holds=double(1) == 2, evidence="2")
```

## Exercises

"""
    + "\n".join(STUB.replace("NAME", name) for name in ("one", "two", "three"))
    + """
## Further reading

- {cite}`someone2000` says more.
"""
)

LONG = "\n".join(f"x{i} = {i}" for i in range(MAX_CELL + 1))
LONG_FUNCTION = "def f():\n" + "\n".join(f"    x{i} = {i}" for i in range(MAX_FUNCTION))

MISTAKES = [
    (header_is_the_same, "format_name: myst", "format_name: markdown"),
    (characters_are_plain, "Now a picture.", "Now $\text{a}$ picture."),
    (opens_with_a_title, "# A small chapter", "A small chapter"),
    (opens_with_a_title, "Now a picture.", "# Another title"),
    (sets_up_first, ":tags: [remove-cell]\n\nimport sys", "import sys"),
    (imports_second, "plot.use_style()", "plot.use_style()\nx = 1"),
    (imports_second, "plot.use_style()", "np.random.seed(0)\nplot.use_style()"),
    (imports_second, "answer = ...", "import os\nanswer = ..."),
    (cells_are_short, "answer = ...", LONG),
    (cells_are_short, "answer = ...", ":tags: [hide-input]\n\n" + LONG.replace("x", "y") + LONG),
    (lines_fit_the_page, "solution = 2", "solution = 2  #" + 80 * "!"),
    (functions_are_short, "solution = 2", LONG_FUNCTION),
    (figures_are_described, 'fig.set_label("A rising line.")\n', ""),
    (figures_are_described, '    fig.set_label(f"A frame of a stepper, {x}.")\n', ""),
    (figures_are_described, "    name: fig-small\n", ""),
    (figures_are_described, "    caption: |\n      A line.\n", ""),
    (displays_stand_alone, "formula,\n\n", "formula,\n"),
    (exercises_are_solved, ":label: ex-small-one\n", ""),
    (exercises_are_solved, ":label: ex-small-one\n", ":label: ex-small-two\n"),
    (exercises_are_solved, "{solution-start} ex-small-one", "{solution-start} ex-small-on"),
    (exercises_are_solved, STUB.replace("NAME", "one"), ""),
    (checks_are_solved, "solution = 2\ncheck.one(solution)", "solution = 2"),
    (checks_are_solved, ":tags: [nbval-check-output]\n\nsolution", "solution"),
    (claims_are_stated, '"small-claim"', '"another-claim"'),
    (claims_are_stated, 'evidence="2")', 'evidence="2")\nprint(2)'),
    (claims_are_stated, "check.one(answer)", 'claim("small-claim", holds=True, evidence="")'),
    (recommends_reading, "## Further reading", "## The end"),
    (spelling_is_british, "the colour", "the color"),
    (spelling_is_british, "Twice `x`", "Optimize `x`"),
    (figures_are_computed, "<!-- typed: the lecture's own number -->", ""),
    (figures_are_computed, "Now a picture.", "The error falls to 0.31 in the end."),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_good_chapter_passes(rule):
    assert list(rule(Chapter("part/small", GOOD, ("small-claim",)))) == []


@pytest.mark.parametrize(("rule", "right", "wrong"), MISTAKES)
def test_a_planted_mistake_is_found(rule, right, wrong):
    assert right in GOOD
    chapter = Chapter("part/small", GOOD.replace(right, wrong, 1), ("small-claim",))
    assert list(rule(chapter))


def test_every_rule_has_a_planted_mistake():
    assert {rule for rule, *_ in MISTAKES} == set(RULES)
