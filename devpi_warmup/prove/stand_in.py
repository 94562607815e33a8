"""Wheels in the place of sdists that are built elsewhere: pip can resolve them on any machine."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

from devpi_warmup.digests import digest
from devpi_warmup.wheelhouse.lock import LINKS_FOOT, LINKS_HEAD, link

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from devpi_warmup.wheelhouse.files import Wheelhouse
    from devpi_warmup.wheelhouse.lock import Lock

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


def lock_of(lock: Lock, wheelhouse: Wheelhouse, folder: Path) -> tuple[Lock, Path]:
    """Return a lock that has a wheel in the place of each sdist, and where it lies.

    :param folder: empty; the page of the lock lies beside it
    """
    if not lock.to_build:
        return lock, wheelhouse.lock_path(lock.cell.id)
    unbuilt = {one.project: one.record.metadata for one in lock.to_build}
    pins, made = [], []
    for pin in lock.pins:
        if not pin.to_build:
            pins.append(pin)
            continue
        path = make(pin.project, str(pin.version), unbuilt[pin.project], folder)
        made.append(path.name)
        pins.append(replace(pin, file=replace(pin.file, filename=path.name), sha256=digest(path)))
    own = replace(lock, pins=tuple(pins), to_build=(), builds=())
    return own, write(own, wheelhouse, folder, made)


def write(lock: Lock, wheelhouse: Wheelhouse, folder: Path, made: Collection[str] = ()) -> Path:
    """Write a lock with its page outside of the wheelhouse; return where it lies.

    :param made: the files that lie in that folder, too
    """
    path = folder / f"{lock.cell.id}.txt"
    path.write_text(lock.to_requirements(wheelhouse.shown), encoding="utf-8")
    links = [LINKS_HEAD.format(title=lock.cell.id)]
    for pin in lock.pins:
        name = pin.file.filename
        where = folder if name in made else wheelhouse.path
        links.append(link(name, pin.sha256, where.as_uri()))
    text = "\n".join([*links, LINKS_FOOT])
    path.with_suffix(".html").write_text(text, encoding="utf-8")
    return path
