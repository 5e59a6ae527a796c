"""Execute chapters, in parallel, and keep what they computed for the build of the site.

Without arguments only the stale chapters are executed: those whose code, imported helper modules,
package versions, available data or GPU differ from when they were last executed. A chapter that
fails is named with its cell and traceback; the others still finish.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
from booklib import COMPARED, ROOT, Book, BookError, lock, notebook_json, write_atomically

TIMEOUT = 300  # seconds a cell may take


def prepare(book, chapters, compare):
    """Write the notebooks that pytest runs; where `compare`, with the outputs of the twins."""
    for chapter in chapters:
        notebook = nbformat.from_dict(chapter.notebook)
        stored = stored_outputs(chapter) if compare else {}
        position = 0
        for cell in notebook.cells:
            if cell.cell_type != "code":
                continue
            if COMPARED in cell.metadata.get("tags", []) and position in stored:
                cell.outputs, cell.execution_count = stored[position], 1
            position += 1
        for i, cell in enumerate(notebook.cells):
            cell.id = f"cell-{i}"
        notebook.metadata.dlbook = {
            "root": str(book.root),
            "chapter": chapter.name,
            "rests_on": book.foundations(chapter),
            "timeout": book.config.get("execute", {}).get("timeout", TIMEOUT),
        }
        write_atomically(chapter.run, notebook_json(notebook))


def stored_outputs(chapter):
    """Outputs stored in the chapter's twin, by the position of the code cell."""
    if not chapter.twin.exists():
        return {}
    twin = nbformat.read(chapter.twin, as_version=4)
    cells = [cell for cell in twin.cells if cell.cell_type == "code"]
    return {i: cell.outputs for i, cell in enumerate(cells) if cell.execution_count is not None}


def pytest_command(book, targets, workers, *more):
    """Command and environment of a pytest that knows how to run chapters."""
    command = [sys.executable, "-m", "pytest", "-p", "nbval_store", *more]
    command += ["-o", f"cache_dir={book.build / '.pytest_cache'}"]
    if workers > 1:
        command += ["-n", str(workers), "--dist", "loadfile", "--no-loadscope-reorder"]
    environment = book.environment
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "tools"), environment["PYTHONPATH"]])
    return [*command, *(str(target) for target in targets)], environment


def execute(book, chapters, workers, compare=False):
    """Execute `chapters`; True when every one passed."""
    if not chapters:
        return True
    slowest_first = sorted(chapters, key=lambda c: -(book.seconds(c) or 1e9))
    prepare(book, chapters, compare)
    command, environment = pytest_command(
        book,
        [chapter.run for chapter in slowest_first],
        min(workers, len(chapters)),
        *("--chapter-lines", "-qq", "--no-header", "--no-summary"),
        *("-o", "console_output_style=classic", "-p", "no:cacheprovider"),
        *("-c", os.devnull, f"--rootdir={book.root}"),
    )
    result = subprocess.run(command, env=environment, cwd=book.root)
    return result.returncode == 0


def plan(book, chapters, everything=False):
    """Pairs of a chapter to execute and the reason."""
    if everything:
        return [(chapter, "asked for") for chapter in chapters]
    reasons = [(chapter, book.reason_stale(chapter)) for chapter in chapters]
    return [(chapter, reason) for chapter, reason in reasons if reason]


def run(book, chapters, workers, everything=False, compare=False):
    """Say what is to be executed, execute it, say how long it took. True when all passed."""
    stale = plan(book, chapters, everything)
    fresh = len(chapters) - len(stale)
    if not stale:
        print(f"Nothing to execute: {fresh} chapters are up to date.")
        return True
    print(f"Executing {len(stale)} of {len(chapters)} chapters, {workers} at a time:")
    for chapter, reason in stale:
        print(f"  {chapter.name} ({reason})", flush=True)
    begin = time.monotonic()
    passed = execute(book, [chapter for chapter, _ in stale], workers, compare)
    print(f"Execution took {time.monotonic() - begin:.1f} s.")
    return passed


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=__doc__)
    parser.add_argument("chapters", nargs="*", help="such as book/learning/x.md; default: all")
    parser.add_argument("--all", action="store_true", help="also those that are up to date")
    parser.add_argument(
        "--compare", action="store_true", help="compare with the outputs stored in the .ipynb"
    )
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count(), help="at the same time")
    parser.add_argument("--root", type=Path, default=ROOT, help="root of the book's repository")
    options = parser.parse_args(argv)
    book = Book(options.root)
    try:
        chapters = [book.chapter(path) for path in options.chapters] or book.chapters
        with lock(book.build / "lock"):
            everything = options.all or options.compare
            passed = run(book, chapters, options.jobs, everything, options.compare)
    except BookError as error:
        sys.exit(f"error: {error}")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
