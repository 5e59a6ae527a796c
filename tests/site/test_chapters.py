"""What chapters say of themselves, and the map, lists and plans that are made of it."""

import html
import itertools
import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from dlbook_site import chapters, chart, solutions
from hypothesis import given
from hypothesis import strategies as st
from sphinx.errors import ExtensionError

HEAD = "---\nkernelspec:\n  name: python3\n---\n\n"
LINE = "**You need** {needs}. **Takes** about {minutes} minutes to read, and {runs} to run."
PARTS = """# Book

```{start-here}
```

```{chapter-map}
First: What comes first.
Second: What comes then.
Third: What nobody has written.
```

```{toctree}
:caption: First
one
two
```

```{toctree}
:caption: Second
three
ledger
```
"""
PLAN = "# Plan\n\n```{course-plan}\n1: one = One\n1: four = Four\n2: two = Two\n```\n"
EXERCISES = """
```{exercise} Predict, then run
:label: ex-one
Why?
```

```{solution-start} ex-one
:class: dropdown
```

Because of the zyzzyva.

```{solution-end}
```

```{exercise} Prove it
:label: ex-two
How?
```
"""


def chapter(name, needs="sums", minutes=30, runs="some 20 seconds", promise="", rest=""):
    line = LINE.format(needs=needs, minutes=minutes, runs=runs)
    return f"{HEAD}# {name}\n\nA question? {promise}\n\n{line}\n\n{rest}\n"


THREE = {
    "index": PARTS,
    "claims": "",
    "one": chapter("Page one", promise="By the end you can add $x$ to `y`, or *both*. Truly."),
    "two": chapter("Page two", "[](one.md) and patience", 45, "under a minute"),
    "three": chapter("Page three", "what [two](two.md) says of [one](one.md)", 75),
}


def page(book, name):
    return (book.html / "book" / f"{name}.html").read_text(encoding="utf-8")


def texts(html):
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def test_the_map_shows_chapters_with_minutes_and_direct_needs(book):
    assert book(**THREE) == ""
    drawing = re.search(r"<svg class=\"chapter-map\".*?</svg>", page(book, "index"), re.S)[0]
    links = dict(re.findall(r'<a href="([^"]*)" aria-label="([^"]*)"', drawing))
    assert links == {
        "one.html": "Page one, 30 min",
        "two.html": "Page two, 45 min; needs Page one",
        "three.html": "Page three, 75 min; needs Page one and Page two",
    }
    assert drawing.count('class="need"') == 2  # from three to one there is a way through two
    assert "1 h 15 min" in drawing and "style=" not in drawing


def test_the_list_of_the_parts_has_what_the_map_has_and_what_is_to_come(book):
    book(**THREE)
    text = texts(page(book, "index").partition("</svg>")[2])
    assert "1. First 1 h 15 min What comes first. Page one 30 min Page two 45 min" in text
    assert "2. Second 1 h 15 min" in text and "3. Third to come" in text
    promises = page(book, "index").partition("By the end you can")[2].partition("</details>")[0]
    assert "<mjx-container" in promises and "<em>both</em>" in promises
    assert texts(promises).endswith("both .") and "Truly" not in promises


def test_the_start_is_the_first_chapter(book):
    book(**THREE)
    start = page(book, "index").partition('class="start-here"')[2]
    assert 'href="one.html"' in start[:200] and "30 min to read" in texts(start[:400])


def test_a_chapter_ends_with_what_it_leads_to(book):
    book(**THREE)
    names = ("index", "one", "two", "three")
    leads = {name: page(book, name).partition('<nav class="leads"')[2] for name in names}
    assert re.findall(r'href="([^"]*)"', leads["one"].partition("</nav>")[0]) == [
        "two.html",
        "three.html",
    ]
    assert leads["three"] == "" and leads["index"] == ""


def test_others_follow_when_one_chapter_changes(book):
    book(**THREE)
    book(**{**THREE, "three": chapter("Page three", "nothing", 20)})
    assert (
        "three.html"
        not in page(book, "one").partition('<nav class="leads"')[2].partition("</nav>")[0]
    )
    assert "Page three, 20 min" in page(book, "index")
    book(**{**THREE, "three": THREE["three"].replace("Page three", "Chapter three")})
    assert "Chapter three" in page(book, "one")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("Just read.", "'?\\*\\*You need\\*\\* …"),
        ("**You need** nothing.", "has to have a line"),
        ("**You need** sums. **Takes** long.", "has to have a line"),
        ("**Takes** about 3 minutes to read, and some 4 seconds to run.", "has to have a line"),
    ],
)
def test_a_chapter_that_does_not_say_what_it_takes_is_a_warning_on_every_build(
    book, line, complaint
):
    files = {**THREE, "two": f"{HEAD}# Two\n\n{line}\n"}
    assert re.search(complaint, book(**files)) and "book/two" in book()


