"""``manifest.json``: what a wheelhouse covers, as frozen values ↔ JSON."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from devpi_warmup import __version__
from devpi_warmup.inputs.patches import Patches
from devpi_warmup.wheelhouse.build_record import ToBuildRecord
from devpi_warmup.wheelhouse.file_entry import FileEntry
from devpi_warmup.wheelhouse.files import build_lock_names, lock_names, write_text
from devpi_warmup.wheelhouse.reading import ManifestError, digests, get
from devpi_warmup.wheelhouse.warmth import NO_DEVPI

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from devpi_warmup.wheelhouse.files import Wheelhouse

NAME = "manifest.json"
FORMAT = 2
NEVER = "it was never warmed up"
COVERED, TO_BUILD, MISSING = "covered", "to build", "missing"


@dataclass(frozen=True)
class CellEntry:
    """One cell.

    :param python: as the configuration has it
    :param full_version: the release that it was resolved for
    :param state: :data:`COVERED`, :data:`TO_BUILD` or :data:`MISSING`
    :param reason: why it is missing
    :param requirements_sha256: the digest of the requirement files of its warmup
    :param patches: the patch releases of Python that its lock serves
    :param pip: the version of the pip that accepts the lock
    :param verdict: a digest of everything that this pip was given
    :param checksum: of the entry and of those of its files, as the run wrote them
    :param locks: the files of its lock, and their sha256
    :param files: its wheels, and sdists that are to be built, and their sha256
    :param sources: sdists that some of them were built of, and what that took, and their sha256
    :param to_build: the files that are to be built where they are installed
    :param notes: what the user may want to know
    :param unshown: why it cannot be shown that every base of the index has answered
    """

    python: str
    full_version: str
    platform: str
    state: str
    requirements_sha256: str
    reason: str = ""
    patches: Patches | None = None
    pip: str = ""
    verdict: str = ""
    checksum: str = ""
    locks: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    to_build: Mapping[str, ToBuildRecord] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unshown: str = ""

    @property
    def carried(self) -> dict[str, str]:
        """Everything of it that crosses the gap beside its lock, and its sha256."""
        return {**self.sources, **self.files}

    @property
    def gathered(self) -> bool:
        """Whether it was covered, or to build, when the manifest was written."""
        return self.state != MISSING

    @property
    def wheels(self) -> tuple[str, ...]:
        """The files that are installed as they are."""
        return tuple(name for name in self.files if name not in self.to_build)

    def struck(self, reason: str) -> CellEntry:
        """Return it as one that is missing."""
        nothing: dict[str, Any] = {"locks": {}, "files": {}, "sources": {}, "to_build": {}}
        return replace(self, state=MISSING, reason=reason, **nothing)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "python": self.python,
            "python_full_version": self.full_version,
            "platform": self.platform,
            "state": self.state,
            "reason": self.reason,
            "from": self.patches.oldest if self.patches else "",
            "to": self.patches.newest if self.patches else "",
            "requirements_sha256": self.requirements_sha256,
            "pip": self.pip,
            "verdict": self.verdict,
            **({"checksum": self.checksum} if self.checksum else {}),
            "locks": dict(self.locks),
            "files": dict(self.files),
            **({"sources": dict(self.sources)} if self.sources else {}),
            **(
                {"to_build": {name: one.to_dict() for name, one in self.to_build.items()}}
                if self.to_build
                else {}
            ),
            "notes": list(self.notes),
            "bases": self.unshown,
        }

    @classmethod
    def from_dict(cls, table: Mapping[str, Any], where: str) -> CellEntry:
        """Read what :meth:`to_dict` wrote.

        :raises ManifestError: a key is missing or is of another type
        """
        oldest = get(table, "from", str, where)
        entry = cls(
            python=get(table, "python", str, where),
            full_version=get(table, "python_full_version", str, where),
            platform=get(table, "platform", str, where),
            state=get(table, "state", str, where),
            reason=get(table, "reason", str, where),
            patches=_patches(oldest, get(table, "to", str, where), where),
            requirements_sha256=get(table, "requirements_sha256", str, where),
            pip=get(table, "pip", str, where),
            verdict=get(table, "verdict", str, where) if "verdict" in table else "",
            checksum=get(table, "checksum", str, where) if "checksum" in table else "",
            locks=digests(table, "locks", where),
            files=digests(table, "files", where),
            sources=digests(table, "sources", where) if "sources" in table else {},
            to_build={
                name: ToBuildRecord.from_dict(one, f"{where}.to_build.{name}")
                for name, one in get(table, "to_build", dict, where).items()
            }
            if "to_build" in table
            else {},
            notes=tuple(map(str, get(table, "notes", list, where))),
            unshown=get(table, "bases", str, where),
        )
        if entry.state not in {COVERED, TO_BUILD, MISSING}:
            raise ManifestError(f"{where}.state is {entry.state!r}")
        id_ = where.partition(".")[2]
        if entry.gathered and (entry.patches is None or not _are_locks(entry.locks, id_)):
            raise ManifestError(f"{where} is {entry.state} without a lock")
        return entry


def checksum(entry: CellEntry, files: Mapping[str, FileEntry]) -> str:
    """Return a digest of what an entry says, and of what is said of its files.

    What was shown of devpi and its bases is aside: each run is shown that anew.
    """
    own = replace(entry, checksum="", unshown="").to_dict()
    each = {name: replace(file, proof=NO_DEVPI).to_dict() for name, file in files.items()}
    return hashlib.sha256(json.dumps([own, each], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Manifest:
    """What a wheelhouse covers.

    :param index: what was asked what it holds
    :param cells: by their ids
    :param files: by their names
    :param bases: the indexes of devpi that had a say, in its order; as far as they are known
    :param unpacked_by: the digest of the script that had pip unpack the files
    :param problem: why there is no manifest that can be used, or ""; it is not written
    """

    index: str = ""
    cells: Mapping[str, CellEntry] = field(default_factory=dict)
    files: Mapping[str, FileEntry] = field(default_factory=dict)
    bases: tuple[str, ...] = ()
    unpacked_by: str = ""
    problem: str = ""

    def notes(self, entry: CellEntry) -> tuple[str, ...]:
        """Return what the user may want to know of a cell and its files."""
        files = [self.files[name] for name in entry.files]
        return (*entry.notes, *(f"{f.project}: pip: {w}" for f in files for w in f.warnings))

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it; of the files, those that a cell names."""
        named = {name for entry in self.cells.values() for name in entry.carried}
        return {
            "format": FORMAT,
            "tool": f"devpi-warmup {__version__}",
            "index": self.index,
            **({"bases": [*self.bases]} if self.bases else {}),
            **({"unpacked_by": self.unpacked_by} if self.unpacked_by else {}),
            "targets": {id_: entry.to_dict() for id_, entry in self.cells.items()},
            "files": {n: file.to_dict() for n, file in self.files.items() if n in named},
        }

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Manifest:
        """Read what :meth:`to_dict` wrote.

        :raises ManifestError: it is not that; the message says where
        """
        if not isinstance(table, dict):
            raise ManifestError("it is not a table")
        if table.get("format") != FORMAT:
            raise ManifestError(f"its format is {table.get('format')!r}, not {FORMAT}")
        files = _entries(table, "files", FileEntry.from_dict)
        targets = _entries(table, "targets", CellEntry.from_dict)
        for id_, entry in targets.items():
            for name, sha256 in entry.carried.items():
                if name not in files or files[name].sha256 != sha256:
                    raise ManifestError(f"targets.{id_}.files.{name} is not that of files")
            sdists = {name for name in entry.files if not name.endswith(".whl")}
            if (entry.state == TO_BUILD) != bool(entry.to_build) or {*entry.to_build} != sdists:
                raise ManifestError(f"targets.{id_}.to_build does not fit its state and files")
        bases = get(table, "bases", list, "") if "bases" in table else ()
        by = get(table, "unpacked_by", str, "") if "unpacked_by" in table else ""
        return cls(get(table, "index", str, ""), targets, files, tuple(map(str, bases)), by)


