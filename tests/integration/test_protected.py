"""Servers behind TLS and passwords: how to get in, what is said if not, and no secret anywhere."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import trustme
from packaging.utils import canonicalize_name
from projects import Devpi, Project, linux_only
from servers import free_port, gen_nginx, nginx
from sites import Proxy, listening

from devpi_warmup.errors import IndexAccessError
from devpi_warmup.index.devpi import detect
from devpi_warmup.index.simple import Index
from devpi_warmup.index.transport import Transport
from devpi_warmup.inputs import pip_config
from devpi_warmup.inputs.pip_config import PipConfig
from devpi_warmup.inputs.urls import parse_index_url

USER, SECRET = "me", "s3cret-w0rd"


@dataclass
class Authority:
    """A private CA: its certificate, one it has given to a client, and what a server needs."""

    certificate: Path
    client: Path
    server_pem: Path
    server: Callable[[bool], ssl.SSLContext]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("authority")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    ca.issue_cert("me@example.com").private_key_and_cert_chain_pem.write_to_path(folder / "me.pem")

    def server(clients: bool) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        ca.issue_cert("127.0.0.1").configure_cert(context)
        if clients:
            ca.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    return Authority(folder / "ca.pem", folder / "me.pem", folder / "server.pem", server)


@contextmanager
def protected(
    devpi: Devpi, authority: Authority, *users: str, clients: bool = False
) -> Iterator[Proxy]:
    """A front with TLS before the shared devpi; yield it, with its ``url``."""
    front = Proxy(target=devpi.index.partition("/root/")[0], users=frozenset(users))
    with listening(front, authority.server(clients)):
        yield front


def with_user(front: Proxy, user: str) -> str:
    return front.url.replace("https://", f"https://{user}@") + "/root/pypi"


@contextmanager
def commands_of_processes() -> Iterator[set[bytes]]:
    """Collect the command lines of all processes of the machine while the block runs."""
    found: set[bytes] = set()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    found.add(path.read_bytes())
                except OSError:
                    continue

    thread = threading.Thread(target=look)
    thread.start()
    yield found
    done.set()
    thread.join()


@pytest.fixture
def wanted(project: Project, devpi: Devpi) -> Project:
    """A project that wants one wheel."""
    if "protected-app" not in devpi.upstream.projects:
        devpi.upstream.add("protected-app", "1.0")
    project.write("protected-app", pythons=("3.13",), platforms=("win_amd64",))
    for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        project.environ[name] = ""
    return project


@linux_only
@pytest.mark.parametrize(
    "source", ["url", "netrc", pytest.param("keyring", marks=pytest.mark.long)]
)
def test_a_secret_opens_the_index_and_is_nowhere(
    wanted: Project, devpi: Devpi, authority: Authority, tmp_path: Path, source: str
) -> None:
    """Every output, log, lock, manifest, process and report of nox is searched for it."""
    with protected(devpi, authority, f"{USER}:{SECRET}") as front:
        wanted.environ["PIP_CERT"] = str(authority.certificate)
        if source == "url":
            wanted.environ["DEVPI_INDEX"] = with_user(front, f"{USER}:{SECRET}")
        elif source == "netrc":
            wanted.environ["DEVPI_INDEX"] = f"{front.url}/root/pypi"
            netrc = tmp_path / "netrc"
            netrc.write_text(f"machine 127.0.0.1 login {USER} password {SECRET}\n")
            netrc.chmod(0o600)
            wanted.environ["NETRC"] = str(netrc)
        else:
            wanted.environ["DEVPI_INDEX"] = with_user(front, USER)
            wanted.environ["PATH"] = keyring(tmp_path, f"{front.url}/root/pypi")
        reports = [tmp_path / f"{session}.json" for session in ("warmup", "verify-devpi")]
        with commands_of_processes() as commands:
            done = [wanted.nox("-s", path.stem, "-v", "--report", str(path)) for path in reports]
    for run in done:
        assert run.returncode == 0, run.output
    assert "1 of 1 targets covered" in done[0].stdout
    assert " 1 of 1\n" in done[0].stdout
    assert "shown to hold 1 of 1 files" in done[1].stdout
    texts = [run.output.encode() for run in done]
    texts += [path.read_bytes() for path in reports]
    texts += [*wanted.files().values(), *commands]
    texts += [path.read_bytes() for path in (wanted.root / ".nox").rglob("*.json")]
    assert len(commands) > 2
    assert not [text for text in texts if SECRET.encode() in text]


def keyring(folder: Path, service: str) -> str:
    """Put a ``keyring`` that knows one service before the PATH; return it."""
    answer = json.dumps({"username": USER, "password": SECRET})
    command = folder / "bin" / "keyring"
    command.parent.mkdir()
    command.write_text(
        f"#!{sys.executable}\nimport sys\n"
        f"if sys.argv[1:] == ['--mode=creds', '--output=json', 'get', {service!r}, {USER!r}]:\n"
        f"    print({answer!r})\nelse:\n    sys.exit(1)\n"
    )
    command.chmod(0o755)
    return f"{command.parent}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("user", "source"),
    [
        (f"{USER}:{SECRET}x", "the index URL"),
        (USER, "the index URL, a user alone"),
        ("", "none"),
    ],
)
def test_a_refusal_says_which_credentials_were_used(
    wanted: Project, devpi: Devpi, authority: Authority, user: str, source: str
) -> None:
    with protected(devpi, authority, f"{USER}:{SECRET}") as front:
        index = with_user(front, user) if user else f"{front.url}/root/pypi"
        done = wanted.nox(
            "-s",
            "warmup",
            DEVPI_INDEX=index,
            PIP_CERT=str(authority.certificate),
            PIP_KEYRING_PROVIDER="disabled",
        )
    assert done.returncode == 1
    assert f"the server answered 401 (credentials: {source})" in done.stderr
    assert "give them in DEVPI_INDEX=https://user:password@" in done.stderr
    assert SECRET not in done.output
    assert "Traceback" not in done.output


def ask(devpi: Devpi, authority: Authority, settings: dict[str, str], *, clients: bool) -> None:
    """Ask for a page with pip's settings, through a front with TLS."""
    listing = "\n".join(f"global.{key}={value!r}" for key, value in settings.items())
    with protected(devpi, authority, clients=clients) as front:
        transport = Transport(
            parse_index_url(f"{front.url}/root/pypi"), settings=pip_config.parse(listing)
        )
        try:
            assert detect(transport, Index(transport).check(canonicalize_name("tls"))) is not None
        finally:
            transport.close()


