"""What is covered, by the bytes on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from journals import enter, journal, rows, why

from devpi_warmup import digests
from devpi_warmup.errors import WheelhouseError
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.targets import Target
from devpi_warmup.wheelhouse import manifest
from devpi_warmup.wheelhouse.coverage import Coverage
from devpi_warmup.wheelhouse.files import Wheelhouse
from devpi_warmup.wheelhouse.lock import Lock


def test_a_missing_target_has_its_reason(wheelhouse: Wheelhouse, small: Lock) -> None:
    enter(journal(wheelhouse), small)
    journal(wheelhouse).missing(small.cell, "no such project\n  details", touched=True)
    found = rows(wheelhouse, small.cell)
    assert [(row.state, row.reason) for row in found] == [("missing", "no such project")]
    assert manifest.read(wheelhouse).files == {}


def test_a_reason_of_other_requirements_is_not_told_again(
    wheelhouse: Wheelhouse, small: Lock
) -> None:
    journal(wheelhouse).missing(small.cell, "no such project", touched=False)
    assert why(wheelhouse, small.cell) == "no such project"
    told = why(wheelhouse, small.cell, "other")
    assert told == "it failed for other requirements than these: warm it up again"


def test_a_python_is_exact(wheelhouse: Wheelhouse, small: Lock) -> None:
    """What covers 3.13 need not serve 3.13.2, which has the same id."""
    enter(journal(wheelhouse), small)
    newest = small.cell.target.full_version
    assert why(wheelhouse, Cell(Target(newest, small.cell.target.platform))) == ""
    reason = why(wheelhouse, Cell(Target("3.13.2", small.cell.target.platform)))
    assert reason == f"it was warmed up for Python {newest}, and the configuration says 3.13.2"


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("", "", ""),
        ("app-1.0-py3-none-any.whl", "x", "app-1.0-py3-none-any.whl is not the file"),
        ("app-1.0-py3-none-any.whl", "", "app-1.0-py3-none-any.whl is missing from wheelhouse/"),
        ("locks/{}.txt", "x", "txt is not the file that its warmup left there"),
        ("locks/{}.txt", "", "txt is missing from wheelhouse/"),
        ("locks/pylock.{}.toml", "", "toml is missing from wheelhouse/"),
        ("locks/{}.html", "x", "html is not the file that its warmup left there"),
        ("manifest.json", "{", "manifest.json cannot be used"),
    ],
)
def test_coverage_is_judged_by_the_bytes_on_disk(
    wheelhouse: Wheelhouse, small: Lock, name: str, change: str, reason: str
) -> None:
    enter(journal(wheelhouse), small)
    path = wheelhouse.path / name.format(small.cell.id)
    if change:
        path.write_text(change)
    elif name:
        path.unlink()
    found = why(wheelhouse, small.cell)
    assert reason in found
    assert bool(found) == bool(reason)
    if name != "manifest.json":
        assert "the requirements have changed" in why(wheelhouse, small.cell, "other")


@pytest.mark.parametrize("folder", ["", "locks"])
def test_links_do_not_cross_the_gap(
    wheelhouse: Wheelhouse, small: Lock, tmp_path: Path, folder: str
) -> None:
    enter(journal(wheelhouse), small)
    path = wheelhouse.path / folder
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    shown = f"wheelhouse/{folder}/".replace("//", "/")
    assert wheelhouse.linked == shown
    with pytest.raises(WheelhouseError, match=f"{shown} is a link"), wheelhouse.held():
        pass
    if folder:
        assert "is a link, which does not cross the gap" in why(wheelhouse, small.cell)


def test_each_file_is_hashed_once_and_the_manifest_read_once(
    wheelhouse: Wheelhouse, small: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = [Cell(Target("3.13", f"manylinux_2_{minor}_x86_64")) for minor in range(28, 37)]
    own = journal(wheelhouse)
    for target in targets:
        enter(own, replace(small, cell=target))
    hashed, read = [], []
    real_digest, real_read = digests.digest, manifest.read
    monkeypatch.setattr(digests, "digest", lambda p: hashed.append(p) or real_digest(p))
    monkeypatch.setattr(manifest, "read", lambda w: read.append(w) or real_read(w))
    another_run = Wheelhouse(wheelhouse.path)
    found = rows(another_run, *targets)
    assert [row.state for row in found] == ["covered"] * 9
    wheels = [path.name for path in hashed if path.suffix == ".whl"]
    assert sorted(wheels) == sorted(pin.file.filename for pin in small.pins)
    assert len(hashed) == len(set(hashed)) == 2 + 3 * 9
    assert len(read) == 1
    # In the same run, what has changed is hashed again, and nothing else; or all, when asked.
    hashed.clear()
    path = wheelhouse.path / small.pins[0].file.filename
    path.write_bytes(path.read_bytes() + b"x")
    assert [row.state for row in rows(another_run, *targets)] == ["missing"] * 9
    assert hashed == [path]
    another_run.digests.forget()
    rows(another_run, *targets)
    assert len(hashed) > 2


def test_wheels_of_no_covered_target_are_named(wheelhouse: Wheelhouse, small: Lock) -> None:
    enter(journal(wheelhouse), small)
    stray = wheelhouse.path / "old-1.0-py3-none-any.whl"
    assert Coverage(wheelhouse).unused_wheels([small.cell]) == []
    stray.touch()
    # Those of another configuration's covered target are needed, too.
    assert Coverage(wheelhouse).unused_wheels([Cell(Target("3.9", "win32"))]) == [stray.name]
    journal(wheelhouse).missing(small.cell, "gone", touched=True)
    unused = Coverage(wheelhouse).unused_wheels([Cell(Target("3.9", "win32"))])
    assert len(unused) == 1 + len(small.pins)
