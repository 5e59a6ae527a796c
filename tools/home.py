"""Set the book's public home, a GitHub repository, everywhere that names it.

The one place that holds the address is `repository.url` in _config.yml; derived from it are the
launch buttons, the set-up cell of every chapter and its twin, and the marked parts of README.md,
CITATION.cff and pyproject.toml. An empty URL takes the book off again: no address is made up,
because installing from a name that we do not own would be a security hole. With a HUB, each page
also opens its notebook there, which nbgitpuller fetches from the repository.
"""

import argparse
import re
import sys
from pathlib import Path

import nbformat
from booklib import ROOT, Book, BookError, notebook_json, write_atomically

ADDRESS = re.compile(r"https://github\.com/([A-Za-z0-9][A-Za-z0-9-]{0,38})/([A-Za-z0-9._-]{1,100})")
FIRST_CELL = re.compile(
    r"```\{code-cell\} ipython3\n:tags: \[remove-cell\]\n\n(.*?)\n```", re.DOTALL
)
HUB = re.compile(r"https://[A-Za-z0-9.-]+(?::\d+)?(?:/[A-Za-z0-9._~-]+)*")
NOWHERE = (
    '    print("This book has no public home yet, so Colab cannot install its helper package.")'
)
BRANCH = "main"


def parse_address(url):
    """Owner and name of a GitHub repository; None for the empty string.

    Raises ValueError for anything else than ``https://github.com/owner/name``.
    """
    url = url.strip().removesuffix("/").removesuffix(".git")
    if not url:
        return None
    match = ADDRESS.fullmatch(url)
    if not match or match[2] in {".", ".."}:
        raise ValueError(f"URL is {url!r}: expected https://github.com/owner/name, or nothing")
    return match[1], match[2]


def parse_hub(url, home):
    """Address of a JupyterHub; the empty string for none.

    Raises ValueError for what is no such address, and for a hub without a repository.
    """
    url = url.strip().rstrip("/")
    if url and not HUB.fullmatch(url):
        raise ValueError(f"HUB is {url!r}: expected https://hub.some.org, or nothing")
    if url and not home:
        raise ValueError("HUB is given without URL: a hub fetches the notebooks from there")
    return url


def setup_cell(home):
    """First code cell of every chapter."""
    install = f'    %pip install --quiet "dlbook @ git+https://github.com/{"/".join(home or ())}"'
    return f'import sys\n\nif "google.colab" in sys.modules:\n{install if home else NOWHERE}'


def config_part(home, hub):
    if not home:
        return 'repository:\n  url: ""\n'
    return (
        f"repository:\n  url: https://github.com/{home[0]}/{home[1]}\n  branch: {BRANCH}\n"
        "launch_buttons:\n  notebook_interface: jupyterlab\n"
        "  colab_url: https://colab.research.google.com\n"
        "  binderhub_url: https://mybinder.org\n" + (f"  jupyterhub_url: {hub}\n" if hub else "")
    )


def readme_part(home):
    if not home:
        return ""
    name = "/".join(home)
    return (
        f"[![tests](https://github.com/{name}/actions/workflows/test.yml/badge.svg)]"
        f"(https://github.com/{name}/actions/workflows/test.yml)\n\n"
        f"The book is online at <{site(home)}>. A link at the top of each chapter opens its "
        f"notebook in Colab or on [Binder](https://mybinder.org/v2/gh/{name}/{BRANCH}).\n"
    )


def citation_part(home):
    if not home:
        return ""
    return f'repository-code: "https://github.com/{home[0]}/{home[1]}"\nurl: "{site(home)}"\n'


def project_part(home):
    if not home:
        return ""
    return (
        f'[project.urls]\nHomepage = "{site(home)}"\n'
        f'Repository = "https://github.com/{home[0]}/{home[1]}"\n'
    )


def site(home):
    """Where GitHub Pages serves the site of a repository."""
    owner, name = home
    if name.lower() == f"{owner.lower()}.github.io":
        return f"https://{owner.lower()}.github.io/"
    return f"https://{owner.lower()}.github.io/{name}/"


