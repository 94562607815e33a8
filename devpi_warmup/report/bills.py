"""Bills of materials, where they are asked for: CycloneDX files, and those that wheels bring."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, UUID, uuid5

from devpi_warmup import console
from devpi_warmup.errors import WarmupError
from devpi_warmup.foreign import plain
from devpi_warmup.report.as_json import state_of
from devpi_warmup.report.moment import moment
from devpi_warmup.wheelhouse import manifest
from devpi_warmup.wheelhouse.about import embedded
from devpi_warmup.wheelhouse.files import write_error, write_text
from devpi_warmup.wheelhouse.wheels import ZIP_ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from devpi_warmup.inventory.contents import Inventory, Item
    from devpi_warmup.report.result import Result

WHOLE = "sbom.cdx.json"
FOLDER = "sboms"  # of what wheels bring
STATE = "devpi-warmup:state"  # the property by which a bill is known for ours, and for outdated
_LARGEST = 32 << 20  # bytes of one that a wheel brings
_ALL = 256 << 20  # bytes of all of them
_OURS = re.compile(rf"{FOLDER}/[^/]+/\d+-[\w.+-]+")


class BillError(WarmupError):
    """A bill of materials cannot be written."""


def publish(result: Result, wheelhouse: Path, folder: Path, wanted: Sequence[str] | None) -> None:
    """Write what is asked for; remove what an earlier state of the wheelhouse has left.

    :param wheelhouse: its folder
    :param folder: of the reports
    :param wanted: None for nothing; else the ids of cells that have a bill of their own
    :raises WarmupError: it cannot be written, or what writes it is not installed
    """
    state = state_of(result)
    if wanted is None:
        _drop_outdated(folder, state)
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
    _drop_outdated(folder, "")
    here = {held.cell.id for held in result.inventory.held}
    if lacking := sorted({*wanted} - here) or ([] if here else ["every target"]):
        raise BillError(
            f"no bill of materials for what is missing: {', '.join(lacking)}",
            hint="the table says why it is missing",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        brought = dict(_copied(result.inventory, wheelhouse, folder))
        when = moment((wheelhouse / manifest.NAME).stat().st_mtime)
    except OSError as error:
        raise write_error(folder, error) from None
    serial = uuid5(NAMESPACE_URL, f"devpi-warmup:{state}")
    for cell, name in [("", WHOLE), *((id_, f"sbom.{id_}.cdx.json") for id_ in wanted)]:
        part = replace(result, inventory=_of_cell(result.inventory, cell)) if cell else result
        text = cyclonedx.bill(part, _serial(serial, cell), when, brought, {STATE: state})
        write_text(folder / name, text)


def _serial(whole: UUID, cell: str) -> UUID:
    return uuid5(whole, cell) if cell else whole


def _of_cell(inventory: Inventory, cell: str) -> Inventory:
    held = tuple(one for one in inventory.held if one.cell.id == cell)
    items = tuple(replace(item, cells=(cell,)) for item in inventory.items if cell in item.cells)
    return replace(inventory, held=held, items=items)


def _copied(
    inventory: Inventory, wheelhouse: Path, folder: Path
) -> Iterator[tuple[str, tuple[str, str]]]:
    """Copy the bills that wheels bring (PEP 770), under names that every disk takes.

    :returns: the path of each, as seen from the folder of the reports, with its wheel and sha256
    :raises OSError: it cannot be written
    """
    left = _ALL
    for item in inventory.items:
        brought = _brought(item, wheelhouse) if item.about.boms else ()
        for number, (name, data) in enumerate(brought, 1):
            if data is None or len(data) > left:
                console.say(f"{item.name}: {plain(name)[:80]} is too large to be copied")
                continue
            left -= len(data)
            safe = re.sub(r"[^\w.+-]", "_", name.rpartition("/")[2], flags=re.ASCII)[-80:]
            path = folder / FOLDER / item.name / f"{number}-{safe}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            digest = sha256(data).hexdigest()
            yield path.relative_to(folder).as_posix(), (item.name, digest)


def _brought(item: Item, wheelhouse: Path) -> Iterator[tuple[str, bytes | None]]:
    try:
        yield from embedded(wheelhouse / item.name, _LARGEST)
    except ZIP_ERRORS as error:
        console.say(f"{item.name}: what it brings cannot be read: {plain(str(error))[:80]}")


def _drop_outdated(folder: Path, state: str) -> None:
    """Remove bills that we have written for another state, and nothing else.

    :param state: the one that may stay, or ""
    """
    whole = _ours(folder / WHOLE)
    if not whole or whole.get("state") == state:
        return
    paths = [folder / path for path in whole["brought"]]
    paths += [path for path in folder.glob("sbom.*.cdx.json") if _ours(path)]
    try:
        for path in [*paths, folder / WHOLE]:
            path.unlink(missing_ok=True)
        for parent in {path.parent for path in paths if path.parent != folder}:
            if not any(parent.iterdir()):
                parent.rmdir()
        if (folder / FOLDER).is_dir() and not any((folder / FOLDER).iterdir()):
            (folder / FOLDER).rmdir()
    except OSError as error:
        console.say(f"{folder.name}/{WHOLE} is of another state and stays: {error.strerror}")


def _ours(path: Path) -> dict[str, Any]:
    """Return the state of a bill that we have written, and what it refers to; else nothing."""
    try:
        if path.is_symlink() or not path.is_file():
            return {}
        table = json.loads(path.read_text(encoding="utf-8"))
        properties = {one["name"]: one["value"] for one in table["metadata"]["properties"]}
        found = [
            reference["url"]
            for component in table.get("components", ())
            for reference in component.get("externalReferences", ())
        ]
        brought = [url for url in found if _OURS.fullmatch(url) and ".." not in url]
        return {"state": properties[STATE], "brought": brought}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}
