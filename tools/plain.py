"""Turns the MyST Markdown of a chapter into Markdown that every notebook program shows well.

Colab, JupyterLab and GitHub know neither directives nor roles. Here each becomes what they do
know: admonitions and exercises titled quotes, solutions foldable blocks, references links or
titles, labelled equations numbered ``$$`` blocks. What this module does not know is an error that
names it: nothing passes through unread.

Blocks are found with the parser of the site build (markdown-it with MyST's rules), by their lines;
the text between them stays as the author wrote it. Only roles and links within a paragraph are
found by a pattern, because the parser gives no positions there.
"""

import os
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace

from booklib import BookError
from markdown_it.renderer import RendererHTML
from myst_parser.parsers.directives import parse_directive_text
from myst_parser.parsers.mdit import create_md_parser

ADMONITIONS = {
    name: name.capitalize()
    for name in ("note", "tip", "important", "warning", "caution", "attention", "danger", "error")
} | {"hint": "Hint", "seealso": "See also"}
CODE_ROLES = {"code", "class", "func", "meth", "mod", "attr", "data", "exc", "file", "command"}
HTML_ROLES = {"sub": "sub", "sup": "sup", "subscript": "sub", "superscript": "sup", "kbd": "kbd"}
# amsmath environments that stand alone, and what they are called within $$ … $$
ENVIRONMENTS = {
    "align": "aligned",
    "gather": "gathered",
    "alignat": "alignedat",
    "multline": "gathered",
}

INLINE = re.compile(
    r"""
    (?P<role>\{(?P<name>[a-zA-Z][\w:+.-]*)\}(?P<tick>`+)(?P<content>.+?)(?P=tick)(?!`))
  | (?P<code>(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`))
  | (?P<math>(?<!\\)\$\$.+?\$\$|(?<!\\)\$(?:[^$\\]|\\.)+?\$)
  | (?P<substitution>\{\{.+?\}\})
  | (?P<link>(?P<image>!?)\[(?P<text>[^\[\]]*)\]\((?P<url>[^()\s]*)\))
    """,
    re.VERBOSE | re.DOTALL,
)
TITLED = re.compile(r"^(?P<title>.*?)\s*<(?P<target>[^<>]+)>$", re.DOTALL)
GATE = "\x00"  # begins a line that opens or closes a gated exercise or solution


@dataclass(frozen=True)
class Target:
    """What a reference can point at. `kind` is section, figure, table, equation, exercise, text."""

    page: str
    kind: str
    number: int | None
    title: str

    @property
    def name(self):
        return f"{self.kind.capitalize()} {self.number}"


class Options:
    """Stands for a directive's class when its text is parsed: any option, any body."""

    option_spec = {"any": True}  # noqa: RUF012
    required_arguments = 0
    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True


def directive(token):
    """Name, argument, options and body of a directive's token; None for any other token."""
    if token.type not in {"fence", "colon_fence"} or not token.info.strip().startswith("{"):
        return None
    name, _, argument = token.info.strip()[1:].partition("}")
    parsed = parse_directive_text(Options, argument.strip(), token.content, validate_options=False)
    options = {
        key: str(value) if value is not None else "" for key, value in parsed.options.items()
    }
    return SimpleNamespace(
        name=name, argument=argument.strip(), options=options, body="\n".join(parsed.body)
    )


