from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from catalogue import Catalogue, Resolve, memory_session
from pytest_socket import disable_socket, enable_socket
from wanted import load_files

from devpi_warmup.index.fetcher import Fetcher
from devpi_warmup.index.simple import Index
from devpi_warmup.index.transport import Transport
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.targets import Target
from devpi_warmup.inputs.urls import IndexUrl
from devpi_warmup.resolve.resolver import resolve
from devpi_warmup.wheelhouse.files import Wheelhouse
from devpi_warmup.wheelhouse.lock import Lock


@pytest.fixture(autouse=True)
def no_sockets() -> Iterator[None]:
    disable_socket()
    yield
    enable_socket()


@pytest.fixture
def index(catalogue: Catalogue) -> Index:
    return Index(
        Transport(
            IndexUrl("http://index.example.com"),
            make_session=lambda: memory_session(catalogue),
            sleep=lambda _: None,
        )
    )


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Iterator[Wheelhouse]:
    wheelhouse = Wheelhouse(tmp_path / "wheelhouse")
    with wheelhouse.held():
        yield wheelhouse


@pytest.fixture
def fetcher(index: Index, wheelhouse: Wheelhouse) -> Iterator[Fetcher]:
    fetcher = Fetcher(index, wheelhouse)
    yield fetcher
    fetcher.close()


@pytest.fixture
def lock(fetcher: Fetcher, tmp_path: Path) -> Resolve:
    """Resolve requirement lines for a target; cp313-manylinux_2_28_x86_64 unless told."""

    def lock(
        *lines: str,
        constraints: tuple[str, ...] = (),
        python: str = "3.13",
        platform: str = "manylinux_2_28_x86_64",
    ) -> Lock:
        wanted, allowed = tmp_path / "main.txt", tmp_path / "constraints.txt"
        wanted.write_text("\n".join(lines), encoding="utf-8")
        allowed.write_text("\n".join(constraints), encoding="utf-8")
        loaded = load_files(tmp_path, wanted.name, constraints=(allowed.name,))
        return resolve(loaded, Cell(Target(python, platform)), fetcher)

    return lock


@pytest.fixture
def small(catalogue: Catalogue, lock: Resolve, fetcher: Fetcher) -> Lock:
    catalogue.add("app", "1.0", requires=("lib",), requires_python=">=3.8")
    catalogue.add("lib", "2.0", tag="cp313-cp313-manylinux_2_28_x86_64")
    found = lock("app")
    for pin in found.pins:
        fetcher.naming.published(pin.file)
    return found
