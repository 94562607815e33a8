"""RequirementSet + Target + Index → Lock, by pip's rules.

``resolvelib`` is pip's own algorithm; :class:`_Provider` gives it pip's preferences, so that
the outcome is pip's, and so that backtracking does not open hundreds of wheels. The rules are
those of pip/_internal/resolution/resolvelib/ (provider.py, factory.py, candidates.py) and of
pip/_internal/index/package_finder.py, release 26.3.
"""

from __future__ import annotations

import math
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from resolvelib import AbstractProvider, BaseReporter, ResolutionImpossible, Resolver
from resolvelib.resolvers import RequirementInformation, ResolutionTooDeep, Result

from devpi_warmup.errors import ResolutionError, indented
from devpi_warmup.index.simple import IndexFile, Wheel, parse_wheel
from devpi_warmup.inputs.patches import served_by
from devpi_warmup.inputs.requirements import (
    RequirementSet,
    RootRequirement,
    for_target,
    redact,
    url_filename,
)
from devpi_warmup.resolve import explain, others, unfit
from devpi_warmup.resolve.finder import Finder
from devpi_warmup.resolve.requirement import (
    PYTHON,
    Candidate,
    Wanted,
    combine,
    constraints_of,
    extras_of,
    split,
)
from devpi_warmup.wheelhouse.lock import Lock, Pin
from devpi_warmup.wheelhouse.wheels import BrokenWheelError, DamagedWheelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from packaging.markers import Marker
    from packaging.requirements import Requirement
    from packaging.utils import NormalizedName

    from devpi_warmup.index.fetcher import Gatherer
    from devpi_warmup.inputs.targets import Target
    from devpi_warmup.wheelhouse.wheels import Metadata

# Wheels of one project that may be opened for one target. "boto3 botocore aiobotocore" takes
# pip and us over a hundred honest steps back; what takes more than this has lost its way.
BUDGET = 400
_MAX_ROUNDS = 200_000
_PROMOTED_AFTER = 5  # conflicts, after which pip resolves a project earlier


Causes: TypeAlias = "Sequence[RequirementInformation[Wanted, Candidate]]"


def resolve(requirements: RequirementSet, target: Target, gatherer: Gatherer) -> Lock:
    """Choose one file for every project the target needs, and gather the files.

    :raises ResolutionError: there is no such set; says why, for this target
    :raises FileError: a file of the set cannot be had
    :raises IndexAccessError: the index does not answer
    """
    broken: dict[IndexFile, str] = {}
    while True:
        provider = _Provider(requirements, target, gatherer, broken)
        try:
            result = provider.solve()
        except BrokenWheelError as error:
            # pip passes over such a wheel too; nothing chosen so far may depend on it.
            wheel = provider.opening
            assert wheel is not None  # noqa: S101
            broken[wheel.file] = str(error)
            if error.whole_version:
                same = gatherer.page(wheel.project).wheels if wheel.file.page else ()
                broken |= {w.file: str(error) for w in same if w.version == wheel.version}
            continue
        finally:
            provider.finished = True
        return _lock(result, provider, gatherer)


