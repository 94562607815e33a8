"""``report.json``: the whole result, for programs; its schema is ``report.schema.json``."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from devpi_warmup import __version__
from devpi_warmup.report.result import why
from devpi_warmup.wheelhouse.changes import by_change

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from devpi_warmup.inventory.contents import Inventory, Item
    from devpi_warmup.inventory.since import Differences, Moved
    from devpi_warmup.report.result import Result
    from devpi_warmup.report.table import Row
    from devpi_warmup.wheelhouse.changes import Change

FORMAT = 2


def as_json(result: Result) -> str:
    """Return the result as JSON; the same result is the same text."""
    table = {
        "format": FORMAT,
        "tool": f"devpi-warmup {__version__}",
        "written": result.written,
        "command": result.command,
        "ok": not result.problem,
        "problem": result.problem,
        "not_selected": [*result.others],
        "manifest_sha256": result.sha256,
        "index": result.manifest.index,
        "bases": [*result.manifest.bases],
        "targets": [_target(result, row) for row in result.rows],
        "files": [_file(item) for item in result.inventory.items],
        "changes": _changes(result.changes),
        "since": _since(result.since) if result.since else None,
        "licences": {
            "allowed": [*result.inventory.policy.entries],
            "refused": [item.name for item in result.inventory.refused],
        },
        "advisories": _advisories(result.inventory),
    }
    return _written(table)


def state_of(result: Result) -> str:
    """Return what names a state of a wheelhouse and of what is known of it."""
    told = [
        [_target(result, row) for row in result.rows],
        [_file(item) for item in result.inventory.items],
        _advisories(result.inventory),
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def licences(result: Result) -> str:
    """Return ``licences.json``: what every file states of its licence, and nothing else."""
    return _written(
        [
            {
                "name": item.name,
                "project": item.file.project,
                "version": item.file.version,
                **_licence(item),
            }
            for item in result.inventory.items
        ]
    )


def _written(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"


def _target(result: Result, row: Row) -> dict[str, Any]:
    entry = result.manifest.cells.get(row.cell)
    gathered = entry if entry and entry.gathered else None
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
        "pip": gathered.pip if gathered else "",
        "notes": list(row.notes),
        "files": sorted(gathered.carried) if gathered else [],
    }


def _file(item: Item) -> dict[str, Any]:
    file = item.file
    return {
        "name": item.name,
        "project": file.project,
        "version": file.version,
        "sha256": file.sha256,
        "size": file.size,
        "origin": file.origin.value,
        "warm": file.proof.warmth.value,
        "requires_python": item.about.requires_python,
        "wanted_by": [*item.wanted_by],
        "installed": item.installed,
        "targets": [*item.cells],
        "boms": [*item.about.boms],
        "licence": _licence(item),
        "advisories": [finding.id for finding in item.findings],
    }


def _licence(item: Item) -> dict[str, Any]:
    licence = item.about.licence
    return {
        "text": licence.text,
        "stated_by": licence.stated.value,
        "whole": licence.whole,
        "classifiers": [*licence.classifiers],
        "files": [*licence.files],
        "problem": item.about.problem,
        "refused": item.verdict.refused,
        "allowed_by": item.verdict.by,
    }


def _advisories(inventory: Inventory) -> dict[str, Any]:
    known = inventory.advisories
    return {
        "looked": known is not None,
        "problem": inventory.unread,
        "source": known.shown if known else "",
        "count": known.count if known else 0,
        "newest": known.newest if known else "",
        "findings": [
            {
                "id": found.finding.id,
                "aliases": [*found.finding.aliases],
                "summary": found.finding.summary,
                "severity": found.finding.severity,
                "fixed": [*found.finding.fixed],
                "unclear": found.finding.unclear,
                "project": found.project,
                "version": found.version,
                "files": [item.name for item in items],
                "targets": sorted({cell for item in items for cell in item.cells}),
            }
            for found, items in inventory.findings.items()
        ],
    }


def _changes(found: Mapping[str, tuple[Change, ...]]) -> list[dict[str, Any]]:
    return [
        {
            "project": change.project,
            "kind": change.kind,
            "before": change.before,
            "after": change.after,
            "targets": sorted(ids),
        }
        for change, ids in by_change(found).items()
    ]


def _since(since: Differences) -> dict[str, Any]:
    return {
        "manifest": since.shown,
        "changes": _changes(since.changes),
        "targets_new": [*since.cells_new],
        "targets_gone": [*since.cells_gone],
        "files_new": _moved(since.files_new),
        "files_gone": _moved(since.files_gone),
        "licences": [
            {
                "project": one.project,
                "before": one.before,
                "after": one.after,
                "version_before": one.version_before,
                "version_after": one.version_after,
            }
            for one in since.licences
        ],
    }


def _moved(files: Iterable[Moved]) -> list[dict[str, Any]]:
    return [{"name": one.name, "size": one.size, "sha256": one.sha256} for one in files]
