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

from devpi_warmup.errors import ServerError
from devpi_warmup.inputs.pip_config import PipConfig
from devpi_warmup.private_server.server import PrivateServer
from devpi_warmup.process import Completed

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


def test_a_server_that_cannot_be_installed_says_why(tmp_path: Path) -> None:
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
