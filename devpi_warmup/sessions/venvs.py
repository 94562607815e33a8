"""The virtual environments of sessions, as kinds that nox knows by name."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nox.virtualenv
from nox.command import CommandFailed
from nox.logger import logger

from devpi_warmup import console

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST, FRESH = "devpi-warmup-host", "devpi-warmup-fresh"
_OLDEST_OF_VIRTUALENV = [3, 9]  # virtualenv 21 makes none for older ones
_WHOLE = "devpi-warmup-made"  # a file in an environment that was made to the end
_SEEDS = {"venv_params": ["--no-periodic-update"]}  # virtualenv must not look for a newer pip


class HostVirtualEnv(nox.virtualenv.VirtualEnv):
    """A virtualenv on nox's own interpreter: the python of a warmup only names its target."""

    def __init__(self, location: str, interpreter: str | None = None, **kwargs: Any) -> None:
        del interpreter  # it need not exist here
        super().__init__(location, interpreter=None, **kwargs | _SEEDS)

    def create(self) -> bool:
        """Make it, whatever the machine's settings of virtualenv say.

        One is used again only where it was made to the end: a kill may leave half of it.
        """
        whole = Path(self.location, _WHOLE)
        if not whole.is_file():
            self.reuse_existing = False
        if not self._clean_location():
            self._reused = True
            logger.info(f"Reusing existing virtual environment at {self.location_name}.")
            return False
        logger.info(f"Creating virtual environment (virtualenv) in {self.location_name}")
        folder = whole.parent.parent
        folder.mkdir(parents=True, exist_ok=True)
        if not (ignored := folder / ".gitignore").exists():  # as nox has it
            ignored.write_text("*\n", encoding="ascii")
        # In this process, and with one pip for all of them, which Python compiles once: there is
        # one for each cell, and nothing is ever installed into it.
        import virtualenv  # noqa: PLC0415 - not for what makes none, such as nox -l

        options = (*_SEEDS["venv_params"], "--symlink-app-data", "--quiet")
        console.quiet_libraries()
        with _no_settings():
            virtualenv.cli_run([str(self.location), *options], setup_logging=False)
        whole.touch()
        return True


class NotHere(str):
    """The Python of a target that this machine cannot run; nox compares it as any other."""

    __slots__ = ()


class FreshVirtualEnv(nox.virtualenv.VirtualEnv):
    """A virtualenv on the real interpreter, made anew each time: nothing may be there already."""

    def __init__(self, location: str, interpreter: str | None = None, **kwargs: Any) -> None:
        super().__init__(location, interpreter=interpreter, **kwargs | _SEEDS)

    def create(self) -> bool:
        """Make it; for a Python that virtualenv no longer knows, by the Python's own venv.

        :raises CommandFailed: there is no such interpreter here; nox might pass over the session,
            and what was not verified would look verified
        """
        if isinstance(self.interpreter, NotHere):
            return False  # the session says why
        self.reuse_existing = False
        version = [int(part) for part in re.findall(r"\d+", str(self.interpreter))]
        if version[:2] < _OLDEST_OF_VIRTUALENV:
            self._venv_backend, self.venv_params = "venv", []
        try:
            with _no_settings():
                return super().create()
        except nox.virtualenv.InterpreterNotFound as error:
            # nox shows no text of what is raised here.
            console.say(f"{error}; is it installed, and with pyenv active (PYENV_VERSION)?")
            raise CommandFailed(str(error)) from None


@contextmanager
def _no_settings() -> Iterator[None]:
    """Hide the machine's settings of virtualenv, which would change the pip that judges."""
    hidden = {name: os.environ[name] for name in os.environ if name.startswith("VIRTUALENV_")}
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(hidden)


def register() -> None:
    """Make them known to nox."""
    nox.virtualenv.ALL_VENVS |= {HOST: HostVirtualEnv, FRESH: FreshVirtualEnv}
