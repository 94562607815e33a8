"""A bundle: a folder for a medium, with the archive, its sums, what unpacks it, and a page.

It is made under another name, and gets its own when it is whole: the name of its state, so that
the same wheelhouse, requirements and settings give the same folder with the same bytes.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from devpi_warmup import console
from devpi_warmup.crossing import unpack
from devpi_warmup.crossing.archive import Member, part_names, size_of, write_parts, written
from devpi_warmup.crossing.guide import PAGES
from devpi_warmup.crossing.state import SHORT, SUMS
from devpi_warmup.digests import digest
from devpi_warmup.errors import WarmupError
from devpi_warmup.foreign import plain
from devpi_warmup.holding import HeldError, Hold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devpi_warmup.crossing.contents import Contents
    from devpi_warmup.crossing.head import Head
    from devpi_warmup.process import Runner

FOLDER = "bundles"
_MAKING, _OLD = ".making", ".old"
_LOCK = ".lock"
_UNPACK = Path(unpack.__file__)
_PAGE_ROOM = 1 << 20  # bytes for the sums, the script and the pages, generously


@dataclass(frozen=True)
class Made:
    """A bundle that lies in its folder.

    :param new: False where it was there already, with the same bytes
    :param size: of the archive, in bytes
    """

    folder: Path
    parts: tuple[str, ...]
    size: int
    new: bool


@dataclass(frozen=True)
class Bundle:
    """What is to be made.

    :param chunk: of a part of the archive, in bytes; None: one file
    :param sign: the command that signs, with ``{file}``; empty: nothing is signed
    """

    head: Head
    contents: Contents
    chunk: int | None = None
    sign: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of its folder."""
        state, base = self.head.state.id[:SHORT], self.head.base
        if base is None:
            return f"full-{state}"
        return f"delta-{base.id[:SHORT] or 'manifest'}-{state}"

    @property
    def members(self) -> tuple[Member, ...]:
        """The files of its archive, in their order: the list, the sums, and what is carried."""
        carried = {*self.head.carried}
        return (
            Member.of(unpack.HEAD, self.head.to_bytes()),
            Member.of(SUMS, self.head.state.sums.encode()),
            *(member for member in self.contents.members if member.name in carried),
        )


def make(bundle: Bundle, folder: Path, run: Runner) -> Made:
    """Write a bundle whole, or not at all.

    :param folder: of all bundles
    :param run: runs the command that signs
    :raises WarmupError: it cannot be written or signed; what was there before is still there
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with Hold(folder / _LOCK):
            return _made(bundle, folder, run)
    except HeldError:
        raise WarmupError(
            f"another bundle is being made in {folder.name}/",
            hint="wait until it ends, then run this again",
        ) from None
    except OSError as error:
        raise WarmupError(
            f"{folder.name}/ cannot be written: {error.strerror or error}",
            hint="is the disk full, or the folder read-only? Then run this again",
        ) from None


def _made(bundle: Bundle, folder: Path, run: Runner) -> Made:
    for left in (_MAKING, _OLD):  # by a run that was killed
        shutil.rmtree(folder / left, ignore_errors=True)
    members = bundle.members
    size = size_of(members)
    parts = part_names(unpack.ARCHIVE, size, bundle.chunk)
    final = folder / bundle.name
    what = f"{final.name}: {len(bundle.head.carried)} of {len(bundle.head.state.files)} files"
    console.say(f"{what}, {console.megabytes(size)} in {len(parts)} {_parts(len(parts))}")
    free = shutil.disk_usage(folder).free
    if size + _PAGE_ROOM > free:
        raise WarmupError(
            f"{console.megabytes(size)} are needed in {folder.name}/, and "
            f"{console.megabytes(free)} are free",
            hint="remove bundles that have arrived, or make room on that disk",
        )
    making = folder / _MAKING
    making.mkdir()
    try:
        sums = _write(bundle, making, members, parts)
        (making / SUMS).write_bytes(sums)
        new = not _same(final, sums, signed=bool(bundle.sign))
        if new and bundle.sign:
            _sign(bundle.sign, making, run)
        if new:
            _put(making, final)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return Made(final, parts, size, new)


def _write(bundle: Bundle, making: Path, members: Sequence[Member], parts: Sequence[str]) -> bytes:
    """Write everything but the sums and the signature; return the sums."""
    sums = write_parts(written(members), making, parts, bundle.chunk or size_of(members))
    shutil.copyfile(_UNPACK, making / _UNPACK.name)
    pages = {member.name: member for member in bundle.contents.members if member.name in PAGES}
    for name in PAGES:
        source = pages[name].source
        (making / name).write_bytes(source if isinstance(source, bytes) else source.read_bytes())
    small = {name: digest(making / name) for name in (*PAGES, _UNPACK.name)}
    return "".join(f"{sha256}  {name}\n" for name, sha256 in {**small, **sums}.items()).encode()


def _same(final: Path, sums: bytes, *, signed: bool) -> bool:
    """Whether the bundle is there already: by its bytes, and signed if it is to be."""
    if not (final / SUMS).is_file() or (final / SUMS).read_bytes() != sums:
        return False
    if signed and not any(final.glob(f"{SUMS}.*")):
        return False
    listed = unpack.read_sums(sums, SUMS).items()
    return all((final / n).is_file() and digest(final / n) == sha256 for n, sha256 in listed)


def _sign(command: Sequence[str], making: Path, run: Runner) -> None:
    """Have the user's command sign the sums; what it leaves beside them is carried.

    :raises WarmupError: it fails, or leaves nothing
    """
    file = str(making / SUMS)
    argv = [os.path.expanduser(word).replace("{file}", file) for word in command]  # noqa: PTH111
    before = {path.name for path in making.iterdir()}
    try:
        done = run(argv, env=os.environ)
    except OSError as error:
        raise WarmupError(
            f"sign-command: {command[0]}: {error.strerror}",
            hint="install it, or name another in [tool.devpi-warmup]",
        ) from None
    if done.returncode != 0:
        raise WarmupError(
            f"sign-command ended with {done.returncode}: {plain(done.last_lines())}",
            hint="no bundle was made; type the command by itself to see what it wants",
        )
    new = {path.name for path in making.iterdir()} - before
    if not any(name.startswith(f"{SUMS}.") for name in new):
        raise WarmupError(
            f"sign-command left no signature beside {SUMS}",
            hint="it must write {file}.sig, {file}.asc or the like",
        )


def _put(making: Path, final: Path) -> None:
    """Give a bundle its name; another of the same state, in other parts, goes."""
    if final.exists():
        old = final.with_name(_OLD)
        final.rename(old)
        making.rename(final)
        shutil.rmtree(old)
    else:
        making.rename(final)


def _parts(count: int) -> str:
    return "file" if count == 1 else "parts"
