"""Fetch in the background what the resolver will probably ask for next."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from devpi_warmup.index.pages import Sdist, Wheel
from devpi_warmup.resolve.dependencies import dependencies
from devpi_warmup.resolve.finder import is_pinned
from devpi_warmup.resolve.requirement import PYTHON, Candidate, combine

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.specifiers import SpecifierSet

    from devpi_warmup.index.fetcher import Fetcher
    from devpi_warmup.inputs.targets import Target
    from devpi_warmup.resolve.finder import Finder
    from devpi_warmup.resolve.requirement import ResolverRequirement
    from devpi_warmup.resolve.roots import Roots


class Prefetch:
    """What requirements alone would lead to, without those that come later.

    It is a guess, and no more: what the resolver then asks for is mostly there already, and a
    wrong guess costs one small wheel that does not stay.
    """

    def __init__(self, roots: Roots, target: Target, finder: Finder, fetcher: Fetcher) -> None:
        self._roots = roots
        self._target = target
        self._finder = finder
        self._fetcher = fetcher
        self._looked: set[tuple[str, SpecifierSet]] = set()
        self._stopped = False

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopped = True

    def look(self, wants: Iterable[ResolverRequirement], *, sure: bool = False) -> None:
        """Fetch the pages of what is wanted, the best wheel of each, and so on from there.

        :param sure: whether the best of each will be wanted, so that a large file is worth it
        """
        for wanted in wants:
            key = (wanted.identifier, wanted.specifier)
            if wanted.project == PYTHON or wanted.exact is not None or key in self._looked:
                continue
            self._looked.add(key)
            self._fetcher.ahead(partial(self._guess, wanted, sure=sure), self._follow)

    def _guess(self, wanted: ResolverRequirement, *, sure: bool) -> tuple[Candidate, bool] | None:
        """Return what will probably be chosen, and whether that is as good as certain."""
        if self._stopped:
            return None
        constraint = self._roots.constraint(wanted.project)
        specifier, hashes = combine([constraint, wanted])
        sure = sure or is_pinned(specifier) or wanted.project in self._roots.kept
        for wheel in self._finder.search(wanted.project, specifier, hashes):
            if isinstance(wheel, Sdist):
                return None  # nothing is built on a guess
            return Candidate(wanted.project, wanted.extras, wheel.version, wheel), sure
        return None

    def _follow(self, guess: tuple[Candidate, bool]) -> None:
        candidate, sure = guess
        if self._stopped or not isinstance(candidate.wheel, Wheel):
            return
        read = self._fetcher.metadata if sure else self._fetcher.guessed
        metadata = read(candidate.wheel)
        if metadata is not None:
            self.look(list(dependencies(candidate, metadata, self._target)))
