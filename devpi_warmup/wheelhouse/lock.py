"""Pin and Lock ↔ requirements text and pylock (PEP 751)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from devpi_warmup import __version__
from devpi_warmup.wheelhouse.files import LOCKS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.markers import Marker

    from devpi_warmup.index.pages import IndexFile
    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.inputs.patches import Patches
    from devpi_warmup.inputs.targets import Target
    from devpi_warmup.wheelhouse.build_record import BuildRecord, ToBuildRecord


# The oldest pip with which every Python was seen to install every lock (docs/installers.md).
OLDEST_PIP = "20.3"
_OLDEST_PIP_OF_BUILDS = "25.3"  # its changelog: --build-constraint
_OLD_PYTHON = re.compile(r"(^|-)cp3[78]m?-")  # the newest pip of 3.7 is 24.0, of 3.8 it is 25.0.1
_OLDEST_PIP_OF_OLD_PYTHONS = "24.0"
_OLDEST_PIP_OF_MUSL = "21.2"  # its changelog: PEP 656


_PIN = re.compile(
    r"(?P<project>[a-z0-9-]+)(?:\[(?P<extras>[a-z0-9,-]+)\])?==(?P<version>[\w.!+-]+) \\"
)
_HASH = re.compile(r"    --hash=sha256:(?P<digest>[0-9a-f]{64})")
_VIA = re.compile(r"    # via (?P<via>.+)")


def install_command(cell_id: str, folder: str, *, to_build: bool = False) -> str:
    """Return the command that installs a lock inside the gap.

    :param folder: the wheelhouse, as seen from where the command is typed
    :param to_build: whether some of it has to be built there

    It names the page of this one lock, not the folder: where the wheelhouse holds another wheel
    of the same version there would be something to choose, and every pip and uv takes the one
    that fits its machine best, and then stops at the hash.
    """
    lock = f"{folder}/{LOCKS}/{cell_id}"
    build = f"--find-links {lock}.build.html {build_option(cell_id, lock)}" if to_build else ""
    return f"pip install --no-index --find-links {lock}.html {build}--require-hashes -r {lock}.txt"


def build_option(cell_id: str, lock: str) -> str:
    """Return the option that holds a build to the versions that are carried.

    :param lock: the path of the lock, without its suffix

    Older Pythons have no pip that knows it; for them the page alone must do, which has no others.
    """
    old = _OLD_PYTHON.search(cell_id)
    return "" if old else f"--build-constraint {lock}.build.txt "


def uv_command(cell_id: str, folder: str) -> str:
    """Return the command that installs a lock inside the gap with uv."""
    return f"uv pip install --offline -r {folder}/{LOCKS}/pylock.{cell_id}.toml"


@dataclass(frozen=True)
class Pin:
    """One project at one version as one exact file.

    :param file: where the index has it
    :param sha256: of the bytes in the wheelhouse
    :param size: bytes
    :param extras: extras somebody wants of it
    :param via: who wants it: projects, or requirement files as ``-r requirements/main.txt``
    """

    project: NormalizedName
    version: Version
    file: IndexFile
    sha256: str
    size: int
    extras: tuple[str, ...]
    via: tuple[str, ...]
    requires_python: str

    @property
    def to_build(self) -> bool:
        """Whether the file is an sdist, which is built where it is installed."""
        return not self.file.filename.endswith(".whl")

    def __str__(self) -> str:
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.project}{extras}=={self.version}"


@dataclass(frozen=True, kw_only=True)
class BuildLock:
    """What building an sdist takes, as exact files.

    :param project: of which it is an sdist, and its version
    :param sdist: the file, and its sha256
    :param size: of the sdist, in bytes
    :param requires: what the build requires
    :param builds: of those, how the ones were built that were built here
    """

    project: NormalizedName
    version: Version
    sdist: IndexFile
    sha256: str
    size: int
    requires: tuple[Pin, ...]
    builds: tuple[Build, ...] = ()

    @property
    def files(self) -> tuple[tuple[IndexFile, str], ...]:
        """What building it again takes, with its sha256; of builds within it, their wheels."""
        return ((self.sdist, self.sha256), *((pin.file, pin.sha256) for pin in self.requires))

    @property
    def every(self) -> tuple[BuildLock, ...]:
        """Itself, and the builds that it requires."""
        return (self, *(inner for build in self.builds for inner in build.every))


@dataclass(frozen=True, kw_only=True)
class Build(BuildLock):
    """How a wheel was built here.

    :param file: the wheel
    :param record: what the manifest says of it
    """

    file: IndexFile
    record: BuildRecord


@dataclass(frozen=True, kw_only=True)
class ToBuild(BuildLock):
    """An sdist that is carried, to be built where it is installed.

    :param record: what the manifest says of it
    :param markers: all that were evaluated to know what its build requires on the target
    """

    record: ToBuildRecord
    markers: tuple[Marker, ...] = ()


@dataclass(frozen=True)
class Lock:
    """All pins of one cell, by project name.

    :param patches: the patch releases of Python that it serves
    :param notes: what the user may want to know, such as an extra that does not exist
    :param builds: how the wheels among them were built that were built here
    :param to_build: the sdists among them, which are built where they are installed
    """

    cell: Cell
    pins: tuple[Pin, ...]
    patches: Patches
    notes: tuple[str, ...] = ()
    builds: tuple[Build, ...] = ()
    to_build: tuple[ToBuild, ...] = ()

    @property
    def target(self) -> Target:
        """What it is for."""
        return self.cell.target

    @property
    def wheels(self) -> tuple[Pin, ...]:
        """The pins that are installed as they are."""
        return tuple(pin for pin in self.pins if not pin.to_build)

    @property
    def every_build(self) -> tuple[BuildLock, ...]:
        """Every build that it took or takes, those within builds among them."""
        return tuple(inner for one in (*self.builds, *self.to_build) for inner in one.every)

    @property
    def sources(self) -> dict[IndexFile, str]:
        """What its builds take, each file with its sha256."""
        return {file: sha256 for build in self.every_build for file, sha256 in build.files}

    def to_requirements(self, folder: str) -> str:
        """Write the lock as a requirements file with hashes, which pip and uv read.

        :param folder: the wheelhouse, as its users call it

        It names no files and no page, so that it is read the same everywhere; the page is for
        the command that installs it.
        """
        lines = [
            f"# {self.cell.id}: {len(self.pins)} pins, written by devpi-warmup {__version__}.",
            f"# Python {self.target.python}: {self.patches}.",
            f"# Inside the gap, where {folder}/ lies, with pip {self._oldest_pip} or newer:",
            f"#   {install_command(self.cell.id, folder, to_build=bool(self.to_build))}",
        ]
        if self.to_build:
            lines += [f"# which builds there: {', '.join(self._to_build)}"]
        else:
            lines += [f"# or with uv 0.6.17 or newer: {uv_command(self.cell.id, folder)}"]
        for pin in self.pins:
            lines += [f"{pin} \\", f"    --hash=sha256:{pin.sha256}"]
            lines += [f"    # via {', '.join(pin.via)}"] if pin.via else []
        text = "\n".join(lines) + "\n"
        # PEP 263, as pip reads it: without it some releases of pip take the locale's encoding.
        return text if text.isascii() else f"# -*- coding: utf-8 -*-\n{text}"

    @property
    def _to_build(self) -> list[str]:
        return [f"{one.project} {one.version}" for one in self.to_build]

    @property
    def _oldest_pip(self) -> str:
        if self.to_build:
            old = _OLD_PYTHON.search(self.cell.id)
            return _OLDEST_PIP_OF_OLD_PYTHONS if old else _OLDEST_PIP_OF_BUILDS
        return _OLDEST_PIP_OF_MUSL if self.target.platform.startswith("musl") else OLDEST_PIP

    def to_links(self) -> str:
        """Write a page of links, relative to ``locks/``, with the hash of each file (PEP 503)."""
        links = (link(pin.file.filename, pin.sha256) for pin in self.pins)
        return links_page(self.cell.id, links)


def links_page(title: str, links: Iterable[str]) -> str:
    """Return a page of links, as pip reads it for ``--find-links``."""
    head = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body>"
    return "\n".join([head, *links, "</body></html>\n"])


def link(filename: str, sha256: str, folder: str = "..") -> str:
    """Return a link to a file with its hash, as a page of links has it (PEP 503)."""
    return f'<a href="{folder}/{quote(filename)}#sha256={sha256}">{filename}</a><br>'


class LockError(ValueError):
    """A text that is not a lock as :meth:`Lock.to_requirements` writes it."""


@dataclass(frozen=True)
class LockedPin:
    """A pin as it stands in a lock.

    :param via: who wants it
    """

    project: NormalizedName
    version: Version
    sha256: str
    extras: tuple[str, ...]
    via: tuple[str, ...]


def read_lock(text: str) -> tuple[LockedPin, ...]:
    """Read back what :meth:`Lock.to_requirements` has written.

    :raises LockError: it is something else; names the line
    """
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    pins: list[LockedPin] = []
    while lines:
        pin, sha256 = _PIN.fullmatch(lines[0]), _HASH.fullmatch(lines[1] if lines[1:] else "")
        if pin is None or sha256 is None:
            raise LockError(f"not a pin with its hash: {lines[0]!r}")
        via = _VIA.fullmatch(lines[2]) if lines[2:] else None
        try:
            version = Version(pin["version"])
        except InvalidVersion:
            raise LockError(f"not a version: {lines[0]!r}") from None
        pins.append(
            LockedPin(
                canonicalize_name(pin["project"]),
                version,
                sha256["digest"],
                tuple(pin["extras"].split(",")) if pin["extras"] else (),
                tuple(via["via"].split(", ")) if via else (),
            )
        )
        del lines[: 3 if via else 2]
    return tuple(pins)
