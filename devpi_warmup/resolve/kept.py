"""The pins of a cell's last lock, which stay while the requirements admit them."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devpi_warmup import console
from devpi_warmup.errors import WarmupError
from devpi_warmup.wheelhouse.files import LOCKS, OUTDATED
from devpi_warmup.wheelhouse.lock import LockedPin, LockError, read_lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from packaging.utils import NormalizedName
    from packaging.version import Version

    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.wheelhouse.files import Wheelhouse

_LINK = re.compile(r"#sha256=(?P<sha256>[0-9a-f]{64})\">(?P<name>[^<]+)</a>")
_PACKAGE = re.compile(
    r'^name = "(?P<name>[^"]+\.whl)"\n(?:.*\n){1,6}?sha256 = "(?P<sha256>[0-9a-f]{64})"$',
    re.MULTILINE,
)


@dataclass(frozen=True)
class Kept:
    """A pin that is to stay.

    :param filename: of its file, or "" where neither page nor pylock of the lock is there
    """

    version: Version
    sha256: str
    filename: str = ""


@dataclass(frozen=True)
class Upgrade:
    """Which pins are not to stay.

    :param everything: none stays
    :param projects: those whose pins do not; what they need moves where it has to
    """

    everything: bool = False
    projects: frozenset[NormalizedName] = frozenset()

    def moves(self, projects: Iterable[NormalizedName]) -> bool:
        """Whether the pin of one of some projects is not to stay."""
        return self.everything or not self.projects.isdisjoint(projects)


def last_lock(wheelhouse: Wheelhouse, cell: Cell) -> tuple[LockedPin, ...]:
    """Return the pins of the last lock of a cell, also of one that was set aside.

    A lock that cannot be read is named, and has none.
    """
    path = _path(wheelhouse, cell)
    if path is None:
        return ()
    try:
        text = path.read_text(encoding="utf-8")
        if not text.strip():
            raise LockError("it is empty")  # noqa: TRY301 - it is said as the others are
        return read_lock(text)
    except (LockError, OSError, UnicodeDecodeError) as error:
        console.say(f"{cell.id}: its last lock cannot be read, and no pin of it is kept: {error}")
        return ()


def check(upgrade: Upgrade, wheelhouse: Wheelhouse, cells: Iterable[Cell]) -> None:
    """Make sure that what is to be upgraded is in a last lock, where there is one.

    :raises WarmupError: it is in none
    """
    if not upgrade.projects:
        return
    known = {pin.project for cell in cells for pin in last_lock(wheelhouse, cell)}
    if known and (unknown := sorted(upgrade.projects - known)):
        raise WarmupError(
            f"--upgrade: no lock holds {', '.join(unknown)}",
            hint="name projects as the locks do, or none at all to renew everything",
        )


def kept(
    pins: tuple[LockedPin, ...], wheelhouse: Wheelhouse, cell: Cell, upgrade: Upgrade
) -> Mapping[NormalizedName, Kept]:
    """Return of a lock what is to stay, by project."""
    if upgrade.everything:
        return {}
    path = _path(wheelhouse, cell)
    names = _names(path) if path is not None else {}
    return {
        pin.project: Kept(pin.version, pin.sha256, names.get(pin.sha256, ""))
        for pin in pins
        if pin.project not in upgrade.projects
    }


def _names(path: Path) -> dict[str, str]:
    """Return the files that a lock has, by their sha256: its page names them, and its pylock."""
    names: dict[str, str] = {}
    forms = (
        (path.with_name(f"pylock.{path.stem}.toml"), _PACKAGE),
        (path.with_suffix(".html"), _LINK),
    )
    for file, form in forms:
        with suppress(OSError, UnicodeDecodeError):
            for match in form.finditer(file.read_text(encoding="utf-8")):
                names[match["sha256"]] = match["name"]
    return names


def _path(wheelhouse: Wheelhouse, cell: Cell) -> Path | None:
    aside = wheelhouse.path / LOCKS / OUTDATED
    paths = (folder / f"{cell.id}.txt" for folder in (aside.parent, aside))
    return next((path for path in paths if path.is_file()), None)
