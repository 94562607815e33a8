"""The table of faults and outcomes, which the tests fill row by row."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest import mock

from catalogue import Upload
from projects import ROOT

from devpi_warmup import process
from devpi_warmup.digests import digest
from devpi_warmup.errors import FileError, WarmupError
from devpi_warmup.index import simple
from devpi_warmup.index.transport import Transport
from devpi_warmup.inputs import pip_config
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.config import Config
from devpi_warmup.inputs.environments import Environment
from devpi_warmup.inputs.pip_config import PipConfig
from devpi_warmup.inputs.sources import Source, Sources, load
from devpi_warmup.inputs.targets import Target
from devpi_warmup.inputs.urls import parse_index_url
from devpi_warmup.report import outcome, table
from devpi_warmup.run import Run
from devpi_warmup.wheelhouse.coverage import Coverage
from devpi_warmup.wheelhouse.files import Wheelhouse

PAGE = ROOT / "docs" / "faults.md"
HEAD = """\
# Faults, and what becomes of them

Written by the tests (`WRITE_FAULTS=1 nox -s tests -- --integration`), from runs against a real
devpi-server: everything that `nox -s warmup` does, up to its exit status.

*OK*: the target is covered, the right bytes are in the wheelhouse, and devpi is shown to hold them.
*not shown*: it is covered, and the table says `-`, since what devpi holds cannot be shown;
`require-warm` makes it fail. *fails*: the run ends with a status that is not 0, and says why.
There is no other outcome.

## On the wire

Where three outcomes stand, the fault came once, three times, and for ever; where two, once and for
ever.

"""
HASTY = PipConfig({"timeout": "1"}, ())  # seconds to connect
WIRE = ("upstream page", "upstream file", "devpi page", "devpi file")
_TIMES = re.compile(r",? (once|three times|for ever)$")
_LIMIT = simple.MAX_PAGE  # before a test makes it small


@dataclass(frozen=True)
class Row:
    fault: str
    where: str
    outcome: str
    message: str


ROWS: list[Row] = []


def record(fault: str, where: str, outcome: str, message: str = "") -> None:
    ROWS.append(Row(fault, where, outcome, message))


def summary(error: WarmupError | str, name: str = "") -> str:
    """Return the message without what differs from run to run."""
    lines = [line.strip() for line in str(error).splitlines()]
    text = next((line for line in reversed(lines) if not line.startswith("hint")), "")
    for word in text.split():
        if "://" in word:
            text = text.replace(word, "…")
    text = re.sub(r"[0-9a-f]{64}", "…", text)
    text = re.sub(r"\d\d:\d\d:\d\d( [+-]\d{4})?", "hh:mm:ss", text)
    text = re.sub(r"'/[^']*'", "'…'", text)
    text = text.replace("is over 1 MiB", f"is over {_LIMIT >> 20} MiB")
    if name:
        text = text.replace(name.replace("-", "_"), "NAME").replace(name, "NAME")
    return text.replace("|", "/")


def page() -> str:
    return HEAD + "\n".join([*_wire(), "", *_others(), "", *_messages()]) + "\n"


def _wire() -> list[str]:
    cells: dict[str, dict[str, list[str]]] = {}
    for row in ROWS:
        if row.where in WIRE:
            places = cells.setdefault(_TIMES.sub("", row.fault), {})
            places.setdefault(row.where, []).append(row.outcome)
    lines = [f"| fault | {' | '.join(WIRE)} |", f"|---|{'---|' * len(WIRE)}"]
    for fault, places in cells.items():
        shown = (", ".join(places.get(where, ["-"])) for where in WIRE)
        lines.append(f"| {fault} | {' | '.join(shown)} |")
    return lines


def _others() -> list[str]:
    lines = ["## Elsewhere", "", "| fault | where | outcome |", "|---|---|---|"]
    others = (row for row in ROWS if row.where not in WIRE)
    return [*lines, *(f"| {row.fault} | {row.where} | {row.outcome} |" for row in others)]


def _messages() -> list[str]:
    said: dict[str, list[Row]] = {}
    for row in ROWS:
        if row.message:
            said.setdefault(row.message, []).append(row)
    lines = ["## What a run says that fails", "", "| message | for example |", "|---|---|"]
    for message, rows in said.items():
        more = f", and {len(rows) - 1} more" if len(rows) > 1 else ""
        lines.append(f"| {message} | {rows[0].where}: {rows[0].fault}{more} |")
    return lines


def check_or_write() -> None:
    if os.environ.get("WRITE_FAULTS"):
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page(), encoding="utf-8")
    kept = PAGE.read_text(encoding="utf-8").splitlines()
    differing = "\n".join(difflib.unified_diff(kept, page().splitlines(), "kept", "ran", n=0))
    assert not differing, differing  # pytest rewrites no assertion of a helper


def warm(
    index_url: str,
    true: Upload,
    folder: Path,
    sleep: Callable[[float], object] | None = lambda _: None,
) -> str:
    """Warm one wheel by its project's name, as ``nox -s warmup`` does; return the outcome.

    :raises WarmupError: the run ends with a status that is not 0
    """
    name, target = true.filename.partition("-")[0], Target("3.13", "win_amd64")
    cell, sources = Cell(target), Sources(folder, (Source(folder / "main.txt"),))
    (folder / "main.txt").write_text(name)
    config = Config(
        root=folder,
        environments=(Environment("", (target,), sources),),
        index=parse_index_url(index_url),
        wheelhouse=folder / "wheelhouse",
        require_warm=False,
        reports=folder / "reports",
    )
    hasty = partial(Transport, sleep=sleep, read_timeout=1.5)
    with mock.patch(
        "devpi_warmup.index.opening.Transport", lambda url, settings: hasty(url, settings=HASTY)
    ):
        run = Run(config, settings=partial(pip_config.read, process.run, sys.executable))
        try:
            run.warm(cell, python=sys.executable)
            run.sweep()
        finally:
            run.close()
    wanted = load(sources)
    coverage = Coverage(Wheelhouse.of(config))
    (row,) = table.rows(coverage, [cell], {"": wanted.digest}, {})
    if problem := outcome.problem([row], require_warm=False):
        raise FileError(f"{problem}\n{row.reason}")
    (filename,) = coverage.entry(cell).files
    assert filename == true.filename
    assert digest(folder / "wheelhouse" / filename) == Upload(filename, true.data).digest
    return "not shown" if row.unshown else "OK"
