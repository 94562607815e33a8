"""Whether a wheelhouse may be carried: it is whole, and its licences are let in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devpi_warmup.errors import WarmupError, indented, together
from devpi_warmup.inventory.contents import take
from devpi_warmup.report import outcome, table
from devpi_warmup.sessions.concluding import read_requirements
from devpi_warmup.wheelhouse.manifest import MISSING

if TYPE_CHECKING:
    import nox

    from devpi_warmup.inputs.config import Config
    from devpi_warmup.wheelhouse.coverage import Coverage


def check_licences(config: Config, coverage: Coverage) -> None:
    """Refuse files whose licence is not allowed, where the configuration wants that.

    :raises WarmupError: each version once
    """
    if not config.licences.required:
        return
    entries = coverage.manifest.cells
    cells = [c for c in config.cells if c.id in entries and entries[c.id].gathered]
    found = take(coverage.wheelhouse, coverage.manifest, cells, config.licences)
    if said := outcome.unlicensed(found.refused):
        raise WarmupError(
            f"licences that are not among licences-allowed:\n{indented(said)}",
            hint=f"{coverage.wheelhouse.shown}/reports/index.html says what would allow each; then "
            "run this again",
        )


def check_whole(session: nox.Session, config: Config, coverage: Coverage, command: str) -> None:
    """Refuse a wheelhouse in which a cell of the configuration is missing, by the bytes on disk.

    :param command: what is refused
    :raises WarmupError: each reason once, with the cells that it is of
    """
    wanted = read_requirements(session, config, command)
    digests = {name: found.digest for name, found in wanted.items()}
    carry = {e.name: e.carry for e in config.environments}
    cells: dict[tuple[str, str], list[str]] = {}
    for row in table.rows(coverage, config.cells, digests, {}, carry=carry):
        if row.state == MISSING:
            told = row.whole or row.reason, "warm it up: nox -s warmup, then run this again"
            cells.setdefault(told, []).append(row.cell)
        elif row.left:
            reason = f"{', '.join(row.left)} would have to be built inside"
            hint = "if that is what you want, name it in carry, and warm it up: nox -s warmup"
            cells.setdefault((reason, hint), []).append(row.cell)
    if cells:
        errors = [
            WarmupError(f"{', '.join(ids)}: {reason}", hint=hint)
            for (reason, hint), ids in cells.items()
        ]
        count = sum(map(len, cells.values()))
        raise WarmupError(
            f"no {command} of a wheelhouse that is not whole: {count} of {len(config.cells)} "
            f"{config.counted} missing\n  {together(errors)}"
        )
