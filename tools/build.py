"""Build the book: execute the chapters that changed, make the site, say what came of it."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
from booklib import ROOT, Book, BookError, lock, notebook_json, sha, write_atomically
from execute import run
from notebooks import compared_outputs, twin
from plain import Index

SOLUTIONS = ("hidden", "shown", "absent")


def site_inputs(book):
    """Digest of what all pages depend on, beside the pages themselves."""
    files = [book.root / "_config.yml", book.root / "_toc.yml", book.root / "constraints.txt"]
    files += [book.folder / "claims.toml", book.folder / "references.bib"]
    files += [file for file in (book.root / "site").rglob("*") if "__pycache__" not in file.parts]
    content = [(str(f), sha(f.read_bytes())) for f in sorted(files) if f.is_file()]
    return sha(json.dumps([content, solutions()]))


def solutions():
    """What is to become of the solutions, by the environment variable ``SOLUTIONS``."""
    choice = os.environ.get("SOLUTIONS") or SOLUTIONS[0]
    if choice not in SOLUTIONS:
        raise BookError(f"SOLUTIONS is {choice!r}: expected {', '.join(SOLUTIONS[:-1])} or absent")
    return choice


def write_without_solutions(book):
    """The notebooks that a site without solutions offers."""
    index = Index(book)
    for chapter in book.chapters:
        if chapter.twin.exists():
            outputs = compared_outputs(
                nbformat.reads(chapter.twin.read_text("utf-8"), as_version=4)
            )
            made = twin(index, chapter, outputs, solutions=False)
            path = book.build / "html" / "book" / f"{chapter.name}.ipynb"
            write_atomically(path, notebook_json(made))


def build_site(book):
    """Run Jupyter Book; True when it had no complaint.

    Sphinx reports a page's warnings only when it reads the page, and takes a half-written file
    for a finished one. So pages are kept only if the last build ended well and what they share
    has not changed since; the receipt says so.
    """
    missing = [chapter.name for chapter in book.chapters if book.executed(chapter) is None]
    if missing:
        print(f"error: the site needs {', '.join(missing)} executed")
        return False
    receipt = book.build / "site-receipt"
    inputs = site_inputs(book)
    if not receipt.exists() or receipt.read_text("utf-8").strip() != inputs:
        shutil.rmtree(book.build / ".doctrees", ignore_errors=True)
        shutil.rmtree(book.build / "html", ignore_errors=True)
    receipt.unlink(missing_ok=True)
    records = {record.hashkey for record in book.cache.list_cache_records()}
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(book.root)]
    command += ["-W", "--keep-going", "--quiet"]
    # Its complaints come on stderr; stdout holds where the pages are, which `report` says shorter.
    quiet = subprocess.DEVNULL
    result = subprocess.run(command, env=book.environment, cwd=book.root, stdout=quiet)
    if result.returncode:
        return False
    added = {record.hashkey for record in book.cache.list_cache_records()} - records
    if added:
        print(
            f"error: Sphinx had to execute {len(added)} itself: a chapter changed during the build?"
        )
        return False
    if solutions() == "absent":
        write_without_solutions(book)
    write_atomically(receipt, inputs + "\n")
    return True


def report(book):
    """Print where the site is, the seconds of each chapter and the verdict of each claim."""
    print(f"\nThe site: {book.build / 'html' / 'index.html'}")
    print("\nSeconds that each chapter took when it was last executed:")
    for chapter in book.chapters:
        print(f"  {book.seconds(chapter) or float('nan'):6.1f}  {chapter.name}")
    path = book.build / "html" / "claims.json"
    if path.exists():
        claims = json.loads(path.read_text("utf-8"))
        claims = claims.get("claims", claims) if isinstance(claims, dict) else claims
        print("\nClaims of the lectures, and what the book found:")
        for claim in claims:
            print(f"  {claim['verdict']:12}  {claim['id']}: {claim['evidence']}")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count(), help="at the same time")
    parser.add_argument("--root", type=Path, default=ROOT, help="root of the book's repository")
    options = parser.parse_args(argv)
    begin = time.monotonic()
    book = Book(options.root)
    try:
        solutions()  # a mistake is told before anything is executed
        with lock(book.build / "lock"):
            if not run(book, book.chapters, options.jobs):
                sys.exit("error: the site was not built, because a chapter failed (see above)")
            print("Building the site ...", flush=True)
            if not build_site(book):
                sys.exit("error: the site has complaints (see above)")
            report(book)
    except BookError as error:
        sys.exit(f"error: {error}")
    print(f"\nThis took {time.monotonic() - begin:.1f} s.")


if __name__ == "__main__":
    main()
