"""Which cells stand as the last run left them, and everything that makes them be looked at again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from catalogue import Catalogue, Upload
from journals import journal
from packaging.utils import canonicalize_name
from sites import Answer
from wanted import load_files

from devpi_warmup.digests import digest
from devpi_warmup.errors import IndexAccessError
from devpi_warmup.index.fetcher import Fetcher
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.own_wheels import OwnWheel
from devpi_warmup.inputs.requirements import RequirementSet
from devpi_warmup.inputs.targets import Target
from devpi_warmup.prove.pip import Pip
from devpi_warmup.resolve.lock_files import texts_of, write_lock
from devpi_warmup.resolve.resolver import resolve
from devpi_warmup.standing import Given, Standing, standing
from devpi_warmup.wheelhouse import manifest
from devpi_warmup.wheelhouse.files import Wheelhouse
from devpi_warmup.wheelhouse.lock import Lock
from devpi_warmup.wheelhouse.origins import Origin
from devpi_warmup.wheelhouse.warmth import UNSWEPT

CELL = Cell(Target("3.13", "win_amd64"))
NEWEST = Cell(Target(CELL.target.full_version, "win_amd64"))


@dataclass(frozen=True)
class OnePip(Pip):
    """A pip that is known by a word."""

    identity: str = "pip-26.3.dist-info 1"  # type: ignore[assignment]


class Last:
    """One cell as a run has left it; the world may move until the next."""

    def __init__(self, catalogue: Catalogue, fetcher: Fetcher, folder: Path) -> None:
        self.catalogue, self.fetcher, self.folder = catalogue, fetcher, folder
        self.wheelhouse = fetcher.wheelhouse
        self.pip: Pip = OnePip("python", lambda *_, **__: pytest.fail("pip was started"))
        self.cell = CELL
        self.require("app")
        self.lock = self._covered()

    def require(self, *lines: str) -> None:
        (self.folder / "r.txt").write_text("\n".join(lines))

    @property
    def wanted(self) -> RequirementSet:
        return load_files(self.folder, "r.txt")

    def _covered(self) -> Lock:
        wanted = self.wanted
        lock = resolve(wanted, CELL, self.fetcher)
        own = journal(self.wheelhouse, wanted.digest)
        for pin in lock.pins:
            self.fetcher.naming.published(pin.file)
        own.begin(lock)
        write_lock(lock, self.wheelhouse)
        files = {pin.file.filename: pin.sha256 for pin in lock.pins}
        given = Given(texts_of(lock, self.wheelhouse.shown), files, {}, [])
        verdict = given.verdict(CELL.target, wanted.digest, self.pip)
        judged: dict[str, tuple[str, ...]] = dict.fromkeys(files, ())
        own.covered(lock, UNSWEPT, judged, pip_version="26.3", verdict=verdict)
        return lock

    def stands(self) -> Standing | None:
        self.fetcher.page._futures.clear()  # as in the next run
        before = manifest.read(self.wheelhouse)
        return standing(self.cell, before, self.fetcher, self.wanted, self.pip)

    def edit(self, change: Callable[[dict[str, Any]], object]) -> None:
        path = self.wheelhouse.path / "manifest.json"
        table = json.loads(path.read_text())
        change(table["targets"][CELL.id])
        path.write_text(json.dumps(table))

    def note(self, text: str) -> None:
        before = manifest.read(self.wheelhouse)
        entry = replace(before.cells[CELL.id], notes=(text,))
        files = {name: before.files[name] for name in entry.files}
        noted = replace(entry, checksum=manifest.checksum(entry, files))
        manifest.write(self.wheelhouse, replace(before, cells={CELL.id: noted}))

    def edit_files(self, more: dict[str, object]) -> None:
        path = self.wheelhouse.path / "manifest.json"
        table = json.loads(path.read_text())
        for file in table["files"].values():
            file.update(more)
        path.write_text(json.dumps(table))

    def edit_lock(self, number: int, text: str) -> None:
        """Write another form of the lock, and have the manifest agree."""
        path = self.wheelhouse.lock_paths(CELL.id)[number]
        path.write_text(text)
        name = path.relative_to(self.wheelhouse.path).as_posix()

        def agree(entry: dict[str, Any]) -> None:
            entry["locks"][name] = digest(path)

        self.edit(agree)
        entry = manifest.read(self.wheelhouse).cells[CELL.id]
        files = {f: manifest.read(self.wheelhouse).files[f] for f in entry.files}
        self.edit(lambda table: table.update(checksum=manifest.checksum(entry, files)))

    def move_line(self) -> None:
        (self.folder / "other.txt").write_text("app")
        self.require("-r other.txt")

    def page(self, **more: object) -> None:
        """Have the page say something else of app."""
        (upload,) = self.catalogue.projects["app"]
        self.catalogue.projects["app"] = [replace(upload, **more)]  # type: ignore[arg-type]


@pytest.fixture
def last(catalogue: Catalogue, fetcher: Fetcher, tmp_path: Path) -> Last:
    catalogue.add("app", "1.0", requires=("lib",))
    catalogue.add("lib", "1.0")
    return Last(catalogue, fetcher, tmp_path)


def test_where_nothing_has_changed_it_stands(last: Last) -> None:
    last.catalogue.asked.clear()
    found = last.stands()
    assert found is not None
    assert found.pip_version == "26.3"
    assert set(found.files) == {pin.file for pin in last.lock.pins}
    assert set(last.catalogue.asked) == {"/+simple/app/", "/+simple/lib/"}


def test_newer_releases_move_no_pin(last: Last) -> None:
    last.catalogue.add("lib", "2.0")
    assert last.stands() is not None


def newer_sdist(last: Last) -> None:
    last.catalogue.projects["lib"].append(Upload("lib-2.0.tar.gz", b"sdist"))


def newer_pre_release(last: Last) -> None:
    last.catalogue.projects["lib"].append(Upload("lib-2.0rc1.tar.gz", b"sdist"))


CHANGES: Mapping[str, Callable[[Last], object]] = {
    "the same line in another file": lambda last: last.move_line(),
    "a page without links, and a manifest that agrees": lambda last: last.edit_lock(1, "<html/>"),
    "a pylock of nothing, and a manifest that agrees": lambda last: last.edit_lock(2, ""),
    "the newest patch release by name": lambda last: setattr(last, "cell", NEWEST),
    "patch releases that somebody wrote": lambda last: last.edit(
        lambda entry: entry.update({"from": "3.13.9"})
    ),
    "a licence that nobody has read": lambda last: last.edit_files({"licence": ""}),
    "another size": lambda last: last.edit_files({"size": 1}),
    "a file that is listed twice": lambda last: last.catalogue.projects["app"].append(
        last.catalogue.projects["app"][0]
    ),
    "other requirements": lambda last: last.require("app", "lib<2"),
    "yanked": lambda last: last.page(yanked=True),
    "another Requires-Python": lambda last: last.page(requires_python="<3"),
    "another sha256 on the page": lambda last: last.page(sha256="0" * 64),
    "no sha256 on the page": lambda last: last.page(sha256=""),
    "another file name": lambda last: last.page(filename="app-1.0-py2.py3-none-any.whl"),
    "a newer version that is an sdist alone": newer_sdist,
    "a newer pre-release that is an sdist alone": newer_pre_release,
    "no such project": lambda last: last.catalogue.projects.pop("app"),
    "a wheel of other bytes": lambda last: next(last.wheelhouse.path.glob("*.whl")).write_bytes(
        b""
    ),
    "a wheel that is gone": lambda last: next(last.wheelhouse.path.glob("*.whl")).unlink(),
    "no lock": lambda last: last.wheelhouse.lock_path(CELL.id).unlink(),
    "a lock that is no text": lambda last: last.wheelhouse.lock_path(CELL.id).write_bytes(b"\xff"),
    "a page of other links": lambda last: last.wheelhouse.lock_paths(CELL.id)[1].write_text("x"),
    "another pylock": lambda last: last.wheelhouse.lock_paths(CELL.id)[2].write_text("x"),
    "no manifest": lambda last: (last.wheelhouse.path / "manifest.json").unlink(),
    "a note": lambda last: last.note("app is yanked"),
    "missing": lambda last: last.edit(
        lambda entry: entry.update(state="missing", reason="x", files={}, locks={})
    ),
    "to build": lambda last: last.edit(lambda entry: entry.update(state="to build")),
    "another verdict": lambda last: last.edit(lambda entry: entry.update(verdict="0")),
    "no verdict": lambda last: last.edit(lambda entry: entry.update(verdict="")),
    "unpacked by another pip": lambda last: last.edit(lambda entry: entry.update(pip="26.2")),
    "another pip": lambda last: setattr(last, "pip", OnePip("python", last.pip.runner, "pip 27")),
    "a pip that is unknown": lambda last: setattr(last, "pip", OnePip("p", last.pip.runner, "")),
    "another patch release": lambda last: setattr(
        last, "cell", Cell(Target("3.13.1", "win_amd64"))
    ),
    "another name of the wheelhouse": lambda last: setattr(last.wheelhouse, "shown", "dist"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_is_looked_at_again(last: Last, change: str) -> None:
    assert last.stands() is not None
    CHANGES[change](last)
    assert last.stands() is None


def test_a_pip_that_nobody_knows_has_no_verdict(last: Last) -> None:
    last.edit(lambda entry: entry.update(verdict=""))
    last.pip = OnePip("python", last.pip.runner, "")
    assert last.stands() is None


def test_a_package_that_cannot_be_read_has_no_verdict(
    catalogue: Catalogue, fetcher: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devpi_warmup.standing.fingerprint", lambda: "")
    catalogue.add("app", "1.0")
    assert Last(catalogue, fetcher, tmp_path).stands() is None


def test_a_file_that_is_not_the_indexs_is_looked_at_again(last: Last) -> None:
    before = manifest.read(last.wheelhouse)
    name, file = next(iter(before.files.items()))
    other = replace(before, files={**before.files, name: replace(file, origin=Origin.DIRECT)})
    assert standing(CELL, other, last.fetcher, last.wanted, last.pip) is None


@pytest.mark.parametrize("more", [{"optional": True}, {"url": "https://example.com/x.whl"}])
def test_lines_that_may_have_another_answer_tomorrow(last: Last, more: dict[str, object]) -> None:
    wanted = last.wanted
    (line,) = wanted.requirements
    other = replace(wanted, requirements=(replace(line, **more),))  # type: ignore[arg-type]
    before = manifest.read(last.wheelhouse)
    assert standing(CELL, before, last.fetcher, other, last.pip) is None


def test_wheels_of_ones_own_may_stand_before_those_of_the_index(last: Last) -> None:
    own = OwnWheel(Path("lib-1.0-py3-none-any.whl"), canonicalize_name("lib"), "0" * 64)
    before, wanted = manifest.read(last.wheelhouse), replace(last.wanted, wheels=(own,))
    assert standing(CELL, before, last.fetcher, wanted, last.pip) is None


def test_an_index_that_does_not_answer_is_an_error(last: Last) -> None:
    last.catalogue.faults["/+simple/lib/"] = [Answer(403)]
    with pytest.raises(IndexAccessError, match="403"):
        last.stands()


def test_what_is_shown_of_its_files_is_that_of_this_run(last: Last, wheelhouse: Wheelhouse) -> None:
    found = last.stands()
    assert found is not None
    own = journal(wheelhouse, last.wanted.digest)
    own.proven({pin.file: replace(UNSWEPT, reason="lost") for pin in last.lock.pins})
    own.stands(CELL, found.files, UNSWEPT, unshown="no bases")
    before = manifest.read(wheelhouse)
    assert {file.proof.reason for file in before.files.values()} == {"lost"}
    own.keep()
    after = manifest.read(wheelhouse)
    assert {file.proof.reason for file in after.files.values()} == {UNSWEPT.reason}
    assert after.cells[CELL.id].unshown == "no bases"