def test_a_chapter_cannot_need_what_comes_after_it(book):
    files = {**THREE, "one": chapter("Page one", "[](two.md)")}
    assert "'book/two', which comes after it" in book(**files)


def test_what_a_chapter_promises_is_told_in_words(book):
    promise = "By the end you can leave the sums of [](two.md) to others."
    files = {**THREE, "one": chapter("Page one", promise=promise)}
    assert "a link in the sentence 'By the end you can …' has no text" in book(**files)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("some 25 seconds to run (50 with data).", 25),
        ("some 30 seconds to run, a minute where real text is at hand.", 30),
        ("under a minute to run.", 60),
        ("about a minute to run.", 60),
    ],
)
def test_seconds_are_read_as_they_are_written(text, seconds):
    found = chapters.TAKES.search(f"Takes about 70 minutes to read, and {text}")
    assert int(found[2] or 60) == seconds


@pytest.mark.parametrize(
    ("minutes", "said"), [(5, "5 min"), (60, "1 h"), (75, "1 h 15 min"), (0, "0 min")]
)
def test_durations(minutes, said):
    assert chapters.duration(minutes) == said


@st.composite
def graphs(draw):
    """Bands of names, and needs that point backwards."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    names = [f"c{i}" for i in range(sum(sizes))]
    ends = [0, *itertools.accumulate(sizes)]
    bands = [names[a:b] for a, b in itertools.pairwise(ends)]
    needs = {
        name: sorted(draw(st.sets(st.sampled_from(names[:i]), max_size=3))) if i else []
        for i, name in enumerate(names)
    }
    return bands, needs


def reached(needs, name):
    return set().union(*({each} | reached(needs, each) for each in needs[name]), set())


@given(graphs())
def test_the_layout_goes_down_keeps_bands_apart_and_boxes_too(graph):
    bands, needs = graph
    row, x, lines, width = chart.layout(bands, needs)
    for name, told in needs.items():
        assert all(row[each] < row[name] for each in told)
    for upper, lower in itertools.pairwise(bands):
        assert max(row[name] for name in upper) < min(row[name] for name in lower)
    taken = {}
    for key, middle in x.items():
        half = chart.BOX / 2 if key in row else chart.POINT / 2
        assert middle - half >= -0.01 and middle + half <= width + 0.01
        taken.setdefault(row.get(key, key[1] if isinstance(key, tuple) else None), []).append(
            (middle - half, middle + half)
        )
    for boxes in taken.values():
        assert all(a[1] < b[0] for a, b in itertools.pairwise(sorted(boxes)))
    drawn = {name: [line[0] for line in lines if line[-1] == name] for name in needs}
    for name in needs:  # what is left out follows from what is drawn
        assert reached(drawn, name) == reached(needs, name)


def test_a_plan_links_what_there_is_and_lists_the_rest(book):
    files = {**THREE, "one": chapter("Page one", rest=EXERCISES), "ledger": PLAN}
    assert book(**files) == ""
    plan = page(book, "ledger").partition("<table")[2].partition("</table>")[0]
    assert 'href="one.html#ex-one"' in plan and 'id="ex-one"' in page(book, "one")
    rows = [texts(row) for row in plan.split("<tr")[2:]]
    rows = [row.partition(">")[2].strip() for row in rows]
    assert rows == [
        "1 Page one 30 min 1. Predict, then run 2. Prove it",
        "Four to come",
        "2 Page two 45 min",
        "more Page three 75 min",
    ]


def test_a_line_of_the_plan_that_is_none_is_reported(book):
    text = "# Plan\n\n```{course-plan}\nFirst week: one\n```\n"
    assert "is no line such as" in book(**{**THREE, "ledger": text})


def solution(book, choice, **files):
    one = chapter("Page one", rest=EXERCISES)
    warnings = book({"dlbook_solutions": choice}, **{**THREE, "one": one, **files})
    return warnings, page(book, "one"), (book.html / "searchindex.js").read_text("utf-8")


def test_solutions_are_folded_or_open(book):
    warnings, text, index = solution(book, "hidden")
    assert warnings == "" and "zyzzyva" in index
    assert re.search(r'<details class="[^"]*solution[^"]*" id="[^"]*"><summary>', text)
    warnings, text, _ = solution(book, "shown")
    assert warnings == ""
    assert re.search(r'<details class="[^"]*solution[^"]*" id="[^"]*" open><summary>', text)


def test_absent_solutions_are_nowhere(book):
    warnings, text, index = solution(book, "absent")
    assert warnings == ""
    assert "zyzzyva" not in text + index and "Solution" not in text
    assert "Prove it" in text  # exercises stay
    warnings, text, _ = solution(book, "hidden")  # and they come back
    assert "zyzzyva" in text


def test_absent_solutions_are_not_in_notebooks_that_are_copied(book):
    twin = book.html.parent / "book" / "one.ipynb"
    twin.parent.mkdir(exist_ok=True)
    twin.write_text("zyzzyva")
    solution(book, "absent")
    assert not (book.html / "book" / "one.ipynb").exists()
    solution(book, "hidden")
    assert (book.html / "book" / "one.ipynb").exists()


LAUNCH = {
    "repository_url": "https://github.com/someone/a-book",
    "use_download_button": False,
    "launch_buttons": {
        "notebook_interface": "jupyterlab",
        "colab_url": "https://colab.research.google.com",
        "binderhub_url": "https://mybinder.org",
        "jupyterhub_url": "https://hub.some-college.org",
    },
}


def launched(book, choice):
    """Addresses of the row of links at the top of a chapter whose book has a home and a hub."""
    (book.html.parent / "book").mkdir(exist_ok=True)
    (book.html.parent / "book" / "one.ipynb").write_text("{}")
    made = book.html.parent / "jupyter_execute" / "book"  # what the theme expects of Jupyter Book
    made.mkdir(parents=True, exist_ok=True)
    for name in ("one", "two", "three"):
        (made / f"{name}.ipynb").write_text("{}")
    settings = {"html_theme": "sphinx_book_theme", "html_theme_options": LAUNCH}
    book(settings | {"dlbook_solutions": choice}, **THREE)
    row = re.search(r'<ul class="launch".*?</ul>', page(book, "one"), re.DOTALL)[0]
    return [html.unescape(each) for each in re.findall(r'href="([^"]*)"', row)]


def test_a_page_opens_its_notebook_where_the_book_says(book):
    binder, hub, colab, own = launched(book, "hidden")
    assert binder.startswith("https://mybinder.org/v2/gh/someone/a-book/")
    assert colab.startswith("https://colab.research.google.com/github/someone/a-book/")
    assert hub.startswith("https://hub.some-college.org/hub/user-redirect/git-pull?")
    asked = parse_qs(urlsplit(hub).query)
    assert asked["repo"] == ["https://github.com/someone/a-book"]
    assert asked["urlpath"] == ["lab/tree/a-book/book/one.ipynb"]
    assert own == "one.ipynb"


def test_absent_solutions_are_not_a_click_away(book):
    assert launched(book, "absent") == ["one.ipynb"]


def test_what_solutions_can_be():
    assert [solutions.chosen({"SOLUTIONS": each}) for each in solutions.CHOICES]
    assert solutions.chosen({}) == solutions.chosen({"SOLUTIONS": ""}) == "hidden"
    with pytest.raises(ValueError, match=r"'open': expected hidden, shown or absent"):
        solutions.chosen({"SOLUTIONS": "open"})


def test_a_bad_choice_ends_the_build(book, monkeypatch):
    monkeypatch.setenv("SOLUTIONS", "none")
    with pytest.raises(ExtensionError, match="SOLUTIONS is 'none'"):
        book(**THREE)


def test_terms_for_the_search_are_those_in_bold(book):
    rest = "A **cross-entropy**, a **Long Short-Term Memory** and **$x$ or 3**."
    book(**{**THREE, "one": chapter("Page one", rest=rest)})
    text = (book.html / "_static" / "terms.js").read_text("utf-8")
    terms = json.loads(text.removeprefix("const TERMS = ").removesuffix(";\n"))
    assert terms == ["cross-entropy", "Long Short-Term Memory"]


def test_terms_have_one_order(book):
    rest = "A **dropout**, an **input**, a **Dropout** and an **Input**."
    book(**{**THREE, "one": chapter("Page one", rest=rest)})
    text = (book.html / "_static" / "terms.js").read_text("utf-8")
    assert '["Dropout", "dropout", "Input", "input"]' in text
