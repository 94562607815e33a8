"""One warmup run: resolve, gather, lock, referee, enter into the manifest; cell by cell."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from devpi_warmup import console, process
from devpi_warmup.build.builder import Builder
from devpi_warmup.build.former import Former
from devpi_warmup.build.host import Interpreters
from devpi_warmup.errors import WarmupError, together
from devpi_warmup.index.fetcher import Fetcher
from devpi_warmup.index.opening import open_index
from devpi_warmup.index.sweep import Sweep
from devpi_warmup.inputs import sources
from devpi_warmup.preparing import Preparing
from devpi_warmup.private_server.server import FOLDER, PrivateServer
from devpi_warmup.prove.judge import unpacker
from devpi_warmup.prove.pip import Pip
from devpi_warmup.resolve import kept
from devpi_warmup.resolve.kept import Upgrade
from devpi_warmup.resolve.lock_files import write_lock
from devpi_warmup.standing import Standing
from devpi_warmup.wheelhouse.files import Wheelhouse
from devpi_warmup.wheelhouse.journal import ManifestJournal
from devpi_warmup.wheelhouse.kit import page_of_server
from devpi_warmup.wheelhouse.warmth import PRIVATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from devpi_warmup.index.pages import IndexFile
    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.inputs.config import Config
    from devpi_warmup.inputs.pip_config import PipConfig
    from devpi_warmup.inputs.urls import IndexUrl
    from devpi_warmup.wheelhouse.changes import Change
    from devpi_warmup.wheelhouse.lock import Lock


_BEFORE = ", as it did before the same bytes"


class Run:
    """What all cells of a run share: the index, the wheelhouse, what was gathered so far."""

    def __init__(
        self,
        config: Config,
        *,
        settings: Callable[[], PipConfig],
        wheelhouse: Wheelhouse | None = None,
        upgrade: Upgrade | None = None,
    ) -> None:
        """Open everything a run needs.

        :param settings: gives those of pip, which say how to connect
        :param wheelhouse: of that configuration, if somebody else looks at it, too
        :param upgrade: which pins of the last locks are not to stay
        :raises WarmupError: the index, the server or the wheelhouse is no good
        """
        read = {e.name: sources.read(e.sources) for e in config.environments}
        self._requirements = {name: found for name, (found, _) in read.items()}
        self._wrong = {name: wrong for name, (_, wrong) in read.items() if wrong}
        self._wheelhouse = wheelhouse or Wheelhouse.of(config)
        self._root = config.root
        self._environments = config.environments
        self._server: PrivateServer | None = None
        self._stack = ExitStack()
        self._held: set[IndexFile] = set()  # the files of every cell that is covered
        self.changes: dict[str, tuple[Change, ...]] = {}  # since the last lock, by cell id
        self._builds: Builder | None = None
        try:
            self._open(config, settings(), upgrade or Upgrade())
        except BaseException as error:
            self._stack.close()
            wrong = dict.fromkeys(p for problems in self._wrong.values() for p in problems)
            if wrong and isinstance(error, WarmupError):
                raise together([*(problem.error for problem in wrong), error]) from None
            raise

    def _open(self, config: Config, pip: PipConfig, upgrade: Upgrade) -> None:
        """Take hold of the wheelhouse, and open the index; what was opened is on the stack."""
        if pip.ignored:
            console.say(f"ignored settings of pip: {', '.join(pip.ignored)}")
        self._stack.enter_context(self._wheelhouse.held())
        kept.check(upgrade, self._wheelhouse, config.cells)
        url = config.index or self._private_index(config, pip)
        shown = config.index.url if config.index else f"{PRIVATE} ({FOLDER}/)"
        roots = [r for found in self._requirements.values() for r in found.requirements]
        opened = open_index(url, pip, (root.name for root in roots if root.url is None))
        self._fetcher = Fetcher(opened.index, self._wheelhouse)
        self._sweep = Sweep(self._fetcher, opened.devpi)
        digests = {name: found.digest for name, found in self._requirements.items()}
        self._journal = ManifestJournal(
            self._wheelhouse, digests, shown, opened.index.bases.shown, unpacker()
        )
        self._preparing = Preparing(
            self._fetcher,
            self._requirements,
            self._wrong,
            self._journal.manifest,
            self._builder,
            upgrade=upgrade,
        )
        # Nothing more is begun, transfers end, and only then what is under way does.
        self._stack.callback(self._preparing.join)
        self._stack.callback(self._fetcher.close)
        self._stack.callback(self._preparing.cancel)
        if opened.devpi is None:
            console.say(f"{shown} does not answer as a devpi-server: what it holds cannot be shown")
        elif config.index is not None:
            console.say(f"index: {shown}")
        unread = opened.index.bases.unshown
        self._unshown = f"the bases of the index cannot be read ({unread})" if unread else ""
        if self._unshown:
            console.say(f"{self._unshown}: it cannot be shown that each of them answers")

    def close(self) -> None:
        """Stop every transfer and the private server; free the wheelhouse."""
        self._stack.close()

    def ahead(self, cells: Iterable[Cell], *, python: str) -> None:
        """Begin to prepare cells whose sessions will come, in their order.

        :param python: an interpreter whose pip judges them
        """
        self._preparing.start(cells, Pip(python, process.run))

    def warm(self, cell: Cell, *, python: str) -> WarmupError | None:
        """Gather one cell and have the pip of ``python`` confirm it.

        :returns: what of it has to be built inside, where the user has not named that
        :raises WarmupError: the cell is missing, and why; the manifest says so too
        """
        touched = False
        try:
            prepared = self._preparing.of(cell, Pip(python, process.run))
            touched = True
            if isinstance(prepared, Standing):
                self._stand(cell, prepared)
                return None
            lock = prepared.lock
            self._publish(lock)
            write_lock(lock, self._wheelhouse, prepared.texts)
        except WarmupError as error:
            if self._server is not None and self._server.complaint:
                error.args = (f"{error.args[0]} (devpi's log: {self._server.complaint})",)
            self._journal.missing(cell, error.args[0], touched=touched)
            raise
        self._journal.covered(
            lock,
            self._sweep.before,
            prepared.judged,
            pip_version=prepared.pip_version,
            verdict=prepared.verdict,
            unshown=self._unshown,
        )
        self._held |= {pin.file for pin in lock.pins} | {*lock.sources}
        self.changes[cell.id] = prepared.changes
        self._tell_notes(cell)
        accepts = f"pip {prepared.pip_version} accepts the lock offline"
        accepts += _BEFORE if prepared.before else ""
        if not lock.to_build:
            console.say(f"{cell.id}: covered, {accepts}")
            return None
        console.say(f"{cell.id}: to build, {accepts}, and what the builds require")
        return self._left(lock)

    def _stand(self, cell: Cell, stands: Standing) -> None:
        """Take a cell as the last run has left it.

        :raises FileError: this run has put another file under a name of it
        """
        for file in stands.files:
            self._fetcher.naming.claim(file)
        self._journal.stands(cell, stands.files, self._sweep.before, unshown=self._unshown)
        self._held |= {*stands.files}
        self.changes[cell.id] = ()
        self._tell_notes(cell)
        console.say(
            f"{cell.id}: covered, pip {stands.pip_version} accepts the lock offline{_BEFORE}"
        )

    def _tell_notes(self, cell: Cell) -> None:
        for note in self._journal.notes(cell):
            console.say(f"{cell.id}: note: {note}")

    def _left(self, lock: Lock) -> WarmupError | None:
        """Say what of a cell has to be built inside; return that which the user has not named."""
        (carry,) = (e.carry for e in self._environments if e.name == lock.cell.environment)
        left = []
        for one in lock.to_build:
            said = f"{one.project} {one.version} is to be built inside: {one.record.why}"
            if carry.admits(one.project, one.version, lock.target):
                console.say(f"{lock.cell.id}: {said}")
                continue
            marker = f"; sys_platform == '{lock.target.markers['sys_platform']}'"
            left.append(
                WarmupError(
                    said,
                    hint=f'carry = ["{one.project}"] in [tool.devpi-warmup] has that stand, for '
                    f'some targets alone with a marker (like "{one.project}{marker}"): sdist and '
                    "what its build requires are carried; else require a version that has a wheel, "
                    "or bring one: wheels = […]",
                )
            )
        return together(left) if left else None

    def sweep(self) -> None:
        """Ask devpi for every file of every covered cell; note the answers.

        :raises WarmupError: devpi does not answer
        """
        if self._builds is not None and self._builds.ran:
            self._wheelhouse.digests.forget()  # foreign code has run: look at every byte again
        files = {file for file in self._held if file.indexed}
        self._journal.keep()  # devpi may not answer
        with console.never_silent(f"devpi is asked for {len(files)} files"):
            self._journal.proven(self._sweep(files))

    def _private_index(self, config: Config, settings: PipConfig) -> IndexUrl:
        kit = partial(page_of_server, config)
        self._server = server = PrivateServer(config.root / FOLDER, settings=settings, kit=kit)
        url = server.start()
        self._stack.callback(server.stop)
        console.say(
            "no index is configured, so a private devpi-server keeps every file in "
            f"{FOLDER}/data, which can be carried"
        )
        return url

    def _publish(self, lock: Lock) -> None:
        """Give every file of a lock its final name.

        :raises FileError: this run has put another file under one of them
        """
        wanted = [*(pin.file for pin in lock.pins), *lock.sources]
        for file in wanted:
            self._fetcher.naming.claim(file)  # before anything of another cell is struck out
        self._journal.begin(lock)
        for file in wanted:
            self._fetcher.naming.published(file)

    def _builder(self, pip: Pip) -> Builder:
        if self._builds is None:
            folder = TemporaryDirectory(prefix="devpi-warmup-", ignore_cleanup_errors=True)
            interpreters = Interpreters(pip, Path(self._stack.enter_context(folder)))
            former = Former(self._fetcher, self._journal.manifest)
            self._builds = Builder(self._fetcher, interpreters, former, self._root)
        return self._builds
