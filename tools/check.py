"""Run every check of the repository; the exit code is 0 only where all passed.

Style (ruff), pairs (the .ipynb twins are what their .md make them), the tests of the package, the
tools and the chapters, every chapter executed with its outputs compared (nbval), the site built
without a warning, and the tests of the site, in a browser where one is found.
"""

import argparse
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

from booklib import ROOT, Book, BookError, lock
from build import build_site
from execute import prepare, pytest_command
from notebooks import check
from weigh import find_chromium

NO_BROWSER = (
    "No Chromium found, so the tests in a browser are left out. To have them: "
    "`apt-get install chromium`, `brew install --cask chromium`, or CHROMIUM=/path/to/chromium."
)


class Results:
    """What passed and failed, over several steps and several runs of pytest."""

    def __init__(self, folder):
        self.folder = folder
        self.steps = []
        self.counts = dict.fromkeys(("failed", "passed", "skipped", "errors"), 0)
        self.begin = time.monotonic()

    def step(self, name, action):
        """Run `action`, which says whether all is well; an exception is a failure that is shown."""
        print(f"\n──── {name}", flush=True)
        begin = time.monotonic()
        try:
            good = action()
        except BookError as error:
            print(f"error: {error}")
            good = False
        self.steps.append((name, good, time.monotonic() - begin))
        return good

    def single(self, name, action):
        """A step that counts as one test."""
        good = self.step(name, action)
        self.counts["passed" if good else "failed"] += 1
        return good

    def pytest(self, name, book, targets, workers):
        """A step that is a run of pytest, whose tests are counted one by one."""
        report = self.folder / f"{name.replace(' ', '-')}.xml"
        report.parent.mkdir(parents=True, exist_ok=True)
        report.unlink(missing_ok=True)
        command, environment = pytest_command(
            book, targets, workers, "-q", "--no-header", f"--junitxml={report}"
        )
        if browser := find_chromium():
            environment["CHROMIUM"] = browser

        def action():
            code = subprocess.run(command, env=environment, cwd=book.root).returncode
            before = self.counts["failed"] + self.counts["errors"]
            self.count(report)
            found = self.counts["failed"] + self.counts["errors"] - before
            if code and not found:
                self.counts["errors"] += 1  # pytest itself broke, or found no test
            return code == 0

        return self.step(name, action)

    def count(self, report):
        suites = ET.parse(report).iter("testsuite") if report.exists() else ()
        for suite in suites:
            tests, failures, errors, skipped = (
                int(suite.get(key)) for key in ("tests", "failures", "errors", "skipped")
            )
            self.counts["failed"] += failures
            self.counts["errors"] += errors
            self.counts["skipped"] += skipped
            self.counts["passed"] += tests - failures - errors - skipped

    def close(self):
        """Print the summary, with the sum of all runs in pytest's own closing form."""
        print("\n──── Summary")
        for name, good, seconds in self.steps:
            print(f"  {'ok' if good else 'FAILED':6}  {seconds:6.1f} s  {name}")
        counts = ", ".join(f"{n} {what}" for what, n in self.counts.items() if n)
        seconds = time.monotonic() - self.begin
        print(f" {counts} in {seconds:.2f}s ".center(80, "="), flush=True)
        return all(good for _, good, _ in self.steps)


def run_ruff(book, *arguments):
    command = [sys.executable, "-m", "ruff", *arguments, str(book.root)]
    return subprocess.run(command, cwd=book.root).returncode == 0


def check_pairs(book):
    complaints = check(book, book.chapters)
    print("\n".join(complaints) or f"{len(book.chapters)} twins are in step with their chapters.")
    return not complaints


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=__doc__)
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count(), help="at the same time")
    parser.add_argument("--root", type=Path, default=ROOT, help="root of the book's repository")
    options = parser.parse_args(argv)
    book = Book(options.root)
    results = Results(book.build / "tests")
    results.single("style", lambda: run_ruff(book, "check", "--quiet"))
    results.single("format", lambda: run_ruff(book, "format", "--check", "--quiet"))
    results.single("pairs", lambda: check_pairs(book))
    with lock(book.build / "lock"):
        try:
            prepare(book, book.chapters, compare=True)
        except BookError as error:
            sys.exit(f"error: {error}")
        targets = [chapter.run for chapter in book.chapters]
        targets += [book.root / "tests" / name for name in ("package", "tools", "chapters")]
        results.pytest("package, tools and chapters", book, targets, options.jobs)
        built = results.single("site build", lambda: build_site(book))
    if built:
        if find_chromium() is None:
            print(NO_BROWSER)
        results.pytest("site", book, [book.root / "tests" / "site"], 1)
    sys.exit(0 if results.close() else 1)


if __name__ == "__main__":
    main()
