#!/usr/bin/env python3
"""Unpack a bundle of devpi-warmup on the closed side: check all of it, then switch in one step.

  python3 unpack.py FOLDER    put what this medium brings into FOLDER, made if it is not there
  python3 unpack.py --check   check this medium, and write nothing
  --back                      go back to an older state on purpose
  --verify COMMAND ...        last: a command that gets SHA256SUMS as {file} and as its input, and
                              ends with 0 where the signature holds

It needs nothing but Python 3.8, opens no connection, and runs no program but that COMMAND. It
writes plain files alone, those that the list at the head of the archive names, beside FOLDER,
hashes each, and renames; what was there before stays as FOLDER.before-STATE. It can be stopped at
any moment and run again. FOLDER/applied.jsonl says what was applied, when, and by whom.

Exit status: 0 it is in place; 1 the medium is damaged or not whole; 2 wrong use; 3 out of order:
files that it builds on are not in FOLDER, or it is older than what is; 4 the archive is not as a
bundle makes it; 5 the signature does not hold; 6 something cannot be read or written; 130 stopped.
"""

from __future__ import annotations  # an error here? It needs Python 3.8

import sys

if sys.version_info < (3, 8):
    sys.stderr.write("unpack.py needs Python 3.8 or newer, and this is " + sys.version[:6] + "\n")
    sys.exit(2)

SILENCE: float = 8.0  # seconds; an error here? It needs Python 3.8: python3 unpack.py

import argparse
import getpass
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import tarfile
import time
import unicodedata
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Generator, Iterable, Iterator, NamedTuple, Sequence

SUMS, HEAD, LOG, ARCHIVE, FORMAT = "SHA256SUMS", "bundle.json", "applied.jsonl", "bundle.tar", 1
DAMAGED, WRONG, OUT_OF_ORDER, UNSAFE, UNSIGNED, NOT_WRITTEN = 1, 2, 3, 4, 5, 6
SUM = re.compile(r"([0-9a-f]{64})  (.+)")  # as sha256sum writes and reads it
PART = re.compile(r"bundle\.tar(?:\.([0-9]{3,9}))?")
DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$"}
DEVICES |= {name + digit for name in ("com", "lpt") for digit in "0123456789\xb9\xb2\xb3"}
LARGEST_LIST = 64 << 20  # bytes
LONGEST = 200  # characters of a path; Windows allows 260 with the folder
BLOCK = 1 << 20  # bytes
SHOWN = 10  # files by name
NOT_OURS = "no bundle makes such an archive: do not use it before you know why"
spoke = [time.monotonic()]


class RefusedError(Exception):
    """Why nothing was done: an exit status, what happened, what to do."""

    def __init__(self, status: int, message: str, hint: str) -> None:
        super().__init__(message)
        self.status, self.message, self.hint = status, message, hint


class Bundle(NamedTuple):
    """The list at the head of an archive: a state, and what of it is in the archive."""

    state: str  # its name: the sha256 of the list of its files
    base: str  # the state that it builds on; "" where that is none, or not known
    since: str  # how messages call that; "" where everything is in the archive
    before: list[str]  # the states that had been accepted when it was made, the oldest first
    files: dict[str, tuple[int, str]]  # size and sha256 by path
    carried: set[str]  # the paths that are in the archive
    next: list[list[str]]  # system, machine and Python, and what to type there


