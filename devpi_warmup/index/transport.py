"""What is asked of a server is asked until it answers, or has to be given up."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import urllib3
from urllib3.exceptions import InvalidHeader

from devpi_warmup.errors import (
    FileError,
    ForbiddenError,
    IndexAccessError,
    WarmupError,
)
from devpi_warmup.index import credentials
from devpi_warmup.index.connections import Connections
from devpi_warmup.index.patience import Retries, TransientError
from devpi_warmup.index.resume import Growing
from devpi_warmup.inputs.urls import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import requests

    from devpi_warmup.index.credentials import Authenticator
    from devpi_warmup.index.form import Form
    from devpi_warmup.inputs.pip_config import PipConfig
    from devpi_warmup.inputs.urls import IndexUrl

# Connections at once; more only lengthen devpi's own queue of commits. Small answers have their
# own, since the way to the last file is a chain of pages, and big files would stand before them.
SMALL_CONNECTIONS = 3
FILE_CONNECTIONS = 5
READ_TIMEOUT = 60.0  # seconds between two pieces of an answer
CHUNK = 1 << 18  # bytes
_RETRIED = frozenset({429, 500, 502, 503, 504, 520, 527})
_UPSTREAM = re.compile(rb"(\d{3}) status on GET ")  # devpi_server/mirror.py
_UNAUTHORIZED, _FORBIDDEN, _ERROR = 401, 403, 400


class TooLargeError(FileError):
    """A file is larger than it was wanted for."""


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


class Transport:
    """Asks, downloads, and tries again; thread-safe, with so many connections at once."""

    def __init__(
        self,
        url: IndexUrl,
        *,
        make_session: Callable[[], requests.Session] | None = None,
        settings: PipConfig | None = None,
        sleep: Callable[[float], object] | None = None,
        login: Authenticator | None = None,
        read_timeout: float = READ_TIMEOUT,
    ) -> None:
        """Describe the connections; none is opened yet.

        :param sleep: waits that many seconds; by default until the transport is closed
        :param login: the credentials; by default those of the URL, netrc and keyring
        :param read_timeout: seconds between two pieces of an answer
        """
        self.url = url
        self._connections = Connections(
            url,
            make_session=make_session,
            settings=settings,
            login=login,
            read_timeout=read_timeout,
        )
        self.login = self._connections.login
        closed = self._connections.closed
        self.sleep = sleep or closed.wait
        self._retries = Retries(url.url, settings.retries if settings else 5, closed, self.sleep)
        self._small_slots = threading.BoundedSemaphore(SMALL_CONNECTIONS)
        self._file_slots = threading.BoundedSemaphore(FILE_CONNECTIONS)

    def close(self) -> None:
        """Close every connection; transfers under way end."""
        self._connections.close()

    def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        limit: int = 1 << 20,
        json: Mapping[str, object] | Sequence[str] | None = None,
        form: Form | None = None,
        any_status: bool = False,
        redirects: bool = True,
        cut: bool = False,
    ) -> Answer:
        """Return a small answer whole; retried on every passing fault.

        :param limit: bytes
        :param cut: whether a longer answer is cut there, and not refused
        :param json: the body of the request
        :param form: the same, as a form with a file; it must do no harm to send it twice
        :param any_status: take a status that speaks of a passing fault as the answer
        :param redirects: follow them; one is the answer otherwise
        :raises IndexAccessError: there is no answer, it is a refusal, or it is too long
        """
        send = self._connections.send

        def once() -> Answer:
            with (
                self._small_slots,
                send(method, url, headers, json, form, redirects=redirects) as response,
            ):
                self._retries.down = False
                if not any_status:
                    self._check(response, url)
                body = bytearray()
                for piece in self._pieces(response, None):
                    body += piece
                    if len(body) > limit and cut:
                        break
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
            return self._retries.run(once, give_up)
        except OSError as error:  # a certificate file of the configuration, say
            raise give_up(str(error)) from None

    def download(
        self,
        url: str,
        sha256: str,
        path: Path,
        *,
        progress: Callable[[int], None] | None = None,
        limit: int | None = None,
    ) -> str:
        """Stream a file to ``path`` and return its sha256; after a cut, from there on.

        What stands at ``path`` afterwards is complete and has the digest; after an error
        nothing does. The caller gives a temporary path.

        :param sha256: the digest it must have; "" for any
        :param progress: called with the number of bytes of each piece
        :param limit: bytes; nothing of a file that is said to be larger is read
        :raises FileError: the file cannot be had, or has another digest
        :raises TooLargeError: it is over the limit
        :raises OSError: ``path`` cannot be written
        """
        growing = Growing(path)

        def once() -> str:
            with self._file_slots, self._connections.send("GET", url, growing.headers) as response:
                self._retries.down = False
                self._check(response, url)
                if response.status_code >= _ERROR:  # 404, too: the index lists the file
                    growing.forget()
                    raise TransientError(f"the server answered {response.status_code}")
                length = response.headers.get("Content-Length", "")
                if limit is not None and length.isdecimal() and int(length) > limit:
                    raise TooLargeError(f"{redact(url)} has over {limit >> 20} MiB")
                growing.take(response, self._pieces(response, progress))
            if sha256 not in {"", digest := growing.sha256}:
                growing.forget()
                raise TransientError(f"its sha256 is {digest}, the index says {sha256}")
            return growing.sha256

        def give_up(problem: str) -> WarmupError:
            return FileError(
                f"a file cannot be downloaded from {redact(url)}: {problem}",
                hint="run it again; if it stays, ask the keeper of the index"
                if self._connections.is_own(url)
                else "is the file still there? Its address stands in a requirement or on a page",
            )

        try:
            return self._retries.run(once, give_up)
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def _check(self, response: requests.Response, url: str) -> None:
        status = response.status_code
        if status in _RETRIED:
            # What else devpi says holds the address of its upstream, and a password perhaps.
            said = _UPSTREAM.search(next(self._pieces(response, None), b""))
            upstream = int(said[1]) if said else 0
            why = f", its upstream {upstream}" if upstream else ""
            raise TransientError(
                f"the server answered {status}{why}",
                pause=_retry_after(response),
                upstream=upstream,
            )
        if status in {_UNAUTHORIZED, _FORBIDDEN}:
            current = self.login.current if self._connections.is_own(response.url) else None
            source = current.source if current else self.login.none
            refusal = ForbiddenError if status == _FORBIDDEN else IndexAccessError
            raise refusal(
                f"{redact(url)}: the server answered {status} (credentials: {source})",
                hint=credentials.HINT,
            )

    def _pieces(
        self, response: requests.Response, progress: Callable[[int], None] | None
    ) -> Iterator[bytes]:
        for piece in response.iter_content(CHUNK):
            if progress is not None:
                progress(len(piece))
            yield piece


def _retry_after(response: requests.Response) -> float:
    """Return how many seconds a server wants to be left alone; it may say so by a date."""
    try:
        value = response.headers.get("Retry-After")
        return max(0.0, urllib3.util.Retry().parse_retry_after(value)) if value else 0.0
    except (InvalidHeader, OverflowError, ValueError):
        return 0.0
