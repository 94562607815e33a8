"""The three files of a lock: requirements text, its links page, and pylock (PEP 751)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import tomli_w
from packaging.markers import Marker
from packaging.pylock import Package, PackageWheel, Pylock
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from devpi_warmup.wheelhouse.files import write_text

if TYPE_CHECKING:
    from devpi_warmup.wheelhouse.files import Wheelhouse
    from devpi_warmup.wheelhouse.lock import Lock, Pin


def write_lock(lock: Lock, wheelhouse: Wheelhouse) -> None:
    """Write all forms of a lock into the wheelhouse.

    :raises WheelhouseError: it cannot be written
    """
    texts = (lock.to_requirements(wheelhouse.shown), lock.to_links(), to_pylock(lock))
    for path, text in zip(wheelhouse.lock_paths(lock.cell.id), texts, strict=True):
        write_text(path, text)


def to_pylock(lock: Lock) -> str:
    """Write a lock as ``pylock.<id>.toml``; its paths are relative to ``locks/``.

    :raises packaging.pylock.PylockValidationError: never, or there is a fault here
    """
    markers = lock.target.markers
    keys = ("implementation_name", "python_version", "sys_platform")
    environment = " and ".join(f'{key} == "{markers[key]}"' for key in keys)
    pylock = Pylock(
        lock_version=Version("1.0"),
        environments=[Marker(environment)],
        requires_python=lock.patches.specifier,
        created_by="devpi-warmup",
        packages=[_package(pin) for pin in lock.pins],
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
