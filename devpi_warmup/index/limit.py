"""How large a body a server takes, asked before anything is sent.

Servers judge by the length that a request announces: waitress, which devpi runs on, by
``--max-request-body-size``, nginx by ``client_max_body_size``; a refusal comes before the body. (To
``Expect: 100-continue`` waitress says first that it goes on, and refuses then.)
"""

from __future__ import annotations

import http.client
import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import truststore
from requests.utils import get_environ_proxies

if TYPE_CHECKING:
    from devpi_warmup.inputs.pip_config import PipConfig
    from devpi_warmup.inputs.urls import IndexUrl

_TIMEOUT = 3.0  # seconds; a server that takes the body waits for it
_TOO_LARGE = b" 413 "


def refuses(url: IndexUrl, address: str, length: int, settings: PipConfig | None) -> bool:
    """Return whether a server says that it takes no body of a length.

    What it does not say, or a proxy keeps from us, is no refusal: then sending it will tell.

    :param address: where the body would be sent to
    :param length: bytes
    """
    proxy = "" if url.is_loopback else (settings.kept.get("proxy", "") if settings else "")
    if proxy or (not url.is_loopback and get_environ_proxies(address)):
        return False
    split = urlsplit(address)
    host = split.hostname or ""
    connection: http.client.HTTPConnection
    if split.scheme == "https":
        context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        connection = http.client.HTTPSConnection(
            host, split.port, timeout=_TIMEOUT, context=context
        )
    else:
        connection = http.client.HTTPConnection(host, split.port, timeout=_TIMEOUT)
    try:
        connection.putrequest("POST", split.path or "/")
        connection.putheader("Content-Type", "multipart/form-data; boundary=none")
        connection.putheader("Content-Length", str(length))
        connection.endheaders()
        if split.scheme != "https":  # TLS knows no such thing
            connection.sock.shutdown(socket.SHUT_WR)  # there is no body: who waits for it, ends
        return _TOO_LARGE in connection.sock.recv(64)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
