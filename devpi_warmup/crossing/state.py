"""A state: what lies on the closed side when a bundle was unpacked, as sums; and its name."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from devpi_warmup.wheelhouse.reading import is_distribution

SUMS = "SHA256SUMS"
SHORT = 12  # letters of a name that people read


@dataclass(frozen=True, order=True)
class FileSum:
    """One file of a state.

    :param path: from the folder that is unpacked into, with ``/``
    :param size: bytes
    """

    path: str
    sha256: str
    size: int

    @property
    def is_distribution(self) -> bool:
        """Whether it is a wheel or an sdist; everything else is small, and always carried."""
        return is_distribution(self.path.rpartition("/")[2])


@dataclass(frozen=True)
class State:
    """Files by their paths, in that order."""

    files: tuple[FileSum, ...]

    @cached_property
    def sums(self) -> str:
        """Its list, as ``sha256sum -c`` reads it."""
        return "".join(f"{file.sha256}  {file.path}\n" for file in self.files)

    @cached_property
    def id(self) -> str:
        """Its name: the sha256 of its list, so of every byte in it, and of nothing else."""
        return id_of(self.sums)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def id_of(sums: str) -> str:
    """Return the name of the state that has such a list."""
    return hashlib.sha256(sums.encode()).hexdigest()
