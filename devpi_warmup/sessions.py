"""What the sessions of the noxfile do.

At import it needs nothing but nox, since ``verify`` runs inside the gap; the engine and its
libraries are imported by the first warmup.
"""

from __future__ import annotations

import atexit
import importlib
import os
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nox

from devpi_warmup import console, process
from devpi_warmup.errors import WarmupError
from devpi_warmup.inputs import pip_config, requirement_files
from devpi_warmup.matrix import why_not_here
from devpi_warmup.prove import install
from devpi_warmup.prove.pip import Pip
from devpi_warmup.report import outcome, table
from devpi_warmup.venvs import FreshVirtualEnv, HostVirtualEnv, NotHere
from devpi_warmup.wheelhouse.coverage import Coverage
from devpi_warmup.wheelhouse.files import Wheelhouse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import nox.virtualenv

    from devpi_warmup.inputs.config import Config
    from devpi_warmup.inputs.requirements import RequirementSet
    from devpi_warmup.inputs.targets import Target
    from devpi_warmup.run import Run

_SEAL = "devpi_warmup.private_server.seal"
FORMER_NAMES = {"coverage": "report", "served": "verify-devpi"}


def former(name: str) -> Callable[[nox.Session], None]:
    """Return a session that stands for one of a new name, for this release alone."""

    def session(session: nox.Session) -> None:
        console.say(f"{session.name} is called {name} now")
        session.notify(name)

    session.__doc__ = f"The former name of {name}."
    return session


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

    def session(self, session: nox.Session, target: Target, forced: Mapping[str, Any]) -> None:
        """Gather everything one target needs, and have pip confirm it.

        :param forced: what nox passes on where a Python was forced on it
        """
        _check_options(session, HostVirtualEnv, forced)
        if self._reported:
            session.error("every warmup ends with report: name it without, or after it")
        try:
            session.notify("report")
        except ValueError:
            session.error("warmup ends with the report of all its targets: run it without -j")
        try:
            self._open(session).warm(target, python=_python(session))
        except WarmupError as error:
            self.failures[target.id] = str(error)
            session.error(f"{target.id} is missing: {error}")
        except KeyboardInterrupt:
            self.close()  # now: Python waits for the transfers before it looks at atexit
            raise
        self.failures[target.id] = None

    def report(self, session: nox.Session) -> None:
        """Ask devpi a last time, print the coverage table; fail where a target is not good."""
        self._reported = True  # nox runs it no second time
        try:
            if self._run is not None:
                self._run.sweep()
        except WarmupError as error:
            session.error(f"devpi does not say what it holds: {error}")
        finally:
            self.close()
        targets = [t for t in self.config.targets if not self.failures or t.id in self.failures]
        try:
            wanted = _requirements(self.config).digest
        except WarmupError as error:
            session.error("nothing is covered; see above" if self.failures else str(error))
        coverage = Coverage(Wheelhouse.of(self.config))
        if link := coverage.wheelhouse.linked:
            session.error(f"{link} is a link, and what it points to would stay behind")
        asked = self.config.index.url if self.config.index and not self.failures else None
        rows = table.rows(coverage, targets, wanted, self.failures, asked=asked)
        print(table.table(rows), flush=True)  # noqa: T201 - the result of the run
        if (
            not self.failures
            and coverage.manifest.index
            and asked in {None, coverage.manifest.index}
        ):
            console.say(f"warm is what the last warmup was shown of {coverage.manifest.index}")
        unused = coverage.unused_wheels(self.config.targets)
        if unused and all(row.state == "covered" for row in rows):
            console.say(
                f"{len(unused)} wheels in {coverage.wheelhouse.shown}/ are of no covered target, "
                f"such as {unused[0]}; they may be deleted"
            )
        if problem := outcome.problem(rows, require_warm=self.config.require_warm):
            session.error(problem)

    def close(self) -> None:
        """End the run: stop transfers and the private server, free the wheelhouse."""
        run, self._run = self._run, None
        if run is not None:
            run.close()

    def _open(self, session: nox.Session) -> Run:
        if self._broken:
            raise WarmupError(self._broken)
        if self._run is None:
            console.quiet_libraries()
            try:
                # Here and not above: see the docstring of this module.
                from devpi_warmup.run import Run  # noqa: PLC0415

                self._run = Run(self.config, python=_python(session))
            except ImportError as error:
                missing = _missing_library(error)
                self._broken = missing.title
                raise missing from None
            except WarmupError as error:
                self._broken = f"the run could not begin: {error.title}"
                raise
            atexit.register(self.close)  # after Ctrl-C there is no report session
        return self._run


