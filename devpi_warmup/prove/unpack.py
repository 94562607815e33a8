"""Unpack wheels as pip installs them: ``python -I unpack.py WHEELS.json VERDICTS.json FOLDER``.

A wheel that resolves need not install: pip looks at entry points, RECORD, scripts and paths only
then. So its own installing code judges here, one wheel after the other, each in a folder that is
gone afterwards; nothing of the wheel is run. Every file is made and every member is read to its
end, but what pip does not look at again is not written. This file runs in the isolated environment
of a session: it may import pip and nothing of ours.
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
from pathlib import Path
from typing import IO, Any

# Thousands of small files are made and removed: in memory, where there is plenty for one wheel.
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own below it, and gone afterwards
_PREFIX = "devpi-warmup-"
_SMALL = 256 << 20  # bytes, unpacked
_CHUNK = 1 << 20  # bytes
_AT_ONCE = 8 << 20  # bytes of a member, packed or unpacked
_LOCAL_HEADER = 30  # bytes before the name of a member; APPNOTE.TXT 4.3.7 of the zip format
_NOT_PLAIN = 0x1 | 0x20 | 0x40  # flags of what is encrypted, or a patch
_UTF_8 = 0x800
NO_SPACE = "there is no space left for what it holds"


class _Warnings(logging.Handler):
    """Collects what pip warns of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(" ".join(record.getMessage().split())[:300])


def main() -> int:
    """Write what is the matter with each wheel, "" for nothing, and what pip warns of."""
    wheels, verdicts, folder = (Path(argument) for argument in sys.argv[1:])
    warnings = _Warnings()
    logging.getLogger("pip").addHandler(warnings)
    _read_and_do_not_write()
    found: dict[str, Any] = {}
    with _in_memory() as memory:
        for project, path in json.loads(wheels.read_text(encoding="utf-8")):
            warnings.lines = []
            place = memory if memory and _fits(path, memory) else folder
            with tempfile.TemporaryDirectory(dir=place) as own:
                problem = _problem(project, path, Path(own) / "unpacked")
            found[Path(path).name] = {"problem": problem, "warnings": warnings.lines}
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
        with suppress(OSError), lock.open() as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)
    own = tempfile.TemporaryDirectory(prefix=_PREFIX, dir=_MEMORY)
    with own as folder, Path(folder, "lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield Path(folder)


def _fits(path: str, memory: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(info.file_size for info in archive.infolist())
        return size < _SMALL and shutil.disk_usage(memory).free > 2 * size
    except Exception:  # noqa: BLE001 - a hostile file raises anything: pip will judge it
        return False


def _read_and_do_not_write() -> None:
    """Have pip make the files of a wheel and read them, and write only those it may change."""
    from pip._internal.operations.install import wheel  # noqa: PLC0415

    write = wheel.ZipBackedFile.save

    def save(file: Any) -> None:
        if "/scripts/" in file.src_record_path:
            write(file)
            return
        os.close(os.open(file.dest_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
        file.written = True
        archive = file._zip_file  # noqa: SLF001 - pip's, as what it replaces
        info = archive.getinfo(file.src_record_path)
        if info.file_size and not _is_whole(archive.fp, info):
            with archive.open(info) as stream:
                while stream.read(min(info.file_size, _CHUNK)):  # as pip does
                    pass

    setattr(wheel.ZipBackedFile, "save", save)  # noqa: B010 - of another signature to mypy


def _is_whole(file: IO[bytes], info: zipfile.ZipInfo) -> bool:
    """Whether a plain member can be read to its end; of any other, zipfile has to say so.

    It does what :meth:`zipfile.ZipFile.open` and its stream do, in one step.
    """
    if info.flag_bits & _NOT_PLAIN or max(info.compress_size, info.file_size) > _AT_ONCE:
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
    data = file.read(info.compress_size)
    if info.compress_type == zipfile.ZIP_DEFLATED:
        try:  # one byte more: zipfile may read on, and fail behind what is said to be the end
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, info.file_size + 1)
        except zlib.error:
            return False
    return len(data) == info.file_size and zlib.crc32(data) == info.CRC


def _problem(project: str, path: str, folder: Path) -> str:
    from pip._internal.models.scheme import Scheme  # noqa: PLC0415
    from pip._internal.operations.install.wheel import install_wheel  # noqa: PLC0415

    schemes = ("platlib", "purelib", "headers", "scripts", "data")
    same = {"platlib": "lib", "purelib": "lib"}  # as in a virtual environment
    scheme = Scheme(**{name: str(folder / same.get(name, name)) for name in schemes})
    try:
        install_wheel(project, path, scheme, project, pycompile=False, warn_script_location=False)
    except Exception as error:  # noqa: BLE001 - a hostile file raises anything
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return NO_SPACE
        words = " ".join(str(error).split()).replace(str(folder), "…").replace(path, "it")
        kind = "" if type(error).__module__.startswith("pip.") else f"{type(error).__name__}: "
        return f"{kind}{words}"[:300] or type(error).__name__
    return ""


if __name__ == "__main__":
    sys.exit(main())
