"""Proof that the carried sources are enough: what was built is built again from them, offline."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from packaging.version import Version

from devpi_warmup.build import failure
from devpi_warmup.build.sandbox import Sandbox
from devpi_warmup.digests import digest
from devpi_warmup.errors import indented
from devpi_warmup.prove.install import InstallError
from devpi_warmup.wheelhouse import members

if TYPE_CHECKING:
    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.prove.pip import Pip
    from devpi_warmup.wheelhouse.coverage import Coverage
    from devpi_warmup.wheelhouse.manifest import CellEntry, FileEntry


@dataclass(frozen=True)
class Rebuilt:
    """A wheel that was built again.

    :param wheel: its name
    :param same: whether it is the same byte for byte
    :param python: the version of the interpreter that built it
    """

    wheel: str
    same: bool
    python: str


def rebuild(cell: Cell, entry: CellEntry, coverage: Coverage, *, pip: Pip) -> tuple[Rebuilt, ...]:
    """Build every wheel of a cell again that was built at its warmup.

    It takes the version of Python that has built it: that of the cell, or that which runs nox.

    :raises InstallError: one cannot be built, or gives other files
    """
    known = coverage.manifest.files
    built = {name: known[name] for name in entry.files if known[name].built is not None}
    return tuple(_again(name, file, cell, coverage, pip) for name, file in built.items())


def _again(name: str, file: FileEntry, cell: Cell, coverage: Coverage, pip: Pip) -> Rebuilt:
    record = file.built
    assert record is not None  # noqa: S101 - the caller has chosen those
    python = _python(record.python, pip)
    wheelhouse = coverage.wheelhouse
    with TemporaryDirectory(prefix="devpi-warmup-", ignore_cleanup_errors=True) as folder:
        out, box = (
            Path(folder, "out"),
            Sandbox(Path(folder), record.epoch, pip.runner, (wheelhouse.path.resolve(),)),
        )
        out.mkdir()
        sdist = wheelhouse.path / record.sdist
        done = pip.build_again(sdist, wheelhouse.lock_path(cell.id), python, out, box)
        made = sorted(out.iterdir())
        if done.returncode != 0 or len(made) != 1:
            output = done.stdout + done.stderr
            raise InstallError(
                f"{record.sdist} is not built again from what is carried:\n"
                f"{indented(failure.lines_that_matter(output))}",
                hint=failure.hint(output, file.project),
            )
        if {*members.names(made[0])} != {*members.names(wheelhouse.path / name)}:
            raise InstallError(f"{record.sdist} gives other files than those of {name}")
        return Rebuilt(name, digest(made[0]) == file.sha256, record.python)


def _python(version: str, pip: Pip) -> str:
    """Return an interpreter of a version, its patch release aside.

    :raises InstallError: there is none at hand
    """
    code = "import platform; print(platform.python_version())"
    for python in (pip.python, sys.executable):
        said = pip.runner([python, "-I", "-c", code], env={}).stdout.strip().removesuffix("+")
        if said and Version(said).release[:2] == Version(version).release[:2]:
            return python
    raise InstallError(
        f"it was built by Python {version}, and neither this session nor nox runs on that",
        hint="run nox with that Python",
    )
