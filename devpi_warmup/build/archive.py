"""What is in an sdist, looked at before anything is unpacked, and unpacked."""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from devpi_warmup.errors import WarmupError

MAX_FILES = 200_000
# Bytes unpacked: what is more than the first must not be over so many times what it was.
_UNSUSPICIOUS, _RATIO = 200 << 20, 50


_FILTERED = hasattr(tarfile, "data_filter")  # Python 3.10.12, 3.11.4: it looks through links


class ArchiveError(WarmupError):
    """An archive that must not be unpacked."""


def unpack(path: Path, filename: str, folder: Path) -> Path:
    """Unpack an sdist and return its one folder.

    :param filename: says what kind of archive it is
    :param folder: empty
    :raises ArchiveError: it would write elsewhere, is a bomb, or no archive
    """
    try:
        if filename.endswith(".zip"):
            _unzip(path, filename, folder)
        else:
            _untar(path, filename, folder)
    except ArchiveError:
        raise
    except OSError as error:
        if error.errno is not None:  # of the disk, not of the archive
            raise WarmupError(
                f"{filename} cannot be unpacked: {error.strerror}",
                hint="is there room where TMPDIR points?",
            ) from None
        raise _refused(filename, f"cannot be unpacked: {error}") from None
    except (
        *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
        *(ValueError, EOFError, RuntimeError),  # a password is wanted, or the method unknown
    ) as error:
        raise _refused(filename, f"cannot be unpacked: {error}") from None
    tops = sorted(folder.iterdir())
    if len(tops) != 1 or not tops[0].is_dir():
        raise _refused(filename, "has not one folder at its top, as an sdist must")
    return tops[0]


def _untar(path: Path, filename: str, folder: Path) -> None:
    with tarfile.open(path) as archive:
        members, total = list[tarfile.TarInfo](), 0
        for member in archive:
            if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
                raise _refused(filename, f"has a device or a pipe: {member.name}")
            _check_name(member.name, filename)
            if member.issym() or member.islnk():
                _check_link(member, filename)
            members.append(member)
            total += member.size
            _check_size(path, filename, len(members), total)
        for member in members:
            # Foreign owners stop setuptools in a namespace of users.
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            if _FILTERED:
                archive.extract(member, folder, filter="data")
            else:
                archive.extract(member, folder)


def _unzip(path: Path, filename: str, folder: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        for member in members:
            _check_name(member.filename, filename)
        _check_size(path, filename, len(members), sum(m.file_size for m in members))
        for member in members:
            archive.extract(member, folder)


def _check_name(name: str, filename: str) -> None:
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in name.partition("/")[0]:
        raise _refused(filename, f"would write outside its folder: {name}")


def _check_link(member: tarfile.TarInfo, filename: str) -> None:
    base = PurePosixPath(member.name).parent if member.issym() else PurePosixPath()
    depth = 0
    target = PurePosixPath(member.linkname)
    for part in (*base.parts, *target.parts):
        depth += -1 if part == ".." else 1
        if depth < 1:
            break
    if target.is_absolute() or depth < 1 or (".." in target.parts and not _FILTERED):
        raise _refused(filename, f"has a link out of its folder: {member.name}")


def _check_size(path: Path, filename: str, files: int, total: int) -> None:
    packed = path.stat().st_size
    if files > MAX_FILES:
        raise _refused(filename, f"has more than {MAX_FILES} files")
    if total > _UNSUSPICIOUS and total > _RATIO * packed:
        raise _refused(filename, f"would be over {total >> 20} MiB, and is {packed >> 10} KiB")


def _refused(filename: str, why: str) -> ArchiveError:
    return ArchiveError(
        f"{filename} {why}", hint="it is not what an sdist looks like: exclude that version"
    )
