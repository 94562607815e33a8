"""The side that sends: what was accepted, what a bundle builds on, what is typed, what goes."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from crossings import base_of, files, made, state, wheel
from journals import enter, journal

from devpi_warmup.crossing import accepted, base, bootstrap, contents, prune
from devpi_warmup.errors import InvalidInputError, WarmupError
from devpi_warmup.inputs import config
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.targets import Target
from devpi_warmup.sessions.bundle import Asked, read
from devpi_warmup.wheelhouse import manifest
from devpi_warmup.wheelhouse.coverage import Coverage
from devpi_warmup.wheelhouse.files import Wheelhouse
from devpi_warmup.wheelhouse.lock import Lock
from devpi_warmup.wheelhouse.manifest import CellEntry, Manifest

A, B, C = (wheel(name) for name in "abc")
ONE, TWO = files(A, B), files(A, C, month=2)


# What was accepted --------------------------------------------------------------------------


def test_what_was_accepted_is_kept_in_its_order(wheelhouse: Wheelhouse) -> None:
    assert accepted.read(wheelhouse) == ()
    for number in range(1, 12):
        assert accepted.accept(wheelhouse, state(files(A, month=number)).sums)
    found = accepted.read(wheelhouse)
    assert [one.id for one in found] == [state(files(A, month=n)).id for n in range(1, 12)]
    assert not accepted.accept(wheelhouse, found[-1].sums)
    assert accepted.accept(wheelhouse, found[0].sums)  # somebody went back
    assert accepted.read(wheelhouse)[-1].number == 12


def test_git_may_change_the_ends_of_lines(wheelhouse: Wheelhouse) -> None:
    accepted.accept(wheelhouse, state(ONE).sums)
    (path,) = (wheelhouse.path / "accepted").iterdir()
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert accepted.read(wheelhouse)[0].id == state(ONE).id


@pytest.mark.parametrize("name", ["0001-{}.txt", "x.txt"])
def test_what_is_not_what_was_written_is_named(wheelhouse: Wheelhouse, name: str) -> None:
    (wheelhouse.path / "accepted").mkdir()
    path = wheelhouse.path / "accepted" / name.format(state(TWO).id[:12])
    path.write_text(state(ONE).sums)
    with pytest.raises(WarmupError, match=r"wheelhouse/accepted/\S+ is not what was written"):
        accepted.read(wheelhouse)


def test_what_came_before_a_state(wheelhouse: Wheelhouse) -> None:
    for found in (ONE, TWO):
        accepted.accept(wheelhouse, state(found).sums)
    known = accepted.read(wheelhouse)
    assert accepted.before(known, state(files(B)).id) == (state(ONE).id, state(TWO).id)
    assert accepted.before(known, state(TWO).id) == (state(ONE).id,)


# What a bundle builds on --------------------------------------------------------------------


def find(word: str, tmp_path: Path, wheelhouse: Wheelhouse) -> base.Base:
    return base.find(word, tmp_path / word, tmp_path / "bundles", wheelhouse)


def test_every_way_to_name_a_state(tmp_path: Path, wheelhouse: Wheelhouse) -> None:
    bundles, id_ = tmp_path / "bundles", state(ONE).id
    full = made(bundles, ONE, chunk=1 << 16).folder
    (tmp_path / "SHA256SUMS").write_bytes(state(ONE).sums.replace("\n", "\r\n").encode())
    for word in (id_, id_[:12], id_[:6], f"bundles/{full.name}", "SHA256SUMS"):
        assert find(word, tmp_path, wheelhouse) == base_of(ONE), word
    delta = made(bundles, TWO, ONE).folder
    assert find(f"bundles/{delta.name}", tmp_path, wheelhouse) == base_of(TWO)
    assert find(state(TWO).id[:12], tmp_path, wheelhouse) == base_of(TWO)
    accepted.accept(wheelhouse, state(files(B)).sums)
    assert find("last", tmp_path, wheelhouse) == base_of(files(B))
    assert find(state(files(B)).id[:12], tmp_path, wheelhouse) == base_of(files(B))


def test_what_names_no_state(tmp_path: Path, wheelhouse: Wheelhouse) -> None:
    full = made(tmp_path / "bundles", ONE).folder
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("hello\n")
    for word, message in {
        "last": "no state was accepted yet",
        "abcdef": "abcdef is no state that is known here",
        "nobody": f"bundles/{full.name}",
        "empty": "empty holds no archive",
        "text": "text cannot be used: SHA256SUMS is not a list of sums",
        "manifest.json": "manifest.json cannot be used: its format is None",
        f"bundles/{full.name}/SHA256SUMS": "is not the list of a state",
    }.items():
        with pytest.raises(WarmupError) as error:
            find(word, tmp_path, wheelhouse)
        assert message in str(error.value)
        assert error.value.hint
    (full / "bundle.tar").write_bytes(b"x" * 1000)
    with pytest.raises(WarmupError, match="cannot be read: the archive is broken"):
        find(f"bundles/{full.name}", tmp_path, wheelhouse)


def test_a_manifest_is_enough(tmp_path: Path, wheelhouse: Wheelhouse, small: Lock) -> None:
    enter(journal(wheelhouse), small)
    data = (wheelhouse.path / "manifest.json").read_bytes()
    (tmp_path / "manifest.json").write_bytes(data)
    found = find("manifest.json", tmp_path, wheelhouse)
    assert {*found.files} == {f"wheelhouse/{pin.file.filename}" for pin in small.pins}
    assert found.since == f"the manifest.json with sha256 {hashlib.sha256(data).hexdigest()[:12]}"
    assert found.id == ""


# What stands after -- -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ([], Asked()),
        (["--since", "last"], Asked(since="last")),
        (["--since=last", "--chunk-size=700M"], Asked("last", 700 << 20)),
        (["--chunk-size", "4G"], Asked(chunk=(4 << 30) - 1)),  # FAT32 has no larger file
        (["--chunk-size", "5gib"], Asked(chunk=5 << 30)),
        (["--accepted", "abc"], Asked(accepted="abc")),
    ],
)
def test_words(words: list[str], asked: Asked) -> None:
    assert read(words) == asked


# What is typed inside -----------------------------------------------------------------------


def cell(python: str, platform: str, *names: str) -> CellEntry:
    version = python.removesuffix("t")
    full = version if version.count(".") > 1 else f"{version}.1"
    found = dict.fromkeys(names, "0" * 64)
    return CellEntry(python, full, platform, manifest.COVERED, "", files=found)


PIP = "pip-26.3-py3-none-any.whl"
KIT = (PIP, "devpi_warmup-0.1.0-1x924d90d6-py3-none-any.whl")


def test_the_kit_is_three_lines() -> None:
    cells = {
        "kit-cp313-manylinux_2_28_x86_64": cell("3.13", "manylinux_2_28_x86_64", *KIT),
        "kit-cp39-musllinux_1_2_aarch64": cell("3.9.18", "musllinux_1_2_aarch64", PIP),
        "kit-cp313t-win_amd64": cell("3.13t", "win_amd64", *KIT),
        "kit-cp312-macosx_14_0_arm64": cell("3.12", "macosx_14_0_arm64", *KIT),
        "kit-cp311-win_amd64": replace(cell("3.11", "win_amd64", PIP), state=manifest.MISSING),
        "prod-cp313-win_amd64": cell("3.13", "win_amd64", PIP),
    }
    linux, windows, mac, musl = _by_system(cells)
    assert linux.lines == (
        "python3.13 -m venv --without-pip kit",
        (
            f"kit/bin/python wheelhouse/{PIP}/pip install --no-index --find-links "
            "wheelhouse/locks/kit-cp313-manylinux_2_28_x86_64.html --require-hashes -r "
            "wheelhouse/locks/kit-cp313-manylinux_2_28_x86_64.txt"
        ),
        "kit/bin/devpi-warmup verify -p 3.13",
    )
    assert windows.lines[0] == "py -3.13t -m venv --without-pip kit"
    assert windows.lines[1].startswith(rf"kit\Scripts\python wheelhouse/{PIP}/pip install ")
    assert windows.lines[2] == r"kit\Scripts\devpi-warmup verify -p 3.13t"
    assert (windows.system, windows.machine, windows.python) == ("Windows", "amd64", "3.13")
    assert (mac.system, mac.machine) == ("Darwin", "arm64")
    assert (musl.system, musl.machine, musl.python) == ("Linux", "aarch64", "3.9")
    assert musl.lines[0] == "python3.9 -m venv --without-pip kit"
    assert len(musl.lines) == 2  # this package is not made for it
    assert mac.lines[2] == "kit/bin/devpi-warmup verify -p 3.12"


def _by_system(cells: dict[str, CellEntry]) -> list[bootstrap.Step]:
    found = {step.cell: step for step in bootstrap.steps(Manifest(cells=cells), "wheelhouse")}
    assert len(found) == 4
    order = ("manylinux", "win", "macosx", "musllinux")
    return [next(s for c, s in found.items() if f"-{name}" in c) for name in order]


def test_without_a_kit_a_lock_is_installed() -> None:
    cells = {
        "cp313-musllinux_1_2_x86_64": cell("3.13", "musllinux_1_2_x86_64"),
        "cp313-manylinux_2_28_x86_64": cell("3.13", "manylinux_2_28_x86_64", PIP),
    }
    first, second = bootstrap.steps(Manifest(cells=cells), "wheels")
    assert first.lines == (
        (
            "pip install --no-index --find-links wheels/locks/cp313-manylinux_2_28_x86_64.html "
            "--require-hashes -r wheels/locks/cp313-manylinux_2_28_x86_64.txt"
        ),
    )
    assert second.cell == "cp313-musllinux_1_2_x86_64"  # glibc comes first


# What goes in -------------------------------------------------------------------------------


def collect(root: Path, table: str = "") -> contents.Contents:
    head = '[tool.devpi-warmup]\npythons = ["3.13"]\nplatforms = ["manylinux_2_28_x86_64"]\n'
    (root / "pyproject.toml").write_text(f"{head}{table}\n")
    found = config.load(root, {})
    return contents.collect(found, Coverage(Wheelhouse.of(found)), ())


@pytest.fixture
def entered(tmp_path: Path, wheelhouse: Wheelhouse, small: Lock) -> Path:
    enter(journal(wheelhouse), small)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "main.txt").write_text("app\n")
    return tmp_path


def test_what_goes_in(entered: Path) -> None:
    names = {member.name for member in collect(entered).members}
    assert {"pyproject.toml", "requirements/main.txt", "wheelhouse/manifest.json"} < names
    assert {"wheelhouse/app-1.0-py3-none-any.whl", "README.md"} < names
    assert not {name for name in names if name.startswith("wheelhouse/.")}


def test_what_another_configuration_has_left_is_carried_while_it_is_whole(
    entered: Path, wheelhouse: Wheelhouse, small: Lock
) -> None:
    other = Cell(Target("3.9", "win_amd64"))
    enter(journal(wheelhouse), replace(small, cell=other))
    found = collect(entered)
    assert found.gone == {}
    assert "wheelhouse/locks/cp39-win_amd64.txt" in {member.name for member in found.members}
    wheelhouse.lock_path(other.id).unlink()
    found = collect(entered)
    assert found.gone == {other.id: "locks/cp39-win_amd64.txt is missing from wheelhouse/"}
    assert not [member.name for member in found.members if "cp39" in member.name]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("aux.txt", "requirements/aux.txt: it is a device of Windows"),
        ("Main.txt", "some disks, take it for requirements/"),
        ("a:b.txt", "requirements/a:b.txt: it has characters that not every system allows"),
    ],
)
def test_what_cannot_be_written_everywhere_is_named_here(
    entered: Path, name: str, message: str
) -> None:
    (entered / "requirements" / name).write_text("app\n")
    with pytest.raises(InvalidInputError) as error:
        collect(entered)
    assert message in str(error.value)
    assert "hint: rename " in str(error.value)


def test_a_name_that_a_bundle_needs_itself(entered: Path) -> None:
    (entered / "README.md").write_text("app\n")
    with pytest.raises(InvalidInputError, match=r"README.md: a bundle, or some disks, take it"):
        collect(entered, 'requirements = ["README.md"]')


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("app @ https://ops:s3cret@example.com/app-1.0-py3-none-any.whl", False),
        ("app @ https://t0ken@example.com/app-1.0-py3-none-any.whl", False),
        ("app @ https://ops:${TOKEN}@example.com/app-1.0-py3-none-any.whl", True),
        ("app @ https://example.com/@/app-1.0-py3-none-any.whl", True),
    ],
)
def test_secrets_stay(entered: Path, line: str, kept: bool) -> None:
    (entered / "requirements" / "main.txt").write_text(line)
    if kept:
        collect(entered)
        return
    with pytest.raises(InvalidInputError, match=r"main.txt: a URL holds a user or a pass") as error:
        collect(entered)
    assert "s3cret" not in str(error.value)


def test_a_wheelhouse_elsewhere(entered: Path) -> None:
    with pytest.raises(InvalidInputError, match="lies outside"):
        collect(entered, 'wheelhouse = "../elsewhere"')


def test_a_link_in_the_wheelhouse_is_named(entered: Path) -> None:
    (entered / "wheelhouse" / "clients" / "index").mkdir(parents=True)
    link = entered / "wheelhouse" / "clients" / "index" / "pip.conf"
    link.symlink_to(entered / "pyproject.toml")
    with pytest.raises(
        InvalidInputError, match=r"clients/index/pip.conf: it is a link, which does not"
    ):
        collect(entered)


def test_reports_elsewhere(entered: Path) -> None:
    (entered / "out").mkdir()
    (entered / "out" / "report.json").write_text("{}")
    (entered / "out" / "other").write_text("{}")
    names = {member.name for member in collect(entered, 'reports = "out"').members}
    assert "out/report.json" in names
    assert "out/other" not in names


@pytest.mark.parametrize("value", ['"gpg"', "[]", '["gpg"]', '["{file}", 1]'])
def test_a_command_that_signs_names_the_file(tmp_path: Path, value: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.devpi-warmup]\nsign-command = {value}\n")
    with pytest.raises(InvalidInputError, match="sign-command must be a list of strings, with"):
        config.load(tmp_path, {})


# What nothing needs -------------------------------------------------------------------------


def test_what_a_failed_target_had_is_kept(
    wheelhouse: Wheelhouse, small: Lock, tmp_path: Path
) -> None:
    enter(journal(wheelhouse), small)
    wheelhouse.set_lock_aside(small.cell.id)
    journal(wheelhouse).missing(small.cell, "no such project", touched=True)
    stray = wheelhouse.path / "stray-1.0.tar.gz"
    stray.write_bytes(b"stray")
    (wheelhouse.path / "notes.txt").write_text("mine")
    found = prune.prunable(Coverage(wheelhouse))
    assert [(file.name, file.size, file.last) for file in found.files] == [(stray.name, 5, "")]
    (wheelhouse.path / "locks" / "outdated" / f"{small.cell.id}.txt").write_text("x")
    with pytest.raises(WarmupError, match="cannot be read: not a pin"):
        prune.prunable(Coverage(wheelhouse))


def test_the_last_accepted_states_keep_their_files(wheelhouse: Wheelhouse) -> None:
    for number in range(5):
        (wheelhouse.path / wheel("old", number).partition("/")[2]).write_bytes(b"x")
        accepted.accept(wheelhouse, state(files(wheel("old", number))).sums)
    found = prune.prunable(Coverage(wheelhouse))
    assert [file.name for file in found.files] == [
        "old-0-py3-none-any.whl",
        "old-1-py3-none-any.whl",
    ]
    assert found.files[0].last == state(files(wheel("old", 0))).id[:12]
    prune.prune(found.files, wheelhouse)
    assert not prune.prunable(Coverage(wheelhouse)).files
    assert len(found.kept) == prune.KEPT
