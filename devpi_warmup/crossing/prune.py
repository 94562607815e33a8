"""What of a wheelhouse nothing needs any more: no lock of today, and none that is inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from devpi_warmup.crossing import accepted
from devpi_warmup.crossing.state import SHORT
from devpi_warmup.errors import WarmupError
from devpi_warmup.wheelhouse.files import LOCKS, OUTDATED, write_error
from devpi_warmup.wheelhouse.lock import LockError, read_lock
from devpi_warmup.wheelhouse.reading import is_distribution

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from devpi_warmup.crossing.accepted import Accepted
    from devpi_warmup.wheelhouse.coverage import Coverage
    from devpi_warmup.wheelhouse.files import Wheelhouse

KEPT = 3  # accepted states whose files stay


@dataclass(frozen=True, order=True)
class Unused:
    """A file that nothing needs.

    :param size: bytes
    :param last: the accepted state that named it last, or ""
    """

    name: str
    size: int
    last: str = ""


@dataclass(frozen=True)
class Prunable:
    """What may go, and what was asked to know that.

    :param kept: the accepted states whose files stay
    """

    files: tuple[Unused, ...]
    kept: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return sum(file.size for file in self.files)


def prunable(coverage: Coverage) -> Prunable:
    """Return the wheels and sdists that no lock names, and no accepted state of the last few.

    :param coverage: of a wheelhouse that is held, in which no cell of the configuration is missing:
        an absent lock says nothing of what it needs
    :raises WarmupError: that cannot be known
    """
    wheelhouse = coverage.wheelhouse
    known = accepted.read(wheelhouse)
    kept = known[-KEPT:]
    named = {name for entry in coverage.manifest.cells.values() for name in entry.carried}
    for state in kept:
        named |= {path.rpartition("/")[2] for path in state.files}
    failed = _of_failed_locks(wheelhouse)
    found = []
    for path in sorted(wheelhouse.path.iterdir()):
        if path.name in named or not is_distribution(path.name) or path.is_symlink():
            continue
        if path.is_file() and wheelhouse.digests.of(path) not in failed:
            found.append(Unused(path.name, path.stat().st_size, _last(path.name, known)))
    return Prunable(tuple(found), tuple(state.id[:SHORT] for state in kept))


def prune(files: Iterable[Unused], wheelhouse: Wheelhouse) -> None:
    """Remove files of a wheelhouse that is held.

    :raises WarmupError: one cannot be removed
    """
    for file in files:
        try:
            (wheelhouse.path / file.name).unlink()
        except OSError as error:
            raise write_error(wheelhouse.path, error) from None


def _last(name: str, known: Sequence[Accepted]) -> str:
    for state in reversed(known):
        if name in {path.rpartition("/")[2] for path in state.files}:
            return state.id[:SHORT]
    return ""


def _of_failed_locks(wheelhouse: Wheelhouse) -> frozenset[str]:
    """Return the sha256 of what locks name that were set aside when their cell failed."""
    found: set[str] = set()
    for path in sorted((wheelhouse.path / LOCKS / OUTDATED).glob("*.txt")):
        try:
            found |= {pin.sha256 for pin in read_lock(path.read_text(encoding="utf-8"))}
        except (OSError, ValueError, LockError) as error:
            raise WarmupError(
                f"{wheelhouse.shown}/{LOCKS}/{OUTDATED}/{path.name} cannot be read: {error}",
                hint="warm up its target again, or remove the file",
            ) from None
    return frozenset(found)
