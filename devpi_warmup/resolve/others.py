"""Versions of a project that are not used: what has no wheel, but an sdist or a variant."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

    from devpi_warmup.index.pages import Page
    from devpi_warmup.inputs.targets import Target


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
    for version, what, file in page.without_wheel:
        if target.fits_python(file.requires_python):
            found.setdefault(version, what)
    return found
