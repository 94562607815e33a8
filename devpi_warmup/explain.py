"""Why no file of a project will do, in words that name the reason of each class of files."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from packaging.specifiers import SpecifierSet
    from packaging.tags import Tag
    from packaging.utils import NormalizedName
    from packaging.version import Version

    from devpi_warmup.index import IndexFile, Page, Wheel
    from devpi_warmup.requirements import RootRequirement
    from devpi_warmup.targets import Target

HINT = "relax one of these requirements, or exclude the target in [tool.devpi-warmup]"
_SHOWN = 5


class _Requirement(Protocol):
    @property
    def root(self) -> RootRequirement | None: ...
    @property
    def extra(self) -> str: ...
    @property
    def specifier(self) -> SpecifierSet: ...


class _Candidate(Protocol):
    @property
    def identifier(self) -> str: ...
    @property
    def project(self) -> NormalizedName: ...
    @property
    def version(self) -> Version: ...


class _Information(Protocol):
    @property
    def requirement(self) -> _Requirement: ...
    @property
    def parent(self) -> _Candidate | None: ...


Known: TypeAlias = "Mapping[str, Sequence[_Information]]"  # who wants what, by identifier


def wanted_by(information: Iterable[_Information], known: Known) -> str:
    """Say who wants what, one line each, without repetitions, and for whose sake.

    :param known: who wants the others, up to the lines of the user
    """
    lines: dict[str, None] = {}
    for cause in information:
        lines[f"      {cause.requirement}, wanted by {who(cause, known)}"] = None
    shown = list(lines)[:_SHOWN]
    if len(lines) > _SHOWN:
        shown.append(f"      and {len(lines) - _SHOWN} more")
    return "\n  ".join(shown)


def who(cause: _Information, known: Known) -> str:
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


def hint(page: Page) -> str:
    """Say what to do about a project of which no file will do."""
    if not page.known:
        return "check how it is spelled, and the address of the index"
    if not page.wheels:
        return "build a wheel of it and upload it to the index, or exclude the target"
    return HINT


@dataclass(frozen=True)
class Reasons:
    """Why no file will do: the reason that is nearest to a fit, and what else there is to say."""

    nearest: str
    lines: tuple[str, ...]


def why_none(
    page: Page,
    wants: Sequence[tuple[_Requirement, str]],
    together: tuple[SpecifierSet, frozenset[str] | None],
    target: Target,
    broken: Mapping[IndexFile, str],
) -> Reasons:
    """Say which versions exist and why each class of them does not fit.

    :param wants: what is required or constrained, and by whom
    :param together: the specifier of all of it, and the sha256 digests it allows; None: any
    :param broken: wheels that were opened and are no good, and why
    """
    specifier, hashes = together
    if not page.known:
        return Reasons("the index has no such project", (f"it answered {page.absence}",))
    kinds = _others(page, specifier, target)
    if not page.wheels:
        what = f"the index has no wheel of it, {kinds or 'and nothing that could be built'}"
        return Reasons(what, ())
    versions = sorted({wheel.version for wheel in page.wheels})
    lines = [f"the index has wheels of {_list(versions)}"]
    classes = _classes(page.wheels, hashes, target, broken)
    asked = set(specifier.filter(versions))
    lines += [kinds] if kinds else []
    lines += _excluded(classes, asked, wants)
    if not asked:
        return Reasons(f"none of its versions matches {specifier}", tuple(lines))
    by_class: dict[_Class, list[Version]] = {}
    for version in sorted(asked):
        by_class.setdefault(classes[version], []).append(version)
    nearest, *others = (
        _line(reason, by_class[reason], page, target)
        for reason in sorted(by_class, key=lambda reason: reason.rank)
    )
    return Reasons(nearest, (*lines, *others))


def _excluded(
    classes: Mapping[Version, _Class],
    asked: set[Version],
    wants: Sequence[tuple[_Requirement, str]],
) -> list[str]:
    """Name the requirements that exclude the newest version that would fit, if there is one."""
    fitting = [v for v, found in classes.items() if found.rank == _FITS and v not in asked]
    newest = max(fitting, default=None)
    if newest is None:
        return []
    against = [
        f"{wanted}, wanted by {who},"
        for wanted, who in wants
        if not wanted.specifier.contains(newest, prereleases=True)
    ]
    many = "exclude" if len(against) > 1 else "excludes"
    return [f"{newest} would fit, but {' and '.join(against)} {many} it"] if against else []


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
    """Name the platforms of tags, or what else of them does not fit."""
    platforms = {tag.platform for tag in tags}
    if own := platforms & {"any", *target.platforms}:
        return ", ".join(sorted(str(tag) for tag in tags if tag.platform in own))
    return ", ".join(sorted(platforms))


# How near a wheel is to a fit: nearest first.
_FITS, _HASH, _BROKEN, _YANKED, _PYTHON, _NO_TAG = range(6)


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
        return _Class(_YANKED, "yanked")
    if wheel.file in broken:
        return _Class(_BROKEN, broken[wheel.file])
    if hashes is not None and wheel.file.sha256 not in hashes:
        return _Class(_HASH, "not one of the hashes that --hash allows")
    return _Class(_FITS)


def _others(page: Page, specifier: SpecifierSet, target: Target) -> str:
    """Say which versions that were asked for exist only as what is not used here."""
    newest = newest_without_wheel(page, specifier, target)
    if newest is None:
        return ""
    version, what = newest
    return f"{version} exists only as {what}"


def newest_without_wheel(
    page: Page, specifier: SpecifierSet, target: Target
) -> tuple[Version, str] | None:
    """Return the newest version that is admitted and has no wheel, and what it has instead.

    Such a version is not passed over because it does not fit, but because of what it is: an
    sdist, or a wheel variant (PEP 817, a draft), which pip does not know.
    """
    plain = {wheel.version for wheel in page.wheels}
    found: dict[Version, str] = {}
    for file in page.others:
        told = other_version(file.filename, page.project)
        if told is None or file.yanked or not target.fits_python(file.requires_python):
            continue
        version, what = told
        if version not in plain:
            found.setdefault(version, what)
    newest = max(specifier.filter(found), default=None)
    return None if newest is None else (newest, found[newest])


def other_version(filename: str, project: NormalizedName) -> tuple[Version, str] | None:
    """Return the version of a file that is not a plain wheel of a project, and what it is."""
    with suppress(InvalidSdistFilename, InvalidVersion):
        name, version = parse_sdist_filename(filename)
        return (version, "an sdist, and nothing is built here") if name == project else None
    stem, _, label = filename.removesuffix(".whl").rpartition("-")
    if filename.endswith(".whl") and label:
        with suppress(InvalidWheelFilename, InvalidVersion):
            name, version, _, _ = parse_wheel_filename(f"{stem}.whl")
            kind = f"a wheel variant ({label}), which pip does not know"
            return (version, kind) if name == project else None
    return None


def _list(versions: list[Version]) -> str:
    if len(versions) <= _SHOWN:
        return ", ".join(map(str, versions))
    newest = ", ".join(map(str, reversed(versions[-_SHOWN:])))
    return f"{len(versions)} versions, newest {newest}"
