"""Parts of several jobs become one wheelhouse: in any order the same, and never a gap."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from catalogue import Catalogue
from journals import INDEX, ON_DISK, enter, journal

from devpi_warmup.errors import WarmupError
from devpi_warmup.index.fetcher import Fetcher
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.targets import Target
from devpi_warmup.wheelhouse import manifest, merge
from devpi_warmup.wheelhouse.files import Wheelhouse
from devpi_warmup.wheelhouse.lock import Lock
from devpi_warmup.wheelhouse.merge import Part, gather, join, read_part
from devpi_warmup.wheelhouse.warmth import NO_DEVPI, Proof, Warmth

CELLS = tuple(
    Cell(Target(python, platform))
    for python in ("3.9", "3.10", "3.13")
    for platform in ("manylinux_2_28_x86_64", "win_amd64", "macosx_14_0_arm64")
)
DIGESTS = {"": "digest"}


@pytest.fixture
def locks(catalogue: Catalogue, fetcher: Fetcher, lock: Callable[..., Lock]) -> list[Lock]:
    """A pure wheel that all have, and one for each platform."""
    catalogue.add("app", "1.0", requires=("lib",))
    for cell in CELLS:
        tag = f"cp{cell.target.python.replace('.', '')}"
        catalogue.add("lib", "1.0", tag=f"{tag}-{tag}-{cell.target.platform}")
    return [lock("app", python=c.target.python, platform=c.target.platform) for c in CELLS]


Make = Callable[..., Part]


@pytest.fixture
def make(tmp_path: Path, fetcher: Fetcher) -> Make:
    """Make a part of some locks, as a warmup leaves it."""
    numbers = count()

    def make(*locks: Lock, index: str = INDEX, digest: str = "digest") -> Part:
        name = f"part-{next(numbers):02}"
        folder = tmp_path / "parts" / name / "wheelhouse"
        folder.parent.mkdir(parents=True)
        own = Wheelhouse(folder)
        with own.held():
            entering = journal(own, digest, index)
            for one in locks:
                for pin in one.pins:
                    (folder / pin.file.filename).write_bytes(
                        fetcher.file(pin.file).path.read_bytes()
                    )
                enter(entering, one)
                entering.proven({pin.file: ON_DISK for pin in one.pins})
        return read_part(folder, name)

    return make


@pytest.fixture
def parts(make: Make, locks: list[Lock]) -> list[Part]:
    return [make(lock) for lock in locks]


@pytest.fixture
def merged(tmp_path: Path) -> Callable[..., dict[str, bytes]]:
    """Merge into a new folder; return all its files."""
    numbers = count()

    def merged(*parts: Part) -> dict[str, bytes]:
        folder = tmp_path / "merged" / str(next(numbers)) / "wheelhouse"
        with Wheelhouse(folder).held():
            joined = join(parts, CELLS, DIGESTS)
            gather(joined, parts, Wheelhouse(folder))
            manifest.write(Wheelhouse(folder), joined)
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != ".lock"
        }

    return merged


def rewritten(part: Part, change: Callable[[dict[str, Any]], object]) -> Part:
    path = part.path / "manifest.json"
    table = json.loads(path.read_text())
    change(table)
    path.write_text(json.dumps(table))
    return read_part(part.path, part.shown)


def test_nine_parts_in_any_order_are_the_single_run(
    parts: list[Part], locks: list[Lock], make: Make, merged: Callable[..., dict[str, bytes]]
) -> None:
    whole = make(*locks)
    single = {
        path.relative_to(whole.path).as_posix(): path.read_bytes()
        for path in whole.path.rglob("*")
        if path.is_file() and path.name != ".lock"
    }
    order = random.Random(1)
    for _ in range(20):
        order.shuffle(parts)
        assert merged(*parts) == single
    assert merged(*parts, *parts[:3], whole) == single


def test_a_part_of_a_private_server_is_not_warm(make: Make, locks: list[Lock]) -> None:
    private = [make(lock, index="private devpi-server (.devpi/)") for lock in locks[:2]]
    joined = join(private, CELLS, DIGESTS)
    proofs = {file.proof for file in joined.files.values()}
    assert proofs == {Proof(Warmth.UNKNOWN, "the private devpi-server of its part is gone")}


def test_what_devpi_said_last_is_what_counts(make: Make, locks: list[Lock]) -> None:
    asked, cut = make(locks[0]), make(locks[1])
    cold = Proof(Warmth.COLD, "it was lost")
    app = locks[0].pins[0].file.filename

    def proof_of(proof: Proof) -> Proof:
        table = {"warm": proof.warmth.value, "warm_reason": proof.reason}
        other = rewritten(cut, lambda t: t["files"][app].update(table))
        return join([asked, other], CELLS, DIGESTS).files[app].proof

    assert proof_of(manifest_unswept()) == ON_DISK
    assert proof_of(cold) == cold
    assert proof_of(NO_DEVPI) == NO_DEVPI


def manifest_unswept() -> Proof:
    return merge.UNSWEPT


def test_covered_wins_over_missing(make: Make, locks: list[Lock]) -> None:
    good, bad = make(locks[0]), make(locks[0], locks[1])
    id_ = locks[0].cell.id

    def fail(table: dict[str, Any]) -> None:
        table["targets"][id_] |= {"state": "missing", "reason": "why", "locks": {}, "files": {}}

    failed = rewritten(bad, fail)
    for order in ([good, failed], [failed, good]):
        assert join(order, CELLS, DIGESTS).cells[id_].state == "covered"
    assert join([failed], CELLS, DIGESTS).cells[id_].reason == "why"


def problem(parts: list[Part], *cells: Cell) -> str:
    with pytest.raises(WarmupError) as caught:
        join(parts, cells or CELLS, DIGESTS)
    return str(caught.value)


def test_conflicts_name_both_sides(
    make: Make,
    locks: list[Lock],
    catalogue: Catalogue,
    fetcher: Fetcher,
    lock: Callable[..., Lock],
) -> None:
    one, two = make(locks[0]), make(locks[1])
    other = make(locks[2], index="https://devpi.example.com/other/index")
    assert "part-00 and part-02 were warmed up with another index: https://" in problem(
        [one, other]
    )
    older = rewritten(two, lambda table: table.update(tool="devpi-warmup 0.0"))
    assert "part-00 and part-01 were warmed up with another version" in problem([one, older])
    later = make(locks[3], digest="of others")
    assert f"part-03: {CELLS[3].id} was warmed up for other requirements" in problem([one, later])
    assert "part-00 has what is no target here: cp39-manylinux" in problem([one], CELLS[1])
    name = locks[0].pins[0].file.filename

    def exchange(table: dict[str, Any]) -> None:
        table["files"][name]["sha256"] = "0" * 64
        for entry in table["targets"].values():
            entry["files"][name] = "0" * 64

    exchanged = rewritten(make(locks[4]), exchange)
    said = problem([one, exchanged])
    assert f"{name} is two different files: sha256 " in said
    assert "in part-00, " + "0" * 64 + " in part-04" in said
    catalogue.add("app", "2.0")
    fetcher.page._futures.clear()
    newer = make(lock_again(lock, locks[0].cell))
    said = problem([one, newer])
    assert f"{locks[0].cell.id} was warmed up twice with different outcomes" in said
    assert "part-00: app-1.0" in said
    assert "part-05: app-2.0" in said


def lock_again(lock: Callable[..., Lock], cell: Cell) -> Lock:
    return lock("app>=2", python=cell.target.python, platform=cell.target.platform)


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Wheelhouse]:
    wheelhouse = Wheelhouse(tmp_path / "all" / "wheelhouse")
    with wheelhouse.held():
        yield wheelhouse


def test_a_file_that_was_changed_stops_everything(
    parts: list[Part], locks: list[Lock], held: Wheelhouse
) -> None:
    first, second = locks[0].pins[1].file.filename, locks[1].pins[1].file.filename
    (parts[0].path / first).write_bytes(b"other bytes")
    (parts[1].path / second).unlink()
    joined = join(parts, CELLS, DIGESTS)
    with pytest.raises(WarmupError) as caught:
        gather(joined, parts, held)
    assert f"part-00/{first} is not the file that its warmup left there" in str(caught.value)
    assert f"{second} is missing from part-01" in str(caught.value)
    assert not list(held.path.glob("*.whl"))


def test_a_merge_that_is_killed_covers_nothing(
    make: Make, locks: list[Lock], held: Wheelhouse
) -> None:
    first, second = make(locks[0]), make(locks[1])
    joined = join([first], CELLS, DIGESTS)
    gather(joined, [first], held)
    manifest.write(held, joined)
    gather(join([second], CELLS, DIGESTS), [second], held)  # and here it ends
    (entry,) = manifest.read(held).cells.values()
    assert (entry.state, entry.reason) == ("missing", merge._CUT)


def test_a_folder_in_the_way_is_found_before_anything_changes(
    make: Make, locks: list[Lock], held: Wheelhouse
) -> None:
    part = make(locks[0])
    joined = join([part], CELLS, DIGESTS)
    gather(joined, [part], held)
    manifest.write(held, joined)
    page = held.lock_paths(locks[0].cell.id)[1]
    page.unlink()
    page.mkdir()
    with pytest.raises(WarmupError, match=r"\.html is a folder"):
        gather(joined, [part], held)
    assert [entry.state for entry in manifest.read(held).cells.values()] == ["covered"]


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t["files"].update({"../x.whl": {}}),
        lambda t: next(iter(t["targets"].values()))["files"].update({"../../x.whl": "0" * 64}),
        lambda t: next(iter(t["targets"].values()))["locks"].update({"/etc/x": "0" * 64}),
        lambda t: next(iter(t["targets"].values())).update(sources={"reports": "0" * 64}),
        lambda t: next(iter(t["files"].values())).update(size=10**400),
        lambda t: next(iter(t["files"].values())).update(size=-1),
        lambda t: t.update(format=99),
        lambda t: t.update(targets=[]),
    ],
)
def test_a_hostile_part_is_refused(make: Make, locks: list[Lock], change: Any) -> None:
    with pytest.raises(WarmupError, match=r"part-00/manifest\.json cannot be"):
        rewritten(make(locks[0]), change)


def test_links_and_giants_are_refused(
    make: Make,
    locks: list[Lock],
    held: Wheelhouse,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    part = make(locks[0])
    name = locks[0].pins[0].file.filename
    secret = tmp_path / "secret"
    secret.write_bytes((part.path / name).read_bytes())
    (part.path / name).unlink()
    (part.path / name).symlink_to(secret)
    with pytest.raises(WarmupError, match=f"{name} is missing from part-00"):
        gather(join([part], CELLS, DIGESTS), [part], held)
    with pytest.raises(WarmupError, match="nothing holds no manifest"):
        read_part(tmp_path, "nothing")
    with pytest.raises(WarmupError, match=r"manifest.json cannot be read: .*File name too long"):
        read_part(tmp_path / ("a" * 300), "a" * 300)
    (tmp_path / "link").symlink_to(part.path)
    with pytest.raises(WarmupError, match="link holds no manifest"):
        read_part(tmp_path / "link", "link")
    monkeypatch.setattr(merge, "_LARGEST", 10)
    with pytest.raises(WarmupError, match=r"part-00/manifest\.json is over"):
        read_part(part.path, "part-00")
    (part.path / "manifest.json").write_text("[" * 5)
    with pytest.raises(WarmupError, match=r"part-00/manifest\.json cannot be read"):
        read_part(part.path, "part-00")


def test_a_file_that_grows_without_end_is_cut(
    make: Make, locks: list[Lock], held: Wheelhouse
) -> None:
    part = make(locks[0])
    name = locks[0].pins[0].file.filename
    with (part.path / name).open("ab") as stream:
        stream.truncate(1 << 33)  # sparse
    with pytest.raises(WarmupError, match="is not the file that its warmup left there"):
        gather(join([part], CELLS, DIGESTS), [part], held)
    sizes = [path.stat().st_size for path in held.staging.iterdir()]
    assert max(sizes) <= part.manifest.files[name].size + 1


def test_a_lock_that_differs_in_a_note_alone_is_the_same(make: Make, locks: list[Lock]) -> None:
    one, two = make(locks[0]), make(replace(locks[0], notes=("something",)))
    both = [join(order, CELLS, DIGESTS) for order in ([one, two], [two, one])]
    assert both[0] == both[1]
