from __future__ import annotations

import email.utils
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import requests
from catalogue import JSON, Catalogue, memory_session
from packaging.utils import canonicalize_name
from sites import FINE, Answer

from devpi_warmup.errors import FileError, IndexAccessError
from devpi_warmup.index.pages import IndexFile, parse_wheel
from devpi_warmup.index.simple import Index
from devpi_warmup.index.transport import Transport
from devpi_warmup.inputs.pip_config import PipConfig
from devpi_warmup.inputs.urls import IndexUrl, parse_index_url

SIX = canonicalize_name("six")
PAGE = "/+simple/six/"


def fault(status: int, **kwargs: str) -> Answer:
    return Answer(status, "text/html", b"<html></html>", dict(kwargs))


@pytest.fixture
def six(catalogue: Catalogue) -> IndexFile:
    upload = catalogue.add("six", "1.0", requires_python=">=3.8")
    return IndexFile(
        upload.filename, f"http://index.example.com/files/{upload.filename}", upload.digest
    )


@pytest.mark.parametrize("kind", ["json", "html"])
def test_both_formats_say_the_same(catalogue: Catalogue, index: Index, kind: str) -> None:
    catalogue.add("six", "1.0", requires_python=">=3.8,<4")
    catalogue.add("six", "1.1", yanked=True, build="2")
    if kind == "html":
        body = catalogue.html("six").encode()
        catalogue.faults[PAGE] = [Answer(200, "text/html; charset=UTF-8", body)]
    page = index.page(SIX)
    assert page.known
    old, new = page.wheels
    assert (str(old.version), old.build, old.file.yanked) == ("1.0", (), False)
    assert old.file.requires_python == ">=3.8,<4"
    assert old.file.url == "http://index.example.com/files/six-1.0-py3-none-any.whl"
    assert (str(new.version), new.build, new.file.yanked) == ("1.1", (2, ""), True)
    assert new.file.sha256 == catalogue.projects["six"][1].digest


def test_a_page_of_hostile_and_odd_files(catalogue: Catalogue, index: Index) -> None:
    names = [
        "../../six-1.0-py3-none-any.whl",
        "/etc/six-1.0-py3-none-any.whl",
        "six-1.0-1/../../x-py3-none-any.whl",
        "six-1.0-py3-none-any\0.whl",
        "other-1.0-py3-none-any.whl",
        "six-not.a.version-py3-none-any.whl",
        "six-1.0-py36+-none-any.whl",
        "six-1.0.whl",
        "six-1.0.tar.gz",
        "six-1.0-py3-none-any.whl",
    ]
    files = [{"filename": name, "url": name, "hashes": {}} for name in names]
    body = json.dumps({"meta": {"api-version": "1.0"}, "name": "six", "files": files}).encode()
    catalogue.faults[PAGE] = [Answer(200, JSON, body)]
    page = index.page(SIX)
    assert [wheel.file.filename for wheel in page.wheels] == ["six-1.0-py3-none-any.whl"]
    assert len(page.others) == len(names) - 1


@pytest.mark.parametrize("status", [404, 200, 500, 502, 503, 429])
def test_a_fault_that_goes_away_costs_time_only(
    catalogue: Catalogue, index: Index, six: IndexFile, status: int
) -> None:
    catalogue.faults[PAGE] = [fault(status), fault(status), Answer(299)]
    assert index.page(SIX).known
    assert catalogue.asked[PAGE] == 3


@pytest.mark.parametrize("status", [404, 200])
def test_a_project_is_missing_only_after_three_answers(
    catalogue: Catalogue, index: Index, status: int
) -> None:
    catalogue.faults[PAGE] = [fault(status)]
    page = index.page(SIX)
    assert not page.known
    assert catalogue.asked[PAGE] == 3


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def patient(catalogue: Catalogue, pauses: list[float]) -> Index:
    """An index whose pauses are noted, not slept."""
    return Index(
        Transport(
            IndexUrl("http://index.example.com"),
            make_session=lambda: memory_session(catalogue),
            sleep=pauses.append,
        )
    )


