"""Across the gap, with the sessions: bundle, unpack.py, verify inside, what is new, prune."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from catalogue import Catalogue
from crossings import run, tree
from projects import (
    OWN_PLATFORM,
    OWN_PYTHON,
    Devpi,
    Done,
    Project,
    linux_only,
    upstream_of,
)
from readme import blocks

from devpi_warmup.crossing import unpack
from devpi_warmup.private_server.server import PrivateServer

pytestmark = linux_only
CELL = f"cp{OWN_PYTHON.replace('.', '')}-{OWN_PLATFORM}"


@pytest.fixture
def ready(warmed: Project, devpi: Devpi) -> Project:
    """A project whose wheelhouse is whole."""
    if "cross-app" not in devpi.upstream.projects:
        devpi.upstream.add("cross-app", "1.0", requires=("cross-lib",))
        devpi.upstream.add("cross-lib", "1.0")
        devpi.upstream.add("cross-lib", "2.0")
        devpi.upstream.add("cross-more", "1.0")
    warmed.write(
        "cross-app", "cross-lib<2", pythons=(OWN_PYTHON,), platforms=(OWN_PLATFORM, "win_amd64")
    )
    assert warmed.nox("-s", "warmup").returncode == 0
    return warmed


def bundled(project: Project, *words: str) -> Path:
    done = project.nox("-s", "bundle", "--", *words) if words else project.nox("-s", "bundle")
    assert done.returncode == 0, done.output
    line = next(line for line in done.stdout.splitlines() if line.startswith("bundles/"))
    return project.root / line.split()[0].rstrip(":")


def next_month(project: Project) -> None:
    project.write(
        "cross-app",
        "cross-lib",
        "cross-more",
        pythons=(OWN_PYTHON,),
        platforms=(OWN_PLATFORM, "win_amd64"),
    )
    assert project.nox("-s", "warmup", "--", "--upgrade").returncode == 0


def verified(folder: Path, project: Project) -> Done:
    """Verify what was unpacked, as one does inside: with the command, and no noxfile."""
    environ = {k: v for k, v in project.environ.items() if k != "DEVPI_INDEX"}
    return Project(folder, environ).devpi_warmup("verify", "-p", OWN_PYTHON)


def test_out_across_in_and_next_month(ready: Project, tmp_path: Path) -> None:
    inside = tmp_path / "inside" / "warm"
    first = bundled(ready)
    medium = Path(shutil.copytree(first, tmp_path / "medium" / first.name))
    done = run(medium, inside)
    assert done.returncode == 0, done.output
    assert f"cd {inside}" in done.stdout
    assert f"wheelhouse/locks/{CELL}.txt" in done.stdout
    proven = verified(inside, ready)
    assert f"{CELL} installed: 2 distributions" in proven.stdout, proven.output

    unknown = ready.nox("-s", "bundle", "--", "--since", "last")
    assert unknown.returncode == 1
    assert "no state was accepted yet" in unknown.stderr
    id_ = first.name.rpartition("-")[2]
    done = ready.nox("-s", "bundle", "--", "--accepted", id_)
    assert f"state {id_} is noted as what is inside" in done.stdout, done.output
    assert [p.name for p in (ready.wheelhouse / "accepted").iterdir()] == [f"0001-{id_}.txt"]
    same = ready.nox("-s", "bundle", "--", "--since", "last")
    assert (same.returncode, "nothing is new since" in same.stdout) == (0, True)

    next_month(ready)
    delta = bundled(ready, "--since", "last", "--chunk-size", "64K")
    assert delta.name.startswith(f"delta-{id_}-")
    head = json.loads(next(unpack.plain_files([delta / "bundle.tar.001"]))[2].read())
    assert "wheelhouse/cross_lib-1.0-py3-none-any.whl" in head["gone"]
    assert "wheelhouse/cross_app-1.0-py3-none-any.whl" not in head["carried"]
    assert run(delta, inside).returncode == 0
    whole = bundled(ready)
    assert run(whole, tmp_path / "fresh").returncode == 0
    assert {n: d for n, d in tree(inside).items() if not n.startswith(".nox/")} == tree(
        tmp_path / "fresh"
    )
    proven = verified(inside, ready)
    assert f"{CELL} installed: 3 distributions" in proven.stdout, proven.output


def test_what_is_carried_is_what_the_locks_hold(ready: Project) -> None:
    (ready.wheelhouse / "stray-1.0-py3-none-any.whl").write_bytes(b"nobody has judged it")
    (ready.wheelhouse / "build-logs").mkdir()
    (ready.wheelhouse / "build-logs" / "x.log").write_text("log")
    for name in ("index", "folder"):  # what the second says is of this machine
        (ready.wheelhouse / "clients" / name).mkdir(parents=True)
        (ready.wheelhouse / "clients" / name / "pip.conf").write_text("[global]\n")
    done = ready.nox("-s", "bundle")
    assert "of no lock, and not carried: stray-1.0-py3-none-any.whl in wheelhouse/;" in done.stderr
    (folder,) = (ready.root / "bundles").glob("full-*")
    head = json.loads(next(unpack.plain_files([folder / "bundle.tar"]))[2].read())
    locks = {
        f"wheelhouse/locks/{name}"
        for id_ in (CELL, CELL.replace(OWN_PLATFORM, "win_amd64"))
        for name in (f"{id_}.txt", f"{id_}.html", f"pylock.{id_}.toml")
    }
    assert {*head["files"]} == locks | {
        *("README.md", "README.ko.md", "pyproject.toml", "requirements/main.txt"),
        *("wheelhouse/manifest.json", "wheelhouse/clients/index/pip.conf"),
        *(f"wheelhouse/reports/{path.name}" for path in (ready.wheelhouse / "reports").iterdir()),
        *(f"wheelhouse/cross_{name}-1.0-py3-none-any.whl" for name in ("app", "lib")),
    }


def test_the_same_again_is_the_same_bytes(ready: Project) -> None:
    first = bundled(ready)
    kept = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in first.iterdir()}
    for path in ready.wheelhouse.rglob("*"):
        if path.is_file():
            path.touch()
    shutil.rmtree(first)
    again = bundled(ready)
    assert again == first
    assert {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in again.iterdir()} == kept


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        *(("bundle", fault) for fault in ("wheel", "lock", "manifest", "requirements", "link")),
        *(("bundle", "failed"), ("prune", "failed"), ("prune", "wheel")),
    ],
)
def test_nothing_is_made_of_what_is_not_whole(ready: Project, command: str, fault: str) -> None:
    wheel = ready.wheelhouse / "cross_lib-1.0-py3-none-any.whl"
    stray = ready.wheelhouse / "stray-1.0-py3-none-any.whl"
    stray.write_bytes(b"x")
    if fault == "wheel":
        wheel.write_bytes(wheel.read_bytes()[:-1])
    elif fault == "lock":
        with (ready.wheelhouse / "locks" / f"{CELL}.txt").open("a") as stream:
            stream.write("# more\n")
    elif fault == "manifest":
        (ready.wheelhouse / "manifest.json").unlink()
    elif fault == "requirements":
        (ready.root / "requirements" / "main.txt").write_text("cross-app\n")
    elif fault == "link":
        wheel.rename(ready.root / "elsewhere.whl")
        wheel.symlink_to(ready.root / "elsewhere.whl")
    else:
        ready.write(
            "cross-app", "cross-none", pythons=(OWN_PYTHON,), platforms=(OWN_PLATFORM, "win_amd64")
        )
        assert ready.nox("-s", "warmup").returncode == 1
    words = ["--", "--yes"] if command == "prune" else []
    done = ready.nox("-s", command, *words)
    assert done.returncode == 1, done.output
    assert f"no {command} of a wheelhouse that is not whole" in done.stderr
    assert "hint: warm it up: nox -s warmup" in done.stderr
    assert not [*(ready.root / "bundles").glob("full-*")]
    assert stray.exists()


def test_prune_lists_and_removes_on_a_word(ready: Project) -> None:
    id_ = bundled(ready).name.rpartition("-")[2]
    assert ready.nox("-s", "bundle", "--", "--accepted", id_).returncode == 0
    next_month(ready)
    old = ready.wheelhouse / "cross_lib-1.0-py3-none-any.whl"
    done = ready.nox("-s", "prune")
    assert "nothing to prune" in done.stdout, done.output  # what is inside needs it
    for version in ("3.0", "4.0", "5.0"):
        (ready.root / "pyproject.toml").write_text(
            (ready.root / "pyproject.toml").read_text() + f"# {version}\n"
        )
        arrived = bundled(ready, "--since", "last")
        done = ready.nox("-s", "bundle", "--", "--accepted", str(arrived))
        assert done.returncode == 0, done.output
    stray = ready.wheelhouse / "stray-1.0-py3-none-any.whl"
    stray.write_bytes(bytes(1_500_000))
    done = ready.nox("-s", "prune")
    assert done.returncode == 0, done.output
    assert f"cross_lib-1.0-py3-none-any.whl  0.0 MB  last in state {id_}" in done.stdout
    assert "stray-1.0-py3-none-any.whl  1.5 MB  in no accepted state" in done.stdout
    assert "2 files, 1.5 MB, which no lock of the manifest and none of the last 3" in done.stdout
    assert "nox -s prune -- --yes removes them" in done.stdout
    assert old.exists()
    assert stray.exists()
    done = ready.nox("-s", "prune", "--", "--yes")
    assert "removed: 2 files" in done.stdout, done.output
    assert not old.exists()
    assert not stray.exists()
    assert ready.nox("-s", "report").returncode == 0


def test_prune_keeps_what_another_configuration_needs(ready: Project) -> None:
    ready.write("cross-more", pythons=("3.9",), platforms=("win_amd64",))
    assert ready.nox("-s", "warmup").returncode == 0
    assert "nothing to prune" in ready.nox("-s", "prune", "--", "--yes").stdout
    assert (ready.wheelhouse / "cross_app-1.0-py3-none-any.whl").exists()


def test_a_password_is_not_carried(ready: Project) -> None:
    with (ready.root / "pyproject.toml").open("a") as stream:
        stream.write('[tool.other]\nurl = "https://ops:s3cret@example.com/"\n')
    done = ready.nox("-s", "bundle")
    assert done.returncode == 1
    assert "pyproject.toml: a URL holds a user or a password, which" in done.stderr
    assert "s3cret" not in done.output


def test_what_lies_elsewhere_is_not_carried(ready: Project) -> None:
    outside = ready.root.parent / "base.txt"
    outside.write_text("cross-app\ncross-lib<2\n")
    (ready.root / "requirements" / "main.txt").write_text("-r ../../base.txt\n")
    assert ready.nox("-s", "warmup").returncode == 0
    done = ready.nox("-s", "bundle")
    assert done.returncode == 1
    assert "base.txt lies outside project/" in done.stderr


@pytest.mark.long
def test_what_includes_and_own_wheels_name_is_carried(ready: Project, tmp_path: Path) -> None:
    from catalogue import make_wheel

    name, data = make_wheel("cross-own", "1.0")
    (ready.root / "dist").mkdir()
    (ready.root / "dist" / name).write_bytes(data)
    ready.write(
        "-r ../more/base.txt",
        "-c ../more/limits.txt",
        "cross-own",
        pythons=(OWN_PYTHON,),
        platforms=(OWN_PLATFORM,),
        more='wheels = ["dist/*.whl"]',
    )
    (ready.root / "more").mkdir()
    (ready.root / "more" / "base.txt").write_text("cross-app\n")
    (ready.root / "more" / "limits.txt").write_text("cross-lib<2\n")
    assert ready.nox("-s", "warmup").returncode == 0
    inside = tmp_path / "inside"
    assert run(bundled(ready), inside).returncode == 0
    assert {"more/base.txt", "more/limits.txt", f"dist/{name}"} <= {*tree(inside)}
    proven = verified(inside, ready)
    assert f"{CELL} installed: 3 distributions" in proven.stdout, proven.output


def test_it_is_signed_as_the_table_says(ready: Project) -> None:
    code = "import sys; open(sys.argv[1] + '.sig', 'w').write('signed')"
    table = f"sign-command = {json.dumps([sys.executable, '-c', code, '{file}'])}\n"
    with (ready.root / "pyproject.toml").open("a") as stream:
        stream.write(table)
    done = ready.nox("-s", "bundle")
    assert ", signed" in done.stdout, done.output
    (folder,) = (ready.root / "bundles").glob("full-*")
    assert (folder / "SHA256SUMS.sig").read_text() == "signed"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--since",), "bundle cannot be told: --since"),
        (("more",), "bundle cannot be told: more"),
        (("--since", "last", "--since", "last"), "bundle cannot be told"),
        (("--accepted", "last", "--since", "last"), "makes no bundle"),
        (("--chunk-size", "4T"), "--chunk-size 4T is no size of a part"),
        (("--chunk-size=1K",), "--chunk-size 1K is no size of a part"),
        (("--since", "nobody"), "nobody is no state that is known here"),
        (("--since", "abcdef0"), "abcdef0 is no state that is known here"),
    ],
)
def test_wrong_words(ready: Project, words: tuple[str, ...], message: str) -> None:
    done = ready.nox("-s", "bundle", "--", *words)
    assert done.returncode == 1
    assert message in done.stderr
    assert "hint: " in done.stderr


# The README -----------------------------------------------------------------------------------


def crossing_blocks() -> list[str]:
    return [b.text for b in blocks() if b.who == "run by test_crossing" and b.kind == "sh"]


def typed(script: str, folder: Path, project: Project) -> str:
    """Type a block of the README in a folder."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    argv = ["bash", "-euo", "pipefail", "-c", script]
    done = Project(folder, project.environ).run(argv, PATH=programs)
    assert done.returncode == 0, f"{script}\n{done.output}"
    return done.output


