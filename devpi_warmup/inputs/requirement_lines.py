"""One line of a requirement or constraint file → :class:`RootRequirement`, by pip's rules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from devpi_warmup.inputs.requirements import RootRequirement
from devpi_warmup.inputs.targets import Target
from devpi_warmup.inputs.urls import redact, url_filename

if TYPE_CHECKING:
    from collections.abc import Sequence

VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HASHES = frozenset({"sha512", "sha384", "sha256", "sha224", "sha1", "md5"})
_VCS = re.compile(r"(git|hg|svn|bzr)(\+|:)", re.IGNORECASE)
_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar", ".egg")

_ANY_TARGET = Target("3.13", "win_amd64")
_ONE_INDEX = "there is one index: set DEVPI_INDEX, or index-url in [tool.devpi-warmup]"
_CONNECTION = "say it to pip's own configuration (PIP_TRUSTED_HOST, PIP_CERT, PIP_PROXY)"
OPTION_HINTS = {
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


class LineError(ValueError):
    """A line that cannot be used: what is the matter, and what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def root_requirement(
    specification: str, options: Sequence[str], where: str, raw: str
) -> RootRequirement:
    """Read a line.

    :param specification: what stands before its options, with variables filled in
    :param where: file and line
    :param raw: the line as it was written: messages show no more than that
    :raises LineError: it is not a requirement that can be had from an index
    """
    hashes = _hashes(options, raw)
    bare = specification.split(" ;", maxsplit=1)[0].split("; ", maxsplit=1)[0].strip()
    is_url = bare.lower().startswith(("http://", "https://"))
    if _VCS.match(bare):
        raise LineError(f"{show(raw)} is a VCS requirement", _UPLOAD)
    if not is_url and _is_path(bare):
        raise LineError(f"{show(raw)} is a local path", _UPLOAD)
    try:
        if is_url:
            return _bare_url(specification, bare, hashes, where)
        return _named(specification, hashes, where, raw)
    except LineError:
        raise
    except ValueError:  # of urlsplit: "http://[x/…"
        raise LineError(f"{show(raw)} has no valid URL", "check its host") from None


def _named(specification: str, hashes: frozenset[str], where: str, raw: str) -> RootRequirement:
    try:
        requirement = Requirement(specification)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        unset = VARIABLE.search(specification)
        hint = f"{unset[1]} is not set in the environment" if unset else 'like "project>=1.2"'
        if unset or "@" in raw:  # what a variable held, or a URL, may be secret
            reason = "it is not a valid requirement"
        raise LineError(f"{show(raw)} does not parse: {reason}", hint) from None
    if requirement.marker is not None:
        try:
            requirement.marker.evaluate(dict(_ANY_TARGET.markers))
        except (UndefinedComparison, UndefinedEnvironmentName) as error:
            hint = 'like sys_platform == "win32" or python_version < "3.11"'
            raise LineError(f"its marker cannot be evaluated: {error}", hint) from None
    if requirement.url is None:
        return RootRequirement(requirement, hashes, where)
    if _VCS.match(requirement.url):
        raise LineError(f"{requirement.name} is a VCS requirement", _UPLOAD)
    if urlsplit(requirement.url).scheme not in {"http", "https"}:
        raise LineError(f"{requirement.name} is a local path", _UPLOAD)
    return _wheel_url(requirement, requirement.url, hashes, where)


def _bare_url(specification: str, url: str, hashes: frozenset[str], where: str) -> RootRequirement:
    filename = url_filename(url)
    try:
        name = parse_wheel_filename(filename)[0]
    except InvalidWheelFilename:
        raise LineError(f"{redact(url)} is not the URL of a wheel", _UPLOAD) from None
    marker = specification[len(url) :].strip()
    return _named(f"{name} @ {url} {marker}".strip(), hashes, where, url)


def _wheel_url(
    requirement: Requirement, url: str, hashes: frozenset[str], where: str
) -> RootRequirement:
    try:
        name = parse_wheel_filename(url_filename(url))[0]
    except InvalidWheelFilename:
        raise LineError(f"{redact(url)} is not the URL of a wheel", _UPLOAD) from None
    if name != canonicalize_name(requirement.name):
        message = f"{requirement.name} is not the project of {url_filename(url)}"
        raise LineError(message, f"write {name} @ …")
    # As pip reads it (pip/_internal/models/link.py): parts in any order, the first hash counts.
    parts = [part.partition("=") for part in urlsplit(url).fragment.split("&")]
    for key, _, value in parts:
        if key == "egg" and canonicalize_name(value) != name:
            message = f"egg={value} is not the project of {url_filename(url)}"
            raise LineError(message, f"remove it, and write {name} @ …")
    hashed = next(((key, value) for key, _, value in parts if key in _HASHES), None)
    if hashed is not None:
        algorithm, value = hashed
        if algorithm != "sha256" or not _SHA256.fullmatch(value.lower()):
            message = f"the URL of {requirement.name} has no valid sha256 hash: {algorithm}="
            raise LineError(message, "#sha256= and 64 hexadecimal digits")
        hashes |= {value.lower()}
    return RootRequirement(requirement, hashes, where, url.partition("#")[0])


def _hashes(options: Sequence[str], raw: str) -> frozenset[str]:
    hashes: set[str] = set()
    position = 0
    while position < len(options):
        name, value = option(options[position:])
        position += 1 if "=" in options[position] else 2
        if name != "--hash":
            hint = OPTION_HINTS.get(name, "remove it: only --hash may follow a requirement")
            raise LineError(f"the option {name} is not allowed here", hint)
        algorithm, _, digest = value.partition(":")
        if algorithm != "sha256" or not _SHA256.fullmatch(digest.lower()):
            hint = "--hash=sha256: and 64 hexadecimal digits"
            raise LineError(f"{show(raw)} has no valid sha256 hash", hint)
        hashes.add(digest.lower())
    return frozenset(hashes)


def option(options: Sequence[str]) -> tuple[str, str]:
    """Return the first option of a line, and its value."""
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


def show(raw: str) -> str:
    """Show a line as written (variables unfilled), without what a URL may hide."""
    return repr(re.sub(r"(\w)://\S+", r"\1://…", raw))
