"""Unpack wheels as pip installs them: ``python -I unpack.py WHEELS.json VERDICTS.json FOLDER``.

A wheel that resolves need not install: pip looks at entry points, RECORD, scripts and paths only
then. So its own installing code judges here, one wheel after the other, each in a folder that is
gone afterwards; nothing of the wheel is run. This file runs in the isolated environment of a
session: it may import pip and nothing of ours.
"""

import errno
import json
import logging
import shutil
import sys
from pathlib import Path
from typing import Any

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
    for project, path in json.loads(wheels.read_text(encoding="utf-8")):
        warnings.lines = []
        problem = _problem(project, path, folder / "unpacked")
        found[Path(path).name] = {"problem": problem, "warnings": warnings.lines}
    verdicts.write_text(json.dumps(found), encoding="utf-8")
    return 0


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
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return ""


if __name__ == "__main__":
    sys.exit(main())
