"""How a wheel was built, or what is known of one to be built elsewhere, as the manifest says it."""

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
    :param epoch: the time that the build took for now, in seconds since 1970
    :param constraints: the user's own, on what builds require
    :param isolation: how the network was kept away
    :param auditwheel: the version of the auditwheel that found for which platforms it is, or ""
    """

    sdist: str
    sha256: str
    python: str
    platform: str
    pip: str
    backend: str
    requires: Mapping[str, str]
    epoch: int
    constraints: tuple[str, ...]
    isolation: str
    auditwheel: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        table = {**vars(self), "requires": dict(self.requires)}
        table["constraints"] = [*self.constraints]
        return {key: value for key, value in table.items() if (key, value) != ("auditwheel", "")}

    @classmethod
    def from_dict(cls, table: Mapping[str, Any], where: str) -> BuildRecord:
        """Read what :meth:`to_dict` wrote.

        :raises ManifestError: a key is missing or is of another type
        """
        names = ("sdist", "sha256", "python", "platform", "pip", "backend", "isolation")
        return cls(
            **{name: get(table, name, str, where) for name in names},
            requires=digests(table, "requires", where),
            epoch=get(table, "epoch", int, where),
            constraints=tuple(map(str, get(table, "constraints", list, where))),
            auditwheel=get(table, "auditwheel", str, where) if "auditwheel" in table else "",
        )


@dataclass(frozen=True)
class ToBuildRecord:
    """What is known of an sdist that has to be built where it is installed.

    :param why: it is not built here
    :param metadata: the core metadata of the wheel that it gives, without the description
    :param known_by: who says so
    :param wants: what building it requires, as lines
    :param unsure: why more may be required, or ""
    :param failed: why it cannot be built by the interpreter that looked at it, or ""
    :param tags: of the wheel that this interpreter built, or ""
    :param problem: why that wheel is for this machine alone, or ""
    :param python: the version of that interpreter, on ``platform``
    :param constraints: the user's own, on what builds require
    """

    why: str
    metadata: str
    known_by: str
    wants: tuple[str, ...]
    unsure: str
    failed: str
    tags: str
    problem: str
    python: str
    platform: str
    constraints: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**vars(self), "wants": [*self.wants], "constraints": [*self.constraints]}

    @classmethod
    def from_dict(cls, table: Mapping[str, Any], where: str) -> ToBuildRecord:
        """Read what :meth:`to_dict` wrote.

        :raises ManifestError: a key is missing or is of another type
        """
        names = (
            *("why", "metadata", "known_by", "unsure", "failed", "tags", "problem"),
            *("python", "platform"),
        )
        return cls(
            **{name: get(table, name, str, where) for name in names},
            wants=tuple(map(str, get(table, "wants", list, where))),
            constraints=tuple(map(str, get(table, "constraints", list, where))),
        )
