"""What the sessions of the noxfile do. The only module that knows nox.

At import it needs nothing but nox, since ``verify`` runs inside the gap; the engine and its
libraries are imported by the first warmup.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nox
import nox.virtualenv
from packaging.tags import platform_tags

from devpi_warmup import install, process, report, requirements
from devpi_warmup.errors import WarmupError
from devpi_warmup.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from devpi_warmup.config import Config
    from devpi_warmup.targets import Target
    from devpi_warmup.warmup import Run

_FAMILIES = {"win": "windows", "mac": "macos"}


class HostVirtualEnv(nox.virtualenv.VirtualEnv):
    """A virtualenv on nox's own interpreter: the python of a warmup only names its target."""

    def __init__(self, location: str, interpreter: str | None = None, **kwargs: Any) -> None:
        del interpreter  # it need not exist here
        super().__init__(location, interpreter=None, **kwargs)


def drop_virtualenv_settings() -> None:
    """Forget the machine's settings of virtualenv: they would change the pip that judges."""
    for name in [name for name in os.environ if name.startswith("VIRTUALENV_")]:
        del os.environ[name]


def parameters(targets: Iterable[Target]) -> list[Any]:
    """Return targets as nox parameters: ids like ``cp313-win_amd64``, tags like ``windows``."""
    return [
        nox.param(
            target.python,
            target.platform,
            id=target.id,
            tags=[_FAMILIES.get(target.platform[:3], "linux")],
        )
        for target in targets
    ]


def installable_here(targets: Iterable[Target]) -> list[Target]:
    """Return the targets whose platform is one of this machine's own."""
    own = set(platform_tags())
    return [target for target in targets if target.platform in own]


@dataclass
class Warmup:
    """The warmup sessions of one nox run; they share one :class:`Run`.

    :param failures: why a target is missing, by id; None for a covered one
    """

    config: Config
    failures: dict[str, str | None] = field(default_factory=dict)
    _run: Run | None = None
    _broken: str = ""
    _reported: bool = False

    def session(self, session: nox.Session, target: Target) -> None:
        """Gather everything one target needs, and have pip confirm it."""
        if self._reported:
            session.error("every warmup ends with coverage: name it without, or after it")
        try:
            session.notify("coverage")
        except ValueError:
            session.error("warmup ends with the coverage of all its targets: run it without -j")
        try:
            self._open(session).warm(target, python=_python(session))
        except WarmupError as error:
            self.failures[target.id] = str(error)
            session.error(f"{target.id} is missing: {error}")
        except KeyboardInterrupt:
            self.close()  # now: Python waits for the transfers before it looks at atexit
            raise
        self.failures[target.id] = None

    def coverage(self, session: nox.Session) -> None:
        """Ask devpi a last time, print the coverage table; fail where a target is not good."""
        self._reported = True  # nox runs it no second time
        try:
            if self._run is not None:
                self._run.sweep()
        except WarmupError as error:
            session.error(f"devpi does not say what it holds: {error}")
        finally:
            self.close()
        wheelhouse = Wheelhouse(self.config.wheelhouse)
        targets = [t for t in self.config.targets if not self.failures or t.id in self.failures]
        try:
            wanted = _requirements(self.config).digest
        except WarmupError as error:
            session.error("nothing is covered; see above" if self.failures else str(error))
        rows = report.rows(wheelhouse, targets, wanted, self.failures)
        print(report.table(rows), flush=True)  # noqa: T201 - the result of the run
        if not self.failures and (index := report.shown_of(wheelhouse)):
            report.say(f"warm is what the last warmup was shown of {index}")
        missing = [row.target for row in rows if row.state != "covered"]
        strangers = report.strangers(wheelhouse, self.config.targets)
        if strangers and not missing:
            report.say(
                f"{len(strangers)} wheels in {wheelhouse.path.name}/ are of no target of this "
                f"configuration, such as {strangers[0]}; they may be deleted"
            )
        if missing:
            session.error(f"missing: {', '.join(missing)}")
        if cold := [row.target for row in rows if not row.good]:
            session.error(f"covered, but devpi does not hold every file: {', '.join(cold)}")
        if self.config.require_warm and any(row.unknown for row in rows):
            session.error("covered, but it cannot be shown that devpi holds every file")

    def close(self) -> None:
        """End the run: stop transfers and the private server, free the wheelhouse."""
        run, self._run = self._run, None
        if run is not None:
            run.close()

    def _open(self, session: nox.Session) -> Run:
        if self._broken:
            raise WarmupError(self._broken)
        if self._run is None:
            report.quiet_libraries()
            try:
                # Here and not above: see the docstring of this module.
                from devpi_warmup.warmup import Run  # noqa: PLC0415

                self._run = Run(self.config, python=_python(session))
            except ImportError as error:
                self._broken = f"a library of the engine is missing: {error.name}"
                hint = "run nox without NOX_SCRIPT_MODE=none, where it can install what it needs"
                raise WarmupError(self._broken, hint=hint) from None
            except WarmupError as error:
                self._broken = f"the run could not begin: {str(error).splitlines()[0]}"
                raise
            atexit.register(self.close)  # after Ctrl-C there is no coverage session
        return self._run


