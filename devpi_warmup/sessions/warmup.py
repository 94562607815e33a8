"""The warmup sessions, and the report that each warmup ends with."""

from __future__ import annotations

import atexit
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from devpi_warmup import console, process
from devpi_warmup.errors import WarmupError, WheelhouseError
from devpi_warmup.inputs import pip_config
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.targets import Target
from devpi_warmup.memory import have_threads_share
from devpi_warmup.report import publishing
from devpi_warmup.sessions import arguments
from devpi_warmup.sessions.common import Names, check_options, fail, missing_library, python_of
from devpi_warmup.sessions.concluding import Ending, begin, conclude, publish_failure
from devpi_warmup.sessions.venvs import HostVirtualEnv
from devpi_warmup.wheelhouse.files import Wheelhouse

if TYPE_CHECKING:
    from collections.abc import Mapping

    import nox

    from devpi_warmup.inputs.config import Config
    from devpi_warmup.resolve.kept import Upgrade
    from devpi_warmup.run import Run
    from devpi_warmup.wheelhouse.changes import Change


@dataclass
class Warmup:
    """The warmup sessions of one nox run; they share one :class:`Run`.

    :param failures: why a cell is missing, by id; None for a covered one
    """

    config: Config
    names: Names = field(default_factory=Names)
    failures: dict[str, str | None] = field(default_factory=dict)
    _said: dict[str, str] = field(default_factory=dict)  # each problem, and of which cell first
    _alike: dict[frozenset[str], str] = field(default_factory=dict)  # all of one, and of which
    _run: Run | None = None
    _changes: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)
    _broken: WarmupError | None = None
    _reported: bool = False

    def session(
        self, session: nox.Session, platform: str, environment: str = "", **forced: object
    ) -> None:
        """Gather everything one cell needs, and have pip confirm it.

        :param forced: what nox passes on where a Python was forced on it
        """
        cell = Cell(Target(str(session.python), platform), environment)
        check_options(session, HostVirtualEnv, forced)
        self.names.check(session)
        upgrade = arguments.upgrade(session)
        if self._reported:
            session.error("every warmup ends with report: name it without, or after it")
        try:
            session.notify(self.names.report, posargs=())
        except ValueError:
            session.error("warmup ends with the report of all its targets: run it without -j")
        self._end_with_report(session)
        self.failures[cell.id] = None
        try:
            run = self._open(session, cell, upgrade)
        except WarmupError as error:  # of no cell: what earlier runs have covered stays so
            fail(session, f"{cell.id} was not warmed up{self._once(cell, error)}")
        try:
            with publishing.folded(cell.id):
                left = run.warm(cell, python=python_of(session))
        except WarmupError as error:
            self.failures[cell.id] = str(error.args[0])
            fail(session, f"{cell.id} is missing{self._once(cell, error)}")
        except KeyboardInterrupt:
            self.close()  # now: Python waits for the transfers before it looks at atexit
            raise

        if left is not None:
            fail(session, f"{cell.id} is to build{self._once(cell, left)}")

    def _once(self, cell: Cell, error: WarmupError) -> str:
        """Return what to say of an error: each problem in full once, and then where it stands."""
        keys = {part: _key(part) for part in error.parts}
        new = [part for part, key in keys.items() if key not in self._said]
        if new:
            self._alike.setdefault(frozenset(keys.values()), cell.id)
        known = [self._said[key] for key in keys.values() if key in self._said]
        self._said |= {keys[part]: cell.id for part in new}
        if not known:
            return f": {error}"
        if not new:
            one = len(error.parts) == 1
            if alike := self._alike.get(frozenset(keys.values())):
                return f" for the same {'reason' if one else 'reasons'} as {alike}"
            which = "a reason that was" if one else f"{len(error.parts)} reasons that were"
            return f" for {which} said of {', '.join(dict.fromkeys(known))}"
        others = f"and {len(known)} said of {', '.join(dict.fromkeys(known))}"
        return "\n  ".join([f", {len(error.parts)} problems:", *new, others])

    def report(self, session: nox.Session) -> None:
        """Ask devpi for every file, print the coverage table; fail where a cell is not good."""
        self._reported = True  # nox runs it no second time
        asked = arguments.report(session, {cell.id for cell in self.config.cells})
        if not self.failures:
            begin(self.config, self._command)
        try:
            if self._run is not None:
                self._run.sweep()
        except WarmupError as error:
            whose = (
                "" if isinstance(error, WheelhouseError) else "devpi does not say what it holds: "
            )
            said = f"{whose}{error}"
            publish_failure(self.config, self._command, said)
            fail(session, said)
        finally:
            self.close()
        broken = str(self._broken) if self._broken is not None else ""
        ending = Ending(self._command, self.failures, self._changes, broken, asked)
        conclude(session, self.config, self._wheelhouse, ending)

    @property
    def _command(self) -> str:
        return "warmup" if self.failures else "report"

    def close(self) -> None:
        """End the run: stop transfers and the private server, free the wheelhouse."""
        run, self._run = self._run, None
        if run is not None:
            self._changes = run.changes
            run.close()

    def _open(self, session: nox.Session, first: Cell, upgrade: Upgrade) -> Run:
        if self._broken is not None:
            raise self._broken
        if self._run is None:
            console.quiet_libraries()
            have_threads_share()
            begin(self.config, "warmup")
            try:
                with ThreadPoolExecutor(1) as beside:
                    settings = beside.submit(pip_config.read, process.run, python_of(session))
                    # Here and not above: report runs inside the gap, where nothing else is.
                    from devpi_warmup.run import Run  # noqa: PLC0415

                    self._run = Run(
                        self.config,
                        settings=settings.result,
                        wheelhouse=self._wheelhouse,
                        upgrade=upgrade,
                    )
                if not session._runner.global_config.stop_on_first_error:  # noqa: SLF001
                    ahead = (first, *self._selected(session))
                    self._run.ahead(ahead, python=python_of(session))
            except ImportError as error:
                self._broken = missing_library(error)
                raise self._broken from None
            except WarmupError as error:
                self._broken = error  # for every cell
                raise
            # After Ctrl-C there is no report session. Before Python waits for threads: one of them
            # may wait for an index that is silent. It has that for its own pools, without a name.
            getattr(threading, "_register_atexit", atexit.register)(self.close)
        return self._run

    @cached_property
    def _wheelhouse(self) -> Wheelhouse:
        return Wheelhouse.of(self.config)

    def _end_with_report(self, session: nox.Session) -> None:
        """Have the report come right after the last warmup: others need what it ends and proves.

        nox puts it behind all of them, and has no other way to say where it belongs.
        """
        queue: list[nox.sessions.SessionRunner]
        queue = session._runner.manifest._queue  # noqa: SLF001
        own = session.name.partition("(")[0]
        report = next((runner for runner in queue if runner.name == self.names.report), None)
        if report is not None:
            queue.remove(report)
            places = (n for n, runner in enumerate(queue, start=1) if runner.name == own)
            queue.insert(max(places, default=0), report)

    def _selected(self, session: nox.Session) -> list[Cell]:
        """Return the cells whose sessions are still to come in this run, in their order.

        nox shows no other way to know.
        """
        own, cells = session.name.partition("(")[0], {c.id: c for c in self.config.cells}
        runners = session._runner.manifest.list_all_sessions()  # noqa: SLF001
        ids = (r.friendly_name.partition("(")[2][:-1] for r, on in runners if on and r.name == own)
        return [cells[id_] for id_ in ids if id_ in cells]


def _key(part: str) -> str:
    """Return what makes a problem the same as another: details differ from target to target."""
    first = part.partition("\n")[0]
    return part if first.endswith(":") else first
