"""What is sent: the files of a wheelhouse, each with what its own metadata says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.metadata import RawMetadata, parse_email

from devpi_warmup.errors import FileError
from devpi_warmup.index.form import Form
from devpi_warmup.index.pages import IndexFile, parse_sdist, parse_wheel
from devpi_warmup.wheelhouse.about import SDIST_ERRORS, pkg_info
from devpi_warmup.wheelhouse.wheels import MAX_METADATA, read_metadata

if TYPE_CHECKING:
    from pathlib import Path

    from devpi_warmup.prove.server import Locked, LockedFile


@dataclass(frozen=True)
class Parcel:
    """A file, and the form that it is sent in.

    :param file: as the manifest has it, and as its bytes were found to be
    """

    file: LockedFile
    form: Form

    @property
    def name(self) -> str:
        """The filename."""
        return self.file.filename


def parcels(found: Locked) -> list[Parcel]:
    """Return every file of the covered cells, the smallest first: a refusal then comes soon.

    :raises FileError: the metadata of one cannot be read
    """
    folder = found.coverage.wheelhouse.path
    made = [Parcel(file, _form(file, folder / file.filename)) for file in found.files]
    return sorted(made, key=lambda parcel: (parcel.file.size, parcel.name))


def _form(file: LockedFile, path: Path) -> Form:
    """Return the form of a file (the "legacy" upload API, as servers and twine have it)."""
    listed = IndexFile(file.filename, "", file.sha256)
    wheel, sdist = parse_wheel(file.project, listed), parse_sdist(file.project, listed)
    raw: RawMetadata
    if wheel is not None:
        raw, _ = parse_email(read_metadata(path, wheel))
        kind, python = "bdist_wheel", file.filename.split("-")[-3]
    elif sdist is not None:
        raw, _ = parse_email(_pkg_info(path, file.filename))
        kind, python = "sdist", "source"
    else:
        hint = "warm up again"
        raise FileError(f"{file.filename} is no distribution of {file.project}", hint=hint)
    version = str((wheel or sdist).version)  # type: ignore[union-attr]
    said = raw.get("version", "")
    fields = (
        (":action", "file_upload"),
        ("protocol_version", "1"),
        ("metadata_version", raw.get("metadata_version", "2.1")),
        ("name", raw.get("name", str(file.project))),
        # A server looks for it in the filename, where it may be written in another way.
        ("version", said if said in file.filename else version),
        ("filetype", kind),
        ("pyversion", python),
        ("sha256_digest", file.sha256),
        # Without it a server tells pip that every Python will do.
        ("requires_python", raw.get("requires_python", "")),
        ("summary", raw.get("summary", "")),
    )
    return Form(tuple((n, " ".join(v.split())) for n, v in fields), path, file.filename)


def _pkg_info(path: Path, filename: str) -> bytes:
    """Return the PKG-INFO of an sdist; b"" where it has none, as very old ones do.

    :raises FileError: it is no archive
    """
    try:
        return (pkg_info(path) or b"")[:MAX_METADATA]
    except SDIST_ERRORS as error:
        raise FileError(f"{filename} cannot be unpacked: {error}", hint="warm up again") from None
