from __future__ import annotations

import threading
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from catalogue import Catalogue, Upload, make_wheel, make_zip, metadata
from packaging.utils import canonicalize_name

from devpi_warmup.errors import FileError, WheelhouseError
from devpi_warmup.index.fetcher import Fetcher
from devpi_warmup.index.pages import IndexFile, Wheel, parse_wheel
from devpi_warmup.index.simple import Index
from devpi_warmup.index.single_flight import SingleFlight
from devpi_warmup.inputs.targets import Target
from devpi_warmup.resolve.finder import Finder
from devpi_warmup.resolve.prefetch import Prefetch
from devpi_warmup.resolve.requirement import ResolverRequirement
from devpi_warmup.resolve.roots import Roots
from devpi_warmup.wheelhouse.files import Wheelhouse
from devpi_warmup.wheelhouse.wheels import (
    DamagedWheelError,
    parse_metadata,
    read_metadata,
)

SIX = canonicalize_name("six")
SIX_WHEEL = parse_wheel(SIX, IndexFile("six-1.0-py3-none-any.whl", "x"))
assert SIX_WHEEL is not None


def wheel_of(fetcher: Fetcher) -> Wheel:
    return fetcher.page(SIX).wheels[0]


def test_one_flight_for_each_file(catalogue: Catalogue, fetcher: Fetcher) -> None:
    catalogue.add("six", "1.0")
    file = wheel_of(fetcher).file
    with ThreadPoolExecutor(8) as pool:
        stored = list(pool.map(lambda _: fetcher.file(file), range(32)))
    assert len({item.path for item in stored}) == 1
    assert catalogue.asked[f"/files/{file.filename}"] == 1
    assert fetcher.progress.files == 1


def test_a_file_stays_staged_until_it_is_published(catalogue: Catalogue, fetcher: Fetcher) -> None:
    catalogue.add("six", "1.0")
    wheel = wheel_of(fetcher)
    fetcher.metadata(wheel)
    assert not list(fetcher.wheelhouse.path.glob("*.whl"))
    stored = fetcher.naming.published(wheel.file)
    assert stored.path == fetcher.wheelhouse.path / wheel.file.filename
    assert stored.path.read_bytes() == catalogue.projects["six"][0].data
    assert fetcher.naming.published(wheel.file) == stored


def test_a_file_that_is_there_is_not_fetched(catalogue: Catalogue, fetcher: Fetcher) -> None:
    upload = catalogue.add("six", "1.0")
    (fetcher.wheelhouse.path / upload.filename).write_bytes(upload.data)
    fetcher.naming.published(wheel_of(fetcher).file)
    assert fetcher.progress.files == 0


@pytest.mark.parametrize("data", [b"", b"truncated", b"x" * 5000])
def test_a_file_with_a_wrong_hash_is_replaced(
    catalogue: Catalogue, fetcher: Fetcher, data: bytes
) -> None:
    upload = catalogue.add("six", "1.0")
    path = fetcher.wheelhouse.path / upload.filename
    path.write_bytes(data)
    fetcher.naming.published(wheel_of(fetcher).file)
    assert path.read_bytes() == upload.data


def test_a_file_without_a_hash_is_always_fetched(catalogue: Catalogue, fetcher: Fetcher) -> None:
    filename, data = "six-1.0-py3-none-any.whl", b"from the index"
    catalogue.upload("six", Upload(filename, data, sha256=""))
    (fetcher.wheelhouse.path / filename).write_bytes(b"who knows")
    stored = fetcher.naming.published(wheel_of(fetcher).file)
    assert stored.path.read_bytes() == data


def test_metadata_of_the_index_spares_the_wheel(catalogue: Catalogue, fetcher: Fetcher) -> None:
    catalogue.add("six", "1.0", requires=("idna",), core_metadata=True)
    (requirement,) = fetcher.metadata(wheel_of(fetcher)).requires
    assert requirement.name == "idna"
    assert fetcher.progress.files == 0


def test_a_failure_is_not_remembered(catalogue: Catalogue, fetcher: Fetcher) -> None:
    upload = catalogue.add("six", "1.0")
    wheel = wheel_of(fetcher)
    fault = Upload(upload.filename, b"wrong")
    catalogue.projects["six"] = [fault]
    with pytest.raises(FileError):
        fetcher.file(wheel.file)
    catalogue.projects["six"] = [upload]
    assert fetcher.file(wheel.file).sha256 == upload.digest


