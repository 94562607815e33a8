"""Locks, the wheelhouse on disk, the ledger, pip's settings: what is written, and when."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from catalogue import Catalogue, Resolve, make_wheel
from packaging.pylock import Pylock

from devpi_warmup import ambient, manifest, report
from devpi_warmup.devpi import Proof, Warmth
from devpi_warmup.errors import InvalidInputError, WarmupError, WheelhouseError
from devpi_warmup.gather import Gatherer
from devpi_warmup.install import top_level_modules
from devpi_warmup.lock import Lock
from devpi_warmup.manifest import Ledger, why_missing
from devpi_warmup.process import Completed
from devpi_warmup.requirements import RequirementSet
from devpi_warmup.targets import Target
from devpi_warmup.wheelhouse import Wheelhouse, write_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

WANTED = RequirementSet((), (), "digest")


@pytest.fixture
def small(catalogue: Catalogue, lock: Resolve, gatherer: Gatherer) -> Lock:
    catalogue.add("app", "1.0", requires=("lib",), requires_python=">=3.8")
    catalogue.add("lib", "2.0", tag="cp313-cp313-manylinux_2_28_x86_64")
    found = lock("app")
    for pin in found.pins:
        gatherer.published(pin.file)
    return found


# Locks --------------------------------------------------------------------------------------


def test_the_text_of_a_lock(small: Lock) -> None:
    app, lib = small.pins
    assert small.to_requirements().splitlines()[3:] == [
        "--find-links cp313-manylinux_2_28_x86_64.html",
        "app==1.0 \\",
        f"    --hash=sha256:{app.sha256}",
        "    # via -r main.txt",
        "lib==2.0 \\",
        f"    --hash=sha256:{lib.sha256}",
        "    # via app",
    ]


def test_a_pylock_names_files_beside_it_and_its_environment(small: Lock) -> None:
    pylock = Pylock.from_dict(tomllib.loads(small.to_pylock()))
    (environment,) = pylock.environments or ()
    assert environment.evaluate(dict(small.target.markers))
    assert not environment.evaluate(dict(Target("3.13", "win_amd64").markers))
    selected = list(
        pylock.select(environment=small.target.markers, tags=small.target.tags)  # type: ignore[arg-type]
    )
    assert [str(package.name) for package, _ in selected] == ["app", "lib"]
    wheel = selected[1][1]
    assert wheel.path == "../lib-2.0-cp313-cp313-manylinux_2_28_x86_64.whl"
    assert wheel.size == small.pins[1].size


# The wheelhouse -----------------------------------------------------------------------------


def test_write_text_is_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.txt"
    write_text(path, "one")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(WheelhouseError, match="No space left on device"):
        write_text(path, "two")
    assert path.read_text() == "one"


def test_write_text_leaves_the_same_text_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    write_text(path, "one")
    os.utime(path, ns=(1, 1))
    write_text(path, "one")
    assert path.stat().st_mtime_ns == 1


def test_a_new_run_clears_what_a_killed_one_left(tmp_path: Path) -> None:
    wheelhouse = Wheelhouse(tmp_path)
    wheelhouse.staging.mkdir()
    (wheelhouse.staging / "partial").touch()
    with wheelhouse.held():
        assert not list(wheelhouse.staging.iterdir())
    assert not wheelhouse.staging.exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_wheelhouse(tmp_path: Path) -> None:
    folder = tmp_path / "wheelhouse"
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(WheelhouseError, match="cannot be written"), Wheelhouse(folder).held():
        pass


def test_a_wheelhouse_that_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "wheelhouse"
    path.touch()
    with pytest.raises(WheelhouseError, match="cannot be written"), Wheelhouse(path).held():
        pass


@pytest.mark.parametrize(
    "text",
    [
        *("", "{broken", "[]", "3", '{"format": 99}', '{"format": 1}'),
        '{"format": 1, "files": {}, "targets": {"x": {"state": "covered"}}}',
        '{"format": 1, "files": {}, "targets": []}',
        '{"format": 1, "files": [], "targets": {}}',
    ],
)
def test_a_manifest_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    assert manifest.read(Wheelhouse(tmp_path)) == {}


# The ledger ---------------------------------------------------------------------------------


@pytest.fixture
def ledger(wheelhouse: Wheelhouse) -> Ledger:
    return Ledger(wheelhouse, WANTED, "https://devpi.example.com/user/index")


def enter(ledger: Ledger, lock: Lock) -> None:
    ledger.begin(lock)
    lock.write(ledger.wheelhouse)
    ledger.covered(lock, {}, pip_version="26.3")


def states(ledger: Ledger) -> dict[str, str]:
    targets = manifest.read(ledger.wheelhouse)["targets"]
    return {id_: entry["state"] for id_, entry in targets.items()}


def test_a_covered_target_in_the_manifest(ledger: Ledger, small: Lock) -> None:
    enter(ledger, small)
    known = manifest.read(ledger.wheelhouse)
    entry = known["targets"][small.target.id]
    assert entry["state"] == "covered"
    assert entry["requirements_sha256"] == "digest"
    assert next(iter(known["files"].values())) == {
        "project": "app",
        "version": "1.0",
        "sha256": small.pins[0].sha256,
        "size": small.pins[0].size,
        "origin": "index",
        "warm": "cannot be shown: the index is no devpi",
    }


def test_a_target_is_struck_out_before_anything_of_it_changes(ledger: Ledger, small: Lock) -> None:
    enter(ledger, small)
    before = (ledger.wheelhouse.path / "manifest.json").read_bytes()
    ledger.begin(small)  # nothing changes
    assert (ledger.wheelhouse.path / "manifest.json").read_bytes() == before
    ledger.begin(replace(small, pins=small.pins[:1]))
    assert states(ledger) == {small.target.id: "missing"}


def test_another_target_whose_file_is_replaced_is_struck_out(ledger: Ledger, small: Lock) -> None:
    enter(ledger, small)
    other = Target("3.9", "win_amd64")
    same = replace(small, target=other, pins=small.pins[:1])
    enter(ledger, same)
    assert set(states(ledger).values()) == {"covered"}
    changed = replace(same, pins=(replace(same.pins[0], sha256="0" * 64),))
    ledger.begin(changed)
    assert set(states(ledger).values()) == {"missing"}
    reason = manifest.read(ledger.wheelhouse)["targets"][small.target.id]["reason"]
    assert "a file of it was replaced for cp39-win_amd64" in reason


def warmths(ledger: Ledger) -> set[str]:
    return {file["warm"] for file in manifest.read(ledger.wheelhouse)["files"].values()}


def test_what_another_index_was_shown_to_hold_is_not_warm(ledger: Ledger, small: Lock) -> None:
    ledger.begin(small)
    small.write(ledger.wheelhouse)
    proofs = {pin.file: Proof(Warmth.WARM, "on disk") for pin in small.pins}
    ledger.covered(small, proofs, pip_version="26.3")
    assert warmths(ledger) == {"not warm: the run ended before devpi was asked a last time"}
    ledger.proven(proofs)
    assert warmths(ledger) == {"warm"}
    other = replace(ledger, index="https://other.example.com/user/index")
    one = replace(small, target=Target("3.9", "win_amd64"), pins=small.pins[:1])
    other.begin(one)
    one.write(ledger.wheelhouse)
    other.covered(one, proofs, pip_version="26.3")
    other.proven({one.pins[0].file: Proof(Warmth.WARM, "on disk")})
    rows = report.rows(ledger.wheelhouse, [small.target, one.target], "digest", {})
    assert [(row.warm, row.shown) for row in rows] == [(1, 2), (1, 1)]
    assert "warmed through another index, https://devpi.example.com/user/index" in rows[0].reason


def test_files_of_which_nothing_is_shown_are_counted_beside_those_that_are(
    ledger: Ledger, small: Lock
) -> None:
    enter(ledger, small)
    first, second = (pin.file for pin in small.pins)
    unknown = Proof(Warmth.UNKNOWN, "a cache answers")
    ledger.proven({first: unknown, second: unknown})
    (row,) = report.rows(ledger.wheelhouse, [small.target], "digest", {})
    assert (row.warm, row.shown, row.good, row.unknown) == (0, 0, True, 2)
    ledger.proven({first: Proof(Warmth.WARM, "on disk"), second: unknown})
    (row,) = report.rows(ledger.wheelhouse, [small.target], "digest", {})
    assert (row.warm, row.shown, row.good) == (1, 2, False)
    assert "cannot be shown: a cache answers" in row.reason


@pytest.mark.parametrize("direct_first", [False, True])
def test_a_file_of_the_index_for_one_target_is_of_the_index(
    ledger: Ledger, small: Lock, direct_first: bool
) -> None:
    """Though another target has the same file from a direct URL: devpi must hold it."""
    direct = replace(
        small,
        target=Target("3.9", "win_amd64"),
        pins=tuple(replace(pin, direct=True) for pin in small.pins),
    )
    cold = {pin.file: Proof(Warmth.COLD, "not committed") for pin in small.pins}
    for lock in (direct, small) if direct_first else (small, direct):
        ledger.begin(lock)
        lock.write(ledger.wheelhouse)
        ledger.covered(lock, cold, pip_version="26.3")
    assert warmths(ledger) == {"not warm: not committed"}
    files = manifest.read(ledger.wheelhouse)["files"].values()
    assert {file["origin"] for file in files} == {"index"}


def test_a_failure_that_touched_nothing_leaves_what_was_covered(
    ledger: Ledger, small: Lock
) -> None:
    enter(ledger, small)
    ledger.missing(small.target, "the index is wrong", touched=False)
    assert states(ledger) == {small.target.id: "covered"}
    assert why_missing(ledger.wheelhouse, small.target, "digest") == ""
    other = replace(ledger, requirements=replace(WANTED, digest="other"))
    other.missing(small.target, "no such project", touched=False)
    assert "have changed" in why_missing(ledger.wheelhouse, small.target, "other")
    assert why_missing(ledger.wheelhouse, small.target, "digest") == ""  # they were put back


def test_a_missing_target_has_its_reason(ledger: Ledger, small: Lock) -> None:
    enter(ledger, small)
    ledger.missing(small.target, "no such project\n  details", touched=True)
    rows = report.rows(ledger.wheelhouse, [small.target], "digest", {})
    assert [(row.state, row.reason) for row in rows] == [("missing", "no such project")]
    assert manifest.read(ledger.wheelhouse)["files"] == {}


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
        ("manifest.json", "{", "it was never warmed up"),
        ("manifest.json", '{"format": 99}', "it was never warmed up"),
    ],
)
def test_coverage_is_judged_by_the_bytes_on_disk(
    ledger: Ledger, small: Lock, name: str, change: str, reason: str
) -> None:
    enter(ledger, small)
    path = ledger.wheelhouse.path / name.format(small.target.id)
    if change:
        path.write_text(change)
    elif name:
        path.unlink()
    found = why_missing(ledger.wheelhouse, small.target, "digest")
    assert reason in found
    assert bool(found) == bool(reason)
    assert "changed" in why_missing(ledger.wheelhouse, small.target, "other") or name


def test_wheels_of_no_target_are_named(ledger: Ledger, small: Lock) -> None:
    enter(ledger, small)
    assert report.strangers(ledger.wheelhouse, [small.target]) == []
    (ledger.wheelhouse.path / "old-1.0-py3-none-any.whl").touch()
    assert report.strangers(ledger.wheelhouse, [small.target]) == ["old-1.0-py3-none-any.whl"]


def test_the_table(ledger: Ledger, small: Lock) -> None:
    enter(ledger, small)
    never = Target("3.9", "win32")
    failed = Target("3.10", "win32")
    rows = report.rows(
        ledger.wheelhouse,
        [small.target, never, failed],
        "digest",
        {failed.id: "the index is down\n  more"},
    )
    lines = report.table(rows).splitlines()
    assert lines[1].split()[:3] == [small.target.id, "covered", "2"]
    assert "missing" in lines[2]
    assert "it was never warmed up" in lines[2]
    assert lines[3].endswith("the index is down")
    assert lines[4] == "1 of 3 targets covered"


def test_a_failure_of_this_run_outranks_an_old_manifest(ledger: Ledger, small: Lock) -> None:
    enter(ledger, small)
    (row,) = report.rows(
        ledger.wheelhouse, [small.target], "digest", {small.target.id: "server down"}
    )
    assert row.state == "missing"


# Settings of pip ----------------------------------------------------------------------------

LISTING = """\
:env:.find-links='/links'
:env:.timeout='60'
global.cert='/ca.pem'
global.index-url='https://u:p@devpi.example.com/simple'
global.no-binary=':all:'
global.timeout='15'
global.trusted-host='a.example.com\\nb.example.com:8443'
install.constraint='/c.txt'
install.user='true'
list.format='columns'
not a setting
global.broken=x y
"""


def test_settings_are_kept_or_named() -> None:
    found = ambient.parse(LISTING)
    assert found.kept["cert"] == "/ca.pem"
    assert found.timeout == 60.0
    assert found.retries == 5
    assert found.trusted_hosts == {"a.example.com", "b.example.com:8443"}
    assert found.index_url == "https://u:p@devpi.example.com/simple"
    assert found.ignored == (
        "constraint (pip.conf)",
        "find-links (environment)",
        "index-url (pip.conf)",
        "no-binary (pip.conf)",
        "user (pip.conf)",
    )
    assert "u:p" not in repr(found)


def test_a_configuration_that_pip_cannot_read() -> None:
    def runner(argv, *, env, timeout=None):
        assert "PIP_QUIET" not in env
        return Completed(1, "", "ERROR: Configuration file contains invalid syntax")

    with pytest.raises(WarmupError, match="pip cannot read its own configuration: ERROR"):
        ambient.read(runner, "python", {"PIP_QUIET": "3"})


def test_a_clean_environment() -> None:
    env = ambient.clean_environment(
        {
            "PIP_TARGET": "x",
            "UV_INDEX": "x",
            "PYTHONPATH": "x",
            "VIRTUAL_ENV": "x",
            "HOME": "/home/me",
            "https_proxy": "http://proxy.example.com",
        }
    )
    assert env["PIP_CONFIG_FILE"] == os.devnull
    assert env["HOME"] == "/home/me"
    assert env["https_proxy"] == "http://proxy.example.com"
    assert not {"PIP_TARGET", "UV_INDEX", "PYTHONPATH", "VIRTUAL_ENV"} & env.keys()


# Modules of a wheel -------------------------------------------------------------------------


def test_modules_that_can_be_imported(tmp_path: Path) -> None:
    filename, data = make_wheel(
        "x",
        "1",
        files={
            "package/__init__.py": "",
            "package/deep/__init__.py": "",
            "compiled/__init__.cpython-313-x86_64-linux-gnu.so": "",
            "single.py": "",
            "fast.cpython-313-x86_64-linux-gnu.so": "",
            "win.cp313-win_amd64.pyd": "",
            "4f__mypyc.cpython-313-x86_64-linux-gnu.so": "",
            "namespace/part.py": "",
            "data.txt": "",
            "hook.pth": "",
            "x-1.data/purelib/__init__.py": "",
        },
    )
    (tmp_path / filename).write_bytes(data)
    assert list(top_level_modules(tmp_path / filename)) == [
        "compiled",
        "fast",
        "package",
        "single",
        "win",
    ]


def test_errors_are_shown_with_their_hints() -> None:
    assert str(WarmupError("no", hint="yes")) == "no\n    hint: yes"
    assert str(InvalidInputError("wrong:", [])) == "wrong:"
