"""What the sessions do.

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
from typing import TYPE_CHECKING, Any, NoReturn

import nox
import nox.registry
import nox.virtualenv

from devpi_warmup import console, process
from devpi_warmup.errors import InvalidInputError, WarmupError
from devpi_warmup.inputs import pip_config, sources
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.targets import Target
from devpi_warmup.matrix import why_not_here
from devpi_warmup.prove import install
from devpi_warmup.prove.pip import Pip
from devpi_warmup.report import outcome, table
from devpi_warmup.venvs import FreshVirtualEnv, HostVirtualEnv, NotHere
from devpi_warmup.wheelhouse.coverage import Coverage
from devpi_warmup.wheelhouse.files import Wheelhouse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devpi_warmup.inputs.config import Config
    from devpi_warmup.run import Run

_SEAL = "devpi_warmup.private_server.seal"


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


@dataclass
class Warmup:
    """The warmup sessions of one nox run; they share one :class:`Run`.

    :param failures: why a cell is missing, by id; None for a covered one
    """

    config: Config
    names: Names = field(default_factory=Names)
    failures: dict[str, str | None] = field(default_factory=dict)
    _said: dict[str, str] = field(default_factory=dict)  # each problem, and of which cell first
    _run: Run | None = None
    _broken: WarmupError | None = None
    _reported: bool = False

    def session(
        self, session: nox.Session, platform: str, environment: str = "", **forced: object
    ) -> None:
        """Gather everything one cell needs, and have pip confirm it.

        :param forced: what nox passes on where a Python was forced on it
        """
        cell = Cell(Target(str(session.python), platform), environment)
        _check_options(session, HostVirtualEnv, forced)
        self.names.check(session)
        if self._reported:
            session.error("every warmup ends with report: name it without, or after it")
        try:
            session.notify(self.names.report)
        except ValueError:
            session.error("warmup ends with the report of all its targets: run it without -j")
        self.failures[cell.id] = None
        try:
            run = self._open(session)
        except WarmupError as error:  # of no cell: what earlier runs have covered stays so
            _fail(session, f"{cell.id} was not warmed up{self._once(cell, error)}")
        try:
            run.warm(cell, python=_python(session))
        except WarmupError as error:
            self.failures[cell.id] = str(error.args[0])
            _fail(session, f"{cell.id} is missing{self._once(cell, error)}")
        except KeyboardInterrupt:
            self.close()  # now: Python waits for the transfers before it looks at atexit
            raise

    def _once(self, cell: Cell, error: WarmupError) -> str:
        """Return what to say of an error: each problem in full once, and then where it stands."""
        keys = {part: _key(part) for part in error.parts}
        new = [part for part, key in keys.items() if key not in self._said]
        known = [self._said[key] for key in keys.values() if key in self._said]
        self._said |= {keys[part]: cell.id for part in new}
        if not known:
            return f": {error}"
        those = "for the same reason as" if len(error.parts) == 1 else "for the same reasons as"
        if not new:
            return f" {those} {', '.join(dict.fromkeys(known))}"
        others = f"and {len(known)} said of {', '.join(dict.fromkeys(known))}"
        return "\n  ".join([f", {len(error.parts)} problems:", *new, others])

    def report(self, session: nox.Session) -> None:
        """Ask devpi a last time, print the coverage table; fail where a cell is not good."""
        self._reported = True  # nox runs it no second time
        try:
            if self._run is not None:
                self._run.sweep()
        except WarmupError as error:
            _fail(session, f"devpi does not say what it holds: {error}")
        finally:
            self.close()
        cells = [c for c in self.config.cells if not self.failures or c.id in self.failures]
        coverage = Coverage(Wheelhouse.of(self.config))
        if link := coverage.wheelhouse.linked:
            session.error(f"{link} is a link, and what it points to would stay behind")
        asked = self.config.index.url if self.config.index and not self.failures else None
        digests = self._digests(session)
        rows = table.rows(coverage, cells, digests, self.failures, asked=asked)
        print(table.table(rows, counted=self.config.counted), flush=True)  # noqa: T201 - the result of the run
        if (
            not self.failures
            and coverage.manifest.index
            and asked in {None, coverage.manifest.index}
        ):
            console.say(f"warm is what the last warmup was shown of {coverage.manifest.index}")
        if not self.failures:
            for row in (row for row in rows if row.details):
                console.say(f"{row.cell} is missing: {row.details}")
        unused = coverage.unused_wheels(self.config.cells)
        if unused and all(row.state == "covered" for row in rows):
            console.say(
                f"{len(unused)} wheels in {coverage.wheelhouse.shown}/ are of no covered target, "
                f"such as {unused[0]}; they may be deleted"
            )
        if self._broken is not None:
            session.error(f"nothing was warmed up: {self._broken.title}")
        if problem := outcome.problem(rows, require_warm=self.config.require_warm):
            _fail(session, problem)

    def _digests(self, session: nox.Session) -> dict[str, str]:
        """Return the digest of what each environment requires now, by its name."""
        read = {e.name: sources.read(e.sources) for e in self.config.environments}
        wrong = dict.fromkeys(p for _, problems in read.values() for p in problems)
        if wrong and not self.failures:
            _fail(session, str(InvalidInputError("the requirements cannot be used", wrong)))
        return {name: found.digest for name, (found, _) in read.items()}

    def close(self) -> None:
        """End the run: stop transfers and the private server, free the wheelhouse."""
        run, self._run = self._run, None
        if run is not None:
            run.close()

    def _open(self, session: nox.Session) -> Run:
        if self._broken is not None:
            raise self._broken
        if self._run is None:
            console.quiet_libraries()
            try:
                # Here and not above: see the docstring of this module.
                from devpi_warmup.run import Run  # noqa: PLC0415

                self._run = Run(self.config, python=_python(session))
            except ImportError as error:
                self._broken = _missing_library(error)
                raise self._broken from None
            except WarmupError as error:
                self._broken = error  # for every cell
                raise
            atexit.register(self.close)  # after Ctrl-C there is no report session
        return self._run


def seal(session: nox.Session, config: Config) -> None:
    """Make the private server's data ready to be copied into the gap."""
    engine = _import_engine(session, _SEAL)
    console.quiet_libraries()
    try:
        print(console.spelled(engine.seal(config, python=_python(session))), flush=True)  # noqa: T201
    except WarmupError as error:
        _fail(session, str(error))


