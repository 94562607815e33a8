"""What is shown of devpi where an index, a web server or a replica stands before it."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

import pytest
import requests
from catalogue import Catalogue, Upload, make_wheel, served
from faultbook import warm
from packaging.utils import canonicalize_name
from projects import Devpi
from servers import FAST, devpi_server, free_port, gen_nginx, nginx

from devpi_warmup.index.devpi import Devpi as Asked
from devpi_warmup.index.devpi import Warmth, detect
from devpi_warmup.index.simple import Index
from devpi_warmup.index.transport import Transport
from devpi_warmup.inputs.urls import parse_index_url

JSON = {"Accept": "application/json"}


@pytest.fixture
def stage(devpi: Devpi, request: pytest.FixtureRequest) -> str:
    """An index of a user that inherits from the mirror: ``dave/<test>``."""
    server = devpi.index.partition("/root/")[0]
    index = f"{server}/dave/{abs(hash(request.node.name))}"
    requests.put(f"{server}/dave", json={"password": "pw"}, headers=JSON, timeout=30)
    answer = requests.put(
        index, json={"bases": ["root/pypi"]}, auth=("dave", "pw"), headers=JSON, timeout=30
    )
    answer.raise_for_status()
    return index


def upload(index: str, name: str, version: str) -> Upload:
    """Upload a wheel of the company's own."""
    own = Upload(*make_wheel(name, version))
    requests.post(
        f"{index}/",
        data={":action": "file_upload", "name": name, "version": version},
        files={"content": (own.filename, own.data)},
        auth=("dave", "pw"),
        timeout=30,
    ).raise_for_status()
    return own


def ask(index: str, project: str) -> tuple[Asked, Index]:
    transport = Transport(parse_index_url(index))
    pages = Index(transport)
    found = detect(transport, pages.check(canonicalize_name(project)))
    assert found is not None
    return found, pages


def test_a_wheel_of_the_companys_own(stage: str, tmp_path: Path) -> None:
    own = upload(stage, "company-own", "1.0")
    assert warm(stage, own, tmp_path) == "OK"


def test_a_wheel_of_the_companys_own_that_devpi_has_lost(
    devpi: Devpi, stage: str, tmp_path: Path
) -> None:
    own = upload(stage, "company-lost", "1.0")
    asked, index = ask(stage, "company-lost")
    (wheel,) = index.page(canonicalize_name("company-lost")).wheels
    assert asked.holds(wheel.file, len(own.data)).warmth is Warmth.WARM
    (stored,) = devpi.data.rglob(own.filename)
    stored.unlink()
    proof = asked.holds(wheel.file, len(own.data))
    assert proof.warmth is Warmth.COLD, proof


