"""The environment that the private devpi-server runs in: one for all repositories of a user."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
from filelock import FileLock

from devpi_warmup import console
from devpi_warmup.errors import ServerError
from devpi_warmup.inputs.kit import DEVPI_SERVER
from devpi_warmup.inputs.pip_config import clean_environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from devpi_warmup.inputs.pip_config import PipConfig
    from devpi_warmup.process import Runner

REQUIREMENT = DEVPI_SERVER
CACHE = "DEVPI_WARMUP_CACHE"  # names another folder


def cache_folder() -> Path:
    """Return where environments lie; a cache may be deleted at any time."""
    return Path(os.environ.get(CACHE) or platformdirs.user_cache_path("devpi-warmup")).absolute()


def environment(
    settings: PipConfig, runner: Runner, kit: Callable[[], Path | None] = lambda: None
) -> Path:
    """Return the interpreter of an environment with the pinned devpi-server, made if need be.

    There is one for each interpreter that made it. Whoever comes second waits.

    :param settings: pip's configuration: its own index installs tools
    :param kit: returns a page of links that needs no index, if there is one
    :raises ServerError: it cannot be made
    """
    folder = cache_folder()
    made_by = f"{REQUIREMENT} {sys.version} {sys.base_prefix}"
    home = folder / f"server-{hashlib.sha256(made_by.encode()).hexdigest()[:12]}"
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            console.never_silent(f"making {REQUIREMENT} in {home}"),
            FileLock(f"{home}.lock"),
        ):
            whole = any(home.glob("[Ll]ib/**/site-packages/devpi_server/main.py"))
            if not ((home / "ready").exists() and python.exists() and whole):
                _make(home, python, settings, runner, kit())
    except OSError as error:
        raise ServerError(
            f"the cache folder {folder} cannot be written: {error.strerror or error}",
            hint=f"name another one in the environment: {CACHE}",
        ) from None
    return python


def _make(home: Path, python: Path, settings: PipConfig, runner: Runner, page: Path | None) -> None:
    whence = f"{REQUIREMENT}, from the kit" if page else REQUIREMENT
    console.say(f"making the private devpi-server, once for this machine ({whence})")
    shutil.rmtree(home, ignore_errors=True)
    index = {"PIP_INDEX_URL": settings.index_url} if settings.index_url else {}
    virtualenv = (sys.executable, "-m", "virtualenv", "--quiet", "--no-periodic-update")
    alone = ("--no-index", f"--find-links={page}", "--only-binary=:all:") if page else ()
    pip = (str(python), "-I", "-m", "pip", "install", "--quiet", *alone, REQUIREMENT)
    for argv in ((*virtualenv, str(home)), pip):
        done = runner(argv, env=clean_environment() | settings.pip_environment | index)
        if done.returncode != 0:
            raise ServerError(
                f"{REQUIREMENT} cannot be installed:\n{done.last_lines()}",
                hint=f"the files of the kit were used: {page}"
                if page
                else "pip's own index and connection settings are used for this; where there is "
                "no index, kit = true in [tool.devpi-warmup] carries what it takes; or set "
                "DEVPI_INDEX to a server of your own",
            )
    (home / "ready").touch()
