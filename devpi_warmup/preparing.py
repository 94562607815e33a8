"""What is done for a cell before its session: it is resolved, fetched, and judged by pip.

One thread resolves cell after cell, but those that stand as the last run left them. Those that are
resolved are judged, several at once, and wheels are unpacked as soon as they are here.
Nothing of it is under a final name yet: that is for the session, in its turn.
"""

from __future__ import annotations

import errno
import os
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from devpi_warmup import console, process
from devpi_warmup.errors import FileError, WarmupError, no_thread, together
from devpi_warmup.index.pages import parse_wheel
from devpi_warmup.index.single_flight import SingleFlight
from devpi_warmup.looking import Looking
from devpi_warmup.prove.forks import Forks
from devpi_warmup.prove.referee import referee
from devpi_warmup.prove.unpacking import Unpacking
from devpi_warmup.resolve.kept import kept, last_lock
from devpi_warmup.resolve.lock_files import texts_of
from devpi_warmup.resolve.resolver import choose, survey
from devpi_warmup.standing import Given, Standing, judged_before
from devpi_warmup.wheelhouse.changes import changes
from devpi_warmup.wheelhouse.members import checked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from devpi_warmup.errors import Problem
    from devpi_warmup.index.fetcher import Fetcher
    from devpi_warmup.index.pages import IndexFile
    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.inputs.requirements import RequirementSet
    from devpi_warmup.prove.pip import Pip
    from devpi_warmup.resolve.builds import Builds
    from devpi_warmup.resolve.kept import Upgrade
    from devpi_warmup.wheelhouse.changes import Change
    from devpi_warmup.wheelhouse.files import StoredFile
    from devpi_warmup.wheelhouse.lock import Lock, LockedPin, Pin
    from devpi_warmup.wheelhouse.manifest import Manifest

_NO_ROOM = WarmupError(
    "there is no room left for temporary files",
    hint="make room where TMPDIR points, or name another folder in it",
)
_JUDGES = 4  # at once, where there are as many processors


@dataclass(frozen=True)
class Prepared:
    """A cell that pip accepts.

    :param lock: with what there is to note of its files together
    :param texts: of the lock, in each form
    :param pip_version: of the pip that was asked
    :param verdict: a digest of everything that was before it
    :param judged: what it warned of when it unpacked each wheel, by filename
    :param before: whether a former run has asked it, with the same bytes
    :param changes: what differs from the last lock, where there was one
    """

    lock: Lock
    texts: Sequence[str]
    pip_version: str
    verdict: str
    judged: Mapping[str, tuple[str, ...]]
    before: bool
    changes: tuple[Change, ...] = ()


Ready: TypeAlias = "Prepared | Standing"


