"""What unpack.py refuses: media that are damaged, not whole, or made by somebody else."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from crossings import (
    LOCK,
    MANIFEST,
    files,
    forged,
    head_of,
    here,
    made,
    seal,
    tree,
    wheel,
    with_head,
)

A, B = wheel("a"), wheel("b")
ONE = files(A, B)
HEAD = {
    "format": 1,
    **dict.fromkeys(("state", "base", "since"), ""),
    "files": {},
    "before": [],
    "next": [],
}
Members = list[tuple[tarfile.TarInfo, bytes]]


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    return made(tmp_path / "out", ONE).folder


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    return tmp_path / "inside" / "warm"


def refused(medium: Path, inside: Path, status: int, message: str) -> None:
    """It is refused, by --check as well, and nothing is left of it anywhere."""
    around = {p for p in inside.parent.parent.rglob("*") if "inside" not in p.parts}
    for words in ([inside], ["--check"]):
        done = here(medium, *words)
        assert (done.returncode, message in done.stderr) == (status, True), done.output
        assert "hint: " in done.stderr
    assert not inside.exists()
    assert {p for p in inside.parent.parent.rglob("*") if "inside" not in p.parts} == around


# Damage -------------------------------------------------------------------------------------


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["bundle.tar.001", "bundle.tar.002", "README.md", "README.ko.md"])
def test_a_flipped_bit_of_the_medium(tmp_path: Path, inside: Path, name: str) -> None:
    found = made(tmp_path / "out", {**ONE, B: bytes(100_000)}, chunk=1 << 16).folder
    flip(found / name, (found / name).stat().st_size // 2)
    refused(found, inside, 1, f"{name} is damaged")


def test_a_flipped_bit_of_the_script(medium: Path, inside: Path) -> None:
    text = (medium / "unpack.py").read_text()
    (medium / "unpack.py").write_text(text.replace("Unpack a bundle", "Unpack a cundle"))
    refused(medium, inside, 1, "unpack.py is damaged")


def test_a_flipped_bit_of_the_sums(medium: Path, inside: Path) -> None:
    text = (medium / "SHA256SUMS").read_text()
    name = text.splitlines()[-1].split("  ")[1]
    first = text.splitlines()[-1][0]
    (medium / "SHA256SUMS").write_text(
        text.replace(
            text.splitlines()[-1], ("1" if first == "0" else "0") + text.splitlines()[-1][1:]
        )
    )
    refused(medium, inside, 1, f"{name} is damaged")
    (medium / "SHA256SUMS").write_text(text.replace("  ", " ", 1))
    refused(medium, inside, 4, "SHA256SUMS is not a list of sums")


@pytest.mark.parametrize("name", [A, LOCK, MANIFEST, "SHA256SUMS", "README.md"])
def test_a_flipped_bit_of_a_file_in_the_archive(medium: Path, inside: Path, name: str) -> None:
    """By somebody who has made sums that fit the archive."""

    def change(members: Members) -> None:
        place = [member.name for member, _ in members].index(name)
        data = bytearray(members[place][1])
        data[0] ^= 1
        members[place] = (members[place][0], bytes(data))

    forged(medium, change)
    refused(medium, inside, 1, f"{name} in the archive is not the file that its list names")


def test_parts_in_the_wrong_order(tmp_path: Path, inside: Path) -> None:
    found = made(tmp_path / "out", {**ONE, B: bytes(range(256)) * 500}, chunk=1 << 16).folder
    one, two = found / "bundle.tar.001", found / "bundle.tar.002"
    one.rename(found / "x")
    two.rename(one)
    (found / "x").rename(two)
    refused(found, inside, 1, "bundle.tar.001 is damaged")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_part_is_missing(tmp_path: Path, inside: Path, number: int) -> None:
    found = made(tmp_path / "out", {**ONE, B: bytes(150_000)}, chunk=1 << 16).folder
    name = f"bundle.tar.00{number}"
    (found / name).unlink()
    refused(found, inside, 1, f"{name} is missing")
    seal(found)  # and out of the sums as well
    done = here(found, inside)
    assert done.returncode == 1
    assert not inside.exists()


def test_a_medium_without_sums(medium: Path, inside: Path) -> None:
    (medium / "SHA256SUMS").unlink()
    refused(medium, inside, 1, "no SHA256SUMS beside unpack.py")


def test_an_archive_that_was_compressed_on_its_way(medium: Path, inside: Path) -> None:
    (medium / "bundle.tar").rename(medium / "bundle.tar.zst")
    refused(medium, inside, 1, "bundle.tar is missing")


@pytest.mark.parametrize("keep", range(1, 7))
def test_an_archive_that_is_cut_between_two_files(medium: Path, inside: Path, keep: int) -> None:
    """Which a reader of tar takes for a whole one."""

    def change(members: Members) -> None:
        del members[keep:]

    forged(medium, change)
    refused(medium, inside, 1, "the archive ends without")


@pytest.mark.parametrize("left", [0, 100, 512, 700, 3000, 5000])
def test_an_archive_that_is_cut_anywhere(medium: Path, inside: Path, left: int) -> None:
    path = medium / "bundle.tar"
    path.write_bytes(path.read_bytes()[:left])
    seal(medium)
    done = here(medium, inside)
    assert done.returncode in {1, 4}
    assert not inside.exists()


def test_an_archive_of_noise(medium: Path, inside: Path) -> None:
    (medium / "bundle.tar").write_bytes(bytes(range(256)) * 100)
    seal(medium)
    refused(medium, inside, 1, "the archive is broken")


# Malice -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("/tmp/evil", "../evil", "wheelhouse/../../evil", "wheelhouse//evil", "./evil", "", "."),
        *("C:evil", "a\\evil", "evil.", "evil ", "con", "wheelhouse/NUL.txt", "COM1.whl", "lpt¹"),
        *("new\nline", "bell\a", "\u202egpj.exe", "applied.jsonl", "SHA256SUMS", "Bundle.JSON"),
        *("wheelhouse", "WHEELHOUSE/Manifest.json", f"{A}/inside", "n" * 201),
    ],
)
def test_a_path_that_leads_elsewhere(medium: Path, inside: Path, name: str) -> None:
    def change(members: Members) -> None:
        table: Any = head_of(members)
        table["files"][name] = table["files"].pop(B)
        table["carried"][table["carried"].index(B)] = name
        with_head(members, table)
        next(info for info, _ in members if info.name == B).name = name

    forged(medium, change)
    refused(medium, inside, 4, "the list names ")


def add(info: tarfile.TarInfo, data: bytes = b"") -> Callable[[Members], None]:
    def change(members: Members) -> None:
        info.size = len(data) if info.isreg() else 0
        members.insert(2, (info, data))

    return change


def kind(type_: bytes, name: str = A, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = type_, target
    return info


@pytest.mark.parametrize(
    "info",
    [
        kind(tarfile.SYMTYPE, A, "/etc/passwd"),
        kind(tarfile.LNKTYPE, A, "../../evil"),
        kind(tarfile.DIRTYPE, "wheelhouse"),
        kind(tarfile.FIFOTYPE),
        kind(tarfile.CHRTYPE),
        kind(tarfile.BLKTYPE),
        kind(tarfile.CONTTYPE),
    ],
)
def test_what_is_no_plain_file(medium: Path, inside: Path, info: tarfile.TarInfo) -> None:
    forged(medium, add(info))
    refused(medium, inside, 4, "in the archive is no plain file")


def test_a_file_twice(medium: Path, inside: Path) -> None:
    def change(members: Members) -> None:
        members.append(members[-1])

    forged(medium, change)
    refused(medium, inside, 4, "in the archive is there twice")


def test_a_file_that_the_list_does_not_name(medium: Path, inside: Path) -> None:
    forged(medium, add(tarfile.TarInfo("wheelhouse/more.whl"), b"more"))
    refused(medium, inside, 4, "'wheelhouse/more.whl' in the archive is not in its list")


def test_a_size_that_lies(medium: Path, inside: Path) -> None:
    def change(members: Members) -> None:
        table: Any = head_of(members)
        table["files"][B][0] += 1
        with_head(members, table)

    forged(medium, change)
    refused(medium, inside, 4, f"'{B}' in the archive has another size")


def test_a_list_that_is_not_first(medium: Path, inside: Path) -> None:
    def change(members: Members) -> None:
        members.append(members.pop(0))

    forged(medium, change)
    refused(medium, inside, 4, "the archive does not begin with bundle.json")


@pytest.mark.parametrize(
    "table",
    [
        None,
        [],
        {},
        {"format": 1},
        {"format": 1, "files": []},
        {**HEAD, "files": {"a": [1e999, "0" * 64]}},
        {**HEAD, "files": {"a": [1, 2, 3]}},
        {**HEAD, "next": 1},
        {"format": 1, "files": {"a": "b"}, "state": "", "base": "", "since": ""},
    ],
)
def test_a_list_that_is_none(medium: Path, inside: Path, table: object) -> None:
    forged(medium, lambda members: with_head(members, table))
    refused(medium, inside, 4, "bundle.json is not what a bundle makes")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", 2, "the bundle has format 2"),
        ("state", "0" * 64, "bundle.json contradicts itself"),
        ("carried", ["nobody"], "bundle.json contradicts itself"),
        ("carried", None, "bundle.json is not what a bundle makes"),
        ("next", [1], "bundle.json is not what a bundle makes"),
    ],
)
def test_a_list_that_contradicts_itself(
    medium: Path, inside: Path, key: str, value: object, message: str
) -> None:
    def change(members: Members) -> None:
        data = json.dumps({**head_of(members), key: value}).encode()
        members[0][0].size = len(data)
        members[0] = (members[0][0], data)

    forged(medium, change)
    refused(medium, inside, 4, message)


@pytest.mark.parametrize("entry", [[-1, "0" * 64], [1, "0" * 63], [1, "../" + "0" * 61]])
def test_a_list_without_true_sums(medium: Path, inside: Path, entry: list[object]) -> None:
    def change(members: Members) -> None:
        table: Any = head_of(members)
        table["files"]["wheelhouse/more"] = entry
        with_head(members, table)

    forged(medium, change)
    refused(medium, inside, 4, "the list names 'wheelhouse/more': no sum")


def test_sums_that_name_files_elsewhere(medium: Path, inside: Path) -> None:
    text = (medium / "SHA256SUMS").read_text()
    (medium / "SHA256SUMS").write_text(text + f"{'0' * 64}  ../evil\n")
    refused(medium, inside, 4, "SHA256SUMS names '../evil'")


def test_a_message_obeys_nobody(medium: Path, inside: Path) -> None:
    """What an archive says is shown without what a terminal would obey."""

    def change(members: Members) -> None:
        table: Any = head_of(members)
        table["next"] = [["Linux", "", "", "echo \x1b[31mred\x07"]]
        with_head(members, table)

    forged(medium, change)
    done = here(medium, inside)
    assert done.returncode == 0
    assert "\x1b" not in done.output
    assert "\x07" not in done.output
    assert {A, B} <= {*tree(inside)}
