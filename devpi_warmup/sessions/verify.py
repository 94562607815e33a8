"""The verify sessions."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from devpi_warmup import process
from devpi_warmup.errors import WarmupError
from devpi_warmup.foreign import plain
from devpi_warmup.inputs import sources
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.targets import Target
from devpi_warmup.prove import install, rebuild
from devpi_warmup.prove.pip import Pip
from devpi_warmup.report import publishing
from devpi_warmup.report.junit import junit
from devpi_warmup.report.result import Result
from devpi_warmup.report.table import Row
from devpi_warmup.sessions import arguments
from devpi_warmup.sessions.arguments import FROM_SOURCE
from devpi_warmup.sessions.common import check_options, fail, python_of
from devpi_warmup.sessions.matrix import why_not_here
from devpi_warmup.sessions.venvs import FreshVirtualEnv, NotHere
from devpi_warmup.wheelhouse.coverage import Coverage
from devpi_warmup.wheelhouse.files import Wheelhouse
from devpi_warmup.wheelhouse.manifest import MISSING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import nox

    from devpi_warmup.inputs.config import Config


INSTALLED = "installed"


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
        check_options(session, FreshVirtualEnv, forced)
        from_source = bool(arguments.one_of(session, (FROM_SOURCE,)))
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
            pip = Pip(python_of(session), process.run)
            if from_source:
                _tell_rebuilt(cell, rebuild.rebuild(entry, self._coverage, pip=pip))
            done = install.install(cell, entry, self._coverage, pip=pip)
        except WarmupError as error:
            self._report(Row(cell.id, MISSING, whole=str(error.args[0])))
            fail(session, f"{cell.id} is missing: {error}")
        failed = tuple(f"import {name} fails: {reason}" for name, reason in done.failed_imports)
        self._report(Row(cell.id, INSTALLED, done.python, done.distributions, notes=failed))
        for module, reason in done.failed_imports:
            session.warn(plain(f"{cell.id}: import {module} fails: {reason}"))
        print(_told(cell, done), flush=True)  # noqa: T201 - the result of the session

    def _report(self, row: Row) -> None:
        """Write the report of a cell where a CI system reads it; inside the gap none does."""
        if not publishing.in_pipeline():
            return
        bad = "" if row.good else f"missing: {row.cell}"
        result = Result("verify", (row,), bad, self.config.counted, self._coverage.manifest)
        files = {f"junit.verify-{row.cell}.xml": junit}
        publishing.publish(result, self.config.reports, self.config.root, files)


def _tell_rebuilt(cell: Cell, again: Sequence[rebuild.Rebuilt]) -> None:
    for one in again:
        same = "the same byte for byte" if one.same else "with the same files, other bytes"
        print(  # noqa: T201 - a result of the session
            f"{cell.id}: {one.wheel} built again from its sdist, by Python {one.python}: {same}",
            flush=True,
        )
    if not again:
        print(f"{cell.id}: nothing of it was built at its warmup", flush=True)  # noqa: T201


def _told(cell: Cell, done: install.Installed) -> str:
    imported = done.modules - len(done.failed_imports)
    built = f" ({', '.join(done.built)} built from source)" if done.built else ""
    return (
        f"{cell.id} installed: {done.distributions} distributions{built}, pip check passes, "
        f"{imported} of {done.modules} modules imported, on Python {done.python}; "
        f"network kept away by {done.isolation}"
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
