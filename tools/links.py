"""Ask every address outside of the book that its pages link to whether it is still there."""

import argparse
import concurrent.futures
import sys
from html.parser import HTMLParser
from pathlib import Path

import requests

AGENT = "Mozilla/5.0 (compatible; link check of a book)"
# What servers say to a program that they would not say to a reader.
REFUSALS = {401, 403, 405, 406, 418, 429, 503}


class _Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        address = dict(attributes).get("href") or ""
        if tag == "a" and address.startswith(("http://", "https://")):
            self.found.append(address.partition("#")[0])


def external_links(folder):
    """Addresses outside of a built site, each with the pages that link to it."""
    links = {}
    for path in sorted(Path(folder).rglob("*.html")):
        page = _Links()
        page.feed(path.read_text(encoding="utf-8"))
        for address in page.found:
            links.setdefault(address, set()).add(path.relative_to(folder).as_posix())
    return links


def ask(address, timeout=20):
    """What is wrong with an address; None if nothing is, or nothing can be known."""
    try:
        options = {"timeout": timeout, "headers": {"User-Agent": AGENT}, "stream": True}
        with requests.get(address, **options) as answer:
            code = answer.status_code
    except requests.RequestException as error:
        return type(error).__name__
    return f"status {code}" if code >= 400 and code not in REFUSALS else None


def check(folder, timeout=20):
    """Lines to be shown: one for each address that leads nowhere."""
    links = external_links(folder)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda address: ask(address, timeout), links)
    return [
        f"{address}: {trouble} (linked from {', '.join(sorted(links[address]))})"
        for address, trouble in zip(links, answers, strict=True)
        if trouble
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("_build/html"))
    folder = parser.parse_args().folder
    if not (folder / "index.html").exists():
        sys.exit(f"error: no built site in {folder}: run `make book` first")
    lines = check(folder)
    print("\n".join(lines) or f"All {len(external_links(folder))} addresses answer.")
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
