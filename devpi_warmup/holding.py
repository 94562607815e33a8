"""One holder at a time, across processes: the system frees a lock with the process that has it."""

from __future__ import annotations

import sys
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


class HeldError(Exception):
    """Another process holds it."""


class Hold:
    """A lock on a file, which is made and stays."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: IO[bytes] | None = None

    def acquire(self) -> None:
        """Take it, or say at once that somebody else has it.

        :raises HeldError: somebody else has it
        :raises OSError: the file cannot be made
        """
        stream = self._path.open("a+b")
        try:
            if sys.platform == "win32":
                import msvcrt  # noqa: PLC0415

                msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl  # noqa: PLC0415

                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            stream.close()
            raise HeldError from None
        self._stream = stream

    def release(self) -> None:
        """Give it back; nothing happens where it is not held."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
