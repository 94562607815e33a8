"""A wheelhouse that others have filled is judged once more, by its bytes and by pip."""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from devpi_warmup.errors import FileError, indented
from devpi_warmup.index.pages import IndexFile
from devpi_warmup.inputs.patches import Patches
from devpi_warmup.prove.referee import referee
from devpi_warmup.wheelhouse import members
from devpi_warmup.wheelhouse.lock import Lock, LockError, Pin, ToBuild, read_lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.inputs.requirements import RequirementSet
    from devpi_warmup.prove.pip import Pip
    from devpi_warmup.wheelhouse.files import Wheelhouse
    from devpi_warmup.wheelhouse.manifest import CellEntry, FileEntry, Manifest

_LINK = re.compile(r">([^<>]+)</a>")


def judge_again(
    manifest: Manifest,
    wheelhouse: Wheelhouse,
    pip: Pip,
    cell: Cell,
    requirements: RequirementSet,
) -> None:
    """Have pip resolve the lock of a cell offline, as when it was warmed up.

    :raises FileError: its wheels cannot be installed together, or its lock is not of its files
    :raises RefereeError: pip refuses the lock
    """
    lock = _lock(cell, manifest, wheelhouse)
    path = wheelhouse.path
    try:
        held = {pin.file.filename: members.names(path / pin.file.filename) for pin in lock.wheels}
    except (zipfile.BadZipFile, OSError) as error:
        raise FileError(f"a wheel of {cell.id} cannot be read: {error}") from None
    if errors := members.problems(held, lock.target).errors:
        raise FileError(f"its wheels cannot be installed together:\n{indented(errors[:5])}")
    files = {name: path / name for name in manifest.cells[cell.id].carried}
    referee(lock, requirements, files, shown=wheelhouse.shown, pip=pip)


def _lock(cell: Cell, manifest: Manifest, wheelhouse: Wheelhouse) -> Lock:
    """Read the lock of a cell back, and hold it against what the manifest says of it.

    :raises FileError: they differ
    """
    entry = manifest.cells[cell.id]
    names = {sha256: name for name, sha256 in entry.files.items()}
    try:
        pins = read_lock(wheelhouse.lock_path(cell.id).read_text(encoding="utf-8"))
    except (LockError, OSError, UnicodeDecodeError) as error:
        raise FileError(f"the lock of {cell.id} cannot be read: {error}") from None
    if sorted(names) != sorted(pin.sha256 for pin in pins):
        raise FileError(f"the lock of {cell.id} is not of the files that its manifest names")
    locked = tuple(
        Pin(
            pin.project,
            pin.version,
            _file(names[pin.sha256], manifest.files[names[pin.sha256]]),
            pin.sha256,
            manifest.files[names[pin.sha256]].size,
            pin.extras,
            pin.via,
            "",
        )
        for pin in pins
    )
    to_build = tuple(_to_build(cell, entry, manifest, wheelhouse))
    return Lock(cell, locked, entry.patches or Patches("", ""), to_build=to_build)


def _to_build(
    cell: Cell, entry: CellEntry, manifest: Manifest, wheelhouse: Wheelhouse
) -> Iterator[ToBuild]:
    if not entry.to_build:
        return
    page = wheelhouse.build_lock_paths(cell.id)[1]
    try:
        linked = _LINK.findall(page.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{page.name} cannot be read: {error}") from None
    tools = tuple(_pins((n for n in linked if n not in entry.to_build), entry.sources, manifest))
    for name, record in entry.to_build.items():
        known = manifest.files[name]
        yield ToBuild(
            project=canonicalize_name(known.project),
            version=Version(known.version),
            sdist=_file(name, known),
            sha256=known.sha256,
            size=known.size,
            requires=tools,
            record=record,
        )


def _pins(names: Iterable[str], known: Mapping[str, str], manifest: Manifest) -> Iterator[Pin]:
    for name in names:
        if name not in known:
            raise FileError(f"{name} is on the page of a build, and the manifest does not name it")
        file = manifest.files[name]
        project = canonicalize_name(file.project)
        version = Version(file.version)
        yield Pin(project, version, _file(name, file), file.sha256, file.size, (), (), "")


def _file(name: str, known: FileEntry) -> IndexFile:
    return IndexFile(name, "", known.sha256, origin=known.origin)
