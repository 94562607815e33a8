from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from devpi_warmup import digests
from devpi_warmup.digests import Digests


def test_who_asks_meanwhile_waits_for_the_one_that_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, reads, began, go_on = tmp_path / "file", list[Path](), Event(), Event()
    path.write_bytes(b"bytes")

    def slow(one: Path) -> str:
        reads.append(one)
        began.set()
        assert go_on.wait(60)
        return "digest"

    monkeypatch.setattr(digests, "digest", slow)
    own = Digests()
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(own.of, path) for _ in range(4)]
        assert began.wait(60)
        go_on.set()
        assert {one.result() for one in asked} == {"digest"}
    assert reads == [path]


def test_another_file_of_that_name_is_read_again(tmp_path: Path) -> None:
    path, own = tmp_path / "file", Digests()
    path.write_bytes(b"some")
    before = own.of(path)
    path.unlink()
    path.write_bytes(b"others")
    assert own.of(path) != before


def test_what_is_being_read_is_forgotten_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, began, go_on = tmp_path / "file", Event(), Event()
    path.write_bytes(b"bytes")
    said = iter(["before", "after"])

    def slow(_: Path) -> str:
        found = next(said)
        began.set()
        assert go_on.wait(60)
        return found

    monkeypatch.setattr(digests, "digest", slow)
    own = Digests()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(own.of, path)
        assert began.wait(60)
        own.forget()
        go_on.set()
        assert asked.result() == "before"
    assert own.of(path) == "after"
