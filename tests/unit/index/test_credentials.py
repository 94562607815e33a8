"""Which credentials are used, and which are tried when a server refuses them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
import requests
from catalogue import Catalogue, memory_session
from packaging.utils import canonicalize_name
from sites import FINE, Answer

from devpi_warmup.errors import IndexAccessError
from devpi_warmup.index.credentials import Authenticator, Credentials
from devpi_warmup.index.devpi import Devpi
from devpi_warmup.index.simple import Index
from devpi_warmup.index.transport import Transport
from devpi_warmup.inputs.urls import parse_index_url
from devpi_warmup.process import Completed

URL = "https://devpi.example.com/user/index"
MINE = json.dumps({"username": "me", "password": "pw"})
Keyring = Callable[[Sequence[str]], Completed]


def login(url: str, answer: Keyring | None = None, keyring: str = "auto") -> Authenticator:
    def runner(
        argv: Sequence[str], *, env: Mapping[str, str], timeout: float | None = None
    ) -> Completed:
        assert timeout is not None
        assert answer is not None
        return answer(argv)

    def which(command: str) -> str | None:
        return "/bin/keyring" if answer is not None else None

    return Authenticator(
        parse_index_url(url), keyring=keyring, runner=runner, which=which, environ={}
    )


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "netrc"
    path.write_text("machine devpi.example.com login me password of-netrc\n")
    monkeypatch.setenv("NETRC", str(path))
    return path


@pytest.mark.usefixtures("netrc")
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://you:a%40b@devpi.example.com/u/i", ("you", "a@b", "the index URL")),
        ("https://me@devpi.example.com/u/i", ("me", "of-netrc", "a netrc file")),
        ("https://devpi.example.com/u/i", ("me", "of-netrc", "a netrc file")),
        ("https://you@devpi.example.com/u/i", ("you", "", "the index URL, a user alone")),
        ("https://other.example.com/u/i", None),
    ],
)
def test_the_url_comes_first_then_netrc(url: str, expected: tuple[str, str, str] | None) -> None:
    found = login(url).current
    assert found == (None if expected is None else Credentials(*expected))


def test_a_netrc_file_that_cannot_be_read_is_none(netrc: Path) -> None:
    netrc.write_text("machine\n")
    assert login(URL).current is None


@pytest.mark.parametrize("user", ["", "me"])
@pytest.mark.parametrize("service", [f"{URL}/+simple/", URL, "devpi.example.com"])
def test_keyring_is_asked_after_a_refusal(service: str, user: str) -> None:
    asked = []

    def answer(argv: Sequence[str]) -> Completed:
        asked.append(list(argv))
        known = argv[4:] == [service, *([user] if user else [])]
        return Completed(0, MINE, "") if known else Completed(1, "", "")

    mine = login(URL.replace("//", f"//{user}@" if user else "//"), answer)
    assert not asked
    assert mine.refused(mine.current)
    assert mine.current == Credentials("me", "pw", "keyring")
    assert asked[0][:4] == ["/bin/keyring", "--mode=creds", "--output=json", "get"]
    assert not mine.refused(mine.current)  # there is nothing else


def hangs(argv: Sequence[str]) -> Completed:
    raise subprocess.TimeoutExpired(argv, 60)


def cannot_run(argv: Sequence[str]) -> Completed:
    raise PermissionError


@pytest.mark.parametrize(
    "answer",
    [
        hangs,
        cannot_run,
        lambda _: Completed(0, "garbage", ""),
        lambda _: Completed(0, "[]", ""),
        lambda _: Completed(0, '{"username": "me"}', ""),
        lambda _: Completed(2, "", "unrecognized arguments: --mode=creds"),
        None,
    ],
)
def test_a_keyring_that_knows_nothing(answer: Keyring | None) -> None:
    mine = login(URL, answer)
    assert not mine.refused(None)
    assert mine.current is None


def test_a_keyring_that_is_disabled_is_not_asked() -> None:
    def never(argv: Sequence[str]) -> Completed:
        raise AssertionError(argv)

    assert not login(URL, never, keyring="disabled").refused(None)


def test_a_refused_password_is_not_looked_up_again() -> None:
    def never(argv: Sequence[str]) -> Completed:
        raise AssertionError(argv)

    mine = login("https://me:wrong@devpi.example.com/u/i", never)
    assert not mine.refused(mine.current)


def test_a_thread_that_is_late_tries_what_another_has_found() -> None:
    mine = login("https://me:pw@devpi.example.com/u/i")
    before = mine.current
    mine.use_token("token")
    assert mine.refused(before)
    assert mine.current is not None
    assert mine.current.token


def test_nothing_secret_is_shown() -> None:
    mine = login("https://me:s3cret@devpi.example.com/u/i")
    mine.use_token("t0ken")
    assert "s3cret" not in repr(vars(mine))
    assert "t0ken" not in repr(vars(mine))


def protected(catalogue: Catalogue, *statuses: int) -> Index:
    """Return an index whose page is answered with these statuses, and then as it should."""
    catalogue.add("six", "1.0")
    catalogue.faults["/+simple/six/"] = [*map(Answer, statuses), FINE]
    url = parse_index_url("https://me:pw@index.example.com")
    transport = Transport(url, make_session=lambda: memory_session(catalogue), sleep=lambda _: None)
    return Index(transport)


def sent(catalogue: Catalogue) -> list[str]:
    return [headers.get("Authorization", "") for headers in catalogue.headers]


def test_a_token_that_is_refused_gives_way_to_the_password(catalogue: Catalogue) -> None:
    for status in (401, 403):
        catalogue.headers.clear()
        index = protected(catalogue, status)
        index.transport.login.use_token("token")
        assert index.page(canonicalize_name("six")).known
        basic = requests.auth._basic_auth_str
        assert sent(catalogue) == [basic("me", "token"), basic("me", "pw")]


def test_a_server_that_refuses_everything_is_not_asked_for_ever(catalogue: Catalogue) -> None:
    index = protected(catalogue, 401, 401)
    index.transport.login.use_token("token")
    with pytest.raises(IndexAccessError, match="answered 401"):
        index.page(canonicalize_name("six"))
    assert catalogue.asked["/+simple/six/"] == 2


@pytest.mark.parametrize(
    "url", ["https://me:pw@index.example.com", "https://me:pw@h.example.com/p"]
)
def test_an_index_of_another_form_has_no_login(catalogue: Catalogue, url: str) -> None:
    """``/user/index`` is what the address of the login is made from."""
    session = memory_session(catalogue)
    transport = Transport(parse_index_url(url), make_session=lambda: session)
    assert Devpi(transport, bare=True).login()
    assert not catalogue.asked


def test_a_password_is_sent_to_the_index_alone(catalogue: Catalogue) -> None:
    index = protected(catalogue)
    body = {"user": "me", "password": "pw"}
    with pytest.raises(IndexAccessError, match="ValueError"):
        index.transport.ask("POST", "https://other.example.com/+login", {}, json=body)
    assert not catalogue.asked


def test_a_login_that_leads_elsewhere_is_not_followed(catalogue: Catalogue) -> None:
    index = protected(catalogue)
    there = "https://elsewhere.example.com/+login"
    catalogue.faults["/+login"] = [Answer(307, headers={"Location": there})]
    index.transport.url = parse_index_url("https://me:pw@index.example.com/user/index")
    Devpi(index.transport, bare=True).login()
    assert catalogue.asked["/+login"] == 1
    assert index.transport.login.current == Credentials("me", "pw", "the index URL")


@pytest.mark.parametrize("answer", [Answer(200, "text/html", b"<form>"), Answer(401)])
def test_a_token_that_is_not_taken_is_given_up_at_once(
    catalogue: Catalogue, answer: Answer
) -> None:
    index = protected(catalogue)
    index.transport.url = parse_index_url("https://me:pw@index.example.com/user/index")
    token = b'{"type": "proxyauth", "result": {"password": "token", "expiration": 36000}}'
    catalogue.faults["/+login"] = [Answer(200, "application/json", token)]
    catalogue.faults["/user/index/+api"] = [answer]
    Devpi(index.transport, bare=True).login()
    assert index.transport.login.current == Credentials("me", "pw", "the index URL")