def test_a_disk_that_cannot_be_written_has_a_hint(
    catalogue: Catalogue, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue.add("six", "1.0")
    file = wheel_of(fetcher).file

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("devpi_warmup.index.resume.Growing.take", full)
    with pytest.raises(WheelhouseError, match=r"No space left on device\n.*disk full"):
        fetcher.file(file)


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ({}, "0 .dist-info folders"),
        ({"six-1.0.dist-info/WHEEL": ""}, "has no METADATA"),
        ({"six-1.0.dist-info/METADATA": "", "x-1.dist-info/METADATA": ""}, "2 .dist-info folders"),
        ({"other-1.0.dist-info/METADATA": ""}, "of another project"),
    ],
)
def test_a_wheel_without_usable_metadata(
    tmp_path: Path, contents: dict[str, str], message: str
) -> None:
    path = tmp_path / "x"
    path.write_bytes(make_zip(contents))
    with pytest.raises(DamagedWheelError, match=message):
        read_metadata(path, SIX_WHEEL)


def test_one_name_for_two_files(catalogue: Catalogue, fetcher: Fetcher) -> None:
    catalogue.add("six", "1.0")
    own = wheel_of(fetcher).file
    fetcher.naming.published(own)
    _, data = make_wheel("six", "1.0", files={"other.py": ""})
    catalogue.projects["six"] = [Upload(own.filename, data)]
    other = IndexFile(own.filename, f"http://other.example.com/files/{own.filename}")
    with pytest.raises(FileError, match="is two different files"):
        fetcher.naming.published(other)


@pytest.mark.parametrize("before", ["another run", "this run"])
def test_names_that_differ_by_case_alone(
    catalogue: Catalogue, index: Index, wheelhouse: Wheelhouse, before: str
) -> None:
    """Windows and macOS take them for one file."""
    catalogue.add("six", "1.0")
    name, data = make_wheel("six", "1.0")
    upper = Upload(name.replace("six", "SIX"), data)
    if before == "another run":
        (wheelhouse.path / upper.filename).write_bytes(data)
    fetcher = Fetcher(index, wheelhouse)
    try:
        if before == "this run":
            catalogue.upload("six", upper)
            fetcher.naming.published(fetcher.page(SIX).wheels[1].file)
        with pytest.raises(FileError, match="differ by case alone"):
            fetcher.naming.published(fetcher.page(SIX).wheels[0].file)
    finally:
        fetcher.close()


def test_a_link_to_a_wheel_would_not_cross_the_gap(
    catalogue: Catalogue, fetcher: Fetcher, tmp_path: Path
) -> None:
    upload = catalogue.add("six", "1.0")
    (tmp_path / "outside.whl").write_bytes(upload.data)
    path = fetcher.wheelhouse.path / upload.filename
    path.symlink_to(tmp_path / "outside.whl")
    fetcher.naming.published(wheel_of(fetcher).file)
    assert not path.is_symlink()
    assert path.read_bytes() == upload.data


def test_a_wheel_that_is_no_zip(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"no zip")
    with pytest.raises(DamagedWheelError, match=r"is not a zip file\n.*hint: .*six!=1\.0"):
        read_metadata(path, SIX_WHEEL)


def test_gigantic_metadata_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devpi_warmup.wheelhouse.wheels.MAX_METADATA", 1 << 20)
    path = tmp_path / "x"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("six-1.0.dist-info/METADATA", "x" * (2 << 20))
    with pytest.raises(DamagedWheelError, match="over 1 MiB"):
        read_metadata(path, SIX_WHEEL)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (metadata("six", "2.0"), "says it is six 2.0"),
        (metadata("idna", "1.0"), "says it is idna 1.0"),
        (metadata("six", "none"), "no valid version"),
        (metadata("six", "1.0", ("idna (>=",)), "invalid requirement"),
    ],
)
def test_metadata_that_contradicts_the_filename(text: str, message: str) -> None:
    wheel = SIX_WHEEL
    with pytest.raises(FileError, match=message):
        parse_metadata(text.encode(), wheel)


