"""A wheelhouse that others have filled is judged once more, by its bytes and by pip."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from devpi_warmup.errors import FileError
from devpi_warmup.index.pages import IndexFile, parse_wheel
from devpi_warmup.inputs.patches import Patches
from devpi_warmup.inputs.requirements import for_target
from devpi_warmup.prove.judge import Packed, judge
from devpi_warmup.prove.referee import referee
from devpi_warmup.resolve.lock_files import to_pylock
from devpi_warmup.resolve.patch_range import patch_range
from devpi_warmup.wheelhouse import members
from devpi_warmup.wheelhouse.lock import Lock, LockError, Pin, ToBuild, read_lock
from devpi_warmup.wheelhouse.wheels import parse_metadata, read_metadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from packaging.utils import NormalizedName

    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.inputs.requirements import RequirementSet
    from devpi_warmup.prove.pip import Pip
    from devpi_warmup.wheelhouse.file_entry import FileEntry
    from devpi_warmup.wheelhouse.files import Wheelhouse
    from devpi_warmup.wheelhouse.manifest import CellEntry, Manifest
    from devpi_warmup.wheelhouse.wheels import Metadata

_LINK = re.compile(r">([^<>]+)</a>")


def unpack_again(manifest: Manifest, wheelhouse: Wheelhouse, pip: Pip) -> dict[str, str]:
    """Have pip unpack every wheel that is installed as it is; return what is wrong, by filename.

    :raises WarmupError: pip cannot be asked, or there is no room
    """
    names = {name for entry in manifest.cells.values() for name in entry.wheels}
    pins = _pins(sorted(names), manifest)
    wheels = [Packed(pin.project, wheelhouse.path / pin.file.filename, pin.size) for pin in pins]
    found = judge(wheels, wheelhouse, pip=pip) if wheels else {}
    return {name: said.problem for name, said in found.items() if said.problem}


def judge_again(
    manifest: Manifest,
    wheelhouse: Wheelhouse,
    pip: Pip,
    cell: Cell,
    requirements: RequirementSet,
) -> None:
    """Have pip resolve the lock of a cell offline, as when it was warmed up.

    The files of the lock must be what is written for its pins, byte for byte: pip and uv read
    them, and see more in them than we do.

    :raises FileError: its wheels cannot be installed together, or its lock is not of its files
    :raises RefereeError: pip refuses the lock
    """
    lock, known = _lock(cell, manifest, wheelhouse)
    path = wheelhouse.path
    held = {pin.file.filename: members.names(path / pin.file.filename) for pin in lock.wheels}
    members.checked(held, lock.target)
    texts = (lock.to_requirements(wheelhouse.shown), lock.to_links(), to_pylock(lock))
    for file, text in zip(wheelhouse.lock_paths(cell.id), texts, strict=True):
        if file.read_bytes() != text.encode():
            raise _not_its_lock(cell, f"{file.name} is not what is written for its pins")
    own = for_target(requirements, lock.target)
    # Of what is to be built it is not known any more which markers were evaluated.
    served = patch_range(lock.target, own, lock.wheels, known)
    if not lock.to_build and served != lock.patches:
        raise _not_its_lock(cell, f"it serves {served}, and is said to serve {lock.patches}")
    files = {name: path / name for name in manifest.cells[cell.id].carried}
    referee(lock, requirements, files, shown=wheelhouse.shown, pip=pip)


def _not_its_lock(cell: Cell, problem: str) -> FileError:
    return FileError(
        f"the lock of {cell.id}: {problem}", hint="warm it up again; some stores change text files"
    )


def _lock(
    cell: Cell, manifest: Manifest, wheelhouse: Wheelhouse
) -> tuple[Lock, Mapping[NormalizedName, Metadata]]:
    """Read the lock of a cell back, and hold it against what the manifest says of it.

    :returns: it, and the metadata of its wheels
    :raises FileError: they differ
    """
    entry = manifest.cells[cell.id]
    names = {sha256: name for name, sha256 in entry.files.items()}
    try:
        pins = read_lock(wheelhouse.lock_path(cell.id).read_text(encoding="utf-8"))
    except (LockError, OSError, UnicodeDecodeError) as error:
        raise _not_its_lock(cell, f"it cannot be read: {error}") from None
    if sorted(names) != sorted(pin.sha256 for pin in pins):
        raise _not_its_lock(cell, "it is not of the files that its manifest names")
    read: dict[NormalizedName, Metadata] = {}
    locked = []
    for pin in pins:
        name = names[pin.sha256]
        known = manifest.files[name]
        wheel = parse_wheel(pin.project, _file(name, known))
        if wheel is not None:
            data = read_metadata(wheelhouse.path / name, wheel)
            read[pin.project] = parse_metadata(data, wheel)
        elif name not in entry.to_build:
            raise _not_its_lock(cell, f"{name} is no distribution of {pin.project}")
        metadata = read.get(pin.project)
        needs = str(metadata.requires_python) if metadata else _of_sdist(entry, name)
        file = _file(name, known)
        locked.append(
            Pin(
                pin.project,
                pin.version,
                file,
                pin.sha256,
                (wheelhouse.path / name).stat().st_size,
                pin.extras,
                pin.via,
                needs,
            )
        )
    to_build = tuple(_to_build(cell, entry, manifest, wheelhouse))
    lock = Lock(cell, tuple(locked), entry.patches or Patches("", ""), to_build=to_build)
    return lock, read


def _of_sdist(entry: CellEntry, name: str) -> str:
    """Return the Requires-Python of what an sdist gives."""
    for line in entry.to_build[name].metadata.splitlines():
        if line.startswith("Requires-Python: "):
            return line.partition(": ")[2]
    return ""


def _to_build(
    cell: Cell, entry: CellEntry, manifest: Manifest, wheelhouse: Wheelhouse
) -> Iterator[ToBuild]:
    if not entry.to_build:
        return
    page = wheelhouse.build_lock_paths(cell.id)[1]
    try:
        linked = _LINK.findall(page.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise _not_its_lock(cell, f"{page.name} cannot be read: {error}") from None
    if strange := [n for n in linked if n not in entry.carried]:
        raise _not_its_lock(cell, f"{page.name} links to {strange[0]}, which it does not carry")
    tools = tuple(_pins((name for name in linked if name not in entry.to_build), manifest))
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


def _pins(names: Iterable[str], manifest: Manifest) -> Iterator[Pin]:
    for name in names:
        file = manifest.files[name]
        project = canonicalize_name(file.project)
        version = Version(file.version)
        yield Pin(project, version, _file(name, file), file.sha256, file.size, (), (), "")


def _file(name: str, known: FileEntry) -> IndexFile:
    return IndexFile(name, "", known.sha256, origin=known.origin)
