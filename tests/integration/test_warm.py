"""Warm is shown by the server: what devpi does not hold never counts as held."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from catalogue import Catalogue, served
from packaging.utils import canonicalize_name
from projects import Devpi as Running
from projects import Project, mirror, upstream_of
from sites import Answer, Proxy, listening

from devpi_warmup.index.devpi import Devpi, Warmth, detect
from devpi_warmup.index.pages import IndexFile
from devpi_warmup.index.simple import Index
from devpi_warmup.index.transport import Transport
from devpi_warmup.inputs.urls import parse_index_url
from devpi_warmup.private_server.server import PrivateServer


class Asked:
    """One project of the shared server, and the server's answers about its file."""

    def __init__(self, running: Running, name: str) -> None:
        self.upload = running.upstream.add(name, "1.0")
        self.transport = Transport(parse_index_url(running.index))
        index = Index(self.transport)
        devpi = detect(self.transport, index.check(canonicalize_name(name)))
        assert devpi is not None
        self.devpi = devpi
        self.file = index.page(canonicalize_name(name)).wheels[0].file
        self.size = len(self.upload.data)

    def holds(self) -> Warmth:
        return self.devpi.holds(self.file, self.size).warmth


def test_asking_warms_nothing_and_reaches_no_upstream(devpi: Running) -> None:
    asked = Asked(devpi, "warm-ask")
    devpi.upstream.asked.clear()
    assert asked.holds() is Warmth.COLD
    assert not devpi.upstream.asked


def test_warming_ends_with_a_proof(devpi: Running, tmp_path: Path) -> None:
    asked = Asked(devpi, "warm-do")
    proof = asked.devpi.warm(asked.file, asked.size, tmp_path / "x")
    assert proof.warmth is Warmth.WARM
    assert not list(tmp_path.iterdir())
    assert asked.holds() is Warmth.WARM
    assert devpi.upstream.asked[f"/files/{asked.upload.filename}"] == 1
    again = asked.devpi.warm(asked.file, asked.size, tmp_path / "x")
    assert again.warmth is Warmth.WARM
    assert devpi.upstream.asked[f"/files/{asked.upload.filename}"] == 1


def test_another_length_on_the_disk_is_not_it(devpi: Running, tmp_path: Path) -> None:
    asked = Asked(devpi, "warm-length")
    asked.devpi.warm(asked.file, asked.size, tmp_path / "x")
    proof = asked.devpi.holds(asked.file, asked.size + 1)
    assert proof.warmth is Warmth.COLD
    assert "bytes long" in proof.reason


def test_a_file_that_has_gone_from_the_disk(
    make_server: Callable[[Path], PrivateServer], tmp_path: Path
) -> None:
    catalogue = Catalogue()
    server = make_server(tmp_path / "own")
    with served(catalogue) as url:
        running = Running(mirror(server, url), catalogue)
        try:
            asked = Asked(running, "warm-gone")
            asked.devpi.warm(asked.file, asked.size, tmp_path / "x")
            (path,) = server.folder.rglob(asked.upload.filename)
            path.unlink()
            assert "not on its disk" in asked.devpi.holds(asked.file, asked.size).reason
            assert asked.devpi.warm(asked.file, asked.size, tmp_path / "x").warmth is Warmth.WARM
            assert path.exists()
        finally:
            server.stop()


def test_a_file_elsewhere_is_not_held(devpi: Running) -> None:
    asked = Asked(devpi, "warm-else")
    elsewhere = IndexFile("x-1-py3-none-any.whl", "http://127.0.0.1:9/x-1-py3-none-any.whl")
    assert asked.devpi.holds(elsewhere, 1).warmth is Warmth.COLD


@pytest.mark.parametrize("bare", [True, False])
def test_an_inheriting_index(devpi: Running, tmp_path: Path, bare: bool) -> None:
    """``user/dev`` with a mirror as base: the files are those of the mirror."""
    server, _, _ = devpi.index.rpartition("/root/")
    with requests.Session() as session:
        session.headers["Accept"] = "application/json"
        session.put(f"{server}/user", json={"password": "pw"}, timeout=30)
        session.put(
            f"{server}/user/dev", json={"bases": ["root/pypi"]}, auth=("user", "pw"), timeout=30
        )
    running = Running(f"{server}/user/dev", devpi.upstream)
    asked = Asked(running, f"warm-inherit-{bare}".lower())
    asked.devpi = Devpi(asked.transport, bare=bare)
    assert asked.holds() is Warmth.COLD
    assert asked.devpi.warm(asked.file, asked.size, tmp_path / "x").warmth is Warmth.WARM


