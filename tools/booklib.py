"""What the scripts of this folder share: the chapters, how one is read, and which are stale.

A chapter is a MyST Markdown file with code cells. Its *record* is the executed notebook in the
jupyter-cache of the site build, together with a *receipt*: a small file that says what the
execution rested on (the code, the modules of ``dlbook`` that it imports, package versions, data,
GPU). A chapter whose receipt no longer describes the present is *stale*.
"""

import ast
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import nbformat
import yaml
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.cache.db import NbCacheRecord
from jupyter_cache.cache.main import JupyterCacheBase
from myst_nb.core.read import is_myst_markdown_notebook, read_myst_markdown_notebook
from myst_parser.config.main import MdParserConfig
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "dlbook"
DATA = "available data"
COMPARED = "nbval-check-output"
EXTENSIONS = [
    "amsmath",
    "colon_fence",
    "deflist",
    "dollarmath",
    "linkify",
    "substitution",
    "tasklist",
]


class BookError(Exception):
    """Something in the book's sources is wrong; the message says where and what."""


def write_atomically(path, text):
    """Write `text` to `path` so that no reader ever sees half of it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def sha(data):
    """First 16 hexadecimal digits of the SHA-256 of bytes or text."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()[:16]


@contextmanager
def lock(path):
    """Hold an exclusive lock: one process at a time writes to the cache or builds the site."""
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"Waiting for another run to end ({path}) ...", flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True)
class Chapter:
    """A page of the book with code cells. `name` is its path under ``book/`` without suffix."""

    book: "Book"
    name: str

    @property
    def path(self):
        return self.book.folder / f"{self.name}.md"

    @property
    def twin(self):
        """The committed notebook beside the chapter."""
        return self.book.folder / f"{self.name}.ipynb"

    @property
    def run(self):
        """The notebook that pytest executes."""
        return self.book.build / "notebooks" / f"{self.name}.ipynb"

    @property
    def receipt(self):
        return self.book.cache.path / "receipts" / f"{self.name}.json"

    @property
    def doctree(self):
        return self.book.build / ".doctrees" / "book" / f"{self.name}.doctree"

    @cached_property
    def notebook(self):
        """The chapter as MyST-NB reads it: what the key of the cache is computed from."""
        return self.book.read(self.path)

    @property
    def code_cells(self):
        return [cell for cell in self.notebook.cells if cell.cell_type == "code"]


