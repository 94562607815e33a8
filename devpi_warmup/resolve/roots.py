"""What a user's lines want of one target, as the resolver sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from packaging.utils import NormalizedName

from devpi_warmup.errors import ResolutionError
from devpi_warmup.index.pages import IndexFile, parse_wheel
from devpi_warmup.inputs.sdists import Sdists
from devpi_warmup.inputs.urls import redact, url_filename
from devpi_warmup.resolve.requirement import (
    Candidate,
    ResolverRequirement,
    combine,
    extras_of,
    split,
)
from devpi_warmup.wheelhouse.origins import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devpi_warmup.errors import WarmupError
    from devpi_warmup.inputs.own_wheels import OwnWheel
    from devpi_warmup.inputs.requirements import RootRequirement, TargetRequirements
    from devpi_warmup.inputs.targets import Target
    from devpi_warmup.resolve.kept import Kept


@dataclass(frozen=True)
class Roots:
    """The requirements and constraints of one target.

    :param wants: the requirements, in the order that pip decides them in
    :param order: the user's own order, by identifier
    :param from_urls: the wheels that are named by URL
    :param limits: every constraint line
    :param refused: projects that a line names by a URL which will not do
    :param own: wheels of the user's own
    :param sdists: which may be built
    :param kept: the pins of the last lock that are to stay
    """

    wants: tuple[ResolverRequirement, ...]
    order: Mapping[str, int]
    from_urls: Mapping[NormalizedName, Candidate]
    limits: tuple[ResolverRequirement, ...]
    refused: frozenset[NormalizedName] = frozenset()
    own: tuple[OwnWheel, ...] = ()
    sdists: Sdists = field(default_factory=Sdists)
    kept: Mapping[NormalizedName, Kept] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[NormalizedName]:
        """Every project that a line of the user names."""
        return frozenset(wanted.project for wanted in (*self.wants, *self.limits))

    def constraint(self, project: NormalizedName) -> ResolverRequirement:
        """Return what the constraint lines together want of a project."""
        return self._constraints.get(project, ResolverRequirement(project))

    @cached_property
    def _constraints(self) -> dict[NormalizedName, ResolverRequirement]:
        known: dict[NormalizedName, ResolverRequirement] = {}
        for limit in self.limits:
            specifier, hashes = combine([known.get(limit.project, limit), limit])
            known[limit.project] = ResolverRequirement(
                limit.project, specifier=specifier, hashes=hashes
            )
        return known


def roots_of(
    requirements: TargetRequirements, target: Target, problems: list[WarmupError]
) -> Roots:
    """Turn the lines that apply to a target into what the resolver takes.

    :param problems: takes the lines that name a wheel by URL which the target cannot use, and
        the files that are not for its Python
    """
    problems += [
        ResolutionError(
            f"{limit.where} {why_not}",
            hint="exclude the target in [tool.devpi-warmup], or give it an environment of its own",
        )
        for limit in dict.fromkeys(requirements.limits)
        if (why_not := limit.why_not(target))
    ]
    wants: list[ResolverRequirement] = []
    order: dict[str, int] = {}
    from_urls: dict[NormalizedName, Candidate] = {}
    refused = set[NormalizedName]()
    for position, root in enumerate(requirements.requirements):
        extras = extras_of(root.requirement)
        if root.url is None:
            lines = list(split(root.requirement, root))
        else:
            try:
                exact = from_urls[root.name] = _from_url(root, root.url, target)
            except ResolutionError as error:
                problems.append(error)
                refused.add(root.name)
                continue
            lines = [ResolverRequirement(root.name, exact=exact, root=root)]
            lines += (
                [ResolverRequirement(root.name, extras, exact=exact, root=root)] if extras else []
            )
        order.setdefault(lines[0].identifier, position)
        wants.extend(lines)
    # As pip does: bases first, so that what has extras meets fewer candidates.
    wants.sort(key=lambda wanted: bool(wanted.extras))
    limits = tuple(next(split(root.requirement, root)) for root in requirements.constraints)
    return Roots(
        tuple(wants),
        order,
        from_urls,
        limits,
        frozenset(refused),
        requirements.wheels,
        requirements.sdists,
    )


def _from_url(root: RootRequirement, url: str, target: Target) -> Candidate:
    filename = url_filename(url)
    if len(root.hashes) > 1:
        raise ResolutionError(
            f"{root.where}: {root} has {len(root.hashes)} hashes for one file",
            hint="leave the one that is right",
        )
    wheel = parse_wheel(
        root.name, IndexFile(filename, url, next(iter(root.hashes), ""), origin=Origin.DIRECT)
    )
    if wheel is None or target.rank(wheel.tags) is None:
        raise ResolutionError(
            f"{root.where}: {redact(url)} is not a wheel for this target",
            hint='give each of its wheels a marker, such as ; sys_platform == "win32"',
        )
    return Candidate(root.name, frozenset(), wheel.version, wheel)
