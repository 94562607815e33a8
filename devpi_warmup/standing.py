"""A cell that stands as the last run left it: nothing that decides it has changed.

Pins of a lock stay while the requirements admit them and the index lists their files. So where
requirements, target, tools, lock and files are the same bytes, the resolver would choose the same
pins, and pip's verdict stands: neither is asked. Everything else is: what the index lists, each
byte of the wheelhouse, and at the end what devpi holds.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import packaging
import resolvelib
from packaging.utils import canonicalize_name
from packaging.version import Version

from devpi_warmup.inputs.requirements import for_target
from devpi_warmup.inputs.this_package import fingerprint
from devpi_warmup.resolve.others import without_wheel
from devpi_warmup.wheelhouse.coverage import Coverage
from devpi_warmup.wheelhouse.lock import LockError, install_command, read_lock
from devpi_warmup.wheelhouse.manifest import COVERED, checksum
from devpi_warmup.wheelhouse.origins import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from devpi_warmup.index.fetcher import Fetcher
    from devpi_warmup.index.pages import IndexFile
    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.inputs.requirements import RequirementSet
    from devpi_warmup.inputs.targets import Target
    from devpi_warmup.prove.pip import Pip
    from devpi_warmup.wheelhouse.file_entry import FileEntry
    from devpi_warmup.wheelhouse.files import Wheelhouse
    from devpi_warmup.wheelhouse.lock import Lock
    from devpi_warmup.wheelhouse.manifest import CellEntry, Manifest


@dataclass(frozen=True)
class Standing:
    """A cell that stands.

    :param files: of its lock, as the index lists them now
    :param pip_version: of the pip that has accepted the lock
    """

    files: tuple[IndexFile, ...]
    pip_version: str


@dataclass(frozen=True)
class Given:
    """What pip is given of a cell to judge, beside its requirements.

    :param texts: of its lock, in each form
    :param files: of the lock, by name, with their sha256
    :param carried: what its builds take, likewise
    :param wants: of each sdist that is to be built, its METADATA and what the build requires
    """

    texts: Sequence[str]
    files: Mapping[str, str]
    carried: Mapping[str, str]
    wants: Sequence[Sequence[str]]

    @classmethod
    def of(cls, lock: Lock, texts: Sequence[str]) -> Given:
        """Return what pip is given of a lock; ``texts`` are its own, in each form."""
        return cls(
            texts=texts,
            files={pin.file.filename: pin.sha256 for pin in lock.pins},
            carried={file.filename: sha256 for file, sha256 in lock.sources.items()},
            wants=[[one.record.metadata, *one.record.wants] for one in lock.to_build],
        )

    def verdict(self, target: Target, requirements: str, pip: Pip) -> str:
        """Return a digest of everything that pip's verdict depends on, or "" if that is unknown.

        :param requirements: their digest
        """
        own = fingerprint()
        if not (pip.identity and own):
            return ""
        tools = [own, packaging.__version__, resolvelib.__version__, sys.version, pip.identity]
        what = [*tools, target.id, target.full_version, requirements]
        given = [[*self.texts], dict(self.files), dict(self.carried), [[*w] for w in self.wants]]
        known = json.dumps([*what, *given], sort_keys=True)
        return hashlib.sha256(known.encode()).hexdigest()


def may_stand(cell: Cell, before: Manifest, requirements: RequirementSet) -> bool:
    """Whether a cell was covered for these requirements by files of the index alone.

    A note may speak of what the index lists, so a cell with one is looked at again; so is one
    with files that are not the index's, or for which something may be left out.

    :param before: what the last run has left
    """
    entry = before.cells.get(cell.id)
    if entry is None or not entry.verdict or entry.requirements_sha256 != requirements.digest:
        return False
    lines, own = requirements.requirements, {name: before.files[name] for name in entry.files}
    return (
        entry.state == COVERED
        and (entry.python, entry.platform) == (cell.target.python, cell.target.platform)
        and entry.checksum == checksum(entry, own)
        and not (entry.notes or entry.sources or requirements.wheels)
        and not any(line.optional or line.url is not None for line in lines)
        and all(file.origin is Origin.INDEX and file.pip == entry.pip for file in own.values())
    )


def standing(
    cell: Cell, before: Manifest, fetcher: Fetcher, requirements: RequirementSet, pip: Pip
) -> Standing | None:
    """Return a cell that stands, or None where it has to be resolved and judged.

    :param before: what the last run has left
    :raises IndexAccessError: the index does not answer
    """
    if not may_stand(cell, before, requirements):
        return None
    entry, wheelhouse = before.cells[cell.id], fetcher.wheelhouse
    texts = [_text(path) for path in wheelhouse.lock_paths(cell.id)]
    verdict = Given(texts, entry.files, {}, []).verdict(cell.target, requirements.digest, pip)
    if not verdict or verdict != entry.verdict:
        return None
    if not _is_written_for(texts[0], cell, requirements, wheelhouse):
        return None
    coverage = Coverage(wheelhouse, before)
    if not fetcher.here(entry.files) or coverage.why_missing(cell, requirements.digest):
        return None
    files = _listed({name: before.files[name] for name in entry.files}, fetcher, cell.target)
    return Standing(files, entry.pip) if files is not None else None


def judged_before(before: Manifest, lock: Lock, verdict: str) -> CellEntry | None:
    """Return the entry of a cell where the last run had this verdict, and unpacked these files.

    :param verdict: of :meth:`Given.verdict`
    """
    entry, known = before.cells.get(lock.cell.id), before.files
    if entry is None or not entry.gathered or not verdict or entry.verdict != verdict:
        return None
    files = ((known.get(pin.file.filename), pin.sha256) for pin in lock.wheels)
    return entry if all(f and f.unpacked(sha256, entry.pip) for f, sha256 in files) else None


def _is_written_for(
    text: str, cell: Cell, requirements: RequirementSet, wheelhouse: Wheelhouse
) -> bool:
    """Whether a lock says whence each of its pins is wanted, and where it lies, as it would today.

    Lines may stand in another file, and the wheelhouse have another name.
    """
    wanted: dict[str, set[str]] = {}
    for line in for_target(requirements, cell.target).requirements:
        wanted.setdefault(line.name, set()).add(line.via)
    try:
        said = {pin.project: {via for via in pin.via if via[0] == "-"} for pin in read_lock(text)}
    except LockError:
        return False
    return install_command(cell.id, wheelhouse.shown) in text and wanted == {
        project: via for project, via in said.items() if via
    }


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return ""


def _listed(
    known: Mapping[str, FileEntry], fetcher: Fetcher, target: Target
) -> tuple[IndexFile, ...] | None:
    """Return files as the index lists them; None where it no longer does so as a lock wants it."""
    found = []
    for name, file in known.items():
        page = fetcher.page(canonicalize_name(file.project))
        listed = page.named.get(name)
        if listed is None or listed.sha256 != file.sha256 or listed.yanked:
            return None
        if not target.fits_python(listed.requires_python):
            return None
        # A note might have to speak of a newer version.
        if any(version > Version(file.version) for version in without_wheel(page, target)):
            return None
        found.append(listed)
    return tuple(found)