MARKED = {  # file: what opens the part, what closes it, what stands between
    "_config.yml": ("# home:start\n", "# home:end\n", config_part),
    "README.md": ("<!-- home:start -->\n", "<!-- home:end -->\n", readme_part),
    "CITATION.cff": ("# home:start\n", "# home:end\n", citation_part),
    "pyproject.toml": ("# home:start\n", "# home:end\n", project_part),
}


def hub_of(book):
    """The JupyterHub that _config.yml names, or the empty string."""
    return (book.config.get("launch_buttons") or {}).get("jupyterhub_url") or ""


def expected(book, home, hub):
    """What every file that names the home has to hold: a dictionary from path to text."""
    texts = {}
    for name, (start, end, part) in MARKED.items():
        path = book.root / name
        text = path.read_text("utf-8")
        if text.count(start) != 1 or text.count(end) != 1:
            raise BookError(f"{name}: expected one {start.strip()!r} and one {end.strip()!r}")
        before, _, rest = text.partition(start)
        after = rest.partition(end)[2]
        between = part(home, hub) if part is config_part else part(home)
        text = before + start + between + end + after
        if name == "_config.yml":
            base = site(home) if home else '""'
            text = re.sub(r"^  baseurl: .*$", lambda m, b=base: f"  baseurl: {b}", text, flags=re.M)
        texts[path] = text
    cell = setup_cell(home)
    for chapter in book.chapters:
        text = chapter.path.read_text("utf-8")
        match = FIRST_CELL.search(text)
        if match is None or text.find("```{code-cell}") != match.start():
            raise BookError(f"{chapter.path}: its first code cell is not the set-up cell")
        texts[chapter.path] = text[: match.start(1)] + cell + text[match.end(1) :]
    return texts


def check(book):
    """Files that are not as `repository.url` in _config.yml asks."""
    home = parse_address(book.home)
    texts = expected(book, home, parse_hub(hub_of(book), home))
    return [
        f"{path.relative_to(book.root)} is out of step with repository.url in _config.yml: "
        f'run `make home URL="{book.home}"`'
        for path, text in texts.items()
        if text != path.read_text("utf-8")
    ]


def settle(root, url, hub=""):
    """Write `url` and `hub` wherever they belong; returns the files that changed."""
    home = parse_address(url)
    hub = parse_hub(hub, home)
    changed = []
    for path, text in expected(Book(root), home, hub).items():
        if text != path.read_text("utf-8"):
            write_atomically(path, text)
            changed.append(path)
    return changed + rewrite_twins(Book(root))


def rewrite_twins(book):
    """Make the twins anew, with the outputs that they have: nothing is executed."""
    from notebooks import compared_outputs, twin
    from plain import Index

    changed, index = [], Index(book)
    for chapter in book.chapters:
        if not chapter.twin.exists():
            continue
        old = chapter.twin.read_text("utf-8")
        outputs = compared_outputs(nbformat.reads(old, as_version=4))
        new = notebook_json(twin(index, chapter, outputs))
        if new != old:
            write_atomically(chapter.twin, new)
            changed.append(chapter.twin)
    return changed


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=__doc__)
    parser.add_argument("url", nargs="?", help='https://github.com/owner/name, or "" for nowhere')
    parser.add_argument("--hub", default="", help="https://hub.some.org, a JupyterHub of your own")
    parser.add_argument("--check", action="store_true", help="only say what is out of step")
    parser.add_argument("--root", type=Path, default=ROOT, help="root of the book's repository")
    options = parser.parse_args(argv)
    try:
        if options.check or options.url is None:
            complaints = check(Book(options.root))
            print("\n".join(complaints) or "Everything agrees with repository.url in _config.yml.")
            sys.exit(1 if complaints else 0)
        for path in settle(options.root, options.url, options.hub):
            print(f"written: {path.relative_to(options.root.resolve())}")
    except (BookError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
