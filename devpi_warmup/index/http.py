"""Connections as pip's configuration says, and what went wrong on them, in words."""

from __future__ import annotations

import io
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
import truststore
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ReadTimeoutError

from devpi_warmup.index.reading import judged

if TYPE_CHECKING:
    from urllib3 import PoolManager

    from devpi_warmup.index.reading import Judge
    from devpi_warmup.inputs.pip_config import PipConfig
    from devpi_warmup.inputs.urls import IndexUrl

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
    """Trusts what the system trusts, as pip does, and judges answers as they are read."""

    def __init__(self, judge: Judge, *, system_trust: bool = True) -> None:
        self._judge = judge
        self._system_trust = system_trust  # it cannot be told not to check
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the manager of direct connections; HTTPAdapter calls it."""
        super().init_poolmanager(*args, **(kwargs | self._context()))
        self._judged(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Return the manager of connections through a proxy; HTTPAdapter calls it."""
        if proxy in self.proxy_manager:
            return self.proxy_manager[proxy]
        context = self._context()
        if context and proxy.lower().startswith("https:"):
            # The proxy's own certificate; pip does so too (pip/_internal/network/session.py).
            context["proxy_ssl_context"] = context["ssl_context"]
        manager = super().proxy_manager_for(proxy, **(kwargs | context))
        self._judged(manager)
        return manager

    def _context(self) -> dict[str, Any]:
        # Beside the certificates that requests brings, or the configuration names.
        context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return {"ssl_context": context} if self._system_trust else {}

    def _judged(self, manager: PoolManager) -> None:
        manager.pool_classes_by_scheme = judged(manager.pool_classes_by_scheme, self._judge)

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request; HTTPAdapter's own, but for the bodies of redirects.

        requests reads them whole, however long they are, whether it follows or not.
        """
        response = super().send(*args, **kwargs)
        if response.is_redirect:
            response.raw.close()
            response.raw = io.BytesIO()
        return response


def own_session(judge: Judge, *, system_trust: bool) -> requests.Session:
    """Return a session whose answers are judged as they are read.

    :param system_trust: whether certificates are checked against the system's store, too
    """
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, Adapter(judge, system_trust=system_trust))
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
