"""Wheels in the place of sdists that are built elsewhere: pip can resolve them on any machine."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

from devpi_warmup.digests import digest
from devpi_warmup.wheelhouse.lock import link, links_page

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from devpi_warmup.wheelhouse.lock import Lock

SIMPLE = "simple"  # the folder of that index, beside the lock
_WHEEL = "Wheel-Version: 1.0\nGenerator: devpi-warmup\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def make(project: str, version: str, metadata: str, folder: Path) -> Path:
    """Write a wheel that holds its metadata and nothing else.

    :param metadata: the text of METADATA
    """
    stem = f"{project.replace('-', '_')}-{version}"
    path = folder / f"{stem}-py3-none-any.whl"
    record = f"{stem}.dist-info/RECORD"
    lines = ""
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in (("METADATA", metadata), ("WHEEL", _WHEEL)):
            member, data = f"{stem}.dist-info/{name}", text.encode()
            sha256 = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
            lines += f"{member},sha256={sha256},{len(data)}\n"
            archive.writestr(zipfile.ZipInfo(member), data)
        archive.writestr(zipfile.ZipInfo(record), f"{lines}{record},,\n")
    return path


def lock_of(lock: Lock, files: Mapping[str, Path], folder: Path) -> tuple[Lock, dict[str, Path]]:
    """Return a lock that has a wheel in the place of each sdist, and where its files lie.

    :param files: where the files of the lock lie, by their names
    :param folder: for those wheels
    """
    unbuilt = {one.project: one.record.metadata for one in lock.to_build}
    places, pins = dict(files), []
    for pin in lock.pins:
        if not pin.to_build:
            pins.append(pin)
            continue
        path = make(pin.project, str(pin.version), unbuilt[pin.project], folder)
        places[path.name] = path
        pins.append(replace(pin, file=replace(pin.file, filename=path.name), sha256=digest(path)))
    if not lock.to_build:
        return lock, places
    return replace(lock, pins=tuple(pins), to_build=(), builds=()), places


def write(lock: Lock, files: Mapping[str, Path], folder: Path, shown: str) -> Path:
    """Write a lock with an index of its files outside of the wheelhouse; return where it lies.

    Of one page of links pip looks at every link for every project again; of an index at its own.

    :param files: where its files lie, by their names
    :param shown: the wheelhouse, as its users call it
    """
    path = folder / f"{lock.cell.id}.txt"
    path.write_text(lock.to_requirements(shown), encoding="utf-8")
    links: dict[str, list[str]] = {}
    for pin in lock.pins:
        name = pin.file.filename
        to_file = link(name, pin.sha256, files[name].parent.as_uri())
        links.setdefault(pin.project, []).append(to_file)
    for project, own in links.items():
        page = folder / SIMPLE / project / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text(links_page(project, own), encoding="utf-8")
    return path
