"""A page of Markdown, as GitHub shows it beside a run."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from devpi_warmup.console import megabytes
from devpi_warmup.foreign import plain
from devpi_warmup.report.result import why
from devpi_warmup.wheelhouse.changes import told
from devpi_warmup.wheelhouse.manifest import MISSING

if TYPE_CHECKING:
    from devpi_warmup.report.result import Result

_LARGEST = 900_000  # bytes; GitHub refuses a page of over 1 MiB, and other steps write, too
_LONGEST = 300  # characters of a reason; the log has all of it
_CHANGES = 100
_MARKS = {ord(letter): f"&#{ord(letter)};" for letter in "\\`*_[]|~$@#"}


def summary(result: Result) -> str:
    """Return a table of the cells, and what has changed."""
    covered = sum(row.state != MISSING for row in result.rows)
    counted = f"{covered} of {len(result.rows)} {result.counted}"
    lines = [f"### devpi-warmup {result.command}: {counted}", ""]
    if result.others:
        lines += [f"{len(result.others)} more were not selected, and not looked at.", ""]
    if result.unexplained:
        lines += [f"**It has failed**: {_cell(_short(result.unexplained))}", ""]
    lines += ["| target | state | pins | size | warm | |", "|---|---|---|---|---|---|"]
    for row in result.rows:
        warm = f"{row.warm} of {row.shown}" if row.shown else "-"
        text = why(row) or "; ".join(row.notes)
        cells = (row.cell, row.state, str(row.pins), megabytes(row.size), warm, _short(text))
        lines.append(f"| {' | '.join(map(_cell, cells))} |")
    if changed := list(told(result.changes)):
        lines += ["", "Changed since the last lock:", ""]
        lines += [f"- {_cell(line)}" for line in changed[:_CHANGES]]
        lines += [f"- and {len(changed) - _CHANGES} more"] if len(changed) > _CHANGES else []
    return _cut("\n".join(lines) + "\n\n")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _cell(text: str) -> str:
    """Return a text that is nothing but text in a table of Markdown."""
    safe = html.escape(plain(text), quote=False).replace("\n", " ")
    return safe.translate(_MARKS).replace("://", "&#58;//")


def _cut(text: str) -> str:
    data = text.encode()
    if len(data) <= _LARGEST:
        return text
    whole = data[:_LARGEST].decode(errors="ignore").rpartition("\n")[0]
    return f"{whole}\n\nThe rest stands in the log and in report.json.\n"