class _Provider(AbstractProvider[Wanted, Candidate, str]):
    """pip's preferences for one target."""

    def __init__(
        self,
        requirements: RequirementSet,
        target: Target,
        gatherer: Gatherer,
        broken: Mapping[IndexFile, str],
    ) -> None:
        self.target = target
        self.requirements = requirements
        self.broken = broken
        self.finished = False
        self.opening: Wheel | None = None
        self.direct: dict[NormalizedName, Candidate] = {}
        self._gatherer = gatherer
        self._python = Candidate(PYTHON, frozenset(), Version(target.full_version), None)
        self._constraint_lines = for_target(requirements.constraints, target)
        self._constraints = constraints_of(self._constraint_lines)
        self._user_order: dict[str, int] = {}
        self._roots = self._root_wants(for_target(requirements.requirements, target))
        self._conflicts: defaultdict[str, int] = defaultdict(int)
        self._promoted: set[str] = set()
        self._looked: set[tuple[str, SpecifierSet]] = set()
        self._information: dict[str, Causes] = {}  # of what is open, for the budget
        # Who has ever wanted what, the last one last, for explanations.
        self._wanters: defaultdict[str, list[RequirementInformation[Wanted, Candidate]]]
        self._wanters = defaultdict(list)
        for root in self._roots:
            self._wanters[root.identifier].append(RequirementInformation(root, None))
        self._opened: defaultdict[NormalizedName, set[IndexFile]] = defaultdict(set)
        self._finder = Finder(target, gatherer, broken)

    def solve(self) -> Result[Wanted, Candidate, str]:
        self._look_ahead(self._roots)
        resolver = Resolver(self, BaseReporter[Wanted, Candidate, str]())
        try:
            return resolver.resolve(self._roots, max_rounds=_MAX_ROUNDS)
        except ResolutionImpossible as error:
            raise self._explained(list(error.causes)) from None
        except ResolutionTooDeep:
            raise ResolutionError(
                f"the requirements need over {_MAX_ROUNDS} steps to resolve",
                hint="pin some versions, or add constraints",
            ) from None

    # What resolvelib asks -------------------------------------------------------------------

    def identify(self, requirement_or_candidate: Wanted | Candidate) -> str:
        return requirement_or_candidate.identifier

    def narrow_requirement_selection(
        self,
        identifiers: Iterable[str],
        resolutions: Mapping[str, Candidate],
        candidates: Mapping[str, Iterator[Candidate]],
        information: Mapping[str, Iterator[RequirementInformation[Wanted, Candidate]]],
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
        information: Mapping[str, Iterator[RequirementInformation[Wanted, Candidate]]],
        backtrack_causes: Causes,
    ) -> tuple[bool, bool, bool, bool, float, bool, str]:
        """Sort by: promoted, direct, pinned, upper-bounded, the user's order, bounded, name."""
        self._information[identifier] = list(information[identifier])
        wants = [requirement for requirement, _ in self._information[identifier]]
        specifiers = [specifier for wanted in wants for specifier in wanted.specifier]
        pinned = any(s.operator[:2] == "==" and "*" not in s.version for s in specifiers)
        bounded_above = any(
            s.operator in {"<", "<=", "~="} or (s.operator == "==" and "*" in s.version)
            for s in specifiers
        )
        return (
            identifier not in self._promoted,
            all(wanted.exact is None for wanted in wants),
            not pinned,
            not bounded_above,
            self._user_order.get(identifier, math.inf),
            not specifiers,
            identifier,
        )

    def find_matches(
        self,
        identifier: str,
        requirements: Mapping[str, Iterator[Wanted]],
        incompatibilities: Mapping[str, Iterator[Candidate]],
    ) -> Iterable[Candidate]:
        own = list(requirements[identifier])
        project, extras = own[0].project, own[0].extras
        rejected = set(incompatibilities.get(identifier, ()))
        if project == PYTHON:
            fits = all(self.is_satisfied_by(wanted, self._python) for wanted in own)
            return [self._python] if fits and self._python not in rejected else []
        base = list(requirements.get(project, ())) if extras else []
        constraint = self._constraints.get(project, Wanted(project))
        if exact := {w.exact for w in (*own, *base) if w.exact is not None}:
            return [
                candidate
                for found in exact
                if (candidate := Candidate(project, extras, found.version, found.wheel))
                not in rejected
                and self.is_satisfied_by(constraint, candidate)
                and all(self.is_satisfied_by(wanted, candidate) for wanted in own)
            ]
        return [
            candidate
            for wheel in self._finder.search(project, *combine([constraint, *own, *base]))
            if (candidate := Candidate(project, extras, wheel.version, wheel)) not in rejected
        ]

    def is_satisfied_by(self, requirement: Wanted, candidate: Candidate) -> bool:
        if requirement.exact is not None:
            return candidate.wheel == requirement.exact.wheel
        # find_matches has decided on pre-releases already.
        return requirement.specifier.contains(candidate.version, prereleases=True)

    def get_dependencies(self, candidate: Candidate) -> Iterable[Wanted]:
        if candidate.wheel is None:
            return []
        self._spend(candidate.wheel)
        self.opening = candidate.wheel
        wants = list(self._wants(candidate, self._gatherer.metadata(candidate.wheel)))
        for wanted in wants:
            self._wanters[wanted.identifier].append(RequirementInformation(wanted, candidate))
        return wants

    def _wants(self, candidate: Candidate, metadata: Metadata) -> Iterator[Wanted]:
        extras = candidate.extras & metadata.extras
        if candidate.extras:
            base = Candidate(candidate.project, frozenset(), candidate.version, candidate.wheel)
            yield Wanted(candidate.project, exact=base)
        elif str(metadata.requires_python):
            yield Wanted(PYTHON, specifier=metadata.requires_python)
        for requirement in metadata.requires:
            try:
                extra = self._extra(requirement, extras)
            except (UndefinedComparison, UndefinedEnvironmentName):
                problem = f"has a marker that cannot be evaluated: {requirement}"
                assert candidate.wheel is not None  # noqa: S101 - Python requires nothing
                raise DamagedWheelError(candidate.wheel, problem) from None
            if extra is None:
                continue
            if requirement.url is not None:
                raise ResolutionError(
                    f"{candidate} requires {requirement.name} from {redact(requirement.url)}, "
                    "which is past the index and cannot be had inside the gap",
                    hint=f"choose a version of {candidate.project} that requires it by name",
                )
            yield from split(requirement, extra=extra)

    # What a lock says beside its pins --------------------------------------------------------

    def newer(self, pin: Pin, specifier: SpecifierSet) -> tuple[Version, str] | None:
        """Return a version above a pin that is passed over for what it is: not a plain wheel."""
        page = self._gatherer.page(pin.project)
        constraint = self._constraints.get(pin.project, Wanted(pin.project))
        newest = others.newest_without_wheel(page, specifier & constraint.specifier, self.target)
        return newest if newest is not None and newest[0] > pin.version else None

    def passed_over(self, chosen: Mapping[NormalizedName, Wheel]) -> Iterator[str]:
        """Yield what is the matter with each broken wheel that would have been better."""
        for file, problem in self.broken.items():
            project = canonicalize_name(file.filename.partition("-")[0])
            if project in chosen:
                yield problem

    def evaluated(
        self,
        metadata: Mapping[NormalizedName, Metadata],
        extras: Mapping[NormalizedName, AbstractSet[str]],
    ) -> Iterator[tuple[Marker, Sequence[str]]]:
        """Yield every marker that the lock depends on, and the extras it was evaluated for."""
        for root in (*self.requirements.requirements, *self.requirements.constraints):
            if root.requirement.marker is not None:
                yield root.requirement.marker, ("",)
        for project, found in metadata.items():
            wanted = ("", *sorted(extras[project] & found.extras))
            for requirement in found.requires:
                if requirement.marker is not None:
                    yield requirement.marker, wanted

    # What it may cost -----------------------------------------------------------------------

    def _spend(self, wheel: Wheel) -> None:
        opened = self._opened[wheel.project]
        opened.add(wheel.file)
        if len(opened) > BUDGET:
            fighting = self._information.get(wheel.project, [])
            wants = indented(explain.wanted_by(fighting, self._wanters))
            raise ResolutionError(
                f"{wheel.project}: {BUDGET} of its wheels were opened and none fits\n{wants}",
                hint=f"these requirements fight: pin {wheel.project}, or what wants it",
            )

    # What is wanted -------------------------------------------------------------------------

    def _root_wants(self, roots: Sequence[RootRequirement]) -> list[Wanted]:
        wants: list[Wanted] = []
        for position, root in enumerate(roots):
            extras = extras_of(root.requirement)
            if root.url is None:
                lines = list(split(root.requirement, root))
            else:
                exact = self._direct_candidate(root, root.url)
                self.direct[root.name] = exact
                lines = [Wanted(root.name, exact=exact, root=root)]
                lines += [Wanted(root.name, extras, exact=exact, root=root)] if extras else []
            self._user_order.setdefault(lines[0].identifier, position)
            wants.extend(lines)
        # As pip does: bases first, so that what has extras meets fewer candidates.
        wants.sort(key=lambda wanted: bool(wanted.extras))
        return wants

    def _direct_candidate(self, root: RootRequirement, url: str) -> Candidate:
        filename = url_filename(url)
        if len(root.hashes) > 1:
            raise ResolutionError(
                f"{root.where}: {root} has {len(root.hashes)} hashes for one file",
                hint="leave the one that is right",
            )
        wheel = parse_wheel(root.name, IndexFile(filename, url, next(iter(root.hashes), "")))
        if wheel is None or self.target.rank(wheel.tags) is None:
            raise ResolutionError(
                f"{root.where}: {redact(url)} is not a wheel for this target",
                hint='give each of its wheels a marker, such as ; sys_platform == "win32"',
            )
        if wheel.file in self.broken:
            raise ResolutionError(f"{root.where}: {self.broken[wheel.file]}")
        return Candidate(root.name, frozenset(), wheel.version, wheel)

    def _extra(self, requirement: Requirement, extras: frozenset[str]) -> str | None:
        """Return the extra for which a requirement holds, "" for none; None: it does not hold."""
        for extra in ("", *sorted(extras)):
            if self.target.admits(requirement.marker, [extra]):
                return extra
        return None

    def _look_ahead(self, wants: Iterable[Wanted]) -> None:
        """Gather in the background what these requirements alone would lead to.

        It is a guess, and no more: what the resolver then asks for is mostly there already,
        and a wrong guess costs one wheel that does not stay.
        """
        for wanted in wants:
            key = (wanted.identifier, wanted.specifier)
            if wanted.project == PYTHON or wanted.exact is not None or key in self._looked:
                continue
            self._looked.add(key)
            self._gatherer.ahead(partial(self._guess, wanted), self._follow)

    def _guess(self, wanted: Wanted) -> Candidate | None:
        if self.finished:
            return None
        constraint = self._constraints.get(wanted.project, Wanted(wanted.project))
        for wheel in self._finder.search(wanted.project, *combine([constraint, wanted])):
            return Candidate(wanted.project, wanted.extras, wheel.version, wheel)
        return None

    def _follow(self, candidate: Candidate) -> None:
        if not self.finished and candidate.wheel is not None:
            metadata = self._gatherer.metadata(candidate.wheel)
            self._look_ahead(list(self._wants(candidate, metadata)))

    def _explained(self, causes: Causes) -> ResolutionError:
        lines, reasons = list[str](), None
        for project in dict.fromkeys(requirement.project for requirement, _ in causes):
            own = [cause for cause in causes if cause.requirement.project == project]
            if project == PYTHON:
                block = ["Python:", f"the target has {self.target.full_version}"]
                block[1:1] = explain.wanted_by(own, self._wanters)
            else:
                block = [f"{project}:", *explain.wanted_by(own, self._wanters)]
                block += [f"{w}, constrained by {where}" for w, where in self._limits(project)]
            if project != PYTHON and all(cause.requirement.exact is None for cause in own):
                reasons = self._why_none(project, own)
                block += [reasons.nearest, *reasons.lines]
            lines += [block[0], *(f"      {line}" for line in block[1:])]
        projects = list(dict.fromkeys(requirement.project for requirement, _ in causes))
        title = f"no set of files satisfies the requirements on {', '.join(projects)}"
        hint = unfit.RELAX
        if len(projects) == 1 and reasons is not None:
            title += f": {reasons.nearest}"
            lines.remove(f"      {reasons.nearest}")
            hint = reasons.hint
        if len(self.target.machines) > 1:
            lines.append(
                f"{self.target.platform} is judged for {' and '.join(self.target.machines)} "
                "kernels together: a 32-bit Python runs on both"
            )
        text = "\n  ".join([title.replace(PYTHON, "Python"), *lines])
        return ResolutionError(text, hint=hint)

    def _limits(self, project: NormalizedName) -> list[tuple[Wanted, str]]:
        """Return the constraint lines of a project, and where each stands."""
        return [
            (next(split(root.requirement, root)), root.where)
            for root in self._constraint_lines
            if root.name == project
        ]

    def _why_none(self, project: NormalizedName, causes: Causes) -> unfit.Reasons:
        wants = [(c.requirement, explain.who(c, self._wanters)) for c in causes]
        wants += self._limits(project)
        return unfit.why_none(
            self._gatherer.page(project),
            wants,
            combine([want for want, _ in wants]),
            self.target,
            self.broken,
        )


