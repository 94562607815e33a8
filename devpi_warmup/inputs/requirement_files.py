"""Requirement and constraint files: lines → :class:`RequirementSet`.

The format is pip's (https://pip.pypa.io/en/stable/reference/requirements-file-format/), less
everything that would change *where* files come from: there is one index, and the wheelhouse
must be enough.
"""

from __future__ import annotations

import codecs
import hashlib
import io
import json
import os
import re
import shlex
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from devpi_warmup.errors import Problem
from devpi_warmup.inputs.requirement_lines import (
    OPTION_HINTS,
    VARIABLE,
    LineError,
    option,
    root_requirement,
    show,
)
from devpi_warmup.inputs.requirements import Limit, RequirementSet, RootRequirement
from devpi_warmup.inputs.sdists import Sdists
from devpi_warmup.inputs.toml import read_toml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from packaging.requirements import Requirement

    from devpi_warmup.inputs.own_wheels import OwnWheel


_COMMENT = re.compile(r"(^|\s+)#.*$")
_INCLUDES = {"-r": "r", "--requirement": "r", "-c": "c", "--constraint": "c"}


class Reader:
    """Collects the lines and the problems of everything that an environment requires."""

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        """Read nothing yet.

        :param root: paths in messages are relative to it
        :param environ: the values of ``${VARIABLES}``
        """
        self.requirements: list[RootRequirement] = []
        self.constraints: list[RootRequirement] = []
        self.problems: list[Problem] = []
        self.limits: list[Limit] = []
        self.wheels: tuple[OwnWheel, ...] = ()
        self.sdists: tuple[Requirement, ...] = ()
        self.files: dict[Path, None] = {}  # what was opened, in that order
        self._build_constraints: list[RootRequirement] = []
        self._lines: list[tuple[str, ...]] = []
        self._root = root
        self._environ = environ
        self._open: list[Path] = []

    def found(self) -> RequirementSet:
        """Return what was read so far, and can be used."""
        roots = (*self.requirements, *self.constraints)
        limits = [
            ("limit", limit.where, limit.python, *map(str, limit.environments))
            for limit in self.limits
        ]
        own = [("wheel", wheel.path.name, wheel.sha256) for wheel in self.wheels]
        own += [("sdist", str(line), "") for line in self.sdists]
        own += [("build", str(root.requirement), "") for root in self._build_constraints]
        wanted = json.dumps([[*self._lines, *limits, *own], [root.known for root in roots]])
        digest = hashlib.sha256(wanted.encode()).hexdigest()
        return RequirementSet(
            tuple(self.requirements),
            tuple(self.constraints),
            digest,
            tuple(self.limits),
            self.wheels,
            Sdists(self.sdists, tuple(self._build_constraints)),
            tuple(self.files),
        )

    def show(self, path: Path) -> str:
        """Return a path as messages call it."""
        if path.is_relative_to(self._root):
            return path.relative_to(self._root).as_posix()
        return path.name

    def toml(self, path: Path) -> dict[str, Any] | None:
        """Return the table of a file; None where there is none, and a problem says why."""
        self.files[path] = None
        table = read_toml(path, self.show(path))
        if isinstance(table, Problem):
            self.problems.append(table)
            return None
        return table

    def read(self, path: Path, *, constraint: bool, included: str = "") -> None:
        """Read a requirement or constraint file, with everything it includes.

        :param included: the line that includes it
        """
        path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
        if path in self._open:
            self._problem(included, f"{self.show(path)} includes itself", "remove the line")
            return
        self.files[path] = None
        try:
            text = _decode(path.read_bytes() if "\0" not in str(path) else b"\xff")
        except OSError as error:
            where = included or self.show(path)
            message = f"{self.show(path)} cannot be read: {error.strerror}"
            self._problem(where, message, "check the path: it starts at the folder of the file")
            return
        except (ValueError, SyntaxError, LookupError):
            hint = "save it as UTF-8, or name its encoding: # -*- coding: cp949 -*-"
            self._problem(self.show(path), "the file is not UTF-8 text", hint)
            return
        self._open.append(path)
        for number, line in _logical_lines(text):
            self._line(path, number, line, constraint=constraint)
        self._open.pop()

    def line(self, specification: str, where: str, options: Sequence[str] = ()) -> None:
        """Take a requirement of another kind of file.

        :param options: ``--hash`` of the files that it may be
        """
        self._lines.append(("r", " ".join(specification.split()), *options))
        self._require(specification, options, where, specification, constraint=False)

    def _problem(self, where: str, message: str, hint: str) -> None:
        self.problems.append(Problem(message, where, hint))

    def _line(self, path: Path, number: int, raw: str, *, constraint: bool) -> None:
        where = f"{self.show(path)}:{number}"
        line = VARIABLE.sub(lambda match: self._environ.get(match[1]) or match[0], raw)
        specification, options_text = _split_options(line)
        try:
            options = shlex.split(options_text)
        except ValueError as error:
            self._problem(where, f"{show(raw)} does not parse: {error}", "close the quotes")
            return
        if specification:
            self._lines.append(("c" if constraint else "r", " ".join(raw.split())))
            self._require(specification, options, where, raw, constraint=constraint)
            return
        self._option_line(path, where, options)

    def build_constraint(self, line: str) -> None:
        """Take a constraint on what builds require."""
        try:
            root = root_requirement(line, (), "build-constraints", line)
        except LineError as error:
            self._problem("build-constraints", error.message, error.hint)
            return
        if root.requirement.extras or root.url is not None:
            hint = "constrain the version alone"
            self._problem("build-constraints", f"{line!r} has extras or a URL", hint)
            return
        self._build_constraints.append(root)

    def _require(
        self,
        specification: str,
        options: Sequence[str],
        where: str,
        raw: str,
        *,
        constraint: bool,
    ) -> None:
        try:
            root = root_requirement(specification, options, where, raw)
        except LineError as error:
            self._problem(where, error.message, error.hint)
            return
        self._add(root, constraint=constraint)

    def _option_line(self, path: Path, where: str, options: list[str]) -> None:
        name, value = option(options)
        if name in _INCLUDES and value:
            if urlsplit(value).scheme in {"http", "https", "file"}:
                hint = "keep a copy beside this file"
                self._problem(where, f"{name} with a URL is not supported", hint)
            else:
                kind = _INCLUDES[name] == "c"
                self.read(path.parent / value, constraint=kind, included=where)
            return
        hint = OPTION_HINTS.get(name, "remove it: options have no place in these files")
        self._problem(where, f"the option {name} is not allowed here", hint)

    def _add(self, root: RootRequirement, *, constraint: bool) -> None:
        if not constraint:
            self.requirements.append(root)
        elif root.requirement.extras or root.url is not None:
            what = "extras" if root.requirement.extras else "a URL"
            hint = "put it into the requirements, or constrain the version alone"
            self._problem(root.where, f"a constraint cannot have {what}", hint)
        else:
            self.constraints.append(root)


def _decode(data: bytes) -> str:
    """Decode as pip does: a byte order mark, a PEP 263 comment, or UTF-8."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16")  # PowerShell's "pip freeze > requirements.txt"
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return data.decode(encoding)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield (number of the first line, text) without comments and continuations."""
    start, parts = 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        start = start if parts else number
        comment = _COMMENT.match(line) is not None
        if line.endswith("\\") and not comment:
            parts.append(line.rstrip("\\"))
            continue
        parts.append(f" {line}" if comment else line)
        if joined := _COMMENT.sub("", "".join(parts)).strip():
            yield start, joined
        parts = []
    if joined := _COMMENT.sub("", "".join(parts)).strip():
        yield start, joined


def _split_options(line: str) -> tuple[str, str]:
    """Part a line before its first option: markers would not survive shlex."""
    tokens = line.split(" ")
    for position, token in enumerate(tokens):
        if token.startswith("-"):
            return " ".join(tokens[:position]).strip(), " ".join(tokens[position:])
    return line.strip(), ""
