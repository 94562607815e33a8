"""Unpack wheels as pip installs them: ``python -I unpack.py WHEELS VERDICTS FOLDER [ZLIB_NG]``.

A wheel that resolves need not install: pip looks at entry points, RECORD, scripts and paths only
then. So its own installing code judges here, one wheel after the other, each in a folder that is
gone afterwards; nothing of the wheel is run. Every file is made and every member is read to its
end, but what pip does not look at again is not written. This file runs in the isolated environment
of a session: it may import pip and nothing of ours, and zlib-ng from a folder that it is told.
"""

import errno
import json
import logging
import os
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from typing import IO, Any

# Thousands of small files are made and removed: in memory, where there is plenty for one wheel.
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own below it, and gone afterwards
_PREFIX = "devpi-warmup-"
_ROOM = 256 << 20  # bytes that are written there of one wheel
_DEEPEST = 10_000  # levels of calls; a path has 2048 levels at most
_CHUNK = 1 << 20  # bytes
_NICE = 10  # who waits for it waits for others first
_LOCAL_HEADER = 30  # bytes before the name of a member; APPNOTE.TXT 4.3.7 of the zip format
_NOT_PLAIN = 0x1 | 0x20 | 0x40  # flags of what is encrypted, or a patch
_UTF_8 = 0x800
_FULL = {errno.ENOSPC, errno.EDQUOT}
NO_SPACE = "there is no space left for what it holds"


