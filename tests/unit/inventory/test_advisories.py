"""OSV's export is read as its schema says, and what cannot be read is never silence."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest

from devpi_warmup.inventory.advisories import Advisories
from devpi_warmup.inventory.osv import AdvisoryError, read


def advisory(name: str = "Some.App", **more: object) -> dict[str, object]:
    package = {"ecosystem": "PyPI", "name": name}
    ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}]
    return {
        "id": "PYSEC-1",
        "modified": "2026-01-02T00:00:00Z",
        "aliases": ["CVE-1"],
        "summary": "bad\n::add-mask::x",
        "affected": [{"package": package, "ranges": ranges} | more],
    }


def known(folder: Path, *tables: object) -> Advisories:
    for number, table in enumerate(tables):
        (folder / f"{number}.json").write_text(json.dumps(table))
    return read(folder, "osv")


def found(known: Advisories, version: str, project: str = "some-app") -> list[str]:
    return [one.id for one in known.about(project, version)]


def events(*pairs: tuple[str, str]) -> dict[str, object]:
    return {"ranges": [{"type": "ECOSYSTEM", "events": [{w: v} for w, v in pairs]}]}


@pytest.mark.parametrize(
    ("more", "hit", "missed"),
    [
        ({}, ["0.dev1", "1.9", "2.0rc1"], ["2.0", "2.0+cpu", "3"]),
        (events(("introduced", "1.0"), ("last_affected", "1.5")), ["1.0", "1.5"], ["0.9", "1.5.1"]),
        (
            events(("introduced", "3"), ("fixed", "3.2"), ("introduced", "1"), ("fixed", "1.4")),
            ["1.1", "3.0"],
            ["1.4", "2.0", "3.2"],
        ),
        (events(("introduced", "0"), ("limit", "1.0")), ["0.5"], ["1.0", "2"]),
        ({"ranges": [], "versions": ["1.0", "not a version"]}, ["1.0", "1.0+cu126"], ["1.1"]),
        (
            {"ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}], "versions": ["1.0"]},
            ["1.0"],
            ["2"],
        ),
    ],
)
def test_versions_are_affected_as_the_schema_says(
    tmp_path: Path, more: dict[str, object], hit: list[str], missed: list[str]
) -> None:
    what = known(tmp_path, advisory(**more))
    assert [v for v in hit if found(what, v) != ["PYSEC-1"]] == []
    assert [v for v in missed if found(what, v)] == []


def test_a_local_version_is_the_one_that_it_is_made_of(tmp_path: Path) -> None:
    what = known(tmp_path, advisory(**events(("introduced", "1"), ("last_affected", "2.9.1"))))
    assert found(what, "2.9.1+cu126") == ["PYSEC-1"]
    assert found(what, "2.9.2+cu126") == []


def test_the_same_advisory_twice_is_one(tmp_path: Path) -> None:
    what = known(tmp_path, advisory(), advisory())
    assert (what.count, found(what, "1.0")) == (1, ["PYSEC-1"])


def test_a_finding_says_what_a_person_needs(tmp_path: Path) -> None:
    severe = advisory() | {"database_specific": {"severity": "HIGH"}}
    later = advisory("other") | {"id": "PYSEC-2", "modified": "2026-05-01T00:00:00Z"}
    what = known(tmp_path, severe, later)
    (one,) = what.about("some-app", "1.0")
    assert (one.aliases, one.severity, one.fixed) == (("CVE-1",), "HIGH", ("2.0",))
    assert "\n" not in one.summary
    assert (what.count, what.newest) == (2, "2026-05-01T00:00:00Z")
    assert found(what, "1.0", "not-there") == []


@pytest.mark.parametrize(
    "more",
    [
        events(("introduced", "one")),
        events(("fixed", "2.0")),
        events(("introduced", "2.0"), ("fixed", "2.0")),
        {"ranges": [{"type": "ECOSYSTEM", "events": []}]},
        {"ranges": []},
        {"ranges": None, "versions": None},
        {"ranges": [{"type": "GIT", "events": []}]},
    ],
)
def test_what_cannot_be_told_is_told(tmp_path: Path, more: dict[str, object]) -> None:
    (one,) = known(tmp_path, advisory(**more)).about("some-app", "1.0")
    assert one.unclear


def test_withdrawn_ones_and_other_ecosystems_do_not_count(tmp_path: Path) -> None:
    other = advisory()
    other["affected"] = [{"package": {"ecosystem": "npm", "name": "some-app"}}]
    what = known(tmp_path, advisory() | {"withdrawn": "2026"}, other, advisory("else"))
    assert (what.count, found(what, "1.0")) == (1, [])


def test_files_lists_folders_and_archives(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("PyPI/1.json", json.dumps(advisory("z") | {"id": "Z"}))
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "list.json").write_text(
        json.dumps([advisory("a") | {"id": "A"}, advisory("b") | {"id": "B"}])
    )
    assert read(tmp_path, "osv").count == 3
    assert read(tmp_path / "all.zip", "all.zip").count == 1
    assert read(tmp_path / "more" / "list.json", "list.json").count == 2


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.json", b"{", "osv/a.json: "),
        ("a.json", b"3", "osv/a.json is not as OSV has it: "),
        (
            "a.json",
            b'{"id": "1", "affected": [{"package": {"ecosystem": "PyPI"}}]}',
            "'name' is missing",
        ),
        ("a.JSON", b"{", "osv/a.JSON: "),
        (
            "a.json",
            b'[{"id": "1"}, {"id": "2", "affected": {}}]',
            "osv/a.json, entry 2 is not as OSV has it: affected is no list",
        ),
        (
            "a.json",
            b'{"id": "1", "affected": [{"package": {"ecosystem": "pypi", "name": "x"}, "versions": "1"}]}',
            "versions is no list",
        ),
        (
            "a.json",
            b'{"affected": [{"package": {"ecosystem": "PyPI", "name": "x"}, "versions": ["1"]}]}',
            "'id' is missing",
        ),
        ("a.json", b'{"foo": 1}', "osv/a.json is not as OSV has it: 'id' is missing"),
        ("a.json.gz", b"", "osv/a.json.gz is packed in a way that is not read: unpack it"),
        ("a.ZIP", b"PK", "osv/a.ZIP: "),
        ("a.txt", b"", "osv has no advisory about a project of Python, so nothing was looked for"),
    ],
)
def test_no_answer_is_not_nothing_found(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    folder = tmp_path / "osv"
    folder.mkdir()
    (folder / name).write_bytes(data)
    with pytest.raises(AdvisoryError) as caught:
        read(folder, "osv")
    assert said in str(caught.value)
    with pytest.raises(AdvisoryError, match="nowhere"):
        read(tmp_path / "nowhere", "nowhere")


def test_what_is_no_plain_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(AdvisoryError, match="it is no plain file"):
        read(tmp_path, "osv")
