"""Manifests as the tests enter locks into them, and what is judged by them."""

from __future__ import annotations

from devpi_warmup.inputs.cells import Cell
from devpi_warmup.report import table as report
from devpi_warmup.resolve.lock_files import write_lock
from devpi_warmup.wheelhouse import manifest
from devpi_warmup.wheelhouse.coverage import Coverage
from devpi_warmup.wheelhouse.files import Wheelhouse
from devpi_warmup.wheelhouse.journal import ManifestJournal
from devpi_warmup.wheelhouse.lock import Lock
from devpi_warmup.wheelhouse.warmth import NO_DEVPI, Proof, Warmth

INDEX = "https://devpi.example.com/user/index"
ON_DISK = Proof(Warmth.WARM, "on disk")


def journal(wheelhouse: Wheelhouse, digest: str = "digest", index: str = INDEX) -> ManifestJournal:
    return ManifestJournal(wheelhouse, {"": digest}, index)


def enter(
    journal: ManifestJournal,
    lock: Lock,
    unswept: Proof = NO_DEVPI,
    warnings: tuple[str, ...] = (),
) -> None:
    journal.begin(lock)
    write_lock(lock, journal._wheelhouse)
    judged = {pin.file.filename: warnings for pin in lock.pins}
    journal.covered(lock, unswept, judged, pip_version="26.3")


def states(wheelhouse: Wheelhouse) -> dict[str, str]:
    return {id_: entry.state for id_, entry in manifest.read(wheelhouse).cells.items()}


def why(wheelhouse: Wheelhouse, cell: Cell, digest: str = "digest") -> str:
    return Coverage(wheelhouse).why_missing(cell, digest)


def rows(wheelhouse: Wheelhouse, *cells: Cell, **more: object) -> list[report.Row]:
    return report.rows(Coverage(wheelhouse), cells, {"": "digest"}, {}, **more)