def test_pauses_grow(catalogue: Catalogue, patient: Index, pauses: list[float]) -> None:
    catalogue.faults[PAGE] = [fault(502)]
    with pytest.raises(
        IndexAccessError, match=r"502 \(6 times, [\d:]+ to [\d:]+ [+-]\d{4}\)\n.*is the"
    ):
        patient.page(SIX)
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0]


def test_a_server_that_says_how_long_is_left_alone_for_so_long(
    catalogue: Catalogue, patient: Index, pauses: list[float]
) -> None:
    catalogue.add("six", "1.0")
    soon = email.utils.format_datetime(datetime.now(timezone.utc) + timedelta(seconds=100))
    said = ("3", "999", "Mon, 1 Jan", soon, "9" * 5000)
    busy = [Answer(503, headers={"Retry-After": after}) for after in said]
    catalogue.faults[PAGE] = [*busy, FINE]
    assert patient.page(SIX).known
    assert pauses[:3] == [3.0, 300.0, 2.0]
    assert 90 < pauses[3] <= 100  # a date


def test_a_server_that_starts_anew_is_waited_for(
    catalogue: Catalogue, patient: Index, pauses: list[float]
) -> None:
    catalogue.add("six", "1.0")
    catalogue.faults[PAGE] = [requests.ConnectionError("x")] * 5 + [FINE]
    assert patient.page(SIX).known
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0]


def test_a_silent_server_is_waited_for_three_times(catalogue: Catalogue, patient: Index) -> None:
    catalogue.faults[PAGE] = [requests.ReadTimeout("x")]
    with pytest.raises(IndexAccessError, match=r"fell silent \(3 times"):
        patient.page(SIX)
    # Nobody waits again for one that is known to be silent, until it has answered once.
    with pytest.raises(IndexAccessError, match="fell silent"):
        patient.page(SIX)
    assert catalogue.asked[PAGE] == 4
    catalogue.faults[PAGE] = [Answer(404)]
    patient.page(SIX)
    catalogue.faults[PAGE] = [requests.ReadTimeout("x")]
    with pytest.raises(IndexAccessError, match="3 times"):
        patient.page(SIX)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (requests.ConnectionError("x"), "no connection to the server"),
        (requests.exceptions.SSLError("x"), "TLS with the server fails"),
        (requests.exceptions.ProxyError("x"), "the proxy does not answer"),
        (requests.ReadTimeout("x"), "the server fell silent"),
        (requests.TooManyRedirects("x"), "redirects in a circle"),
        (requests.exceptions.InvalidURL("x"), "InvalidURL"),
        (requests.exceptions.ChunkedEncodingError("x"), "ended too early"),
    ],
)
def test_faults_of_the_network_in_words(
    catalogue: Catalogue, index: Index, error: Exception, message: str
) -> None:
    catalogue.faults[PAGE] = [error]
    with pytest.raises(IndexAccessError, match=message):
        index.page(SIX)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(200, "application/octet-stream", b"x"), "this is no index"),
        (Answer(200, "", b"x"), "this is no index: it answers with no content type"),
        (Answer(200, JSON, b"{broken"), "the page cannot be read"),
        (Answer(200, JSON, b"[]"), "the page cannot be read"),
        (Answer(200, JSON, b'{"files": [{"url": "x"}]}'), "the page cannot be read"),
        (Answer(200, JSON, b'{"files": [{"filename": "x", "url": "y", "hashes": 3}]}'), "be read"),
        (Answer(200, "text/html", b"\xff\xfe"), "the page cannot be read"),
        (Answer(200, "text/html", b'<a href="x#frag">x</a>'), "the page cannot be read"),
        (Answer(200, JSON, b"[" * 200_000), "the page cannot be read"),
        (Answer(400, "text/html", b""), "the server answered 400"),
        (
            Answer(200, "text/html", b'<meta name="pypi:repository-version" content="2.0">'),
            "Unsupported API major version",
        ),
    ],
)
def test_a_page_that_is_none(
    catalogue: Catalogue, index: Index, answer: Answer, message: str
) -> None:
    catalogue.faults[PAGE] = [answer]
    with pytest.raises(IndexAccessError, match=message):
        index.page(SIX)


