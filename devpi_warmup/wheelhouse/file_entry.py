"""What the manifest says of one file, as a frozen value ↔ JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from devpi_warmup.wheelhouse.build_record import BuildRecord
from devpi_warmup.wheelhouse.origins import Origin
from devpi_warmup.wheelhouse.reading import ManifestError, get
from devpi_warmup.wheelhouse.warmth import Proof, Warmth

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class FileEntry:
    """One file of the wheelhouse.

    :param size: bytes
    :param origin: where it comes from
    :param proof: whether devpi holds it
    :param pip: the version of the pip that has unpacked it, as it would be installed
    :param warnings: what that pip warned of
    :param built: how it was built here, if it was
    :param licence: what it states, for those who compare with a later state; "" in older manifests
    """

    project: str
    version: str
    sha256: str
    size: int
    origin: Origin
    proof: Proof
    pip: str
    warnings: tuple[str, ...] = ()
    built: BuildRecord | None = None
    licence: str = ""

    def unpacked(self, sha256: str, pip: str) -> bool:
        """Whether a version of pip has unpacked these bytes."""
        return (self.sha256, self.pip) == (sha256, pip)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "project": self.project,
            "version": self.version,
            "sha256": self.sha256,
            "size": self.size,
            "origin": self.origin.value,
            "warm": self.proof.warmth.value,
            "warm_reason": self.proof.reason,
            "pip": self.pip,
            "pip_warnings": list(self.warnings),
            **({"built": self.built.to_dict()} if self.built else {}),
            **({"licence": self.licence} if self.licence else {}),
        }

    @classmethod
    def from_dict(cls, table: Mapping[str, Any], where: str) -> FileEntry:
        """Read what :meth:`to_dict` wrote.

        :raises ManifestError: a key is missing or is of another type
        """
        warm = get(table, "warm", str, where)
        if warm not in {warmth.value for warmth in Warmth}:
            raise ManifestError(f"{where}.warm is {warm!r}")
        return cls(
            project=get(table, "project", str, where),
            version=_version(get(table, "version", str, where), where),
            sha256=get(table, "sha256", str, where),
            size=get(table, "size", int, where),
            origin=_origin(get(table, "origin", str, where), where),
            proof=Proof(Warmth(warm), get(table, "warm_reason", str, where)),
            pip=get(table, "pip", str, where),
            warnings=tuple(map(str, get(table, "pip_warnings", list, where))),
            built=BuildRecord.from_dict(get(table, "built", dict, where), f"{where}.built")
            if "built" in table
            else None,
            licence=get(table, "licence", str, where) if "licence" in table else "",
        )


def _version(value: str, where: str) -> str:
    try:
        Version(value)
    except InvalidVersion:
        raise ManifestError(f"{where}.version is {value!r}") from None
    return value


def _origin(value: str, where: str) -> Origin:
    try:
        return Origin(value)
    except ValueError:
        raise ManifestError(f"{where}.origin is {value!r}") from None
