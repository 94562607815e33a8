"""The wheelhouse on disk: whole or not at all."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from devpi_warmup.errors import WheelhouseError
from devpi_warmup.wheelhouse import files
from devpi_warmup.wheelhouse.about import About
from devpi_warmup.wheelhouse.files import Wheelhouse, write_text

if sys.version_info >= (3, 11):
    pass
else:
    pass


def test_write_text_is_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.txt"
    write_text(path, "one")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(WheelhouseError, match="No space left on device"):
        write_text(path, "two")
    assert path.read_text() == "one"


def test_write_text_leaves_the_same_text_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    write_text(path, "one")
    os.utime(path, ns=(1, 1))
    write_text(path, "one")
    assert path.stat().st_mtime_ns == 1


def test_a_new_run_clears_what_a_killed_one_left(tmp_path: Path) -> None:
    wheelhouse = Wheelhouse(tmp_path)
    wheelhouse.staging.mkdir()
    (wheelhouse.staging / "partial").touch()
    with wheelhouse.held():
        assert not list(wheelhouse.staging.iterdir())
    assert not wheelhouse.staging.exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_wheelhouse(tmp_path: Path) -> None:
    folder = tmp_path / "wheelhouse"
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(WheelhouseError, match="cannot be written"), Wheelhouse(folder).held():
        pass


def test_a_wheelhouse_that_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "wheelhouse"
    path.touch()
    with pytest.raises(WheelhouseError, match="cannot be written"), Wheelhouse(path).held():
        pass


def test_what_a_file_says_of_itself_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = list[Path]()

    def about(path: Path) -> About:
        read.append(path)
        return About(summary="once")

    monkeypatch.setattr(files, "about", about)
    wheelhouse = Wheelhouse(tmp_path)
    (tmp_path / "one.whl").write_bytes(b"bytes")
    said = [wheelhouse.about("one.whl").summary for _ in range(2)]
    assert (said, len(read)) == (["once"] * 2, 1)
    (tmp_path / "one.whl").write_bytes(b"other bytes")
    wheelhouse.about("one.whl")
    assert len(read) == 2


def test_what_could_not_be_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [About(problem="too many open files"), About(summary="now")]
    monkeypatch.setattr(files, "about", lambda _: said.pop(0))
    wheelhouse = Wheelhouse(tmp_path)
    (tmp_path / "one.whl").write_bytes(b"bytes")
    assert [wheelhouse.about("one.whl").summary for _ in range(2)] == ["", "now"]
