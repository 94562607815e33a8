"""The HTTP transport: one session a thread, retries, credentials, pip's connection settings."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import requests

from devpi_warmup.errors import FileError, IndexAccessError, WarmupError
from devpi_warmup.requirements import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from devpi_warmup.ambient import Ambient
    from devpi_warmup.config import IndexUrl

# Connections at once; more only lengthen devpi's own queue of commits. Small answers have their
# own, since the way to the last file is a chain of pages, and big files would stand before them.
SMALL_CONNECTIONS = 3
FILE_CONNECTIONS = 5
READ_TIMEOUT = 60.0  # seconds between two pieces of an answer
CHUNK = 1 << 18  # bytes
_RETRIED = frozenset({429, 500, 502, 503, 504, 520, 527})
_LONGEST_PAUSE = 8.0  # seconds
_UNAUTHORIZED, _FORBIDDEN, _ERROR = 401, 403, 400
# The narrow classes first: most of them are kinds of ConnectionError.
_WORDS = {
    requests.exceptions.SSLError: "the certificate of the server is not trusted, or it has no TLS",
    requests.exceptions.ProxyError: "the proxy does not answer",
    requests.Timeout: "the server did not answer in time",
    requests.TooManyRedirects: "it redirects in a circle",
    requests.exceptions.ChunkedEncodingError: "the answer ended too early",
    requests.ConnectionError: "no connection to the server, or it was cut",
}

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """A small answer, read whole."""

    status: int
    headers: Mapping[str, str]
    url: str
    body: bytes

    @property
    def content_type(self) -> str:
        """The media type, without parameters, in lower case."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()


class _TransientError(Exception):
    """A fault of the server that may be gone the next time."""


