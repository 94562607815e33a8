"""The sha256 of files."""

from __future__ import annotations

import hashlib
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK = 1 << 20  # bytes


class Digests:
    """The digests of files, each computed once while the file is the same.

    It is that by inode, size and time of its last change: for one run, whose own programs are
    the only ones at work on them, and no longer.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int, int], str] = {}
        self._mutex = Lock()
        self._under_way: dict[tuple[str, int, int, int], Lock] = {}

    def of(self, path: Path) -> str:
        """Return the sha256 of a file's bytes.

        :raises OSError: it cannot be read
        """
        key = _state(path)
        with self._mutex:
            known, one = self._known, self._under_way.setdefault(key, Lock())
        with one:  # whoever asks meanwhile waits for it
            if key not in known:
                known[key] = digest(path)
            return known[key]

    def know(self, path: Path, sha256: str) -> None:
        """Take the digest of a file that was computed while it was written.

        :raises OSError: it is not there
        """
        self._known[_state(path)] = sha256

    def forget(self) -> None:
        """Compute each again, also one that is being read: foreign code may have written."""
        with self._mutex:
            self._known, self._under_way = {}, {}


def _state(path: Path) -> tuple[str, int, int, int]:
    stat = path.stat()
    return str(path), stat.st_ino, stat.st_size, stat.st_mtime_ns


def digest(path: Path) -> str:
    """Return the sha256 of a file's bytes.

    :raises OSError: it cannot be read
    """
    sha256 = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            sha256.update(block)
    return sha256.hexdigest()
