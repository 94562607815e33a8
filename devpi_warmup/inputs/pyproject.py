"""``pyproject.toml``: the dependencies of a project, of its extras, and dependency groups.

PEP 621 and PEP 735. The project itself is not required: it has no distribution yet.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from devpi_warmup.errors import Problem
from devpi_warmup.inputs.requirements import PythonLimit
from devpi_warmup.inputs.toml import read_toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from devpi_warmup.inputs.requirement_files import Reader

NAME = "pyproject.toml"


def is_pyproject(path: Path) -> bool:
    """Whether a file is read as a pyproject.toml."""
    return path.name == NAME


def read_project(path: Path, extras: Iterable[str], reader: Reader) -> None:
    """Read ``[project]``: its dependencies, and those of extras.

    :param extras: as the user wrote them
    :param reader: takes the requirements, and the problems
    """
    shown = reader.show(path)
    table = read_toml(path, shown)
    if isinstance(table, Problem):
        reader.problems.append(table)
        return
    project = table.get("project")
    if not isinstance(project, dict):
        hint = 'requirement files are named by path: requirements = ["requirements/*.txt"]'
        reader.problems.append(Problem("it has no table [project]", shown, hint))
        return
    _Project(project, shown, reader).require(extras)


def read_groups(path: Path, groups: Iterable[str], reader: Reader) -> None:
    """Read dependency groups (PEP 735), with those that they include.

    :param groups: as the user wrote them
    :param reader: takes the requirements, and the problems
    """
    shown = reader.show(path)
    table = read_toml(path, shown)
    if isinstance(table, Problem):
        reader.problems.append(table)
        return
    tables = table.get("dependency-groups", {})
    if not isinstance(tables, dict):
        reader.problems.append(Problem("[dependency-groups] must be a table", shown))
        return
    known = {_normalized(name): lines for name, lines in tables.items()}
    for group in groups:
        _Groups(known, shown, reader).require(group, "groups", ())


@dataclass(frozen=True)
class _Groups:
    """The groups of a file, by their normalized names."""

    known: Mapping[str, Any]
    shown: str
    reader: Reader

    def require(self, group: str, asked: str, above: tuple[str, ...]) -> None:
        """Read one group.

        :param asked: the key, or the group, that names it
        :param above: the groups that include it, one by another
        """
        name = _normalized(group)
        where = f"{self.shown}: dependency-groups.{name}"
        if name not in self.known:
            problem = Problem(f"there is no dependency group {group!r}", asked, "")
            self.reader.problems.append(_with_nearest(problem, name, self.known))
        elif name in above:
            way = " → ".join([*above, name])
            self.reader.problems.append(Problem(f"it includes itself: {way}", where))
        elif not isinstance(self.known[name], list):
            self.reader.problems.append(Problem("it must be a list", where))
        else:
            for item in self.known[name]:
                if isinstance(item, str):
                    self.reader.line(item, where)
                elif isinstance(item, dict) and [*item] == ["include-group"]:
                    self.require(str(item["include-group"]), where, (*above, name))
                else:
                    hint = 'write a requirement, or {include-group = "…"}'
                    self.reader.problems.append(Problem(f"{item!r} is no requirement", where, hint))


@dataclass(frozen=True)
class _Project:
    """The table ``[project]`` of a file."""

    table: Mapping[str, Any]
    shown: str
    reader: Reader

    def require(self, extras: Iterable[str]) -> None:
        """Read its dependencies, and those of the extras that are wanted."""
        self._limit_python()
        self._lines(self._of("dependencies", list), "project.dependencies", set())
        self._extras(extras, "requirements", set())

    def _extras(self, extras: Iterable[str], asked: str, seen: set[str]) -> None:
        tables = self._of("optional-dependencies", dict) if [*extras] else {}
        known: dict[str, Any]
        known = {canonicalize_name(str(name)): lines for name, lines in (tables or {}).items()}
        for extra in extras:
            name = canonicalize_name(extra)
            if name in seen:
                continue
            seen.add(name)
            if name in known:
                where = f"project.optional-dependencies.{name}"
                self._lines(known[name], where, seen)
            elif tables is not None:
                problem = Problem(f"{self.shown} has no extra {extra!r}", asked)
                self.reader.problems.append(_with_nearest(problem, name, known))

    def _lines(self, lines: object, key: str, seen: set[str]) -> None:
        if lines is None:
            return  # a problem stands there already
        where = f"{self.shown}: {key}"
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            self.reader.problems.append(Problem("it must be a list of strings", where))
            return
        own = canonicalize_name(str(self.table.get("name", "")))
        for line in lines:
            # "all = ['project[web,db]']": the project is not required, its extras are.
            if (requirement := _parsed(line)) and canonicalize_name(requirement.name) == own:
                self._extras(sorted(requirement.extras), where, seen)
            else:
                self.reader.line(line, where)

    def _of(self, key: str, kind: type) -> Any:
        """Return what a key holds; None where that cannot be known."""
        dynamic = self.table.get("dynamic", [])
        if isinstance(dynamic, list) and key in dynamic:
            hint = f"write them into [project] {key}, or export them into a requirement file"
            message = f"project.{key} is dynamic: only building the project would tell"
            self.reader.problems.append(Problem(message, self.shown, hint))
            return None
        value = self.table.get(key, kind())
        if not isinstance(value, kind):
            what = "list of strings" if kind is list else "table"
            problem = Problem(f"it must be a {what}", f"{self.shown}: project.{key}")
            self.reader.problems.append(problem)
            return None
        return value

    def _limit_python(self) -> None:
        limit_python(self.table.get("requires-python"), f"{self.shown}: project", self.reader)


def limit_python(specifier: object, where: str, reader: Reader) -> None:
    """Note which Pythons a file is for, if it says so."""
    if specifier in {None, ""}:
        return
    try:
        reader.pythons.append(PythonLimit(SpecifierSet(str(specifier)), where.partition(":")[0]))
    except InvalidSpecifier:
        hint = 'write it like ">=3.10"'
        reader.problems.append(Problem(f"requires-python is {specifier!r}", where, hint))


def _parsed(line: str) -> Requirement | None:
    try:
        return Requirement(line)
    except InvalidRequirement:
        return None


def _normalized(group: str) -> str:
    return re.sub(r"[-_.]+", "-", group).lower()  # PEP 735, as names of projects


def _with_nearest(problem: Problem, name: str, known: Mapping[str, object]) -> Problem:
    nearest: Sequence[str] = difflib.get_close_matches(name, known, n=1)
    hint = f"known: {', '.join(known)}" if known else "there are none"
    hint = f"did you mean {nearest[0]!r}?" if nearest else hint
    return Problem(problem.message, problem.where, hint)
