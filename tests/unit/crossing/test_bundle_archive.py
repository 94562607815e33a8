"""The archive's bytes follow from what is in it, and from nothing else."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from crossings import contents, files, made, wheel

from devpi_warmup.crossing.archive import Member, part_names, size_of, write_parts, written
from devpi_warmup.errors import WarmupError

LONG = f"wheelhouse/{'n' * 150}-1-py3-none-any.whl"


def members(folder: Path) -> list[Member]:
    found = []
    for name, data in {
        "a.txt": b"a",
        LONG: b"long" * 5000,
        "이름.txt": b"",
        "c": b"c" * 512,
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        found.append(Member(name, path, hashlib.sha256(data).hexdigest(), len(data)))
    return found


def test_its_size_is_known_before_it_is_written(tmp_path: Path) -> None:
    data = b"".join(written(members(tmp_path)))
    assert len(data) == size_of(members(tmp_path))


def test_any_tar_reads_it(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"".join(written(members(tmp_path / "in"))))
    with tarfile.open(tmp_path / "x.tar") as archive:
        assert archive.getnames() == ["a.txt", LONG, "이름.txt", "c"]
        for member in archive:
            assert (member.mode, member.uid, member.gid, member.uname) == (0o644, 0, 0, "")
            assert member.mtime == 315532800
            assert (
                archive.extractfile(member).read() == (tmp_path / "in" / member.name).read_bytes()
            )  # type: ignore[union-attr]


def test_nothing_of_the_file_system_is_in_it(tmp_path: Path) -> None:
    one, two = members(tmp_path / "one"), members(tmp_path / "two")
    for member in two:
        assert isinstance(member.source, Path)
        member.source.chmod(0o600)
        os.utime(member.source, (1, 1))
    assert b"".join(written(one)) == b"".join(written(two))


def test_parts_are_the_archive_cut(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    found = members(tmp_path)
    whole, size = b"".join(written(found)), size_of(found)
    names = part_names("x.tar", size, 1000)
    sums = write_parts(written(found), tmp_path / "out", names, 1000)
    parts = [(tmp_path / "out" / name).read_bytes() for name in names]
    assert b"".join(parts) == whole
    assert {len(part) for part in parts[:-1]} == {1000}
    assert [hashlib.sha256(part).hexdigest() for part in parts] == [sums[name] for name in names]
    assert names[0] == "x.tar.001"


def test_names_of_parts_sort_as_they_follow() -> None:
    names = part_names("x.tar", 1200 * 10, 10)
    assert len(names) == 1200
    assert list(names) == sorted(names)


def test_a_file_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    found = members(tmp_path)
    (tmp_path / "c").write_bytes(b"x" * 512)
    with pytest.raises(WarmupError, match="c has changed while it was read"):
        b"".join(written(found))


MAKE = """
import os, sys, time
from pathlib import Path
sys.path[:0] = {path!r}
os.umask({umask})
os.environ["TZ"] = {zone!r}
time.tzset()
from crossings import files, made, wheel
print(made(Path({folder!r}), files(wheel("a"), wheel("b")), chunk=70000).folder)
"""


def test_two_machines_make_the_same_bundle(tmp_path: Path) -> None:
    """Under another umask, time zone, locale, folder and hash seed."""
    outcomes = []
    for umask, zone, locale, seed in (
        (0o22, "UTC", "C", "1"),
        (0o77, "Asia/Seoul", "C.UTF-8", "2"),
    ):
        folder = tmp_path / f"by {zone.replace('/', '-')}"
        script = MAKE.format(path=sys.path, umask=umask, zone=zone, folder=str(folder))
        env = os.environ | {"LC_ALL": locale, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True
        )
        made_here = Path(done.stdout.strip())
        outcomes.append({p.name: p.read_bytes() for p in made_here.iterdir()})
    assert outcomes[0] == outcomes[1]
    assert {"bundle.tar.001", "unpack.py", "README.md", "SHA256SUMS"} <= {*outcomes[0]}


def test_another_byte_is_another_state(tmp_path: Path) -> None:
    one, two = files(wheel("a")), files(wheel("a"), month=2)
    assert contents(one).state.id != contents(two).state.id
    assert made(tmp_path, one).folder != made(tmp_path, two).folder
