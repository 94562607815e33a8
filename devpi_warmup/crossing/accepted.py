"""The states that have arrived on the closed side, as far as somebody said so here.

Each is a file in ``wheelhouse/accepted/``, for git to keep: its list of sums, numbered in the
order in which they were accepted. Nothing learns by itself what has arrived behind a gap, and a
bundle that was made may never have been carried; so nothing is accepted without a word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devpi_warmup.crossing import unpack
from devpi_warmup.crossing.state import SHORT, id_of
from devpi_warmup.errors import WarmupError
from devpi_warmup.wheelhouse.files import write_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devpi_warmup.wheelhouse.files import Wheelhouse

FOLDER = "accepted"
_NAME = re.compile(rf"(?P<number>\d{{4,}})-(?P<id>[0-9a-f]{{{SHORT}}})\.txt")


@dataclass(frozen=True)
class Accepted:
    """A state that has arrived.

    :param sums: its list, as ``sha256sum -c`` reads it
    """

    number: int
    sums: str

    @property
    def id(self) -> str:
        """The name of the state."""
        return id_of(self.sums)

    @property
    def files(self) -> Mapping[str, str]:
        """The sha256 of each file, by its path."""
        return unpack.read_sums(self.sums.encode(), FOLDER)


def read(wheelhouse: Wheelhouse) -> tuple[Accepted, ...]:
    """Return what was accepted, the oldest first.

    :raises WarmupError: a file is not what was written
    """
    folder, found = wheelhouse.path / FOLDER, []
    for path in folder.glob("*.txt") if folder.is_dir() else ():
        match = _NAME.fullmatch(path.name)
        try:
            text = path.read_bytes().decode().replace("\r\n", "\n")  # git on Windows
            one = Accepted(int(match["number"] if match else 0), text)
            right = match is not None and one.id.startswith(match["id"]) and bool(one.files)
        except (OSError, ValueError, unpack.RefusedError):
            right = False
        if not right:
            raise WarmupError(
                f"{wheelhouse.shown}/{FOLDER}/{path.name} is not what was written there",
                hint="have git restore it as it was, or remove it",
            )
        found.append(one)
    return tuple(sorted(found, key=lambda one: one.number))


def accept(wheelhouse: Wheelhouse, sums: str) -> bool:
    """Note that a state has arrived; return whether that is news.

    :param wheelhouse: is held
    :raises WarmupError: it cannot be written
    """
    known = read(wheelhouse)
    if known and known[-1].sums == sums:
        return False
    number = known[-1].number + 1 if known else 1
    folder = wheelhouse.path / FOLDER
    folder.mkdir(exist_ok=True)
    write_text(folder / f"{number:04}-{id_of(sums)[:SHORT]}.txt", sums)
    return True


def before(known: tuple[Accepted, ...], id_: str) -> tuple[str, ...]:
    """Return the names of the states that were accepted before one, the oldest first."""
    ids = [one.id for one in known]
    return tuple(ids[: ids.index(id_)] if id_ in ids else ids)