def main(words: Sequence[str]) -> int:
    """Do what the command line says; return the exit status."""
    parser = argparse.ArgumentParser(usage=(__doc__ or "").partition("\n\n")[2], add_help=False)
    parser.add_argument("folder", nargs="?")
    for option in ("--check", "--back"):
        parser.add_argument(option, action="store_true")
    parser.add_argument("--verify", nargs=argparse.REMAINDER)
    given = parser.parse_args(words)
    if given.check == bool(given.folder) or given.verify == []:
        parser.error("name a FOLDER, or --check; after --verify, a command")
    try:
        parts, told = check_medium(Path(__file__).resolve().parent, given.verify)
        if given.check:
            with closing(Archive(parts)) as archive:
                archive.extract(None)
                bundle = archive.bundle
            since = f", what is new since {bundle.since}" if bundle.since else ""
            say(f"nothing is damaged: state {bundle.state[:12]}, {len(bundle.carried)} of its "
                f"{len(bundle.files)} files{since}; {told}", sys.stdout)  # fmt: skip
        else:
            unpack(parts, Path(os.path.realpath(given.folder)), back=given.back, told=told)
    except RefusedError as why:
        say(f"unpack.py: {why.message}\n    hint: {why.hint}")
        return why.status
    except OSError as error:
        say(f"unpack.py: {error.filename or 'reading or writing'}: {error.strerror or error}")
        say("    hint: is the disk full or read-only, or a file of it in use? Mend that, and run "
            "this again; what was there before is still there")  # fmt: skip
        return NOT_WRITTEN
    except KeyboardInterrupt:
        say("unpack.py: stopped; run it again")
        return 130
    return 0


# The medium -------------------------------------------------------------------------------------


def check_medium(folder: Path, verify: list[str] | None) -> tuple[list[Path], str]:
    """Check the signature and the sums; return the parts of the archive, and what was checked."""
    if not (folder / SUMS).is_file():
        raise RefusedError(DAMAGED, f"no {SUMS} beside unpack.py", "copy the whole bundle")
    text = (folder / SUMS).read_bytes()
    told = check_signature(folder / SUMS, text, verify) if verify else "signature not checked"
    sums, bad = read_sums(text, SUMS), []
    for name, sha256 in sums.items():
        if "/" in name or why_unsafe(name):
            raise RefusedError(UNSAFE, f"{SUMS} names {name!r}", NOT_OURS)
        if not (folder / name).is_file():
            bad.append(f"{name} is missing")
        elif digest(folder / name) != sha256:
            bad.append(f"{name} is damaged")
    if bad:
        hint = "copy these files again; what was compressed for its way is decompressed first"
        raise RefusedError(DAMAGED, listed("the medium is not whole:", bad), hint)
    return part_paths(folder, sums), told


def part_paths(folder: Path, sums: Iterable[str]) -> list[Path]:
    """Return the parts of the archive in their order, of which none may be left out."""
    found = {int(match[1] or 0): match[0] for match in map(PART.fullmatch, sums) if match}
    if sorted(found) not in ([0], [*range(1, len(found) + 1)]):
        message = f"{SUMS} does not name every part of {ARCHIVE}"
        raise RefusedError(DAMAGED, message, "copy the whole bundle again")
    return [folder / found[number] for number in sorted(found)]


def check_signature(sums: Path, text: bytes, verify: list[str]) -> str:
    """Have the user's command judge the signature; return what to say of that."""
    try:
        argv = [word.replace("{file}", str(sums)) for word in verify]
        status = subprocess.run(argv, input=text, check=False).returncode
    except OSError as error:
        hint = "after --verify stand a program of this machine, and what it takes"
        raise RefusedError(UNSIGNED, f"{verify[0]}: {error.strerror}", hint) from None
    if status != 0 or sums.read_bytes() != text:
        hint = "do not use this medium before you know why"
        raise RefusedError(UNSIGNED, f"the signature does not hold: {verify[0]}: {status}", hint)
    return f"signature checked by {Path(verify[0]).name}"


def read_sums(text: bytes, name: object) -> dict[str, str]:
    """Return the sha256 of each file that a list names."""
    matches = [SUM.fullmatch(line) for line in text.decode("utf-8", "replace").splitlines()]
    found = {match[2]: match[1] for match in matches if match}
    if not found or len(found) != len(matches):
        raise RefusedError(UNSAFE, f"{name} is not a list of sums", "was it changed on its way?")
    return found


