"""Weigh the built site: what a reader's browser fetches on the first visit to each page.

Run as a script it prints a table; `measure` does the work, `serve` and `find_chromium` are of use
to the site's tests too.
"""

import argparse
import contextlib
import functools
import gzip
import http.server
import os
import shutil
import threading
from pathlib import Path

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # nothing but this machine has an address
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]
COMPRESSED_ALREADY = (".png", ".woff", ".woff2", ".jpg", ".gif", ".webp")


def find_chromium():
    """Where a Chromium is, or None: ``CHROMIUM``, then the names that systems give it."""
    names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
    names = [os.environ.get("CHROMIUM"), *names]
    return next(filter(None, (shutil.which(name) for name in names if name)), None)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *details):
        pass


class _Compressing(_Quiet):
    """Sends what is text compressed, and keeps connections, as hosts of sites do."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if not path.is_file() or path.name.endswith(COMPRESSED_ALREADY):
            super().do_GET()
            return
        body = gzip.compress(path.read_bytes(), compresslevel=6)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def serve(folder, compressed=False):
    """Serve a folder on this machine while the context lasts; gives the address."""
    handler = functools.partial(_Compressing if compressed else _Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def pages(folder):
    """Names of the site's pages, without the slides and the front door, which only leads on."""
    found = (path.relative_to(folder).as_posix() for path in Path(folder).rglob("*.html"))
    others = ("_", "slides/")
    return sorted(name for name in found if name != "index.html" and not name.startswith(others))


def measure(folder, chromium=None, browser=None):
    """Weigh the first load of every page, with an empty cache and the page scrolled to its end.

    Parameters
    ----------
    folder : path
        The built site, ``_build/html``.
    chromium : str, optional
        Where the browser is; found by `find_chromium` otherwise.
    browser : playwright Browser, optional
        A browser that runs already.

    Returns
    -------
    dict of dict
        For each page "bytes" (after gzip), "requests", "mathematics" (has formulas) and "widgets"
        (their number).

    Raises
    ------
    FileNotFoundError
        If there is no built site or no Chromium.
    """
    if not (Path(folder) / "index.html").exists():
        raise FileNotFoundError(f"no built site in {folder}: run `make book` first")
    if browser is not None:
        return _measure(folder, browser)
    chromium = chromium or find_chromium()
    if chromium is None:
        raise FileNotFoundError("no Chromium found; set CHROMIUM to where one is")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=FLAGS)
        try:
            return _measure(folder, browser)
        finally:
            browser.close()


def _measure(folder, browser):
    weights = {}
    with serve(folder) as address:
        for name in pages(folder):
            context = browser.new_context(reduced_motion="reduce")
            page = context.new_page()
            bodies = []
            page.on("requestfinished", lambda request, bodies=bodies: bodies.append(request))
            page.goto(f"{address}/{name}", wait_until="load")
            page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
            page.wait_for_load_state("networkidle")
            weights[name] = {
                "bytes": sum(_size(request) for request in bodies),
                "requests": len(bodies),
                "mathematics": page.locator("mjx-container").count() > 0,
                "widgets": page.locator(".widget").count(),
            }
            context.close()
    return weights


def _size(request):
    body = request.response().body()
    if request.url.split("?")[0].endswith(COMPRESSED_ALREADY):
        return len(body)
    return len(gzip.compress(body, compresslevel=6))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("_build/html"))
    for name, weight in measure(parser.parse_args().folder).items():
        kind = "formulas" if weight["mathematics"] else "plain"
        widgets = f", {weight['widgets']} widgets" if weight["widgets"] else ""
        number = f"{weight['bytes'] / 1000:6.0f} kB {weight['requests']:3d} requests"
        print(f"{number}  {name} ({kind}{widgets})")


if __name__ == "__main__":
    main()
