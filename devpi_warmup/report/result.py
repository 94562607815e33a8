"""What a command has come to: what every format of a report is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from devpi_warmup.inventory.contents import Inventory
from devpi_warmup.wheelhouse.manifest import MISSING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.inventory.since import Differences
    from devpi_warmup.report.table import Row
    from devpi_warmup.wheelhouse.changes import Change
    from devpi_warmup.wheelhouse.manifest import Manifest


@dataclass(frozen=True)
class Result:
    """The outcome of one command for some cells.

    :param command: the name of its session: ``warmup``, ``report``, ``merge``, ``verify``
    :param rows: one for each cell
    :param problem: why it has failed, or ""
    :param counted: what cells are called
    :param changes: since the last lock, by the id of the cell
    :param broken: whether it has failed for no cell's sake, before any was looked at
    :param manifest: what the wheelhouse holds
    :param cells: those of the rows
    :param inventory: every file of the rows that are not missing
    :param since: how it differs from an earlier state, where one was named
    :param folder: the wheelhouse, as its users call it
    :param written: when, as people read it
    :param sha256: of the manifest, or ""
    :param others: the ids of cells that were not selected, and so not looked at
    """

    command: str
    rows: tuple[Row, ...]
    problem: str
    counted: str
    manifest: Manifest
    changes: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)
    broken: bool = False
    cells: tuple[Cell, ...] = ()
    inventory: Inventory = field(default_factory=Inventory)
    since: Differences | None = None
    folder: str = "wheelhouse"
    written: str = ""
    sha256: str = ""
    others: tuple[str, ...] = ()

    @property
    def unexplained(self) -> str:
        """Why the command has failed, where no row says so."""
        return "" if self.failed and not self.broken else self.problem

    @property
    def failed(self) -> tuple[Row, ...]:
        """The rows that are not as they must be."""
        return tuple(row for row in self.rows if not row.good)


def why(row: Row) -> str:
    """Return in full why a cell is not as it must be; "" where it is."""
    if row.good:
        return ""
    if row.state == MISSING:
        return row.whole or row.reason
    return row.reason or "it is not shown that devpi holds every file"
