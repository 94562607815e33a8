"""The table of what is covered."""

from __future__ import annotations

from dataclasses import replace

from journals import enter, journal, why

from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.targets import Target
from devpi_warmup.report import table as report
from devpi_warmup.wheelhouse import manifest
from devpi_warmup.wheelhouse.coverage import Coverage
from devpi_warmup.wheelhouse.files import Wheelhouse
from devpi_warmup.wheelhouse.lock import Lock
from devpi_warmup.wheelhouse.manifest import CellEntry


def test_the_table(wheelhouse: Wheelhouse, small: Lock) -> None:
    notes = ("lib 2.0 is not the newest", "another", "and one more")
    enter(journal(wheelhouse), replace(small, notes=notes))
    never, failed = Cell(Target("3.9", "win32")), Cell(Target("3.10", "win32"))
    failures = {failed.id: "the index is down\n  more"}
    found = report.rows(Coverage(wheelhouse), [small.cell, never, failed], {"": "digest"}, failures)
    lines = report.table(found).splitlines()
    columns = [small.cell.id, "covered", "from", "3.13.0", "2"]
    assert lines[1].split()[:5] == columns
    assert lines[1].endswith("note: lib 2.0 is not the newest; and 2 more notes")
    assert "missing" in lines[2]
    assert "it was never warmed up" in lines[2]
    assert lines[3].endswith("the index is down")
    assert lines[4] == "1 of 3 targets covered"


def test_a_failure_of_this_run_outranks_an_old_manifest(
    wheelhouse: Wheelhouse, small: Lock
) -> None:
    enter(journal(wheelhouse), small)
    failures = {small.cell.id: "server down"}
    (row,) = report.rows(Coverage(wheelhouse), [small.cell], {"": "digest"}, failures)
    assert row.state == "missing"


def test_an_entry_that_never_finished(wheelhouse: Wheelhouse, small: Lock) -> None:
    own = journal(wheelhouse)
    enter(own, small)
    own.begin(replace(small, pins=small.pins[:1]))
    assert why(wheelhouse, small.cell) == "its warmup has not finished"
    assert isinstance(manifest.read(wheelhouse).cells[small.cell.id], CellEntry)
