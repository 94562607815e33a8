"""Which wheels of a project fit a target, and which sdists may, best first, by pip's rules.

Those of pip/_internal/index/package_finder.py, release 26.3, and of PEP 592.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from devpi_warmup.errors import FileError
from devpi_warmup.index.pages import IndexFile, parse_sdist, parse_wheel
from devpi_warmup.index.single_flight import SingleFlight
from devpi_warmup.inputs.sdists import Sdists
from devpi_warmup.wheelhouse.origins import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from packaging.specifiers import SpecifierSet
    from packaging.utils import NormalizedName
    from packaging.version import Version

    from devpi_warmup.index.fetcher import Fetcher
    from devpi_warmup.index.pages import Page, Sdist, Wheel
    from devpi_warmup.inputs.own_wheels import OwnWheel
    from devpi_warmup.inputs.targets import Target
    from devpi_warmup.resolve.kept import Kept

Hashes: TypeAlias = "frozenset[str] | None"  # None: any digest will do
Distribution: TypeAlias = "Wheel | Sdist"


class Finder:
    """Finds wheels for one target. Thread-safe."""

    def __init__(
        self,
        target: Target,
        fetcher: Fetcher,
        broken: Mapping[IndexFile, str],
        own: Sequence[OwnWheel] = (),
        sdists: Sdists | None = None,
        *,
        kept: Mapping[NormalizedName, Kept] | None = None,
    ) -> None:
        """Look among the files of one index, and wheels of the user's own.

        :param broken: wheels that were opened and are no good
        :param own: wheels of the user's own
        :param sdists: which may be built
        :param kept: what comes first where it is admitted
        """
        self._kept = kept or {}
        self._sdists = sdists or Sdists()
        self._target = target
        self._fetcher = fetcher
        self._broken = broken
        self._own: dict[NormalizedName, dict[str, Wheel]] = {}
        for wheel in filter(None, map(_own_wheel, own)):
            self._own.setdefault(wheel.project, {})[wheel.file.filename] = wheel
        self._usable: SingleFlight[NormalizedName, list[tuple[int, Distribution]]] = SingleFlight(
            self._rank_all
        )
        self._matching: dict[tuple[NormalizedName, SpecifierSet, Hashes], list[Distribution]] = {}

    def search(
        self, project: NormalizedName, specifier: SpecifierSet, hashes: Hashes
    ) -> list[Distribution]:
        """Return what satisfies a specifier and hashes, best first, one a version."""
        key = (project, specifier, hashes)
        if key not in self._matching:
            self._matching[key] = self._search(*key)
        return self._matching[key]

    def _search(
        self, project: NormalizedName, specifier: SpecifierSet, hashes: Hashes
    ) -> list[Distribution]:
        ranked = list(specifier.filter(self._usable(project), key=lambda pair: pair[1].version))
        if hashes is not None:
            ranked = [pair for pair in ranked if self._digest(pair[1]) in hashes]
        ranked.sort(key=partial(_sort_key, hashes), reverse=True)
        # PEP 592: a yanked file serves only a requirement that pins what only yanked files have.
        only_yanked = all(wheel.file.yanked for _, wheel in ranked)
        yanked_too = only_yanked and is_pinned(specifier)
        best: dict[Version, Distribution] = {}
        for _, wheel in ranked:
            if yanked_too or not wheel.file.yanked:
                best.setdefault(wheel.version, wheel)
        return self._with_kept_first(project, list(best.values()), specifier, hashes)

    def _with_kept_first(
        self,
        project: NormalizedName,
        found: list[Distribution],
        specifier: SpecifierSet,
        hashes: Hashes,
    ) -> list[Distribution]:
        """Return what was found, and before it the file of the last lock, or else its version.

        Yanked files and pre-releases stay as well, where what is wanted admits their version.

        :raises FileError: the index has another file under that name
        """
        kept = self._kept.get(project)
        if kept is None or not specifier.contains(kept.version, prereleases=True):
            return found
        of_version = [one for _, one in self._usable(project) if one.version == kept.version]
        if hashes is not None:
            of_version = [one for one in of_version if self._digest(one) in hashes]
        first = next((one for one in of_version if one.file.sha256 == kept.sha256), None)
        if first is None:
            for one in of_version:
                if one.file.filename != kept.filename or not one.file.indexed:
                    continue
                if (sha256 := self._digest(one)) != kept.sha256:
                    raise FileError(
                        f"{kept.filename} is not the file of the last lock: it has the sha256 "
                        f"{sha256}, and the lock says {kept.sha256}",
                        hint="ask the keeper of the index why; if that is meant: "
                        f"nox -s warmup -- --upgrade {project}",
                    )
                first = one
            first = first or next((one for one in found if one.version == kept.version), None)
        if first is None:
            return found
        return [first, *(one for one in found if one.version != kept.version)]

    def _rank_all(self, project: NormalizedName) -> list[tuple[int, Distribution]]:
        page = self.page(project)
        ranked = sorted(  # of equals, pip takes the first on the page
            (place, rank)
            for tags, places in page.places.items()
            if (rank := self._target.rank(tags)) is not None
            for place in places
        )
        found: list[tuple[int, Distribution]]
        usable = self._is_usable
        found = [(rank, page.wheels[n]) for n, rank in ranked if usable(page.wheels[n])]
        if self._sdists.mentions(project):
            last = len(self._target.tags)  # of one version, a wheel comes first
            found += [(last, sdist) for sdist in self._admitted(page)]
        return found

    def _admitted(self, page: Page) -> Iterator[Sdist]:
        """Yield the sdists that may be built; of one version pip takes the last on the page."""
        for file in reversed(page.others):
            sdist = parse_sdist(page.project, file)
            if (
                sdist is not None
                and self._sdists.admits(page.project, sdist.version, self._target)
                and self._target.fits_python(file.requires_python)
            ):
                yield sdist

    def page(self, project: NormalizedName) -> Page:
        """Return what there is of a project: the index's files, and the user's own wheels.

        Of a file that both have, the index's counts where it is the same, and else the user's.
        """
        page = self._fetcher.page(project)
        own = self._own.get(project)
        if not own:
            return page
        same = {w.file.filename for w in page.wheels if w.file.sha256 == _sha256_of(own, w)}
        mine = [wheel for name, wheel in own.items() if name not in same]
        listed = [w for w in page.wheels if w.file.filename in same or w.file.filename not in own]
        return replace(page, known=True, wheels=(*mine, *listed))

    def _is_usable(self, wheel: Wheel) -> bool:
        if self._broken and wheel.file in self._broken:
            return False
        return self._target.fits_python(wheel.file.requires_python)

    def _digest(self, wheel: Distribution) -> str:
        # A page that gives no hash leaves nothing but the file itself to compare with --hash.
        return wheel.file.sha256 or self._fetcher.file(wheel.file).sha256


def _own_wheel(own: OwnWheel) -> Wheel | None:
    origin = Origin.ITSELF if own.itself else Origin.LOCAL
    file = IndexFile(own.path.name, "", own.sha256, origin=origin, path=str(own.path))
    return parse_wheel(own.project, file)


def _sha256_of(own: Mapping[str, Wheel], wheel: Wheel) -> str:
    return own[wheel.file.filename].file.sha256 if wheel.file.filename in own else "none"


def _sort_key(
    hashes: Hashes, pair: tuple[int, Distribution]
) -> tuple[bool, bool, Version, int, object]:
    # pip/_internal/index/package_finder.py, CandidateEvaluator._sort_key
    rank, wheel = pair
    allowed = hashes is not None and wheel.file.sha256 in hashes
    return allowed, not wheel.file.yanked, wheel.version, -rank, wheel.build


def is_pinned(specifier: SpecifierSet) -> bool:
    """Whether a specifier names one version."""
    return any(
        s.operator == "===" or (s.operator == "==" and not s.version.endswith(".*"))
        for s in specifier
    )
