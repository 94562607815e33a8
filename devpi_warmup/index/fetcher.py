"""What all targets of a run share: pages, files and wheel metadata, each gathered once."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache, partial
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

from devpi_warmup.digests import digest
from devpi_warmup.errors import FileError, WarmupError
from devpi_warmup.index.naming import Naming
from devpi_warmup.index.progress import Progress
from devpi_warmup.index.single_flight import SingleFlight
from devpi_warmup.index.transport import FILE_CONNECTIONS, SMALL_CONNECTIONS, TooLargeError
from devpi_warmup.wheelhouse.files import StoredFile, Wheelhouse, write_error
from devpi_warmup.wheelhouse.opened import Opened, open_wheel
from devpi_warmup.wheelhouse.wheels import DamagedWheelError, Metadata, parse_metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from packaging.utils import NormalizedName

    from devpi_warmup.index.pages import IndexFile, Page, Wheel
    from devpi_warmup.index.simple import Index

Value = TypeVar("Value")
_MOST_ON_A_GUESS = 20 << 20  # bytes of a file
_MANY = 16  # pages asked for at once after a failure


class Fetcher:
    """Pages, files and metadata of one index, for one wheelhouse."""

    def __init__(self, index: Index, wheelhouse: Wheelhouse) -> None:
        """Share one index and one wheelhouse."""
        self.index = index
        self.wheelhouse = wheelhouse
        self.page: SingleFlight[NormalizedName, Page] = SingleFlight(index.page)
        self.file: SingleFlight[IndexFile, StoredFile] = SingleFlight(self._fetch)
        self.metadata: SingleFlight[Wheel, Metadata] = SingleFlight(self._metadata)
        self.guessed: SingleFlight[Wheel, Metadata | None] = SingleFlight(self._guessed)
        self._small: dict[IndexFile, StoredFile] = {}  # that were fetched on a guess
        self.names = cache(index.names)
        self.naming = Naming(wheelhouse, self.file)
        self.progress = Progress()
        self.arrived: Callable[[IndexFile, StoredFile], None] = lambda file, stored: None  # noqa: ARG005
        self.opened: SingleFlight[Wheel, Opened] = SingleFlight(self._open)
        self._pages = ThreadPoolExecutor(SMALL_CONNECTIONS, thread_name_prefix="pages")
        self._files = ThreadPoolExecutor(FILE_CONNECTIONS, thread_name_prefix="files")

    def close(self) -> None:
        """Stop every transfer; what is not in the wheelhouse yet is gone."""
        self.index.transport.close()
        self._pages.shutdown(wait=True, cancel_futures=True)
        self._files.shutdown(wait=True, cancel_futures=True)

    def ahead(self, choose: Callable[[], Value | None], follow: Callable[[Value], None]) -> None:
        """Do in the background what will probably be wanted: read pages, then open wheels.

        Errors are not lost: they come again when the page or the wheel is really wanted.

        :param choose: reads a page and names a wheel, or nothing
        :param follow: opens it
        """

        def look() -> None:
            chosen = choose()
            if chosen is not None:
                self._submit(self._files, partial(follow, chosen))

        self.beside(look)

    def beside(self, ask: Callable[[], None]) -> None:
        """Ask the index for something small in the background, a few such at once."""
        self._submit(self._pages, ask)

    def _submit(self, pool: ThreadPoolExecutor, task: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the run is being closed
            pool.submit(task)

    def here(self, files: Mapping[str, str]) -> bool:
        """Whether files are in the wheelhouse, byte for byte; several are read at once.

        :param files: names, and their sha256
        """
        return all(self._files.map(self.wheelhouse.find, files.keys(), files.values()))

    def each(self, ask: Callable[[IndexFile], Value], files: Iterable[IndexFile]) -> list[Value]:
        """Return what is said of each file, in their order; several are asked for at once.

        :raises BaseException: as the first of them does that cannot be asked for
        """
        return list(self._files.map(ask, files))

    def files(self, wanted: Iterable[IndexFile]) -> list[StoredFile]:
        """Return every file, several at once.

        :raises FileError: with the first file that cannot be had
        """
        return self.each(self.file, wanted)

    def size(self, file: IndexFile) -> int:
        """Return how long a file is that is still to be fetched, in bytes; 0 where nobody says."""
        if file.path or self.wheelhouse.find(file.filename, file.sha256):
            return 0
        with suppress(WarmupError):
            head = self.index.transport.ask("HEAD", file.url, {})
            length = head.headers.get("Content-Length", "")
            return int(length) if length.isdecimal() else 0
        return 0

    def look_up(self, projects: Iterable[NormalizedName]) -> None:
        """Ask for pages at once; what is wrong with one comes when it is wanted."""

        def look(project: NormalizedName) -> None:
            with suppress(WarmupError):
                self.page(project)

        # Most of the time goes by between two questions about a project that is not there.
        with ThreadPoolExecutor(_MANY, thread_name_prefix="names") as pool:
            list(pool.map(look, projects))

    def _fetch(self, file: IndexFile) -> StoredFile:
        try:
            here = self.wheelhouse.find(file.filename, file.sha256)
            stored = here or self._small.pop(file, None) or self._gather(file)
        except OSError as error:
            raise write_error(self.wheelhouse.path, error) from None
        self.arrived(file, stored)
        return stored

    def _gather(self, file: IndexFile) -> StoredFile:
        return self._copy(file) if file.path else self._download(file)

    def _copy(self, file: IndexFile) -> StoredFile:
        """Copy a file of this machine, which must still be what it was.

        :raises FileError: it was changed since
        """
        path = self.scratch()
        try:
            shutil.copyfile(file.path, path)
        except OSError as error:
            problem = f"{file.filename} {file.origin.told}, and cannot be read: {error.strerror}"
            raise FileError(problem, hint="run it again") from None
        if digest(path) != file.sha256:
            raise FileError(f"{file.filename} was changed during the run", hint="run it again")
        return StoredFile(path, file.sha256, path.stat().st_size)

    def _download(self, file: IndexFile, limit: int | None = None) -> StoredFile:
        path = self.scratch()
        transport, count = self.index.transport, self.progress.count
        with self.progress.doing(f"waiting for {file.filename}"):
            sha256 = transport.download(file.url, file.sha256, path, progress=count, limit=limit)
        self.progress.downloaded()
        return StoredFile(path, sha256, path.stat().st_size)

    def scratch(self) -> Path:
        """Return a path for bytes on their way, which nobody else has."""
        return self.wheelhouse.staging / uuid4().hex

    def _guessed(self, wheel: Wheel) -> Metadata | None:
        """Return the metadata of a wheel that may not be wanted; None where that is too dear.

        What somebody else is at is left to him.
        """
        file = wheel.file
        if self.metadata.known(wheel) or self.file.known(file):
            return None
        if file.metadata and (data := self.index.metadata(file)) is not None:
            return parse_metadata(data, wheel)
        here = file.path or self.wheelhouse.find(file.filename, file.sha256)
        if not here:
            try:
                self._small[file] = self._download(file, _MOST_ON_A_GUESS)
            except TooLargeError:
                return None
        return self.opened(wheel).metadata

    def _metadata(self, wheel: Wheel) -> Metadata:
        if (guess := self.guessed.known(wheel)) and (found := guess.result()) is not None:
            return found
        file, data = wheel.file, None
        if file.metadata and not self.wheelhouse.find(file.filename, file.sha256):
            data = self.index.metadata(file)
        return self.opened(wheel).metadata if data is None else parse_metadata(data, wheel)

    def check_metadata(self, wheel: Wheel) -> None:
        """Hold the METADATA that the index served alone against the wheel that has come.

        :raises DamagedWheelError: they say different things
        """
        if wheel.file.metadata and self.opened(wheel).metadata != self.metadata(wheel):
            raise DamagedWheelError(wheel, "has another METADATA than the index serves beside it")

    def _open(self, wheel: Wheel) -> Opened:
        stored = self.file(wheel.file)
        opened = open_wheel(stored.path, wheel)
        self.wheelhouse.abouts[stored.sha256] = opened.about
        return opened
