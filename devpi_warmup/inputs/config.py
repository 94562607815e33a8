"""``[tool.devpi-warmup]`` and the environment → :class:`Config`."""

from __future__ import annotations

import difflib
import fnmatch
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from devpi_warmup.errors import InvalidInputError, InvalidTargetError, Problem
from devpi_warmup.inputs.targets import Target
from devpi_warmup.inputs.urls import IndexUrl, parse_index_url

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PLATFORMS = ("manylinux_2_28_x86_64", "win_amd64", "macosx_14_0_arm64")
DEFAULT_REQUIREMENTS = "requirements/*.txt"
DEFAULT_CONSTRAINTS = "requirements/constraints.txt"
_LISTS = ("pythons", "platforms", "exclude", "requirements", "constraints")
_STRINGS = ("index-url", "wheelhouse")
_BOOLEANS = ("require-warm",)


@dataclass(frozen=True)
class Config:
    """What a run works on.

    :param root: the folder of ``pyproject.toml``; every path below is absolute
    :param targets: the (python, platform) pairs, in the order they are listed
    :param requirements: the requirement files
    :param constraints: the constraint files
    :param index: the one index, or None for the private devpi-server
    :param wheelhouse: the folder that crosses the gap
    :param require_warm: whether a file that cannot be shown to be warm fails the run
    """

    root: Path
    targets: tuple[Target, ...]
    requirements: tuple[Path, ...]
    constraints: tuple[Path, ...]
    index: IndexUrl | None
    wheelhouse: Path
    require_warm: bool

    @property
    def wheelhouse_shown(self) -> str:
        """The wheelhouse as messages call it: its path as seen from the root."""
        inside = self.wheelhouse.is_relative_to(self.root) and self.wheelhouse != self.root
        path = self.wheelhouse.relative_to(self.root) if inside else Path(self.wheelhouse.name)
        return path.as_posix()


