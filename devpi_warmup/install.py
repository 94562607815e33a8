"""The real proof: install a lock offline on the target's own interpreter, and import it.

It runs inside the gap, where there is nox and nothing else of what the engine needs.
"""

from __future__ import annotations

import subprocess
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devpi_warmup import manifest
from devpi_warmup.ambient import clean_environment
from devpi_warmup.errors import WarmupError, indented
from devpi_warmup.process import isolation
from devpi_warmup.wheelhouse import LOCKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from devpi_warmup.process import Runner
    from devpi_warmup.targets import Target
    from devpi_warmup.wheelhouse import Wheelhouse

IMPORT_TIMEOUT = 60.0  # seconds
_EXTENSIONS = (".so", ".pyd")


class InstallError(WarmupError):
    """The lock does not install offline on this interpreter."""


@dataclass(frozen=True)
class Installed:
    """The target is installed: every file, on a real interpreter, without network.

    :param distributions: how many
    :param modules: how many top-level modules were imported
    :param failed_imports: module and reason; some need libraries of the system
    :param isolation: how the network was kept away
    """

    distributions: int
    modules: int
    failed_imports: tuple[tuple[str, str], ...]
    isolation: str


def check_ready(
    wheelhouse: Wheelhouse, target: Target, requirements_digest: str
) -> tuple[str, ...]:
    """Return the filenames of the target's lock, if its warmup was the last word on it.

    :param requirements_digest: of the requirement files as they are now
    :raises InstallError: it is not covered, or something of it has changed since
    """
    if reason := manifest.why_missing(wheelhouse, target, requirements_digest):
        raise InstallError(
            reason, hint=f'run nox -s "warmup({target.id})" first, where there is a network'
        )
    return tuple(manifest.read(wheelhouse)["targets"][target.id]["files"])


def install(
    target: Target, filenames: Iterable[str], wheelhouse: Path, *, python: str, runner: Runner
) -> Installed:
    """Install the lock of a target into the environment of ``python``, check it, import it.

    :raises InstallError: pip cannot install it, or finds it inconsistent; with its last lines
    """
    lock = wheelhouse / LOCKS / f"{target.id}.txt"
    pip = (*isolation().prefix, python, "-I", "-m", "pip")
    env = clean_environment() | dict(isolation().env)
    steps = {
        "pip cannot install the lock offline": (
            *("install", "--quiet", "--no-index", f"--find-links={wheelhouse}"),
            *("--only-binary=:all:", "--require-hashes", "--no-cache-dir", "-r", str(lock)),
        ),
        "pip check finds the installation inconsistent": ("check",),
    }
    for problem, arguments in steps.items():
        done = runner([*pip, *arguments], env=env)
        if done.returncode != 0:
            raise InstallError(
                f"{problem}:\n{indented(done.last_lines().splitlines())}",
                hint=f"the files do not fit this interpreter ({python}), or were changed",
            )
    wheels = [wheelhouse / filename for filename in filenames]
    modules = sorted({module for wheel in wheels for module in top_level_modules(wheel)})
    failed = tuple(
        (module, reason)
        for module in modules
        if (reason := _import(module, python=python, env=env, runner=runner)) is not None
    )
    return Installed(len(wheels), len(modules), failed, isolation().name)


def top_level_modules(wheel: Path) -> Iterator[str]:
    """Yield the names that a wheel puts at the top of site-packages and that can be imported."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    packages = {name.split("/")[0] for name in names if name.count("/") == 1 and _is_init(name)}
    modules = {_module(name) for name in names if "/" not in name}
    yield from sorted(name for name in packages | modules if name.isidentifier())


def _is_init(name: str) -> bool:
    folder, _, file = name.partition("/")
    return file.split(".")[0] == "__init__" and not folder.endswith((".dist-info", ".data"))


def _module(filename: str) -> str:
    if filename.endswith(".py") or filename.endswith(_EXTENSIONS):
        return filename.split(".", maxsplit=1)[0]
    return ""


def _import(module: str, *, python: str, env: dict[str, str], runner: Runner) -> str | None:
    """Import one module in a process of its own; return why it failed, or None."""
    argv = [*isolation().prefix, python, "-I", "-W", "ignore", "-c", f"import {module}"]
    try:
        done = runner(argv, env=env, timeout=IMPORT_TIMEOUT)
    except subprocess.TimeoutExpired:
        return f"not done after {IMPORT_TIMEOUT:.0f} seconds"
    if done.returncode == 0:
        return None
    return done.last_lines(1) or f"exit status {done.returncode}"
