"""What goes into a bundle: all that the manifest vouches for, and what ``verify`` reads inside."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from devpi_warmup.crossing import guide, unpack
from devpi_warmup.crossing.archive import Member
from devpi_warmup.crossing.state import FileSum, State
from devpi_warmup.errors import InvalidInputError, Problem
from devpi_warmup.inputs import sources
from devpi_warmup.inputs.pyproject import NAME as PYPROJECT
from devpi_warmup.wheelhouse import manifest
from devpi_warmup.wheelhouse.reading import is_distribution

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from devpi_warmup.crossing.bootstrap import Step
    from devpi_warmup.inputs.config import Config
    from devpi_warmup.wheelhouse.coverage import Coverage

# Of the wheelhouse, carried where they are there. What clients/folder says is of this machine.
_FOLDERS = ("reports", "clients/index")
_REPORTS = (  # where they have a folder elsewhere
    *("index.html", "report.css", "report.json", "licences.json", "junit.xml", "sbom*.cdx.json"),
)
# https://user:password@…, or https://token@…, where neither is the ${NAME} of a variable
_PASSWORD = re.compile(rb"https?://[^/\s@'\"?#$]+@", re.IGNORECASE)


@dataclass(frozen=True)
class Contents:
    """What a state is made of.

    :param members: each of its files, as an archive takes it
    :param left: files of the wheelhouse that nothing names, and that stay here
    :param gone: why cells of another configuration stay here, by their ids
    """

    members: tuple[Member, ...]
    left: tuple[str, ...] = ()
    gone: Mapping[str, str] = field(default_factory=dict)

    @property
    def state(self) -> State:
        """The state."""
        return State(tuple(FileSum(m.name, m.sha256, m.size) for m in self.members))


def collect(config: Config, coverage: Coverage, steps: Iterable[Step]) -> Contents:
    """List everything, and hash it.

    :param coverage: of a wheelhouse that is whole, and held
    :raises InvalidInputError: something of it cannot be carried; every such thing
    """
    problems: list[Problem] = []
    if not _within(config, config.wheelhouse):
        hint = f'name a folder within {config.root.name}/: wheelhouse = "wheelhouse"'
        problem = Problem(f"it lies outside {config.root.name}/", config.wheelhouse.name, hint)
        raise InvalidInputError("the wheelhouse cannot be carried", [problem])
    gone = _gone(config, coverage)
    found = {**_wheelhouse(config, coverage, gone), **_inputs(config, problems)}
    members = [_member(name, path, coverage, problems) for name, path in found.items()]
    members += [Member.of(name, text.encode()) for name, text in guide.pages(steps).items()]
    problems += _unsafe([member.name for member in members])
    if problems:
        raise InvalidInputError("this cannot be carried", dict.fromkeys(problems))
    named = {path.name for path in found.values()}
    left = (path.name for path in coverage.wheelhouse.path.iterdir() if path.is_file())
    stay = sorted(n for n in left if is_distribution(n) and n not in named)
    return Contents(tuple(sorted(members, key=lambda one: one.name)), tuple(stay), gone)


def _gone(config: Config, coverage: Coverage) -> dict[str, str]:
    """Return which cells of another configuration are no longer here as they were, and why."""
    own = {cell.id for cell in config.cells}
    others = {i: e for i, e in coverage.manifest.cells.items() if e.gathered and i not in own}
    each = {id_: coverage.changed({**e.locks, **e.carried}) for id_, e in others.items()}
    return {id_: why for id_, why in each.items() if why}


def _wheelhouse(config: Config, coverage: Coverage, gone: Mapping[str, str]) -> dict[str, Path]:
    """Return what the manifest names and holds, the manifest, and folders of ours."""
    folder, shown = coverage.wheelhouse.path, coverage.wheelhouse.shown
    names = {manifest.NAME}
    for id_, entry in coverage.manifest.cells.items():
        if entry.gathered and id_ not in gone:
            names |= {*entry.locks, *entry.carried}
    found = {f"{shown}/{name}": folder / name for name in names}
    for part in _FOLDERS:
        for path in sorted((folder / part).rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                found[f"{shown}/{path.relative_to(folder).as_posix()}"] = path
    if _within(config, config.reports):
        for path in (path for name in _REPORTS for path in config.reports.glob(name)):
            if path.is_file():
                found[_absolute(path).relative_to(config.root).as_posix()] = path
    return found


def _inputs(config: Config, problems: list[Problem]) -> dict[str, Path]:
    """Return every file that says what is wanted; ``verify`` reads them again inside."""
    hint = f"copy it into {config.root.name}/, and name it there"
    paths = []
    for environment in config.environments:
        wanted, _ = sources.read(environment.sources)
        paths += [*wanted.files, *environment.sources.wheels]
    if (config.root / PYPROJECT).is_file():
        paths.append(config.root / PYPROJECT)
    found: dict[str, Path] = {}
    for path in dict.fromkeys(map(_absolute, paths)):
        if not _within(config, path):
            problems.append(Problem(f"{path.name} lies outside {config.root.name}/", hint=hint))
            continue
        name = path.relative_to(config.root).as_posix()
        found[name] = path
        if (
            path.is_file()
            and not is_distribution(path.name)
            and _PASSWORD.search(path.read_bytes())
        ):
            told = "write ${NAME} in its place: it is taken from the environment"
            problems.append(
                Problem("a URL holds a user or a password, which would be carried", name, told)
            )
    return found


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links


def _within(config: Config, path: Path) -> bool:
    """Whether a path lies below the repository, and so has the same place inside."""
    path = _absolute(path)
    return path != config.root and path.is_relative_to(config.root)


def _member(name: str, path: Path, coverage: Coverage, problems: list[Problem]) -> Member:
    try:
        if path.is_symlink() and name.startswith(f"{coverage.wheelhouse.shown}/"):
            problems.append(Problem("it is a link, which does not cross the gap", name, "copy it"))
        return Member(name, path, coverage.wheelhouse.digests.of(path), path.stat().st_size)
    except OSError as error:
        problems.append(Problem(f"it cannot be read: {error.strerror}", name, "warm it up again"))
        return Member(name, b"", "", 0)


def _unsafe(names: Iterable[str]) -> Iterator[Problem]:
    """Yield the names that some system inside cannot write, by the rules of ``unpack.py``."""
    seen: dict[str, str] = {}
    for name in (unpack.SUMS, unpack.HEAD, unpack.LOG, *names):
        if why := unpack.why_unsafe(name):
            yield Problem(why, name, "rename it")
        if (folded := unpack.folded(name)) in seen:
            told = f"a bundle, or some disks, take it for {seen[folded]}"
            yield Problem(told, name, "rename one of them")
        seen[folded] = name