@pytest.mark.parametrize("whitelisted", [False, True])
def test_a_project_that_hides_the_mirrors(
    devpi: Devpi, stage: str, tmp_path: Path, whitelisted: bool
) -> None:
    """Without ``mirror_whitelist`` an upload hides the mirror's files, in the gap as here."""
    name = f"hiding-{whitelisted}".lower()
    own = upload(stage, name, "1.0")
    newer = devpi.upstream.add(name, "2.0")
    if whitelisted:
        requests.patch(
            stage, json=[f"mirror_whitelist+={name}"], auth=("dave", "pw"), headers=JSON, timeout=30
        ).raise_for_status()
    assert warm(stage, newer if whitelisted else own, tmp_path) == "OK"


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
@pytest.mark.parametrize("inherited", [False, True])
def test_nginx_that_serves_files_from_devpis_disk(
    devpi: Devpi, stage: str, scripts: Path, tmp_path: Path, inherited: bool
) -> None:
    """With the configuration that devpi-gen-config writes."""
    name = f"static-{inherited}".lower()
    wheel = devpi.upstream.add(name, "1.0")
    port = free_port()
    server = gen_nginx(scripts, devpi.data, devpi.index, port, tmp_path)
    assert "try_files /+files$uri @proxy_to_app" in server
    with nginx(tmp_path, port, server) as url:
        index = f"{url}/{'/'.join(stage.split('/')[3:]) if inherited else 'root/pypi'}"
        asked, pages = ask(index, name)
        (found,) = pages.page(canonicalize_name(name)).wheels
        assert asked.holds(found.file, len(wheel.data)).warmth is Warmth.COLD
        # nginx takes a new connection for each request, so a commit may be a moment late.
        assert warm(index, wheel, tmp_path, sleep=None) == "OK"
        proof = asked.holds(found.file, len(wheel.data))
        assert proof.warmth is Warmth.WARM
        assert "web server before devpi" in proof.reason
        assert asked.holds(found.file, len(wheel.data) + 1).warmth is Warmth.COLD
        (stored,) = devpi.data.rglob(wheel.filename)
        stored.unlink()
        assert asked.holds(found.file, len(wheel.data)).warmth is Warmth.COLD


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
@pytest.mark.parametrize(
    ("words", "more", "warmth"),
    [
        ("plain", "", Warmth.COLD),  # the question is new to it, so devpi answers
        ("accept", "proxy_cache_key $request_uri$http_accept;", Warmth.COLD),
        ("types", "proxy_cache_key $uri$http_accept;", Warmth.COLD),
        ("path", "proxy_cache_key $uri;", Warmth.UNKNOWN),
        ("server", "proxy_pass_header Server; proxy_cache_key $uri;", Warmth.COLD),
        ("named", "add_header X-Cache-Status $upstream_cache_status;", Warmth.COLD),
    ],
)
def test_nginx_that_caches_does_not_prove_for_devpi(
    devpi: Devpi, tmp_path: Path, words: str, more: str, warmth: Warmth
) -> None:
    """It holds the file, and devpi does not any more."""
    name = f"cached-{words}"
    wheel = devpi.upstream.add(name, "1.0")
    port = free_port()
    server = f"""
    proxy_cache_path {tmp_path}/cache keys_zone=files:1m;
    server {{
        listen 127.0.0.1:{port};
        {more}
        location / {{ proxy_pass {devpi.index.partition("/root/")[0]}; }}
        location ~ /\\+f/ {{
            proxy_pass {devpi.index.partition("/root/")[0]};
            proxy_cache files;
            proxy_cache_valid 200 10m;
            proxy_ignore_headers Cache-Control Expires Vary X-Accel-Buffering;
        }}
    }}"""
    with nginx(tmp_path, port, server) as url:
        index = f"{url}/root/pypi"
        asked, pages = ask(index, name)
        (found,) = pages.page(canonicalize_name(name)).wheels
        direct, direct_pages = ask(devpi.index, name)
        (own,) = direct_pages.page(canonicalize_name(name)).wheels
        assert direct.warm(own.file, len(wheel.data), tmp_path / "x").warmth is Warmth.WARM
        assert requests.get(found.file.url, timeout=30).content == wheel.data
        (stored,) = devpi.data.rglob(wheel.filename)
        stored.unlink()
        before = devpi.upstream.asked[f"/files/{wheel.filename}"]
        assert requests.get(found.file.url, timeout=30).content == wheel.data
        assert devpi.upstream.asked[f"/files/{wheel.filename}"] == before  # nginx has it
        proof = asked.holds(found.file, len(wheel.data))
        assert proof.warmth is warmth, proof


def test_a_replica_is_asked_for_its_own_disk(scripts: Path, tmp_path: Path) -> None:
    upstream = Catalogue()
    wheel = upstream.add("replicated", "1.0")
    secret = tmp_path / "secret"
    secret.write_text(secrets.token_urlsafe(48))
    secret.chmod(0o600)
    options = (*FAST, "--secretfile", str(secret))
    primary_data, replica_data = tmp_path / "primary", tmp_path / "replica"
    with (
        served(upstream) as mirrored,
        devpi_server(scripts, primary_data, *options, init=("--role", "primary")) as primary,
    ):
        requests.patch(
            f"{primary}/root/pypi",
            json=[f"mirror_url={mirrored}", "mirror_no_project_list=True"],
            auth=("root", "root"),
            headers=JSON,
            timeout=30,
        ).raise_for_status()
        role = ("--role", "replica", "--primary-url", primary)
        with devpi_server(scripts, replica_data, *options, init=role) as replica:
            assert warm(f"{replica}/root/pypi", wheel, tmp_path, sleep=None) == "OK"
            (stored,) = replica_data.rglob(wheel.filename)
            assert stored.read_bytes() == wheel.data
            assert list(primary_data.rglob(wheel.filename))
            asked, pages = ask(f"{replica}/root/pypi", "replicated")
            (found,) = pages.page(canonicalize_name("replicated")).wheels
            stored.unlink()
            # The primary still holds it, but it is the replica that goes into the gap.
            assert asked.holds(found.file, len(wheel.data)).warmth is Warmth.COLD
