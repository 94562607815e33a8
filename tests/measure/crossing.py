"""A bundle of this repository's own wheelhouse, and of what is new: sizes, seconds, ``kill -9``.

``nox -s warmup``, then ``nox -s measure -- crossing [KILLS]``. What is new is made up: the base is
the wheelhouse with other bytes for every wheel of one project, every lock and the manifest.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indexes import ROOT

sys.path.insert(0, str(ROOT / "tests" / "support"))

from crossings import run, tree
from killing import killed, moments

from devpi_warmup import process
from devpi_warmup.crossing import bootstrap, bundle, contents
from devpi_warmup.crossing.archive import Member
from devpi_warmup.crossing.base import Base
from devpi_warmup.crossing.bundle import Bundle, Made
from devpi_warmup.crossing.contents import Contents
from devpi_warmup.crossing.head import Head
from devpi_warmup.inputs import config
from devpi_warmup.wheelhouse.coverage import Coverage
from devpi_warmup.wheelhouse.files import Wheelhouse

MB = 1_000_000
COMMAND = [sys.executable, "-m", "nox", "-s", "bundle"]
PYTHONS = ("3.8", "3.9", "3.13")


@contextmanager
def timed(what: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    print(f"{what}: {time.perf_counter() - start:.2f} s", flush=True)


def make(folder: Path, what: Contents, since: Contents | None, chunk: int | None = None) -> Made:
    base = None
    if since is not None:
        known = {file.path: file.sha256 for file in since.state.files}
        base = Base(known, f"state {since.state.id[:12]}", since.state.sums)
    return bundle.make(Bundle(Head(what.state, base, (), ()), what, chunk), folder, process.run)


def other(what: Contents, project: str) -> Contents:
    """The wheelhouse of a month before, in which one project had another version."""
    members = []
    for member in what.members:
        name = member.name.rpartition("/")[2]
        if name.startswith(f"{project}-"):
            old = member.name.replace(f"{project}-", f"{project}-0.")
            members.append(Member.of(old, os.urandom(member.size)))
        elif "/locks/" in member.name or name == "manifest.json":
            members.append(Member.of(member.name, b"of a month before\n"))
        else:
            members.append(member)
    return Contents(tuple(sorted(members, key=lambda one: one.name)))


def collected() -> Contents:
    found = config.load(ROOT, {})
    coverage = Coverage(Wheelhouse.of(found))
    steps = bootstrap.steps(coverage.manifest, found.wheelhouse_shown)
    with timed("list and hash everything"):
        return contents.collect(found, coverage, steps)


def interpreters() -> Iterator[str]:
    for version in PYTHONS:
        found = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        if path := str(found[-1]) if found else shutil.which(f"python{version}"):
            yield path


def sizes_and_seconds(what: Contents, folder: Path) -> Made:
    with timed("bundle, one file"):
        full = make(folder / "out", what, None)
    print(f"full: {len(what.members)} files, {full.size / MB:.1f} MB")
    with timed("bundle, parts of 50 MiB"):
        make(folder / "parts", what, None, 50 << 20)
    for python in interpreters():
        with timed(f"{Path(python).parent.parent.name}: unpack.py --check"):
            assert run(full.folder, "--check", python=python).returncode == 0
        with timed(f"{Path(python).parent.parent.name}: unpack.py FOLDER"):
            assert run(full.folder, folder / "in" / "fresh", python=python).returncode == 0
        shutil.rmtree(folder / "in")
    assert run(full.folder, folder / "fresh").returncode == 0
    for project in ("certifi", "pandas", "numpy"):
        before = other(what, project)
        inside = folder / "in" / "warm"
        assert run(make(folder / "out", before, None).folder, inside).returncode == 0
        with timed(f"{project}: bundle of what is new"):
            new = make(folder / "out", what, before)
        share = 100 * new.size / full.size
        print(f"{project}: {new.size / MB:.2f} MB, {share:.1f} % of full")
        with timed(f"{project}: unpack.py, what is new"):
            assert run(new.folder, inside).returncode == 0
        assert tree(inside) == tree(folder / "fresh"), project
        shutil.rmtree(folder / "in")
    return full


def kill_bundle(times: int) -> None:
    env = os.environ | {"NOX_SCRIPT_MODE": "none"}
    bundles = ROOT / bundle.FOLDER
    shutil.rmtree(bundles, ignore_errors=True)
    start = time.perf_counter()
    subprocess.run(COMMAND, cwd=ROOT, env=env, capture_output=True, check=True)
    whole = time.perf_counter() - start
    (final,) = bundles.glob("full-*")
    right = {path.name: path.read_bytes() for path in final.iterdir()}
    then = 0
    for _ in range(times):
        shutil.rmtree(bundles)
        stream = subprocess.DEVNULL
        process_ = subprocess.Popen(
            COMMAND, cwd=ROOT, env=env, stdout=stream, stderr=stream, start_new_session=True
        )
        try:
            process_.wait(random.uniform(0, whole))
        except subprocess.TimeoutExpired:
            os.killpg(process_.pid, signal.SIGKILL)
            process_.wait()
        if final.exists():
            then += 1
            assert {path.name: path.read_bytes() for path in final.iterdir()} == right
        subprocess.run(COMMAND, cwd=ROOT, env=env, capture_output=True, check=True)
        assert {path.name: path.read_bytes() for path in final.iterdir()} == right
        assert {path.name for path in bundles.iterdir()} == {final.name, ".lock"}
    print(f"bundle: {times} kills; whole already {then} times, else not there; right after a rerun")


def kill_unpack(what: Contents, folder: Path, times: int) -> None:
    before = other(what, "numpy")
    old, new = make(folder / "out", before, None), make(folder / "out", what, before)
    inside = folder / "kills" / "warm"
    then = {"old": 0, "new": 0, "nothing": 0}
    todo: list[int] = []
    for number in range(times + 1):
        shutil.rmtree(inside.parent, ignore_errors=True)
        assert run(old.folder, inside).returncode == 0
        was = tree(inside)
        script = new.folder / "unpack.py"
        if not todo:
            todo = [*moments(inside.parent, script, inside, count=times)]
            right = tree(inside)
            continue
        done = killed(todo[number - 1], inside.parent, script, inside)
        assert done.returncode == -signal.SIGKILL
        found = tree(inside) if inside.exists() else {}
        assert found in (was, right, {}), number
        then["nothing" if not found else "old" if found == was else "new"] += 1
        assert run(new.folder, inside).returncode == 0
        assert tree(inside) == right
    print(f"unpack.py: {times} kills; then {then}; right after a rerun each time")


def main() -> None:
    times = int(sys.argv[1]) if sys.argv[1:] else 20
    what = collected()
    with tempfile.TemporaryDirectory(dir=ROOT.parent) as name:
        sizes_and_seconds(what, Path(name))
        kill_unpack(what, Path(name), times)
    kill_bundle(times)


if __name__ == "__main__":
    main()
