from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from catalogue import Catalogue, served

from devpi_warmup.ambient import Ambient
from devpi_warmup.server import PrivateServer

ROOT = Path(__file__).parent.parent.parent
OWN_PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
OWN_PLATFORM = "manylinux2014_x86_64"
NO_SETTINGS = Ambient({}, ())

linux_only = pytest.mark.skipif(
    sys.platform != "linux" or os.uname().machine != "x86_64", reason="installs Linux wheels"
)


@pytest.fixture(scope="session")
def server_folder(request: pytest.FixtureRequest) -> Path:
    """A folder with a devpi-server's environment, made once and kept between runs."""
    folder: Path = request.config.cache.mkdir("devpi-server")
    shutil.rmtree(folder / "data", ignore_errors=True)
    server = PrivateServer(folder, ambient=NO_SETTINGS)
    server.start()
    server.stop()
    shutil.rmtree(folder / "data")
    return folder


@pytest.fixture
def make_server(server_folder: Path) -> Callable[[Path], PrivateServer]:
    """Make a private server in a folder of its own, with the shared environment."""

    def make(folder: Path) -> PrivateServer:
        folder.mkdir(parents=True, exist_ok=True)
        (environment,) = server_folder.glob("server-*")
        if not (folder / environment.name).exists():
            (folder / environment.name).symlink_to(environment)
        return PrivateServer(folder, ambient=NO_SETTINGS)

    return make


def mirror(server: PrivateServer, upstream: str) -> str:
    """Start a server whose mirror is of an upstream of the tests; return its index."""
    index = server.start().url
    requests.patch(
        index,
        json=[f"mirror_url={upstream}"],
        auth=("root", (server.folder / "root-password").read_text()),
        headers={"Accept": "application/json"},
        timeout=30,
    ).raise_for_status()
    return index


@dataclass
class Devpi:
    """A running devpi-server and what it mirrors."""

    index: str
    upstream: Catalogue


@pytest.fixture(scope="session")
def devpi_server(
    server_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Devpi]:
    catalogue = Catalogue()
    folder = tmp_path_factory.mktemp("devpi")
    (environment,) = server_folder.glob("server-*")
    (folder / environment.name).symlink_to(environment)
    server = PrivateServer(folder, ambient=NO_SETTINGS)
    with served(catalogue) as upstream:
        index = mirror(server, upstream)
        yield Devpi(index, catalogue)
        server.stop()


@pytest.fixture
def devpi(devpi_server: Devpi) -> Devpi:
    """The shared server, and its upstream's log emptied. Tests use project names of their own."""
    devpi_server.upstream.asked.clear()
    devpi_server.upstream.faults.clear()
    return devpi_server


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


@dataclass
class Project:
    """A repository of a user: our noxfile and package, their requirements."""

    root: Path
    environ: dict[str, str] = field(default_factory=dict)

    def write(
        self,
        *requirements: str,
        pythons: tuple[str, ...] = ("3.9", "3.13"),
        platforms: tuple[str, ...] = ("manylinux2014_x86_64", "win_amd64"),
        more: str = "",
    ) -> None:
        table = f"pythons = {json.dumps(pythons)}\nplatforms = {json.dumps(platforms)}\n{more}\n"
        (self.root / "pyproject.toml").write_text(f"[tool.devpi-warmup]\n{table}")
        (self.root / "requirements").mkdir(exist_ok=True)
        (self.root / "requirements" / "main.txt").write_text("\n".join(requirements) + "\n")

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "nox", *arguments]

    def env(self, **more: str) -> dict[str, str]:
        env = {k: v for k, v in os.environ.items() if k not in {"CI", "VIRTUAL_ENV"}}
        return env | {"NOX_SCRIPT_MODE": "none", "NOXCOLOR": "no"} | self.environ | more

    def nox(self, *arguments: str, **environ: str) -> Done:
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.root,
            env=self.env(**environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    @property
    def wheelhouse(self) -> Path:
        return self.root / "wheelhouse"

    def manifest(self) -> dict[str, dict[str, dict[str, object]]]:
        found: dict[str, dict[str, dict[str, object]]] = json.loads(
            (self.wheelhouse / "manifest.json").read_text()
        )
        return found

    def states(self) -> dict[str, object]:
        return {id_: entry["state"] for id_, entry in self.manifest()["targets"].items()}

    def files(self) -> dict[str, bytes]:
        """Everything in the wheelhouse, the lock file of the run aside."""
        return {
            path.relative_to(self.wheelhouse).as_posix(): path.read_bytes()
            for path in sorted(self.wheelhouse.rglob("*"))
            if path.is_file() and path.name != ".lock"
        }


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    root.mkdir()
    shutil.copy(ROOT / "noxfile.py", root)
    (root / "devpi_warmup").symlink_to(ROOT / "devpi_warmup")
    return Project(root)


@pytest.fixture
def warmed(project: Project, devpi: Devpi) -> Project:
    """A project whose index is the shared server."""
    project.environ["DEVPI_INDEX"] = devpi.index
    return project