class Parts(io.RawIOBase):
    """The archive, read over its parts without joining them."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._streams = (path.open("rb") for path in paths)
        self._now: IO[bytes] | None = None

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes, and return how many; 0 at the end of the last part."""
        while True:
            data = self._now.read(len(buffer)) if self._now else b""
            if data:
                buffer[: len(data)] = data
                return len(data)
            if self._now:
                self._now.close()
            self._now = next(self._streams, None)
            if self._now is None:
                return 0

    def close(self) -> None:
        """Close the part that is open."""
        if self._now:
            self._now.close()
        super().close()


# The archive ------------------------------------------------------------------------------------


class Archive:
    """A tar archive whose first file is the list of all that may be in it."""

    def __init__(self, parts: Sequence[Path]) -> None:
        self._members = plain_files(parts)
        try:
            self.bundle = self._head()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the part that is open."""
        self._members.close()

    def _head(self) -> Bundle:
        with sound():
            name, size, stream = next(self._members, ("", 0, io.BytesIO()))
            if name != HEAD or size > LARGEST_LIST:
                raise RefusedError(UNSAFE, f"the archive does not begin with {HEAD}", NOT_OURS)
            data = b"".join(blocks(stream))
        return read_head(data)

    def extract(self, stage: Path | None) -> None:
        """Hash each file, and write it below a folder, if one is given."""
        with sound():
            self._extract(stage)

    def _extract(self, stage: Path | None) -> None:
        text, lacking = sums_text(self.bundle), {*self.bundle.carried, SUMS}
        files = {**self.bundle.files, SUMS: (len(text), self.bundle.state)}
        for name, size, stream in self._members:
            if name not in lacking or size != files[name][0]:
                why = "has another size" if name in lacking else "is not in its list"
                why = "is there twice" if name in files and name not in lacking else why
                raise RefusedError(UNSAFE, f"{name!r} in the archive {why}", NOT_OURS)
            lacking.remove(name)
            if taken(stream, stage / name if stage else None) != files[name][1]:
                message = f"{name} in the archive is not the file that its list names"
                raise RefusedError(DAMAGED, message, "copy the bundle again")
        if lacking:
            told = listed(f"the archive ends without {len(lacking)} files:", sorted(lacking))
            raise RefusedError(DAMAGED, told, "copy the bundle again")


def plain_files(parts: Sequence[Path]) -> Generator[tuple[str, int, IO[bytes]], None, None]:
    """Yield the name, the size and the bytes of each member; refuse what is no plain file."""
    source = io.BufferedReader(Parts(parts), BLOCK)
    with source, tarfile.open(fileobj=source, mode="r|", encoding="utf-8") as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.type == tarfile.REGTYPE else None
            if stream is None or member.issparse():
                message = f"{member.name!r} in the archive is no plain file"
                raise RefusedError(UNSAFE, message, NOT_OURS)
            yield member.name, member.size, stream


@contextmanager
def sound() -> Iterator[None]:
    """Say in words that an archive cannot be read."""
    try:
        yield
    except (tarfile.TarError, ValueError, OverflowError) as error:
        message = f"the archive is broken: {error}"
        raise RefusedError(DAMAGED, message, "copy the bundle again") from None


def read_head(data: bytes) -> Bundle:
    """Read the list at the head of an archive, and trust nothing of it."""
    try:
        table = json.loads(data.decode("utf-8"))
        if table["format"] != FORMAT:
            hint = "take the unpack.py that came with this archive"
            raise RefusedError(UNSAFE, f"the bundle has format {table['format']!r}", hint)
        words = [str(table[key]) for key in ("state", "base", "since")]
        before, carried = ([str(name) for name in table[key]] for key in ("before", "carried"))
        files = {str(name): (int(size), str(sum_)) for name, (size, sum_) in table["files"].items()}
        steps = [[str(word) for word in (*step, "", "", "", "")[:4]] for step in table["next"]]
        bundle = Bundle(words[0], words[1], words[2], before, files, {*carried}, steps)
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError):
        raise RefusedError(UNSAFE, f"{HEAD} is not what a bundle makes", NOT_OURS) from None
    seen = {folded(name) for name in (SUMS, HEAD, LOG)}
    seen |= {folded(name[:at]) for name in files for at, mark in enumerate(name) if mark == "/"}
    for name, (size, sha256) in files.items():
        why = why_unsafe(name) or ("some disks take it for another" if folded(name) in seen else "")
        if why or size < 0 or not re.fullmatch("[0-9a-f]{64}", sha256):
            raise RefusedError(UNSAFE, f"the list names {name!r}: {why or 'no sum'}", NOT_OURS)
        seen.add(folded(name))
    if hashlib.sha256(sums_text(bundle)).hexdigest() != bundle.state or {*carried} - {*files}:
        raise RefusedError(UNSAFE, f"{HEAD} contradicts itself", NOT_OURS)
    return bundle


def sums_text(bundle: Bundle) -> bytes:
    """Return the list of a state as sha256sum reads it; its own sha256 is the state's name."""
    return "".join(f"{bundle.files[n][1]}  {n}\n" for n in sorted(bundle.files)).encode("utf-8")


