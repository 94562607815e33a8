"""Wheels that are unpacked ahead: whoever waits for one hears what became of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from devpi_warmup.errors import WarmupError
from devpi_warmup.index.pages import IndexFile
from devpi_warmup.process import Completed
from devpi_warmup.prove.judge import Judgement, Packed
from devpi_warmup.prove.pip import Pip
from devpi_warmup.prove.unpacking import Unpacking
from devpi_warmup.wheelhouse.files import StoredFile, Wheelhouse

if TYPE_CHECKING:
    from devpi_warmup.wheelhouse.lock import Lock

FILE = IndexFile("x-1.0-py3-none-any.whl", "", "0" * 64)
LARGE = IndexFile("y-1.0-py3-none-any.whl", "", "1" * 64)
STORED = StoredFile(Path("x"), "0" * 64, 1)


@pytest.fixture
def unpacking(tmp_path: Path) -> Iterator[Unpacking]:
    made = Unpacking(Wheelhouse(tmp_path, "wheelhouse"), {}, lambda file: tmp_path / file.filename)
    yield made
    made.cancel()
    made.join()


def pip(returncode: int) -> Pip:
    return Pip(sys.executable, lambda *_, **__: Completed(returncode, "", "no"))


def wanted(unpacking: Unpacking, *files: IndexFile) -> WarmupError | None:
    """What becomes of a lock of these."""
    wheels = [SimpleNamespace(file=file, sha256=file.sha256, size=1) for file in files]
    lock = cast("Lock", SimpleNamespace(wheels=wheels, cell=SimpleNamespace(id="cp313-any")))
    try:
        unpacking.of(lock, "26.3", pip(0))
    except WarmupError as error:
        return error
    return None


def test_after_its_end_nothing_is_begun(unpacking: Unpacking) -> None:
    unpacking.cancel()
    unpacking.ahead(FILE, STORED, pip(0))
    assert isinstance(wanted(unpacking, FILE), WarmupError)


def test_a_machine_without_threads_is_told(
    unpacking: Unpacking, monkeypatch: pytest.MonkeyPatch
) -> None:
    def submit(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(unpacking, "_pool", SimpleNamespace(submit=submit, shutdown=lambda **_: 0))
    assert "can't start new thread" in str(wanted(unpacking, FILE))
    unpacking.ahead(LARGE, replace(STORED, size=20_000_000), pip(0))
    assert "can't start new thread" in str(wanted(unpacking, LARGE))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What pip is called with."""
    called = list[list[str]]()

    def unpack(wheels: Sequence[Packed], *_: object, **__: object) -> list[Judgement]:
        called.append([wheel.path.name for wheel in wheels])
        return [Judgement("") for _ in wheels]

    monkeypatch.setattr("devpi_warmup.prove.unpacking.unpack", unpack)
    return called


def small(number: int) -> IndexFile:
    return replace(FILE, filename=f"x-{number}.0-py3-none-any.whl")


def test_a_few_small_wheels_are_not_worth_a_call(
    unpacking: Unpacking, calls: list[list[str]]
) -> None:
    files = [small(number) for number in range(40)]
    for file in files:
        unpacking.ahead(file, STORED, pip(0))
    unpacking._pool.submit(int).result(60)  # what stands before it has ended, but for one
    assert wanted(unpacking, *files) is None
    assert sorted(name for call in calls for name in call) == sorted(f.filename for f in files)
    assert len(calls) <= 4, "one for each sixteen, and what was left, which two may share"


def test_a_large_one_is_begun_at_once(unpacking: Unpacking, calls: list[list[str]]) -> None:
    unpacking.ahead(FILE, STORED, pip(0))
    unpacking.ahead(LARGE, replace(STORED, size=20_000_000), pip(0))
    (future,) = {one for key, one in unpacking._begun.items() if key[0] == LARGE.filename}
    assert future.result(60).problem == ""
    assert LARGE.filename in {name for call in calls for name in call}


def test_whoever_wants_a_wheel_has_all_that_waits_unpacked(
    unpacking: Unpacking, calls: list[list[str]]
) -> None:
    unpacking.ahead(FILE, STORED, pip(0))
    assert calls == []
    assert wanted(unpacking, small(7)) is None
    unpacking._pool.shutdown()
    assert {name for call in calls for name in call} == {FILE.filename, small(7).filename}


def test_what_was_cancelled_is_waited_for_by_nobody(
    unpacking: Unpacking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking._pool, "submit", lambda *_, **__: None)
    unpacking.ahead(FILE, STORED, pip(0))
    unpacking.cancel()
    (future,) = unpacking._begun.values()
    assert future.cancelled()


def test_an_sdist_is_not_unpacked(unpacking: Unpacking) -> None:
    unpacking.ahead(IndexFile("x-1.0.tar.gz", "", "0" * 64), STORED, pip(0))
    assert not unpacking._begun
