"""What the resolver chooses between: candidates, and what is wanted of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from packaging.requirements import Requirement
    from packaging.version import Version

    from devpi_warmup.inputs.requirements import RootRequirement
    from devpi_warmup.resolve.finder import Distribution, Hashes

PYTHON = NormalizedName("<python>")  # no project can have this name


@dataclass(frozen=True)
class Candidate:
    """One wheel or sdist, possibly with extras; without one, the target's Python itself."""

    project: NormalizedName
    extras: frozenset[str]
    version: Version
    wheel: Distribution | None

    @property
    def identifier(self) -> str:
        """What resolvelib decides as one: a project, or a project with extras."""
        return identifier_of(self.project, self.extras)

    def __str__(self) -> str:
        return f"{self.identifier} {self.version}"


@dataclass(frozen=True)
class Bounds:
    """What a specifier does: it names one version, bounds it from above, or does anything."""

    pinned: bool
    above: bool
    any: bool


@dataclass(frozen=True)
class ResolverRequirement:
    """A requirement as the resolver sees it.

    :param exact: the one candidate that will do: a direct URL, or an extra's own base
    :param root: where it stands in the user's files, if it does
    :param extra: the extra of its parent that brings it, if it is one
    """

    project: NormalizedName
    extras: frozenset[str] = frozenset()
    specifier: SpecifierSet = field(default_factory=SpecifierSet)
    hashes: Hashes = None
    exact: Candidate | None = None
    root: RootRequirement | None = None
    extra: str = field(default="", compare=False)

    @property
    def identifier(self) -> str:
        """What resolvelib decides as one: a project, or a project with extras."""
        return identifier_of(self.project, self.extras)

    def admits(self, version: Version) -> bool:
        """Whether its specifier admits a version; pre-releases are decided on before.

        resolvelib asks for every requirement again in each of its steps: a million times for
        sixty projects.
        """
        known = self._known
        if version not in known:
            known[version] = self.specifier.contains(version, prereleases=True)
        return known[version]

    @cached_property
    def bounds(self) -> Bounds:
        """How far its specifier leaves a choice; asked for in each step, too."""
        every = [*self.specifier]
        return Bounds(
            pinned=any(s.operator[:2] == "==" and "*" not in s.version for s in every),
            above=any(
                s.operator in {"<", "<=", "~="} or (s.operator == "==" and "*" in s.version)
                for s in every
            ),
            any=bool(every),
        )

    @cached_property
    def _known(self) -> dict[Version, bool]:
        return {}

    def __str__(self) -> str:
        if self.project == PYTHON:
            return f"Python {self.specifier}"
        if self.exact is not None:
            return f"{self.identifier}=={self.exact.version}"
        hashes = sorted(self.hashes or ())
        hashed = "".join(f" --hash=sha256:{digest[:8]}…" for digest in hashes)
        return f"{self.identifier}{self.specifier}{hashed}"


def combine(wants: Iterable[ResolverRequirement]) -> tuple[SpecifierSet, Hashes]:
    """Return the specifier and the hashes that satisfy all wants together."""
    specifier = SpecifierSet()
    hashes: Hashes = None
    for wanted in wants:
        specifier &= wanted.specifier
        if wanted.hashes is not None:
            hashes = wanted.hashes if hashes is None else hashes & wanted.hashes
    return specifier, hashes


def extras_of(requirement: Requirement) -> frozenset[str]:
    """Return the normalized extras of a requirement (PEP 685)."""
    return frozenset(map(canonicalize_name, requirement.extras))


def split(
    requirement: Requirement, root: RootRequirement | None = None, extra: str = ""
) -> Iterator[ResolverRequirement]:
    """Turn ``a[x]>=1`` into ``a>=1`` and ``a[x]>=1``, so that the base is decided first."""
    name, extras = canonicalize_name(requirement.name), extras_of(requirement)
    hashes = root.hashes or None if root else None
    whole = ResolverRequirement(
        name, extras, requirement.specifier, hashes=hashes, root=root, extra=extra
    )
    if extras and requirement.specifier:
        yield replace(whole, extras=frozenset())
    yield whole


def identifier_of(project: NormalizedName, extras: frozenset[str]) -> str:
    """Return ``project`` or ``project[a,b]``."""
    return f"{project}[{','.join(sorted(extras))}]" if extras else project
