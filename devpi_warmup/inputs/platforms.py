"""Platform tags: which there are, what each of them includes, and what its machines report."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from packaging.tags import mac_platforms, platform_tags

from devpi_warmup.errors import InvalidTargetError
from devpi_warmup.inputs import platform_hints

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINUX_ARCHS = ("x86_64", "i686", "aarch64", "armv7l", "ppc64le", "s390x", "riscv64")
_MANYLINUX = re.compile(r"manylinux(?:_2_(?P<glibc>\d{1,2})|(?P<alias>1|2010|2014))_(?P<arch>\w+)")
_MUSLLINUX = re.compile(r"musllinux_1_(?P<musl>\d{1,2})_(?P<arch>\w+)")
_MACOS = re.compile(r"macosx_(?P<major>\d{1,2})_(?P<minor>\d{1,2})_(?P<arch>arm64|x86_64)")
# platform_machine is the kernel's, also to a 32-bit Python, which mostly runs on a 64-bit kernel:
# the first is what most machines say, and a target must serve them all (cpython: platform.py).
_WINDOWS_MACHINES = {
    "win32": ("AMD64", "x86", "ARM64"),
    "win_amd64": ("AMD64",),
    "win_arm64": ("ARM64",),
}
_LINUX_MACHINES = {"i686": ("x86_64", "i686"), "armv7l": ("aarch64", "armv7l", "armv8l")}

# PEP 600: the older names of three glibc versions, and the first architectures they knew.
_GLIBC_ALIASES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_ALIAS_GLIBC = {"1": 5, "2010": 12, "2014": 17}
_OLD_GLIBC_ARCHS = ("x86_64", "i686")

# https://en.wikipedia.org/wiki/Darwin_(operating_system)#Release_history: the kernel release
# a macOS version reports as platform_release. 11 is Darwin 20; from 26 the numbers meet.
_FIRST_DARWIN_OF_MACOS_11 = 20
_MACOS_RENUMBERED = 26


@dataclass(frozen=True)
class System:
    """What the interpreters of a platform report of it (PEP 508).

    :param machines: what ``platform_machine`` may be, the most common first
    """

    os_name: str
    sys_platform: str
    name: str
    machines: tuple[str, ...]
    release: str


def check_platform(platform: str) -> None:
    """Refuse what is not a platform tag that a wheel could have.

    :raises InvalidTargetError: says what to write
    """
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


def ladder(platform: str) -> tuple[str, ...]:
    """Return every platform tag that a platform installs, newest first."""
    if match := _MANYLINUX.fullmatch(platform):
        alias = match["alias"]
        glibc = _ALIAS_GLIBC[alias] if alias else int(match["glibc"])
        return tuple(_manylinux_ladder(glibc, match["arch"]))
    if match := _MUSLLINUX.fullmatch(platform):
        newest = int(match["musl"])
        return tuple(f"musllinux_1_{n}_{match['arch']}" for n in range(newest, -1, -1))
    if match := _MACOS.fullmatch(platform):
        version = int(match["major"]), int(match["minor"])
        return tuple(mac_platforms(version, match["arch"]))
    return (platform,)


def _oldest_glibc(arch: str) -> int:
    # PEP 513 and PEP 571 knew two architectures; all others began with glibc 2.17 (PEP 599).
    return 5 if arch in _OLD_GLIBC_ARCHS else 17


def _manylinux_ladder(glibc: int, arch: str) -> Iterator[str]:
    # packaging keeps its own ladder private, since it asks the C library of the host.
    for minor in range(glibc, _oldest_glibc(arch) - 1, -1):
        yield f"manylinux_2_{minor}_{arch}"
        if minor in _GLIBC_ALIASES:
            yield f"{_GLIBC_ALIASES[minor]}_{arch}"


def system(platform: str) -> System:
    """Return what the interpreters of a platform report of it."""
    if platform in _WINDOWS_MACHINES:
        return System("nt", "win32", "Windows", _WINDOWS_MACHINES[platform], "0")
    if match := _MACOS.fullmatch(platform):
        return System("posix", "darwin", "Darwin", (match["arch"],), _darwin(match))
    arch = (_MANYLINUX.fullmatch(platform) or _MUSLLINUX.fullmatch(platform))["arch"]  # type: ignore[index]
    machines = _LINUX_MACHINES.get(arch, (arch,))
    return System("posix", "linux", "Linux", machines, "0")


def _darwin(match: re.Match[str]) -> str:
    major, minor = int(match["major"]), int(match["minor"])
    first_numbered_by_major = 11
    if major < first_numbered_by_major:
        return f"{minor + 4}.0.0"
    if major >= _MACOS_RENUMBERED:
        return f"{major - 1}.0.0"
    return f"{major - first_numbered_by_major + _FIRST_DARWIN_OF_MACOS_11}.0.0"


@cache
def own_platforms() -> tuple[str, ...]:
    """Return the platform tags of this machine, the closest first."""
    return tuple(platform_tags())