def why_unsafe(name: str) -> str:
    """Return why a path of the list cannot be written on every system, or ""."""
    if any(mark in '\\:*?"<>|' or not mark.isprintable() for mark in name) or len(name) > LONGEST:
        return "it has characters that not every system allows, or is too long"
    for part in name.split("/"):
        if part in {"", ".", ".."} or part[-1] in " .":
            return "it leads elsewhere"
        if part.split(".")[0].rstrip().lower() in DEVICES:
            return "it is a device of Windows"
    return ""


def folded(name: str) -> str:
    """Return what two names share that some disks take for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


# The folder -------------------------------------------------------------------------------------


def unpack(parts: Sequence[Path], folder: Path, *, back: bool, told: str) -> None:
    """Put the state that a bundle brings into a folder."""
    if not folder.name or os.path.ismount(folder):
        raise RefusedError(WRONG, f"{folder} cannot be renamed", "name a folder within it")
    stage = folder.with_name(f".{folder.name}.new")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with held(folder.with_name(f".{folder.name}.lock"), folder):
        finish(folder, stage)
        with closing(Archive(parts)) as archive:
            bundle, there = archive.bundle, state_of(folder)
            if there == bundle.state and whole(folder):
                archive.extract(None)
                say(f"state {there[:12]} is in {folder} already", sys.stdout)
            else:
                check_order(bundle, folder, back=back)
                kept = renew(archive, folder, stage)
                switch(bundle, folder, stage, told)
                say(f"state {bundle.state[:12]} is in {folder}: {len(bundle.carried)} files of the "
                    f"archive, {kept} that were there; {told}", sys.stdout)  # fmt: skip
        bring_over(folder)
    say(f"outside, let them know that it has arrived: {bundle.state[:12]}")
    say(next_step(bundle, folder), sys.stdout)


def finish(folder: Path, stage: Path) -> None:
    """Make an end of what a run that was stopped has left."""
    log = read_log(stage)
    ended = log and log[-1].get("state") == state_of(stage) and whole(stage)
    if ended and not folder.exists():  # it was stopped between the two renames
        stage.rename(folder)
        say(f"a run that was stopped is finished: state {state_of(folder)[:12]}")
    if stage.exists():
        shutil.rmtree(stage)
    bring_over(folder)


def state_of(folder: Path) -> str:
    """Return the name of the state that a folder says it holds, or ""."""
    return digest(folder / SUMS) if (folder / SUMS).is_file() else ""


def own_sums(folder: Path) -> dict[str, str]:
    """Return what the list in a folder says, nothing where there is none to be read."""
    with suppress(OSError, RefusedError):
        return read_sums((folder / SUMS).read_bytes(), folder / SUMS)
    return {}


def whole(folder: Path) -> bool:
    """Whether a folder holds what its own list says."""
    sums = own_sums(folder)
    return bool(sums) and all(is_plain(folder / n) and digest(folder / n) == sums[n] for n in sums)


def check_order(bundle: Bundle, folder: Path, *, back: bool) -> None:
    """Refuse a folder of something else, and a state that is older than what is there."""
    ours = any((folder / name).is_file() for name in (LOG, HEAD))
    if folder.exists() and not ours and (not folder.is_dir() or any(folder.iterdir())):
        hint = "name a new folder, or one that unpack.py has made"
        raise RefusedError(WRONG, f"{folder} holds something else", hint)
    log = read_log(folder)
    if is_older(bundle, log) and not back:
        last = str(log[-1].get("state"))[:12]
        message = f"state {bundle.state[:12]} is older than {last}, which is in {folder}"
        hint = "was it long on its way? To go back on purpose, add --back"
        raise RefusedError(OUT_OF_ORDER, message, hint)
    needed = sum(bundle.files[name][0] for name in bundle.carried) / 1e6
    free = shutil.disk_usage(folder.parent).free / 1e6
    if needed > free:
        message = f"{needed:.0f} MB are needed beside {folder}, and {free:.0f} MB are free"
        raise RefusedError(NOT_WRITTEN, message, "make room there, or name a folder elsewhere")


def is_older(bundle: Bundle, log: list[dict[str, Any]]) -> bool:
    """Whether a state was here before, or had been accepted before what was applied last.

    The sender notes which states have arrived: a bundle that knows the first of those alone that
    the last one knows was made before it.
    """
    if not log or log[-1].get("state") in {bundle.state, bundle.base}:
        return False  # it is there, or this one was made to follow it
    known, earlier = list(log[-1].get("accepted") or ()), [state[:12] for state in bundle.before]
    overtaken = bool(earlier) and len(earlier) < len(known) and known[: len(earlier)] == earlier
    applied = {str(entry.get("state"))[:12] for entry in log}
    return overtaken or bundle.state[:12] in applied | {*map(str, known)}


def renew(archive: Archive, folder: Path, stage: Path) -> int:
    """Make the new folder beside the old one; return how many files of that are in it."""
    try:
        kept = link(archive.bundle, folder, stage, state_of(folder))
        archive.extract(stage)
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise
    return kept


def link(bundle: Bundle, folder: Path, stage: Path, there: str) -> int:
    """Bring what stays into the new folder; refuse where some of it is not what it must be."""
    stage.mkdir()
    stays, lacking = sorted({*bundle.files} - bundle.carried), []
    for name in stays:
        if not is_plain(folder / name):
            lacking.append(f"{name} is missing")
            continue
        (stage / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(folder / name, stage / name)
        except OSError:  # this disk knows no links
            shutil.copyfile(folder / name, stage / name)
        if digest(stage / name) != bundle.files[name][1]:
            lacking.append(f"{name} has other bytes")
    if lacking:
        message = f"this bundle brings what is new since {bundle.since}, and in {folder} is "
        message += f"{f'state {there[:12]}' if there else 'nothing'}. Of the files that stay:"
        hint = "apply those in between first; or ask for one since what is there, or a whole one"
        raise RefusedError(OUT_OF_ORDER, listed(message, lacking), hint)
    return len(stays)


def switch(bundle: Bundle, folder: Path, stage: Path, told: str) -> None:
    """Note what is applied, and give the new folder its name."""
    there = state_of(folder)[:12] or "unknown"
    names = (f"{folder.name}.before-{there}{f'-{n}' if n else ''}" for n in range(1000))
    before = next(path for path in map(folder.with_name, names) if not path.exists())
    when, user = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "unknown"
    with suppress(Exception):  # a user without a name
        user = getpass.getuser()
    entry = {
        "state": bundle.state, "base": bundle.base, "when": when,
        "by": f"{user}@{platform.node()}", "signature": told,
        "accepted": [state[:12] for state in bundle.before],
        "aside": before.name if (folder / LOG).is_file() or state_of(folder) else "",
    }  # fmt: skip
    earlier = (folder / LOG).read_bytes() if (folder / LOG).is_file() else b""
    line = json.dumps(entry, sort_keys=True).encode("ascii") + b"\n"
    taken(io.BytesIO(earlier + line), stage / LOG)
    if folder.exists() and not any(folder.iterdir()):
        folder.rmdir()
    if not folder.exists():
        stage.rename(folder)
        return
    folder.rename(before)
    try:
        stage.rename(folder)
    except OSError:
        before.rename(folder)
        raise
    say(f"what was there before is {before}; remove it when you like")


def bring_over(folder: Path) -> None:
    """Move what was made in the old folder, beside what a bundle brought, such as kit/."""
    log = read_log(folder)
    name = str(log[-1].get("aside") or "") if log else ""
    before = folder.parent / Path(name).name
    sums = own_sums(before) if name else {}
    listed = {*sums, LOG, HEAD, SUMS}
    folders = {path[:at] for path in sums for at, mark in enumerate(path) if mark == "/"}
    todo = [before] if sums and before.is_dir() else []
    while todo:
        for path in sorted(todo.pop().iterdir()):
            own = path.relative_to(before).as_posix()
            new = folder / own
            if own in folders and path.is_dir():
                todo.append(path)
            elif own not in listed and new.parent.is_dir() and not os.path.lexists(new):
                path.rename(new)
                say(f"{own} was made there, and is in {folder} again")


# What all of it uses ----------------------------------------------------------------------------


@contextmanager
def held(path: Path, folder: Path) -> Iterator[None]:
    """Keep another unpack.py from the same folder; the system ends that with the process."""
    with path.open("a+b") as stream:
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            message = f"another unpack.py is at work on {folder}"
            raise RefusedError(NOT_WRITTEN, message, "run this again when it has ended") from None
        yield


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Return what was applied to a folder, the last at the end."""
    entries = []
    with suppress(OSError), (folder / LOG).open("rb") as stream:
        for line in stream:
            with suppress(ValueError):
                entries.append(json.loads(line.decode("utf-8")))
    return [entry for entry in entries if isinstance(entry, dict)]


