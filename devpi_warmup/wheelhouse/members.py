"""What the wheels of a lock put where, held against each other and against the target's disk.

pip installs wheels one after the other and looks at none of this: of two names that the disk
takes for one, the later wins in silence; a file where another wheel needs a folder stops it.
"""

from __future__ import annotations

import configparser
import re
import unicodedata
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devpi_warmup.errors import FileError, indented
from devpi_warmup.wheelhouse.wheels import ZIP_ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from devpi_warmup.inputs.targets import Target

_SHOWN = 5  # problems
_LONGEST_TEXT = 4 << 20  # bytes of entry_points.txt
LONGEST_NAME = 255  # bytes on Linux, characters elsewhere
# MAX_PATH is 260 with its NUL, and C:\Users\…\AppData\Local\Programs\… comes before:
# https://learn.microsoft.com/windows/win32/fileio/maximum-file-path-limitation
_LONGEST_WINDOWS_PATH = 259 - 70
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_NOT_ON_WINDOWS = re.compile(r'[<>:"|?*\\\x00-\x1f]|[. ](/|$)')
_RESERVED = re.compile(
    r"(^|/)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])[ .]*(\.|/|$)", re.IGNORECASE
)
_SCRIPT_GROUPS = ("console_scripts", "gui_scripts")
_CODE = (".py", ".so", ".pyd", ".dll")
_THE_ENVIRONMENT = "the environment itself"


@dataclass(frozen=True)
class Problems:
    """What is the matter with the wheels of a lock.

    :param errors: why they cannot be installed together
    :param notes: what may go wrong on some machines, or hardly matters
    """

    errors: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Members:
    """What is in a wheel.

    :param names: its files, as it names them, and the scripts that pip makes for it
    :param problem: why it is not known which scripts those are, or ""
    """

    names: tuple[str, ...]
    problem: str = ""

    def known(self, wheel: str) -> tuple[str, ...]:
        """Return those names.

        :param wheel: its filename
        :raises FileError: some are not known
        """
        if self.problem:
            hint = "require another version of its project"
            raise FileError(f"{wheel} {self.problem}", hint=hint)
        return self.names


