"""RequirementSet + Target + Index → Lock, by pip's rules.

``resolvelib`` is pip's own algorithm; :class:`~devpi_warmup.resolve.provider.Provider` gives it
pip's preferences.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from devpi_warmup.errors import together
from devpi_warmup.inputs.requirements import for_target
from devpi_warmup.resolve.attempt import Attempt
from devpi_warmup.resolve.chosen import Chosen
from devpi_warmup.resolve.impossible import ImpossibleError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from packaging.utils import NormalizedName

    from devpi_warmup.errors import WarmupError
    from devpi_warmup.index.fetcher import Fetcher
    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.inputs.requirements import RequirementSet, TargetRequirements
    from devpi_warmup.inputs.targets import Target
    from devpi_warmup.resolve.builds import Builds
    from devpi_warmup.resolve.kept import Kept
    from devpi_warmup.wheelhouse.lock import Lock


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
    attempt = Attempt(own, cell.target, fetcher, kept, builds)
    if attempt.problems and any(root.optional for root in own.requirements):
        own, left_out = _possible(own, cell.target, fetcher, kept)
        attempt = Attempt(own, cell.target, fetcher, kept, builds)
    if attempt.result is None or attempt.problems:
        raise together(attempt.problems)
    chosen = Chosen(attempt.result, fetcher, cell.target, attempt.roots, builds)
    return partial(chosen.lock, cell, attempt.roots, own, attempt.broken, left_out)


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
        problems = Attempt(alone, target, fetcher, kept).problems if root.optional else []
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
    own = for_target(requirements, target)
    return tuple(Attempt(own, target, fetcher, {}, shallow=True).problems)