def taken(stream: IO[bytes], path: Path | None) -> str:
    """Return the sha256 of a stream, which is written to a new file, if one is named."""
    sha256 = hashlib.sha256()
    if path is None:
        for block in blocks(stream):
            sha256.update(block)
        return sha256.hexdigest()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as target:
        for block in blocks(stream):
            sha256.update(block)
            target.write(block)
        target.flush()
        os.fsync(target.fileno())
    return sha256.hexdigest()


def digest(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as stream:
        return taken(stream, None)


def blocks(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the bytes of a stream, and say from time to time that they still come."""
    for block in iter(lambda: stream.read(BLOCK), b""):
        if time.monotonic() - spoke[0] > SILENCE:
            say(f"still at it: {getattr(stream, 'name', ARCHIVE)}")
        yield block


def is_plain(path: Path) -> bool:
    """Whether there is a file, and not a link to one."""
    return path.is_file() and not path.is_symlink()


def next_step(bundle: Bundle, folder: Path) -> str:
    """Return what to type now, on a machine like this one."""
    here = (platform.system(), platform.machine().lower(), "{}.{}".format(*sys.version_info))
    steps = bundle.next
    for place, word in enumerate(here):  # the system decides, then the machine, then the Python
        steps = [step for step in steps if step[place] == word] or (steps if place else [])
    if not steps:
        return f"next: read {folder / 'README.md'}"
    typed = steps[0][3].replace("\n", "\n  ")
    others = " (README.md has the others)" if len(bundle.next) > 1 else ""
    return f"next, with Python {steps[0][2]}{others}:\n\n  cd {folder}\n  {typed}"


def listed(title: str, lines: list[str]) -> str:
    """Return a title and what it is about, the first of it by name."""
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "\n      ".join([title, *lines[:SHOWN], *more])


def say(text: str, stream: IO[str] | None = None) -> None:
    """Write lines that any terminal can show; results go to stdout, all else to stderr."""
    target, spoke[0] = stream or sys.stderr, time.monotonic()
    encoding = getattr(target, "encoding", None) or "ascii"
    safe = "".join(mark if mark.isprintable() or mark == "\n" else "?" for mark in text)
    target.write(safe.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    target.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
