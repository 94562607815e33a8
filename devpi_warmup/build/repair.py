"""For which platforms a compiled wheel is: auditwheel says it, and gives it its true tag."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from devpi_warmup.build.host import host_target

if TYPE_CHECKING:
    from devpi_warmup.build.sandbox import Sandbox

_COPIED = re.compile(r"[^/]+\.libs/(?P<name>[^/]+?)(-[0-9a-f]{8})?(?P<end>\.so[^/]*)")
_LEVEL = re.compile(r"^[A-Z]+:[\w.]+:")  # of a line of its log
AUDITWHEEL = "auditwheel"
_NO_LIBC = "couldn't detect libc"
_ANY = ("-any.whl", "-win32.whl", "-win_amd64.whl", "-win_arm64.whl")


@dataclass(frozen=True)
class Repaired:
    """What auditwheel makes of a wheel.

    :param path: the wheel, under the name that says for which platforms it is
    :param problem: why it is for this machine alone, or ""
    :param version: of auditwheel, or "" where it was not asked
    """

    path: Path
    problem: str = ""
    version: str = ""


def repair(wheel: Path, box: Sandbox, out: Path) -> Repaired:
    """Give a wheel that was compiled on Linux the oldest platform tag that it serves (PEP 600).

    What needs a library of the system keeps the tag of this machine alone: a copy of that
    library would not be the one that its machines keep up to date.

    :param out: a folder for it
    """
    if sys.platform != "linux" or wheel.name.endswith(_ANY):
        return Repaired(wheel)
    if importlib.util.find_spec("auditwheel") is None:
        return Repaired(
            wheel, f"{AUDITWHEEL} is not installed, which says for what platforms it is"
        )
    version = importlib.metadata.version("auditwheel")
    # What uses nothing of the C library does not say which it is; then the oldest will do.
    for platform in ("auto", host_target().platforms[-1]):
        done = box.run(
            [
                *(sys.executable, "-I", "-m", "auditwheel", "repair", f"--plat={platform}"),
                *("--only-plat", f"--wheel-dir={out}", str(wheel)),
            ],
            first_on_path=Path(sysconfig.get_path("scripts")),
        )
        made = sorted(out.glob("*.whl"))
        if made or _NO_LIBC not in done.stderr:
            break
    if done.returncode != 0 or len(made) != 1:
        said = _LEVEL.sub("", done.last_lines(1))
        return Repaired(wheel, f"{AUDITWHEEL} says: {said}", version)
    with zipfile.ZipFile(made[0]) as archive:
        copied = [match for name in archive.namelist() if (match := _COPIED.fullmatch(name))]
    if copied:
        names = sorted({f"{match['name']}{match['end']}" for match in copied})
        return Repaired(wheel, f"it needs {', '.join(names)} of the system", version)
    return Repaired(made[0], "", version)
