"""The manifest during a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from journals import INDEX, ON_DISK, enter, journal, rows, states, why

from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.targets import Target
from devpi_warmup.resolve.lock_files import write_lock
from devpi_warmup.wheelhouse import manifest
from devpi_warmup.wheelhouse.files import Wheelhouse
from devpi_warmup.wheelhouse.journal import ManifestJournal
from devpi_warmup.wheelhouse.lock import Lock, Pin
from devpi_warmup.wheelhouse.origins import Origin
from devpi_warmup.wheelhouse.warmth import UNSWEPT, Proof, Warmth


def by_url(pin: Pin) -> Pin:
    return replace(pin, file=replace(pin.file, origin=Origin.DIRECT))


def test_a_target_is_struck_out_before_anything_of_it_changes(
    wheelhouse: Wheelhouse, small: Lock
) -> None:
    enter(journal(wheelhouse), small)
    before = (wheelhouse.path / "manifest.json").read_bytes()
    journal(wheelhouse).begin(small)  # nothing changes
    assert (wheelhouse.path / "manifest.json").read_bytes() == before
    journal(wheelhouse).begin(replace(small, pins=small.pins[:1]))
    assert states(wheelhouse) == {small.cell.id: "missing"}


def test_a_run_that_enters_nothing_writes_nothing(wheelhouse: Wheelhouse, small: Lock) -> None:
    """It may have asked a wrong address."""
    enter(journal(wheelhouse), small)
    before = (wheelhouse.path / "manifest.json").read_bytes()
    elsewhere = ManifestJournal(wheelhouse, {}, "https://elsewhere.example.com")
    elsewhere.keep()
    assert (wheelhouse.path / "manifest.json").read_bytes() == before


def test_a_replaced_file_strikes_out_who_needs_it_and_nobody_else(
    wheelhouse: Wheelhouse, small: Lock
) -> None:
    """A file of the index was replaced, and one target is warmed up again."""
    app, lib = small.pins
    related, unrelated = Cell(Target("3.9", "win_amd64")), Cell(Target("3.9", "win32"))
    enter(journal(wheelhouse), small)
    enter(journal(wheelhouse), replace(small, cell=related, pins=(app,)))
    enter(journal(wheelhouse), replace(small, cell=unrelated, pins=(lib,)))
    path = wheelhouse.path / app.file.filename
    path.write_bytes(b"another file")
    changed = replace(app, sha256=manifest_digest(path), size=12)
    enter(journal(wheelhouse), replace(small, cell=related, pins=(changed,)))
    assert manifest.read(wheelhouse).problem == ""
    assert states(wheelhouse) == {
        small.cell.id: "missing",
        related.id: "covered",
        unrelated.id: "covered",
    }
    assert why(wheelhouse, unrelated) == ""
    reason = "app-1.0-py3-none-any.whl was replaced for cp39-win_amd64: warm it up again"
    assert why(wheelhouse, small.cell) == reason


def test_what_another_script_had_unpacked_is_unpacked_again(
    wheelhouse: Wheelhouse, small: Lock
) -> None:
    enter(journal(wheelhouse), small)
    pips = {file.pip for file in manifest.read(wheelhouse).files.values()}
    for by, known in (("", pips), ("another", {""})):
        found = ManifestJournal(wheelhouse, {}, "index", (), by).manifest
        assert {file.pip for file in found.files.values()} == known
        assert found.unpacked_by == by


def manifest_digest(path: Path) -> str:
    from devpi_warmup.digests import digest

    return digest(path)


def proofs_of(wheelhouse: Wheelhouse) -> set[str]:
    return {str(file.proof) for file in manifest.read(wheelhouse).files.values()}


def test_what_another_index_was_shown_to_hold_is_not_warm(
    wheelhouse: Wheelhouse, small: Lock
) -> None:
    proofs = {pin.file: ON_DISK for pin in small.pins}
    first = journal(wheelhouse)
    enter(first, small, UNSWEPT)
    assert proofs_of(wheelhouse) == {"not warm: the run ended before devpi was asked"}
    first.proven(proofs)
    assert proofs_of(wheelhouse) == {"warm"}
    one = replace(small, cell=Cell(Target("3.9", "win_amd64")), pins=small.pins[:1])
    second = journal(wheelhouse, index="https://other.example.com/user/index")
    enter(second, one)
    second.proven({one.pins[0].file: ON_DISK})
    found = rows(wheelhouse, small.cell, one.cell)
    assert [(row.warm, row.shown) for row in found] == [(1, 2), (1, 1)]
    assert f"warmed through another index, {INDEX}" in found[0].reason


def test_another_index_than_the_one_that_was_asked(wheelhouse: Wheelhouse, small: Lock) -> None:
    proofs = {pin.file: ON_DISK for pin in small.pins}
    own = journal(wheelhouse)
    enter(own, small)
    own.proven(proofs)
    (row,) = rows(wheelhouse, small.cell, asked=INDEX)
    assert (row.warm, row.shown, row.unshown) == (2, 2, ())
    (row,) = rows(wheelhouse, small.cell, asked="https://other.example.com/user/index")
    assert (row.warm, row.shown, row.good) == (0, 2, False)
    other = "https://other.example.com/user/index"
    assert row.reason == f"app, lib not warm: {INDEX} was asked, not {other}"


def test_files_of_which_nothing_is_shown_are_counted_beside_those_that_are(
    wheelhouse: Wheelhouse, small: Lock
) -> None:
    own = journal(wheelhouse)
    enter(own, small)
    first, second = (pin.file for pin in small.pins)
    unknown = Proof(Warmth.UNKNOWN, "a cache answers")
    own.proven({first: unknown, second: unknown})
    (row,) = rows(wheelhouse, small.cell)
    assert (row.warm, row.shown, row.good, row.unshown) == (0, 0, True, ("a cache answers",))
    own.proven({first: ON_DISK, second: unknown})
    (row,) = rows(wheelhouse, small.cell)
    assert (row.warm, row.shown, row.good) == (1, 2, False)
    assert "cannot be shown: a cache answers" in row.reason


def test_a_direct_url_and_silent_bases_are_not_passed_over(
    wheelhouse: Wheelhouse, small: Lock
) -> None:
    app, lib = small.pins
    lock = replace(small, pins=(by_url(app), lib))
    own = journal(wheelhouse)
    own.begin(lock)
    write_lock(lock, wheelhouse)
    judged = {pin.file.filename: () for pin in lock.pins}
    own.covered(lock, UNSWEPT, judged, pip_version="26.3", unshown="no bases")
    own.proven({lib.file: ON_DISK})
    (row,) = rows(wheelhouse, small.cell)
    assert (row.warm, row.shown, row.good) == (1, 1, True)
    assert row.unshown == ("app comes from a direct URL", "no bases")


@pytest.mark.parametrize("direct_first", [False, True])
def test_a_file_of_the_index_for_one_target_is_of_the_index(
    wheelhouse: Wheelhouse, small: Lock, direct_first: bool
) -> None:
    """Though another target has the same file from a direct URL: devpi must hold it."""
    direct = replace(
        small,
        cell=Cell(Target("3.9", "win_amd64")),
        pins=tuple(map(by_url, small.pins)),
    )
    cold = Proof(Warmth.COLD, "not committed")
    for lock in (direct, small) if direct_first else (small, direct):
        enter(journal(wheelhouse), lock, cold)
    assert proofs_of(wheelhouse) == {"not warm: not committed"}
    files = manifest.read(wheelhouse).files.values()
    assert {file.origin for file in files} == {Origin.INDEX}


def test_a_failure_that_touched_nothing_leaves_what_was_covered(
    wheelhouse: Wheelhouse, small: Lock
) -> None:
    enter(journal(wheelhouse), small)
    journal(wheelhouse).missing(small.cell, "the index is wrong", touched=False)
    assert states(wheelhouse) == {small.cell.id: "covered"}
    assert why(wheelhouse, small.cell) == ""


@pytest.mark.parametrize(
    ("digest", "target", "touched"),
    [
        ("other", None, False),  # the requirements have changed
        ("digest", Cell(Target("3.13.2", "manylinux_2_28_x86_64")), False),  # the Python has
        ("digest", None, True),  # the referee refuses the lock of this run
    ],
)
def test_a_lock_that_serves_something_else_is_set_aside(
    wheelhouse: Wheelhouse, small: Lock, digest: str, target: Target | None, touched: bool
) -> None:
    """It would install, without what has failed."""
    enter(journal(wheelhouse), small)
    paths = wheelhouse.lock_paths(small.cell.id)
    texts = [path.read_text() for path in paths]
    journal(wheelhouse, digest).missing(target or small.cell, "no such project", touched=touched)
    assert why(wheelhouse, target or small.cell, digest) == "no such project"
    assert not any(path.exists() for path in paths)
    aside = [path.parent / "outdated" / path.name for path in paths]
    assert [path.read_text() for path in aside] == texts
    enter(journal(wheelhouse), small)
    assert why(wheelhouse, small.cell) == ""
    assert not aside[0].parent.exists()  # it has another lock now