def load(root: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read ``pyproject.toml`` in ``root``, if there is one, and ``DEVPI_INDEX``.

    :raises InvalidInputError: with every problem of the table together
    """
    path = root / "pyproject.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise InvalidInputError(
            "pyproject.toml cannot be read", [Problem(str(error), str(path))]
        ) from None
    tool = table.get("tool", {})
    settings = tool.get("devpi-warmup", {}) if isinstance(tool, dict) else {}
    problems = list(_check_types(settings))
    if problems:
        raise InvalidInputError("[tool.devpi-warmup] in pyproject.toml is wrong", problems)

    targets = _targets(settings, problems)
    constraints = _files(root, settings.get("constraints"), "constraints", problems)
    requirements = _files(root, settings.get("requirements"), "requirements", problems)
    if settings.get("requirements") is None:
        requirements = _glob(root, DEFAULT_REQUIREMENTS)
    if settings.get("constraints") is None:
        constraints = _glob(root, DEFAULT_CONSTRAINTS)
    requirements = tuple(path for path in requirements if path not in constraints)
    if not requirements and not problems:
        problems.append(
            Problem(
                f"no requirement files: nothing matches {DEFAULT_REQUIREMENTS!r}",
                hint='write requirements/main.txt, or name files with requirements = ["…"]',
            )
        )
    index = _index(settings, environ, problems)
    if problems:
        raise InvalidInputError("the configuration is wrong", problems)
    return Config(
        root=root,
        targets=targets,
        requirements=requirements,
        constraints=constraints,
        index=index,
        wheelhouse=root / settings.get("wheelhouse", "wheelhouse"),
        require_warm=settings.get("require-warm", False),
    )


def _check_types(settings: object) -> list[Problem]:
    if not isinstance(settings, dict):
        return [Problem("it must be a table", hint="write [tool.devpi-warmup]")]
    problems = []
    for key, value in settings.items():
        if key in _LISTS:
            if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
                hint = f'write {key} = ["…", "…"], each value in quotes'
                problems.append(Problem(f"{key} must be a list of strings", hint=hint))
        elif key in _STRINGS:
            if not isinstance(value, str) or not value.strip() or "\0" in value:
                problems.append(
                    Problem(f"{key} must be a string, and not empty", hint=f'write {key} = "…"')
                )
        elif key in _BOOLEANS:
            if not isinstance(value, bool):
                problems.append(Problem(f"{key} must be true or false", hint=f"write {key} = true"))
        else:
            known = (*_LISTS, *_STRINGS, *_BOOLEANS)
            nearest = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"known: {', '.join(known)}"
            problems.append(Problem(f"unknown key {key!r}", hint=hint))
    return problems


def _targets(settings: Mapping[str, list[str]], problems: list[Problem]) -> tuple[Target, ...]:
    pythons = settings.get("pythons", [f"{sys.version_info[0]}.{sys.version_info[1]}"])
    platforms = settings.get("platforms", list(DEFAULT_PLATFORMS))
    problems += _check_values("pythons", [(python, "win32") for python in pythons])
    problems += _check_values("platforms", [("3.13", platform) for platform in platforms])
    if problems:
        return ()
    targets: dict[str, Target] = {}
    for python in pythons:
        for platform in platforms:
            target = Target(python, platform)
            if target.id in targets:
                where = "pythons, platforms"
                problems.append(Problem(f"{target.id} stands there twice", where, "name it once"))
            targets[target.id] = target
    problems += _exclude(targets, settings.get("exclude", []))
    return tuple(targets.values())


def _check_values(key: str, probes: list[tuple[str, str]]) -> list[Problem]:
    problems = [] if probes else [Problem(f"{key} is empty", hint="name at least one")]
    for python, platform in probes:
        try:
            Target(python, platform)
        except InvalidTargetError as error:
            problems.append(Problem(error.args[0], key, error.hint))
    return problems


def _exclude(targets: dict[str, Target], patterns: list[str]) -> list[Problem]:
    """Take the targets out that a pattern matches."""
    problems = []
    everything = list(targets)
    for pattern in patterns:
        matches = fnmatch.filter(everything, pattern)
        if not matches:
            nearest = difflib.get_close_matches(pattern, everything, n=1, cutoff=0.0)
            hint = f"did you mean {nearest[0]!r}?"
            problems.append(Problem(f"{pattern!r} excludes no target", "exclude", hint))
        for match in matches:
            targets.pop(match, None)
    if not targets:
        problems.append(Problem("every target is excluded", "exclude", "leave at least one"))
    return problems


def _glob(root: Path, pattern: str) -> tuple[Path, ...]:
    try:
        return tuple(sorted(path for path in root.glob(pattern) if path.is_file()))
    except (ValueError, NotImplementedError):  # no such pattern
        return ()


def _files(
    root: Path, patterns: list[str] | None, key: str, problems: list[Problem]
) -> tuple[Path, ...]:
    found: dict[Path, None] = {}
    for pattern in patterns or ():
        if Path(pattern).is_absolute():
            matches: tuple[Path, ...] = (Path(pattern),) if Path(pattern).is_file() else ()
        else:
            matches = _glob(root, pattern)
        if not matches:
            hint = f"paths start at {root.name}/, where pyproject.toml is"
            problems.append(Problem(f"no file {pattern!r}", key, hint))
        found.update(dict.fromkeys(matches))
    if patterns == [] and key == "requirements":
        problems.append(Problem("requirements is empty", hint="name at least one file"))
    return tuple(found)


def _index(
    settings: Mapping[str, str], environ: Mapping[str, str], problems: list[Problem]
) -> IndexUrl | None:
    where, text = "DEVPI_INDEX", environ.get("DEVPI_INDEX", "").strip()
    if not text:
        where, text = "index-url", settings.get("index-url", "").strip()
    if not text:
        return None
    try:
        index = parse_index_url(text)
    except ValueError as error:
        hint = "https://devpi.example.com/user/index, with or without /+simple"
        problems.append(Problem(str(error), where, hint))
        return None
    if where == "index-url" and index.password:
        hint = "a file in git is no place for it: use DEVPI_INDEX or a netrc file"
        problems.append(Problem("index-url holds a password", where, hint))
    return index
