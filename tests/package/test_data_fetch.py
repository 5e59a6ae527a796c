"""Every way in which a download can go wrong, against a server on this machine."""

import errno
import hashlib
import http.server
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import traceback
from pathlib import Path

import pytest

from dlbook.data import fetch
from dlbook.data.fetch import DataUnavailable, Source, at_hand, locate, obtainable

CONTENT = b"All happy families are alike;\n" * 5000  # more than one chunk


class Server(http.server.ThreadingHTTPServer):
    """Serves `replies`, one for each request and the last one again and again."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies = [whole]
        self.n_requests = 0
        self.counting = threading.Lock()
        self.half_sent = threading.Event()
        self.released = threading.Event()  # set at the end, so that no thread is left waiting
        self.together = threading.Barrier(2, timeout=60)

    def source(self, content=CONTENT, name="tolstoy.txt"):
        return Source(
            path=f"novels/{name}",
            url=f"http://127.0.0.1:{self.server_port}/{name}",
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
        )


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        with server.counting:
            reply = server.replies[min(server.n_requests, len(server.replies) - 1)]
            server.n_requests += 1
        reply(self)

    def start(self, n_bytes, status=200):
        self.send_response(status)
        self.send_header("Content-Length", str(n_bytes))
        self.end_headers()

    def log_message(self, *args):
        pass


def whole(handler):
    handler.start(len(CONTENT))
    handler.wfile.write(CONTENT)


def truncated(handler):
    handler.start(len(CONTENT))
    handler.wfile.write(CONTENT[: len(CONTENT) // 2])


def shorter(handler):
    handler.start(len(CONTENT) - 1)
    handler.wfile.write(CONTENT[:-1])


def altered(handler):
    handler.start(len(CONTENT))
    handler.wfile.write(CONTENT.replace(b"happy", b"hasty"))


def endless(handler):
    handler.send_response(200)
    handler.end_headers()
    with_more = CONTENT * 10
    try:
        while True:
            handler.wfile.write(with_more)
    except OSError:  # the client has hung up
        pass


def missing(handler):
    handler.start(0, status=404)


def stuck(handler):
    handler.start(len(CONTENT))
    handler.wfile.write(CONTENT[: len(CONTENT) // 2])
    handler.server.half_sent.set()
    handler.server.released.wait(60)


def whole_for_two_at_once(handler):
    handler.server.together.wait()
    whole(handler)


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    monkeypatch.setenv("DLBOOK_CACHE", str(cache))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("CI", "1")
    monkeypatch.delenv("DLBOOK_DATA", raising=False)
    monkeypatch.delenv("DLBOOK_OFFLINE", raising=False)
    return cache


def contents(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def message_of(source):
    with pytest.raises(DataUnavailable) as caught:
        locate(source)
    text = str(caught.value)
    assert "\n" not in text
    assert source.path in text
    shown = "".join(traceback.format_exception(caught.value))
    assert shown.count("Traceback") == 1  # none from inside urllib3
    return text


def child(source, before="", **options):
    """Start another process that locates the source and prints where it is."""
    script = f"""
        import sys
        {before}
        from dlbook.data.fetch import Source, locate
        print(locate({source!r}))
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_a_file_is_fetched_once_and_kept(server, cache):
    source = server.source()
    assert at_hand(source) is None
    path = locate(source)
    assert path == cache / "novels" / "tolstoy.txt"
    assert path.read_bytes() == CONTENT
    assert locate(source) == at_hand(source) == path
    assert server.n_requests == 1
    assert contents(cache) == ["tolstoy.txt"]


@pytest.mark.parametrize(
    ("damaged", "words"),
    [
        (truncated, "broke off"),
        (shorter, f"{len(CONTENT) - 1} bytes"),
        (altered, "SHA-256"),
        (endless, "longer"),
    ],
)
def test_a_damaged_download_is_refused_and_the_next_run_succeeds(server, cache, damaged, words):
    source = server.source()
    server.replies = [damaged]
    text = message_of(source)
    assert words in text
    assert source.url in text
    assert server.n_requests == 2  # it was tried once more
    assert contents(cache) == []
    server.replies = [whole]
    assert locate(source).read_bytes() == CONTENT


@pytest.mark.parametrize("damaged", [truncated, altered, endless])
def test_a_download_damaged_once_is_fetched_again(server, cache, damaged):
    server.replies = [damaged, whole]
    assert locate(server.source()).read_bytes() == CONTENT
    assert contents(cache) == ["tolstoy.txt"]


def test_a_file_that_the_server_lacks(server, cache):
    server.replies = [missing]
    assert "404" in message_of(server.source())
    assert contents(cache) == []


@pytest.mark.parametrize("flawed", [CONTENT[:-1], CONTENT.replace(b"happy", b"hasty"), b""])
def test_a_damaged_file_in_the_cache_is_replaced(server, cache, flawed):
    source = server.source()
    path = locate(source)
    path.write_bytes(flawed)
    with pytest.warns(UserWarning, match=r"tolstoy\.txt is damaged"):
        assert locate(source).read_bytes() == CONTENT
    path.write_bytes(flawed)
    with pytest.warns(UserWarning, match=r"tolstoy\.txt is damaged"):
        assert at_hand(source) is None
    assert contents(cache) == []


