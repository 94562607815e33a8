"""How a run ends: whether its exit status is 0, and if not, what is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devpi_warmup.errors import indented
from devpi_warmup.wheelhouse.manifest import MISSING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devpi_warmup.inventory.contents import Item
    from devpi_warmup.report.table import Row


_NAMED = 4  # cells in one line


def problem(rows: Sequence[Row], *, require_warm: bool, refused: Sequence[Item] = ()) -> str:
    """Return why a run has failed, or "" where every cell is as it must be.

    :param rows: of the cells of the run
    :param require_warm: whether what cannot be shown to be warm is a failure, too
    :param refused: the files whose licence is not allowed, where that is a failure, too
    """
    if missing := [row.cell for row in rows if row.state == MISSING]:
        if len(missing) > _NAMED:
            return f"{len(missing)} of {len(rows)} are missing; the table says why"
        return f"missing: {', '.join(missing)}"
    if left := [f"{row.cell} ({', '.join(row.left)})" for row in rows if row.left]:
        return f"to be built inside, and not named in carry: {', '.join(left[:_NAMED])}" + (
            f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
        )
    if cold := [row.cell for row in rows if not row.good]:
        return f"covered, but it is not shown that devpi holds every file: {', '.join(cold)}"
    reasons = dict.fromkeys(reason for row in rows for reason in row.unshown)
    if require_warm and reasons:
        return (
            "covered, but it cannot be shown that devpi holds every file, and require-warm wants "
            f"that:\n{indented(reasons)}"
        )
    return _unlicensed(refused)


def _unlicensed(refused: Sequence[Item]) -> str:
    if not refused:
        return ""
    return (
        f"licences that are not among licences-allowed:\n{indented(unlicensed(refused))}\n"
        "    hint: add what you let in to licences-allowed, word for word, or a project that you "
        'have looked at: "project:NAME"; or require another version'
    )


def unlicensed(refused: Sequence[Item]) -> list[str]:
    """Say of each version once why its licence is not allowed."""
    return list(
        dict.fromkeys(f"{i.file.project} {i.file.version}: {i.verdict.refused}" for i in refused)
    )
