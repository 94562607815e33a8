from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from catalogue import Catalogue, served
from projects import NO_SETTINGS, Devpi, Project, mirror, new_project

from devpi_warmup.private_server.environment import CACHE
from devpi_warmup.private_server.server import PrivateServer


@pytest.fixture(scope="session")
def server_folder(request: pytest.FixtureRequest) -> Path:
    """The cache folder with a devpi-server's environment, made once and kept between runs."""
    folder: Path = request.config.cache.mkdir("devpi-server")
    os.environ[CACHE] = str(folder)  # for the projects of the tests, too
    PrivateServer(folder, settings=NO_SETTINGS).environment()
    return folder


@pytest.fixture(scope="session")
def scripts(server_folder: Path) -> Path:
    """Where the programs of devpi-server are."""
    return PrivateServer(server_folder, settings=NO_SETTINGS).environment().parent


@pytest.fixture(scope="session")
def make_server(server_folder: Path) -> Callable[[Path], PrivateServer]:
    """Make a private server in a folder of its own, with the shared environment."""

    def make(folder: Path) -> PrivateServer:
        folder.mkdir(parents=True, exist_ok=True)
        return PrivateServer(folder, settings=NO_SETTINGS)

    return make


@pytest.fixture(scope="session")
def devpi_server(server_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devpi]:
    catalogue = Catalogue()
    folder = tmp_path_factory.mktemp("devpi")
    server = PrivateServer(folder, settings=NO_SETTINGS)
    with served(catalogue) as upstream:
        index = mirror(server, upstream)
        yield Devpi(index, catalogue, folder / "data")
        server.stop()


@pytest.fixture
def devpi(devpi_server: Devpi) -> Devpi:
    """The shared server, and its upstream's log emptied. Tests use project names of their own."""
    devpi_server.upstream.asked.clear()
    devpi_server.upstream.faults.clear()
    return devpi_server


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return new_project(tmp_path / "project")


@pytest.fixture
def warmed(project: Project, devpi: Devpi) -> Project:
    """A project whose index is the shared server."""
    project.environ["DEVPI_INDEX"] = devpi.index
    return project
