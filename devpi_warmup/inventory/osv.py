"""Advisories, as a folder, an archive or a file of OSV's export has them.

The format: https://ossf.github.io/osv-schema/. Nothing is asked of a network.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from devpi_warmup.errors import WarmupError, indented
from devpi_warmup.foreign import one_line, plain
from devpi_warmup.inventory.advisories import Advisories, Advisory, Affected
from devpi_warmup.wheelhouse.wheels import ZIP_ERRORS

_LARGEST = 16 << 20  # bytes of one advisory
_LARGEST_FILE = 512 << 20  # bytes of a list of them
_ECOSYSTEM = "PyPI"
_FEW = 5
_LONGEST = 300  # characters of a summary
_MOST = 20  # other names of one advisory
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".tar", ".7z")

_Entry = tuple[str, Callable[[], bytes]]  # its place, and what reads it


class AdvisoryError(WarmupError):
    """What the user names as advisories cannot be used: nobody has looked for them then."""


def read(path: Path, shown: str) -> Advisories:
    """Read every advisory about a project of Python.

    :param path: a file, an archive, or a folder of both
    :raises AdvisoryError: one of them cannot be read, or none is there
    """
    problems: list[str] = []
    found: dict[tuple[str, str], Advisory] = {}
    newest = ""
    for place, load in _entries(path, shown, problems):
        try:
            told = json.loads(load())
        except (*ZIP_ERRORS, RecursionError) as error:
            problems.append(f"{place}: {_line(str(error))}")
            continue
        for number, table in enumerate(told if isinstance(told, list) else [told], 1):
            try:
                for project, advisory in _advisories(table):
                    found[project, advisory.id] = advisory
                    newest = max(newest, str(table.get("modified") or ""))
            except (LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
                which = f"{place}, entry {number}" if isinstance(told, list) else place
                problems.append(f"{which} is not as OSV has it: {_said(error)}")
    count = len({id_ for _, id_ in found})
    if problems:
        more = [f"and {len(problems) - _FEW} more"] if len(problems) > _FEW else []
        raise AdvisoryError(
            f"the advisories cannot be used:\n{indented([*problems[:_FEW], *more])}",
            hint="name a file, a folder or an archive of OSV's export for Python",
        )
    if not count:
        raise AdvisoryError(
            f"{shown} has no advisory about a project of Python, so nothing was looked for",
            hint=f"each must be JSON, with an affected package of the ecosystem {_ECOSYSTEM}",
        )
    by_project: dict[str, tuple[Advisory, ...]] = {}
    for (name, _), advisory in sorted(found.items()):
        by_project[name] = (*by_project.get(name, ()), advisory)
    return Advisories(shown, count, plain(newest)[:40], by_project)


def _said(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else _line(str(error))


def _entries(path: Path, shown: str, problems: list[str]) -> Iterator[_Entry]:
    """Yield every JSON file, each with what reads it; a file of an archive as ``archive/name``."""
    try:
        files = [(path, shown)] if not path.is_dir() else _below(path, shown, problems)
    except OSError as error:
        problems.append(f"{shown}: {error.strerror}")
        return
    for file, name in files:
        suffix = file.suffix.lower()
        if suffix == ".zip":
            yield from _members(file, name, problems)
        elif suffix in _PACKED:
            problems.append(f"{name} is packed in a way that is not read: unpack it")
        elif suffix == ".json" or file == path:
            yield name, partial(_read, file)


def _below(path: Path, shown: str, problems: list[str]) -> list[tuple[Path, str]]:
    def unread(error: OSError) -> None:
        problems.append(f"{shown}: {error.strerror}")

    found = []
    for folder, _, names in os.walk(path, onerror=unread):
        files = (Path(folder, name) for name in names)
        found += [(file, f"{shown}/{file.relative_to(path).as_posix()}") for file in files]
    return sorted(found)


def _members(path: Path, shown: str, problems: list[str]) -> Iterator[_Entry]:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.filename.lower().endswith(".json"):
                    yield f"{shown}/{member.filename}", partial(_member, archive, member)
    except ZIP_ERRORS as error:
        problems.append(f"{shown}: {_line(str(error))}")


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise ValueError("it is not there" if not path.exists() else "it is no plain file")
    if path.stat().st_size > _LARGEST_FILE:
        raise ValueError(f"it is over {_LARGEST_FILE >> 20} MiB")
    return path.read_bytes()


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    if member.file_size > _LARGEST:
        raise ValueError(f"it is over {_LARGEST >> 20} MiB")
    return archive.read(member)


def _advisories(table: Mapping[str, Any]) -> Iterator[tuple[str, Advisory]]:
    """Yield one advisory for each project of Python that it is about."""
    if "id" not in table:
        raise KeyError("id")
    if table.get("withdrawn"):
        return
    by_project: dict[str, list[Affected]] = {}
    for one in _list(table, "affected"):
        package = one.get("package") or {}
        ecosystem = str(package.get("ecosystem", "")).partition(":")[0]
        if ecosystem.casefold() == _ECOSYSTEM.casefold():
            name = str(canonicalize_name(package["name"]))
            by_project.setdefault(name, []).append(_affected(one))
    for name, parts in by_project.items():
        yield (
            name,
            Advisory(
                id=_line(str(table["id"])),
                aliases=tuple(map(_line, _list(table, "aliases")[:_MOST])),
                summary=_line(table.get("summary") or table.get("details") or ""),
                severity=_severity(table),
                affected=Affected(
                    tuple(r for part in parts for r in part.ranges),
                    frozenset().union(*(part.versions for part in parts)),
                    next((part.unclear for part in parts if part.unclear), ""),
                ),
            ),
        )


def _affected(table: Mapping[str, Any]) -> Affected:
    unclear, versions, ranges = "", set[Version](), list[tuple[tuple[str, Version], ...]]()
    for text in _list(table, "versions"):
        try:
            versions.add(Version(text))
        except InvalidVersion:  # pip cannot have it either
            continue
    told = [one for one in _list(table, "ranges") if one.get("type") != "GIT"]
    for one in told:
        try:
            events = [(w, _version(v)) for e in one["events"] for w, v in e.items() if v != "*"]
        except InvalidVersion as error:
            unclear = f"its versions cannot be read ({_line(str(error))})"
            continue
        begins = {at for what, at in events if what == "introduced"}
        if not begins or begins & {at for what, at in events if what == "fixed"}:
            unclear = "it does not say from which version on"
        ranges.append(tuple(sorted(events, key=lambda event: event[1])))
    if not versions and not told:
        unclear = "it names no versions"
    return Affected(tuple(ranges), frozenset(versions), unclear)


def _version(text: str) -> Version:
    return Version("0.dev0" if text == "0" else text)  # "0" stands for before all others


def _list(table: Mapping[str, Any], key: str) -> list[Any]:
    """Return a list of JSON; nothing stands for an empty one.

    :raises TypeError: it is something else
    """
    value = table.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise TypeError(f"{key} is no list")
    return value


def _severity(table: Mapping[str, Any]) -> str:
    """Return a word where the database has one, else the score as it stands there."""
    word = (table.get("database_specific") or {}).get("severity", "")
    scores = [str(one.get("score", "")) for one in _list(table, "severity")]
    return _line(word if isinstance(word, str) and word else next(iter(scores), ""))


def _line(text: str) -> str:
    return one_line(text, _LONGEST)
