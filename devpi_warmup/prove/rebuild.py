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
from devpi_warmup.wheelhouse.lock import link, links_page

if TYPE_CHECKING:
    from devpi_warmup.prove.pip import Pip
    from devpi_warmup.wheelhouse.build_record import BuildRecord
    from devpi_warmup.wheelhouse.coverage import Coverage
    from devpi_warmup.wheelhouse.file_entry import FileEntry
    from devpi_warmup.wheelhouse.manifest import CellEntry


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


def rebuild(entry: CellEntry, coverage: Coverage, *, pip: Pip) -> tuple[Rebuilt, ...]:
    """Build every wheel of a cell again that was built at its warmup.

    It takes the version of Python that has built it: that of the cell, or that which runs nox.

    :raises InstallError: one cannot be built, or gives other files
    """
    known = coverage.manifest.files
    built = {name: known[name] for name in entry.files if known[name].built is not None}
    return tuple(_again(name, file, coverage, pip) for name, file in built.items())


def _again(name: str, file: FileEntry, coverage: Coverage, pip: Pip) -> Rebuilt:
    record = file.built
    assert record is not None  # noqa: S101 - the caller has chosen those
    python = _python(record.python, pip)
    wheelhouse = coverage.wheelhouse
    with TemporaryDirectory(prefix="devpi-warmup-", ignore_cleanup_errors=True) as folder:
        work, out = Path(folder), Path(folder, "out")
        out.mkdir()
        repository = Path(pip.python).parent.parent.parent.parent
        kept = (wheelhouse.path, repository, Path.home())
        box = Sandbox(work, record.epoch, pip.runner, kept)
        sdist = wheelhouse.path / record.sdist
        done = pip.build_again(sdist, _page(record, coverage, work), python, out, box)
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


def _page(record: BuildRecord, coverage: Coverage, folder: Path) -> Path:
    """Write a page of links to what a build required, and beside it the same as constraints."""
    home = coverage.wheelhouse.path.as_uri()
    links = [link(tool, sha256, home) for tool, sha256 in record.requires.items()]
    page = folder / "page.html"
    page.write_text(links_page("to build", links), encoding="utf-8")
    tools = (coverage.manifest.files[tool] for tool in record.requires)
    lines = (f"{tool.project}=={tool.version}\n" for tool in tools)
    page.with_suffix(".txt").write_text("".join(lines), encoding="utf-8")
    return page


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
