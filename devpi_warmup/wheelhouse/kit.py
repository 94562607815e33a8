"""The kit as it lies in a wheelhouse, for the interpreter that runs this."""

from __future__ import annotations

import sys
import sysconfig
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from devpi_warmup import console
from devpi_warmup.inputs.kit import DEVPI_SERVER, NAME
from devpi_warmup.inputs.platforms import own_platforms
from devpi_warmup.wheelhouse.coverage import Coverage
from devpi_warmup.wheelhouse.files import Wheelhouse

if TYPE_CHECKING:
    from pathlib import Path

    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.inputs.config import Config
    from devpi_warmup.inputs.targets import Target

_RELEASE = ".".join(map(str, sys.version_info[:3]))


def _is_here(target: Target) -> bool:
    """Whether a target is what runs this: its Python, and a platform that this machine has."""
    threads = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    same = target.version[:2] == sys.version_info[:2] and target.free_threaded == threads
    return same and target.platform in own_platforms()


def page_of_server(config: Config) -> Path | None:
    """Return the page of links that installs devpi-server here, where a kit has it.

    Every file that it links to is there, byte for byte; where one is not, that is said, and the
    kit is passed over.
    """
    here: list[Cell] = [c for c in config.cells if c.environment == NAME and _is_here(c.target)]
    coverage = Coverage(Wheelhouse.of(config))
    project = canonicalize_name(DEVPI_SERVER.partition("==")[0])
    version = DEVPI_SERVER.partition("==")[2]
    for cell in sorted(here, key=lambda cell: own_platforms().index(cell.target.platform)):
        entry = coverage.manifest.cells.get(cell.id)
        if entry is None or not entry.gathered or not entry.patches:
            continue
        held = (coverage.manifest.files[name] for name in entry.files)
        if not entry.patches.admits(_RELEASE) or not any(
            (canonicalize_name(file.project), file.version) == (project, version) for file in held
        ):
            continue
        if problem := coverage.changed(entry.locks) or coverage.changed(entry.carried):
            console.say(f"{cell.id} is passed over: {problem}")
            continue
        return coverage.wheelhouse.lock_paths(cell.id)[1]
    return None
