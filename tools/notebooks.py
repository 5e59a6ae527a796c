"""Make the .ipynb twin of every chapter from its .md, with the outputs that tests compare.

The .md is the source; a twin is generated and never edited. It holds the chapter's cells with
MyST turned into plain Markdown, and outputs only where a cell is tagged nbval-check-output.
"""

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

import nbformat
from booklib import COMPARED, ROOT, Book, BookError, lock, notebook_json, sha, write_atomically
from execute import run
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from plain import Index, Plain, leftovers

FOLDED_TAGS = {"hide-input", "hide-cell", "remove-input"}
FOLDED = {"cellView": "form", "jupyter": {"source_hidden": True}}  # for Colab, for JupyterLab


def twin(index, chapter, outputs, solutions=True):
    """The twin as a notebook, for the site also one without solutions.

    `outputs` maps the position of a code cell to its outputs; a compared cell that has none is
    an error, because nbval would pass it without looking.
    """
    plain = Plain(index, chapter.name, solutions)
    cells = []
    position = 0
    for cell in chapter.notebook.cells:
        if cell.cell_type != "code":
            text = plain.cell(cell.source)
            if left := leftovers(index, text):
                raise BookError(f"{chapter.path}: not turned into plain Markdown: {left[0]}")
            if text:
                cells.append(new_markdown_cell(text))
            continue
        kept = solutions or not plain.in_solution
        tags = list(cell.metadata.get("tags", []))
        metadata = {"tags": tags} if tags else {}
        if plain.in_solution or FOLDED_TAGS & set(tags):
            metadata |= FOLDED
        made = new_code_cell(cell.source, metadata=metadata)
        if COMPARED in tags:
            made.outputs = stored(outputs.get(position, []), chapter, position)
            made.execution_count = 1
        figure = cell.metadata.get("mystnb", {}).get("figure")
        caption = [new_markdown_cell(plain.caption(figure))] if figure else []  # it counts figures
        cells += [made, *caption] if kept else []
        position += 1
    if plain.gate:
        raise BookError(f"{chapter.path}: {plain.gate[1]} is opened by a gate and never closed")
    seen = Counter()
    for cell in cells:
        text = f"{cell.cell_type}\n{cell.source}"
        seen[text] += 1
        cell.id = sha(f"{text}\n{seen[text]}")[:12]
    kernelspec = chapter.notebook.metadata.kernelspec
    return new_notebook(cells=cells, metadata={"kernelspec": kernelspec})


def stored(outputs, chapter, position):
    """Outputs as a twin keeps them: text, without pictures, widgets and counters."""
    where = f"{chapter.path}: code cell {position} is tagged {COMPARED}, but"
    kept = []
    for output in outputs:
        output = nbformat.from_dict(output)
        if output.output_type == "error":
            output.traceback = []
        elif output.output_type != "stream":
            output.data = {
                kind: value
                for kind, value in output.data.items()
                if not kind.startswith(("image/", "application/vnd.jupyter.widget"))
            }
            if "<svg" in output.data.get("text/html", ""):
                raise BookError(f"{where} shows a figure: compare numbers and text only")
            output.metadata = {}
            if "execution_count" in output:
                output.execution_count = 1
            if not output.data:
                continue
        kept.append(output)
    if not kept:
        raise BookError(f"{where} has no stored output: run `make notebooks`")
    return kept


def compared_outputs(notebook):
    """Outputs of the tagged cells of a notebook, by position among its code cells."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return {
        i: cell.outputs for i, cell in enumerate(cells) if COMPARED in cell.metadata.get("tags", [])
    }


def check(book, chapters):
    """Complaints about twins that are not what `make notebooks` would write; executes nothing."""
    complaints = []
    index = Index(book)
    for chapter in chapters:
        name = chapter.twin.relative_to(book.root)
        try:
            text = chapter.twin.read_text("utf-8")
            old = nbformat.reads(text, as_version=4)
            new = twin(index, chapter, compared_outputs(old))
        except FileNotFoundError:
            complaints.append(f"{name} is missing: run `make notebooks`")
        except BookError as error:
            complaints.append(str(error))
        except Exception as error:
            complaints.append(f"{name} cannot be read: {error}")
        else:
            if text != notebook_json(new):
                complaints.append(f"{name} is out of step with its .md: run `make notebooks`")
    known = {chapter.twin for chapter in book.chapters}
    for path in sorted(book.folder.rglob("*.ipynb")):
        hidden = any(part.startswith(".") for part in path.relative_to(book.folder).parts)
        if path not in known and path not in {c.twin for c in chapters} and not hidden:
            complaints.append(f"{path.relative_to(book.root)} is the twin of no chapter")
    return complaints


def refresh(book, chapters, jobs):
    """Execute what is stale and write the twins; True when all went well."""
    passed = run(book, chapters, jobs)
    index = Index(book)
    for chapter in chapters:
        executed = book.executed(chapter)
        if executed is None or book.reason_stale(chapter):
            print(f"  {chapter.name}: not refreshed, its execution failed")
            continue
        try:
            text = notebook_json(twin(index, chapter, compared_outputs(executed)))
        except BookError as error:
            print(f"error: {error}")
            passed = False
            continue
        old = chapter.twin.read_text("utf-8") if chapter.twin.exists() else None
        if text != old:
            write_atomically(chapter.twin, text)
        print(f"  {chapter.twin.relative_to(book.root)}: {'same' if text == old else 'written'}")
    return passed


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=__doc__)
    parser.add_argument("chapters", nargs="*", help="such as book/learning/x.md; default: all")
    parser.add_argument(
        "--check", action="store_true", help="compare bytes, write and execute nothing"
    )
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count(), help="at the same time")
    parser.add_argument("--root", type=Path, default=ROOT, help="root of the book's repository")
    options = parser.parse_args(argv)
    book = Book(options.root)
    try:
        chapters = [book.chapter(path) for path in options.chapters] or book.chapters
        if options.check:
            complaints = check(book, chapters)
            print("\n".join(complaints) or f"{len(chapters)} twins are in step.")
            sys.exit(1 if complaints else 0)
        with lock(book.build / "lock"):
            passed = refresh(book, chapters, options.jobs)
    except BookError as error:
        sys.exit(f"error: {error}")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
