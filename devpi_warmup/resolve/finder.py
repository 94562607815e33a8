"""Which wheels of a project fit a target, best first, by pip's rules.

Those of pip/_internal/index/package_finder.py, release 26.3, and of PEP 592.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from devpi_warmup.index.single_flight import SingleFlight

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.specifiers import SpecifierSet
    from packaging.utils import NormalizedName
    from packaging.version import Version

    from devpi_warmup.index.fetcher import Fetcher
    from devpi_warmup.index.pages import IndexFile, Wheel
    from devpi_warmup.inputs.targets import Target

Hashes: TypeAlias = "frozenset[str] | None"  # None: any digest will do


class Finder:
    """Finds wheels for one target. Thread-safe."""

    def __init__(self, target: Target, fetcher: Fetcher, broken: Mapping[IndexFile, str]) -> None:
        """Look among the files of one index.

        :param broken: wheels that were opened and are no good
        """
        self._target = target
        self._fetcher = fetcher
        self._broken = broken
        self._usable: SingleFlight[NormalizedName, list[tuple[int, Wheel]]] = SingleFlight(
            self._rank_all
        )
        self._matching: dict[tuple[NormalizedName, SpecifierSet, Hashes], list[Wheel]] = {}

    def search(
        self, project: NormalizedName, specifier: SpecifierSet, hashes: Hashes
    ) -> list[Wheel]:
        """Return the wheels that satisfy a specifier and hashes, best first, one a version."""
        key = (project, specifier, hashes)
        if key not in self._matching:
            self._matching[key] = self._search(*key)
        return self._matching[key]

    def _search(
        self, project: NormalizedName, specifier: SpecifierSet, hashes: Hashes
    ) -> list[Wheel]:
        ranked = list(specifier.filter(self._usable(project), key=lambda pair: pair[1].version))
        if hashes is not None:
            ranked = [pair for pair in ranked if self._digest(pair[1]) in hashes]
        ranked.sort(key=partial(_sort_key, hashes), reverse=True)
        # PEP 592: a yanked file serves only a requirement that pins what only yanked files have.
        only_yanked = all(wheel.file.yanked for _, wheel in ranked)
        yanked_too = only_yanked and _is_pinned(specifier)
        best: dict[Version, Wheel] = {}
        for _, wheel in ranked:
            if yanked_too or not wheel.file.yanked:
                best.setdefault(wheel.version, wheel)
        return list(best.values())

    def _rank_all(self, project: NormalizedName) -> list[tuple[int, Wheel]]:
        wheels = self._fetcher.page(project).wheels
        return [(rank, wheel) for wheel in wheels if (rank := self._rank(wheel)) is not None]

    def _rank(self, wheel: Wheel) -> int | None:
        """Return how well the tags of a wheel fit (0 is best); None where it cannot be used."""
        rank = self._target.rank(wheel.tags)
        if rank is None or (self._broken and wheel.file in self._broken):
            return None
        return rank if self._target.fits_python(wheel.file.requires_python) else None

    def _digest(self, wheel: Wheel) -> str:
        # A page that gives no hash leaves nothing but the file itself to compare with --hash.
        return wheel.file.sha256 or self._fetcher.file(wheel.file).sha256


def _sort_key(hashes: Hashes, pair: tuple[int, Wheel]) -> tuple[bool, bool, Version, int, object]:
    # pip/_internal/index/package_finder.py, CandidateEvaluator._sort_key
    rank, wheel = pair
    allowed = hashes is not None and wheel.file.sha256 in hashes
    return allowed, not wheel.file.yanked, wheel.version, -rank, wheel.build


def _is_pinned(specifier: SpecifierSet) -> bool:
    return any(
        s.operator == "===" or (s.operator == "==" and not s.version.endswith(".*"))
        for s in specifier
    )