def test_metadata_is_read_as_leniently_as_pip_does() -> None:
    wheel = SIX_WHEEL
    text = metadata("Six", "1.0.0", ("idna; extra == 'a'",), ("A_b",), "not a specifier")
    found = parse_metadata(text.encode(), wheel)
    assert str(found.requires_python) == ""
    assert found.extras == {"a-b"}


def test_single_flight_gives_an_error_to_everyone_who_waits() -> None:
    started, go = threading.Event(), threading.Event()

    def compute(_: str) -> str:
        started.set()
        go.wait()
        raise ValueError("no")

    flight = SingleFlight(compute)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(flight, "key")
        started.wait()
        second = pool.submit(flight, "key")
        go.set()
        for future in (first, second):
            with pytest.raises(ValueError, match="no"):
                future.result()


def test_after_closing_nothing_is_begun(fetcher: Fetcher) -> None:
    begun = []
    fetcher.close()
    fetcher.ahead(lambda: begun.append("page"), begun.append)
    for pool in (fetcher._pages, fetcher._files):
        pool.shutdown(wait=True)  # what was begun is done now
    assert not begun


@pytest.mark.parametrize("requires", [(), ("idna>=2",)])
def test_metadata_that_is_not_the_wheels_is_found_when_it_has_come(
    catalogue: Catalogue, fetcher: Fetcher, requires: tuple[str, ...]
) -> None:
    upload = catalogue.add("six", "1.0", requires=("idna",), core_metadata=True)
    served = metadata("six", "1.0", requires).encode()
    catalogue.projects["six"][0] = replace(upload, metadata=served)
    wheel = wheel_of(fetcher)
    assert len(fetcher.metadata(wheel).requires) == len(requires)
    with pytest.raises(DamagedWheelError, match="another METADATA than the index serves beside it"):
        fetcher.check_metadata(wheel)


def test_on_a_guess_a_small_file_is_fetched_and_counts_for_good(
    catalogue: Catalogue, fetcher: Fetcher
) -> None:
    catalogue.add("six", "1.0", requires=("idna",))
    wheel = wheel_of(fetcher)
    guess = fetcher.guessed(wheel)
    assert guess is not None
    assert fetcher.metadata(wheel) == guess
    assert fetcher.naming.published(wheel.file).path.is_file()
    assert catalogue.asked[f"/files/{wheel.file.filename}"] == 1


def test_on_a_guess_nothing_large_is_read(
    catalogue: Catalogue, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devpi_warmup.index.fetcher._MOST_ON_A_GUESS", 100)
    catalogue.add("six", "1.0", requires=("idna",))
    wheel = wheel_of(fetcher)
    assert fetcher.guessed(wheel) is None
    assert (fetcher.progress.size, fetcher.progress.files) == (0, 0)
    (requirement,) = fetcher.metadata(wheel).requires  # it is wanted after all
    assert requirement.name == "idna"
    assert fetcher.progress.files == 1


def test_on_a_guess_what_others_are_at_is_left_to_them(
    catalogue: Catalogue, fetcher: Fetcher
) -> None:
    catalogue.add("six", "1.0")
    wheel = wheel_of(fetcher)
    fetcher.metadata(wheel)
    assert fetcher.guessed(wheel) is None


@pytest.mark.parametrize(("requirement", "read"), [("big", False), ("big==2.0", True)])
def test_ahead_of_the_resolver_a_large_file_has_to_be_as_good_as_certain(
    catalogue: Catalogue,
    fetcher: Fetcher,
    monkeypatch: pytest.MonkeyPatch,
    requirement: str,
    read: bool,
) -> None:
    monkeypatch.setattr("devpi_warmup.index.fetcher._MOST_ON_A_GUESS", 100)
    big = catalogue.add("big", "2.0")
    app = catalogue.add("app", "1.0", requires=(requirement,))
    target = Target("3.13", "win_amd64")
    roots = Roots((ResolverRequirement(canonicalize_name("app")),), {}, {}, ())

    def at_once(choose: Callable[[], Any], follow: Callable[[Any], None]) -> None:
        chosen = choose()
        if chosen is not None:
            follow(chosen)

    monkeypatch.setattr(fetcher, "ahead", at_once)
    Prefetch(roots, target, Finder(target, fetcher, {}), fetcher).look(roots.wants, sure=True)
    assert fetcher.progress.size == len(app.data) + (len(big.data) if read else 0)
