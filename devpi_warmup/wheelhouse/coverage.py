"""Whether a cell is covered: by the bytes on disk, now, never by the manifest's word alone."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from devpi_warmup.inputs.kit import NAME as KIT
from devpi_warmup.wheelhouse import manifest
from devpi_warmup.wheelhouse.manifest import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.wheelhouse.files import Wheelhouse
    from devpi_warmup.wheelhouse.manifest import CellEntry, Manifest

_LOCK_ALONE = "its lock is here, and its files are not: warm it up"
_CHANGED = "the requirements have changed since its warmup"
_OTHER_KIT = "its warmup was by another devpi-warmup than this one"
UNFINISHED = "its warmup has not finished"


class Coverage:
    """One judgement of a wheelhouse: the manifest is read once, and each file is hashed once."""

    def __init__(self, wheelhouse: Wheelhouse, known: Manifest | None = None) -> None:
        """Judge a wheelhouse; nothing is read yet.

        :param known: its manifest, where it is read already
        """
        self.wheelhouse = wheelhouse
        self._known = known
        self._problems: dict[tuple[str, str], str] = {}

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest, as it was when it was first asked for."""
        return self._known or manifest.read(self.wheelhouse)

    def entry(self, cell: Cell) -> CellEntry:
        """Return what the manifest says of a cell that is covered."""
        return self.manifest.cells[cell.id]

    def why_missing(self, cell: Cell, requirements_digest: str) -> str:
        """Return why a cell is missing, or "" where it is covered or to build.

        :param requirements_digest: of the requirement files as they are now
        """
        entry, target = self.manifest.cells.get(cell.id), cell.target
        if entry is None:
            problem = self.manifest.problem or NEVER
            tracked = problem == NEVER and self.wheelhouse.lock_path(cell.id).is_file()
            return _LOCK_ALONE if tracked else problem
        if not entry.gathered and entry.requirements_sha256 != requirements_digest:
            return "it failed for other requirements than these: warm it up again"
        if not entry.gathered:
            return entry.reason or UNFINISHED
        if target.python != entry.python and target.full_version != entry.full_version:
            return (
                f"it was warmed up for Python {entry.full_version}, "
                f"and the configuration says {target.full_version}"
            )
        if entry.requirements_sha256 != requirements_digest:
            return _OTHER_KIT if cell.environment == KIT else _CHANGED
        return self.changed(entry.locks) or self.changed(entry.carried)

    def changed(self, expected: Mapping[str, str]) -> str:
        """Return which file is not what it should be, or "".

        :param expected: names in the wheelhouse, and their sha256
        """
        for item in expected.items():
            if item not in self._problems:
                self._problems[item] = self._problem(*item)
            if self._problems[item]:
                return self._problems[item]
        return ""

    def unused_wheels(self, cells: Iterable[Cell]) -> list[str]:
        """Return the wheels that no covered cell names, of this configuration or of another."""
        entries = self.manifest.cells
        ids = {cell.id for cell in cells} | {i for i, e in entries.items() if e.gathered}
        named = {name for id_ in ids if id_ in entries for name in entries[id_].carried}
        return sorted(
            path.name for path in self.wheelhouse.path.glob("*.whl") if path.name not in named
        )

    def _problem(self, name: str, sha256: str) -> str:
        folder, path = self.wheelhouse.shown, self.wheelhouse.path / name
        if path.is_symlink() or (path.parent != self.wheelhouse.path and path.parent.is_symlink()):
            return f"{name} in {folder}/ is a link, which does not cross the gap"
        try:
            if not path.is_file():
                return f"{name} is missing from {folder}/"
            same = self.wheelhouse.digests.of(path) == sha256
        except OSError as error:
            return f"{name} cannot be read: {error.strerror}"
        return "" if same else f"{name} is not the file that its warmup left there"
