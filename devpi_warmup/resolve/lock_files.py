"""The three files of a lock: requirements text, its links page, and pylock (PEP 751)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import tomli_w
from packaging.markers import Marker
from packaging.pylock import Package, PackageSdist, PackageWheel, Pylock
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from devpi_warmup.wheelhouse.files import write_text
from devpi_warmup.wheelhouse.lock import Build, link, links_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packaging.utils import NormalizedName

    from devpi_warmup.wheelhouse.files import Wheelhouse
    from devpi_warmup.wheelhouse.lock import Lock, Pin


def write_lock(lock: Lock, wheelhouse: Wheelhouse, texts: Sequence[str] = ()) -> None:
    """Write all forms of a lock into the wheelhouse.

    :param texts: what :func:`texts_of` has returned of it, where it was asked
    :raises WheelhouseError: it cannot be written
    """
    texts = texts or texts_of(lock, wheelhouse.shown)
    for path, text in zip(wheelhouse.lock_paths(lock.cell.id), texts, strict=True):
        write_text(path, text)
    paths = wheelhouse.build_lock_paths(lock.cell.id)
    if not lock.every_build:
        for path in paths:
            path.unlink(missing_ok=True)
        return
    for path, text in zip(paths, _build_texts(lock), strict=True):
        write_text(path, text)


def texts_of(lock: Lock, folder: str) -> tuple[str, str, str]:
    """Return all forms of a lock: requirements text, links page, and pylock.

    :param folder: the wheelhouse, as its users call it
    """
    return lock.to_requirements(folder), lock.to_links(), to_pylock(lock)


def _build_texts(lock: Lock) -> tuple[str, str, str]:
    """Return what building takes: constraints for pip, a page of links, and pylock.

    Where something is to be built, they are for that alone, and hold one version of a project:
    pip resolves parts of a build one by one, and must not have another to choose. What was built
    here was built by several Pythons perhaps; then a project has two versions, and no constraint.
    """
    pins: dict[NormalizedName, dict[str, Pin]] = {}
    lines = [f"# What the sdists of {lock.cell.id} are built with."]
    links = []
    every = [b for one in lock.to_build or lock.builds for b in one.every]
    for build in every:
        what = build.sdist.filename
        if isinstance(build, Build):
            lines.append(f"# {build.file.filename}, of {what}, by Python {build.record.python}")
        else:
            lines.append(f"# to be built: {what}")
        links.append(link(what, build.sha256))
        for pin in build.requires:
            pins.setdefault(pin.project, {})[pin.file.filename] = pin
            links.append(link(pin.file.filename, pin.sha256))
    agreed = []
    for _, files in sorted(pins.items()):
        if len({pin.version for pin in files.values()}) == 1:
            agreed.append(next(iter(files.values())))
        else:
            lines.append(f"# each build has its own: {', '.join(map(str, files.values()))}")
    # pip takes no constraint with extras.
    lines += (f"{pin.project}=={pin.version}" for pin in agreed)
    page = links_page(f"{lock.cell.id}, to build", dict.fromkeys(links))
    return "\n".join(lines) + "\n", page, _pylock(agreed)


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
    what: dict[str, Any] = {
        "name": pin.file.filename,
        "path": f"../{pin.file.filename}",
        "size": pin.size,
        "hashes": {"sha256": pin.sha256},
    }
    return Package(
        name=pin.project,
        version=pin.version,
        requires_python=SpecifierSet(pin.requires_python) if pin.requires_python else None,
        wheels=None if pin.to_build else [PackageWheel(**what)],
        sdist=PackageSdist(**what) if pin.to_build else None,
    )
