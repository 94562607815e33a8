"""The referee must refuse what would fail inside the gap."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from catalogue import Catalogue, make_wheel, memory_session
from packaging.requirements import Requirement
from wanted import load_files

from devpi_warmup.index.fetcher import Fetcher
from devpi_warmup.index.simple import Index
from devpi_warmup.index.transport import Transport
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.requirements import RequirementSet
from devpi_warmup.inputs.targets import Target
from devpi_warmup.inputs.urls import IndexUrl
from devpi_warmup.process import run
from devpi_warmup.prove.pip import Pip
from devpi_warmup.prove.referee import RefereeError, Verdict, referee
from devpi_warmup.resolve.lock_files import write_lock
from devpi_warmup.resolve.resolver import resolve
from devpi_warmup.wheelhouse.files import Wheelhouse
from devpi_warmup.wheelhouse.lock import Lock

WINDOWS = Cell(Target("3.9", "win_amd64"))


class Case:
    """A lock for Windows made on this machine, its wheelhouse, and the referee over both."""

    def __init__(self, root: Path) -> None:
        catalogue = Catalogue()
        catalogue.add(
            "app", "1.0", requires=("colorama; sys_platform == 'win32'",), tag="cp39-abi3-win_amd64"
        )
        catalogue.add("colorama", "1.0")
        self.direct = catalogue.add("direct", "1.0")
        url = f"https://devpi.example.com/files/{self.direct.filename}"
        lines = ("app[x]>=1", f"direct @ {url}", "nothing; python_version >= '3.13'")
        (root / "main.txt").write_text("\n".join(lines))
        (root / "limits.txt").write_text("colorama<2\n")
        self.wanted = load_files(root, "main.txt", constraints=("limits.txt",))
        self.wheelhouse = Wheelhouse(root / "wheelhouse with a space")
        index = Index(
            Transport(
                IndexUrl("http://index.example.com"), make_session=lambda: memory_session(catalogue)
            )
        )
        with self.wheelhouse.held():
            fetcher = Fetcher(index, self.wheelhouse)
            self.lock = resolve(self.wanted, WINDOWS, fetcher)
            for pin in self.lock.pins:
                fetcher.naming.published(pin.file)
            fetcher.close()

    def judge(self, lock: Lock | None = None, wanted: RequirementSet | None = None) -> Verdict:
        judged = lock or self.lock
        (self.wheelhouse.path / "locks").mkdir(exist_ok=True)
        write_lock(judged, self.wheelhouse)
        names = [pin.file.filename for pin in judged.pins]
        files = {name: self.wheelhouse.path / name for name in names}
        pip = Pip(sys.executable, run)
        return referee(judged, wanted or self.wanted, files, shown="wheelhouse", pip=pip)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_a_foreign_target_is_accepted(case: Case) -> None:
    assert [str(pin) for pin in case.lock.pins] == ["app[x]==1.0", "colorama==1.0", "direct==1.0"]
    assert case.judge().pip_version


def test_a_dependency_that_only_the_target_has(case: Case) -> None:
    lock = replace(case.lock, pins=tuple(p for p in case.lock.pins if p.project != "colorama"))
    with pytest.raises(RefereeError, match="pip refuses the lock offline"):
        case.judge(lock)


def test_a_requirement_that_we_dropped(case: Case) -> None:
    lock = replace(case.lock, pins=tuple(p for p in case.lock.pins if p.project != "direct"))
    with pytest.raises(RefereeError, match="pip refuses the lock offline"):
        case.judge(lock)


def test_a_constraint_that_we_broke(case: Case) -> None:
    (limits,) = case.wanted.constraints
    tighter = Requirement("colorama<1")
    wanted = replace(case.wanted, constraints=(replace(limits, requirement=tighter),))
    with pytest.raises(RefereeError, match="pip refuses the lock offline"):
        case.judge(wanted=wanted)


def test_a_file_that_is_not_there(case: Case) -> None:
    (case.wheelhouse.path / "colorama-1.0-py3-none-any.whl").unlink()
    with pytest.raises(RefereeError, match="colorama"):
        case.judge()


def test_a_file_with_other_bytes(case: Case) -> None:
    path = case.wheelhouse.path / "colorama-1.0-py3-none-any.whl"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(RefereeError, match="pip refuses the lock offline"):
        case.judge()


def test_a_wheel_of_another_platform(case: Case) -> None:
    lock = replace(case.lock, cell=Cell(Target("3.9", "manylinux2014_x86_64")))
    with pytest.raises(RefereeError, match="pip refuses the lock offline"):
        case.judge(lock)


def test_a_file_that_fits_even_better_is_not_taken(case: Case) -> None:
    """Another target's wheel of the same version, of a newer level of the platform."""
    filename, data = make_wheel("app", "1.0", tag="cp39-cp39-win_amd64")
    (case.wheelhouse.path / filename).write_bytes(data)
    assert case.judge().pip_version


def test_an_accepted_lock_needs_no_network(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    from devpi_warmup import process
    from devpi_warmup.prove import pip as module

    # Without a namespace, proxies that answer nothing must do.
    isolation = process.Isolation("dead proxies", (), process.isolation().env)
    monkeypatch.setattr(module, "isolation", lambda: isolation)
    assert case.judge().pip_version


def test_a_pip_that_ignores_the_markers_is_not_believed(tmp_path: Path) -> None:
    """The shim's canary, against a pip whose markers come from elsewhere."""
    from devpi_warmup.prove import foreign_pip

    package = tmp_path / "pip" / "_vendor" / "packaging"
    package.mkdir(parents=True)
    for folder in (package, package.parent, package.parent.parent):
        (folder / "__init__.py").touch()
    (package / "markers.py").write_text(
        "class Marker:\n    def __init__(self, text): pass\n    def evaluate(self): return False\n"
    )
    (tmp_path / "markers.json").write_text('{"os_name": "nt"}')
    shim = tmp_path / "foreign_pip.py"
    shim.write_text(Path(foreign_pip.__file__).read_text())
    # Run as a script, so that the folder of the script, with its false pip, comes first.
    done = run([sys.executable, str(shim), str(tmp_path / "markers.json"), "--version"], env={})
    assert done.returncode == 3
    assert "does not take the markers" in done.stderr
