"""What all targets of a run share: pages, files and wheel metadata, each gathered once."""

from __future__ import annotations

import lzma
import re
import threading
import zipfile
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar
from uuid import uuid4

from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from devpi_warmup.errors import FileError
from devpi_warmup.index import MAX_METADATA
from devpi_warmup.requirements import redact
from devpi_warmup.transport import FILE_CONNECTIONS, SMALL_CONNECTIONS
from devpi_warmup.wheelhouse import StoredFile, Wheelhouse, write_error

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable
    from pathlib import Path

    from devpi_warmup.devpi import Devpi, Proof
    from devpi_warmup.index import Index, IndexFile, Page, Wheel

# What zipfile and its decompressors raise for a file that is damaged or hostile.
ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError),
    *(NotImplementedError, RuntimeError),
)

# https://packaging.python.org/en/latest/specifications/binary-distribution-format/
_SCHEME = frozenset({"purelib", "platlib", "headers", "scripts", "data", ""})
# An empty value that no indented line continues.
_NO_OBJECT = re.compile(r"^[^#;\[\n=]+=[ \t]*$(?!\r?\n[ \t]+\S)", re.MULTILINE)

Key = TypeVar("Key", bound="Hashable")
Value = TypeVar("Value")


class BrokenWheelError(FileError):
    """A wheel whose metadata is not what a wheel must have; another may serve instead."""


@dataclass(frozen=True)
class Metadata:
    """What the resolver needs of a wheel's METADATA."""

    requires: tuple[Requirement, ...]
    extras: frozenset[str]
    requires_python: SpecifierSet


class Memo(Generic[Key, Value]):
    """Computes each value once, in the thread that asks first; the others wait for it."""

    def __init__(self, compute: Callable[[Key], Value]) -> None:
        self._compute = compute
        self._futures: dict[Key, Future[Value]] = {}
        self._guard = threading.Lock()

    def __call__(self, key: Key) -> Value:
        """Return the value of a key; an error is raised for all who wait, and not remembered."""
        with self._guard:
            known = self._futures.get(key)
            future = self._futures.setdefault(key, Future()) if known is None else known
        if known is None:
            try:
                future.set_result(self._compute(key))
            except BaseException as error:
                with self._guard:
                    del self._futures[key]  # a later target may have more luck
                future.set_exception(error)
                raise
        return future.result()


