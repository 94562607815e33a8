"""One warmup run: resolve, gather, lock, referee, enter into the manifest; target by target."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from packaging.utils import NormalizedName

from devpi_warmup import ambient, manifest, process, report, requirements
from devpi_warmup.devpi import detect
from devpi_warmup.errors import WarmupError
from devpi_warmup.gather import Gatherer
from devpi_warmup.index import Index
from devpi_warmup.manifest import Ledger
from devpi_warmup.referee import referee
from devpi_warmup.resolve import resolve
from devpi_warmup.server import PrivateServer
from devpi_warmup.transport import Transport
from devpi_warmup.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from devpi_warmup.ambient import Ambient
    from devpi_warmup.config import Config, IndexUrl
    from devpi_warmup.lock import Lock
    from devpi_warmup.targets import Target

PRIVATE_FOLDER = ".devpi"


class Run:
    """What all targets of a run share: the index, the wheelhouse, what was gathered so far."""

    def __init__(self, config: Config, *, python: str) -> None:
        """Open everything a run needs.

        :param python: an interpreter with pip, whose settings say how to connect
        :raises WarmupError: the requirements, the index, the server or the wheelhouse is no good
        """
        self._requirements = requirements.load(
            config.requirements, config.constraints, root=config.root
        )
        self._wheelhouse = Wheelhouse(config.wheelhouse)
        self._server: PrivateServer | None = None
        self._stack = ExitStack()
        try:
            settings = ambient.read(process.run, python)
            if settings.ignored:
                report.say(f"ignored settings of pip: {', '.join(settings.ignored)}")
            self._stack.enter_context(self._wheelhouse.held())
            url = config.index or self._private_index(config, settings)
            transport = Transport(url, ambient=settings, say=report.say)
            index = Index(transport)
            wanted = [root.name for root in self._requirements.requirements if root.url is None]
            headers = index.check(wanted[0] if wanted else NormalizedName("pip"))
            devpi = detect(transport, headers)
            if devpi is not None and not devpi.login():
                source = transport.login.current.source if transport.login.current else ""
                report.say(
                    f"devpi does not take the password of {source}; the index was read without it"
                )
            self._gatherer = Gatherer(index, self._wheelhouse, devpi)
            self._stack.callback(self._gatherer.close)
        except BaseException:
            self._stack.close()
            raise
        shown = config.index.url if config.index else f"private devpi-server ({PRIVATE_FOLDER}/)"
        if devpi is None:
            report.say(f"{shown} is no devpi, or hides that it is: warm cannot be shown here")
        elif config.index is not None:
            report.say(f"index: {shown}")
        self._locks: list[Lock] = []
        self._ledger = Ledger(self._wheelhouse, self._requirements, shown)

    def close(self) -> None:
        """Stop every transfer and the private server; free the wheelhouse."""
        self._stack.close()

    def warm(self, target: Target, *, python: str) -> None:
        """Gather one target and have the pip of ``python`` confirm it.

        :raises WarmupError: the target is missing, and why; the manifest says so too
        """
        lock = None
        try:
            lock = self._resolve(target)
            self._gather(lock)
            verdict = referee(
                lock,
                self._requirements,
                self._wheelhouse,
                python=python,
                runner=process.run,
            )
        except WarmupError as error:
            if self._server is not None and self._server.complaint:
                error.args = (f"{error.args[0]} (devpi's log: {self._server.complaint})",)
            self._ledger.missing(target, error.args[0], touched=lock is not None)
            raise
        for note in lock.notes:
            report.say(f"{target.id}: {note}")
        self._ledger.covered(lock, self._gatherer.proofs, pip_version=verdict.pip_version)
        self._locks.append(lock)
        report.say(f"{target.id}: covered, pip {verdict.pip_version} accepts the lock offline")

    def sweep(self) -> None:
        """Ask devpi a last time for every file of every covered target; note the answers.

        :raises WarmupError: devpi does not answer
        """
        files = {pin.file for lock in self._locks for pin in lock.pins if not pin.direct}
        self._ledger.proven(self._gatherer.sweep(files))

    def _private_index(self, config: Config, settings: Ambient) -> IndexUrl:
        self._server = server = PrivateServer(
            config.root / PRIVATE_FOLDER, ambient=settings, say=report.say
        )
        url = server.start()
        self._stack.callback(server.stop)
        report.say(
            "no index is configured, so a private devpi-server keeps every file in "
            f"{PRIVATE_FOLDER}/data, which can be carried"
        )
        return url

    def _resolve(self, target: Target) -> Lock:
        gatherer = self._gatherer
        files, size = gatherer.downloaded_files, gatherer.downloaded_bytes
        with report.progress(target) as gatherer.progress:
            lock = resolve(self._requirements, target, gatherer)
        files, size = gatherer.downloaded_files - files, gatherer.downloaded_bytes - size
        more = ", some only to be read" if files > len(lock.pins) else ""
        report.say(
            f"{target.id}: {len(lock.pins)} pins, {files} files downloaded "
            f"({report.megabytes(size)}{more})"
        )
        return lock

    def _gather(self, lock: Lock) -> None:
        gatherer = self._gatherer
        self._ledger.begin(lock)
        for pin in lock.pins:
            gatherer.published(pin.file)
        # What a manifest names has been checked when it was entered, with this very hash.
        known = manifest.read(self._wheelhouse).get("files", {})
        gatherer.check(
            pin.file
            for pin in lock.pins
            if known.get(pin.file.filename, {}).get("sha256") != pin.sha256
        )
        lock.write(self._wheelhouse)
