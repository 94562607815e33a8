"""pip's own installing code on wheels that resolve, and cannot be installed."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from catalogue import Catalogue, Upload, make_zip
from projects import Devpi, Project, linux_only

from devpi_warmup.digests import digest
from devpi_warmup.errors import WheelhouseError
from devpi_warmup.index.pages import IndexFile
from devpi_warmup.process import Completed, run
from devpi_warmup.prove.judge import Judgement, Packed, judge, unpack, unpacker
from devpi_warmup.prove.pip import UNPACK, Pip
from devpi_warmup.wheelhouse.files import Wheelhouse
from devpi_warmup.wheelhouse.lock import Pin

NAME = "x-1.0-py3-none-any.whl"
INFO = "x-1.0.dist-info"
Contents = dict[str, "str | bytes"]


def contents(**more: str | bytes) -> Contents:
    """What is in a wheel that installs; names with "_D_" for the folder of its metadata."""
    found: Contents = {
        "x.py": "",
        f"{INFO}/METADATA": "Metadata-Version: 2.1\nName: x\nVersion: 1.0\n",
        f"{INFO}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{INFO}/RECORD": "x.py,,\n",
    }
    return found | {name.replace("_D_", f"{INFO}/"): text for name, text in more.items()}


def entry_points(text: str) -> Contents:
    return contents(**{"_D_entry_points.txt": f"[console_scripts]\n{text}\n"})


def without(name: str) -> Contents:
    found = contents()
    del found[f"{INFO}/{name}"]
    return found


GOOD = {
    "plain": contents(),
    "scripts": entry_points("# c\nrun = a.b:c [x]\ngo = d:e"),
    "data": contents(**{"x-1.0.data/scripts/run": "#!python\n", "x-1.0.data/data/share/x": ""}),
    "a record that is not complete": contents(**{"y.py": ""}),
}
BAD = {
    "an entry point without a function": (entry_points("run = a.b"), "A callable suffix"),
    "an entry point without an object": (entry_points("run = "), "TypeError"),
    "an entry point over two lines": (entry_points("go =\n  d:e"), "TypeError"),
    "an entry point that does not parse": (entry_points("run = a b:c!"), ""),
    "an entry point that climbs": (entry_points("../../run = a:b"), "outside the scripts"),
    "a path that climbs": (contents(**{"../../evil.py": ""}), "outside the target directory"),
    "an unknown scheme": (contents(**{"x-1.0.data/nonsense/x": ""}), "Unknown scheme key"),
    "scripts as a file": (contents(**{"x-1.0.data/scripts": ""}), "Unexpected file"),
    "no RECORD": (without("RECORD"), ""),
    "no WHEEL": (without("WHEEL"), "WHEEL"),
    "a RECORD that is not UTF-8": (contents(_D_RECORD=b"x.py,\xff,\n"), "utf-8"),
    "a RECORD with a blank line": (contents(_D_RECORD="x.py,,\n\nx.py,,\n"), ""),
    "a RECORD with a giant field": (
        contents(_D_RECORD=f"x.py,{'y' * (csv.field_size_limit() + 1)},\n"),
        "field larger than field limit",
    ),
    "a file and a folder of one name": (contents(**{"a": "", "a/b.py": ""}), "a"),
    "a name of over 255 bytes": (contents(**{f"{'y' * 253}.py": ""}), "File name too long"),
    "a newer format": (contents(_D_WHEEL="Wheel-Version: 9.0\nTag: py3-none-any\n"), "9.0"),
}


def pin_of(wheelhouse: Wheelhouse, data: bytes, name: str = NAME) -> Pin:
    path = wheelhouse.path / name
    path.write_bytes(data)
    file = IndexFile(name, "x")
    return Pin("x", "1.0", file, digest(path), len(data), (), (), "")  # type: ignore[arg-type]


def judged(pins: list[Pin], wheelhouse: Wheelhouse, *, pip: Pip) -> dict[str, Judgement]:
    wheels = [Packed("x", wheelhouse.path / pin.file.filename, pin.size) for pin in pins]
    return judge(wheels, wheelhouse, pip=pip)


def said(wheelhouse: Wheelhouse, data: bytes, name: str = NAME) -> str:
    pin = pin_of(wheelhouse, data, name)
    return judged([pin], wheelhouse, pip=Pip(sys.executable, run))[name].problem


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Wheelhouse:
    found = Wheelhouse(tmp_path / "wheelhouse")
    found.staging.mkdir(parents=True)
    return found


@pytest.mark.parametrize("case", GOOD)
def test_what_pip_installs(wheelhouse: Wheelhouse, case: str) -> None:
    assert said(wheelhouse, make_zip(GOOD[case])) == ""
    assert not list(wheelhouse.staging.rglob("*.py"))


@pytest.mark.parametrize("case", BAD)
def test_what_pip_refuses_to_install(wheelhouse: Wheelhouse, case: str) -> None:
    found, words = BAD[case]
    problem = said(wheelhouse, make_zip(found))
    assert problem
    assert words in problem
    assert str(wheelhouse.path) not in problem


def test_a_damaged_member(wheelhouse: Wheelhouse) -> None:
    data = make_zip(contents(**{"y.py": "print('here')"})).replace(b"here", b"gone", 1)
    assert "Bad CRC-32" in said(wheelhouse, data)


@linux_only
def test_what_a_killed_judge_has_left_in_memory_is_cleared(wheelhouse: Wheelhouse) -> None:
    left, busy = (
        Path("/dev/shm", f"devpi-warmup-{name}-{os.getpid()}") for name in ("left", "busy")
    )
    try:
        for folder in (left, hidden := Path("/dev/shm", f"not-yet-{os.getpid()}")):
            folder.mkdir()
            (folder / "lock").touch()
        with (hidden / "lock").open() as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            hidden.rename(busy)  # locked before other workers may clear it
            assert said(wheelhouse, make_zip(contents())) == ""
            assert busy.exists()
        assert not left.exists()
    finally:
        for folder in (left, busy):
            shutil.rmtree(folder, ignore_errors=True)


def test_each_wheel_has_its_own_verdict(wheelhouse: Wheelhouse) -> None:
    bad = make_zip(BAD["no WHEEL"][0])
    pins = [
        replace(pin_of(wheelhouse, data, f"x-1.{n}-py3-none-any.whl"), size=30_000_000)
        for n, data in enumerate([make_zip(contents()), bad, make_zip(contents())])
    ]
    found = judged(pins, wheelhouse, pip=Pip(sys.executable, run))
    assert [bool(found[pin.file.filename].problem) for pin in pins] == [False, True, False]


def test_what_pip_warns_of_is_kept(wheelhouse: Wheelhouse) -> None:
    pin = pin_of(wheelhouse, make_zip(contents(_D_RECORD="x.py,,,too much\n")))
    found = judged([pin], wheelhouse, pip=Pip(sys.executable, run))
    (warning,) = found[NAME].warnings
    assert "more than three elements" in warning


def answering(answers: dict[str, str | int]) -> tuple[Pip, list[list[str]]]:
    """A pip that says this of wheels, or ends with that status; and what it was asked."""
    asked: list[list[str]] = []

    def answer(argv, *, env, timeout=None):
        place = argv.index(UNPACK)
        names = [Path(path).name for _, path in json.loads(Path(argv[place + 1]).read_text())]
        asked.append([*names, *(["fast"] if argv[place + 4 :] else [])])
        said = [answers[name] for name in names]
        if ended := [one for one in said if isinstance(one, int)]:
            return Completed(ended[0], "", "what it said last")
        found = [{"problem": problem, "warnings": []} for problem in said]
        Path(argv[place + 2]).write_text(json.dumps(found))
        return Completed(0, "", "")

    return Pip(sys.executable, answer), asked


def packed(*names: str) -> list[Packed]:
    return [Packed("x", Path("nowhere", name), 1) for name in names]


def test_no_room_to_unpack(wheelhouse: Wheelhouse) -> None:
    """It is said of the wheel that has none, and of no other."""
    from devpi_warmup.prove.unpack import NO_SPACE

    pip, _ = answering({"a": "", "b": NO_SPACE})
    good, bad = unpack(packed("a", "b"), wheelhouse, pip=pip)
    assert (good.unsaid, good.problem) == (None, "")
    assert isinstance(bad.unsaid, WheelhouseError)
    with pytest.raises(WheelhouseError, match="has no room to unpack"):
        judge(packed("b"), wheelhouse, pip=pip)


@pytest.mark.parametrize(("status", "words"), [(-9, "ended by signal 9"), (1, "what it said last")])
def test_what_ends_with_one_wheel_says_the_others(
    wheelhouse: Wheelhouse, status: int, words: str
) -> None:
    pip, asked = answering({"a": "", "b": status, "c": "broken"})
    first, second, third = unpack(packed("a", "b", "c"), wheelhouse, pip=pip)
    assert (first.problem, first.unsaid, third.problem) == ("", None, "broken")
    assert "pip cannot unpack b:" in str(second.unsaid)
    assert words in str(second.unsaid)
    assert asked == [["a", "b", "c", "fast"], ["a"], ["b"], ["c"]]


def test_two_files_of_one_name_are_two(wheelhouse: Wheelhouse, tmp_path: Path) -> None:
    good = make_zip(contents())
    bad = bytearray(good)
    bad[bad.index(b"Metadata-Version") + 20] ^= 1
    wheels = []
    for name, data in (("bad", bytes(bad)), ("good", good)):
        path = tmp_path / name / NAME
        path.parent.mkdir()
        path.write_bytes(data)
        wheels.append(Packed("x", path, len(data)))
    first, second = unpack(wheels, wheelhouse, pip=Pip(sys.executable, run))
    assert "CRC" in first.problem
    assert second.problem == ""


@linux_only
def test_a_deep_wheel_leaves_nothing(wheelhouse: Wheelhouse, tmp_path: Path) -> None:
    """What it leaves is looked for in a folder that no other process sweeps or fills."""
    from devpi_warmup.prove import unpack

    names = ["a/" * depth for depth in (300, 600, 900, 1200)]
    data = make_zip(contents(**{f"{name}x": "" for name in names}))
    assert said(wheelhouse, data) == ""
    deep = tmp_path / "deep"
    for name in names:
        (deep / name).mkdir(parents=True)
        (deep / name / "x").touch()
    unpack._remove(deep)
    assert not deep.exists()


@linux_only
def test_a_script_that_memory_has_no_room_for_is_unpacked_on_disk(tmp_path: Path) -> None:
    wheel = tmp_path / NAME
    wheel.write_bytes(make_zip(contents(**{"x-1.0.data/scripts/run": "#!python\n" * 99})))
    (tmp_path / "wheels.json").write_text(json.dumps([("x", str(wheel))]))
    code = (
        "import json, pathlib, sys, tempfile\n"
        "from devpi_warmup.prove import unpack\n"
        "places, made = [], tempfile.mkdtemp\n"
        "def temporary(**named): places.append(str(named['dir'])); return made(**named)\n"
        "tempfile.mkdtemp = temporary\n"
        "unpack._ROOM = int(sys.argv.pop(1))\n"
        "unpack._MEMORY = pathlib.Path(sys.argv.pop(1))\n"
        "unpack.main()\n"
        "print(json.dumps(places[1:]), pathlib.Path(sys.argv[2]).read_text())\n"
    )
    argv = [*(str(tmp_path / name) for name in ("wheels.json", "verdicts.json")), str(tmp_path)]
    memory = tmp_path / "memory"  # its own: no other process clears it
    memory.mkdir()
    for room, on_disk in ((10_000, 0), (10, 1)):
        done = run([sys.executable, "-c", code, str(room), str(memory), *argv], env=os.environ)
        places, said = json.JSONDecoder().raw_decode(done.stdout)[0], done.stdout
        assert '"problem": ""' in said, done.stderr
        assert Path(places[0]).parent == memory
        assert places[1:] == [str(tmp_path)] * on_disk


@linux_only
def test_a_folder_that_another_process_takes_for_a_left_one_is_made_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from devpi_warmup.prove import unpack

    lock, removed = fcntl.flock, list[Path]()
    monkeypatch.setattr(unpack, "_MEMORY", tmp_path)

    def late(stream, how):
        folder = Path(stream.name).parent
        if how == fcntl.LOCK_EX and not removed:  # before it is locked
            removed.append(folder)
            shutil.rmtree(folder)
        lock(stream, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with unpack._in_memory() as memory:
        assert memory is not None
        assert memory.is_dir()
        assert removed
        assert memory not in removed
    assert not memory.exists()


@linux_only
def test_a_lock_that_is_no_file_is_waited_for_by_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from devpi_warmup.prove import unpack

    monkeypatch.setattr(unpack, "_MEMORY", tmp_path)
    folder = tmp_path / "devpi-warmup-pipe"
    folder.mkdir()
    os.mkfifo(folder / "lock")
    with unpack._in_memory() as memory:
        assert memory is not None
    assert not folder.exists()


@linux_only
def test_where_memory_takes_no_folder_there_is_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    from devpi_warmup.prove import unpack

    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(unpack.tempfile, "mkdtemp", full)
    with unpack._in_memory() as memory:
        assert memory is None


@pytest.mark.parametrize("folder", ["", "absent", "empty", "damaged"])
def test_without_a_faster_zlib_wheels_are_unpacked_by_that_of_python(
    tmp_path: Path, folder: str
) -> None:
    from importlib.machinery import EXTENSION_SUFFIXES

    from devpi_warmup.prove import unpack

    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / f"zlib_ng{EXTENSION_SUFFIXES[0]}").write_bytes(b"nonsense")
    assert unpack._inflate(*([str(tmp_path / folder)] if folder else [])) is unpack.zlib


@linux_only
def test_the_faster_zlib_is_taken() -> None:
    """In a process of its own: loaded twice in one, it has two classes of errors."""
    code = (
        "from devpi_warmup.prove import pip, unpack\n"
        "print(unpack._inflate(*pip._zlib_ng()).__name__)\n"
    )
    assert run([sys.executable, "-c", code], env=os.environ).stdout == "zlib_ng\n"


# In a warmup --------------------------------------------------------------------------------


def wheel(catalogue: Catalogue, project: str, found: Contents) -> None:
    renamed = {n.replace("x-1.0", f"{project}-1.0"): text for n, text in found.items()}
    meta = f"{project}-1.0.dist-info/METADATA"
    renamed[meta] = f"Metadata-Version: 2.1\nName: {project}\nVersion: 1.0\n"
    catalogue.upload(project, Upload(f"{project}-1.0-py3-none-any.whl", make_zip(renamed)))


def test_a_wheel_that_pip_cannot_install_fails_its_targets(warmed: Project, devpi: Devpi) -> None:
    wheel(devpi.upstream, "judgebad", BAD["an entry point without a function"][0])
    warmed.write("judgebad", pythons=("3.13",), platforms=("win_amd64",))
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 1
    assert "pip cannot install judgebad-1.0-py3-none-any.whl: " in done.stderr
    assert "hint: require another version, such as judgebad!=1.0 in the requirements" in done.stderr


def test_each_distinct_wheel_is_judged_once(warmed: Project, devpi: Devpi) -> None:
    """Remembered by its sha256 and pip's version, from run to run."""
    wheel(devpi.upstream, "judgeone", contents(_D_RECORD="x.py,,,odd\n"))
    warmed.write("judgeone", pythons=("3.9", "3.13"), platforms=("win_amd64",))
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    assert done.stdout.count("note: judgeone: pip: RECORD line has more than three") == 2
    assert done.stderr.count("pip unpacks 1 new wheels") == 1
    before = warmed.files()
    # A pip that cannot judge is not asked: every file is known, by this very pip.
    table = json.loads((warmed.wheelhouse / "manifest.json").read_text())
    (file,) = table["files"].values()
    assert file["pip"] == table["targets"]["cp313-win_amd64"]["pip"]
    assert file["pip_warnings"]
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 0
    assert warmed.files() == before
    assert "pip unpacks" not in done.stderr
    # What another version of that script has found does not count.
    path = warmed.wheelhouse / "manifest.json"
    assert table["unpacked_by"] == unpacker()
    path.write_text(path.read_text().replace('"unpacked_by": "', '"unpacked_by": "0'))
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    assert done.stderr.count("pip unpacks 1 new wheels") == 1
    assert warmed.files() == before