def seal(session: nox.Session, config: Config) -> None:
    """Make the private server's data ready to be copied into the gap."""
    engine = _import_engine(session, _SEAL)
    console.quiet_libraries()
    try:
        print(engine.seal(config, python=_python(session)), flush=True)  # noqa: T201
    except WarmupError as error:
        session.error(str(error))


def verify_devpi(session: nox.Session, config: Config) -> None:
    """Have pip download every lock from devpi: the private one without network, or the index."""
    if config.index is None:
        _import_engine(session, _SEAL)
        isolation = process.isolation()
        argv = [*isolation.prefix, sys.executable, "-m", _SEAL, str(config.root), _python(session)]
        env = os.environ | dict(isolation.env) | {"PYTHONPATH": str(Path(__file__).parent.parent)}
        if subprocess.run(argv, env=env, check=False).returncode != 0:
            session.error("devpi does not serve every target; the reasons stand above")
        by = f"the private devpi-server; network kept away by {isolation.name}"
    else:
        engine = _import_engine(session, "devpi_warmup.prove.server")
        console.quiet_libraries()
        try:
            pip = Pip(_python(session), process.run)
            settings = pip_config.read(process.run, pip.python)
            by = engine.prove_served(config, config.index, settings, pip=pip)
        except WarmupError as error:
            session.error(str(error))
    count = len(config.targets)
    print(f"{count} of {count} targets served by {by}", flush=True)  # noqa: T201


@dataclass
class Verify:
    """The verify sessions of one nox run; the wheelhouse is judged once for all of them."""

    config: Config

    @cached_property
    def _coverage(self) -> Coverage:
        return Coverage(Wheelhouse.of(self.config))

    @cached_property
    def _digest(self) -> str:
        return _requirements(self.config).digest

    def session(self, session: nox.Session, target: Target, forced: Mapping[str, Any]) -> None:
        """Install the lock of a target offline on its real interpreter.

        A target that this machine cannot run is passed over by name; where that leaves nothing,
        nothing was verified, and that is an error.

        :param forced: what nox passes on where a Python was forced on it
        """
        _check_options(session, FreshVirtualEnv, forced)
        if reason := why_not_here(target):
            left_out = f"{target.id} is not verified: {reason}"
            if _others_run_here(session):
                session.skip(left_out)
            session.error(
                f"{left_out}; nothing that was selected can run here: verify it on a machine of "
                "that platform"
            )
        try:
            entry = install.check_ready(self._coverage, target, self._digest)
            pip = Pip(_python(session), process.run)
            done = install.install(target, entry, self._coverage, pip=pip)
        except WarmupError as error:
            session.error(f"{target.id} is missing: {error}")
        for module, reason in done.failed_imports:
            session.warn(f"{target.id}: import {module} fails: {reason}")
        imported = done.modules - len(done.failed_imports)
        print(  # noqa: T201 - the result of the session
            f"{target.id} installed: {done.distributions} distributions, pip check passes, "
            f"{imported} of {done.modules} modules imported, on Python {done.python}; "
            f"network kept away by {done.isolation}",
            flush=True,
        )


def _others_run_here(session: nox.Session) -> bool:
    """Whether this run verifies, or has tried, a target that can run here.

    nox shows no other way to know.
    """
    runners = session._runner.manifest.list_all_sessions()  # noqa: SLF001
    return any(
        (selected or getattr(runner, "result", None) is not None)
        and runner.name == "verify"
        and not isinstance(runner.func.python, NotHere)
        for runner, selected in runners
    )


def _check_options(
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


def _import_engine(session: nox.Session, module: str) -> Any:
    """Import what needs the libraries of the engine, here and not above: see the docstring."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        missing = _missing_library(error)
        session.error(f"{missing.title}; {missing.hint}")


def _missing_library(error: ImportError) -> WarmupError:
    return WarmupError(
        f"a library of the engine is missing: {error.name}",
        hint="run nox without NOX_SCRIPT_MODE=none, where it can install what it needs",
    )


def _requirements(config: Config) -> RequirementSet:
    return requirement_files.load(config.requirements, config.constraints, root=config.root)


def _python(session: nox.Session) -> str:
    """Return the interpreter of the session's own environment."""
    try:
        folder = session.bin
    except ValueError:
        session.error("it needs an environment of its own: run it without --no-venv")
    return str(Path(folder) / ("python.exe" if sys.platform == "win32" else "python"))