def names(path: Path) -> tuple[str, ...]:
    """Return the files in a wheel, as it names them, and the scripts that pip makes for it.

    :raises FileError: it cannot be read
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = members_in(archive)
    except ZIP_ERRORS as error:
        found = Members((), f"cannot be unpacked: {error}")
    return found.known(path.name)


def members_in(archive: zipfile.ZipFile) -> Members:
    """Return what is in a wheel that is open."""
    files = tuple(name for name in archive.namelist() if not name.endswith("/"))
    made: list[str] = []
    for name in files:
        folder, _, file = name.partition("/")
        if file != "entry_points.txt" or not folder.endswith(".dist-info"):
            continue
        try:
            with archive.open(name) as stream:
                text = stream.read(_LONGEST_TEXT + 1)
        except ZIP_ERRORS as error:
            return Members(files, f"cannot be unpacked: {error}")
        if len(text) > _LONGEST_TEXT:
            return Members(files, f"has an entry_points.txt of over {_LONGEST_TEXT >> 20} MiB")
        data = folder.removesuffix(".dist-info") + ".data/scripts"
        made += [f"{data}/{script}" for script in _scripts(text)]
    return Members((*files, *made))


def _scripts(text: bytes) -> list[str]:
    parser = configparser.ConfigParser(delimiters=("=",), strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    with suppress(configparser.Error, UnicodeDecodeError):  # pip will say so when it unpacks it
        parser.read_string(text.decode())
    return [name for group in _SCRIPT_GROUPS if group in parser for name in parser[group]]


def checked(wheels: Mapping[str, Sequence[str]], target: Target) -> tuple[str, ...]:
    """Return what there is to note of the wheels of one lock together.

    :param wheels: filenames, and what :func:`names` has returned of each
    :raises FileError: they cannot be installed together
    """
    found = problems(wheels, target)
    if found.errors:
        raise FileError(
            f"its wheels cannot be installed together:\n{indented(found.errors[:_SHOWN])}",
            hint="require another version of one of them, such as project!=version in the "
            "requirements or the constraints",
        )
    return found.notes


def problems(wheels: Mapping[str, Sequence[str]], target: Target) -> Problems:
    """Hold the files of the wheels of one lock against each other.

    :param wheels: filenames, and what :func:`names` has returned of each
    """
    errors, notes = list[str](), list[str]()
    layout = _Layout(target)
    places: dict[str, _Place] = {}  # as the disk sees them
    for place in layout.own():
        places[layout.seen(place.path)] = place
    for wheel, members in wheels.items():
        longest = 0
        for name in members:
            place = _Place(layout.path(name), name, wheel)
            longest = max(longest, len(place.path))
            errors += layout.not_allowed(place)
            before = places.setdefault(layout.seen(place.path), place)
            if before.path != place.path:
                importable = name.endswith(_CODE) or before.name.endswith(_CODE)
                there = errors if importable else notes
                there.append(f"{place} and {before} are one file there")
        if layout.windows and longest > _LONGEST_WINDOWS_PATH:
            notes.append(
                f"{wheel} has paths of up to {longest} characters: under a long folder it needs "
                "Windows' long paths to be enabled"
            )
    for seen, place in places.items():
        for folder in _folders(seen):
            if folder in places:
                errors.append(
                    f"{places[folder]} is a file, and {place} needs a folder in its place"
                )
                break
    return Problems(tuple(errors), tuple(notes))


@dataclass(frozen=True)
class _Place:
    """Where a file is put: a path in the environment, and whose it is."""

    path: str
    name: str
    wheel: str

    def __str__(self) -> str:
        return f"{self.name} of {self.wheel}"


class _Layout:
    """The environment of a target: its folders (sysconfig's "venv" scheme), and its disk."""

    def __init__(self, target: Target) -> None:
        self.windows = target.platform.startswith("win")
        self._linux = "linux" in target.platform
        threads = "t" if target.free_threaded else ""
        self._python = f"python3.{target.version[1]}{threads}"
        self._lib = "Lib/site-packages" if self.windows else f"lib/{self._python}/site-packages"
        self._bin = "Scripts" if self.windows else "bin"

    def own(self) -> Iterator[_Place]:
        """Yield what is there before a wheel is."""
        python = ("python.exe",) if self.windows else ("python", "python3")
        for path in ("pyvenv.cfg", f"{self._lib}/_", *(f"{self._bin}/{name}" for name in python)):
            yield _Place(path, path, _THE_ENVIRONMENT)

    def path(self, name: str) -> str:
        """Return where pip puts a file (pip/_internal/operations/install/wheel.py)."""
        first, _, rest = name.partition("/")
        if not first.endswith(".data") or "/" not in rest:
            return f"{self._lib}/{name}"
        scheme, _, path = rest.partition("/")
        folders = {
            "scripts": self._bin,
            "headers": f"include/site/{self._python}/{first.partition('-')[0]}",
            "data": "",
        }
        return f"{folders.get(scheme, self._lib)}/{path}".lstrip("/")

    def seen(self, path: str) -> str:
        """Return a path as the disk compares it."""
        return path if self._linux else unicodedata.normalize("NFC", path).casefold()

    def _is_too_long(self, path: str) -> bool:
        def length(text: str) -> int:
            return len(text.encode()) if self._linux else len(text)

        # Nearly every path is shorter than a name may be.
        return length(path) > LONGEST_NAME and max(map(length, path.split("/"))) > LONGEST_NAME

    def not_allowed(self, place: _Place) -> Iterator[str]:
        """Say why the disk does not take a name."""
        if self._is_too_long(place.path):
            yield f"{place.wheel} has a name of over {LONGEST_NAME} characters: {place.name[:60]}…"
        if self.windows and (_NOT_ON_WINDOWS.search(place.name) or _RESERVED.search(place.path)):
            yield f"{place.wheel} has a name that Windows does not allow: {place.name}"


def _folders(place: str) -> Iterator[str]:
    end = place.rfind("/")
    while end > 0:
        yield place[:end]
        end = place.rfind("/", 0, end)
