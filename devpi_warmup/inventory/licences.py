"""Whether the licence of a file is one that the user lets in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devpi_warmup.wheelhouse.about import Stated

if TYPE_CHECKING:
    from devpi_warmup.inputs.licences import Policy
    from devpi_warmup.wheelhouse.about import About


def why_not(policy: Policy, project: str, found: About) -> str:
    """Return why a file of a project is not let in, or "".

    ``License-Expression`` has the last word where it stands; else ``License`` where it is one
    line, and the classifiers, of which each must be allowed.
    """
    licence = found.licence
    if not policy.entries or project in policy.projects:
        return ""
    if found.problem:
        return found.problem
    if licence.stated is Stated.NOWHERE:
        return "it states no licence"
    if licence.whole and licence.stated is not Stated.CLASSIFIERS and policy.admits(licence.text):
        return ""
    said = licence.classifiers if licence.stated is not Stated.EXPRESSION else ()
    if said and all(policy.admits(text) for text in said):
        return ""
    return f"{licence.text} is not allowed"
