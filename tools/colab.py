"""Try the book under Colab's versions of the packages, in an environment of its own.

Installing dlbook there must change none of them; then the package's tests run, and the .ipynb
twin of every chapter is executed, as a reader on Colab would do.
"""

import argparse
import shutil
import subprocess
import sys
import time

from booklib import ROOT, Book, sha, write_atomically

VERSIONS = ROOT / "tools" / "colab-versions.txt"
TEST_TOOLS = ["hypothesis"]  # what the tests import and Colab has not

# Executed by the other environment's Python: its nbclient, its kernel.
RUN_NOTEBOOK = """
import sys, nbformat, nbclient
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": "."}}).execute()
print(sum(cell.cell_type == "code" for cell in notebook.cells))
"""


def installed(python):
    """Name and version of every package, as pip says."""
    answer = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze", "--exclude-editable"],
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(line.split("==", 1) for line in answer.stdout.splitlines() if "==" in line)


def pip_install(python, *arguments):
    print(f"  pip install {' '.join(arguments)}", flush=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *arguments], check=True)


def changed(before, after):
    """Packages of `before` that `after` holds in another version or not at all."""
    return [
        f"{name} {version} → {after.get(name, 'gone')}"
        for name, version in before.items()
        if after.get(name) != version
    ]


def make_environment(folder, book):
    """Install Colab's versions, then dlbook; the latter must leave the former alone."""
    python = folder / "bin" / "python"
    pyproject = (book.root / "pyproject.toml").read_text("utf-8")
    wanted = sha(VERSIONS.read_text("utf-8") + pyproject + book.versions["torch"])
    stamp = folder / "installed"
    if stamp.exists() and stamp.read_text("utf-8") == wanted:
        return python, []
    shutil.rmtree(folder, ignore_errors=True)
    print(f"Making {folder.name} with Colab's versions (a few minutes) ...", flush=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip_install(python, "-r", str(VERSIONS), f"torch=={book.versions['torch']}")
    before = installed(python)
    pip_install(python, "-e", str(book.root))
    pip_install(python, *TEST_TOOLS)
    moved = changed(before, installed(python))
    if not moved:
        write_atomically(stamp, wanted)
    return python, moved


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=__doc__)
    parser.parse_args(argv)
    book = Book()
    python, moved = make_environment(book.root / ".venv-colab", book)
    if moved:
        sys.exit("error: installing dlbook changed what Colab has:\n  " + "\n  ".join(moved))
    print("Installing dlbook changes none of Colab's versions.", flush=True)
    environment = book.environment | {"JUPYTER_PLATFORM_DIRS": "0"}
    tests = [python, "-m", "pytest", "-q", "--disable-warnings", "-p", "no:cacheprovider"]
    tests.append("tests/package")
    good = subprocess.run(tests, env=environment, cwd=book.root).returncode == 0
    for chapter in book.chapters:
        begin = time.monotonic()
        folder = book.build / "colab"
        folder.mkdir(parents=True, exist_ok=True)
        run = subprocess.run(
            [python, "-c", RUN_NOTEBOOK, str(chapter.twin)],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
        )
        seconds = time.monotonic() - begin
        if run.returncode:
            good = False
            print(f"FAILED {chapter.name}\n{run.stderr}", flush=True)
        else:
            cells = run.stdout.split()[-1]
            print(f"{chapter.name}: {cells} cells without an error in {seconds:.1f} s", flush=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