class Book:
    """The book whose repository root is `root`."""

    def __init__(self, root=ROOT):
        self.root = Path(root).resolve()
        self.folder = self.root / "book"
        self.build = self.root / "_build"
        self.cache = JupyterCacheBase(self.build / ".jupyter_cache")

    @cached_property
    def config(self):
        path = self.root / "_config.yml"
        return (yaml.safe_load(path.read_text("utf-8")) or {}) if path.exists() else {}

    @cached_property
    def markdown(self):
        """How MyST is to be parsed: with the extensions that the site is built with."""
        names = self.config.get("parse", {}).get("myst_enable_extensions", EXTENSIONS)
        return MdParserConfig(enable_extensions=set(names))

    @cached_property
    def home(self):
        """Address of the public repository, or the empty string while there is none."""
        return self.config.get("repository", {}).get("url") or ""

    def read(self, path):
        try:
            return read_myst_markdown_notebook(
                path.read_text("utf-8"), config=self.markdown, path=path
            )
        except Exception as error:
            raise BookError(f"{path}: {error}") from error

    # -- pages ------------------------------------------------------------------------------
    @cached_property
    def pages(self):
        """Every page of the table of contents, in its order, as paths under ``book/``."""
        toc = yaml.safe_load((self.root / "_toc.yml").read_text("utf-8"))
        found = []

        def walk(node):
            if isinstance(node, list):
                for item in node:
                    walk(item)
            elif isinstance(node, dict):
                for key in ("root", "file"):
                    if key in node:
                        found.append(node[key].removeprefix("book/").removesuffix(".md"))
                for value in node.values():
                    walk(value)

        walk(toc)
        return found

    @cached_property
    def parts(self):
        """The table of contents as pairs of a part's caption and its pages, without the cover."""
        toc = yaml.safe_load((self.root / "_toc.yml").read_text("utf-8"))
        parts = toc.get("parts") or [{"chapters": toc.get("chapters", [])}]
        names = [[chapter["file"] for chapter in part.get("chapters", [])] for part in parts]
        return [
            (part.get("caption", ""), [n.removeprefix("book/").removesuffix(".md") for n in files])
            for part, files in zip(parts, names, strict=True)
        ]

    @cached_property
    def chapters(self):
        """The pages that have code cells."""
        chapters = []
        for name in self.pages:
            path = self.folder / f"{name}.md"
            # Sphinx complains about a page that is listed and not there.
            if path.exists() and is_myst_markdown_notebook(path.read_text("utf-8")):
                chapters.append(Chapter(self, name))
        return chapters

    def chapter(self, path):
        """The chapter named by a path (``book/learning/x.md``) or a name (``learning/x``)."""
        given = str(path).removesuffix(".md").removesuffix(".ipynb")
        for candidate in (Path(given).resolve(), self.root / given, self.folder / given):
            source = candidate.with_name(candidate.name + ".md")
            if source.is_relative_to(self.folder) and source.exists():
                if not is_myst_markdown_notebook(source.read_text("utf-8")):
                    raise BookError(f"{source} has no code cells, so there is nothing to execute")
                name = candidate.relative_to(self.folder).as_posix()
                for chapter in self.chapters:
                    if chapter.name == name:
                        return chapter
                return Chapter(self, name)
        raise BookError(f"no chapter called {path!r} in {self.folder}")

    # -- what an execution rests on ---------------------------------------------------------
    def sources(self, chapter):
        """Files of the helper package that the chapter imports, directly or by way of others."""
        package = self.root / "src" / PACKAGE
        wanted, files = set(), set()
        for cell in chapter.code_cells:
            wanted |= imported_modules(python_of(cell.source), PACKAGE)
        queue = sorted(wanted)
        seen = set()
        while queue:
            module = queue.pop()
            if module in seen:
                continue
            seen.add(module)
            for file, name in module_files(package, module):
                files |= {file, *companions(file)}
                code = file.read_text("utf-8")
                base = name if file.name == "__init__.py" else name.rpartition(".")[0]
                queue.extend(imported_modules(code, PACKAGE, base) - seen)
        return sorted(files)

    @cached_property
    def versions(self):
        """Installed version of every package that ``constraints.txt`` names."""
        path = self.root / "constraints.txt"
        found = {}
        for line in path.read_text("utf-8").splitlines() if path.exists() else []:
            name = line.partition("#")[0].partition("==")[0].partition(";")[0].strip()
            if name:
                try:
                    found[name] = version(name)
                except PackageNotFoundError:
                    continue
        return found

    @cached_property
    def data(self):
        """Which parts of the real data are at hand, as the helper package itself answers."""
        script = f"import json; from {PACKAGE} import data; print(json.dumps(data.availability()))"
        answer = subprocess.run(
            [sys.executable, "-c", script],
            env=self.environment,
            capture_output=True,
            text=True,
            cwd=self.root,
        )
        if answer.returncode:
            # The chapters that import it will fail with the same traceback, shown in full.
            return f"error: {answer.stderr.strip().splitlines()[-1]}"
        return json.dumps(json.loads(answer.stdout.splitlines()[-1]), sort_keys=True)

    @property
    def environment(self):
        """Environment of every process that runs chapters.

        One thread each (two processes with two threads on two cores are ten times slower, and
        another number of threads gives other digits), this tree's helper package whatever the
        interpreter has installed, and no start-up files of the user.
        """
        tools = str(ROOT / "tools")
        path = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p and p != tools]
        data = os.environ.get("DLBOOK_DATA")
        return os.environ | {
            "OMP_NUM_THREADS": "1",
            "CI": "1",  # nobody watches: no progress bars in what is stored
            **({"DLBOOK_DATA": os.path.abspath(data)} if data else {}),  # kernels run elsewhere
            "IPYTHONDIR": str(self.build / ".ipython"),
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            "PYTHONPATH": os.pathsep.join([str(self.root / "src"), *path]),
        }

    def foundations(self, chapter):
        """What the results of the chapter rest on: a dictionary from a name to a digest."""
        files = self.sources(chapter)
        rests_on = {
            "its code": self.key(chapter),
            "package versions": sha(json.dumps(self.versions, sort_keys=True)),
            "Python": f"{sys.version.split()[0]} on {sysconfig.get_platform()}",
            "GPU": gpu(),
        }
        for file in files:
            rests_on[file.relative_to(self.root).as_posix()] = sha(file.read_bytes())
        data = self.root / "src" / PACKAGE / "data"
        if any(file.is_relative_to(data) or file == data.with_suffix(".py") for file in files):
            rests_on[DATA] = self.data
        return rests_on

    def reason_stale(self, chapter):
        """Why the chapter has to be executed, in words; None where its record still holds."""
        try:
            receipt = json.loads(chapter.receipt.read_text("utf-8"))
            then = receipt["rests on"]
        except (OSError, ValueError, KeyError, TypeError):
            return "not executed yet"
        now = self.foundations(chapter)
        changed = [name for name in now if then.get(name) != now[name]]
        changed += [name for name in then if name not in now]
        if changed:
            more = f" and {len(changed) - 2} more" if len(changed) > 2 else ""
            return f"changed: {', '.join(changed[:2])}{more}"
        if self.executed(chapter) is None:
            return "its record is gone"
        return None

    # -- records ------------------------------------------------------------------------------
    def key(self, chapter):
        """Key of the chapter in the jupyter-cache: its code, cell metadata and kernel."""
        return self.cache.create_hashed_notebook(chapter.notebook)[1]

    def executed(self, chapter):
        """The chapter with its outputs, or None where the cache holds no whole record of it."""
        try:
            return self.cache.merge_match_into_notebook(chapter.notebook)[1]
        except (KeyError, ValueError, OSError, IndexError):
            return None

    def seconds(self, chapter):
        """How long the last execution took, or None."""
        try:
            return json.loads(chapter.receipt.read_text("utf-8"))["seconds"]
        except (OSError, ValueError, KeyError):
            return None

    def forget(self, chapter, key=None):
        """Remove the record, the receipt and the rendered page: the chapter is stale."""
        keys = {key or self.key(chapter)}
        with suppress(OSError, ValueError, KeyError, TypeError):
            keys.add(json.loads(chapter.receipt.read_text("utf-8"))["rests on"]["its code"])
        chapter.receipt.unlink(missing_ok=True)
        for old in keys:
            # jupyter-cache's own removal fails on the half-written record of a killed build.
            shutil.rmtree(self.cache.path / "executed" / old, ignore_errors=True)
            try:
                record = NbCacheRecord.record_from_hashkey(old, self.cache.db)
            except KeyError:
                continue
            NbCacheRecord.remove_record(record.pk, self.cache.db)
        # Sphinx re-reads a page whose doctree is missing.
        chapter.doctree.unlink(missing_ok=True)

    def store(self, chapter, notebook, rests_on, seconds):
        """Keep an executed notebook; the receipt comes last, so that it vouches for a whole one."""
        if DATA in rests_on:  # the chapter may have fetched what was not there before
            rests_on = rests_on | {DATA: Book(self.root).data}
        with lock(self.cache.path / "lock"):
            self.forget(chapter, key=rests_on["its code"])
            self.cache.cache_notebook_bundle(
                CacheBundleIn(notebook, str(chapter.path), data={"execution_seconds": seconds}),
                check_validity=False,
                overwrite=True,
            )
            receipt = {"rests on": rests_on, "seconds": seconds}
            write_atomically(chapter.receipt, json.dumps(receipt, indent=1, sort_keys=True) + "\n")


