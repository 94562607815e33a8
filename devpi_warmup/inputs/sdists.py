"""Consent to run the code of projects that have only sdists: ``sdists = ["docopt"]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from devpi_warmup.errors import Problem
from devpi_warmup.inputs.targets import Target

if TYPE_CHECKING:
    from collections.abc import Iterable

    from devpi_warmup.inputs.requirements import RootRequirement

_ANY = Target("3.13", "win_amd64")


@dataclass(frozen=True)
class Sdists:
    """Which sdists may be built, and with what.

    :param allowed: project, the versions whose sdist may be used, and the targets
    :param constraints: which versions are allowed of what a build requires
    """

    allowed: tuple[Requirement, ...] = ()
    constraints: tuple[RootRequirement, ...] = ()

    def mentions(self, project: NormalizedName) -> bool:
        """Whether there is a line about a project."""
        return any(canonicalize_name(line.name) == project for line in self.allowed)

    def admits(self, project: NormalizedName, version: Version, target: Target) -> bool:
        """Whether the sdist of a version may be built for a target."""
        return any(
            canonicalize_name(line.name) == project
            and line.specifier.contains(version, prereleases=True)
            and target.admits(line.marker)
            for line in self.allowed
        )

    def admits_named(self, project: str, version: str, target: Target) -> bool:
        """Whether the same holds for a name and a version, as the manifest has them."""
        return self.admits(canonicalize_name(project), Version(version), target)


def read_sdists(
    lines: Iterable[str], problems: list[Problem], *, key: str = "sdists"
) -> tuple[Requirement, ...]:
    """Read the lines of ``sdists``, or of ``carry``: a name each, perhaps versions and a marker.

    :param problems: takes those that are something else
    """
    found = []
    for text in lines:
        hint = 'write the project, like "docopt", "pyspark==3.5.*", "x; sys_platform == \'linux\'"'
        try:
            line = Requirement(text)
        except InvalidRequirement:
            if ":all:" in text:
                hint = "each project is named: to build it is to run its code"
            problems.append(Problem(f"{text!r} is no project", key, hint))
            continue
        if line.extras or line.url:
            what = "extras" if line.extras else "a URL"
            problems.append(Problem(f"{line.name} cannot have {what} here", key, hint))
            continue
        if line.marker is not None and not _is_known(line.marker):
            message = f"the marker of {line.name} cannot be evaluated"
            problems.append(Problem(message, key, hint))
            continue
        found.append(line)
    return tuple(found)


def _is_known(marker: Marker) -> bool:
    """Whether a marker can be evaluated for a target, and so without an extra."""
    try:
        marker.evaluate(dict(_ANY.markers))
    except (UndefinedComparison, UndefinedEnvironmentName):
        return False
    return "extra" not in str(marker)
