"""What a wheelhouse has that another state of it had not, and the other way round."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from devpi_warmup.errors import WarmupError
from devpi_warmup.wheelhouse.changes import Change
from devpi_warmup.wheelhouse.manifest import NAME, Manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from devpi_warmup.wheelhouse.file_entry import FileEntry

_LARGEST = 64 << 20  # bytes


class SinceError(WarmupError):
    """What is to be compared with cannot be read."""


@dataclass(frozen=True, order=True)
class Relicensed:
    """A project whose files state another licence than before."""

    project: str
    before: str
    after: str
    version_before: str
    version_after: str


@dataclass(frozen=True)
class Moved:
    """A file that has come or gone; size in bytes."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Differences:
    """What is not as it was.

    :param shown: the former state, as its user calls it
    :param changes: of the cells that both have, by their ids
    :param cells_new: the cells that only the new state has covered, and the other way round
    :param files_new: the files that only the new state has, by their bytes
    :param unknown: whether the former manifest says nothing of licences
    """

    shown: str
    changes: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)
    cells_new: tuple[str, ...] = ()
    cells_gone: tuple[str, ...] = ()
    files_new: tuple[Moved, ...] = ()
    files_gone: tuple[Moved, ...] = ()
    licences: tuple[Relicensed, ...] = ()
    unknown: bool = False


def read_former(path: Path, shown: str) -> Manifest:
    """Read the manifest of another state.

    :param path: of a manifest, or of a wheelhouse
    :raises SinceError: it is none
    """
    hint = f"name a {NAME} of an earlier warmup, wherever it was kept, or its folder"
    try:
        file = path / NAME if path.is_dir() else path
        if file.exists() and not file.is_file():
            raise SinceError(f"{shown} is no plain file", hint=hint)
        if file.stat().st_size > _LARGEST:
            raise SinceError(f"{shown} is over {_LARGEST >> 20} MiB", hint=hint)
        return Manifest.from_dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)[:200]
        raise SinceError(f"{shown} cannot be compared with: {why}", hint=hint) from None


def differences(former: Manifest, now: Manifest, shown: str) -> Differences:
    """Hold two states against each other.

    :param former: its cells that were covered then
    :param now: its cells that are covered now
    """
    before = {id_ for id_, entry in former.cells.items() if entry.gathered}
    after = {id_ for id_, entry in now.cells.items() if entry.gathered}
    both = sorted(before & after)
    old, new = _files(former, before), _files(now, after)
    return Differences(
        shown=shown,
        changes={id_: tuple(_changes(former, now, id_)) for id_ in both},
        cells_new=tuple(sorted(after - before)),
        cells_gone=tuple(sorted(before - after)),
        files_new=tuple(_moved(new, old)),
        files_gone=tuple(_moved(old, new)),
        licences=tuple(sorted({r for id_ in both for r in _relicensed(former, now, id_)})),
        unknown=any(not file.licence for file in old.values()),
    )


def _files(manifest: Manifest, cells: set[str]) -> dict[str, FileEntry]:
    names = {name for id_ in cells for name in manifest.cells[id_].carried}
    return {name: manifest.files[name] for name in sorted(names)}


def _moved(these: Mapping[str, FileEntry], others: Mapping[str, FileEntry]) -> Iterator[Moved]:
    for name, file in these.items():
        if name not in others or others[name].sha256 != file.sha256:
            yield Moved(name, file.size, file.sha256)


def _by_project(manifest: Manifest, id_: str) -> dict[str, FileEntry]:
    files = (manifest.files[name] for name in manifest.cells[id_].files)
    return {file.project: file for file in files}


def _changes(former: Manifest, now: Manifest, id_: str) -> Iterator[Change]:
    old, new = _by_project(former, id_), _by_project(now, id_)
    for project in sorted({*old, *new}):
        one, other = old.get(project), new.get(project)
        if one and other and one.sha256 == other.sha256:
            continue
        yield Change(project, one.version if one else "", other.version if other else "")


def _relicensed(former: Manifest, now: Manifest, id_: str) -> Iterator[Relicensed]:
    old, new = _by_project(former, id_), _by_project(now, id_)
    for project in {*old} & {*new}:
        before, after = old[project].licence, new[project].licence
        if old[project].sha256 == new[project].sha256:
            continue
        if before and after and before != after:
            versions = old[project].version, new[project].version
            yield Relicensed(project, before, after, *versions)
