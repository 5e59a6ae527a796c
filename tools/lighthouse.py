"""Let Lighthouse judge the built site: its marks and its timings on a simulated telephone.

Lighthouse comes from npm: this needs Node's `npx`, and a network when it runs for the first time.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path

from weigh import find_chromium, pages, serve

PACKAGE = "lighthouse@12.8.2"
MARKS = ("performance", "accessibility", "best-practices", "seo")
TIMES = {  # columns of the table: audits of Lighthouse
    "first paint s": "first-contentful-paint",
    "largest paint s": "largest-contentful-paint",
    "blocked ms": "total-blocking-time",
    "shift": "cumulative-layout-shift",
}


def judge(folder, names=None, runs=3):
    """Run Lighthouse on pages of the site.

    Parameters
    ----------
    folder : path
        The built site, ``_build/html``.
    names : list of str, optional
        Such as ``book/index.html``; all pages if left out.
    runs : int
        The table holds the median of so many runs of each page.

    Yields
    ------
    dict
        A row of the table: the page, four marks of at most 100, and timings.

    Raises
    ------
    FileNotFoundError
        If there is no `npx` or no Chromium.
    RuntimeError
        If Lighthouse fails.
    """
    npx, chromium = shutil.which("npx"), find_chromium()
    if not npx or not chromium:
        lacking = "Chromium" if npx else "npx, which comes with Node.js,"
        raise FileNotFoundError(f"Lighthouse needs {lacking} and none was found")
    with serve(folder, compressed=True) as address:
        for name in names or pages(folder):
            reports = [_report(npx, chromium, f"{address}/{name}") for _ in range(runs)]
            row = {"page": name}
            for mark in MARKS:
                scores = [each["categories"][mark]["score"] for each in reports]
                row[mark] = round(100 * statistics.median(scores))
            for column, audit in TIMES.items():
                value = statistics.median(each["audits"][audit]["numericValue"] for each in reports)
                row[column] = round(value / 1000, 2) if column.endswith(" s") else round(value, 2)
            yield row


def _report(npx, chromium, address):
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "report.json"
        command = [npx, "--yes", PACKAGE, address, "--quiet", "--output=json"]
        command += [f"--output-path={output}", f"--only-categories={','.join(MARKS)}"]
        command += ["--chrome-flags=--headless=new --no-sandbox --disable-gpu"]
        environment = os.environ | {"CHROME_PATH": chromium}
        answer = subprocess.run(command, capture_output=True, text=True, env=environment)
        if answer.returncode or not output.exists():
            last = (answer.stderr.strip().splitlines() or ["no message"])[-1]
            raise RuntimeError(f"Lighthouse failed on {address}: {last}")
        return json.loads(output.read_text("utf-8"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="such as book/index.html; all pages if left out")
    parser.add_argument("--folder", type=Path, default=Path("_build/html"))
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    try:
        for row in judge(options.folder, options.names, options.runs):
            print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    except (FileNotFoundError, RuntimeError) as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
