"""Bytes judged where they are read: silence, drips, and the end of the run.

A timeout of a socket starts anew with every byte, so a server may drip for ever, a header as well
as a body; and a read that waits cannot be told that the run is over. So the socket is read with a
short tick, and asked about at each.
"""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket
    import threading
    from collections.abc import Mapping

    from urllib3 import HTTPConnectionPool

LEAST_RATE = 1024  # bytes a second; a slower answer is as good as none
_TICK = 0.1  # seconds
_BUFFER = 1 << 16  # bytes


@dataclass(frozen=True)
class Judge:
    """How long an answer is waited for.

    :param patience: seconds of silence, and after which the rate of an answer is judged
    :param stopped: whether nothing is wanted any more
    """

    patience: float
    stopped: threading.Event


class _JudgedReader(io.RawIOBase):
    """Reads one answer from a socket."""

    def __init__(self, sock: socket.socket, holder: io.RawIOBase, judge: Judge) -> None:
        """Read in place of ``holder``, which keeps the socket open until this is closed."""
        self._sock = sock
        self._holder = holder
        self._judge = judge
        self._began = 0.0  # with its first byte: until then the server thinks
        self._size = 0
        sock.settimeout(_TICK)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._holder.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        """Read what has come.

        :raises TimeoutError: nothing comes, or hardly anything
        :raises ConnectionAbortedError: the run was stopped
        """
        waiting = time.monotonic()
        while not self._judge.stopped.is_set():
            try:
                count = self._sock.recv_into(buffer)
            except TimeoutError:
                if time.monotonic() - waiting > self._judge.patience:
                    raise TimeoutError("the server fell silent") from None
                continue
            self._count(count)
            return count
        raise ConnectionAbortedError("the run was stopped")

    def _count(self, size: int) -> None:
        now = time.monotonic()
        self._began = self._began or now
        self._size += size
        seconds = now - self._began
        if seconds > self._judge.patience:
            if self._size < seconds * LEAST_RATE:
                raise TimeoutError("it drips")
            self._began, self._size = now, 0


def judged(
    pools: Mapping[str, type[HTTPConnectionPool]], judge: Judge
) -> dict[str, type[HTTPConnectionPool]]:
    """Return pools, by scheme, whose answers are judged as they are read."""

    class Response(HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
            super().__init__(sock, *args, **kwargs)
            self.fp = io.BufferedReader(_JudgedReader(sock, self.fp.detach(), judge), _BUFFER)

    made = {}
    for scheme, pool in pools.items():
        plain = pool.ConnectionCls
        connection = type(plain.__name__, (plain,), {"response_class": Response})
        made[scheme] = type(pool.__name__, (pool,), {"ConnectionCls": connection})
    return made
