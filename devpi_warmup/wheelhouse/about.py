"""What a file says of itself: its licence, its Python, the bills of materials that it brings."""

from __future__ import annotations

import re
import tarfile
import zipfile
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from packaging.metadata import parse_email

from devpi_warmup.foreign import one_line
from devpi_warmup.wheelhouse.wheels import MAX_METADATA, ZIP_ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from packaging.metadata import RawMetadata

# What reading an sdist that is damaged or hostile raises.
SDIST_ERRORS = (*ZIP_ERRORS, tarfile.TarError)
_PKG_INFO = re.compile(r"(\./)?[^/]+/PKG-INFO")  # in its one folder
_BODY = re.compile(rb"\r?\n\r?\n")  # begins the description, which nobody here reads
_LONGEST = 200  # characters of what is stated in one line
_METADATA = re.compile(r"[^/]+\.dist-info/METADATA")
_BOM = re.compile(r"[^/]+\.dist-info/sboms/(?P<name>.*[^/])", re.DOTALL)
_MOST = 50  # classifiers of licences, files of licences, or bills; more are counted
_LICENCE_FIELDS = frozenset({"license-expression", "license", "classifier"})
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
    :param boms: the bills of materials within a wheel, as it names them below ``sboms/`` (PEP 770)
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
            with zipfile.ZipFile(path) as archive:
                return about_in(archive)
        data = pkg_info(path)
        if data is None:
            raise ValueError("it has no PKG-INFO")
        return _read(_bounded(data))
    except SDIST_ERRORS as error:
        return _unreadable(error)


def about_in(archive: zipfile.ZipFile) -> About:
    """Return what a wheel that is open says of itself; what cannot be read is said, not raised."""
    names = archive.namelist()
    found = [name for name in names if _METADATA.fullmatch(name)]
    try:
        if len(found) != 1:
            raise ValueError(f"it has {len(found)} METADATA")
        with archive.open(found[0]) as stream:
            data = _bounded(stream.read(MAX_METADATA + 1))
    except SDIST_ERRORS as error:
        return _unreadable(error)
    return _read(data, tuple(_few(sorted({match["name"] for _, match in _boms(names)}))))


def _unreadable(error: Exception) -> About:
    return About(problem=f"its metadata cannot be read: {_line(str(error))}")


def embedded(path: Path, limit: int) -> Iterator[tuple[str, bytes | None]]:
    """Yield the bills of materials of a wheel with their names; None for one that is too large.

    :param limit: bytes
    :raises OSError: or another of :data:`ZIP_ERRORS`, it cannot be read
    """
    with zipfile.ZipFile(path) as archive:
        members = {found["name"]: name for name, found in _boms(archive.namelist())}
        for name, member in sorted(members.items())[:_MOST]:
            with archive.open(member) as stream:
                data = stream.read(limit + 1)
            yield name, data if len(data) <= limit else None


def _boms(names: Iterable[str]) -> Iterator[tuple[str, re.Match[str]]]:
    for name in names:
        found = _BOM.fullmatch(name)
        if found:
            yield name, found


def pkg_info(path: Path) -> bytes | None:
    """Return the PKG-INFO of an sdist, cut one byte behind :data:`MAX_METADATA`; None without one.

    :raises OSError: or another of :data:`SDIST_ERRORS`, it cannot be read
    """
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            name = next(filter(_PKG_INFO.fullmatch, archive.namelist()), None)
            if name is None:
                return None
            with archive.open(name) as stream:
                return stream.read(MAX_METADATA + 1)
    with tarfile.open(path) as tar:
        for member in tar:
            if member.isfile() and _PKG_INFO.fullmatch(member.name):
                content = tar.extractfile(member)
                return content.read(MAX_METADATA + 1) if content else None
    return None


def _bounded(data: bytes) -> bytes:
    if len(data) > MAX_METADATA:
        raise ValueError(f"it is over {MAX_METADATA >> 20} MiB")
    return _BODY.split(data, maxsplit=1)[0] + b"\n\n"


def _read(data: bytes, boms: tuple[str, ...] = ()) -> About:
    raw, unread = parse_email(data)
    if wrong := sorted(_LICENCE_FIELDS & {*unread}):  # it stands there twice, or is not UTF-8
        return About(problem=f"its {' and '.join(wrong)} cannot be read", boms=boms)
    return About(
        licence=_licence(raw),
        requires_python=_line(raw.get("requires_python", "")),
        summary=_line(raw.get("summary", "")),
        boms=boms,
    )


def _licence(raw: RawMetadata) -> Licence:
    stated_ones = [text for text in raw.get("classifiers", ()) if text.startswith("License ::")]
    classifiers = tuple(_few(dict.fromkeys(map(_line, stated_ones))))
    files = tuple(_few(map(_line, raw.get("license_files", ()))))
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
    # Whatever some reader takes for the end of a line makes it more than one.
    if len(text) <= _LONGEST and all(mark.isprintable() or mark == "\t" for mark in text):
        return first, True
    return f"{first} … (a whole text)", False


def _few(texts: Iterable[str]) -> Iterator[str]:
    every = list(texts)
    yield from every[:_MOST]
    if len(every) > _MOST:
        yield f"and {len(every) - _MOST} more"


def _line(text: str) -> str:
    return one_line(text, _LONGEST)
