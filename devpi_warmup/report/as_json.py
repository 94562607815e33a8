"""``report.json``: the whole result, for programs; its schema is ``report.schema.json``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from devpi_warmup import __version__
from devpi_warmup.report.result import why
from devpi_warmup.wheelhouse.changes import by_change

if TYPE_CHECKING:
    from devpi_warmup.report.result import Result
    from devpi_warmup.report.table import Row

FORMAT = 1


def as_json(result: Result) -> str:
    """Return the result as JSON; the same result is the same text."""
    files = result.manifest.files
    named = sorted({n for row in result.rows for n in _files(result, row) if n in files})
    table = {
        "format": FORMAT,
        "tool": f"devpi-warmup {__version__}",
        "command": result.command,
        "ok": not result.problem,
        "problem": result.problem,
        "index": result.manifest.index,
        "targets": [_target(result, row) for row in result.rows],
        "files": [
            {
                "name": name,
                "project": files[name].project,
                "version": files[name].version,
                "sha256": files[name].sha256,
                "size": files[name].size,
                "origin": files[name].origin.value,
                "warm": files[name].proof.warmth.value,
            }
            for name in named
        ],
        "changes": _changes(result),
    }
    return json.dumps(table, indent=2) + "\n"


def _files(result: Result, row: Row) -> list[str]:
    entry = result.manifest.cells.get(row.cell)
    return sorted(entry.carried) if entry and entry.gathered else []


def _target(result: Result, row: Row) -> dict[str, Any]:
    return {
        "id": row.cell,
        "state": row.state,
        "ok": row.good,
        "python": row.patches,
        "reason": why(row) or row.reason,
        "pins": row.pins,
        "size": row.size,
        "warm": row.warm,
        "asked": row.shown,
        "notes": list(row.notes),
        "files": _files(result, row),
    }


def _changes(result: Result) -> list[dict[str, Any]]:
    return [
        {
            "project": change.project,
            "kind": change.kind,
            "before": change.before,
            "after": change.after,
            "targets": sorted(ids),
        }
        for change, ids in by_change(result.changes).items()
    ]
