"""A wheel that is opened once for all that is wanted of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from devpi_warmup.wheelhouse.about import About, about_in
from devpi_warmup.wheelhouse.members import Members, members_in
from devpi_warmup.wheelhouse.wheels import Metadata, metadata_in, parse_metadata, unpacking

if TYPE_CHECKING:
    from pathlib import Path

    from devpi_warmup.index.pages import Wheel


@dataclass(frozen=True)
class Opened:
    """What is wanted of a wheel: what it requires, what it puts where, what it says of itself."""

    metadata: Metadata
    members: Members
    about: About


def open_wheel(path: Path, wheel: Wheel) -> Opened:
    """Read a wheel.

    :param path: where the file lies, perhaps under another name than its own
    :raises BrokenWheelError: its metadata is not what a wheel must have
    :raises DamagedWheelError: it is not a wheel
    """
    with unpacking(path, wheel) as archive:
        metadata = parse_metadata(metadata_in(archive, wheel), wheel)
        return Opened(metadata, members_in(archive), about_in(archive))
