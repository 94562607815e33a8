"""What is inside a wheel: its metadata, and whether it can be unpacked (PEP 427)."""

from __future__ import annotations

import lzma
import re
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from devpi_warmup.errors import FileError
from devpi_warmup.index import MAX_METADATA

if TYPE_CHECKING:
    from pathlib import Path

    from devpi_warmup.index import Wheel

# What zipfile and its decompressors raise for a file that is damaged or hostile.
ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError),
    *(NotImplementedError, RuntimeError),
)

# https://packaging.python.org/en/latest/specifications/binary-distribution-format/
_SCHEME = frozenset({"purelib", "platlib", "headers", "scripts", "data", ""})
# An empty value that no indented line continues.
_NO_OBJECT = re.compile(r"^[^#;\[\n=]+=[ \t]*$(?!\r?\n[ \t]+\S)", re.MULTILINE)


class BrokenWheelError(FileError):
    """A wheel whose metadata is not what a wheel must have; another may serve instead."""


@dataclass(frozen=True)
class Metadata:
    """What the resolver needs of a wheel's METADATA."""

    requires: tuple[Requirement, ...]
    extras: frozenset[str]
    requires_python: SpecifierSet


def check_wheel(path: Path, filename: str) -> None:
    """Make sure that a wheel can be unpacked: resolving it, even by pip, does not show that.

    :raises BrokenWheelError: what pip would refuse when it installs the file
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            damaged = archive.testzip()
            texts = [name for name in names if name.endswith(".dist-info/entry_points.txt")]
            scripts = [archive.read(name).decode() for name in texts]
    except ZIP_ERRORS as error:
        raise BrokenWheelError(f"{filename} cannot be unpacked: {error}") from None
    problem = f"{damaged} is damaged" if damaged is not None else _unsafe_or_missing(names)
    if not problem and any(_NO_OBJECT.search(text) for text in scripts):
        problem = "its entry_points.txt names an entry point without an object"
    if problem:
        raise BrokenWheelError(f"{filename} cannot be unpacked: {problem}")


def _unsafe_or_missing(names: list[str]) -> str:
    for name in names:
        parts = name.replace("\\", "/").split("/")
        if ".." in parts or name.startswith("/") or ":" in parts[0]:
            return f"{name!r} leads out of the environment"
        if parts[0].endswith(".data") and len(parts) > 1 and parts[1] not in _SCHEME:
            return f"{name!r} belongs nowhere"
    for needed in (".dist-info/RECORD", ".dist-info/WHEEL"):
        if not any(name.endswith(needed) and name.count("/") == 1 for name in names):
            return f"it has no {needed.rpartition('/')[2]}"
    return ""


def read_metadata(path: Path, filename: str) -> bytes:
    """Return the METADATA of a wheel (PEP 427).

    :param filename: the wheel's own name; the file may lie under another one
    :raises BrokenWheelError: it is no wheel
    """
    project = canonicalize_name(filename.partition("-")[0])
    try:
        with zipfile.ZipFile(path) as archive:
            folders = {name.partition("/")[0] for name in archive.namelist()}
            infos = [folder for folder in folders if folder.endswith(".dist-info")]
            if len(infos) != 1:
                raise BrokenWheelError(f"{filename} has {len(infos)} .dist-info folders, not one")
            if canonicalize_name(infos[0].partition("-")[0]) != project:
                raise BrokenWheelError(f"{filename} holds {infos[0]}, of another project")
            with archive.open(f"{infos[0]}/METADATA") as stream:
                data = stream.read(MAX_METADATA + 1)
    except KeyError:
        raise BrokenWheelError(f"{filename} has no METADATA") from None
    except ZIP_ERRORS as error:
        raise BrokenWheelError(f"{filename} is no wheel: {error}") from None
    if len(data) > MAX_METADATA:
        raise BrokenWheelError(f"{filename} has a METADATA of over {MAX_METADATA >> 20} MiB")
    return data


def parse_metadata(data: bytes, wheel: Wheel) -> Metadata:
    """Read METADATA as leniently as pip does (pip/_internal/metadata/base.py).

    :raises BrokenWheelError: it is of another project or version, or requires what does not parse
    """
    filename = wheel.file.filename
    raw, _ = parse_email(data)
    try:
        version = Version(raw.get("version", ""))
    except InvalidVersion:
        raise BrokenWheelError(f"{filename} has no valid version in its METADATA") from None
    if version != wheel.version or canonicalize_name(raw.get("name", "")) != wheel.project:
        raise BrokenWheelError(f"{filename} says it is {raw.get('name', '?')} {version}")
    try:
        requires = tuple(Requirement(text.strip()) for text in raw.get("requires_dist", ()))
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        raise BrokenWheelError(f"{filename} has an invalid requirement: {reason}") from None
    try:
        requires_python = SpecifierSet(raw.get("requires_python", ""))
    except InvalidSpecifier:
        requires_python = SpecifierSet()
    extras = frozenset(canonicalize_name(extra) for extra in raw.get("provides_extra", ()))
    return Metadata(requires, extras, requires_python)
