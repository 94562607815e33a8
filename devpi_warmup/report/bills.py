"""Bills of materials, where they are asked for: CycloneDX files, and those that wheels bring."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from datetime import datetime, timezone
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, UUID, uuid5

from devpi_warmup import console
from devpi_warmup.errors import WarmupError
from devpi_warmup.wheelhouse import manifest
from devpi_warmup.wheelhouse.about import embedded
from devpi_warmup.wheelhouse.files import write_error, write_text
from devpi_warmup.wheelhouse.wheels import ZIP_ERRORS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from devpi_warmup.inventory.contents import Inventory
    from devpi_warmup.report.result import Result

WHOLE = "sbom.cdx.json"
FOLDER = "sboms"  # of what wheels bring
_LARGEST = 32 << 20  # bytes of one that a wheel brings


class BillError(WarmupError):
    """A bill of materials cannot be written."""


def publish(result: Result, wheelhouse: Path, folder: Path, wanted: Sequence[str] | None) -> None:
    """Write what is asked for; remove what an earlier state of the wheelhouse has left.

    :param wheelhouse: its folder
    :param folder: of the reports
    :param wanted: None for nothing; else the ids of cells that have a bill of their own
    :raises WarmupError: it cannot be written, or what writes it is not installed
    """
    serial = _serial(result)
    if wanted is None:
        _drop_outdated(folder, serial)
        return
    console.quiet_libraries()  # they speak as soon as they are imported
    try:
        # Here and not above: it is an extra, and nothing else needs it.
        from devpi_warmup.report import cyclonedx  # noqa: PLC0415
    except ImportError:
        raise BillError(
            "a bill of materials needs cyclonedx-python-lib, which is not installed here",
            hint='pip install "devpi-warmup[sbom]", where nox runs; nox -s report works without',
        ) from None
    _drop_outdated(folder, None)
    if unknown := set(wanted) - {held.cell.id for held in result.inventory.held}:
        raise BillError(
            f"no bill of materials for what is missing: {', '.join(sorted(unknown))}",
            hint="the table says why it is missing",
        )
    brought = _copied(result.inventory, wheelhouse, folder)
    when = _when(wheelhouse)
    for cell, name in [("", WHOLE), *((id_, f"sbom.{id_}.cdx.json") for id_ in wanted)]:
        part = replace(result, inventory=_of_cell(result.inventory, cell)) if cell else result
        own = uuid5(serial, cell) if cell else serial
        write_text(folder / name, cyclonedx.bill(part, own, when, brought))


def _serial(result: Result) -> UUID:
    """Return what names this state of the wheelhouse, by the files of each of its cells."""
    files = {item.name: item.file.sha256 for item in result.inventory.items}
    cells = {held.cell.id: held.files for held in result.inventory.held}
    told = json.dumps([sorted(files.items()), sorted(cells.items())])
    return uuid5(NAMESPACE_URL, f"devpi-warmup:{sha256(told.encode()).hexdigest()}")


def _when(wheelhouse: Path) -> datetime:
    """Return when the state was written; SOURCE_DATE_EPOCH says another time."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    seconds = int(epoch) if epoch.isdecimal() else (wheelhouse / manifest.NAME).stat().st_mtime
    return datetime.fromtimestamp(int(seconds), timezone.utc)


def _of_cell(inventory: Inventory, cell: str) -> Inventory:
    held = tuple(one for one in inventory.held if one.cell.id == cell)
    items = tuple(replace(item, cells=(cell,)) for item in inventory.items if cell in item.cells)
    return replace(inventory, held=held, items=items)


def _copied(inventory: Inventory, wheelhouse: Path, folder: Path) -> dict[str, tuple[str, str]]:
    """Copy the bills that wheels bring (PEP 770).

    :returns: the path of each, as seen from the folder of the reports, with its wheel and sha256
    """
    copied = {}
    for item in inventory.items:
        for name in item.about.boms:
            try:
                data = embedded(wheelhouse / item.name, name, _LARGEST)
            except ZIP_ERRORS:
                data = None
            if data is None:
                continue  # the page says that the wheel brings one
            path = folder / FOLDER / item.name / name.replace("/", "_")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            except OSError as error:
                raise write_error(folder, error) from None
            place = path.relative_to(folder).as_posix()
            copied[place] = (item.name, sha256(data).hexdigest())
    return copied


def _drop_outdated(folder: Path, serial: UUID | None) -> None:
    """Remove bills of another state than this one."""
    try:
        told = json.loads((folder / WHOLE).read_text(encoding="utf-8"))["serialNumber"]
    except (OSError, ValueError, LookupError, TypeError):
        told = ""
    if serial is not None and told == serial.urn:
        return
    for path in folder.glob("sbom*.cdx.json"):
        path.unlink(missing_ok=True)
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
