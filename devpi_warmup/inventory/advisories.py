"""Known vulnerabilities as values, and whether one is about a version.

The rules are those of https://ossf.github.io/osv-schema/ (evaluation).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Affected:
    """Which versions of one project an advisory is about.

    :param ranges: events of each, as (what happens, at which version), in order
    :param limits: of each of these ranges, before which of them it counts at all
    :param versions: that are named one by one
    :param unclear: why it cannot be told of a version, or ""
    """

    ranges: tuple[tuple[tuple[str, Version], ...], ...] = ()
    versions: frozenset[Version] = frozenset()
    unclear: str = ""

    def fixed_after(self, version: Version) -> tuple[str, ...]:
        """Return the versions above this one in which it is fixed."""
        fixed = {v for events in self.ranges for what, v in events if what == "fixed"}
        return tuple(str(v) for v in sorted(fixed) if v > version)

    def holds(self, version: Version) -> bool:
        """Whether a version is affected."""
        named = {version, Version(version.public)} & self.versions  # 2.9.1+cu126 is a 2.9.1
        return bool(named) or any(_within(version, one) for one in self.ranges)


@dataclass(frozen=True)
class Advisory:
    """One advisory, as far as it is about one project."""

    id: str
    aliases: tuple[str, ...]
    summary: str
    severity: str
    affected: Affected


@dataclass(frozen=True)
class Finding:
    """An advisory that is about a file of the wheelhouse.

    :param fixed: the versions above it in which it is fixed
    :param unclear: why it may not be about that version after all, or ""
    """

    id: str
    aliases: tuple[str, ...]
    summary: str
    severity: str
    fixed: tuple[str, ...]
    unclear: str = ""


@dataclass(frozen=True)
class Advisories:
    """What was read.

    :param shown: how the user calls it
    :param count: how many are about projects of the ecosystem of Python
    :param newest: when the newest of them was changed, as they write it
    """

    shown: str
    count: int
    newest: str
    by_project: Mapping[str, tuple[Advisory, ...]] = field(default_factory=dict)

    def about(self, project: str, version: str) -> tuple[Finding, ...]:
        """Return what is known of one version of a project."""
        found, exact = [], Version(version)
        for one in self.by_project.get(project, ()):
            affected = one.affected
            if affected.unclear or affected.holds(exact):
                fixed = affected.fixed_after(exact)
                head = (one.id, one.aliases, one.summary, one.severity)
                sure = affected.holds(exact)
                found.append(Finding(*head, fixed, "" if sure else affected.unclear))
        return tuple(found)


def _within(version: Version, events: tuple[tuple[str, Version], ...]) -> bool:
    limits = [at for what, at in events if what == "limit"]
    if limits and not any(version < limit for limit in limits):
        return False
    affected, public = False, Version(version.public)  # 2.9.1+cu126 is a 2.9.1
    for what, at in events:
        if what == "introduced" and version >= at:
            affected = True
        elif (what == "fixed" and version >= at) or (what == "last_affected" and public > at):
            affected = False
    return affected