class Preparing:
    """Prepares the cells of a run, ahead of their sessions."""

    def __init__(
        self,
        fetcher: Fetcher,
        requirements: Mapping[str, RequirementSet],
        wrong: Mapping[str, Sequence[Problem]],
        before: Manifest,
        builds: Callable[[Pip], Builds],
        *,
        upgrade: Upgrade,
    ) -> None:
        """Share one fetcher.

        :param requirements: of each environment, by its name
        :param wrong: what is wrong with them
        :param before: what former runs have left; a verdict on the same bytes stands
        :param builds: gives what builds sdists, for a pip
        :param upgrade: which pins of the last locks are not to stay
        """
        self._upgrade = upgrade
        # One that cannot be read is named once.
        self._last: SingleFlight[Cell, tuple[LockedPin, ...]]
        self._last = SingleFlight(partial(last_lock, fetcher.wheelhouse))
        self._looking = Looking(fetcher, before, upgrade, self._last)
        self._fetcher = fetcher
        self._requirements = requirements
        self._wrong = wrong
        self._before = before
        self._builds = builds
        self._engine = ThreadPoolExecutor(1, thread_name_prefix="engine")
        judges = min(_JUDGES, os.cpu_count() or 1)
        self._judges = ThreadPoolExecutor(judges, thread_name_prefix="judges")
        self._gatherer = ThreadPoolExecutor(1, thread_name_prefix="gatherer")
        self._closer = ThreadPoolExecutor(1, thread_name_prefix="closer")
        self._pools = (self._engine, self._gatherer, self._judges, self._closer)
        self._cells: dict[Cell, Future[Ready]] = {}
        self._forks = Forks(process.run)
        self._unpacking = Unpacking(fetcher.wheelhouse, before.files, fetcher.naming.beside)
        self._pip: Pip | None = None
        fetcher.arrived = self._arrived

    def start(self, cells: Iterable[Cell], pip: Pip) -> None:
        """Begin with cells that are not begun yet, in this order.

        :param pip: judges them
        """
        self._pip = self._forked(pip)
        for cell in cells:
            if cell not in self._cells:
                self._cells[cell] = done = Future[Ready]()
                self._fetcher.progress.cells += 1
                self._begin(done, cell, pip)

    def _begin(self, done: Future[Ready], cell: Cell, pip: Pip) -> None:
        if cell.environment in self._wrong:
            self._submit(self._engine, done, partial(self._choose, done, cell, pip))
        elif self._looking.may_stand(cell, self._requirements[cell.environment]):
            self._submit(self._looking.looker, done, partial(self._look, done, cell, pip))
        else:
            self._judged_later(done, cell, pip)

    def _judged_later(self, done: Future[Ready], cell: Cell, pip: Pip) -> None:
        self._forks.begin(pip)
        self._submit(self._engine, done, partial(self._choose, done, cell, pip))

    def of(self, cell: Cell, pip: Pip) -> Ready:
        """Return a cell once it is prepared, or is known to stand as it is.

        :raises WarmupError: it cannot be had, or pip does not accept it
        """
        self.start([cell], pip)
        prepared = self._cells[cell]
        if not prepared.done():
            with self._fetcher.progress.shown():
                wait([prepared])
        return prepared.result()

    def cancel(self) -> None:
        """Begin nothing more."""
        self._looking.cancel()
        self._forks.cancel()
        self._unpacking.cancel()
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)

    def join(self) -> None:
        """Wait for what is under way."""
        self._looking.join()
        for pool in self._pools:
            pool.shutdown()
        self._unpacking.join()
        self._forks.close()

    def _arrived(self, file: IndexFile, stored: StoredFile) -> None:
        if self._pip is not None:
            self._unpacking.ahead(file, stored, self._pip)

    def _forked(self, pip: Pip) -> Pip:
        return replace(pip, runner=self._forks)

    def _submit(
        self, pool: ThreadPoolExecutor, done: Future[Ready], step: Callable[[], None]
    ) -> None:
        """Take a step in the thread of a pool; what it raises is what becomes of the cell."""

        def run() -> None:
            try:
                step()
            except BaseException as error:  # noqa: BLE001 - it is for the session to see
                self._fetcher.progress.settled()
                full = isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}
                done.set_exception(_NO_ROOM if full else error)

        try:
            pool.submit(run)
        except RuntimeError as error:  # cancelled, nobody who waits for it would wake up
            done.set_exception(no_thread(error))

    def _look(self, done: Future[Ready], cell: Cell, pip: Pip) -> None:
        """See whether a cell stands; resolve it where it does not."""
        stands = self._looking.stands(cell, self._requirements[cell.environment], pip)
        if stands is None:
            self._judged_later(done, cell, pip)
        else:
            self._fetcher.progress.settled()
            done.set_result(stands)

    def _choose(self, done: Future[Ready], cell: Cell, pip: Pip) -> None:
        with self._fetcher.progress.doing(f"resolving {cell.id}"):
            fetch = self._resolve(cell, pip)
        self._submit(self._gatherer, done, partial(self._gather, done, cell, pip, fetch))

    def _gather(self, done: Future[Ready], cell: Cell, pip: Pip, fetch: Callable[[], Lock]) -> None:
        try:
            lock, progress = fetch(), self._fetcher.progress
        except FileError as error:
            if self._last(cell) and not self._upgrade.everything:
                error.hint += (
                    "; where the index lists a file that is gone, nox -s warmup -- --upgrade "
                    "PROJECT takes another than the last lock has"
                )
            raise
        console.say(
            f"{cell.id}: {len(lock.pins)} pins, {progress.files} files downloaded so far "
            f"({console.megabytes(progress.size)})"
        )
        self._submit(self._judges, done, partial(self._have_judged, done, lock, pip))

    def _have_judged(self, done: Future[Ready], lock: Lock, pip: Pip) -> None:
        with self._fetcher.progress.doing(f"pip judges {lock.cell.id}"):
            prepared = self._judge(lock, pip)
        self._submit(self._closer, done, partial(self._close, done, prepared, pip))

    def _close(self, done: Future[Ready], prepared: Prepared, pip: Pip) -> None:
        if not prepared.before:
            lock, version = prepared.lock, prepared.pip_version
            with self._fetcher.progress.doing(f"pip unpacks the wheels of {lock.cell.id}"):
                judged = self._unpacking.of(lock, version, self._forked(pip))
            prepared = replace(prepared, judged=judged)
        self._fetcher.progress.settled()
        done.set_result(prepared)

    def _resolve(self, cell: Cell, pip: Pip) -> Callable[[], Lock]:
        fetcher, requirements = self._fetcher, self._requirements[cell.environment]
        if wrong := self._wrong.get(cell.environment):
            # The lines that can be used are asked for all the same: one run names every problem.
            found = survey(requirements, cell.target, fetcher)
            raise together([*(problem.error for problem in wrong), *found])
        stay = kept(self._last(cell), fetcher.wheelhouse, cell, self._upgrade)
        return choose(requirements, cell, fetcher, self._builds(pip), stay)

    def _judge(self, lock: Lock, pip: Pip) -> Prepared:
        """Hold the files of a lock against each other, and have pip resolve it.

        :raises FileError: they cannot be installed together
        :raises RefereeError: pip refuses the lock
        """
        wanted = [*(pin.file for pin in lock.pins), *lock.sources]
        files = {file.filename: self._fetcher.naming.beside(file) for file in wanted}
        notes = checked(dict(map(self._members, lock.wheels)), lock.target)
        texts = texts_of(lock, self._fetcher.wheelhouse.shown)
        requirements = self._requirements[lock.cell.environment]
        verdict = Given.of(lock, texts).verdict(lock.target, requirements.digest, pip)
        before = judged_before(self._before, lock, verdict)
        if before is not None:
            known, version = self._before.files, before.pip
            judged = {pin.file.filename: known[pin.file.filename].warnings for pin in lock.wheels}
        else:
            shown = self._fetcher.wheelhouse.shown
            judged, pip = {}, self._forked(pip)
            version = referee(lock, requirements, files, shown=shown, pip=pip).pip_version
        lock = replace(lock, notes=(*lock.notes, *notes))
        last = self._last(lock.cell)
        changed = tuple(changes(last, lock)) if last else ()
        return Prepared(lock, texts, version, verdict, judged, before is not None, changed)

    def _members(self, pin: Pin) -> tuple[str, tuple[str, ...]]:
        wheel, name = parse_wheel(pin.project, pin.file), pin.file.filename
        assert wheel is not None  # noqa: S101 - it is locked
        return name, self._fetcher.opened(wheel).members.known(name)
