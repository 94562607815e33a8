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
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms

from devpi_warmup.errors import InvalidTargetError
from devpi_warmup.inputs import platform_hints

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
_LINUX_ARCHS = ("x86_64", "i686", "aarch64", "armv7l", "ppc64le", "s390x", "riscv64")
_MANYLINUX = re.compile(r"manylinux(?:_2_(?P<glibc>\d{1,2})|(?P<alias>1|2010|2014))_(?P<arch>\w+)")
_MUSLLINUX = re.compile(r"musllinux_1_(?P<musl>\d{1,2})_(?P<arch>\w+)")
_MACOS = re.compile(r"macosx_(?P<major>\d{1,2})_(?P<minor>\d{1,2})_(?P<arch>arm64|x86_64)")
# platform_machine is the kernel's, also to a 32-bit Python, which mostly runs on a 64-bit kernel:
# the first is what most machines say, and a target must serve them all (cpython: platform.py).
_WINDOWS_MACHINES = {"win32": ("AMD64", "x86"), "win_amd64": ("AMD64",), "win_arm64": ("ARM64",)}
_LINUX_MACHINES = {"i686": ("x86_64", "i686"), "armv7l": ("aarch64", "armv7l")}

# PEP 600: the older names of three glibc versions, and the first architectures they knew.
_GLIBC_ALIASES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_ALIAS_GLIBC = {"1": 5, "2010": 12, "2014": 17}
_OLD_GLIBC_ARCHS = ("x86_64", "i686")

# https://en.wikipedia.org/wiki/Darwin_(operating_system)#Release_history: the kernel release
# a macOS version reports as platform_release. 11 is Darwin 20; from 26 the numbers meet.
_FIRST_DARWIN_OF_MACOS_11 = 20
_MACOS_RENUMBERED = 26


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
        _check_platform(self.platform)

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

    @property
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
        if match := _MANYLINUX.fullmatch(self.platform):
            alias = match["alias"]
            glibc = _ALIAS_GLIBC[alias] if alias else int(match["glibc"])
            return tuple(_manylinux_ladder(glibc, match["arch"]))
        if match := _MUSLLINUX.fullmatch(self.platform):
            newest = int(match["musl"])
            return tuple(f"musllinux_1_{n}_{match['arch']}" for n in range(newest, -1, -1))
        if match := _MACOS.fullmatch(self.platform):
            version = int(match["major"]), int(match["minor"])
            return tuple(mac_platforms(version, match["arch"]))
        return (self.platform,)

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
        os_name, sys_platform, system, machines, release = _system(self.platform)
        return tuple(
            {
                "implementation_name": "cpython",
                "implementation_version": self.full_version,
                "os_name": os_name,
                "platform_machine": machine,
                "platform_python_implementation": "CPython",
                "platform_release": release,
                "platform_system": system,
                "platform_version": "",
                "python_full_version": self.full_version,
                "python_version": f"{self.version[0]}.{self.version[1]}",
                "sys_platform": sys_platform,
            }
            for machine in machines
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


def _check_platform(platform: str) -> None:
    if platform in _WINDOWS_MACHINES:
        return
    if match := _MANYLINUX.fullmatch(platform):
        alias = match["alias"]
        glibc = _ALIAS_GLIBC[alias] if alias else int(match["glibc"])
        if match["arch"] in _LINUX_ARCHS and glibc >= _oldest_glibc(match["arch"]):
            return
    elif match := _MUSLLINUX.fullmatch(platform):
        if match["arch"] in _LINUX_ARCHS:
            return
    elif match := _MACOS.fullmatch(platform):
        first_arm_macos, oldest = 11, 10
        if int(match["major"]) >= (first_arm_macos if match["arch"] == "arm64" else oldest):
            return
    raise InvalidTargetError(
        f"{platform!r} is not a platform tag of wheels", hint=platform_hints.hint(platform)
    )


def _oldest_glibc(arch: str) -> int:
    # PEP 513 and PEP 571 knew two architectures; all others began with glibc 2.17 (PEP 599).
    return 5 if arch in _OLD_GLIBC_ARCHS else 17


def _manylinux_ladder(glibc: int, arch: str) -> Iterator[str]:
    # packaging keeps its own ladder private, since it asks the C library of the host.
    for minor in range(glibc, _oldest_glibc(arch) - 1, -1):
        yield f"manylinux_2_{minor}_{arch}"
        if minor in _GLIBC_ALIASES:
            yield f"{_GLIBC_ALIASES[minor]}_{arch}"


def _system(platform: str) -> tuple[str, str, str, tuple[str, ...], str]:
    """Return os_name, sys_platform, platform_system, platform_machines, platform_release."""
    if machines := _WINDOWS_MACHINES.get(platform):
        return "nt", "win32", "Windows", machines, "0"
    if match := _MACOS.fullmatch(platform):
        return "posix", "darwin", "Darwin", (match["arch"],), _darwin(match)
    arch = (_MANYLINUX.fullmatch(platform) or _MUSLLINUX.fullmatch(platform))["arch"]  # type: ignore[index]
    return "posix", "linux", "Linux", _LINUX_MACHINES.get(arch, (arch,)), "0"


def _darwin(match: re.Match[str]) -> str:
    major, minor = int(match["major"]), int(match["minor"])
    first_numbered_by_major = 11
    if major < first_numbered_by_major:
        return f"{minor + 4}.0.0"
    if major >= _MACOS_RENUMBERED:
        return f"{major - 1}.0.0"
    return f"{major - first_numbered_by_major + _FIRST_DARWIN_OF_MACOS_11}.0.0"
