"""The check of addresses outside of the book, against a server on this machine."""

import http.server
import threading

import links
import pytest


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response({"/there": 200, "/shy": 403}.get(self.path, 404))
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def address():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_only_what_is_gone_is_reported(tmp_path, address):
    (tmp_path / "sub").mkdir()
    (tmp_path / "index.html").write_text(
        f'<a href="{address}/there#part">a</a> <a href="sub/two.html">b</a> <a>c</a>'
        f'<link href="{address}/never-asked"> <a href="{address}/gone">d</a>'
    )
    (tmp_path / "sub" / "two.html").write_text(
        f'<a href="{address}/shy">a</a> <a href="{address}/gone#x">b</a>'
    )
    assert links.external_links(tmp_path) == {
        f"{address}/there": {"index.html"},
        f"{address}/gone": {"index.html", "sub/two.html"},
        f"{address}/shy": {"sub/two.html"},
    }
    assert links.check(tmp_path) == [
        f"{address}/gone: status 404 (linked from index.html, sub/two.html)"
    ]


def test_a_server_that_does_not_answer_is_reported(tmp_path):
    (tmp_path / "index.html").write_text('<a href="http://127.0.0.1:9/">a</a>')
    (line,) = links.check(tmp_path, timeout=1)
    assert line.startswith("http://127.0.0.1:9/: ConnectionError")
