"""What is typed inside, where there is nothing but Python and what was unpacked.

With the kit among the cells it makes an environment that has this package; without, it installs
a lock. pip is run from its wheel, as a program: nothing of the machine but Python is needed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devpi_warmup.inputs import kit, platforms
from devpi_warmup.wheelhouse.files import LOCKS
from devpi_warmup.wheelhouse.lock import install_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devpi_warmup.wheelhouse.manifest import CellEntry, Manifest

KIT = f"{kit.NAME}-"  # the beginning of the ids of its cells
_PIP = re.compile(r"pip-[0-9][^-]*-py3-none-any\.whl")
_OWN = re.compile(r"devpi_warmup-[0-9].*\.whl")


@dataclass(frozen=True)
class Step:
    """What to type in the folder that was unpacked into, on one kind of machine.

    :param system: as ``platform.system()`` says it
    :param machine: as ``platform.machine()`` says it, in small letters
    :param python: its major and minor version
    :param lines: for a POSIX shell, or on Windows for PowerShell and for cmd
    """

    cell: str
    system: str
    machine: str
    python: str
    lines: tuple[str, ...]


def steps(manifest: Manifest, folder: str) -> tuple[Step, ...]:
    """Return what to type for each kit; where there is none, for each lock. glibc before musl.

    :param folder: the wheelhouse, as seen from the folder that was unpacked into
    """
    cells = {id_: entry for id_, entry in manifest.cells.items() if entry.gathered}
    kits = {id_: entry for id_, entry in cells.items() if id_.startswith(KIT) and _pip_of(entry)}
    made = list(_steps(kits or cells, folder))
    return tuple(sorted(made, key=lambda step: ("musllinux" in step.cell, step.cell)))


def _steps(cells: dict[str, CellEntry], folder: str) -> Iterator[Step]:
    for id_, entry in cells.items():
        reported = platforms.system(entry.platform)
        system, machine = reported.name, reported.machines[0].lower()
        python = ".".join(entry.full_version.split(".")[:2])
        if pip := id_.startswith(KIT) and _pip_of(entry):
            lines = _kit(id_, entry.python, pip, folder, windows=system == "Windows")
            if not any(map(_OWN.fullmatch, entry.files)):
                lines = lines[:-1]  # the kit of a Python that is too old for this package
        else:
            lines = (install_command(id_, folder, to_build=bool(entry.to_build)),)
        yield Step(id_, system, machine, python, lines)


def _kit(id_: str, python: str, pip: str, folder: str, *, windows: bool) -> tuple[str, ...]:
    """Return three lines: an environment without pip, the kit into it, and its first use."""
    short = re.sub(r"^(\d+\.\d+)(?:\.\d+)?", r"\1", python)  # 3.9.18 is called python3.9
    call, programs = (f"py -{short}", r"kit\Scripts") if windows else (f"python{short}", "kit/bin")
    lock = f"{folder}/{LOCKS}/{id_}"
    slash = "\\" if windows else "/"
    install = (
        f"{programs}{slash}python {folder}/{pip}/pip install --no-index "
        f"--find-links {lock}.html --require-hashes -r {lock}.txt"
    )
    return (
        f"{call} -m venv --without-pip kit",
        install,
        f"{programs}{slash}devpi-warmup verify -p {python}",
    )


def _pip_of(entry: CellEntry) -> str:
    return next((name for name in entry.files if _PIP.fullmatch(name)), "")
