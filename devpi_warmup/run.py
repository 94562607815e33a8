"""One warmup run: resolve, gather, lock, referee, enter into the manifest; cell by cell."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from devpi_warmup import console, process
from devpi_warmup.build.builder import Builder
from devpi_warmup.build.former import Former
from devpi_warmup.build.host import Interpreters
from devpi_warmup.errors import FileError, WarmupError, indented, together
from devpi_warmup.index.fetcher import Fetcher
from devpi_warmup.index.opening import open_index
from devpi_warmup.index.progress import progress
from devpi_warmup.inputs import pip_config, sources
from devpi_warmup.private_server.server import FOLDER, PrivateServer
from devpi_warmup.prove.judge import judge
from devpi_warmup.prove.pip import Pip
from devpi_warmup.prove.referee import Verdict, referee
from devpi_warmup.resolve.lock_files import write_lock
from devpi_warmup.resolve.resolver import resolve, survey
from devpi_warmup.wheelhouse.files import Wheelhouse
from devpi_warmup.wheelhouse.journal import ManifestJournal
from devpi_warmup.wheelhouse.members import problems
from devpi_warmup.wheelhouse.origins import Origin

if TYPE_CHECKING:
    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.inputs.config import Config
    from devpi_warmup.inputs.pip_config import PipConfig
    from devpi_warmup.inputs.urls import IndexUrl
    from devpi_warmup.wheelhouse.lock import Lock, Pin

_SHOWN = 5  # problems of one kind


class Run:
    """What all cells of a run share: the index, the wheelhouse, what was gathered so far."""

    def __init__(self, config: Config, *, python: str) -> None:
        """Open everything a run needs.

        :param python: an interpreter with pip, whose settings say how to connect
        :raises WarmupError: the index, the server or the wheelhouse is no good
        """
        read = {e.name: sources.read(e.sources) for e in config.environments}
        self._requirements = {name: found for name, (found, _) in read.items()}
        self._wrong = {name: wrong for name, (_, wrong) in read.items() if wrong}
        self._wheelhouse = Wheelhouse.of(config)
        self._root = config.root
        self._environments = config.environments
        self._server: PrivateServer | None = None
        self._stack = ExitStack()
        try:
            settings = pip_config.read(process.run, python)
            if settings.ignored:
                console.say(f"ignored settings of pip: {', '.join(settings.ignored)}")
            self._stack.enter_context(self._wheelhouse.held())
            url = config.index or self._private_index(config, settings)
            roots = [r for found in self._requirements.values() for r in found.requirements]
            projects = (root.name for root in roots if root.url is None)
            opened = open_index(url, settings, projects)
            self._fetcher = Fetcher(opened.index, self._wheelhouse, opened.devpi)
            self._stack.callback(self._fetcher.close)
        except BaseException as error:
            self._stack.close()
            wrong = dict.fromkeys(p for problems in self._wrong.values() for p in problems)
            if wrong and isinstance(error, WarmupError):
                raise together([*(problem.error for problem in wrong), error]) from None
            raise
        shown = config.index.url if config.index else f"private devpi-server ({FOLDER}/)"
        if opened.devpi is None:
            console.say(f"{shown} does not answer as a devpi-server: what it holds cannot be shown")
        elif config.index is not None:
            console.say(f"index: {shown}")
        unread = opened.index.bases.unshown
        self._unshown = f"the bases of the index cannot be read ({unread})" if unread else ""
        if self._unshown:
            console.say(f"{self._unshown}: it cannot be shown that each of them answers")
        self._locks: list[Lock] = []
        self._builds: Builder | None = None
        self._pip = ""  # the version that the referee had last
        digests = {name: found.digest for name, found in self._requirements.items()}
        self._journal = ManifestJournal(self._wheelhouse, digests, shown)

    def close(self) -> None:
        """Stop every transfer and the private server; free the wheelhouse."""
        self._stack.close()

    def warm(self, cell: Cell, *, python: str) -> WarmupError | None:
        """Gather one cell and have the pip of ``python`` confirm it.

        :returns: what of it has to be built inside, where the user has not named that
        :raises WarmupError: the cell is missing, and why; the manifest says so too
        """
        lock = None
        try:
            pip = Pip(python, process.run)
            lock = self._resolve(cell, pip)
            notes = self._gather(lock)
            write_lock(lock, self._wheelhouse)
            verdict, judged = self._prove(lock, pip)
        except WarmupError as error:
            if self._server is not None and self._server.complaint:
                error.args = (f"{error.args[0]} (devpi's log: {self._server.complaint})",)
            self._journal.missing(cell, error.args[0], touched=lock is not None)
            raise
        lock = replace(lock, notes=(*lock.notes, *notes))
        self._journal.covered(
            lock,
            self._fetcher.proofs,
            judged,
            pip_version=verdict.pip_version,
            unshown=self._unshown,
        )
        self._locks.append(lock)
        for note in self._journal.notes(cell):
            console.say(f"{cell.id}: note: {note}")
        accepts = f"pip {verdict.pip_version} accepts the lock offline"
        if not lock.to_build:
            console.say(f"{cell.id}: covered, {accepts}")
            return None
        console.say(f"{cell.id}: to build, {accepts}, and what the builds require")
        return self._left(lock)

    def _left(self, lock: Lock) -> WarmupError | None:
        """Say what of a cell has to be built inside; return that which the user has not named."""
        (carry,) = (e.carry for e in self._environments if e.name == lock.cell.environment)
        left = []
        for one in lock.to_build:
            said = f"{one.project} {one.version} is to be built inside: {one.record.why}"
            if carry.admits(one.project, one.version, lock.target):
                console.say(f"{lock.cell.id}: {said}")
                continue
            marker = f"sys_platform == '{lock.target.markers['sys_platform']}'"
            left.append(
                WarmupError(
                    said,
                    hint=f'carry = ["{one.project}; {marker}"] in [tool.devpi-warmup] has that '
                    "stand: sdist and what its build requires are carried; else require a version "
                    "that has a wheel, or bring one: wheels = […]",
                )
            )
        return together(left) if left else None

    def sweep(self) -> None:
        """Ask devpi a last time for every file of every covered cell; note the answers.

        :raises WarmupError: devpi does not answer
        """
        files = {pin.file for lock in self._locks for pin in lock.pins if pin.file.indexed}
        files |= {file for lock in self._locks for file in lock.sources if file.indexed}
        self._journal.proven(self._fetcher.sweep(files))

    def _private_index(self, config: Config, settings: PipConfig) -> IndexUrl:
        self._server = server = PrivateServer(config.root / FOLDER, settings=settings)
        url = server.start()
        self._stack.callback(server.stop)
        console.say(
            "no index is configured, so a private devpi-server keeps every file in "
            f"{FOLDER}/data, which can be carried"
        )
        return url

    def _builder(self, pip: Pip) -> Builder:
        if self._builds is None:
            folder = TemporaryDirectory(prefix="devpi-warmup-", ignore_cleanup_errors=True)
            interpreters = Interpreters(pip, Path(self._stack.enter_context(folder)))
            former = Former(self._fetcher, self._journal.manifest)
            self._builds = Builder(self._fetcher, interpreters, former, self._root)
        return self._builds

    def _resolve(self, cell: Cell, pip: Pip) -> Lock:
        fetcher, requirements = self._fetcher, self._requirements[cell.environment]
        if wrong := self._wrong.get(cell.environment):
            # The lines that can be used are asked for all the same: one run names every problem.
            found = survey(requirements, cell.target, fetcher)
            raise together([*(problem.error for problem in wrong), *found])
        files, size = fetcher.downloaded_files, fetcher.downloaded_bytes
        with progress(cell) as fetcher.progress:
            lock = resolve(requirements, cell, fetcher, self._builder(pip))
        files, size = fetcher.downloaded_files - files, fetcher.downloaded_bytes - size
        more = ", some only to be read" if files > len(lock.pins) else ""
        console.say(
            f"{cell.id}: {len(lock.pins)} pins, {files} files downloaded "
            f"({console.megabytes(size)}{more})"
        )
        return lock

    def _gather(self, lock: Lock) -> tuple[str, ...]:
        """Give every file its final name; return what there is to note of them together.

        :raises FileError: what is in them cannot be installed together
        """
        wanted = [*(pin.file for pin in lock.pins), *lock.sources]
        for file in wanted:
            self._fetcher.claim(file)  # before anything of another cell is struck out
        self._journal.begin(lock)
        for file in wanted:
            self._fetcher.published(file)
        members = {pin.file.filename: self._fetcher.members(pin.file) for pin in lock.wheels}
        found = problems(members, lock.target)
        if found.errors:
            raise FileError(
                f"its wheels cannot be installed together:\n{indented(found.errors[:_SHOWN])}",
                hint="require another version of one of them, such as project!=version in the "
                "requirements or the constraints",
            )
        return found.notes

    def _prove(self, lock: Lock, pip: Pip) -> tuple[Verdict, dict[str, tuple[str, ...]]]:
        """Have pip resolve the lock, and unpack its wheels meanwhile; return what it says.

        :raises RefereeError, FileError: it refuses
        """
        with ThreadPoolExecutor(1) as pool:
            # Of the same pip as before, very probably.
            early = pool.submit(self._judge, lock, self._pip, pip) if self._pip else None
            wanted = self._requirements[lock.cell.environment]
            verdict = referee(lock, wanted, self._wheelhouse, pip=pip)
            if early is not None and verdict.pip_version == self._pip:
                return verdict, early.result()
        self._pip = verdict.pip_version
        return verdict, self._judge(lock, self._pip, pip)

    def _judge(self, lock: Lock, pip_version: str, pip: Pip) -> dict[str, tuple[str, ...]]:
        """Have pip unpack each wheel that it has not unpacked yet; return what it warned of.

        :raises FileError: pip cannot install one of them
        """
        known = self._journal.manifest.files
        judged: dict[str, tuple[str, ...]] = {}
        todo: list[Pin] = []
        for pin in lock.wheels:
            before = known.get(pin.file.filename)
            if before and (before.sha256, before.pip) == (pin.sha256, pip_version):
                judged[pin.file.filename] = before.warnings
            else:
                todo.append(pin)
        if todo:
            console.say(f"{lock.cell.id}: pip unpacks {len(todo)} new wheels")
            said = judge(todo, self._wheelhouse, pip=pip)
            for pin in todo:
                if problem := said[pin.file.filename].problem:
                    raise FileError(
                        f"pip cannot install {pin.file.filename}: {problem}",
                        hint="name another file"
                        if pin.file.origin is Origin.DIRECT
                        else f"require another version, such as {pin.project}!={pin.version} in "
                        "the requirements or the constraints",
                    )
                judged[pin.file.filename] = said[pin.file.filename].warnings
        return judged
