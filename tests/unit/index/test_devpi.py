"""Servers that lie about what they hold, and things before them that answer in their place."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest
from catalogue import Catalogue, memory_session
from sites import FINE, Answer

from devpi_warmup.errors import FileError, IndexAccessError, WheelhouseError
from devpi_warmup.index.devpi import Devpi, Warmth, detect
from devpi_warmup.index.fetcher import Fetcher
from devpi_warmup.index.pages import IndexFile
from devpi_warmup.index.simple import Index
from devpi_warmup.index.sweep import Sweep
from devpi_warmup.index.transport import Transport
from devpi_warmup.inputs.urls import IndexUrl
from devpi_warmup.report import table as report
from devpi_warmup.wheelhouse.files import Wheelhouse

PATH = "/files/six-1.0-py3-none-any.whl"
COMMITTED = json.dumps({"type": "releasefilemeta", "result": {"last_modified": "then"}}).encode()
UNCOMMITTED = json.dumps({"type": "releasefilemeta", "result": {}}).encode()
UUID = "X-Devpi-Uuid"
OWN = {UUID: "own"}
META = Answer(200, "application/json", COMMITTED, OWN)
COLD_META = Answer(200, "application/json", UNCOMMITTED, OWN)


def static(size: int, **headers: str) -> Answer:
    """Return what nginx answers for a file on its disk."""
    told = {"Content-Length": str(size), "Accept-Ranges": "bytes", "Last-Modified": "then"}
    return Answer(200, "application/octet-stream", b"", told | headers)


def on_disk(size: int, **headers: str) -> Answer:
    immutable = {
        "Cache-Control": "max-age=365000000, immutable",
        "Content-Length": str(size),
        **OWN,
    }
    return Answer(200, "application/octet-stream", b"", immutable | headers)


@pytest.fixture
def transport(catalogue: Catalogue) -> Transport:
    return Transport(
        IndexUrl("http://index.example.com"),
        make_session=lambda: memory_session(catalogue),
        sleep=lambda _: None,
    )


@pytest.fixture
def six(catalogue: Catalogue) -> IndexFile:
    upload = catalogue.add("six", "1.0")
    return IndexFile(upload.filename, f"http://index.example.com{PATH}", upload.digest)


def test_only_a_devpi_is_asked(transport: Transport) -> None:
    assert detect(transport, {"Server": "waitress"}) is None
    assert detect(transport, {"X-Devpi-Api-Version": "2"}) is not None


@pytest.mark.parametrize(
    ("answers", "warmth", "reason"),
    [
        ([META, on_disk(7)], Warmth.WARM, "on devpi's disk"),
        ([COLD_META], Warmth.COLD, "not committed"),
        ([replace(META, headers={"Age": "3"})], Warmth.UNKNOWN, "a cache answers"),
        ([META, on_disk(7, **{"X-Cache": "HIT"})], Warmth.UNKNOWN, "a cache answers"),
        ([META, on_disk(8)], Warmth.COLD, "not 7 bytes"),
        ([META, Answer(200, "x", b"", OWN)], Warmth.COLD, "not on its disk"),
        ([META, Answer(302, "x", b"")], Warmth.COLD, "devpi sends for it elsewhere (302)"),
        ([replace(META, headers={UUID: "other"})], Warmth.COLD, "another server"),
        ([replace(META, headers={})], Warmth.COLD, "another server"),
        ([META, on_disk(7, **{UUID: "other"})], Warmth.COLD, "another server"),
        (
            [replace(META, headers=OWN | {"X-Cache": "MISS"}), on_disk(7)],
            Warmth.WARM,
            "on devpi's disk",
        ),
        ([Answer(200, "application/json", b"[" * 100_000, OWN)], Warmth.COLD, "not committed"),
        ([Answer(404, "application/json", b"{}", OWN)], Warmth.COLD, "it answers 404"),
        ([Answer(200, "application/json", b"[]", OWN)], Warmth.COLD, "not committed"),
        ([Answer(200, "application/octet-stream", b"wheel", OWN)], Warmth.COLD, "not committed"),
    ],
)
def test_devpi_itself(
    catalogue: Catalogue,
    transport: Transport,
    six: IndexFile,
    answers: list[Answer],
    warmth: Warmth,
    reason: str,
) -> None:
    catalogue.faults[PATH] = [*answers, answers[-1]]
    proof = Devpi(transport, bare=True, uuid="own").holds(six, 7)
    assert proof.warmth is warmth
    assert reason in proof.reason


@pytest.mark.parametrize(
    ("answers", "warmth", "reason"),
    [
        ([Answer(200, "application/json"), META, on_disk(7)], Warmth.WARM, "on devpi's disk"),
        ([static(7)], Warmth.WARM, "web server before devpi"),
        ([static(6)], Warmth.COLD, "web server before devpi answers"),
        ([on_disk(7)], Warmth.COLD, "does not answer with a file"),
        ([static(7, **{"X-Devpi-Api-Version": "2"})], Warmth.UNKNOWN, "what devpi said before"),
        ([Answer(403, "text/html")], Warmth.UNKNOWN, "refuses the question (403)"),
        ([static(7, Age="12")], Warmth.UNKNOWN, "a cache answers in devpi's place (Age)"),
        ([static(7, **{"X-Cache": "HIT"})], Warmth.UNKNOWN, "(X-Cache)"),
    ],
)
def test_something_before_devpi(
    catalogue: Catalogue,
    transport: Transport,
    six: IndexFile,
    answers: list[Answer],
    warmth: Warmth,
    reason: str,
) -> None:
    catalogue.faults[PATH] = [*answers, answers[-1]]
    proof = Devpi(transport, bare=False).holds(six, 7)
    assert proof.warmth is warmth
    assert reason in proof.reason


def test_a_devpi_that_never_commits_is_never_warm(
    catalogue: Catalogue, transport: Transport, six: IndexFile, tmp_path: Path
) -> None:
    catalogue.faults[PATH] = [COLD_META, *[FINE, COLD_META, COLD_META] * 2]
    proof = Devpi(transport, bare=True).warm(six, 7, tmp_path / "x")
    assert proof.warmth is Warmth.COLD
    assert not (tmp_path / "x").exists()
    assert catalogue.asked[PATH] == 7


def test_a_replica_that_hears_of_its_file_later_is_asked_again(
    catalogue: Catalogue, transport: Transport, six: IndexFile, tmp_path: Path
) -> None:
    size = len(catalogue.projects["six"][0].data)
    catalogue.faults[PATH] = [COLD_META, FINE, COLD_META, META, on_disk(size)]
    proof = Devpi(transport, bare=True).warm(six, size, tmp_path / "x")
    assert proof.warmth is Warmth.WARM


def test_a_commit_that_is_lost_is_made_anew(
    catalogue: Catalogue, transport: Transport, six: IndexFile, tmp_path: Path
) -> None:
    size = len(catalogue.projects["six"][0].data)
    lost = [COLD_META, FINE, COLD_META, COLD_META]
    catalogue.faults[PATH] = [*lost, FINE, META, on_disk(size)]
    proof = Devpi(transport, bare=True).warm(six, size, tmp_path / "x")
    assert proof.warmth is Warmth.WARM


def test_a_devpi_that_cannot_deliver_is_an_error(
    catalogue: Catalogue, transport: Transport, six: IndexFile, tmp_path: Path
) -> None:
    catalogue.faults[PATH] = [COLD_META, Answer(404)]
    with pytest.raises(FileError, match="answered 404"):
        Devpi(transport, bare=True).warm(six, 7, tmp_path / "x")


def test_the_sweep_finds_what_was_lost_since(
    catalogue: Catalogue, transport: Transport, six: IndexFile, wheelhouse: Wheelhouse
) -> None:
    size = len(catalogue.projects["six"][0].data)
    fetcher = Fetcher(Index(transport), wheelhouse)
    sweep = Sweep(fetcher, Devpi(transport, bare=True))
    catalogue.faults[PATH] = [FINE, COLD_META, COLD_META, Answer(404)]
    fetcher.file(six)
    assert sweep([six])[six].warmth is Warmth.COLD  # nor can it be had again
    catalogue.faults[PATH] = [COLD_META, COLD_META, FINE, META, on_disk(size)]
    assert sweep([six])[six].warmth is Warmth.WARM
    fetcher.close()


def test_what_was_committed_but_is_not_on_the_disk_is_found_by_the_sweep(
    catalogue: Catalogue, transport: Transport, six: IndexFile, wheelhouse: Wheelhouse
) -> None:
    fetcher = Fetcher(Index(transport), wheelhouse)
    sweep = Sweep(fetcher, Devpi(transport, bare=True))
    catalogue.faults[PATH] = [FINE, META, on_disk(9), META, on_disk(9), Answer(404)]
    fetcher.file(six)
    assert sweep([six])[six].warmth is Warmth.COLD
    fetcher.close()


def no_space(*_: object) -> str:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_is_full_in_the_sweep_is_no_traceback(
    catalogue: Catalogue,
    transport: Transport,
    six: IndexFile,
    wheelhouse: Wheelhouse,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fetcher = Fetcher(Index(transport), wheelhouse)
    sweep = Sweep(fetcher, Devpi(transport, bare=True))
    catalogue.faults[PATH] = [FINE, COLD_META, COLD_META, FINE]
    fetcher.file(six)
    monkeypatch.setattr("devpi_warmup.index.resume.Growing.take", no_space)
    with pytest.raises(WheelhouseError, match="cannot be written: No space left"):
        sweep([six])
    fetcher.close()


def test_of_a_few_files_devpi_may_say_nothing_and_the_others_are_asked_for(
    catalogue: Catalogue, transport: Transport, wheelhouse: Wheelhouse
) -> None:
    files = []
    for number in range(5):
        upload = catalogue.add(f"p{number}", "1.0")
        url = f"http://index.example.com/files/{upload.filename}"
        files.append(IndexFile(upload.filename, url, upload.digest))
        (wheelhouse.path / upload.filename).write_bytes(upload.data)
    fetcher = Fetcher(Index(transport), wheelhouse)
    sweep = Sweep(fetcher, Devpi(transport, bare=True))
    size = len(upload.data)
    for number, file in enumerate(files):
        answers = [Answer(502)] if number < 2 else [META, on_disk(size)]
        catalogue.faults[f"/files/{file.filename}"] = answers
    found = sweep(files)
    assert [found[file].warmth for file in files] == [Warmth.COLD] * 2 + [Warmth.WARM] * 3
    assert found[files[0]].reason.startswith("devpi does not say: the server answered 502 (6 times")
    for file in files:
        catalogue.faults[f"/files/{file.filename}"] = [Answer(502)]
    with pytest.raises(IndexAccessError, match="the server answered 502"):
        sweep(files)
    fetcher.close()


def test_each_file_is_asked_for_only_at_the_end(
    catalogue: Catalogue, transport: Transport, six: IndexFile, wheelhouse: Wheelhouse
) -> None:
    size = len(catalogue.projects["six"][0].data)
    fetcher = Fetcher(Index(transport), wheelhouse)
    sweep = Sweep(fetcher, Devpi(transport, bare=True))
    catalogue.faults[PATH] = [FINE, META, on_disk(size)]
    fetcher.file(six)
    assert catalogue.asked[PATH] == 1
    assert sweep([six])[six].warmth is Warmth.WARM
    assert catalogue.asked[PATH] == 3
    fetcher.close()


def test_a_cold_file_is_not_good() -> None:
    warm = report.Row("cp313-win32", "covered", warm=2, shown=2)
    cold = report.Row("cp313-win32", "covered", warm=1, shown=2, reason="six not warm: no")
    assert warm.good
    assert not cold.good
    assert report.table([cold]).splitlines()[1].endswith("1 of 2    six not warm: no")
