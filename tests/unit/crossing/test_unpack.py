"""unpack.py: what arrives is what was sent, or nothing does."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from crossings import Files, base_of, files, here, made, ran, run, state, tree, wheel

from devpi_warmup.crossing.base import Base

A, B, C, D = (wheel(name) for name in "abcd")
ONE = files(A, B)
TWO = files(A, C, month=2)


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    return tmp_path / "inside" / "warm"


def arrived(tmp_path: Path, inside: Path, found: Files) -> None:
    done = here(made(tmp_path / "out", found).folder, inside)
    assert done.returncode == 0, done.stderr


def test_everything_arrives(tmp_path: Path, inside: Path) -> None:
    medium = made(tmp_path / "out", ONE).folder
    done = run(medium, inside)
    assert done.returncode == 0, done.stderr
    id_ = state(ONE).id
    assert f"state {id_[:12]} is in {inside}: 5 files" not in done.stdout
    assert f"state {id_[:12]} is in {inside}: 6 files of the archive" in done.stdout
    assert "signature not checked" in done.stdout
    found = tree(inside)
    assert {name: found[name] for name in ONE} == ONE
    assert hashlib.sha256(found["SHA256SUMS"]).hexdigest() == id_
    assert {*found} == {*ONE, "SHA256SUMS", "README.md", "README.ko.md"}


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="no sha256sum")
def test_sha256sum_agrees(tmp_path: Path, inside: Path) -> None:
    medium = made(tmp_path / "out", ONE, chunk=1 << 16).folder
    for folder in (medium, inside):
        if folder == inside:
            here(medium, inside)
        done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True)
        assert done.returncode == 0


def test_parts_are_not_joined(tmp_path: Path, inside: Path) -> None:
    medium = made(tmp_path / "out", {**ONE, D: os.urandom(300_000)}, chunk=1 << 16).folder
    assert len([*medium.glob("bundle.tar.*")]) == 5
    assert here(medium, inside).returncode == 0
    assert D in tree(inside)


def test_again_changes_nothing(tmp_path: Path, inside: Path) -> None:
    medium = made(tmp_path / "out", ONE).folder
    here(medium, inside)
    log = (inside / "applied.jsonl").read_bytes()
    done = here(medium, inside)
    assert done.returncode == 0
    assert f"state {state(ONE).id[:12]} is in {inside} already" in done.stdout
    assert (inside / "applied.jsonl").read_bytes() == log
    assert [p.name for p in inside.parent.iterdir() if not p.name.startswith(".")] == ["warm"]


def test_what_is_new_joins_what_is_there(tmp_path: Path, inside: Path) -> None:
    arrived(tmp_path, inside, ONE)
    (inside / "kit").mkdir()
    (inside / "kit" / "python").write_text("made inside")
    (inside / "wheelhouse" / "clients").mkdir()
    (inside / "wheelhouse" / "clients" / "pip.conf").write_text("made inside")
    (inside / "link").symlink_to("nowhere")
    new = made(tmp_path / "out", TWO, ONE, before=[ONE])
    assert new.folder.name == f"delta-{state(ONE).id[:12]}-{state(TWO).id[:12]}"
    done = here(new.folder, inside)
    assert done.returncode == 0, done.stderr
    assert "5 files of the archive, 1 that were there" in done.stdout
    assert "kit was made there, and is in" in done.stderr
    before = inside.with_name(f"warm.before-{state(ONE).id[:12]}")
    assert tree(before).keys() == {*ONE, "SHA256SUMS", "README.md", "README.ko.md"}
    assert (before / A).stat().st_ino == (inside / A).stat().st_ino
    found = tree(inside)
    assert found.pop("kit/python") == b"made inside"
    assert found.pop("wheelhouse/clients/pip.conf") == b"made inside"
    assert (inside / "link").is_symlink()
    assert B not in found  # that is gone, and stays behind
    assert (before / B).is_file()
    here(made(tmp_path / "out", TWO).folder, tmp_path / "fresh")
    assert found == tree(tmp_path / "fresh")
    log = [json.loads(line) for line in (inside / "applied.jsonl").read_text().splitlines()]
    assert [(e["state"], e["base"], e["accepted"]) for e in log] == [
        (state(ONE).id, "", []),
        (state(TWO).id, state(ONE).id, [state(ONE).id[:12]]),
    ]
    assert all(e["by"] and e["when"].endswith("Z") for e in log)


def test_a_manifest_is_enough_to_know_what_is_new(tmp_path: Path, inside: Path) -> None:
    arrived(tmp_path, inside, ONE)
    known = {name: sha for name, sha in base_of(ONE).files.items() if name.endswith(".whl")}
    base = Base(known, "the manifest.json with sha256 abc")
    new = made(tmp_path / "out", TWO, base, before=[ONE])
    assert new.folder.name == f"delta-manifest-{state(TWO).id[:12]}"
    lost = here(new.folder, tmp_path / "empty")
    assert lost.returncode == 3
    assert "what is new since the manifest.json with sha256 abc" in lost.stderr
    assert here(new.folder, inside).returncode == 0
    assert tree(inside).items() >= TWO.items()


def test_a_wheel_of_the_same_name_with_other_bytes_is_new(tmp_path: Path, inside: Path) -> None:
    arrived(tmp_path, inside, ONE)
    rebuilt = {**TWO, A: b"built anew"}
    assert here(made(tmp_path / "out", rebuilt, ONE, before=[ONE]).folder, inside).returncode == 0
    assert tree(inside)[A] == b"built anew"


CHAIN = [
    files(A, B),
    files(A, C, month=2),
    files(A, C, wheel("a", 2), month=3),
    files(wheel("a", 2), C, D, month=4),
    files(wheel("a", 2), D, wheel("c", 2), month=5),
]


def test_a_chain_of_five_with_one_link_skipped(tmp_path: Path, inside: Path) -> None:
    links = [
        made(tmp_path / "out", new, old, before=CHAIN[:number], chunk=1 << 16).folder
        for number, (old, new) in enumerate(itertools.pairwise(CHAIN), 1)
    ]
    arrived(tmp_path, inside, CHAIN[0])
    for link in links[:2]:
        assert here(link, inside).returncode == 0
    before = tree(inside)
    done = here(links[3], inside)  # the third was lost on its way
    assert done.returncode == 3
    assert f"what is new since state {state(CHAIN[3]).id[:12]}" in done.stderr
    assert f"in {inside} is state {state(CHAIN[2]).id[:12]}" in done.stderr
    assert f"{D} is missing" in done.stderr
    assert tree(inside) == before
    for link in links[2:]:
        assert here(link, inside).returncode == 0
    assert here(made(tmp_path / "out", CHAIN[4]).folder, tmp_path / "fresh").returncode == 0
    assert tree(inside) == tree(tmp_path / "fresh")
    done = here(links[1], inside)  # found again, too late
    assert done.returncode == 3
    assert f"is older than {state(CHAIN[4]).id[:12]}, which is in {inside}" in done.stderr
    assert "--back" in done.stderr
    assert tree(inside) == tree(tmp_path / "fresh")


def test_a_link_may_be_skipped_where_every_byte_is_there(tmp_path: Path, inside: Path) -> None:
    middle, last = files(A, B, month=2), files(A, B, month=3)
    arrived(tmp_path, inside, ONE)
    done = here(made(tmp_path / "out", last, middle, before=[ONE, middle]).folder, inside)
    assert done.returncode == 0, done.stderr
    here(made(tmp_path / "out", last).folder, tmp_path / "fresh")
    assert tree(inside) == tree(tmp_path / "fresh")


def test_back_takes_a_word(tmp_path: Path, inside: Path) -> None:
    arrived(tmp_path, inside, ONE)
    here(made(tmp_path / "out", TWO, ONE, before=[ONE]).folder, inside)
    full = made(tmp_path / "out", ONE).folder
    assert here(full, inside).returncode == 3
    assert here(full, inside, "--back").returncode == 0
    assert tree(inside)[B] == ONE[B]
    # What was made to follow the state that is there is not older, though it was there before.
    assert here(made(tmp_path / "out", TWO, ONE, before=[ONE]).folder, inside).returncode == 0


def test_an_older_one_that_never_arrived_is_known_by_what_was_accepted(
    tmp_path: Path, inside: Path
) -> None:
    arrived(tmp_path, inside, ONE)
    three = files(A, C, D, month=3)
    assert (
        here(made(tmp_path / "out", three, ONE, before=[ONE, TWO]).folder, inside).returncode == 0
    )
    late = here(made(tmp_path / "out", TWO, ONE, before=[ONE]).folder, inside)
    assert late.returncode == 3
    assert "is older than" in late.stderr


def test_one_of_before_the_last_was_accepted_is_older(tmp_path: Path, inside: Path) -> None:
    """It was made since the first, was lost, and never accepted; others were, since."""
    arrived(tmp_path, inside, ONE)
    three, four = files(A, D, month=3), files(A, C, D, month=4)
    here(made(tmp_path / "out", three, ONE, before=[ONE]).folder, inside)
    here(made(tmp_path / "out", four, three, before=[ONE, three]).folder, inside)
    late = here(made(tmp_path / "out", TWO, ONE, before=[ONE]).folder, inside)
    assert late.returncode == 3
    assert f"is older than {state(four).id[:12]}" in late.stderr


def test_a_sender_that_has_lost_its_memory_is_not_taken_for_an_older_one(
    tmp_path: Path, inside: Path
) -> None:
    arrived(tmp_path, inside, ONE)
    here(made(tmp_path / "out", TWO, ONE, before=[ONE]).folder, inside)
    new = made(tmp_path / "out", files(D, month=9)).folder
    assert here(new, inside).returncode == 0
    other = made(tmp_path / "out", files(D, month=10), before=[files(D, month=9)]).folder
    assert here(other, inside).returncode == 0


def test_a_folder_whose_list_is_broken_is_repaired(tmp_path: Path, inside: Path) -> None:
    arrived(tmp_path, inside, ONE)
    (inside / "SHA256SUMS").write_bytes(b"\xff broken")
    arrived(tmp_path, inside, ONE)
    assert {name: tree(inside)[name] for name in ONE} == ONE
    (inside / "SHA256SUMS").unlink()
    (inside / A).unlink()
    arrived(tmp_path, inside, ONE)
    assert {name: tree(inside)[name] for name in ONE} == ONE


def test_damage_inside_is_named_and_a_whole_bundle_repairs_it(tmp_path: Path, inside: Path) -> None:
    arrived(tmp_path, inside, ONE)
    data = bytearray((inside / A).read_bytes())
    data[7] ^= 1
    (inside / A).write_bytes(data)
    done = here(made(tmp_path / "out", TWO, ONE, before=[ONE]).folder, inside)
    assert done.returncode == 3
    assert f"{A} has other bytes" in done.stderr
    assert here(made(tmp_path / "out", ONE).folder, inside).returncode == 0
    assert tree(inside)[A] == ONE[A]


def test_a_link_inside_is_not_what_stays(tmp_path: Path, inside: Path) -> None:
    arrived(tmp_path, inside, ONE)
    (inside / A).rename(tmp_path / "elsewhere")
    (inside / A).symlink_to(tmp_path / "elsewhere")
    done = here(made(tmp_path / "out", TWO, ONE, before=[ONE]).folder, inside)
    assert done.returncode == 3
    assert f"{A} is missing" in done.stderr


def test_what_is_new_needs_what_was(tmp_path: Path, inside: Path) -> None:
    done = here(made(tmp_path / "out", TWO, ONE).folder, inside)
    assert done.returncode == 3
    assert f"in {inside} is nothing" in done.stderr
    assert not inside.exists()


@pytest.mark.parametrize("what", ["file", "full"])
def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, inside: Path, what: str) -> None:
    inside.parent.mkdir()
    if what == "file":
        inside.write_text("mine")
    else:
        inside.mkdir()
        (inside / "mine").write_text("mine")
    done = here(made(tmp_path / "out", ONE).folder, inside)
    assert done.returncode == 2
    assert f"{inside} holds something else" in done.stderr
    assert inside.is_file() or [path.name for path in inside.iterdir()] == ["mine"]


def test_an_empty_folder_is_taken(tmp_path: Path, inside: Path) -> None:
    inside.mkdir(parents=True)
    arrived(tmp_path, inside, ONE)
    assert A in tree(inside)


def test_check_writes_nothing(tmp_path: Path) -> None:
    medium = made(tmp_path / "out", TWO, ONE).folder
    before = sorted(tmp_path.rglob("*"))
    done = run(medium, "--check", PYTHONDONTWRITEBYTECODE="1")
    assert done.returncode == 0
    assert f"nothing is damaged: state {state(TWO).id[:12]}, 5 of its 6 files" in done.stdout
    assert f"what is new since state {state(ONE).id[:12]}" in done.stdout
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("words", [(), ("x", "--check"), ("x", "--verify"), ("--what",)])
def test_wrong_words(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = run(made(tmp_path / "out", ONE).folder, *words)
    assert done.returncode == 2
    assert "usage:" in done.stderr


def test_two_at_once(tmp_path: Path, inside: Path) -> None:
    import fcntl

    inside.parent.mkdir()
    with (inside.parent / ".warm.lock").open("a+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        done = here(made(tmp_path / "out", ONE).folder, inside)
    assert done.returncode == 6
    assert "another unpack.py is at work" in done.stderr


# Signatures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "expected"), [(0, 0), (1, 5)])
def test_the_user_s_command_judges_the_signature(
    tmp_path: Path, inside: Path, status: int, expected: int
) -> None:
    judge = f"import sys; sys.exit({status} if sys.stdin.read() == open(sys.argv[1]).read() else 9)"
    medium = made(tmp_path / "out", ONE).folder
    done = here(medium, inside, "--verify", sys.executable, "-c", judge, "{file}")
    assert done.returncode == expected, done.stderr
    assert inside.exists() == (expected == 0)
    if expected == 0:
        assert "signature checked by python" in (inside / "applied.jsonl").read_text()


def test_a_command_that_is_not_there(tmp_path: Path, inside: Path) -> None:
    done = here(made(tmp_path / "out", ONE).folder, inside, "--verify", "no-such-program", "{file}")
    assert done.returncode == 5
    assert "no-such-program" in done.stderr
    assert not inside.exists()


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="no ssh-keygen")
def test_openssh_signs_and_verifies(tmp_path: Path, inside: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    sign = ("ssh-keygen", "-Y", "sign", "-f", str(key), "-n", "devpi-warmup", "{file}")
    medium = made(tmp_path / "out", ONE, sign=sign).folder
    public = key.with_suffix(".pub").read_text()
    (tmp_path / "allowed").write_text(f"release@example.com {public}")
    verify = ["ssh-keygen", "-Y", "verify", "-f", tmp_path / "allowed", "-I", "release@example.com"]
    verify += ["-n", "devpi-warmup", "-s", "{file}.sig"]
    assert run(medium, inside, "--verify", *verify).returncode == 0
    (medium / "SHA256SUMS").write_text((medium / "SHA256SUMS").read_text() + "\n")
    assert run(medium, tmp_path / "other", "--verify", *verify).returncode == 5
    assert not (tmp_path / "other").exists()


# Other Pythons ------------------------------------------------------------------------------


def other(version: str) -> str:
    found = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    path = str(found[-1]) if found else shutil.which(f"python{version}")
    if path is None:
        pytest.skip(f"no Python {version} here")
    return path


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.13"])
def test_other_pythons_unpack(tmp_path: Path, inside: Path, version: str) -> None:
    python = other(version)
    for medium in (
        made(tmp_path / "out", {**ONE, "요구/사항.txt": b"x"}).folder,
        made(tmp_path / "out", TWO, ONE, before=[ONE]).folder,
    ):
        assert run(medium, inside, python=python, PYTHONWARNINGS="error").returncode == 0
    done = run(medium, "--check", python=python, PYTHONWARNINGS="error")
    assert done.returncode == 0


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.7"])
def test_old_pythons_are_told_what_it_needs(tmp_path: Path, version: str) -> None:
    medium = made(tmp_path / "out", ONE).folder
    argv = [other(version), str(medium / "unpack.py"), "--check"]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode != 0
    assert "Python 3.8" in done.stderr


def test_a_terminal_of_ascii(tmp_path: Path) -> None:
    """What is told is told on any console."""
    folder = tmp_path / "폴더"
    done = run(made(tmp_path / "out", ONE).folder, folder, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert A in tree(folder)


def test_a_disk_without_links(tmp_path: Path, inside: Path) -> None:
    arrived(tmp_path, inside, ONE)
    medium = made(tmp_path / "out", TWO, ONE, before=[ONE]).folder
    script = (
        "import os, runpy, sys\n"
        "def hook(event, args):\n"
        "    if event == 'os.link': raise OSError(1, 'no links here')\n"
        "sys.addaudithook(hook)\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    argv = [sys.executable, "-c", script, str(medium / "unpack.py"), str(inside)]
    done = ran(argv, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (inside / A).stat().st_nlink == 1
    assert tree(inside)[A] == ONE[A]
