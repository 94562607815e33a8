"""What a lock has that the one before it had not, and the other way round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from devpi_warmup.wheelhouse.lock import Lock, LockedPin

ADDED, GONE, UP, DOWN, FILE = "added", "gone", "up", "down", "another file"


@dataclass(frozen=True, order=True)
class Change:
    """One project that is not as it was.

    :param before: its version in the last lock, or ""
    :param after: its version now, or ""
    """

    project: str
    before: str
    after: str

    @property
    def kind(self) -> str:
        """What happened to it: :data:`ADDED`, :data:`GONE`, :data:`UP`, …."""
        if not self.before or not self.after:
            return GONE if self.before else ADDED
        if self.before == self.after:
            return FILE
        return UP if Version(self.before) < Version(self.after) else DOWN

    def __str__(self) -> str:
        if self.kind in {UP, DOWN}:
            return f"{self.project} {self.before} -> {self.after} ({self.kind})"
        return f"{self.project} {self.after or self.before} ({self.kind})"


def changes(before: Iterable[LockedPin], lock: Lock) -> Iterator[Change]:
    """Yield what differs between a lock and the one before it."""
    old = {pin.project: pin for pin in before}
    new = {pin.project: pin for pin in lock.pins}
    for project in sorted({*old, *new}):
        one, other = old.get(project), new.get(project)
        if one and other and (one.version, one.sha256) == (other.version, other.sha256):
            continue
        yield Change(project, str(one.version) if one else "", str(other.version) if other else "")


def by_change(found: Mapping[str, tuple[Change, ...]]) -> dict[Change, list[str]]:
    """Return the cells of each change, the changes in their order.

    :param found: by the id of the cell
    """
    cells: dict[Change, list[str]] = {}
    for id_, changed in found.items():
        for change in changed:
            cells.setdefault(change, []).append(id_)
    return dict(sorted(cells.items()))


def told(found: Mapping[str, tuple[Change, ...]]) -> Iterator[str]:
    """Say each change once, and for which cells.

    :param found: by the id of the cell
    """
    for change, ids in by_change(found).items():
        every = len(ids) == len(found) > 1
        yield f"{change}: {'all of them' if every else ', '.join(ids)}"
