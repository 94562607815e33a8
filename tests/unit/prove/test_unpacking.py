"""Wheels that are unpacked ahead: whoever waits for one hears what became of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from devpi_warmup.errors import WarmupError
from devpi_warmup.index.pages import IndexFile
from devpi_warmup.process import Completed
from devpi_warmup.prove.pip import Pip
from devpi_warmup.prove.unpacking import Unpacking
from devpi_warmup.wheelhouse.files import StoredFile, Wheelhouse

FILE = IndexFile("x-1.0-py3-none-any.whl", "", "0" * 64)
STORED = StoredFile(Path("x"), "0" * 64, 1)


@pytest.fixture
def unpacking(tmp_path: Path) -> Iterator[Unpacking]:
    made = Unpacking(Wheelhouse(tmp_path, "wheelhouse"), {}, lambda file: tmp_path / file.filename)
    yield made
    made.cancel()
    made.join()


def pip(returncode: int) -> Pip:
    return Pip(sys.executable, lambda *_, **__: Completed(returncode, "", "no"))


def waited(unpacking: Unpacking) -> BaseException | None:
    (future,) = unpacking._begun.values()
    return future.exception(timeout=60)


def test_after_its_end_nothing_is_begun(unpacking: Unpacking) -> None:
    unpacking.cancel()
    unpacking.ahead(FILE, STORED, pip(0))
    assert isinstance(waited(unpacking), WarmupError)


def test_a_machine_without_threads_is_told(
    unpacking: Unpacking, monkeypatch: pytest.MonkeyPatch
) -> None:
    def submit(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(unpacking, "_pool", SimpleNamespace(submit=submit, shutdown=lambda **_: 0))
    unpacking.ahead(FILE, STORED, pip(0))
    assert "can't start new thread" in str(waited(unpacking))


def test_what_was_cancelled_is_waited_for_by_nobody(
    unpacking: Unpacking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking._pool, "submit", lambda *_: None)
    unpacking.ahead(FILE, STORED, pip(0))
    unpacking.cancel()
    (future,) = unpacking._begun.values()
    assert future.cancelled()


def test_an_sdist_is_not_unpacked(unpacking: Unpacking) -> None:
    unpacking.ahead(IndexFile("x-1.0.tar.gz", "", "0" * 64), STORED, pip(0))
    assert not unpacking._begun
