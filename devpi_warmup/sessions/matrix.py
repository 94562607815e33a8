"""The cells as parameters of nox sessions, and which of them this machine can run."""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING, Any

import nox

from devpi_warmup.inputs.platforms import own_platforms
from devpi_warmup.sessions.venvs import NotHere

if TYPE_CHECKING:
    from collections.abc import Iterable

    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.inputs.targets import Target

_FAMILIES = {"win": "windows", "mac": "macos"}


def everywhere(cells: Iterable[Cell]) -> Any:
    """Return what makes a session one for each cell: ids like ``cp313-win_amd64``."""
    return _parametrize((cell, cell.target.python) for cell in cells)


def verifiable(cells: Iterable[Cell]) -> Any:
    """Return the same for ``verify``: first the cells that this machine can run."""
    everything = list(cells)
    here = [cell for cell in everything if _runs_here(cell.target)]
    elsewhere = [cell for cell in everything if not _runs_here(cell.target)]
    return _parametrize(
        [*((c, c.target.python) for c in here), *((c, NotHere(c.target.python)) for c in elsewhere)]
    )


def why_not_here(target: Target) -> str:
    """Say why this machine cannot run a target, or return ""."""
    if _runs_here(target):
        return ""
    machine = platform.machine()
    if family(target) != {"win32": "windows", "darwin": "macos"}.get(sys.platform, "linux"):
        return f"this machine is {platform.system()} {machine}"
    if sys.platform == "linux" and target.platform.endswith(f"_{machine}"):
        library, version = platform.libc_ver()
        return f"this machine has {library or 'another C library'} {version}".rstrip()
    return f"this machine is {platform.system()} {platform.release()} {machine}"


def family(target: Target) -> str:
    """Return the system of a target: linux, windows or macos."""
    return _FAMILIES.get(target.platform[:3], "linux")


def _parametrize(cells: Iterable[tuple[Cell, str]]) -> Any:
    """Parametrize by cells, each with the Python that nox compares."""
    parameters, every = [], list(cells)
    names = ["python", "platform"]
    # All have the same: one without a name may stand beside the kit.
    named = any(cell.environment for cell, _ in every)
    names += ["environment"] if named else []
    for cell, python in every:
        values = [python, cell.target.platform, *([cell.environment] if named else [])]
        parameters.append(nox.param(*values, id=cell.id, tags=[family(cell.target)]))
    return nox.parametrize(names, parameters)


def _runs_here(target: Target) -> bool:
    return target.platform in own_platforms()