class _Warnings(logging.Handler):
    """Collects what pip warns of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(" ".join(record.getMessage().split())[:300])


def main() -> int:
    """Write of each wheel what is the matter, "" for nothing, and what pip warns of; in order."""
    wheels, verdicts, folder = (Path(argument) for argument in sys.argv[1:4])
    if hasattr(os, "nice"):
        os.nice(_NICE)
    warnings = _Warnings()
    logging.getLogger("pip").addHandler(warnings)
    saving = _Saving(_inflate(*sys.argv[4:]))
    saving.begin()
    found: list[dict[str, Any]] = []
    with _in_memory() as memory:
        for project, path in json.loads(wheels.read_text(encoding="utf-8")):
            for place in filter(None, (memory, folder)):
                warnings.lines = []
                problem = _problem(project, path, place, saving, in_memory=place == memory)
                if problem != NO_SPACE:
                    break
            found.append({"problem": problem, "warnings": warnings.lines})
    verdicts.write_text(json.dumps(found), encoding="utf-8")
    return 0


@contextmanager
def _in_memory() -> Iterator[Path | None]:
    """Make a folder in memory, where the system has such; clear what killed processes left.

    Each holds a lock in its folder, which the system frees with the process.
    """
    if not os.access(_MEMORY, os.W_OK):
        yield None
        return
    import fcntl  # noqa: PLC0415 - where that folder is, this is

    for lock in _MEMORY.glob(f"{_PREFIX}*/lock"):
        with suppress(OSError), _opened(lock) as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(lock.parent)
    while True:
        folder: Path | None = None
        lock_file: IO[str] | None = None
        try:
            with suppress(OSError):  # it may be full, of names as well
                folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_MEMORY))
                lock_file = (folder / "lock").open("w")
            if folder is None or lock_file is None:
                yield None
                return
            with lock_file:
                fcntl.flock(lock_file, fcntl.LOCK_EX)
                if folder.exists():  # nobody has taken it for a left one, before it was locked
                    yield folder
                    return
        finally:
            if folder is not None:
                _remove(folder)


def _opened(path: Path) -> IO[bytes]:
    return open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")  # noqa: PTH123 - any kind


def _remove(folder: Path) -> None:
    """Remove a folder that a wheel may have filled, however deep it is."""
    with suppress(Exception):
        shutil.rmtree(folder)
    if not folder.exists():
        return
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, _DEEPEST))
    try:  # by paths: rmtree has a file open for each level
        for here, _, names in os.walk(folder, topdown=False):
            for name in names:
                with suppress(OSError):
                    os.unlink(os.path.join(here, name))  # noqa: PTH108, PTH118 - as walk has them
            with suppress(OSError):
                os.rmdir(here)  # noqa: PTH106
    finally:
        sys.setrecursionlimit(limit)


def _room(folder: Path) -> int:
    return min(_ROOM, shutil.disk_usage(folder).free // 2)


def _inflate(folder: str = "") -> Any:
    """Return the zlib of a folder, where it has one for this interpreter, or that of Python.

    zlib-ng says of a stream what zlib says, in half the time; others take streams that zlib
    refuses.
    """
    spec = PathFinder.find_spec("zlib_ng", [folder]) if folder else None
    if spec and spec.loader:
        with suppress(Exception):  # whatever lies there
            module = module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    return zlib


class _Saving:
    """Has pip make the files of a wheel and read them, and write only those it may change."""

    def __init__(self, inflate: Any) -> None:
        self.room = 0  # bytes that may be written of a wheel
        self._zlib = inflate

    def begin(self) -> None:
        """Be what pip saves members with."""
        from pip._internal.operations.install import wheel  # noqa: PLC0415

        write = wheel.ZipBackedFile.save

        def save(file: Any) -> None:
            archive = file._zip_file  # noqa: SLF001 - pip's, as what it replaces
            info = archive.getinfo(file.src_record_path)
            if "/scripts/" in file.src_record_path:
                self.room -= info.file_size
                if self.room < 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                write(file)
                return
            os.close(os.open(file.dest_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
            file.written = True
            if info.file_size and not _is_whole(archive.fp, info, self._zlib):
                with archive.open(info) as stream:
                    while stream.read(min(info.file_size, _CHUNK)):  # as pip does
                        pass

        setattr(wheel.ZipBackedFile, "save", save)  # noqa: B010 - of another signature to mypy


def _is_whole(file: IO[bytes], info: zipfile.ZipInfo, inflate: Any = zlib) -> bool:
    """Whether a plain member can be read to its end; of any other, zipfile has to say so.

    It does what :meth:`zipfile.ZipFile.open` and its stream do, in fewer steps.
    """
    if info.flag_bits & _NOT_PLAIN:
        return False
    if info.compress_type not in {zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED}:
        return False
    file.seek(info.header_offset)
    header = file.read(_LOCAL_HEADER)
    flags, name, extra = (
        int.from_bytes(header[start : start + 2], "little") for start in (6, 26, 28)
    )
    encoding = "utf-8" if flags & _UTF_8 else "cp437"
    same = file.read(name).decode(encoding, "surrogateescape") == info.orig_filename
    start = file.seek(extra, os.SEEK_CUR)
    end = getattr(info, "_end_offset", None)  # of newer Pythons: where the next member begins
    overlaps = end is not None and start + info.compress_size > end
    if header[:4] != b"PK\3\4" or not same or overlaps:
        return False
    try:
        size, crc = _size_and_crc(file, info, inflate)
    except Exception:  # noqa: BLE001 - zipfile says what is the matter, in its own words
        return False
    return size == info.file_size and crc == info.CRC


def _size_and_crc(file: IO[bytes], info: zipfile.ZipInfo, inflate: Any) -> tuple[int, int]:
    """Read a member from where its bytes begin; more than its size is one byte too many."""
    stored = info.compress_type == zipfile.ZIP_STORED
    stream = None if stored else inflate.decompressobj(-zlib.MAX_WBITS)
    size, crc, packed, data = 0, 0, info.compress_size, b""
    while size <= info.file_size:
        if packed and not data:
            data = file.read(min(packed, _CHUNK))
            packed = packed - len(data) if data else 0
        if stream is None:
            part, data = data, b""
        else:  # one byte more: zipfile may read on, and fail behind what is said to be the end
            part = stream.decompress(data, min(info.file_size - size + 1, _CHUNK))
            data = stream.unconsumed_tail
        size, crc = size + len(part), inflate.crc32(part, crc)
        if (stream is not None and stream.eof) or not (part or data or packed):
            break
    return size, crc


def _problem(project: str, path: str, place: Path, saving: _Saving, *, in_memory: bool) -> str:
    """Return what is the matter with a wheel, in a folder of its own below a place."""
    own = None
    try:
        own = Path(tempfile.mkdtemp(dir=place))
        saving.room = _room(own) if in_memory else sys.maxsize
        return _said(project, path, own / "unpacked")
    except OSError as error:
        if error.errno not in _FULL:
            raise
        return NO_SPACE
    finally:
        if own is not None:
            _remove(own)


def _said(project: str, path: str, folder: Path) -> str:
    from pip._internal.models.scheme import Scheme  # noqa: PLC0415
    from pip._internal.operations.install.wheel import install_wheel  # noqa: PLC0415

    schemes = ("platlib", "purelib", "headers", "scripts", "data")
    same = {"platlib": "lib", "purelib": "lib"}  # as in a virtual environment
    scheme = Scheme(**{name: str(folder / same.get(name, name)) for name in schemes})
    try:
        install_wheel(project, path, scheme, project, pycompile=False, warn_script_location=False)
    except Exception as error:  # noqa: BLE001 - a hostile file raises anything
        if isinstance(error, OSError) and error.errno in _FULL:
            return NO_SPACE
        words = " ".join(str(error).split()).replace(str(folder), "…").replace(path, "it")
        kind = "" if type(error).__module__.startswith("pip.") else f"{type(error).__name__}: "
        return f"{kind}{words}"[:300] or type(error).__name__
    return ""


if __name__ == "__main__":
    sys.exit(main())
