"""What is installed together, and on which targets: the tables of environments."""

from __future__ import annotations

import difflib
import fnmatch
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from devpi_warmup.errors import InvalidTargetError, Problem
from devpi_warmup.inputs import kit
from devpi_warmup.inputs.cells import Cell, why_no_name
from devpi_warmup.inputs.pylock import is_pylock
from devpi_warmup.inputs.pyproject import NAME, is_pyproject
from devpi_warmup.inputs.requirement_lines import show
from devpi_warmup.inputs.sdists import Sdists, read_sdists
from devpi_warmup.inputs.sources import Source, Sources
from devpi_warmup.inputs.targets import Target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.requirements import Requirement

TABLE = "environments"
DEFAULT_PLATFORMS = ("manylinux_2_28_x86_64", "win_amd64", "macosx_14_0_arm64")
DEFAULT_REQUIREMENTS = "requirements/*.txt"
DEFAULT_CONSTRAINTS = "requirements/constraints.txt"
_EXTRAS = re.compile(r"(?P<path>.*\.toml)\s*\[(?P<extras>[^\]]*)\]")


@dataclass(frozen=True)
class Environment:
    """What is installed together.

    :param name: "" where the configuration has no environments
    :param targets: the (python, platform) pairs that it is for, in the order they are listed
    :param sources: what it needs
    :param carry: the sdists that may be left to be built where they are installed
    """

    name: str
    targets: tuple[Target, ...]
    sources: Sources
    carry: Sdists = field(default_factory=Sdists)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The environment for each of its targets."""
        return tuple(Cell(target, self.name) for target in self.targets)


def read(
    root: Path, settings: Mapping[str, Any], problems: list[Problem]
) -> tuple[Environment, ...]:
    """Read the environments of a configuration whose values have the right types.

    :param settings: ``[tool.devpi-warmup]``; it holds for an environment that says nothing else
    :param problems: takes what is wrong
    """
    found = _users_own(root, settings, problems)
    targets = {target.id: target for own in found for target in own.targets}
    chosen = kit.chosen(settings.get(kit.NAME, False), targets, problems) if targets else ()
    if kit.NAME in {own.name.lower() for own in found}:
        hint = f"give it another name; {kit.NAME} = true in [tool.devpi-warmup] makes the kit"
        where = f"{TABLE}.{kit.NAME}"
        problems.append(Problem(f"{kit.NAME!r} is the name of the kit", where, hint))
    return (*found, Environment(kit.NAME, chosen, Sources(root, (), kit=True))) if chosen else found


def _users_own(
    root: Path, settings: Mapping[str, Any], problems: list[Problem]
) -> tuple[Environment, ...]:
    """Read those of the user; see :func:`read`."""
    tables = settings.get(TABLE)
    if tables is None:
        return (_environment("", root, settings, settings, (), problems),)
    if not tables:
        hint = f"write [tool.devpi-warmup.{TABLE}.prod], or remove the table"
        problems.append(Problem(f"{TABLE} is empty", hint=hint))
    folded: dict[str, str] = {}
    for name in tables:
        where = f"{TABLE}.{name}"
        if reason := why_no_name(name):
            problems.append(Problem(f"{name!r} is no name: {reason}", where, 'like "prod"'))
        other = folded.setdefault(name.lower(), name)
        if other != name:
            message = f"{other!r} and {name!r} differ by case alone"
            hint = "Windows and macOS take their locks for one: rename one of them"
            problems.append(Problem(message, where, hint))
    merged = {name: {**settings, **own} for name, own in tables.items()}
    # A pattern that holds for all of them need not match something of each.
    ids = tuple(id_ for both in merged.values() for id_ in _matrix(both, []))
    return tuple(
        _environment(name, root, both, tables[name], ids, problems) for name, both in merged.items()
    )


def _environment(  # noqa: PLR0917 - each is another part of the table
    name: str,
    root: Path,
    settings: Mapping[str, Any],
    own: Mapping[str, Any],
    ids: tuple[str, ...],
    problems: list[Problem],
) -> Environment:
    """Read one environment.

    :param settings: its own keys, and those of the whole configuration
    :param own: its own keys alone: problems of the others are not its own
    :param ids: of the targets of all environments, those that are excluded among them
    """

    def where(key: str) -> str:
        return f"{TABLE}.{name}.{key}" if name and key in own else key

    here: list[Problem] = []
    targets = _matrix(settings, here)
    if targets:
        patterns = settings.get("exclude", [])
        here += _exclude(targets, patterns, tuple(targets) if "exclude" in own else ids)
    sources = _sources(root, settings, name, here)
    carry = Sdists(_carry(settings, here))
    problems += [
        Problem(p.message, ", ".join(where(key) for key in p.where.split(", ")), p.hint)
        for p in here
    ]
    return Environment(name, tuple(targets.values()), sources, carry)


def _carry(settings: Mapping[str, list[str]], problems: list[Problem]) -> tuple[Requirement, ...]:
    """Read what may be carried; only what may be built can be."""
    lines = read_sdists(settings.get("carry", ()), problems, key="carry")
    allowed = Sdists(read_sdists(settings.get("sdists", ()), []))
    for line in lines:
        if not allowed.mentions(canonicalize_name(line.name)):
            hint = f'sdists = ["{line.name}"] is consent to look at it, which runs its code'
            problems.append(Problem(f"{line.name} is not among the sdists", "carry", hint))
    return lines


def _matrix(settings: Mapping[str, list[str]], problems: list[Problem]) -> dict[str, Target]:
    """Return every Python on every platform, by their ids."""
    pythons = settings.get("pythons", [f"{sys.version_info[0]}.{sys.version_info[1]}"])
    platforms = settings.get("platforms", list(DEFAULT_PLATFORMS))
    wrong = _check_values("pythons", [(python, "win32") for python in pythons])
    wrong += _check_values("platforms", [("3.13", platform) for platform in platforms])
    problems += wrong
    if wrong:
        return {}
    targets: dict[str, Target] = {}
    for python in pythons:
        for platform in platforms:
            target = Target(python, platform)
            if target.id in targets:
                where = "pythons, platforms"
                problems.append(Problem(f"{target.id} stands there twice", where, "name it once"))
            targets[target.id] = target
    return targets


def _check_values(key: str, probes: list[tuple[str, str]]) -> list[Problem]:
    problems = [] if probes else [Problem(f"{key} is empty", key, "name at least one")]
    for python, platform in probes:
        try:
            Target(python, platform)
        except InvalidTargetError as error:
            problems.append(Problem(error.args[0], key, error.hint))
    return problems


def _exclude(
    targets: dict[str, Target], patterns: list[str], ids: tuple[str, ...]
) -> list[Problem]:
    """Take the targets out that a pattern matches.

    :param ids: each pattern must match one of these
    """
    problems = []
    for pattern in patterns:
        if not fnmatch.filter(ids, pattern):
            nearest = difflib.get_close_matches(pattern, ids, n=1, cutoff=0.7)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"targets: {', '.join(ids)}"
            problems.append(Problem(f"{pattern!r} excludes no target", "exclude", hint))
        for match in fnmatch.filter(list(targets), pattern):
            targets.pop(match)
    if not targets:
        problems.append(Problem("every target is excluded", "exclude", "leave at least one"))
    return problems


def _sources(
    root: Path, settings: Mapping[str, list[str]], name: str, problems: list[Problem]
) -> Sources:
    groups = tuple(settings.get("groups", ()))
    constraints = tuple(
        source.path
        for source in _files(root, settings, "constraints", DEFAULT_CONSTRAINTS, problems)
    )
    found = _files(root, settings, "requirements", DEFAULT_REQUIREMENTS, problems)
    # A pattern may match the constraints by the way; a file that is named is meant.
    named = {root / path for path in settings.get("requirements", ())}
    requirements = tuple(s for s in found if s.path not in constraints or s.path in named)
    if not requirements and not groups and not problems:
        wanted = settings.get("requirements")
        hint = f'write requirements/main.txt, or name files: requirements = ["{NAME}"]'
        if not (root / NAME).exists():
            hint = f"there is no {NAME} here: is this the right folder? If so, {hint}"
        message = f"no requirement files: nothing in {root.name}/ matches {DEFAULT_REQUIREMENTS!r}"
        if wanted is not None:
            message = (
                "requirements is empty" if not wanted else "requirements are constraints alone"
            )
            hint = "name at least one file"
        if name:
            message = f"{name}: {message}"
        problems.append(Problem(message, "requirements" if wanted is not None else "", hint))
    wheels = tuple(source.path for source in _files(root, settings, "wheels", "", problems))
    return Sources(
        root,
        requirements,
        groups,
        constraints,
        wheels,
        tuple(settings.get("sdists", ())),
        tuple(settings.get("build-constraints", ())),
    )


def _files(
    root: Path,
    settings: Mapping[str, list[str]],
    key: str,
    default: str,
    problems: list[Problem],
) -> tuple[Source, ...]:
    """Return the files that a key names, in its order, each once."""
    if key not in settings:
        if not default:
            return ()
        return tuple(Source(path) for path in _glob(root, default))
    found: dict[Source, None] = {}
    for pattern in settings[key]:
        with_extras = _EXTRAS.fullmatch(pattern)
        path, extras = with_extras.group("path", "extras") if with_extras else (pattern, "")
        if Path(path).is_absolute():
            matches: tuple[Path, ...] = (Path(path),) if Path(path).is_file() else ()
        else:
            matches = _glob(root, path)
        if not matches:
            hint = f"paths start at {root.name}/, where pyproject.toml is"
            problems.append(Problem(f"no file {show(path)}", key, hint))
        named = tuple(extra for text in extras.split(",") if (extra := text.strip()))
        for match in matches:
            lock = is_pyproject(match) or is_pylock(match)
            if (lock and key == "constraints") or (named and not lock):
                what = "extras" if named else "constraints"
                message = f"{match.name} has no {what}"
                problems.append(Problem(message, key, "name a requirement file"))
            found[Source(match, named)] = None
    return tuple(found)


def _glob(root: Path, pattern: str) -> tuple[Path, ...]:
    try:
        return tuple(sorted(path for path in root.glob(pattern) if path.is_file()))
    except (ValueError, NotImplementedError, IndexError, OSError):  # no such pattern
        return ()
