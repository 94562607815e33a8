"""Wheels of the user's own, beside the index."""

from __future__ import annotations

from pathlib import Path

import pytest
from catalogue import Catalogue, make_wheel
from wanted import load_files

from devpi_warmup.errors import FileError, InvalidInputError, WarmupError
from devpi_warmup.index.fetcher import Fetcher
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.requirements import RequirementSet
from devpi_warmup.inputs.sources import Source, Sources, load
from devpi_warmup.inputs.targets import Target
from devpi_warmup.resolve.resolver import resolve
from devpi_warmup.wheelhouse.lock import Lock
from devpi_warmup.wheelhouse.origins import Origin

LINUX, WINDOWS = Target("3.13", "manylinux_2_28_x86_64"), Target("3.13", "win_amd64")


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    folder.mkdir()
    return folder


def add(dist: Path, name: str, version: str, **more: object) -> Path:
    filename, data = make_wheel(name, version, **more)
    (dist / filename).write_bytes(data)
    return dist / filename


def wanted(tmp_path: Path, *lines: str) -> RequirementSet:
    (tmp_path / "main.txt").write_text("\n".join(lines))
    wheels = tuple(sorted((tmp_path / "dist").iterdir()))
    return load(Sources(tmp_path, (Source(tmp_path / "main.txt"),), wheels=wheels))


def origins(lock: Lock) -> dict[str, tuple[str, Origin]]:
    return {pin.project: (str(pin.version), pin.file.origin) for pin in lock.pins}


def test_a_project_that_is_not_on_the_index(
    catalogue: Catalogue, fetcher: Fetcher, tmp_path: Path, dist: Path
) -> None:
    add(dist, "mine", "1.0", requires=("lib",))
    catalogue.add("lib", "1.0")
    lock = resolve(wanted(tmp_path, "mine"), Cell(LINUX), fetcher)
    assert origins(lock) == {"lib": ("1.0", Origin.INDEX), "mine": ("1.0", Origin.LOCAL)}
    (mine,) = (pin for pin in lock.pins if pin.project == "mine")
    assert fetcher.naming.published(mine.file).path == fetcher.wheelhouse.path / mine.file.filename


def test_the_highest_version_wins_wherever_it_is(
    catalogue: Catalogue, fetcher: Fetcher, tmp_path: Path, dist: Path
) -> None:
    add(dist, "newer", "2.0")
    add(dist, "older", "1.0")
    catalogue.add("newer", "1.0")
    catalogue.add("older", "2.0")
    lock = resolve(wanted(tmp_path, "newer", "older"), Cell(LINUX), fetcher)
    assert origins(lock) == {"newer": ("2.0", Origin.LOCAL), "older": ("2.0", Origin.INDEX)}


def test_the_same_file_is_of_the_index_and_another_of_that_name_of_the_user(
    catalogue: Catalogue, fetcher: Fetcher, tmp_path: Path, dist: Path
) -> None:
    add(dist, "same", "1.0")
    add(dist, "other", "1.0", files={"other/more.py": ""})
    catalogue.add("same", "1.0")
    catalogue.add("other", "1.0")
    lock = resolve(wanted(tmp_path, "same", "other"), Cell(LINUX), fetcher)
    assert origins(lock) == {"same": ("1.0", Origin.INDEX), "other": ("1.0", Origin.LOCAL)}


def test_a_wheel_for_one_target_alone(
    catalogue: Catalogue, fetcher: Fetcher, tmp_path: Path, dist: Path
) -> None:
    add(dist, "fast", "1.0", tag="cp313-cp313-win_amd64")
    found = wanted(tmp_path, "fast")
    assert origins(resolve(found, Cell(WINDOWS), fetcher)) == {"fast": ("1.0", Origin.LOCAL)}
    with pytest.raises(WarmupError, match=r"fast: no wheel for this target: 1\.0"):
        resolve(found, Cell(LINUX), fetcher)


def test_wheels_require_nothing_by_themselves_and_belong_to_the_digest(
    catalogue: Catalogue, fetcher: Fetcher, tmp_path: Path, dist: Path
) -> None:
    catalogue.add("lib", "1.0")
    bare = load_files_digest(tmp_path)
    add(dist, "mine", "1.0")
    one = wanted(tmp_path, "lib")
    assert [pin.project for pin in resolve(one, Cell(LINUX), fetcher).pins] == ["lib"]
    add(dist, "mine", "1.0", files={"mine/x.py": ""})
    assert len({bare, one.digest, wanted(tmp_path, "lib").digest}) == 3


def load_files_digest(tmp_path: Path) -> str:
    (tmp_path / "main.txt").write_text("lib")
    return load_files(tmp_path, "main.txt").digest


def test_a_wheel_that_changes_during_the_run(
    catalogue: Catalogue, fetcher: Fetcher, tmp_path: Path, dist: Path
) -> None:
    path = add(dist, "mine", "1.0")
    found = wanted(tmp_path, "mine")
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(FileError, match=r"mine-1\.0-py3-none-any\.whl was changed during the run"):
        resolve(found, Cell(LINUX), fetcher)
    path.unlink()
    with pytest.raises(FileError, match="cannot be read"):
        resolve(found, Cell(LINUX), fetcher)


def test_what_is_no_wheel(tmp_path: Path, dist: Path) -> None:
    (dist / "mine-1.0.tar.gz").write_bytes(b"")
    (dist / "mine.whl").write_bytes(b"")
    with pytest.raises(InvalidInputError) as caught:
        wanted(tmp_path, "mine")
    assert "wheels: mine-1.0.tar.gz is not the name of a wheel" in str(caught.value)
    assert "wheels: mine.whl is not the name of a wheel" in str(caught.value)
