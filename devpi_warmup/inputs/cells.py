"""Cells: one environment for one target; a cell has a lock of its own, and a name everywhere."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devpi_warmup.inputs.targets import Target

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_LONGEST = 40  # a file bears the name, with the id of a target
_LIKE_A_TARGET = re.compile(r"(cp\d|manylinux|musllinux|macosx|win(32|_)|pylock)", re.IGNORECASE)
# What -k already takes for something else: "warmup and windows".
_TAKEN = frozenset(
    {"linux", "windows", "macos", "warmup", "verify", "report", "seal", "python", "platform"}
)


@dataclass(frozen=True)
class Cell:
    """One environment for one target.

    :param environment: its name; "" is the one that needs none
    """

    target: Target
    environment: str = ""

    def __str__(self) -> str:
        return self.id

    @property
    def id(self) -> str:
        """Its name: ``cp313-win_amd64``, or ``dev-cp313-win_amd64``."""
        return f"{self.environment}-{self.target.id}" if self.environment else self.target.id


def why_no_name(name: str) -> str:
    """Return why an environment cannot have a name, or ""."""
    if not _NAME.fullmatch(name):
        return "it must begin with a letter, and have letters, digits and underscores alone"
    if len(name) > _LONGEST:
        return f"it is longer than {_LONGEST} letters"
    if _LIKE_A_TARGET.match(name):
        return "it looks like a target"
    if name.lower() in _TAKEN or keyword.iskeyword(name):
        return "the word has a meaning of its own where sessions are selected"
    return ""
