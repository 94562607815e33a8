"""``pyproject.toml``: the dependencies of a project, of its extras, and dependency groups.

PEP 621 and PEP 735. The project itself is not required: it has no distribution yet.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from devpi_warmup.errors import Problem
from devpi_warmup.inputs.requirement_lines import show
from devpi_warmup.inputs.requirements import Limit

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
    if (table := reader.toml(path)) is None:
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
    if (table := reader.toml(path)) is None:
        return
    tables = table.get("dependency-groups", {})
    if not isinstance(tables, dict):
        reader.problems.append(Problem("[dependency-groups] must be a table", shown))
        return
    found = _Groups(_once(tables, "dependency-groups", shown, reader), shown, reader)
    for group in groups:
        found.require(group, "groups")


@dataclass
class _Groups:
    """The groups of a file, by their normalized names."""

    known: Mapping[str, Any]
    shown: str
    reader: Reader
    _read: set[str] = field(default_factory=set)

    def require(self, group: str, asked: str) -> None:
        """Read one group, and those that it includes, each once.

        :param asked: the key that names it
        """
        todo = [(group, asked, tuple[str, ...]())]
        while todo:
            group, asked, above = todo.pop()
            name = _normalized(group)
            if name in above:
                way = " → ".join([*above, name])
                where = f"{self.shown}: dependency-groups.{name}"
                self.reader.problems.append(Problem(f"it includes itself: {way}", where))
            elif name not in self._read:
                self._read.add(name)
                more = self._require(group, name, asked)
                todo += [(other, where, (*above, name)) for other, where in reversed(more)]

    def _require(self, group: str, name: str, asked: str) -> list[tuple[str, str]]:
        """Read one group; return the groups that it includes, each with its place."""
        where = f"{self.shown}: dependency-groups.{name}"
        if name not in self.known:
            problem = Problem(f"there is no dependency group {show(group)}", asked, "")
            self.reader.problems.append(_with_nearest(problem, name, self.known))
            return []
        if not isinstance(self.known[name], list):
            self.reader.problems.append(Problem("it must be a list", where))
            return []
        included = []
        for item in self.known[name]:
            if isinstance(item, str):
                self.reader.line(item, where)
            elif isinstance(item, dict) and [*item] == ["include-group"]:
                included.append((str(item["include-group"]), where))
            else:
                hint = 'write a requirement, or {include-group = "…"}'
                told = f"a {_kind(item)} is no requirement"
                self.reader.problems.append(Problem(told, where, hint))
        return included


def _once(tables: Mapping[str, Any], key: str, shown: str, reader: Reader) -> dict[str, Any]:
    """Return tables by their normalized names, which must not stand there twice (PEP 735)."""
    known: dict[str, Any] = {}
    for name, lines in tables.items():
        if _normalized(name) in known:
            message = f"{name!r} stands there twice: names are compared without case, and - as _"
            reader.problems.append(Problem(message, f"{shown}: {key}", "rename one of them"))
        known.setdefault(_normalized(name), lines)
    return known


@dataclass(frozen=True)
class _Project:
    """The table ``[project]`` of a file."""

    table: Mapping[str, Any]
    shown: str
    reader: Reader

    def require(self, extras: Iterable[str]) -> None:
        """Read its dependencies, and those of the extras that are wanted."""
        limit_python(self.table.get("requires-python"), f"{self.shown}: project", self.reader)
        wanted = [(extra, "requirements", "") for extra in extras]
        wanted += self._lines(self._of("dependencies", list), "project.dependencies", "")
        tables = self._of("optional-dependencies", dict) if wanted else {}
        if tables is None:
            return
        known = _once(tables, "project.optional-dependencies", self.shown, self.reader)
        seen = set[tuple[str, str]]()
        while wanted:
            extra, asked, marker = wanted.pop(0)
            name = _normalized(extra)
            if (name, marker) in seen:
                continue
            seen.add((name, marker))
            if name in known:
                key = f"project.optional-dependencies.{name}"
                wanted += self._lines(known[name], key, marker)
            else:
                problem = Problem(f"{self.shown} has no extra {show(extra)}", asked)
                self.reader.problems.append(_with_nearest(problem, name, known))

    def _lines(self, lines: object, key: str, marker: str) -> list[tuple[str, str, str]]:
        """Read lines; return the extras of the project itself that they want.

        :param marker: under which they were wanted
        :returns: each extra, where it is wanted, and under which marker
        """
        if lines is None:
            return []  # a problem stands there already
        where = f"{self.shown}: {key}"
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            self.reader.problems.append(Problem("it must be a list of strings", where))
            return []
        own, wanted = canonicalize_name(str(self.table.get("name", ""))), []
        for line in lines:
            requirement = _parsed(line)
            if requirement is None:
                self.reader.line(line, where)
                continue
            both = _both(marker, str(requirement.marker or ""))
            # "all = ['project[web,db]']": the project is not required, its extras are.
            if canonicalize_name(requirement.name) == own:
                wanted += [(extra, where, both) for extra in sorted(requirement.extras)]
            elif marker:
                requirement.marker = Marker(both)
                self.reader.line(str(requirement), where)
            else:
                self.reader.line(line, where)
        return wanted

    def _of(self, key: str, kind: type) -> Any:
        """Return what a key holds; None where that cannot be known."""
        dynamic = self.table.get("dynamic", [])
        if not isinstance(dynamic, list):
            problem = Problem("it must be a list of strings", f"{self.shown}: project.dynamic")
            self.reader.problems.append(problem)
            return None
        if key in dynamic:
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


def limit_python(specifier: object, where: str, reader: Reader) -> None:
    """Note which Pythons a file is for, if it says so."""
    if specifier is None or specifier == "":
        return
    try:
        if not isinstance(specifier, str):
            raise InvalidSpecifier  # noqa: TRY301 - it is said below
        SpecifierSet(specifier)
    except InvalidSpecifier:
        hint = 'write it like ">=3.10"'
        told = show(specifier) if isinstance(specifier, str) else f"of type {_kind(specifier)}"
        reader.problems.append(Problem(f"requires-python is {told}", where, hint))
        return
    reader.limits.append(Limit(where.partition(":")[0], specifier))


def _kind(value: object) -> str:
    return type(value).__name__


def _both(one: str, other: str) -> str:
    return f"({one}) and ({other})" if one and other else one or other


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
