"""The archive of a bundle: plain PAX tar, whose bytes follow from what is in it alone.

PAX, since names of wheels are longer than the 100 characters of USTAR, and files larger than its
8 GiB. Not compressed: wheels are, and an archive that is not can be read over its parts.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devpi_warmup.errors import WarmupError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_TIME = 315532800  # 1980-01-01, the first day that zip, and so some tools, know
_MODE = 0o644
_BLOCK = 1 << 20  # bytes


@dataclass(frozen=True)
class Member:
    """One file of an archive.

    :param name: with ``/``
    :param source: where it lies, or its bytes
    :param size: bytes
    """

    name: str
    source: Path | bytes
    sha256: str
    size: int

    @classmethod
    def of(cls, name: str, data: bytes) -> Member:
        """Return bytes as a member."""
        return cls(name, data, hashlib.sha256(data).hexdigest(), len(data))

    @property
    def header(self) -> bytes:
        """What stands before its bytes: nothing of this machine, its users, or the time."""
        info = tarfile.TarInfo(self.name)
        info.size, info.mtime, info.mode = self.size, _TIME, _MODE
        return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")

    @property
    def padding(self) -> bytes:
        """What stands behind them."""
        return bytes(-self.size % tarfile.BLOCKSIZE)


def size_of(members: Iterable[Member]) -> int:
    """Return how many bytes an archive has, before a byte of it is written."""
    size = sum(len(one.header) + one.size + len(one.padding) for one in members)
    return size + len(_end(size))


def written(members: Iterable[Member]) -> Iterator[bytes]:
    """Yield the bytes of an archive.

    :raises WarmupError: a file is not what it was when it was listed
    :raises OSError: it cannot be read
    """
    size = 0
    for member in members:
        head = member.header
        yield head
        yield from _bytes_of(member)
        yield member.padding
        size += len(head) + member.size + len(member.padding)
    yield _end(size)


def write_parts(
    blocks: Iterable[bytes], folder: Path, names: Sequence[str], chunk: int
) -> dict[str, str]:
    """Write blocks to files of so many bytes each, the last one with what is left.

    :param names: of the files; as many as it takes
    :param chunk: bytes
    :returns: the sha256 of each file
    :raises OSError: one cannot be written
    """
    sums: dict[str, str] = {}
    source = _Source(blocks)
    for name in names:
        sha256, left = hashlib.sha256(), chunk
        with (folder / name).open("xb") as target:
            while left and (data := source.read(min(left, _BLOCK))):
                target.write(data)
                sha256.update(data)
                left -= len(data)
            target.flush()
            os.fsync(target.fileno())
        sums[name] = sha256.hexdigest()
    return sums


def part_names(name: str, size: int, chunk: int | None) -> tuple[str, ...]:
    """Return the names of the parts of an archive: its own, where there is one alone.

    :param size: of the archive, in bytes
    :param chunk: of a part, in bytes, or None
    """
    if chunk is None:
        return (name,)
    count = -(-size // chunk)
    width = max(3, len(str(count)))
    return tuple(f"{name}.{number:0{width}}" for number in range(1, count + 1))


def _bytes_of(member: Member) -> Iterator[bytes]:
    sha256 = hashlib.sha256()
    with (
        io.BytesIO(member.source)
        if isinstance(member.source, bytes)
        else member.source.open("rb") as stream
    ):
        while data := stream.read(_BLOCK):
            sha256.update(data)
            yield data
    if sha256.hexdigest() != member.sha256:
        raise WarmupError(
            f"{member.name} has changed while it was read",
            hint="run this again when nothing else is at work on it",
        )


def _end(size: int) -> bytes:
    """Return what ends an archive of so many bytes: zeros, up to a whole record."""
    least = 2 * tarfile.BLOCKSIZE
    return bytes(least + -(size + least) % tarfile.RECORDSIZE)


class _Source:
    """Blocks of any length, read as many bytes at a time as one likes."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._rest = memoryview(b"")

    def read(self, count: int) -> bytes:
        """Return so many bytes at most; none at the end."""
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return b""
            self._rest = memoryview(block)
        data, self._rest = self._rest[:count], self._rest[count:]
        return bytes(data)
