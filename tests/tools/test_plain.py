"""Every directive and role of MyST becomes Markdown that notebook programs know, or an error."""

import pytest
from booklib import Book, BookError
from made_up import HEADER, cell, write_book
from plain import Index, Plain, display, leftovers, quote

OTHER = (
    HEADER
    + """\
(other-page)=
# Another page

(a-section)=
## A section

```{exercise} Title
:label: ex-other
Do it.
```

"""
    + cell("1", options="---\nmystnb:\n  figure:\n    name: fig-other\n    caption: Seen.\n---\n")
)

BIB = """\
@article{two2020, author={Ann Lee and Bo {van Ek}}, title={T}, year={2020}, doi={10.1/x}}
@book{many1999, author={A One and B Two and C Three}, title={U}, year={1999}}
"""

# (MyST, what it becomes); the page is learning/one.
CASES = [
    ("plain *text* with $x_{i}$ and `{ref}`", "plain *text* with $x_{i}$ and `{ref}`"),
    (":::{note}\nTwo\nlines.\n:::", "> **Note.** Two\n> lines."),
    ("```{warning} At once.\nMore.\n```", "> **Warning.** At once.\n>\n> More."),
    ("```{seealso}\n- a\n- b\n```", "> **See also.**\n>\n> - a\n> - b"),
    ("```{admonition} Why?\nSo.\n```", "> **Why?** So."),
    (
        "```{admonition} Proof\n:class: dropdown\nSo.\n```",
        "<details>\n<summary>Proof</summary>\n\nSo.\n\n</details>",
    ),
    ("```{dropdown} More\nText\n```", "<details>\n<summary>More</summary>\n\nText\n\n</details>"),
    ("```{margin}\nText\n```", "> Text"),
    (
        "::::{note}\nOuter\n\n:::{tip}\nInner {sub}`2`\n:::\n::::",
        "> **Note.** Outer\n>\n> > **Tip.** Inner <sub>2</sub>",
    ),
    ("- item\n\n  ```{note}\n  Text\n  ```", "- item\n\n  > **Note.** Text"),
    ("```{math}\na\n```", "$$\na\n$$"),
    ("```{math}\n:label: eq-a\na\n```\n\nBy {eq}`eq-a`", "$$\na \\tag{1}\n$$\n\nBy (1)"),
    ("$$\na\n$$ (eq-b)\n\nBy {eq}`eq-b`", "$$\na \\tag{1}\n$$\n\nBy (1)"),
    ("$$\n\\text{a}\n$$", "$$\n\\text{a}\n$$"),
    (
        "\\begin{align*}\na &= b\n\\end{align*}",
        "$$\n\\begin{aligned}\na &= b\n\\end{aligned}\n$$",
    ),
    ("(here)=\n## Heading\n\nSee {ref}`here`.", "## Heading\n\nSee *Heading*."),
    ("% a comment\nText", "Text"),
    ("{ref}`a-section`", "[A section](../other.ipynb)"),
    ("{ref}`there <a-section>`", "[there](../other.ipynb)"),
    ("{ref}`ex-other`", "[Exercise 1 of Another page](../other.ipynb)"),
    ("{numref}`fig-other`", "[Figure 1 of Another page](../other.ipynb)"),
    ("{numref}`Fig. %s <fig-other>`", "[Fig. 1 of Another page](../other.ipynb)"),
    ("{doc}`../other`", "[Another page](../other.ipynb)"),
    ("[](../other.md)", "[Another page](../other.ipynb)"),
    ("[words](../other.md#a-section)", "[words](../other.ipynb)"),
    ("[](a-section)", "[A section](../other.ipynb)"),
    ("[notes](../plain.md)", "[notes](../plain.md)"),
    ("[out](https://example.org/a_b)", "[out](https://example.org/a_b)"),
    ("# T\n\n[](#t)", "# T\n\n*T*"),
    ("{cite}`two2020`", "([Lee and van Ek, 2020](https://doi.org/10.1/x))"),
    ("{cite:t}`many1999`", "One et al. (1999)"),
    (
        "{cite}`two2020,many1999`",
        "([Lee and van Ek, 2020](https://doi.org/10.1/x); One et al., 1999)",
    ),
    ("{term}`words <word>`, {math}`x`, {func}`f`", "words, $x$, `f`"),
    ("Term\n: Meaning {sup}`2`", "- **Term** —\n  Meaning <sup>2</sup>"),
    ("```{glossary}\nTerm\n  Its meaning.\n```", "- **Term** —\n  Its meaning."),
    ("```{code-block} python\nx = 1\n```", "```python\nx = 1\n```"),
    ("```python\n{ref}`x`\n```", "```python\n{ref}`x`\n```"),
    (
        "```{table} Caption\n:name: tab-a\n\n| a |\n|---|\n| {sub}`1` |\n```\n{numref}`tab-a`",
        "*Table 1.* Caption\n\n| a |\n|---|\n| <sub>1</sub> |\nTable 1",
    ),
    ("| a | b |\n|---|---|\n| 1 | 2 |", "| a | b |\n|---|---|\n| 1 | 2 |"),
    (
        "```{figure} p.png\n:name: fig-p\n:alt: A dot\n\nA *dot*.\n```\n{numref}`fig-p`",
        "![A dot](p.png)\n\n*Figure 1.* A *dot*.\nFigure 1",
    ),
    ("```{tableofcontents}\n```\nText", "Text"),
    (
        "````{tab-set}\n```{tab-item} One\nText\n```\n````",
        "**One**\n\nText",
    ),
    (
        "```{exercise} Count\n:label: ex-a\nHow many?\n```\n\nSee {ref}`ex-a`.",
        "> **Exercise 1: Count.** How many?\n\nSee Exercise 1.",
    ),
    (
        "```{exercise}\n:label: ex-b\nWhy?\n```\n\n```{solution} ex-b\n:class: dropdown\nSo.\n```",
        "> **Exercise 1.** Why?\n\n"
        "<details>\n<summary>Solution to Exercise 1</summary>\n\nSo.\n\n</details>",
    ),
]


