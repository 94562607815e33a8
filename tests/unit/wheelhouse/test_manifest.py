"""The manifest as values."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from journals import enter, journal, why

from devpi_warmup.inputs.patches import Patches
from devpi_warmup.wheelhouse import manifest
from devpi_warmup.wheelhouse.files import Wheelhouse
from devpi_warmup.wheelhouse.lock import Lock
from devpi_warmup.wheelhouse.manifest import Manifest, ManifestError


def test_what_is_written_is_read_back(wheelhouse: Wheelhouse, small: Lock) -> None:
    enter(journal(wheelhouse), replace(small, notes=("a note",)), warnings=("odd RECORD",))
    found = manifest.read(wheelhouse)
    assert Manifest.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    entry = found.cells[small.cell.id]
    assert entry.gathered
    assert (entry.python, entry.full_version) == ("3.13", small.target.full_version)
    assert entry.patches == Patches("3.13.0")
    assert found.notes(entry) == ("a note", "app: pip: odd RECORD", "lib: pip: odd RECORD")
    table = found.to_dict()
    assert table["targets"][small.cell.id]["from"] == "3.13.0"
    file = table["files"]["app-1.0-py3-none-any.whl"]
    assert file["warm"] == "cannot be shown"
    assert file["warm_reason"] == "the index is not a devpi"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("format", 99, "its format is 99, not 2"),
        ("index", 3, "index is not of type str"),
        ("targets", [], "targets is not of type dict"),
        ("targets.ID", 3, "targets.ID.from is missing"),
        ("targets.ID.state", "fine", "targets.ID.state is 'fine'"),
        ("targets.ID.locks", {}, "targets.ID is covered without a lock"),
        ("targets.ID.locks", {"locks/x.txt": "0" * 64}, "targets.ID is covered without a lock"),
        ("targets.ID.from", "abc", "targets.ID.from and to are not releases of Python"),
        ("targets.ID.to", "x", "targets.ID.from and to are not releases of Python"),
        ("targets.ID.reason", "\ud800", "targets.ID.reason is not text"),
        ("targets.ID.files.long.whl", "0" * 64, "is not that of files"),
        ("targets.ID.files.app-1.0-py3-none-any.whl", "0" * 64, "is not that of files"),
        ("targets.ID.files.app-1.0-py3-none-any.whl", 3, "is not a file and its sha256"),
        ("targets.ID.locks.../../x", "0" * 64, "is not a file and its sha256"),
        ("files.app-1.0-py3-none-any.whl.size", True, "size is not of type int"),
        ("files.app-1.0-py3-none-any.whl.warm", "hot", "warm is 'hot'"),
        ("files.app-1.0-py3-none-any.whl.pip", None, "pip is not of type str"),
    ],
)
def test_an_error_carries_its_path(
    wheelhouse: Wheelhouse, small: Lock, path: str, value: object, message: str
) -> None:
    enter(journal(wheelhouse), small)
    table = manifest.read(wheelhouse).to_dict()
    keys = ("app-1.0-py3-none-any.whl", "../../x", "long.whl")
    place, name = table, path
    for key in keys:
        path = path.replace(f".{key}", f".{keys.index(key)}")
    *folders, name = path.split(".")
    for folder in folders:
        place = place[_key(folder, keys, small)]
    place[_key(name, keys, small)] = value
    with pytest.raises(ManifestError) as error:
        Manifest.from_dict(table)
    assert message.replace("ID", small.cell.id) in str(error.value)


def _key(part: str, keys: tuple[str, ...], lock: Lock) -> str:
    return keys[int(part)] if part.isdecimal() else lock.cell.id if part == "ID" else part


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *(("", "cannot be used"), ("{broken", "cannot be used"), ("[]", "it is not a table")),
        *(("3", "it is not a table"), ("{}", "its format is None"), ("[" * 100_000, "cannot be")),
        ('{"format": 1, "files": {}, "targets": {}}', "its format is 1, not 2"),
    ],
)
def test_a_manifest_that_cannot_be_used_says_why(
    wheelhouse: Wheelhouse, small: Lock, text: str, message: str
) -> None:
    (wheelhouse.path / "manifest.json").write_text(text)
    found = manifest.read(wheelhouse)
    assert (found.cells, found.files) == ({}, {})
    assert message in why(wheelhouse, small.cell)
    assert manifest.read(Wheelhouse(wheelhouse.path / "none")).problem == "it was never warmed up"
    enter(journal(wheelhouse), small)  # a warmup writes it anew
    assert why(wheelhouse, small.cell) == ""


def test_an_sdist_among_the_files_is_to_be_built(wheelhouse: Wheelhouse, small: Lock) -> None:
    """Nothing makes a cell covered that says of itself that it has to be built."""
    enter(journal(wheelhouse), small)
    table = manifest.read(wheelhouse).to_dict()
    (entry,) = table["targets"].values()
    name, sha256 = next(iter(entry["files"].items()))
    entry["files"] = {"app-1.0.tar.gz": sha256}
    table["files"] = {"app-1.0.tar.gz": table["files"][name]}
    with pytest.raises(ManifestError, match="to_build does not fit its state and files"):
        Manifest.from_dict(table)
    table["files"]["app-1.0.tar.gz"]["version"] = "abc"
    with pytest.raises(ManifestError, match="version is 'abc'"):
        Manifest.from_dict(table)