def seal(session: nox.Session, config: Config) -> None:
    """Make the private server's data ready to be copied into the gap."""
    from devpi_warmup import moving  # noqa: PLC0415 - see the module's docstring

    report.quiet_libraries()
    try:
        print(moving.seal(config, python=_python(session)), flush=True)  # noqa: T201
    except WarmupError as error:
        session.error(str(error))


def served(session: nox.Session, config: Config) -> None:
    """Have pip download every lock from devpi: the private one without network, or the index."""
    if config.index is None:
        isolation = process.isolation()
        argv = [*isolation.prefix, sys.executable, "-m", "devpi_warmup.moving", str(config.root)]
        env = os.environ | dict(isolation.env) | {"PYTHONPATH": str(Path(__file__).parent.parent)}
        done = subprocess.run([*argv, _python(session)], env=env, check=False)
        if done.returncode != 0:
            session.error("devpi does not serve every target; the reasons stand above")
        by = f"the private devpi-server; network kept away by {isolation.name}"
    else:
        from devpi_warmup import moving  # noqa: PLC0415 - see the module's docstring

        report.quiet_libraries()
        try:
            by = moving.serve(config, config.index, python=_python(session))
        except WarmupError as error:
            session.error(str(error))
    count = len(config.targets)
    print(f"{count} of {count} targets served by {by}", flush=True)  # noqa: T201


def verify(session: nox.Session, config: Config, target: Target) -> None:
    """Install the lock of a target offline on its real interpreter."""
    wheelhouse = Wheelhouse(config.wheelhouse)
    try:
        filenames = install.check_ready(wheelhouse, target, _requirements(config).digest)
        done = install.install(
            target, filenames, wheelhouse.path, python=_python(session), runner=process.run
        )
    except WarmupError as error:
        session.error(f"{target.id} is missing: {error}")
    for module, reason in done.failed_imports:
        session.warn(f"{target.id}: import {module} fails: {reason}")
    imported = done.modules - len(done.failed_imports)
    print(  # noqa: T201 - the result of the session
        f"{target.id} installed: {done.distributions} distributions, pip check passes, "
        f"{imported} of {done.modules} modules imported; network kept away by {done.isolation}",
        flush=True,
    )


def _requirements(config: Config) -> requirements.RequirementSet:
    return requirements.load(config.requirements, config.constraints, root=config.root)


def _python(session: nox.Session) -> str:
    """Return the interpreter of the session's own environment."""
    try:
        folder = session.bin
    except ValueError:
        session.error("it needs an environment of its own: run it without --no-venv")
    return str(Path(folder) / ("python.exe" if sys.platform == "win32" else "python"))