def read(wheelhouse: Wheelhouse) -> Manifest:
    """Return the manifest of a wheelhouse; where there is none to be used, one that says why."""
    try:
        text = (wheelhouse.path / NAME).read_text(encoding="utf-8")
        return Manifest.from_dict(json.loads(text))
    except FileNotFoundError:
        return Manifest(problem=NEVER)
    except (OSError, ValueError, RecursionError) as error:
        what = error.strerror if isinstance(error, OSError) else str(error)
        return Manifest(problem=f"{NAME} cannot be used: {what}")


def write(wheelhouse: Wheelhouse, manifest: Manifest) -> None:
    """Write a manifest whole or not at all.

    :raises WheelhouseError: it cannot be written
    """
    text = json.dumps(manifest.to_dict(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    write_text(wheelhouse.path / NAME, text)


def _are_locks(names: Iterable[str], id_: str) -> bool:
    """Whether names are those of the files of a lock, perhaps with those of its builds."""
    plain = {*lock_names(id_)}
    return {*names} in (plain, {*plain, *build_lock_names(id_)})


def _patches(oldest: str, newest: str, where: str) -> Patches | None:
    try:
        for version in (oldest, newest):
            Version(version or "0")
    except InvalidVersion:
        raise ManifestError(f"{where}.from and to are not releases of Python") from None
    return Patches(oldest, newest) if oldest else None


def _entries(table: Mapping[str, Any], key: str, make: Callable[[Any, str], Any]) -> dict[str, Any]:
    entries: dict[str, Any] = get(table, key, dict, "")
    return {name: make(entry, f"{key}.{name}") for name, entry in entries.items()}
