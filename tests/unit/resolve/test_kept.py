"""Pins stay while the requirements admit them; what moves them, and what is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from catalogue import Catalogue
from packaging.utils import canonicalize_name
from packaging.version import Version
from wanted import load_files

from devpi_warmup.errors import FileError, WarmupError
from devpi_warmup.index.fetcher import Fetcher
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.targets import Target
from devpi_warmup.resolve import kept
from devpi_warmup.resolve.kept import Kept, Upgrade
from devpi_warmup.resolve.lock_files import write_lock
from devpi_warmup.resolve.resolver import choose
from devpi_warmup.wheelhouse.changes import changes, told
from devpi_warmup.wheelhouse.lock import Lock

CELL = Cell(Target("3.13", "win_amd64"))


class Moving:
    """One cell, locked again and again as the world moves."""

    def __init__(self, fetcher: Fetcher, folder: Path) -> None:
        self.fetcher = fetcher
        self.folder = folder
        self.limits = ""

    def lock(self, *lines: str, upgrade: Upgrade | None = None) -> tuple[Lock, list[str]]:
        """Lock, and say what has changed since the last time."""
        (self.folder / "r.txt").write_text("\n".join(lines))
        (self.folder / "c.txt").write_text(self.limits)
        wheelhouse = self.fetcher.wheelhouse
        self.fetcher.page._futures.clear()  # as in the next run
        last = kept.last_lock(wheelhouse, CELL)
        stay = kept.kept(last, wheelhouse, CELL, upgrade or Upgrade())
        wanted = load_files(self.folder, "r.txt", constraints=("c.txt",))
        lock = choose(wanted, CELL, self.fetcher, None, stay)()
        write_lock(lock, wheelhouse)
        return lock, list(told({CELL.id: tuple(changes(last, lock))}))


@pytest.fixture
def moving(fetcher: Fetcher, tmp_path: Path, catalogue: Catalogue) -> Moving:
    catalogue.add("app", "1.0", requires=("lib",))
    catalogue.add("lib", "1.0")
    one = Moving(fetcher, tmp_path)
    one.lock("app")
    return one


def versions(lock: Lock) -> dict[str, str]:
    return {str(pin.project): str(pin.version) for pin in lock.pins}


def test_a_newer_release_moves_nothing_until_it_is_asked_for(
    moving: Moving, catalogue: Catalogue
) -> None:
    catalogue.add("app", "2.0", requires=("lib",))
    catalogue.add("lib", "2.0")
    lock, changed = moving.lock("app")
    assert versions(lock) == {"app": "1.0", "lib": "1.0"}
    assert changed == []
    one = Upgrade(projects=frozenset({canonicalize_name("app")}))
    lock, changed = moving.lock("app", upgrade=one)
    assert versions(lock) == {"app": "2.0", "lib": "1.0"}
    assert changed == ["app 1.0 -> 2.0 (up): cp313-win_amd64"]
    lock, changed = moving.lock("app", upgrade=Upgrade(everything=True))
    assert changed == ["lib 1.0 -> 2.0 (up): cp313-win_amd64"]


def test_what_an_upgrade_needs_moves_with_it(moving: Moving, catalogue: Catalogue) -> None:
    catalogue.add("app", "2.0", requires=("lib>=2", "more"))
    for version in ("2.0", "3.0"):
        catalogue.add("lib", version)
    catalogue.add("more", "1.0")
    one = Upgrade(projects=frozenset({canonicalize_name("app")}))
    _, changed = moving.lock("app", upgrade=one)
    assert changed == [
        "app 1.0 -> 2.0 (up): cp313-win_amd64",
        "lib 1.0 -> 3.0 (up): cp313-win_amd64",
        "more 1.0 (added): cp313-win_amd64",
    ]


def test_requirements_and_constraints_move_a_pin(moving: Moving, catalogue: Catalogue) -> None:
    catalogue.add("lib", "0.9")
    catalogue.add("lib", "2.0")
    moving.limits = "lib<1"
    _, changed = moving.lock("app")
    assert changed == ["lib 1.0 -> 0.9 (down): cp313-win_amd64"]
    moving.limits = ""
    assert moving.lock("app")[1] == []
    _, changed = moving.lock("app", "lib>=1")
    assert changed == ["lib 0.9 -> 2.0 (up): cp313-win_amd64"]
    _, changed = moving.lock("lib")
    assert changed == ["app 1.0 (gone): cp313-win_amd64"]


def test_a_yanked_file_stays_and_is_named(moving: Moving, catalogue: Catalogue) -> None:
    catalogue.add("lib", "2.0")
    old = catalogue.projects["lib"][0]
    catalogue.projects["lib"][0] = replace(old, yanked=True)
    lock, changed = moving.lock("app")
    assert versions(lock)["lib"] == "1.0"
    assert changed == []
    (note,) = lock.notes
    assert note.startswith("lib 1.0 is yanked on the index, and stays as the last lock has it")


def test_a_file_that_is_gone_makes_room(moving: Moving, catalogue: Catalogue) -> None:
    catalogue.add("lib", "1.0", tag="py3-none-win_amd64")
    del catalogue.projects["lib"][0]
    _, changed = moving.lock("app")
    assert changed == ["lib 1.0 (another file): cp313-win_amd64"]
    catalogue.projects["lib"].clear()
    catalogue.add("lib", "2.0")
    _, changed = moving.lock("app")
    assert changed == ["lib 1.0 -> 2.0 (up): cp313-win_amd64"]


def test_another_file_under_its_name_is_an_error(moving: Moving, catalogue: Catalogue) -> None:
    del catalogue.projects["lib"][0]
    catalogue.add("lib", "1.0", files={"lib.py": "other = True"})
    with pytest.raises(FileError, match="is not the file of the last lock") as caught:
        moving.lock("app")
    assert "nox -s warmup -- --upgrade lib" in caught.value.hint
    one = Upgrade(projects=frozenset({canonicalize_name("lib")}))
    _, changed = moving.lock("app", upgrade=one)
    assert changed == ["lib 1.0 (another file): cp313-win_amd64"]


def test_another_file_is_found_where_the_page_has_no_hashes(
    moving: Moving, catalogue: Catalogue
) -> None:
    del catalogue.projects["lib"][0]
    upload = catalogue.add("lib", "1.0", files={"lib.py": "other = True"})
    catalogue.projects["lib"][0] = replace(upload, sha256="")
    moving.fetcher.file._futures.clear()
    with pytest.raises(FileError, match="is not the file of the last lock"):
        moving.lock("app")


def test_a_pre_release_stays_while_it_is_admitted(moving: Moving, catalogue: Catalogue) -> None:
    catalogue.projects["lib"].clear()
    catalogue.add("lib", "2.0b1")
    assert versions(moving.lock("app")[0])["lib"] == "2.0b1"
    catalogue.add("lib", "1.5")
    assert moving.lock("app")[1] == []
    assert moving.lock("app", "lib>=1.0")[1] == []
    _, changed = moving.lock("app", "lib<2.0b1")
    assert changed == ["lib 2.0b1 -> 1.5 (down): cp313-win_amd64"]


def test_a_pin_that_no_longer_goes_with_the_others_moves(
    moving: Moving, catalogue: Catalogue
) -> None:
    catalogue.add("more", "1.0", requires=("lib>=2", "app"))
    catalogue.add("lib", "2.0")
    _, changed = moving.lock("app", "more")
    assert changed[0] == "lib 1.0 -> 2.0 (up): cp313-win_amd64"


def test_a_lock_that_was_set_aside_is_still_the_last(moving: Moving, catalogue: Catalogue) -> None:
    catalogue.add("lib", "2.0")
    moving.fetcher.wheelhouse.set_lock_aside(CELL.id)
    assert versions(moving.lock("app")[0])["lib"] == "1.0"


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"<<<<<<< ours\n" + data,
        lambda data: data.decode().encode("utf-16"),
        lambda data: b"",
        lambda data: data.replace(b"==1.0", b"==1.x"),
    ],
)
def test_a_lock_that_cannot_be_read_keeps_nothing_and_is_named(
    moving: Moving,
    catalogue: Catalogue,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[bytes], bytes],
) -> None:
    catalogue.add("lib", "2.0")
    path = moving.fetcher.wheelhouse.lock_path(CELL.id)
    path.write_bytes(damage(path.read_bytes()))
    assert versions(moving.lock("app")[0])["lib"] == "2.0"
    assert "its last lock cannot be read, and no pin of it is kept" in capsys.readouterr().err


def test_without_a_page_the_pins_of_a_lock_are_kept(moving: Moving) -> None:
    wheelhouse = moving.fetcher.wheelhouse
    _, page, pylock = wheelhouse.lock_paths(CELL.id)
    page.unlink()
    stay = kept.kept(kept.last_lock(wheelhouse, CELL), wheelhouse, CELL, Upgrade())
    assert stay[canonicalize_name("lib")].filename == "lib-1.0-py3-none-any.whl"
    pylock.unlink()
    stay = kept.kept(kept.last_lock(wheelhouse, CELL), wheelhouse, CELL, Upgrade())
    assert stay[canonicalize_name("lib")] == Kept(
        Version("1.0"), stay[canonicalize_name("lib")].sha256
    )


def test_what_no_lock_holds_cannot_be_upgraded(moving: Moving) -> None:
    typo = Upgrade(projects=frozenset({canonicalize_name("libb")}))
    with pytest.raises(WarmupError, match="no lock holds libb"):
        kept.check(typo, moving.fetcher.wheelhouse, [CELL])
    kept.check(typo, moving.fetcher.wheelhouse, [])


def test_a_change_of_all_cells_is_told_once(moving: Moving, catalogue: Catalogue) -> None:
    lock, _ = moving.lock("app")
    (change,) = changes((), replace(lock, pins=lock.pins[:1]))
    assert list(told({"a": (change,), "b": (change,)})) == ["app 1.0 (added): all of them"]
    assert list(told({"a": (change,), "b": ()})) == ["app 1.0 (added): a"]
