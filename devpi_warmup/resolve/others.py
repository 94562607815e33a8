"""Files of a project that are not used: sdists, and wheel variants."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import InvalidVersion

from devpi_warmup.index.pages import IndexFile, parse_sdist

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet
    from packaging.utils import NormalizedName
    from packaging.version import Version

    from devpi_warmup.index.pages import Page
    from devpi_warmup.inputs.targets import Target


SDIST = "an sdist"


def newest_without_wheel(
    page: Page, specifier: SpecifierSet, target: Target
) -> tuple[Version, str] | None:
    """Return the newest version that is admitted and has no wheel, and what it has instead.

    Such a version is not passed over because it does not fit, but because of what it is: an
    sdist, or a wheel variant (PEP 817, a draft), which pip does not know.
    """
    found = without_wheel(page, target)
    # All together: beside final releases a pre-release must be asked for, as always (PEP 440).
    admitted = found.keys() & set(specifier.filter([*page.versions, *found]))
    newest = max(admitted, default=None)
    return None if newest is None else (newest, found[newest])


def without_wheel(page: Page, target: Target) -> dict[Version, str]:
    """Return the versions for a target that have no wheel at all, and what each has instead."""
    found: dict[Version, str] = {}
    for file in page.others:
        told = other_version(file.filename, page.project)
        if told is None or file.yanked or not target.fits_python(file.requires_python):
            continue
        version, what = told
        if version not in page.versions:
            found.setdefault(version, what)
    return found


@cache
def other_version(filename: str, project: NormalizedName) -> tuple[Version, str] | None:
    """Return the version of a file that is not a plain wheel of a project, and what it is."""
    if sdist := parse_sdist(project, IndexFile(filename, "")):
        return sdist.version, SDIST
    stem, _, label = filename.removesuffix(".whl").rpartition("-")
    if filename.endswith(".whl") and label:
        with suppress(InvalidWheelFilename, InvalidVersion):
            name, version, _, _ = parse_wheel_filename(f"{stem}.whl")
            kind = f"a wheel variant ({label}), which pip does not know"
            return (version, kind) if name == project else None
    return None
