"""Pin and Lock ↔ requirements text and pylock (PEP 751)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import tomli_w
from packaging.markers import Marker
from packaging.pylock import Package, PackageWheel, Pylock
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from devpi_warmup import __version__
from devpi_warmup.wheelhouse.files import LOCKS, write_text

if TYPE_CHECKING:
    from packaging.utils import NormalizedName

    from devpi_warmup.index.simple import IndexFile
    from devpi_warmup.inputs.patches import Patches
    from devpi_warmup.inputs.targets import Target
    from devpi_warmup.wheelhouse.files import Wheelhouse


# The first pip that reads a local page of links with hashes as it should (docs/installers.md).
OLDEST_PIP = "20.0"


def install_command(target_id: str, folder: str) -> str:
    """Return the command that installs a lock inside the gap.

    :param folder: the wheelhouse, as seen from where the command is typed

    It names the page of this one lock, not the folder: where the wheelhouse holds another wheel
    of the same version there would be something to choose, and some releases of pip choose wrong.
    """
    lock = f"{folder}/{LOCKS}/{target_id}"
    return f"pip install --no-index --find-links {lock}.html --require-hashes -r {lock}.txt"


@dataclass(frozen=True)
class Pin:
    """One project at one version as one exact file.

    :param file: where the index has it
    :param sha256: of the bytes in the wheelhouse
    :param size: bytes
    :param extras: extras somebody wants of it
    :param via: who wants it: projects, or requirement files as ``-r requirements/main.txt``
    :param direct: whether a requirement names the file by URL, past the index
    """

    project: NormalizedName
    version: Version
    file: IndexFile
    sha256: str
    size: int
    extras: tuple[str, ...]
    via: tuple[str, ...]
    requires_python: str
    direct: bool = False

    def __str__(self) -> str:
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.project}{extras}=={self.version}"


@dataclass(frozen=True)
class Lock:
    """All pins of one target, by project name.

    :param patches: the patch releases of Python that it serves
    :param notes: what the user may want to know, such as an extra that does not exist
    """

    target: Target
    pins: tuple[Pin, ...]
    patches: Patches
    notes: tuple[str, ...] = ()

    def write(self, wheelhouse: Wheelhouse) -> None:
        """Write both forms of the lock into the wheelhouse.

        :raises WheelhouseError: it cannot be written
        """
        texts = (self.to_requirements(wheelhouse.shown), self.to_links(), self.to_pylock())
        for path, text in zip(wheelhouse.lock_paths(self.target.id), texts, strict=True):
            write_text(path, text)

    def to_requirements(self, folder: str) -> str:
        """Write the lock as a requirements file with hashes, which any pip and any uv reads.

        :param folder: the wheelhouse, as its users call it

        It names no files and no page, so that it is read the same everywhere; the page is for
        the command that installs it.
        """
        lines = [
            f"# {self.target.id}: {len(self.pins)} pins, written by devpi-warmup {__version__}.",
            f"# Python {self.target.python}: {self.patches}.",
            f"# Inside the gap, where {folder}/ lies, with pip {OLDEST_PIP} or newer:",
            f"#   {install_command(self.target.id, folder)}",
        ]
        for pin in self.pins:
            lines += [f"{pin} \\", f"    --hash=sha256:{pin.sha256}"]
            lines += [f"    # via {', '.join(pin.via)}"] if pin.via else []
        text = "\n".join(lines) + "\n"
        # PEP 263, as pip reads it: without it some releases of pip take the locale's encoding.
        return text if text.isascii() else f"# -*- coding: utf-8 -*-\n{text}"

    def to_links(self) -> str:
        """Write a page of links, relative to ``locks/``, with the hash of each file (PEP 503)."""
        lines = ["<!DOCTYPE html>", f"<html><head><title>{self.target.id}</title></head><body>"]
        for pin in self.pins:
            name = pin.file.filename
            lines.append(f'<a href="../{quote(name)}#sha256={pin.sha256}">{name}</a><br>')
        return "\n".join([*lines, "</body></html>"]) + "\n"

    def to_pylock(self) -> str:
        """Write the lock as ``pylock.<id>.toml``; its paths are relative to ``locks/``.

        :raises packaging.pylock.PylockValidationError: never, or there is a fault here
        """
        markers = self.target.markers
        keys = ("implementation_name", "python_version", "sys_platform")
        environment = " and ".join(f'{key} == "{markers[key]}"' for key in keys)
        pylock = Pylock(
            lock_version=Version("1.0"),
            environments=[Marker(environment)],
            requires_python=self.patches.specifier,
            created_by="devpi-warmup",
            packages=[_package(pin) for pin in self.pins],
        )
        pylock.validate()
        return tomli_w.dumps(cast("dict[str, Any]", pylock.to_dict()))


def _package(pin: Pin) -> Package:
    return Package(
        name=pin.project,
        version=pin.version,
        requires_python=SpecifierSet(pin.requires_python) if pin.requires_python else None,
        wheels=[
            PackageWheel(
                name=pin.file.filename,
                path=f"../{pin.file.filename}",
                size=pin.size,
                hashes={"sha256": pin.sha256},
            )
        ],
    )
