"""Published files: looked up, downloaded once, and never used unless their checksum is right."""

import functools
import hashlib
import os
import threading
import warnings
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from .. import runtime

__all__ = ["DataUnavailable", "Source", "at_hand", "cache_folder", "locate", "obtainable"]

TIMEOUT = 5  # seconds to connect, and seconds between two pieces of a download
CHUNK = 1 << 16  # bytes

# Hosts that did not answer and addresses that did not serve the published file, in this process:
# `obtainable` asks them only once.
_given_up: set[str] = set()


class DataUnavailable(RuntimeError):
    """Published data are neither at hand nor to be had now; the message says what to do."""


@dataclass(frozen=True)
class Source:
    """One published file.

    Attributes
    ----------
    path : str
        Where it lies in the cache and in the folder named by ``DLBOOK_DATA``, with ``/``.
    url : str
        Its public address, pinned to one version.
    sha256 : str
        SHA-256 of its bytes, in hexadecimal.
    size : int
        Its length in bytes; a download stops as soon as it is longer.
    """

    path: str
    url: str
    sha256: str
    size: int


def cache_folder():
    """Folder that downloads are kept in: ``DLBOOK_CACHE``, or the user's cache folder.

    Returns
    -------
    pathlib.Path
        It need not exist yet.
    """
    chosen = os.environ.get("DLBOOK_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    import pooch

    return Path(pooch.os_cache("dlbook"))


def at_hand(source):
    """Find a published file on this machine, without the network.

    The folder named by ``DLBOOK_DATA`` is tried first, then the cache. A file whose checksum is
    wrong is refused with a warning that names it; in the cache it is removed as well.

    Parameters
    ----------
    source : Source

    Returns
    -------
    pathlib.Path or None
        A file with the right checksum.

    Raises
    ------
    ValueError
        If ``DLBOOK_DATA`` names a folder that does not exist.
    """
    mirror = os.environ.get("DLBOOK_DATA")
    if mirror:
        folder = Path(mirror).expanduser()
        if not folder.is_dir():
            raise ValueError(f"DLBOOK_DATA is {mirror!r}: expected an existing folder")
        path = folder / source.path
        if os.path.exists(path):
            flaw = _flaw(path, source)
            if flaw is None:
                return path
            warnings.warn(f"{path} in DLBOOK_DATA is ignored: {flaw}", stacklevel=2)
    path = cache_folder() / source.path
    if not os.path.exists(path):
        return None
    if _flaw(path, source) is None:
        return path
    with _alone(path.parent):  # another process may be replacing it
        return _undamaged(path, source)


def locate(source):
    """Find a published file on this machine or download it.

    The download goes to a temporary name beside its final one and is renamed when its checksum is
    right, so that no other process ever sees half a file. A damaged download is tried once more.

    Parameters
    ----------
    source : Source

    Returns
    -------
    pathlib.Path
        A file with the right checksum.

    Raises
    ------
    DataUnavailable
        If it cannot be had: no network, ``DLBOOK_OFFLINE`` is set, the server's file is not the
        published one, or the cache cannot be written.
    ValueError
        If ``DLBOOK_DATA`` names a folder that does not exist.
    """
    path = at_hand(source)
    if path is not None:
        return path
    if _offline():
        raise _unavailable(source, "DLBOOK_OFFLINE forbids the network")
    path = cache_folder() / source.path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path.parent) as alone:
            if _undamaged(path, source):  # another process has fetched it meanwhile
                return path
            if alone:  # a download that was killed leaves its temporary file behind
                for leftover in path.parent.glob("*.part"):
                    leftover.unlink(missing_ok=True)
            flaw = _download(source, path) and _download(source, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataUnavailable(
            f"{source.path} cannot be stored in the cache folder {path.parent} ({reason}); "
            f"make room there ({source.size / 1e6:.1f} MB) or point DLBOOK_CACHE at another folder"
        ) from None
    if flaw:
        raise _unavailable(source, f"twice the download was refused: {flaw}")
    return path


def obtainable(source, fetch=True):
    """Say whether a published file can be used now; download it if need be.

    Each host that does not answer, and each address that does not serve the published file, is
    asked once per process.

    Parameters
    ----------
    source : Source
    fetch : bool, optional
        Whether to try the network, unless ``DLBOOK_OFFLINE`` forbids it.

    Returns
    -------
    bool
        Whether the file is at hand with the right checksum.

    Raises
    ------
    ValueError
        If ``DLBOOK_DATA`` names a folder that does not exist.
    """
    if at_hand(source) is not None:
        return True
    if not fetch or _offline() or not _given_up.isdisjoint((source.url, _host(source))):
        return False
    try:
        locate(source)
    except DataUnavailable:
        _given_up.add(source.url)
        return False
    return True


def _host(source):
    return urlsplit(source.url).netloc


def _offline():
    return os.environ.get("DLBOOK_OFFLINE", "0") not in ("", "0")


def _unavailable(source, reason):
    return DataUnavailable(
        f"{source.path} is not at hand and cannot be fetched from {source.url} ({reason}); "
        "try again with a network, or point DLBOOK_DATA at a folder that holds the file"
    )


def _flaw(path, source):
    """Say what keeps a file from being the published one, or None."""
    try:
        status = path.stat()
        if status.st_size != source.size:
            return f"it has {status.st_size} bytes instead of {source.size}"
        digest = _sha256(path, status.st_size, status.st_mtime_ns, status.st_ino)
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    if digest != source.sha256:
        return f"its SHA-256 is {digest[:12]}… instead of {source.sha256[:12]}…"
    return None


@functools.lru_cache(maxsize=256)
def _sha256(path, size, mtime_ns, inode):
    """Digest of a file; the further arguments make a changed file a new question."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _undamaged(path, source):
    """Return the cached file, or remove it and return None. For the holder of the lock only."""
    if not os.path.exists(path):
        return None
    flaw = _flaw(path, source)
    if flaw is None:
        return path
    warnings.warn(f"{path} is damaged and is removed: {flaw}", stacklevel=3)
    with suppress(OSError):  # a read-only cache: the file stays, refused
        path.unlink()
    return None


@contextmanager
def _alone(folder):
    """Hold a folder's lock, which the system drops when the process dies; yield whether held.

    Without locks (Windows, some network file systems) two processes both download, which costs
    time and does no harm.
    """
    with ExitStack() as stack:
        try:
            import fcntl

            handle = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_EX)
            held = True
        except (ImportError, OSError):
            held = False
        yield held


def _download(source, path):
    """Download to a temporary file and rename it; return what is wrong with it, or None."""
    import pooch
    import requests

    part = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    bar = _progress_bar(source)
    fetch = pooch.HTTPDownloader(
        progressbar=False if bar is None else bar, chunk_size=CHUNK, timeout=TIMEOUT
    )
    try:
        with open(part, "wb") as file:
            fetch(source.url, _Bounded(file, source.size), None)
        flaw = _flaw(part, source)
        if flaw is None:
            os.replace(part, path)
            _given_up.difference_update((source.url, _host(source)))
        return flaw
    except _TooLong:
        return f"it is longer than {source.size} bytes"
    except requests.exceptions.ChunkedEncodingError:
        return "the connection broke off"
    except requests.RequestException as error:
        if isinstance(error, requests.ConnectionError | requests.Timeout):
            _given_up.add(_host(source))
        raise _unavailable(source, _network_reason(error)) from None
    finally:
        if bar is not None:
            bar.close()
        part.unlink(missing_ok=True)


class _TooLong(Exception):
    """A download is longer than the published file."""


class _Bounded:
    """A file that takes at most so many bytes, so that no server can fill the disk."""

    def __init__(self, file, size):
        self.file = file
        self.left = size

    def write(self, chunk):
        self.left -= len(chunk)
        if self.left < 0:
            raise _TooLong
        self.file.write(chunk)

    def flush(self):
        self.file.flush()


def _network_reason(error):
    """Put a network error in a few words: urllib3's own text is several lines long."""
    import requests

    if isinstance(error, requests.HTTPError):
        return f"the server answered {error.response.status_code}"
    if isinstance(error, requests.exceptions.SSLError):
        return "the server's certificate is not trusted"
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return f"no answer within {TIMEOUT} s"
    return "no connection"


def _progress_bar(source):
    """Progress bar for a person who is watching; None in CI, in scripts and in tests."""
    if not runtime.is_watched():
        return None
    from tqdm import tqdm

    return tqdm(desc=source.path, unit="B", unit_scale=True, leave=False, delay=1)
