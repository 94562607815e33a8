"""Connections as pip's configuration says, and what went wrong on them, in words."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
import truststore
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.exceptions import DecodeError, ProtocolError, ReadTimeoutError, SSLError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from urllib3.connection import HTTPConnection

    from devpi_warmup.inputs.pip_config import PipConfig
    from devpi_warmup.inputs.urls import IndexUrl

_WATCH = 0.5  # seconds between two looks at what takes too long
LEAST_RATE = 1024  # bytes a second; a slower answer is as good as none
# The narrow classes first: most of them are kinds of ConnectionError.
_WORDS = {
    requests.exceptions.SSLError: "TLS with the server fails",
    requests.exceptions.ProxyError: "the proxy does not answer",
    requests.exceptions.InvalidProxyURL: "the proxy in pip's configuration is not a URL",
    requests.exceptions.InvalidSchema: "this kind of proxy or address is not supported",
    requests.Timeout: "the server did not answer in time",
    requests.TooManyRedirects: "it redirects in a circle",
    requests.exceptions.ChunkedEncodingError: "the answer ended too early",
    requests.ConnectionError: "no connection to the server, or it was cut",
}

# What OpenSSL calls the faults of TLS that a person can mend.
_TLS_WORDS = {
    "CERTIFICATE_VERIFY_FAILED": "the certificate of the server is not trusted",
    "CERTIFICATE_REQUIRED": "the server wants a client certificate",
    "HANDSHAKE_FAILURE": "the server refuses the handshake of TLS, or wants a client certificate",
    "WRONG_VERSION_NUMBER": "the server does not speak TLS: is its address http, not https?",
    "handshake operation timed out": "nobody answers the handshake of TLS: is its address http?",
}
# What the system calls the common faults of a connection (urllib3 keeps its words).
_SYSTEM_WORDS = {
    "Failed to resolve": "the name of the host does not resolve",
    "Connection refused": "the connection is refused",
    "Network is unreachable": "the network cannot be reached",
}


class Adapter(HTTPAdapter):
    """Trusts what the system trusts, as pip does, and can cut connections that are in use."""

    def __init__(self, *, system_trust: bool = True) -> None:
        self.connections: set[HTTPConnection] = set()
        self._system_trust = system_trust  # it cannot be told not to check
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the manager of direct connections; HTTPAdapter calls it."""
        super().init_poolmanager(*args, **(kwargs | self._context()))
        self._record(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Return the manager of connections through a proxy; HTTPAdapter calls it."""
        context = self._context()
        if context and proxy.lower().startswith("https:"):
            # The proxy's own certificate; pip does so too (pip/_internal/network/session.py).
            context["proxy_ssl_context"] = context["ssl_context"]
        manager = super().proxy_manager_for(proxy, **(kwargs | context))
        self._record(manager)
        return manager

    def _context(self) -> dict[str, Any]:
        # Beside the certificates that requests brings, or the configuration names.
        context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return {"ssl_context": context} if self._system_trust else {}

    def _record(self, manager: PoolManager) -> None:
        manager.pool_classes_by_scheme = {
            "http": _recording(HTTPConnectionPool, self.connections),
            "https": _recording(HTTPSConnectionPool, self.connections),
        }

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request; HTTPAdapter's own, but for the bodies of redirects.

        requests reads them whole, however long they are, whether it follows or not.
        """
        response = super().send(*args, **kwargs)
        if response.is_redirect:
            response.raw.close()
            response._content = b""  # noqa: SLF001 - what requests would fill in
        return response

    def cut(self) -> None:
        """End every transfer at once, also one that waits for a silent server."""
        for connection in self.connections.copy():
            with suppress(OSError, AttributeError):  # it is closed already
                connection.sock.shutdown(socket.SHUT_RDWR)


def _recording(
    pool: type[HTTPConnectionPool], made: set[HTTPConnection]
) -> type[HTTPConnectionPool]:
    """Return a kind of pool whose connections are noted."""
    plain = pool.ConnectionCls

    def connect(self: Any) -> None:
        plain.connect(self)
        made.add(self)

    recorded = type(plain.__name__, (plain,), {"connect": connect})
    return type(pool.__name__, (pool,), {"ConnectionCls": recorded})


def cut(session: requests.Session) -> None:
    """End every transfer of a session at once."""
    for adapter in session.adapters.values():
        if isinstance(adapter, Adapter):
            adapter.cut()


class Watchdog:
    """Cuts the connections of requests that take too long: a header may drip, too.

    One thread for all of them; a timer for each would cost more than the request.
    """

    def __init__(self) -> None:
        self._due: dict[threading.Event, tuple[float, requests.Session]] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._guard = threading.Lock()

    def close(self) -> None:
        """Watch no longer."""
        self._closed.set()

    @contextmanager
    def limit(self, session: requests.Session, seconds: float) -> Iterator[threading.Event]:
        """Cut the session's connections where the block takes longer.

        Yield what tells whether it did: the headers that have come by then look like an answer.

        :raises requests.ReadTimeout: it took longer, and the block raised something
        """
        late = threading.Event()
        self._due[late] = (time.monotonic() + seconds, session)
        with self._guard:
            if self._thread.ident is None:
                self._thread.start()
        try:
            yield late
        except Exception:  # what a cut connection raises is not always of requests
            if late.is_set():
                raise requests.ReadTimeout("its headers take too long") from None
            raise
        finally:
            del self._due[late]

    def _watch(self) -> None:
        while not self._closed.wait(_WATCH):
            now = time.monotonic()
            for late, (due, session) in self._due.copy().items():
                if now > due:
                    late.set()
                    cut(session)


def own_session(*, system_trust: bool) -> requests.Session:
    """Return a session whose connections can be cut.

    :param system_trust: whether certificates are checked against the system's store, too
    """
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, Adapter(system_trust=system_trust))
    return session


