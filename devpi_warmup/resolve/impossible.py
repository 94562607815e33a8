"""A conflict of the resolver, as an error that a person can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import NormalizedName

from devpi_warmup.errors import ResolutionError
from devpi_warmup.resolve import explain, unfit
from devpi_warmup.resolve.misspelt import nearest
from devpi_warmup.resolve.requirement import PYTHON, combine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from devpi_warmup.index.fetcher import Fetcher
    from devpi_warmup.index.pages import IndexFile
    from devpi_warmup.inputs.targets import Target
    from devpi_warmup.resolve.explain import Cause, Known
    from devpi_warmup.resolve.finder import Finder
    from devpi_warmup.resolve.requirement import ResolverRequirement
    from devpi_warmup.resolve.roots import Roots


class ImpossibleError(ResolutionError):
    """No set of files satisfies the requirements on some projects."""

    def __init__(
        self,
        message: str,
        *,
        hint: str,
        projects: Iterable[NormalizedName],
        of_target: str = "",
    ) -> None:
        """Name them.

        :param projects: that cannot be had together, or at all
        :param of_target: why this Python or platform has no files of them, where others have; or ""
        """
        super().__init__(message, hint=hint)
        self.projects = frozenset(projects)
        self.of_target = of_target


def impossible(  # noqa: PLR0917 - each names another side of it
    causes: Sequence[Cause],
    known: Known,
    roots: Roots,
    target: Target,
    fetcher: Fetcher,
    finder: Finder,
    broken: Mapping[IndexFile, str],
) -> ImpossibleError:
    """Say what cannot be had together, who wants it, and why nothing fits.

    :param causes: the requirements that fight, each with what it comes from
    :param known: who has wanted what
    :param broken: wheels that were opened and are no good, and why
    """
    blocks, reasons = dict[NormalizedName, list[str]](), None
    for project in dict.fromkeys(requirement.project for requirement, _ in causes):
        own = [cause for cause in causes if cause.requirement.project == project]
        block = blocks[project] = explain.wanted_by(own, known)
        limits = [(w, w.root.where) for w in roots.limits if w.project == project and w.root]
        block += [f"{limit}, constrained by {where}" for limit, where in limits]
        if project == PYTHON:
            block += [f"the target has {target.full_version}"]
        elif all(cause.requirement.exact is None for cause in own):
            wants: list[tuple[ResolverRequirement, str]]
            wants = [(cause.requirement, explain.who(cause, known)) for cause in own]
            wants += limits
            together = combine([wanted for wanted, _ in wants])
            reasons = unfit.why_none(
                finder.page(project),
                wants,
                together,
                target,
                broken,
                listed=roots.sdists.mentions(project),
            )
            block += [reasons.nearest, *reasons.lines]
    projects = list(blocks)
    of_target = ""
    if len(projects) == 1 and reasons is not None:
        of_target = reasons.of_target and f"{projects[0]}: {reasons.of_target}"
        (lines,) = blocks.values()
        lines.remove(reasons.nearest)
        title, hint = f"{projects[0]}: {reasons.nearest}", reasons.hint
        if reasons.misspelt and (meant := nearest(projects[0], roots.names, fetcher)):
            hint = f"did you mean {meant!r}?"
    else:
        title = f"no set of files satisfies the requirements on {', '.join(projects)}:"
        lines, hint = [], unfit.RELAX
        for project, block in blocks.items():
            lines += [f"{project}:", *(f"  {line}" for line in block)]
    if len(target.machines) > 1 and any(cause.parent is not None for cause in causes):
        lines.append(
            f"{target.platform} is judged for {', '.join(target.machines)} together: a 32-bit "
            "Python reports the machine of its kernel"
        )
    if projects == [PYTHON]:  # what cannot be had is what needs another Python
        projects = list(dict.fromkeys(c.parent.project for c in causes if c.parent))
        of_target = f"{', '.join(projects)}: made for another Python"
        title = f"{of_target}:"
    text = "\n      ".join([title, *lines]).replace(PYTHON, "Python")
    return ImpossibleError(text, hint=hint, projects=projects, of_target=of_target)
