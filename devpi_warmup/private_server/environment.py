"""The environment that the private devpi-server runs in."""

from __future__ import annotations

import hashlib
import shutil
import sys
from typing import TYPE_CHECKING

from devpi_warmup import console
from devpi_warmup.errors import ServerError
from devpi_warmup.inputs.pip_config import clean_environment

if TYPE_CHECKING:
    from pathlib import Path

    from devpi_warmup.inputs.pip_config import PipConfig
    from devpi_warmup.process import Runner

REQUIREMENT = "devpi-server==6.20.3"


def environment(folder: Path, settings: PipConfig, runner: Runner) -> Path:
    """Return the interpreter of an environment with the pinned devpi-server, made if need be.

    :param folder: where it lies; one for each interpreter that made it
    :param settings: pip's configuration: its own index installs tools
    :raises ServerError: it cannot be made
    """
    key = hashlib.sha256(f"{REQUIREMENT} {sys.version}".encode()).hexdigest()[:12]
    home = folder / f"server-{key}"
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    ready = home / "ready"
    if ready.exists():
        return python
    console.say(f"making the private devpi-server in {folder.name}/ ({REQUIREMENT})")
    shutil.rmtree(home, ignore_errors=True)
    index = {"PIP_INDEX_URL": settings.index_url} if settings.index_url else {}
    virtualenv = (sys.executable, "-m", "virtualenv", "--quiet", "--no-periodic-update")
    pip = (str(python), "-I", "-m", "pip", "install", "--quiet", REQUIREMENT)
    for argv in ((*virtualenv, str(home)), pip):
        with console.never_silent(f"making {REQUIREMENT}"):
            done = runner(argv, env=clean_environment() | settings.pip_environment | index)
        if done.returncode != 0:
            raise ServerError(
                f"{REQUIREMENT} cannot be installed:\n{done.last_lines()}",
                hint="pip's own index and connection settings are used for this; "
                "or set DEVPI_INDEX to a server of your own",
            )
    ready.touch()
    return python
