"""The wheelhouse on disk: files that appear whole or not at all, locks, the manifest."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from devpi_warmup.digests import Digests
from devpi_warmup.errors import WheelhouseError
from devpi_warmup.holding import HeldError, Hold
from devpi_warmup.wheelhouse.about import about

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from devpi_warmup.inputs.config import Config
    from devpi_warmup.wheelhouse.about import About

LOCKS = "locks"
OUTDATED = "outdated"  # locks that serve other requirements than those of today
_STAGING = ".staging"
_LOCK = ".lock"


@dataclass(frozen=True)
class StoredFile:
    """A file on disk whose sha256 has been computed from its bytes; size in bytes."""

    path: Path
    sha256: str
    size: int


class Wheelhouse:
    """The folder that crosses the gap."""

    def __init__(self, path: Path, shown: str = "") -> None:
        """Describe a wheelhouse; nothing is made or read.

        :param shown: how its users call it: its path as seen from the repository
        """
        self.path = path
        self.shown = shown or path.name
        self.digests = Digests()
        self.abouts: dict[str, About] = {}  # what wheels that were opened say, by sha256

    @classmethod
    def of(cls, config: Config) -> Wheelhouse:
        """Return the wheelhouse of a configuration."""
        return cls(config.wheelhouse, config.wheelhouse_shown)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the wheelhouse for one run, and clear what a killed run left.

        :raises WheelhouseError: another run holds it, or it cannot be written
        """
        if link := self.linked:
            raise WheelhouseError(
                f"{link} is a link, and what it points to would stay behind",
                hint="copy the folder to its place, or name it: "
                'wheelhouse = "…" in [tool.devpi-warmup]',
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with Hold(self.path / _LOCK):
                shutil.rmtree(self.staging, ignore_errors=True)
                (self.path / LOCKS).mkdir(exist_ok=True)
                self.staging.mkdir()
                try:
                    yield
                finally:
                    shutil.rmtree(self.staging, ignore_errors=True)
        except HeldError:
            raise WheelhouseError(
                f"another warmup is at work on {self.shown}/",
                hint="wait until it ends, then run this again",
            ) from None
        except OSError as error:
            raise write_error(self.path, error) from None

    @property
    def linked(self) -> str:
        """The folder that is a link and would not cross the gap, or ""."""
        if self.path.is_symlink():
            return f"{self.shown}/"
        return f"{self.shown}/{LOCKS}/" if (self.path / LOCKS).is_symlink() else ""

    @property
    def staging(self) -> Path:
        """Where downloads lie until a lock wants them; on the same disk, so a move is atomic."""
        return self.path / _STAGING

    def find(self, filename: str, sha256: str) -> StoredFile | None:
        """Return the file of that name, if its bytes have that digest."""
        path = self.path / filename
        if not sha256 or path.is_symlink() or not path.is_file():
            return None  # what a link points to would not cross the gap
        same = self.digests.of(path) == sha256
        return StoredFile(path, sha256, path.stat().st_size) if same else None

    def about(self, filename: str) -> About:
        """Return what a file says of itself; what cannot be read is said, not raised."""
        path = self.path / filename
        if path.suffix != ".whl":
            return about(path)
        try:
            sha256 = self.digests.of(path)
        except OSError:
            return about(path)
        known = self.abouts.get(sha256)
        if known is None:
            known = about(path)
            if not known.problem:  # it may pass
                self.abouts[sha256] = known
        return known

    def publish(self, stored: StoredFile, filename: str) -> StoredFile:
        """Give a staged file its final name, in one step; others may be reading it where it is.

        :raises WheelhouseError: the wheelhouse cannot be written
        """
        path = self.path / filename
        if stored.path != path:
            try:
                again = second_name(stored.path, stored.path.with_name(f"{uuid4().hex}.named"))
                os.replace(again, path)  # noqa: PTH105 - the name says it is atomic
            except OSError as error:
                raise write_error(self.path, error) from None
            self.digests.know(path, stored.sha256)
        return StoredFile(path, stored.sha256, stored.size)

    def lock_paths(self, cell_id: str) -> tuple[Path, Path, Path]:
        """Return the files that make the lock of a cell: text, its links page, pylock."""
        text, page, pylock = (self.path / name for name in lock_names(cell_id))
        return text, page, pylock

    def build_lock_paths(self, cell_id: str) -> tuple[Path, Path, Path]:
        """Return the files that say what building for a cell took, where something was built."""
        return self.lock_paths(f"{cell_id}.build")

    def set_lock_aside(self, cell_id: str) -> None:
        """Move the lock of a cell, if there is one, where no command looks for it.

        :raises WheelhouseError: it cannot be moved
        """
        folder = self.path / LOCKS / OUTDATED
        for path in (*self.lock_paths(cell_id), *self.build_lock_paths(cell_id)):
            try:
                if not path.exists():
                    continue
                folder.mkdir(exist_ok=True)
                os.replace(path, folder / path.name)  # noqa: PTH105 - the name says it is atomic
            except OSError as error:
                raise write_error(self.path, error) from None

    def aside(self, cell_ids: Iterable[str]) -> str:
        """Return the folder in which a lock of one of some cells was set aside, or ""."""
        paths = (self.lock_path(cell_id) for cell_id in cell_ids)
        there = any((path.parent / OUTDATED / path.name).is_file() for path in paths)
        return f"{self.shown}/{LOCKS}/{OUTDATED}" if there else ""

    def drop_outdated(self, cell_id: str) -> None:
        """Remove the lock of a cell that was set aside, if there is one: it has another now."""
        for path in (*self.lock_paths(cell_id), *self.build_lock_paths(cell_id)):
            (path.parent / OUTDATED / path.name).unlink(missing_ok=True)
        with suppress(OSError):  # there is none, or it is of other targets
            (self.path / LOCKS / OUTDATED).rmdir()

    def lock_path(self, cell_id: str) -> Path:
        """Return where the lock of a cell lies, as text that any pip reads."""
        return self.path / LOCKS / f"{cell_id}.txt"


def second_name(path: Path, name: Path) -> Path:
    """Give a file a second name on the same disk; a copy, where the disk knows no such thing.

    :raises OSError: it cannot be written
    """
    try:
        os.link(path, name)
    except FileExistsError:
        raise
    except OSError:
        shutil.copyfile(path, name)
    return name


def build_lock_names(cell_id: str) -> tuple[str, str, str]:
    """Return the names of the files that say what building for a cell took."""
    return lock_names(f"{cell_id}.build")


def lock_names(cell_id: str) -> tuple[str, str, str]:
    """Return the names of the files of a lock, as seen from the wheelhouse."""
    return (
        f"{LOCKS}/{cell_id}.txt",
        f"{LOCKS}/{cell_id}.html",
        f"{LOCKS}/pylock.{cell_id}.toml",
    )


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all, and not at all where it has that text already.

    :raises WheelhouseError: it cannot be written
    """
    try:
        put_text(path, text)
    except OSError as error:
        raise write_error(path.parent, error) from None


def put_text(path: Path, text: str) -> None:
    """Do as :func:`write_text` does; the caller says what has failed.

    :raises OSError: it cannot be written
    """
    data = text.encode(errors="backslashreplace")
    if path.is_file() and path.read_bytes() == data:
        return
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)  # noqa: PTH105 - the name says it is atomic
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def write_error(path: Path, error: OSError) -> WheelhouseError:
    """Turn an error of the file system into words."""
    return WheelhouseError(
        f"{path.name}/ cannot be written: {error.strerror or error}",
        hint="is the disk full, or the folder read-only? What was there before is still there",
    )
