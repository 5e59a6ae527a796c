"""Measure the build and the pages: seconds and kilobytes, with ratios, as tables and JSON.

Works on a copy of the repository, so that nothing here is touched. A benchmark is a function
that takes the copy and the number of jobs and returns a table, or several by name; add it to
BENCHMARKS.
"""

import argparse
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from booklib import ROOT, Book, write_atomically
from lighthouse import judge
from weigh import measure

LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv*", "_build", "__pycache__", "*.egg-info", ".*cache"
)
PRODUCT = """
import timeit, numpy as np
a, b = np.ones((128, 784), np.float32), np.ones((784, 512), np.float32)
print(min(timeit.repeat(lambda: a @ b, number=3, repeat=200)))
"""


def seconds_of_build(root, jobs):
    """Build the book at `root`; seconds, and how many chapters were executed."""
    begin = time.monotonic()
    command = [sys.executable, root / "tools" / "build.py", f"--root={root}", f"--jobs={jobs}"]
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode:
        sys.exit(f"error: the build failed\n{answer.stdout}{answer.stderr}")
    executed = re.search(r"Executing (\d+) of", answer.stdout)
    return time.monotonic() - begin, int(executed[1]) if executed else 0


def append(path, text):
    path.write_text(path.read_text("utf-8") + text, encoding="utf-8")


def builds(root, jobs):
    """Seconds of a build after each kind of change."""
    book = Book(root)
    chapter = book.chapters[-1]
    cell = "\n```{code-cell} ipython3\nprint('a new cell')\n```\n"
    changes = [
        ("cold", lambda: shutil.rmtree(book.build, ignore_errors=True)),
        ("nothing changed", lambda: None),
        ("a sentence of one chapter", lambda: append(chapter.path, "\nOne more sentence.\n")),
        ("the code of one chapter", lambda: append(chapter.path, cell)),
        ("src/dlbook/data", lambda: append(root / "src/dlbook/data/__init__.py", "\n# Changed.\n")),
        ("src/dlbook/plot.py", lambda: append(root / "src/dlbook/plot.py", "\n# Changed.\n")),
    ]
    rows = []
    for name, change in changes:
        change()
        seconds, executed = seconds_of_build(root, jobs)
        rows.append({"changed": name, "chapters executed": executed, "seconds": round(seconds, 1)})
        rows[-1]["ratio to cold"] = round(seconds / rows[0]["seconds"], 2)
    return rows


def pages(root, jobs):
    """What a browser fetches on the first visit to each page, after gzip."""
    try:
        weights = measure(root / "_build" / "html")
    except FileNotFoundError as error:
        return [{"left out": str(error)}]
    return [
        {
            "page": name,
            "first load KB": round(weight["bytes"] / 1000, 1),
            "requests": weight["requests"],
            "formulas": "yes" if weight["mathematics"] else "no",
            "widgets": weight["widgets"],
        }
        for name, weight in weights.items()
    ]


def marks(root, jobs):
    """What Lighthouse says of each page, on a simulated telephone."""
    try:
        return list(judge(root / "_build" / "html"))
    except (FileNotFoundError, RuntimeError) as error:
        return [{"left out": str(error)}]


def engine(root, jobs):
    """dlbook.autodiff against PyTorch and others, in a process of its own: one thread each."""
    results = _engine(root)
    if kernels := faster_kernels():
        again = _engine(root, "--training-only", OPENBLAS_CORETYPE=kernels)
        for title, rows in again.items():
            results[f"{title}, NumPy with OpenBLAS's kernels for {kernels}"] = rows
    return results


def _engine(root, *options, **variables):
    output = root / "_build" / "engine.json"
    command = [sys.executable, root / "tools" / "bench_autodiff.py", f"--json={output}", *options]
    environment = os.environ | {"PYTHONPATH": str(root / "src")} | variables
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    return json.loads(output.read_text("utf-8"))


def faster_kernels(kind="Haswell"):
    """`kind` if NumPy multiplies faster by OpenBLAS's kernels of this kind than by its own choice.

    OpenBLAS goes by the widest instructions that a processor knows, which are not on all of them
    the fastest. None if its choice is as good, if NumPy has another library, or if these kernels
    do not run here.
    """
    seconds = {}
    for name in ("", kind):
        variables = {"OPENBLAS_NUM_THREADS": "1"} | ({"OPENBLAS_CORETYPE": name} if name else {})
        command = [sys.executable, "-c", PRODUCT]
        environment = os.environ | variables
        answer = subprocess.run(command, capture_output=True, text=True, env=environment)
        seconds[name] = math.inf if answer.returncode else float(answer.stdout)
    return kind if seconds[kind] < 0.98 * seconds[""] else None


def kernels(root, jobs):
    """dlbook.kernels against PyTorch, in a process of its own: on the GPU where there is one."""
    output = root / "_build" / "kernels.json"
    command = [sys.executable, "-m", "dlbook.kernels.bench", f"--json={output}"]
    environment = os.environ | {"PYTHONPATH": str(root / "src"), "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    found = json.loads(output.read_text("utf-8"))
    name = f"Kernels on {found['device']}" if found["gpu"] else "References of the kernels (no GPU)"
    tables = {name: found["rows"], "Memory of attention": found.get("memory")}
    tables["Steps of the matrix product"] = found.get("steps")
    return {title: rows for title, rows in tables.items() if rows}


BENCHMARKS = {
    "Builds": builds,
    "Pages": pages,
    "Lighthouse": marks,
    "Engine": engine,
    "Kernels": kernels,
}


def table(rows):
    """Rows (dictionaries with the same keys) as aligned text."""
    lines = [list(rows[0])] + [[str(value) for value in row.values()] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  " + "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=__doc__)
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count(), help="at the same time")
    options = parser.parse_args(argv)
    results = {}
    with tempfile.TemporaryDirectory(prefix="dlbook-bench-") as folder:
        copy = Path(folder) / "book"
        shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
        for title, benchmark in BENCHMARKS.items():
            found = benchmark(copy, options.jobs)
            results |= found if isinstance(found, dict) else {title: found}
            for name in found if isinstance(found, dict) else [title]:
                print(f"{name}\n{table(results[name])}\n", flush=True)
    output = Book().build / "bench.json"
    write_atomically(output, json.dumps(results, indent=1) + "\n")
    print(f"The same as JSON: {output}")


if __name__ == "__main__":
    main()
