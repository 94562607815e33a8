"""The manifest of a run and what is judged by it: values, journal, coverage, table."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from devpi_warmup.errors import WheelhouseError
from devpi_warmup.inputs.patches import Patches
from devpi_warmup.inputs.targets import Target
from devpi_warmup.report import table as report
from devpi_warmup.resolve.lock_files import write_lock
from devpi_warmup.wheelhouse import coverage as coverage_module
from devpi_warmup.wheelhouse import manifest
from devpi_warmup.wheelhouse.coverage import Coverage
from devpi_warmup.wheelhouse.files import Wheelhouse
from devpi_warmup.wheelhouse.journal import ManifestJournal
from devpi_warmup.wheelhouse.lock import Lock
from devpi_warmup.wheelhouse.manifest import Manifest, ManifestError, TargetEntry
from devpi_warmup.wheelhouse.warmth import Proof, Warmth

INDEX = "https://devpi.example.com/user/index"
ON_DISK = Proof(Warmth.WARM, "on disk")


def journal(wheelhouse: Wheelhouse, digest: str = "digest", index: str = INDEX) -> ManifestJournal:
    return ManifestJournal(wheelhouse, digest, index)


def enter(
    journal: ManifestJournal,
    lock: Lock,
    proofs: dict[object, Proof] | None = None,
    warnings: tuple[str, ...] = (),
) -> None:
    journal.begin(lock)
    write_lock(lock, journal._wheelhouse)
    judged = {pin.file.filename: warnings for pin in lock.pins}
    journal.covered(lock, proofs or {}, judged, pip_version="26.3")


def states(wheelhouse: Wheelhouse) -> dict[str, str]:
    return {id_: entry.state for id_, entry in manifest.read(wheelhouse).targets.items()}


def why(wheelhouse: Wheelhouse, target: Target, digest: str = "digest") -> str:
    return Coverage(wheelhouse).why_missing(target, digest)


def rows(wheelhouse: Wheelhouse, *targets: Target, **more: object) -> list[report.Row]:
    return report.rows(Coverage(wheelhouse), targets, "digest", {}, **more)


# Values -------------------------------------------------------------------------------------


def test_what_is_written_is_read_back(wheelhouse: Wheelhouse, small: Lock) -> None:
    enter(journal(wheelhouse), replace(small, notes=("a note",)), warnings=("odd RECORD",))
    found = manifest.read(wheelhouse)
    assert Manifest.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    entry = found.targets[small.target.id]
    assert entry.covered
    assert (entry.python, entry.full_version) == ("3.13", small.target.full_version)
    assert entry.patches == Patches("3.13.0")
    assert found.notes(entry) == ("a note", "app: pip: odd RECORD", "lib: pip: odd RECORD")
    table = found.to_dict()
    assert table["targets"][small.target.id]["from"] == "3.13.0"
    file = table["files"]["app-1.0-py3-none-any.whl"]
    assert file["warm"] == "cannot be shown"
    assert file["warm_reason"] == "the index is not a devpi"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("format", 99, "its format is 99, not 2"),
        ("index", 3, "index is not of type str"),
        ("targets", [], "targets is not of type dict"),
        ("targets.ID", 3, "targets.ID.from is missing"),
        ("targets.ID.state", "fine", "targets.ID.state is 'fine'"),
        ("targets.ID.locks", {}, "targets.ID is covered without a lock"),
        ("targets.ID.locks", {"locks/x.txt": "0" * 64}, "targets.ID is covered without a lock"),
        ("targets.ID.from", "abc", "targets.ID.from and to are not releases of Python"),
        ("targets.ID.to", "x", "targets.ID.from and to are not releases of Python"),
        ("targets.ID.reason", "\ud800", "targets.ID.reason is not text"),
        ("targets.ID.files.long", "0" * 64, "is not that of files"),
        ("targets.ID.files.app-1.0-py3-none-any.whl", "0" * 64, "is not that of files"),
        ("targets.ID.files.app-1.0-py3-none-any.whl", 3, "is not a file and its sha256"),
        ("targets.ID.locks.../../x", "0" * 64, "is not a file and its sha256"),
        ("files.app-1.0-py3-none-any.whl.size", True, "size is not of type int"),
        ("files.app-1.0-py3-none-any.whl.warm", "hot", "warm is 'hot'"),
        ("files.app-1.0-py3-none-any.whl.pip", None, "pip is not of type str"),
    ],
)
def test_an_error_carries_its_path(
    wheelhouse: Wheelhouse, small: Lock, path: str, value: object, message: str
) -> None:
    enter(journal(wheelhouse), small)
    table = manifest.read(wheelhouse).to_dict()
    keys = ("app-1.0-py3-none-any.whl", "../../x")
    place, name = table, path
    for key in keys:
        path = path.replace(f".{key}", f".{keys.index(key)}")
    *folders, name = path.split(".")
    for folder in folders:
        place = place[_key(folder, keys, small)]
    place[_key(name, keys, small)] = value
    with pytest.raises(ManifestError) as error:
        Manifest.from_dict(table)
    assert message.replace("ID", small.target.id) in str(error.value)


def _key(part: str, keys: tuple[str, ...], lock: Lock) -> str:
    return keys[int(part)] if part.isdecimal() else lock.target.id if part == "ID" else part


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *(("", "cannot be used"), ("{broken", "cannot be used"), ("[]", "it is not a table")),
        *(("3", "it is not a table"), ("{}", "its format is None"), ("[" * 100_000, "cannot be")),
        ('{"format": 1, "files": {}, "targets": {}}', "its format is 1, not 2"),
    ],
)
def test_a_manifest_that_cannot_be_used_says_why(
    wheelhouse: Wheelhouse, small: Lock, text: str, message: str
) -> None:
    (wheelhouse.path / "manifest.json").write_text(text)
    found = manifest.read(wheelhouse)
    assert (found.targets, found.files) == ({}, {})
    assert message in why(wheelhouse, small.target)
    assert manifest.read(Wheelhouse(wheelhouse.path / "none")).problem == "it was never warmed up"
    enter(journal(wheelhouse), small)  # a warmup writes it anew
    assert why(wheelhouse, small.target) == ""


# The journal --------------------------------------------------------------------------------


def test_a_target_is_struck_out_before_anything_of_it_changes(
    wheelhouse: Wheelhouse, small: Lock
) -> None:
    enter(journal(wheelhouse), small)
    before = (wheelhouse.path / "manifest.json").read_bytes()
    journal(wheelhouse).begin(small)  # nothing changes
    assert (wheelhouse.path / "manifest.json").read_bytes() == before
    journal(wheelhouse).begin(replace(small, pins=small.pins[:1]))
    assert states(wheelhouse) == {small.target.id: "missing"}


def test_a_replaced_file_strikes_out_who_needs_it_and_nobody_else(
    wheelhouse: Wheelhouse, small: Lock
) -> None:
    """A file of the index was replaced, and one target is warmed up again."""
    app, lib = small.pins
    related, unrelated = Target("3.9", "win_amd64"), Target("3.9", "win32")
    enter(journal(wheelhouse), small)
    enter(journal(wheelhouse), replace(small, target=related, pins=(app,)))
    enter(journal(wheelhouse), replace(small, target=unrelated, pins=(lib,)))
    path = wheelhouse.path / app.file.filename
    path.write_bytes(b"another file")
    changed = replace(app, sha256=manifest_digest(path), size=12)
    enter(journal(wheelhouse), replace(small, target=related, pins=(changed,)))
    assert manifest.read(wheelhouse).problem == ""
    assert states(wheelhouse) == {
        small.target.id: "missing",
        related.id: "covered",
        unrelated.id: "covered",
    }
    assert why(wheelhouse, unrelated) == ""
    reason = "app-1.0-py3-none-any.whl was replaced for cp39-win_amd64: warm it up again"
    assert why(wheelhouse, small.target) == reason


def manifest_digest(path: Path) -> str:
    from devpi_warmup.wheelhouse.files import digest

    return digest(path)


def proofs_of(wheelhouse: Wheelhouse) -> set[str]:
    return {str(file.proof) for file in manifest.read(wheelhouse).files.values()}


def test_what_another_index_was_shown_to_hold_is_not_warm(
    wheelhouse: Wheelhouse, small: Lock
) -> None:
    proofs = {pin.file: ON_DISK for pin in small.pins}
    first = journal(wheelhouse)
    enter(first, small, proofs)
    assert proofs_of(wheelhouse) == {"not warm: the run ended before devpi was asked a last time"}
    first.proven(proofs)
    assert proofs_of(wheelhouse) == {"warm"}
    one = replace(small, target=Target("3.9", "win_amd64"), pins=small.pins[:1])
    second = journal(wheelhouse, index="https://other.example.com/user/index")
    enter(second, one, proofs)
    second.proven({one.pins[0].file: ON_DISK})
    found = rows(wheelhouse, small.target, one.target)
    assert [(row.warm, row.shown) for row in found] == [(1, 2), (1, 1)]
    assert f"warmed through another index, {INDEX}" in found[0].reason


def test_another_index_than_the_one_that_was_asked(wheelhouse: Wheelhouse, small: Lock) -> None:
    proofs = {pin.file: ON_DISK for pin in small.pins}
    own = journal(wheelhouse)
    enter(own, small, proofs)
    own.proven(proofs)
    (row,) = rows(wheelhouse, small.target, asked=INDEX)
    assert (row.warm, row.shown, row.unshown) == (2, 2, ())
    (row,) = rows(wheelhouse, small.target, asked="https://other.example.com/user/index")
    assert (row.warm, row.shown, row.good) == (0, 0, True)
    assert row.unshown == (f"{INDEX} was asked, not https://other.example.com/user/index",)


def test_files_of_which_nothing_is_shown_are_counted_beside_those_that_are(
    wheelhouse: Wheelhouse, small: Lock
) -> None:
    own = journal(wheelhouse)
    enter(own, small)
    first, second = (pin.file for pin in small.pins)
    unknown = Proof(Warmth.UNKNOWN, "a cache answers")
    own.proven({first: unknown, second: unknown})
    (row,) = rows(wheelhouse, small.target)
    assert (row.warm, row.shown, row.good, row.unshown) == (0, 0, True, ("a cache answers",))
    own.proven({first: ON_DISK, second: unknown})
    (row,) = rows(wheelhouse, small.target)
    assert (row.warm, row.shown, row.good) == (1, 2, False)
    assert "cannot be shown: a cache answers" in row.reason


def test_a_direct_url_and_silent_bases_are_not_passed_over(
    wheelhouse: Wheelhouse, small: Lock
) -> None:
    app, lib = small.pins
    lock = replace(small, pins=(replace(app, from_url=True), lib))
    own = journal(wheelhouse)
    own.begin(lock)
    write_lock(lock, wheelhouse)
    judged = {pin.file.filename: () for pin in lock.pins}
    own.covered(lock, {lib.file: ON_DISK}, judged, pip_version="26.3", unshown="no bases")
    own.proven({lib.file: ON_DISK})
    (row,) = rows(wheelhouse, small.target)
    assert (row.warm, row.shown, row.good) == (1, 1, True)
    assert row.unshown == ("app comes from a direct URL", "no bases")


@pytest.mark.parametrize("direct_first", [False, True])
def test_a_file_of_the_index_for_one_target_is_of_the_index(
    wheelhouse: Wheelhouse, small: Lock, direct_first: bool
) -> None:
    """Though another target has the same file from a direct URL: devpi must hold it."""
    direct = replace(
        small,
        target=Target("3.9", "win_amd64"),
        pins=tuple(replace(pin, from_url=True) for pin in small.pins),
    )
    cold = {pin.file: Proof(Warmth.COLD, "not committed") for pin in small.pins}
    for lock in (direct, small) if direct_first else (small, direct):
        enter(journal(wheelhouse), lock, cold)
    assert proofs_of(wheelhouse) == {"not warm: not committed"}
    files = manifest.read(wheelhouse).files.values()
    assert {file.origin for file in files} == {"index"}


def test_a_failure_that_touched_nothing_leaves_what_was_covered(
    wheelhouse: Wheelhouse, small: Lock
) -> None:
    enter(journal(wheelhouse), small)
    journal(wheelhouse).missing(small.target, "the index is wrong", touched=False)
    assert states(wheelhouse) == {small.target.id: "covered"}
    assert why(wheelhouse, small.target) == ""


@pytest.mark.parametrize(
    ("digest", "target", "touched"),
    [
        ("other", None, False),  # the requirements have changed
        ("digest", Target("3.13.2", "manylinux_2_28_x86_64"), False),  # the Python has
        ("digest", None, True),  # the referee refuses the lock of this run
    ],
)
def test_a_lock_that_serves_something_else_is_set_aside(
    wheelhouse: Wheelhouse, small: Lock, digest: str, target: Target | None, touched: bool
) -> None:
    """It would install, without what has failed."""
    enter(journal(wheelhouse), small)
    paths = wheelhouse.lock_paths(small.target.id)
    texts = [path.read_text() for path in paths]
    journal(wheelhouse, digest).missing(target or small.target, "no such project", touched=touched)
    assert why(wheelhouse, target or small.target, digest) == "no such project"
    assert not any(path.exists() for path in paths)
    aside = [path.parent / "outdated" / path.name for path in paths]
    assert [path.read_text() for path in aside] == texts
    enter(journal(wheelhouse), small)
    assert why(wheelhouse, small.target) == ""


# Coverage -----------------------------------------------------------------------------------


def test_a_missing_target_has_its_reason(wheelhouse: Wheelhouse, small: Lock) -> None:
    enter(journal(wheelhouse), small)
    journal(wheelhouse).missing(small.target, "no such project\n  details", touched=True)
    found = rows(wheelhouse, small.target)
    assert [(row.state, row.reason) for row in found] == [("missing", "no such project")]
    assert manifest.read(wheelhouse).files == {}


def test_a_python_is_exact(wheelhouse: Wheelhouse, small: Lock) -> None:
    """What covers 3.13 need not serve 3.13.2, which has the same id."""
    enter(journal(wheelhouse), small)
    newest = small.target.full_version
    assert why(wheelhouse, Target(newest, small.target.platform)) == ""
    reason = why(wheelhouse, Target("3.13.2", small.target.platform))
    assert reason == f"it was warmed up for Python {newest}, and the configuration says 3.13.2"


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("", "", ""),
        ("app-1.0-py3-none-any.whl", "x", "app-1.0-py3-none-any.whl is not the file"),
        ("app-1.0-py3-none-any.whl", "", "app-1.0-py3-none-any.whl is missing from wheelhouse/"),
        ("locks/{}.txt", "x", "txt is not the file that its warmup left there"),
        ("locks/{}.txt", "", "txt is missing from wheelhouse/"),
        ("locks/pylock.{}.toml", "", "toml is missing from wheelhouse/"),
        ("locks/{}.html", "x", "html is not the file that its warmup left there"),
        ("manifest.json", "{", "manifest.json cannot be used"),
    ],
)
def test_coverage_is_judged_by_the_bytes_on_disk(
    wheelhouse: Wheelhouse, small: Lock, name: str, change: str, reason: str
) -> None:
    enter(journal(wheelhouse), small)
    path = wheelhouse.path / name.format(small.target.id)
    if change:
        path.write_text(change)
    elif name:
        path.unlink()
    found = why(wheelhouse, small.target)
    assert reason in found
    assert bool(found) == bool(reason)
    if name != "manifest.json":
        assert "the requirements have changed" in why(wheelhouse, small.target, "other")


@pytest.mark.parametrize("folder", ["", "locks"])
def test_links_do_not_cross_the_gap(
    wheelhouse: Wheelhouse, small: Lock, tmp_path: Path, folder: str
) -> None:
    enter(journal(wheelhouse), small)
    path = wheelhouse.path / folder
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    shown = f"wheelhouse/{folder}/".replace("//", "/")
    assert wheelhouse.linked == shown
    with pytest.raises(WheelhouseError, match=f"{shown} is a link"), wheelhouse.held():
        pass
    if folder:
        assert "is a link, which does not cross the gap" in why(wheelhouse, small.target)


def test_each_file_is_hashed_once_and_the_manifest_read_once(
    wheelhouse: Wheelhouse, small: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = [Target("3.13", f"manylinux_2_{minor}_x86_64") for minor in range(28, 37)]
    own = journal(wheelhouse)
    for target in targets:
        enter(own, replace(small, target=target))
    hashed, read = [], []
    real_digest, real_read = coverage_module.digest, manifest.read
    monkeypatch.setattr(coverage_module, "digest", lambda p: hashed.append(p) or real_digest(p))
    monkeypatch.setattr(manifest, "read", lambda w: read.append(w) or real_read(w))
    found = rows(wheelhouse, *targets)
    assert [row.state for row in found] == ["covered"] * 9
    wheels = [path.name for path in hashed if path.suffix == ".whl"]
    assert sorted(wheels) == sorted(pin.file.filename for pin in small.pins)
    assert len(hashed) == len(set(hashed)) == 2 + 3 * 9
    assert len(read) == 1


def test_wheels_of_no_covered_target_are_named(wheelhouse: Wheelhouse, small: Lock) -> None:
    enter(journal(wheelhouse), small)
    stray = wheelhouse.path / "old-1.0-py3-none-any.whl"
    assert Coverage(wheelhouse).unused_wheels([small.target]) == []
    stray.touch()
    # Those of another configuration's covered target are needed, too.
    assert Coverage(wheelhouse).unused_wheels([Target("3.9", "win32")]) == [stray.name]
    journal(wheelhouse).missing(small.target, "gone", touched=True)
    unused = Coverage(wheelhouse).unused_wheels([Target("3.9", "win32")])
    assert len(unused) == 1 + len(small.pins)


# The table ----------------------------------------------------------------------------------


def test_the_table(wheelhouse: Wheelhouse, small: Lock) -> None:
    notes = ("lib 2.0 is not the newest", "another", "and one more")
    enter(journal(wheelhouse), replace(small, notes=notes))
    never, failed = Target("3.9", "win32"), Target("3.10", "win32")
    failures = {failed.id: "the index is down\n  more"}
    found = report.rows(Coverage(wheelhouse), [small.target, never, failed], "digest", failures)
    lines = report.table(found).splitlines()
    columns = [small.target.id, "covered", "from", "3.13.0", "2"]
    assert lines[1].split()[:5] == columns
    assert lines[1].endswith("note: lib 2.0 is not the newest; and 2 more notes")
    assert "missing" in lines[2]
    assert "it was never warmed up" in lines[2]
    assert lines[3].endswith("the index is down")
    assert lines[4] == "1 of 3 targets covered"


def test_a_failure_of_this_run_outranks_an_old_manifest(
    wheelhouse: Wheelhouse, small: Lock
) -> None:
    enter(journal(wheelhouse), small)
    failures = {small.target.id: "server down"}
    (row,) = report.rows(Coverage(wheelhouse), [small.target], "digest", failures)
    assert row.state == "missing"


def test_an_entry_that_never_finished(wheelhouse: Wheelhouse, small: Lock) -> None:
    own = journal(wheelhouse)
    enter(own, small)
    own.begin(replace(small, pins=small.pins[:1]))
    assert why(wheelhouse, small.target) == "its warmup has not finished"
    assert isinstance(manifest.read(wheelhouse).targets[small.target.id], TargetEntry)
