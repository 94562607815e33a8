"""A user's repository and a devpi-server, as the integration tests use them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from catalogue import Catalogue, served

from devpi_warmup.inputs.pip_config import PipConfig
from devpi_warmup.private_server.server import PrivateServer

ROOT = Path(__file__).parent.parent.parent
OWN_PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
OWN_PLATFORM = "manylinux2014_x86_64"
NO_SETTINGS = PipConfig({}, ())

linux_only = pytest.mark.skipif(
    sys.platform != "linux" or os.uname().machine != "x86_64", reason="installs Linux wheels"
)


def mirror(server: PrivateServer, upstream: str, *more: str) -> str:
    """Start a server whose mirror is of an upstream of the tests; return its index."""
    index = server.start().url
    requests.patch(
        index,
        json=[f"mirror_url={upstream}", *more],
        auth=("root", (server.folder / "root-password").read_text()),
        headers={"Accept": "application/json"},
        timeout=30,
    ).raise_for_status()
    return index


@contextmanager
def upstream_of(server: PrivateServer, upstream: Catalogue) -> Iterator[None]:
    """Serve an upstream, and have the private server, which is not running, mirror it."""
    with served(upstream) as url:
        mirror(server, url)
        server.stop()
        yield


@dataclass
class Devpi:
    """A running devpi-server, what it mirrors, and where it keeps its data."""

    index: str
    upstream: Catalogue
    data: Path = Path()


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
    """A repository of a user: its noxfile registers our sessions."""

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
        return self.run(self.command(*arguments), **environ)

    def devpi_warmup(self, *arguments: str, **environ: str) -> Done:
        """Run the command that needs no noxfile."""
        return self.run([sys.executable, "-m", "devpi_warmup", *arguments], **environ)

    def run(self, argv: list[str], **environ: str) -> Done:
        done = subprocess.run(
            argv,
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
        """Everything in the wheelhouse, the lock file of the run and its reports aside."""
        return {
            path.relative_to(self.wheelhouse).as_posix(): path.read_bytes()
            for path in sorted(self.wheelhouse.rglob("*"))
            if path.is_file() and path.name != ".lock" and path.parent.name != "reports"
        }


def new_project(root: Path) -> Project:
    """Make the repository of a user: two lines in his noxfile."""
    root.mkdir(exist_ok=True)
    (root / "noxfile.py").write_text("import devpi_warmup\n\ndevpi_warmup.register()\n")
    return Project(root)
