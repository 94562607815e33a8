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
    line, and no classifier speaks of another licence; else the classifiers, each of which must be
    allowed. A whole text is not read.
    """
    if not policy.entries:
        return Verdict()
    if project in policy.projects:
        return Verdict(by=f"{PROJECT}{project}")
    if found.problem:
        return Verdict(found.problem)
    return _judged(policy, found.licence)


def _judged(policy: Policy, licence: Licence) -> Verdict:
    if licence.stated is Stated.NOWHERE:
        return Verdict("it states no licence")
    classifiers = () if licence.stated is Stated.EXPRESSION else licence.classifiers
    if licence.stated is Stated.CLASSIFIERS or not licence.whole:
        left = tuple(text for text in classifiers if not policy.admits(text))
        if classifiers and not left:
            return Verdict(by=Stated.CLASSIFIERS.value)
        return _refused("", left) if left else Verdict(f"{licence.text} has to be read")
    others = policy.contradicted(licence.text, classifiers)
    if not policy.admits(licence.text):
        return _refused(licence.text, (*policy.lacking(licence.text), *others))
    if others:
        return _refused(f"{licence.text}, and by a classifier", others)
    return Verdict(by=licence.stated.value)


def _refused(text: str, wanted: tuple[str, ...]) -> Verdict:
    verb = "are" if len(wanted) > 1 else "is"
    named = f"{text}: " if text and (text,) != wanted else ""
    return Verdict(f"{named}{', '.join(wanted)} {verb} not allowed", wanted=wanted)


def allowing(project: str, verdict: Verdict) -> str:
    """Return what to write for a refused licence to be allowed."""
    words = ", ".join(f'"{text}"' for text in verdict.wanted)
    either = (
        f"{words} in {KEY} would allow it, or, when a person has looked at it, " if words else ""
    )
    return f'{either}"{PROJECT}{project}"' + ("" if words else f" in {KEY}")
