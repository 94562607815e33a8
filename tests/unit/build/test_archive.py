"""Archives that would do harm are refused before a byte of them is written elsewhere."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from sdist import make_tar

from devpi_warmup.build import archive
from devpi_warmup.build.archive import ArchiveError, unpack

GOOD = {"x-1.0/setup.py": "pass\n", "x-1.0/x/__init__.py": ""}


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, link
    return found


def place(tmp_path: Path, data: bytes, filename: str = "x-1.0.tar.gz") -> tuple[Path, str, Path]:
    path, folder = tmp_path / "staged", tmp_path / "inside" / "out"
    path.write_bytes(data)
    folder.mkdir(parents=True)
    return path, filename, folder


def test_a_tar_and_its_links_inside(tmp_path: Path) -> None:
    data = make_tar(GOOD, member("x-1.0/link", tarfile.SYMTYPE, "x/__init__.py"))
    source = unpack(*place(tmp_path, data))
    assert source.name == "x-1.0"
    assert (source / "setup.py").read_text() == "pass\n"
    assert (source / "link").read_text() == ""


@pytest.mark.parametrize("suffix", ["bz2", "xz"])
def test_other_kinds_of_tar(tmp_path: Path, suffix: str) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=f"w:{suffix}") as made:
        made.addfile(member("x-1.0/setup.py"))
    assert unpack(*place(tmp_path, stream.getvalue(), f"x-1.0.tar.{suffix}")).name == "x-1.0"


def test_a_zip(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        made.writestr("x-1.0/setup.py", "pass\n")
    assert (unpack(*place(tmp_path, stream.getvalue(), "x-1.0.zip")) / "setup.py").is_file()


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (member("x-1.0/../../evil"), "would write outside its folder"),
        (member("/tmp/evil"), "would write outside its folder"),
        (member("C:/evil"), "would write outside its folder"),
        (member("x-1.0/l", tarfile.SYMTYPE, "/etc/passwd"), "has a link out of its folder"),
        (member("x-1.0/l", tarfile.SYMTYPE, "../../evil"), "has a link out of its folder"),
        (member("x-1.0/l", tarfile.LNKTYPE, "/etc/passwd"), "has a link out of its folder"),
        (member("x-1.0/l", tarfile.LNKTYPE, "../evil"), "has a link out of its folder"),
        (member("x-1.0/d", tarfile.CHRTYPE), "has a device or a pipe"),
        (member("x-1.0/p", tarfile.FIFOTYPE), "has a device or a pipe"),
        (member("y-1.0/setup.py"), "has not one folder at its top"),
        (member("setup.py"), "has not one folder at its top"),
    ],
)
def test_what_is_refused(tmp_path: Path, bad: tarfile.TarInfo, why: str) -> None:
    place_ = place(tmp_path, make_tar(GOOD, bad))
    with pytest.raises(ArchiveError, match=why):
        unpack(*place_)
    assert not list(tmp_path.rglob("evil"))
    assert [path.name for path in (tmp_path / "inside").iterdir()] == ["out"]


def test_a_way_out_by_two_links(tmp_path: Path) -> None:
    links = [
        member("x-1.0/d", tarfile.DIRTYPE),
        member("x-1.0/d/up", tarfile.SYMTYPE, ".."),
        member("x-1.0/out", tarfile.SYMTYPE, "d/up/../.."),
        member("x-1.0/out/evil"),
    ]
    with pytest.raises(ArchiveError, match="cannot be unpacked"):
        unpack(*place(tmp_path, make_tar(GOOD, *links)))
    assert not list(tmp_path.rglob("evil"))


def test_a_zip_with_a_way_out(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        made.writestr("x-1.0/../../evil", "")
    with pytest.raises(ArchiveError, match="outside"):
        unpack(*place(tmp_path, stream.getvalue(), "x-1.0.zip"))


def test_a_bomb_and_no_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_UNSUSPICIOUS", 1 << 20)
    bomb = make_tar({"x-1.0/zeros": "0" * (2 << 20)})
    with pytest.raises(ArchiveError, match="would be over 2 MiB, and is "):
        unpack(*place(tmp_path / "a", bomb)) if (tmp_path / "a").mkdir() is None else None
    (tmp_path / "b").mkdir()
    with pytest.raises(ArchiveError, match="cannot be unpacked"):
        unpack(*place(tmp_path / "b", b"nothing of the kind"))
    monkeypatch.setattr(archive, "MAX_FILES", 1)
    (tmp_path / "c").mkdir()
    with pytest.raises(ArchiveError, match="has more than 1 files"):
        unpack(*place(tmp_path / "c", make_tar(GOOD)))
