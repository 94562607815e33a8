"""What a file says of itself: its licence, its Python, the bills of materials that it brings."""

from __future__ import annotations

import re
import tarfile
import zipfile
from dataclasses import dataclass
from enum import Enum
from typing import IO, TYPE_CHECKING

from packaging.metadata import parse_email

from devpi_warmup.foreign import plain
from devpi_warmup.wheelhouse.wheels import MAX_METADATA, ZIP_ERRORS

if TYPE_CHECKING:
    from pathlib import Path

    from packaging.metadata import RawMetadata

_SDIST_ERRORS = (*ZIP_ERRORS, tarfile.TarError)
_BODY = re.compile(rb"\r?\n\r?\n")  # begins the description, which nobody here reads
_LONGEST = 200  # characters of what is stated in one line
_BOM = re.compile(r"[^/]+\.dist-info/sboms/(?P<name>[A-Za-z0-9][A-Za-z0-9._+/-]*)")
_UNKNOWN = frozenset({"", "unknown", "none"})  # what setuptools once wrote for "not said"


class Stated(Enum):
    """Where a licence stands, the word that counts first; the value is how reports say it."""

    EXPRESSION = "License-Expression"
    TEXT = "License"
    CLASSIFIERS = "classifiers"
    NOWHERE = "not stated"


@dataclass(frozen=True)
class Licence:
    """What core metadata says of a licence (PEP 639, and what was before it).

    :param text: in one line; of a whole text, how it begins
    :param whole: whether that is all that stands there
    :param classifiers: those of licences, whatever counts first
    :param files: the names of the licence's files
    """

    stated: Stated
    text: str = ""
    whole: bool = True
    classifiers: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.text} ({self.stated.value})" if self.text else self.stated.value


@dataclass(frozen=True)
class About:
    """What a wheel or an sdist says of itself.

    :param requires_python: as it stands there
    :param boms: the bills of materials within a wheel, as paths below ``sboms/`` (PEP 770)
    :param problem: why nothing can be said, or ""
    """

    licence: Licence = Licence(Stated.NOWHERE)
    requires_python: str = ""
    summary: str = ""
    boms: tuple[str, ...] = ()
    problem: str = ""


def about(path: Path) -> About:
    """Return what a wheel or an sdist says of itself; what cannot be read is said, not raised."""
    try:
        if path.suffix == ".whl":
            return _of_wheel(path)
        data = _zipped(path) if path.suffix == ".zip" else _tarred(path)
        return _read(data)
    except _SDIST_ERRORS as error:
        return About(problem=f"its metadata cannot be read: {_line(str(error))}")


def embedded(path: Path, name: str, limit: int) -> bytes | None:
    """Return a bill of materials of a wheel; None where it is larger than the limit, in bytes.

    :param name: one of :attr:`About.boms`
    :raises OSError: or another of :data:`ZIP_ERRORS`, it cannot be read
    """
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            found = _BOM.fullmatch(member)
            if found and found["name"] == name:
                with archive.open(member) as stream:
                    data = stream.read(limit + 1)
                return data if len(data) <= limit else None
    raise ValueError(f"{path.name} has no {name}")


def _of_wheel(path: Path) -> About:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        (metadata,) = (n for n in names if re.fullmatch(r"[^/]+\.dist-info/METADATA", n))
        with archive.open(metadata) as stream:
            data = _bounded(stream)
    found = filter(None, map(_BOM.fullmatch, names))
    boms = sorted({match["name"] for match in found if ".." not in match["name"]})
    return _read(data, tuple(name for name in boms if not name.endswith("/")))


def _zipped(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if re.fullmatch(r"[^/]+/PKG-INFO", name):
                with archive.open(name) as stream:
                    return _bounded(stream)
    raise ValueError("it has no PKG-INFO")


def _tarred(path: Path) -> bytes:
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile() and re.fullmatch(r"(\./)?[^/]+/PKG-INFO", member.name):
                stream = archive.extractfile(member)
                if stream is not None:
                    return _bounded(stream)
    raise ValueError("it has no PKG-INFO")


def _bounded(stream: IO[bytes]) -> bytes:
    data = stream.read(MAX_METADATA + 1)
    if len(data) > MAX_METADATA:
        raise ValueError(f"it is over {MAX_METADATA >> 20} MiB")
    return _BODY.split(data, maxsplit=1)[0] + b"\n\n"


def _read(data: bytes, boms: tuple[str, ...] = ()) -> About:
    raw, _ = parse_email(data)
    return About(
        licence=_licence(raw),
        requires_python=_line(raw.get("requires_python", "")),
        summary=_line(raw.get("summary", "")),
        boms=boms,
    )


def _licence(raw: RawMetadata) -> Licence:
    classifiers = tuple(
        _line(text) for text in raw.get("classifiers", ()) if text.startswith("License ::")
    )
    files = tuple(map(_line, raw.get("license_files", ())))
    if expression := raw.get("license_expression", "").strip():
        stated, text, whole = Stated.EXPRESSION, *_first_line(expression)
    elif (own := raw.get("license", "").strip()).lower() not in _UNKNOWN:
        stated, text, whole = Stated.TEXT, *_first_line(own)
    elif classifiers:
        stated, text, whole = Stated.CLASSIFIERS, "; ".join(classifiers), True
    else:
        stated, text, whole = Stated.NOWHERE, "", True
    return Licence(stated, text, whole, classifiers, files)


def _first_line(text: str) -> tuple[str, bool]:
    """Return how a text is shown in one line, and whether that is all of it."""
    first = _line(text.splitlines()[0])
    if "\n" not in text and len(text) <= _LONGEST:
        return first, True
    return f"{first} … (a whole text)", False


def _line(text: str) -> str:
    line = " ".join(plain(text).split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
