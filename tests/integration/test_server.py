"""The private devpi-server: made once, started quickly, never two, always stopped."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from catalogue import Catalogue, served
from projects import NO_SETTINGS, linux_only, mirror
from wanted import load_files

from devpi_warmup.errors import ServerError
from devpi_warmup.index.fetcher import Fetcher
from devpi_warmup.index.simple import Index
from devpi_warmup.index.transport import Transport
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.pip_config import PipConfig
from devpi_warmup.inputs.targets import Target
from devpi_warmup.inputs.urls import IndexUrl
from devpi_warmup.private_server.environment import CACHE
from devpi_warmup.private_server.server import PrivateServer
from devpi_warmup.process import Completed
from devpi_warmup.resolve.resolver import resolve
from devpi_warmup.wheelhouse.files import Wheelhouse

Make = Callable[[Path], PrivateServer]


def test_it_serves_and_keeps_what_was_fetched(make_server: Make, tmp_path: Path) -> None:
    catalogue = Catalogue()
    upload = catalogue.add("six", "1.0")
    server = make_server(tmp_path / "own")
    with served(catalogue) as upstream:
        index = mirror(server, upstream)
        page = requests.get(f"{index}/+simple/six/", timeout=30)
        assert upload.filename in page.text
        config = requests.get(
            f"{index}?no_projects=", headers={"Accept": "application/json"}, timeout=30
        ).json()["result"]
        assert config["mirror_no_project_list"] is True
        server.stop()
    assert (tmp_path / "own" / "data").is_dir()
    assert "Serving on" in server.log.read_text()
    with pytest.raises(requests.ConnectionError):
        requests.get(index, timeout=5)


def test_stopping_twice_does_no_harm(make_server: Make, tmp_path: Path) -> None:
    server = make_server(tmp_path)
    server.start()
    server.stop()
    server.stop()


def test_two_runs_never_open_one_data_folder(make_server: Make, tmp_path: Path) -> None:
    first, second = make_server(tmp_path), make_server(tmp_path)
    first.start()
    with pytest.raises(ServerError, match="another run uses the private devpi-server"):
        second.start()
    first.stop()
    second.start()
    second.stop()


def test_the_root_password_is_private(make_server: Make, tmp_path: Path) -> None:
    server = make_server(tmp_path)
    server.start()
    server.stop()
    path = tmp_path / "root-password"
    password = path.read_text()
    assert len(password) > 30
    assert password not in server.log.read_text()
    if sys.platform != "win32":
        assert path.stat().st_mode & 0o077 == 0


def test_a_server_that_does_not_start_shows_its_last_lines(
    make_server: Make, tmp_path: Path
) -> None:
    server = make_server(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / ".serverversion").write_text("1")
    (tmp_path / "data" / ".nodeinfo").write_text("{}")
    with pytest.raises(ServerError, match=r"did not start.*; its last lines:\n") as caught:
        server.start()
    assert "Incompatible state" in str(caught.value)
    assert "server.log" in caught.value.hint


def test_one_environment_serves_every_repository(make_server: Make, tmp_path: Path) -> None:
    def runner(argv, *, env, timeout=None):
        raise AssertionError(argv)

    made = make_server(tmp_path / "one").environment()
    other = PrivateServer(tmp_path / "other", settings=NO_SETTINGS, runner=runner)
    assert other.environment() == made


def test_a_cache_that_cannot_be_written_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(CACHE, str(tmp_path / "file" / "cache"))
    with pytest.raises(ServerError, match="cannot be written: Not a directory") as caught:
        PrivateServer(tmp_path, settings=NO_SETTINGS).environment()
    assert CACHE in caught.value.hint


@pytest.mark.parametrize("served_alone", [True, False])
def test_to_step_back_costs_metadata_alone(
    make_server: Make, tmp_path: Path, served_alone: bool
) -> None:
    catalogue = Catalogue()
    for minor in range(9):
        needs = (f"step-lib=={minor}.0",)
        catalogue.add("step-app", f"1.{minor}", requires=needs, core_metadata=served_alone)
        catalogue.add("step-lib", f"{minor}.0", core_metadata=served_alone)
    catalogue.add("step-top", "1.0", requires=("step-lib<2", "step-app"), core_metadata=True)
    server = make_server(tmp_path / "own")
    wheelhouse = Wheelhouse(tmp_path / "wheelhouse")
    with served(catalogue) as upstream, wheelhouse.held():
        index = Index(Transport(IndexUrl(mirror(server, upstream))))
        fetcher = Fetcher(index, wheelhouse)
        (tmp_path / "r.txt").write_text("step-app\nstep-top\n")
        wanted = load_files(tmp_path, "r.txt")
        lock = resolve(wanted, Cell(Target("3.12", "win_amd64")), fetcher)
        fetcher.close()
        server.stop()
    assert [f"{pin.project} {pin.version}" for pin in lock.pins] == [
        *("step-app 1.1", "step-lib 1.0", "step-top 1.0"),
    ]
    whole = {path for path in catalogue.asked if path.endswith(".whl")}
    if served_alone:
        assert whole == {f"/files/{pin.file.filename}" for pin in lock.pins}
        assert fetcher.progress.files == 3
    else:
        assert len(whole) > 3  # a METADATA that is not served is read of the wheel


def test_a_server_that_cannot_be_installed_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))

    def runner(argv, *, env, timeout=None):
        assert env["PIP_INDEX_URL"] == "https://u:s3cret@devpi.example.com/simple"
        assert not [word for word in argv if "s3cret" in word]
        return Completed(1, "", "ERROR: no such thing")

    settings = PipConfig({}, (), index_url="https://u:s3cret@devpi.example.com/simple")
    server = PrivateServer(tmp_path, settings=settings, runner=runner)
    with pytest.raises(ServerError, match=r"cannot be installed:\nERROR: no such thing") as caught:
        server.start()
    assert "s3cret" not in str(caught.value)
    assert "DEVPI_INDEX" in caught.value.hint


@linux_only
def test_the_server_ends_with_a_killed_run(make_server: Make, tmp_path: Path) -> None:
    """The next run needs no waiting and no cleaning: the system frees the data folder."""
    make_server(tmp_path)
    child = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from devpi_warmup.inputs.pip_config import PipConfig\n"
        "from devpi_warmup.private_server.server import PrivateServer\n"
        "PrivateServer(Path(sys.argv[1]), settings=PipConfig({}, ())).start()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", child, str(tmp_path)], check=False)
    assert done.returncode == -9
    server = PrivateServer(tmp_path, settings=NO_SETTINGS)
    server.start()
    server.stop()