def test_a_devpi_at_another_address(catalogue: Catalogue, index: Index) -> None:
    """Its files would not be at the address of the index, and nothing could be shown of them."""
    catalogue.add("six", "1.0")
    there = "https://index.example.com/+simple/six/"
    catalogue.faults[PAGE] = [
        Answer(301, headers={"Location": there}),
        Answer(200, "text/html", b"<a href='six-1.0.whl'>", {"X-Devpi-Api-Version": "2"}),
    ]
    with pytest.raises(IndexAccessError, match="redirects to another address") as error:
        index.check(SIX)
    assert "use that address: https://index.example.com" in error.value.hint


def test_an_index_that_this_devpi_does_not_have(catalogue: Catalogue, index: Index) -> None:
    devpi = {"X-Devpi-Api-Version": "2"}
    catalogue.faults["/+simple/six/"] = [Answer(404, "text/html", b"", devpi)]
    catalogue.faults["/+api"] = [Answer(404, "application/json", b"{}", devpi)]
    with pytest.raises(IndexAccessError, match="this devpi has no index"):
        index.check(SIX)
    catalogue.faults["/+api"] = [Answer(200, "application/json", b'{"result": {}}', devpi)]
    with pytest.raises(IndexAccessError, match="this devpi has no index"):
        index.check(SIX)  # its address, but not that of an index
    api = b'{"result": {"index": "/u/i"}}'
    catalogue.faults["/+api"] = [Answer(200, "application/json", api, devpi)]
    assert index.check(SIX)["X-Devpi-Api-Version"] == "2"


def test_the_page_of_the_check_is_asked_for_once(
    catalogue: Catalogue, index: Index, six: IndexFile
) -> None:
    catalogue.add("other", "1.0")
    index.check(SIX)
    assert index.page(canonicalize_name("other")).known  # whichever comes first
    assert index.page(SIX).wheels[0].file.filename == six.filename
    asked = catalogue.asked[PAGE]
    assert index.page(SIX).known
    assert (asked, catalogue.asked[PAGE]) == (1, 2)  # it is not kept for ever


def test_a_certificate_file_that_is_not_there(catalogue: Catalogue, index: Index) -> None:
    catalogue.faults[PAGE] = [OSError("invalid path: /no/ca.pem")]
    with pytest.raises(IndexAccessError, match=r"/no/ca\.pem"):
        index.page(SIX)


