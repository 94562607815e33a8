"""The real proof: install a lock offline on the target's own interpreter, and import it.

It runs inside the gap, where there is nox and nothing else of what the engine needs.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from devpi_warmup import console
from devpi_warmup.build import failure
from devpi_warmup.build.sandbox import Sandbox
from devpi_warmup.errors import WarmupError, indented
from devpi_warmup.process import isolation
from devpi_warmup.wheelhouse import members
from devpi_warmup.wheelhouse.lock import read_lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.process import Completed
    from devpi_warmup.prove.pip import Pip
    from devpi_warmup.wheelhouse.coverage import Coverage
    from devpi_warmup.wheelhouse.lock import LockedPin
    from devpi_warmup.wheelhouse.manifest import CellEntry

IMPORT_TIMEOUT = 60.0  # seconds
_EXTENSIONS = (".so", ".pyd")
# Folders of loose files, which are there to be read or run.
_NOT_FOR_IMPORT = frozenset({"docs", "doc", "example", "examples", "test", "tests", "benchmarks"})


class InstallError(WarmupError):
    """The lock does not install offline on this interpreter."""


@dataclass(frozen=True)
class Installed:
    """The target is installed: every file, on a real interpreter, without network.

    :param python: the version of the interpreter
    :param distributions: how many
    :param modules: how many top-level modules were imported
    :param failed_imports: module and reason; some need libraries of the system
    :param isolation: how the network was kept away
    :param built: the projects that were built on the way
    """

    python: str
    distributions: int
    modules: int
    failed_imports: tuple[tuple[str, str], ...]
    isolation: str
    built: tuple[str, ...] = ()


def check_ready(coverage: Coverage, cell: Cell, requirements_digest: str) -> CellEntry:
    """Return what the manifest says of a cell, if its warmup was the last word on it.

    :param requirements_digest: of the requirement files as they are now
    :raises InstallError: it is not covered, or something of it has changed since
    """
    if reason := coverage.why_missing(cell, requirements_digest):
        raise InstallError(
            reason, hint=f'run nox -s "warmup({cell.id})" first, where there is a network'
        )
    return coverage.entry(cell)


def install(cell: Cell, entry: CellEntry, coverage: Coverage, *, pip: Pip) -> Installed:
    """Install the lock of a cell into the environment of a pip, check it, import it.

    :raises InstallError: the lock does not serve this Python, pip cannot install it, or finds it
        inconsistent; with its last lines
    """
    lock = coverage.wheelhouse.lock_path(cell.id)
    pins = _read(lock, coverage, entry)
    version = _check_version(entry, pip)
    built = tuple(coverage.manifest.files[name].project for name in entry.to_build)
    with console.never_silent(f"{cell.id} is being installed"):
        done = _install(lock, built, coverage, pip)
    if done.returncode != 0 and built:
        output = done.stdout + done.stderr
        raise InstallError(
            "pip cannot build and install the lock offline:\n"
            f"{indented(failure.lines_that_matter(output))}",
            hint=failure.hint(output, ", ".join(built)),
        )
    _check(done, "pip cannot install the lock offline", pip)
    _check(pip.check(), "pip check finds the installation inconsistent", pip)
    _check_installed(pip, pins)
    wheels = [coverage.wheelhouse.path / filename for filename in entry.wheels]
    names = [*map(members.names, wheels), *map(pip.files_of, built)]
    modules = sorted({module for files in names for module in importable(files)})
    failed = tuple(
        (module, reason) for module in modules if (reason := _import(module, pip)) is not None
    )
    return Installed(version, len(entry.files), len(modules), failed, isolation().name, built)


def _check(done: Completed, problem: str, pip: Pip) -> None:
    if done.returncode != 0:
        raise InstallError(
            f"{problem}:\n{indented(done.last_lines().splitlines())}",
            hint=f"the files do not fit this interpreter ({pip.python}), or were changed",
        )


def _install(lock: Path, built: Sequence[str], coverage: Coverage, pip: Pip) -> Completed:
    """Install a lock; what of it is built runs foreign code, and so in a sandbox."""
    if not built:
        return pip.install_lock(lock)
    with TemporaryDirectory(prefix="devpi-warmup-", ignore_cleanup_errors=True) as folder:
        environment = Path(pip.python).parent.parent
        kept = (coverage.wheelhouse.path, environment.parent.parent, Path.home())
        box = Sandbox(Path(folder), 0, pip.runner, kept, (environment,))
        return pip.install_and_build(lock, built, box)


def _check_version(entry: CellEntry, pip: Pip) -> str:
    code = "import platform; print(platform.python_version())"
    said = pip.run("-c", code).stdout.strip()
    version = said.removesuffix("+")  # of one that was built between two releases
    try:
        Version(version)
    except InvalidVersion:
        raise InstallError(f"the interpreter does not say its version, but {said!r}") from None
    if entry.patches is not None and not entry.patches.admits(version):
        raise InstallError(
            f"this machine has Python {version}, and the lock serves {entry.patches}",
            hint=f'write pythons = ["{version}"] into [tool.devpi-warmup] for it, and run '
            "nox -s warmup where there is a network",
        )
    return version


def _check_installed(pip: Pip, pins: Iterable[LockedPin]) -> None:
    """Hold what pip says is installed now against the lock."""
    there = {(canonicalize_name(name), Version(version)) for name, version in pip.installed()}
    absent = [f"{p.project} {p.version}" for p in pins if (p.project, p.version) not in there]
    if absent:
        raise InstallError(f"pip has not installed {', '.join(absent)}")


def _read(lock: Path, coverage: Coverage, entry: CellEntry) -> tuple[LockedPin, ...]:
    """Read the lock, and hold it against the files that the manifest names for it."""
    try:
        pins = read_lock(lock.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InstallError(f"{lock.name} cannot be read: {error}") from None
    known = (coverage.manifest.files[name] for name in entry.files)
    wanted = {(canonicalize_name(file.project), file.sha256) for file in known}
    if wanted != {(pin.project, pin.sha256) for pin in pins}:
        raise InstallError(f"{lock.name} does not hold the files that the manifest names for it")
    return pins


def importable(names: Iterable[str]) -> set[str]:
    """Return what a wheel lets one import, by its shallowest names.

    A package counts for all that is in it; in a namespace package (PEP 420) each module does.

    :param names: of the files in the wheel
    """
    files = [parts for name in names if (parts := _library(name))]
    packages = {parts[:-1] for parts in files if parts[-1].split(".")[0] == "__init__"}
    found = set()
    for parts in files:
        folders = [parts[:depth] for depth in range(1, len(parts))]
        package = next((folder for folder in folders if folder in packages), None)
        module = package or (*parts[:-1], parts[-1].split(".", maxsplit=1)[0])
        is_loose = package is None and len(parts) > 1 and parts[0] in _NOT_FOR_IMPORT
        if not is_loose and all(part.isidentifier() for part in module):
            found.add(".".join(module))
    return found


def _library(name: str) -> tuple[str, ...]:
    """Return the parts of the path of a module under site-packages, or ()."""
    parts = tuple(name.split("/"))
    if parts[0].endswith(".data"):
        parts = parts[2:] if parts[1:2] in {("purelib",), ("platlib",)} else ()
    return parts if parts and parts[-1].endswith((".py", *_EXTENSIONS)) else ()


def _import(module: str, pip: Pip) -> str | None:
    """Import one module in a process of its own; return why it failed, or None."""
    try:
        done = pip.offline("-W", "ignore", "-c", f"import {module}", timeout=IMPORT_TIMEOUT)
    except subprocess.TimeoutExpired:
        return f"not done after {IMPORT_TIMEOUT:.0f} seconds"
    if done.returncode == 0:
        return None
    return done.last_lines(1) or f"exit status {done.returncode}"