class Index:
    """All targets of the book: what references need to know about other pages."""

    def __init__(self, book):
        self.book = book
        self.parser = create_md_parser(book.markdown, RendererHTML)
        self.targets, self.titles, self.slugs = {}, {}, {}
        for page in dict.fromkeys(book.pages):
            if (book.folder / f"{page}.md").exists():
                self.read(page)

    def read(self, page):
        path = self.book.folder / f"{page}.md"
        if page in self.titles:
            return
        self.titles[page] = page
        counters = Counter()
        for cell in self.book.read(path).cells:
            if cell.cell_type == "code":
                figure = cell.metadata.get("mystnb", {}).get("figure", {})
                if figure:
                    caption = figure.get("caption", "")
                    self.add(page, "figure", figure.get("name"), caption, counters)
            else:
                self.scan(page, cell.source, counters)

    def scan(self, page, text, counters):
        pending = []  # labels that stand before the block they name
        tokens = self.parser.parse(text + "\n")
        for i, token in enumerate(tokens):
            if token.type == "myst_target":
                pending.append(token.content)
                continue
            if token.type == "heading_open":
                title = tokens[i + 1].content
                if token.tag == "h1" and self.titles[page] == page:
                    self.titles[page] = title
                self.slugs[page, slug(title)] = title
                for label in pending:
                    self.targets[label] = Target(page, "section", None, title)
                pending = []
            elif token.type == "math_block_label":
                self.add(page, "equation", token.info or token.content, "", counters)
            elif found := directive(token):
                self.scan_directive(page, found, counters)
            if token.nesting != -1 and token.type != "inline":
                for label in pending:
                    self.targets[label] = Target(page, "text", None, "")
                pending = []

    def scan_directive(self, page, found, counters):
        label = found.options.get("label") or found.options.get("name")
        if found.name == "math":
            if label:
                self.add(page, "equation", label, "", counters)
        elif found.name == "figure":
            self.add(page, "figure", label, found.body, counters)
        elif found.name in {"table", "list-table"}:
            self.add(page, "table", label, found.argument, counters)
        elif found.name in {"exercise", "exercise-start"}:
            self.add(page, "exercise", label, found.argument, counters)
        elif found.name in {"solution", "solution-start"}:
            if label:
                self.targets[label] = Target(page, "text", None, "solution")
        elif label:
            self.targets[label] = Target(page, "text", None, found.argument)
        if found.name not in {"math", "code-block", "code", "raw", "glossary"}:
            self.scan(page, found.body, counters)

    def add(self, page, kind, label, title, counters):
        counters[kind] += 1
        if label:
            self.targets[label] = Target(page, kind, counters[kind], title.strip())

    @cached_property
    def bibliography(self):
        from pybtex.database import parse_file

        path = self.book.folder / "references.bib"
        return parse_file(str(path), "bibtex").entries if path.exists() else {}