def configure(session: requests.Session, settings: PipConfig | None, url: IndexUrl) -> None:
    """Give a session what pip's configuration says of connections."""
    session.headers.update({"User-Agent": "devpi-warmup", "Accept-Encoding": "identity"})
    if url.is_loopback:
        session.trust_env = False  # a company proxy would swallow a server of this machine
    kept = settings.kept if settings else {}
    session.verify = kept.get("cert", True) if not is_trusted(url, settings) else False
    if "client-cert" in kept:
        session.cert = kept["client-cert"]
    if "proxy" in kept and session.trust_env:
        session.proxies = {"http": kept["proxy"], "https": kept["proxy"]}
    if kept.get("no-proxy-env"):
        session.trust_env = False


def is_trusted(url: IndexUrl, settings: PipConfig | None) -> bool:
    """Whether pip's ``trusted-host`` names the host, with its port or without."""
    netloc = urlsplit(url.url).netloc
    return settings is not None and not settings.trusted_hosts.isdisjoint(
        {netloc, netloc.partition(":")[0]}
    )


def read_piece(response: requests.Response, size: int) -> bytes:
    """Return what has come of a body, at most ``size`` bytes; b"" at its end.

    ``iter_content`` would wait until a piece of that size is complete.

    :raises requests.RequestException: as ``iter_content`` does
    """
    try:
        piece: bytes = response.raw.read1(size, decode_content=True)
    except ReadTimeoutError as error:
        raise requests.ReadTimeout(error) from None
    except ProtocolError as error:
        raise requests.exceptions.ChunkedEncodingError(error) from None
    except DecodeError as error:
        raise requests.exceptions.ContentDecodingError(error) from None
    except SSLError as error:
        raise requests.exceptions.SSLError(error) from None
    return piece


@dataclass
class SlowAnswer:
    """Tells an answer that drips from one that comes.

    :param seconds: after which a piece of it is judged
    """

    seconds: float
    began: float = field(default_factory=time.monotonic)
    size: int = 0

    def check(self, size: int) -> None:
        """Count bytes that have come.

        :raises requests.ReadTimeout: they come at under :data:`LEAST_RATE`
        """
        self.size += size
        seconds = time.monotonic() - self.began
        if seconds > self.seconds:
            if self.size < seconds * LEAST_RATE:
                raise requests.ReadTimeout("it drips")
            self.began, self.size = time.monotonic(), 0


def is_silence(error: Exception) -> bool:
    """Return whether the server was waited for in vain; in the middle of a body, too."""
    inside = error.args[0] if error.args else None
    return isinstance(error, requests.Timeout) or isinstance(inside, ReadTimeoutError)


def is_gone(error: Exception) -> bool:
    """Return whether there is no server at the other end, or none that says anything."""
    return is_silence(error) or isinstance(error, requests.ConnectionError)


def is_final(error: Exception) -> bool:
    """Return whether a fault will be there the next time, too.

    A circle of redirects, or a certificate that is not trusted; and a URL that is none, which is
    a ValueError in urllib3.
    """
    if isinstance(error, (requests.TooManyRedirects, ValueError)):
        return True
    return describe(error) in _TLS_WORDS.values()


def describe(error: Exception) -> str:
    """Say what went wrong without the URL, which may hold a password."""
    for name, words in _TLS_WORDS.items():
        if name in str(error):
            return words
    if is_silence(error) and not isinstance(error, requests.ConnectTimeout):
        return "the server fell silent"
    for name, words in _SYSTEM_WORDS.items():
        if name in str(error):
            return words
    for kind, words in _WORDS.items():
        if isinstance(error, kind):
            return words
    return type(error).__name__
