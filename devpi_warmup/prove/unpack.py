"""Unpack wheels as pip installs them: ``python -I unpack.py WHEELS.json VERDICTS.json FOLDER``.

A wheel that resolves need not install: pip looks at entry points, RECORD, scripts and paths only
then. So its own installing code judges here, one wheel after the other, each in a folder that is
gone afterwards; nothing of the wheel is run. This file runs in the isolated environment of a
session: it may import pip and nothing of ours.
"""

import errno
import json
import logging
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

# Thousands of small files are made and removed: in memory, where there is plenty for one wheel.
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own below it, and gone afterwards
_PREFIX = "devpi-warmup-"
_SMALL = 256 << 20  # bytes, unpacked
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