def test_the_mirror_comes_first_and_is_never_written_to(server, cache, tmp_path, monkeypatch):
    source = server.source()
    mirrored = tmp_path / "mirror" / source.path
    mirrored.parent.mkdir(parents=True)
    monkeypatch.setenv("DLBOOK_DATA", str(tmp_path / "mirror"))
    mirrored.write_bytes(CONTENT)
    assert locate(source) == mirrored
    assert server.n_requests == 0
    mirrored.write_bytes(CONTENT[:-1])
    with pytest.warns(UserWarning, match=r"in DLBOOK_DATA is ignored: it has"):
        assert locate(source) == cache / source.path
    assert mirrored.read_bytes() == CONTENT[:-1]


def test_a_mirror_that_does_not_exist_is_named(server, tmp_path, monkeypatch):
    monkeypatch.setenv("DLBOOK_DATA", str(tmp_path / "nowhere"))
    for question in (locate, at_hand, obtainable):
        with pytest.raises(ValueError, match=r"DLBOOK_DATA is .*nowhere"):
            question(server.source())


def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_offline_is_one_line(cache):
    source = Source("novels/a.txt", f"http://127.0.0.1:{closed_port()}/a.txt", "0" * 64, 3)
    text = message_of(source)
    assert source.url in text
    assert "no connection" in text
    assert "DLBOOK_DATA" in text  # what to do
    assert contents(cache) == []


def test_a_server_that_falls_silent_is_given_up_until_it_speaks_again(server, cache, monkeypatch):
    server.replies = [stuck, whole]
    with monkeypatch.context() as patched:
        patched.setattr(fetch, "TIMEOUT", 0.05)
        assert "no answer within 0.05 s" in message_of(server.source())
    assert contents(cache) == []
    assert not obtainable(server.source(name="another.txt"))
    assert locate(server.source()).read_bytes() == CONTENT
    assert obtainable(server.source(name="another.txt"))


def test_the_network_can_be_forbidden(server, monkeypatch):
    monkeypatch.setenv("DLBOOK_OFFLINE", "1")
    assert "DLBOOK_OFFLINE" in message_of(server.source())
    assert not obtainable(server.source())
    assert server.n_requests == 0
    monkeypatch.setenv("DLBOOK_OFFLINE", "0")
    assert obtainable(server.source())


def test_asking_whether_a_file_is_obtainable_fetches_it_unless_told_not_to(server):
    source = server.source()
    assert not obtainable(source, fetch=False)
    assert server.n_requests == 0
    assert obtainable(source)
    assert obtainable(source, fetch=False)
    assert server.n_requests == 1


def test_what_failed_is_asked_for_only_once_but_explicit_requests_try_again(server):
    source = server.source()
    server.replies = [missing]
    assert not obtainable(source)
    assert not obtainable(source)
    assert server.n_requests == 1
    server.replies = [whole]
    assert obtainable(server.source(name="another.txt"))  # the server itself is alive
    assert locate(source)
    assert obtainable(source)


def test_a_dead_host_is_asked_only_once(monkeypatch):
    def source(name):
        return Source(name, f"http://127.0.0.1:{port}/{name}", "0" * 64, 3)

    port = closed_port()
    assert not obtainable(source("a.txt"))
    monkeypatch.setattr(fetch, "locate", None)  # would raise TypeError
    assert not obtainable(source("b.txt"))


def test_a_cache_that_cannot_be_written(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("DLBOOK_CACHE", str(tmp_path / "file" / "cache"))
    text = message_of(server.source())
    assert "DLBOOK_CACHE" in text
    assert str(tmp_path / "file") in text
    assert not obtainable(server.source(name="other.txt"))
    monkeypatch.setenv("DLBOOK_CACHE", str(tmp_path / "cache"))
    assert locate(server.source()).read_bytes() == CONTENT


@pytest.mark.parametrize("error", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_the_system_refuses_to_store_the_file(server, cache, monkeypatch, error):
    def refuse(*args):
        raise OSError(error, os.strerror(error))

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", refuse)
        assert os.strerror(error) in message_of(server.source())
    assert contents(cache) == []
    assert locate(server.source()).read_bytes() == CONTENT


def test_no_room_for_the_whole_file(server, cache):
    pytest.importorskip("resource")
    quota = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (70_000, 70_000))"
    source = server.source()
    process = child(source, before=quota)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "cannot be stored in the cache folder" in stderr.splitlines()[-1]
    assert stderr.count("Traceback") == 1
    assert contents(cache) == []
    assert locate(source).read_bytes() == CONTENT


@pytest.mark.parametrize("locks", [True, False])
def test_two_processes_at_once_do_no_harm(server, cache, locks):
    source = server.source()
    if not locks:  # both download, and the server sees to it that they do so at the same time
        server.replies = [whole_for_two_at_once]
    before = "" if locks else "sys.modules['fcntl'] = None"
    processes = [child(source, before) for _ in range(2)]
    for process in processes:
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 0, stderr
        assert stderr == ""
        assert Path(stdout.strip()).read_bytes() == CONTENT
    assert contents(cache) == ["tolstoy.txt"]
    if not locks:
        assert server.n_requests == 2
    elif sys.platform != "win32":
        assert server.n_requests == 1


def test_a_killed_download_leaves_nothing_behind_for_long(server, cache):
    source = server.source()
    server.replies = [stuck, whole]
    process = child(source)
    assert server.half_sent.wait(60)
    process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    process.communicate()
    (left,) = contents(cache)
    assert left.endswith(".part")
    assert at_hand(source) is None
    assert locate(source).read_bytes() == CONTENT
    assert contents(cache) == ["tolstoy.txt"]
