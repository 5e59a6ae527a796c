"""Serve the built site on this machine, and build it anew whenever a source changes."""

import argparse
import os
import subprocess
import sys
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from booklib import ROOT, Book

WATCHED = ("book/**/*", "src/**/*", "site/**/*", "_config.yml", "_toc.yml")
IGNORED = {".ipynb", ".pyc"}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def end_headers(self):
        self.send_header("Cache-Control", "no-store")  # a rebuilt page shows at a reload
        super().end_headers()


def snapshot(root):
    """Time of the last change of each source file."""
    files = (file for pattern in WATCHED for file in root.glob(pattern))
    return {
        file: file.stat().st_mtime_ns
        for file in files
        if file.is_file() and file.suffix not in IGNORED and ".egg-info" not in str(file)
    }


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-p", "--port", type=int, default=8000)
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count(), help="at the same time")
    parser.add_argument("--root", type=Path, default=ROOT, help="root of the book's repository")
    options = parser.parse_args(argv)
    book = Book(options.root)
    html = book.build / "html"
    html.mkdir(parents=True, exist_ok=True)
    build = [sys.executable, str(ROOT / "tools" / "build.py"), f"--jobs={options.jobs}"]
    build.append(f"--root={book.root}")
    handler = partial(Quiet, directory=str(html))
    server = ThreadingHTTPServer(("127.0.0.1", options.port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    seen = None
    try:
        while True:
            now = snapshot(book.root)
            if now != seen:
                subprocess.run(build)
                print(f"Serving http://localhost:{options.port}/ — end with Ctrl-C", flush=True)
                seen = now  # as it was before the build: what changed meanwhile is built next
            time.sleep(1)
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()
