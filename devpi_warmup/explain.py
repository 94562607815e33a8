"""Why no file of a project will do, in words that name the reason of each class of files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packaging.specifiers import SpecifierSet
    from packaging.tags import Tag
    from packaging.version import Version

    from devpi_warmup.index import IndexFile, Page, Wheel
    from devpi_warmup.requirements import RootRequirement
    from devpi_warmup.targets import Target

HINT = "relax one of these requirements, or exclude the target in [tool.devpi-warmup]"
_SHOWN = 5


class _Requirement(Protocol):
    @property
    def root(self) -> RootRequirement | None: ...


class _Information(Protocol):
    @property
    def requirement(self) -> _Requirement: ...
    @property
    def parent(self) -> object | None: ...


def wanted_by(information: Iterable[_Information]) -> str:
    """Say who wants what, one line each, without repetitions."""
    lines: dict[str, None] = {}
    for cause in information:
        root = cause.requirement.root
        who = root.where if root is not None else str(cause.parent)
        lines[f"      {cause.requirement}, wanted by {who}"] = None
    shown = list(lines)[:_SHOWN]
    if len(lines) > _SHOWN:
        shown.append(f"      and {len(lines) - _SHOWN} more")
    return "\n  ".join(shown)


def hint(page: Page) -> str:
    """Say what to do about a project of which no file will do."""
    if not page.known:
        return "check how it is spelled, and the address of the index"
    if not page.wheels:
        return "build a wheel of it and upload it to the index, or exclude the target"
    return HINT


def why_none(
    page: Page,
    specifier: SpecifierSet,
    hashes: frozenset[str] | None,
    target: Target,
    broken: Mapping[IndexFile, str],
) -> list[str]:
    """Say which versions exist and why each class of them does not fit.

    :param specifier: of all requirements and constraints together
    :param hashes: the sha256 digests they allow; None: any
    :param broken: wheels that were opened and are no good, and why
    """
    if not page.known:
        return ["the index has no such project", f"it answered {page.absence}"]
    if not page.wheels:
        sdists = sum(file.filename.endswith((".tar.gz", ".zip")) for file in page.others)
        what = f"only {sdists} sdists: nothing is built here" if sdists else "nor an sdist"
        return [f"the index has no wheel of it, {what}"]
    versions = sorted({wheel.version for wheel in page.wheels})
    reasons = [f"the index has wheels of {_list(versions)}"]
    asked = set(specifier.filter(versions))
    if not asked:
        return [*reasons, f"none of them matches {specifier}"]
    candidates = [wheel for wheel in page.wheels if wheel.version in asked]
    classes = _classes(candidates, hashes, target, broken)
    fitting = sorted(classes.pop("", set()))
    if fitting:
        return [*reasons, f"each of them matches alone ({_list(fitting)}), not together"]
    newest = max(asked)
    for reason, which in classes.items():
        line = f"{reason}: {_list(sorted(which))}"
        if reason == _NO_TAG and newest in which:
            tags = {tag for wheel in candidates if wheel.version == newest for tag in wheel.tags}
            line += f" ({newest} has wheels for: {_tags(tags, target)})"
        reasons.append(line)
    return reasons


def _tags(tags: set[Tag], target: Target) -> str:
    """Name the platforms of tags, or what else of them does not fit."""
    platforms = {tag.platform for tag in tags}
    if own := platforms & {"any", *target.platforms}:
        return ", ".join(sorted(str(tag) for tag in tags if tag.platform in own))
    return ", ".join(sorted(platforms))


def _classes(
    wheels: Iterable[Wheel],
    hashes: frozenset[str] | None,
    target: Target,
    broken: Mapping[IndexFile, str],
) -> dict[str, set[Version]]:
    """Sort versions by why their wheels do not fit; "" holds those that do."""
    classes: dict[str, set[Version]] = {}
    for wheel in wheels:
        reason = _reason(wheel, target, broken)
        if not reason and hashes is not None and wheel.file.sha256 not in hashes:
            reason = "not one of the hashes that --hash allows"
        classes.setdefault(reason, set()).add(wheel.version)
    return classes


_NO_TAG = "no wheel for this target"


def _reason(wheel: Wheel, target: Target, broken: Mapping[IndexFile, str]) -> str:
    if wheel.file in broken:
        return broken[wheel.file]
    if target.rank(wheel.tags) is None:
        return _NO_TAG
    if not target.fits_python(wheel.file.requires_python):
        return f"needs Python {wheel.file.requires_python}, the target has {target.full_version}"
    if wheel.file.yanked:
        return "yanked"
    return ""


def _list(versions: list[Version]) -> str:
    if len(versions) <= _SHOWN:
        return ", ".join(map(str, versions))
    newest = ", ".join(map(str, reversed(versions[-_SHOWN:])))
    return f"{len(versions)} versions, newest {newest}"