@pytest.fixture
def page(devpi: Devpi, monkeypatch: pytest.MonkeyPatch) -> None:
    if "tls" not in devpi.upstream.projects:
        devpi.upstream.add("tls", "1.0")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("page")
def test_a_private_ca_in_the_configuration_of_pip(devpi: Devpi, authority: Authority) -> None:
    ask(devpi, authority, {"cert": str(authority.certificate)}, clients=False)


@pytest.mark.usefixtures("page")
def test_the_configuration_of_pip_wins_over_the_environment(
    devpi: Devpi, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", requests.certs.where())
    ask(devpi, authority, {"cert": str(authority.certificate)}, clients=False)


@pytest.mark.usefixtures("page")
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is not a file")
def test_a_private_ca_that_the_system_trusts(
    devpi: Devpi, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))  # OpenSSL's own variable
    ask(devpi, authority, {}, clients=False)


@pytest.mark.usefixtures("page")
def test_a_host_that_is_trusted_by_name(devpi: Devpi, authority: Authority) -> None:
    with pytest.warns(requests.packages.urllib3.exceptions.InsecureRequestWarning):
        ask(devpi, authority, {"trusted-host": "127.0.0.1"}, clients=False)


@pytest.mark.usefixtures("page")
def test_a_ca_that_nobody_trusts(devpi: Devpi, authority: Authority) -> None:
    with pytest.raises(IndexAccessError, match="certificate of the server is not trusted"):
        ask(devpi, authority, {}, clients=False)


@pytest.mark.usefixtures("page")
def test_a_client_certificate(devpi: Devpi, authority: Authority) -> None:
    settings = {"cert": str(authority.certificate)}
    with pytest.raises(IndexAccessError, match="the server wants a client certificate"):
        ask(devpi, authority, settings, clients=True)
    ask(devpi, authority, settings | {"client-cert": str(authority.client)}, clients=True)


