"""``[tool.devpi-warmup]`` and the environment variable → :class:`Config`."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from devpi_warmup.errors import InvalidInputError, Problem
from devpi_warmup.inputs import environments, kit
from devpi_warmup.inputs.licences import KEY as LICENCES
from devpi_warmup.inputs.licences import Policy, read_policy
from devpi_warmup.inputs.pyproject import NAME
from devpi_warmup.inputs.toml import read_toml
from devpi_warmup.inputs.urls import IndexUrl, parse_index_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.inputs.environments import Environment

_NAME = "devpi-warmup"
_TABLE = f"[tool.{_NAME}]"
_OF_ENVIRONMENTS = (
    *("pythons", "platforms", "exclude"),
    *("requirements", "groups", "constraints", "wheels"),
    *("sdists", "build-constraints", "carry"),
)
_STRINGS = ("index-url", "wheelhouse", "reports", "advisories")
_BOOLEANS = ("require-warm", "require-licences")
_LISTS = (LICENCES,)
KEYS = (*_OF_ENVIRONMENTS, *_STRINGS, *_LISTS, *_BOOLEANS, kit.NAME, environments.TABLE)


@dataclass(frozen=True)
class Config:
    """What a run works on.

    :param root: the folder of ``pyproject.toml``; every path is absolute
    :param environments: what is installed together, and where; in the order they are listed
    :param index: the one index, or None for the private devpi-server
    :param wheelhouse: the folder that crosses the gap
    :param require_warm: whether a file that cannot be shown to be warm fails the run
    :param reports: the folder of the reports
    :param licences: which may be let in, and whether any other fails the run
    :param advisories: what is known of vulnerabilities, or None
    """

    root: Path
    environments: tuple[Environment, ...]
    index: IndexUrl | None
    wheelhouse: Path
    require_warm: bool
    reports: Path
    licences: Policy = field(default_factory=Policy)
    advisories: Path | None = None

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every environment for each of its targets."""
        return tuple(cell for environment in self.environments for cell in environment.cells)

    @property
    def counted(self) -> str:
        """What cells are called where there are no environments: targets."""
        return "cells" if any(own.name for own in self.environments) else "targets"

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
    path = root / NAME
    there = path.exists() or path.is_symlink()  # a link to nowhere is not "no table"
    table = read_toml(path, NAME) if there else {}
    if isinstance(table, Problem):
        raise InvalidInputError(f"{NAME} cannot be read", [table])
    tool = table.get("tool", {})
    settings = tool.get("devpi-warmup", {}) if isinstance(tool, dict) else {}
    if alike := [name for name in tool if name != _NAME and canonicalize_name(name) == _NAME]:
        problem = Problem(f"[tool.{alike[0]}] is no table of ours", hint=f"write {_TABLE}")
        raise InvalidInputError(f"{NAME} cannot be used", [problem])
    problems = _check_types(settings, _TABLE, KEYS)
    named = settings.get(environments.TABLE, {}) if isinstance(settings, dict) else {}
    if isinstance(named, dict):
        for name, own in named.items():
            problems += _check_types(own, f"environments.{name}", _OF_ENVIRONMENTS)
    if problems:
        raise InvalidInputError(f"{_TABLE} in {NAME} is wrong", problems)
    found = environments.read(root, settings, problems)
    index = _index(settings, environ, problems)
    advisories = root / settings["advisories"] if "advisories" in settings else None
    required = settings.get("require-licences", False)
    licences = read_policy(settings.get(LICENCES, ()), problems, required=required)
    if required and not licences.entries:
        hint = 'name what is allowed: licences-allowed = ["MIT", "Apache-2.0", …]'
        problems.append(Problem("nothing is said to be allowed", "require-licences", hint))
    if problems:
        raise InvalidInputError("the configuration is wrong", list(dict.fromkeys(problems)))
    wheelhouse = root / settings.get("wheelhouse", "wheelhouse")
    return Config(
        root=root,
        environments=found,
        index=index,
        wheelhouse=wheelhouse,
        require_warm=settings.get("require-warm", False),
        reports=root / settings["reports"] if "reports" in settings else wheelhouse / "reports",
        licences=licences,
        advisories=advisories,
    )


def reports_of(root: Path) -> Path:
    """Return where the reports land, as far as a configuration says that cannot be used."""
    table: Any = read_toml(root / NAME, NAME) if (root / NAME).exists() else {}
    tool = table.get("tool", {}) if isinstance(table, dict) else {}
    settings = tool.get(_NAME, {}) if isinstance(tool, dict) else {}
    named = settings if isinstance(settings, dict) else {}
    reports, wheelhouse = named.get("reports"), named.get("wheelhouse")
    if isinstance(reports, str) and "\0" not in reports:
        return root / reports
    if not isinstance(wheelhouse, str) or "\0" in wheelhouse:
        wheelhouse = "wheelhouse"
    return root / wheelhouse / "reports"


def _check_types(settings: object, where: str, known: tuple[str, ...]) -> list[Problem]:
    if not isinstance(settings, dict):
        place = where if where == _TABLE else f"[tool.devpi-warmup.{where}]"
        return [Problem(f"{where} must be a table", hint=f"write {place}")]
    at = "" if where == _TABLE else where
    problems = []
    for key, value in settings.items():
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"known: {', '.join(known)}"
            hint = f"it stands in {_TABLE} itself" if key in KEYS else hint
            problems.append(Problem(f"unknown key {key!r}", at, hint))
        elif not (right := _is_right(key, value))[0]:
            problems.append(Problem(f"{key} must be {right[1]}", at, f"write {right[2]}"))
    return problems


def _is_right(key: str, value: object) -> tuple[bool, str, str]:
    """Return whether a value has the type of its key, what it must be, and an example."""
    if key in _STRINGS:
        right = isinstance(value, str) and value.strip() != "" and "\0" not in value
        return right, "a string, and not empty", f'{key} = "…"'
    if key in _BOOLEANS:
        return isinstance(value, bool), "true or false", f"{key} = true"
    if key in _OF_ENVIRONMENTS or key in _LISTS:
        right = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return right, "a list of strings", f'{key} = ["…", "…"], each value in quotes'
    if key == kit.NAME:
        right = isinstance(value, bool) or (
            isinstance(value, list) and all(isinstance(item, str) for item in value)
        )
        return right, "true, or a list of patterns of targets", f'{key} = ["cp313-*"]'
    example = f'[tool.devpi-warmup.{key}.prod], and below it requirements = ["…"]'
    return isinstance(value, dict), "a table", example


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
        hint = "https://devpi.example.com/user/index, or a plain index as https://…/simple/"
        problems.append(Problem(str(error), where, hint))
        return None
    if where == "index-url" and index.password:
        hint = "a file in git is no place for it: use DEVPI_INDEX or a netrc file"
        problems.append(Problem("index-url holds a password", where, hint))
    return index
