"""Bundles of made-up files, and the other side of the gap: real files, the real unpack.py."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

from projects import Done

from devpi_warmup import process
from devpi_warmup.crossing import bundle, guide, unpack
from devpi_warmup.crossing.archive import Member
from devpi_warmup.crossing.base import Base
from devpi_warmup.crossing.bundle import Bundle, Made
from devpi_warmup.crossing.contents import Contents
from devpi_warmup.crossing.head import Head
from devpi_warmup.crossing.state import State

LOCK, MANIFEST = "wheelhouse/locks/cp313-win_amd64.txt", "wheelhouse/manifest.json"
Files = Mapping[str, bytes]


def wheel(name: str, version: int = 1) -> str:
    return f"wheelhouse/{name}-{version}-py3-none-any.whl"


def files(*wheels: str, month: int = 1) -> dict[str, bytes]:
    """A wheelhouse: wheels, whose bytes follow from their names, and what changes each month."""
    small = {LOCK: f"lock {month}\n".encode(), MANIFEST: f"{{{month}}}\n".encode()}
    return {**small, **{name: name.encode() * 50 for name in wheels}}


def contents(found: Files) -> Contents:
    pages = {name: text.encode() for name, text in guide.pages(()).items()}
    members = [Member.of(name, data) for name, data in {**pages, **found}.items()]
    return Contents(tuple(sorted(members, key=lambda one: one.name)))


def state(found: Files) -> State:
    return contents(found).state


def base_of(found: Files) -> Base:
    before = state(found)
    known = {file.path: file.sha256 for file in before.files}
    return Base(known, f"state {before.id[:12]}", before.sums)


def made(
    folder: Path,
    found: Files,
    since: Files | Base | None = None,
    *,
    before: Iterable[Files] = (),
    chunk: int | None = None,
    sign: tuple[str, ...] = (),
) -> Made:
    base = since if isinstance(since, Base) or since is None else base_of(since)
    ids = tuple(state(one).id for one in before)
    what = contents(found)
    wanted = Bundle(Head(what.state, base, ids, ()), what, chunk, sign)
    return bundle.make(wanted, folder, process.run)


def run(medium: Path, *words: str | Path, python: str = sys.executable, **more: str) -> Done:
    """Run the unpack.py of a medium."""
    argv = [python, str(medium / "unpack.py"), *map(str, words)]
    return ran(argv, cwd=medium.parent, **more)


def here(medium: Path, *words: str | Path) -> Done:
    """The same in this process, which is faster."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(unpack, "__file__", str(medium / "unpack.py")),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            status = unpack.main([*map(str, words)])
        except SystemExit as end:
            status = int(str(end.code))
    return Done(status, out.getvalue(), err.getvalue())


def ran(argv: list[str], cwd: Path, **more: str) -> Done:
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | more
    done = subprocess.run(
        argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


def tree(folder: Path) -> dict[str, bytes]:
    """Everything in a folder, what was applied when aside."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != unpack.LOG
    }


def seal(medium: Path) -> None:
    """Write the sums of a medium anew, as somebody would who has changed it on purpose."""
    names = sorted(path.name for path in medium.iterdir() if not path.name.startswith(unpack.SUMS))
    sums = [f"{hashlib.sha256((medium / n).read_bytes()).hexdigest()}  {n}\n" for n in names]
    (medium / unpack.SUMS).write_text("".join(sums))


def forged(medium: Path, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], object]) -> None:
    """Make another archive of the one in a medium, with sums that fit."""
    with tarfile.open(medium / unpack.ARCHIVE) as archive:
        members = [(m, archive.extractfile(m).read()) for m in archive]  # type: ignore[union-attr]
    change(members)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    (medium / unpack.ARCHIVE).write_bytes(buffer.getvalue())
    seal(medium)


def head_of(members: list[tuple[tarfile.TarInfo, bytes]]) -> dict[str, object]:
    table: dict[str, object] = json.loads(members[0][1])
    return table


def with_head(members: list[tuple[tarfile.TarInfo, bytes]], table: object) -> None:
    """Put another list at the head, whose state fits if it has files."""
    if isinstance(table, dict) and "state" in table and "carried" in table:
        sums = "".join(f"{s}  {n}\n" for n, (_, s) in sorted(table["files"].items()))
        table["state"] = hashlib.sha256(sums.encode()).hexdigest()
    data = json.dumps(table).encode()
    members[0][0].size = len(data)
    members[0] = (members[0][0], data)