@linux_only
@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_a_real_web_server_that_wants_everything(
    wanted: Project, devpi: Devpi, authority: Authority, scripts: Path, tmp_path: Path
) -> None:
    """TLS of a private CA, a client certificate and a password, before devpi's files on disk."""
    port = free_port()
    (tmp_path / "users").write_text(f"{USER}:{{PLAIN}}{SECRET}\n")
    server = gen_nginx(scripts, devpi.data, devpi.index, port, tmp_path)
    before, listen, after = server.partition(f"listen {port};")
    assert listen
    server = f"""{before}listen {port} ssl;
        ssl_certificate {authority.server_pem};
        ssl_certificate_key {authority.server_pem};
        ssl_client_certificate {authority.certificate};
        ssl_verify_client on;
        auth_basic devpi;
        auth_basic_user_file {tmp_path}/users;{after}"""
    settings = {"PIP_CERT": authority.certificate, "PIP_CLIENT_CERT": authority.client}
    environ = {key: str(value) for key, value in settings.items()}
    with nginx(tmp_path, port, server):
        index = f"https://{USER}:{SECRET}@127.0.0.1:{port}/root/pypi"
        done = [
            wanted.nox("-s", session, DEVPI_INDEX=index, **environ)
            for session in ("warmup", "verify-devpi")
        ]
        refused = wanted.nox("-s", "warmup", DEVPI_INDEX=index.replace(SECRET, "wrong"), **environ)
    for run in done:
        assert run.returncode == 0, run.output
        assert SECRET not in run.output
    assert " 1 of 1\n" in done[0].stdout
    assert "shown to hold 1 of 1 files" in done[1].stdout
    assert refused.returncode == 1
    assert "the server answered 401 (credentials: the index URL)" in refused.stderr


# devpi's own login --------------------------------------------------------------------------


@pytest.fixture
def account(devpi: Devpi) -> str:
    """A user of the shared devpi; return the index with their password."""
    server = devpi.index.partition("/root/")[0]
    answer = requests.put(f"{server}/carol", json={"password": SECRET}, timeout=30)
    assert answer.status_code in {201, 409}
    if "login-app" not in devpi.upstream.projects:
        devpi.upstream.add("login-app", "1.0")
    return f"carol:{SECRET}"


def logged_in(url: str) -> Transport:
    transport = Transport(parse_index_url(url), settings=PipConfig({}, ()))
    found = detect(transport, Index(transport).check(canonicalize_name("login-app")))
    assert found is not None
    found.login()
    return transport


def test_a_password_that_devpi_refuses_is_not_passed_over_in_silence(
    wanted: Project, devpi: Devpi
) -> None:
    """devpi reads out its index to everybody, whatever they send."""
    index = devpi.index.replace("http://", f"http://nobody:{SECRET}@")
    done = wanted.nox("-s", "warmup", DEVPI_INDEX=index)
    assert done.returncode == 0, done.output
    assert "devpi does not take the password of the index URL" in done.stderr
    assert SECRET not in done.output


def test_a_token_is_sent_in_place_of_the_password(devpi: Devpi, account: str) -> None:
    transport = logged_in(devpi.index.replace("http://", f"http://{account}@"))
    current = transport.login.current
    assert current is not None
    assert current.token
    assert current.password != SECRET
    answer = transport.ask("GET", f"{devpi.index}/+api", {"Accept": "application/json"})
    assert json.loads(answer.body)["result"]["authstatus"][:2] == ["ok", "carol"]
    assert current.password not in repr(transport.login.current)


def test_a_front_that_takes_no_token_gets_the_password(devpi: Devpi, account: str) -> None:
    front = Proxy(target=devpi.index.partition("/root/")[0], users=frozenset({account}))
    with listening(front) as base:
        transport = logged_in(f"{base}/root/pypi".replace("http://", f"http://{account}@"))
        assert transport.login.current is not None
        assert transport.login.current.password == SECRET
        assert Index(transport).page(canonicalize_name("login-app")).known


def test_a_token_that_the_server_has_forgotten(devpi: Devpi, account: str) -> None:
    front = Proxy(target=devpi.index.partition("/root/")[0])
    with listening(front) as base:
        transport = logged_in(f"{base}/root/pypi".replace("http://", f"http://{account}@"))
        assert transport.login.current is not None
        assert transport.login.current.token
        front.users = frozenset({account})  # as after a restart with another secret
        assert Index(transport).page(canonicalize_name("login-app")).known
        assert transport.login.current.password == SECRET


def test_a_password_that_devpi_does_not_know_stays(devpi: Devpi, account: str) -> None:
    front = Proxy(target=devpi.index.partition("/root/")[0], users=frozenset({"else:where"}))
    with listening(front) as base:
        transport = logged_in(f"{base}/root/pypi".replace("http://", "http://else:where@"))
        assert transport.login.current is not None
        assert transport.login.current.password == "where"