class Transport:
    """Sends requests. Thread-safe: every thread has its own session and keep-alive connection."""

    def __init__(
        self,
        url: IndexUrl,
        *,
        make_session: Callable[[], requests.Session] = requests.Session,
        ambient: Ambient | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url
        self.sleep = sleep
        self._make_session = make_session
        self._ambient = ambient
        self._retries = ambient.retries if ambient else 5
        self._timeout = (ambient.timeout if ambient else 15.0, READ_TIMEOUT)
        self._threads = threading.local()
        self._small_slots = threading.BoundedSemaphore(SMALL_CONNECTIONS)
        self._file_slots = threading.BoundedSemaphore(FILE_CONNECTIONS)
        self._sessions: list[requests.Session] = []
        self._closed = threading.Event()

    def close(self) -> None:
        """Close every connection; transfers under way end at their next piece."""
        self._closed.set()
        for session in self._sessions:
            session.close()

    def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        limit: int = 1 << 20,
        any_status: bool = False,
    ) -> Answer:
        """Return a small answer whole; retried on every passing fault.

        :param limit: bytes
        :param any_status: take a status that speaks of a passing fault as the answer
        :raises IndexAccessError: there is no answer, it is a refusal, or it is too long
        """

        def once() -> Answer:
            with self._small_slots, self._request(method, url, headers) as response:
                if not any_status:
                    self._check(response, url)
                body = bytearray()
                for piece in self._pieces(response, None):
                    body += piece
                    if len(body) > limit:
                        message = f"{redact(url)}: the answer is over {limit >> 20} MiB"
                        raise IndexAccessError(message)
                return Answer(response.status_code, response.headers, response.url, bytes(body))

        def give_up(problem: str) -> WarmupError:
            return IndexAccessError(
                f"{redact(url)}: {problem}",
                hint=f"is the index {self.url.url} up, and the address right? "
                "Proxies and certificates are taken from pip's configuration",
            )

        try:
            return self._retried(once, give_up)
        except OSError as error:  # a certificate file of the configuration, say
            raise give_up(str(error)) from None

    def download(
        self, url: str, sha256: str, path: Path, *, progress: Callable[[int], None] | None = None
    ) -> str:
        """Stream a file to ``path`` and return its sha256.

        What stands at ``path`` afterwards is complete and has the digest; after an error
        nothing does. The caller gives a temporary path.

        :param sha256: the digest it must have; "" for any
        :param progress: called with the number of bytes of each piece
        :raises FileError: the file cannot be had, or has another digest
        :raises OSError: ``path`` cannot be written
        """

        def once() -> str:
            with self._file_slots, self._request("GET", url, {}) as response:
                self._check(response, url)
                if response.status_code >= _ERROR:
                    message = f"the server answered {response.status_code} for {redact(url)}"
                    raise FileError(f"a file cannot be downloaded: {message}")
                digest = _write(path, self._pieces(response, progress))
            if sha256 not in {"", digest}:
                raise _TransientError(f"its sha256 is {digest}, the index says {sha256}")
            return digest

        def give_up(problem: str) -> WarmupError:
            return FileError(
                f"a file cannot be downloaded from {redact(url)}: {problem}",
                hint="run it again; if it stays, ask the keeper of the index",
            )

        try:
            return self._retried(once, give_up)
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def _retried(self, once: Callable[[], T], give_up: Callable[[str], WarmupError]) -> T:
        problem = ""
        for attempt in range(self._retries + 1):
            if self._closed.is_set():
                raise IndexAccessError("the run was stopped")
            if attempt:
                self.sleep(min(0.25 * 2**attempt, _LONGEST_PAUSE))
            try:
                return once()
            except _TransientError as error:
                problem = str(error)
            except (requests.RequestException, ValueError) as error:
                problem = _describe(error)
                # A circle, or a URL that is none (a ValueError in urllib3) will not pass.
                if isinstance(error, (requests.TooManyRedirects, ValueError)):
                    break
        raise give_up(problem)

    def _check(self, response: requests.Response, url: str) -> None:
        status = response.status_code
        if status in _RETRIED:
            raise _TransientError(f"the server answered {status}")
        if status in {_UNAUTHORIZED, _FORBIDDEN}:
            source = "the user and password of the index URL" if self.url.user else "a netrc file"
            raise IndexAccessError(
                f"{redact(url)}: the server answered {status} (credentials: {source})",
                hint="give others in DEVPI_INDEX=https://user:password@… or in a netrc file",
            )

    def _pieces(
        self, response: requests.Response, progress: Callable[[int], None] | None
    ) -> Iterator[bytes]:
        for piece in response.iter_content(CHUNK):
            if self._closed.is_set():
                raise requests.ConnectionError("the run was stopped")
            if progress is not None:
                progress(len(piece))
            yield piece

    def _request(self, method: str, url: str, headers: Mapping[str, str]) -> requests.Response:
        # Credentials of the index go to the index alone: its pages may link to other hosts.
        own = urlsplit(url)[:2] == urlsplit(self.url.url)[:2]
        auth = (self.url.user, self.url.password) if own and self.url.user else None
        session = self._session()
        if not session.trust_env:  # it reads no proxies, and so no netrc file either
            auth = auth or requests.utils.get_netrc_auth(url)
        return session.request(
            method, url, headers=dict(headers), auth=auth, stream=True, timeout=self._timeout
        )

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._threads, "session", None)
        if session is None:
            session = self._make_session()
            _connect(session, self._ambient, self.url)
            self._threads.session = session
            self._sessions.append(session)
        return session


def _write(path: Path, pieces: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as stream:
        for piece in pieces:
            digest.update(piece)
            stream.write(piece)
    return digest.hexdigest()


def _connect(session: requests.Session, ambient: Ambient | None, url: IndexUrl) -> None:
    """Give a session what pip's configuration says of connections."""
    session.headers.update({"User-Agent": "devpi-warmup", "Accept-Encoding": "identity"})
    if urlsplit(url.url).hostname in {"127.0.0.1", "::1", "localhost"}:
        session.trust_env = False  # a company proxy would swallow a server of this machine
    if ambient is None:
        return
    kept = ambient.kept
    host = urlsplit(url.url).netloc
    if host in ambient.trusted_hosts or host.partition(":")[0] in ambient.trusted_hosts:
        session.verify = False
    elif "cert" in kept:
        session.verify = kept["cert"]
    if "client-cert" in kept:
        session.cert = kept["client-cert"]
    if "proxy" in kept and session.trust_env:
        session.proxies = {"http": kept["proxy"], "https": kept["proxy"]}
    if kept.get("no-proxy-env"):
        session.trust_env = False


def _describe(error: Exception) -> str:
    """Say what went wrong without the URL, which may hold a password."""
    for kind, words in _WORDS.items():
        if isinstance(error, kind):
            return words
    return type(error).__name__
