"""pip's preferences for one target, as ``resolvelib`` asks for them.

The rules are those of pip/_internal/resolution/resolvelib/ (provider.py, factory.py,
candidates.py), release 26.3, so that the outcome is pip's, and so that backtracking does not open
hundreds of wheels.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, TypeAlias

from packaging.version import Version
from resolvelib import AbstractProvider
from resolvelib.resolvers import RequirementInformation

from devpi_warmup.errors import ResolutionError, indented
from devpi_warmup.index.pages import Wheel
from devpi_warmup.resolve import explain
from devpi_warmup.resolve.builds import Built
from devpi_warmup.resolve.dependencies import dependencies
from devpi_warmup.resolve.finder import Finder
from devpi_warmup.resolve.prefetch import Prefetch
from devpi_warmup.resolve.requirement import PYTHON, Candidate, ResolverRequirement, combine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from packaging.utils import NormalizedName

    from devpi_warmup.index.fetcher import Fetcher
    from devpi_warmup.index.pages import IndexFile
    from devpi_warmup.inputs.targets import Target
    from devpi_warmup.resolve.builds import Builds, Unbuilt
    from devpi_warmup.resolve.finder import Distribution
    from devpi_warmup.resolve.roots import Roots

# Wheels of one project that may be opened for one target. "boto3 botocore aiobotocore" takes
# pip and us over a hundred honest steps back; what takes more than this has lost its way.
BUDGET = 400
_PROMOTED_AFTER = 5  # conflicts, after which pip resolves a project earlier


Causes: TypeAlias = "Sequence[RequirementInformation[ResolverRequirement, Candidate]]"


class Provider(AbstractProvider[ResolverRequirement, Candidate, str]):
    """pip's preferences for one target."""

    def __init__(
        self,
        roots: Roots,
        target: Target,
        fetcher: Fetcher,
        broken: Mapping[IndexFile, str],
        given_up: AbstractSet[NormalizedName] = frozenset(),
        *,
        shallow: bool = False,
        builds: Builds | None = None,
    ) -> None:
        """Serve one attempt of a resolution.

        :param broken: wheels that were opened and are no good, and why
        :param given_up: projects of which it is known that nothing fits; anything does, here
        :param shallow: look no further than what the user requires
        :param builds: builds the sdists that may be built
        """
        self._builds = builds
        self.shallow = shallow
        self._given_up = given_up
        self.opening: Wheel | None = None
        # Who has ever wanted what, the last one last, for explanations.
        self.wanters: defaultdict[str, list[RequirementInformation[ResolverRequirement, Candidate]]]
        self.wanters = defaultdict(list)
        for root in roots.wants:
            self.wanters[root.identifier].append(RequirementInformation(root, None))
        self._roots = roots
        self._target = target
        self._fetcher = fetcher
        self._python = Candidate(PYTHON, frozenset(), Version(target.full_version), None)
        self._conflicts: defaultdict[str, int] = defaultdict(int)
        self._promoted: set[str] = set()
        self._information: dict[str, Causes] = {}  # of what is open, for the budget
        self._opened: defaultdict[NormalizedName, set[IndexFile]] = defaultdict(set)
        self.finder = Finder(target, fetcher, broken, roots.own, roots.sdists, kept=roots.kept)
        self.prefetch = Prefetch(roots, target, self.finder, fetcher)

    def identify(self, requirement_or_candidate: ResolverRequirement | Candidate) -> str:
        return requirement_or_candidate.identifier

    def narrow_requirement_selection(
        self,
        identifiers: Iterable[str],
        resolutions: Mapping[str, Candidate],
        candidates: Mapping[str, Iterator[Candidate]],
        information: Mapping[str, Iterator[RequirementInformation[ResolverRequirement, Candidate]]],
        backtrack_causes: Causes,
    ) -> Iterable[str]:
        """Python first, then what the last conflict was about, then what conflicts often."""
        conflicting = set()
        for requirement, parent in backtrack_causes:
            for cause in (requirement, parent):
                if cause is None:
                    continue
                name = cause.identifier
                conflicting.add(name)
                if name not in resolutions:
                    self._conflicts[name] += 1
                    if self._conflicts[name] >= _PROMOTED_AFTER:
                        self._promoted.add(name)
        open_ = list(identifiers)
        if PYTHON in open_:
            return [PYTHON]
        return (
            [name for name in open_ if name in conflicting]
            or [name for name in open_ if name in self._promoted]
            or open_
        )

    def get_preference(
        self,
        identifier: str,
        resolutions: Mapping[str, Candidate],
        candidates: Mapping[str, Iterator[Candidate]],
        information: Mapping[str, Iterator[RequirementInformation[ResolverRequirement, Candidate]]],
        backtrack_causes: Causes,
    ) -> tuple[bool, bool, bool, bool, float, bool, str]:
        """Sort by: promoted, direct, pinned, upper-bounded, the user's order, bounded, name."""
        self._information[identifier] = list(information[identifier])
        wants = [requirement for requirement, _ in self._information[identifier]]
        bounds = [wanted.bounds for wanted in wants]
        return (
            identifier not in self._promoted,
            all(wanted.exact is None for wanted in wants),
            not any(bound.pinned for bound in bounds),
            not any(bound.above for bound in bounds),
            self._roots.order.get(identifier, math.inf),
            not any(bound.any for bound in bounds),
            identifier,
        )

    def find_matches(
        self,
        identifier: str,
        requirements: Mapping[str, Iterator[ResolverRequirement]],
        incompatibilities: Mapping[str, Iterator[Candidate]],
    ) -> Iterable[Candidate] | Callable[[], Iterable[Candidate]]:
        own = list(requirements[identifier])
        project, extras = own[0].project, own[0].extras
        rejected = set(incompatibilities.get(identifier, ()))
        if project == PYTHON:
            fits = all(self.is_satisfied_by(wanted, self._python) for wanted in own)
            return [self._python] if fits and self._python not in rejected else []
        if project in self._given_up:
            anything = Candidate(project, extras, Version("0"), None)
            return [anything] if anything not in rejected else []
        base = list(requirements.get(project, ())) if extras else []
        constraint = self._roots.constraint(project)
        if exact := {w.exact for w in (*own, *base) if w.exact is not None}:
            return [
                candidate
                for found in exact
                if (candidate := Candidate(project, extras, found.version, found.wheel))
                not in rejected
                and self.is_satisfied_by(constraint, candidate)
                and all(self.is_satisfied_by(wanted, candidate) for wanted in own)
            ]
        found = self.finder.search(project, *combine([constraint, *own, *base]))

        def made() -> Iterator[Candidate]:  # the first will do, of hundreds
            for wheel in found:
                candidate = Candidate(project, extras, wheel.version, wheel)
                if not rejected or candidate not in rejected:
                    yield candidate

        return made

    def is_satisfied_by(self, requirement: ResolverRequirement, candidate: Candidate) -> bool:
        if self._given_up and requirement.project in self._given_up:
            return True
        if requirement.exact is not None:
            return candidate.wheel == requirement.exact.wheel
        return requirement.admits(candidate.version)

    def get_dependencies(self, candidate: Candidate) -> Iterable[ResolverRequirement]:
        if candidate.wheel is None or self.shallow:
            return []
        self._spend(candidate.wheel)
        made = self._made(candidate.wheel)
        if isinstance(made, Wheel):
            self.opening = made
            metadata = self._fetcher.metadata(made)
        else:
            metadata = made.metadata
        wants = list(dependencies(candidate, metadata, self._target))
        for wanted in wants:
            self.wanters[wanted.identifier].append(RequirementInformation(wanted, candidate))
        return wants

    def _made(self, distribution: Distribution) -> Wheel | Unbuilt:
        """Return a wheel itself, and of an sdist the wheel that is built of it, if one is.

        :raises WarmupError: it can be built nowhere
        """
        if isinstance(distribution, Wheel):
            return distribution
        assert self._builds is not None  # noqa: S101 - no sdist is found without
        made = self._builds.made(distribution, self._target, self._roots.sdists)
        return made.wheel if isinstance(made, Built) else made

    def _spend(self, wheel: Distribution) -> None:
        opened = self._opened[wheel.project]
        opened.add(wheel.file)
        if len(opened) > BUDGET:
            fighting = self._information.get(wheel.project, [])
            wants = indented(explain.wanted_by(fighting, self.wanters))
            raise ResolutionError(
                f"{wheel.project}: {BUDGET} of its wheels were opened and none fits\n{wants}",
                hint=f"these requirements fight: pin {wheel.project}, or what wants it",
            )
