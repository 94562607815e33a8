"""What somebody may have meant who wrote a platform that is not a tag of wheels."""

from __future__ import annotations

import difflib
import re

EXAMPLES = (
    "manylinux2014_x86_64",
    "manylinux_2_28_x86_64",
    "manylinux_2_28_aarch64",
    "musllinux_1_2_x86_64",
    "win32",
    "win_amd64",
    "win_arm64",
    "macosx_11_0_arm64",
    "macosx_14_0_arm64",
    "macosx_13_0_x86_64",
)
# The minor version of glibc of the systems that people name ("ldd --version" there).
GLIBC = {
    "RHEL 7": 17,
    "RHEL 8": 28,
    "RHEL 9": 34,
    "RHEL 10": 39,
    "Amazon 2": 26,
    "Amazon 2023": 34,
    "Debian 10": 28,
    "Debian 11": 31,
    "Debian 12": 36,
    "Debian 13": 41,
    "Ubuntu 18.04": 27,
    "Ubuntu 20.04": 31,
    "Ubuntu 22.04": 35,
    "Ubuntu 24.04": 39,
}
_LINUX = {"linux", "glibc", "gnulinux", *(name.split()[0].lower() for name in GLIBC)}
_AS_RHEL = re.compile(r"^(redhat|centos|rocky(linux)?|alma(linux)?|oracle(linux)?|ol|el)(?=\d|$)")
_ARCH = re.compile(r"[_\W]?(x86_64|x64|amd64|i686|aarch64|arm64|armv7l|ppc64le|s390x|riscv64)$")
_ARCH_NAMES = {"x64": "x86_64", "amd64": "x86_64", "arm64": "aarch64"}


def hint(platform: str) -> str:
    """Say what to write in place of ``platform``; never musl to who has named a glibc system."""
    match = _ARCH.search(platform.lower())
    arch = _ARCH_NAMES.get(match[1], match[1]) if match else "x86_64"
    name = _AS_RHEL.sub("rhel", re.sub(r"[^a-z0-9.]", "", _ARCH.sub("", platform.lower())))
    family, version = re.match(r"([a-z]*)([\d.]*)", name).groups()  # type: ignore[union-attr]
    for system, glibc in GLIBC.items():
        if system.lower().replace(" ", "") == family + version:
            return f"{system} has glibc 2.{glibc}: write 'manylinux_2_{glibc}_{arch}'"
    if family in _LINUX:
        own = [system for system in GLIBC if system.lower().startswith(f"{family} ")] or GLIBC
        levels = ", ".join(f"{system} = 2_{GLIBC[system]}" for system in own)
        return (
            "name the oldest glibc that you ship to ('ldd --version' says it), like "
            f"'manylinux_2_28_{arch}': {levels}"
        )
    if family == "alpine":
        return f"Alpine has musl: write 'musllinux_1_2_{arch}'"
    if family in {"win", "windows"}:
        arm = arch == "aarch64"
        return f"write {'win_arm64' if arm else 'win_amd64'!r}; a 32-bit Python is 'win32'"
    musl = "musl" in platform.lower()
    near = [tag for tag in EXAMPLES if musl == tag.startswith("musl")]
    (nearest,) = difflib.get_close_matches(platform, near, n=1, cutoff=0.0)
    return f"did you mean {nearest!r}? Others: {', '.join(EXAMPLES)}"
