"""Who wants what, in words: each requirement with the chain from there to a line of the user."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from resolvelib.resolvers import RequirementInformation

    from devpi_warmup.resolve.requirement import Candidate, ResolverRequirement

Cause: TypeAlias = "RequirementInformation[ResolverRequirement, Candidate]"
Known: TypeAlias = "Mapping[str, Sequence[Cause]]"  # who wants what, by identifier
SHOWN = 5


def wanted_by(causes: Iterable[Cause], known: Known) -> list[str]:
    """Say who wants what, one line each, without repetitions, and for whose sake.

    :param known: who wants the others, up to the lines of the user
    """
    lines = dict.fromkeys(f"{cause.requirement}, wanted by {who(cause, known)}" for cause in causes)
    shown = list(lines)[:SHOWN]
    return [*shown, f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else shown


def who(cause: Cause, known: Known) -> str:
    """Name who wants something, and the chain from there to a line of the user."""
    links, seen = [], set[str]()
    while cause.requirement.root is None and cause.parent is not None:
        parent = cause.parent
        extra = f"[{cause.requirement.extra}]" if cause.requirement.extra else ""
        links.append(f"{parent.project}{extra} {parent.version}")
        seen.add(parent.identifier)
        # What wants a project with extras may stand with the project, too.
        above = [*known.get(parent.identifier, ()), *known.get(parent.project, ())]
        rooted = [c for c in above if c.requirement.root is not None]
        climbing = [c for c in above if c.parent and c.parent.identifier not in seen]
        if not (rooted or climbing):
            break
        cause = (rooted or climbing)[-1]  # the last one is not one that was given up since
    if cause.requirement.root is not None:
        links.append(cause.requirement.root.where)
    first, *rest = links
    return f"{first} (for {', for '.join(rest)})" if rest else first
