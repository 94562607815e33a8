"""Targets: one (python, platform) pair, its marker environments and its ordered tags.

Nothing here looks at the machine it runs on: a target built on Linux, macOS and Windows is
the same, byte for byte.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag, compatible_tags, cpython_tags

from devpi_warmup.errors import InvalidTargetError
from devpi_warmup.inputs import platforms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.markers import Marker

# The newest patch release of each minor version: "3.9" means this one, because "3.9.0" is
# refused by the Requires-Python of much of the index.
NEWEST_PATCH: dict[tuple[int, int], int] = {
    (3, int(minor)): patch
    for minor, patch in json.loads(
        Path(__file__).with_name("python_releases.json").read_text(encoding="utf-8")
    ).items()
}
OLDEST_MINOR = min(minor for _, minor in NEWEST_PATCH)
FIRST_FREE_THREADED_MINOR = 13

_PYTHON = re.compile(r"3\.(?P<minor>\d{1,2})(?:\.(?P<patch>\d{1,2}))?(?P<threads>t?)")


@dataclass(frozen=True)
class Target:
    """One (python, platform) pair.

    :param python: as the user wrote it: ``3.9``, ``3.9.18`` or ``3.13t`` (free-threaded)
    :param platform: a wheel platform tag; it means "this and everything older"
    :raises InvalidTargetError: names the value and the nearest valid one
    """

    python: str
    platform: str

    def __post_init__(self) -> None:
        _check_python(self.python)
        platforms.check_platform(self.platform)

    def __str__(self) -> str:
        return self.id

    @property
    def id(self) -> str:
        """The name of the target everywhere: ``cp313-win_amd64``."""
        return f"{self.abi if self.free_threaded else self.interpreter}-{self.platform}"

    @cached_property
    def version(self) -> tuple[int, int, int]:
        """The exact version, ``(3, 9, 25)``."""
        match = _PYTHON.fullmatch(self.python)
        assert match is not None  # noqa: S101 - __post_init__ has checked it
        minor = int(match["minor"])
        patch = match["patch"]
        return 3, minor, NEWEST_PATCH.get((3, minor), 0) if patch is None else int(patch)

    @property
    def free_threaded(self) -> bool:
        """Whether this is the build without the global interpreter lock (PEP 703)."""
        return self.python.endswith("t")

    @property
    def exact(self) -> bool:
        """Whether the user named the patch release, too."""
        return self.python.count(".") > 1

    @cached_property
    def full_version(self) -> str:
        """The three-part version, ``3.9.25``."""
        return ".".join(map(str, self.version))

    @property
    def interpreter(self) -> str:
        """The interpreter tag, ``cp39``."""
        return f"cp{self.version[0]}{self.version[1]}"

    @property
    def abi(self) -> str:
        """The ABI tag, ``cp39``, ``cp313t``, or ``cp37m`` before Python 3.8."""
        last_pymalloc_minor = 7
        suffix = "m" if self.version[1] <= last_pymalloc_minor else ""
        return self.interpreter + ("t" if self.free_threaded else suffix)

    @cached_property
    def platforms(self) -> tuple[str, ...]:
        """Every platform tag this platform installs, newest first: the whole ladder."""
        return platforms.ladder(self.platform)

    @cached_property
    def tags(self) -> tuple[Tag, ...]:
        """Every wheel tag this target installs, best first, in pip's order.

        The order is that of pip's ``get_supported`` (pip/_internal/utils/
        compatibility_tags.py): CPython's own tags, then the generic ones.
        """
        version = self.version[:2]
        return (
            *cpython_tags(version, [self.abi], self.platforms),
            *compatible_tags(version, self.interpreter, self.platforms),
        )

    def rank(self, tags: frozenset[Tag]) -> int | None:
        """Return how well the tags of a wheel fit: 0 is best, None not at all."""
        if tags not in self._known_ranks:
            places = (self._places[tag] for tag in tags if tag in self._places)
            self._known_ranks[tags] = min(places, default=None)
        return self._known_ranks[tags]

    @cached_property
    def _places(self) -> dict[Tag, int]:
        return {tag: place for place, tag in reversed(list(enumerate(self.tags)))}

    @cached_property
    def _known_ranks(self) -> dict[frozenset[Tag], int | None]:
        return {}  # one page has thousands of wheels, and a few hundred different tags

    @cached_property
    def markers(self) -> dict[str, str]:
        """The environment of :attr:`environments` that most of its machines have."""
        return self.environments[0]

    @cached_property
    def environments(self) -> tuple[dict[str, str], ...]:
        """The eleven environment markers (PEP 508), none of them from this machine.

        There is one for each ``platform_machine`` that an interpreter of the target may report;
        a lock must serve them all. ``platform_release`` and ``platform_version`` depend on the
        very machine. They are "0" and "" (an empty release is not a version and stops some
        releases of pip), and on macOS the kernel release of that macOS.
        """
        system = platforms.system(self.platform)
        return tuple(
            {
                "implementation_name": "cpython",
                "implementation_version": self.full_version,
                "os_name": system.os_name,
                "platform_machine": machine,
                "platform_python_implementation": "CPython",
                "platform_release": system.release,
                "platform_system": system.name,
                "platform_version": "",
                "python_full_version": self.full_version,
                "python_version": f"{self.version[0]}.{self.version[1]}",
                "sys_platform": system.sys_platform,
            }
            for machine in system.machines
        )

    @property
    def machines(self) -> tuple[str, ...]:
        """What ``platform_machine`` may be."""
        return tuple(environment["platform_machine"] for environment in self.environments)

    def admits(self, marker: Marker | None, extras: Iterable[str] = ("",)) -> bool:
        """Whether a marker holds for the target, under any of its environments and the extras.

        :raises UndefinedComparison, UndefinedEnvironmentName: it cannot be evaluated
        """
        return marker is None or any(
            marker.evaluate({**environment, "extra": extra})
            for environment in self.environments
            for extra in extras
        )

    def fits_python(self, requires_python: str) -> bool:
        """Whether a Requires-Python admits this version; one that does not parse admits all.

        As pip's ``_check_link_requires_python`` (pip/_internal/index/package_finder.py).
        """
        return _specifier_admits(requires_python, self.full_version)

    @property
    def pip_flags(self) -> tuple[str, ...]:
        """The options that make pip choose wheels for this target.

        The ABI is always named: without it pip reads the flags of its own interpreter.
        """
        return (
            f"--python-version={self.full_version}",
            "--implementation=cp",
            f"--abi={self.abi}",
            *(f"--platform={platform}" for platform in self._pip_platforms),
        )

    @property
    def _pip_platforms(self) -> tuple[str, ...]:
        # pip expands macOS by itself, and the Linux names hardly at all.
        return (self.platform,) if self.platform.startswith("macosx") else self.platforms


@cache
def _specifier_admits(specifier: str, version: str) -> bool:
    try:
        return SpecifierSet(specifier).contains(version, prereleases=True)
    except InvalidSpecifier:
        return True


def _check_python(python: str) -> None:
    match = _PYTHON.fullmatch(python)
    newest_minor = max(minor for _, minor in NEWEST_PATCH)
    if match is None:
        valid = [f"3.{n}" for n in range(OLDEST_MINOR, newest_minor + 1)]
        nearest = difflib.get_close_matches(python, valid, n=1, cutoff=0.0)
        raise InvalidTargetError(
            f"{python!r} is not a Python version",
            hint=f'write it like "{nearest[0]}", "3.9.18" or "3.13t" (free-threaded)',
        )
    minor = int(match["minor"])
    if minor < OLDEST_MINOR:
        raise InvalidTargetError(
            f"Python {python} is too old", hint=f"the oldest target is 3.{OLDEST_MINOR}"
        )
    if minor > newest_minor:
        raise InvalidTargetError(
            f"Python {python} is not known here",
            hint=f"the newest target is 3.{newest_minor}; a newer devpi-warmup may know more",
        )
    if match["threads"] and minor < FIRST_FREE_THREADED_MINOR:
        raise InvalidTargetError(
            f"Python {python} does not exist",
            hint=f"the first free-threaded Python is 3.{FIRST_FREE_THREADED_MINOR}t",
        )
