"""What goes wrong on a connection, in words, and what there is no sense in trying again."""

from __future__ import annotations

import io
import threading

import pytest
import requests
import truststore
import urllib3
from requests import exceptions

from devpi_warmup.index.http import Adapter, describe, is_final, is_gone
from devpi_warmup.index.reading import Judge, _JudgedReader

POOL = urllib3.HTTPConnectionPool("devpi.example.com")


@pytest.mark.parametrize(
    ("error", "words", "lasting", "gone"),
    [
        (requests.ConnectionError("[Errno 111] Connection refused"), "is refused", False, True),
        (requests.ConnectionError("Failed to resolve 'devpi'"), "does not resolve", False, True),
        (requests.ConnectionError("Connection reset by peer"), "or it was cut", False, True),
        (requests.ConnectTimeout("x"), "did not answer in time", False, True),
        (requests.ReadTimeout("x"), "fell silent", False, True),
        (
            requests.ConnectionError(urllib3.exceptions.ReadTimeoutError(POOL, "/", "x")),
            "fell silent",
            False,
            True,
        ),
        (
            requests.ReadTimeout("_ssl.c:989: The handshake operation timed out"),
            "nobody answers the handshake of TLS",
            True,
            True,
        ),
        (exceptions.SSLError("CERTIFICATE_VERIFY_FAILED"), "is not trusted", True, True),
        (exceptions.SSLError("CERTIFICATE_REQUIRED"), "a client certificate", True, True),
        (exceptions.SSLError("WRONG_VERSION_NUMBER"), "does not speak TLS", True, True),
        (exceptions.SSLError("EOF occurred"), "TLS with the server fails", False, True),
        (exceptions.ChunkedEncodingError("x"), "ended too early", False, False),
        (exceptions.TooManyRedirects("x"), "redirects in a circle", True, False),
        (exceptions.InvalidSchema("SOCKS"), "is not supported", True, False),
        (exceptions.InvalidProxyURL("x"), "the proxy in pip's configuration", True, False),
    ],
)
def test_a_fault_in_words(error: Exception, words: str, lasting: bool, gone: bool) -> None:
    assert words in describe(error)
    assert is_final(error) is lasting
    assert is_gone(error) is gone


class Socket:
    """Says what a server would: numbers of bytes, or nothing for a tick (None)."""

    def __init__(self, clock: list[float], *said: int | None) -> None:
        self.clock = clock
        self.said = list(said)

    def settimeout(self, seconds: float) -> None:
        self.tick = seconds

    def recv_into(self, buffer: bytearray) -> int:
        self.clock[0] += 1.0
        said = self.said.pop(0)
        if said is None:
            raise TimeoutError
        return said


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def reader(clock: list[float], *said: int | None) -> tuple[_JudgedReader, threading.Event]:
    stopped = threading.Event()
    return _JudgedReader(Socket(clock, *said), io.BytesIO(), Judge(60.0, stopped)), stopped


@pytest.mark.parametrize(("size", "slow"), [(1023, True), (1025, False)])
def test_an_answer_that_drips(clock: list[float], size: int, slow: bool) -> None:
    judged, _ = reader(clock, *[size] * 200)
    if slow:
        with pytest.raises(TimeoutError, match="drips"):
            for _ in range(200):
                judged.readinto(bytearray(2000))
        assert clock[0] < 300.0
    else:
        assert {judged.readinto(bytearray(2000)) for _ in range(200)} == {size}


def test_a_server_that_thinks_is_not_one_that_drips(clock: list[float]) -> None:
    judged, _ = reader(clock, *[None] * 59, 10, 0)
    assert judged.readinto(bytearray(10)) == 10
    assert judged.readinto(bytearray(10)) == 0


def test_a_server_that_is_silent(clock: list[float]) -> None:
    judged, _ = reader(clock, 10, *[None] * 100)
    assert judged.readinto(bytearray(10)) == 10
    with pytest.raises(TimeoutError, match="silent"):
        judged.readinto(bytearray(10))
    assert clock[0] == 162.0


def test_a_stopped_run_waits_for_nobody(clock: list[float]) -> None:
    judged, stopped = reader(clock, *[None] * 100)
    stopped.set()
    with pytest.raises(ConnectionAbortedError, match="the run was stopped"):
        judged.readinto(bytearray(10))
    assert clock[0] == 100.0


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_with_tls_has_the_trust_of_the_system(scheme: str) -> None:
    manager = Adapter(Judge(60.0, threading.Event())).proxy_manager_for(
        f"{scheme}://proxy.example.com:8443"
    )
    own = manager.connection_pool_kw["ssl_context"]
    assert isinstance(own, truststore.SSLContext)
    assert manager.proxy_config.ssl_context is (own if scheme == "https" else None)
