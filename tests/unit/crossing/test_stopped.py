"""Stopped at any moment, by ``kill -9`` or a full disk: nothing half-made, and again is right."""

from __future__ import annotations

import resource
import shutil
import signal
import sys
from pathlib import Path

import pytest
from crossings import files, here, made, ran, run, tree, wheel
from killing import killed, moments

from devpi_warmup.crossing import bundle
from devpi_warmup.errors import WarmupError

ONE = files(wheel("a"), wheel("b"))
TWO = files(wheel("a"), wheel("c"), month=2)
MOMENTS = 10  # tests/measure/crossing.py takes more


def check_unpack_is_killed(folder: Path, count: int) -> dict[str, int]:
    """Kill it at that many moments; return what lay in the folder then, and how often."""
    old = made(folder / "out", ONE).folder
    new = made(folder / "out", TWO, ONE, before=[ONE]).folder
    inside = folder / "in" / "warm"

    def begin() -> None:
        shutil.rmtree(inside.parent, ignore_errors=True)
        assert here(old, inside).returncode == 0
        (inside / "kit").mkdir()
        (inside / "kit" / "mine").write_text("mine")

    begin()
    before = tree(inside)
    todo = [*moments(inside.parent, new / "unpack.py", inside, count=count)]
    (inside.parent / "touched").unlink()
    after = tree(inside)
    then = {"old": 0, "new": 0, "between": 0}
    for moment in todo:
        begin()
        done = killed(moment, inside.parent, new / "unpack.py", inside)
        assert done.returncode == -signal.SIGKILL, (moment, done)
        found = tree(inside) if inside.exists() else {}
        whole = [{k: v for k, v in t.items() if not k.startswith("kit")} for t in (before, after)]
        bare = {k: v for k, v in found.items() if not k.startswith("kit")}
        assert bare in [*whole, {}], moment
        then["between" if not bare else "old" if bare == whole[0] else "new"] += 1
        again = here(new, inside)
        assert again.returncode == 0, (moment, again.output)
        assert tree(inside) == after, moment
        assert "warm" in {p.name for p in inside.parent.iterdir()}
        assert not (inside.parent / ".warm.new").exists()
        assert len((inside / "applied.jsonl").read_text().splitlines()) == 2
    return then


def test_unpack_is_killed(tmp_path: Path) -> None:
    then = check_unpack_is_killed(tmp_path, MOMENTS)
    assert then["old"] > 0
    assert sum(then.values()) == MOMENTS


def test_unpack_is_killed_between_the_two_names(tmp_path: Path) -> None:
    """The one moment at which nothing has the folder's name."""
    old = made(tmp_path / "out", ONE).folder
    new = made(tmp_path / "out", TWO, ONE, before=[ONE]).folder
    inside = tmp_path / "in" / "warm"
    run(old, inside)
    script = (
        (new / "unpack.py")
        .read_text()
        .replace(
            "    folder.rename(before)\n",
            "    folder.rename(before)\n    os.kill(os.getpid(), 9)\n",
        )
    )
    (tmp_path / "unpack.py").write_text(script)
    for path in new.iterdir():
        if path.name != "unpack.py":
            shutil.copy(path, tmp_path)
    sums = (new / "SHA256SUMS").read_text().splitlines(keepends=True)
    (tmp_path / "SHA256SUMS").write_text("".join(s for s in sums if "unpack.py" not in s))
    done = killed(0, tmp_path / "in", tmp_path / "unpack.py", inside)
    assert done.returncode == -signal.SIGKILL
    assert not inside.exists()
    other = run(old, inside, "--back")  # whatever is run next
    assert other.returncode == 0
    assert "a run that was stopped is finished" in other.stderr
    assert len((inside / "applied.jsonl").read_text().splitlines()) == 3
    assert run(new, inside, "--back").returncode == 0
    assert tree(inside).items() >= TWO.items()


_MAKE = """
import sys
from pathlib import Path
from crossings import files, here, made, wheel
print(made(Path(sys.argv[1]), files(wheel("a"), wheel("b")), chunk=1 << 16).folder)
"""


def check_bundle_is_killed(folder: Path, count: int) -> None:
    script, out = folder / "make.py", folder / "out"
    script.write_text(_MAKE)
    out.mkdir()
    todo = [*moments(out, script, out, count=count)]
    (final,) = (path for path in out.iterdir() if path.is_dir())
    right = tree(final)
    for moment in todo:
        shutil.rmtree(out)
        out.mkdir()
        done = killed(moment, out, script, out)
        assert done.returncode == -signal.SIGKILL, (moment, done)
        assert not final.exists() or tree(final) == right, moment
        assert made(out, ONE, chunk=1 << 16).folder == final
        assert tree(final) == right, moment
        assert {p.name for p in out.iterdir()} <= {final.name, ".lock", "touched"}


