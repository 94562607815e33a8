"""Under which name a file lies; a name is one file's alone in a run."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from devpi_warmup.errors import FileError
from devpi_warmup.index.single_flight import SingleFlight
from devpi_warmup.inputs.urls import redact
from devpi_warmup.wheelhouse.files import StoredFile, Wheelhouse, second_name, write_error

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from devpi_warmup.index.pages import IndexFile


class Naming:
    """Gives files their names, in a folder beside the wheelhouse and in the wheelhouse."""

    def __init__(self, wheelhouse: Wheelhouse, file: Callable[[IndexFile], StoredFile]) -> None:
        """Name the files of one run.

        :param file: gathers one
        """
        self.beside: SingleFlight[IndexFile, Path] = SingleFlight(self._beside)
        self.published: SingleFlight[IndexFile, StoredFile] = SingleFlight(self._publish)
        self._wheelhouse = wheelhouse
        self._file = file
        self._taken: dict[str, tuple[str, str]] = {}  # as a disk that ignores case has them
        self._on_disk: dict[str, set[str]] = {}
        for path in wheelhouse.path.glob("*.whl"):
            self._on_disk.setdefault(path.name.casefold(), set()).add(path.name)

    def claim(self, file: IndexFile) -> StoredFile:
        """Have a name for a file, which then is no other file's in this run.

        :raises FileError: it cannot be had, or this run has another file of that name
        """
        stored = self._file(file)
        folded = file.filename.casefold()
        own = (file.filename, stored.sha256)
        name, sha256 = self._taken.setdefault(folded, own)
        others = {name, *self._on_disk.get(folded, ())} - {file.filename}
        if others:
            other = min(others)
            raise FileError(
                f"{file.filename} and {other} differ by case alone, and Windows and macOS take "
                f"them for one: {self._wheelhouse.shown}/ cannot hold both",
                hint=f"delete {other} there, or require the same file for all targets",
            )
        if sha256 != stored.sha256:
            whence = f"of {redact(file.url)}" if file.url else f"one of which {file.origin.told}"
            raise FileError(
                f"{file.filename} is two different files, {whence}",
                hint="one wheelhouse cannot hold both: name one of them for all targets and "
                "environments, or give one of them another wheelhouse",
            )
        return stored

    def _publish(self, file: IndexFile) -> StoredFile:
        """Give a gathered file its final name in the wheelhouse.

        :raises FileError: this run has put another file under that name
        """
        return self._wheelhouse.publish(self.claim(file), file.filename)

    def _beside(self, file: IndexFile) -> Path:
        """Return where a file lies under its own name, before it is published, too.

        :raises FileError: it cannot be had
        """
        stored = self._file(file)
        if stored.path.name == file.filename:
            return stored.path
        folder = self._wheelhouse.staging / f"named-{stored.sha256[:20]}"
        try:
            folder.mkdir(exist_ok=True)
            with suppress(FileExistsError):
                second_name(stored.path, folder / file.filename)
        except OSError as error:
            raise write_error(self._wheelhouse.path, error) from None
        return folder / file.filename