@pytest.fixture
def convert(tmp_path):
    """A function that converts the cells of the page learning/one."""

    def convert(*cells):
        chapters = {"other": OTHER, "plain": "# Plain\n", "learning/one": "\n\n+++\n\n".join(cells)}
        root = write_book(tmp_path, chapters)
        (root / "book" / "other.md").write_text(OTHER)
        (root / "book" / "references.bib").write_text(BIB)
        (root / "book" / "learning" / "p.png").write_bytes(b"")
        index = Index(Book(root))
        plain = Plain(index, "learning/one")
        result = [plain.cell(source) for source in cells]
        for text in result:
            assert leftovers(index, text) == []
        return result

    return convert


@pytest.mark.parametrize(("myst", "markdown"), CASES)
def test_each_becomes(convert, myst, markdown):
    assert convert(myst) == [markdown]


def test_all_on_one_page(convert):
    texts = [myst for myst, _ in CASES if "label" not in myst and "(eq-" not in myst]
    (page,) = convert("\n\n".join(texts))
    for myst, markdown in CASES:
        if myst in texts and "Table" not in markdown and "Figure" not in markdown:
            assert markdown in page


@pytest.mark.parametrize(
    ("myst", "named"),
    [
        ("```{invented}\n```", "{invented}"),
        (":::{invented} x\n:::", "{invented}"),
        ("{invented}`x`", "{invented}"),
        ("```{note}\n{invented}`x`\n```", "{invented}"),
        ("{ref}`nowhere`", "nowhere"),
        ("[](nowhere.md)", "nowhere.md"),
        ("{cite}`nobody1900`", "nobody1900"),
        ("{doc}`nowhere`", "nowhere"),
        ("![a](nowhere.png)", "nowhere.png"),
        ("a {{ substitution }}", "substitution"),
        ("> ```{note}\n> x\n> ```", "{note}"),
    ],
)
def test_what_is_unknown_is_an_error_that_names_it(convert, myst, named):
    with pytest.raises(BookError, match=named):
        convert(myst)


def test_a_gated_solution_folds_prose_in_every_cell(convert):
    gate = "```{solution-start} ex-b\n:class: dropdown\n```"
    exercise = "```{exercise}\n:label: ex-b\nWhy?\n```"
    first, second, third = convert(
        f"{exercise}\n\n{gate}\nBefore.", "Between.", "Last.\n\n```{solution-end}\n```\n\nAfter."
    )
    assert first.endswith("<summary>Solution to Exercise 1</summary>\n\nBefore.\n\n</details>")
    assert second.startswith("<details>\n<summary>Solution to Exercise 1, continued</summary>")
    assert third.endswith("Last.\n\n</details>\n\nAfter.")


def test_a_gated_solution_without_prose_is_announced(convert):
    exercise = "```{exercise}\n:label: ex-b\nWhy?\n```"
    _, text, end = convert(exercise, "```{solution-start} ex-b\n```", "```{solution-end}\n```")
    assert text == "**Solution to Exercise 1** is in the folded cells below."
    assert end == ""


@pytest.mark.parametrize(
    "text", [":::{note}\n:::", "```{note}\n```", "a {ref}`b`", "(target)=\n# T", "% comment"]
)
def test_leftovers_are_seen(tmp_path, text):
    index = Index(Book(write_book(tmp_path, {})))
    assert leftovers(index, text)


def test_links_of_notebooks_without_solutions_do_not_lead_to_the_repositorys(tmp_path):
    root = write_book(tmp_path, {"one": "# One\n", "two": "# Two\n\n" + cell("x = 1")})
    home = "https://github.com/someone/a-book"
    (root / "_config.yml").write_text(f"repository:\n  url: {home}\n")
    index = Index(Book(root))
    with_them = Plain(index, "one").cell("See [](two.md).")
    without = Plain(index, "one", solutions=False).cell("See [](two.md).")
    assert with_them == f"See [Two]({home}/blob/main/book/two.ipynb)."
    assert without == "See [Two](two.ipynb)."


def test_numbers_of_equations_stand_within_the_formula():
    assert display("a", 3) == "$$\na \\tag{3}\n$$"


def test_a_quote_with_a_list_keeps_the_list_apart():
    assert quote("T", "- a") == "> **T.**\n>\n> - a"
