"""The three files of a lock: requirements text, its links page, and pylock (PEP 751)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import tomli_w
from packaging.markers import Marker
from packaging.pylock import Package, PackageWheel, Pylock
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from devpi_warmup.wheelhouse.files import write_text
from devpi_warmup.wheelhouse.lock import LINKS_FOOT, LINKS_HEAD, link

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devpi_warmup.wheelhouse.files import Wheelhouse
    from devpi_warmup.wheelhouse.lock import Lock, Pin


def write_lock(lock: Lock, wheelhouse: Wheelhouse) -> None:
    """Write all forms of a lock into the wheelhouse.

    :raises WheelhouseError: it cannot be written
    """
    texts = (lock.to_requirements(wheelhouse.shown), lock.to_links(), to_pylock(lock))
    for path, text in zip(wheelhouse.lock_paths(lock.cell.id), texts, strict=True):
        write_text(path, text)
    paths = wheelhouse.build_lock_paths(lock.cell.id)
    if not lock.builds:
        for path in paths:
            path.unlink(missing_ok=True)
        return
    for path, text in zip(paths, _build_texts(lock), strict=True):
        write_text(path, text)


def _build_texts(lock: Lock) -> tuple[str, str, str]:
    """Return what building took: constraints for pip, a page of links, and pylock."""
    pins: dict[str, Pin] = {}
    lines = [f"# What the wheels of {lock.cell.id} that were built here were built with."]
    links = [LINKS_HEAD.format(title=f"{lock.cell.id}, to build")]
    for build in lock.every_build:
        record = build.record
        lines.append(f"# {build.wheel}, of {build.sdist.filename}, by Python {record.python}")
        links.append(link(build.sdist.filename, build.sha256))
        for pin in build.requires:
            if pin.file.filename not in pins:
                lines.append(str(pin))
                links.append(link(pin.file.filename, pin.sha256))
            pins[pin.file.filename] = pin
    page = "\n".join([*dict.fromkeys(links), LINKS_FOOT])
    by_project = {pin.project: pin for pin in pins.values()}
    return "\n".join(lines) + "\n", page, _pylock([by_project[p] for p in sorted(by_project)])


def to_pylock(lock: Lock) -> str:
    """Write a lock as ``pylock.<id>.toml``; its paths are relative to ``locks/``.

    :raises packaging.pylock.PylockValidationError: never, or there is a fault here
    """
    markers = lock.target.markers
    keys = ("implementation_name", "python_version", "sys_platform")
    environment = " and ".join(f'{key} == "{markers[key]}"' for key in keys)
    return _pylock(lock.pins, [Marker(environment)], lock.patches.specifier)


def _pylock(
    pins: Sequence[Pin],
    environments: list[Marker] | None = None,
    requires_python: SpecifierSet | None = None,
) -> str:
    pylock = Pylock(
        lock_version=Version("1.0"),
        environments=environments,
        requires_python=requires_python,
        created_by="devpi-warmup",
        packages=[_package(pin) for pin in pins],
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
