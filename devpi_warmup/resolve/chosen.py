"""What the resolver has chosen becomes a lock."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

from devpi_warmup.index.pages import Wheel
from devpi_warmup.resolve.builds import Unbuilt
from devpi_warmup.resolve.notes import notes
from devpi_warmup.resolve.patch_range import patch_range
from devpi_warmup.wheelhouse.lock import Lock, Pin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from packaging.utils import NormalizedName
    from resolvelib.resolvers import Result

    from devpi_warmup.index.fetcher import Fetcher
    from devpi_warmup.index.pages import IndexFile
    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.inputs.requirements import TargetRequirements
    from devpi_warmup.inputs.targets import Target
    from devpi_warmup.resolve.builds import Builds
    from devpi_warmup.resolve.finder import Distribution
    from devpi_warmup.resolve.requirement import Candidate, ResolverRequirement
    from devpi_warmup.resolve.roots import Roots
    from devpi_warmup.wheelhouse.lock import Build, ToBuild
    from devpi_warmup.wheelhouse.wheels import Metadata


class Chosen:
    """What the resolver has chosen: a wheel for each project, for which extras, and for whom."""

    def __init__(
        self,
        result: Result[ResolverRequirement, Candidate, str],
        fetcher: Fetcher,
        target: Target,
        roots: Roots,
        builds: Builds | None,
    ) -> None:
        """Take what an attempt has come to.

        :param builds: builds the sdists among it
        """
        self.fetcher = fetcher
        self._builds = builds
        self._built: list[Build] = []
        self._unbuilt: list[Unbuilt] = []
        self._extras: defaultdict[NormalizedName, set[str]] = defaultdict(set)
        self._via: defaultdict[NormalizedName, set[str]] = defaultdict(set)
        self.files: dict[NormalizedName, Distribution] = {}
        self.metadata: dict[NormalizedName, Metadata] = {}
        self.specifiers: defaultdict[NormalizedName, SpecifierSet] = defaultdict(SpecifierSet)
        for identifier, candidate in result.mapping.items():
            if candidate.wheel is None:
                continue
            project = candidate.project
            if project not in self.files:
                self._take(candidate.wheel, target, roots)
            self._extras[project] |= candidate.extras
            for requirement, parent in result.criteria[identifier].information:
                self.specifiers[project] &= requirement.specifier
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
                self.files[chosen.project] = chosen
                self.metadata[chosen.project] = made.metadata
                return
            self._built.append(made.build)
            chosen = made.wheel
        self.files[chosen.project] = chosen
        self.metadata[chosen.project] = self.fetcher.metadata(chosen)

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
        said = dict.fromkeys([*left_out, *notes(self, pins, cell.target, roots, broken)])
        patches = patch_range(cell.target, own, pins, self.metadata, to_build)
        return Lock(cell, pins, patches, tuple(said), tuple(self._built), to_build)

    def _carried(self, target: Target, roots: Roots) -> tuple[ToBuild, ...]:
        if self._builds is None or not self._unbuilt:
            return ()
        return self._builds.carried(self._unbuilt, target, roots.sdists)

    def _pins(self) -> Iterator[Pin]:
        projects = sorted(self.files)
        stored = self.fetcher.files([self.files[project].file for project in projects])
        for project, file in zip(projects, stored, strict=True):
            wheel = self.files[project]
            if isinstance(wheel, Wheel):
                self.fetcher.check_metadata(wheel)
            yield Pin(
                project=project,
                version=wheel.version,
                file=wheel.file,
                sha256=file.sha256,
                size=file.size,
                extras=tuple(sorted(self._extras[project])),
                via=tuple(sorted(self._via[project])),
                requires_python=str(self.metadata[project].requires_python),
            )
