"""How a wheel was built, as the manifest says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devpi_warmup.wheelhouse.reading import digests, get

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class BuildRecord:
    """How a wheel was built here.

    :param sdist: the file that it was built of, and ``sha256`` its digest
    :param python: the version of the interpreter, on ``platform``
    :param pip: the version of the pip that built it, with ``backend``
    :param requires: the files that the build required, and their sha256
    :param constraints: the user's own, on what builds require
    :param isolation: how the network was kept away
    """

    sdist: str
    sha256: str
    python: str
    platform: str
    pip: str
    backend: str
    requires: Mapping[str, str]
    constraints: tuple[str, ...]
    isolation: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**vars(self), "requires": dict(self.requires), "constraints": [*self.constraints]}

    @classmethod
    def from_dict(cls, table: Mapping[str, Any], where: str) -> BuildRecord:
        """Read what :meth:`to_dict` wrote.

        :raises ManifestError: a key is missing or is of another type
        """
        names = ("sdist", "sha256", "python", "platform", "pip", "backend", "isolation")
        return cls(
            **{name: get(table, name, str, where) for name in names},
            requires=digests(table, "requires", where),
            constraints=tuple(map(str, get(table, "constraints", list, where))),
        )