def test_the_commands_of_the_readme(ready: Project, devpi: Devpi, tmp_path: Path) -> None:
    outside, unpacking, month, pruning, _ = crossing_blocks()
    inside = tmp_path / "srv" / "warm"
    assert ", not signed" in typed(outside, ready.root, ready)
    (full,) = (ready.root / "bundles").glob("full-*")
    said = typed(unpacking.replace("/srv/warm", str(inside)), full, ready)
    assert "bundle.tar: OK" in said
    id_ = full.name.rpartition("-")[2]
    assert f"state {id_} is in {inside}" in said
    (ready.root / "requirements" / "main.txt").write_text("cross-app\ncross-lib\n")
    said = typed(month.replace("3f2a9c41d0be", id_), ready.root, ready)
    assert "new: cross_lib-2.0-py3-none-any.whl" in said
    assert "gone: cross_lib-1.0-py3-none-any.whl" in said
    (delta,) = (ready.root / "bundles").glob("delta-*")
    typed(unpacking.replace("/srv/warm", str(inside)), delta, ready)
    assert (inside / "wheelhouse" / "cross_lib-2.0-py3-none-any.whl").is_file()
    assert "nothing to prune" in typed(pruning, ready.root, ready)


@pytest.mark.long
def test_the_private_server_is_made_anew(
    project: Project, make_server: Callable[[Path], PrivateServer]
) -> None:
    """What it holds then is what the locks hold."""
    *_, anew = crossing_blocks()
    upstream = Catalogue()
    upstream.add("anew-app", "1.0")
    project.write("anew-app", pythons=(OWN_PYTHON,), platforms=("win_amd64",))
    folder = project.root / ".devpi"
    with upstream_of(make_server(folder), upstream):
        assert project.nox("-s", "warmup").returncode == 0
        upstream.add("anew-app", "2.0")
        assert project.nox("-s", "warmup", "--", "--upgrade").returncode == 0
    assert {path.name for path in folder.rglob("anew_app-*.whl")} == {
        f"anew_app-{version}.0-py3-none-any.whl" for version in (1, 2)
    }
    moving, warming = anew.splitlines()
    typed(moving, project.root, project)
    with upstream_of(make_server(folder), upstream):
        assert "1 of 1 targets covered" in typed(warming, project.root, project)
    held = {path.name for path in (folder / "data").rglob("anew_app-*.whl")}
    assert held == {"anew_app-2.0-py3-none-any.whl"}