def test_a_wiped_server_behind_a_full_wheelhouse_is_warmed_again(
    project: Project, make_server: Callable[[Path], PrivateServer]
) -> None:
    upstream = Catalogue()
    upstream.add("wiped-app", "1.0", requires=("wiped-lib",))
    upstream.add("wiped-lib", "1.0")
    project.write("wiped-app", pythons=("3.13",))
    folder = project.root / ".devpi"
    for _ in range(2):
        shutil.rmtree(folder / "data", ignore_errors=True)
        with upstream_of(make_server(folder), upstream):
            done = project.nox("-s", "warmup")
        assert done.returncode == 0, done.output
        assert done.stdout.count("2 of 2") == 3  # twice warm, once covered
        assert len(list((folder / "data").rglob("*.whl"))) == 2
    assert "as it did before the same bytes" in done.stderr  # nothing but the server has changed


def test_coverage_before_warmup_takes_no_last_sweep_away(warmed: Project, devpi: Running) -> None:
    """nox runs a session once, and coverage is what asks devpi."""
    devpi.upstream.add("order-app", "1.0")
    warmed.write("order-app", pythons=("3.13",), platforms=("win_amd64",))
    assert warmed.nox("-s", "warmup").returncode == 0
    done = warmed.nox("-s", "report", "warmup")
    assert done.returncode == 1
    assert "every warmup ends with report: name it without, or after it" in done.stderr
    assert warmed.nox("-s", "warmup", "report").returncode == 0


def test_files_that_pass_devpi_by_fail_the_run(warmed: Project, devpi: Running) -> None:
    """``mirror_use_external_urls`` sends clients to the upstream for what devpi does not hold."""
    upload = devpi.upstream.add("past-app", "1.0")
    warmed.write("past-app", pythons=("3.13",), platforms=("win_amd64",))
    assert warmed.nox("-s", "warmup").returncode == 0
    (stored,) = devpi.data.rglob(upload.filename)
    stored.unlink()
    # An upstream whose files look as those of devpi do.
    like_devpi = {"Cache-Control": "max-age=365000000, immutable, public"}
    answer = Answer(200, "application/octet-stream", upload.data, like_devpi)
    devpi.upstream.faults[f"/files/{upload.filename}"] = [answer]
    auth = ("root", (devpi.data.parent / "root-password").read_text())
    for external in ("True", "False"):
        requests.patch(
            devpi.index,
            json=[f"mirror_use_external_urls={external}"],
            auth=auth,
            headers={"Accept": "application/json"},
            timeout=30,
        ).raise_for_status()
        done = [warmed.nox("-s", session) for session in ("warmup", "verify-devpi")]
        assert [run.returncode for run in done] == ([1, 1] if external == "True" else [0, 0])
        if external == "True":
            assert "devpi sends for it elsewhere (302)" in done[0].output


def test_a_redirect_to_another_devpi_proves_nothing(project: Project, devpi: Running) -> None:
    devpi.upstream.add("moved-app", "1.0")
    project.write("moved-app", pythons=("3.13",), platforms=("win_amd64",))
    front = Proxy(target=devpi.index.partition("/root/")[0])
    page = "/root/pypi/+simple/moved-app/"
    front.faults[page] = [Answer(301, headers={"Location": front.target + page})]
    with listening(front) as base:
        done = project.nox("-s", "warmup", DEVPI_INDEX=f"{base}/root/pypi")
    assert done.returncode == 1
    assert f"redirects to another address\n    hint: use that address: {devpi.index}" in done.stderr


def test_an_index_that_is_no_devpi_shows_nothing(project: Project) -> None:
    upstream = Catalogue()
    upstream.add("plain-app", "1.0")
    project.write("plain-app", pythons=("3.13",), platforms=("win_amd64",))
    with served(upstream) as url:
        done = project.nox("-s", "warmup", DEVPI_INDEX=url)
        more = "require-warm = true"
        project.write("plain-app", pythons=("3.13",), platforms=("win_amd64",), more=more)
        strict = project.nox("-s", "warmup", DEVPI_INDEX=url)
    assert strict.returncode == 1
    assert "it cannot be shown that devpi holds every file" in strict.stderr
    assert "the index is not a devpi" in strict.stderr
    assert done.returncode == 0, done.output
    assert "does not answer as a devpi-server: what it holds cannot be shown" in done.stderr
    assert done.stdout.splitlines()[1].endswith(" -")
    assert "1 of 1 targets covered" in done.stdout
