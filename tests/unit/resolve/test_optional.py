"""What may be left out for a target that there are no files for: of the kit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from catalogue import Catalogue, Upload, make_wheel
from wanted import load_files

from devpi_warmup.errors import WarmupError
from devpi_warmup.index.fetcher import Fetcher
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.requirements import RequirementSet, served
from devpi_warmup.inputs.targets import Target
from devpi_warmup.resolve.resolver import resolve
from devpi_warmup.wheelhouse.lock import Lock

MUSL = Cell(Target("3.13", "musllinux_1_2_x86_64"))
GLIBC = Cell(Target("3.13", "manylinux_2_28_x86_64"))
OLD = Cell(Target("3.9", "manylinux_2_28_x86_64"))


@pytest.fixture
def wanted(catalogue: Catalogue, tmp_path: Path) -> RequirementSet:
    """A tool that is always there, and a server that may be left out."""
    catalogue.add("tool", "1.0")
    catalogue.add("server", "1.0", requires=("compiled",), requires_python=">=3.10")
    catalogue.add("compiled", "1.0", tag="cp313-cp313-manylinux_2_17_x86_64")
    (tmp_path / "main.txt").write_text("tool\nserver\n")
    found = load_files(tmp_path, "main.txt")
    roots = [replace(root, optional=root.name == "server") for root in found.requirements]
    return replace(found, requirements=tuple(roots))


def projects(lock: Lock) -> list[str]:
    return [str(pin.project) for pin in lock.pins]


def test_it_is_there_where_it_can_be(wanted: RequirementSet, fetcher: Fetcher) -> None:
    lock = resolve(wanted, GLIBC, fetcher)
    assert projects(lock) == ["compiled", "server", "tool"]
    assert not lock.notes


def test_it_is_left_out_with_a_note_where_something_has_no_file(
    wanted: RequirementSet, fetcher: Fetcher
) -> None:
    lock = resolve(wanted, MUSL, fetcher)
    assert projects(lock) == ["tool"]
    assert lock.notes == ("left out: server, since compiled: no wheel for this target",)
    (line,) = served(wanted, {pin.project for pin in lock.pins}).requirements
    assert line.name == "tool"


def test_it_is_left_out_where_the_python_is_too_old(
    wanted: RequirementSet, fetcher: Fetcher
) -> None:
    lock = resolve(wanted, OLD, fetcher)
    assert projects(lock) == ["tool"]
    why = f"needs Python >=3.10, the target has {OLD.target.full_version}"
    assert lock.notes == (f"left out: server, since server: {why}",)


def test_what_is_not_optional_is_missing(
    wanted: RequirementSet, catalogue: Catalogue, fetcher: Fetcher
) -> None:
    catalogue.projects["tool"].clear()
    catalogue.add("tool", "1.0", tag="cp313-cp313-manylinux_2_17_x86_64")
    with pytest.raises(WarmupError, match="tool: no wheel for this target"):
        resolve(wanted, MUSL, fetcher)


def test_a_project_that_the_index_lacks_is_no_reason(
    wanted: RequirementSet, catalogue: Catalogue, fetcher: Fetcher
) -> None:
    """It may be a mirror that does not answer, or a list of what is allowed."""
    del catalogue.projects["compiled"]
    with pytest.raises(WarmupError, match="compiled: the index has no such project"):
        resolve(wanted, MUSL, fetcher)


def test_versions_that_contradict_each_other_are_no_reason(
    wanted: RequirementSet, catalogue: Catalogue, fetcher: Fetcher
) -> None:
    catalogue.projects["tool"].clear()
    catalogue.add("tool", "1.0", requires=("compiled>1",))
    catalogue.add("compiled", "2.0")
    catalogue.projects["server"].clear()
    catalogue.add("server", "1.0", requires=("compiled<2",))
    with pytest.raises(WarmupError, match="compiled"):
        resolve(wanted, GLIBC, fetcher)


def test_a_yanked_file_is_no_file(
    wanted: RequirementSet, catalogue: Catalogue, fetcher: Fetcher
) -> None:
    catalogue.add("compiled", "0.9", yanked=True)
    lock = resolve(wanted, MUSL, fetcher)
    assert lock.notes == ("left out: server, since compiled: no wheel for this target",)


def test_what_is_yanked_for_everybody_is_no_reason(
    wanted: RequirementSet, catalogue: Catalogue, fetcher: Fetcher
) -> None:
    catalogue.projects["compiled"].clear()
    catalogue.add("compiled", "0.9", yanked=True)
    with pytest.raises(WarmupError, match="compiled: yanked from the index"):
        resolve(wanted, MUSL, fetcher)


def test_a_broken_file_that_would_fit_is_no_reason(
    wanted: RequirementSet, catalogue: Catalogue, fetcher: Fetcher
) -> None:
    _, data = make_wheel("compiled", "3.0")
    catalogue.upload("compiled", Upload("compiled-2.0-py3-none-any.whl", data))
    with pytest.raises(WarmupError, match=r"compiled: compiled-2.0-.* says it is compiled 3.0"):
        resolve(wanted, MUSL, fetcher)
    assert "server" in projects(resolve(wanted, GLIBC, fetcher))
