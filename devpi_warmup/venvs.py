"""The virtual environments of sessions, as kinds that nox knows by name."""

from __future__ import annotations

import os
import re
from typing import Any

import nox.virtualenv

_OLDEST_OF_VIRTUALENV = [3, 9]  # virtualenv 21 makes none for older ones
_SEEDS = {"venv_params": ["--no-periodic-update"]}  # virtualenv must not look for a newer pip


class HostVirtualEnv(nox.virtualenv.VirtualEnv):
    """A virtualenv on nox's own interpreter: the python of a warmup only names its target."""

    def __init__(self, location: str, interpreter: str | None = None, **kwargs: Any) -> None:
        del interpreter  # it need not exist here
        super().__init__(location, interpreter=None, **kwargs | _SEEDS)


class NotHere(str):
    """The Python of a target that this machine cannot run; nox compares it as any other."""

    __slots__ = ()


class FreshVirtualEnv(nox.virtualenv.VirtualEnv):
    """A virtualenv on the real interpreter, made anew each time: nothing may be there already."""

    def __init__(self, location: str, interpreter: str | None = None, **kwargs: Any) -> None:
        super().__init__(location, interpreter=interpreter, **kwargs | _SEEDS)

    def create(self) -> bool:
        """Make it; for a Python that virtualenv no longer knows, by the Python's own venv."""
        if isinstance(self.interpreter, NotHere):
            return False  # the session says why
        self.reuse_existing = False
        version = [int(part) for part in re.findall(r"\d+", str(self.interpreter))]
        if version[:2] < _OLDEST_OF_VIRTUALENV:
            self._venv_backend, self.venv_params = "venv", []
        return super().create()


def register() -> None:
    """Make them known to nox: ``host`` and ``fresh``.

    The machine's settings of virtualenv are forgotten: they would change the pip that judges.
    """
    nox.virtualenv.ALL_VENVS |= {"host": HostVirtualEnv, "fresh": FreshVirtualEnv}
    for name in [name for name in os.environ if name.startswith("VIRTUALENV_")]:
        del os.environ[name]
