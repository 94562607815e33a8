"""Whether the licence of a file is one that the user lets in, by what, or why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from devpi_warmup.inputs.licences import KEY, PROJECT
from devpi_warmup.wheelhouse.about import Stated

if TYPE_CHECKING:
    from devpi_warmup.inputs.licences import Policy
    from devpi_warmup.wheelhouse.about import About, Licence


@dataclass(frozen=True)
class Verdict:
    """What becomes of the licence of a file.

    :param refused: why it is not allowed, or ""
    :param by: what it is allowed by; "" where nobody has said what is allowed
    :param wanted: what would have to be among :data:`KEY` for it to be allowed, beside its project
    """

    refused: str = ""
    by: str = ""
    wanted: tuple[str, ...] = ()


def judge(policy: Policy, project: str, found: About) -> Verdict:
    """Say whether a file of a project is let in.

    ``License-Expression`` has the last word where it stands; else ``License`` where it is one
    line, and the classifiers, of which each must be allowed.
    """
    if not policy.entries:
        return Verdict()
    if project in policy.projects:
        return Verdict(by=f"{PROJECT}{project}")
    if found.problem:
        return Verdict(found.problem)
    return _judged(policy, found.licence)


def _judged(policy: Policy, licence: Licence) -> Verdict:
    own = licence.text if licence.whole and licence.stated is not Stated.CLASSIFIERS else ""
    if own and policy.admits(own):
        return Verdict(by=licence.stated.value)
    said = licence.classifiers if licence.stated is not Stated.EXPRESSION else ()
    left = tuple(text for text in said if not policy.admits(text))
    if said and not left:
        return Verdict(by=Stated.CLASSIFIERS.value)
    wanted = policy.lacking(own) if own else left
    if not wanted:
        return Verdict(f"{licence.text} has to be read" if licence.text else "it states no licence")
    verb = "are" if len(wanted) > 1 else "is"
    named = f"{licence.text}: " if own and (own,) != wanted else ""
    return Verdict(f"{named}{', '.join(wanted)} {verb} not allowed", wanted=wanted)


def allowing(project: str, verdict: Verdict) -> str:
    """Return what to write for a refused licence to be allowed."""
    words = ", ".join(f'"{text}"' for text in verdict.wanted)
    either = (
        f"{words} in {KEY} would allow it, or, when a person has looked at it, " if words else ""
    )
    return f'{either}"{PROJECT}{project}"' + ("" if words else f" in {KEY}")
