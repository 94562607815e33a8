"""Requirement and constraint files → :class:`RequirementSet`.

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
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import (
    InvalidWheelFilename,
    canonicalize_name,
    parse_wheel_filename,
)

from devpi_warmup.errors import InvalidInputError, Problem
from devpi_warmup.inputs.requirements import RequirementSet, RootRequirement
from devpi_warmup.inputs.targets import Target
from devpi_warmup.inputs.urls import redact, url_filename

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


_COMMENT = re.compile(r"(^|\s+)#.*$")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HASHES = frozenset({"sha512", "sha384", "sha256", "sha224", "sha1", "md5"})
_VCS = re.compile(r"(git|hg|svn|bzr)(\+|:)", re.IGNORECASE)
_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar", ".egg")
_INCLUDES = {"-r": "r", "--requirement": "r", "-c": "c", "--constraint": "c"}

_ANY_TARGET = Target("3.13", "win_amd64")
_ONE_INDEX = "there is one index: set DEVPI_INDEX, or index-url in [tool.devpi-warmup]"
_CONNECTION = "say it to pip's own configuration (PIP_TRUSTED_HOST, PIP_CERT, PIP_PROXY)"
_OPTION_HINTS = {
    "-i": _ONE_INDEX,
    "--index-url": _ONE_INDEX,
    "--pypi-url": _ONE_INDEX,
    "--extra-index-url": _ONE_INDEX,
    "--no-index": _ONE_INDEX,
    "-f": "put the file into the index: the wheelhouse is filled from there alone",
    "--find-links": "put the file into the index: the wheelhouse is filled from there alone",
    "--trusted-host": _CONNECTION,
    "-e": "build a wheel of it, upload it to your devpi index, and require it by name",
    "--editable": "build a wheel of it, upload it to your devpi index, and require it by name",
    "--only-binary": "remove it: only wheels are used anyway",
    "--prefer-binary": "remove it: only wheels are used anyway",
    "--no-binary": "remove it: only wheels are used, so that nothing is built in the gap",
    "--require-hashes": "remove it: every lock has hashes anyway",
    "--pre": 'name the pre-release in the requirement, like "project>=2.0rc1"',
}
_UPLOAD = "build a wheel of it, upload it to your devpi index, and require it by name"


def load(
    requirements: Sequence[Path],
    constraints: Sequence[Path],
    *,
    root: Path,
    environ: Mapping[str, str] = os.environ,
) -> RequirementSet:
    """Read requirement and constraint files with everything they include.

    :param root: paths in messages are relative to it
    :raises InvalidInputError: with every problem of every file together
    """
    reader = _Reader(root, environ)
    for path in requirements:
        reader.read(path, constraint=False)
    for path in constraints:
        reader.read(path, constraint=True)
    if not reader.requirements and not reader.problems:
        files = ", ".join(reader.show(path) for path in requirements)
        reader.problems.append(
            Problem("nothing is required", files, "write one requirement a line")
        )
    if reader.problems:
        raise InvalidInputError("the requirements cannot be used", reader.problems)
    roots = (*reader.requirements, *reader.constraints)
    wanted = json.dumps([reader.lines, [root.known for root in roots]])
    digest = hashlib.sha256(wanted.encode()).hexdigest()
    return RequirementSet(tuple(reader.requirements), tuple(reader.constraints), digest)


class _Reader:
    """Collects the lines and the problems of all files of a set."""

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self.requirements: list[RootRequirement] = []
        self.constraints: list[RootRequirement] = []
        self.problems: list[Problem] = []
        self.lines: list[tuple[str, str]] = []
        self._root = root
        self._environ = environ
        self._open: list[Path] = []

    def show(self, path: Path) -> str:
        if path.is_relative_to(self._root):
            return path.relative_to(self._root).as_posix()
        return path.name

    def read(self, path: Path, *, constraint: bool, included: str = "") -> None:
        path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
        if path in self._open:
            self._problem(included, f"{self.show(path)} includes itself", "remove the line")
            return
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

    def _problem(self, where: str, message: str, hint: str) -> None:
        self.problems.append(Problem(message, where, hint))

    def _line(self, path: Path, number: int, raw: str, *, constraint: bool) -> None:
        where = f"{self.show(path)}:{number}"
        line = _VARIABLE.sub(lambda match: self._environ.get(match[1]) or match[0], raw)
        specification, options_text = _split_options(line)
        try:
            options = shlex.split(options_text)
        except ValueError as error:
            self._problem(where, f"{_show(raw)} does not parse: {error}", "close the quotes")
            return
        if specification:
            self.lines.append(("c" if constraint else "r", " ".join(raw.split())))
            try:
                root = self._root_requirement(specification, options, where, raw)
            except ValueError:  # of urlsplit: "http://[x/…"
                self._problem(where, f"{_show(raw)} has no valid URL", "check its host")
                return
            if root is not None:
                self._add(root, constraint=constraint)
            return
        self._option_line(path, where, options)

    def _option_line(self, path: Path, where: str, options: list[str]) -> None:
        name, value = _option(options)
        if name in _INCLUDES and value:
            if urlsplit(value).scheme in {"http", "https", "file"}:
                hint = "keep a copy beside this file"
                self._problem(where, f"{name} with a URL is not supported", hint)
            else:
                kind = _INCLUDES[name] == "c"
                self.read(path.parent / value, constraint=kind, included=where)
            return
        hint = _OPTION_HINTS.get(name, "remove it: options have no place in these files")
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

    def _root_requirement(
        self, specification: str, options: list[str], where: str, raw: str
    ) -> RootRequirement | None:
        hashes = self._hashes(options, where, raw)
        if hashes is None:
            return None
        bare = specification.split(" ;", maxsplit=1)[0].split("; ", maxsplit=1)[0].strip()
        if _VCS.match(bare):
            self._problem(where, f"{_show(raw)} is a VCS requirement", _UPLOAD)
        elif bare.lower().startswith(("http://", "https://")):
            return self._bare_url(specification, bare, hashes, where)
        elif _is_path(bare):
            self._problem(where, f"{_show(raw)} is a local path", _UPLOAD)
        else:
            return self._named(specification, hashes, where, raw)
        return None

    def _named(
        self, specification: str, hashes: frozenset[str], where: str, raw: str
    ) -> RootRequirement | None:
        try:
            requirement = Requirement(specification)
        except InvalidRequirement as error:
            reason = str(error).splitlines()[0]
            unset = _VARIABLE.search(specification)
            hint = f"{unset[1]} is not set in the environment" if unset else 'like "project>=1.2"'
            if unset or "@" in raw:  # what a variable held, or a URL, may be secret
                reason = "it is not a valid requirement"
            self._problem(where, f"{_show(raw)} does not parse: {reason}", hint)
            return None
        if requirement.marker is not None:
            try:
                requirement.marker.evaluate(dict(_ANY_TARGET.markers))
            except (UndefinedComparison, UndefinedEnvironmentName) as error:
                hint = 'like sys_platform == "win32" or python_version < "3.11"'
                self._problem(where, f"its marker cannot be evaluated: {error}", hint)
                return None
        if requirement.url is None:
            return RootRequirement(requirement, hashes, where)
        if _VCS.match(requirement.url):
            self._problem(where, f"{requirement.name} is a VCS requirement", _UPLOAD)
            return None
        if urlsplit(requirement.url).scheme not in {"http", "https"}:
            self._problem(where, f"{requirement.name} is a local path", _UPLOAD)
            return None
        return self._wheel_url(requirement, requirement.url, hashes, where)

    def _bare_url(
        self, specification: str, url: str, hashes: frozenset[str], where: str
    ) -> RootRequirement | None:
        filename = url_filename(url)
        try:
            name = parse_wheel_filename(filename)[0]
        except InvalidWheelFilename:
            self._problem(where, f"{redact(url)} is not the URL of a wheel", _UPLOAD)
            return None
        marker = specification[len(url) :].strip()
        return self._named(f"{name} @ {url} {marker}".strip(), hashes, where, url)

    def _wheel_url(
        self, requirement: Requirement, url: str, hashes: frozenset[str], where: str
    ) -> RootRequirement | None:
        try:
            name = parse_wheel_filename(url_filename(url))[0]
        except InvalidWheelFilename:
            self._problem(where, f"{redact(url)} is not the URL of a wheel", _UPLOAD)
            return None
        if name != canonicalize_name(requirement.name):
            message = f"{requirement.name} is not the project of {url_filename(url)}"
            self._problem(where, message, f"write {name} @ …")
            return None
        # As pip reads it (pip/_internal/models/link.py): parts in any order, the first hash counts.
        parts = [part.partition("=") for part in urlsplit(url).fragment.split("&")]
        for key, _, value in parts:
            if key == "egg" and canonicalize_name(value) != name:
                message = f"egg={value} is not the project of {url_filename(url)}"
                self._problem(where, message, f"remove it, and write {name} @ …")
                return None
        hashed = next(((key, value) for key, _, value in parts if key in _HASHES), None)
        if hashed is not None:
            algorithm, value = hashed
            if algorithm != "sha256" or not _SHA256.fullmatch(value.lower()):
                message = f"the URL of {requirement.name} has no valid sha256 hash: {algorithm}="
                self._problem(where, message, "#sha256= and 64 hexadecimal digits")
                return None
            hashes |= {value.lower()}
        return RootRequirement(requirement, hashes, where, url.partition("#")[0])

    def _hashes(self, options: list[str], where: str, raw: str) -> frozenset[str] | None:
        hashes: set[str] = set()
        position = 0
        while position < len(options):
            name, value = _option(options[position:])
            position += 1 if "=" in options[position] else 2
            if name != "--hash":
                hint = _OPTION_HINTS.get(name, "remove it: only --hash may follow a requirement")
                self._problem(where, f"the option {name} is not allowed here", hint)
                return None
            algorithm, _, digest = value.partition(":")
            if algorithm != "sha256" or not _SHA256.fullmatch(digest.lower()):
                hint = "--hash=sha256: and 64 hexadecimal digits"
                self._problem(where, f"{_show(raw)} has no valid sha256 hash", hint)
                return None
            hashes.add(digest.lower())
        return frozenset(hashes)


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


def _option(options: list[str]) -> tuple[str, str]:
    name, equals, value = options[0].partition("=")
    if equals:
        return name, value
    if not name.startswith("--") and len(name) > 2:  # noqa: PLR2004 - "-rfile"
        return name[:2], name[2:]
    return name, options[1] if len(options) > 1 else ""


def _is_path(text: str) -> bool:
    if text.startswith((".", "/", "~", "\\", "file:")) or re.match(r"[A-Za-z]:[\\/]", text):
        return True
    return "@" not in text and ("/" in text or text.lower().endswith(_ARCHIVES))


def _show(raw: str) -> str:
    """Show a line as written (variables unfilled), without what a URL may hide."""
    return repr(re.sub(r"(\w)://\S+", r"\1://…", raw))
