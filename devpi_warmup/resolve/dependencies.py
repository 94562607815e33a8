"""What a wheel requires for a target: METADATA and markers → requirements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName

from devpi_warmup.errors import ResolutionError
from devpi_warmup.index.pages import Wheel
from devpi_warmup.inputs.urls import redact
from devpi_warmup.resolve.requirement import PYTHON, Candidate, ResolverRequirement, split
from devpi_warmup.wheelhouse.wheels import DamagedWheelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.requirements import Requirement

    from devpi_warmup.inputs.targets import Target
    from devpi_warmup.wheelhouse.wheels import Metadata


def dependencies(
    candidate: Candidate, metadata: Metadata, target: Target
) -> Iterator[ResolverRequirement]:
    """Yield what a candidate requires of others.

    :raises ResolutionError: it requires something by URL
    :raises DamagedWheelError: one of its markers cannot be evaluated
    """
    extras = candidate.extras & metadata.extras
    if candidate.extras:
        base = Candidate(candidate.project, frozenset(), candidate.version, candidate.wheel)
        yield ResolverRequirement(candidate.project, exact=base)
    elif str(metadata.requires_python):
        yield ResolverRequirement(PYTHON, specifier=metadata.requires_python)
    for requirement in metadata.requires:
        try:
            extra = _extra(requirement, extras, target)
        except (UndefinedComparison, UndefinedEnvironmentName):
            problem = f"has a marker that cannot be evaluated: {requirement}"
            if isinstance(candidate.wheel, Wheel):
                raise DamagedWheelError(candidate.wheel, problem) from None
            hint = "require another version"
            raise ResolutionError(f"{candidate} {problem}", hint=hint) from None
        if extra is None:
            continue
        if requirement.url is not None:
            raise ResolutionError(
                f"{candidate} requires {requirement.name} from {redact(requirement.url)}, "
                "which is past the index and cannot be had inside the gap",
                hint=f"choose a version of {candidate.project} that requires it by name",
            )
        yield from split(requirement, extra=extra)


def _extra(requirement: Requirement, extras: frozenset[str], target: Target) -> str | None:
    """Return the extra for which a requirement holds, "" for none; None: it does not hold."""
    for extra in ("", *sorted(extras)):
        if target.admits(requirement.marker, [extra]):
            return extra
    return None
