"""The interpreters that build, each as an exact target of its own."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from packaging.tags import platform_tags

from devpi_warmup.errors import InvalidTargetError, WarmupError
from devpi_warmup.inputs.targets import NEWEST_PATCH, Target

if TYPE_CHECKING:
    from pathlib import Path

    from devpi_warmup.prove.pip import Pip

_SAY = "import platform, sys; print(platform.python_version(), getattr(sys, 'abiflags', ''))"
_LINUX = re.compile(r"(?P<library>manylinux|musllinux)\w*?_(?P<arch>x86_64|[^_]+)")


@cache
def host_target(python: str | None = None) -> Target:
    """Return the target that this machine is.

    :param python: its version; by default that of this interpreter
    :raises WarmupError: it is none that is known here
    """
    version = (python or platform.python_version()).removesuffix("+")
    for tag in platform_tags():
        try:
            return Target(version, tag)
        except InvalidTargetError:
            continue
    raise WarmupError(
        f"nothing can be built here: Python {version} on {platform.platform()} is no target",
        hint="warm up on a machine whose platform can be a target",
    )


def is_native(target: Target) -> bool:
    """Whether a target is of the kind of machine that this one is."""
    mine, its = host_target().platform, target.platform
    linux = _LINUX.fullmatch(mine), _LINUX.fullmatch(its)
    if linux[0] and linux[1]:
        return linux[0].groups() == linux[1].groups()
    ours, theirs = (tag.split("_") for tag in (mine, its))
    return its == mine or (ours[0] == theirs[0] == "macosx" and ours[3:] == theirs[3:])


@dataclass(frozen=True)
class Interpreter:
    """A Python that builds.

    :param pip: of an environment of that Python
    :param target: what it is
    """

    pip: Pip
    target: Target


class Interpreters:
    """The Pythons of this machine; those beside nox's own get an environment when they build."""

    def __init__(self, pip: Pip, folder: Path) -> None:
        """Begin with one.

        :param pip: of an environment of the Python that runs nox
        :param folder: empty, for environments of others
        """
        self.own = Interpreter(pip, host_target())
        self._folder = folder
        self._known: dict[tuple[int, int, bool], Interpreter | None] = {
            _key(self.own.target): self.own
        }

    def of(self, target: Target) -> Interpreter | None:
        """Return the interpreter of a target's Python, its patch release aside, if one is here."""
        key = _key(target)
        if key not in self._known:
            self._known[key] = self._made(target)
        return self._known[key]

    def able(self, requires_python: str) -> Interpreter | None:
        """Return an interpreter that a Requires-Python admits: nox's own, or the newest."""
        if self.own.target.fits_python(requires_python):
            return self.own
        for minor in sorted(NEWEST_PATCH, reverse=True):
            probe = Target(f"{minor[0]}.{minor[1]}", self.own.target.platform)
            if probe.fits_python(requires_python):
                found = self.of(probe)
                if found is not None and found.target.fits_python(requires_python):
                    return found
        return None

    def _made(self, target: Target) -> Interpreter | None:
        """Make an environment of a Python that is on the PATH, as nox looks for one."""
        threads = "t" if target.free_threaded else ""
        name = f"python{target.version[0]}.{target.version[1]}{threads}"
        python = shutil.which(name)
        runner = self.own.pip.runner
        if python is None:
            return None
        env = {k: v for k, v in os.environ.items() if not k.startswith(("VIRTUALENV_", "PIP_"))}
        folder = self._folder / name
        options = ("--no-periodic-update", "--no-download", "-p", python)
        done = runner([sys.executable, "-m", "virtualenv", *options, str(folder)], env=env)
        scripts = folder / ("Scripts" if sys.platform == "win32" else "bin")
        own = scripts / ("python.exe" if sys.platform == "win32" else "python")
        pip = replace(self.own.pip, python=str(own))
        if done.returncode != 0:  # a shim of a Python that is not there, or one too old
            return None
        version, _, flags = pip.run("-c", _SAY).stdout.strip().partition(" ")
        try:
            found = Interpreter(pip, host_target(version + ("t" if "t" in flags else "")))
        except WarmupError:
            return None
        return found if pip.knows_build_constraints and _key(found.target) == _key(target) else None


def _key(target: Target) -> tuple[int, int, bool]:
    return target.version[0], target.version[1], target.free_threaded
