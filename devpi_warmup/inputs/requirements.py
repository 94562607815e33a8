"""What a user requires: the lines of his files as values, and those that apply to a target."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from devpi_warmup.inputs.sdists import Sdists
from devpi_warmup.inputs.urls import redact

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from packaging.markers import Marker

    from devpi_warmup.inputs.own_wheels import OwnWheel
    from devpi_warmup.inputs.targets import Target


@dataclass(frozen=True)
class RootRequirement:
    """One line of a requirement or constraint file.

    :param requirement: name, extras, specifier and marker
    :param hashes: the sha256 digests that ``--hash`` allows; empty: any
    :param where: ``requirements/main.txt:3``
    :param url: the direct URL of a wheel, if the line names one
    :param optional: whether it may be left out for a target that there are no files for
    """

    requirement: Requirement
    hashes: frozenset[str]
    where: str
    url: str | None = None
    optional: bool = False

    @property
    def name(self) -> NormalizedName:
        """The normalized name of the project."""
        return canonicalize_name(self.requirement.name)

    @property
    def via(self) -> str:
        """How a lock says that the line wants something."""
        return f"-r {self.where.rpartition(':')[0]}"

    @property
    def known(self) -> tuple[str, ...]:
        """What the line asks for, without what may be secret."""
        url = redact(self.url) if self.url is not None else ""
        return (str(self), str(self.requirement.marker or ""), *sorted(self.hashes), url)

    def applies_to(self, target: Target) -> bool:
        """Whether the marker of the line, if any, holds for the target."""
        return target.admits(self.requirement.marker)

    def __str__(self) -> str:
        extras = f"[{','.join(sorted(self.requirement.extras))}]" if self.requirement.extras else ""
        if self.url is not None:
            return f"{self.requirement.name}{extras} @ {redact(self.url)}"
        return f"{self.requirement.name}{extras}{self.requirement.specifier}"


@dataclass(frozen=True)
class Limit:
    """What a file, or a package of a lock, is for, by its own word.

    :param where: the file, and perhaps the package
    :param python: its Requires-Python
    :param environments: it is for those under one of these markers; none: for all
    :param marker: of the package: elsewhere it limits nothing
    """

    where: str
    python: str = ""
    environments: tuple[Marker, ...] = ()
    marker: Marker | None = None

    def why_not(self, target: Target) -> str:
        """Return why it is not for a target, or ""."""
        if not target.admits(self.marker):
            return ""
        if not target.fits_python(self.python):
            return f"is for Python {self.python}, the target has {target.full_version}"
        if self.environments and not any(map(target.admits, self.environments)):
            return f"is for {' or '.join(map(str, self.environments))} alone"
        return ""


@dataclass(frozen=True)
class RequirementSet:
    """What to warm, in the user's order.

    :param requirements: what is wanted
    :param constraints: which versions are allowed of what somebody wants
    :param digest: sha256 of the lines as written, and of what ``${VARIABLES}`` make of them,
        users and passwords in URLs aside
    :param limits: what the files are for
    :param wheels: of the user's own; they require nothing by themselves
    :param sdists: which may be built
    :param files: what was read to know all that, those that others include among them
    """

    requirements: tuple[RootRequirement, ...]
    constraints: tuple[RootRequirement, ...]
    digest: str
    limits: tuple[Limit, ...] = ()
    wheels: tuple[OwnWheel, ...] = ()
    sdists: Sdists = field(default_factory=Sdists)
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class TargetRequirements:
    """The lines that apply to one target, without their markers.

    :param markers: every marker that was evaluated to know that
    :param limits: what the files are for
    :param wheels: of the user's own
    :param sdists: which may be built
    """

    requirements: tuple[RootRequirement, ...]
    constraints: tuple[RootRequirement, ...]
    markers: tuple[Marker, ...]
    limits: tuple[Limit, ...] = ()
    wheels: tuple[OwnWheel, ...] = ()
    sdists: Sdists = field(default_factory=Sdists)


def for_target(requirements: RequirementSet, target: Target) -> TargetRequirements:
    """Specialise the lines for one target."""
    lines = (*requirements.requirements, *requirements.constraints)
    return TargetRequirements(
        _applying(requirements.requirements, target),
        _applying(requirements.constraints, target),
        tuple(root.requirement.marker for root in lines if root.requirement.marker is not None),
        requirements.limits,
        requirements.wheels,
        requirements.sdists,
    )


def served(requirements: RequirementSet, projects: Collection[NormalizedName]) -> RequirementSet:
    """Return what a lock has to serve: all but what may be left out, and is.

    :param projects: that the lock has
    """
    wanted = (r for r in requirements.requirements if r.name in projects or not r.optional)
    return replace(requirements, requirements=tuple(wanted))


def _applying(roots: Sequence[RootRequirement], target: Target) -> tuple[RootRequirement, ...]:
    chosen = []
    for root in roots:
        if root.applies_to(target):
            requirement = Requirement(str(root.requirement))
            requirement.marker = None
            chosen.append(replace(root, requirement=requirement))
    return tuple(chosen)
