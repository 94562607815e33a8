"""Two states held against each other."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from devpi_warmup.inputs.patches import Patches
from devpi_warmup.inventory.since import Relicensed, SinceError, differences, read_former
from devpi_warmup.wheelhouse.changes import Change
from devpi_warmup.wheelhouse.file_entry import FileEntry
from devpi_warmup.wheelhouse.files import lock_names
from devpi_warmup.wheelhouse.manifest import COVERED, MISSING, CellEntry, Manifest
from devpi_warmup.wheelhouse.origins import Origin
from devpi_warmup.wheelhouse.warmth import Proof, Warmth


def state(**cells: dict[str, str]) -> Manifest:
    """Return a manifest of cells, each with versions and licences as ``project=1.0 MIT``."""
    files, entries = {}, {}
    for id_, projects in cells.items():
        own = {}
        for project, told in projects.items():
            version, _, licence = told.partition(" ")
            name, sha256 = f"{project}-{version.rstrip('b')}-py3-none-any.whl", f"{told:0<64}"[:64]
            sha256 = sha256.encode().hex()[:64]
            proof = Proof(Warmth.WARM, "")
            files[name] = FileEntry(
                project,
                version.rstrip("b"),
                sha256,
                len(told),
                Origin.INDEX,
                proof,
                "26",
                licence=licence,
            )
            own[name] = sha256
        locks = dict.fromkeys(lock_names(id_), "0" * 64)
        entries[id_] = CellEntry(
            "3.13",
            "3.13.1",
            "win32",
            COVERED,
            "",
            patches=Patches("3.13.0", ""),
            locks=locks,
            files=own,
        )
    return Manifest("i", entries, files)


def test_each_kind_of_difference() -> None:
    before = state(one={"a": "1.0 MIT", "b": "2.0", "c": "1.0", "e": "1.0b"}, gone={"a": "1.0 MIT"})
    after = state(one={"a": "2.0 GPL", "b": "1.0", "d": "1.0", "e": "1.0"}, new={"d": "1.0"})
    found = differences(before, after, "last")
    assert found.changes == {
        "one": (
            *(Change("a", "1.0", "2.0"), Change("b", "2.0", "1.0"), Change("c", "1.0", "")),
            *(Change("d", "", "1.0"), Change("e", "1.0", "1.0")),
        )
    }
    assert (found.cells_new, found.cells_gone) == (("new",), ("gone",))
    assert found.licences == (Relicensed("a", "MIT", "GPL", "1.0", "2.0"),)
    assert ("d-1.0-py3-none-any.whl", 3) in [(one.name, one.size) for one in found.files_new]
    assert [one.name[0] for one in found.files_new] == ["a", "b", "d", "e"]
    assert [one.name[0] for one in found.files_gone] == ["a", "b", "c", "e"]


def test_the_same_is_no_difference() -> None:
    one = state(one={"a": "1.0 MIT"})
    found = differences(one, one, "last")
    assert not (found.files_new or found.files_gone or found.licences or found.unknown)
    assert found.changes == {"one": ()}


def test_a_missing_cell_has_nothing_to_compare() -> None:
    before = state(one={"a": "1.0"})
    entry = replace(before.cells["one"], state=MISSING, files={}, locks={})
    found = differences(before, replace(before, cells={"one": entry}), "last")
    assert (found.cells_gone, found.changes, found.unknown) == (("one",), {}, True)


def test_a_manifest_is_read_wherever_it_is_kept(tmp_path: Path) -> None:
    manifest = state(one={"a": "1.0 MIT"})
    (tmp_path / "manifest.json").write_text(json.dumps(manifest.to_dict()))
    assert read_former(tmp_path, "x") == read_former(tmp_path / "manifest.json", "x") == manifest


@pytest.mark.parametrize("text", [None, "", "{}", "[1]", '{"format": 99}', "\xff"])
def test_what_is_no_manifest_is_named(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(SinceError, match="last cannot be compared with: "):
        read_former(tmp_path, "last")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SinceError, match="pipe is no plain file"):
        read_former(tmp_path / "pipe", "pipe")
