"""What the sessions share; at import it needs nothing but nox, as ``verify`` inside the gap."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import nox
import nox.registry
import nox.virtualenv

from devpi_warmup import console
from devpi_warmup.errors import WarmupError

if TYPE_CHECKING:
    from collections.abc import Mapping


_LIBRARIES = (
    *("build", "filelock", "mousebender", "platformdirs", "requests", "resolvelib", "rich"),
    *("tomli_w", "truststore", "urllib3", "virtualenv"),
)


@dataclass
class Names:
    """What the sessions are called in this noxfile.

    :param prefix: goes before each name
    """

    prefix: str = ""
    _report: object = None

    @property
    def report(self) -> str:
        """The session that every warmup ends with."""
        return f"{self.prefix}report"

    def report_is(self, session: object) -> None:
        """Know the session by itself: another may take its name."""
        self._report = session

    def check(self, session: nox.Session) -> None:
        """Fail where the noxfile has replaced the report: it decides on the exit status."""
        if self._report is not None and nox.registry.get().get(self.report) is not self._report:
            session.error(
                f"the noxfile has another session {self.report!r}, and a warmup must end with ours"
                "\n    hint: call devpi_warmup.register() last in it, or with a prefix"
            )


def check_options(
    session: nox.Session, kind: type[nox.virtualenv.VirtualEnv], forced: Mapping[str, Any]
) -> None:
    """Refuse options of nox under which a session would not be what its name says."""
    if forced:
        session.error(
            "-P (NOXFORCEPYTHON) names a Python that is not a target: write it into pythons of "
            "[tool.devpi-warmup], and choose it with -p"
        )
    if not isinstance(session.virtualenv, kind):
        session.error(
            "it needs an environment of its own kind: run it without --no-venv and without "
            "-fb (--force-venv-backend)"
        )


def import_engine(session: nox.Session, module: str) -> Any:
    """Import what needs the libraries of the engine; inside the gap they may not be there."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        missing = missing_library(error)
        fail(session, str(missing))


def missing_library(error: ImportError) -> WarmupError:
    """Return what to say of a library of the engine that is not here, as inside the gap."""
    missing = [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]
    return WarmupError(
        f"libraries of the engine are missing: {', '.join(missing) or error.name}",
        hint="verify and report work without; for the others install devpi-warmup with all that it "
        "needs, or let nox do it (NOX_SCRIPT_MODE=none keeps it from that)",
    )


def fail(session: nox.Session, text: str) -> NoReturn:
    """End a session with a text, whose commands are those that can be typed here."""
    first, _, more = text.partition("\n")
    if more:  # nox goes on in the last line
        console.say(text)
        first = f"{first.rstrip(':')}; see above"
    session.error(console.spelled(first))


def python_of(session: nox.Session) -> str:
    """Return the interpreter of the session's own environment."""
    try:
        folder = session.bin
    except ValueError:
        session.error("it needs an environment of its own: run it without --no-venv")
    return str(Path(folder) / ("python.exe" if sys.platform == "win32" else "python"))
