"""The patch releases of Python that a lock serves: ``3.11`` is asked for, ``3.11.2`` is inside.

A lock is made for the newest release. An older one installs it as well where nothing that was
decided depends on the patch: the Requires-Python of every pin, and every marker that was
evaluated, in a requirement file or in the metadata of a pin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from packaging.markers import Marker

    from devpi_warmup.inputs.targets import Target

_BEYOND = 99  # no minor version has had so many; what is the same up to there has no end
_PATCH_MARKERS = ("python_full_version", "implementation_version")


@dataclass(frozen=True)
class Patches:
    """From which patch release on a lock holds, and up to which.

    :param oldest: ``3.11.5``
    :param newest: ``3.11.9``, or "" where nothing speaks against any that is to come
    """

    oldest: str
    newest: str = ""

    def admits(self, full_version: str) -> bool:
        """Whether the lock serves that release of Python, written in full."""
        version = Version(full_version)
        return Version(self.oldest) <= version and (
            not self.newest or version <= Version(self.newest)
        )

    @property
    def specifier(self) -> SpecifierSet:
        """The same as a Requires-Python."""
        upper = f",<={self.newest}" if self.newest else ""
        return SpecifierSet(f">={self.oldest}{upper}")

    def __str__(self) -> str:
        if self.oldest == self.newest:
            return f"only {self.oldest}"
        return f"{self.oldest} to {self.newest}" if self.newest else f"from {self.oldest}"


def served_by(
    target: Target,
    markers: Iterable[tuple[Marker, Sequence[str]]],
    requires_pythons: Iterable[str],
) -> Patches:
    """Return the patch releases, around that of the target, for which everything is the same.

    :param markers: every marker that was evaluated, with the extras it was evaluated for
    :param requires_pythons: the Requires-Python of every pin
    """
    decided = [
        (marker, extras, target.admits(marker, extras))
        for marker, extras in markers
        if any(name in str(marker) for name in _PATCH_MARKERS)
    ]
    specifiers = set(requires_pythons)

    def same(patch: int) -> bool:
        other = replace(target, python=f"3.{minor}.{patch}{'t' if target.free_threaded else ''}")
        return all(map(other.fits_python, specifiers)) and all(
            other.admits(marker, extras) is outcome for marker, extras, outcome in decided
        )

    _, minor, own = target.version
    oldest = newest = own
    while oldest > 0 and same(oldest - 1):
        oldest -= 1
    last = max(own, _BEYOND)
    while newest < last and same(newest + 1):
        newest += 1
    return Patches(f"3.{minor}.{oldest}", "" if newest == last else f"3.{minor}.{newest}")
