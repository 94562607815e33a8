"""What the wheels of a lock put where, held against each other and against the target's disk.

pip installs wheels one after the other and looks at none of this: of two names that the disk
takes for one, the later wins in silence; a file where another wheel needs a folder stops it.
"""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from devpi_warmup.inputs.targets import Target

LONGEST_NAME = 255  # bytes on Linux, characters elsewhere
# MAX_PATH is 260 with its NUL, and C:\Users\…\AppData\Local\Programs\…\Lib\site-packages\ comes
# before: https://learn.microsoft.com/windows/win32/fileio/maximum-file-path-limitation
LONGEST_WINDOWS_PATH = 259
_WINDOWS_PREFIX = 90
_LIBRARIES = frozenset({"purelib", "platlib"})
_NOT_ON_WINDOWS = re.compile(r'[<>:"|?*\x00-\x1f]|[. ](/|$)')


def names(path: Path) -> tuple[str, ...]:
    """Return the files in a wheel, as it names them.

    :raises zipfile.BadZipFile, OSError: it cannot be read
    """
    with zipfile.ZipFile(path) as archive:
        return tuple(name for name in archive.namelist() if not name.endswith("/"))


def problems(wheels: Mapping[str, Sequence[str]], target: Target) -> list[str]:
    """Return why the wheels of one lock cannot be installed together on the target's disk.

    :param wheels: filenames, and the names of the files in each
    """
    found = []
    windows, linux = target.platform.startswith("win"), "linux" in target.platform
    places: dict[str, tuple[str, str]] = {}  # as the disk sees it: as it is written, by whom
    for wheel, members in wheels.items():
        for name in members:
            place = _place(name)
            sizes = (len(part.encode() if linux else part) for part in place.split("/"))
            if max(sizes) > LONGEST_NAME:
                found.append(f"{wheel} has a name of over {LONGEST_NAME} characters: {name[:60]}…")
            if windows and _NOT_ON_WINDOWS.search(name):
                found.append(f"{wheel} has a name that Windows does not allow: {name}")
            before, owner = places.setdefault(_seen(place, target), (place, wheel))
            if before != place:
                found.append(f"{_of(wheel, name)} and {_of(owner, before)} are one file there")
    for seen, (place, wheel) in places.items():
        for folder in _folders(seen):
            if folder in places:
                name, other = places[folder]
                there = f"{_of(other, name)} is a file"
                found.append(f"{there}, and {_of(wheel, place)} needs a folder in its place")
                break
    return found


def notes(wheels: Mapping[str, Sequence[str]], target: Target) -> list[str]:
    """Return what may go wrong on some machines of the target only."""
    if not target.platform.startswith("win"):
        return []
    longest = LONGEST_WINDOWS_PATH - _WINDOWS_PREFIX
    return [
        f"{wheel} has paths of up to {size} characters: under a long folder it needs Windows' "
        "long paths to be enabled"
        for wheel, members in wheels.items()
        if (size := max((len(_place(name)) for name in members), default=0)) > longest
    ]


def _place(name: str) -> str:
    """Return where pip puts a file: under ``lib/``, or under the folder of its scheme."""
    first, _, rest = name.partition("/")
    if not first.endswith(".data") or "/" not in rest:
        return f"lib/{name}"
    scheme, _, path = rest.partition("/")
    if scheme == "headers":
        return f"headers/{first.partition('-')[0]}/{path}"
    return f"lib/{path}" if scheme in _LIBRARIES else f"{scheme}/{path}"


def _seen(place: str, target: Target) -> str:
    return place if "linux" in target.platform else place.casefold()


def _folders(place: str) -> Iterator[str]:
    end = place.rfind("/")
    while end > 0:
        yield place[:end]
        end = place.rfind("/", 0, end)


def _of(wheel: str, name: str) -> str:
    return f"{name.removeprefix('lib/')} of {wheel}"