def test_a_gigantic_page_is_cut_off(
    catalogue: Catalogue, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devpi_warmup.index.simple.MAX_PAGE", 1 << 20)
    catalogue.faults[PAGE] = [Answer(200, "text/html", b" " * (3 << 20))]
    with pytest.raises(IndexAccessError, match="over 1 MiB"):
        index.page(SIX)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_names_the_source_of_the_credentials(catalogue: Catalogue, status: int) -> None:
    catalogue.faults["/u/i/+simple/six/"] = [fault(status)]
    for text, source in (
        ("http://me:s3cret@index.example.com/u/i", "the index URL"),
        ("http://me@index.example.com/u/i", "the index URL, a user alone"),
        ("http://index.example.com/u/i", "none"),
    ):
        index = Index(
            Transport(parse_index_url(text), make_session=lambda: memory_session(catalogue))
        )
        with pytest.raises(
            IndexAccessError, match=f"answered {status} .credentials: {source}"
        ) as e:
            index.page(SIX)
        assert "s3cret" not in str(e.value)
    assert catalogue.asked["/u/i/+simple/six/"] == 3  # no second try with the same credentials


def test_credentials_go_to_the_index_alone(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.prefix = "/u/i"
    upload = catalogue.add("six", "1.0")
    index = Index(
        Transport(
            parse_index_url("http://me:s3cret@index.example.com/u/i"),
            make_session=lambda: memory_session(catalogue),
        )
    )
    own = index.page(SIX).wheels[0].file
    index.transport.download(own.url, own.sha256, tmp_path / "own")
    index.transport.download(
        f"http://other.example.com/u/i/files/{upload.filename}", "", tmp_path / "other"
    )
    sent = ["Authorization" in headers for headers in catalogue.headers]
    assert sent == [True, True, False]


def test_a_netrc_file_serves_a_loopback_index_too(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password s3cret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    catalogue.add("six", "1.0")
    url = IndexUrl("http://127.0.0.1:3141")
    Index(Transport(url, make_session=lambda: memory_session(catalogue))).page(SIX)
    assert catalogue.headers[0]["Authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("validator", "second", "asked"),
    [
        ({"ETag": '"1"'}, "rest", "bytes=5-"),
        ({"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}, "rest", "bytes=5-"),
        ({"ETag": '"1"'}, "elsewhere", "bytes=5-"),
        ({"ETag": '"1"'}, "whole", "bytes=5-"),
        ({"ETag": '"1"'}, "beyond", "bytes=5-"),
        ({"ETag": 'W/"1"'}, "whole", None),
        ({}, "whole", None),
    ],
)
def test_a_download_goes_on_where_it_was_cut(
    catalogue: Catalogue,
    index: Index,
    six: IndexFile,
    tmp_path: Path,
    validator: dict[str, str],
    second: str,
    asked: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("devpi_warmup.index.transport.CHUNK", 5)
    (upload,) = catalogue.projects["six"]
    whole, path = upload.data, f"/files/{upload.filename}"
    length = {"Content-Length": str(len(whole))}
    seconds = {
        "rest": Answer(206, body=whole[5:], headers={"Content-Range": "bytes 5-99/100"}),
        "elsewhere": Answer(206, body=whole[9:], headers={"Content-Range": "bytes 9-99/100"}),
        "whole": Answer(299),
        "beyond": Answer(416),
    }
    cut = Answer(200, body=whole[:5], headers=length | validator)
    catalogue.faults[path] = [cut, seconds[second], Answer(299)]
    # Without a digest nothing but the ranges tells what came.
    assert index.transport.download(six.url, "", tmp_path / "x") == six.sha256
    assert (tmp_path / "x").read_bytes() == whole
    assert catalogue.asked[path] == (3 if second in {"elsewhere", "beyond"} else 2)
    ranges = [headers.get("Range") for headers in catalogue.headers]
    assert [value for value in ranges if value] == [asked] * (asked is not None)


def test_a_download_is_checked(index: Index, six: IndexFile, tmp_path: Path) -> None:
    sizes: list[int] = []
    assert (
        index.transport.download(six.url, six.sha256, tmp_path / "x", progress=sizes.append)
        == six.sha256
    )
    assert sum(sizes) == (tmp_path / "x").stat().st_size


@pytest.mark.parametrize(
    "faults",
    [
        [fault(500), fault(503), Answer(299)],
        [requests.ConnectionError("cut"), Answer(299)],
        [Answer(200, body=b"short", headers={"Content-Length": "9999"}), Answer(299)],
        [Answer(200, body=b"wrong bytes"), Answer(299)],
    ],
)
def test_a_download_is_tried_again(
    catalogue: Catalogue, index: Index, six: IndexFile, tmp_path: Path, faults: list[Answer]
) -> None:
    catalogue.faults[f"/files/{six.filename}"] = list(faults)
    assert index.transport.download(six.url, six.sha256, tmp_path / "x") == six.sha256


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(200, body=b"wrong bytes"), "its sha256 is .*, the index says"),
        (Answer(200, body=b"short", headers={"Content-Length": "99"}), "ended too early|was cut"),
        (fault(404), "answered 404"),
        (fault(502), "answered 502"),
    ],
)
def test_after_a_failed_download_nothing_is_there(
    catalogue: Catalogue,
    index: Index,
    six: IndexFile,
    tmp_path: Path,
    answer: Answer,
    message: str,
) -> None:
    catalogue.faults[f"/files/{six.filename}"] = [answer]
    with pytest.raises(FileError, match=message):
        index.transport.download(six.url, six.sha256, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_closed_index_ends_transfers(index: Index, six: IndexFile, tmp_path: Path) -> None:
    index.transport.close()
    with pytest.raises(IndexAccessError, match="stopped"):
        index.transport.download(six.url, six.sha256, tmp_path / "x")


def test_metadata_beside_a_wheel(catalogue: Catalogue, index: Index) -> None:
    upload = catalogue.add("six", "1.0", core_metadata=True)
    (wheel,) = index.page(SIX).wheels
    assert wheel.file.metadata
    assert index.metadata(wheel.file) == upload.metadata
    catalogue.faults[f"/files/{upload.filename}.metadata"] = [fault(404)]
    assert index.metadata(wheel.file) is None


def test_metadata_with_another_digest_is_not_believed(catalogue: Catalogue, index: Index) -> None:
    upload = catalogue.add("six", "1.0", core_metadata=True)
    url = f"http://index.example.com/files/{upload.filename}"
    file = IndexFile(upload.filename, url, metadata=True, metadata_sha256="0" * 64)
    assert index.metadata(file) is None


def test_how_to_connect_comes_from_pip(catalogue: Catalogue) -> None:
    kept = {
        "cert": "/ca.pem",
        "client-cert": "/me.pem",
        "proxy": "http://proxy.example.com:3128",
        "timeout": "7",
        "retries": "1",
    }
    sessions: list[requests.Session] = []

    def make() -> requests.Session:
        sessions.append(memory_session(catalogue))
        return sessions[-1]

    catalogue.faults[PAGE] = [fault(502)]
    index = Index(
        Transport(
            IndexUrl("https://index.example.com"),
            make_session=make,
            settings=PipConfig(kept, ()),
            sleep=lambda _: None,
        )
    )
    with pytest.raises(IndexAccessError):
        index.page(SIX)
    assert catalogue.asked[PAGE] == 2
    (session,) = sessions
    assert (session.verify, session.cert) == ("/ca.pem", "/me.pem")
    assert session.proxies["https"] == "http://proxy.example.com:3128"


@pytest.mark.parametrize(
    ("host", "verified"), [("index.example.com", False), ("other.example.com", True)]
)
def test_trusted_hosts(catalogue: Catalogue, host: str, verified: bool) -> None:
    catalogue.add("six", "1")
    sessions = [memory_session(catalogue)]
    Index(
        Transport(
            IndexUrl("https://index.example.com"),
            make_session=lambda: sessions[0],
            settings=PipConfig({"trusted-host": f"a.example.com {host}"}, ()),
        )
    ).page(SIX)
    assert sessions[0].verify is verified


def test_a_proxy_never_stands_before_loopback(catalogue: Catalogue) -> None:
    catalogue.add("six", "1")
    sessions = [memory_session(catalogue)]
    Index(
        Transport(
            IndexUrl("http://127.0.0.1:3141"),
            make_session=lambda: sessions[0],
            settings=PipConfig({"proxy": "http://proxy.example.com"}, ()),
        )
    ).page(SIX)
    assert not sessions[0].proxies
    assert not sessions[0].trust_env


def test_a_wheel_with_a_build_tag() -> None:
    wheel = parse_wheel(SIX, IndexFile("six-1.0-2b-py2.py3-none-any.whl", "x"))
    assert wheel is not None
    assert wheel.build == (2, "b")
    assert {str(tag) for tag in wheel.tags} == {"py2-none-any", "py3-none-any"}
