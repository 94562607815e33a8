"""RequirementSet + Target + Index → Lock, by pip's rules.

``resolvelib`` is pip's own algorithm; :class:`Provider` gives it pip's preferences.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from resolvelib import BaseReporter, ResolutionImpossible, Resolver
from resolvelib.resolvers import ResolutionTooDeep, Result

from devpi_warmup.errors import ResolutionError, WarmupError, together
from devpi_warmup.index.pages import SDIST, Wheel
from devpi_warmup.inputs.requirements import for_target
from devpi_warmup.resolve.builds import Unbuilt
from devpi_warmup.resolve.impossible import ImpossibleError, impossible
from devpi_warmup.resolve.others import newest_without_wheel
from devpi_warmup.resolve.patch_range import patch_range
from devpi_warmup.resolve.provider import Provider
from devpi_warmup.resolve.requirement import PYTHON, Candidate, ResolverRequirement
from devpi_warmup.resolve.roots import Roots, roots_of
from devpi_warmup.wheelhouse.lock import Lock, Pin
from devpi_warmup.wheelhouse.origins import Origin
from devpi_warmup.wheelhouse.wheels import BrokenWheelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from packaging.utils import NormalizedName

    from devpi_warmup.index.fetcher import Fetcher
    from devpi_warmup.index.pages import IndexFile
    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.inputs.requirements import RequirementSet, TargetRequirements
    from devpi_warmup.inputs.targets import Target
    from devpi_warmup.resolve.builds import Builds
    from devpi_warmup.resolve.finder import Distribution
    from devpi_warmup.resolve.kept import Kept
    from devpi_warmup.wheelhouse.lock import Build, ToBuild
    from devpi_warmup.wheelhouse.wheels import Metadata

_MAX_ROUNDS = 200_000
_UNKNOWABLE = ("platform_release", "platform_version")


def resolve(
    requirements: RequirementSet, cell: Cell, fetcher: Fetcher, builds: Builds | None = None
) -> Lock:
    """Choose one file for every project the cell needs, and fetch the files.

    :param builds: builds the sdists that may be built
    :raises WarmupError: as :func:`choose` does, and what that returns
    """
    return choose(requirements, cell, fetcher, builds)()


def choose(
    requirements: RequirementSet,
    cell: Cell,
    fetcher: Fetcher,
    builds: Builds | None = None,
    kept: Mapping[NormalizedName, Kept] | None = None,
) -> Callable[[], Lock]:
    """Choose one file for every project the cell needs.

    :param builds: builds the sdists that may be built
    :param kept: the pins that stay while the requirements admit them
    :returns: what fetches the files, and raises :class:`FileError` where one cannot be had
    :raises ResolutionError: there is no such set; says why, for this target
    :raises SeveralError: for several reasons: what cannot be had is left out, and the rest tried
    :raises FileError: a file of the set cannot be had
    :raises IndexAccessError: the index does not answer
    """
    own, kept = for_target(requirements, cell.target), kept or {}
    left_out: tuple[str, ...] = ()
    result, roots, broken, problems = _attempt(own, cell.target, fetcher, builds, kept)
    if problems and any(root.optional for root in own.requirements):
        own, left_out = _possible(own, cell.target, fetcher, kept)
        result, roots, broken, problems = _attempt(own, cell.target, fetcher, builds, kept)
    if result is None or problems:
        raise together(problems)
    chosen = _Chosen(result, fetcher, cell.target, roots, builds)
    return partial(chosen.lock, cell, roots, own, broken, left_out)


def _possible(
    own: TargetRequirements,
    target: Target,
    fetcher: Fetcher,
    kept: Mapping[NormalizedName, Kept],
) -> tuple[TargetRequirements, tuple[str, ...]]:
    """Return the lines without those that may be left out, and that no file of a target serves.

    Each is tried by itself. One that fails for any other reason, such as a project that the index
    lacks or does not say, stays, and fails again with the others.

    :returns: them, and what to say of those that are left out
    """
    staying, said = [], []
    for root in own.requirements:
        alone = replace(own, requirements=(root,))
        problems = _attempt(alone, target, fetcher, None, kept)[3] if root.optional else []
        why = [p.of_target if isinstance(p, ImpossibleError) else "" for p in problems]
        if why and all(why):
            said.append(f"left out: {root}, since {'; '.join(why)}")
        else:
            staying.append(root)
    return replace(own, requirements=tuple(staying)), tuple(said)


def survey(
    requirements: RequirementSet, target: Target, fetcher: Fetcher
) -> tuple[WarmupError, ...]:
    """Return what is wrong with the requirements by what the index has; no wheel is opened."""
    _, _, _, problems = _attempt(
        for_target(requirements, target), target, fetcher, None, {}, shallow=True
    )
    return tuple(problems)


def _attempt(
    own: TargetRequirements,
    target: Target,
    fetcher: Fetcher,
    builds: Builds | None,
    kept: Mapping[NormalizedName, Kept],
    *,
    shallow: bool = False,
) -> tuple[
    Result[ResolverRequirement, Candidate, str] | None,
    Roots,
    dict[IndexFile, str],
    list[WarmupError],
]:
    """Resolve, and after a failure go on without what has failed, to find what else will.

    What is left out only ever takes requirements away, so every further failure is one, too.

    :param shallow: look no further than the user's own requirements
    :returns: what was chosen, for whom, what was passed over, and every problem
    """
    problems: list[WarmupError] = []
    roots = replace(roots_of(own, target, problems), kept=kept)
    broken: dict[IndexFile, str] = {}
    given_up = set(roots.refused)
    while True:
        provider = Provider(
            roots, target, fetcher, broken, given_up, shallow=shallow, builds=builds
        )
        try:
            result = _solve(provider, roots, target, fetcher, broken)
        except ImpossibleError as error:
            if not problems:
                fetcher.look_up(roots.names)  # each of them may be missing, and that takes a while
            problems.append(error)
            new = error.projects - given_up - {PYTHON}
            if not new:
                return None, roots, broken, problems
            given_up |= new
            continue
        except BrokenWheelError as error:
            # pip passes over such a wheel too; nothing chosen so far may depend on it.
            wheel = provider.opening
            assert wheel is not None  # noqa: S101
            if wheel.file.origin is Origin.BUILT:
                problems.append(error)
                given_up.add(wheel.project)
                continue
            if wheel in {candidate.wheel for candidate in roots.from_urls.values()}:
                problems.append(error)
                return None, roots, broken, problems
            broken[wheel.file] = str(error)
            if error.whole_version:
                same = fetcher.page(wheel.project).wheels
                broken |= {w.file: str(error) for w in same if w.version == wheel.version}
            continue
        except (WarmupError, RecursionError) as error:
            problems += _last(error, problems)
            return None, roots, broken, problems
        finally:
            provider.prefetch.stop()
        return result, roots, broken, problems


def _last(
    error: WarmupError | RecursionError, problems: Sequence[WarmupError]
) -> list[WarmupError]:
    """Return what an error, after which nothing more can be found, adds to the problems."""
    if isinstance(error, WarmupError):
        return [error]
    # resolvelib goes round in what is left over of projects that require each other, and that
    # nobody wants any more (_has_route_to_root); so does pip's copy of it.
    circle = ResolutionError(
        "projects that require each other have the resolver go round in circles, and pip as well",
        hint="pin some versions, or add constraints",
    )
    return [] if problems else [circle]


def _solve(
    provider: Provider,
    roots: Roots,
    target: Target,
    fetcher: Fetcher,
    broken: Mapping[IndexFile, str],
) -> Result[ResolverRequirement, Candidate, str]:
    if not provider.shallow:
        provider.prefetch.look(roots.wants, sure=True)
    resolver = Resolver(provider, BaseReporter[ResolverRequirement, Candidate, str]())
    try:
        return resolver.resolve(roots.wants, max_rounds=_MAX_ROUNDS)
    except ResolutionImpossible as error:
        raise impossible(
            list(error.causes), provider.wanters, roots, target, fetcher, provider.finder, broken
        ) from None
    except ResolutionTooDeep:
        raise ResolutionError(
            f"the requirements need over {_MAX_ROUNDS} steps to resolve",
            hint="pin some versions, or add constraints",
        ) from None


class _Chosen:
    """What the resolver has chosen: a wheel for each project, for which extras, and for whom."""

    def __init__(
        self,
        result: Result[ResolverRequirement, Candidate, str],
        fetcher: Fetcher,
        target: Target,
        roots: Roots,
        builds: Builds | None,
    ) -> None:
        self._fetcher = fetcher
        self._builds = builds
        self._built: list[Build] = []
        self._unbuilt: list[Unbuilt] = []
        self._extras: defaultdict[NormalizedName, set[str]] = defaultdict(set)
        self._via: defaultdict[NormalizedName, set[str]] = defaultdict(set)
        self._files: dict[NormalizedName, Distribution] = {}
        self._metadata: dict[NormalizedName, Metadata] = {}
        self._specifiers: defaultdict[NormalizedName, SpecifierSet] = defaultdict(SpecifierSet)
        for identifier, candidate in result.mapping.items():
            if candidate.wheel is None:
                continue
            project = candidate.project
            if project not in self._files:
                self._take(candidate.wheel, target, roots)
            self._extras[project] |= candidate.extras
            for requirement, parent in result.criteria[identifier].information:
                self._specifiers[project] &= requirement.specifier
                if requirement.root is not None:
                    self._via[project].add(requirement.root.via)
                elif parent is not None and parent.project != project:
                    self._via[project].add(parent.project)
        # Here, and not in lock(): builds are resolved and tried one after the other.
        self._to_build = self._carried(target, roots)

    def _take(self, chosen: Distribution, target: Target, roots: Roots) -> None:
        """Take a wheel as it is, and of an sdist the wheel that is built of it, if one is."""
        if not isinstance(chosen, Wheel):
            assert self._builds is not None  # noqa: S101 - no sdist is chosen without
            made = self._builds.made(chosen, target, roots.sdists)
            if isinstance(made, Unbuilt):
                self._unbuilt.append(made)
                self._files[chosen.project] = chosen
                self._metadata[chosen.project] = made.metadata
                return
            self._built.append(made.build)
            chosen = made.wheel
        self._files[chosen.project] = chosen
        self._metadata[chosen.project] = self._fetcher.metadata(chosen)

    def lock(
        self,
        cell: Cell,
        roots: Roots,
        own: TargetRequirements,
        broken: Mapping[IndexFile, str],
        left_out: Sequence[str] = (),
    ) -> Lock:
        """Return it as a lock, with what there is to say beside its pins.

        :param own: the user's own lines
        :param broken: wheels that were opened and are no good, and why
        :param left_out: what is not in it, and why
        """
        pins = tuple(self._pins())
        to_build = self._to_build
        notes = dict.fromkeys([*left_out, *self._notes(pins, cell.target, roots, broken)])
        patches = patch_range(cell.target, own, pins, self._metadata, to_build)
        return Lock(cell, pins, patches, tuple(notes), tuple(self._built), to_build)

    def _carried(self, target: Target, roots: Roots) -> tuple[ToBuild, ...]:
        if self._builds is None or not self._unbuilt:
            return ()
        return self._builds.carried(self._unbuilt, target, roots.sdists)

    def _pins(self) -> Iterator[Pin]:
        projects = sorted(self._files)
        stored = self._fetcher.files([self._files[project].file for project in projects])
        for project, file in zip(projects, stored, strict=True):
            wheel = self._files[project]
            if isinstance(wheel, Wheel):
                self._fetcher.check_metadata(wheel)
            yield Pin(
                project=project,
                version=wheel.version,
                file=wheel.file,
                sha256=file.sha256,
                size=file.size,
                extras=tuple(sorted(self._extras[project])),
                via=tuple(sorted(self._via[project])),
                requires_python=str(self._metadata[project].requires_python),
            )

    def _notes(
        self,
        pins: Sequence[Pin],
        target: Target,
        roots: Roots,
        broken: Mapping[IndexFile, str],
    ) -> Iterator[str]:
        for pin in pins:
            for extra in pin.extras:
                if extra not in self._metadata[pin.project].extras:
                    wanters = ", ".join(pin.via)
                    yield f"{pin.project} {pin.version} has no extra {extra!r}, wanted by {wanters}"
            if pin.file.yanked and pin.project in roots.kept:
                yield (
                    f"{pin.project} {pin.version} is yanked on the index, and stays as the last "
                    f"lock has it (-- --upgrade {pin.project} moves it)"
                )
            if pin.file.origin is not Origin.DIRECT:
                yield from self._older_than_it_could_be(pin, target, roots)
            yield from self._unknowable(pin, target)
        for file, problem in broken.items():
            if canonicalize_name(file.filename.partition("-")[0]) in self._files:
                yield f"passed over, as pip does: {problem}"

    def _older_than_it_could_be(self, pin: Pin, target: Target, roots: Roots) -> Iterator[str]:
        admitted = self._specifiers[pin.project] & roots.constraint(pin.project).specifier
        newer = newest_without_wheel(self._fetcher.page(pin.project), admitted, target)
        if newer is not None and newer[0] > pin.version:
            only = f"{newer[0]} exists only as {newer[1]}"
            if newer[1] == SDIST and not roots.sdists.mentions(pin.project):
                only += f', which sdists = ["{pin.project}"] would have built'
            yield f"{pin.project} {pin.version} is not the newest: {only}"

    def _unknowable(self, pin: Pin, target: Target) -> Iterator[str]:
        for requirement in self._metadata[pin.project].requires:
            for name in _UNKNOWABLE:
                if name in str(requirement.marker or ""):
                    yield (
                        f"{pin.project} asks for the {name} of the machine ({requirement}), which "
                        f"cannot be known here: it was taken for {target.markers[name]!r}"
                    )