def test_bundle_is_killed(tmp_path: Path) -> None:
    check_bundle_is_killed(tmp_path, MOMENTS // 2)


@pytest.mark.parametrize("before", ["nothing", "another"])
def test_the_disk_inside_is_full(tmp_path: Path, before: str) -> None:
    inside = tmp_path / "in" / "warm"
    if before == "another":
        run(made(tmp_path / "out", files(wheel("x"))).folder, inside)
    found = tree(inside) if before == "another" else {}
    large = {**ONE, wheel("large"): bytes(2 << 20)}
    medium = made(tmp_path / "out", large).folder
    script = (
        "import resource, runpy, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    done = ran([sys.executable, "-c", script, str(medium / "unpack.py"), str(inside)], tmp_path)
    assert done.returncode == 6
    assert "is the disk full" in done.stderr
    assert (tree(inside) if inside.exists() else {}) == found
    assert {p.name for p in inside.parent.iterdir()} <= {"warm", ".warm.lock"}
    assert run(medium, inside).returncode == 0
    assert tree(inside).items() >= large.items()


def test_the_disk_outside_is_full(tmp_path: Path) -> None:
    known = made(tmp_path / "out", ONE).folder
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with pytest.raises(WarmupError, match="bundles/ cannot be written") as error:
            made(tmp_path / "bundles", {**ONE, wheel("large"): bytes(2 << 20)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "is the disk full" in error.value.hint
    assert [p.name for p in (tmp_path / "bundles").iterdir()] == [".lock"]
    assert known.is_dir()


def test_too_little_room_is_said_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 1000))
    with pytest.raises(WarmupError, match="MB are free"):
        made(tmp_path / "bundles", ONE)
    assert [p.name for p in (tmp_path / "bundles").iterdir()] == [".lock"]


def test_another_is_being_made(tmp_path: Path) -> None:
    from devpi_warmup.holding import Hold

    with Hold(tmp_path / ".lock"), pytest.raises(WarmupError, match="another bundle is being made"):
        made(tmp_path, ONE)


# The same again -----------------------------------------------------------------------------


def test_a_bundle_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    first = made(tmp_path, ONE)
    stamp = (first.folder / "bundle.tar").stat().st_mtime_ns
    again = made(tmp_path, ONE)
    assert (first.new, again.new) == (True, False)
    assert (first.folder / "bundle.tar").stat().st_mtime_ns == stamp


def test_a_bundle_that_was_damaged_is_made_again(tmp_path: Path) -> None:
    first = made(tmp_path, ONE)
    right = tree(first.folder)
    (first.folder / "bundle.tar").write_bytes(b"x")
    assert made(tmp_path, ONE).new
    assert tree(first.folder) == right


def test_other_parts_take_the_place(tmp_path: Path) -> None:
    first = made(tmp_path, ONE)
    assert made(tmp_path, ONE, chunk=1 << 16).folder == first.folder
    assert not (first.folder / "bundle.tar").exists()
    assert (first.folder / "bundle.tar.001").exists()


# The command that signs -----------------------------------------------------------------------


def signing(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", f"import sys; {code}", "{file}")


def test_a_signature_is_carried(tmp_path: Path) -> None:
    sign = signing("open(sys.argv[1] + '.sig', 'w').write('signed')")
    found = made(tmp_path, ONE, sign=sign)
    assert (found.folder / "SHA256SUMS.sig").read_text() == "signed"
    assert not made(tmp_path, ONE, sign=sign).new
    (found.folder / "SHA256SUMS.sig").unlink()
    assert made(tmp_path, ONE, sign=sign).new


def test_a_key_lies_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    sign = (*signing("open(sys.argv[1] + '.sig', 'w').write(sys.argv[2])"), "~/.ssh/release")
    found = made(tmp_path / "out", ONE, sign=sign)
    assert (found.folder / "SHA256SUMS.sig").read_text() == str(tmp_path / ".ssh" / "release")


@pytest.mark.parametrize(
    ("sign", "message"),
    [
        (signing("sys.exit('no key\\x1b')"), "sign-command ended with 1: no key?"),
        (signing("pass"), "sign-command left no signature beside SHA256SUMS"),
        (("no-such-program", "{file}"), "sign-command: no-such-program: No such file"),
    ],
)
def test_a_signature_that_fails(tmp_path: Path, sign: tuple[str, ...], message: str) -> None:
    with pytest.raises(WarmupError) as error:
        made(tmp_path / "bundles", ONE, sign=sign)
    assert message in str(error.value)
    assert error.value.hint
    assert bundle.FOLDER == "bundles"
    assert [p.name for p in (tmp_path / "bundles").iterdir()] == [".lock"]
