"""Where the requirements of an environment stand → :class:`RequirementSet`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devpi_warmup.errors import InvalidInputError, Problem
from devpi_warmup.inputs import kit, pylock, pyproject
from devpi_warmup.inputs.own_wheels import read_wheels
from devpi_warmup.inputs.requirement_files import Reader
from devpi_warmup.inputs.sdists import read_sdists

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from devpi_warmup.inputs.requirements import RequirementSet


@dataclass(frozen=True)
class Source:
    """A file that requires something.

    :param path: a requirement file, a ``pyproject.toml``, or a ``pylock.toml`` (PEP 751)
    :param extras: of a pyproject or pylock, those that are wanted, too
    """

    path: Path
    extras: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sources:
    """Everything that says what an environment needs; every path is absolute.

    :param root: the folder of ``pyproject.toml``; paths in messages are relative to it
    :param groups: dependency groups (PEP 735) of that file
    :param constraints: constraint files
    :param wheels: of the user's own, beside those of the index
    :param sdists: projects that may be built, as lines
    :param build_constraints: which versions are allowed of what a build requires, as lines
    :param kit: whether it is the kit, and nothing else
    """

    root: Path
    requirements: tuple[Source, ...]
    groups: tuple[str, ...] = ()
    constraints: tuple[Path, ...] = ()
    wheels: tuple[Path, ...] = ()
    sdists: tuple[str, ...] = ()
    build_constraints: tuple[str, ...] = ()
    kit: bool = False


def load(sources: Sources, *, environ: Mapping[str, str] = os.environ) -> RequirementSet:
    """Read everything.

    :param environ: the values of ``${VARIABLES}``
    :raises InvalidInputError: with every problem of every source together
    """
    found, problems = read(sources, environ=environ)
    if problems:
        raise InvalidInputError("the requirements cannot be used", problems)
    return found


def read(
    sources: Sources, *, environ: Mapping[str, str] = os.environ
) -> tuple[RequirementSet, tuple[Problem, ...]]:
    """Read everything; return what can be used, and what is wrong with the rest."""
    reader = Reader(sources.root, environ)
    if sources.kit:
        kit.read(reader)
        return reader.found(), tuple(reader.problems)
    for source in sources.requirements:
        if pyproject.is_pyproject(source.path):
            pyproject.read_project(source.path, source.extras, reader)
        elif pylock.is_pylock(source.path):
            pylock.read_pylock(source.path, source.extras, reader)
        else:
            reader.read(source.path, constraint=False)
    if sources.groups:
        pyproject.read_groups(sources.root / pyproject.NAME, sources.groups, reader)
    for path in sources.constraints:
        reader.read(path, constraint=True)
    if not reader.requirements and not reader.problems:
        files = ", ".join(reader.show(source.path) for source in sources.requirements)
        hint = "write one requirement a line"
        reader.problems.append(Problem("nothing is required", files, hint))
    reader.wheels = read_wheels(sources.wheels, reader.problems)
    reader.sdists = read_sdists(sources.sdists, reader.problems)
    for line in sources.build_constraints:
        reader.build_constraint(line)
    return reader.found(), tuple(reader.problems)