def _lock(result: Result[Wanted, Candidate, str], provider: _Provider, gatherer: Gatherer) -> Lock:
    extras: defaultdict[NormalizedName, set[str]] = defaultdict(set)
    via: defaultdict[NormalizedName, set[str]] = defaultdict(set)
    wheels: dict[NormalizedName, Wheel] = {}
    specifiers: defaultdict[NormalizedName, SpecifierSet] = defaultdict(SpecifierSet)
    for identifier, candidate in result.mapping.items():
        if candidate.wheel is None:
            continue
        wheels[candidate.project] = candidate.wheel
        extras[candidate.project] |= candidate.extras
        for requirement, parent in result.criteria[identifier].information:
            specifiers[candidate.project] &= requirement.specifier
            if requirement.root is not None:
                via[candidate.project].add(f"-r {requirement.root.where.rpartition(':')[0]}")
            elif parent is not None and parent.project != candidate.project:
                via[candidate.project].add(parent.project)
    projects = sorted(wheels)
    stored = gatherer.files([wheels[project].file for project in projects])
    pins = []
    for project, file in zip(projects, stored, strict=True):
        wheel = wheels[project]
        pins.append(
            Pin(
                project=project,
                version=wheel.version,
                file=wheel.file,
                sha256=file.sha256,
                size=file.size,
                extras=tuple(sorted(extras[project])),
                via=tuple(sorted(via[project])),
                requires_python=str(gatherer.metadata(wheel).requires_python),
                direct=project in provider.direct,
            )
        )
    metadata = {project: gatherer.metadata(wheel) for project, wheel in wheels.items()}
    notes = [
        f"{pin.project} {pin.version} has no extra {extra!r}, wanted by {', '.join(pin.via)}"
        for pin in pins
        for extra in pin.extras
        if extra not in metadata[pin.project].extras
    ]
    notes += [
        f"{pin.project} {pin.version} is not the newest: {version} exists only as {what}"
        for pin in pins
        if not pin.direct and (newer := provider.newer(pin, specifiers[pin.project])) is not None
        for version, what in [newer]
    ]
    notes += [f"passed over, as pip does: {why}" for why in provider.passed_over(wheels)]
    patches = served_by(
        provider.target,
        provider.evaluated(metadata, extras),
        [pin.requires_python for pin in pins],
    )
    return Lock(provider.target, tuple(pins), patches, tuple(dict.fromkeys(notes)))
