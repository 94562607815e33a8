"""What goes wrong on a connection, in words, and what there is no sense in trying again."""

from __future__ import annotations

import pytest
import requests
import truststore
import urllib3
from requests import exceptions

from devpi_warmup.index.http import Adapter, SlowAnswer, describe, is_final, is_gone, read_piece

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


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (urllib3.exceptions.ReadTimeoutError(POOL, "/", "x"), requests.ReadTimeout),
        (urllib3.exceptions.ProtocolError("x"), exceptions.ChunkedEncodingError),
        (urllib3.exceptions.DecodeError("x"), exceptions.ContentDecodingError),
        (urllib3.exceptions.SSLError("x"), exceptions.SSLError),
    ],
)
def test_faults_of_a_body_are_those_of_requests(
    raised: Exception, expected: type[Exception]
) -> None:
    class Raw:
        def read1(self, size: int, *, decode_content: bool) -> bytes:
            raise raised

    response = requests.Response()
    response.raw = Raw()
    with pytest.raises(expected):
        read_piece(response, 1)


@pytest.mark.parametrize(("size", "slow"), [(1023, True), (1025, False)])
def test_an_answer_that_drips(monkeypatch: pytest.MonkeyPatch, size: int, slow: bool) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    answer = SlowAnswer(60.0, began=now[0])
    for _ in range(60):
        now[0] += 1
        answer.check(size)
    now[0] += 1
    if slow:
        with pytest.raises(requests.ReadTimeout):
            answer.check(size)
    else:
        answer.check(size)
        assert answer.size == 0  # it is judged anew


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_with_tls_has_the_trust_of_the_system(scheme: str) -> None:
    manager = Adapter().proxy_manager_for(f"{scheme}://proxy.example.com:8443")
    own = manager.connection_pool_kw["ssl_context"]
    assert isinstance(own, truststore.SSLContext)
    assert manager.proxy_config.ssl_context is (own if scheme == "https" else None)
