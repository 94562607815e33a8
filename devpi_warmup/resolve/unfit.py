"""Why no file of a project will do: the class of files that is nearest to a fit, first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from devpi_warmup.index.pages import SDIST, parse_sdist
from devpi_warmup.resolve.explain import SHOWN
from devpi_warmup.resolve.others import newest_without_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from packaging.specifiers import SpecifierSet
    from packaging.tags import Tag
    from packaging.version import Version

    from devpi_warmup.index.pages import IndexFile, Page, Sdist, Wheel
    from devpi_warmup.inputs.targets import Target
    from devpi_warmup.resolve.requirement import ResolverRequirement

_EXCLUDE = "exclude the target in [tool.devpi-warmup]"
RELAX = f"relax one of these requirements, or {_EXCLUDE}"
_SPELLING = "check how it is spelled, and the address of the index"
_WHEEL = f"require a version that has one, bring one of your own (wheels = [...]), or {_EXCLUDE}"
_BUILD = (
    'sdists = ["{project}"] in [tool.devpi-warmup] has it built here, which runs its code; else '
    + _WHEEL
)

# How near a wheel is to a fit: nearest first; and what a person can do.
_FITS, _HASH, _BROKEN, _YANKED, _PYTHON, _NO_TAG = range(6)
_HINTS = {
    _FITS: RELAX,
    _HASH: "the lines with --hash must allow a file of a version that they all admit",
    _BROKEN: f"require another version, or {_EXCLUDE}",
    _YANKED: f"a yanked file serves only who pins it: write project==version, or {_EXCLUDE}",
    _PYTHON: f"require a version for that Python, or {_EXCLUDE}",
    _NO_TAG: f"choose a platform that it has wheels for, upload a wheel of your own, or {_EXCLUDE}",
}


@dataclass(frozen=True)
class Reasons:
    """Why no file will do: the nearest reason, what else there is to say, and what to do.

    :param misspelt: whether the index has no such project, so that its name may be wrong
    :param of_target: why none of the files that others can use is for the target, or ""
    """

    nearest: str
    lines: tuple[str, ...]
    hint: str
    misspelt: bool = False
    of_target: str = ""


def why_none(
    page: Page,
    wants: Sequence[tuple[ResolverRequirement, str]],
    together: tuple[SpecifierSet, frozenset[str] | None],
    target: Target,
    broken: Mapping[IndexFile, str],
    *,
    listed: bool = False,
) -> Reasons:
    """Say which versions exist and why each class of them does not fit.

    :param wants: what is required or constrained, and by whom
    :param together: the specifier of all of it, and the sha256 digests it allows; None: any
    :param broken: wheels that were opened and are no good, and why
    :param listed: whether the user has allowed some of its sdists to be built
    """
    specifier, hashes = together
    if not page.known:
        what = "file of it" if "without files" in page.absence else "such project"
        return Reasons(
            f"the index has no {what}", (f"it answered {page.absence}",), _SPELLING, misspelt=True
        )
    other = newest_without_wheel(page, specifier, target)
    kinds = [f"{other[0]} exists only as {other[1]}"] if other else []
    to_build = other is not None and other[1] == SDIST and not listed
    hint = _BUILD.format(project=page.project) if to_build else _WHEEL
    if not page.wheels:
        what = kinds[0] if kinds else "and nothing that could be built"
        return Reasons(f"the index has no wheel of it, {what}", (), hint)
    versions = sorted({wheel.version for wheel in page.wheels})
    classes = _classes(page.wheels, hashes, target, broken)
    asked = sorted(specifier.filter(versions))
    lines = [
        f"the index has wheels of {_list(versions)}",
        *kinds,
        *_excluded(classes, asked, wants),
    ]
    if asked:
        by_class: dict[_Class, list[Version]] = {}
        for version in asked:
            by_class.setdefault(classes[version], []).append(version)
        ranked = sorted(by_class, key=lambda reason: reason.rank)
        nearest, *more = (_line(reason, by_class[reason], page, target) for reason in ranked)
        hint = _HINTS[ranked[0].rank]
        theirs = [reason.text for reason in ranked if reason.rank in {_PYTHON, _NO_TAG}]
        # What is yanked serves nobody who does not pin it.
        only = all(reason.rank in {_YANKED, _PYTHON, _NO_TAG} for reason in ranked)
        of_target = theirs[0] if only and theirs else ""
        if ranked[0].rank == _NO_TAG and (sdist := _newest_sdist(page, by_class[ranked[0]])):
            fits = target.fits_python(sdist.file.requires_python)
            needs = "" if fits else f", which needs Python {sdist.file.requires_python}"
            more.append(f"it has an sdist of {sdist.version}, too{needs}")
            if fits and not listed:
                hint = _BUILD.format(project=page.project)
        return Reasons(nearest, (*lines, *more), hint, of_target=of_target)
    nearest = f"none of its versions matches {specifier}"
    if len({str(wanted) for wanted, _ in wants}) > 1:
        nearest = "none of its versions satisfies all that was tried"
    best = min(classes.values(), key=lambda found: found.rank)
    if best.rank != _FITS:
        lines.append(f"and the others do not fit the target: {best.text}")
    return Reasons(nearest, tuple(lines), hint if kinds else RELAX)


def _newest_sdist(page: Page, versions: Sequence[Version]) -> Sdist | None:
    """Return the newest sdist among some versions."""
    found = (parse_sdist(page.project, file) for file in page.others if not file.yanked)
    mine = [sdist for sdist in found if sdist is not None and sdist.version in versions]
    return max(mine, key=lambda sdist: sdist.version, default=None)


def _excluded(
    classes: Mapping[Version, _Class],
    asked: Iterable[Version],
    wants: Sequence[tuple[ResolverRequirement, str]],
) -> list[str]:
    """Name the requirements that exclude the newest version that fits, if there is one.

    Lines of the user first: those of projects may be of versions that exclude one another.
    """
    fitting = {v for v, found in classes.items() if found.rank == _FITS} - set(asked)
    newest = max({v for v in fitting if not v.is_prerelease} or fitting, default=None)
    if newest is None:
        return []
    against = [
        (wanted, who)
        for wanted, who in wants
        if not wanted.specifier.contains(newest, prereleases=True)
    ]
    against = [pair for pair in against if pair[0].root is not None] or against[:1]
    said = list(dict.fromkeys(f"{wanted} ({who})" for wanted, who in against))[:SHOWN]
    verb = "exclude" if len(said) > 1 else "excludes"
    return [f"{newest} fits the target, and {' and '.join(said)} {verb} it"] if said else []


def _line(reason: _Class, versions: list[Version], page: Page, target: Target) -> str:
    if reason.rank == _FITS:
        return f"each requirement admits some of ({_list(versions)}), but no version satisfies all"
    line = f"{reason.text}: {_list(versions)}"
    if reason.rank == _NO_TAG:
        newest = versions[-1]
        tags = {tag for w in page.wheels if w.version == newest for tag in w.tags}
        line += f" ({newest} has wheels for: {_tags(tags, target)})"
    return line


def _tags(tags: set[Tag], target: Target) -> str:
    """Name a few platforms of tags, those like the target's first, or what else does not fit."""
    platforms = {tag.platform for tag in tags}
    if own := platforms & {"any", *target.platforms}:
        return _few(sorted(str(tag) for tag in tags if tag.platform in own))
    kind = target.platform.partition("_")[0].rstrip("0123456789")
    return _few(sorted(platforms, key=lambda name: (not name.startswith(kind), name)))


