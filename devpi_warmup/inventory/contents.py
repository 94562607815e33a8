"""What lies in a wheelhouse: every file, what it says of itself, who wants it, and for what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from devpi_warmup.inputs.licences import Policy
from devpi_warmup.inventory.licences import Verdict, judge
from devpi_warmup.wheelhouse.lock import LockError, read_lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.inventory.advisories import Advisories, Finding
    from devpi_warmup.wheelhouse.about import About
    from devpi_warmup.wheelhouse.file_entry import FileEntry
    from devpi_warmup.wheelhouse.files import Wheelhouse
    from devpi_warmup.wheelhouse.lock import LockedPin
    from devpi_warmup.wheelhouse.manifest import CellEntry, Manifest


_NAMED = 4  # cells; more are counted
_ELSEWHERE = "it has no wheel for this platform, or something there wants the older one"


@dataclass(frozen=True)
class Item:
    """One file.

    :param about: what it says of itself
    :param cells: the ids of those that carry it
    :param wanted_by: projects, and lines of requirement files; of what a build takes, nothing
    :param installed: whether a lock names it; else only a build takes it
    :param verdict: what becomes of its licence
    """

    name: str
    file: FileEntry
    about: About
    cells: tuple[str, ...]
    wanted_by: tuple[str, ...]
    installed: bool
    verdict: Verdict = field(default_factory=Verdict)
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Held:
    """What one cell holds.

    :param pins: of its lock, by project
    :param files: the names of what it carries
    """

    cell: Cell
    pins: Mapping[str, LockedPin]
    files: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """An advisory about one version of a project."""

    project: str
    version: str
    finding: Finding


@dataclass(frozen=True)
class Inventory:
    """What the cells of a report hold together.

    :param held: by the cells that were gathered, in their order
    :param items: by project, version, and name
    :param policy: which licences are allowed
    :param advisories: what was looked for, or None where nothing was
    :param unread: why it was not, though the user wanted it, or ""
    """

    held: tuple[Held, ...] = ()
    items: tuple[Item, ...] = ()
    policy: Policy = field(default_factory=Policy)
    advisories: Advisories | None = None
    unread: str = ""

    @property
    def refused(self) -> tuple[Item, ...]:
        """The files whose licence is not allowed."""
        return tuple(item for item in self.items if item.verdict.refused)

    @property
    def found(self) -> tuple[Item, ...]:
        """The files that an advisory is about."""
        return tuple(item for item in self.items if item.findings)

    @property
    def findings(self) -> dict[Found, tuple[Item, ...]]:
        """Each advisory about each version, with the files of that version."""
        found: dict[Found, tuple[Item, ...]] = {}
        for item in self.found:
            for finding in item.findings:
                key = Found(item.file.project, item.file.version, finding)
                found[key] = (*found.get(key, ()), item)
        return found

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(item.file.size for item in self.items)


def take(
    wheelhouse: Wheelhouse,
    manifest: Manifest,
    cells: Iterable[Cell],
    policy: Policy,
    advisories: Advisories | None = None,
) -> Inventory:
    """Look into every file that some cells carry.

    :param cells: whose locks and files are what the manifest says, byte for byte
    """
    held = tuple(_held(wheelhouse, cell, manifest.cells[cell.id]) for cell in cells)
    carriers: dict[str, list[Held]] = {}
    for one in held:
        for name in one.files:
            carriers.setdefault(name, []).append(one)
    items = []
    for name, by in carriers.items():
        file = manifest.files[name]
        own = wheelhouse.about(name)
        locked = [pin for one in by if (pin := one.pins.get(file.project))]
        wanting = dict.fromkeys(
            via for pin in locked if pin.sha256 == file.sha256 for via in pin.via
        )
        items.append(
            Item(
                name=name,
                file=file,
                about=own,
                cells=tuple(one.cell.id for one in by),
                wanted_by=tuple(sorted(wanting)),
                installed=any(name in manifest.cells[one.cell.id].files for one in by),
                verdict=judge(policy, file.project, own),
                findings=advisories.about(file.project, file.version) if advisories else (),
            )
        )
    items.sort(key=lambda item: (item.file.project, Version(item.file.version), item.name))
    return Inventory(held, tuple(items), policy, advisories)


def why_older(inventory: Inventory) -> dict[str, tuple[str, ...]]:
    """Say of each project with several versions why cells have an older one, as far as that shows.

    The newest version that lies here tells: where it refuses a Python, no more is to be asked.
    """
    said: dict[str, dict[str, list[str]]] = {}
    newest: dict[str, Item] = {}
    for item in inventory.items:  # in the order of versions
        if item.installed:
            newest[item.file.project] = item
    for held in inventory.held:
        for project, pin in held.pins.items():
            top = newest.get(project)
            if top is None or str(pin.version) == top.file.version:
                continue
            wants = top.about.requires_python
            fits = _fits(wants, held.cell.target.full_version)
            why = _ELSEWHERE if fits else f"that wants Python {wants}"
            line = f"{pin.version}, and not {top.file.version}: {why}"
            said.setdefault(project, {}).setdefault(line, []).append(held.cell.id)
    every = len(inventory.held)
    return {
        project: tuple(
            f"{line} ({', '.join(ids) if len(ids) <= _NAMED else f'{len(ids)} of {every}'})"
            for line, ids in lines.items()
        )
        for project, lines in said.items()
    }


def _fits(requires_python: str, full_version: str) -> bool:
    try:
        return SpecifierSet(requires_python).contains(full_version, prereleases=True)
    except InvalidSpecifier:  # pip takes it for none
        return True


def _held(wheelhouse: Wheelhouse, cell: Cell, entry: CellEntry) -> Held:
    try:
        pins = read_lock(wheelhouse.lock_path(cell.id).read_text(encoding="utf-8"))
    except (OSError, LockError):  # it was hashed a moment ago
        pins = ()
    return Held(cell, {pin.project: pin for pin in pins}, tuple(sorted(entry.carried)))
