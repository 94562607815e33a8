"""What is inside a wheel: its metadata (PEP 427)."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from devpi_warmup.errors import FileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from devpi_warmup.index.pages import Wheel

MAX_METADATA = 16 << 20  # bytes
# What zipfile and its decompressors raise for a file that is damaged or hostile.
ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError),
    *(NotImplementedError, RuntimeError),
)


class DamagedWheelError(FileError):
    """A file that is not a wheel at all: pip stops there, and so do we."""

    def __init__(self, wheel: Wheel, problem: str) -> None:
        super().__init__(
            f"{wheel.file.filename} {problem}",
            hint="if it stays so, require another version, such as "
            f"{wheel.project}!={wheel.version} in the requirements or the constraints",
        )


class BrokenWheelError(FileError):
    """A wheel whose metadata is not what a wheel must have: pip passes over it, with a warning.

    :param whole_version: whether pip passes over all files of that version
    """

    def __init__(self, message: str, *, whole_version: bool = False) -> None:
        super().__init__(message)
        self.whole_version = whole_version


@dataclass(frozen=True)
class Metadata:
    """What the resolver needs of a wheel's METADATA."""

    requires: tuple[Requirement, ...]
    extras: frozenset[str]
    requires_python: SpecifierSet


@contextmanager
def unpacking(path: Path, wheel: Wheel) -> Iterator[zipfile.ZipFile]:
    """Open a wheel; what is wrong with it as a zip is told as what is wrong with the wheel.

    :param path: where the file lies, perhaps under another name than its own
    :raises DamagedWheelError: it cannot be unpacked
    """
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except ZIP_ERRORS as error:
        raise DamagedWheelError(wheel, f"cannot be unpacked: {error}") from None


def read_metadata(path: Path, wheel: Wheel) -> bytes:
    """Return the METADATA of a wheel.

    :param path: where the file lies, perhaps under another name than its own
    :raises DamagedWheelError: it is not a wheel
    """
    with unpacking(path, wheel) as archive:
        return metadata_in(archive, wheel)


def metadata_in(archive: zipfile.ZipFile, wheel: Wheel) -> bytes:
    """Return the METADATA of a wheel (PEP 427) that is open.

    :raises DamagedWheelError: it is not a wheel; or another of :data:`ZIP_ERRORS`
    """
    folders = {name.partition("/")[0] for name in archive.namelist()}
    infos = [folder for folder in folders if folder.endswith(".dist-info")]
    if len(infos) != 1:
        raise DamagedWheelError(wheel, f"has {len(infos)} .dist-info folders, not one")
    # As pip has it (pip/_internal/utils/wheel.py, wheel_dist_info_dir).
    if not canonicalize_name(infos[0]).startswith(wheel.project):
        raise DamagedWheelError(wheel, f"holds {infos[0]}, of another project")
    try:
        stream = archive.open(f"{infos[0]}/METADATA")
    except KeyError:
        raise DamagedWheelError(wheel, "has no METADATA") from None
    with stream:
        data = stream.read(MAX_METADATA + 1)
    if len(data) > MAX_METADATA:
        raise DamagedWheelError(wheel, f"has a METADATA of over {MAX_METADATA >> 20} MiB")
    return data


def core_of(data: bytes) -> str:
    """Return of core metadata what says whose it is and what it requires, as a text of its own.

    :raises ValueError: it cannot be read
    """
    raw, unread = parse_email(data)
    if "requires-dist" in unread:
        raise ValueError("its Requires-Dist cannot be read")
    fields: list[tuple[str, Iterable[str]]] = [
        ("Metadata-Version", ["2.1"]),
        ("Name", [raw.get("name", "")]),
        ("Version", [raw.get("version", "")]),
        ("Requires-Python", filter(None, [raw.get("requires_python", "")])),
        ("Provides-Extra", raw.get("provides_extra", ())),
        ("Requires-Dist", raw.get("requires_dist", ())),
    ]
    lines = [f"{name}: {' '.join(value.split())}" for name, values in fields for value in values]
    return "\n".join(lines) + "\n"


def parse_metadata(data: bytes, wheel: Wheel) -> Metadata:
    """Read METADATA as leniently as pip does (pip/_internal/metadata/base.py).

    :raises BrokenWheelError: it is of another project or version, or requires what does not parse
    :raises DamagedWheelError: it has no name, or no version
    """
    filename = wheel.file.filename
    raw, _ = parse_email(data)
    try:
        version = Version(raw.get("version", ""))
    except InvalidVersion:
        raise DamagedWheelError(wheel, "has no valid version in its METADATA") from None
    if not raw.get("name"):
        raise DamagedWheelError(wheel, "has no name in its METADATA")
    if version != wheel.version or canonicalize_name(raw["name"]) != wheel.project:
        raise BrokenWheelError(f"{filename} says it is {raw['name']} {version}")
    try:
        requires = tuple(Requirement(text.strip()) for text in raw.get("requires_dist", ()))
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        message = f"{filename} has an invalid requirement: {reason}"
        raise BrokenWheelError(message, whole_version=True) from None
    try:
        requires_python = SpecifierSet(raw.get("requires_python", ""))
    except InvalidSpecifier:
        requires_python = SpecifierSet()
    extras = frozenset(canonicalize_name(extra) for extra in raw.get("provides_extra", ()))
    return Metadata(requires, extras, requires_python)
