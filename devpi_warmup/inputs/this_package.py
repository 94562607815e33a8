"""The package itself as a wheel, made from its own files: one wheel however it was installed.

It needs no build backend and no network: what is written is what runs. An installed copy has its
METADATA beside it, a checkout its ``pyproject.toml``; both say the same of name, version and what
is required, and the rest of a wheel is written here (PEP 427). Nothing is compressed, since what
zlib writes differs from one system to the next.
"""

from __future__ import annotations

import atexit
import hashlib
import io
import shutil
import tempfile
import zipfile
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.markers import Marker
from packaging.metadata import parse_email
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import devpi_warmup
from devpi_warmup.errors import Problem
from devpi_warmup.inputs.own_wheels import OwnWheel
from devpi_warmup.inputs.toml import read_toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

NAME = canonicalize_name("devpi-warmup")
_MODULE = "devpi_warmup"
_SCRIPTS = "[console_scripts]\ndevpi-warmup = devpi_warmup.cli:main\n"
# What belongs to the package; beside it lie caches, and what editors leave in a checkout.
_KINDS = frozenset({".py", ".json", ".css", ".md", ".typed"})
_LICENSE = "LICENSE"
_GENERATOR = "Generator: devpi-warmup"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time that a zip can have
_HINT = "install devpi-warmup with pip, or run it from a checkout of its repository"


@dataclass(frozen=True)
class _About:
    """What is said of the package.

    :param metadata: the core metadata, as the wheel has it
    :param license: the text
    """

    metadata: bytes
    license: bytes


def build() -> tuple[str, bytes] | Problem:
    """Return the name and the bytes of the wheel, or why it cannot be made.

    Its build tag is of its content, so two states of one version are never taken for each other.
    """
    package = Path(devpi_warmup.__file__).parent
    try:
        about = _about(package)
        if isinstance(about, Problem):
            return about
        files = _files(package)
    except OSError as error:
        return Problem(f"this package cannot be read: {error.strerror}", "kit", _HINT)
    info = f"{_MODULE}-{devpi_warmup.__version__}.dist-info"
    files |= {
        f"{info}/METADATA": about.metadata,
        f"{info}/entry_points.txt": _SCRIPTS.encode(),
        f"{info}/licenses/{_LICENSE}": about.license,
    }
    tag = f"1x{_digest(files)[:8]}"
    files[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\n{_GENERATOR}\nRoot-Is-Purelib: true\n"
        f"Tag: py3-none-any\nBuild: {tag}\n"
    ).encode()
    name = f"{_MODULE}-{devpi_warmup.__version__}-{tag}-py3-none-any.whl"
    return name, _zip(files, f"{info}/RECORD")


@cache
def fingerprint() -> str:
    """Return a digest of this package's own files, which tells two states of one version apart.

    "" where they cannot be read.
    """
    try:
        return _digest(_files(Path(devpi_warmup.__file__).parent))
    except OSError:
        return ""


def _files(package: Path) -> dict[str, bytes]:
    return {
        path.relative_to(package.parent).as_posix(): path.read_bytes()
        for path in package.rglob("*")
        if path.suffix in _KINDS and path.is_file()
    }


def _digest(files: Mapping[str, bytes]) -> str:
    whole = hashlib.sha256()
    for path, data in sorted(files.items()):
        whole.update(f"{path} {hashlib.sha256(data).hexdigest()}\n".encode())
    return whole.hexdigest()


@cache
def own_wheel() -> OwnWheel | Problem:
    """Return the wheel as a file of this machine, which is removed when the process ends."""
    made = build()
    if isinstance(made, Problem):
        return made
    name, data = made
    try:
        folder = tempfile.mkdtemp(prefix="devpi-warmup-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        path = Path(folder, name)
        path.write_bytes(data)
    except OSError as error:
        hint = "make room where TMPDIR points, or name another folder in it"
        return Problem(
            f"the wheel of this package cannot be written: {error.strerror}", "kit", hint
        )
    return OwnWheel(path, NAME, hashlib.sha256(data).hexdigest(), itself=True)


def _about(package: Path) -> _About | Problem:
    """Read what there is: the ``pyproject.toml`` of a checkout, or what an installer has left.

    :raises OSError: it cannot be read
    """
    root = package.parent
    if (root / "pyproject.toml").is_file():
        table = read_toml(root / "pyproject.toml", "pyproject.toml of devpi-warmup")
        project: Any = table.get("project", {}) if isinstance(table, dict) else {}
        if canonicalize_name(str(project.get("name", ""))) == NAME:
            extras = project["optional-dependencies"]
            requires = (*project["dependencies"], *_of_extras(extras))
            about = project["description"], project["requires-python"], requires, extras
            return _About(_metadata(*about), (root / _LICENSE).read_bytes())
    info = root / f"{_MODULE}-{devpi_warmup.__version__}.dist-info"
    if not (info / "METADATA").is_file():
        message = f"nothing beside {_MODULE}/ says what this package requires"
        return Problem(f"the kit cannot hold this package: {message}", "kit", _HINT)
    data, text = (info / "METADATA").read_bytes(), (info / "licenses" / _LICENSE).read_bytes()
    if _GENERATOR in (info / "WHEEL").read_text(encoding="utf-8"):
        return _About(data, text)  # of this very form, whatever has written it then
    raw, _ = parse_email(data)
    needs, extras = raw.get("requires_dist", []), raw.get("provides_extra", [])
    written = _metadata(raw.get("summary", ""), raw.get("requires_python", ""), needs, extras)
    return _About(written, text)


def _of_extras(extras: Mapping[str, list[str]]) -> Iterator[str]:
    """Yield what extras require, as METADATA has it."""
    for extra, lines in extras.items():
        for line in lines:
            requirement = Requirement(line)
            marker = f'extra == "{extra}"'
            both = f"({requirement.marker}) and {marker}" if requirement.marker else marker
            requirement.marker = Marker(both)
            yield str(requirement)


def _metadata(summary: str, python: str, requires: Iterable[str], extras: Iterable[str]) -> bytes:
    """Write core metadata in one form, whatever it was read from."""
    lines = [
        "Metadata-Version: 2.4",
        "Name: devpi-warmup",
        f"Version: {devpi_warmup.__version__}",
        f"Summary: {summary}",
        "License-Expression: MIT",
        f"License-File: {_LICENSE}",
        f"Requires-Python: {python}",
        *sorted(f"Requires-Dist: {Requirement(line)}" for line in requires),
        *(f"Provides-Extra: {extra}" for extra in sorted(extras)),
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _zip(files: dict[str, bytes], record: str) -> bytes:
    """Return an archive of files, the list of them and their digests last."""
    lines = []
    for path, data in sorted(files.items()):
        digest = urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(data)}\n")
    everything = [*sorted(files.items()), (record, "".join([*lines, f"{record},,\n"]).encode())]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path, data in everything:
            member = zipfile.ZipInfo(path, _EPOCH)
            member.create_system, member.external_attr = 3, 0o100644 << 16  # as on every system
            archive.writestr(member, data)
    return buffer.getvalue()
