"""What an sdist requires to be built: what it says, and what its backend adds."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import build
import pyproject_hooks

from devpi_warmup.build.failure import HookError
from devpi_warmup.wheelhouse.wheels import core_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from devpi_warmup.build.sandbox import Sandbox
    from devpi_warmup.wheelhouse.lock import Pin


class Backend:
    """The build backend of one unpacked sdist (PEP 517), which runs in a sandbox."""

    def __init__(self, source: Path, python: str, box: Sandbox) -> None:
        """Look at what the sdist says; nothing of it is run yet.

        :param python: an interpreter with pip, of the version that builds
        :raises HookError: it does not say it as it must
        """
        self._source = source
        self._python = python
        self._box = box
        self._output = ""
        self._venv: Path | None = None
        self._own: build.ProjectBuilder | None = None  # with the static requirements at hand
        try:
            self._builder = build.ProjectBuilder(
                str(source), python_executable=python, runner=self._run
            )
        except (build.BuildException, OSError, ValueError) as error:
            raise HookError(str(error), hopeless=True) from None

    @property
    def name(self) -> str:
        """How the backend is called."""
        return str(self._builder._backend)  # noqa: SLF001 - the library shows no other way

    def static(self) -> set[str]:
        """Return what ``[build-system] requires`` names, or what stands in its place."""
        return set(self._builder.build_system_requires)

    def dynamic(self, pins: Sequence[Pin], page: Path, venv: Path) -> set[str]:
        """Return what the backend adds, asked in an environment that has what is static.

        :param pins: what is static, resolved
        :param page: links to their files
        :param venv: where the environment is made
        :raises HookError: the environment cannot be made, or the backend fails
        """
        made = self._box.run([self._python, "-I", "-m", "venv", "--without-pip", str(venv)])
        if made.returncode != 0:
            raise HookError(made.stdout + made.stderr)
        folder = venv / ("Scripts" if sys.platform == "win32" else "bin")
        own = str(folder / ("python.exe" if sys.platform == "win32" else "python"))
        if pins:
            done = self._box.run(
                [
                    *(self._python, "-I", "-m", "pip", f"--python={own}", "install"),
                    *("--no-index", f"--find-links={page}", "--no-deps", "--no-cache-dir"),
                    *("--quiet", "--only-binary=:all:"),
                    *(f"{pin.project}=={pin.version}" for pin in pins),
                ]
            )
            if done.returncode != 0:
                raise HookError(done.stdout + done.stderr)
        self._venv = folder
        builder = build.ProjectBuilder(str(self._source), python_executable=own, runner=self._run)
        self._own = builder
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the backend, about a setup.py of others
                wants = set(builder.get_requires_for_build("wheel"))
            if not all(isinstance(want, str) for want in wants):
                raise ValueError("its backend requires what is no text")
            return wants  # noqa: TRY300
        except (
            *(build.BuildException, build.BuildBackendException),
            *(pyproject_hooks.HookMissing, OSError, ValueError),  # what a hook wrote is no JSON
        ) as error:
            # Where a backend cannot be imported, the library keeps the reason to itself.
            traceback = str(getattr(getattr(error, "exception", None), "traceback", ""))
            told = filter(None, (self._output, traceback, str(error)))
            raise HookError("\n".join(told)) from None

    def prepared(self, folder: Path) -> str:
        """Return the core metadata that the backend says before it builds, or "".

        :param folder: empty, for what it writes
        """
        if self._own is None:
            return ""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                place = self._own.prepare("wheel", str(folder))
            return core_of(Path(place, "METADATA").read_bytes()) if place else ""
        except (
            *(build.BuildException, build.BuildBackendException, subprocess.TimeoutExpired),
            *(pyproject_hooks.HookMissing, OSError, ValueError),
        ):
            return ""

    def _run(
        self,
        cmd: Sequence[str],
        cwd: str | None = None,
        extra_environ: Mapping[str, str] | None = None,
    ) -> None:
        """Run a hook, as :mod:`pyproject_hooks` wants it."""
        argv = [cmd[0], "-I", "-c", _IN_FOLDER, cwd or "", *cmd[1:]]
        done = self._box.run(argv, first_on_path=self._venv, more=extra_environ)
        self._output = done.stdout + done.stderr
        if done.returncode != 0:
            raise build.BuildException(self._output[-2000:])


# The process runner has no folder to start in.
_IN_FOLDER = (
    "import os, runpy, sys; os.chdir(sys.argv[1]) if sys.argv[1] else None; "
    "sys.argv = sys.argv[2:]; sys.path.insert(0, os.path.dirname(sys.argv[0])); "
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)