def test_files_of_two_wheels_in_one_place(warmed: Project, devpi: Devpi) -> None:
    wheel(devpi.upstream, "placeone", contents(place=""))
    wheel(devpi.upstream, "placetwo", contents(**{"place/x.py": ""}))
    warmed.write("placeone", "placetwo", pythons=("3.13",), platforms=("win_amd64",))
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 1
    assert "its wheels cannot be installed together" in done.stderr
    assert "place of placeone-1.0-py3-none-any.whl is a file" in done.stderr


def test_a_damaged_newest_wheel_is_not_stepped_over(
    warmed: Project, devpi: Devpi, make_server: Callable[..., object]
) -> None:
    devpi.upstream.add("stepped", "1.0")
    devpi.upstream.upload("stepped", Upload("stepped-2.0-py3-none-any.whl", b"no zip"))
    warmed.write("stepped", pythons=("3.13",), platforms=("win_amd64",))
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 1
    assert "stepped-2.0-py3-none-any.whl cannot be unpacked: File is not a zip file" in done.stderr
    assert "stepped!=2.0 in the requirements or the constraints" in done.stderr
    assert done.stdout.count("stepped-2.0") == 1


def test_an_old_wheel_beside_a_newer_sdist_has_a_note_everywhere(
    warmed: Project, devpi: Devpi
) -> None:
    devpi.upstream.add("oldwheel", "0.1")
    devpi.upstream.upload("oldwheel", Upload("oldwheel-1.2.tar.gz", b"x"))
    warmed.write("oldwheel", pythons=("3.13",), platforms=("win_amd64",))
    done = warmed.nox("-s", "warmup")
    note = (
        "oldwheel 0.1 is not the newest: 1.2 exists only as an sdist, which "
        'sdists = ["oldwheel"] would have built'
    )
    assert done.returncode == 0, done.output
    assert f"cp313-win_amd64: note: {note}" in done.stderr
    assert f"note: {note}" in done.stdout
    assert warmed.manifest()["targets"]["cp313-win_amd64"]["notes"] == [note]