def verify_devpi(session: nox.Session, config: Config) -> None:
    """Have pip download every lock from devpi: the private one without network, or the index."""
    if config.index is None:
        _import_engine(session, _SEAL)
        isolation = process.isolation()
        argv = [*isolation.prefix, sys.executable, "-m", _SEAL, str(config.root), _python(session)]
        argv.append(console.spelled("nox -s warmup").removesuffix("warmup"))
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
            _fail(session, str(error))
    count = len(config.cells)
    print(f"{count} of {count} {config.counted} served by {by}", flush=True)  # noqa: T201


@dataclass
class Verify:
    """The verify sessions of one nox run; the wheelhouse is judged once for all of them."""

    config: Config
    _digests: dict[str, str] = field(default_factory=dict)

    @cached_property
    def _coverage(self) -> Coverage:
        return Coverage(Wheelhouse.of(self.config))

    def _digest(self, environment: str) -> str:
        if environment not in self._digests:
            (own,) = (e.sources for e in self.config.environments if e.name == environment)
            self._digests[environment] = sources.load(own).digest
        return self._digests[environment]

    def session(
        self, session: nox.Session, platform: str, environment: str = "", **forced: object
    ) -> None:
        """Install the lock of a cell offline on its real interpreter.

        A cell that this machine cannot run is passed over by name; where that leaves nothing,
        nothing was verified, and that is an error.

        :param forced: what nox passes on where a Python was forced on it
        """
        cell = Cell(Target(str(session.python), platform), environment)
        _check_options(session, FreshVirtualEnv, forced)
        if reason := why_not_here(cell.target):
            left_out = f"{cell.id} is not verified: {reason}"
            if _others_run_here(session):
                session.skip(left_out)
            session.error(
                f"{left_out}; nothing that was selected can run here: verify it on a machine of "
                "that platform"
            )
        try:
            entry = install.check_ready(self._coverage, cell, self._digest(environment))
            pip = Pip(_python(session), process.run)
            done = install.install(cell, entry, self._coverage, pip=pip)
        except WarmupError as error:
            _fail(session, f"{cell.id} is missing: {error}")
        for module, reason in done.failed_imports:
            session.warn(f"{cell.id}: import {module} fails: {reason}")
        imported = done.modules - len(done.failed_imports)
        print(  # noqa: T201 - the result of the session
            f"{cell.id} installed: {done.distributions} distributions, pip check passes, "
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
        and runner.name == session.name.partition("(")[0]
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
        _fail(session, str(missing))


def _missing_library(error: ImportError) -> WarmupError:
    return WarmupError(
        f"a library of the engine is missing: {error.name}",
        hint="install devpi-warmup with all it needs, where there is a network, or run nox without "
        "NOX_SCRIPT_MODE=none",
    )


def _key(part: str) -> str:
    """Return what makes a problem the same as another: details differ from target to target."""
    first = part.partition("\n")[0]
    return part if first.endswith(":") else first


def _fail(session: nox.Session, text: str) -> NoReturn:
    """End a session with a text, whose commands are those that can be typed here."""
    first, _, more = text.partition("\n")
    if more:  # nox goes on in the last line
        console.say(text)
        first = f"{first.rstrip(':')}; see above"
    session.error(console.spelled(first))


def _python(session: nox.Session) -> str:
    """Return the interpreter of the session's own environment."""
    try:
        folder = session.bin
    except ValueError:
        session.error("it needs an environment of its own: run it without --no-venv")
    return str(Path(folder) / ("python.exe" if sys.platform == "win32" else "python"))
