"""``pylock.toml`` (PEP 751): its versions, markers and hashes; never its URLs, which pass devpi."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from devpi_warmup.errors import Problem
from devpi_warmup.inputs.pyproject import limit_python
from devpi_warmup.inputs.requirement_lines import show
from devpi_warmup.inputs.requirements import Limit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from packaging.pylock import Package, Pylock

    from devpi_warmup.inputs.requirement_files import Reader

_NAME = re.compile(r"pylock(\.[^.]+)?\.toml")  # PEP 751, "File Name"
_CHOICE = re.compile(r'"(?P<name>[^"]*)" (?P<no>not )?in (?P<of>extras|dependency_groups)')
_HOLDS, _NEVER = 'python_version >= "3"', 'python_version < "3"'
_UPLOAD = "build a wheel of it, upload it to your devpi index, and lock it by name"


def is_pylock(path: Path) -> bool:
    """Whether a file is read as a lock."""
    return _NAME.fullmatch(path.name) is not None


def read_pylock(path: Path, extras: Iterable[str], reader: Reader) -> None:
    """Read a lock as requirements: ``project==version; marker``, with hashes.

    :param extras: of the lock, those that are wanted; its default groups are
    :param reader: takes the requirements, and the problems
    """
    # Inside the gap packaging may be older, and a lock not among the requirements.
    from packaging.pylock import Pylock, PylockValidationError  # noqa: PLC0415

    shown = reader.show(path)
    if (table := reader.toml(path)) is None:
        return
    try:
        lock = Pylock.from_dict(table)
    except PylockValidationError as error:
        hint = "it must be as PEP 751 says, with a version and files for each package"
        reader.problems.append(Problem(f"it is no valid lock: {error}", shown, hint))
        return
    for extra in extras:
        if canonicalize_name(extra) not in {*map(canonicalize_name, lock.extras or ())}:
            known = ", ".join(lock.extras or ()) or "none"
            message = f"{shown} has no extra {show(extra)}"
            reader.problems.append(Problem(message, "requirements", f"known: {known}"))
    limit_python(str(lock.requires_python or ""), shown, reader)
    if lock.environments:
        reader.limits.append(Limit(shown, environments=tuple(lock.environments)))
    for package in lock.packages:
        _read_package(package, _marker(package, lock, {*extras}), shown, reader)


def _read_package(package: Package, marker: str, shown: str, reader: Reader) -> None:
    where = f"{shown}: {package.name}"
    if package.vcs or package.directory or package.archive:
        kind = "a VCS" if package.vcs else "a folder" if package.directory else "an address"
        message = f"it comes from {kind}, past the index"
        reader.problems.append(Problem(message, where, _UPLOAD))
        return
    if package.version is None:
        hint = "lock it for all platforms, with versions"
        reader.problems.append(Problem("it has no version", where, hint))
        return
    if package.requires_python is not None:
        needs, holds = str(package.requires_python), marker.removeprefix(" ; ")
        limit = Limit(where, needs, marker=Marker(holds) if holds else None)
        reader.limits.append(limit)
    hashes = sorted(set(_hashes(package)))
    if not hashes:
        hint = "export the lock with sha256 hashes"
        reader.problems.append(Problem("none of its files has a sha256 hash", where, hint))
        return
    options = [f"--hash=sha256:{digest}" for digest in hashes]
    reader.line(f"{package.name}=={package.version}{marker}", where, options)


def _hashes(package: Package) -> Iterator[str]:
    files: list[Any] = [*(package.wheels or ()), *([package.sdist] if package.sdist else ())]
    for file in files:
        if digest := file.hashes.get("sha256"):
            yield digest


def _marker(package: Package, lock: Pylock, extras: set[str]) -> str:
    """Return the marker of a package, with what is wanted of extras and groups filled in."""
    # packaging has normalized the names in markers.
    wanted = {
        "extras": {*map(canonicalize_name, extras)},
        "dependency_groups": {*map(canonicalize_name, lock.default_groups or ())},
    }

    def fill(match: re.Match[str]) -> str:
        holds = (canonicalize_name(match["name"]) in wanted[match["of"]]) is (match["no"] is None)
        return _HOLDS if holds else _NEVER

    return f" ; {_CHOICE.sub(fill, str(package.marker))}" if package.marker else ""
