"""Sites that answer over a real socket, and misbehave on demand: an upstream, a front of devpi."""

from __future__ import annotations

import base64
import os
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests


@dataclass
class Answer:
    """What a site says; ``how`` and ``before`` are for sites behind a real socket.

    ``how``: "reset" cuts the connection in place of an answer, "late" gives none, "stall" stops in
    the middle of the body, "drip" sends a byte now and then, "headers" so of a header; the last four
    until the site is released. ``before`` runs first.
    """

    status: int = 200
    content_type: str = "text/html"
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    how: str = ""
    before: Callable[[], object] = lambda: None


FINE = Answer(299)  # no fault this time


@dataclass
class Site:
    """Something that answers. ``faults`` answers first where it has an answer for a path.

    The last fault of a path is for ever. A path with "#view" or "#head" is that of devpi's JSON
    view, or of a HEAD, alone.
    """

    asked: Counter[str] = field(default_factory=Counter)
    faults: dict[str, list[Answer | BaseException]] = field(default_factory=dict)
    released: threading.Event = field(default_factory=threading.Event)
    url: str = ""  # where it listens

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer a request that came over a socket."""
        raise NotImplementedError

    def fault(self, path: str) -> Answer | None:
        self.asked[path] += 1
        if not (faults := self.faults.get(path)):
            return None
        fault = faults.pop(0) if len(faults) > 1 else faults[0]
        if isinstance(fault, BaseException):
            raise fault
        fault.before()
        return None if fault.status == FINE.status else fault


@dataclass
class Proxy(Site):
    """A site before another server: passes on what it is asked, faults aside.

    ``users``: who may ask, by "user:password"; empty: everybody.
    """

    target: str = ""  # http://127.0.0.1:PORT
    users: frozenset[str] = frozenset()
    threads: threading.local = field(default_factory=threading.local)

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if self.users and not self._known(headers.get("Authorization", "")):
            return Answer(401, headers={"WWW-Authenticate": 'Basic realm="devpi"'})
        view = headers.get("Accept", "").startswith("application/json")
        kind = "#head" if method == "HEAD" and not view else "#view" if view else ""
        if (fault := self.fault(path.partition("?")[0] + kind)) is not None:
            return fault
        hop = {"connection", "host", "transfer-encoding", "content-length"}
        kept = {name: value for name, value in headers.items() if name.lower() not in hop}
        answer = self._session().request(
            method,
            self.target + path,
            headers=kept,
            data=body,
            allow_redirects=False,
            timeout=60,
        )
        hop = {"connection", "content-type", "transfer-encoding", "date", "server"}
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in hop}
        if answer.is_redirect:
            kept["Location"] = kept["Location"].removeprefix(self.target)
        return Answer(
            answer.status_code, answer.headers.get("Content-Type", ""), answer.content, kept
        )

    def _session(self) -> requests.Session:
        """Return the session of this thread: a connection there for each one here.

        devpi has finished the commit of a file before it reads the next question on the
        connection that has carried it.
        """
        session: requests.Session | None = getattr(self.threads, "session", None)
        if session is None:
            session = self.threads.session = requests.Session()
            session.trust_env = False
        return session

    def _known(self, authorization: str) -> bool:
        kind, _, value = authorization.partition(" ")
        return kind == "Basic" and base64.b64decode(value).decode() in self.users


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # it would hold back each small answer for 40 ms
    server: _Server

    def do_GET(self) -> None:
        site = self.server.site
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        answer = site.handle(self.command, self.path, self.headers, body)
        if answer.how == "reset":
            linger = struct.pack("ii", 1, 0)  # close with RST
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            os.close(self.connection.detach())
        if answer.how == "late":
            site.released.wait()
        if answer.how == "headers":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not site.released.wait(0.05):
                self.wfile.write(b"x")
        if answer.how in {"reset", "late", "headers"}:
            self.close_connection = True
        else:
            self._send(answer)

    do_HEAD = do_POST = do_PUT = do_GET

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status, "As the tests say")
        length = str(len(answer.body))
        headers = {"Content-Type": answer.content_type, "Content-Length": length, **answer.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if answer.how == "stall":
            self.wfile.write(answer.body[: len(answer.body) // 2])
            self.server.site.released.wait()
        elif answer.how == "drip":
            for byte in answer.body:
                self.wfile.write(bytes([byte]))
                if self.server.site.released.wait(0.05):
                    break
        else:
            self.wfile.write(answer.body)
        if answer.how in {"stall", "drip"} or headers["Content-Length"] != length:
            self.close_connection = True  # a body that breaks off

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    site: Site
    tls: ssl.SSLContext | None = None

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; of one that is refused, read on, as web servers do.

        Closed with something unread, it is reset, and why it was refused may not arrive.
        """
        connection, address = super().get_request()
        if self.tls is None:
            return connection, address
        with connection.dup() as kept:
            try:
                return self.tls.wrap_socket(connection, server_side=True), address
            except OSError:
                with suppress(OSError):
                    kept.settimeout(10)
                    kept.shutdown(socket.SHUT_WR)
                    while kept.recv(1 << 16):
                        pass
                raise

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that has gone away


@contextmanager
def listening(site: Site, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve a site on a free port of loopback; yield ``http://127.0.0.1:PORT``."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.site = site
    server.tls = tls
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    site.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    try:
        yield site.url
    finally:
        site.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
