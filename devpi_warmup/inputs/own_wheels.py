"""Wheels of the user's own, on this machine: ``wheels = ["dist/*.whl"]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, NormalizedName, parse_wheel_filename

from devpi_warmup.digests import digest
from devpi_warmup.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True)
class OwnWheel:
    """A wheel of the user's own.

    :param sha256: of its bytes, when the configuration was read
    :param itself: whether it is this package
    """

    path: Path
    project: NormalizedName
    sha256: str
    itself: bool = False


def read_wheels(paths: Iterable[Path], problems: list[Problem]) -> tuple[OwnWheel, ...]:
    """Read wheels by their names and bytes.

    :param problems: takes the files that are no wheels, and names that stand there twice
    """
    found: dict[str, OwnWheel] = {}
    for path in paths:
        try:
            project = parse_wheel_filename(path.name)[0]
            own = OwnWheel(path, project, digest(path))
        except InvalidWheelFilename:
            hint = "build it with pip wheel or python -m build, and keep the name it gets"
            problems.append(Problem(f"{path.name} is not the name of a wheel", "wheels", hint))
            continue
        except OSError as error:
            message = f"{path.name} cannot be read: {error.strerror}"
            problems.append(Problem(message, "wheels"))
            continue
        before = found.setdefault(path.name, own)
        if before.sha256 != own.sha256:
            message = f"{path.name} is two different files"
            problems.append(Problem(message, "wheels", "name one of them"))
    return tuple(found.values())
