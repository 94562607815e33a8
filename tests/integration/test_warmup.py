"""``nox -s warmup`` as a user runs it: a real devpi-server, real pip, real nox."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from catalogue import Catalogue, served
from packaging.pylock import Pylock
from projects import Devpi, Project, linux_only, upstream_of

from devpi_warmup.digests import digest
from devpi_warmup.holding import Hold
from devpi_warmup.private_server.server import PrivateServer


def fill(upstream: Catalogue, prefix: str) -> None:
    """An application with a dependency for each family of targets."""
    name = prefix.format
    upstream.add(
        name("app"),
        "1.0",
        requires=(
            f"{name('lib')}>=1",
            f"{name('windows')}; sys_platform == 'win32'",
            f"{name('old')}; python_version < '3.10'",
            f"{name('fast')}; extra == 'speed'",
        ),
        extras=("speed",),
    )
    for tag in ("cp39-cp39-manylinux2014_x86_64", "cp313-cp313-manylinux2014_x86_64"):
        upstream.add(name("lib"), "2.0", tag=tag)
    upstream.add(name("lib"), "2.0", tag="cp39-abi3-win_amd64")
    upstream.add(name("lib"), "1.0")
    for other in ("windows", "old", "fast"):
        upstream.add(name(other), "1.0")


def test_every_target_is_covered(warmed: Project, devpi: Devpi) -> None:
    fill(devpi.upstream, "all-{}")
    warmed.write("all-app[speed]")
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    assert "4 of 4 targets covered" in done.stdout
    manifest = warmed.manifest()
    assert set(warmed.states().values()) == {"covered"}
    assert manifest["index"] == devpi.index
    windows = (warmed.wheelhouse / "locks" / "cp39-win_amd64.txt").read_text()
    names = re.findall(r"^([a-z-]+(?:\[\w+\])?)==", windows, re.MULTILINE)
    assert names == ["all-app[speed]", "all-fast", "all-lib", "all-old", "all-windows"]
    assert "# via -r requirements/main.txt" in windows
    for id_, entry in manifest["targets"].items():
        for name, sha256 in entry["locks"].items():  # type: ignore[attr-defined]
            assert digest(warmed.wheelhouse / name) == sha256
        pylock = (warmed.wheelhouse / "locks" / f"pylock.{id_}.toml").read_text()
        Pylock.from_dict(load_toml(pylock)).validate()
        for filename, sha256 in entry["files"].items():  # type: ignore[attr-defined]
            assert digest(warmed.wheelhouse / filename) == sha256
            assert manifest["files"][filename]["sha256"] == sha256
    assert sorted(manifest["files"]) == sorted(p.name for p in warmed.wheelhouse.glob("*.whl"))
    assert not list(warmed.wheelhouse.rglob("*.part"))
    assert not (warmed.wheelhouse / ".staging").exists()


def test_sessions_that_need_what_a_warmup_has_ended_come_after_its_report(
    warmed: Project, devpi: Devpi
) -> None:
    devpi.upstream.add("named-after", "1.0")
    warmed.write("named-after")
    done = warmed.nox("-s", "warmup", "bundle", "prune")
    assert done.returncode == 0, done.output
    ran = re.findall(r"Running session (\w+)", done.output)
    assert ran == ["warmup"] * 4 + ["report", "bundle", "prune"]


def load_toml(text: str) -> dict[str, object]:
    import sys

    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text)


def test_running_again_changes_no_byte_and_downloads_nothing(warmed: Project, devpi: Devpi) -> None:
    fill(devpi.upstream, "again-{}")
    warmed.write("again-app")
    assert warmed.nox("-s", "warmup").returncode == 0
    before = warmed.files()
    devpi.upstream.asked.clear()
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 0
    assert warmed.files() == before
    assert not [path for path in devpi.upstream.asked if path.endswith(".whl")]
    assert done.stderr.count("as it did before the same bytes") == 4


def test_unused_wheels_of_backtracking_do_not_stay(warmed: Project, devpi: Devpi) -> None:
    devpi.upstream.add("back-app", "2.0", requires=("back-lib>=2",))
    devpi.upstream.add("back-app", "1.0", requires=("back-lib",))
    devpi.upstream.add("back-lib", "1.0")
    warmed.write("back-app", platforms=("win_amd64",))
    assert warmed.nox("-s", "warmup").returncode == 0
    names = {path.name for path in warmed.wheelhouse.glob("*.whl")}
    assert names == {"back_app-1.0-py3-none-any.whl", "back_lib-1.0-py3-none-any.whl"}


def test_one_failure_does_not_stop_the_others(warmed: Project, devpi: Devpi) -> None:
    devpi.upstream.add("half-app", "1.0", tag="py3-none-win_amd64")
    warmed.write("half-app")
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 1
    assert "2 of 4 targets covered" in done.stdout
    assert "no wheel for this target: 1.0 (1.0 has wheels for: win_amd64)" in done.stderr
    assert "missing: cp39-manylinux2014_x86_64, cp313-manylinux2014_x86_64" in done.stderr
    assert warmed.states() == {
        "cp39-manylinux2014_x86_64": "missing",
        "cp39-win_amd64": "covered",
        "cp313-manylinux2014_x86_64": "missing",
        "cp313-win_amd64": "covered",
    }
    assert "Traceback" not in done.output


def test_what_nothing_needs_is_named_where_it_can_be_pruned(warmed: Project, devpi: Devpi) -> None:
    for name in ("kept", "dropped"):
        devpi.upstream.add(f"unused-{name}", "1.0")
    warmed.write("unused-kept\nunused-dropped", platforms=("win_amd64",))
    assert warmed.nox("-s", "warmup").returncode == 0
    warmed.write("unused-kept\nunused-nowhere", platforms=("win_amd64",))
    assert warmed.nox("-s", "warmup").returncode == 1
    warmed.write("unused-kept", platforms=("win_amd64",))
    hint = "1 wheels in wheelhouse/ are of no covered target"
    assert hint not in warmed.nox("-s", "warmup", "-p", "3.13").stderr  # another is missing
    done = warmed.nox("-s", "warmup", "prune")
    assert done.returncode == 0
    assert hint in done.stderr


def test_a_target_that_fails_for_new_requirements_keeps_no_lock_of_the_old(
    warmed: Project, devpi: Devpi
) -> None:
    devpi.upstream.add("later-app", "1.0")
    warmed.write("later-app", pythons=("3.13",), platforms=("win_amd64",))
    assert warmed.nox("-s", "warmup").returncode == 0
    before = warmed.files()
    retries = {"PIP_RETRIES": "0"}
    nowhere = warmed.nox("-s", "warmup", DEVPI_INDEX="http://127.0.0.1:9/root/pypi", **retries)
    assert nowhere.returncode == 1
    assert warmed.files() == before
    warmed.write("later-app>=2", pythons=("3.13",), platforms=("win_amd64",))
    failed = warmed.nox("-s", "warmup")
    assert failed.returncode == 1
    assert "the last lock of what is missing lies in wheelhouse/locks/outdated/" in failed.stderr
    # Its lock would install, without what has failed.
    locks = warmed.wheelhouse / "locks"
    assert [path.name for path in locks.iterdir()] == ["outdated"]
    assert (locks / "outdated" / "cp313-win_amd64.txt").exists()
    done = warmed.nox("-s", "report")
    assert done.returncode == 1
    assert "none of its versions matches >=2" in done.stdout
    warmed.write("later-app", pythons=("3.13",), platforms=("win_amd64",))
    assert warmed.nox("-s", "warmup").returncode == 0
    assert warmed.files().items() >= before.items()


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        (("-s", "warmup", "-p", "3.15"), {"cp315-win_amd64", "cp315-manylinux2014_x86_64"}),
        (("-s", "warmup(cp39-win_amd64)"), {"cp39-win_amd64"}),
        (("-s", "warmup", "-p", "3.9"), {"cp39-win_amd64", "cp39-manylinux2014_x86_64"}),
        (("-t", "windows", "-k", "warmup"), {"cp315-win_amd64", "cp39-win_amd64"}),
    ],
)
def test_selection_needs_no_interpreter(
    warmed: Project, devpi: Devpi, arguments: tuple[str, ...], ids: set[str]
) -> None:
    if "pick-app" not in devpi.upstream.projects:
        devpi.upstream.add("pick-app", "1.0")
    warmed.write("pick-app", pythons=("3.9", "3.15"))
    done = warmed.nox(*arguments)
    assert done.returncode == 0, done.output
    assert set(warmed.states()) == ids
    assert f"{len(ids)} of {len(ids)} targets covered" in done.stdout


def test_the_table_of_contents(project: Project) -> None:
    project.write("six")
    done = project.nox("-l")
    assert done.returncode == 0
    assert "- warmup(cp39-manylinux2014_x86_64) [linux] -> Gather" in done.stdout
    assert "- report -> Print what the wheelhouse covers" in done.stdout


def test_coverage_of_an_empty_wheelhouse(project: Project) -> None:
    project.write("six")
    done = project.nox("-s", "report")
    assert done.returncode == 1
    assert "0 of 4 targets covered" in done.stdout
    assert "it was never warmed up" in done.stdout


@pytest.mark.parametrize(
    ("requirement", "more", "message"),
    [
        ("-e .", "", "requirements/main.txt:1: the option -e is not allowed here"),
        ("six", 'plattforms = ["x"]', "did you mean 'platforms'?"),
    ],
)
def test_a_mistake_of_the_user_is_no_traceback(
    project: Project, requirement: str, more: str, message: str
) -> None:
    project.write(requirement, more=more)
    nowhere = {"DEVPI_INDEX": "http://127.0.0.1:9/root/pypi", "PIP_RETRIES": "0"}
    done = project.nox("-s", "warmup", **nowhere)
    assert done.returncode != 0
    assert message in done.output
    assert "Traceback" not in done.output
    assert done.output.count(message) == 1


def test_an_index_that_is_not_there(project: Project) -> None:
    project.write("six")
    done = project.nox("-s", "warmup", DEVPI_INDEX="http://127.0.0.1:9/root/pypi", PIP_RETRIES="0")
    assert done.returncode == 1
    assert "the connection is refused" in done.stderr
    assert "is the index http://127.0.0.1:9/root/pypi up" in done.stderr
    assert "Traceback" not in done.output


def test_a_wrong_address_loses_nothing(warmed: Project, devpi: Devpi) -> None:
    devpi.upstream.add("address-app", "1.0")
    warmed.write("address-app", pythons=("3.13",), platforms=("win_amd64",))
    assert warmed.nox("-s", "warmup").returncode == 0
    root = devpi.index.removesuffix("/root/pypi")
    done = warmed.nox("-s", "warmup", DEVPI_INDEX=root)
    assert done.returncode == 1
    assert f"this devpi has no index {root}" in done.stderr
    with served(Catalogue()) as elsewhere:  # which is no devpi
        done = warmed.nox("-s", "warmup", DEVPI_INDEX=elsewhere)
    assert done.returncode == 1
    assert "address-app: the index has no such project" in done.stdout
    assert "check how it is spelled, and the address of the index" in done.stderr
    assert "nox -s prune" not in done.output
    done = warmed.nox("-s", "report")
    assert done.returncode == 0, done.output
    assert f"warm is what the last warmup was shown of {devpi.index}" in done.stderr


def test_another_run_on_the_same_wheelhouse(warmed: Project) -> None:
    warmed.write("six")
    warmed.wheelhouse.mkdir()
    with Hold(warmed.wheelhouse / ".lock"):
        done = warmed.nox("-s", "warmup")
    assert done.returncode == 1
    assert "was not warmed up: another warmup is at work on wheelhouse/" in done.stderr
    assert "nothing was warmed up: another warmup" in done.stderr
    assert "it was never warmed up" in done.stdout


def test_hostile_settings_of_pip_change_nothing_and_are_named(
    warmed: Project, devpi: Devpi, tmp_path: Path
) -> None:
    fill(devpi.upstream, "hostile-{}")
    warmed.write("hostile-app")
    assert warmed.nox("-s", "warmup").returncode == 0
    before = warmed.files()
    for path in warmed.wheelhouse.rglob("*"):
        if path.is_file():
            path.unlink()
    constraint, requirement = tmp_path / "c.txt", tmp_path / "r.txt"
    constraint.write_text("hostile-lib<2\n")
    requirement.write_text("not-there\n")
    decoys = Catalogue()
    decoys.add("hostile-lib", "9.0")
    links = tmp_path / "links"
    links.mkdir()
    for upload in decoys.projects["hostile-lib"]:
        (links / upload.filename).write_bytes(upload.data)
    with served(decoys) as decoy:
        settings = {
            "extra-index-url": decoy,
            "index-url": decoy,
            "find-links": str(links),
            "no-binary": ":all:",
            "constraint": str(constraint),
            "requirement": str(requirement),
            "target": str(tmp_path / "target"),
            "pre": "1",
            "no-deps": "1",
        }
        text = "[global]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items())
        for folder in ("home/.config/pip", "global/pip"):
            (tmp_path / folder).mkdir(parents=True)
            (tmp_path / folder / "pip.conf").write_text(text)
        done = warmed.nox(
            "-s",
            "warmup",
            HOME=str(tmp_path / "home"),
            XDG_CONFIG_HOME=str(tmp_path / "home" / ".config"),
            XDG_CONFIG_DIRS=str(tmp_path / "global"),
            PYTHONPATH="",
            **{f"PIP_{key.upper().replace('-', '_')}": value for key, value in settings.items()},
        )
    assert done.returncode == 0, done.output
    assert warmed.files() == before
    assert not decoys.asked
    assert not (tmp_path / "target").exists()
    (line,) = [line for line in done.stderr.splitlines() if "ignored settings of pip" in line]
    for key in settings:
        assert f"{key} (environment)" in line
        assert f"{key} (pip.conf)" in line


def test_settings_of_virtualenv_do_not_change_the_judge(warmed: Project, devpi: Devpi) -> None:
    devpi.upstream.add("seed-app", "1.0")
    warmed.write("seed-app", pythons=("3.13",), platforms=("win_amd64",))
    done = warmed.nox("-s", "warmup", VIRTUALENV_NO_PIP="1", VIRTUALENV_PIP="19.0")
    assert done.returncode == 0, done.output


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--no-venv", "run it without --no-venv"),
        ("--no-dependencies", "run it without -j"),
    ],
)
def test_options_of_nox_that_leave_no_way(project: Project, option: str, message: str) -> None:
    project.write("six", pythons=("3.13",), platforms=("win_amd64",))
    done = project.nox("-s", "warmup", option, DEVPI_INDEX="http://127.0.0.1:9/root/pypi")
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.output


# The private server -------------------------------------------------------------------------


def test_without_an_index_a_private_server_keeps_every_file(
    project: Project, make_server: Callable[[Path], PrivateServer]
) -> None:
    upstream = Catalogue()
    fill(upstream, "own-{}")
    project.write("own-app")
    private = make_server(project.root / ".devpi")
    with upstream_of(private, upstream):
        done = project.nox("-s", "warmup")
        assert done.returncode == 0, done.output
        assert "a private devpi-server keeps every file in .devpi/data" in done.stderr
        assert project.manifest()["index"] == "private devpi-server (.devpi/)"
        before = project.files()
        upstream.asked.clear()
        for path in project.wheelhouse.glob("*.whl"):
            path.unlink()
        assert project.nox("-s", "warmup").returncode == 0
    assert project.files() == before
    assert not [path for path in upstream.asked if path.endswith(".whl")]
    # Stopped: nobody holds its data any more.
    private.start()
    private.stop()


@linux_only
def test_pip_is_started_once_for_a_lock_and_never_for_the_same_bytes(
    warmed: Project, devpi: Devpi
) -> None:
    devpi.upstream.add("counted", "1.0", requires=("counted-dep",))
    devpi.upstream.add("counted-dep", "1.0")
    warmed.write("counted", pythons=("3.9", "3.13"))
    assert warmed.nox("-s", "warmup").returncode == 0
    log = warmed.root / "started.txt"
    for python in warmed.root.glob(".nox/warmup-*/bin/python"):
        python.rename(python.with_name("python.real"))
        python.write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec {python}.real "$@"\n')
        python.chmod(0o755)

    def started() -> tuple[int, int]:
        """How often pip was imported: to be forked, and for one call."""
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        scripts = ("foreign_pip.py", "unpack.py")
        single = sum(script in line for script in scripts for line in lines)
        return sum("fork_server.py" in line for line in lines), single

    before = warmed.files()
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    assert done.stderr.count("accepts the lock offline, as it did before the same bytes") == 4
    assert started() == (0, 0)
    assert warmed.files() == before
    # Other requirements, other words to pip; the wheels are the same, and are not unpacked again.
    # It is imported once for each of the threads that judge, and judges every cell in a fork.
    warmed.write("counted>=1", pythons=("3.9", "3.13"))
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    assert done.stderr.count("accepts the lock offline\n") == 4
    assert "pip unpacks" not in done.stderr
    servers, single = started()
    assert 1 <= servers <= min(4, os.cpu_count() or 1)
    assert single == 0
    # A verdict of another pip does not count.
    manifest = warmed.wheelhouse / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"verdict": "', '"verdict": "0'))
    assert warmed.nox("-s", "warmup").returncode == 0
    servers, single = started()
    assert servers >= 1
    assert single == 0
    # Wheels that it has not unpacked yet are unpacked in forks as well.
    devpi.upstream.add("counted-too", "1.0")
    warmed.write("counted>=1", "counted-too", pythons=("3.9", "3.13"))
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    assert done.stderr.count("pip unpacks 1 new wheels") == 1
    servers, single = started()
    assert servers >= 1
    assert single == 0


@linux_only
def test_the_first_failure_ends_a_run_that_is_to_stop_there(warmed: Project, devpi: Devpi) -> None:
    """``-x``: nothing of what comes after is asked for."""
    devpi.upstream.add("stops-late", "1.0")
    warmed.write(
        "stops-nowhere; sys_platform == 'linux'",
        "stops-late; sys_platform == 'win32'",
        pythons=("3.13",),
    )
    done = warmed.nox("-x", "-s", "warmup")
    assert done.returncode == 1
    assert not [path for path in devpi.upstream.asked if "stops-late" in path]
    assert warmed.states() == {"cp313-manylinux2014_x86_64": "missing"}


def test_a_target_that_stands_no_longer_is_struck_out(warmed: Project, devpi: Devpi) -> None:
    """Its files are here, byte for byte, and the run cannot have their names."""
    fill(devpi.upstream, "claimed-{}")
    warmed.write("claimed-app", platforms=("win_amd64",), pythons=("3.13",))
    assert warmed.nox("-s", "warmup").returncode == 0
    (wheel,) = warmed.wheelhouse.glob("claimed_app-*.whl")
    (wheel.parent / wheel.name.upper().replace(".WHL", ".whl")).write_bytes(wheel.read_bytes())
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 1
    assert "differ by case alone" in done.stderr
    assert warmed.states() == {"cp313-win_amd64": "missing"}
    assert warmed.nox("-s", "report").returncode == 1
