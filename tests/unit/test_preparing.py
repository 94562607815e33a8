"""Which cells are looked at first, and what is read ahead of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from devpi_warmup import process
from devpi_warmup.errors import IndexAccessError
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.targets import Target
from devpi_warmup.preparing import Preparing
from devpi_warmup.prove.pip import Pip
from devpi_warmup.resolve.kept import Upgrade
from devpi_warmup.wheelhouse.file_entry import FileEntry
from devpi_warmup.wheelhouse.manifest import COVERED, CellEntry, Manifest, checksum
from devpi_warmup.wheelhouse.origins import Origin
from devpi_warmup.wheelhouse.warmth import NO_DEVPI

CELL, OTHER = (Cell(Target("3.13", platform)) for platform in ("win_amd64", "win32"))
PIP = Pip(sys.executable, process.run)


class Threads:
    """Notes in which pool something would be done."""

    def __init__(self, preparing: Preparing, monkeypatch: pytest.MonkeyPatch) -> None:
        self.used = list[str]()
        looking = preparing._looking
        pools = {"looker": looking.looker, "reader": looking._reader, "engine": preparing._engine}
        for name, pool in pools.items():
            monkeypatch.setattr(pool, "submit", lambda *_, name=name: self.used.append(name))
        begun = preparing._forks
        monkeypatch.setattr(begun, "begin", lambda _: self.used.append("pip"))


FILES = {
    name: FileEntry(name[0].upper(), "1", "0" * 64, 1, Origin.INDEX, NO_DEVPI, "26.0")
    for name in ("a.whl", "b.whl")
}


def entry(
    requirements: str, verdict: str, files: Mapping[str, FileEntry] = FILES, cell: Cell = CELL
) -> CellEntry:
    target = cell.target
    made = CellEntry(target.python, target.full_version, target.platform, COVERED, requirements)
    held = {name: file.sha256 for name, file in files.items()}
    made = replace(made, verdict=verdict, files=held, pip="26.0")
    return replace(made, checksum=checksum(made, files))


@pytest.fixture
def read() -> list[str]:
    """The files that were looked into."""
    return []


@pytest.fixture
def asked() -> list[str]:
    """The projects whose pages were asked for."""
    return []


@pytest.fixture
def fetcher(read: list[str], asked: list[str]) -> Any:
    return SimpleNamespace(
        wheelhouse=SimpleNamespace(about=read.append),
        naming=SimpleNamespace(beside=Path),
        progress=SimpleNamespace(cells=0),
        here=lambda _: True,
        beside=lambda ask: ask(),
        page=asked.append,
    )


@pytest.fixture
def made(fetcher: Any) -> Iterator[Any]:
    begun = list[Preparing]()

    def make(
        before: CellEntry | None,
        wrong: bool = False,
        everything: bool = False,
        files: Mapping[str, FileEntry] = FILES,
    ) -> Preparing:
        cells = {CELL.id: before} if before else {}
        cells[OTHER.id] = entry("wanted", "verdict", cell=OTHER)
        lines = SimpleNamespace(digest="wanted", requirements=(), wheels=())
        wanted: Any = {CELL.environment: lines}
        problems: Any = {CELL.environment: ["wrong"]} if wrong else {}
        upgrade = Upgrade(everything=everything)
        manifest, builds = (
            Manifest(cells=cells, files=files),
            lambda _: None,
        )
        own: Any = Preparing(fetcher, wanted, problems, manifest, builds, upgrade=upgrade)  # type: ignore[arg-type, return-value]
        begun.append(own)
        return own

    yield make
    for one in begun:
        one.cancel()
        one.join()


@pytest.mark.parametrize(
    ("before", "how", "used"),
    [
        (None, {}, ["pip", "engine"]),
        (entry("wanted", ""), {}, ["pip", "engine"]),
        (entry("others", "verdict"), {}, ["pip", "engine"]),
        (entry("wanted", "verdict"), {}, ["reader", "looker"]),
        (entry("wanted", "verdict"), {"everything": True}, ["pip", "engine"]),
        (entry("wanted", "verdict"), {"wrong": True}, ["engine"]),
    ],
    ids=["new", "never judged", "other requirements", "may stand", "upgrade", "wrong lines"],
)
def test_what_may_stand_is_looked_at_beside_and_read_ahead(
    made: Any,
    monkeypatch: pytest.MonkeyPatch,
    before: CellEntry | None,
    how: dict[str, bool],
    used: list[str],
) -> None:
    preparing = made(before, **how)
    threads = Threads(preparing, monkeypatch)
    preparing.start([CELL], PIP)
    assert threads.used == used


def test_after_the_end_nothing_more_is_read(made: Any, read: list[str]) -> None:
    preparing = made(entry("wanted", "verdict"))
    preparing._looking._read_ahead({"a.whl": "0" * 64})
    assert read == ["a.whl"]
    preparing.cancel()
    preparing._looking._read_ahead({"a.whl": "0" * 64})
    assert read == ["a.whl"]


def test_a_page_is_asked_for_once_however_many_cells_may_stand(
    made: Any, monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    preparing = made(entry("wanted", "verdict"))
    threads = Threads(preparing, monkeypatch)
    preparing.start([CELL, OTHER], PIP)
    assert threads.used == ["reader", "looker"] * 2
    assert asked == ["a", "b"]


@pytest.mark.parametrize(
    "changed", [{"origin": Origin.DIRECT}, {"project": "../x"}], ids=["a URL", "another name"]
)
def test_nobody_is_asked_for_what_is_not_of_the_index(
    made: Any, monkeypatch: pytest.MonkeyPatch, asked: list[str], changed: dict[str, Any]
) -> None:
    files = {**FILES, "a.whl": replace(FILES["a.whl"], **changed)}
    of_the_run = FILES if "project" in changed else files
    preparing = made(entry("wanted", "verdict", of_the_run), files=files)
    threads = Threads(preparing, monkeypatch)
    preparing.start([CELL], PIP)
    assert threads.used == ["pip", "engine"]
    assert asked == []


def test_where_pages_cannot_be_had_few_are_asked_for_ahead(
    made: Any, monkeypatch: pytest.MonkeyPatch, fetcher: Any, asked: list[str]
) -> None:
    files = {f"{n}.whl": replace(FILES["a.whl"], project=f"p{n}") for n in range(9)}

    def fail(project: str) -> None:
        asked.append(project)
        raise IndexAccessError("503")

    fetcher.page = fail
    preparing = made(entry("wanted", "verdict", files), files=files)
    Threads(preparing, monkeypatch)
    preparing.start([CELL], PIP)
    assert asked == ["p0", "p1", "p2"]
