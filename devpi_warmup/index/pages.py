"""Project pages of the simple repository API (PEP 503, PEP 691), as values."""

from __future__ import annotations

import re
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import requests
from mousebender import simple
from packaging.tags import Tag, parse_tag
from packaging.utils import (
    BuildTag,
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_name,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from devpi_warmup.errors import IndexAccessError
from devpi_warmup.inputs.urls import redact
from devpi_warmup.wheelhouse.origins import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from devpi_warmup.index.transport import Answer

_SAFE_FILENAME = re.compile(r"[A-Za-z0-9_.+!-]+")
SDIST_SUFFIXES = (
    *(".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar", ".tbz"),
    *(".tar.xz", ".txz", ".tlz", ".tar.lz", ".tar.lzma"),
)
SDIST = "an sdist"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class IndexFile:
    """One file as a project page lists it.

    :param href: its URL, perhaps relative to the page
    :param page: the URL of the page
    :param sha256: the digest the page gives, or "" where it gives none
    :param requires_python: the specifier the page gives, or ""
    :param metadata: whether the index serves the METADATA alone (PEP 658)
    :param metadata_sha256: the digest of that METADATA, or ""
    :param origin: where it comes from
    :param path: where it lies on this machine, if it does not come over the wire
    """

    filename: str
    href: str
    sha256: str = ""
    requires_python: str = ""
    yanked: bool = False
    metadata: bool = False
    metadata_sha256: str = ""
    page: str = ""
    origin: Origin = Origin.INDEX
    path: str = ""

    @property
    def indexed(self) -> bool:
        """Whether it comes from the index, which can be asked for it."""
        return self.origin is Origin.INDEX

    @property
    def url(self) -> str:
        """The absolute URL; files of one index may lie on another host."""
        return urljoin(self.page, self.href)  # joined late: a page has thousands of files


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel on a project page, by what its filename says (PEP 427)."""

    project: NormalizedName
    version: Version
    build: BuildTag
    tags: frozenset[Tag]
    file: IndexFile


@dataclass(frozen=True, slots=True)
class Sdist:
    """An sdist on a project page, by what its filename says."""

    project: NormalizedName
    version: Version
    file: IndexFile

    def __str__(self) -> str:
        return f"{self.project} {self.version}"

    @property
    def build(self) -> BuildTag:
        """Return no build tag: an sdist has none."""
        return ()


@dataclass(frozen=True)
class Page:
    """What the index has of one project.

    :param known: False where the index says there is no such project
    :param others: files that are no wheels of this project, such as sdists
    :param absence: how and when the index said so
    """

    project: NormalizedName
    known: bool
    wheels: tuple[Wheel, ...]
    others: tuple[IndexFile, ...]
    absence: str = ""

    @cached_property
    def versions(self) -> frozenset[Version]:
        """The versions that have a wheel."""
        return frozenset(wheel.version for wheel in self.wheels)

    @cached_property
    def places(self) -> dict[frozenset[Tag], list[int]]:
        """Where among the wheels those with the same tags are: thousands have a few hundred."""
        found: dict[frozenset[Tag], list[int]] = {}
        for place, wheel in enumerate(self.wheels):
            found.setdefault(wheel.tags, []).append(place)
        return found

    @cached_property
    def named(self) -> dict[str, IndexFile]:
        """Everything on the page, by filename, but of several with one name."""
        counted = Counter(file.filename for file in self.files)
        return {f.filename: f for f in self.files if counted[f.filename] == 1}

    @cached_property
    def without_wheel(self) -> tuple[tuple[Version, str, IndexFile], ...]:
        """Of the versions without any wheel, what each has instead, and the file of it."""
        found = []
        for file in self.others:
            told = None if file.yanked else _other(self.project, file)
            if told is not None and told[0] not in self.versions:
                found.append((*told, file))
        return tuple(found)

    @property
    def files(self) -> Iterator[IndexFile]:
        """Everything on the page."""
        return chain((wheel.file for wheel in self.wheels), self.others)


def _other(project: NormalizedName, file: IndexFile) -> tuple[Version, str] | None:
    """Return the version of a file that is not a plain wheel of a project, and what it is."""
    if sdist := parse_sdist(project, file):
        return sdist.version, SDIST
    stem, _, label = file.filename.removesuffix(".whl").rpartition("-")
    if file.filename.endswith(".whl") and label:
        with suppress(InvalidWheelFilename, InvalidVersion):
            name, version, _, _ = parse_wheel_filename(f"{stem}.whl")
            kind = f"a wheel variant ({label}), which pip does not know"
            return (version, kind) if name == project else None
    return None


def parse_sdist(project: NormalizedName, file: IndexFile) -> Sdist | None:
    """Return the sdist a filename stands for; None where it is none of the project.

    By pip's rule, which knows the project (pip/_internal/index/package_finder.py,
    ``_extract_version_from_fragment``): the name ends where what stands before the dash is the
    project.
    """
    suffix = next((end for end in SDIST_SUFFIXES if file.filename.endswith(end)), None)
    if suffix is None or not _SAFE_FILENAME.fullmatch(file.filename):
        return None
    stem = file.filename.removesuffix(suffix)
    for place, letter in enumerate(stem):
        if letter == "-" and canonicalize_name(stem[:place]) == project:
            try:
                return Sdist(project, _version(stem[place + 1 :]), file)
            except InvalidVersion:
                return None
    return None


def parse_wheel(project: NormalizedName, file: IndexFile) -> Wheel | None:
    """Return the wheel a filename stands for; None where it is no wheel of the project."""
    if not file.filename.endswith(".whl") or not _SAFE_FILENAME.fullmatch(file.filename):
        return None
    try:
        name, version, build, tags = _parse_filename(file.filename)
    except ValueError:  # InvalidWheelFilename, InvalidVersion, InvalidTag
        return None
    return Wheel(project, version, build, tags, file) if name == project else None


def _parse_filename(
    filename: str,
) -> tuple[NormalizedName, Version, BuildTag, frozenset[Tag]]:
    """Do the work of ``parse_wheel_filename``, with tags and versions parsed once each.

    A page of numpy has thousands of wheels and a few hundred different tags; going through
    the full parser for each takes most of the time of a warm run.
    """
    parts = filename[:-4].split("-")
    plain_parts = 5  # without a build tag: name, version, python, abi, platform
    if len(parts) != plain_parts:
        return parse_wheel_filename(filename)
    name, _, _, _ = _parse_name(parts[0])
    return name, _version(parts[1]), (), _tags("-".join(parts[2:]))


@cache
def _parse_name(text: str) -> tuple[NormalizedName, Version, BuildTag, frozenset[Tag]]:
    return parse_wheel_filename(f"{text}-0-py3-none-any.whl")


@cache
def _version(text: str) -> Version:
    return Version(text)


@cache
def _tags(text: str) -> frozenset[Tag]:
    return parse_tag(text)


def parse_page(project: NormalizedName, answer: Answer) -> Page:
    """Read the page of a project, as HTML or JSON.

    :raises IndexAccessError: it cannot be read
    """
    where = redact(answer.url)
    if answer.status != requests.codes.ok:
        raise IndexAccessError(f"{where}: the server answered {answer.status}")
    content_type = answer.content_type
    try:
        text = answer.body.decode()
        details: Any = simple.parse_project_details(text, content_type, project)
        files = [_parse_file(item, answer.url) for item in details["files"]]
    except simple.UnsupportedMIMEType:
        raise IndexAccessError(
            f"{where}: this is no index: it answers with {content_type or 'no content type'}",
            hint="the address of a devpi index is like https://devpi.example.com/user/index",
        ) from None
    except simple.UnsupportedAPIVersion as error:
        raise IndexAccessError(f"{where}: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        message = f"{type(error).__name__}: {str(error)[:200]}"
        raise IndexAccessError(
            f"{where}: the page cannot be read: {message}",
            hint="look at what this address answers: a proxy may be answering for the index",
        ) from None
    wheels, others = [], []
    for file in files:
        if not _is_url(file.href):
            continue
        wheel = parse_wheel(project, file)
        if wheel is None:
            others.append(file)
        else:
            wheels.append(wheel)
    return Page(project, known=bool(files), wheels=tuple(wheels), others=tuple(others))


def _is_url(href: str) -> bool:
    if "//" not in href:  # names no host, which is what can be wrong
        return True
    try:
        urlsplit(href)
    except ValueError:  # "http://[::1/"
        return False
    return True


def _parse_file(item: Mapping[str, Any], page_url: str) -> IndexFile:
    """Read one entry of a page (PEP 691, PEP 592, PEP 658, PEP 714)."""
    sha256 = item.get("hashes", {}).get("sha256", "").lower()
    metadata = item.get("core-metadata", item.get("dist-info-metadata", False))
    digest = metadata.get("sha256", "") if isinstance(metadata, dict) else ""
    return IndexFile(
        filename=str(item["filename"]),
        href=str(item["url"]).partition("#")[0],
        sha256=sha256 if _SHA256.fullmatch(sha256) else "",
        requires_python=sys.intern(str(item.get("requires-python") or "")),  # a few, many times
        yanked=item.get("yanked", False) is not False,
        metadata=bool(metadata),
        metadata_sha256=str(digest).lower(),
        page=page_url,
    )