def slug(title):
    """The anchor of a heading, as MyST and GitHub make it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


class Plain:
    """Converts the Markdown cells of one page, in their order (the numbers count along)."""

    def __init__(self, index, page, solutions=True):
        index.read(page)
        self.index, self.page, self.solutions = index, page, solutions
        self.path = index.book.folder / f"{page}.md"
        self.counters = Counter()
        self.gate = None  # the exercise or solution that stays open from cell to cell

    def fail(self, message):
        raise BookError(f"{self.path}: {message}")

    # -- cells --------------------------------------------------------------------------------
    @property
    def in_solution(self):
        return self.gate is not None and self.gate[0] == "solution"

    def cell(self, source):
        """A Markdown cell as plain Markdown; empty where nothing is left to show."""
        parts, title = [], ""  # title of a gate that opened in this cell and has shown nothing yet
        for piece in re.split(f"^({GATE}.*)$", self.blocks(source), flags=re.MULTILINE):
            if piece.startswith(GATE):
                kind, _, title = piece[1:].partition(" ")
                self.gate = None if kind == "close" else (kind, title)
            elif piece.strip():
                parts.append(self.gated(piece.strip(), title))
                title = ""
        if title and (self.solutions or not self.in_solution):
            parts.append(f"**{title}** is in the folded cells below.")
        return "\n\n".join(filter(None, parts))

    def gated(self, text, title):
        """Text within a gated exercise or solution; `title` is empty where it goes on."""
        if self.gate is None:
            return text
        kind, whole = self.gate
        if kind == "solution" and not self.solutions:
            return ""
        return (
            quote(title, text) if kind == "exercise" else fold(title or f"{whole}, continued", text)
        )

    def caption(self, figure):
        """The caption of a figure that a code cell draws."""
        self.counters["figure"] += 1
        text = self.blocks(figure.get("caption", "")).strip().replace("\n", " ")
        label = f"Figure {self.counters['figure']}."
        return f"*{label} {text}*" if not re.search(r"[*_$`\[]", text) else f"*{label}* {text}"

    # -- blocks -------------------------------------------------------------------------------
    def blocks(self, text):
        """Convert a piece of MyST."""
        lines = text.split("\n")
        done, out = 0, []

        def put(token, replacement):
            nonlocal done
            start, end = token.map
            # Trailing blank lines belong to what follows.
            while end > start + 1 and not lines[end - 1].strip():
                end -= 1
            out.extend(lines[done:start])
            out.extend(replacement.split("\n") if replacement is not None else [])
            done = end

        for token in self.index.parser.parse(text + "\n"):
            if token.map is None or token.map[0] < done or token.map[0] >= len(lines):
                continue
            found = directive(token)
            first = lines[token.map[0]]
            if found:
                indent = first[: len(first) - len(first.lstrip())]
                if first.strip()[0] not in "`:~":
                    self.fail(f"directive {{{found.name}}} must begin its line: {first.strip()!r}")
                replacement = self.directive(found)
                if replacement is not None:
                    replacement = "\n".join(
                        indent + line if line else "" for line in replacement.split("\n")
                    )
                put(token, replacement)
            elif token.type in {"fence", "code_block", "html_block", "math_block"}:
                put(token, "\n".join(lines[token.map[0] : token.map[1]]).rstrip())
            elif token.type == "math_block_label":
                put(token, self.equation(token.content, token.info or token.content))
            elif token.type == "amsmath":
                token.map[1] = token.map[0] + token.content.count("\n") + 1  # it is one too small
                put(token, display(token.content))
            elif token.type in {"myst_target", "myst_line_comment"}:
                put(token, None)
            elif token.type == "substitution_block":
                self.fail(f"substitution {first.strip()!r}: write the text out")
            elif token.type == "dl_open":
                put(token, self.definitions(lines[token.map[0] : token.map[1]]))
            elif token.type == "inline":
                put(token, self.inline("\n".join(lines[token.map[0] : token.map[1]]).rstrip()))
        out.extend(lines[done:])
        return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).strip("\n")

    def definitions(self, lines):
        """A definition list as a list of bold terms."""
        text = []
        for i, line in enumerate(lines):
            following = lines[i + 1] if i + 1 < len(lines) else ""
            if line.startswith(":"):
                text.append("  " + line[1:].strip())
            elif following.startswith(":"):
                text.append(f"- **{line.strip()}** —")
            else:
                text.append(line)
        return self.blocks("\n".join(text))

    def equation(self, content, label=None):
        if label:
            self.counters["equation"] += 1
            return display(content, self.counters["equation"])
        return display(content)

    def directive(self, found):
        """Plain Markdown of a directive; None where nothing takes its place."""
        name, argument, options = found.name, found.argument, found.options
        if name in ADMONITIONS or name in {"admonition", "topic", "card", "margin", "sidebar"}:
            title = ADMONITIONS.get(name) or self.inline(argument)
            text = found.body if name not in ADMONITIONS else join(argument, found.body)
            if "dropdown" in options.get("class", ""):
                return fold(title, self.blocks(text))
            return quote(title, self.blocks(text))
        handler = getattr(self, "do_" + name.replace("-", "_"), None)
        if handler is None:
            self.fail(f"directive {{{name}}} has no plain form (see tools/plain.py)")
        return handler(found)

    def do_exercise(self, found):
        return quote(self.exercise_title(found), self.blocks(found.body))

    def do_exercise_start(self, found):
        title = self.exercise_title(found)
        body = self.blocks(found.body)
        return f"{GATE}exercise {title}" + (f"\n{body}" if body else "")

    def do_exercise_end(self, found):
        return f"{GATE}close"

    def exercise_title(self, found):
        self.counters["exercise"] += 1
        title = (
            "Exercise" if "nonumber" in found.options else f"Exercise {self.counters['exercise']}"
        )
        return f"{title}: {self.inline(found.argument)}" if found.argument else title

    def do_solution(self, found):
        whole = fold(self.solution_title(found), self.blocks(found.body))
        return whole if self.solutions else ""

    def do_solution_start(self, found):
        body = self.blocks(found.body)
        return f"{GATE}solution {self.solution_title(found)}" + (f"\n{body}" if body else "")

    def do_solution_end(self, found):
        return f"{GATE}close"

    def solution_title(self, found):
        return f"Solution to {self.target(found.argument).name}"

    def do_dropdown(self, found):
        return fold(self.inline(found.argument) or "More", self.blocks(found.body))

    def do_math(self, found):
        return self.equation(join(found.argument, found.body), found.options.get("label"))

    def do_figure(self, found):
        self.counters["figure"] += 1
        caption, _, legend = found.body.strip().partition("\n\n")
        number = f"*Figure {self.counters['figure']}.*"
        return join(self.do_image(found), f"{number} {self.blocks(caption)}", self.blocks(legend))

    def do_image(self, found):
        return self.image(found.options.get("alt", ""), found.argument)

    def image(self, alt, url):
        """An image; where the book has a home, from there, for Colab sees no neighbouring files."""
        book = self.index.book
        if not re.match(r"[a-z]+:", url):
            file = (self.path.parent / url).resolve()
            if not file.exists():
                self.fail(f"image {url} does not exist")
            if book.home:
                raw = book.home.replace("github.com", "raw.githubusercontent.com")
                branch = book.config["repository"].get("branch", "main")
                url = f"{raw}/{branch}/{file.relative_to(book.root).as_posix()}"
        return f"![{alt}]({url})"

    def do_code_block(self, found):
        fence = "````" if "```" in found.body else "```"
        return f"{fence}{found.argument}\n{found.body}\n{fence}"

    do_code = do_sourcecode = do_code_block

    def do_table(self, found):
        self.counters["table"] += 1
        title = f"*Table {self.counters['table']}.* {self.inline(found.argument)}"
        return join(title, self.blocks(found.body))

    def do_glossary(self, found):
        entries = []
        for line in found.body.split("\n"):
            if line and not line[0].isspace():
                entries.append(f"- **{self.inline(line)}** —")
            elif line.strip():
                entries.append(f"  {line.strip()}")
        return self.blocks("\n".join(entries))

    def do_epigraph(self, found):
        return quote("", self.blocks(found.body))

    def do_raw(self, found):
        return found.body if found.argument == "html" else None

    def do_container(self, found):
        return self.blocks(found.body)

    do_div = do_grid = do_tab_set = do_container

    def do_tab_item(self, found):
        return join(f"**{self.inline(found.argument)}**", self.blocks(found.body))

    do_grid_item = do_container
    do_grid_item_card = do_tab_item

    def do_bibliography(self, found):
        return f"See the {self.link_page('reference/bibliography', 'bibliography')}."

    def do_tableofcontents(self, found):
        return None  # the notebook programs have their own

    do_contents = do_toctree = do_tableofcontents

    # -- within a paragraph -------------------------------------------------------------------
    def inline(self, text):
        return INLINE.sub(self.replace, text)

    def replace(self, match):
        if match["role"]:
            return self.role(match["name"], " ".join(match["content"].split()))
        if match["substitution"]:
            self.fail(f"substitution {match['substitution']}: write the text out")
        if match["link"] and match["image"]:
            return self.image(match["text"], match["url"])
        if match["link"]:
            return self.link(match["text"], match["url"])
        return match[0]

    def role(self, name, content):
        if name in {"ref", "numref", "eq", "doc", "term", "download"}:
            titled = TITLED.match(content)
            text, target = (titled["title"], titled["target"]) if titled else ("", content)
            return getattr(self, f"role_{name}")(text, target)
        if name == "cite" or name.startswith("cite:"):
            return self.cite(content, textual=name.endswith(":t"))
        if name == "math":
            return f"${content}$"
        if name.removeprefix("py:") in CODE_ROLES:
            return f"`{content}`"
        if name in HTML_ROLES:
            return f"<{HTML_ROLES[name]}>{content}</{HTML_ROLES[name]}>"
        if name in {"abbr", "guilabel", "index"}:
            return content
        if name == "strong" or name.startswith("bdg"):
            return f"**{content}**"
        if name == "emphasis":
            return f"*{content}*"
        return self.fail(f"role {{{name}}} has no plain form (see tools/plain.py)")

    def target(self, label):
        label = label.strip()
        if label not in self.index.targets:
            self.fail(f"unknown label {label!r}")
        return self.index.targets[label]

    def role_ref(self, text, label):
        target = self.target(label)
        if target.number is not None and target.kind != "section":
            return self.role_numref(text, label)
        return self.link_page(target.page, text or target.title or label, "*")

    def role_numref(self, text, label):
        target = self.target(label)
        name = target.name if target.number else target.title
        text = text.replace("%s", str(target.number)) if text else name
        if target.page != self.page and self.index.titles[target.page] not in text:
            text = f"{text} of {self.index.titles[target.page]}"
        return self.link_page(target.page, text)

    def role_eq(self, text, label):
        target = self.target(label)
        where = "" if target.page == self.page else f" of {self.index.titles[target.page]}"
        return self.link_page(target.page, text or f"({target.number}){where}")

    def role_doc(self, text, path):
        page = self.resolve(path)
        if page is None:
            self.fail(f"unknown page {path!r}")
        return self.link_page(page, text or self.index.titles[page])

    def role_term(self, text, term):
        return text or term

    def role_download(self, text, path):
        return f"[{text or path}]({path})"

    def resolve(self, path):
        """The page that a relative path (with or without suffix) or an absolute one names."""
        path = path.removesuffix(".md").removesuffix(".ipynb")
        if path.startswith("/"):
            page = path.removeprefix("/").removeprefix("book/")
        else:
            page = os.path.normpath(os.path.join(os.path.dirname(self.page), path))
        return page if page in self.index.titles else None

    def link_page(self, page, text, emphasis=""):
        """A link to another page of the book; on the same page the text alone."""
        if page == self.page or page not in self.index.titles:
            return f"{emphasis}{text}{emphasis}"
        book = self.index.book
        names = {chapter.name for chapter in book.chapters}
        file = f"{page}.ipynb" if page in names else f"{page}.md"
        if book.home and self.solutions:  # the repository's notebooks have them
            branch = book.config["repository"].get("branch", "main")
            return f"[{text}]({book.home}/blob/{branch}/book/{file})"
        return f"[{text}]({os.path.relpath(file, os.path.dirname(self.page) or '.')})"

    def link(self, text, url):
        text = self.inline(text)
        if re.match(r"[a-z][a-z0-9+.-]*:", url):
            return f"[{text}]({url})"
        path, _, anchor = url.partition("#")
        if not path:
            title = self.index.slugs.get((self.page, anchor))
            return (text or f"*{title}*") if title else self.role_ref(text, anchor)
        page = self.resolve(path)
        if page is not None and (
            path.endswith((".md", ".ipynb")) or path not in self.index.targets
        ):
            title = self.index.slugs.get((page, anchor)) or self.index.titles[page]
            return self.link_page(page, text or title)
        if path in self.index.targets:
            return self.role_ref(text, path)
        if (self.path.parent / path).exists():
            return f"[{text}]({url})"
        return self.fail(f"link to {url!r}: neither a page, a label nor a file")

    def cite(self, keys, textual):
        parts = []
        for key in keys.split(","):
            entry = self.index.bibliography.get(key.strip())
            if entry is None:
                self.fail(f"citation of {key.strip()!r}, which book/references.bib does not hold")
            people = entry.persons.get("author") or entry.persons.get("editor") or []
            last = [" ".join(p.prelast_names + p.last_names).strip("{}") for p in people]
            names = " and ".join(last) if len(last) < 3 else f"{last[0]} et al."
            names = names or entry.fields.get("title", key)
            year = entry.fields.get("year", "no date")
            text = f"{names} ({year})" if textual else f"{names}, {year}"
            doi = entry.fields.get("doi")
            url = entry.fields.get("url") or (f"https://doi.org/{doi}" if doi else None)
            bibliography = "reference/bibliography"
            parts.append(f"[{text}]({url})" if url else self.link_page(bibliography, text))
        return ", ".join(parts) if textual else f"({'; '.join(parts)})"


def quote(title, text):
    """A block quote with a bold title."""
    if title:
        title = f"**{title}**" if title[-1] in ".?!" else f"**{title}.**"
        starts_block = re.match(r"([-*+>#|]|\d+\.|\$\$|```|!\[)", text.lstrip())
        text = f"{title}\n\n{text}" if starts_block else f"{title} {text}".rstrip()
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def fold(title, text):
    """A block that opens at a click."""
    return f"<details>\n<summary>{title}</summary>\n\n{text}\n\n</details>"


def display(content, number=None):
    """A displayed formula; amsmath environments become those that are allowed within ``$$``."""
    content = content.strip()
    for name, inner in ENVIRONMENTS.items():
        content = re.sub(rf"\\(begin|end)\{{{name}\*?\}}", rf"\\\1{{{inner}}}", content)
    content = re.sub(r"\\(begin|end)\{equation\*?\}", "", content).strip()
    tag = f" \\tag{{{number}}}" if number else ""
    return f"$$\n{content}{tag}\n$$"


def join(*texts):
    return "\n\n".join(text for text in texts if text)


def leftovers(index, text):
    """What of MyST is still in `text`: names of its parts, empty where it is plain."""
    left = re.findall(r"^\s*:::.*$", text, re.MULTILINE)
    for token in index.parser.parse(text + "\n"):
        if directive(token):
            left.append(token.info)
        if token.type in {"myst_target", "myst_line_comment", "math_block_label", "amsmath"}:
            left.append(token.content)
        for child in token.children or []:
            if child.type == "myst_role":
                left.append(f"{{{child.meta['name']}}}`{child.content}`")
            elif child.type == "substitution_inline":
                left.append(child.content)
    return left