class Gatherer:
    """Pages, files and metadata of one index, for one wheelhouse."""

    def __init__(self, index: Index, wheelhouse: Wheelhouse, devpi: Devpi | None = None) -> None:
        """Share one index and one wheelhouse.

        :param devpi: the server that must hold every file, where the index is a devpi
        """
        self.index = index
        self.wheelhouse = wheelhouse
        self.page: Memo[NormalizedName, Page] = Memo(index.page)
        self.file: Memo[IndexFile, StoredFile] = Memo(self._fetch)
        self.metadata: Memo[Wheel, Metadata] = Memo(self._metadata)
        self.proofs: dict[IndexFile, Proof] = {}
        self.published: Memo[IndexFile, StoredFile] = Memo(self._publish)
        self.downloaded_files = 0
        self.downloaded_bytes = 0
        self.progress: Callable[[int], None] | None = None
        self._devpi = devpi
        self._names: dict[str, str] = {}
        self._checked: Memo[IndexFile, None] = Memo(self._check)
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

        self._submit(self._pages, look)

    def _submit(self, pool: ThreadPoolExecutor, task: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the run is being closed
            pool.submit(task)

    def files(self, wanted: Iterable[IndexFile]) -> list[StoredFile]:
        """Return every file, several at once.

        :raises FileError: with the first file that cannot be had
        """
        return list(self._files.map(self.file, wanted))

    def _publish(self, file: IndexFile) -> StoredFile:
        """Give a gathered file its final name in the wheelhouse.

        :raises FileError: this run has put another file under that name
        """
        stored = self.file(file)
        if self._names.setdefault(file.filename, stored.sha256) != stored.sha256:
            raise FileError(
                f"{file.filename} is two different files, of {redact(file.url)} and another URL",
                hint="one wheelhouse cannot hold both: name one of them for all targets",
            )
        return self.wheelhouse.publish(self.file(file), file.filename)

    def sweep(self, wanted: Iterable[IndexFile]) -> dict[IndexFile, Proof]:
        """Ask devpi once more whether it holds each file, several at once; fetch nothing."""
        files = list(wanted)
        if self._devpi is None:
            return {}
        sizes = [self.file(file).size for file in files]
        proofs = self._files.map(self._devpi.holds, files, sizes)
        return dict(zip(files, proofs, strict=True))

    def check(self, wanted: Iterable[IndexFile]) -> None:
        """Make sure that wheels can be unpacked, several at once.

        :raises BrokenWheelError: with the first that cannot
        """
        list(self._files.map(self._checked, wanted))

    def _check(self, file: IndexFile) -> None:
        check_wheel(self.published(file).path, file.filename)

    def _fetch(self, file: IndexFile) -> StoredFile:
        try:
            stored = self.wheelhouse.find(file.filename, file.sha256) or self._download(file)
            if self._devpi is not None:
                # In this very thread, and so on the connection that has just carried the file.
                self.proofs[file] = self._devpi.warm(file, stored.size, self._scratch())
        except OSError as error:
            raise write_error(self.wheelhouse.path, error) from None
        return stored

    def _download(self, file: IndexFile) -> StoredFile:
        path = self._scratch()
        transport = self.index.transport
        sha256 = transport.download(file.url, file.sha256, path, progress=self.progress)
        size = path.stat().st_size
        self.downloaded_files += 1
        self.downloaded_bytes += size
        return StoredFile(path, sha256, size)

    def _scratch(self) -> Path:
        return self.wheelhouse.staging / uuid4().hex

    def _metadata(self, wheel: Wheel) -> Metadata:
        data = self.index.metadata(wheel.file) if wheel.file.metadata else None
        if data is None:
            data = read_metadata(self.file(wheel.file).path, wheel.file.filename)
        return parse_metadata(data, wheel)


def check_wheel(path: Path, filename: str) -> None:
    """Make sure that a wheel can be unpacked: resolving it, even by pip, does not show that.

    :raises BrokenWheelError: what pip would refuse when it installs the file
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            damaged = archive.testzip()
            texts = [name for name in names if name.endswith(".dist-info/entry_points.txt")]
            scripts = [archive.read(name).decode() for name in texts]
    except ZIP_ERRORS as error:
        raise BrokenWheelError(f"{filename} cannot be unpacked: {error}") from None
    problem = f"{damaged} is damaged" if damaged is not None else _unsafe_or_missing(names)
    if not problem and any(_NO_OBJECT.search(text) for text in scripts):
        problem = "its entry_points.txt names an entry point without an object"
    if problem:
        raise BrokenWheelError(f"{filename} cannot be unpacked: {problem}")


def _unsafe_or_missing(names: list[str]) -> str:
    for name in names:
        parts = name.replace("\\", "/").split("/")
        if ".." in parts or name.startswith("/") or ":" in parts[0]:
            return f"{name!r} leads out of the environment"
        if parts[0].endswith(".data") and len(parts) > 1 and parts[1] not in _SCHEME:
            return f"{name!r} belongs nowhere"
    for needed in (".dist-info/RECORD", ".dist-info/WHEEL"):
        if not any(name.endswith(needed) and name.count("/") == 1 for name in names):
            return f"it has no {needed.rpartition('/')[2]}"
    return ""


def read_metadata(path: Path, filename: str) -> bytes:
    """Return the METADATA of a wheel (PEP 427).

    :param filename: the wheel's own name; the file may lie under another one
    :raises BrokenWheelError: it is no wheel
    """
    project = canonicalize_name(filename.partition("-")[0])
    try:
        with zipfile.ZipFile(path) as archive:
            folders = {name.partition("/")[0] for name in archive.namelist()}
            infos = [folder for folder in folders if folder.endswith(".dist-info")]
            if len(infos) != 1:
                raise BrokenWheelError(f"{filename} has {len(infos)} .dist-info folders, not one")
            if canonicalize_name(infos[0].partition("-")[0]) != project:
                raise BrokenWheelError(f"{filename} holds {infos[0]}, of another project")
            with archive.open(f"{infos[0]}/METADATA") as stream:
                data = stream.read(MAX_METADATA + 1)
    except KeyError:
        raise BrokenWheelError(f"{filename} has no METADATA") from None
    except ZIP_ERRORS as error:
        raise BrokenWheelError(f"{filename} is no wheel: {error}") from None
    if len(data) > MAX_METADATA:
        raise BrokenWheelError(f"{filename} has a METADATA of over {MAX_METADATA >> 20} MiB")
    return data


def parse_metadata(data: bytes, wheel: Wheel) -> Metadata:
    """Read METADATA as leniently as pip does (pip/_internal/metadata/base.py).

    :raises BrokenWheelError: it is of another project or version, or requires what does not parse
    """
    filename = wheel.file.filename
    raw, _ = parse_email(data)
    try:
        version = Version(raw.get("version", ""))
    except InvalidVersion:
        raise BrokenWheelError(f"{filename} has no valid version in its METADATA") from None
    if version != wheel.version or canonicalize_name(raw.get("name", "")) != wheel.project:
        raise BrokenWheelError(f"{filename} says it is {raw.get('name', '?')} {version}")
    try:
        requires = tuple(Requirement(text.strip()) for text in raw.get("requires_dist", ()))
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        raise BrokenWheelError(f"{filename} has an invalid requirement: {reason}") from None
    try:
        requires_python = SpecifierSet(raw.get("requires_python", ""))
    except InvalidSpecifier:
        requires_python = SpecifierSet()
    extras = frozenset(canonicalize_name(extra) for extra in raw.get("provides_extra", ()))
    return Metadata(requires, extras, requires_python)
