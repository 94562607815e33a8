"""``bundle.json``, the head of an archive: what it brings, of what, and what to type then."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devpi_warmup import __version__
from devpi_warmup.crossing import unpack

if TYPE_CHECKING:
    from devpi_warmup.crossing.base import Base
    from devpi_warmup.crossing.bootstrap import Step
    from devpi_warmup.crossing.state import State

NAME = unpack.HEAD


@dataclass(frozen=True)
class Head:
    """What an archive says of itself.

    :param base: what it builds on, or None where everything is in it
    :param before: the names of the states that were accepted before, the oldest first
    :param steps: what to type on a machine inside
    """

    state: State
    base: Base | None
    before: tuple[str, ...]
    steps: tuple[Step, ...]

    @property
    def carried(self) -> tuple[str, ...]:
        """The paths that are in the archive: what the base lacks, and everything small."""
        known = self.base.files if self.base else {}
        return tuple(
            file.path
            for file in self.state.files
            if not file.is_distribution or known.get(file.path) != file.sha256
        )

    @property
    def gone(self) -> tuple[str, ...]:
        """The paths that the base has, and the state has not."""
        here = {file.path for file in self.state.files}
        return tuple(sorted(set(self.base.files) - here)) if self.base else ()

    def to_bytes(self) -> bytes:
        """Return it as ``unpack.py`` reads it."""
        table = {
            "format": unpack.FORMAT,
            "tool": f"devpi-warmup {__version__}",
            "state": self.state.id,
            "base": self.base.id if self.base else "",
            "since": self.base.since if self.base else "",
            "before": self.before,
            "files": {file.path: (file.size, file.sha256) for file in self.state.files},
            "carried": self.carried,
            "gone": self.gone,
            "next": [(s.system, s.machine, s.python, "\n".join(s.lines)) for s in self.steps],
        }
        return (json.dumps(table, indent=1, ensure_ascii=False) + "\n").encode()