def _few(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True)
class _Class:
    rank: int
    text: str = ""


def _classes(
    wheels: Iterable[Wheel],
    hashes: frozenset[str] | None,
    target: Target,
    broken: Mapping[IndexFile, str],
) -> dict[Version, _Class]:
    """Return of each version why its wheel that is nearest to a fit does not fit."""
    classes: dict[Version, _Class] = {}
    for wheel in wheels:
        own = _class(wheel, hashes, target, broken)
        before = classes.setdefault(wheel.version, own)
        if own.rank < before.rank:
            classes[wheel.version] = own
    return classes


def _class(
    wheel: Wheel,
    hashes: frozenset[str] | None,
    target: Target,
    broken: Mapping[IndexFile, str],
) -> _Class:
    if target.rank(wheel.tags) is None:
        return _Class(_NO_TAG, "no wheel for this target")
    if not target.fits_python(wheel.file.requires_python):
        needs = f"needs Python {wheel.file.requires_python}"
        return _Class(_PYTHON, f"{needs}, the target has {target.full_version}")
    if wheel.file.yanked:
        return _Class(_YANKED, "yanked from the index")
    if wheel.file in broken:
        return _Class(_BROKEN, broken[wheel.file])
    if hashes is not None and wheel.file.sha256 not in hashes:
        text = "not one of the hashes that --hash allows"
        return _Class(_HASH, text if hashes else "the --hash lines contradict each other")
    return _Class(_FITS)


def _list(versions: list[Version]) -> str:
    if len(versions) <= SHOWN:
        return ", ".join(map(str, versions))
    newest = ", ".join(map(str, reversed(versions[-SHOWN:])))
    return f"{len(versions)} versions, newest {newest}"