def python_of(source):
    """Source of a cell as plain Python: magics and shell lines become calls."""
    from IPython.core.inputtransformer2 import TransformerManager

    return TransformerManager().transform_cell(source)


def imported_modules(code, package, base=""):
    """Dotted names below `package` that `code` imports; `base` is the package it belongs to.

    ``from package.a import b`` gives both ``package.a`` and ``package.a.b``: which of the two is
    a module is seen when it is looked up. Code that does not parse imports nothing here; it fails
    with its own traceback when it is executed.
    """
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return set()
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                parents = base.split(".")[: len(base.split(".")) - (node.level - 1)]
                module = ".".join([*parents, module]).rstrip(".")
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return {name for name in names if name == package or name.startswith(package + ".")}


def module_files(package, name):
    """Python files that importing the dotted `name` runs, as pairs of a file and its module."""
    found = []
    folder = package.parent
    for i, part in enumerate(name.split(".")):
        dotted = ".".join(name.split(".")[: i + 1])
        if (folder / part / "__init__.py").exists():
            folder = folder / part
            found.append((folder / "__init__.py", dotted))
        elif (folder / f"{part}.py").exists():
            found.append((folder / f"{part}.py", dotted))
            break
        else:
            break
    return found


def companions(file):
    """Files beside a module that belong to it.

    ``stepper.js`` belongs to ``stepper.py``; a file that shares its stem with no module of the
    folder belongs to the package as a whole.
    """
    folder = file.parent
    others = [f for f in folder.iterdir() if f.is_file() and f.suffix not in {".py", ".pyc"}]
    if file.name != "__init__.py":
        return {f for f in others if f.stem == file.stem}
    return {f for f in others if not (folder / f"{f.stem}.py").exists()}


def gpu():
    """Whether this machine offers CUDA, without importing torch (which takes a second)."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "all") in {"", "-1"}
    return "present" if Path("/dev/nvidiactl").exists() and not hidden else "none"


def notebook_json(notebook: NotebookNode):
    """A notebook as the text of a file: the same bytes for the same notebook."""
    return nbformat.writes(notebook, version=nbformat.NO_CONVERT) + "\n"
